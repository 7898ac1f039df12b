//! The store goes and comes back: with its data, without it, or while it only does not answer.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;

/// What happened on either node while the store was away, and before, counts on both when it is back.
fn nothing_is_lost(test: &str, between: impl Fn(&Redis)) {
    if !redis::is_there(test) {
        return;
    }
    let (app, mut redis) = (app(), Redis::start());
    let (one, two) = (node(&app, &url(&redis)), node(&app, &url(&redis)));
    let (before, here, there) = (session("41"), session("42"), session("43"));
    let good = session("44");
    let goods = login(&two, &good);
    let heres = login(&two, &here);
    log_out(&one, &before);
    until("a logout elsewhere", || is_refused(&two, &before));

    redis.kill();
    [&one, &two].into_iter().for_each(wait_until_away);
    log_out(&one, &here);
    log_out(&two, &there);
    assert!(is_refused(&one, &here) && is_refused(&two, &there));
    // Neither can know of the other's, and both go on.
    assert!(!is_refused(&two, &here) && !is_refused(&one, &there));
    assert!(ready(&one).contains("away since"), "{}", ready(&one));

    between(&redis);
    redis.start_again();
    let took = until("the logout of node 1", || is_refused(&two, &here));
    say(&format!(
        "node 2 knows of it {took:?} after the store is back"
    ));
    until("the logout of node 2", || is_refused(&one, &there));
    // The date of a generation never goes back.
    assert_ne!(login(&two, &session("42")), heres);
    assert_eq!(login(&two, &good), goods);

    // A third node has never seen any of it and has only the store to ask.
    let three = node(&app, &url(&redis));
    for token in [&before, &here, &there] {
        assert!(is_refused(&three, token));
    }
    assert!(!is_refused(&three, &good));

    for node in [&one, &two] {
        wait_until_there(node);
        assert!(ready(node).contains("there since"), "{}", ready(node));
        assert_eq!(node.metric("store_reconnects_total"), 1);
        assert_eq!(count(node, "WARN", "the store of the fleet is away"), 1);
        assert_eq!(count(node, "INFO", "the store of the fleet is back"), 1);
    }
}

/// How many lines of the log say this.
fn count(node: &Proxy, level: &str, message: &str) -> usize {
    let printed = node.printed();
    let lines = printed
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let is_it = |line: &serde_json::Value| {
        let text = line["message"]
            .as_str()
            .or(line["fields"]["message"].as_str());
        line["level"] == level && text.is_some_and(|text| text.starts_with(message))
    };
    lines.filter(is_it).count()
}

#[test]
fn a_store_that_comes_back_with_its_data_is_told_what_happened_meanwhile() {
    nothing_is_lost(
        "a_store_that_comes_back_with_its_data_is_told_what_happened_meanwhile",
        |_| {},
    );
}

#[test]
fn a_store_that_comes_back_empty_gets_all_that_the_nodes_know() {
    nothing_is_lost(
        "a_store_that_comes_back_empty_gets_all_that_the_nodes_know",
        Redis::lose_data,
    );
}

#[test]
fn a_store_that_is_emptied_under_the_nodes_is_filled_again() {
    if !redis::is_there("a_store_that_is_emptied_under_the_nodes_is_filled_again") {
        return;
    }
    let (app, redis) = (app(), Redis::start());
    let one = node(&app, &url(&redis));
    let (token, good) = (session("42"), session("43"));
    log_out(&one, &token);
    let is_kept = || {
        redis
            .ask(&["KEYS", "*:u:42"])
            .iter()
            .any(|key| !key.is_empty())
    };
    until("the record", is_kept);
    redis.ask(&["FLUSHALL"]);
    until("the record again", is_kept);
    let two = node(&app, &url(&redis));
    assert!(is_refused(&two, &token));
    assert!(!is_refused(&two, &good));
    assert_eq!(one.metric("store_reconnects_total"), 0);
}

#[test]
fn scripts_that_the_server_has_forgotten_are_told_it_again() {
    if !redis::is_there("scripts_that_the_server_has_forgotten_are_told_it_again") {
        return;
    }
    let (app, redis) = (app(), Redis::start());
    let (one, two) = (node(&app, &url(&redis)), node(&app, &url(&redis)));
    redis.ask(&["SCRIPT", "FLUSH"]);
    let token = session("42");
    log_out(&one, &token);
    until("a logout elsewhere", || is_refused(&two, &token));
    assert_eq!(one.metric("store_reconnects_total"), 0);
    let errors = "store_operations_total{operation=\"write\",result=\"error\"}";
    assert_eq!(one.metric(errors), 0);
}

#[test]
fn a_store_that_stops_answering_delays_nobody_and_is_taken_up_again() {
    if !redis::is_there("a_store_that_stops_answering_delays_nobody_and_is_taken_up_again") {
        return;
    }
    let (app, redis) = (app(), Redis::start());
    let short = || node_with(&app, &url(&redis), "timeout = \"300ms\"");
    let (one, two) = (short(), short());
    let token = session("42");
    redis.freeze();
    // The first ones meet a store that was there a moment ago.
    log_out(&one, &token);
    assert!(is_refused(&one, &token));
    for user in 0..20 {
        login(&one, &session(&format!("u{user}")));
    }
    [&one, &two].into_iter().for_each(wait_until_away);
    let reason = ready(&one);
    assert!(reason.contains("it does not answer in time"), "{reason}");
    for user in 0..20 {
        log_out(&one, &session(&format!("u{user}")));
    }
    redis.thaw();
    until("the logout", || is_refused(&two, &token));
    [&one, &two].into_iter().for_each(wait_until_there);
}

#[test]
fn a_store_that_accepts_and_never_answers_keeps_no_node_from_its_work() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let held = Arc::new(Mutex::new(Vec::new()));
    let (count, hold) = (accepted.clone(), held.clone());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            hold.lock().unwrap().push(stream);
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let app = app();
    let node = node_with(&app, &format!("redis://{address}"), "timeout = \"300ms\"");
    let token = session("42");
    login(&node, &token);
    log_out(&node, &token);
    assert!(is_refused(&node, &token));
    assert!(
        ready(&node).contains("does not answer in time"),
        "{}",
        ready(&node)
    );
    // It is tried again, with pauses, and said once.
    until("more tries", || accepted.load(Ordering::SeqCst) >= 4);
    assert_eq!(count_away(&node), 1);
    let timeouts = "store_operations_total{operation=\"read\",result=\"timeout\"}";
    let leases = "store_operations_total{operation=\"lease\",result=\"timeout\"}";
    assert!(node.metric(timeouts) + node.metric(leases) >= 2);
}

fn count_away(node: &Proxy) -> usize {
    count(node, "WARN", "the store of the fleet is away")
}
