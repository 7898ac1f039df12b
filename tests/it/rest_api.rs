//! The REST gateway on the running program, in front of a Chat that records every byte and answers what the test says.

mod browsers;
mod chromium;
mod clients;
mod group_role;
mod reload;

use std::collections::{BTreeSet, VecDeque};
use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::frames::*;
use crate::support::proxy::{CHAT_KEY, SDK_APP_ID, free_address};
use crate::support::tokens::{now, sign};
use crate::support::{App, Connection, Proxy, Recorded, Response, config, get, send};

/// A Chat that gives these answers one after the other, and then success.
pub(crate) struct Chat {
    pub(crate) app: App,
    answers: Arc<Mutex<VecDeque<Vec<u8>>>>,
}

impl Chat {
    pub(crate) fn start() -> Self {
        let answers: Arc<Mutex<VecDeque<Vec<u8>>>> = Arc::default();
        let queue = answers.clone();
        let app = App::with(move |request, stream| {
            let next = queue.lock().unwrap().pop_front();
            let answer = next.unwrap_or_else(|| ok(&code(0)));
            let answer = String::from_utf8(answer)
                .unwrap()
                .replace("@URL@", &request.target);
            let is_written = stream.write_all(answer.as_bytes()).is_ok();
            is_written && !answer.contains("Connection: close")
        });
        Self { app, answers }
    }

