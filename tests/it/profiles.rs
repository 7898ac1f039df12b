//! Nickname and avatar of users on their way to Chat: the program, and Chat as the sandbox or as a fake that can fail.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use usersig_proxy::usersig::SecretKey;
use usersig_proxy::usersig::encode::Fields;

use crate::logout::{Chat, Sandbox, answer, body_of, refusal};
use crate::support::proxy::{CHAT_KEY, SDK_APP_ID, free_address};
use crate::support::tokens::{authorization, now, sign};
use crate::support::{App, Proxy, Recorded, config, get, send};

#[test]
fn a_new_user_has_nickname_and_avatar_in_chat() {
    let (app, sandbox) = (App::start(), Sandbox::start());
    let proxy = Proxy::start(&settings(app.address, sandbox.address, ""));
    log_in(&proxy, &session("42", "Zoë Zett"));
    proxy.wait_for_metric(IMPORTED, 1);
    let picture = "https://pictures.example/42.png";
    assert_eq!(
        portrait(&sandbox, "42"),
        [json!("Zoë Zett"), json!(picture)]
    );
    // Neither a cached UserSig nor one in place of it sends the same again; whoever comes next is sent.
    log_in(&proxy, &session("42", "Zoë Zett"));
    renew(&proxy, &session("42", "Zoë Zett"));
    log_in(&proxy, &session("43", "Yan"));
    proxy.wait_for_metric(IMPORTED, 2);
    let imported = imports(&sandbox);
    assert_eq!(imported, ["42", "43"]);
    // Another name comes with another UserSig.
    renew(&proxy, &session("43", "Yann"));
    proxy.wait_for_metric(IMPORTED, 3);
    assert_eq!(portrait(&sandbox, "43")[0], "Yann");
    let metrics = get(proxy.ops, "/metrics", "").text();
    for told in [proxy.printed(), metrics] {
        assert!(!told.contains("Zett") && !told.contains("pictures.example"));
    }
}

#[test]
fn the_session_that_an_apps_answer_begins_brings_its_profile() {
    let token = session("42", "Zoë");
    let body = json!({ "access_token": token }).to_string();
    let header = "Content-Type: application/json\r\n";
    let (app, chat) = (
        App::answering(answer("200 OK", header, &body)),
        Chat::start(),
    );
    let proxy = Proxy::start(&settings(app.address, chat.app.address, LOGIN));
    let login = get(proxy.address, "/api/login", "");
    assert!(login.json()["chat"]["userSig"].is_string(), "{login:?}");
    let told = body_of(&chat.app.next());
    assert_eq!(
        (&told["UserID"], &told["Nick"]),
        (&json!("42"), &json!("Zoë"))
    );
    proxy.wait_for_metric(IMPORTED, 1);
}

#[test]
fn no_request_waits_for_chat_and_the_credential_goes_there_only() {
    let (app, (sender, chat)) = (App::start(), held());
    let proxy = Proxy::start(&settings(app.address, chat.address, ""));
    let token = session("42", "Zoë");
    let login = get(proxy.address, "/_chat/usersig", &authorization(&token));
    assert_eq!(login.status, 200, "{login:?}");
    let call = chat.next();
    assert_eq!(proxy.metric(IMPORTED), 0);
    let (path, _) = call.target.split_once('?').unwrap();
    assert_eq!(
        (call.method.as_str(), path),
        ("POST", "/v4/im_open_login_svc/account_import")
    );
    let picture = "https://pictures.example/42.png";
    assert_eq!(
        body_of(&call),
        json!({ "UserID": "42", "Nick": "Zoë", "FaceUrl": picture })
    );
    let sig = user_sig(&call);
    let raw = String::from_utf8_lossy(&call.raw).into_owned();
    assert!(!raw.contains(CHAT_KEY) && !raw.contains(&token));
    assert!(!format!("{login:?}").contains(&sig) && !proxy.printed().contains(&sig));
    // Requests go on meanwhile, also of users that wait for Chat.
    for user in ["42", "43", "44"] {
        log_in(&proxy, &session(user, "Zoë"));
    }
    (0..3).for_each(|_| sender.send(()).unwrap());
    proxy.wait_for_metric(IMPORTED, 3);
}

/// The kick of a logout is the first that Chat hears of.
#[test]
fn without_the_section_or_the_claims_chat_is_not_called() {
    let (app, chat) = (App::start(), Chat::start());
    let text = settings(app.address, chat.app.address, LOGOUT);
    let without = text.replacen(PROFILE, "", 1);
    assert_ne!(text, without);
    let proxy = Proxy::start(&without);
    log_in(&proxy, &session("42", "Zoë"));
    log_out(&proxy, &session("42", "Zoë"));
    assert_eq!(body_of(&chat.app.next()), json!({ "UserID": "42" }));
    assert!(
        !get(proxy.ops, "/metrics", "")
            .text()
            .contains("profile_imports")
    );

    let proxy = Proxy::start(&text);
    log_in(
        &proxy,
        &sign(&json!({ "sub": "43", "exp": now() + 600, "name": 7 })),
    );
    log_out(&proxy, &session("44", "Zoë"));
    assert_eq!(body_of(&chat.app.next()), json!({ "UserID": "44" }));
    assert_eq!(proxy.metric(IMPORTED), 0);
}

