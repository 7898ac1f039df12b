//! One key set over time: a single task fetches it, everybody else reads, waits or is turned away.
//!
//! Only [`Source::keep_fresh`] fetches, so there is never more than one fetch, and a caller that goes away takes none
//! with it. A good set is published before those who wait are woken.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::discovery;
use super::fetch::{Document, Failure, Fetch, FetchError};
use super::pace;
use super::settings::SourceSettings;
use super::state::{Admission, Good, State, later};
use super::{Observer, Refresh, Refreshed, SourceStatus};
use crate::json;
use crate::token::keys::KeySet;
use crate::token::keys::location::Location;

pub(super) struct Source<F> {
    settings: SourceSettings,
    fetcher: F,
    observer: Arc<dyn Observer>,
    state: Mutex<State>,
    wake: Notify,
    ended: watch::Sender<Outcome>,
}

/// How a fetch ended.
#[derive(Clone, Copy)]
enum Outcome {
    Good,
    Failed,
}

impl<F: Fetch> Source<F> {
    pub(super) fn new(settings: SourceSettings, fetcher: F, observer: Arc<dyn Observer>) -> Self {
        Self {
            settings,
            fetcher,
            observer,
            state: Mutex::new(State::new(Instant::now())),
            wake: Notify::new(),
            ended: watch::Sender::new(Outcome::Failed),
        }
    }

    pub(super) fn issuer(&self) -> usize {
        self.settings.issuer
    }

    /// Goes on where `earlier` is, when its keys are to be trusted just the same; whether they are.
    pub(super) fn inherit(&self, earlier: &Self) -> bool {
        if !self.settings.trusts_the_same(&earlier.settings) {
            return false;
        }
        let mut state = earlier.state.lock().clone();
        state.refresh_by(later(Instant::now(), self.settings.refresh));
        let keys = state.good.as_ref().map(|good| good.keys.clone());
        *self.state.lock() = state;
        if let Some(keys) = keys {
            self.observer.publish(self.settings.issuer, keys);
        }
        true
    }

    /// Fetches whenever it is time or somebody asks, until it is dropped.
    pub(super) async fn keep_fresh(self: Arc<Self>) {
        loop {
            self.expire();
            if self.state.lock().begin_if_due(Instant::now()) {
                self.refresh().await;
            }
            let deadline = self.state.lock().next_deadline(self.settings.max_age);
            // Both ends mean the same: look again at what is due.
            let _ = timeout_at(deadline, self.wake.notified()).await;
        }
    }

    /// Waits, at most [`MAX_WAIT`], for a set that may have the key of a token.
    pub(super) async fn refresh_for_unknown_key(&self, key_id: Option<&str>) -> Refreshed {
        if self.ended.receiver_count() >= MAX_WAITING {
            return Refreshed::NotNow;
        }
        // Subscribed before the state is looked at, so that the end of a fetch seen there is not missed.
        let mut ended = self.ended.subscribe();
        let admission = {
            let mut state = self.state.lock();
            if state.has_come(key_id) {
                return Refreshed::Fresh;
            }
            state.admit(key_id, Instant::now())
        };
        match admission {
            Admission::Refused => return Refreshed::NotNow,
            Admission::Start => self.wake.notify_one(),
            Admission::Join => (),
        }
        let Ok(Ok(())) = timeout(MAX_WAIT, ended.changed()).await else {
            return Refreshed::Failed;
        };
        let outcome = *ended.borrow();
        match (outcome, key_id) {
            (Outcome::Failed, _) => return Refreshed::Failed,
            (Outcome::Good, Some(id)) => self.state.lock().note_asked(id, Instant::now()),
            (Outcome::Good, None) => (),
        }
        Refreshed::Fresh
    }

    pub(super) fn status(&self) -> SourceStatus {
        let now = Instant::now();
        let state = self.state.lock();
        let good = state.good.as_ref();
        SourceStatus {
            issuer: self.settings.issuer,
            name: self.settings.name.clone(),
            age: good.map(|good| now.duration_since(good.fetched_at)),
            keys: good.map_or(0, |good| good.usable),
            ignored: good.map_or_else(Vec::new, |good| good.ignored.clone()),
            last_error: state.last_error.clone(),
            failures: state.failures,
            next_refresh: state.next_refresh.duration_since(now),
        }
    }

    async fn refresh(&self) {
        // Each of two fetches has its own limit; this one holds whatever becomes of those.
        let limit = self.settings.timeouts.total.saturating_mul(2);
        match timeout(limit, self.load()).await {
            Ok(Ok((good, fresh))) => self.accept(good, fresh),
            Ok(Err(failure)) => self.reject(failure),
            Err(_) => self.reject(FetchError::Timeout.into()),
        }
    }

    async fn load(&self) -> Result<(Good, Option<Duration>), Failure> {
        let document = match &self.settings.location {
            Location::Jwks(url) => self.fetcher.get(url).await?,
            Location::Oidc(issuer) => {
                let found = self.fetcher.get(issuer.discovery()).await?;
                let url = discovery::key_set_url(&found.body, issuer).map_err(FetchError::from)?;
                self.fetcher.get(&url).await?
            }
        };
        let Document { body, max_age } = document;
        let (keys, ignored) =
            KeySet::from_jwks(&body, &self.settings.algorithms).map_err(FetchError::from)?;
        let good = Good {
            usable: listed(&body).saturating_sub(ignored.len()),
            body,
            keys,
            ignored,
            fetched_at: Instant::now(),
        };
        Ok((good, max_age))
    }

    fn accept(&self, good: Good, fresh: Option<Duration>) {
        let changed = self.state.lock().is_news(&good.body);
        if changed {
            self.observer
                .publish(self.settings.issuer, good.keys.clone());
        }
        let (keys, ignored) = (good.usable, good.ignored.clone());
        let pause = pace::after_success(self.settings.refresh, fresh, rand::random());
        self.end(Outcome::Good, |state| state.succeed(good, pause));
        self.report(Refresh::Loaded {
            changed,
            keys,
            ignored: &ignored,
        });
    }

    fn reject(&self, failure: Failure) {
        let error = failure.error.clone();
        self.end(Outcome::Failed, |state| {
            state.fail(failure, Instant::now(), rand::random());
        });
        self.report(Refresh::Failed(&error));
    }

    /// Wakes under the lock, so that nobody who sees the end of this fetch can mistake it for that of a next one.
    fn end(&self, outcome: Outcome, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        self.ended.send_replace(outcome);
    }

    fn expire(&self) {
        let expired = self
            .state
            .lock()
            .expire(Instant::now(), self.settings.max_age);
        if expired {
            self.observer
                .publish(self.settings.issuer, KeySet::unavailable());
            self.report(Refresh::Expired);
        }
    }

    fn report(&self, refresh: Refresh<'_>) {
        self.observer
            .refreshed(self.settings.issuer, &self.settings.name, refresh);
    }
}

/// The number of keys that a good set lists.
fn listed(body: &[u8]) -> usize {
    let set = json::parse_object(body).unwrap_or_default();
    let keys = set.get("keys").and_then(|keys| keys.as_array());
    keys.map_or(0, Vec::len)
}

/// The longest that a request with an unknown key waits.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(3);

/// How many requests may wait for one source; more are turned away at once.
pub(super) const MAX_WAITING: usize = 4096;

#[cfg(test)]
mod tests;
