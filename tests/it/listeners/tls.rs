//! TLS: protocols, certificates by name, and that everything judged without it is judged with it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};

use super::{FORGED, ask, behind, https, told};
use crate::edge::http2::{exchange, talk_over, try_exchange};
use crate::edge::websocket::{ATTEMPTS, echo, upgrade};
use crate::edge::{assert_identity, assert_no_identity, get_bytes};
use crate::support::tls::{KEYS, certificate, client, connect, pair, put_certificate};
use crate::support::tokens::{bearer, session};
use crate::support::{App, Connection, Proxy, get};

pub(super) fn open(proxy: &Proxy) -> Connection {
    let config = client(&[&TLS13, &TLS12], &["http/1.1"]);
    Connection::over(connect(proxy.address, "localhost", config).unwrap())
}

/// A conversation over HTTP/2, as ALPN chose it.
fn talk<F: Future<Output = ()>>(proxy: &Proxy, conversation: impl FnOnce(SendRequest<Bytes>) -> F) {
    let config = Arc::new(client(&[&TLS13, &TLS12], &["h2", "http/1.1"]));
    let address = proxy.address;
    let connect = async move {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(config);
        let stream = connector.connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        stream
    };
    talk_over(connect, conversation);
}

fn secure(path: &str) -> http::request::Builder {
    Request::get(format!("https://localhost{path}"))
}

#[test]
fn a_client_speaks_what_alpn_chose() {
    let app = App::start();
    let proxy = behind(&app, &https("app", ""));
    for version in [&TLS12, &TLS13] {
        for (offered, chosen) in [
            (&[][..], None),
            (&["http/1.1"], Some("http/1.1")),
            (&["http/1.1", "h2"], Some("h2")),
            (&["h2"], Some("h2")),
        ] {
            let stream = connect(proxy.address, "localhost", client(&[version], offered)).unwrap();
            let chosen_here = stream.conn.alpn_protocol();
            assert_eq!(chosen_here, chosen.map(str::as_bytes), "{offered:?}");
            if chosen != Some("h2") {
                let mut connection = Connection::over(stream);
                // Two requests: the connection is kept.
                ask(&mut connection, "");
                ask(&mut connection, "");
                let expected = [Some("127.0.0.1"), Some("https"), Some("localhost")];
                assert_eq!(told(&app.next()), expected);
                assert_eq!(told(&app.next()), expected);
            }
        }
        assert!(connect(proxy.address, "localhost", client(&[version], &["spdy/3"])).is_err());
    }
    talk(&proxy, async |mut client| {
        let token = session("alice");
        let request = secure("/inject/request").header("authorization", format!("Bearer {token}"));
        assert_eq!(exchange(&mut client, request, &[]).await.status, 200);
    });
    let request = app.next();
    assert_identity(&request, "alice");
    assert_eq!(
        told(&request),
        [Some("127.0.0.1"), Some("https"), Some("localhost")]
    );
    assert!(app.seen().is_empty());
}

#[test]
fn the_certificate_that_covers_the_name_is_served() {
    let app = App::start();
    let more = format!(", certificates = [{{ {} }}]", pair("app"));
    let proxy = behind(&app, &https("wildcard", &more));
    for version in [&TLS12, &TLS13] {
        for (name, expected) in [
            ("app.example.com", "app"),
            ("localhost", "app"),
            ("other.example.com", "wildcard"),
        ] {
            let stream = connect(proxy.address, name, client(&[version], &[])).unwrap();
            let chain = stream.conn.peer_certificates().unwrap();
            assert_eq!(chain[0], certificate(expected), "{name}");
        }
        // The default is for none of these, and a client can tell.
        for name in [
            "example.com",
            "a.b.example.com",
            "elsewhere.test",
            "127.0.0.1",
        ] {
            let error = connect(proxy.address, name, client(&[version], &[])).unwrap_err();
            assert!(
                error.to_string().contains("not valid for name"),
                "{name}: {error}"
            );
        }
    }
    let metrics = get(proxy.ops, "/metrics", "").text();
    for name in ["*.example.com", "app.example.com"] {
        let address = proxy.address;
        let line = format!(
            "usersig_proxy_certificate_expiry_seconds{{listener=\"{address}\",name=\"{name}\"}} 4922899200\n"
        );
        assert!(metrics.contains(&line), "{metrics}");
    }
}

