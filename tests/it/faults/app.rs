//! The app is down, slow, or half-dead.

use std::time::Instant;

use super::{World, assert_failures};
use crate::support::load::CUT;
use crate::support::stage::Mode;

/// Chat's logins need no app, so they go on while it is away.
fn assert_logins_go_on(world: &World) {
    let failed = world.load.failed();
    let right = world.load.right();
    world.load.wait_for_failures(failed + 20);
    assert!(world.load.right() > right);
}

#[test]
fn while_the_app_is_down_its_requests_get_502_and_when_it_is_back_none_does() {
    let world = World::start("");
    for _ in 0..3 {
        let (failed, began) = (world.load.failed(), Instant::now());
        world.stage.stop();
        world.load.wait_for_failures(failed + 20);
        assert_logins_go_on(&world);
        world.stage.start_again();
        let back = Instant::now();
        world.load.settle();
        let failures = world.load.failures();
        let codes = ["upstream_unreachable", "upstream_invalid"];
        assert_failures(&failures[failed..], began, back, &codes);
    }
    let report = world.load.end();
    assert!(
        report
            .failures
            .iter()
            .all(|failure| asks_app(&failure.target))
    );
    // What the app had begun to work on is not sent again; at most one request of each client, each time.
    let codes = report.codes();
    assert!(
        codes.get("upstream_invalid").copied().unwrap_or(0) <= 12,
        "{codes:?}"
    );
}

fn asks_app(target: &str) -> bool {
    target.starts_with("/app/") || target.starts_with("/public/")
}

#[test]
fn while_the_app_is_silent_its_requests_get_504_and_when_it_speaks_none_does() {
    let world = World::launch(
        |text| text.replace("[chat]", "read_timeout = \"4s\"\n[chat]"),
        "",
        Default::default(),
    );
    let began = Instant::now();
    world.stage.set(Mode::Silent);
    world.load.wait_for_failures(12);
    world.stage.set(Mode::Well);
    let back = Instant::now();
    world.load.settle();
    let held = world.stage.held();
    let report = world.load.end();
    assert_failures(&report.failures, began, back, &["upstream_timeout"]);
    // Each waited for the app, once: nobody knows whether it has acted on it.
    assert!(
        report
            .failures
            .iter()
            .all(|failure| asks_app(&failure.target))
    );
    assert!(
        report.failures.len() <= held,
        "{} of {held}",
        report.failures.len()
    );
    assert!(
        held <= report.failures.len() + 4,
        "{} of {held}",
        report.failures.len()
    );
}

#[test]
fn half_an_answer_is_never_taken_for_a_whole_one() {
    let world = World::start("");
    for (mode, codes) in [
        (Mode::HalfHeader, ["upstream_invalid"]),
        (Mode::HalfBody, [CUT]),
    ] {
        let (failed, began) = (world.load.failed(), Instant::now());
        world.stage.set(mode);
        world.load.wait_for_failures(failed + 20);
        assert_logins_go_on(&world);
        world.stage.set(Mode::Well);
        let back = Instant::now();
        world.load.settle();
        let failures = world.load.failures();
        assert_failures(&failures[failed..], began, back, &codes);
        assert!(failures.iter().all(|failure| asks_app(&failure.target)));
    }
    world.load.end();
}
