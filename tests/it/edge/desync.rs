//! Where a request ends: no byte of one is ever the beginning of the next, whatever was refused, cut or sent early.
//!
//! What remains is the framework's parser of chunks, which takes any byte in an extension, line feeds too, and a missing
//! size for the last one. The app gets the body framed anew; a proxy in front that reads such a chunk in another way is
//! only safe when it refuses it itself.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, mpsc};

use super::websocket::{echo, upgrade};
use super::{get_bytes, route, typical};
use crate::support::client::HANG;
use crate::support::tokens::{bearer, session};
use crate::support::{App, Connection, Proxy, config, send};

/// Would pass, if anybody took it for a request.
fn smuggled() -> String {
    get_bytes("/public/smuggled", "")
}

fn post(path: &str, lines: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")
}

/// The targets that reached the app since they were last asked for.
fn targets(app: &App) -> Vec<String> {
    let seen = app.seen().into_iter();
    seen.map(|request| request.target).collect()
}

/// One of each refusal, and whether the connection is kept when the client does not run ahead.
fn refused() -> Vec<(u16, String, bool)> {
    let alice = bearer("alice");
    let conflict = format!("{alice}Cookie: session={}\r\n", session("bob"));
    vec![
        (400, get_bytes("/public//", ""), true),
        (400, get_bytes("/public/", "Connection: host\r\n"), true),
        (
            400,
            get_bytes("/public/", "").replace("localhost", "a;b"),
            true,
        ),
        (400, get_bytes("/session/", &conflict), true),
        (401, get_bytes("/session/", ""), true),
        (401, get_bytes("/_chat/usersig", ""), true),
        (403, get_bytes("/session/", &bearer("administrator")), true),
        (404, get_bytes("/deny/", &alice), true),
        (405, get_bytes("/get-only", "").replace("GET", "PUT"), true),
        (
            414,
            get_bytes(&format!("/public/{}", "x".repeat(20_000)), ""),
            true,
        ),
        (
            431,
            get_bytes("/public/", &format!("X: {}\r\n", "x".repeat(70_000))),
            true,
        ),
        (400, get_bytes("/public/", "X: a\n"), false),
        (
            400,
            post("/public/", "Transfer-Encoding: gzip, chunked\r\n"),
            false,
        ),
        (400, post("/public/", "Content-Length: +0\r\n"), false),
        (400, get_bytes("/public/", "Host: localhost\r\n"), false),
        (
            405,
            get_bytes("/public/", "").replace("GET", "CONNECT"),
            false,
        ),
        (
            413,
            post("/public/", "Content-Length: 99999999999\r\n"),
            false,
        ),
    ]
}

#[test]
fn p1_what_follows_a_refusal_at_once_is_no_request() {
    let app = App::start();
    let proxy = typical(&app, "");
    for (status, request, _) in refused() {
        let mut connection = Connection::open(proxy.address);
        let response = connection.request(format!("{request}{}", smuggled()));
        assert_eq!(response.status, status, "{request}");
        assert!(connection.is_closed(), "{request}");
    }
    assert_eq!(targets(&app), Vec::<String>::new());
}

/// The twin: a client that waits for its answer goes on, unless it is not clear where its request ended.
#[test]
fn a_refusal_that_was_read_to_its_end_is_followed_by_the_next_request() {
    let app = App::start();
    let proxy = typical(&app, "");
    for (status, request, kept) in refused() {
        let mut connection = Connection::open(proxy.address);
        assert_eq!(connection.request(&request).status, status, "{request}");
        match kept {
            true => {
                let next = connection.request(get_bytes("/public/next", ""));
                assert_eq!(next.status, 200, "{request}");
                assert_eq!(targets(&app), ["/public/next"], "{request}");
            }
            false => assert!(connection.is_closed(), "{request}"),
        }
    }
    assert_eq!(targets(&app), Vec::<String>::new());
}

