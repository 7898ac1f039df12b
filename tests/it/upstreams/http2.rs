//! Servers that speak HTTP/2.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::front::{Certificate, Front, key_file};
use super::{configured, https, is_healthy, named, proxy, wait_for};
use crate::edge::http2::{exchange, post, talk};
use crate::support::tokens::session;
use crate::support::{Connection, Proxy, get, send};

/// A request as the app read it.
#[derive(Clone, Debug)]
struct Seen {
    method: String,
    uri: String,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

/// Answers each request with its body, of the same type, in two parts and with trailers.
struct Http2App {
    front: Front,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Http2App {
    fn start() -> Self {
        Self::leaving_after(usize::MAX)
    }

    /// Ends a connection in order after so many requests.
    fn leaving_after(requests: usize) -> Self {
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let sink = seen.clone();
        let serve = move |stream| serve(stream, sink.clone(), requests);
        Self {
            front: Front::tls_with(Certificate::App, &["h2", "http/1.1"], serve),
            seen,
        }
    }

    fn proxy(&self) -> Proxy {
        proxy(&[https(self.front.address)], &lines())
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn lines() -> String {
    format!(
        "ca = {:?}\nserver_name = \"app.internal\"\nhttp2 = \"auto\"",
        key_file("upstreams/ca.pem")
    )
}

async fn serve(stream: TlsStream<TcpStream>, seen: Arc<Mutex<Vec<Seen>>>, requests: usize) {
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    let mut taken = 0;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        taken += 1;
        if taken == requests {
            connection.graceful_shutdown();
        }
        let seen = seen.clone();
        tokio::spawn(async move {
            let (head, mut body) = request.into_parts();
            let mut bytes = Vec::new();
            while let Some(Ok(chunk)) = body.data().await {
                let _ = body.flow_control().release_capacity(chunk.len());
                bytes.extend(chunk);
            }
            let trailers = body.trailers().await.ok().flatten();
            let mut head_of_answer = Response::new(());
            for name in [CONTENT_TYPE, CONTENT_ENCODING] {
                let value = head.headers.get(&name).cloned();
                value.map(|value| head_of_answer.headers_mut().insert(name, value));
            }
            seen.lock().unwrap().push(Seen {
                method: head.method.to_string(),
                uri: head.uri.to_string(),
                headers: head.headers,
                body: bytes.clone(),
                trailers,
            });
            let mut answer = respond.send_response(head_of_answer, false).unwrap();
            let (first, second) = bytes.split_at(bytes.len() / 2);
            for part in [first, second] {
                let _ = answer.send_data(Bytes::copy_from_slice(part), false);
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("x-checksum", HeaderValue::from_static("42"));
            let _ = answer.send_trailers(trailers);
        });
    }
}

#[test]
fn bodies_go_both_ways() {
    let app = Http2App::start();
    // One thread, and each request after the end of the one before: no connection is asked for while that is let go.
    let servers = [https(app.front.address)];
    let proxy = Proxy::start(&configured(&servers, &lines(), "[runtime]\nthreads = 1\n"));
    let large = "x".repeat(300_000);
    let cases = [
        ("no body", String::new(), ""),
        ("length", "Content-Length: 5\r\n".to_owned(), "hello"),
        (
            "chunks",
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ),
        (
            "large",
            format!("Content-Length: {}\r\n", large.len()),
            &large,
        ),
    ];
    for (number, (case, framing, body)) in (1..).zip(cases) {
        let head = format!(
            "POST /echo?{} HTTP/1.1\r\nHost: shop.example\r\n{framing}\r\n",
            case.len()
        );
        let response = send(proxy.address, format!("{head}{body}"));
        let expected = if case == "chunks" { "hello" } else { body };
        assert_eq!(response.status, 200, "{case}");
        assert!(response.body == expected.as_bytes(), "{case}: {response:?}");
        let seen = app.take();
        assert_eq!(seen.len(), 1, "{case}");
        assert_eq!(seen[0].method, "POST", "{case}");
        let uri = format!("https://shop.example/echo?{}", case.len());
        assert_eq!(seen[0].uri, uri, "{case}: the client's host");
        assert_eq!(seen[0].body, expected.as_bytes(), "{case}");
        assert!(!seen[0].headers.contains_key("host"), "{case}");
        proxy.log_lines(number, |line| line["path"] == "/echo");
    }
    let protocols = app.front.handshakes();
    assert_eq!(protocols.len(), 1, "one connection: {protocols:?}");
    assert_eq!(protocols[0].protocol.as_deref(), Some("h2"));
}

/// Trailers are the end of a body, too.
#[test]
fn p6_a_login_answer_with_trailers_takes_the_login() {
    let app = Http2App::start();
    let login = "[[route]]\nmatch = { path = \"/login\" }\naccess = \"public\"\n\
                 session_from_response = { json = \"/access_token\" }\n\
                 inject = { response_json = \"/chat\" }\n";
    let proxy = Proxy::start(&configured(&[https(app.front.address)], &lines(), login));
    let body = json!({ "access_token": session("alice") }).to_string();
    let log_in = |lines: &str, body: &[u8]| {
        let head = format!(
            "POST /login HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\n\
             {lines}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = std::net::TcpStream::connect(proxy.address).unwrap();
        let limit = std::time::Duration::from_secs(60);
        stream.set_read_timeout(Some(limit)).unwrap();
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let (mut text, mut byte) = (Vec::new(), [0]);
        while !text.ends_with(b"\r\n0\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            text.extend(byte);
        }
        String::from_utf8(text).unwrap()
    };
    let answer = log_in("", body.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(r#""userId":"alice""#), "{answer}");
    assert!(answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
    // What cannot be read has no end.
    let answer = log_in("Content-Encoding: gzip\r\n", &[0x1f, 0x8b, 8, 0, 0, 0]);
    assert!(!answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
}

#[test]
fn a_client_of_http2_is_served_over_http2() {
    let app = Http2App::start();
    let proxy = app.proxy();
    talk(&proxy, async |mut client| {
        for frames in [&[][..], &["hello"], &["he", "llo", ""], &[""]] {
            let answer = exchange(&mut client, post("/"), frames).await;
            assert_eq!((answer.status, answer.text), (200, frames.concat()));
        }
    });
    for seen in app.take() {
        assert_eq!(
            seen.uri, "https://localhost/",
            "the scheme is that of the connection"
        );
    }
}

/// The client's trailers end at the proxy, so none can carry a name that only the proxy may set; the app's go on.
#[test]
fn p5_trailers_of_a_request_end_here_and_those_of_an_answer_go_on() {
    let app = Http2App::start();
    let proxy = app.proxy();
    talk(&proxy, async |client| {
        let mut client = client.ready().await.unwrap();
        let request = post("/").body(()).unwrap();
        let (response, mut body) = client.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(b"hello"), false).unwrap();
        let mut trailers = HeaderMap::new();
        for name in ["x-chat-userid", "x-other"] {
            trailers.insert(name, HeaderValue::from_static("root"));
        }
        body.send_trailers(trailers).unwrap();
        let mut answer = response.await.unwrap().into_body();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.data().await {
            bytes.extend(chunk.unwrap());
        }
        assert_eq!(bytes, b"hello");
        let trailers = answer.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["x-checksum"], "42");
    });
    let seen = app.take();
    assert_eq!((seen.len(), &seen[0].trailers), (1, &None));
    assert_eq!(seen[0].body, b"hello");
}

#[test]
fn requests_at_the_same_time_keep_their_bodies_apart() {
    let app = Http2App::start();
    let proxy = app.proxy();
    talk(&proxy, async |client| {
        let tasks = (0..50).map(|number| {
            let mut client = client.clone();
            let body = format!("{number}-").repeat(1000);
            tokio::task::spawn_local(async move {
                let answer = exchange(&mut client, post("/"), &[&body]).await;
                assert!(answer.text == body, "{number}");
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
    assert_eq!(app.take().len(), 50);
}

#[test]
fn a_check_speaks_http2_where_requests_do() {
    for (statuses, passes) in [("[200]", true), ("[204]", false)] {
        let app = Http2App::start();
        let server = https(app.front.address);
        let health = format!(
            "health = {{ path = \"/healthz?deep=1\", statuses = {statuses}, interval = \"1s\", unhealthy_after = 1 }}"
        );
        let proxy = proxy(
            std::slice::from_ref(&server),
            &format!("{}\n{health}", lines()),
        );
        // The second begins when the first is judged.
        wait_for(|| app.seen.lock().unwrap().len() >= 2);
        assert_eq!(is_healthy(&proxy, &server), passes, "{statuses}");
        if !passes {
            let line = proxy.log_line(|line| line["message"] == "server is out");
            assert_eq!(line["reason"], "the check is answered with 200");
        }
        let seen = app.take();
        assert_eq!(seen[0].uri, "https://app.internal/healthz?deep=1");
        assert_eq!((seen[0].method.as_str(), seen[0].body.len()), ("GET", 0));
        let protocols = app.front.handshakes();
        assert_eq!(protocols[0].protocol.as_deref(), Some("h2"));
        assert!(protocols.len() >= 2, "each has its own connection");
    }
}

/// With a GOAWAY, as servers do before they restart. One that is cut off in the moment of a request fails that one.
#[test]
fn a_server_that_takes_its_leave_fails_no_request_that_may_be_sent_again() {
    let app = Http2App::leaving_after(1);
    let proxy = app.proxy();
    for _ in 0..20 {
        assert_eq!(get(proxy.address, "/", "").status, 200);
    }
    assert_eq!(app.take().len(), 20);
    assert!(app.front.handshakes().len() > 1);
}

#[test]
fn a_stream_that_is_refused_is_tried_again_once() {
    for (refusals, status) in [(1, 200), (usize::MAX, 502)] {
        let (seen, asked) = (
            Arc::<Mutex<Vec<_>>>::default(),
            Arc::<AtomicUsize>::default(),
        );
        let counter = asked.clone();
        let refuse = move |stream: TlsStream<TcpStream>| {
            let (seen, counter) = (seen.clone(), counter.clone());
            async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else {
                    return;
                };
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    match counter.fetch_add(1, Ordering::SeqCst) < refusals {
                        true => respond.send_reset(h2::Reason::REFUSED_STREAM),
                        false => {
                            seen.lock().unwrap().push(request);
                            let _ = respond.send_response(Response::new(()), true);
                        }
                    }
                }
            }
        };
        let front = Front::tls_with(Certificate::App, &["h2"], refuse);
        let proxy = proxy(&[https(front.address)], &lines());
        assert_eq!(get(proxy.address, "/", "").status, status);
        proxy.log_line(|line| line["path"] == "/");
        assert_eq!(asked.load(Ordering::SeqCst), 2, "{refusals} refused");
    }
}

/// HTTP/2 has no place for a request that names no host, so it goes over HTTP/1.1 as it always did.
#[test]
fn a_request_without_a_host_goes_over_http1() {
    let app = named("hello");
    let front = Front::tls(Certificate::App, &["h2", "http/1.1"], app.address);
    let proxy = proxy(&[https(front.address)], &lines());
    let response = send(proxy.address, "GET /without-host HTTP/1.0\r\n\r\n");
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    assert_eq!(front.handshakes()[0].protocol.as_deref(), Some("http/1.1"));
}

#[test]
fn a_server_that_does_not_offer_it_gets_http1() {
    for protocols in [&["http/1.1"][..], &[]] {
        let app = named("hello");
        let front = Front::tls(Certificate::App, protocols, app.address);
        let proxy = proxy(&[https(front.address)], &lines());
        for _ in 0..3 {
            assert_eq!(get(proxy.address, "/", "").text(), "hello", "{protocols:?}");
        }
    }
}

#[test]
fn a_server_is_asked_over_http1_while_http2_is_off() {
    let app = named("hello");
    let front = Front::tls(Certificate::App, &["h2", "http/1.1"], app.address);
    let off = lines().replace("auto", "off");
    let proxy = proxy(&[https(front.address)], &off);
    let mut connection = Connection::open(proxy.address);
    assert_eq!(
        connection
            .request("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .text(),
        "hello"
    );
    assert_eq!(front.handshakes()[0].protocol.as_deref(), Some("http/1.1"));
}
