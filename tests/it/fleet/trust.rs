//! Between a node and its store: passwords, certificates, and what a store may make a node believe.

use super::*;
use crate::support::tls::KEYS;

const PASSWORD: &str = "correct-horse-battery-staple";

fn with_password(app: &App, redis: &Redis, more: &str, password: &str) -> Proxy {
    let more = format!("password = {{ file = \"store-password\" }}\n{more}");
    let text = settings(app, &url(redis), &more);
    Proxy::start_with_files(&text, &[("store-password", password)])
}

fn assert_tells_nothing(node: &Proxy, password: &str) {
    let told = [
        node.printed(),
        get(node.ops, "/readyz", "").text(),
        get(node.ops, "/metrics", "").text(),
    ];
    assert!(!told.concat().contains(password));
}

#[test]
fn a_wrong_password_is_said_and_never_shown() {
    if !redis::is_there("a_wrong_password_is_said_and_never_shown") {
        return;
    }
    let app = app();
    let redis = Redis::start_with(
        &["--requirepass", PASSWORD],
        &["--no-auth-warning", "-a", PASSWORD],
    );
    redis.ask(&[
        "ACL",
        "SETUSER",
        "proxy",
        "on",
        ">other-password-of-proxy",
        "~usersig-proxy:*",
        "+@all",
    ]);
    let wrong = "wrong-password-that-nobody-may-see";
    for (name, more, password, is_good) in [
        ("right", "", PASSWORD, true),
        (
            "of a user",
            "username = \"proxy\"",
            "other-password-of-proxy",
            true,
        ),
        ("wrong", "", wrong, false),
        ("of another user", "username = \"proxy\"", PASSWORD, false),
        ("of nobody", "username = \"nobody\"", wrong, false),
    ] {
        let node = with_password(&app, &redis, more, password);
        match is_good {
            true => wait_until_there(&node),
            false => {
                node.log_line(|line| line.to_string().contains("does not accept the user name"));
                assert!(
                    ready(&node).contains("does not accept the user name"),
                    "{name}"
                );
                assert_eq!(node.metric("store_up"), 0);
            }
        }
        // Either way it does its work.
        let token = session("42");
        login(&node, &token);
        log_out(&node, &token);
        assert!(is_refused(&node, &token), "{name}");
        assert_tells_nothing(&node, password);
    }
    let none = node(&app, &url(&redis));
    none.log_line(|line| line.to_string().contains("does not accept the user name"));
    // One where none is wanted.
    let open = Redis::start();
    let node = with_password(&app, &open, "", wrong);
    node.log_line(|line| line.to_string().contains("does not accept the user name"));
    assert_tells_nothing(&node, wrong);
}

#[test]
fn a_server_that_repeats_what_it_was_sent_shows_no_password() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            let Ok(count) = stream.read(&mut buffer) else {
                continue;
            };
            let sent = String::from_utf8_lossy(&buffer[..count]).replace("\r\n", " ");
            let _ = stream.write_all(format!("-ERR unknown command {sent}\r\n").as_bytes());
        }
    });
    let more = "password = { file = \"store-password\" }";
    let text = settings(&app(), &format!("redis://{address}"), more);
    let node = Proxy::start_with_files(&text, &[("store-password", PASSWORD)]);
    node.log_line(|line| line.to_string().contains("does not accept the user name"));
    assert_tells_nothing(&node, PASSWORD);
}

