//! The status page of the running program: who gets it, what its stream tells, and that it ends with the process.

mod chromium;
mod leaks;

use serde_json::Value;

use crate::rest_api::{Chat, settings};
use crate::support::tokens::bearer;
use crate::support::{App, Connection, Proxy, get, send};

/// An app behind a proxy with a gateway to a Chat: `/api/..` needs a session, `/public/..` does not.
struct World {
    _app: App,
    chat: Chat,
    proxy: Proxy,
}

impl World {
    fn start(more: &str) -> Self {
        let (app, chat) = (App::start(), Chat::start());
        let routes = "[[route]]\nmatch = { path = \"/api/{*rest}\" }\naccess = \"session\"\ninject = { request_headers = true }\n\
                      [[route]]\nmatch = { path = \"/public/{*rest}\" }\naccess = \"public\"\n";
        let text = settings(&chat.app, &format!("{routes}{more}"));
        let config = text.replace("127.0.0.1:9\"", &format!("{}\"", app.address));
        Self {
            proxy: Proxy::start(&config),
            _app: app,
            chat,
        }
    }

    fn stream(&self) -> Stream {
        Stream::open(&self.proxy, "")
    }
}

/// A reader of the page's stream.
struct Stream(Connection);

impl Stream {
    fn open(proxy: &Proxy, headers: &str) -> Self {
        let mut connection = Connection::open(proxy.ops);
        let host = proxy.ops;
        connection.write(format!(
            "GET /status/events HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"
        ));
        let mut stream = Self(connection);
        let head = stream.line_block();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let head = head.to_ascii_lowercase();
        for line in [
            "content-type: text/event-stream\r\n",
            "cache-control: no-store\r\n",
            "x-content-type-options: nosniff\r\n",
            "cross-origin-resource-policy: same-origin\r\n",
            "transfer-encoding: chunked\r\n",
        ] {
            assert!(head.contains(line), "{line} is not in {head}");
        }
        assert!(!head.contains("access-control-"), "{head}");
        stream
    }

    /// The next chunk; `None` at the proper end of the body.
    fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        while !size.ends_with("\r\n") {
            size.push(char::from(self.0.read_bytes(1)[0]));
        }
        let length = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let chunk = self.0.read_bytes(length + 2);
        let chunk = String::from_utf8(chunk).unwrap();
        (length > 0).then(|| chunk[..length].to_owned())
    }

    /// The next event.
    fn event(&mut self) -> Value {
        let chunk = self.chunk().expect("the stream has ended");
        let data = chunk
            .strip_prefix("data: ")
            .and_then(|rest| rest.strip_suffix("\n\n"));
        serde_json::from_str(data.unwrap_or_else(|| panic!("no event: {chunk}"))).unwrap()
    }

    /// Waits for an event whose newest sample fits.
    fn wait_for(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.event();
            let newest = event["samples"].as_array().unwrap().last().unwrap();
            if is_wanted(newest) {
                return event;
            }
        }
    }

    fn line_block(&mut self) -> String {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            text.push(char::from(self.0.read_bytes(1)[0]));
        }
        text
    }
}

#[test]
fn the_page_is_one_file_that_no_other_page_may_frame_read_or_keep() {
    let world = World::start("");
    let ops = world.proxy.ops;
    let head = format!("Host: {ops}\r\n");
    let page = send(ops, format!("GET /status HTTP/1.1\r\n{head}\r\n"));
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let cors = page
        .headers
        .iter()
        .find(|(name, _)| name.starts_with("access-control"));
    assert_eq!(cors, None);
    let policy = page.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    let html = page.text();
    for outside in ["http:", "https:", "//cdn", "src=", "@import", "url("] {
        let found = html
            .lines()
            .find(|line| line.contains(outside) && !line.contains("http://www.w3.org/2000/svg"));
        assert_eq!(found, None, "{outside}");
    }
}

#[test]
fn the_stream_tells_the_past_first_and_then_what_happens() {
    let world = World::start("");
    let mut early = world.stream();
    assert_eq!(early.event()["standing"]["config"]["generation"], 1);
    // The first look at the metrics may come before the process takes requests.
    while early.event()["standing"]["readiness"] != "ready" {}
    for _ in 0..3 {
        get(world.proxy.address, "/api/x", &bearer("42"));
    }
    get(world.proxy.address, "/api/x", "");
    let is_counted = |sample: &Value| {
        sample["requests"]["token_missing"] == 1 && sample["latency"]["count"] == 4
    };
    let event = early.wait_for(is_counted);
    let newest = event["samples"].as_array().unwrap().last().unwrap();
    assert_eq!(newest["requests"]["forwarded"], 3, "{newest}");
    assert_eq!(newest["verified"]["HS256"], 3);
    assert_eq!(
        (&newest["lookups"]["issued"], &newest["lookups"]["hit"]),
        (&1.into(), &2.into())
    );
    // Whoever comes now is told what was before, in one event.
    let mut late = world.stream();
    let samples = late.event()["samples"].as_array().unwrap().len();
    assert!(samples >= 2, "{samples}");
    assert!(early.event()["samples"].as_array().unwrap().len() <= samples);
}

