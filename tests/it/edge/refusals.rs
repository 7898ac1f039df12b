//! Every refusal as the client sees it: the whole response, what becomes of the connection, and the request beside it
//! that passes.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::{get_bytes, snapshot, typical};
use crate::support::tokens::{now, session, sign, sign_with};
use crate::support::{App, Connection, Proxy, config, send};

/// A request that is refused and its twin that is not.
struct Refusal {
    request: String,
    twin: String,
    response: &'static str,
}

#[test]
fn a_refused_request_keeps_its_connection() {
    let app = App::start();
    let limits =
        "[runtime]\nmax_uri_bytes = \"1KiB\"\nmax_header_bytes = \"4KiB\"\nmax_body = \"1000B\"\n";
    let proxy = Proxy::start(&with_required_claim(&config(
        app.address,
        &super::typical_routes(limits),
    )));
    for case in kept_open() {
        let mut connection = Connection::open(proxy.address);
        assert_eq!(connection.request(&case.twin).status, 200, "{}", case.twin);
        let refused = connection.request(&case.request);
        assert_eq!(snapshot(&refused), case.response, "{}", case.request);
        assert_eq!(
            connection.request(&case.twin).status,
            200,
            "{}",
            case.request
        );

        let head = case.request.replacen("GET ", "HEAD ", 1);
        if head != case.request {
            let expected = case.response.split_inclusive("\n\n").next();
            let refused = connection.request(&head);
            assert_eq!(Some(snapshot(&refused).as_str()), expected, "{head}");
            assert_eq!(connection.request(&case.twin).status, 200, "{head}");
        }
    }
    let forwarded = app.seen();
    assert!(forwarded.iter().all(|request| request.target.len() <= 1024));
}

#[test]
fn every_code_has_its_snapshot_here() {
    use usersig_proxy::rejection::Rejection;
    let here = [
        include_str!("refusals.rs"),
        include_str!("upstream.rs"),
        include_str!("../sites.rs"),
        include_str!("crowd.rs"),
    ]
    .concat();
    // The tests of the gateway and of webhooks compare codes, each with its status and what else it tells.
    let others = [
        include_str!("../rest_api.rs"),
        include_str!("../rest_api/group_role.rs"),
        include_str!("../audit/lost.rs"),
        include_str!("../webhook.rs"),
    ]
    .concat();
    // No input leads to the first; the others need a key source that can be away, and renewals ahead of the clock.
    let unreachable = ["internal", "keys_unavailable", "usersig_too_early"];
    for code in Rejection::CODES {
        let is_called = others.contains(&format!(", \"{code}\", "));
        let is_here = is_called || here.contains(&format!("\"code\":\"{code}\""));
        assert!(is_here != unreachable.contains(&code), "{code}");
    }
}

#[test]
fn each_refusal_has_an_id_of_its_own_that_the_log_knows() {
    let app = App::start();
    let proxy = typical(&app, "");
    let ids = [(); 2].map(|()| {
        let response = send(proxy.address, get_bytes("/session/", ""));
        let id = response.header("x-request-id").unwrap().to_owned();
        assert_eq!(response.json()["requestId"], id.as_str());
        assert_eq!(
            (id.len(), id.bytes().all(|byte| byte.is_ascii_hexdigit())),
            (32, true)
        );
        proxy.log_line(|line| line["request_id"] == id.as_str());
        id
    });
    assert_ne!(ids[0], ids[1]);
}

/// The id that the app is told is ours, whatever the client sends.
#[test]
fn the_app_is_told_the_id_of_the_log() {
    let app = App::start();
    let proxy = typical(&app, "");
    send(
        proxy.address,
        get_bytes("/public/", "X-Request-ID: forged\r\n"),
    );
    let id = app.next().header("X-Request-ID").unwrap().to_owned();
    assert_ne!(id, "forged");
    proxy.log_line(|line| line["request_id"] == id.as_str());
}

fn with_required_claim(config: &str) -> String {
    config.replace(
        "[identity]",
        "require = { \"/token_type\" = \"access\" }\n[identity]",
    )
}

