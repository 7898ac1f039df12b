//! What is replaced while requests run: the configuration by garbage, a certificate that has expired, and the process itself.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use rustls::version::TLS13;

use super::{World, assert_failures, settings};
use crate::reload::{GENERATION, REFUSED};
use crate::support::load::{CLOSED, Plan, REFUSED as NOT_TAKEN};
use crate::support::stage::Stage;
use crate::support::tls::{client, connect, put_certificate};
use crate::support::{Connection, Proxy, get};

#[test]
fn a_configuration_that_is_garbage_changes_nothing_for_anybody() {
    let world = World::start("reload_on_change = false\n");
    let good = fs::read_to_string(world.proxy.path("proxy.toml")).unwrap();
    let half = &good[..good.len() / 2];
    let bytes: String = (0..4000)
        .map(|index| char::from(32 + (index * 7 % 90) as u8))
        .collect();
    let garbage = ["", "\0\0\0", "[", half, &bytes, "not = \"it\"\n"];
    for (index, text) in garbage.into_iter().enumerate() {
        world.proxy.write("proxy.toml", text);
        world.proxy.signal("HUP");
        world.proxy.wait_for_metric(REFUSED, index as u64 + 1);
        assert_eq!(world.proxy.metric(GENERATION), 1);
        assert!(
            get(world.proxy.ops, "/readyz", "")
                .text()
                .contains("refused")
        );
        world.load.settle();
    }
    let refused = |line: &serde_json::Value| {
        line["level"] == "ERROR" && line["message"].to_string().contains("was refused")
    };
    world.proxy.log_lines(garbage.len(), refused);
    // A secret that is none.
    world.proxy.write("proxy.toml", &good);
    world.proxy.write("chat-key", "garbage");
    world.proxy.signal("HUP");
    world
        .proxy
        .wait_for_metric(REFUSED, garbage.len() as u64 + 1);
    world.load.settle();
    world
        .proxy
        .write("chat-key", crate::support::proxy::CHAT_KEY);
    world.proxy.signal("HUP");
    world.proxy.wait_for_metric(GENERATION, 2);
    world.load.settle();
    let report = world.load.end();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
}

/// What stands goes on, who checks is turned away at the handshake, and with the new one everybody is served.
#[test]
fn a_certificate_that_expired_turns_new_connections_away_until_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str| put_certificate(name, folder.path());
    put("app");
    let path = folder.path().display();
    let listen = format!(
        "https = [{{ address = \"@PROXY@\", certificate = \"{path}/chain.pem\", key = \"{path}/key.pem\" }}]"
    );
    let stage = Stage::start();
    let text = settings(&stage, "reload_on_change = false\n");
    let proxy = Proxy::start(&text.replacen("http = [\"@PROXY@\"]", &listen, 1));
    let address = proxy.address;
    let plan = |changes: bool| {
        // Whoever resumes a session does not look at a certificate: each connection is made by a client of its own.
        let config = || client(&[&TLS13], &["http/1.1"]);
        let open = move || connect(address, "localhost", config()).map(Connection::over);
        // Each of them is a handshake.
        let token = Plan::at(address).token;
        let once = move |user: &str| format!("Connection: close\r\n{}", token(user));
        let plan = Plan {
            clients: 2,
            connect: Arc::new(open),
            ..Plan::at(address)
        };
        match changes {
            true => Plan {
                token: Arc::new(once),
                ..plan
            },
            false => plan,
        }
    };
    let (kept, fresh) = (plan(false).start(), plan(true).start());
    for load in [&kept, &fresh] {
        load.settle();
    }
    let began = Instant::now();
    put("expired");
    proxy.signal("HUP");
    proxy.wait_for_metric(GENERATION, 2);
    fresh.wait_for_failures(10);
    kept.settle();
    put("renewed");
    proxy.signal("HUP");
    proxy.wait_for_metric(GENERATION, 3);
    let back = Instant::now();
    fresh.settle();
    let (kept, fresh) = (kept.end(), fresh.end());
    assert!(kept.failures.is_empty(), "{:?}", kept.failures);
    assert_failures(&fresh.failures, began, back, &[NOT_TAKEN]);
}

/// Whatever the app was asked was answered; the rest was never read, and may be sent again elsewhere.
#[test]
fn a_stop_loses_no_request_that_was_taken() {
    for drain in ["0s", "1s"] {
        let mut world = World::start(&format!(
            "drain_delay = \"{drain}\"\ngrace_period = \"2s\"\nshutdown_timeout = \"1s\"\n"
        ));
        world.stage.note();
        let began = Instant::now();
        world.proxy.signal("TERM");
        assert_eq!(world.proxy.wait(), Some(0));
        let ended = Instant::now();
        let report = world.load.end();
        assert_failures(&report.failures, began, ended + HANG, &[CLOSED, NOT_TAKEN]);
        let arrived = world.stage.arrived();
        let lost: Vec<_> = report
            .failures
            .iter()
            .filter(|failure| arrived.contains(&failure.target))
            .collect();
        assert!(lost.is_empty(), "{lost:?}");
        let closed = report.codes().get(CLOSED).copied().unwrap_or(0);
        // At most the one that each client had sent when its connection ended.
        assert!(closed <= 8, "{closed} were closed without an answer");
    }
}

/// Clients that find nobody go on until they are told.
const HANG: std::time::Duration = std::time::Duration::from_secs(60);
