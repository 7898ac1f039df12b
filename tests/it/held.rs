//! Load that the program holds: connections by the thousand, more requests than it takes, clients that drip, floods.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::edge::get_bytes;
use crate::support::figures::{chosen, say};
use crate::support::foreign::{has, say_skipped};
use crate::support::load::{Plan, routes};
use crate::support::proxy::Launch;
use crate::support::stage::{Mode, Stage};
use crate::support::tokens::{authorization, bearer};
use crate::support::{Connection, Done, Proxy, config, process};

fn settings(stage: &Stage, runtime: &str) -> String {
    config(stage.address, &routes(runtime)).replace("\"trace\"", "\"warn\"")
}

/// Ten thousand with `USERSIG_PROXY_TEST_IDLE=10000`: as many as the caller's own limit of open files allows twice.
#[test]
fn idle_connections_cost_little_and_a_thousand_requests_are_under_way_beside_them() {
    let test = "idle_connections_cost_little_and_a_thousand_requests_are_under_way_beside_them";
    if !has(test, &["prlimit"]) {
        return;
    }
    let (idle, active) = (chosen("USERSIG_PROXY_TEST_IDLE", 1000), 1000);
    let [files, _] = process::limits("Max open files");
    // Of a request under way the app here has two, and other tests have theirs.
    if files < (idle + 3 * active + 500) as u64 {
        return say_skipped(test, &format!("{files} open files are too few"));
    }
    let stage = Stage::start();
    let files = format!("--nofile={}", idle + 3 * active + 100);
    let launch = Launch {
        through: &["prlimit", &files],
        ..Launch::default()
    };
    // However slow the machine is, nothing of this is given up.
    let runtime = format!(
        "downstream_keepalive = \"1h\"\nmax_connections = {}\n",
        idle + active + 10
    );
    let text = settings(&stage, &runtime).replace("[chat]\n", "read_timeout = \"1h\"\n[chat]\n");
    let proxy = Proxy::launch(&text, launch);
    let (alice, request) = (
        bearer("alice"),
        get_bytes("/_chat/usersig", &bearer("alice")),
    );
    // What the first requests allocate is no connection's.
    for _ in 0..50 {
        assert_eq!(
            Connection::open(proxy.address).request(&request).status,
            200
        );
    }
    let before = process::memory(proxy.id());
    let keep = |_| {
        let mut connection = Connection::open(proxy.address);
        assert_eq!(connection.request(&request).status, 200);
        connection
    };
    let mut kept: Vec<_> = (0..idle).map(keep).collect();
    let grown = process::memory(proxy.id()).saturating_sub(before);
    say(&format!(
        "held: {idle} idle connections, {:.1} KiB each",
        grown as f64 / idle as f64
    ));

    stage.set(Mode::Silent);
    let begin = |number| {
        let mut connection = Connection::open(proxy.address);
        connection.write(get_bytes(&format!("/app/{number}"), &alice));
        connection
    };
    let mut working: Vec<_> = (0..active).map(begin).collect();
    stage.wait_until_holding(active);
    proxy.wait_for_metric("requests_in_flight", active as u64);
    // Those who were idle are served meanwhile.
    for connection in kept.iter_mut().step_by(10) {
        assert_eq!(connection.request(&request).status, 200);
    }
    stage.set(Mode::Well);
    for (number, connection) in working.iter_mut().enumerate() {
        let response = connection.read_response(false).unwrap();
        assert_eq!(response.json()["target"], format!("/app/{number}"));
        assert_eq!(response.json()["user"], "alice");
    }
    let with_all = process::memory(proxy.id()).saturating_sub(before);
    say(&format!(
        "held: {active} requests at the same time beside them, {with_all} KiB more in all"
    ));
    // 64 KiB is what a read buffer alone would take.
    assert!(
        grown < 64 * idle as u64,
        "{grown} KiB for {idle} idle connections"
    );
    drop((kept, working));
    proxy.wait_for_metric("requests_in_flight", 0);
}

#[test]
fn more_requests_than_are_taken_are_told_to_come_again_and_the_rest_is_served() {
    let stage = Stage::start();
    let proxy = Proxy::start(&settings(&stage, "max_requests = 8\n"));
    let crowd = Plan {
        clients: 40,
        ..Plan::at(proxy.address)
    };
    let crowd = crowd.start();
    crowd.wait_until("there are too many", || {
        crowd.failed() > 200 && crowd.right() > 200
    });
    let report = crowd.end();
    let codes = report.codes();
    // Each with Retry-After, or it would be a wrong answer.
    assert_eq!(
        codes.keys().collect::<Vec<_>>(),
        ["overloaded"],
        "{codes:?}"
    );
    say(&format!(
        "held: 40 clients where 8 requests are taken: {} served, {} told to come again",
        report.right,
        report.failures.len()
    ));
    proxy.wait_for_metric("requests_in_flight", 0);
    let few = Plan::at(proxy.address).start();
    few.settle();
    let report = few.end();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
}

