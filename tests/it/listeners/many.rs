//! More connections than there may be.

use std::net::TcpStream;
use std::path::Path;

use super::{ask, https, proxy_protocol, tls};
use crate::edge::http2::{post, talk};
use crate::edge::{get_bytes, typical_routes, websocket};
use crate::support::foreign::has;
use crate::support::proxy::Launch;
use crate::support::{App, Connection, Proxy, config};

/// So many connections may be open, on all listeners together.
fn with_places(places: u64, app: &App, listen: &str, open: fn(&Proxy) -> Connection) -> Proxy {
    let runtime = format!("[runtime]\nthreads = 1\nmax_connections = {places}\n");
    let config = config(app.address, &typical_routes(&runtime));
    let proxy = Proxy::start(&config.replacen("http = [\"@PROXY@\"]", listen, 1));
    // The start looks whether somebody listens: once a later connection was served, that one is known, too.
    let refused = open(&proxy).request(get_bytes("/session/", ""));
    assert_eq!(refused.status, 401);
    proxy.wait_for_metric("connections", 0);
    assert_eq!(proxy.metric("connections_max"), places);
    assert_eq!(proxy.metric("connections_refused_total"), 0);
    proxy
}

fn plain(proxy: &Proxy) -> Connection {
    Connection::open(proxy.address)
}

#[test]
fn one_connection_too_many_is_closed_at_once_and_a_place_that_is_given_back_is_another_ones() {
    let app = App::start();
    let proxy = with_places(3, &app, "http = [\"@PROXY@\", \"unix:http.sock\"]", plain);
    let path = Path::new(&proxy.config_file()).with_file_name("http.sock");
    let open: [fn(&Proxy, &Path) -> Connection; 2] = [
        |proxy, _| Connection::open(proxy.address),
        |_, path| Connection::open_unix(path),
    ];
    let mut served = vec![
        Connection::open(proxy.address),
        Connection::open_unix(&path),
        Connection::open(proxy.address),
    ];
    for connection in &mut served {
        ask(connection, "");
    }
    assert_eq!(proxy.metric("connections"), 3);
    for (refused, open) in (1..).zip(open) {
        assert!(open(&proxy, &path).is_closed());
        assert_eq!(proxy.metric("connections_refused_total"), refused);
    }
    // Who has a place keeps it, whatever was refused.
    for connection in &mut served {
        ask(connection, "");
    }
    for open in open {
        served.remove(0);
        proxy.wait_for_metric("connections", 2);
        let mut next = open(&proxy, &path);
        ask(&mut next, "");
        served.push(next);
    }
    assert_eq!(proxy.metric("connections_refused_total"), 2);
    let is_told = |line: &serde_json::Value| line["max_connections"] == 3;
    let told = proxy.log_line(is_told);
    assert_eq!(told["level"], "WARN");
    // Once, and not for each.
    assert_eq!(proxy.printed().matches("max_connections").count(), 1);
    drop(served);
    proxy.wait_for_metric("connections", 0);
}

#[test]
fn a_client_that_never_begins_its_handshake_has_a_place_too() {
    let app = App::start();
    let proxy = with_places(3, &app, &https("app", ""), tls::open);
    let silent: Vec<_> = (0..3)
        .map(|_| TcpStream::connect(proxy.address).unwrap())
        .collect();
    proxy.wait_for_metric("connections", 3);
    assert!(Connection::open(proxy.address).is_closed());
    assert_eq!(proxy.metric("connections_refused_total"), 1);
    drop(silent);
    proxy.wait_for_metric("connections", 0);
}

#[test]
fn a_tunnel_keeps_its_place_until_it_ends() {
    let app = websocket::echo();
    // A tunnel may take some attempts.
    let proxy = with_places(100, &app, "http = [\"@PROXY@\"]", plain);
    let (_, tunnel) = websocket::open(&proxy, "/public/", "");
    proxy.wait_for_metric("connections", 1);
    drop(tunnel);
    proxy.wait_for_metric("connections", 0);
    let mut connection = Connection::open(proxy.address);
    assert_eq!(connection.request(get_bytes("/session/", "")).status, 401);
    assert_eq!(proxy.metric("connections"), 1);
}

#[test]
fn who_does_not_say_whose_connection_it_is_keeps_no_place() {
    let app = App::start();
    let listen = format!("{}\n{}", proxy_protocol::PLAIN, proxy_protocol::TRUSTED);
    let open = |proxy: &Proxy| proxy_protocol::open(proxy, proxy_protocol::V1);
    let proxy = with_places(3, &app, &listen, open);
    for _ in 0..4 {
        let mut other = proxy_protocol::open(&proxy, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(other.is_closed());
        proxy.wait_for_metric("connections", 0);
    }
    ask(&mut open(&proxy), "");
    assert_eq!(proxy.metric("connections_refused_total"), 0);
}

#[test]
fn a_connection_of_http2_has_one_place_for_all_its_streams() {
    let app = App::start();
    let proxy = with_places(3, &app, "http = [\"@PROXY@\"]", plain);
    talk(&proxy, async |mut client| {
        let mut streams = Vec::new();
        for _ in 0..5 {
            client = client.ready().await.unwrap();
            let request = post("/public/").body(()).unwrap();
            streams.push(client.send_request(request, false).unwrap());
        }
        while proxy.metric("requests_in_flight") < 5 {
            tokio::task::yield_now().await;
        }
        assert_eq!(proxy.metric("connections"), 1);
        for (answer, mut body) in streams {
            body.send_data("x".into(), true).unwrap();
            assert_eq!(answer.await.unwrap().status(), 200);
        }
    });
    proxy.wait_for_metric("connections", 0);
    assert_eq!(proxy.metric("connections_refused_total"), 0);
}

/// The process takes what it may of open files, and leaves half of them for connections to the app.
#[test]
fn without_a_number_there_are_as_many_as_the_open_files_allow() {
    if !has("without_a_number", &["prlimit"]) {
        return;
    }
    let app = App::start();
    let launch = Launch {
        through: &["prlimit", "--nofile=200:1000"],
        ..Launch::default()
    };
    let proxy = Proxy::launch(&config(app.address, &typical_routes("")), launch);
    assert_eq!(proxy.metric("connections_max"), (1000 - 64) / 2);
    assert!(!proxy.printed().contains("too few files"));

    let launch = Launch {
        through: &["prlimit", "--nofile=200:1000"],
        ..Launch::default()
    };
    let many = typical_routes("[runtime]\nmax_connections = 5000\n");
    let proxy = Proxy::launch(&config(app.address, &many), launch);
    assert_eq!(proxy.metric("connections_max"), 5000);
    let told = proxy.log_line(|line| line["files"] == 1000);
    assert_eq!(told["max_connections"], 5000);
}