    pub(crate) fn will_answer(&self, answers: impl IntoIterator<Item = Vec<u8>>) {
        self.answers.lock().unwrap().extend(answers);
    }
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    answer(
        "200 OK",
        "Access-Control-Allow-Origin: *\r\nX-Chat: 1\r\n",
        body,
    )
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

pub(crate) fn code(code: u32) -> String {
    let status = if code == 0 { "OK" } else { "FAIL" };
    json!({ "ActionStatus": status, "ErrorCode": code, "ErrorInfo": "" }).to_string()
}

pub(crate) const RULES: &str = r#"
[rest_api]
[[rest_api.allow]]
name = "members"
commands = ["openim/sendmsg", "profile/portrait_get"]
roles = ["member"]
[[rest_api.allow]]
name = "support"
commands = ["im_open_login_svc/kick"]
roles = ["support"]
"#;

pub(crate) fn settings(chat: &App, more: &str) -> String {
    let app = "127.0.0.1:9".parse().unwrap();
    let admin = "admin = \"administrator\"\n";
    let endpoint = format!("{admin}endpoint = \"http://{}\"\n", chat.address);
    config(app, &format!("default_access = \"deny\"\n{RULES}{more}")).replacen(admin, &endpoint, 1)
}

pub(crate) fn member() -> String {
    sign(&json!({ "sub": "42", "roles": ["member"], "exp": now() + 600 }))
}

pub(crate) fn request(command: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /_chat/v4/{command} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

pub(crate) fn call(proxy: &Proxy, command: &str, token: &str, body: &str) -> Response {
    let bearer = format!("Authorization: Bearer {token}\r\n");
    send(proxy.address, request(command, &bearer, body))
}

pub(crate) fn refusal(response: &Response) -> (u16, String, i64) {
    let body = response.json();
    assert_eq!(body["ActionStatus"], "FAIL", "{body}");
    assert_eq!(body["ErrorInfo"], body["detail"]);
    assert_eq!(body["status"], response.status);
    (
        response.status,
        response.code(),
        body["ErrorCode"].as_i64().unwrap(),
    )
}

pub(crate) fn refused(status: u16, code: &str, error_code: i64) -> (u16, String, i64) {
    (status, code.to_owned(), error_code)
}

/// The query of a call as pairs.
fn query(request: &Recorded) -> Vec<(String, String)> {
    let (_, query) = request.target.split_once('?').unwrap();
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn user_sig(request: &Recorded) -> String {
    query(request)[2].1.clone()
}

#[test]
fn a1_a_call_is_built_anew_and_brings_nothing_of_the_client_but_its_body() {
    let chat = Chat::start();
    chat.will_answer([ok(
        r#"{"ErrorCode":0,"MsgTime":9007199254740993,"ActionStatus":"OK"}"#,
    )]);
    let proxy = Proxy::start(&settings(&chat.app, ""));
    let token = member();
    let body = r#"{ "To_Account":"bob", "MsgRandom":9007199254740993,"x":2.50 }"#;
    let headers = format!(
        "Authorization: Bearer {token}\r\nCookie: a=1\r\nContent-Type: text/plain\r\nX-Chat-UserID: administrator\r\n\
         Accept: */*\r\nReferer: http://x/\r\n"
    );
    let path =
        "openim/sendmsg?usersig=mine&identifier=root&sdkappid=1&random=1&contenttype=xml&x=1";
    let response = send(proxy.address, request(path, &headers, body));
    assert_eq!(response.status, 200);
    assert_eq!(
        response.text(),
        r#"{"ErrorCode":0,"MsgTime":9007199254740993,"ActionStatus":"OK"}"#
    );
    let names: BTreeSet<_> = response
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(!names.contains("access-control-allow-origin") && !names.contains("x-chat"));
    assert_eq!(response.header("cache-control"), Some("no-store"));

    let seen = chat.app.next();
    assert!(seen.target.starts_with("/v4/openim/sendmsg?"));
    let [app_id, admin, sig, random, kind] = &query(&seen)[..] else {
        panic!("not our five parameters: {}", seen.target)
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(app_id, &pair("sdkappid", &SDK_APP_ID.to_string()));
    assert_eq!(admin, &pair("identifier", "administrator"));
    assert_eq!(kind, &pair("contenttype", "json"));
    assert!(sig.0 == "usersig" && random.0 == "random" && random.1.parse::<u32>().is_ok());
    let names: BTreeSet<_> = seen
        .headers
        .iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    let expected = ["accept", "content-length", "content-type", "host"];
    assert_eq!(names, expected.map(str::to_owned).into());
    // The account that acts was missing, and nothing else was touched.
    let sent = String::from_utf8(seen.body.clone()).unwrap();
    let parsed: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(parsed["From_Account"], "42");
    assert!(
        sent.contains(r#""MsgRandom":9007199254740993,"x":2.50"#),
        "{sent}"
    );
    assert!(!response.text().contains(&sig.1) && !proxy.printed().contains(&sig.1));

    let line = proxy.log_line(|line| line["message"] == "call");
    let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(field("target"), "usersig_proxy::audit");
    assert_eq!(
        [
            "user_id", "issuer", "roles", "command", "rule", "acting", "concerns", "decision"
        ]
        .map(field),
        [
            "42",
            "app",
            "member",
            "openim/sendmsg",
            "members",
            "42",
            "bob",
            "allowed"
        ]
    );
    assert_eq!(line["error_code"], 0);
}

#[test]
fn a1_no_spelling_of_our_parameters_comes_through() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, ""));
    let bearer = format!("Authorization: Bearer {}\r\n", member());
    let ask = |target: &str| send(proxy.address, request(target, &bearer, "{}"));
    for sent in [
        "usersig=mine&usersig=mine",
        "sdkappid=1&identifier=mine&sdkappid=2&identifier=mine",
        "%75sersig=mine&identifie%72=mine",
        "USERSIG=mine&Identifier=mine&SdkAppId=1",
        "usersig[]=mine&random=mine&contenttype=mine",
        "a=b;usersig=mine",
        "?usersig=mine",
        "x=%26usersig%3Dmine",
        "x%23&usersig=mine",
        "usersig",
    ] {
        assert_eq!(ask(&format!("openim/sendmsg?{sent}")).status, 200, "{sent}");
        let seen = chat.app.next();
        let pairs = query(&seen);
        let names: Vec<_> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        let ours = ["sdkappid", "identifier", "usersig", "random", "contenttype"];
        assert_eq!(names, ours, "{sent}");
        assert_eq!(pairs[0].1, SDK_APP_ID.to_string(), "{sent}");
        assert!(!seen.target.contains("mine"), "{}", seen.target);
    }
    for sent in ["#usersig=mine", "?#usersig=mine", "?x=1#?usersig=mine"] {
        let response = ask(&format!("openim/sendmsg{sent}"));
        assert_eq!(refusal(&response), refused(400, "path_ambiguous", 60002));
    }
    assert_eq!(chat.app.seen().len(), 0);
}

#[test]
fn a2_nobody_acts_in_another_name_and_what_is_refused_does_not_reach_chat() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, ""));
    let token = member();
    let not_acting = || refused(403, "acting_account_not_allowed", 60010);
    let invalid = || refused(400, "body_invalid", 60003);
    let another_app = r#"{"SdkAppId":1400000001}"#;
    for (body, expected) in [
        (another_app, refused(403, "body_not_allowed", 60010)),
        (r#"{"From_Account":"bob"}"#, not_acting()),
        (r#"{"From_Account":"administrator"}"#, not_acting()),
        (r#"{"From_Account":["42"]}"#, not_acting()),
        (r#"{"from_account":"42"}"#, not_acting()),
        (r#"{"From_Account":"42","From_Account":"bob"}"#, invalid()),
        (
            r#"{"From_Account":"42","From\u005fAccount":"bob"}"#,
            invalid(),
        ),
        ("[]", invalid()),
        ("{", invalid()),
        ("\u{feff}{}", invalid()),
    ] {
        let response = call(&proxy, "openim/sendmsg", &token, body);
        assert_eq!(refusal(&response), expected, "{body}");
    }
    assert_eq!(chat.app.seen().len(), 0);
    for body in [r#"{"From_Account":"42"}"#, ""] {
        assert_eq!(call(&proxy, "openim/sendmsg", &token, body).status, 200);
        let sent: Value = serde_json::from_slice(&chat.app.next().body).unwrap();
        assert_eq!(sent["From_Account"], "42");
    }
}

/// A member who tries everything that the catalogue lists gets through with what the policy names, and no further.
#[test]
fn u8_a_member_reaches_none_of_the_commands_that_no_rule_gives_him() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, ""));
    let bearer = format!("Authorization: Bearer {}\r\n", member());
    let commands: Vec<_> = include_str!("../../src/rest_api/commands.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut fields = line.split('\t');
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(service, _)| *service != "service")
        .map(|(service, name)| match service.contains('/') {
            true => service.to_owned(),
            false => format!("{service}/{name}"),
        })
        .collect();
    assert_eq!(commands.len(), 204);
    let mut connection = Connection::open(proxy.address);
    let mut open = Vec::new();
    for command in &commands {
        let response = connection.request(request(command, &bearer, "{}"));
        match response.status {
            200 => open.push(command.as_str()),
            _ => {
                assert_eq!(
                    refusal(&response),
                    refused(403, "command_not_allowed", 60010),
                    "{command}"
                );
                connection = Connection::open(proxy.address);
            }
        }
    }
    open.sort_unstable();
    assert_eq!(open, ["openim/sendmsg", "profile/portrait_get"]);
    assert_eq!(chat.app.seen().len(), 2);
    for (path, status, code, error_code) in [
        ("openim/no_such_command", 403, "command_unknown", 60009),
        ("OPENIM/SENDMSG", 403, "command_unknown", 60009),
    ] {
        let response = send(proxy.address, request(path, &bearer, "{}"));
        assert_eq!(
            refusal(&response),
            refused(status, code, error_code),
            "{path}"
        );
    }
    for (path, status, code, error_code) in [
        ("openim/sendmsg/", 404, "route_not_found", 60009),
        ("openim/sendmsg/x", 404, "route_not_found", 60009),
        ("openim", 404, "route_not_found", 60009),
        (
            "openim/../im_open_login_svc/kick",
            400,
            "path_ambiguous",
            60002,
        ),
        ("openim%2fsendmsg", 400, "path_ambiguous", 60002),
        ("openim//sendmsg", 400, "path_ambiguous", 60002),
    ] {
        let response = send(proxy.address, request(path, &bearer, "{}"));
        let expected = refused(status, code, error_code);
        assert_eq!(refusal(&response), expected, "{path}");
    }
    let get = request("openim/sendmsg", &bearer, "{}").replacen("POST", "GET", 1);
    let response = send(proxy.address, get);
    assert_eq!(refusal(&response).0, 405);
    // Outside the gateway nobody is told so.
    let response = send(proxy.address, "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(response.json().get("ErrorCode"), None);
    assert_eq!(chat.app.seen().len(), 0);
}

#[test]
fn a4_an_expired_or_voided_signature_is_made_anew_once() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, ""));
    let token = member();
    chat.will_answer([ok(&code(70052))]);
    assert_eq!(
        call(&proxy, "openim/sendmsg", &token, "{}").json()["ErrorCode"],
        0
    );
    let (first, second) = (chat.app.next(), chat.app.next());
    assert_ne!(user_sig(&first), user_sig(&second));
    assert_eq!(first.body, second.body);
    // Not again within 10 s: then Chat's word is passed on.
    chat.will_answer([ok(&code(70001))]);
    assert_eq!(
        call(&proxy, "openim/sendmsg", &token, "{}").json()["ErrorCode"],
        70001
    );
    assert_eq!(user_sig(&chat.app.next()), user_sig(&second));
    assert_eq!(chat.app.seen().len(), 0);
}