/// They take neither places nor time of others, and are gone when their own is over.
#[test]
fn clients_that_drip_their_headers_disturb_nobody_and_are_ended() {
    let stage = Stage::start();
    let proxy = Proxy::start(&settings(
        &stage,
        "max_requests = 50\ndownstream_read_timeout = \"10s\"\n",
    ));
    let load = Plan::at(proxy.address).start();
    load.settle();
    let before = process::files(proxy.id());
    let mut dripping: Vec<_> = (0..DRIPPING)
        .map(|_| TcpStream::connect(proxy.address).unwrap())
        .collect();
    let count = dripping.len();
    for stream in &mut dripping {
        stream.write_all(b"GET /public/ HTTP/1.1\r\nX: ").unwrap();
    }
    load.wait_until("they are connected", || {
        process::files(proxy.id()) >= before + count
    });
    load.settle();
    // A byte of each again and again, until none of them can be written to.
    load.wait_until("all of them are ended", || {
        dripping.retain_mut(|stream| stream.write_all(b"x").is_ok());
        dripping.is_empty()
    });
    load.settle();
    load.wait_until("their descriptors are free", || {
        process::files(proxy.id()) < before + count / 2
    });
    let report = load.end();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
}

/// What a bad token costs beside a good one is said, not judged; that it costs nobody else an answer is.
#[test]
fn a_flood_of_bad_tokens_costs_no_user_an_answer() {
    let stage = Stage::start();
    let proxy = Proxy::start(&settings(&stage, ""));
    let count = chosen("USERSIG_PROXY_TEST_FLOOD", 1000);
    let spent = |case: &str, header: &dyn Fn(usize) -> String, status: u16| {
        let mut connection = Connection::open(proxy.address);
        let mut ask = |number: usize| {
            let request = get_bytes("/_chat/usersig", &header(number));
            let response = connection.request_of_many(proxy.address, request);
            assert_eq!(response.status, status, "{case}");
        };
        ask(0);
        let before = process::cpu(proxy.id());
        (1..=count).for_each(&mut ask);
        (process::cpu(proxy.id()) - before) as f64 * 10_000.0 / count as f64
    };
    let good = bearer("alice");
    let known = spent("known", &|_| good.clone(), 200);
    let plan = Plan::at(proxy.address);
    let forged = |number: usize| (plan.forged)(&format!("user{number}"));
    let bad = spent("forged", &forged, 401);
    let junk = spent(
        "junk",
        &|number| authorization(&format!("junk{number}")),
        401,
    );
    say(&format!(
        "held: microseconds of the processor a request: {known:.0} with a known token, {bad:.0} with a forged one, {junk:.0} with junk"
    ));

    let load = Plan::at(proxy.address).start();
    load.settle();
    let (done, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let _done = Done(&done);
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = Connection::open(proxy.address);
                while !done.load(Ordering::SeqCst) {
                    let number = sent.fetch_add(1, Ordering::SeqCst);
                    let request = get_bytes("/app/flood", &forged(number));
                    let response = connection.request_of_many(proxy.address, request);
                    assert_eq!(response.status, 401);
                }
            });
        }
        load.wait_until("the flood is on", || sent.load(Ordering::SeqCst) > count);
        load.settle();
    });
    let report = load.end();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
}

/// With `USERSIG_PROXY_TEST_USERS=10000000` ten times as many as the cache holds by default.
#[test]
fn memory_stays_where_the_bound_of_the_cache_says_however_many_users_come() {
    let users = chosen("USERSIG_PROXY_TEST_USERS", 4000);
    let stage = Stage::start();
    let bound = (users / 2).min(1_000_000);
    let text = settings(&stage, "").replace(
        "[session]\n",
        &format!("[chat.usersig]\ncache_capacity = {bound}\n[session]\ntoken_memory = \"1MiB\"\n"),
    );
    let proxy = Proxy::start(&text);
    let started = Instant::now();
    let asked = AtomicUsize::new(0);
    let plan = Plan::at(proxy.address);
    let ask_until = |most: usize| {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut connection = Connection::open(proxy.address);
                    loop {
                        let number = asked.fetch_add(1, Ordering::SeqCst);
                        if number >= most {
                            return;
                        }
                        let user = format!("user{number}");
                        let request = get_bytes("/_chat/usersig", &(plan.token)(&user));
                        let response = connection.request_of_many(proxy.address, request);
                        assert_eq!(response.json()["userId"], user, "{response:?}");
                    }
                });
            }
        });
        asked.store(most, Ordering::SeqCst);
        process::memory(proxy.id())
    };
    let first = ask_until(50);
    let full = ask_until(bound);
    let last = ask_until(users);
    let cached = proxy.metric("usersig_cached_users{site=\"default\"}");
    say(&format!(
        "held: {users} users in {:.0} s; {first} KiB at first, {full} KiB with {cached} of at most {bound} users cached, {last} KiB at the end",
        started.elapsed().as_secs_f64()
    ));
    assert!(cached <= bound as u64);
    assert!(
        last < full + 8 * 1024 + full.saturating_sub(first) / 5,
        "{first}, {full}, {last} KiB"
    );
}

const DRIPPING: usize = 300;
