//! Key sets that issuers publish over the network: fetched in the background, handed out when they change.
//!
//! A request never waits for a key that is known; whoever verifies holds the last published [`KeySet`]. Only a token
//! with an unknown key may bring a fetch forward, within a budget. When a source is down its last good set is used up
//! to an age; after that, and before the first success, there are no keys: never a default, never an unverified token.
//! Nothing here counts or logs: facts go to an [`Observer`].

mod discovery;
mod fetch;
mod pace;
mod resolve;
mod settings;
mod source;
mod state;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

pub use self::discovery::DiscoveryError;
use self::fetch::HttpFetcher;
pub use self::fetch::{Cause, FetchError, MAX_DOCUMENT_BYTES};
pub use self::settings::{
    DEFAULT_MAX_AGE, DEFAULT_REFRESH, MIN_REFRESH, SettingsError, SourceSettings, Timeouts,
    TrustRoots,
};
use self::source::Source;
use crate::token::keys::{IgnoredKey, KeySet};

/// The key sets of all issuers that publish theirs.
pub struct KeySource {
    sources: Vec<Arc<Source<HttpFetcher>>>,
}

/// Takes key sets and facts. Called from the task that fetches, so it must return soon.
pub trait Observer: Send + Sync + 'static {
    /// These are the keys of the issuer from now on; [`KeySet::unavailable`] when they became too old. Called
    /// only when they change, and before any request that waits for them goes on.
    fn publish(&self, issuer: usize, keys: KeySet);

    /// A fetch ended, or a set expired. Called for every one, after [`publish`](Self::publish).
    fn refreshed(&self, issuer: usize, name: &str, refresh: Refresh<'_>) {
        let _ = (issuer, name, refresh);
    }
}

/// What became of a key set.
#[derive(Clone, Debug)]
pub enum Refresh<'a> {
    /// A good set was fetched.
    Loaded {
        /// Whether it differs from the one before.
        changed: bool,
        /// The keys that are used.
        keys: usize,
        /// The keys that are not, and why.
        ignored: &'a [IgnoredKey],
    },
    /// A fetch failed; what was known stays.
    Failed(&'a FetchError),
    /// The last good set reached its `max_age`; there are no keys now.
    Expired,
}

/// What a request with an unknown key gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// A fetch ended well since it asked: verify once more, with what is published now.
    Fresh,
    /// No fetch is made for it now: the budget is spent, the key was asked for already, or the source is in a pause.
    NotNow,
    /// The fetch failed, or takes longer than a request waits (3 s).
    Failed,
}

/// How a key set stands.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    /// The issuer's index.
    pub issuer: usize,
    /// The issuer's name.
    pub name: String,
    /// The time since the set in use was fetched; `None` while there is none, so that its tokens cannot be judged.
    pub age: Option<Duration>,
    /// The number of keys in use.
    pub keys: usize,
    /// The listed keys that are not used, and why.
    pub ignored: Vec<IgnoredKey>,
    /// Why the last fetch failed; `None` when it did not.
    pub last_error: Option<FetchError>,
    /// Failed fetches since the last good one.
    pub failures: u32,
    /// The time until the next fetch; zero while one is due or under way.
    pub next_refresh: Duration,
}

/// A source that cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keys of issuer {name:?}: {error}")]
pub struct KeySourceError {
    /// The issuer's index.
    pub issuer: usize,
    /// The issuer's name.
    pub name: String,
    /// What is wrong.
    #[source]
    pub error: SettingsError,
}

impl KeySource {
    /// Sets the sources up, without any traffic; every source that cannot be is reported. The process must have a
    /// default rustls crypto provider.
    pub fn new(
        settings: Vec<SourceSettings>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, Vec<KeySourceError>> {
        let (mut sources, mut errors) = (Vec::new(), Vec::new());
        for settings in settings {
            let (issuer, name) = (settings.issuer, settings.name.clone());
            match fetcher(&settings) {
                Ok(fetcher) => {
                    let source = Source::new(settings, fetcher, Arc::clone(&observer));
                    sources.push(Arc::new(source));
                }
                Err(error) => errors.push(KeySourceError {
                    issuer,
                    name,
                    error,
                }),
            }
        }
        if errors.is_empty() {
            Ok(Self { sources })
        } else {
            Err(errors)
        }
    }

    /// Takes over what `earlier` knows about sources of the same issuer and trust, and publishes it, so that a reload
    /// loses no keys and makes no fetch. Call it before [`run`](Self::run).
    pub fn inherit(&self, earlier: &Self) {
        for source in &self.sources {
            earlier
                .sources
                .iter()
                .any(|candidate| source.inherit(candidate));
        }
    }

    /// Loads every set at once and keeps it fresh until `shutdown` completes; needs a tokio runtime with I/O and time.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        for source in &self.sources {
            tasks.spawn(Arc::clone(source).keep_fresh());
        }
        shutdown.await;
        tasks.shutdown().await;
    }

    /// For a token of `issuer` that no known key fits: makes or joins one fetch within the issuer's budget (one in 10 s;
    /// the same key id once in 30 s) and waits for it, at most 3 s.
    pub async fn refresh_for_unknown_key(&self, issuer: usize, key_id: Option<&str>) -> Refreshed {
        match self.sources.iter().find(|source| source.issuer() == issuer) {
            Some(source) => source.refresh_for_unknown_key(key_id).await,
            None => Refreshed::NotNow,
        }
    }

    /// How every set stands, in the order of the settings.
    pub fn status(&self) -> Vec<SourceStatus> {
        self.sources.iter().map(|source| source.status()).collect()
    }
}

fn fetcher(settings: &SourceSettings) -> Result<HttpFetcher, SettingsError> {
    settings.refuse_contradictions()?;
    HttpFetcher::new(settings)
}

#[cfg(test)]
mod tests;
