//! The end of a session and its renewal: the app, the program, and Chat as the sandbox or as a fake that can fail.

use std::collections::VecDeque;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::program::{Background, program};
use crate::support::proxy::{CHAT_KEY, SDK_APP_ID, free_address};
use crate::support::tokens::{authorization, now, sign};
use crate::support::{App, Connection, Proxy, Recorded, Response, config, get, send};

#[test]
fn a_logout_voids_the_session_and_a_new_login_works_within_the_same_second() {
    let (app, sandbox) = (app(), Sandbox::start());
    let proxy = Proxy::start(&settings(&app, sandbox.address));
    let mut token = session("42");
    let mut user_sig = login(&proxy, &token);
    assert_eq!(sandbox.judge("42", &user_sig), 0);
    for round in 1..=3 {
        assert_eq!(log_out(&proxy, &token, "").status, 204);
        let (old_token, old_sig) = (token, user_sig);
        let refused = endpoint(&proxy, "GET", &old_token);
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (401, "token_invalid")
        );
        token = session("42");
        user_sig = login(&proxy, &token);
        assert_eq!(sandbox.judge("42", &user_sig), 0, "round {round}");
        assert_eq!(sandbox.judge("42", &old_sig), 70052, "round {round}");
        proxy.wait_for_at_least(KICKS_LANDED, round);
    }
    proxy.log_line(|line| {
        line["fields"]["reason"] == "logged_out" || line["reason"] == "logged_out"
    });
    assert_eq!(proxy.metric(KICKS_FAILED), 0);
}

#[test]
fn a_logout_that_the_app_refuses_ends_nothing() {
    let (app, chat) = (app(), Chat::start());
    let proxy = Proxy::start(&settings(&app, chat.app.address));
    let token = session("42");
    let user_sig = login(&proxy, &token);
    for (query, status) in [("?500", 500), ("?404", 404), ("?304", 304)] {
        assert_eq!(log_out(&proxy, &token, query).status, status);
        assert_eq!(login(&proxy, &token), user_sig, "{query}");
    }
    // The twins; their kick is the first that Chat hears of.
    for (query, status, user) in [("?302", 302, "43"), ("?200", 200, "44")] {
        let token = session(user);
        assert_eq!(log_out(&proxy, &token, query).status, status);
        assert_eq!(endpoint(&proxy, "GET", &token).status, 401, "{query}");
        assert_eq!(body_of(&chat.app.next()), json!({ "UserID": user }));
    }
    assert_eq!(login(&proxy, &token), user_sig);
}

#[test]
fn a6_a_kick_is_tried_again_until_error_code_0_and_its_credential_goes_to_chat_only() {
    let (app, chat) = (app(), Chat::start());
    let elsewhere = App::start();
    let redirect = format!("Location: http://{}/\r\n", elsewhere.address);
    chat.answers.lock().unwrap().extend([
        answer("307 Temporary Redirect", &redirect, ""),
        answer("200 OK", "", &refusal(70107)),
    ]);
    let proxy = Proxy::start(&settings(&app, chat.app.address));
    let token = session("42");
    let answer = log_out(&proxy, &token, "");
    let kicks_seen = [chat.app.next(), chat.app.next(), chat.app.next()];
    proxy.wait_for_at_least(KICKS_LANDED, 1);
    assert_eq!(
        (proxy.metric(KICKS_FAILED), proxy.metric(KICKS_LANDED)),
        (2, 1)
    );
    assert_eq!(elsewhere.seen().len(), 0);

    let mut told = app
        .seen()
        .into_iter()
        .map(|request| request.raw)
        .collect::<Vec<_>>();
    told.push(format!("{answer:?}").into_bytes());
    told.push(get(proxy.ops, "/metrics", "").body);
    let mut numbers = Vec::new();
    for kick in &kicks_seen {
        assert_eq!(kick.method, "POST");
        assert_eq!(body_of(kick), json!({ "UserID": "42" }));
        let (path, query) = kick.target.split_once('?').unwrap();
        assert_eq!(path, "/v4/im_open_login_svc/kick");
        let pairs: Vec<_> = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap())
            .collect();
        let [app_id, admin, sig, random, kind] = pairs[..] else {
            panic!("not our five parameters: {}", kick.target)
        };
        assert_eq!(app_id, ("sdkappid", SDK_APP_ID.to_string().as_str()));
        assert_eq!(admin, ("identifier", "administrator"));
        assert_eq!(kind, ("contenttype", "json"));
        assert!(sig.0 == "usersig" && random.0 == "random");
        assert!(random.1.parse::<u32>().is_ok());
        numbers.push(random.1);
        let raw = String::from_utf8_lossy(&kick.raw).into_owned();
        assert_eq!(raw.matches(sig.1).count(), 1);
        for secret in [CHAT_KEY, &token] {
            assert!(!raw.contains(secret));
        }
        for told in &told {
            assert!(!String::from_utf8_lossy(told).contains(sig.1));
        }
        assert!(!proxy.printed().contains(sig.1));
    }
    numbers.dedup();
    assert!(numbers.len() > 1, "{numbers:?}");
}

