//! One line for each call: what it says, and that it is there when the client is not.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};
use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{AUDIT, lines, wait_for_lines};
use crate::edge::http2;
use crate::rest_api::{Chat, answer, call, code, member, ok, request, settings};
use crate::support::tokens::{authorization, now, sign};
use crate::support::{App, Connection, Proxy, get, send};

/// A request to the gateway, what Chat answers if it is asked, and what the line says.
struct Case {
    name: &'static str,
    request: String,
    answer: Option<Vec<u8>>,
    line: Value,
}

fn case(name: &'static str, request: String, line: Value) -> Case {
    Case {
        name,
        request,
        answer: None,
        line,
    }
}

fn answered(name: &'static str, request: String, answer: Vec<u8>, line: Value) -> Case {
    Case {
        answer: Some(answer),
        ..case(name, request, line)
    }
}

/// Refused before the gateway has the call.
fn turned_away() -> Vec<Case> {
    let sendmsg = |header: &str| request("openim/sendmsg", header, "{}");
    let bearer = authorization(&member());
    let session = |claims: Value| authorization(&sign(&claims));
    let soon = now() + 600;
    let administrator =
        session(json!({ "sub": "administrator", "roles": ["a", "b"], "exp": soon }));
    let nobody = session(json!({ "roles": "a", "exp": soon }));
    let expired = session(json!({ "sub": "42", "exp": 1 }));
    let command = "openim/sendmsg";
    vec![
        case(
            "no token",
            sendmsg(""),
            json!({ "decision": "token_missing", "command": command, "subject": null, "issuer": null, "user_id": null,
                    "roles": [], "rule": null, "concerns": [], "acting": [], "reason": null, "error_code": null }),
        ),
        case(
            "an expired token, whose claims are nobody's word",
            sendmsg(&expired),
            json!({ "decision": "token_expired", "reason": "expired", "command": command, "subject": null }),
        ),
        case(
            "a bad token",
            sendmsg(&bearer.replace("Bearer ey", "Bearer ex")),
            json!({ "decision": "token_invalid", "command": command, "subject": null, "issuer": null }),
        ),
        case(
            "a cookie of another site's page",
            sendmsg(&format!("Cookie: session={}\r\n", member())),
            json!({ "decision": "cross_site", "command": command, "subject": null }),
        ),
        case(
            "a subject that may have no account",
            sendmsg(&administrator),
            json!({ "decision": "user_not_mapped", "reason": "user_id_reserved", "command": command, "issuer": "app",
                    "subject": "administrator", "user_id": null, "roles": ["a", "b"] }),
        ),
        case(
            "a session without a subject",
            sendmsg(&nobody),
            json!({ "decision": "user_not_mapped", "reason": "claim_missing", "issuer": "app", "subject": null, "roles": ["a"] }),
        ),
        case(
            "another method",
            format!("GET /_chat/v4/{command} HTTP/1.1\r\nHost: localhost\r\n{bearer}\r\n"),
            json!({ "decision": "method_not_allowed", "command": command, "subject": null }),
        ),
        case(
            "no command",
            request("openim/sendmsg/x", &bearer, "{}"),
            json!({ "decision": "route_not_found", "command": null }),
        ),
        case(
            "a path that two servers read differently",
            request("openim/sendmsg/../../im_open_login_svc/kick", &bearer, "{}"),
            json!({ "decision": "path_ambiguous", "reason": "dot_segment", "command": null }),
        ),
    ]
}