/// The body comes when the refusal is there, as after `Expect: 100-continue`.
#[test]
fn p1_a_body_that_comes_after_the_refusal_is_no_request() {
    let app = App::start();
    let proxy = typical(&app, "");
    let body = smuggled();
    let length = format!("Content-Length: {}\r\n", body.len());
    for (path, status) in [
        ("/session/", 401),
        ("/deny/", 404),
        ("/public//", 400),
        ("/_chat/usersig", 401),
    ] {
        for lines in [
            length.clone(),
            format!("{length}Expect: 100-continue\r\n"),
            "Transfer-Encoding: chunked\r\n".to_owned(),
        ] {
            let mut connection = Connection::open(proxy.address);
            let response = connection.request(post(path, &lines));
            assert_eq!(response.status, status, "{path} {lines}");
            connection.write(&body);
            assert!(connection.is_closed(), "{path} {lines}");
        }
    }
    assert_eq!(targets(&app), Vec::<String>::new());
    // The twin: one that passes has its body, and then comes the next request.
    let mut connection = Connection::open(proxy.address);
    connection.write(post("/public/first", &length));
    connection.write(&body);
    assert_eq!(connection.read_response(false).unwrap().status, 200);
    assert_eq!(
        connection.request(get_bytes("/public/next", "")).status,
        200
    );
    let seen = app.seen();
    assert_eq!(seen[0].body, body.as_bytes());
    assert_eq!(seen[1].target, "/public/next");
}

/// An app that answers before it has read the body: the rest of it is neither the client's next request nor, on the
/// connection to the app, the beginning of another's.
#[test]
fn p5_an_answer_before_the_end_of_a_body_leaves_nothing_behind() {
    let (app, read) = hasty();
    let proxy = Proxy::start(&config(app, "default_access = \"public\"\n"));
    let body = smuggled();
    let request = post("/first", &format!("Content-Length: {}\r\n", body.len()));
    for is_sent in [true, false, true, false] {
        let mut client = Connection::open(proxy.address);
        let response = client.request(&request);
        assert_eq!((response.status, response.text().as_str()), (200, "early"));
        if is_sent {
            client.write(&body);
            assert!(client.is_closed());
        }
        drop(client);
        let next = send(proxy.address, get_bytes("/next", ""));
        assert_eq!((next.status, next.text().as_str()), (200, "early"));
    }
    drop(proxy);
    drop(TcpStream::connect(app));
    let read: Vec<_> = read.iter().collect();
    let of = |target: &str| {
        let bodies = read.iter().filter(|(known, _)| known == target);
        bodies.map(|(_, body)| body.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("/next"), [""; 4]);
    assert_eq!(of("/first"), [body.as_str(); 2]);
    assert_eq!(read.len(), 6, "{read:?}");
}

/// An app that answers as soon as it has read a header, and what it reads: targets and whole bodies. It ends with the
/// first connection that brings nothing.
fn hasty() -> (SocketAddr, mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, read) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut first = [0];
            if stream.peek(&mut first).unwrap_or(0) == 0 {
                // Nobody sends anything more.
                return;
            }
            let sender = sender.clone();
            std::thread::spawn(move || answer_early(&mut stream, &sender));
        }
    });
    (address, read)
}