#[test]
fn a_kick_waits_for_a_chat_that_is_down() {
    let (app, address) = (app(), free_address());
    let proxy = Proxy::start(&settings(&app, address));
    let token = session("42");
    let user_sig = login(&proxy, &token);
    assert_eq!(log_out(&proxy, &token, "").status, 204);
    assert_eq!(endpoint(&proxy, "GET", &token).status, 401);
    proxy.wait_for_at_least(KICKS_FAILED, 1);
    let sandbox = Sandbox::start_at(address);
    assert_eq!(sandbox.judge("42", &user_sig), 0);
    proxy.wait_for_at_least(KICKS_LANDED, 1);
    assert_eq!(sandbox.judge("42", &user_sig), 70052);
}

#[test]
fn a_new_login_ends_the_retries_of_a_kick() {
    let (app, chat) = (app(), Chat::start());
    let failures = std::iter::repeat_n(answer("200 OK", "", &refusal(60008)), 16);
    chat.answers.lock().unwrap().extend(failures);
    let proxy = Proxy::start(&settings(&app, chat.app.address));
    log_out(&proxy, &session("42"), "");
    proxy.wait_for_at_least(KICKS_FAILED, 1);
    login(&proxy, &session("42"));
    let before = chat.app.seen();
    assert!(!before.is_empty());
    assert!(before.iter().all(|kick| user_of(kick) == "42"));
    log_out(&proxy, &session("43"), "");
    // The second attempt for 43 is due later than the next one for 42 would be.
    let users = [chat.app.next(), chat.app.next()].map(|kick| user_of(&kick));
    assert_eq!(users, ["43", "43"]);
}

#[test]
fn a_login_during_a_kick_gets_a_user_sig_that_is_later_than_the_kick() {
    let (sender, ticks) = mpsc::channel();
    let ticks = Mutex::new(ticks);
    let chat = App::with(move |_, stream| {
        let _ = ticks.lock().unwrap().recv();
        stream.write_all(&answer("200 OK", "", LANDED)).is_ok()
    });
    let app = app();
    let proxy = Proxy::start(&settings(&app, chat.address));
    let ended = session("42");
    login(&proxy, &ended);
    log_out(&proxy, &ended, "");
    chat.next();
    let new = session("42");
    let (issued, landed) = thread::scope(|scope| {
        let login = scope.spawn(|| endpoint(&proxy, "GET", &new));
        let start = now();
        while now() == start {
            thread::park_timeout(POLL);
        }
        let landed = now();
        sender.send(()).unwrap();
        (login.join().unwrap().json(), landed)
    });
    let dated = issued["expiresAt"].as_u64().unwrap() - LIFETIME;
    assert!(dated > landed, "dated {dated}, kicked at {landed}");
}

