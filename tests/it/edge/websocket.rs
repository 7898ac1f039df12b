//! WebSocket tunnels.
//!
//! A tunnel may be torn down right after its 101 when the app answers before the proxy has handled the (empty) body of
//! the upgrade request (pingora issue 946). Nothing outside the framework mends it, so clients must connect again,
//! as they must after any network fault; the tests do so too.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::{assert_identity, assert_no_identity, route, typical};
use crate::support::tokens::{bearer, session};
use crate::support::{App, Connection, Proxy, Response, config, get};

#[test]
fn a_tunnel_carries_bytes_both_ways() {
    let app = echo();
    let proxy = typical(&app, "");
    let (answer, mut tunnel) = open(&proxy, "/inject/all", &bearer("alice"));
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    let ours = answer
        .headers
        .iter()
        .any(|(name, _)| name.starts_with("x-chat"));
    assert!(!ours && answer.header("set-cookie").is_none(), "{answer:?}");
    for length in [1, 5, 100_000] {
        let sent = vec![b'x'; length];
        tunnel.write(&sent);
        assert_eq!(tunnel.read_bytes(length), sent);
    }
    let request = app.seen().pop().unwrap();
    assert_identity(&request, "alice");
    assert_eq!(request.header("upgrade"), Some("websocket"));
    assert_eq!(request.header("connection"), Some("Upgrade"));
}

#[test]
fn p4_an_upgrade_is_judged_like_any_request() {
    let app = echo();
    let proxy = typical(&app, "");
    for (path, lines, status, code) in [
        ("/session/", String::new(), 401, "token_missing"),
        (
            "/session/",
            "Authorization: Bearer no.token\r\n".to_owned(),
            401,
            "token_invalid",
        ),
        ("/deny/", bearer("alice"), 404, "route_not_found"),
        (
            "/public/../session/",
            bearer("alice"),
            400,
            "path_ambiguous",
        ),
        ("/_chat/ws", bearer("alice"), 404, "route_not_found"),
    ] {
        let response = Connection::open(proxy.address).request(upgrade(path, &lines));
        assert_eq!(
            (response.status, response.code().as_str()),
            (status, code),
            "{path}"
        );
    }
    assert!(app.seen().is_empty());
    open(&proxy, "/session/", &bearer("alice"));
}

#[test]
fn h13_an_upgrade_brings_no_identity_along() {
    let app = echo();
    let proxy = typical(&app, "");
    let forged = "X-Chat-UserID: root\r\nX_Chat_UserSig: forged\r\nX-Forwarded-For: 192.0.2.1\r\n";
    open(&proxy, "/public/", forged);
    let request = app.seen().pop().unwrap();
    assert_no_identity(&request);
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));

    open(
        &proxy,
        "/inject/request",
        &format!("{forged}{}", bearer("alice")),
    );
    assert_identity(&app.seen().pop().unwrap(), "alice");
}

#[test]
fn a_token_in_the_query_counts_on_an_upgrade_alone() {
    let app = echo();
    let config = config(app.address, &super::typical_routes(""));
    let cookie = "{ cookie = \"session\" }";
    let proxy =
        Proxy::start(&config.replace(cookie, &format!("{cookie}, {{ query = \"access_token\" }}")));
    let target = format!("/inject/request?room=1&access_token={}", session("alice"));
    open(&proxy, &target, "");
    assert_identity(&app.seen().pop().unwrap(), "alice");

    for not_quite in [
        "",
        "Upgrade: websocket\r\n",
        "Upgrade: websocket\r\nConnection: keep-alive\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
    ] {
        assert_eq!(
            get(proxy.address, &target, not_quite).status,
            401,
            "{not_quite}"
        );
    }
    let post = upgrade(&target, "").replacen("GET", "POST", 1);
    assert_eq!(Connection::open(proxy.address).request(post).status, 401);
    assert!(app.seen().is_empty());
    // That no line of the log holds the token is searched when the proxy is dropped.
    let line = proxy.log_line(|line| line["status"] == 101);
    assert_eq!(line["path"], "/inject/request");
}

#[test]
fn limits_of_a_body_do_not_end_a_tunnel() {
    let app = echo();
    let proxy = typical(&app, "[runtime]\nmax_body = \"1KiB\"\n");
    let (_, mut tunnel) = open(&proxy, "/public/", "");
    let sent = vec![b'x'; 64 * 1024];
    tunnel.write(&sent);
    assert_eq!(tunnel.read_bytes(sent.len()), sent);
}

