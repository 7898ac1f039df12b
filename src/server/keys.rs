//! The key sets that issuers publish: fetched on a thread of their own, used, counted and logged.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use crate::authorize::Authorizer;
use crate::config::KeySetSource;
use crate::key_source::{
    FetchError, KeySource, KeySourceError, Observer, Refresh, Refreshed, SettingsError,
    SourceSettings, SourceStatus, TrustRoots,
};
use crate::metrics::Metrics;
use crate::proxy::KeyRefresher;
use crate::token::keys::KeySet;
use crate::token::verify::WantedKey;

/// The published key sets of all issuers; there may be none.
#[derive(Clone)]
pub(super) struct Keys(Arc<KeySource>);

impl Keys {
    /// Sets the sources up; nothing is fetched before the service starts.
    pub(super) fn new(
        sources: Vec<KeySetSource>,
        authorizer: Arc<Authorizer>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Vec<KeySourceError>> {
        let results = [CHANGED, UNCHANGED, EXPIRED];
        for source in &sources {
            let results = results.into_iter().chain(FetchError::REASONS);
            metrics.key_sets().create(&source.name, results);
        }
        let settings = sources
            .into_iter()
            .map(settings)
            .collect::<Result<_, _>>()
            .map_err(|error| vec![error])?;
        let publisher = Publisher {
            authorizer,
            metrics,
        };
        KeySource::new(settings, Arc::new(publisher)).map(|source| Self(Arc::new(source)))
    }

    /// Notes in the metrics how the sets stand.
    pub(super) fn measure(&self, metrics: &Metrics) {
        for status in self.0.status() {
            let age = status.age.unwrap_or_default();
            metrics.key_sets().set(&status.name, age, status.keys);
        }
    }

    /// One line for each set.
    pub(super) fn report(&self) -> String {
        self.0.status().iter().map(line).collect()
    }
}

#[async_trait]
impl BackgroundService for Keys {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let stop = async {
            // An error means that the server is gone, which is a stop as well.
            let _ = shutdown.changed().await;
        };
        self.0.run(stop).await;
    }
}

#[async_trait]
impl KeyRefresher for Keys {
    async fn refresh(&self, wanted: &WantedKey) -> bool {
        let key_id = wanted.key_id.as_deref();
        let refreshed = self.0.refresh_for_unknown_key(wanted.issuer, key_id).await;
        refreshed == Refreshed::Fresh
    }
}

fn settings(source: KeySetSource) -> Result<SourceSettings, KeySourceError> {
    let roots = match source.ca.as_deref().map(TrustRoots::parse).transpose() {
        Ok(roots) => roots.unwrap_or_default(),
        Err(error) => return Err(source_error(source, error)),
    };
    let KeySetSource {
        issuer,
        name,
        location,
        algorithms,
        ..
    } = source;
    Ok(SourceSettings {
        allow_private: source.allow_private,
        refresh: source.refresh,
        max_age: source.max_age,
        roots,
        ..SourceSettings::new(issuer, name, location, algorithms)
    })
}

fn source_error(source: KeySetSource, error: SettingsError) -> KeySourceError {
    KeySourceError {
        issuer: source.issuer,
        name: source.name,
        error,
    }
}

fn line(status: &SourceStatus) -> String {
    let SourceStatus {
        name,
        keys,
        failures,
        ..
    } = status;
    let set = match status.age.map(|age| Duration::from_secs(age.as_secs())) {
        Some(age) => format!("{keys} in use, {} old", humantime::format_duration(age)),
        None => "none".to_owned(),
    };
    let failure = match &status.last_error {
        Some(error) => format!(
            "; failed fetches: {failures}, the last by {}",
            error.reason()
        ),
        None => String::new(),
    };
    format!("keys of {name}: {set}{failure}\n")
}

/// Puts key sets to use and says what became of them.
struct Publisher {
    authorizer: Arc<Authorizer>,
    metrics: Arc<Metrics>,
}

impl Observer for Publisher {
    fn publish(&self, issuer: usize, keys: KeySet) {
        self.authorizer.replace_keys(issuer, &keys);
    }

    fn refreshed(&self, _: usize, issuer: &str, refresh: Refresh<'_>) {
        let result = match refresh {
            Refresh::Loaded { changed: false, .. } => UNCHANGED,
            Refresh::Loaded { keys, ignored, .. } => {
                tracing::info!(issuer, keys, ignored = ignored.len(), "new key set");
                for key in ignored {
                    let position = key.position + 1;
                    tracing::warn!(issuer, position, reason = %key.reason, "key ignored");
                }
                CHANGED
            }
            Refresh::Failed(error) => {
                tracing::warn!(issuer, reason = error.reason(), %error, "no new key set");
                error.reason()
            }
            Refresh::Expired => {
                tracing::error!(issuer, "the key set is too old; its tokens get 503 now");
                EXPIRED
            }
        };
        self.metrics.key_sets().count(issuer, result);
    }
}

const CHANGED: &str = "changed";
const UNCHANGED: &str = "unchanged";
const EXPIRED: &str = "expired";