fn access_token(more: &serde_json::Value) -> String {
    let mut claims = json!({ "sub": "alice", "exp": now() + 600, "token_type": "access" });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    sign(&claims)
}

fn with_token(token: &str) -> String {
    get_bytes("/session/", &format!("Authorization: Bearer {token}\r\n"))
}

fn kept_open() -> Vec<Refusal> {
    let good = with_token(&access_token(&json!({})));
    let from_session = |request: String, response| Refusal {
        request,
        twin: good.clone(),
        response,
    };
    let from_public = |request: String, twin: String, response| Refusal {
        request,
        twin,
        response,
    };
    let stranger = sign_with(
        "another secret that is long enough for HS256",
        &json!({ "sub": "alice", "exp": now() + 600, "token_type": "access" }),
    );
    let expired = access_token(&json!({ "exp": 1_000_000 }));
    let refresh = access_token(&json!({ "token_type": "refresh" }));
    let administrator = access_token(&json!({ "sub": "Administrator" }));
    let two = format!(
        "Authorization: Bearer {}\r\nCookie: session={}\r\n",
        access_token(&json!({})),
        session("bob")
    );
    vec![
        from_public(
            get_bytes("/public/", "").replace("localhost", "local;host"),
            get_bytes("/public/", ""),
            HOST_INVALID,
        ),
        from_public(
            get_bytes("/public/../x", ""),
            get_bytes("/public/..x", ""),
            PATH_AMBIGUOUS,
        ),
        from_public(
            get_bytes(&format!("/public/?{}", "q".repeat(1016)), ""),
            get_bytes(&format!("/public/?{}", "q".repeat(1015)), ""),
            URI_TOO_LONG,
        ),
        from_public(
            get_bytes("/public/", &format!("X: {}\r\n", "x".repeat(4096))),
            get_bytes("/public/", &format!("X: {}\r\n", "x".repeat(4000))),
            HEADER_TOO_LARGE,
        ),
        from_public(
            get_bytes("/unlisted", ""),
            get_bytes("/public/", ""),
            ROUTE_NOT_FOUND,
        ),
        from_public(
            get_bytes("/get-only", "").replace("GET", "DELETE"),
            get_bytes("/get-only", ""),
            METHOD_NOT_ALLOWED,
        ),
        from_session(get_bytes("/session/", ""), TOKEN_MISSING),
        from_session(get_bytes("/session/", &two), TOKEN_CONFLICT),
        from_session(with_token(&stranger), TOKEN_INVALID),
        from_session(with_token("no.token"), TOKEN_INVALID),
        from_session(with_token(&expired), TOKEN_EXPIRED),
        from_session(with_token(&refresh), ACCESS_DENIED),
        from_session(with_token(&administrator), USER_NOT_MAPPED),
    ]
}

#[test]
fn a_second_renewal_at_once_is_refused() {
    let app = App::start();
    let proxy = typical(&app, "");
    let renewal = format!(
        "POST /_chat/usersig HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{}\r\n",
        crate::support::tokens::bearer("alice")
    );
    assert_eq!(send(proxy.address, &renewal).status, 200);
    let refused = snapshot(&send(proxy.address, &renewal));
    // The seconds that are left depend on the clock.
    let is_counted = |line: &&str| line.starts_with("retry-after: ");
    let (counted, rest): (Vec<&str>, Vec<&str>) = refused.lines().partition(is_counted);
    assert_eq!(counted.len(), 1, "{refused}");
    assert_eq!(rest.join("\n"), RENEWED_TOO_SOON);
}

