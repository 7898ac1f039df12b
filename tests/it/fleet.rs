//! Several nodes with one store between them: what one does counts on all, and none depends on the store.

mod away;
mod budget;
mod trust;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::logout::{request, session};
use crate::support::figures::say;
use crate::support::proxy::{CHAT_KEY, SDK_APP_ID};
use crate::support::redis::{self, Redis};
use crate::support::tokens::{authorization, now, sign};
use crate::support::{App, Proxy, Response, config, get, send};

/// A node whose store is at this URL.
fn node(app: &App, url: &str) -> Proxy {
    node_with(app, url, "")
}

/// The same with more keys of the store.
fn node_with(app: &App, url: &str, more: &str) -> Proxy {
    Proxy::start(&settings(app, url, more))
}

fn settings(app: &App, url: &str, more: &str) -> String {
    let routes = r#"default_access = "session"
[[route]]
match = { path = "/api/logout", methods = ["POST"] }
access = "session"
on_success = "kick"
"#;
    let admin = "admin = \"administrator\"\n";
    let endpoint = format!("{admin}endpoint = \"http://{}\"\n", app.address);
    config(app.address, &format!("{routes}{}", store(url, more))).replacen(admin, &endpoint, 1)
}

/// Where the test does not say how long an answer may take, a busy machine is given time.
fn store(url: &str, more: &str) -> String {
    let patience = match more.contains("timeout = ") {
        true => "",
        false => "timeout = \"10s\"\n",
    };
    format!("[store.redis]\nurl = \"{url}\"\n{patience}{more}\n")
}

fn url(redis: &Redis) -> String {
    format!("redis://{}", redis.address)
}

/// An app, and a Chat that takes every call.
fn app() -> App {
    let length = TAKEN.len();
    App::answering(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{TAKEN}"
    ))
}

fn ask(node: &Proxy, token: &str) -> Response {
    send(node.address, request("GET", "/_chat/usersig", token))
}

fn login(node: &Proxy, token: &str) -> String {
    let response = ask(node, token);
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["userSig"].as_str().unwrap().to_owned()
}

fn log_out(node: &Proxy, token: &str) {
    let response = send(node.address, request("POST", "/api/logout", token));
    assert_eq!(response.status, 200, "{response:?}");
}

fn is_refused(node: &Proxy, token: &str) -> bool {
    let response = ask(node, token);
    match response.status {
        200 => false,
        401 => {
            assert_eq!(response.code(), "token_invalid");
            true
        }
        status => panic!("{status}: {response:?}"),
    }
}

/// What `/readyz` says of the store; the node is ready whatever that is.
fn ready(node: &Proxy) -> String {
    until("a node that is ready", || {
        get(node.ops, "/readyz", "").status == 200
    });
    let text = get(node.ops, "/readyz", "").text();
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with("store of the fleet"));
    line.unwrap_or_else(|| panic!("nothing of the store in {text}"))
        .to_owned()
}

/// Waits for it, and says how long it took.
fn until(what: &str, is_so: impl Fn() -> bool) -> Duration {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < HANG, "{what}: does not happen");
        thread::park_timeout(POLL);
    }
    started.elapsed()
}

fn wait_until_there(node: &Proxy) {
    node.wait_for_metric("store_up", 1);
}

fn wait_until_away(node: &Proxy) {
    node.wait_for_metric("store_up", 0);
}

#[test]
fn a_logout_on_one_node_counts_on_all_and_supersedes_the_usersig() {
    if !redis::is_there("a_logout_on_one_node_counts_on_all_and_supersedes_the_usersig") {
        return;
    }
    let (app, redis) = (app(), Redis::start());
    let nodes: Vec<_> = (0..3).map(|_| node(&app, &url(&redis))).collect();
    let (token, other) = (session("42"), session("43"));
    let before: Vec<_> = nodes.iter().map(|node| login(node, &token)).collect();
    let others = login(&nodes[2], &other);
    log_out(&nodes[0], &token);
    assert!(is_refused(&nodes[0], &token));
    for (number, node) in nodes.iter().enumerate().skip(1) {
        let took = until("a logout elsewhere", || is_refused(node, &token));
        say(&format!(
            "node {number} refuses the session {took:?} after the logout on node 0"
        ));
    }
    // The user's next session gets a UserSig that the kick did not void, on every node.
    let again = session("42");
    for (node, before) in nodes.iter().zip(&before) {
        assert_ne!(login(node, &again), *before);
    }
    // Nobody else noticed.
    assert_eq!(login(&nodes[2], &other), others);
    for node in &nodes {
        wait_until_there(node);
        until("a node that sees all", || ready(node).contains("nodes: 3"));
        node.wait_for_metric("store_nodes", 3);
        assert_eq!(node.metric("store_ignored_records_total"), 0);
    }
}

#[test]
fn a_node_that_starts_later_judges_its_first_request_by_what_the_others_know() {
    if !redis::is_there("a_node_that_starts_later_judges_its_first_request_by_what_the_others_know")
    {
        return;
    }
    let (app, redis) = (app(), Redis::start());
    let first = node(&app, &url(&redis));
    let (token, good) = (session("42"), session("43"));
    log_out(&first, &token);
    drop(first);
    let later = node(&app, &url(&redis));
    assert!(is_refused(&later, &token));
    assert!(!is_refused(&later, &good));
}