#[test]
fn a_store_behind_tls_shows_a_certificate_of_its_ca_for_its_name() {
    let test = "a_store_behind_tls_shows_a_certificate_of_its_ca_for_its_name";
    if !redis::is_there(test) {
        return;
    }
    let app = app();
    let file = |name: &str| format!("{KEYS}/{name}");
    let start = |name: &str| {
        let (certificate, key) = (
            file(&format!("{name}.pem")),
            file(&format!("{name}.private.pem")),
        );
        let ca = file("ca.pem");
        let options = [
            "--tls-port",
            "@PORT@",
            "--tls-auth-clients",
            "no",
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &ca,
        ];
        Redis::start_with(&options, &["--tls", "--insecure"])
    };
    let secure = |redis: &Redis, host: &str| format!("rediss://{host}:{}", redis.address.port());
    let (good, other) = (start("app"), start("nameless"));
    let ca = format!("ca = \"{KEYS}/ca.pem\"");
    for (name, url, more, is_good) in [
        ("by address", secure(&good, "127.0.0.1"), ca.as_str(), true),
        ("by name", secure(&good, "localhost"), &ca, true),
        (
            "a certificate without the name",
            secure(&other, "127.0.0.1"),
            &ca,
            false,
        ),
        ("the system's roots", secure(&good, "127.0.0.1"), "", false),
        (
            "a store without TLS",
            secure(&Redis::start(), "127.0.0.1"),
            &ca,
            false,
        ),
    ] {
        let node = node_with(&app, &url, more);
        let token = session("42");
        match is_good {
            true => {
                wait_until_there(&node);
                log_out(&node, &token);
                let two = node_with(&app, &url, more);
                assert!(is_refused(&two, &token), "{name}");
            }
            false => {
                let reason = ready(&node);
                assert!(reason.contains("away"), "{name}: {reason}");
                assert_eq!(node.metric("store_up"), 0, "{name}");
                login(&node, &token);
            }
        }
    }
    assert!(good.ask(&["KEYS", "*:u:42"])[0].ends_with("u:42"));
}

#[test]
fn records_that_no_node_writes_are_counted_and_change_nothing() {
    if !redis::is_there("records_that_no_node_writes_are_counted_and_change_nothing") {
        return;
    }
    let (app, redis) = (app(), Redis::start());
    let node = node(&app, &url(&redis));
    wait_until_there(&node);
    let start = format!("usersig-proxy:{SDK_APP_ID}:default:");
    let ahead = now() + 7200;
    let put = |number: &str, subject: &str, value: &str| {
        redis.ask(&["SET", &format!("{start}{subject}"), value, "EX", "600"]);
        redis.ask(&["ZADD", &format!("{start}log"), number, subject]);
        redis.ask(&["HSET", &format!("{start}meta"), "number", number]);
    };
    put(
        "1000001",
        "u:42",
        &format!(r#"x {{"user":{{"id":"42","not_before":{ahead}}}}}"#),
    );
    put(
        "1000002",
        "u:43",
        r#"x {"user":{"id":"44","not_before":1700000000}}"#,
    );
    put("1000003", "u:45", "x {\"user\":{\"id\"");
    put(
        "1000004",
        "u:46",
        &format!(r#"x {{"user":{{"id":"46","not_before":1,"floor":[{ahead},{ahead}]}}}}"#),
    );
    node.wait_for_at_least("store_ignored_records_total", 4);
    for user in ["42", "43", "44", "45", "46"] {
        login(&node, &session(user));
    }
    // The twin: one that is as a node writes it counts.
    let floor = now() + 30;
    put(
        "1000005",
        "u:47",
        &format!(r#"x {{"user":{{"id":"47","not_before":1,"floor":[{floor},{ahead}]}}}}"#),
    );
    let token = sign(&json!({ "sub": "47", "iat": now(), "exp": now() + 600 }));
    until("the floor", || is_refused(&node, &token));
    // What is damaged, of another shape or ahead is written anew by whoever knows better.
    for (user, shape) in [
        ("48", r#"{"user":{"id":"48"}}"#),
        ("49", r#"{"user":5}"#),
        ("50", r#"{"user":{"id":"50","not_before":null}}"#),
        ("51", r#"{"user":{"id":"51","not_before":1,"floor":5}}"#),
    ] {
        redis.ask(&[
            "SET",
            &format!("{start}u:{user}"),
            &format!("x {shape}"),
            "EX",
            "600",
        ]);
    }
    for user in ["42", "45", "48", "49", "50", "51"] {
        log_out(&node, &session(user));
        let key = format!("{start}u:{user}");
        let kept = redis.ask(&["GET", &key])[0].clone();
        let (_, text) = kept.split_once(' ').unwrap();
        let record: serde_json::Value = serde_json::from_str(text).unwrap();
        let not_before = record["user"]["not_before"].as_u64().unwrap();
        assert!((now() - 60..=now() + 60).contains(&not_before), "{kept}");
    }
}