#[test]
fn what_finds_no_room_is_dropped_and_no_request_with_it() {
    let (app, (sender, chat)) = (App::start(), held());
    let text = settings(app.address, chat.address, "");
    let proxy = Proxy::start(&text.replacen(
        PROFILE,
        &format!("{PROFILE}profile.queue_capacity = 1\n"),
        1,
    ));
    let log_in = |user: u32| log_in(&proxy, &session(&user.to_string(), "Zoë"));
    // As many as may be under way, each once the one before it is, and then one that waits.
    for user in 0..4 {
        log_in(user);
        assert_eq!(body_of(&chat.next())["UserID"], user.to_string());
    }
    (4..8).for_each(log_in);
    assert_eq!((proxy.metric(DROPPED), proxy.metric(IMPORTED)), (3, 0));
    (0..5).for_each(|_| sender.send(()).unwrap());
    proxy.wait_for_metric(IMPORTED, 5);
    assert_eq!(body_of(&chat.next())["UserID"], "4");
    assert_eq!((proxy.metric(DROPPED), chat.seen().len()), (3, 0));
    proxy.log_line(|line| line["message"] == "too many profiles wait for Chat; more are dropped");
}

#[test]
fn a_profile_waits_for_a_chat_that_is_down() {
    let (app, address) = (App::start(), free_address());
    let proxy = Proxy::start(&settings(app.address, address, ""));
    log_in(&proxy, &session("42", "Zoë"));
    let sandbox = Sandbox::start_at(address);
    proxy.wait_for_metric(IMPORTED, 1);
    assert_eq!(portrait(&sandbox, "42")[0], "Zoë");
}

#[test]
fn what_chat_calls_passing_is_sent_again_and_what_it_refuses_is_not() {
    let (app, chat) = (App::start(), Chat::start());
    chat.answers.lock().unwrap().extend([
        answer("200 OK", "", &refusal(60008)),
        answer("502 Bad Gateway", "", "<html>"),
    ]);
    let proxy = Proxy::start(&settings(app.address, chat.app.address, ""));
    log_in(&proxy, &session("42", "Zoë"));
    proxy.wait_for_metric(IMPORTED, 1);
    let seen: Vec<_> = chat.app.seen().iter().map(body_of).collect();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|body| *body == seen[0]));

    let refused = answer("200 OK", "", &refusal(70402));
    chat.answers.lock().unwrap().push_back(refused);
    log_in(&proxy, &session("43", "Zoë"));
    proxy.wait_for_metric(REFUSED, 1);
    let line = proxy.log_line(|line| line["message"] == "Chat refused a profile");
    assert_eq!(
        (&line["user_id"], &line["error_code"]),
        (&json!("43"), &json!(70402))
    );
    log_in(&proxy, &session("44", "Zoë"));
    proxy.wait_for_metric(IMPORTED, 2);
    let users = chat
        .app
        .seen()
        .iter()
        .map(|call| body_of(call)["UserID"].clone())
        .collect::<Vec<_>>();
    assert_eq!(users, ["43", "44"]);
}

#[test]
fn a_signature_that_ran_out_is_made_anew() {
    let (app, chat) = (App::start(), Chat::start());
    let expired = answer("200 OK", "", &refusal(70001));
    chat.answers.lock().unwrap().push_back(expired);
    let proxy = Proxy::start(&settings(app.address, chat.app.address, ""));
    log_in(&proxy, &session("42", "Zoë"));
    proxy.wait_for_metric(IMPORTED, 1);
    let sigs: Vec<_> = chat.app.seen().iter().map(user_sig).collect();
    assert_eq!(sigs.len(), 2);
    assert_ne!(sigs[0], sigs[1]);
}

/// After 70050 Chat takes no call for a minute. Kicks are sent all the same, and are what it hears of next.
#[test]
fn a_chat_that_wants_to_be_left_alone_is() {
    let (app, chat) = (App::start(), Chat::start());
    let locked = answer("200 OK", "", &refusal(70050));
    chat.answers.lock().unwrap().push_back(locked);
    let proxy = Proxy::start(&settings(app.address, chat.app.address, LOGOUT));
    log_in(&proxy, &session("42", "Zoë"));
    assert_eq!(body_of(&chat.app.next())["Nick"], "Zoë");
    while !get(proxy.ops, "/readyz", "").text().contains("70050") {
        thread::park_timeout(POLL);
    }
    log_in(&proxy, &session("43", "Zoë"));
    // Longer than the pause before the second attempt.
    let last = now();
    while now() <= last + 2 {
        thread::park_timeout(POLL);
    }
    log_out(&proxy, &session("44", "Zoë"));
    assert_eq!(body_of(&chat.app.next()), json!({ "UserID": "44" }));
    assert_eq!(proxy.metric(IMPORTED), 0);
}

