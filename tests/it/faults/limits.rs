//! The program at its limits: no descriptors left, and caches that are far too small for its users.

use std::net::TcpStream;
use std::time::Instant;

use super::{World, settings};
use crate::edge::get_bytes;
use crate::support::foreign::has;
use crate::support::load::Plan;
use crate::support::proxy::Launch;
use crate::support::stage::{Mode, Stage};
use crate::support::{Connection, Proxy, process};

/// Who has a connection is served, nobody gets another, and the process does not run in circles for it.
#[test]
fn without_descriptors_who_is_connected_is_served_and_others_wait() {
    let test = "without_descriptors_who_is_connected_is_served_and_others_wait";
    if !has(test, &["prlimit"]) {
        return;
    }
    let launch = Launch {
        through: &["prlimit", "--nofile=90:90"],
        ..Launch::default()
    };
    let world = World::launch(|text| text, "threads = 1\nmax_connections = 1000\n", launch);
    // Each of the four clients has its connection to the app, too, which is kept.
    world.stage.set(Mode::Silent);
    world.stage.wait_until_holding(4);
    world.stage.set(Mode::Well);
    world.load.settle();
    let began = Instant::now();
    let waiting: Vec<_> = (0..200)
        .map(|_| TcpStream::connect(world.proxy.address).unwrap())
        .collect();
    let failed = |line: &serde_json::Value| line["message"].to_string().contains("Accept() failed");
    world.proxy.log_lines(4, failed);
    let is_full = || process::files(world.proxy.id()) >= 88;
    world.load.wait_until("there are none left", is_full);
    // Those who have theirs, to the proxy and from it to the app.
    world.load.settle();
    drop(waiting);
    let mut fresh = Connection::open(world.proxy.address);
    let response = fresh.request(get_bytes("/public/fresh", ""));
    assert_eq!(response.status, 200);
    let printed = world.proxy.printed();
    let tries = printed
        .lines()
        .filter(|line| line.contains("Accept() failed"))
        .count();
    // One in a second for each of two listeners: it waits, however many stand there.
    let most = 2 * (began.elapsed().as_secs() + 2);
    assert!(
        tries as u64 <= most,
        "{tries} tries in {:?}",
        began.elapsed()
    );
    let report = world.load.end();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
}

/// Of users and of tokens far more than are remembered: each is forgotten again and again, and nobody gets another's.
#[test]
fn caches_that_are_far_too_small_mix_nobody_up_and_keep_the_memory_where_it_is() {
    let stage = Stage::start();
    let text = settings(&stage, "").replace(
        "[session]\n",
        "[chat.usersig]\ncache_capacity = 50\n[session]\ntoken_memory = \"64KiB\"\n",
    );
    let proxy = Proxy::start(&text);
    let load = Plan {
        users: 5000,
        ..Plan::at(proxy.address)
    };
    let load = load.start();
    load.wait_until("the caches are full", || load.right() > 2000);
    let before = process::memory(proxy.id());
    load.wait_until("users come and go", || load.right() > 6000);
    let grown = process::memory(proxy.id()).saturating_sub(before);
    let report = load.end();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert!(grown < 8 << 10, "{grown} KiB more");
    let metric = |name: &str| proxy.metric(&format!("{name}{{site=\"default\"}}"));
    assert!((1..=50).contains(&metric("usersig_cached_users")));
    assert!((1..=64 << 10).contains(&metric("token_memory_bytes")));
    // The same users and tokens as in the beginning, and as many more.
    assert!(metric("usersig_evictions_total") > 500);
    assert!(metric("token_memory_evictions_total") > 500);
}