#[test]
fn a_renewal_on_one_node_supersedes_what_the_others_hold() {
    if !redis::is_there("a_renewal_on_one_node_supersedes_what_the_others_hold") {
        return;
    }
    let (app, redis) = (app(), Redis::start());
    let (one, two) = (node(&app, &url(&redis)), node(&app, &url(&redis)));
    let token = session("42");
    let before = login(&two, &token);
    let renewed = send(one.address, request("POST", "/_chat/usersig", &token));
    assert_eq!(renewed.status, 200);
    until("a renewal elsewhere", || login(&two, &token) != before);
    // And the pause between two renewals is that of the fleet.
    let again = send(two.address, request("POST", "/_chat/usersig", &token));
    assert_eq!(again.status, 429, "{again:?}");
}

#[test]
fn a_file_beside_the_store_keeps_what_others_did_for_a_start_without_it() {
    if !redis::is_there("a_file_beside_the_store_keeps_what_others_did_for_a_start_without_it") {
        return;
    }
    let (app, mut redis) = (app(), Redis::start());
    let one = node(&app, &url(&redis));
    let text = settings(&app, &url(&redis), "[store]\nfile = \"state\"\n");
    let two = Proxy::start(&text);
    let (token, good) = (session("42"), session("43"));
    log_out(&one, &token);
    until("a logout elsewhere", || is_refused(&two, &token));
    let state = two.path("state");
    until("the file", || {
        fs::read_to_string(&state).is_ok_and(|text| text.contains("\"token\""))
    });
    let kept = fs::read_to_string(&state).unwrap();
    drop(two);
    redis.kill();
    let again = Proxy::start_with_files(&text, &[("state", &kept)]);
    assert!(ready(&again).contains("away"));
    assert!(is_refused(&again, &token));
    assert!(!is_refused(&again, &good));
}

#[test]
fn fleets_with_another_prefix_database_or_application_do_not_meet() {
    if !redis::is_there("fleets_with_another_prefix_database_or_application_do_not_meet") {
        return;
    }
    let (app, redis) = (app(), Redis::start());
    let here = url(&redis);
    let one = node(&app, &here);
    let same = node(&app, &here);
    let other_app = settings(&app, &here, "").replace(
        &format!("sdk_app_id = {SDK_APP_ID}"),
        &format!("sdk_app_id = {}", SDK_APP_ID + 1),
    );
    let apart = [
        node_with(&app, &here, "prefix = \"other:\""),
        node_with(&app, &here, "database = 1"),
        Proxy::start(&other_app),
    ];
    let token = session("42");
    log_out(&one, &token);
    until("a logout elsewhere", || is_refused(&same, &token));
    // Each of them has read its own store since.
    for node in &apart {
        wait_until_there(node);
        let reads = "store_operations_total{operation=\"read\",result=\"ok\"}";
        node.wait_for_at_least(reads, node.metric(reads) + 3);
        assert!(!is_refused(node, &token));
        assert_eq!(node.metric("store_nodes"), 1);
    }
}

#[test]
fn what_is_kept_is_no_token_and_no_usersig_and_ends_by_itself() {
    if !redis::is_there("what_is_kept_is_no_token_and_no_usersig_and_ends_by_itself") {
        return;
    }
    let (app, redis) = (app(), Redis::start());
    let node = node(&app, &url(&redis));
    let token = session("42");
    let user_sig = login(&node, &token);
    log_out(&node, &token);
    let kept = redis.ask(&["KEYS", "*"]);
    let start = format!("usersig-proxy:{SDK_APP_ID}:default:");
    assert!(
        kept.iter()
            .any(|key| key.starts_with(&format!("{start}t:")))
    );
    assert!(kept.contains(&format!("{start}u:42")), "{kept:?}");
    for key in &kept {
        assert!(
            key.starts_with(&format!("usersig-proxy:{SDK_APP_ID}:")),
            "{key}"
        );
        let left: i64 = redis.ask(&["PTTL", key])[0].parse().unwrap();
        // -2: it has ended since.
        assert!(left > 0 || left == -2, "{key} stays for ever");
    }
    // A token is denied until it has expired and an hour longer; a generation counts while older UserSigs do.
    let left = |key: &str| redis.ask(&["TTL", key])[0].parse::<u64>().unwrap();
    let token_key = kept.iter().find(|key| key.contains(":t:")).unwrap();
    assert!((3600..=600 + 3600).contains(&left(token_key)));
    let week = 7 * 24 * 3600;
    assert!((week..=week + 70).contains(&left(&format!("{start}u:42"))));
    // All that the server has ever written of it.
    let written = redis.written();
    let signature = token.rsplit('.').next().unwrap();
    for secret in [token.as_str(), &user_sig, signature, CHAT_KEY] {
        assert!(!written.contains(secret));
    }
    assert!(written.contains("not_before"));
}

const TAKEN: &str = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
/// Only turns a hang into a failure.
const HANG: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);
