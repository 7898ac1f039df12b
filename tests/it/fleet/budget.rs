//! The budget of the REST API is that of all nodes together.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::support::Connection;
use crate::support::figures::{self, say};

/// Calls a second: half of them at once, the others spread over the second, so 30 a second in the long run.
const RATE: usize = 60;
const STEADY: f64 = 30.0;
const AHEAD: f64 = 31.0;
/// About ten seconds' worth.
const CALLS: usize = 330;
const NODES: usize = 3;

/// A Chat that takes every call and notes when it came.
struct Chat {
    app: App,
    calls: Arc<Mutex<Vec<Instant>>>,
}

impl Chat {
    fn start() -> Self {
        let calls: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let noted = calls.clone();
        let length = TAKEN.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{TAKEN}");
        let app = App::with(move |_, stream| {
            noted.lock().unwrap().push(Instant::now());
            stream.write_all(answer.as_bytes()).is_ok()
        });
        Self { app, calls }
    }

    fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

fn gateway(chat: &Chat, url: &str, more: &str, budget: &str) -> Proxy {
    let rules = format!(
        r#"
[rest_api]
[[rest_api.allow]]
commands = ["openim/sendmsg", "profile/portrait_get"]
roles = ["member"]
[rest_api.budget]
{budget}
"#
    );
    let text = settings(&chat.app, url, &format!("{more}{rules}"));
    // Thousands of calls need no line each.
    Proxy::start(&text.replace("level = \"trace\"", "level = \"warn\""))
}

fn member(user: &str) -> String {
    sign(&json!({ "sub": user, "roles": ["member"], "exp": now() + 600 }))
}

fn call(command: &str, token: &str) -> String {
    let body = r#"{"From_Account":"@","To_Account":"7"}"#;
    let body = match command {
        "openim/sendmsg" => body.replace('@', "42"),
        _ => "{}".to_owned(),
    };
    let (token, length) = (authorization(token), body.len());
    format!(
        "POST /_chat/v4/{command} HTTP/1.1\r\nHost: localhost\r\n{token}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Calls on every node, as fast as each answers, until Chat has had so many. How many of each node passed.
fn storm(nodes: &[Proxy], chat: &Chat, calls: usize) -> Vec<usize> {
    let is_over = AtomicBool::new(false);
    let passed: Vec<_> = nodes.iter().map(|_| AtomicUsize::new(0)).collect();
    let token = member("42");
    thread::scope(|scope| {
        for (node, passed) in nodes.iter().zip(&passed) {
            for _ in 0..2 {
                scope.spawn(|| {
                    let request = call("openim/sendmsg", &token);
                    let mut connection = Connection::open(node.address);
                    while !is_over.load(Ordering::Relaxed) {
                        let response = connection.request_of_many(node.address, &request);
                        match response.status {
                            200 => drop(passed.fetch_add(1, Ordering::Relaxed)),
                            429 => assert_eq!(response.code(), "budget_used_up"),
                            status => panic!("{status}: {response:?}"),
                        }
                    }
                });
            }
        }
        until("so many calls", || chat.count() >= calls);
        is_over.store(true, Ordering::Relaxed);
    });
    passed.into_iter().map(AtomicUsize::into_inner).collect()
}

/// Nodes with one budget for a command, all of which have found the store.
fn fleet(chat: &Chat, redis: &Redis) -> Vec<Proxy> {
    let budget = format!("commands = {{ \"openim/sendmsg\" = {RATE} }}");
    let nodes: Vec<_> = (0..NODES)
        .map(|_| gateway(chat, &url(redis), "", &budget))
        .collect();
    nodes.iter().for_each(wait_until_there);
    nodes
}

/// How many seconds the calls took, and how many there were of those that one node would have let through in that time.
fn share_of_one(calls: &[Instant]) -> (f64, f64) {
    let took = calls[calls.len() - 1].duration_since(calls[0]);
    let took = took.as_secs_f64();
    (took, calls.len() as f64 / (AHEAD + STEADY * took))
}

/// So near to 1 on a quiet machine, where figures are asked for. On a busy one Chat's clock sees the calls late and in heaps, and
/// fewer are made.
fn within(tolerance: f64) -> RangeInclusive<f64> {
    match figures::are_asked_for() {
        true => 1.0 - tolerance..=1.0 + tolerance,
        false => 0.5..=1.0 + 4.0 * tolerance,
    }
}

#[test]
fn the_budget_of_a_command_holds_over_all_nodes() {
    if !redis::is_there("the_budget_of_a_command_holds_over_all_nodes") {
        return;
    }
    let (chat, redis) = (Chat::start(), Redis::start());
    let nodes = fleet(&chat, &redis);
    let passed = storm(&nodes, &chat, CALLS);
    let calls = chat.calls.lock().unwrap().clone();
    let (took, share) = share_of_one(&calls);
    // What came in the fullest second, by the clock of Chat.
    let in_second_from = |start: usize| {
        let first = calls[start];
        let of_it = calls[start..].iter();
        of_it
            .take_while(|call| call.duration_since(first) < Duration::from_secs(1))
            .count()
    };
    let fullest = (0..calls.len()).map(in_second_from).max().unwrap();
    say(&format!(
        "{} calls in {took:.3} s, {share:.4} of what one node may make; {fullest} in the fullest second; by node: {passed:?}",
        calls.len()
    ));
    assert!(within(0.05).contains(&share), "{share}");
    // More: what was held up on its way to Chat comes there at once.
    assert!(
        fullest as f64 <= (0.1 + within(0.05).end()) * RATE as f64,
        "{fullest}"
    );
    // Each has its part of it.
    let total: usize = passed.iter().sum();
    assert!(
        passed.iter().all(|calls| *calls > total / NODES / 2),
        "{passed:?}"
    );
    // And none of them lost the store, or fell back.
    for node in &nodes {
        assert_eq!(node.metric("store_reconnects_total"), 0);
    }
}

#[test]
fn one_node_may_use_what_the_others_do_not_ask_for() {
    if !redis::is_there("one_node_may_use_what_the_others_do_not_ask_for") {
        return;
    }
    let (chat, redis) = (Chat::start(), Redis::start());
    let nodes = fleet(&chat, &redis);
    let passed = storm(&nodes[..1], &chat, CALLS);
    let calls = chat.calls.lock().unwrap().clone();
    let (took, share) = share_of_one(&calls);
    say(&format!(
        "{passed:?} in {took:.3} s, {share:.4} of what one node may make"
    ));
    assert!(within(0.05).contains(&share), "{share}");
}

#[test]
fn the_budget_of_the_app_is_shared_over_nodes_and_commands() {
    if !redis::is_there("the_budget_of_the_app_is_shared_over_nodes_and_commands") {
        return;
    }
    let (chat, redis) = (Chat::start(), Redis::start());
    // One call, and the next a second later: by whatever node and command.
    let nodes: Vec<_> = (0..NODES)
        .map(|_| gateway(&chat, &url(&redis), "", "app = 1"))
        .collect();
    nodes.iter().for_each(wait_until_there);
    let token = member("42");
    let ask = |node: &Proxy, command: &str| send(node.address, call(command, &token));
    let started = Instant::now();
    let mut answers = Vec::new();
    for node in &nodes {
        for command in ["openim/sendmsg", "profile/portrait_get"] {
            let answer = ask(node, command);
            let code = (answer.status == 429).then(|| answer.json()["ErrorCode"].clone());
            answers.push((answer.status, code));
        }
    }
    // As many as whole seconds went by, and the first.
    let passed = answers.iter().filter(|(status, _)| *status == 200).count();
    let most = 1 + started.elapsed().as_secs() as usize;
    assert!((1..=most).contains(&passed), "{answers:?}");
    assert_eq!(chat.count(), passed);
    let refused = answers.iter().filter(|(status, _)| *status == 429);
    assert!(refused.clone().count() > 0);
    let codes: BTreeMap<_, usize> = refused.fold(BTreeMap::new(), |mut codes, (_, code)| {
        *codes.entry(code.as_ref().unwrap().to_string()).or_default() += 1;
        codes
    });
    assert_eq!(codes.keys().collect::<Vec<_>>(), ["60011"]);
    // Its time comes, on any node.
    until("a place", || ask(&nodes[2], "openim/sendmsg").status == 200);
}

#[test]
fn without_the_store_each_node_keeps_to_its_part() {
    let chat = Chat::start();
    let dead = format!("redis://{}", crate::support::proxy::free_address());
    // Ten in a second: one node has six at once, one of five has two, and then one in a second.
    let budget = "commands = { \"openim/sendmsg\" = 10 }";
    let token = member("42");
    for (nodes, at_once) in [(1, 6), (5, 2)] {
        let before = chat.count();
        let node = gateway(&chat, &dead, &format!("nodes = {nodes}"), budget);
        assert!(ready(&node).contains("away"));
        let started = Instant::now();
        let statuses: Vec<_> = (0..20)
            .map(|_| send(node.address, call("openim/sendmsg", &token)).status)
            .collect();
        let passed = statuses.iter().filter(|status| **status == 200).count();
        // What has come since, where that took long.
        let since = (started.elapsed().as_secs_f64() * 5.0 / f64::from(nodes)) as usize;
        assert!(
            (at_once..=at_once + since).contains(&passed),
            "{nodes}: {statuses:?}"
        );
        assert_eq!(chat.count() - before, passed);
    }
}