/// The answer to a login cannot wait for the kick of the logout before it.
#[test]
fn c7_a_login_answer_during_a_kick_carries_a_user_sig_that_is_later_than_the_kick() {
    let (sender, ticks) = mpsc::channel();
    let ticks = Mutex::new(ticks);
    let chat = App::with(move |_, stream| {
        let _ = ticks.lock().unwrap().recv();
        stream.write_all(&answer("200 OK", "", LANDED)).is_ok()
    });
    let token = session("42");
    let new = token.clone();
    let app = App::with(move |request, stream| match request.target.as_str() {
        "/api/login" => {
            let body = json!({ "access_token": new }).to_string();
            let header = "Content-Type: application/json\r\n";
            stream.write_all(&answer("200 OK", header, &body)).is_ok()
        }
        _ => stream.write_all(&answer("204 No Content", "", "")).is_ok(),
    });
    let proxy = Proxy::start(&format!("{}{LOGIN}", settings(&app, chat.address)));
    let ended = session("42");
    login(&proxy, &ended);
    log_out(&proxy, &ended, "");
    chat.next();
    let asked = now();
    let login = send(
        proxy.address,
        "POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    );
    let dated = login.json()["chat"]["expiresAt"].as_u64().unwrap() - LIFETIME;
    // As far ahead as may be: so long the kick may take.
    assert!(dated >= asked + 2, "dated {dated}, asked at {asked}");
    sender.send(()).unwrap();
    proxy.wait_for_at_least(KICKS_LANDED, 1);
    // And what comes after it is later still.
    let next = endpoint(&proxy, "GET", &token).json();
    assert!(next["expiresAt"].as_u64().unwrap() - LIFETIME > dated);
}

#[test]
fn a_crash_forgets_neither_the_logout_nor_its_kick_nor_the_renewal() {
    let (app, chat, folder) = (app(), Chat::start(), TempDir::new().unwrap());
    let refusals = std::iter::repeat_n(answer("200 OK", "", &refusal(60008)), 16);
    chat.answers.lock().unwrap().extend(refusals);
    let file = folder.path().join("state");
    let settings = settings(&app, chat.app.address);
    let settings = format!("{settings}\n[store]\nfile = {:?}\n", file.to_str().unwrap());
    let proxy = Proxy::start(&settings);
    let (ended, renewed) = (session("42"), session("43"));
    log_out(&proxy, &ended, "");
    proxy.wait_for_at_least(KICKS_FAILED, 1);
    let at = now();
    let answer = endpoint(&proxy, "POST", &renewed).json();
    assert!(answer["expiresAt"].as_u64().unwrap() > at + LIFETIME);
    // Killed at once: what matters was on disk before the answers.
    drop(proxy);
    chat.answers.lock().unwrap().clear();
    chat.app.seen();

    let proxy = Proxy::start(&settings);
    assert_eq!(endpoint(&proxy, "POST", &renewed).status, 429);
    assert_eq!(endpoint(&proxy, "GET", &ended).status, 401);
    assert_eq!(body_of(&chat.app.next()), json!({ "UserID": "42" }));
    proxy.wait_for_at_least(KICKS_LANDED, 1);
    let again = endpoint(&proxy, "GET", &renewed).json();
    assert!(again["expiresAt"].as_u64() >= answer["expiresAt"].as_u64());
    let stored = std::fs::read(&file).unwrap();
    let stored = String::from_utf8_lossy(&stored);
    for secret in [&ended, &renewed, CHAT_KEY, "eJ"] {
        assert!(!stored.contains(secret), "the store holds {secret}");
    }
}

#[test]
fn a_renewal_supersedes_the_user_sig_and_is_limited() {
    let (app, chat) = (app(), Chat::start());
    let proxy = Proxy::start(&settings(&app, chat.app.address));
    let (token, same_user) = (session("42"), session("42"));
    let old = login(&proxy, &token);
    let renewed = endpoint(&proxy, "POST", &token);
    assert_eq!(renewed.header("cache-control"), Some("no-store"));
    let new = user_sig(&renewed);
    assert_ne!(new, old);
    for session in [&token, &same_user] {
        let refused = endpoint(&proxy, "POST", session);
        assert_eq!(refused.status, 429);
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=10).contains(&wait), "{wait}");
        assert_eq!(endpoint(&proxy, "HEAD", session).status, 200);
        assert_eq!(login(&proxy, session), new);
    }
    assert_eq!(endpoint(&proxy, "POST", &session("43")).status, 200);
    assert_eq!(chat.app.seen().len(), 0, "a renewal kicks nobody");
}

#[test]
fn a_renewal_right_after_logouts_waits_for_its_date_and_counts_once() {
    let (app, chat) = (app(), Chat::start());
    let proxy = Proxy::start(&settings(&app, chat.app.address));
    for _ in 0..3 {
        let token = session("42");
        login(&proxy, &token);
        assert_eq!(log_out(&proxy, &token, "").status, 204);
    }
    let token = session("42");
    let old = login(&proxy, &token);
    assert_ne!(user_sig(&endpoint(&proxy, "POST", &token)), old);
    assert_eq!(endpoint(&proxy, "POST", &token).status, 429);
}

