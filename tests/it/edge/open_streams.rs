//! Requests of HTTP/2 that their clients do not end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use super::OK;
use super::streaming::read_until;
use crate::support::frames::*;
use crate::support::{Proxy, config};

/// The header of a request whose end is still to come.
fn open(method: &str, path: &str) -> Vec<u8> {
    let fields = [
        (":method", method),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", path),
    ];
    frame(HEADERS, END_HEADERS, 1, &block(&fields))
}

/// An app that answers as soon as it has the header, without a body where it is asked to.
fn app() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut received = String::new();
                read_until(&mut stream, &mut received, "\r\n\r\n");
                let answer: &[u8] = match received.split(' ').nth(1).unwrap() {
                    "/none" => b"HTTP/1.1 204 No Content\r\n\r\n",
                    "/empty" => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                    _ => OK,
                };
                stream.write_all(answer).unwrap();
                // Until the proxy is done with it.
                let _ = stream.read_to_end(&mut Vec::new());
            });
        }
    });
    address
}

fn proxy(app: SocketAddr, more: &str) -> Proxy {
    Proxy::start(&config(
        app,
        &format!("default_access = \"public\"\n{more}"),
    ))
}

fn requests(proxy: &Proxy) -> u64 {
    proxy.metric(r#"requests_total{outcome="forwarded",route="default",site="default"}"#)
}

#[test]
fn a_request_that_stays_open_after_its_answer_is_reset() {
    let proxy = proxy(app(), "[runtime]\ndownstream_read_timeout = \"1s\"\n");
    for (number, (method, path, status)) in [
        ("GET", "/whole", 200),
        ("POST", "/sent", 200),
        ("GET", "/none", 204),
        ("POST", "/empty", 200),
    ]
    .into_iter()
    .enumerate()
    {
        let mut talk = Talk::begin(proxy.address, &[open(method, path)]);
        assert_eq!(talk.next(), End::Answered(status), "{method} {path}");
        let end = talk.next();
        assert!(matches!(end, End::Reset(_)), "{method} {path}: {end:?}");
        // It is told all the same.
        proxy.wait_for_metric("requests_in_flight", 0);
        assert_eq!(requests(&proxy), 1 + number as u64, "{method} {path}");
        let line = proxy.log_line(|line| line["path"] == path);
        assert_eq!(line["status"], status, "{method} {path}");
        assert_eq!(line["outcome"], "forwarded", "{method} {path}");
    }
}

#[test]
fn a_request_that_ends_after_its_answer_is_left_alone_and_told_once() {
    let proxy = proxy(app(), "");
    let mut talk = Talk::begin(proxy.address, &[open("POST", "/whole")]);
    assert_eq!(talk.next(), End::Answered(200));
    talk.send(&frame(DATA, END_STREAM, 1, b"late"));
    proxy.wait_for_metric("requests_in_flight", 0);
    talk.send(&frame(PING, 0, 0, LAST));
    assert_eq!(talk.next(), End::Taken);
    assert_eq!(requests(&proxy), 1);
    let told = |line: &&str| line.contains("\"path\":\"/whole\"");
    assert_eq!(proxy.printed().lines().filter(told).count(), 1);
}
