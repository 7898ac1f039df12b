//! Framing that two servers could read differently, and sizes.
//!
//! What the framework refuses while it reads a header it answers itself: a bare 400 or 405 that closes the connection.

use super::{get_bytes, typical};
use crate::support::{App, Connection, send};

#[test]
fn p2_framing_that_two_servers_read_differently_is_refused_and_the_connection_closed() {
    let app = App::start();
    let proxy = typical(&app, "");
    let smuggled = get_bytes("/public/smuggled", "");
    for (case, head) in [
        (
            "two lengths",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 5",
        ),
        (
            "joined lengths",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0, 5",
        ),
        (
            "one length twice",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 5",
        ),
        (
            "one length joined",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 5",
        ),
        (
            "one length joined without a space",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5,5",
        ),
        (
            "signed length that is not zero",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5",
        ),
        (
            "padded length",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 005",
        ),
        (
            "signed length",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: +0",
        ),
        (
            "hexadecimal length",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0x5",
        ),
        (
            "endless length",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999",
        ),
        (
            "chunked not last",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, gzip",
        ),
        (
            "unknown coding",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked",
        ),
        (
            "tab in coding",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\tx",
        ),
        (
            "coding in 1.0",
            "POST /public/ HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked",
        ),
        (
            "space before colon",
            "POST /public/ HTTP/1.1\r\nHost: localhost\r\nContent-Length : 5",
        ),
        (
            "folded line",
            "GET /public/ HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b",
        ),
        (
            "NUL in value",
            "GET /public/ HTTP/1.1\r\nHost: localhost\r\nX: a\0b",
        ),
        (
            "bare CR in value",
            "GET /public/ HTTP/1.1\r\nHost: localhost\r\nX: a\rY: b",
        ),
        ("version", "GET /public/ HTTP/1.2\r\nHost: localhost"),
    ] {
        let mut connection = Connection::open(proxy.address);
        let response = connection.request(format!("{head}\r\n\r\n{smuggled}"));
        assert!(matches!(response.status, 400), "{case}: {response:?}");
        assert!(connection.is_closed(), "{case}");
    }
    assert!(app.seen().is_empty());
}

/// RFC 9112 section 6.1: the length is dropped, and the connection may not be used again.
#[test]
fn p2_chunked_wins_over_a_length_and_ends_the_connection() {
    let app = App::start();
    let proxy = typical(&app, "");
    for (path, status) in [("/public/", 200), ("/session/", 401)] {
        let mut connection = Connection::open(proxy.address);
        let response = connection.request(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nhi\r\n0\r\n\r\n{}",
            get_bytes("/public/smuggled", "")
        ));
        assert_eq!(
            (response.status, response.header("connection")),
            (status, Some("close")),
            "{path}"
        );
        assert!(connection.is_closed(), "{path}");
    }
    let [request] = &app.seen()[..] else {
        panic!("one request")
    };
    assert_eq!(
        (request.body.as_slice(), request.header("content-length")),
        (&b"hi"[..], None)
    );
}

#[test]
fn a_broken_body_is_never_a_whole_one() {
    let app = App::start();
    let proxy = typical(&app, "");
    let head = "POST /public/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (case, body) in [
        ("no number", "zz\r\nhi\r\n0\r\n\r\n"),
        ("negative", "-2\r\nhi\r\n0\r\n\r\n"),
        ("too large", "fffffffffffffffff\r\nhi\r\n0\r\n\r\n"),
        ("longer than said", "2\r\nhix\r\n0\r\n\r\n"),
    ] {
        let mut connection = Connection::open(proxy.address);
        connection.write(format!("{head}{body}{}", get_bytes("/public/smuggled", "")));
        if let Some(response) = connection.read_response(false) {
            assert_eq!(response.code(), "request_invalid", "{case}");
        }
        assert!(connection.is_closed(), "{case}");
    }
    assert!(app.seen().is_empty());
    assert_eq!(
        send(proxy.address, format!("{head}2\r\nhi\r\n0\r\n\r\n")).status,
        200
    );
}

/// The framework's parser reads a missing size as the last chunk. The app gets the one clean reading of it.
#[test]
fn a_chunk_without_a_size_ends_the_body() {
    let app = App::start();
    let proxy = typical(&app, "");
    let mut connection = Connection::open(proxy.address);
    connection.write(format!(
        "POST /public/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhi\r\n0\r\n\r\n{}",
        get_bytes("/public/smuggled", "")
    ));
    assert_eq!(connection.read_response(false).unwrap().status, 200);
    assert!(connection.is_closed());
    let [request] = &app.seen()[..] else {
        panic!("one request")
    };
    assert!(request.raw.ends_with(b"\r\n\r\n0\r\n\r\n"), "{request:?}");
}

/// A body of a GET is a body; it is not the next request.
#[test]
fn a_body_is_never_read_as_a_request() {
    let app = App::start();
    let proxy = typical(&app, "");
    let inner = get_bytes("/public/inner", "");
    let request = get_bytes(
        "/public/outer",
        &format!("Content-Length: {}\r\n", inner.len()),
    );
    let mut connection = Connection::open(proxy.address);
    assert_eq!(connection.request(format!("{request}{inner}")).status, 200);
    assert_eq!(
        connection.request(get_bytes("/public/next", "")).status,
        200
    );
    let seen = app.seen();
    let targets: Vec<_> = seen.iter().map(|request| request.target.as_str()).collect();
    assert_eq!(targets, ["/public/outer", "/public/next"]);
    assert_eq!(seen[0].body, inner.as_bytes());
}

/// Limits as they stand by default: 16 KiB of target, 64 KiB of header, and 256 fields in the framework.
#[test]
fn sizes_are_bounded_by_default() {
    let app = App::start();
    let proxy = typical(&app, "");
    let with_uri = |length: usize| get_bytes(&format!("/public/{}", "a".repeat(length - 8)), "");
    let with_header =
        |length: usize| get_bytes("/public/", &format!("X: {}\r\n", "a".repeat(length)));
    let with_fields = |count: usize| get_bytes("/public/", &"X: a\r\n".repeat(count - 1));
    for (case, request, status) in [
        ("target at the limit", with_uri(16 * 1024), 200),
        ("target above it", with_uri(16 * 1024 + 1), 414),
        ("target that fits no URI", with_uri(70_000), 400),
        ("header below the limit", with_header(60 * 1024), 200),
        ("header above it", with_header(65 * 1024), 431),
        ("200 KB", with_header(200_000), 431),
        ("more than the framework reads", with_header(1_100_000), 400),
        ("many fields", with_fields(256), 200),
        ("too many fields", with_fields(257), 400),
    ] {
        assert_eq!(send(proxy.address, request).status, status, "{case}");
    }
    assert_eq!(app.seen().len(), 3);
}
