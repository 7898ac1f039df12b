//! The edge, tested on the running program with real bytes.
//!
//! What the framework leaves open is tested as well, with its upstream issue number: such a test asserts what is true,
//! not what would be good.

mod conditional;
mod cors;
mod crowd;
mod desync;
mod endpoint;
mod floods;
mod framing;
mod host;
pub(crate) mod http2;
mod injection;
mod keepalive;
mod memory;
mod open_streams;
mod ops;
mod parsers;
mod paths;
mod refusals;
mod spoofing;
mod stop;
mod streaming;
mod upstream;
pub(crate) mod websocket;

use std::io::Write;
use std::net::TcpStream;

use usersig_proxy::usersig::decode::Decoded;

use crate::support::{App, Proxy, Recorded, Response};

/// A `[[route]]` for this `match`, which injects into the named places.
fn route(matched: &str, access: &str, places: &[&str]) -> String {
    let places: Vec<_> = places
        .iter()
        .map(|place| format!("{place} = true"))
        .collect();
    format!(
        "[[route]]\nmatch = {{ {matched} }}\naccess = \"{access}\"\ninject = {{ {} }}\n",
        places.join(", ")
    )
}

/// A proxy whose paths say what they are: `/public`, `/optional/..`, `/session`, `/deny`, and below `/inject/` the
/// place that is injected into. Everything else is denied.
fn typical(app: &App, more: &str) -> Proxy {
    Proxy::in_front_of(app, &typical_routes(more))
}

pub(crate) fn typical_routes(more: &str) -> String {
    let session =
        |path: &str, places: &[&str]| route(&format!("path = \"{path}\""), "session", places);
    [
        "default_access = \"deny\"\n".to_owned(),
        route("path = \"/public/{*rest}\"", "public", &[]),
        route(
            "path = \"/optional/{*rest}\"",
            "optional",
            &["request_headers"],
        ),
        route("path = \"/deny/{*rest}\"", "deny", &[]),
        route("path = \"/get-only\", methods = [\"GET\"]", "public", &[]),
        session("/session/{*rest}", &[]),
        session("/inject/request", &["request_headers"]),
        session("/inject/response", &["response_headers"]),
        session("/inject/cookie", &["response_cookie"]),
        session(
            "/inject/all",
            &["request_headers", "response_headers", "response_cookie"],
        ),
        more.to_owned(),
    ]
    .concat()
}

/// The UserSig's identifier, after its signature was checked.
pub(crate) fn signed_for(user_sig: &str) -> String {
    use crate::support::proxy::{CHAT_KEY, SDK_APP_ID};
    use usersig_proxy::time::UnixTime;
    use usersig_proxy::usersig::SecretKey;
    let decoded = Decoded::parse(user_sig).unwrap();
    let now = UnixTime::from_secs(crate::support::tokens::now());
    decoded
        .verify(&SecretKey::parse(CHAT_KEY).unwrap(), now)
        .unwrap();
    assert_eq!(decoded.sdk_app_id, SDK_APP_ID);
    decoded.identifier
}

/// Asserts that the app was told exactly one identity, with exactly one of each header.
pub(crate) fn assert_identity(request: &Recorded, user_id: &str) {
    let ours: Vec<_> = request
        .headers
        .iter()
        .map(|(name, _)| {
            name.to_ascii_lowercase()
                .replace(|c: char| !c.is_ascii_alphanumeric(), "-")
        })
        .filter(|name| name.trim_matches('-').starts_with("x-chat"))
        .collect();
    assert_eq!(ours.len(), 3, "{request:?}");
    assert_eq!(request.header("X-Chat-UserID"), Some(user_id));
    assert_eq!(request.header("X-Chat-SDKAppID"), Some("1400007357"));
    assert_eq!(
        signed_for(request.header("X-Chat-UserSig").unwrap()),
        user_id
    );
}

/// Asserts that nothing of an identity reached the app, in any spelling.
pub(crate) fn assert_no_identity(request: &Recorded) {
    let text = String::from_utf8_lossy(&request.raw).to_ascii_lowercase();
    assert!(!text.replace(['_', '.'], "-").contains("x-chat"), "{text}");
}

/// A GET with these header lines, each ended by CRLF.
pub(crate) fn get_bytes(path: &str, header_lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{header_lines}\r\n")
}

fn ok(stream: &mut TcpStream) -> bool {
    stream.write_all(OK).is_ok()
}

/// The response as text: status line, headers but Date, body; the request's id replaced.
fn snapshot(response: &Response) -> String {
    let mut text = format!("{} {}\n", response.status, response.reason);
    for (name, value) in response.headers.iter().filter(|(name, _)| name != "date") {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push('\n');
    text.push_str(&response.text());
    match response.header("x-request-id") {
        Some(id) => text.replace(id, "<id>"),
        None => text,
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
