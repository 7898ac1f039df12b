//! What a client gets when the app fails.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc;

use super::{get_bytes, ok, snapshot};
use crate::support::proxy::free_address;
use crate::support::{App, Connection, Proxy, config, get};

#[test]
fn an_app_that_is_away_is_unreachable() {
    let address = free_address();
    let proxy = Proxy::start(&config(address, "default_access = \"public\"\n"));
    let mut connection = Connection::open(proxy.address);
    let response = connection.request(get_bytes("/", ""));
    assert_eq!(snapshot(&response), UPSTREAM_UNREACHABLE);
    assert!(connection.is_closed());
    assert_failures(&proxy, "upstream_unreachable", 1);
}

#[test]
fn an_app_that_is_silent_times_out() {
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let app = App::with(move |request, stream| {
        if request.target == "/slow" {
            let _ = held.lock().unwrap().recv();
            return false;
        }
        ok(stream)
    });
    let config = config(app.address, "default_access = \"public\"\n");
    let proxy = Proxy::start(&config.replace("[chat]", "read_timeout = \"3s\"\n[chat]"));
    assert_eq!(get(proxy.address, "/", "").status, 200);
    let response = get(proxy.address, "/slow", "");
    assert_eq!(snapshot(&response), UPSTREAM_TIMEOUT);
    drop(release);
    assert_eq!(get(proxy.address, "/", "").status, 200);
    assert_failures(&proxy, "upstream_timeout", 1);
}

#[test]
fn an_answer_that_is_no_http_is_invalid() {
    for (case, bytes) in [
        ("garbage", "220 mail.example ESMTP\r\n\r\n".as_bytes()),
        ("closed at once", b""),
        ("cut in the header", b"HTTP/1.1 200 OK\r\nContent-Le"),
        (
            "two lengths",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        ),
    ] {
        let app = App::with(move |request, stream| match request.target.as_str() {
            "/bad" => {
                let _ = stream.write_all(bytes);
                false
            }
            _ => ok(stream),
        });
        let proxy = Proxy::in_front_of(&app, "default_access = \"public\"\n");
        assert_eq!(get(proxy.address, "/", "").status, 200, "{case}");
        let response = get(proxy.address, "/bad", "");
        assert_eq!(snapshot(&response), UPSTREAM_INVALID, "{case}");
        assert_failures(&proxy, "upstream_invalid", 1);
    }
}

/// Once the answer has begun nothing can take it back: the client must see that it is not whole.
#[test]
fn an_answer_cut_in_its_body_never_looks_whole() {
    for (case, head, body) in [
        ("length", "Content-Length: 100\r\n", "only this"),
        (
            "chunked",
            "Transfer-Encoding: chunked\r\n",
            "9\r\nonly this\r\n",
        ),
    ] {
        let app = App::with(move |_, stream| {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n{body}");
            false
        });
        let proxy = Proxy::in_front_of(&app, "default_access = \"public\"\n");
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.write_all(get_bytes("/", "").as_bytes()).unwrap();
        let mut received = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut received);
        let text = String::from_utf8_lossy(&received);
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{case}: {text}");
        assert!(text.contains("only this"), "{case}: {text}");
        assert!(
            !text.contains("0\r\n\r\n") && !text.contains("problem"),
            "{case}: {text}"
        );
        let line = proxy.log_line(|line| line["path"] == "/");
        assert_eq!(line["outcome"], "upstream_invalid", "{case}");
        assert_eq!(line["status"], 200, "{case}");
    }
}

fn assert_failures(proxy: &Proxy, code: &str, count: u32) {
    let metrics = get(proxy.ops, "/metrics", "").text();
    let line = format!(
        "usersig_proxy_upstream_failures_total{{code=\"{code}\",site=\"default\",upstream=\"app\"}} {count}\n"
    );
    assert!(metrics.contains(&line), "{line}{metrics}");
}

const UPSTREAM_UNREACHABLE: &str = r#"502 Bad Gateway
content-type: application/problem+json
x-request-id: <id>
cache-control: no-store
x-content-type-options: nosniff
content-length: 172
connection: close

{"type":"about:blank","title":"Bad Gateway","status":502,"code":"upstream_unreachable","detail":"The app cannot be reached.","requestId":"<id>"}"#;
const UPSTREAM_TIMEOUT: &str = r#"504 Gateway Timeout
content-type: application/problem+json
x-request-id: <id>
cache-control: no-store
x-content-type-options: nosniff
content-length: 177
connection: close

{"type":"about:blank","title":"Gateway Timeout","status":504,"code":"upstream_timeout","detail":"The app did not answer in time.","requestId":"<id>"}"#;
const UPSTREAM_INVALID: &str = r#"502 Bad Gateway
content-type: application/problem+json
x-request-id: <id>
cache-control: no-store
x-content-type-options: nosniff
content-length: 181
connection: close

{"type":"about:blank","title":"Bad Gateway","status":502,"code":"upstream_invalid","detail":"The app did not send a complete answer.","requestId":"<id>"}"#;