#[test]
fn a_body_of_a_renewal_is_not_the_next_request() {
    let app = app();
    let proxy = Proxy::start(&settings(&app, free_address()));
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut connection = Connection::open(proxy.address);
    let head = request("POST", "/_chat/usersig", &session("42"));
    let length = format!("Content-Length: {}\r\n\r\n", smuggled.len());
    let with_body = head.replace("\r\n\r\n", &format!("\r\n{length}")) + smuggled;
    assert_eq!(connection.request(with_body).status, 200);
    // Closed or open: what follows is answered as itself or not at all.
    connection.write(request("GET", "/_chat/usersig", &session("42")));
    if let Some(answer) = connection.read_response(false) {
        assert_eq!(answer.json()["userId"], "42");
    }
    assert_eq!(app.seen().len(), 0);
}

/// The settings of a site with this list of revoked sessions, read again on SIGHUP only.
fn with_list(app: &App, chat: SocketAddr, list: &Path, more: &str) -> String {
    let text = settings(app, chat);
    let revoked = format!("[session]\nrevoked = {:?}\n", list.to_str().unwrap());
    let text = text.replacen("[session]\n", &revoked, 1);
    format!("{text}\n[runtime]\nreload_on_change = false\ngrace_period = \"0s\"\n{more}")
}

fn revoke(proxy: &Proxy, list: &Path, lines: &str, generation: u64) {
    std::fs::write(list, lines).unwrap();
    proxy.signal("HUP");
    proxy.wait_for_metric("config_generation", generation);
}

#[test]
fn c4_whoever_is_on_the_list_is_refused_from_the_reload_on_and_nobody_else() {
    let (app, chat, folder) = (app(), Chat::start(), TempDir::new().unwrap());
    let list = folder.path().join("revoked.txt");
    std::fs::write(&list, "# nobody\n").unwrap();
    let proxy = Proxy::start(&with_list(&app, chat.app.address, &list, ""));
    let at = now();
    let issued = |user: &str, iat: u64, jti: &str| {
        sign(&json!({ "sub": user, "exp": at + 600, "iat": iat, "jti": jti }))
    };
    let by_digest = issued("50", at, "d1");
    let (signed, _) = by_digest.rsplit_once('.').unwrap();
    let digest = Sha256::digest(signed);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines = format!(
        "user app 42\nuser app 43 before {at}\njti app j44\ntoken {digest}\nuser app nobody\n"
    );
    let cases = [
        ("user", issued("42", at, "a"), Some("subject_revoked")),
        ("before", issued("43", at - 1, "b"), Some("subject_revoked")),
        ("at that moment", issued("43", at, "c"), None),
        ("jti", issued("44", at, "j44"), Some("token_revoked")),
        ("another jti", issued("44", at, "j45"), None),
        ("digest", by_digest, Some("token_revoked")),
        ("another token", issued("50", at, "d2"), None),
        ("unlisted", issued("45", at, "e"), None),
    ];
    for (name, token, _) in &cases {
        assert_eq!(endpoint(&proxy, "GET", token).status, 200, "{name}");
    }
    revoke(&proxy, &list, &lines, 2);
    for (name, token, reason) in &cases {
        for method in ["GET", "POST"] {
            let answer = endpoint(&proxy, method, token);
            match reason {
                None => assert_ne!(answer.status, 401, "{name}"),
                Some(reason) => {
                    assert_eq!(answer.status, 401, "{name}");
                    assert_eq!(answer.code(), "token_invalid", "{name}");
                    assert!(!answer.text().contains("revoked"), "{name}");
                    proxy.log_line(|line| {
                        line["fields"]["reason"] == *reason || line["reason"] == *reason
                    });
                }
            }
        }
    }
    let mut kicked: Vec<_> = (0..3)
        .map(|_| body_of(&chat.app.next())["UserID"].to_string())
        .collect();
    kicked.sort();
    assert_eq!(kicked, ["\"42\"", "\"43\"", "\"nobody\""]);
    // Taken off the list again, and a list with an error changes nothing.
    revoke(&proxy, &list, "user app 43\n", 3);
    assert_eq!(endpoint(&proxy, "GET", &cases[0].1).status, 200);
    assert_eq!(endpoint(&proxy, "GET", &cases[2].1).status, 401);
    std::fs::write(&list, "user app 43\nuser nobodys 42\n").unwrap();
    proxy.signal("HUP");
    proxy.wait_for_metric("config_reloads_total{result=\"refused\"}", 1);
    assert_eq!(endpoint(&proxy, "GET", &cases[0].1).status, 200);
    assert_eq!(endpoint(&proxy, "GET", &cases[2].1).status, 401);
}

