//! What is known about one key set: the last good one, how its fetches go, and whether one may start now.
//!
//! Plain data behind a lock that is held for moments and never across a wait. Every method takes the moment it acts at.

use std::time::Duration;

use tokio::time::Instant;

use super::fetch::{Failure, FetchError};
use super::pace::{self, AskedKeys, Budget};
use crate::token::keys::{IgnoredKey, KeySet};

#[derive(Clone)]
pub(super) struct State {
    pub(super) good: Option<Good>,
    pub(super) last_error: Option<FetchError>,
    pub(super) failures: u32,
    pub(super) next_refresh: Instant,
    under_way: bool,
    budget: Budget,
    asked: AskedKeys,
}

/// A key set as it was last fetched.
#[derive(Clone)]
pub(super) struct Good {
    pub(super) body: Vec<u8>,
    pub(super) keys: KeySet,
    pub(super) usable: usize,
    pub(super) ignored: Vec<IgnoredKey>,
    pub(super) fetched_at: Instant,
}

/// What a caller with an unknown key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is the one that starts a fetch.
    Start,
    /// A fetch is under way; wait for that one.
    Join,
    /// No fetch is made for it now.
    Refused,
}

impl State {
    /// Nothing known, and a first fetch due, which early callers wait for.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            good: None,
            last_error: None,
            failures: 0,
            next_refresh: now,
            under_way: true,
            budget: Budget::default(),
            asked: AskedKeys::default(),
        }
    }

    /// Whether the set in use has the key: it came while the token was judged.
    pub(super) fn has_come(&self, key_id: Option<&str>) -> bool {
        let keys = self.good.as_ref().map(|good| &good.keys);
        keys.zip(key_id).is_some_and(|(keys, id)| keys.has_id(id))
    }

    /// Decides about a token whose key is not in the set. A pause after failures binds these fetches too.
    pub(super) fn admit(&mut self, key_id: Option<&str>, now: Instant) -> Admission {
        if key_id.is_some_and(|id| self.asked.contains(id, now)) {
            return Admission::Refused;
        }
        if self.under_way {
            return Admission::Join;
        }
        let pausing = self.failures > 0 && now < self.next_refresh;
        if pausing || !self.budget.take(now) {
            return Admission::Refused;
        }
        self.under_way = true;
        Admission::Start
    }

    /// Remembers that a fetch was made for this id.
    pub(super) fn note_asked(&mut self, key_id: &str, now: Instant) {
        self.asked.insert(key_id, now);
    }

    /// Whether to fetch at `now`; if so, a fetch is under way from here on.
    pub(super) fn begin_if_due(&mut self, now: Instant) -> bool {
        self.under_way |= now >= self.next_refresh;
        self.under_way
    }

    /// Whether `body` says something new.
    pub(super) fn is_news(&self, body: &[u8]) -> bool {
        self.good.as_ref().is_none_or(|good| good.body != body)
    }

    /// Ends a fetch that brought a good set; the next one is due after `pause`.
    pub(super) fn succeed(&mut self, good: Good, pause: Duration) {
        if self.is_news(&good.body) {
            self.asked.clear();
        }
        self.next_refresh = later(good.fetched_at, pause);
        self.good = Some(good);
        self.last_error = None;
        self.failures = 0;
        self.under_way = false;
    }

    /// Ends a fetch that failed; the last good set stays.
    pub(super) fn fail(&mut self, failure: Failure, now: Instant, jitter: f64) {
        self.failures = self.failures.saturating_add(1);
        let pause = pace::after_failure(self.failures, failure.retry_after, jitter);
        self.next_refresh = later(now, pause);
        self.last_error = Some(failure.error);
        self.under_way = false;
    }

    /// Drops a good set that is `max_age` old; whether there was one.
    pub(super) fn expire(&mut self, now: Instant, max_age: Duration) -> bool {
        let is_old = |good: &mut Good| now.duration_since(good.fetched_at) >= max_age;
        self.good.take_if(is_old).is_some()
    }

    /// When there is something to do again, if nobody asks before.
    pub(super) fn next_deadline(&self, max_age: Duration) -> Instant {
        match &self.good {
            Some(good) => self.next_refresh.min(later(good.fetched_at, max_age)),
            None => self.next_refresh,
        }
    }

    /// Brings the next fetch forward to `latest` at the latest.
    pub(super) fn refresh_by(&mut self, latest: Instant) {
        self.next_refresh = self.next_refresh.min(latest);
    }
}

/// `now + pause`, and for a pause beyond what a clock can count, a time that nobody waits for.
pub(super) fn later(now: Instant, pause: Duration) -> Instant {
    now.checked_add(pause).unwrap_or_else(|| now + TEN_YEARS)
}

const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