fn answer_early(stream: &mut TcpStream, sender: &mpsc::Sender<(String, String)>) {
    let mut buffer = Vec::new();
    while let Some(head) = take_until(stream, &mut buffer, |bytes| {
        let end = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        end.map(|at| at + 4)
    }) {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly";
        if stream.write_all(answer).is_err() {
            return;
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        let whole = |bytes: &[u8]| (bytes.len() >= length).then_some(length);
        let Some(body) = take_until(stream, &mut buffer, whole) else {
            return;
        };
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let _ = sender.send((target, body));
    }
}

/// As many bytes as `end` says once they are there; `None` when the connection ends first.
fn take_until(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    end: impl Fn(&[u8]) -> Option<usize>,
) -> Option<String> {
    let mut bytes = [0; 4096];
    loop {
        if let Some(length) = end(buffer) {
            let rest = buffer.split_off(length);
            let taken = std::mem::replace(buffer, rest);
            return String::from_utf8(taken).ok();
        }
        match stream.read(&mut bytes) {
            Ok(read) if read > 0 => buffer.extend_from_slice(&bytes[..read]),
            _ => return None,
        }
    }
}

/// A handshake has no body: it could be taken for the tunnel's first bytes, or the other way round.
#[test]
fn p1_a_handshake_with_a_body_is_refused() {
    let app = echo();
    let proxy = typical(&app, "");
    for lines in [
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nConnection: close\r\n",
    ] {
        for body in ["", "hello", "5\r\nhello\r\n0\r\n\r\n"] {
            let mut connection = Connection::open(proxy.address);
            let response = connection.request(format!("{}{body}", upgrade("/public/", lines)));
            assert_eq!(
                (response.status, response.code()),
                (400, "request_invalid".to_owned())
            );
            connection.write(smuggled());
            assert!(connection.is_closed(), "{lines}");
        }
    }
    assert_eq!(targets(&app), Vec::<String>::new());
    for lines in ["", "Content-Length: 0\r\n"] {
        super::websocket::open(&proxy, "/public/", lines);
    }
    // What does not ask for a WebSocket is a request like any other, with its body.
    let other = post(
        "/public/",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n",
    );
    targets(&app);
    assert_eq!(send(proxy.address, format!("{other}hello")).status, 200);
    assert_eq!(app.next().body, b"hello");
}

/// The framework takes a client that closes its side for one that has gone, as nginx does, and gives up what it waits for.
/// What is refused is answered all the same.
#[test]
fn a_client_that_closes_its_side_has_gone() {
    let (arrival, arrived) = mpsc::channel();
    let arrival = Mutex::new(arrival);
    let app = App::with(move |_, stream| {
        arrival.lock().unwrap().send(()).unwrap();
        // Nothing but the end of the connection, which must come.
        stream.set_read_timeout(Some(HANG)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
        false
    });
    let proxy = typical(&app, "");
    let length = format!("{}hi", post("/public/", "Content-Length: 2\r\n"));
    for request in [get_bytes("/public/", ""), length] {
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        arrived.recv().unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "{request}");
    }
    proxy.log_lines(2, |line| line["outcome"] == "aborted");
    for (request, status) in [
        (get_bytes("/session/", ""), 401),
        (get_bytes("/_chat/usersig", &bearer("alice")), 200),
    ] {
        let mut connection = half_closed(proxy.address, request.as_bytes());
        let response = connection.read_response(false).unwrap();
        assert_eq!(response.status, status, "{request}");
    }
}

#[test]
fn a_request_that_ends_with_its_connection_is_none() {
    let app = App::start();
    let proxy = typical(&app, "");
    let length = post("/public/", "Content-Length: 10\r\n");
    let chunked = post("/public/", "Transfer-Encoding: chunked\r\n");
    for request in [
        "GET /public/ HT".to_owned(),
        "GET /public/ HTTP/1.1\r\nHost: localhost\r\n".to_owned(),
        length.clone(),
        format!("{length}half"),
        chunked.clone(),
        format!("{chunked}5\r\nhal"),
        format!("{chunked}5\r\nhello\r\n"),
        format!("{chunked}5\r\nhello\r\n0\r\n"),
        format!("{chunked}5\r\nhello\r\n0\r\nX: y\r\n"),
    ] {
        let mut connection = half_closed(proxy.address, request.as_bytes());
        if let Some(response) = connection.read_response(false) {
            assert_eq!(response.status, 400, "{request}");
        }
        assert!(connection.is_closed(), "{request}");
    }
    // Whatever reached the app of them was not whole. The twin is.
    assert_eq!(targets(&app), Vec::<String>::new());
    let whole = format!("{chunked}5\r\nhello\r\n0\r\nX: y\r\n\r\n");
    assert_eq!(send(proxy.address, whole).status, 200);
    assert_eq!(app.next().body, b"hello");
}

/// A connection on which this was sent and nothing more will be.
pub(super) fn half_closed(address: SocketAddr, request: &[u8]) -> Connection {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream.write_all(request).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    Connection::over(stream)
}

/// A request is the same however it is cut into packets; the sender is slow, but never slower than the time between reads.
#[test]
fn a_request_may_come_byte_by_byte() {
    let app = App::start();
    let proxy = typical(&app, "");
    let lines = format!("{}Transfer-Encoding: chunked\r\n", bearer("alice"));
    let request = format!(
        "{}2;x=y\r\nhi\r\n0\r\n\r\n",
        post("/inject/request", &lines)
    );
    let mut connection = Connection::open(proxy.address);
    for _ in 0..2 {
        for byte in request.as_bytes() {
            connection.write([*byte]);
        }
        assert_eq!(connection.read_response(false).unwrap().status, 200);
        let seen = app.next();
        super::assert_identity(&seen, "alice");
        assert_eq!(seen.body, b"hi");
    }
}

/// Spaces within the target are encoded by the framework before anybody sees them, and judged and sent like that.
#[test]
fn p2_a_request_line_is_three_words_and_nothing_else() {
    let app = App::start();
    let proxy = typical(&app, "");
    for line in [
        "GET  /public/ HTTP/1.1",
        "GET\t/public/ HTTP/1.1",
        "GET /public/\tHTTP/1.1",
        " GET /public/ HTTP/1.1",
        "GET /public/ HTTP/1.1 ",
        "GET /public/ HTTP/1.1\r",
        "GET /public/\r HTTP/1.1",
        "GET /public/\0 HTTP/1.1",
        "GET /public/\u{b} HTTP/1.1",
        "GET /public/",
        "GET /public/ ",
        "GET",
        "/public/ HTTP/1.1",
        "GET /public/ HTTP/0.9",
        "GET /public/ HTTP/1.10",
        "GET /public/ HTTP/2.0",
        "GET /public/ HTTP/11",
        "GET /public/ http/1.1",
        "GET /public/ HTTP /1.1",
        "GET /public/ HTTPS/1.1",
        "G(T /public/ HTTP/1.1",
        "GET: /public/ HTTP/1.1",
        "\"GET\" /public/ HTTP/1.1",
    ] {
        let mut connection = Connection::open(proxy.address);
        let response =
            connection.request(format!("{line}\r\nHost: localhost\r\n\r\n{}", smuggled()));
        assert!(
            matches!(response.status, 400 | 404 | 405),
            "{line:?}: {response:?}"
        );
        assert!(connection.is_closed(), "{line:?}");
    }
    assert_eq!(targets(&app), Vec::<String>::new());
    assert_eq!(send(proxy.address, get_bytes("/public/", "")).status, 200);
}

#[test]
fn p2_a_field_line_is_a_token_a_colon_and_a_value() {
    let app = App::start();
    let proxy = typical(&app, "");
    for line in [
        "X",
        ": a",
        " X: a",
        "\tX: a",
        "X : a",
        "X\t: a",
        "X Y: a",
        "X(Y: a",
        "X\0: a",
        "X\u{e4}: a",
        "X: a\0",
        "X: a\rb",
        "X: a\r\r",
        "X: a\u{7f}",
        "X: a\u{1b}[2J",
        "X: a\r\n b",
        "X: a\r\n\tb",
        "Content-Length\r\n: 5",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding:",
        "Content-Length: 0\r\nContent-Length: 0",
        "Content-Length: 0x0",
        "Content-Length: -0",
        "Content-Length: 0 0",
        "Content-Length:",
    ] {
        let mut connection = Connection::open(proxy.address);
        let request = post("/public/", &format!("{line}\r\n"));
        let response = connection.request(format!("{request}{}", smuggled()));
        assert_eq!(response.status, 400, "{line:?}");
        assert!(connection.is_closed(), "{line:?}");
    }
    assert_eq!(targets(&app), Vec::<String>::new());
    for line in [
        "X:a",
        "X:",
        "X: \t a \t ",
        "x-!#$%&'*+.^_`|~9: a",
        "X: \u{e4}",
        "Content-Length: 0",
        "Content-Length:  0 ",
    ] {
        let request = post("/public/", &format!("{line}\r\n"));
        assert_eq!(send(proxy.address, request).status, 200, "{line:?}");
        app.next();
    }
}

/// RFC 9112 section 7.1: an extension is nobody's, and the body that the app gets has none.
#[test]
fn p2_chunks_are_framed_anew_and_their_heads_are_bounded() {
    let app = App::start();
    let proxy = typical(&app, "");
    let head = post("/public/", "Transfer-Encoding: chunked\r\n");
    let ask = |body: &str| {
        let mut connection = Connection::open(proxy.address);
        connection.write(format!("{head}{body}"));
        connection
            .read_response(false)
            .map(|response| response.status)
    };
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0;c\r\n\r\n",
        "5 ; a = \"b;c\" \r\nhello\r\n0\r\n\r\n",
        "5;a=b\nhidden\r\nhello\r\n0\r\n\r\n",
        "0005\r\nhello\r\n000\r\n\r\n",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
    ] {
        assert_eq!(ask(body), Some(200), "{body}");
        let seen = app.next();
        assert_eq!(seen.body, b"hello", "{body}");
        let raw = String::from_utf8(seen.raw).unwrap();
        let framed = raw.split_once("\r\n\r\n").unwrap().1;
        assert!(
            !framed.contains([';', ' ', '\t']) && !framed.contains("\r\n\r\nX"),
            "{framed}"
        );
    }
    let long = "x".repeat(100_000);
    for body in [
        format!("5;{long}\r\nhello\r\n0\r\n\r\n"),
        format!("5\r\nhello\r\n0;{long}\r\n\r\n"),
        format!("5\r\nhello\r\n0\r\nX: {long}\r\n\r\n"),
        format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(20)),
        "5\nhello\r\n0\r\n\r\n".to_owned(),
        "5\r\nhello\n0\r\n\r\n".to_owned(),
        "5\rXhello\r\n0\r\n\r\n".to_owned(),
        "5\r\nhelloXX0\r\n\r\n".to_owned(),
        "+5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "0x5\r\nhello\r\n0\r\n\r\n".to_owned(),
        "5_\r\nhello\r\n0\r\n\r\n".to_owned(),
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n".to_owned(),
    ] {
        let status = ask(&body);
        assert!(matches!(status, None | Some(400)), "{status:?} {body:.40}");
    }
    assert_eq!(targets(&app), Vec::<String>::new());
}