#[test]
fn a_ban_voids_the_user_sig_at_chat_and_before_lets_the_user_log_in_anew() {
    let (app, sandbox, folder) = (app(), Sandbox::start(), TempDir::new().unwrap());
    let list = folder.path().join("revoked.txt");
    std::fs::write(&list, "").unwrap();
    let proxy = Proxy::start(&with_list(&app, sandbox.address, &list, ""));
    let at = now();
    let issued = |user: &str, iat| sign(&json!({ "sub": user, "exp": at + 600, "iat": iat }));
    let [banned, old, twin] =
        [("42", at), ("43", at - 5), ("44", at)].map(|(user, iat)| issued(user, iat));
    let sigs = [&banned, &old, &twin].map(|token| login(&proxy, token));
    for (user, sig) in ["42", "43", "44"].iter().zip(&sigs) {
        assert_eq!(sandbox.judge(user, sig), 0, "{user}");
    }
    revoke(
        &proxy,
        &list,
        &format!("user app 42\nuser app 43 before {at}\n"),
        2,
    );
    proxy.wait_for_at_least(KICKS_LANDED, 2);
    assert_eq!(endpoint(&proxy, "GET", &banned).status, 401);
    assert_eq!(endpoint(&proxy, "GET", &old).status, 401);
    let codes = ["42", "43", "44"]
        .iter()
        .zip(&sigs)
        .map(|(user, sig)| sandbox.judge(user, sig));
    assert_eq!(codes.collect::<Vec<_>>(), [70052, 70052, 0]);
    let anew = login(&proxy, &issued("43", at));
    assert_eq!(sandbox.judge("43", &anew), 0);
    assert_eq!(login(&proxy, &twin), sigs[2]);
}

