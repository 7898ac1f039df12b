//! How long a UserSig lives, and what ends it early, on the running program.

use std::io::Write;

use serde_json::{Value, json};
use usersig_proxy::usersig::SecretKey;
use usersig_proxy::usersig::decode::Decoded;

use crate::keys::with_issuer;
use crate::support::keys::{KeyServer, Signer, key_set};
use crate::support::proxy::CHAT_KEY;
use crate::support::tokens::{now, sign};
use crate::support::{App, Proxy, config, get, send};

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

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
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
        let answer = get(proxy.address, "/_chat/usersig", &bearer(&token));
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
    let chat = App::with(|_, stream| {
        let body = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .is_ok()
    });
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
    let token = bearer(&ending_at(now() + 600));
    let login = get(proxy.address, "/_chat/usersig", &token).json();
    assert_eq!(get(proxy.address, "/plain", &token).status, 200);
    let kick = chat.next();
    let (_, query) = kick.target.split_once("usersig=").unwrap();
    let of_admin = query.split('&').next().unwrap();
    for user_sig in [login["userSig"].as_str().unwrap(), of_admin] {
        let decoded = Decoded::parse(user_sig).unwrap();
        let signers = [new.as_str(), &next, CHAT_KEY];
        let signed = signers.map(|key| decoded.is_signed_by(&SecretKey::parse(key).unwrap()));
        assert_eq!(signed, [true, false, false]);
    }
    let printed = proxy.printed();
    assert!(!printed.contains(&new) && !printed.contains(&next));
}

#[test]
fn a_session_within_its_leeway_passes_but_gets_no_usersig_that_would_outlive_it() {
    let app = App::start();
    let over = bearer(&ending_at(now() - 1));
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
    let url = format!("http://{}/keys", server.address);
    let lines = format!("keys = {{ jwks_url = \"{url}\", refresh = \"10s\" }}");
    let proxy = with_issuer(&app, "EdDSA", &lines);
    proxy.log_line(|line| line["message"] == "new key set");
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
