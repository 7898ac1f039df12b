//! More connections than there may be.

use std::net::TcpStream;
use std::path::Path;

use super::{ask, https, tls};
use crate::edge::{get_bytes, typical_routes, websocket};
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
