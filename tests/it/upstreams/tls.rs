//! Servers that speak TLS: whose certificate is good, and whose is not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use super::front::{Certificate, Front, Handshake, key_file};
use super::{configured, https, named, proxy};
use crate::edge::websocket;
use crate::support::{Connection, Proxy, get};

fn ca(name: &str) -> String {
    format!("ca = {:?}\n", key_file(name))
}

fn good_ca() -> String {
    ca("upstreams/ca.pem")
}

const NAMED: &str = "server_name = \"app.internal\"\n";

#[test]
fn a_server_is_known_by_its_name_or_its_address() {
    for (certificate, lines, asked) in [
        (Certificate::App, NAMED, Some("app.internal")),
        (Certificate::Address, "", None),
    ] {
        let app = named("hello");
        let front = Front::tls(certificate, &[], app.address);
        let proxy = proxy(&[https(front.address)], &format!("{}{lines}", good_ca()));
        let response = get(proxy.address, "/", "X-One: 1\r\n");
        assert_eq!((response.status, response.text().as_str()), (200, "hello"));
        // The app sees the host that the client asked for.
        assert_eq!(app.next().header("host"), Some("localhost"));
        let name = asked.map(str::to_owned);
        assert_eq!(front.handshakes()[0].name, name, "SNI");
    }
}

#[test]
fn whatever_is_wrong_with_a_certificate_is_a_502_and_the_log_says_what() {
    for (case, certificate, lines, reason) in [
        (
            "another name",
            Certificate::App,
            format!("{}server_name = \"other.internal\"\n", good_ca()),
            "not valid for name",
        ),
        (
            "no address in it",
            Certificate::App,
            good_ca(),
            "not valid for name",
        ),
        (
            "the name of another host",
            Certificate::Address,
            format!("{}{NAMED}", good_ca()),
            "not valid for name",
        ),
        (
            "an unknown issuer",
            Certificate::App,
            NAMED.to_owned(),
            "UnknownIssuer",
        ),
        (
            "another issuer",
            Certificate::App,
            format!("{}{NAMED}", ca("key-server/ca.pem")),
            "UnknownIssuer",
        ),
        (
            "expired",
            Certificate::Expired,
            format!("{}{NAMED}", good_ca()),
            "expired",
        ),
    ] {
        let app = named("hello");
        let front = Front::tls(certificate, &[], app.address);
        let proxy = proxy(&[https(front.address)], &lines);
        let response = get(proxy.address, "/", "");
        assert_eq!(
            (response.status, response.code().as_str()),
            (502, "upstream_unreachable"),
            "{case}"
        );
        let line = proxy.log_line(|line| line["path"] == "/");
        let logged = line["reason"].as_str().unwrap_or_default();
        assert!(logged.contains(reason), "{case}: {logged}");
        assert_eq!(line["server"], https(front.address), "{case}");
        assert!(app.seen().is_empty(), "{case}");
    }
}

#[test]
fn plain_text_where_tls_belongs_is_a_502_and_so_is_tls_where_plain_text_does() {
    let app = named("hello");
    let lines = format!("{}{NAMED}", good_ca());
    let expecting_tls = proxy(&[https(plain_text())], &lines);
    let response = get(expecting_tls.address, "/", "");
    assert_eq!(
        (response.status, response.code().as_str()),
        (502, "upstream_unreachable")
    );
    let line = expecting_tls.log_line(|line| line["path"] == "/");
    assert!(line["reason"].as_str().unwrap().contains("TLS"), "{line}");

    let front = Front::tls(Certificate::App, &[], app.address);
    let expecting_text = proxy(&[super::http(front.address)], "");
    let response = get(expecting_text.address, "/", "");
    assert_eq!(
        (response.status, response.code().as_str()),
        (502, "upstream_invalid")
    );
    assert!(app.seen().is_empty());
}

/// A server that answers whatever it reads as one of HTTP/1 does.
fn plain_text() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    address
}

/// The framework keeps connections by address and name: one that was made under one upstream's roots must not carry the
/// requests of another, which would never have made it.
#[test]
fn a_connection_under_other_roots_is_never_shared() {
    let app = named("hello");
    let front = Front::tls(Certificate::App, &[], app.address);
    let server = https(front.address);
    let strict = format!(
        "[[upstream]]\nname = \"strict\"\nservers = [{server:?}]\n{}{NAMED}[chat]",
        ca("key-server/ca.pem"),
    );
    // One thread, and each request after the end of the one before: no connection is asked for while that is let go.
    let route = "[[route]]\nmatch = { path = \"/strict\" }\naccess = \"public\"\nupstream = \"strict\"\n\
                 [runtime]\nthreads = 1\n";
    let text = configured(&[server], &format!("{}{NAMED}", good_ca()), route);
    let proxy = Proxy::start(&text.replace("[chat]", &strict));
    for number in 1..=3 {
        for (path, status) in [("/", 200), ("/strict", 502)] {
            assert_eq!(get(proxy.address, path, "").status, status);
            proxy.log_lines(number, |line| line["path"] == path);
        }
    }
    assert_eq!(front.handshakes().len(), 1, "the good one is kept");
}

#[test]
fn a_websocket_goes_over_http1_also_where_http2_is_on() {
    let app = websocket::echo();
    let front = Front::tls(Certificate::App, &["h2", "http/1.1"], app.address);
    let proxy = proxy(
        &[https(front.address)],
        &format!("{}{NAMED}http2 = \"auto\"", good_ca()),
    );
    let (answer, mut tunnel) = websocket::open(&proxy, "/", "");
    assert_eq!(answer.status, 101);
    tunnel.write(b"ping");
    assert_eq!(tunnel.read_bytes(4), b"ping");
    let protocols = front
        .handshakes()
        .into_iter()
        .map(|one: Handshake| one.protocol);
    assert!(protocols.flatten().all(|protocol| protocol == "http/1.1"));
    let _: Connection = tunnel;
}