/// Chat does not answer, so that the queue does not move: whoever logs in gets his kick at once, and his alone.
#[test]
fn c7_a_login_waits_for_its_own_kick_only_and_no_queued_one_voids_it() {
    let (app, folder) = (echo(), TempDir::new().unwrap());
    let released = Arc::<Mutex<Vec<String>>>::default();
    let let_go = released.clone();
    let chat = App::with(move |request, stream| {
        let user = user_of(request);
        while !let_go.lock().unwrap().contains(&user) {
            thread::park_timeout(POLL);
        }
        stream.write_all(&answer("200 OK", "", LANDED)).is_ok()
    });
    let release = |user: &str| released.lock().unwrap().push(user.to_owned());
    let list = folder.path().join("revoked.txt");
    std::fs::write(&list, "").unwrap();
    let settings = with_list(&app, chat.address, &list, "");
    let proxy = Proxy::start(&settings.replacen("[runtime]", &format!("{LOGIN}[runtime]"), 1));
    let at = now();
    let new = |user: &str| sign(&json!({ "sub": user, "exp": at + 600, "iat": at }));
    let users: Vec<_> = (0..LISTED).map(|number| format!("u{number}")).collect();
    let lines = users
        .iter()
        .map(|user| format!("user app {user} before {at}\n"));
    revoke(&proxy, &list, &lines.collect::<String>(), 2);
    let under_way: Vec<_> = (0..KICKS_AT_ONCE).map(|_| user_of(&chat.next())).collect();
    let mut queued = users.iter().filter(|user| !under_way.contains(user));
    let (first, second) = (queued.next().unwrap(), queued.next().unwrap());
    // Of those under way a slow machine may see another attempt.
    let next_user = || {
        let users = std::iter::repeat_with(|| user_of(&chat.next()));
        let mut others = users.filter(|user| !under_way.contains(user));
        others.next().unwrap()
    };

    login(&proxy, &new("unlisted"));
    let sig = thread::scope(|scope| {
        let login = scope.spawn(|| login(&proxy, &new(first)));
        assert_eq!(next_user(), *first);
        release(first);
        login.join().unwrap()
    });
    let asked = now();
    let body = json!({ "access_token": new(second) }).to_string();
    let answer = answer("200 OK", "Content-Type: application/json\r\n", &body);
    let length = answer.len();
    let head = format!("POST /api/login HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    let answer = send(proxy.address, [head.as_bytes(), &answer].concat()).json();
    assert!(answer["chat"]["expiresAt"].as_u64().unwrap() - LIFETIME >= asked + 2);
    assert_eq!(next_user(), *second);

    users.iter().for_each(|user| release(user));
    proxy.wait_for_at_least(KICKS_LANDED, LISTED.into());
    let mut rest: Vec<_> = chat.seen().iter().map(user_of).collect();
    rest.retain(|user| !under_way.contains(user));
    rest.sort();
    let mut expected: Vec<_> = queued.cloned().collect();
    expected.sort();
    assert_eq!(rest, expected);
    assert_eq!(login(&proxy, &new(first)), sig);
}

#[test]
fn a_ban_is_kicked_once_also_over_a_restart() {
    let (app, chat, folder) = (app(), Chat::start(), TempDir::new().unwrap());
    let list = folder.path().join("revoked.txt");
    std::fs::write(&list, "user app 42\n").unwrap();
    let store = format!(
        "[store]\nfile = {:?}\n",
        folder.path().join("state").to_str().unwrap()
    );
    let text = with_list(&app, chat.app.address, &list, &store);
    let mut proxy = Proxy::start(&text);
    let kick = |user| json!({ "UserID": user });
    assert_eq!(body_of(&chat.app.next()), kick("42"));
    proxy.wait_for_at_least(KICKS_LANDED, 1);
    // Read again and again, it stays one.
    revoke(&proxy, &list, "user app 42\n\n", 2);
    revoke(&proxy, &list, "user app 42\nuser app 43\n", 3);
    assert_eq!(body_of(&chat.app.next()), kick("43"));
    proxy.wait_for_at_least(KICKS_LANDED, 2);
    proxy.signal("TERM");
    assert_eq!(proxy.wait(), Some(0));

    std::fs::write(&list, "user app 42\nuser app 43\nuser app 44\n").unwrap();
    let proxy = Proxy::start(&text);
    assert_eq!(body_of(&chat.app.next()), kick("44"));
    proxy.wait_for_at_least(KICKS_LANDED, 1);
    for user in ["42", "43", "44"] {
        assert_eq!(
            endpoint(&proxy, "GET", &session(user)).status,
            401,
            "{user}"
        );
    }
    // The next that Chat hears of is a logout, also when a kick would have waited for the second after its UserSigs.
    let last = now();
    while now() <= last + 2 {
        thread::park_timeout(POLL);
    }
    log_out(&proxy, &session("45"), "");
    assert_eq!(body_of(&chat.app.next()), kick("45"));
}

#[test]
fn without_the_address_of_chat_a_ban_counts_and_a_new_login_waits_for_no_kick() {
    let (app, folder) = (app(), TempDir::new().unwrap());
    let list = folder.path().join("revoked.txt");
    let at = now();
    std::fs::write(&list, format!("user app 42\nuser app 43 before {at}\n")).unwrap();
    let revoked = format!("[session]\nrevoked = {:?}\n", list.to_str().unwrap());
    let text =
        config(app.address, "default_access = \"session\"\n").replacen("[session]\n", &revoked, 1);
    let proxy = Proxy::start(&text);
    proxy
        .text_line(|line| line.contains("session.revoked: a revoked user stays logged in to Chat"));
    assert_eq!(endpoint(&proxy, "GET", &session("42")).status, 401);
    let token = sign(&json!({ "sub": "43", "exp": at + 600, "iat": at }));
    let quick = || {
        let start = Instant::now();
        login(&proxy, &token);
        start.elapsed() < Duration::from_secs(2)
    };
    assert!((0..3).any(|_| quick()), "each login waits for a kick");
}

/// Answers a logout with the status that the query names.
fn app() -> App {
    App::with(|request, stream| {
        let status = match request.target.split_once('?') {
            Some((_, status)) => status,
            None => "204",
        };
        let length = match status {
            "204" | "304" => "",
            _ => "Content-Length: 0\r\n",
        };
        write!(stream, "HTTP/1.1 {status} X\r\n{length}\r\n").is_ok()
    })
}

/// Answers with what it is sent.
fn echo() -> App {
    App::with(|request, stream| stream.write_all(&request.body).is_ok())
}

fn user_of(kick: &Recorded) -> String {
    body_of(kick)["UserID"].as_str().unwrap().to_owned()
}

/// A Chat that answers what it is told, and then with success.
pub(crate) struct Chat {
    pub(crate) app: App,
    pub(crate) answers: Arc<Mutex<VecDeque<Vec<u8>>>>,
}

impl Chat {
    pub(crate) fn start() -> Self {
        let answers: Arc<Mutex<VecDeque<_>>> = Arc::default();
        let queue = answers.clone();
        let app = App::with(move |_, stream| {
            let next = queue.lock().unwrap().pop_front();
            let next = next.unwrap_or_else(|| answer("200 OK", "", LANDED));
            stream.write_all(&next).is_ok()
        });
        Self { app, answers }
    }
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

pub(crate) fn refusal(code: u32) -> String {
    json!({ "ActionStatus": "FAIL", "ErrorInfo": "x", "ErrorCode": code }).to_string()
}

/// The program's own sandbox.
pub(crate) struct Sandbox {
    pub(crate) address: SocketAddr,
    _process: Background,
    _folder: TempDir,
}

impl Sandbox {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let (process, address) =
            Background::listening(|listen| Self::command(folder.path(), listen));
        Self {
            address,
            _process: process,
            _folder: folder,
        }
    }

    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = Self::command(folder.path(), &address.to_string());
        let mut process = Background::spawn(&mut command);
        assert!(
            process.wait_until_it_listens(address),
            "{}",
            process.stderr()
        );
        Self {
            address,
            _process: process,
            _folder: folder,
        }
    }

    fn command(folder: &Path, listen: &str) -> Command {
        let text = config(free_address(), "default_access = \"deny\"")
            .replace("@PROXY@", "127.0.0.1:8080")
            .replace("@OPS@", "127.0.0.1:9090")
            .replace("{ file = \"chat-key\" }", "{ env = \"KEY\" }")
            .replace("{ file = \"session-secret\" }", "{ env = \"SECRET\" }");
        let file = folder.join("sandbox.toml");
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let mut command = program(["sandbox", "--config", file, "--listen", listen]);
        command.env("KEY", CHAT_KEY).env("SECRET", "s".repeat(32));
        command
    }

    /// The `ErrorCode` of a login.
    fn judge(&self, user: &str, user_sig: &str) -> u64 {
        let body = json!({ "UserID": user, "SDKAppID": SDK_APP_ID, "UserSig": user_sig });
        let (body, length) = (body.to_string(), body.to_string().len());
        let head = "POST /sandbox/login HTTP/1.1\r\nHost: localhost";
        let response = send(
            self.address,
            format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}"),
        );
        response.json()["ErrorCode"].as_u64().unwrap()
    }
}

