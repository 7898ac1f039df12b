//! Clients that send an exact number of requests, all at once and then all again.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::job::Job;
use crate::tokens::TokenFile;

/// How many there are.
pub(super) const CLIENTS: usize = 16;

pub(super) struct Clients {
    connections: Vec<TcpStream>,
    /// What each sends.
    requests: Vec<String>,
    status: u16,
}

impl Clients {
    /// Connects; each has a token of its own.
    pub(super) fn connect(address: SocketAddr, job: Job, tokens: Option<&TokenFile>) -> Self {
        let load = job.load(tokens);
        let text = load
            .tokens
            .map(|path| std::fs::read_to_string(path).unwrap());
        let mut tokens = text.as_deref().unwrap_or_default().lines();
        let request = |_| {
            let authorization = tokens
                .next()
                .map(|token| format!("Authorization: Bearer {token}\r\n"));
            format!(
                "{} {} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: bench\r\nAccept: */*\r\n{}{}\r\n{}",
                load.method,
                load.targets[0],
                authorization.unwrap_or_default(),
                match load.body.len() {
                    0 => String::new(),
                    length =>
                        format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
                },
                load.body,
            )
        };
        let connect = |_| TcpStream::connect(address).unwrap();
        Self {
            connections: (0..CLIENTS).map(connect).collect(),
            requests: (0..CLIENTS).map(request).collect(),
            status: load.status,
        }
    }

    /// Sends so many requests, in rounds of one for each client, whose answers are waited for.
    pub(super) fn send(&mut self, count: usize) {
        for _ in 0..count / CLIENTS {
            for (connection, request) in self.connections.iter_mut().zip(&self.requests) {
                connection.write_all(request.as_bytes()).unwrap();
            }
            for connection in &mut self.connections {
                take_answer(connection, self.status);
            }
        }
    }
}

/// Reads one answer to its end.
fn take_answer(connection: &mut TcpStream, status: u16) {
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while !is_complete(&answer, status) {
        let read = connection.read(&mut chunk).unwrap();
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&chunk[..read]);
    }
}

fn is_complete(answer: &[u8], status: u16) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = parsed.parse(answer).unwrap() else {
        return false;
    };
    assert_eq!(
        parsed.code,
        Some(status),
        "{}",
        String::from_utf8_lossy(answer)
    );
    let mut headers = parsed.headers.iter();
    let length = headers.find(|header| header.name.eq_ignore_ascii_case("content-length"));
    match length {
        Some(length) => {
            let length: usize = std::str::from_utf8(length.value).unwrap().parse().unwrap();
            answer.len() >= head + length
        }
        None => answer.ends_with(b"0\r\n\r\n"),
    }
}