/// Renewed on disk, as an ACME client does it: nobody sends a signal.
#[test]
fn a_certificate_is_replaced_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str| put_certificate(name, folder.path());
    put("app");
    let path = folder.path().display();
    let app = App::start();
    let proxy = behind(
        &app,
        &format!(
            "https = [{{ address = \"@PROXY@\", certificate = \"{path}/chain.pem\", key = \"{path}/key.pem\" }}]"
        ),
    );
    let served = || {
        let stream = connect(proxy.address, "localhost", client(&[&TLS13], &[])).unwrap();
        stream.conn.peer_certificates().unwrap()[0].clone()
    };
    let mut before = open(&proxy);
    assert_eq!(served(), certificate("app"));
    put("renewed");
    proxy.wait_for_metric("config_generation", 2);
    assert_eq!(served(), certificate("renewed"));
    ask(&mut before, "");
    assert_eq!(proxy.metric("config_restart_needed"), 0);

    // A key that does not fit: everything stays as it was.
    fs::copy(
        format!("{KEYS}/app.private.pem"),
        folder.path().join("key.pem"),
    )
    .unwrap();
    proxy.signal("HUP");
    proxy.text_line(|line| line.contains("listen.https[1].key: is not the key of the certificate"));
    assert_eq!(served(), certificate("renewed"));
    ask(&mut before, "");
    let expiry = format!(
        "certificate_expiry_seconds{{listener=\"{}\",name=\"app.example.com\"}}",
        proxy.address
    );
    assert_eq!(proxy.metric(&expiry), 4_922_899_200);
}

#[test]
fn older_protocols_and_plain_text_get_no_answer_of_the_app() {
    let app = App::start();
    let proxy = behind(&app, &https("app", ""));
    for (minor, name) in [(0, "SSL 3.0"), (1, "TLS 1.0"), (2, "TLS 1.1")] {
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.write_all(&hello(minor)).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        // A fatal alert, protocol_version.
        assert_eq!((answer[0], &answer[5..]), (21, &[2, 70][..]), "{name}");
    }
    // No fault of ours.
    let is_handshake = |text: &str| text.starts_with("Downstream handshake error");
    let line = proxy.log_line(|line| line["message"].as_str().is_some_and(is_handshake));
    assert_eq!(line["level"], "DEBUG");
    let mut stream = TcpStream::connect(proxy.address).unwrap();
    stream.write_all(&hello(3)).unwrap();
    let mut first = [0];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(first, [22], "TLS 1.2 gets a ServerHello");

    let mut plain = TcpStream::connect(proxy.address).unwrap();
    plain
        .write_all(get_bytes("/public/", "").as_bytes())
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert!(app.seen().is_empty());
}

/// A ClientHello of this version 3.x, with what a server of TLS 1.2 needs to go on.
fn hello(minor: u8) -> Vec<u8> {
    let suites = [0xc0, 0x2b, 0xc0, 0x09, 0xc0, 0x13, 0x00, 0x2f];
    let extensions = [
        // supported_groups: P-256; ec_point_formats: uncompressed; signature_algorithms: ecdsa_secp256r1_sha256.
        &[0, 10, 0, 4, 0, 2, 0, 23][..],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 4, 0, 2, 4, 3],
        // extended_master_secret
        &[0, 23, 0, 0],
    ]
    .concat();
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.push(0);
    body.extend([0, 8]);
    body.extend(suites);
    body.extend([1, 0]);
    body.extend([0, extensions.len() as u8]);
    body.extend(extensions);
    let mut handshake = vec![1, 0, 0, body.len() as u8];
    handshake.extend(body);
    let mut record = vec![22, 3, minor.min(1), 0, handshake.len() as u8];
    record.extend(handshake);
    record
}

#[test]
fn a_cookie_is_secure_over_tls_also_on_loopback() {
    let app = App::start();
    let proxy = behind(&app, &https("app", ""));
    let response = open(&proxy).request(get_bytes("/inject/cookie", &bearer("alice")));
    assert!(response.header("set-cookie").unwrap().ends_with("; Secure"));

    let plain = behind(&app, "http = [\"@PROXY@\"]");
    let response = get(plain.address, "/inject/cookie", &bearer("alice"));
    assert!(!response.header("set-cookie").unwrap().contains("Secure"));
    // Behind a proxy nobody knows what the browser speaks.
    let behind_one = behind(
        &app,
        "http = [\"@PROXY@\"]\ntrusted_proxies = [\"192.0.2.1\"]",
    );
    let response = get(behind_one.address, "/inject/cookie", &bearer("alice"));
    assert!(response.header("set-cookie").unwrap().ends_with("; Secure"));
}

#[test]
fn h9_what_a_client_says_of_itself_over_tls_is_replaced() {
    let app = App::start();
    let proxy = behind(&app, &https("app", ""));
    ask(&mut open(&proxy), FORGED);
    assert_eq!(
        told(&app.next()),
        [Some("127.0.0.1"), Some("https"), Some("localhost")]
    );
    talk(&proxy, async |mut client| {
        let request = secure("/public/")
            .header("x-forwarded-for", "198.51.100.1")
            .header("x-forwarded-proto", "http")
            .header("x_forwarded_host", "forged.example")
            .header("forwarded", "for=198.51.100.1");
        assert_eq!(exchange(&mut client, request, &[]).await.status, 200);
    });
    assert_eq!(
        told(&app.next()),
        [Some("127.0.0.1"), Some("https"), Some("localhost")]
    );
    assert_eq!(
        proxy.log_line(|line| line["path"] == "/public/")["client"],
        "127.0.0.1"
    );
}