#[test]
fn a3_only_what_may_be_repeated_is_and_failures_with_status_200_count_as_such() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, ""));
    let token = member();
    for (command, attempts, error_code) in
        [("profile/portrait_get", 2, 0), ("openim/sendmsg", 1, 60008)]
    {
        chat.will_answer([ok(&code(60008))]);
        let answer = call(&proxy, command, &token, "{}").json();
        assert_eq!(answer["ErrorCode"], error_code, "{command}");
        assert_eq!(chat.app.seen().len(), attempts, "{command}");
    }
    let count = |command: &str, class: &str| {
        let labels = format!("class=\"{class}\",command=\"{command}\",site=\"default\"");
        proxy.metric(&format!("rest_calls_total{{{labels}}}"))
    };
    assert_eq!(count("profile/portrait_get", "ok"), 1);
    assert_eq!(
        (
            count("openim/sendmsg", "ok"),
            count("openim/sendmsg", "retry")
        ),
        (0, 1)
    );
}

#[test]
fn after_70050_chat_is_left_alone_and_a_wrong_configuration_is_an_alarm() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, ""));
    let token = member();
    let send_message = || call(&proxy, "openim/sendmsg", &token, "{}");
    chat.will_answer([ok(&code(70009))]);
    assert_eq!(send_message().json()["ErrorCode"], 70009);
    let alarm = "rest_alarm_error_code{site=\"default\"}";
    assert_eq!(proxy.metric(alarm), 70009);
    let ready = get(proxy.ops, "/readyz", "").text();
    assert!(
        ready.contains("chat of site default: ErrorCode 70009"),
        "{ready}"
    );
    assert_eq!(send_message().status, 200);
    assert_eq!(proxy.metric(alarm), 0);

    chat.will_answer([ok(&code(70050))]);
    assert_eq!(send_message().json()["ErrorCode"], 70050);
    chat.app.seen();
    let paused = send_message();
    assert_eq!(refusal(&paused), refused(503, "chat_paused", 60019));
    let wait: u64 = paused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(chat.app.seen().len(), 0);
    assert_eq!(proxy.metric("rest_paused{site=\"default\"}"), 1);
}