#[test]
fn a_request_whose_body_is_not_read_costs_its_connection() {
    let app = App::start();
    let proxy = typical(&app, "[runtime]\nmax_body = \"1000B\"\n");
    let post = |length: usize, framing: &str| {
        let body = "x".repeat(length);
        match framing {
            "declared" => format!(
                "POST /public/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
            _ => format!(
                "POST /public/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
            ),
        }
    };
    for framing in ["declared", "chunked"] {
        let mut connection = Connection::open(proxy.address);
        assert_eq!(
            connection.request(post(1000, framing)).status,
            200,
            "{framing}"
        );
        let refused = connection.request(post(1001, framing));
        assert_eq!(snapshot(&refused), BODY_TOO_LARGE, "{framing}");
        assert!(connection.is_closed(), "{framing}");
    }
    let mut seen = app.seen();
    seen.retain(|request| request.body.len() > 1000);
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn a_coding_other_than_chunked_is_refused() {
    let app = App::start();
    let proxy = typical(&app, "");
    let post = |coding: &str| {
        format!("POST /public/ HTTP/1.1\r\nHost: localhost\r\n{coding}\r\n2\r\nhi\r\n0\r\n\r\n")
    };
    for coding in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
    ] {
        let mut connection = Connection::open(proxy.address);
        let refused = connection.request(post(coding));
        assert_eq!(snapshot(&refused), REQUEST_INVALID, "{coding}");
        assert!(connection.is_closed(), "{coding}");
    }
    assert!(app.seen().is_empty());
    for coding in [
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding: Chunked\r\n",
    ] {
        assert_eq!(send(proxy.address, post(coding)).status, 200, "{coding}");
        assert_eq!(app.next().body, b"hi", "{coding}");
    }
}

const HOST_INVALID: &str = r#"400 Bad Request
content-type: application/problem+json
x-request-id: <id>
cache-control: no-store
x-content-type-options: nosniff
content-length: 196
connection: keep-alive

{"type":"about:blank","title":"Bad Request","status":400,"code":"host_invalid","detail":"The Host of the request is missing, repeated or malformed.","requestId":"<id>"}"#;
const PATH_AMBIGUOUS: &str = r#"400 Bad Request
content-type: application/problem+json
x-request-id: <id>
cache-control: no-store
x-content-type-options: nosniff
content-length: 209
connection: keep-alive

{"type":"about:blank","title":"Bad Request","status":400,"code":"path_ambiguous","detail":"The path is spelled in a way that two servers could read differently.","requestId":"<id>"}"#;
const URI_TOO_LONG: &str = r#"414 URI Too Long
content-type: application/problem+json
x-request-id: <id>
cache-control: no-store
x-content-type-options: nosniff
content-length: 170
connection: keep-alive

{"type":"about:blank","title":"URI Too Long","status":414,"code":"uri_too_long","detail":"The request target is too long.","requestId":"<id>"}"#;
const HEADER_TOO_LARGE: &str = r#"431 Request Header Fields Too Large
content-type: application/problem+json
x-request-id: <id>
cache-control: no-store
x-content-type-options: nosniff
content-length: 194
connection: keep-alive

{"type":"about:blank","title":"Request Header Fields Too Large","status":431,"code":"header_too_large","detail":"The request header is too large.","requestId":"<id>"}"#;
const BODY_TOO_LARGE: &str = r#"413 Payload Too Large
content-type: application/problem+json
x-request-id: <id>
cache-control: no-store
x-content-type-options: nosniff
content-length: 176
connection: close

{"type":"about:blank","title":"Payload Too Large","status":413,"code":"body_too_large","detail":"The request body is too large.","requestId":"<id>"}"#;
const ROUTE_NOT_FOUND: &str = r#"404 Not Found
content-type: application/problem+json
x-request-id: <id>
cache-control: no-store
x-content-type-options: nosniff
content-length: 161
connection: keep-alive

{"type":"about:blank","title":"Not Found","status":404,"code":"route_not_found","detail":"There is nothing here.","requestId":"<id>"}"#;
const METHOD_NOT_ALLOWED: &str = r#"405 Method Not Allowed
content-type: application/problem+json
x-request-id: <id>
allow: GET, HEAD
cache-control: no-store
x-content-type-options: nosniff
content-length: 187
connection: keep-alive

{"type":"about:blank","title":"Method Not Allowed","status":405,"code":"method_not_allowed","detail":"This path does not take this method.","requestId":"<id>"}"#;
const TOKEN_MISSING: &str = r#"401 Unauthorized
content-type: application/problem+json
x-request-id: <id>
www-authenticate: Bearer realm="session"
cache-control: no-store
x-content-type-options: nosniff
content-length: 191
connection: keep-alive

{"type":"about:blank","title":"Unauthorized","status":401,"code":"token_missing","detail":"Log in to the app first and send its session token.","requestId":"<id>"}"#;
const TOKEN_CONFLICT: &str = r#"400 Bad Request
content-type: application/problem+json
x-request-id: <id>
www-authenticate: Bearer realm="session", error="invalid_request", error_description="more than one session token"
cache-control: no-store
x-content-type-options: nosniff
content-length: 198
connection: keep-alive

{"type":"about:blank","title":"Bad Request","status":400,"code":"token_conflict","detail":"The request carries more than one session token. Send one.","requestId":"<id>"}"#;
const TOKEN_INVALID: &str = r#"401 Unauthorized
content-type: application/problem+json
x-request-id: <id>
www-authenticate: Bearer realm="session", error="invalid_token"
cache-control: no-store
x-content-type-options: nosniff
content-length: 171
connection: keep-alive

{"type":"about:blank","title":"Unauthorized","status":401,"code":"token_invalid","detail":"The session token is not valid.","requestId":"<id>"}"#;
const RENEWED_TOO_SOON: &str = r#"429 Too Many Requests
content-type: application/problem+json
x-request-id: <id>
cache-control: no-store
x-content-type-options: nosniff
content-length: 199
connection: keep-alive

{"type":"about:blank","title":"Too Many Requests","status":429,"code":"renewed_too_soon","detail":"The UserSig was renewed a moment ago. Use that one.","requestId":"<id>"}"#;
const TOKEN_EXPIRED: &str = r#"401 Unauthorized
content-type: application/problem+json
x-request-id: <id>
www-authenticate: Bearer realm="session", error="invalid_token", error_description="the session token has expired"
cache-control: no-store
x-content-type-options: nosniff
content-length: 195
connection: keep-alive

{"type":"about:blank","title":"Unauthorized","status":401,"code":"token_expired","detail":"The session token has expired. Log in to the app again.","requestId":"<id>"}"#;
const ACCESS_DENIED: &str = r#"403 Forbidden
content-type: application/problem+json
x-request-id: <id>
www-authenticate: Bearer realm="session", error="insufficient_scope"
cache-control: no-store
x-content-type-options: nosniff
content-length: 177
connection: keep-alive

{"type":"about:blank","title":"Forbidden","status":403,"code":"access_denied","detail":"This session token does not give access.","requestId":"<id>"}"#;
const USER_NOT_MAPPED: &str = r#"403 Forbidden
content-type: application/problem+json
x-request-id: <id>
www-authenticate: Bearer realm="session", error="insufficient_scope"
cache-control: no-store
x-content-type-options: nosniff
content-length: 183
connection: keep-alive

{"type":"about:blank","title":"Forbidden","status":403,"code":"user_not_mapped","detail":"The user of this session has no Chat UserID.","requestId":"<id>"}"#;
const REQUEST_INVALID: &str = r#"400 Bad Request
content-type: application/problem+json
x-request-id: <id>
cache-control: no-store
x-content-type-options: nosniff
content-length: 172
connection: close

{"type":"about:blank","title":"Bad Request","status":400,"code":"request_invalid","detail":"The request is not well-formed.","requestId":"<id>"}"#;

/// A connection that is closed while something arrives is reset, and a client may then never see why.
#[test]
fn a_refused_client_may_send_its_body_before_it_reads_the_answer() {
    let app = App::start();
    let proxy = typical(&app, "");
    // More than the system takes for a program that does not read.
    let half = vec![b'x'; 450_000];
    let head = format!(
        "POST /session/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        2 * half.len()
    );
    // A reset shows in one of three rounds or so: often it comes after the last look.
    for _ in 0..20 {
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&half).unwrap();
        stream.write_all(&half).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        let reset = stream.take_error().unwrap();
        assert!(reset.is_none(), "{reset:?}");
        let received = String::from_utf8_lossy(&received);
        assert!(received.starts_with("HTTP/1.1 401 "), "{received}");
        assert!(received.contains("token_missing"), "{received}");
    }
    assert!(app.seen().is_empty());
}
