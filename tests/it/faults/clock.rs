//! The clock is set while the program runs, with libfaketime in the program alone; what measures spans goes on as before.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::settings;
use crate::support::foreign::skip;
use crate::support::load::{Clock, Load, Plan};
use crate::support::proxy::Launch;
use crate::support::stage::Stage;
use crate::support::tokens::{authorization, now, sign};
use crate::support::{Proxy, get};

/// A program with a clock that the test sets.
struct World {
    proxy: Proxy,
    load: Load,
    clock: Arc<Clock>,
    folder: tempfile::TempDir,
}

/// `None`, with a line, where the library is not installed.
fn start(test: &str) -> Option<World> {
    let found = LIBRARIES.into_iter().find(|path| Path::new(path).exists());
    let Some(library) = found else {
        skip(test, "libfaketime is not installed");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clock");
    fs::write(&file, "+0\n").unwrap();
    let stage = Stage::start();
    let launch = Launch {
        env: &[
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ],
        ..Launch::default()
    };
    let proxy = Proxy::launch(&settings(&stage, ""), launch);
    let plan = Plan::at(proxy.address);
    let clock = plan.clock.clone();
    let load = plan.start();
    load.settle();
    Some(World {
        proxy,
        load,
        clock,
        folder,
    })
}

impl World {
    /// Sets the clock so many seconds ahead of the true one.
    fn step(&self, ahead: i64) {
        let before = self.clock.ahead.load(Ordering::SeqCst);
        self.clock.before.store(before, Ordering::SeqCst);
        self.clock.ahead.store(ahead, Ordering::SeqCst);
        let draft = self.folder.path().join("draft");
        fs::write(&draft, format!("{ahead:+}\n")).unwrap();
        fs::rename(draft, self.folder.path().join("clock")).unwrap();
        // From here on the old time counts no more.
        self.load.settle();
        self.clock.before.store(ahead, Ordering::SeqCst);
        self.load.settle();
    }

    /// The proxy's time.
    fn now(&self) -> u64 {
        now().saturating_add_signed(self.clock.ahead.load(Ordering::SeqCst))
    }

    fn ask(&self, token: &str) -> (u16, Value) {
        let response = get(self.proxy.address, "/_chat/usersig", &authorization(token));
        (response.status, response.json())
    }

    fn end(self) {
        let report = self.load.end();
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        assert!(!self.proxy.printed().contains("panicked"));
    }
}

fn until(moment: u64) -> String {
    sign(&json!({ "sub": "stepper", "exp": moment }))
}

#[test]
fn a_clock_that_jumps_ahead_ends_sessions_and_renews_user_sigs() {
    let Some(world) = start("a_clock_that_jumps_ahead_ends_sessions_and_renews_user_sigs") else {
        return;
    };
    let (short, long) = (until(now() + 600), until(now() + 20 * DAY as u64));
    assert_eq!(world.ask(&short).0, 200);
    let (_, first) = world.ask(&long);
    // Beyond the session, and within a UserSig's life.
    world.step(7200);
    let (status, refusal) = world.ask(&short);
    assert_eq!((status, &refusal["code"]), (401, &json!("token_expired")));
    assert_eq!(world.ask(&until(world.now() + 600)).0, 200);
    let (_, same) = world.ask(&long);
    assert_eq!(same["userSig"], first["userSig"], "as good as before");
    // Less is left of it than is promised, and then nothing.
    for days in [6, 12] {
        // Not a whole number of days: what is left is then near the bound, and the second decides.
        world.step(days * DAY + days * 1200);
        let (status, later) = world.ask(&long);
        assert_eq!(status, 200);
        assert_ne!(later["userSig"], first["userSig"]);
        let expires = later["expiresAt"].as_u64().unwrap();
        assert!(expires > world.now() + DAY as u64, "{expires}");
    }
    world.end();
}

#[test]
fn a_clock_that_is_set_back_leaves_no_user_sig_of_the_future() {
    let Some(world) = start("a_clock_that_is_set_back_leaves_no_user_sig_of_the_future") else {
        return;
    };
    world.step(3 * DAY);
    let long = until(world.now() + 10 * DAY as u64);
    let ahead = until(world.now() + 600);
    let (_, first) = world.ask(&long);
    // Chat, whose clock is right, would refuse it.
    world.step(0);
    let (status, second) = world.ask(&long);
    assert_eq!(status, 200);
    assert_ne!(second["userSig"], first["userSig"]);
    assert!(second["expiresAt"].as_u64().unwrap() < now() + 8 * DAY as u64);
    // Its session lasts longer now, and not longer than any may.
    assert_eq!(world.ask(&ahead).0, 200);
    for seconds in [-3600, 0, 3600, -7200, 7200, 0] {
        world.step(seconds);
    }
    world.end();
}

const DAY: i64 = 24 * 3600;
/// Where Debian puts it, by architecture.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];
