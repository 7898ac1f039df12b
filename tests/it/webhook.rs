//! Webhooks on the running program: what is Chat's reaches the app as it came, and nothing else reaches it at all.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::mpsc;

use sha2::{Digest, Sha256};

use crate::edge::http2::{exchange, post, talk};
use crate::reload::{GENERATION, by_signal};
use crate::support::proxy::SDK_APP_ID;
use crate::support::tokens::{now, session};
use crate::support::{App, Connection, Proxy, Response, send};

const TOKEN: &str = "a token of the tests for webhooks";
const OLD_TOKEN: &str = "the token before that one";
const ANSWER: &str =
    "{ \"ActionStatus\" : \"OK\", \"ErrorCode\":0,\"ErrorInfo\":\"\", \"n\":9007199254740993 }\n";

const ROUTES: &str = r#"
[[route]]
match = { path = "/hook", methods = ["POST"] }
access = "webhook"
[[route]]
match = { path = "/public/{*rest}" }
access = "public"
[webhook]
token = { file = "token" }
"#;

const STATE: &str = r#"{
    "CallbackCommand": "State.StateChange",
    "EventTime": 1629883332497,
    "Info": { "Action": "Login", "To_Account": "testuser316", "Reason": "Register" },
    "KickedDevice": [ { "Platform": "Windows" }, { "Platform": "Android" } ]
}"#;
const MESSAGE: &str = "{\"CallbackCommand\":\"C2C.CallbackBeforeSendMsg\",\"From_Account\":\"jared\",\"To_Account\":\"Jonh\",\
    \"MsgSeq\":48374,\"MsgRandom\":2837546,\"MsgTime\":1557481126,\"MsgKey\":\"48374_2837546_1557481126\",\"OnlineOnlyFlag\":1,\
    \"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"gr\\u00fc\u{df} \u{1f600}\"}}],\"CloudCustomData\":\"\",\
    \"n\":1.50}";

/// What Chat posts.
struct Hook {
    command: &'static str,
    query: String,
    body: String,
}

impl Hook {
    fn new(command: &'static str, body: &str) -> Self {
        Self::at(now(), TOKEN, command, body)
    }

    fn at(time: u64, token: &str, command: &'static str, body: &str) -> Self {
        let sign = sign(token, time);
        Self {
            command,
            query: format!(
                "SdkAppid={SDK_APP_ID}&CallbackCommand={command}&contenttype=json&ClientIP=203.0.113.7&OptPlatform=iOS&Sign={sign}&RequestTime={time}"
            ),
            body: body.to_owned(),
        }
    }

    fn state() -> Self {
        Self::new("State.StateChange", STATE)
    }

    fn message() -> Self {
        Self::new("C2C.CallbackBeforeSendMsg", MESSAGE)
    }

    /// With this in the place of that in the query.
    fn query(mut self, from: &str, to: &str) -> Self {
        assert!(self.query.contains(from), "{from}");
        self.query = self.query.replacen(from, to, 1);
        self
    }

    fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }

    fn target(&self) -> String {
        format!("/hook?{}", self.query)
    }

    fn head(&self, method: &str, lines: &str) -> String {
        let target = self.target();
        format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{lines}\r\n"
        )
    }

    fn bytes(&self) -> String {
        let length = self.body.len();
        let head = self.head("POST", &format!("Content-Length: {length}\r\n"));
        format!("{head}{}", self.body)
    }

    fn chunked(&self) -> String {
        let mut bytes = self.head("POST", "Transfer-Encoding: chunked\r\n");
        for chunk in self.body.as_bytes().chunks(1000) {
            let chunk = std::str::from_utf8(chunk).unwrap();
            bytes.push_str(&format!("{:x}\r\n{chunk}\r\n", chunk.len()));
        }
        bytes + "0\r\n\r\n"
    }
}

