//! Which server is next.

use std::slice;
use std::sync::{Mutex, mpsc};

use tempfile::TempDir;

use super::front::Front;
use super::{answer, answered_by, count, http, is_healthy, named, proxy, turns, wait_until};
use crate::support::proxy::free_address;
use crate::support::{App, Connection, get};

#[test]
fn servers_take_turns() {
    let apps = [named("a"), named("b"), named("c")];
    let servers = apps.each_ref().map(|app| http(app.address));
    let proxy = proxy(&servers, "");
    let names = answered_by(&proxy, 30);
    for name in ["a", "b", "c"] {
        assert_eq!(count(&names, name), 10, "{names:?}");
    }
    let ready = get(proxy.ops, "/readyz", "").text();
    assert!(
        ready.contains("upstream app of site default: 3 of 3 healthy\n"),
        "{ready}"
    );
}

#[test]
fn a_server_that_dies_fails_no_request() {
    let apps = [named("a"), named("b"), named("c")];
    let dying = Front::tcp(free_address(), apps[2].address);
    let servers = [apps[0].address, apps[1].address, dying.address].map(http);
    // So rarely that connections alone must tell.
    let proxy = proxy(&servers, "health = { interval = \"1h\" }");
    assert_eq!(count(&answered_by(&proxy, 30), "c"), 10);
    drop(dying);
    let names = answered_by(&proxy, 60);
    assert_eq!(count(&names, "c"), 0);
    assert!(!is_healthy(&proxy, &servers[2]));
    assert!(is_healthy(&proxy, &servers[0]) && is_healthy(&proxy, &servers[1]));
    assert_eq!(turns(&proxy), (1, 0));
    let ready = get(proxy.ops, "/readyz", "");
    assert_eq!(ready.status, 200);
    let line = format!(
        "upstream app of site default: 2 of 3 healthy; out: {}\n",
        servers[2]
    );
    assert!(ready.text().contains(&line), "{ready:?}");
}

#[test]
fn a_server_comes_back_by_its_checks() {
    let apps = [named("a"), named("b")];
    let address = free_address();
    let servers = [apps[0].address, address].map(http);
    let proxy = proxy(
        &servers,
        "health = { interval = \"1s\", healthy_after = 1 }",
    );
    wait_until(&proxy, &servers[1], false);
    assert_eq!(count(&answered_by(&proxy, 10), "a"), 10);
    let _back = Front::tcp(address, apps[1].address);
    wait_until(&proxy, &servers[1], true);
    assert_eq!(count(&answered_by(&proxy, 10), "b"), 5);
    assert_eq!(turns(&proxy), (1, 1));
}

/// Each request holds its server until it is told to end.
#[test]
fn the_server_with_the_fewest_requests_is_next_where_that_is_asked_for() {
    let (arrival, arrived) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let note = Mutex::new(arrival.clone());
    let slow = App::with(move |request, stream| {
        if request.target == "/hold" {
            note.lock().unwrap().send("slow").unwrap();
            let _ = released.lock().unwrap().recv();
        }
        answer(stream, "slow")
    });
    let note = Mutex::new(arrival);
    let other = App::with(move |_, stream| {
        let _ = note.lock().unwrap().send("other");
        answer(stream, "other")
    });
    let servers = [http(slow.address), http(other.address)];
    let proxy = proxy(&servers, "balance = \"least_requests\"");
    let mut held = Connection::open(proxy.address);
    let hold = "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n";
    held.write(hold);
    while arrived.recv().unwrap() != "slow" {
        // With no load on either they take turns.
        held.read_response(false).unwrap();
        held.write(hold);
    }
    // On one connection, where a request begins when the one before it is over for the proxy, too.
    let mut others = Connection::open(proxy.address);
    let mut answers = || {
        let ask = |_| others.request("GET / HTTP/1.1\r\nHost: a\r\n\r\n").text();
        (0..10).map(ask).collect::<Vec<_>>()
    };
    let names = answers();
    assert_eq!(count(&names, "other"), 10, "{names:?}");
    release.send(()).unwrap();
    assert_eq!(held.read_response(false).unwrap().text(), "slow");
    // The load of a request ends with it.
    proxy.wait_for_metric("requests_in_flight", 0);
    let names = answers();
    assert_eq!(count(&names, "slow"), 5, "{names:?}");
}

#[test]
fn a_unix_socket_is_a_server_like_others() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("app.sock");
    let app = named("unix");
    let front = Front::unix(&path, app.address);
    let server = format!("unix:{}", path.display());
    let one = proxy(slice::from_ref(&server), "");
    assert_eq!(answered_by(&one, 3), ["unix", "unix", "unix"]);
    assert_eq!(app.next().header("host"), Some("localhost"));
    assert!(is_healthy(&one, &server));

    drop(front);
    std::fs::remove_file(&path).unwrap();
    let other = named("tcp");
    let both = proxy(&[server.clone(), http(other.address)], "");
    assert_eq!(count(&answered_by(&both, 10), "tcp"), 10);
    let alone = proxy(&[server], "");
    let response = get(alone.address, "/", "");
    assert_eq!(
        (response.status, response.code().as_str()),
        (502, "upstream_unreachable")
    );
}

/// `localhost` is two addresses on many machines, and an app listens on one of them.
#[test]
fn a_server_may_be_a_name_whose_addresses_are_not_all_good() {
    let app = named("local");
    let server = format!("http://localhost:{}", app.address.port());
    let proxy = proxy(slice::from_ref(&server), "");
    assert_eq!(count(&answered_by(&proxy, 20), "local"), 20);
    assert!(is_healthy(&proxy, &server));
}