/// Refused by the gateway.
fn refused() -> Vec<Case> {
    let bearer = authorization(&member());
    let of_member = |command, body: &str| request(command, &bearer, body);
    let long = format!("{{\"x\":\"{}\"}}", "a".repeat(64 << 10));
    let who = json!({ "subject": "42", "issuer": "app", "user_id": "42", "roles": ["member"], "error_code": null });
    let with = |more: Value| {
        let mut line = who.clone();
        let more = more.as_object().unwrap().clone();
        line.as_object_mut().unwrap().extend(more);
        line
    };
    vec![
        case(
            "an unknown command",
            of_member("openim/no_such_command", "{}"),
            with(
                json!({ "decision": "command_unknown", "rule": null, "command": "openim/no_such_command" }),
            ),
        ),
        case(
            "a command of others",
            of_member("im_open_login_svc/kick", r#"{"UserID":"bob"}"#),
            with(json!({ "decision": "command_not_allowed", "rule": "support", "concerns": [] })),
        ),
        case(
            "no body for a call",
            of_member("openim/sendmsg", "[]"),
            with(
                json!({ "decision": "body_invalid", "reason": "not_an_object", "rule": "members" }),
            ),
        ),
        case(
            "a body that is too long",
            of_member("openim/sendmsg", &long),
            with(json!({ "decision": "body_too_large", "rule": "members" })),
        ),
        case(
            "another's name",
            of_member(
                "openim/sendmsg",
                r#"{"From_Account":"eve","To_Account":"bob"}"#,
            ),
            with(
                json!({ "decision": "acting_account_not_allowed", "reason": "acting_foreign", "rule": "members",
                         "concerns": ["eve", "bob"], "acting": [] }),
            ),
        ),
    ]
}

/// Sent to Chat.
fn sent() -> Vec<Case> {
    let bearer = authorization(&member());
    let to = |account: Value| {
        let body = json!({ "To_Account": account, "MsgBody": [{ "Text": "hush" }] });
        request("openim/sendmsg", &bearer, &body.to_string())
    };
    let allowed = |error_code: u32| json!({ "decision": "allowed", "reason": null, "error_code": error_code });
    let broken = b"Connection: close".to_vec();
    let many: Vec<_> = (0..130).map(|number| format!("user{number}")).collect();
    let first: Vec<_> = many
        .iter()
        .take(100)
        .map(String::as_str)
        .chain(["+30 more"])
        .collect();
    let token = member();
    let like_a_token = "@TGS#_a.channels-of-the-northern-region.announcements";
    let line_end = "bob\r\n{\"decision\":\"allowed\"}\u{2028}";
    vec![
        answered(
            "done",
            to(json!("bob")),
            ok(&code(0)),
            json!({ "decision": "allowed", "reason": null, "error_code": 0, "subject": "42", "issuer": "app", "user_id": "42",
                    "roles": ["member"], "rule": "members", "command": "openim/sendmsg", "concerns": ["bob"],
                    "acting": ["42"], "site": "default" }),
        ),
        answered("refused by Chat", to(json!("bob")), ok(&code(90012)), allowed(90012)),
        answered(
            "a broken answer",
            to(json!("bob")),
            broken,
            json!({ "decision": "chat_timeout", "reason": null, "error_code": null, "acting": ["42"] }),
        ),
        answered(
            "an answer that echoes the call",
            to(json!("bob")),
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"ErrorCode\":0,\"ErrorInfo\":\"@URL@\"}".to_vec(),
            json!({ "decision": "chat_invalid", "reason": "leak", "error_code": null }),
        ),
        answered(
            "an error page",
            to(json!("bob")),
            answer("502 Bad Gateway", "", "<html>"),
            json!({ "decision": "chat_invalid", "reason": "not_the_api" }),
        ),
        case("many accounts", to(json!(many)), json!({ "concerns": first })),
        case("a line in a name", to(json!(line_end)), json!({ "concerns": [line_end] })),
        case("a credential for a name", to(json!(token)), json!({ "concerns": [redacted(&token)] })),
        case("a name like a credential", to(json!(like_a_token)), json!({ "concerns": [redacted(like_a_token)] })),
    ]
}

/// The first letters of a name, and the first digits of its SHA-256.
fn redacted(name: &str) -> String {
    let digest = Sha256::digest(name);
    let digits: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{}[redacted]#{digits}", &name[..8])
}

#[test]
fn every_call_leaves_its_line_before_its_answer() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, AUDIT));
    let cases = [turned_away(), refused(), sent()].into_iter().flatten();
    for (before, case) in cases.enumerate() {
        chat.will_answer(case.answer);
        let response = send(proxy.address, &case.request);
        let lines = lines(&proxy);
        assert_eq!(lines.len(), before + 1, "{}: {response:?}", case.name);
        let line = &lines[before];
        for (member, value) in case.line.as_object().unwrap() {
            assert_eq!(&line[member], value, "{}: {line}", case.name);
        }
        if let Some(id) = response.header("x-request-id") {
            assert_eq!(line["request_id"], id, "{}", case.name);
        }
        assert_moment(line);
    }
    let written = lines(&proxy).len() as u64;
    assert_eq!(
        proxy.metric("audit_lines_total{result=\"written\"}"),
        written
    );
    assert_eq!(proxy.metric("audit_lines_total{result=\"failed\"}"), 0);
    let calls = proxy.printed();
    assert!(
        !calls.contains("usersig_proxy::audit"),
        "the log has it too"
    );
}