/// Two clients whose requests go to the app on one connection: whatever the first one sends, the second gets its own.
#[test]
fn what_one_client_sends_is_never_the_start_of_anothers_request() {
    let (answered, told) = mpsc::channel();
    let answered = Mutex::new(answered);
    let app = App::with(move |request, stream| {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}",
            request.target.len(),
            request.target
        );
        let _ = answered.lock().unwrap().send(request.connection);
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let routes = route("path = \"/echo/{*rest}\"", "public", &[]);
    let proxy = typical(
        &app,
        &format!("{routes}[runtime]\ndownstream_read_timeout = \"1s\"\n"),
    );
    let mut victim = Connection::open(proxy.address);
    let prefix = "GET /echo/stolen HTTP/1.1\r\nHost: localhost\r\nX: ";
    for body in [
        "0\r\n\r\n".to_owned(),
        format!("0\r\n\r\n{prefix}"),
        format!("\r\n{prefix}"),
        format!("0;\n{prefix}\r\n\r\n"),
        format!("{:x}\r\n{prefix}\r\n0\r\n\r\n", prefix.len()),
        format!("0\r\n{prefix}\r\n\r\n"),
        format!("0\r\nX: y\r\n\r\n{prefix}"),
    ] {
        let mut attacker = Connection::open(proxy.address);
        attacker.write(format!(
            "{}{body}",
            post("/echo/own", "Transfer-Encoding: chunked\r\n")
        ));
        let own = attacker
            .read_response(false)
            .map(|response| response.text());
        assert!(
            own.is_none_or(|text| text == "/echo/own" || text.contains("request_invalid")),
            "{body}"
        );
        for number in 0..3 {
            let path = format!("/echo/victim{number}");
            assert_eq!(victim.request(get_bytes(&path, "")).text(), path, "{body}");
        }
    }
    assert!(!targets(&app).iter().any(|target| target.contains("stolen")));
    // They did share one.
    let connections: std::collections::HashSet<_> = told.try_iter().collect();
    assert!(connections.len() < 8, "{connections:?}");
}