#[test]
fn a5_what_is_not_the_apis_answer_or_echoes_the_call_is_not_passed_on() {
    let chat = Chat::start();
    let elsewhere = App::start();
    let proxy = Proxy::start(&settings(&chat.app, ""));
    let token = member();
    let location = format!("Location: http://{}@URL@\r\n", elsewhere.address);
    for (case, bytes) in [
        ("a page", answer("502 Bad Gateway", "", "<html>@URL@</html>")),
        ("a page with 200", ok("<html></html>")),
        ("a redirect", answer("302 Found", &location, "")),
        ("a list", ok("[]")),
        ("no code", ok("{}")),
        ("two codes", ok(r#"{"ErrorCode":0,"ErrorCode":70009}"#)),
        ("an echo", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"ErrorCode\":60002,\"ErrorInfo\":\"@URL@\"}".to_vec()),
    ] {
        chat.will_answer([bytes]);
        let response = call(&proxy, "openim/sendmsg", &token, "{}");
        assert_eq!(refusal(&response), refused(502, "chat_invalid", 60013), "{case}");
        let sig = user_sig(&chat.app.next());
        assert!(!response.text().contains(&sig[40..]), "{case}");
    }
    assert_eq!(elsewhere.seen().len(), 0);
    // The twin: the API's own refusal is its to make.
    chat.will_answer([ok(&code(90012))]);
    let response = call(&proxy, "openim/sendmsg", &token, "{}");
    assert_eq!((response.status, response.text()), (200, code(90012)));
}

#[test]
fn a_budget_is_kept_before_anything_is_sent() {
    let chat = Chat::start();
    let budget = "[rest_api.budget]\ncommands = { \"openim/sendmsg\" = 1 }\n";
    let proxy = Proxy::start(&settings(&chat.app, budget));
    let token = member();
    let answers: Vec<_> = (0..6)
        .map(|_| call(&proxy, "openim/sendmsg", &token, "{}"))
        .collect();
    let refusals: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status != 200)
        .collect();
    assert!(answers[0].status == 200 && !refusals.is_empty());
    for answer in &refusals {
        assert_eq!(refusal(answer), refused(429, "budget_used_up", 60007));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(chat.app.seen().len(), answers.len() - refusals.len());
    assert_eq!(
        call(&proxy, "profile/portrait_get", &token, "{}").status,
        200
    );
}

#[test]
fn refusals_speak_both_ways() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, ""));
    let response = send(proxy.address, request("openim/sendmsg", "", "{}"));
    assert_eq!(refusal(&response), refused(401, "token_missing", 70003));
    assert_eq!(
        response.header("www-authenticate"),
        Some("Bearer realm=\"session\"")
    );
    let expired = sign(&json!({ "sub": "42", "roles": ["member"], "exp": 1 }));
    let response = call(&proxy, "openim/sendmsg", &expired, "{}");
    assert_eq!(refusal(&response), refused(401, "token_expired", 70003));
    let admin = sign(&json!({ "sub": "administrator", "roles": ["member"], "exp": now() + 600 }));
    let response = call(&proxy, "openim/sendmsg", &admin, "{}");
    assert_eq!(refusal(&response), refused(403, "user_not_mapped", 60010));
    let support = sign(&json!({ "sub": "7", "roles": "support", "exp": now() + 600 }));
    assert_eq!(
        call(
            &proxy,
            "im_open_login_svc/kick",
            &support,
            r#"{"UserID":"42"}"#
        )
        .status,
        200
    );
    let response = call(
        &proxy,
        "im_open_login_svc/kick",
        &member(),
        r#"{"UserID":"42"}"#,
    );
    assert_eq!(
        refusal(&response),
        refused(403, "command_not_allowed", 60010)
    );
    let line = proxy
        .log_line(|line| line["message"] == "call" && line["decision"] == "command_not_allowed");
    assert_eq!(
        (&line["rule"], &line["user_id"]),
        (&json!("support"), &json!("42"))
    );
    let is_refused = |line: &Value| line["outcome"] == "command_not_allowed";
    assert_eq!(proxy.log_line(is_refused)["user_id"], "42");
    assert_eq!(chat.app.seen().len(), 1);
}