fn settings(app: &App, chat: SocketAddr) -> String {
    let routes = r#"default_access = "session"
[[route]]
match = { path = "/api/logout", methods = ["POST"] }
access = "session"
on_success = "kick"
"#;
    let admin = "admin = \"administrator\"\n";
    let endpoint = format!("{admin}endpoint = \"http://{chat}\"\n");
    config(app.address, routes).replacen(admin, &endpoint, 1)
}

/// A session like no other: the same user logs in several times within a second.
pub(crate) fn session(user: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let jti = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    sign(&json!({ "sub": user, "exp": now() + 600, "jti": jti }))
}

pub(crate) fn request(method: &str, path: &str, token: &str) -> String {
    let token = authorization(token);
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{token}\r\n")
}

fn endpoint(proxy: &Proxy, method: &str, token: &str) -> Response {
    send(proxy.address, request(method, "/_chat/usersig", token))
}

fn login(proxy: &Proxy, token: &str) -> String {
    user_sig(&endpoint(proxy, "GET", token))
}

fn user_sig(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["userSig"].as_str().unwrap().to_owned()
}

fn log_out(proxy: &Proxy, token: &str, query: &str) -> Response {
    let path = format!("/api/logout{query}");
    send(proxy.address, request("POST", &path, token))
}

pub(crate) fn body_of(request: &Recorded) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

const KICKS_FAILED: &str = "kicks_total{result=\"failed\",site=\"default\"}";
const KICKS_LANDED: &str = "kicks_total{result=\"landed\",site=\"default\"}";

const LOGIN: &str = r#"[[route]]
match = { path = "/api/login", methods = ["POST"] }
access = "public"
session_from_response = { json = "/access_token" }
inject = { response_json = "/chat" }
"#;
/// Of a list.
const KICKS_AT_ONCE: usize = 8;
/// More than have their turn at once.
const LISTED: u32 = 12;
const LANDED: &str = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
/// Of a UserSig, in seconds.
const LIFETIME: u64 = 7 * 86_400;
const POLL: Duration = Duration::from_millis(5);
