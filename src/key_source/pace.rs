//! When to fetch: pure arithmetic over moments and a random number that are passed in.
//!
//! Three rules keep a key server unharmed by us and by whoever sends tokens to us: success sets a regular pace, failure
//! a growing pause, and a token with an unknown key may bring the next fetch forward only within a budget.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::token::keys::MAX_KEY_ID_BYTES;

/// The pause after a success: `refresh`, or less when the server calls its document fresh for less, but not below
/// [`MIN_FRESH`]; up to a tenth earlier by `jitter` (0 to 1), so that a fleet does not fetch in step.
pub(super) fn after_success(refresh: Duration, fresh: Option<Duration>, jitter: f64) -> Duration {
    let shortest = MIN_FRESH.min(refresh);
    let pause = fresh.map_or(refresh, |fresh| fresh.clamp(shortest, refresh));
    pause.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 10.0)
}

/// The pause after the `failures`-th failure in a row: 1 s, doubled each time up to [`MAX_BACKOFF`], of which `jitter`
/// takes up to a half; never less than the server asked for, up to [`MAX_RETRY_AFTER`].
pub(super) fn after_failure(failures: u32, retry_after: Option<Duration>, jitter: f64) -> Duration {
    let jitter = jitter.clamp(0.0, 1.0);
    let doublings = failures.saturating_sub(1).min(16);
    let backoff = (FIRST_BACKOFF * 2_u32.pow(doublings)).min(MAX_BACKOFF);
    let asked = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER);
    backoff
        .mul_f64(1.0 - jitter / 2.0)
        .max(asked.mul_f64(1.0 + jitter / 10.0))
}

/// One fetch on demand in each [`BUDGET_PERIOD`], none saved up.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    next: Option<Instant>,
}

impl Budget {
    /// Spends the fetch of this period, if it is still there.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.next.is_some_and(|next| now < next) {
            return false;
        }
        self.next = Some(now + BUDGET_PERIOD);
        true
    }
}

/// Key ids that a fresh set did not have, each for [`ASKED_PERIOD`]; at most [`MAX_ASKED`], the oldest go first.
#[derive(Clone, Debug, Default)]
pub(super) struct AskedKeys {
    ids: HashSet<String>,
    order: VecDeque<(Instant, String)>,
}

impl AskedKeys {
    /// Whether a set was fetched for this id not long ago. An id longer than any key has needs no fetch.
    pub(super) fn contains(&mut self, id: &str, now: Instant) -> bool {
        self.drop_while(|asked, _| now.duration_since(asked) >= ASKED_PERIOD);
        id.len() > MAX_KEY_ID_BYTES || self.ids.contains(id)
    }

    /// Remembers an id that a fetch was made for at `now`.
    pub(super) fn insert(&mut self, id: &str, now: Instant) {
        if id.len() > MAX_KEY_ID_BYTES || !self.ids.insert(id.to_owned()) {
            return;
        }
        self.order.push_back((now, id.to_owned()));
        self.drop_while(|_, count| count > MAX_ASKED);
    }

    /// Forgets all, for a set that changed.
    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.order.clear();
    }

    fn drop_while(&mut self, is_over: impl Fn(Instant, usize) -> bool) {
        while let Some((asked, _)) = self.order.front() {
            if !is_over(*asked, self.order.len()) {
                return;
            }
            if let Some((_, id)) = self.order.pop_front() {
                self.ids.remove(&id);
            }
        }
    }
}

/// The shortest freshness of a server that is believed.
const MIN_FRESH: Duration = Duration::from_secs(60);

const FIRST_BACKOFF: Duration = Duration::from_secs(1);

const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// The longest pause that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// How often tokens with unknown keys may cause a fetch, for each issuer.
pub(super) const BUDGET_PERIOD: Duration = Duration::from_secs(10);

/// For how long an unknown key id causes no further fetch.
pub(super) const ASKED_PERIOD: Duration = Duration::from_secs(30);

/// How many unknown key ids are remembered, for each issuer.
pub(super) const MAX_ASKED: usize = 1024;

#[cfg(test)]
mod tests;