#[test]
fn a_reload_keeps_what_waits_and_brings_another_endpoint() {
    let (app, nowhere, sandbox) = (App::start(), free_address(), Sandbox::start());
    let text = settings(app.address, nowhere, "");
    let proxy = Proxy::start(&text);
    log_in(&proxy, &session("42", "Zoë"));
    proxy.write("proxy.toml", &format!("{text}# the same\n"));
    proxy.wait_for_metric("config_generation", 2);
    proxy.write("proxy.toml", &settings(app.address, sandbox.address, ""));
    proxy.wait_for_metric(IMPORTED, 1);
    assert_eq!(portrait(&sandbox, "42")[0], "Zoë");
}

/// A Chat that answers with success, and each call only when it is told to.
fn held() -> (mpsc::Sender<()>, App) {
    let (sender, ticks) = mpsc::channel();
    let ticks = Mutex::new(ticks);
    let chat = App::with(move |_, stream| {
        let _ = ticks.lock().unwrap().recv();
        let landed = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
        stream.write_all(&answer("200 OK", "", landed)).is_ok()
    });
    (sender, chat)
}

fn settings(app: SocketAddr, chat: SocketAddr, routes: &str) -> String {
    let admin = "admin = \"administrator\"\n";
    let chat = format!("{admin}endpoint = \"http://{chat}\"\n{PROFILE}");
    let routes = format!("default_access = \"session\"\n{routes}");
    config(app, &routes).replacen(admin, &chat, 1)
}

fn session(user: &str, nick: &str) -> String {
    let picture = format!("https://pictures.example/{user}.png");
    sign(&json!({ "sub": user, "exp": now() + 600, "name": nick, "user": { "picture": picture } }))
}

fn log_in(proxy: &Proxy, token: &str) {
    let login = get(proxy.address, "/_chat/usersig", &authorization(token));
    assert_eq!(login.status, 200, "{login:?}");
}

fn renew(proxy: &Proxy, token: &str) {
    post(proxy, "/_chat/usersig", token);
}

fn log_out(proxy: &Proxy, token: &str) {
    post(proxy, "/api/logout", token);
}

fn post(proxy: &Proxy, path: &str, token: &str) {
    let token = authorization(token);
    let request = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{token}\r\n");
    let answer = send(proxy.address, request);
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The credential of a call.
fn user_sig(call: &Recorded) -> String {
    let (_, query) = call.target.split_once('?').unwrap();
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
    let (_, sig) = pairs.find(|(name, _)| *name == "usersig").unwrap();
    sig.to_owned()
}

/// Nickname and avatar of an account, as the sandbox has them.
fn portrait(sandbox: &Sandbox, user: &str) -> [Value; 2] {
    let fields = Fields {
        identifier: "administrator",
        sdk_app_id: SDK_APP_ID,
        time: u32::try_from(now()).unwrap(),
        expire: 600,
        userbuf: None,
    };
    let sig = fields.encode(&SecretKey::parse(CHAT_KEY).unwrap());
    let (sig, tags) = (
        sig.expose(),
        ["Tag_Profile_IM_Nick", "Tag_Profile_IM_Image"],
    );
    let body = json!({ "To_Account": [user], "TagList": tags }).to_string();
    let query = format!("sdkappid={SDK_APP_ID}&identifier=administrator&usersig={sig}&random=1");
    let answer = send(
        sandbox.address,
        format!(
            "POST /v4/profile/portrait_get?{query}&contenttype=json HTTP/1.1\r\nHost: localhost\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    let items = answer.json()["UserProfileItem"][0]["ProfileItem"].clone();
    tags.map(|tag| {
        let mut items = items.as_array().unwrap().iter();
        let item = items.find(|item| item["Tag"] == tag);
        item.unwrap_or_else(|| panic!("no {tag}: {items:?}"))["Value"].clone()
    })
}

/// Whom the sandbox was told to import, in order.
fn imports(sandbox: &Sandbox) -> Vec<String> {
    let calls = get(sandbox.address, "/sandbox/calls", "").json();
    let calls = calls["calls"].as_array().unwrap().iter();
    let imports = calls.filter(|call| call["command"] == "im_open_login_svc/account_import");
    imports
        .map(|call| call["body"]["UserID"].as_str().unwrap().to_owned())
        .collect()
}

const PROFILE: &str = "profile.nick = \"/name\"\nprofile.avatar = \"/user/picture\"\n";
const LOGIN: &str = r#"[[route]]
match = { path = "/api/login" }
access = "public"
session_from_response = { json = "/access_token" }
inject = { response_json = "/chat" }
"#;
const LOGOUT: &str = r#"[[route]]
match = { path = "/api/logout", methods = ["POST"] }
access = "session"
on_success = "kick"
"#;
const POLL: Duration = Duration::from_millis(5);
const IMPORTED: &str = "profile_imports_total{outcome=\"imported\",site=\"default\"}";
const REFUSED: &str = "profile_imports_total{outcome=\"refused\",site=\"default\"}";
const DROPPED: &str = "profile_imports_total{outcome=\"dropped\",site=\"default\"}";
