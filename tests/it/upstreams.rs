//! The servers behind an upstream: how they are reached, which is next, and what happens while some are away.

mod balance;
mod front;
mod health;
mod http2;
mod reload;
mod retries;
mod tls;

use std::fmt::Display;
use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::support::proxy::free_address;
use crate::support::{App, Proxy, config, get};

/// A proxy for one upstream with these servers and further lines, all of whose paths are public.
fn proxy(servers: &[String], lines: &str) -> Proxy {
    Proxy::start(&configured(servers, lines, ""))
}

fn configured(servers: &[String], lines: &str, more: &str) -> String {
    let address = free_address();
    let text = config(address, &format!("default_access = \"public\"\n{more}"));
    let only = format!("servers = [\"http://{address}\"]\n");
    assert!(text.contains(&only));
    text.replace(&only, &format!("servers = {servers:?}\n{lines}\n"))
}

fn http(address: impl Display) -> String {
    format!("http://{address}")
}

fn https(address: impl Display) -> String {
    format!("https://{address}")
}

/// An app that answers every request with its name.
fn named(name: &'static str) -> App {
    App::with(move |_, stream| answer(stream, name))
}

fn answer(stream: &mut TcpStream, body: &str) -> bool {
    let length = body.len();
    let written = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    written.is_ok()
}

/// Who answers so many requests, one after the other; each must be answered well.
fn answered_by(proxy: &Proxy, requests: usize) -> Vec<String> {
    let answers = (0..requests).map(|_| {
        let response = get(proxy.address, "/", "");
        assert_eq!(response.status, 200, "{response:?}\n{}", proxy.printed());
        response.text()
    });
    answers.collect()
}

fn count(names: &[String], name: &str) -> usize {
    names.iter().filter(|one| *one == name).count()
}

/// Waits until the metric says so.
fn wait_until(proxy: &Proxy, server: &str, healthy: bool) {
    wait_for(|| is_healthy(proxy, server) == healthy);
}

fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..30_000 {
        if condition() {
            return;
        }
        thread::park_timeout(Duration::from_millis(2));
    }
    panic!("it does not come true");
}

fn is_healthy(proxy: &Proxy, server: &str) -> bool {
    let metrics = get(proxy.ops, "/metrics", "").text();
    let series = format!(
        "usersig_proxy_upstream_healthy{{server=\"{server}\",site=\"default\",upstream=\"app\"}} "
    );
    let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
    match value.unwrap_or_else(|| panic!("no {series}: {metrics}")) {
        "1" => true,
        "0" => false,
        other => panic!("{series}{other}"),
    }
}

/// How often the log says that a server is out, and that one is back.
fn turns(proxy: &Proxy) -> (usize, usize) {
    let printed = proxy.printed();
    let count = |message: &str| printed.matches(message).count();
    (
        count("\"message\":\"server is out\""),
        count("\"message\":\"server is back\""),
    )
}
