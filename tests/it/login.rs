//! Sessions that begin with the app's answer, tested on the running program.
//!
//! The app here answers with what the request's body says: a test sends, as a login, the very bytes of the answer.

mod answers;
mod bodies;
mod caches;
mod cuts;
mod framing;
mod tokens;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::edge::signed_for;
use crate::support::tokens::now;
use crate::support::{App, Connection, Proxy, Response, config, get};

/// Answers each request with the bytes of its body; closes then if the request asks for it.
fn echo() -> App {
    App::with(|request, stream| {
        let is_written = stream.write_all(&request.body).is_ok();
        is_written && request.header("x-app-closes").is_none()
    })
}

/// A proxy whose paths say where the session token stands and where the login goes.
fn typical(app: &App) -> Proxy {
    Proxy::start(&typical_config(app))
}

fn typical_config(app: &App) -> String {
    let routes = [
        login(
            "/json",
            "json = \"/access_token\"",
            "response_json = \"/chat\"",
        ),
        login(
            "/nested",
            "json = \"/data/tokens/1/a~1b\"",
            "response_json = \"/data/chat~1login\"",
        ),
        login("/cookie", "set_cookie = \"session\"", ALL_PLACES),
        login(
            "/headers",
            "set_cookie = \"session\"",
            "response_headers = true",
        ),
        login("/header", "header = \"X-Session\"", ALL_PLACES),
        login(
            "/redirect",
            "set_cookie = \"session\", statuses = [302]",
            ALL_PLACES,
        ),
        login(
            "/only-201",
            "json = \"/access_token\", statuses = [201]",
            "response_json = \"/chat\"",
        ),
        own(
            "/mine",
            "session",
            "request_headers = true, response_json = \"/chat\"",
        ),
        own("/own", "session", ALL_PLACES),
        own("/maybe", "optional", "response_json = \"/chat\""),
        login(
            "/again",
            "json = \"/access_token\"",
            "request_headers = true, response_json = \"/chat\"",
        )
        .replace("\"public\"", "\"optional\""),
    ];
    let more = format!("default_access = \"deny\"\n{}", routes.concat());
    config(app.address, &more).replace(
        "[ops]\n",
        &format!("[runtime]\nmax_login_body = \"{LIMIT}B\"\n[ops]\n"),
    )
}

fn login(path: &str, source: &str, places: &str) -> String {
    format!(
        "[[route]]\nmatch = {{ path = \"{path}\" }}\naccess = \"public\"\n\
         session_from_response = {{ {source} }}\ninject = {{ {places} }}\n"
    )
}

fn own(path: &str, access: &str, places: &str) -> String {
    format!(
        "[[route]]\nmatch = {{ path = \"{path}\" }}\naccess = \"{access}\"\ninject = {{ {places} }}\n"
    )
}

/// A login that the app answers with these bytes.
fn post(path: &str, header_lines: &str, answer: impl AsRef<[u8]>) -> Vec<u8> {
    let answer = answer.as_ref();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{header_lines}\r\n",
        answer.len()
    );
    [head.as_bytes(), answer].concat()
}

/// What a client gets when the app answers its login with these bytes.
fn log_in(proxy: &Proxy, path: &str, answer: impl AsRef<[u8]>) -> Response {
    crate::support::send(proxy.address, post(path, "", answer))
}

/// A 200 with this JSON body and these further header lines.
fn json(header_lines: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    answer("200 OK", header_lines, body)
}

/// An answer with a JSON body of a declared length.
fn answer(status: &str, header_lines: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{header_lines}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A body with a token in its `access_token`.
fn body_with(token: &str) -> String {
    format!("{{\"access_token\":\"{token}\",\"n\":1}}")
}

/// Takes the member away that the proxy wrote; gives what is left and the login, which is checked to be this user's.
fn take_login(text: &str, name: &str, user_id: &str) -> String {
    let start = text
        .find(name)
        .unwrap_or_else(|| panic!("no {name}: {text}"));
    let (head, tail) = text.split_at(start);
    let mut values = serde_json::Deserializer::from_str(&tail[name.len()..]).into_iter::<Value>();
    let login = values.next().unwrap().unwrap();
    let end = name.len() + values.byte_offset();
    assert_login(&login, user_id);
    format!("{head}{}", &tail[end..])
}

/// The five members, and no other, for this user.
fn assert_login(login: &Value, user_id: &str) {
    let members: Vec<_> = login.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        ["expiresAt", "refreshAfter", "sdkAppId", "userId", "userSig"]
    );
    assert_eq!(login["userId"], user_id);
    assert_eq!(login["sdkAppId"], 1_400_007_357);
    assert_eq!(signed_for(login["userSig"].as_str().unwrap()), user_id);
    let expires_at = login["expiresAt"].as_u64().unwrap();
    let refresh_after = login["refreshAfter"].as_u64().unwrap();
    assert!(
        now() < refresh_after && refresh_after < expires_at,
        "{login}"
    );
    assert!(expires_at <= now() + 604_800, "{login}");
}

/// Nothing of a login, in header or body.
fn assert_no_login(response: &Response) {
    let shown = format!("{:?} {}", response.headers, response.text());
    for word in ["x-chat", "chat_usersig", "userSig", "eJ"] {
        assert!(!shown.contains(word), "{word}: {shown}");
    }
}

fn cookies(response: &Response) -> Vec<&str> {
    let headers = response.headers.iter();
    headers
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, value)| value.as_str())
        .collect()
}

/// How many answers had this outcome.
fn count(proxy: &Proxy, result: &str) -> u64 {
    let text = get(proxy.ops, "/metrics", "").text();
    let start =
        format!("usersig_proxy_login_answers_total{{result=\"{result}\",site=\"default\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("no {result}: {text}"))
        .parse()
        .unwrap()
}

/// All that comes on a connection of its own until it is closed or reset.
fn read_to_close(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(std::time::Duration::from_secs(60)))
        .unwrap();
    stream.write_all(request).unwrap();
    read_rest(&mut stream)
}

fn read_rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    received
}

const ALL_PLACES: &str =
    "response_headers = true, response_cookie = true, response_json = \"/chat\"";
/// The most bytes of a body that are held.
const LIMIT: usize = 4096;