#[test]
fn h11_cookie_fields_over_http2_are_one_header() {
    let app = App::start();
    let proxy = behind(&app, &https("app", ""));
    let (alice, bob) = (session("alice"), session("bob"));
    talk(&proxy, async |mut client| {
        let crumbs = secure("/inject/request")
            .header("cookie", "a=b")
            .header("cookie", format!("session={alice}"))
            .header("cookie", "c=d");
        assert_eq!(exchange(&mut client, crumbs, &[]).await.status, 200);
        for (first, second) in [(&alice, &bob), (&bob, &alice)] {
            let two = secure("/inject/request")
                .header("cookie", format!("session={first}"))
                .header("cookie", format!("session={second}"));
            let answer = exchange(&mut client, two, &[]).await;
            assert_eq!(answer.status, 400);
            assert!(answer.text.contains("token_conflict"), "{}", answer.text);
        }
    });
    let request = app.next();
    assert_identity(&request, "alice");
    // The app, which speaks HTTP/1, gets the crumbs as the one header that they were (RFC 9113 section 8.2.3).
    let joined = format!("a=b; session={alice}; c=d");
    assert_eq!(request.values("cookie"), [joined]);
    assert!(app.seen().is_empty());
}

#[test]
fn p1_bytes_before_the_101_are_never_forwarded_as_they_are_over_tls() {
    let app = App::start();
    let proxy = behind(&app, &https("app", ""));
    let mut connection = open(&proxy);
    let smuggled = get_bytes("/session/smuggled", "");
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
fn p4_an_upgrade_over_tls_is_judged_like_any_request() {
    let app = echo();
    let proxy = behind(&app, &https("app", ""));
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
    ] {
        let response = open(&proxy).request(upgrade(path, &lines));
        assert_eq!(
            (response.status, response.code().as_str()),
            (status, code),
            "{path}"
        );
    }
    assert!(app.seen().is_empty());
    let tunnels = (0..ATTEMPTS).map(|_| {
        let mut tunnel = open(&proxy);
        let forged = format!("{FORGED}X-Chat-UserID: root\r\n{}", bearer("alice"));
        let answer = tunnel.request(upgrade("/inject/request", &forged));
        assert_eq!(answer.status, 101);
        let request = app.next();
        assert_identity(&request, "alice");
        assert_eq!(
            told(&request),
            [Some("127.0.0.1"), Some("https"), Some("localhost")]
        );
        tunnel.write("ping");
        tunnel.try_read_bytes(4)
    });
    // Some are torn down (pingora issue 946); the first that is not carries what was sent.
    assert_eq!(tunnels.flatten().next(), Some(b"ping".to_vec()));
}

/// HTTP/2 knows neither `Upgrade` nor, here, extended CONNECT; gRPC is a request like any other.
#[test]
fn p4_http2_has_no_way_around_the_checks() {
    let app = App::start();
    let proxy = behind(&app, &https("app", ""));
    talk(&proxy, async |mut client| {
        let grpc = |path: &str| {
            Request::post(format!("https://localhost{path}"))
                .header("content-type", "application/grpc")
                .header("te", "trailers")
        };
        let answer = exchange(&mut client, grpc("/session/"), &["\0\0\0\0\0"]).await;
        assert_eq!(answer.status, 401);
        let answer = exchange(&mut client, grpc("/public/"), &["\0\0\0\0\0"]).await;
        assert_eq!(answer.status, 200);
        let connect = Request::builder()
            .method(Method::CONNECT)
            .uri("localhost:443");
        let answer = try_exchange(&mut client, connect.body(()).unwrap(), &[]).await;
        let status = answer.ok().map(|answer| answer.status);
        assert!(status.is_none_or(|status| status >= 400), "{status:?}");
    });
    talk(&proxy, async |mut client| {
        // The client's library sends no Upgrade over HTTP/2, which is malformed there (RFC 9113 section 8.2.2).
        let websocket = secure("/session/").header("upgrade", "websocket");
        assert!(
            try_exchange(&mut client, websocket.body(()).unwrap(), &[])
                .await
                .is_err()
        );
        assert!(!client.is_extended_connect_protocol_enabled());
    });
    let request = app.next();
    assert_eq!(request.target, "/public/");
    assert_no_identity(&request);
    assert!(app.seen().is_empty());
}
