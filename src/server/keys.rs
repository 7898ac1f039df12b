//! The key sets that issuers publish: fetched in the background, used, counted and logged.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::authorize::Authorizer;
use crate::config::KeySetSource;
use crate::key_source::{
    FetchError, KeySource, KeySourceError, Observer, Refresh, Refreshed, SettingsError,
    SourceSettings, SourceStatus, TrustRoots,
};
use crate::metrics::Metrics;
use crate::proxy::KeyRefresher;
use crate::status_page::KeySetStanding;
use crate::token::keys::KeySet;
use crate::token::verify::WantedKey;

/// The published key sets of a site's issuers; there may be none.
#[derive(Clone)]
pub(super) struct Keys {
    site: Arc<str>,
    source: Arc<KeySource>,
}

impl Keys {
    /// Sets the sources up; nothing is fetched before the service starts.
    pub(super) fn new(
        site: Arc<str>,
        sources: Vec<KeySetSource>,
        authorizer: Arc<Authorizer>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Vec<KeySourceError>> {
        let settings = sources
            .into_iter()
            .map(settings)
            .collect::<Result<_, _>>()
            .map_err(|error| vec![error])?;
        let publisher = Publisher {
            site: site.clone(),
            authorizer,
            metrics,
        };
        let source = Arc::new(KeySource::new(settings, Arc::new(publisher))?);
        Ok(Self { site, source })
    }

    /// Creates their series at zero. Those that are there stay as they are.
    pub(super) fn create_series(&self, metrics: &Metrics) {
        for status in self.source.status() {
            let results = [CHANGED, UNCHANGED, EXPIRED].into_iter();
            let results = results.chain(FetchError::REASONS);
            let series = metrics.key_sets();
            series.create(&self.site, &status.name, results);
        }
    }

    /// Goes on where `earlier` is, for the sources that are the same.
    pub(super) fn inherit(&self, earlier: &Self) {
        self.source.inherit(&earlier.source);
    }

    /// Loads the sets and keeps them fresh until it is dropped.
    pub(super) async fn run(self) {
        self.source.run(std::future::pending()).await;
    }

    /// Whether none is still to come.
    pub(super) fn are_loaded(&self) -> bool {
        let statuses = self.source.status();
        statuses.iter().all(|status| status.age.is_some())
    }

    /// Notes in the metrics how the sets stand.
    pub(super) fn measure(&self, metrics: &Metrics) {
        for status in self.source.status() {
            let age = status.age.unwrap_or_default();
            metrics
                .key_sets()
                .set(&self.site, &status.name, age, status.keys);
        }
    }

    /// How each set stands, for the status page.
    pub(super) fn standing(&self) -> Vec<KeySetStanding> {
        let statuses = self.source.status().into_iter();
        let standing = |status: SourceStatus| KeySetStanding {
            site: self.site.to_string(),
            issuer: status.name,
            keys: status.keys,
            age: status.age,
            next_refresh: status.next_refresh,
            failures: status.failures,
            failed_by: status.last_error.map(|error| error.reason()),
        };
        statuses.map(standing).collect()
    }

    /// One line for each set.
    pub(super) fn report(&self) -> String {
        let statuses = self.source.status();
        statuses
            .iter()
            .map(|status| line(&self.site, status))
            .collect()
    }
}

#[async_trait]
impl KeyRefresher for Keys {
    async fn refresh(&self, wanted: &WantedKey) -> bool {
        let key_id = wanted.key_id.as_deref();
        let refreshed = self.source.refresh_for_unknown_key(wanted.issuer, key_id);
        let refreshed = refreshed.await;
        refreshed == Refreshed::Fresh
    }
}

pub(super) fn settings(source: KeySetSource) -> Result<SourceSettings, KeySourceError> {
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

fn line(site: &str, status: &SourceStatus) -> String {
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
    format!("keys of {name} of site {site}: {set}{failure}\n")
}

/// Puts key sets to use and says what became of them.
struct Publisher {
    site: Arc<str>,
    authorizer: Arc<Authorizer>,
    metrics: Arc<Metrics>,
}

impl Observer for Publisher {
    fn publish(&self, issuer: usize, keys: KeySet) {
        self.authorizer.replace_keys(issuer, &keys);
    }

    fn refreshed(&self, _: usize, issuer: &str, refresh: Refresh<'_>) {
        let site = &*self.site;
        let result = match refresh {
            Refresh::Loaded { changed: false, .. } => UNCHANGED,
            Refresh::Loaded { keys, ignored, .. } => {
                tracing::info!(site, issuer, keys, ignored = ignored.len(), "new key set");
                for key in ignored {
                    let position = key.position + 1;
                    tracing::warn!(site, issuer, position, reason = %key.reason, "key ignored");
                }
                CHANGED
            }
            Refresh::Failed(error) => {
                tracing::warn!(site, issuer, reason = error.reason(), %error, "no new key set");
                error.reason()
            }
            Refresh::Expired => {
                tracing::error!(
                    site,
                    issuer,
                    "the key set is too old; its tokens get 503 now"
                );
                EXPIRED
            }
        };
        self.metrics.key_sets().count(site, issuer, result);
    }
}

const CHANGED: &str = "changed";
const UNCHANGED: &str = "unchanged";
const EXPIRED: &str = "expired";
