//! How long a UserSig lives, and what ends it early, on the running program.

use std::io::Write;

use serde_json::{Value, json};
use usersig_proxy::usersig::decode::Decoded;

use crate::keys::with_issuer;
use crate::support::keys::{KeyServer, Signer, key_set};
use crate::support::proxy::CHAT_KEY;
use crate::support::tokens::{authorization, now, sign};
use crate::support::user_sig::is_signed_with;
use crate::support::{App, Proxy, Recorded, config, get, send};

/// The endpoint, and a login whose session token the app's answer carries.
const ROUTES: &str = r#"default_access = "deny"
[[route]]
match = { path = "/login", methods = ["POST"] }
access = "public"
session_from_response = { json = "/access_token" }
inject = { response_json = "/chat" }
[[route]]
match = { path = "/plain" }
access = "session"
"#;

fn capped(app: &App) -> String {
    let chat = "admin = \"administrator\"\n";
    let capped = format!("{chat}[chat.usersig]\ncap_to_session = true\n");
    config(app.address, ROUTES).replacen(chat, &capped, 1)
}

fn ending_at(end: u64) -> String {
    sign(&json!({ "sub": "42", "exp": end }))
}

/// That `login` is good for `end` and no longer, and tells a moment to ask again before that.
fn assert_ends(login: &Value, end: u64, before: u64) {
    let decoded = Decoded::parse(login["userSig"].as_str().unwrap()).unwrap();
    assert_eq!(decoded.expires_at().as_secs(), end, "{login}");
    assert_eq!(login["expiresAt"], end);
    let refresh_after = login["refreshAfter"].as_u64().unwrap();
    let half = |now: u64| end - (end - now).div_ceil(2);
    let half = half(before)..=half(now());
    assert!(half.contains(&refresh_after), "{login}");
}

#[test]
fn a_usersig_of_the_endpoint_or_of_a_login_ends_with_its_session() {
    let app = App::with(|request, stream| stream.write_all(&request.body).is_ok());
    let proxy = Proxy::start(&capped(&app));
    let ends = [now() + 7200, now() + 500, now() + 90_000];
    for end in ends.into_iter().chain(ends) {
        let token = ending_at(end);
        let before = now();
        let answer = get(proxy.address, "/_chat/usersig", &authorization(&token));
        assert_ends(&answer.json(), end, before);

        let body = json!({ "access_token": token }).to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let head = format!(
            "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        let answer = send(proxy.address, head + &answer);
        assert_ends(&answer.json()["chat"], end, before);
    }
}

#[test]
fn the_active_key_alone_signs_users_and_the_administrator() {
    let app = App::start();
    let chat = landing();
    let keys = r#"keys = [
    { id = "next", key = { env = "NEXT" }, state = "next" },
    { id = "new", key = { env = "NEW" }, state = "active" },
    { id = "old", key = { file = "chat-key" }, state = "retired" },
]"#;
    let endpoint = format!("endpoint = \"http://{}\"\nadmin = ", chat.address);
    let routes = format!("{ROUTES}on_success = \"kick\"\n");
    let text = config(app.address, &routes)
        .replacen("secret_key = { file = \"chat-key\" }", keys, 1)
        .replacen("admin = ", &endpoint, 1);
    let [new, next] = ["new", "next"].map(|name| format!("{name}-{}", "5e".repeat(30)));
    let proxy = Proxy::start_with_env(&text, &[("NEW", &new), ("NEXT", &next)]);
    let token = authorization(&ending_at(now() + 600));
    let login = get(proxy.address, "/_chat/usersig", &token).json();
    assert_eq!(get(proxy.address, "/plain", &token).status, 200);
    for user_sig in [user_sig(&login), admin_sig(&chat.next())] {
        let signed = [&new, &next, CHAT_KEY].map(|key| is_signed_with(key, &user_sig));
        assert_eq!(signed, [true, false, false]);
    }
    let printed = proxy.printed();
    assert!(!printed.contains(&new) && !printed.contains(&next));
}

#[test]
fn a_session_within_its_leeway_passes_but_gets_no_usersig_that_would_outlive_it() {
    let app = App::start();
    let over = authorization(&ending_at(now() - 1));
    for (text, status) in [(capped(&app), 401), (config(app.address, ROUTES), 200)] {
        let proxy = Proxy::start(&text);
        let answer = get(proxy.address, "/_chat/usersig", &over);
        assert_eq!(answer.status, status);
        if status == 401 {
            assert_eq!(answer.code(), "token_expired");
        }
        assert_eq!(get(proxy.address, "/plain", &over).status, 200);
    }
}

