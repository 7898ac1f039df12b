//! The PROXY protocol on plain and TLS listeners.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Mutex, mpsc};
use std::thread;

use rustls::version::{TLS12, TLS13};

use super::{FORGED, ask, behind, told};
use crate::edge::http2::{exchange, post, talk_over};
use crate::support::client::HANG;
use crate::support::proxy::free_address;
use crate::support::tls::{client, connect, handshake, pair};
use crate::support::{App, Connection, Proxy, config};

pub(super) const PLAIN: &str = "http = [{ address = \"@PROXY@\", proxy_protocol = true }]";
pub(super) const TRUSTED: &str = "trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]";

fn plain(app: &App) -> Proxy {
    behind(app, &format!("{PLAIN}\n{TRUSTED}"))
}

/// A connection that starts with these bytes.
fn start(address: SocketAddr, header: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream.write_all(header).unwrap();
    stream
}

pub(super) fn open(proxy: &Proxy, header: &[u8]) -> Connection {
    Connection::over(start(proxy.address, header))
}

fn v2(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16).to_be_bytes();
    [
        b"\r\n\r\n\0\r\nQUIT\n",
        &[command, family][..],
        &length,
        content,
    ]
    .concat()
}

pub(super) const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n";

/// IPv4 with a TLV of three bytes behind it.
fn v2_tcp4() -> Vec<u8> {
    let tlv = [4, 0, 3, 1, 2, 3];
    v2(
        0x21,
        0x11,
        &[&[192, 0, 2, 1, 198, 51, 100, 1, 1, 2, 3, 4][..], &tlv].concat(),
    )
}

#[test]
fn the_source_of_a_header_is_the_client() {
    let app = App::start();
    let proxy = plain(&app);
    let mut v6 = vec![0x20, 1, 0xd, 0xb8];
    v6.resize(36, 0);
    for (name, header, client) in [
        ("v1", V1.to_vec(), Some("192.0.2.1")),
        (
            "v1 IPv6",
            b"PROXY TCP6 2001:db8::5 ::1 1 2\r\n".to_vec(),
            Some("2001:db8::5"),
        ),
        ("v2", v2_tcp4(), Some("192.0.2.1")),
        ("v2 IPv6", v2(0x21, 0x21, &v6), Some("2001:db8::")),
        // The balancer's own connection.
        ("v2 LOCAL", v2(0x20, 0, &[]), Some("127.0.0.1")),
        // Somebody whose address nobody tells: certainly not the balancer.
        ("v1 UNKNOWN", b"PROXY UNKNOWN\r\n".to_vec(), None),
        ("v2 UNSPEC", v2(0x21, 0, &[]), None),
        ("v2 unix", v2(0x21, 0x31, &[0; 216]), None),
    ] {
        let mut connection = open(&proxy, &header);
        // Twice: the address belongs to the connection.
        for path in ["/public/1", "/public/2"] {
            let response = connection.request(crate::edge::get_bytes(path, ""));
            assert_eq!(response.status, 200, "{name}");
            let request = app.next();
            assert_eq!(
                told(&request),
                [client, Some("http"), Some("localhost")],
                "{name}"
            );
            let id = request.header("x-request-id").unwrap();
            let line = proxy.log_line(|line| line["request_id"] == id);
            assert_eq!(line["client"].as_str(), client, "{name}");
        }
    }
}