/// A failed app ends the tunnel; no byte of ours is ever put into it.
#[test]
fn a_tunnel_that_the_app_cuts_ends_without_a_word() {
    for reset in [false, true] {
        let app = App::with(move |_, stream| {
            switch(stream);
            let mut greeting = [0; 5];
            let _ = stream.read_exact(&mut greeting);
            let _ = stream.write_all(b"bye");
            if reset {
                // An unread byte turns the close into a reset.
                let mut more = [0];
                let _ = stream.peek(&mut more);
            }
            false
        });
        let proxy = typical(&app, "");
        let (_, mut tunnel) = until(&proxy, &upgrade("/public/", ""), |tunnel| {
            tunnel.write("hello");
            tunnel
                .try_read_bytes(3)
                .is_some_and(|bytes| bytes == b"bye")
        });
        tunnel.write("more");
        assert!(tunnel.is_closed(), "reset: {reset}");
        proxy.log_line(|line| line["status"] == 101);
    }
}

/// What follows a request before its 101 is no tunnel yet (Pingora CVE-2026-2833).
#[test]
fn p1_bytes_before_the_101_are_never_forwarded_as_they_are() {
    // An app that does not switch.
    let app = App::start();
    let proxy = typical(&app, "");
    let mut connection = Connection::open(proxy.address);
    let smuggled = super::get_bytes("/session/smuggled", "");
    let response = connection.request(format!("{}{smuggled}", upgrade("/public/", "")));
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    assert!(connection.is_closed());
    let targets: Vec<_> = app
        .seen()
        .into_iter()
        .map(|request| request.target)
        .collect();
    assert_eq!(targets, ["/public/"]);
}

#[test]
fn another_protocol_is_not_switched_to() {
    let app = App::start();
    let proxy = typical(&app, "");
    for lines in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n",
        "Upgrade: websocket\r\n",
    ] {
        assert_eq!(get(proxy.address, "/public/", lines).status, 200, "{lines}");
        let request = app.next();
        for name in ["connection", "upgrade", "http2-settings"] {
            assert_eq!(request.header(name), None, "{lines}");
        }
    }
}

/// Pingora issue 946: an app on the same machine that answers at once. Of [`ATTEMPTS`] tunnels some are torn
/// down (50 of 1000 were seen in one run); a torn one closes and carries no foreign byte. All others work.
#[test]
fn a_tunnel_to_an_instant_app_works_or_closes() {
    let app = echo();
    let proxy = typical(&app, "");
    let mut worked = 0;
    for _ in 0..ATTEMPTS {
        let mut tunnel = Connection::open(proxy.address);
        let answer = tunnel.request(upgrade("/public/", ""));
        assert_eq!(answer.status, 101);
        tunnel.write("ping");
        match tunnel.try_read_bytes(4) {
            Some(bytes) => {
                assert_eq!(bytes, b"ping");
                worked += 1;
            }
            None => assert!(tunnel.is_closed()),
        }
    }
    // How many are torn is up to the machine.
    assert!(worked > 0);
}

#[test]
fn a_websocket_route_can_be_public_for_upgrades_of_one_host() {
    let app = echo();
    let routes = [
        "default_access = \"deny\"\n".to_owned(),
        route(
            "host = \"localhost\", path = \"/ws\"",
            "session",
            &["request_headers"],
        ),
    ];
    let proxy = Proxy::in_front_of(&app, &routes.concat());
    open(&proxy, "/ws", &bearer("alice"));
    let other = upgrade("/ws", &bearer("alice")).replace("localhost", "other.example");
    assert_eq!(Connection::open(proxy.address).request(other).status, 404);
}

/// An app that switches and then sends back what it gets.
pub(crate) fn echo() -> App {
    App::with(|request, stream| {
        if request.header("upgrade") != Some("websocket") {
            return super::ok(stream);
        }
        switch(stream);
        let mut reader = stream.try_clone().unwrap();
        let _ = std::io::copy(&mut reader, stream);
        let _ = stream.shutdown(Shutdown::Both);
        false
    })
}

fn switch(stream: &mut TcpStream) {
    let _ = stream.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
}

pub(crate) fn upgrade(target: &str, lines: &str) -> String {
    super::get_bytes(
        target,
        &format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}"
        ),
    )
}

/// A tunnel to [`echo`] through which one byte has come back.
pub(crate) fn open(proxy: &Proxy, target: &str, lines: &str) -> (Response, Connection) {
    until(proxy, &upgrade(target, lines), |tunnel| {
        tunnel.write("?");
        tunnel.try_read_bytes(1).is_some()
    })
}

/// Asks again until a tunnel works.
fn until(
    proxy: &Proxy,
    request: &str,
    works: impl Fn(&mut Connection) -> bool,
) -> (Response, Connection) {
    for _ in 0..ATTEMPTS {
        let mut tunnel = Connection::open(proxy.address);
        let answer = tunnel.request(request);
        assert_eq!(answer.status, 101, "{answer:?}");
        if works(&mut tunnel) {
            return (answer, tunnel);
        }
    }
    panic!("no tunnel in {ATTEMPTS} attempts");
}

pub(crate) const ATTEMPTS: u32 = 100;
