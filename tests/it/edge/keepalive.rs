//! How long connections live, on both sides of the proxy.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::{get_bytes, ok, typical};
use crate::support::{App, Connection, Proxy, get, send};

const PUBLIC: &str = "default_access = \"public\"\n";
/// On one thread, on which no connection is asked for while the one before it is still being let go: the framework then
/// makes a new one.
const POOLED: &str = "default_access = \"public\"\n[runtime]\nthreads = 1\n";

#[test]
fn a_client_decides_whether_its_connection_is_kept() {
    let app = App::start();
    let proxy = typical(&app, "");
    for (path, status) in [
        ("/public/", 200),
        ("/session/", 401),
        ("/_chat/usersig", 401),
    ] {
        for (case, version, line, kept) in [
            ("1.1", "1.1", "", true),
            ("1.1 close", "1.1", "Connection: close\r\n", false),
            ("1.0", "1.0", "", false),
            ("1.0 keep-alive", "1.0", "Connection: keep-alive\r\n", true),
        ] {
            let request = format!("GET {path} HTTP/{version}\r\nHost: localhost\r\n{line}\r\n");
            let mut connection = Connection::open(proxy.address);
            let response = connection.request(&request);
            assert_eq!(response.status, status, "{path} {case}");
            let expected = if kept { "keep-alive" } else { "close" };
            assert_eq!(
                response.header("connection"),
                Some(expected),
                "{path} {case}"
            );
            match kept {
                true => assert_eq!(connection.request(&request).status, status, "{path} {case}"),
                false => assert!(connection.is_closed(), "{path} {case}"),
            }
        }
    }
}

/// The framework would keep an idle connection for ever.
#[test]
fn an_idle_connection_is_closed() {
    let app = App::start();
    let proxy = typical(&app, "[runtime]\ndownstream_keepalive = \"1s\"\n");
    for path in ["/public/", "/session/"] {
        let started = Instant::now();
        // On a slow machine one may have been idle for too long before its second request.
        let mut twice = (0..5).filter_map(|_| {
            let mut connection = Connection::open(proxy.address);
            connection.request(get_bytes(path, ""));
            let second = connection.exchange(get_bytes(path, ""));
            second.is_ok().then_some(connection)
        });
        let mut connection = twice.next().expect("no second request is answered");
        assert!(connection.is_closed(), "{path}");
        assert!(started.elapsed() >= Duration::from_secs(1), "{path}");
    }
}

/// Fewer bytes than the preface of HTTP/2 has, for which the framework waits without limit.
#[test]
fn a_connection_that_does_not_begin_is_closed_and_a_short_request_is_answered() {
    let app = App::start();
    let proxy = typical(&app, "[runtime]\ndownstream_read_timeout = \"1s\"\n");
    for start in ["", "GET", "PRI * HTTP/2.0\r\n"] {
        let mut connection = Connection::open(proxy.address);
        connection.write(start);
        assert!(connection.is_closed(), "{start:?}");
    }
    let short = "GET / HTTP/1.0\r\n\r\n";
    assert!(short.len() < 24);
    assert_eq!(send(proxy.address, short).status, 404);
    // One that looks like the preface at first, and one that comes in parts.
    let mut connection = Connection::open(proxy.address);
    connection.write("P");
    connection.write("RI /public/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(connection.read_response(false).unwrap().status, 200);
}

/// A body that does not come ends after the time between two reads.
#[test]
fn a_body_that_stops_is_given_up() {
    let app = App::start();
    let proxy = typical(&app, "[runtime]\ndownstream_read_timeout = \"1s\"\n");
    let mut connection = Connection::open(proxy.address);
    let started = Instant::now();
    connection.write("POST /public/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf");
    assert!(connection.is_closed());
    // The framework's own limit is a minute.
    assert!(started.elapsed() < Duration::from_secs(30));
    let line = proxy.log_line(|line| line["path"] == "/public/");
    assert_eq!(line["outcome"], "aborted");
    assert!(app.seen().is_empty());
}

/// A client that takes no more of an answer does not hold the app for ever.
#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let app = App::with(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 64 * 1024]).is_ok() {}
        false
    });
    let proxy = typical(&app, "[runtime]\ndownstream_read_timeout = \"1s\"\n");
    let mut connection = Connection::open(proxy.address);
    connection.write(get_bytes("/public/", ""));
    let line = proxy.log_line(|line| line["path"] == "/public/");
    assert_eq!(
        (&line["status"], &line["outcome"]),
        (&200.into(), &"aborted".into())
    );
}

/// Writes the rest of a request byte by byte, with pauses in which many of them are shorter than the time between two
/// reads and all together longer; what came back when the proxy closes or the bytes are out.
fn drip(stream: &mut TcpStream, rest: &str) -> String {
    let mut answer = String::new();
    stream.set_read_timeout(Some(DROP)).unwrap();
    for byte in rest.bytes() {
        let mut read = [0; 1024];
        match stream.read(&mut read) {
            Ok(0) => return answer,
            Ok(length) => answer.push_str(&String::from_utf8_lossy(&read[..length])),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return answer,
        }
        if stream.write_all(&[byte]).is_err() {
            return answer;
        }
    }
    stream.set_read_timeout(None).unwrap();
    let mut read = [0; 1024];
    let length = stream.read(&mut read).unwrap_or(0);
    answer.push_str(&String::from_utf8_lossy(&read[..length]));
    answer
}