fn sign(token: &str, time: u64) -> String {
    let digest = Sha256::digest(format!("{token}{time}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A body of this length.
fn long(length: usize) -> String {
    let start = r#"{"CallbackCommand":"State.StateChange","x":""#;
    let mut body = start.to_owned();
    let letters = (0..).map(|number: usize| char::from(b'a' + (number / 7 % 26) as u8));
    body.extend(letters.take(length - start.len() - 2));
    body + "\"}"
}

fn app() -> App {
    App::answering(ok())
}

fn ok() -> String {
    let length = ANSWER.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nX-App: 1\r\nContent-Length: {length}\r\n\r\n{ANSWER}"
    )
}

fn start(app: &App, more: &str) -> Proxy {
    let settings = by_signal(app, &format!("{ROUTES}{more}"));
    Proxy::start_with_files(&settings, &[("token", TOKEN), ("old-token", OLD_TOKEN)])
}

fn count(proxy: &Proxy, result: &str, value: u64) {
    let series = format!("webhooks_total{{result=\"{result}\",site=\"default\"}}");
    proxy.wait_for_metric(&series, value);
}

/// Neither the token nor the sign of any webhook is in what the proxy printed.
fn assert_quiet(proxy: &Proxy, hooks: &[&Hook]) {
    let printed = proxy.printed();
    assert!(!printed.contains(TOKEN) && !printed.contains(OLD_TOKEN));
    for hook in hooks {
        let (_, sign) = hook.query.split_once("Sign=").unwrap();
        assert!(!printed.contains(&sign[..64]), "{printed}");
    }
}

/// A refusal in both forms, with its status, code and reason.
fn refusal(response: &Response) -> (u16, String) {
    let body = response.json();
    assert_eq!(body["ActionStatus"], "FAIL", "{body}");
    assert_ne!(body["ErrorCode"], 0, "{body}");
    assert_eq!(body["ErrorInfo"], body["detail"]);
    assert!(!response.text().contains("Sign="));
    (response.status, response.code())
}

#[test]
fn what_chat_posts_reaches_the_app_byte_for_byte_and_the_answer_comes_back() {
    let app = app();
    let proxy = start(&app, "");
    let mut connection = Connection::open(proxy.address);
    let hooks = [Hook::state(), Hook::message()];
    for hook in &hooks {
        let forged = hook.bytes().replacen(
            "\r\nContent-Type",
            "\r\nX-Chat-UserID: root\r\nX_Forwarded_For: ::1\r\nContent-Type",
            1,
        );
        let response = connection.request(forged);
        assert_eq!((response.status, response.text().as_str()), (200, ANSWER));
        assert_eq!(
            response.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        assert_eq!(response.header("x-app"), Some("1"));
        let seen = app.next();
        assert_eq!(
            (seen.method.as_str(), &seen.target),
            ("POST", &hook.target())
        );
        assert_eq!(seen.body, hook.body.as_bytes());
        assert_eq!(seen.header("content-type"), Some("application/json"));
        let length = hook.body.len().to_string();
        assert_eq!(seen.header("content-length"), Some(length.as_str()));
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
        assert!(
            seen.values("x-chat-userid").is_empty() && seen.values("x_forwarded_for").is_empty()
        );
    }
    count(&proxy, "delivered", 2);
    let line = proxy.log_line(|line| line["path"] == "/hook");
    assert_eq!(
        (&line["outcome"], &line["route"]),
        (&"forwarded".into(), &"/hook".into())
    );
    assert_quiet(&proxy, &hooks.each_ref());
}

#[test]
fn what_is_refused_never_reaches_the_app() {
    let app = app();
    let proxy = start(&app, "");
    let refused = |status: u16, code: &str, reason: &'static str| (status, code.to_owned(), reason);
    let time = now();
    let state = Hook::state;
    let moved = |time: u64| Hook::at(time, TOKEN, "State.StateChange", STATE);
    let sign = sign(TOKEN, time);
    let app_id = SDK_APP_ID.to_string();
    let mut reasons = std::collections::BTreeMap::new();
    for (hook, (status, code, reason)) in [
        (
            state().query("SdkAppid=", "sdkAppid="),
            refused(400, "webhook_query_invalid", "missing_parameter"),
        ),
        (
            state().query("&Sign=", "&Signed="),
            refused(400, "webhook_query_invalid", "missing_parameter"),
        ),
        (
            state().query("&RequestTime=", "&Time="),
            refused(400, "webhook_query_invalid", "missing_parameter"),
        ),
        (
            state().query("&contenttype=json", ""),
            refused(400, "webhook_query_invalid", "missing_parameter"),
        ),
        (
            state().query("&ClientIP", "&Sign=1&ClientIP"),
            refused(400, "webhook_query_invalid", "repeated_parameter"),
        ),
        (
            state().query("&ClientIP", "&CallbackCommand=x&ClientIP"),
            refused(400, "webhook_query_invalid", "repeated_parameter"),
        ),
        (
            state().query("&ClientIP", ";x=1&ClientIP"),
            refused(400, "webhook_query_invalid", "spelling"),
        ),
        (
            state().query("Sign=", "Sign=0"),
            refused(400, "webhook_query_invalid", "value"),
        ),
        (
            state().query(&app_id, "1400000000"),
            refused(403, "webhook_other_app", "other_app"),
        ),
        (
            moved(time - 200),
            refused(403, "webhook_time_invalid", "stale"),
        ),
        (
            moved(time + 200),
            refused(403, "webhook_time_invalid", "ahead"),
        ),
        (
            Hook::at(time, OLD_TOKEN, "State.StateChange", STATE),
            refused(403, "webhook_sign_invalid", "sign_invalid"),
        ),
        (
            moved(time - 1).query(&self::sign(TOKEN, time - 1), &sign),
            refused(403, "webhook_sign_invalid", "sign_invalid"),
        ),
        (
            state().body(""),
            refused(400, "webhook_body_invalid", "syntax"),
        ),
        (
            state().body("Info=1"),
            refused(400, "webhook_body_invalid", "syntax"),
        ),
        (
            state().body("[]"),
            refused(400, "webhook_body_invalid", "not_an_object"),
        ),
        (
            state().body(r#"{"CallbackCommand":"State.StateChange","CallbackCommand":1}"#),
            refused(400, "webhook_body_invalid", "duplicate_member"),
        ),
        (
            state().body(MESSAGE),
            refused(400, "webhook_body_invalid", "command_differs"),
        ),
        (
            state().body(long((128 << 10) + 1)),
            refused(413, "body_too_large", "too_large"),
        ),
    ] {
        let response = send(proxy.address, hook.bytes());
        assert_eq!(
            refusal(&response),
            (status, code),
            "{reason} {}",
            hook.query
        );
        assert_eq!(response.header("cache-control"), Some("no-store"));
        *reasons.entry(reason).or_insert(0) += 1;
        assert_quiet(&proxy, &[]);
    }
    // A body that was read leaves the connection usable.
    let mut connection = Connection::open(proxy.address);
    assert_eq!(connection.request(state().body("[]").bytes()).status, 400);
    *reasons.entry("not_an_object").or_insert(0) += 1;
    assert_eq!(connection.request(state().bytes()).status, 200);
    assert_eq!(app.next().body, STATE.as_bytes());
    assert_eq!(app.seen().len(), 0);
    for (reason, times) in reasons {
        count(&proxy, reason, times);
        let is_told =
            |line: &serde_json::Value| line["path"] == "/hook" && line["reason"] == reason;
        proxy.log_lines(times as usize, is_told);
    }
    count(&proxy, "delivered", 1);
}

/// An app may take another method for a post, and none may come to it by the default access.
#[test]
fn no_other_method_reaches_the_app() {
    let app = app();
    let settings = by_signal(&app, ROUTES).replace("= \"deny\"", "= \"public\"");
    let proxy = Proxy::start_with_files(&settings, &[("token", TOKEN)]);
    let hook = Hook::state();
    let length = format!("Content-Length: {}\r\n", hook.body.len());
    let preflight = "Origin: http://x\r\nAccess-Control-Request-Method: POST\r\n";
    for (method, lines, body) in [
        ("GET", "", ""),
        ("PUT", length.as_str(), hook.body.as_str()),
        ("PATCH", length.as_str(), hook.body.as_str()),
        ("post", length.as_str(), hook.body.as_str()),
        ("OPTIONS", "", ""),
        ("OPTIONS", preflight, ""),
        ("DELETE", "", ""),
    ] {
        let response = send(proxy.address, format!("{}{body}", hook.head(method, lines)));
        assert_eq!(
            (response.status, response.header("allow")),
            (405, Some("POST")),
            "{method}"
        );
    }
    assert_eq!(app.seen().len(), 0);
    assert_eq!(send(proxy.address, hook.bytes()).status, 200);
}

/// Where the path is in doubt, neither a session nor a sign opens it.
#[test]
fn an_ambiguous_path_is_denied_beside_a_webhook() {
    let app = app();
    let routes = "allow = [\"semicolon\"]\n[[route]]\nmatch = { path = \"/session\" }\naccess = \"session\"\n";
    let settings =
        by_signal(&app, &format!("{routes}{ROUTES}")).replace("= \"deny\"", "= \"public\"");
    let proxy = Proxy::start_with_files(&settings, &[("token", TOKEN)]);
    let bearer = format!("Authorization: Bearer {}\r\n", session("alice"));
    let hook = Hook::state();
    let signed = hook.bytes();
    let with_session =
        |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}\r\n");
    for request in [
        signed.replacen("/hook?", "/hook;x?", 1),
        signed.replacen("/hook?", "/session;x?", 1),
        with_session("/hook;x"),
        with_session("/session;x"),
    ] {
        let response = send(proxy.address, request);
        assert_eq!(
            (response.status, response.code().as_str()),
            (404, "route_not_found")
        );
    }
    // A session is none on a webhook's route, nor a sign on a session's.
    let without_sign = with_session("/hook").replace("GET", "POST");
    assert_eq!(
        send(proxy.address, without_sign).code(),
        "webhook_query_invalid"
    );
    let other = send(proxy.address, signed.replacen("/hook?", "/session?", 1));
    assert_eq!(other.code(), "token_missing");
    assert_eq!(app.seen().len(), 0);
    assert_eq!(send(proxy.address, with_session("/session")).status, 200);
    assert_eq!(send(proxy.address, signed).status, 200);
}

#[test]
fn a_body_arrives_whole_however_it_is_framed() {
    let app = app();
    let proxy = start(&app, "");
    let mut connection = Connection::open(proxy.address);
    let mut check = |bytes: String, body: &str| {
        let response = connection.request(bytes);
        assert_eq!((response.status, response.text().as_str()), (200, ANSWER));
        assert!(app.next().body == body.as_bytes(), "{}", body.len());
    };
    // The framework's buffer holds 64 KiB; the second number is that of the default max_body.
    let buffer = 64 << 10;
    for length in [100, buffer - 1, buffer, buffer + 1, 100_000, 128 << 10] {
        let hook = Hook::state().body(long(length));
        check(hook.bytes(), &hook.body);
    }
    for length in [101, buffer - 1, buffer] {
        let hook = Hook::state().body(long(length)).query("203", "204");
        check(hook.chunked(), &hook.body);
    }
    let too_long = Hook::state().body(long(buffer + 1)).query("203", "205");
    let response = send(proxy.address, too_long.chunked());
    assert_eq!(refusal(&response), (413, "body_too_large".to_owned()));
    assert_eq!(app.seen().len(), 0);
    assert_eq!(connection.request(Hook::message().bytes()).status, 200);
}

#[test]
fn a_client_that_waits_for_it_is_told_to_go_on_once_its_query_is_good() {
    let app = app();
    let proxy = start(&app, "");
    let mut connection = Connection::open(proxy.address);
    let hook = Hook::message();
    let lines = format!(
        "Expect: 100-continue\r\nContent-Length: {}\r\n",
        hook.body.len()
    );
    connection.write(hook.head("POST", &lines));
    assert_eq!(connection.read_response(false).unwrap().status, 100);
    let (first, second) = hook.body.split_at(20);
    connection.write(first);
    connection.write(second);
    assert_eq!(connection.read_response(false).unwrap().text(), ANSWER);
    let seen = app.next();
    assert_eq!(seen.body, hook.body.as_bytes());
    assert!(seen.values("expect").is_empty());
    assert_eq!(connection.request(Hook::state().bytes()).status, 200);

    let unsigned = Hook::at(now(), OLD_TOKEN, "State.StateChange", STATE);
    let refused = send(proxy.address, unsigned.head("POST", &lines));
    assert_eq!(refusal(&refused), (403, "webhook_sign_invalid".to_owned()));
}

#[test]
fn http2_brings_the_same() {
    let app = app();
    let proxy = start(&app, "");
    let hooks = [
        Hook::state(),
        Hook::message(),
        Hook::state().body(long(60_000)),
    ];
    let unsigned = Hook::at(now(), OLD_TOKEN, "State.StateChange", STATE);
    talk(&proxy, async |mut client| {
        for hook in &hooks {
            let (first, second) = hook.body.split_at(20);
            let length = hook.body.len();
            for frames in [&[first, second][..], &[first, second, ""]] {
                let declared = post(&hook.target()).header("content-length", length);
                let request = match frames.len() {
                    2 => declared,
                    // Another query, or it would be a repetition.
                    _ => post(&format!("{}&x=1", hook.target())),
                };
                let answer = exchange(&mut client, request, frames).await;
                assert_eq!((answer.status, answer.text.as_str()), (200, ANSWER));
            }
        }
        for (target, body, status) in [
            (unsigned.target(), STATE, 403),
            (Hook::state().target(), MESSAGE, 400),
            (Hook::state().target(), "", 400),
        ] {
            let answer = exchange(&mut client, post(&target), &[body]).await;
            assert_eq!(answer.status, status, "{}", answer.text);
        }
    });
    let seen = app.seen();
    let bodies: Vec<_> = hooks
        .iter()
        .flat_map(|hook| [&hook.body, &hook.body])
        .collect();
    assert_eq!(seen.len(), bodies.len());
    assert!(
        seen.iter()
            .zip(bodies)
            .all(|(request, body)| request.body == body.as_bytes())
    );
}

/// Not even a connection is opened, so that the app sees no head of a request either.
#[test]
fn the_app_hears_nothing_before_the_whole_body_is_good() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let app = app();
    let address = listener.local_addr().unwrap();
    let settings = by_signal(&app, ROUTES).replace(&app.address.to_string(), &address.to_string());
    let proxy = Proxy::start_with_files(&settings, &[("token", TOKEN)]);
    let hook = Hook::state();
    let spoilt = hook.bytes().replacen("KickedDevice", "Kicked\"evice", 1);
    assert_eq!(send(proxy.address, spoilt).code(), "webhook_body_invalid");
    assert!(listener.accept().is_err());
    // Its twin opens one.
    let mut connection = Connection::open(proxy.address);
    connection.write(hook.bytes());
    listener.set_nonblocking(false).unwrap();
    assert!(listener.accept().is_ok());
}

#[test]
fn a_webhook_that_the_app_has_taken_is_not_delivered_again() {
    let app = app();
    let proxy = start(&app, "");
    let hook = Hook::state();
    assert_eq!(send(proxy.address, hook.bytes()).status, 200);
    for (bytes, status, code, case) in [
        (hook.bytes(), 409, "webhook_repeated", "the same bytes"),
        (hook.chunked(), 409, "webhook_repeated", "in other frames"),
    ] {
        let again = send(proxy.address, bytes);
        assert_eq!(refusal(&again), (status, code.to_owned()), "{case}");
    }
    count(&proxy, "repeated", 2);
    // Others of the same second, with the same sign.
    let spaced = format!("{} ", hook.body);
    let others = [
        Hook {
            query: hook.query.clone(),
            body: spaced,
            ..hook
        },
        Hook {
            query: hook.query.replace("iOS", "Web"),
            body: STATE.to_owned(),
            ..hook
        },
    ];
    for other in &others {
        assert_eq!(
            send(proxy.address, other.bytes()).status,
            200,
            "{}",
            other.command
        );
    }
    assert_eq!(app.seen().len(), 3);
}

#[test]
fn a_webhook_that_the_app_did_not_take_may_come_again() {
    let answers = Mutex::new(vec!["200 OK", "503 Unavailable", "500 Error"]);
    let app = App::with(move |_, stream| {
        let status = answers.lock().unwrap().pop();
        let answer = status.map(|status| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
        // Without an answer the connection closes.
        answer.is_some_and(|answer| stream.write_all(answer.as_bytes()).is_ok())
    });
    let proxy = start(&app, "");
    let hook = Hook::state();
    let statuses = [(); 4].map(|()| send(proxy.address, hook.bytes()).status);
    assert_eq!(statuses, [500, 503, 200, 409]);
    let cut = Hook::message();
    let statuses = [(); 2].map(|()| send(proxy.address, cut.bytes()).status);
    assert_eq!(statuses, [502, 502]);
    let lost = send(proxy.address, cut.bytes());
    assert_eq!(refusal(&lost), (502, "upstream_invalid".to_owned()));
    count(&proxy, "failed", 5);
    assert_eq!(app.seen().len(), 6);
}

#[test]
fn a_webhook_is_refused_while_an_identical_one_is_under_way() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let app = App::with(move |_, stream| {
        released.lock().unwrap().recv().unwrap();
        stream.write_all(ok().as_bytes()).is_ok()
    });
    let proxy = start(&app, "");
    let hook = Hook::state();
    let mut first = Connection::open(proxy.address);
    first.write(hook.bytes());
    app.next();
    assert_eq!(send(proxy.address, hook.bytes()).code(), "webhook_repeated");
    release.send(()).unwrap();
    assert_eq!(first.read_response(false).unwrap().status, 200);
    assert_eq!(app.seen().len(), 0);
}

#[test]
fn a_full_memory_takes_no_more() {
    let app = app();
    let proxy = start(&app, "replay_capacity = 1\n");
    assert_eq!(send(proxy.address, Hook::state().bytes()).status, 200);
    let response = send(proxy.address, Hook::message().bytes());
    let refused = |status: u16, code: &str, wait: &str| (status, code.to_owned(), wait.to_owned());
    let wait = response.header("retry-after").unwrap().to_owned();
    let (status, code) = refusal(&response);
    assert_eq!(
        (status, code, wait),
        refused(503, "webhook_memory_full", "1")
    );
    assert_eq!(app.seen().len(), 1);
}

#[test]
fn a_reload_changes_tokens_and_forgets_no_webhook() {
    let app = app();
    let proxy = start(&app, "");
    let hook = Hook::state();
    let old = Hook::at(now(), OLD_TOKEN, "State.StateChange", STATE);
    assert_eq!(send(proxy.address, hook.bytes()).status, 200);
    assert_eq!(
        send(proxy.address, old.bytes()).code(),
        "webhook_sign_invalid"
    );
    let both = "tokens = [{ file = \"old-token\" }, { file = \"token\" }]\nmax_age = \"5m\"";
    let settings = by_signal(&app, &ROUTES.replace("token = { file = \"token\" }", both));
    proxy.write("proxy.toml", &settings);
    proxy.signal("HUP");
    proxy.wait_for_metric(GENERATION, 2);
    assert_eq!(send(proxy.address, hook.bytes()).code(), "webhook_repeated");
    assert_eq!(send(proxy.address, old.bytes()).status, 200);
    assert_eq!(send(proxy.address, Hook::message().bytes()).status, 200);
    assert_quiet(&proxy, &[&hook, &old]);
}
