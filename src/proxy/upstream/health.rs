//! Whether one address should be asked: what its checks say, and whether connections to it stand.
//!
//! Pure: the time is an argument. Only what no client can bring about counts against an address, which is a connection
//! that fails; an error that the app answers, or an answer that takes too long, may be the request's own doing, and three
//! such requests must not take a server away from everybody.

use std::time::Duration;

use tokio::time::Instant;

/// How many checks in a row change the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Failed checks until an address is out.
    pub unhealthy_after: u32,
    /// Passed checks until it is back.
    pub healthy_after: u32,
}

/// What is known of one address. A new one is healthy until it fails.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    checked: Checked,
    /// Connections that failed since the last that stood.
    failures: u32,
    /// Set while connections fail; from then on one request in [`COOL_DOWN`] tries it.
    out_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Checked {
    Passing { failed: u32 },
    Failing { passed: u32 },
}

impl Default for Checked {
    fn default() -> Self {
        Self::Passing { failed: 0 }
    }
}

impl Health {
    /// Whether requests go here without a second thought.
    pub(super) fn is_healthy(&self) -> bool {
        self.is_passing() && self.out_until.is_none()
    }

    /// Whether a request may go here now, be it as a trial after a cool-down.
    pub(super) fn may_try(&self, now: Instant) -> bool {
        self.is_passing() && self.out_until.is_none_or(|until| until <= now)
    }

    /// A request goes here: after a cool-down it is the only one until the next.
    pub(super) fn choose(&mut self, now: Instant) {
        if self.out_until.is_some_and(|until| until <= now) {
            self.out_until = Some(now + COOL_DOWN);
        }
    }

    /// A new connection stands.
    pub(super) fn connected(&mut self) {
        self.failures = 0;
        self.out_until = None;
    }

    /// A connection failed.
    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= MAX_FAILURES {
            self.out_until = Some(now + COOL_DOWN);
        }
    }

    /// A check ended. One that passes made a connection, too.
    pub(super) fn checked(&mut self, passed: bool, thresholds: Thresholds) {
        if passed {
            self.connected();
        }
        let verdict = &mut self.checked;
        *verdict = match (*verdict, passed) {
            (Checked::Passing { .. }, true) => Checked::Passing { failed: 0 },
            (Checked::Failing { .. }, false) => Checked::Failing { passed: 0 },
            (Checked::Passing { failed }, false) if failed + 1 < thresholds.unhealthy_after => {
                Checked::Passing { failed: failed + 1 }
            }
            (Checked::Passing { .. }, false) => Checked::Failing { passed: 0 },
            (Checked::Failing { passed }, true) if passed + 1 < thresholds.healthy_after => {
                Checked::Failing { passed: passed + 1 }
            }
            (Checked::Failing { .. }, true) => Checked::Passing { failed: 0 },
        };
    }

    /// Forgets what checks said, where there are none any more.
    pub(super) fn forget_checks(&mut self) {
        self.checked = Checked::default();
    }

    fn is_passing(&self) -> bool {
        matches!(self.checked, Checked::Passing { .. })
    }
}

/// Failed connections in a row until an address is left out.
pub(super) const MAX_FAILURES: u32 = 3;
/// How long it is left out before one request tries it again.
pub(super) const COOL_DOWN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Thresholds = Thresholds {
        unhealthy_after: 3,
        healthy_after: 2,
    };
    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn three_failed_connections_in_a_row_take_an_address_out() {
        let now = Instant::now();
        let mut health = Health::default();
        for _ in 0..5 {
            health.failed(now);
            health.failed(now);
            assert!(health.is_healthy() && health.may_try(now));
            health.connected();
        }
        for _ in 0..MAX_FAILURES {
            health.failed(now);
        }
        assert!(!health.is_healthy() && !health.may_try(now));
        health.connected();
        assert!(health.is_healthy() && health.may_try(now));
    }

    #[test]
    fn after_the_cool_down_one_request_at_a_time_tries_it() {
        let mut now = Instant::now();
        let mut health = Health::default();
        (0..MAX_FAILURES).for_each(|_| health.failed(now));
        assert!(!health.may_try(now + COOL_DOWN - MOMENT));
        for _ in 0..3 {
            now += COOL_DOWN;
            assert!(health.may_try(now) && !health.is_healthy());
            health.choose(now);
            assert!(!health.may_try(now + MOMENT), "a second one");
        }
        health.failed(now);
        assert!(!health.may_try(now + COOL_DOWN - MOMENT));
        health.connected();
        health.choose(now);
        assert!(health.may_try(now));
    }

    #[test]
    fn checks_change_the_verdict_at_their_thresholds() {
        let now = Instant::now();
        let mut health = Health::default();
        let after = |health: &mut Health, passed: bool| {
            health.checked(passed, RULE);
            health.is_healthy()
        };
        for (step, (passed, healthy)) in [
            (false, true),
            (false, true),
            (true, true),
            (false, true),
            (false, true),
            (false, false),
            (true, false),
            (false, false),
            (true, false),
            (true, true),
            (false, true),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(after(&mut health, passed), healthy, "step {step}");
            assert_eq!(health.may_try(now), healthy, "step {step}");
        }
    }

    #[test]
    fn a_passed_check_ends_a_cool_down_and_a_connection_no_verdict() {
        let now = Instant::now();
        let mut health = Health::default();
        (0..MAX_FAILURES).for_each(|_| health.failed(now));
        health.checked(true, RULE);
        assert!(health.is_healthy());
        (0..3).for_each(|_| health.checked(false, RULE));
        health.connected();
        assert!(!health.is_healthy());
        health.forget_checks();
        assert!(health.is_healthy());
    }
}
