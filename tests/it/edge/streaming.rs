//! What passes through without being held: events, halves of bodies, large bodies.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, mpsc};
use std::thread;

use super::{get_bytes, typical};
use crate::support::tokens::bearer;
use crate::support::{App, Connection, Proxy, config};

#[test]
fn each_event_arrives_before_the_app_sends_the_next() {
    for (case, framing) in [("chunked", true), ("until the end", false)] {
        let (next, wanted) = mpsc::channel::<()>();
        let wanted = Mutex::new(wanted);
        let app = App::with(move |_, stream| {
            let coding = if framing {
                "Transfer-Encoding: chunked\r\n"
            } else {
                ""
            };
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{coding}\r\n"
            );
            for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
                let _ = match framing {
                    true => write!(stream, "{:x}\r\n{event}\r\n", event.len()),
                    false => write!(stream, "{event}"),
                };
                wanted.lock().unwrap().recv().unwrap();
            }
            let _ = write!(stream, "{}", if framing { "0\r\n\r\n" } else { "" });
            framing
        });
        let proxy = typical(&app, "");
        let mut client = TcpStream::connect(proxy.address).unwrap();
        client
            .set_read_timeout(Some(std::time::Duration::from_secs(60)))
            .unwrap();
        let request = get_bytes("/inject/response", &bearer("alice"));
        client.write_all(request.as_bytes()).unwrap();
        let mut received = String::new();
        for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
            // Only then may the app go on.
            read_until(&mut client, &mut received, event);
            next.send(()).unwrap();
        }
        assert!(
            received.contains("cache-control: no-store")
                || received.contains("Cache-Control: no-store"),
            "{case}"
        );
    }
}

#[test]
fn the_first_half_of_a_body_arrives_before_the_second_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(&config(
        listener.local_addr().unwrap(),
        "default_access = \"public\"\n",
    ));
    let (arrived, seen) = mpsc::channel();
    let app = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut received = String::new();
        for half in ["first half", "second half"] {
            read_until(&mut stream, &mut received, half);
            arrived.send(()).unwrap();
        }
        stream.write_all(super::OK).unwrap();
    });
    let mut client = Connection::open(proxy.address);
    client.write("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\na\r\nfirst half\r\n");
    seen.recv().unwrap();
    client.write("b\r\nsecond half\r\n0\r\n\r\n");
    seen.recv().unwrap();
    assert_eq!(client.read_response(false).unwrap().status, 200);
    app.join().unwrap();
}

#[test]
fn a_large_body_passes_both_ways_and_is_not_held() {
    let app = App::with(|request, stream| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            request.body.len()
        );
        stream.write_all(head.as_bytes()).is_ok() && stream.write_all(&request.body).is_ok()
    });
    let proxy = typical(&app, "");
    let sent = pattern(64 << 20);
    let before = peak_memory(&proxy);
    let head = format!(
        "POST /inject/all HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n",
        sent.len(),
        bearer("alice")
    );
    let mut client = Connection::open(proxy.address);
    client.write(head);
    client.write(&sent);
    let response = client.read_response(false).unwrap();
    assert_eq!(response.header("x-chat-userid"), Some("alice"));
    assert!(response.body == sent, "the answer differs");
    assert!(app.next().body == sent, "the body differs");
    let grown = peak_memory(&proxy).saturating_sub(before);
    assert!(grown < 16 << 10, "the proxy held {grown} KiB");
}

/// RFC 9110 section 10.1.1: the client waits for the app's word, not for ours.
#[test]
fn p5_an_expectation_is_the_apps_to_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(&config(
        listener.local_addr().unwrap(),
        "default_access = \"public\"\n",
    ));
    let app = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut received = String::new();
        read_until(&mut stream, &mut received, "\r\n\r\n");
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        read_until(&mut stream, &mut received, "the body");
        stream.write_all(super::OK).unwrap();
        received
    });
    let mut client = Connection::open(proxy.address);
    client.write(
        "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n",
    );
    assert_eq!(client.read_response(false).unwrap().status, 100);
    client.write("the body");
    assert_eq!(client.read_response(false).unwrap().status, 200);
    assert!(
        app.join()
            .unwrap()
            .to_ascii_lowercase()
            .contains("expect: 100-continue")
    );
}

/// Bytes whose order shows: no window of 8 repeats within a body.
fn pattern(length: u64) -> Vec<u8> {
    (0..length / 8)
        .flat_map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .collect()
}

/// The most memory that the process ever had, in KiB.
///
/// The kernel sums counters of each processor that are not quite in step: a later look may give a little less.
pub(super) fn peak_memory(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

pub(super) fn read_until(stream: &mut TcpStream, received: &mut String, wanted: &str) {
    let mut bytes = [0; 4096];
    while !received.contains(wanted) {
        let read = stream.read(&mut bytes).unwrap();
        assert_ne!(read, 0, "closed after {received}");
        received.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
}