#[test]
fn a_body_that_is_too_long_is_refused_and_the_refusal_arrives() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, ""));
    let bearer = format!("Authorization: Bearer {}\r\n", member());
    let fitting = format!("{{\"x\":\"{}\"}}", "a".repeat((64 << 10) - 8));
    assert_eq!(fitting.len(), 64 << 10);
    assert_eq!(
        send(proxy.address, request("openim/sendmsg", &bearer, &fitting)).status,
        200
    );
    chat.app.next();
    for length in [(64 << 10) + 1, 600_000] {
        let long = format!("{{\"x\":\"{}\"}}", "a".repeat(length - 8));
        let mut connection = Connection::open(proxy.address);
        let response = connection.request(request("openim/sendmsg", &bearer, &long));
        assert_eq!(
            refusal(&response),
            refused(413, "body_too_large", 80002),
            "{length}"
        );
    }
    assert_eq!(chat.app.seen().len(), 0);
}

#[test]
fn a_cookie_calls_only_from_a_page_of_the_same_origin() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, ""));
    let cookie = format!("Cookie: session={}\r\n", member());
    let own = "Sec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\n";
    for more in [
        "",
        "Content-Type: application/json\r\n",
        "Sec-Fetch-Site: cross-site\r\nContent-Type: application/json\r\n",
        "Sec-Fetch-Site: same-origin\r\nContent-Type: text/plain\r\n",
        "Origin: https://evil.example\r\nContent-Type: application/json\r\n",
    ] {
        let forged = request("openim/sendmsg", &format!("{cookie}{more}"), "{}");
        let response = send(proxy.address, forged);
        assert_eq!(
            refusal(&response),
            refused(403, "cross_site", 60010),
            "{more}"
        );
    }
    assert_eq!(chat.app.seen().len(), 0);
    let response = send(
        proxy.address,
        request("openim/sendmsg", &format!("{cookie}{own}"), "{}"),
    );
    assert_eq!(response.status, 200);
}