/// Of this moment, with milliseconds, in UTC.
fn assert_moment(line: &Value) {
    let time = line["time"].as_str().unwrap();
    assert_eq!(
        (time.len(), &time[19..20], &time[23..]),
        (24, ".", "Z"),
        "{time}"
    );
    let moment = humantime::parse_rfc3339(time).unwrap();
    let age = moment.elapsed().unwrap_or_default().as_secs();
    let ahead = moment > std::time::SystemTime::now();
    assert!(age < 60 && !ahead, "{time}");
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn who_has_no_session_leaves_few_lines_and_hides_nobody_elses() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, AUDIT));
    let suppressed = || proxy.metric("audit_lines_total{result=\"suppressed\"}");
    assert_eq!(suppressed(), 0);
    let started = Instant::now();
    for _ in 0..40 {
        for _ in 0..10 {
            let response = send(proxy.address, request("openim/sendmsg", "", "{}"));
            assert_eq!(response.status, 401);
        }
        let response = call(&proxy, "openim/no_such_command", &member(), "{}");
        assert_eq!(response.status, 403);
    }
    // Seconds that begin while they run, the first one and the last included.
    let seconds = started.elapsed().as_secs() + 1;
    let lines = lines(&proxy);
    let count = |decision: &str| {
        let decided = lines.iter().filter(|line| line["decision"] == decision);
        decided.count() as u64
    };
    assert_eq!(count("command_unknown"), 40);
    let kept = count("token_missing");
    assert!((20..=20 * seconds).contains(&kept), "{kept} in {seconds} s");
    assert_eq!(suppressed(), 400 - kept);
}

#[test]
fn what_is_no_call_leaves_no_line() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, AUDIT));
    let bearer = authorization(&member());
    assert_eq!(get(proxy.address, "/_chat/usersig", &bearer).status, 200);
    assert_eq!(
        get(proxy.address, "/_chat/v40/openim/sendmsg", "").status,
        404
    );
    assert_eq!(get(proxy.address, "/_chat/v4x//", "").status, 400);
    assert_eq!(get(proxy.address, "/", "").status, 404);
    let preflight = "OPTIONS /_chat/v4/openim/sendmsg HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(send(proxy.address, preflight).status, 204);
    assert_eq!(lines(&proxy).len(), 0);
    assert_eq!(call(&proxy, "openim/sendmsg", &member(), "{}").status, 200);
    assert_eq!(lines(&proxy).len(), 1);
}

#[test]
fn a_client_that_goes_away_within_its_body_leaves_a_line() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, AUDIT));
    let bearer = authorization(&member());
    let mut client = TcpStream::connect(proxy.address).unwrap();
    let whole = request("openim/sendmsg", &bearer, &" ".repeat(100));
    client
        .write_all(&whole.as_bytes()[..whole.len() - 50])
        .unwrap();
    drop(client);
    let lines = wait_for_lines(&proxy, 1);
    assert_eq!(
        (&lines[0]["decision"], &lines[0]["rule"]),
        (&json!("aborted"), &json!("members"))
    );
    assert_eq!(lines[0]["user_id"], "42");

    http2::talk(&proxy, async |client| {
        let mut client = client.ready().await.unwrap();
        let (_, mut body) = client.send_request(post(), false).unwrap();
        body.send_data(Bytes::from_static(b"{"), false).unwrap();
        body.send_reset(h2::Reason::CANCEL);
        http2::exchange(&mut client, http2::post("/x"), &[]).await;
    });
    let lines = wait_for_lines(&proxy, 2);
    assert_eq!(lines[1]["decision"], "aborted");
    assert_eq!(chat.app.seen().len(), 0);
}

