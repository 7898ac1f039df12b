//! The key server is away, and disks are full.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::{World, assert_failures, settings};
use crate::rest_api::{Chat, RULES, call, member};
use crate::support::foreign::{has, say_skipped};
use crate::support::keys::{KeyServer, Signer, answer, key_set};
use crate::support::load::Plan;
use crate::support::proxy::{Launch, assert_holds_no_secret};
use crate::support::stage::Stage;
use crate::support::tokens::{authorization, now};
use crate::support::{Proxy, get};

const DOWN: &str = r#"key_set_refreshes_total{issuer="app",result="status",site="default"}"#;
const KEYS: &str = r#"key_set_keys{issuer="app",site="default"}"#;

fn bearer(signer: &Signer, user: &str) -> String {
    let claims = json!({ "sub": user, "exp": now() + 600 });
    authorization(&signer.sign("a", &claims))
}

/// The last good keys serve until they are too old, then sessions get 503; nobody ever passes without keys.
#[test]
fn while_the_key_server_is_away_its_last_keys_serve_up_to_their_age() {
    let (stage, signer) = (Stage::start(), Signer::new("a"));
    let server = KeyServer::start(key_set(&[&signer]));
    let keys = format!(
        "algorithms = [\"EdDSA\"]\nkeys = {{ jwks_url = \"http://{}/keys\", refresh = \"10s\", max_age = \"30s\" }}",
        server.address
    );
    let secret = "algorithms = [\"HS256\"]\nkeys = { secret = { file = \"session-secret\" } }";
    let proxy = Proxy::start(&settings(&stage, "").replace(secret, &keys));
    proxy.wait_for_metric(KEYS, 1);
    let stranger = Signer::new("a");
    let load = Plan {
        token: Arc::new(move |user| bearer(&signer, user)),
        forged: Arc::new(move |user| bearer(&stranger, user)),
        ..Plan::at(proxy.address)
    };
    // What it answers again later.
    let well = server.current();
    let load = load.start();
    load.settle();

    server.answer(answer(500, "down"));
    proxy.wait_for_at_least(DOWN, 1);
    load.settle();
    assert_eq!(load.failed(), 0, "the last good keys serve");
    let began = Instant::now();
    load.wait_for_failures(20);
    assert_eq!(proxy.metric(KEYS), 0);
    server.answer(well);
    proxy.wait_for_metric(KEYS, 1);
    let back = Instant::now();
    load.settle();
    let report = load.end();
    assert_failures(&report.failures, began, back, &["keys_unavailable"]);
    assert!(
        report
            .failures
            .iter()
            .all(|failure| !failure.target.starts_with("/public/"))
    );
}

/// Log and audit both have no room left, from the start.
#[test]
fn on_full_disks_no_request_fails_and_the_loss_of_the_audit_is_told() {
    let chat = Chat::start();
    let admin = "admin = \"administrator\"\n";
    let endpoint = format!("{admin}endpoint = \"http://{}\"\n", chat.app.address);
    let launch = Launch {
        log: Some("/dev/full"),
        ..Launch::default()
    };
    let world = World::launch(
        |text| text.replacen(admin, &endpoint, 1),
        &format!("{RULES}[audit]\nfile = \"/dev/full\"\n"),
        launch,
    );
    for _ in 0..20 {
        assert_eq!(
            call(&world.proxy, "openim/sendmsg", &member(), "{}").status,
            200
        );
        world.load.settle();
    }
    assert_eq!(chat.app.seen().len(), 20);
    assert_eq!(world.proxy.metric("audit_lost"), 1);
    assert_eq!(
        world.proxy.metric("audit_lines_total{result=\"failed\"}"),
        20
    );
    let report = world.load.end();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
}

/// The log's disk, of which the program has one of its own: a small one that can be filled and emptied.
fn log_on(world: &World) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{DISK}/log", world.proxy.id()))
}

#[test]
fn a_log_whose_disk_was_full_goes_on_with_whole_lines_and_says_how_many_are_lost() {
    let test = "a_log_whose_disk_was_full_goes_on_with_whole_lines_and_says_how_many_are_lost";
    if !has(test, &["unshare", "mount"]) {
        return;
    }
    let script =
        format!("mount -t tmpfs -o size=64k none {DISK} && exec \"$0\" \"$@\" 2>>{DISK}/log");
    let probe = std::process::Command::new("unshare")
        .args(["-m", "true"])
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        say_skipped(test, "a mount namespace takes root");
        return;
    }
    let launch = Launch {
        through: &["unshare", "-m", "sh", "-c", &script],
        ..Launch::default()
    };
    let world = World::launch(|text| text, "", launch);
    let log = log_on(&world);
    let size = || fs::metadata(&log).unwrap().len();
    world
        .load
        .wait_until("the disk is full", || size() == 64 << 10);
    world.load.settle();
    // As logrotate's copytruncate does.
    let full = fs::read(&log).unwrap();
    OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&log)
        .unwrap();
    let kept = || fs::read_to_string(&log).unwrap();
    world
        .load
        .wait_until("lines come again", || kept().contains("lines were lost"));
    let text = kept();
    let report = world.load.end();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    assert_holds_no_secret(&String::from_utf8_lossy(&full));
    assert_holds_no_secret(&text);
    let (whole, _) = text.rsplit_once('\n').unwrap();
    let lines: Vec<serde_json::Value> = whole
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("a torn line: {line}")))
        .collect();
    let lost = lines
        .iter()
        .find(|line| line["message"] == "log lines were lost, because they could not be written");
    assert!(lost.unwrap()["lines"].as_u64().unwrap() > 0);
    assert_eq!(get(world.proxy.ops, "/readyz", "").status, 200);
}

/// A folder that every system has and nothing of this test needs.
const DISK: &str = "/mnt";