#[test]
fn a_chat_that_is_away_is_told_apart_from_one_that_refuses() {
    let away = App::start();
    let text = settings(&away, "").replace(&away.address.to_string(), &free_address().to_string());
    let proxy = Proxy::start(&text);
    let response = call(&proxy, "openim/sendmsg", &member(), "{}");
    assert_eq!(refusal(&response), refused(502, "chat_unreachable", 60008));
    assert_eq!(response.header("retry-after"), Some("1"));
    let cut = App::with(|_, _| false);
    let proxy = Proxy::start(&settings(&cut, ""));
    let response = call(&proxy, "openim/sendmsg", &member(), "{}");
    assert_eq!(refusal(&response), refused(504, "chat_timeout", 60013));
    assert_eq!(cut.seen().len(), 1, "a message is not sent twice");
}

#[test]
fn the_status_may_say_how_it_went() {
    let chat = Chat::start();
    let text = settings(&chat.app, "").replace(
        "[rest_api]\n",
        "[rest_api]\nhttp_status = \"from_error_code\"\n",
    );
    let proxy = Proxy::start(&text);
    chat.will_answer([ok(&code(60007))]);
    let response = call(&proxy, "openim/sendmsg", &member(), "{}");
    assert_eq!((response.status, response.text()), (429, code(60007)));
    assert_eq!(call(&proxy, "openim/sendmsg", &member(), "{}").status, 200);
}

#[test]
fn without_the_section_there_is_no_gateway() {
    let chat = Chat::start();
    let text = settings(&chat.app, "").replace(RULES, "");
    let proxy = Proxy::start(&text);
    let response = call(&proxy, "openim/sendmsg", &member(), "{}");
    assert_eq!(
        (response.status, response.code().as_str()),
        (404, "route_not_found")
    );
    assert!(!proxy.printed().contains(CHAT_KEY));
}

/// The framework waits for the body of an HTTP/2 request as long as its client likes.
#[test]
fn a_body_that_does_not_come_is_given_up() {
    let chat = Chat::start();
    let more = "[runtime]\ndownstream_read_timeout = \"1s\"\n";
    let proxy = Proxy::start(&settings(&chat.app, more));
    let token = format!("Bearer {}", member());
    let head = block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/_chat/v4/openim/sendmsg"),
        ("authorization", &token),
    ]);
    let head = frame(HEADERS, END_HEADERS, 1, &head);
    let end = exchange(proxy.address, &[head.clone(), frame(DATA, 0, 1, b"{")]);
    assert!(end.is_refusal(), "{end:?}");
    proxy.wait_for_metric("requests_in_flight", 0);
    assert!(chat.app.seen().is_empty());
    // The twin.
    let whole = frame(DATA, END_STREAM, 1, b"{}");
    assert_eq!(exchange(proxy.address, &[head, whole]), End::Answered(200));
}

#[test]
fn a_client_that_waits_to_be_asked_for_the_body_keeps_its_connection() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, ""));
    let token = format!("Authorization: Bearer {}\r\n", member());
    let asking = format!("{token}Expect: 100-continue\r\n");
    let mut connection = Connection::open(proxy.address);
    for _ in 0..2 {
        let request = request("openim/sendmsg", &asking, "{}");
        connection.write(request.strip_suffix("{}").unwrap());
        assert_eq!(connection.read_response(false).unwrap().status, 100);
        connection.write("{}");
        assert_eq!(connection.read_response(false).unwrap().status, 200);
    }
}
