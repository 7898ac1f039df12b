//! What clients get while something fails around the program: under steady load, from clients that know the right answer
//! to each request. No answer is ever wrong, which of them fail is a rule that is stated, and when the fault is over none
//! does.

mod app;
mod around;
mod change;
mod clock;
mod limits;

use std::time::Instant;

use crate::support::load::{Failure, Load, Plan, routes};
use crate::support::proxy::Launch;
use crate::support::stage::Stage;
use crate::support::{Proxy, config};

/// The program in front of an app, with clients at work.
struct World {
    stage: Stage,
    proxy: Proxy,
    load: Load,
}

impl World {
    /// The lines of `runtime` belong to `[runtime]`; tables may follow.
    fn start(runtime: &str) -> Self {
        Self::launch(|text| text, runtime, Launch::default())
    }

    /// The same with a changed configuration, started in a way of its own.
    fn launch(change: impl FnOnce(String) -> String, runtime: &str, launch: Launch<'_>) -> Self {
        let stage = Stage::start();
        let proxy = Proxy::launch(&change(settings(&stage, runtime)), launch);
        let load = Plan::at(proxy.address).start();
        load.settle();
        Self { stage, proxy, load }
    }
}

/// The configuration; not every request is logged in full, because there are many.
fn settings(stage: &Stage, runtime: &str) -> String {
    config(stage.address, &routes(runtime)).replace("\"trace\"", "\"info\"")
}

/// Asserts that each request that failed was under way between these moments, and that one of these became of it.
pub(crate) fn assert_failures(
    failures: &[Failure],
    began: Instant,
    ended: Instant,
    codes: &[&str],
) {
    for failure in failures {
        assert!(
            failure.ended >= began && failure.began <= ended,
            "a request failed outside of the fault: {failure:?}, {began:?} to {ended:?}"
        );
        assert!(codes.contains(&&*failure.code), "{failure:?}");
    }
}