#[test]
fn a_reload_and_a_refused_one_show_in_the_stream() {
    let world = World::start("");
    let mut stream = world.stream();
    stream.event();
    world.proxy.signal("HUP");
    let generation = |event: &Value| event["standing"]["config"]["generation"] == 2;
    while !generation(&stream.event()) {}
    world.proxy.write("chat-key", "not a key");
    world.proxy.signal("HUP");
    let refused =
        |event: &Value| event["standing"]["config"]["is_last_reload_good"] == Value::Bool(false);
    while !refused(&stream.event()) {}
}

#[test]
fn a_page_of_another_origin_and_a_borrowed_name_get_nothing() {
    let world = World::start("");
    let ops = world.proxy.ops;
    let own = format!("Host: {ops}\r\n");
    for (case, path, lines, status) in [
        (
            "a foreign name",
            "/status",
            "Host: evil.example\r\n".to_owned(),
            421,
        ),
        (
            "a foreign name",
            "/status/events",
            "Host: evil.example:9090\r\n".to_owned(),
            421,
        ),
        (
            "another origin",
            "/status/events",
            format!("{own}Origin: https://evil.example\r\n"),
            403,
        ),
        (
            "no origin to tell",
            "/status/events",
            format!("{own}Origin: null\r\n"),
            403,
        ),
        (
            "another port",
            "/status/events",
            format!("{own}Origin: http://{}\r\n", world.proxy.address),
            403,
        ),
        (
            "an image",
            "/status/events",
            format!("{own}Sec-Fetch-Site: cross-site\r\n"),
            403,
        ),
        (
            "a link",
            "/status",
            format!("{own}Sec-Fetch-Site: cross-site\r\n"),
            200,
        ),
        ("by address", "/status", own.clone(), 200),
        (
            "by name",
            "/status",
            "Host: localhost:9090\r\n".to_owned(),
            200,
        ),
    ] {
        let response = send(ops, format!("GET {path} HTTP/1.1\r\n{lines}\r\n"));
        assert_eq!(response.status, status, "{case}: {path}");
        assert!(!response.text().contains("samples\":"), "{case}: {path}");
    }
    Stream::open(
        &world.proxy,
        &format!("Origin: http://{ops}\r\nSec-Fetch-Site: same-origin\r\n"),
    );
    // A probe by name is answered as before.
    let probe = "GET /readyz HTTP/1.1\r\nHost: node-1.example\r\n\r\n";
    assert_eq!(send(ops, probe).status, 200);
}

#[test]
fn other_methods_are_405_and_a_head_request_opens_no_stream() {
    let world = World::start("");
    let ops = world.proxy.ops;
    for path in ["/status", "/status/events"] {
        let post = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(send(ops, post).status, 405, "{path}");
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let head = send(ops, head);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
}

#[test]
fn there_are_only_so_many_streams_and_one_that_ends_makes_room() {
    let world = World::start("");
    let mut streams: Vec<_> = (0..8).map(|_| world.stream()).collect();
    for stream in &mut streams {
        stream.event();
    }
    let ask = |connection: &mut Connection| {
        let host = world.proxy.ops;
        connection.write(format!(
            "GET /status/events HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ));
        String::from_utf8(connection.read_bytes(12)).unwrap()
    };
    assert_eq!(ask(&mut Connection::open(world.proxy.ops)), "HTTP/1.1 503");
    // The page itself and the probes are not streams.
    assert_eq!(get(world.proxy.ops, "/healthz", "").status, 200);
    streams.pop();
    // Its end is noticed with the next event.
    while ask(&mut Connection::open(world.proxy.ops)) != "HTTP/1.1 200" {
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
}

#[test]
fn streams_end_properly_with_the_stop_and_hold_nothing_up() {
    // In the first they are closed while others still have their grace.
    for (grace, ends) in [("1h", false), ("1s", true)] {
        let mut world = World::start(&format!(
            "[runtime]\ngrace_period = \"{grace}\"\nshutdown_timeout = \"1h\"\n"
        ));
        let mut stream = world.stream();
        stream.event();
        world.proxy.signal("TERM");
        let events = (0..60).take_while(|_| stream.chunk().is_some());
        assert!(events.count() < 60, "it goes on");
        assert!(stream.0.is_closed());
        if ends {
            assert_eq!(world.proxy.wait(), Some(0));
        }
    }
}