/// Pingora issue 447: the framework bounds only the time between two reads.
#[test]
fn a_header_that_drips_is_given_up_and_a_body_that_drips_is_not() {
    let app = App::start();
    let proxy = typical(&app, "[runtime]\ndownstream_read_timeout = \"2s\"\n");
    let long = format!("X: {}\r\n", "x".repeat(BYTES));
    let (first, kept) = (
        get_bytes("/public/first", &long),
        get_bytes("/public/kept", &long),
    );
    let post =
        format!("POST /public/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BYTES}\r\n\r\n");
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = TcpStream::connect(proxy.address).unwrap();
            assert_eq!(drip(&mut stream, &first), "", "the first of a connection");
        });
        scope.spawn(|| {
            let mut stream = TcpStream::connect(proxy.address).unwrap();
            stream
                .write_all(get_bytes("/public/", "").as_bytes())
                .unwrap();
            let mut answer = String::new();
            super::streaming::read_until(&mut stream, &mut answer, "hello");
            assert_eq!(drip(&mut stream, &kept), "", "a later one");
        });
        scope.spawn(|| {
            let mut stream = TcpStream::connect(proxy.address).unwrap();
            stream.write_all(post.as_bytes()).unwrap();
            let answer = drip(&mut stream, &"y".repeat(BYTES));
            assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        });
    });
    let targets: Vec<_> = app.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/public/", "/public/body"]);
}

/// So that the pauses of a request last longer than the two seconds which it has, and no pause does.
const BYTES: usize = 300;
const DROP: Duration = Duration::from_millis(10);

#[test]
fn a_header_that_stops_on_a_kept_connection_is_given_up() {
    let app = App::start();
    let proxy = typical(&app, "[runtime]\ndownstream_keepalive = \"1s\"\n");
    let mut connection = Connection::open(proxy.address);
    assert_eq!(connection.request(get_bytes("/public/", "")).status, 200);
    connection.write("GET /public/ HTTP/1.1\r\nHost: loc");
    assert!(connection.is_closed());
    assert_eq!(app.seen().len(), 1);
}

/// The framework does not pipeline: the second request is never answered, and never taken for a body.
#[test]
fn a_pipelined_request_is_dropped_with_the_connection() {
    let app = App::start();
    let proxy = typical(&app, "");
    for (first, status) in [("/public/1", 200), ("/session/1", 401)] {
        let mut connection = Connection::open(proxy.address);
        let both = format!("{}{}", get_bytes(first, ""), get_bytes("/public/2", ""));
        assert_eq!(connection.request(both).status, status, "{first}");
        assert!(connection.is_closed(), "{first}");
    }
    let targets: Vec<_> = app
        .seen()
        .into_iter()
        .map(|request| request.target)
        .collect();
    assert_eq!(targets, ["/public/1"]);
}

/// An app may close a pooled connection at any time.
#[test]
fn a_stale_connection_costs_no_get() {
    // The app reads one more request on each connection and closes without an answer.
    let app = App::with(closing_on_second());
    let proxy = Proxy::in_front_of(&app, POOLED);
    pool_a_connection(&proxy);
    assert_eq!(get(proxy.address, "/2", "").status, 200);
    let seen = app.seen();
    let targets: Vec<_> = seen.iter().map(|request| request.target.as_str()).collect();
    assert_eq!(targets, ["/1", "/2", "/2"]);
    assert_eq!(seen[0].connection, seen[1].connection);
    assert_ne!(seen[1].connection, seen[2].connection);
}

/// Whether the app has acted on it nobody knows, so it is not sent twice.
#[test]
fn a_post_on_a_stale_connection_is_never_sent_twice() {
    let app = App::with(closing_on_second());
    let proxy = Proxy::in_front_of(&app, POOLED);
    let post = "POST /2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";
    pool_a_connection(&proxy);
    let response = send(proxy.address, post);
    assert_eq!(
        (response.status, response.code().as_str()),
        (502, "upstream_invalid")
    );
    assert_eq!(app.seen().len(), 2);
    assert_eq!(send(proxy.address, post).status, 200);
}

/// A body that is sent again counts once against the limit.
#[test]
fn a_retried_body_is_counted_once() {
    let app = App::with(closing_on_second());
    let proxy = Proxy::in_front_of(&app, &format!("{POOLED}max_body = \"100B\"\n"));
    pool_a_connection(&proxy);
    let body = "x".repeat(80);
    let put = format!("PUT /2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 80\r\n\r\n{body}");
    assert_eq!(send(proxy.address, put).status, 200);
    assert_eq!(app.seen().len(), 3);
}

#[test]
fn a_connection_that_the_app_closed_while_idle_is_not_used() {
    let (closed, on_close) = mpsc::channel();
    let closed = std::sync::Mutex::new(closed);
    let app = App::with(move |request, stream| {
        ok(stream);
        if request.target == "/close" {
            stream.shutdown(std::net::Shutdown::Both).unwrap();
            closed.lock().unwrap().send(()).unwrap();
            return false;
        }
        true
    });
    let proxy = Proxy::in_front_of(&app, PUBLIC);
    assert_eq!(get(proxy.address, "/close", "").status, 200);
    on_close.recv().unwrap();
    proxy.log_line(|line| line["path"] == "/close");
    let post = "POST /2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(send(proxy.address, post).status, 200);
}

/// Answers the first request of a connection and closes at the second.
fn closing_on_second() -> impl Fn(&crate::support::Recorded, &mut std::net::TcpStream) -> bool {
    let known = std::sync::Mutex::new(std::collections::HashSet::new());
    move |request, stream| {
        let is_first = known.lock().unwrap().insert(request.connection);
        is_first && stream.write_all(super::OK).is_ok()
    }
}

/// The line of a request is written after its connection to the app went back to the pool.
fn pool_a_connection(proxy: &Proxy) {
    assert_eq!(get(proxy.address, "/1", "").status, 200);
    proxy.log_line(|line| line["path"] == "/1");
}