#[test]
fn k5_c4_the_usersig_of_a_withdrawn_key_is_superseded_within_the_refresh_interval() {
    let (app, old, new) = (App::start(), Signer::new("old"), Signer::new("new"));
    let server = KeyServer::start(key_set(&[&old, &new]));
    let proxy = published(&app, &server);
    let login = |token: &str| {
        let answer = get(proxy.address, "/_chat/usersig", token);
        (answer.status == 200).then(|| answer.json()["userSig"].as_str().unwrap().to_owned())
    };
    let (of_old, of_new) = (old.bearer("42"), new.bearer("42"));
    let first = login(&of_old).unwrap();
    assert_eq!(login(&of_new).as_ref(), Some(&first));
    assert_eq!(login(&new.bearer("43")), login(&new.bearer("43")));

    server.answer(key_set(&[&new]));
    let before = server.fetches();
    while let Some(same) = login(&of_old) {
        assert_eq!(same, first);
        assert!(
            server.fetches() < before + 2,
            "the withdrawn key still counts"
        );
    }
    let second = login(&of_new).unwrap();
    let date = |sig: &str| Decoded::parse(sig).unwrap().time;
    assert!(date(&second) > date(&first));
    assert_eq!(login(&of_new).as_ref(), Some(&second));
    assert_eq!(
        get(proxy.address, "/_chat/usersig", &of_old).code(),
        "token_invalid"
    );
}

#[test]
fn a_reload_keeps_every_usersig_and_a_rotation_of_the_key_is_one_word_and_a_reload() {
    let (app, chat) = (App::start(), landing());
    let both = |new: &str, old: &str| {
        let keys = format!(
            "keys = [\n    {{ id = \"new\", key = {{ file = \"new-key\" }}, state = \"{new}\" }},\n    \
             {{ id = \"old\", key = {{ file = \"chat-key\" }}, state = \"{old}\" }},\n]\n\
             endpoint = \"http://{}\"",
            chat.address
        );
        let text = config(app.address, &format!("{ROUTES}on_success = \"kick\"\n"));
        text.replacen("secret_key = { file = \"chat-key\" }", &keys, 1)
            .replacen("[log]", "[runtime]\nreload_on_change = false\n[log]", 1)
    };
    let new_key = "5e7e".repeat(16);
    let proxy = Proxy::start_with_files(&both("next", "active"), &[("new-key", &new_key)]);
    let reload = |text: &str, generation| {
        proxy.write("proxy.toml", text);
        proxy.signal("HUP");
        proxy.wait_for_metric("config_generation", generation);
    };
    let [token, other] = [600, 601].map(|life| authorization(&ending_at(now() + life)));
    let login = || get(proxy.address, "/_chat/usersig", &token).json();
    let before = login();
    assert!(is_signed_with(CHAT_KEY, &user_sig(&before)));
    reload(
        &both("next", "active").replace("\"/plain\"", "\"/plainly\""),
        2,
    );
    assert_eq!(get(proxy.address, "/plain", &token).status, 404);
    assert_eq!(login()["userSig"], before["userSig"]);
    assert_eq!(lookups(&proxy, "hit"), 1);

    reload(&both("active", "retired"), 3);
    let after = login();
    assert!(is_signed_with(&new_key, &user_sig(&after)));
    assert_eq!(lookups(&proxy, "superseded"), 1);
    assert_eq!(login(), after);
    // The logout's kick carries the administrator's signature.
    assert_eq!(get(proxy.address, "/plain", &other).status, 200);
    assert!(is_signed_with(&new_key, &admin_sig(&chat.next())));
    assert!(!proxy.printed().contains(&new_key));
}

#[test]
fn k5_a_reload_that_changes_nothing_of_a_published_key_set_keeps_the_usersigs() {
    let (app, old, new) = (App::start(), Signer::new("old"), Signer::new("new"));
    let server = KeyServer::start(key_set(&[&old, &new]));
    let proxy = published(&app, &server);
    let login = |token: &str| get(proxy.address, "/_chat/usersig", token).json();
    let first = login(&old.bearer("42"));
    assert_eq!(login(&new.bearer("42")), first);
    proxy.signal("HUP");
    proxy.wait_for_metric("config_generation", 2);
    for signer in [&old, &new] {
        assert_eq!(login(&signer.bearer("42")), first);
    }
}

fn published(app: &App, server: &KeyServer) -> Proxy {
    let url = format!("http://{}/keys", server.address);
    let lines = format!("keys = {{ jwks_url = \"{url}\", refresh = \"10s\" }}");
    let proxy = with_issuer(app, "EdDSA", &lines);
    proxy.log_line(|line| line["message"] == "new key set");
    proxy
}

/// A Chat whose every answer is success.
fn landing() -> App {
    App::with(|_, stream| {
        let body = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        write!(stream, "{head}{body}").is_ok()
    })
}

fn user_sig(login: &Value) -> String {
    login["userSig"].as_str().unwrap().to_owned()
}

fn admin_sig(call: &Recorded) -> String {
    let (_, query) = call.target.split_once("usersig=").unwrap();
    query.split('&').next().unwrap().to_owned()
}

fn lookups(proxy: &Proxy, result: &str) -> u64 {
    proxy.metric(&format!(
        "usersig_lookups_total{{result=\"{result}\",site=\"default\"}}"
    ))
}