fn post() -> http::Request<()> {
    let request = http2::post("/_chat/v4/openim/sendmsg");
    let bearer = format!("Bearer {}", member());
    request.header("authorization", bearer).body(()).unwrap()
}

/// A Chat that says when it is asked, and answers when it is told.
struct Held {
    app: App,
    asked: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
}

impl Held {
    fn start() -> Self {
        let (ask, asked) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let gate = Mutex::new((ask, released));
        let app = App::with(move |_, stream| {
            let gate = gate.lock().unwrap();
            gate.0.send(()).unwrap();
            // Nobody releases the last one: the test is over.
            gate.1.recv().is_ok() && stream.write_all(&ok(&code(0))).is_ok()
        });
        Self {
            app,
            asked,
            release,
        }
    }
}

#[test]
fn a_client_that_goes_away_while_chat_is_asked_leaves_a_line_with_the_outcome() {
    let chat = Held::start();
    let proxy = Proxy::start(&settings(&chat.app, AUDIT));
    let mut client = TcpStream::connect(proxy.address).unwrap();
    let bearer = authorization(&member());
    let whole = request("openim/sendmsg", &bearer, r#"{"To_Account":"bob"}"#);
    client.write_all(whole.as_bytes()).unwrap();
    chat.asked.recv().unwrap();
    drop(client);
    chat.release.send(()).unwrap();
    let lines = wait_for_lines(&proxy, 1);
    let outcome = |line: &Value| (line["decision"].clone(), line["error_code"].clone());
    assert_eq!(outcome(&lines[0]), (json!("allowed"), json!(0)));
    assert_eq!(lines[0]["concerns"], json!(["bob"]));

    http2::talk(&proxy, async |client| {
        let mut client = client.ready().await.unwrap();
        let (answer, mut body) = client.send_request(post(), false).unwrap();
        body.send_data(Bytes::from_static(b"{}"), true).unwrap();
        while chat.asked.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        body.send_reset(h2::Reason::CANCEL);
        drop((answer, body));
        // Its answer comes after the reset was read.
        http2::exchange(&mut client, http2::post("/x"), &[]).await;
    });
    chat.release.send(()).unwrap();
    let lines = wait_for_lines(&proxy, 2);
    assert_eq!(outcome(&lines[1]), (json!("allowed"), json!(0)));
}

/// The twin of a call that ends within the grace period, which is like any other.
#[test]
fn a_call_that_a_stop_cuts_leaves_a_line_without_an_outcome() {
    let chat = Held::start();
    let runtime = "[runtime]\ngrace_period = \"0s\"\nshutdown_timeout = \"1s\"\n";
    let mut proxy = Proxy::start(&settings(&chat.app, &format!("{AUDIT}{runtime}")));
    let bearer = authorization(&member());
    let mut client = Connection::open(proxy.address);
    client.write(request("openim/sendmsg", &bearer, "{}"));
    chat.asked.recv().unwrap();
    proxy.signal("TERM");
    assert_eq!(proxy.wait(), Some(0));
    assert_eq!(client.read_response(false), None);
    let lines = lines(&proxy);
    assert_eq!(lines.len(), 1);
    let outcome = ["decision", "reason", "error_code"].map(|member| lines[0][member].clone());
    assert_eq!(outcome, [json!("allowed"), json!("no_answer"), Value::Null]);
    assert_eq!(lines[0]["acting"], json!(["42"]));
}
