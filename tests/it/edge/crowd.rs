//! What becomes of requests when there are too many of them.

use std::sync::{Arc, Condvar, Mutex};

use super::{get_bytes, ok, snapshot, typical};
use crate::support::tokens::{authorization, session};
use crate::support::{App, Connection, Proxy, Response, get};

/// An app that holds answers back below `/session/hold` until the gate is opened.
fn holding() -> (App, Gate) {
    let gate = Gate::default();
    let held = gate.clone();
    let app = App::with(move |request, stream| {
        if request.target.starts_with("/session/hold") {
            held.wait();
        }
        ok(stream)
    });
    (app, gate)
}

#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let is_closed = |is_open: &mut bool| !*is_open;
        let guard = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(guard, is_closed).unwrap());
    }
}

/// Begins a request that reaches the app and is held there.
fn hold(app: &App, proxy: &Proxy, header: &str) -> Connection {
    let mut connection = Connection::open(proxy.address);
    connection.write(get_bytes("/session/hold", header));
    app.next();
    connection
}

/// A place is free a moment after its client has the answer.
fn wait_until_in_flight(proxy: &Proxy, count: usize) {
    let line = format!("usersig_proxy_requests_in_flight {count}\n");
    while !get(proxy.ops, "/metrics", "").text().contains(&line) {}
}

fn assert_overloaded(response: &Response) {
    assert_eq!(snapshot(response), OVERLOADED);
}

const OVERLOADED: &str = r#"503 Service Unavailable
content-type: application/problem+json
x-request-id: <id>
retry-after: 1
cache-control: no-store
x-content-type-options: nosniff
content-length: 197
connection: keep-alive

{"type":"about:blank","title":"Service Unavailable","status":503,"code":"overloaded","detail":"There are too many requests at the moment. Try again.","requestId":"<id>"}"#;

#[test]
fn the_last_places_are_for_users_who_are_known_and_beyond_them_nobody_is_served() {
    let (app, gate) = holding();
    let proxy = typical(&app, "[runtime]\nmax_requests = 10\n");
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|user| authorization(&session(user)));
    let ask = |held: usize, path: &str, header: &str| {
        wait_until_in_flight(&proxy, held);
        get(proxy.address, path, header)
    };
    assert_eq!(ask(0, "/session/", &alice).status, 200);
    app.next();
    let mut held: Vec<_> = (0..8).map(|_| hold(&app, &proxy, &alice)).collect();
    for (path, header) in [("/session/", &*bob), ("/public/", "")] {
        assert_eq!(ask(8, path, header).status, 200, "the ninth at {path}");
        app.next();
    }

    held.push(hold(&app, &proxy, &alice));
    assert_overloaded(&ask(9, "/session/", &carol));
    assert_overloaded(&ask(9, "/public/", ""));
    assert!(app.seen().is_empty());
    for known in [&alice, &bob, &carol] {
        // The last of them is since the refusal.
        assert_eq!(ask(9, "/session/", known).status, 200, "the tenth");
        app.next();
    }

    wait_until_in_flight(&proxy, 9);
    held.push(hold(&app, &proxy, &alice));
    let mut kept = Connection::open(proxy.address);
    for _ in 0..2 {
        wait_until_in_flight(&proxy, 10);
        assert_overloaded(&kept.request(get_bytes("/session/", &alice)));
    }
    assert!(app.seen().is_empty());

    gate.open();
    for mut held in held {
        assert_eq!(held.read_response(false).unwrap().status, 200);
    }
    wait_until_in_flight(&proxy, 0);
    assert_eq!(kept.request(get_bytes("/session/", &alice)).status, 200);
}

#[test]
fn a_websocket_connection_takes_no_place() {
    let app = App::with(|request, stream| match request.header("upgrade") {
        Some(_) => {
            use std::io::Write;
            stream
                .write_all(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
                )
                .is_ok()
        }
        None => ok(stream),
    });
    let proxy = typical(&app, "[runtime]\nmax_requests = 1\n");
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut tunnels = Vec::new();
    for _ in 0..3 {
        wait_until_in_flight(&proxy, 0);
        let mut connection = Connection::open(proxy.address);
        connection.write(get_bytes("/public/ws", upgrade));
        assert_eq!(connection.read_response(true).unwrap().status, 101);
        tunnels.push(connection);
    }
    wait_until_in_flight(&proxy, 0);
    assert_eq!(get(proxy.address, "/public/", "").status, 200);
}
