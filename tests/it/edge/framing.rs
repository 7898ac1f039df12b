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

/// RFC 9112 section 6.1: either is a framing; both are the oldest way to smuggle. The framework drops the length in silence.
#[test]
fn p2_a_length_beside_a_coding_is_refused_and_either_alone_is_taken() {
    let app = App::start();
    let proxy = typical(&app, "");
    let post = |path: &str, lines: &str, body: &str| {
        let smuggled = get_bytes("/public/smuggled", "");
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{body}{smuggled}")
    };
    let chunked = "2\r\nhi\r\n0\r\n\r\n";
    for path in ["/public/", "/session/"] {
        for lines in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 12\r\n",
            "Transfer-Encoding: CHUNKED\r\ncontent-length:0\r\n",
            "Transfer-Encoding: chunked\r\nX: 1\r\nCONTENT-LENGTH: 12\r\nContent-Length: 12\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length:\r\n",
        ] {
            let mut connection = Connection::open(proxy.address);
            let response = connection.request(post(path, lines, chunked));
            assert_eq!(response.status, 400, "{lines}");
            assert_eq!(response.header("connection"), Some("close"), "{lines}");
            assert!(connection.is_closed(), "{lines}");
        }
    }
    assert!(app.seen().is_empty());
    for (lines, body) in [
        ("Content-Length: 2\r\n", "hi"),
        ("Transfer-Encoding: chunked\r\n", chunked),
        (
            "Transfer-Encoding: chunked\r\nX-Content-Length: 3\r\n",
            chunked,
        ),
    ] {
        let response = send(proxy.address, post("/public/", lines, body));
        assert_eq!(response.status, 200, "{lines}");
        assert_eq!(app.next().body, b"hi", "{lines}");
    }
    assert!(app.seen().is_empty());
}

/// RFC 9112 section 2.2: the framework's parser takes a bare LF for the end of a line, and another may not.
#[test]
fn p2_a_line_that_ends_in_a_bare_line_feed_is_refused_and_the_connection_closed() {
    let app = App::start();
    let proxy = typical(&app, "");
    for head in [
        "GET /public/ HTTP/1.1\nHost: localhost\n\n",
        "GET /public/ HTTP/1.1\nHost: localhost\r\n\r\n",
        "GET /public/ HTTP/1.1\r\nHost: localhost\nX: a\r\n\r\n",
        "GET /public/ HTTP/1.1\r\nHost: localhost\r\nX: a\n\r\n",
        "GET /public/ HTTP/1.1\r\nHost: localhost\r\n\n",
        "GET /public/ HTTP/1.1\r\nHost: localhost\r\nX: a\n\n",
        "GET /public/ HTTP/1.1\r\nHost: localhost\r\nX: a\n\nGET /public/2 HTTP/1.1\r\nHost: b\r\n\r\n",
        "GET /public/ HTTP/1.1\r\nHost: localhost\r\nX: a\nX-Chat-UserID: root\r\n\r\n",
        "GET /public/a b HTTP/1.1\r\nHost: localhost\nX: a\r\n\r\n",
        "\nGET /public/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\r\n\nGET /public/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /public/ HTTP/1.0\n\n",
    ] {
        let mut connection = Connection::open(proxy.address);
        let response = connection.request(format!("{head}{}", get_bytes("/public/smuggled", "")));
        let answer = (response.status, response.code());
        assert_eq!(answer, (400, "request_invalid".to_owned()), "{head:?}");
        assert_eq!(response.header("connection"), Some("close"), "{head:?}");
        assert!(connection.is_closed(), "{head:?}");
    }
    assert!(app.seen().is_empty());
    // Empty lines before a request are no fault of it.
    let twin = format!("\r\n\r\n{}", get_bytes("/public/", "X: a\r\n"));
    assert_eq!(send(proxy.address, twin).status, 200);
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