#[test]
fn h9_a_client_behind_a_header_is_not_believed() {
    let app = App::start();
    let proxy = plain(&app);
    for (header, client) in [
        (V1.to_vec(), Some("192.0.2.1")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (v2(0x21, 0x31, &[0; 216]), None),
    ] {
        ask(&mut open(&proxy, &header), FORGED);
        assert_eq!(told(&app.next()), [client, Some("http"), Some("localhost")]);
    }
    // A trusted proxy behind the balancer is.
    let header = b"PROXY TCP4 10.0.0.7 198.51.100.1 1 2\r\n";
    let lines = "X-Forwarded-For: 203.0.113.1, 192.0.2.9\r\nX-Forwarded-Proto: https\r\n";
    ask(&mut open(&proxy, header), lines);
    assert_eq!(
        told(&app.next()),
        [
            Some("192.0.2.9, 10.0.0.7"),
            Some("https"),
            Some("localhost")
        ]
    );
}

#[test]
fn what_is_no_header_closes_the_connection() {
    let app = App::start();
    let proxy = plain(&app);
    let request = crate::edge::get_bytes("/public/", "");
    for (name, header) in [
        ("none", Vec::new()),
        (
            "v1 of two families",
            b"PROXY TCP4 2001:db8::1 ::1 1 2\r\n".to_vec(),
        ),
        (
            "v1 bare line feed",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n".to_vec(),
        ),
        (
            "v1 too long",
            [&b"PROXY UNKNOWN "[..], &[b'x'; 200], b"\r\n"].concat(),
        ),
        ("v2 of version 3", v2(0x31, 0x11, &[0; 12])),
        ("v2 too short", v2(0x21, 0x11, &[0; 11])),
        ("v2 too long", v2(0x21, 0x11, &[0; 5000])),
        ("v2 datagram", v2(0x21, 0x12, &[0; 12])),
    ] {
        let mut connection = open(&proxy, &header);
        connection.write(&request);
        assert!(connection.is_closed(), "{name}");
    }
    // One header is taken, and a second is not HTTP.
    let mut twice = open(&proxy, &[V1, V1].concat());
    twice.write(&request);
    assert_ne!(
        twice.read_response(false).map(|response| response.status),
        Some(200)
    );
    assert!(app.seen().is_empty());
    ask(&mut open(&proxy, V1), "");
}

#[test]
fn h9_a_header_of_a_stranger_closes_the_connection() {
    let app = App::start();
    let proxy = behind(
        &app,
        &format!("{PLAIN}\ntrusted_proxies = [\"192.0.2.0/24\", \"unix\"]"),
    );
    for header in [V1.to_vec(), v2_tcp4(), v2(0x20, 0, &[]), Vec::new()] {
        let mut connection = open(&proxy, &header);
        connection.write(crate::edge::get_bytes("/public/", ""));
        assert!(connection.is_closed(), "{header:?}");
    }
    assert!(app.seen().is_empty());
    proxy.text_line(|line| line.contains("connection closed: not from a trusted proxy"));
}

#[test]
fn h9_a_listener_that_asks_for_no_header_takes_none() {
    let app = App::start();
    let other = free_address();
    let listen = format!(
        "http = [\"@PROXY@\", {{ address = \"{other}\", proxy_protocol = true }}]\n{TRUSTED}"
    );
    let proxy = behind(&app, &listen);
    ask(&mut Connection::open(proxy.address), "");
    assert_eq!(told(&app.next())[0], Some("127.0.0.1"));
    ask(&mut Connection::over(start(other, V1)), "");
    assert_eq!(told(&app.next())[0], Some("192.0.2.1"));
    let mut wrong = open(&proxy, V1);
    wrong.write(crate::edge::get_bytes("/public/", ""));
    let status = wrong.read_response(false).map(|response| response.status);
    assert_ne!(status, Some(200));
    assert!(app.seen().is_empty());
}

#[test]
fn a_header_comes_before_tls() {
    let app = App::start();
    let tls = format!(
        "https = [{{ address = \"@PROXY@\", {}, proxy_protocol = true }}]\n{TRUSTED}",
        pair("app")
    );
    let proxy = behind(&app, &tls);
    for (header, client_address) in [
        (V1.to_vec(), Some("192.0.2.1")),
        (v2_tcp4(), Some("192.0.2.1")),
        (v2(0x20, 0, &[]), Some("127.0.0.1")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
    ] {
        for version in [&TLS12, &TLS13] {
            let stream = start(proxy.address, &header);
            let config = client(&[version], &["http/1.1"]);
            let mut connection = Connection::over(handshake(stream, "localhost", config).unwrap());
            let forged = FORGED;
            if client_address == Some("127.0.0.1") {
                ask(&mut connection, "");
            } else {
                ask(&mut connection, forged);
            }
            assert_eq!(
                told(&app.next()),
                [client_address, Some("https"), Some("localhost")]
            );
        }
    }
    let config = || client(&[&TLS13], &[]);
    assert!(
        connect(proxy.address, "localhost", config()).is_err(),
        "no header"
    );
    let malformed = start(proxy.address, b"PROXY TCP4 x y 1 2\r\n");
    assert!(handshake(malformed, "localhost", config()).is_err());

    let strangers = behind(
        &app,
        &tls.replace(TRUSTED, "trusted_proxies = [\"192.0.2.0/24\"]"),
    );
    let stream = start(strangers.address, V1);
    assert!(handshake(stream, "localhost", config()).is_err());
    assert!(app.seen().is_empty());
}

/// O5: the listeners that take a header close like all others, and what runs on them is finished.
#[test]
fn o5_sigterm_lets_a_running_request_finish_behind_a_header_and_tls() {
    let (arrival, arrived) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let gate = Mutex::new((arrival, released));
    let app = App::with(move |_, stream| {
        let gate = gate.lock().unwrap();
        gate.0.send(()).unwrap();
        gate.1.recv().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
            .is_ok()
    });
    let tls = format!(
        "https = [{{ address = \"@PROXY@\", {}, proxy_protocol = true }}]\n{TRUSTED}",
        pair("app")
    );
    let routes = "default_access = \"public\"\n[runtime]\ngrace_period = \"6s\"\nshutdown_timeout = \"1s\"\n";
    let config = config(app.address, routes);
    let mut proxy = Proxy::start(&config.replacen("http = [\"@PROXY@\"]", &tls, 1));
    let stream = start(proxy.address, V1);
    let mut running =
        Connection::over(handshake(stream, "localhost", client(&[&TLS13], &[])).unwrap());
    running.write(crate::edge::get_bytes("/slow", ""));
    arrived.recv().unwrap();
    proxy.signal("TERM");
    while TcpStream::connect(proxy.address).is_ok() {
        thread::yield_now();
    }
    release.send(()).unwrap();
    let response = running.read_response(false).unwrap();
    assert_eq!((response.status, response.text().as_str()), (200, "late"));
    assert!(running.is_closed());
    assert_eq!(proxy.wait(), Some(0));
}

#[test]
fn a_header_comes_before_http2_with_prior_knowledge() {
    let app = App::start();
    let proxy = plain(&app);
    let address = proxy.address;
    let connect = async move {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, V1)
            .await
            .unwrap();
        stream
    };
    talk_over(connect, async |mut client| {
        for _ in 0..2 {
            let answer = exchange(&mut client, post("/public/"), &["hello"]).await;
            assert_eq!(answer.status, 200);
        }
    });
    for request in [app.next(), app.next()] {
        assert_eq!(told(&request)[0], Some("192.0.2.1"));
    }
}

#[test]
fn a_balancer_may_come_through_a_file() {
    let app = App::start();
    let listen = "http = [\"@PROXY@\", { address = \"unix:http.sock\", proxy_protocol = true }]\ntrusted_proxies = [\"unix\"]";
    let proxy = behind(&app, listen);
    let path = Path::new(&proxy.config_file()).with_file_name("http.sock");
    let opened = |header: &[u8]| {
        let mut connection = Connection::open_unix(&path);
        connection.write(header);
        connection
    };
    ask(&mut opened(V1), FORGED);
    assert_eq!(
        told(&app.next()),
        [Some("192.0.2.1"), Some("http"), Some("localhost")]
    );
    ask(&mut opened(b"PROXY UNKNOWN\r\n"), FORGED);
    assert_eq!(told(&app.next()), [None, Some("http"), Some("localhost")]);
    let mut bare = Connection::open_unix(&path);
    bare.write(crate::edge::get_bytes("/public/", ""));
    assert!(bare.is_closed());
    // The other listener asks for none.
    ask(&mut Connection::open(proxy.address), "");
    assert_eq!(told(&app.next())[0], Some("127.0.0.1"));
}
