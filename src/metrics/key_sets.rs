//! The series of the key sets that issuers publish, labelled by site and issuer.

use std::time::Duration;

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::{counters, labels, name};

/// How key sets stand and how their fetches end.
pub struct KeySetMetrics {
    refreshes: IntCounterVec,
    age: IntGaugeVec,
    keys: IntGaugeVec,
}

impl KeySetMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            refreshes: counters(
                "key_set_refreshes_total",
                "Fetches of an issuer's key set, by result",
                &["site", "issuer", "result"],
            )?,
            age: gauges(
                "key_set_age_seconds",
                "Time since the key set in use was fetched; 0 while there is none",
            )?,
            keys: gauges(
                "key_set_keys",
                "Keys in use; with 0, no token of the issuer can be judged",
            )?,
        };
        registry.register(Box::new(metrics.refreshes.clone()))?;
        registry.register(Box::new(metrics.age.clone()))?;
        registry.register(Box::new(metrics.keys.clone()))?;
        Ok(metrics)
    }

    /// Creates the series of an issuer at zero, for every result that is ever counted.
    pub fn create<'a>(&self, site: &str, issuer: &str, results: impl IntoIterator<Item = &'a str>) {
        for result in results {
            self.refreshes.with_label_values(&[site, issuer, result]);
        }
        self.set(site, issuer, Duration::ZERO, 0);
    }

    pub(super) fn remove_site(&self, site: &str) {
        labels::remove_site(&self.refreshes, site);
        labels::remove_site(&self.age, site);
        labels::remove_site(&self.keys, site);
    }

    /// Counts what became of a key set.
    pub fn count(&self, site: &str, issuer: &str, result: &'static str) {
        self.refreshes
            .with_label_values(&[site, issuer, result])
            .inc();
    }

    /// Notes the age of a key set in whole seconds, and its number of keys.
    pub fn set(&self, site: &str, issuer: &str, age: Duration, keys: usize) {
        let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        self.age.with_label_values(&[site, issuer]).set(age);
        let keys = i64::try_from(keys).unwrap_or(i64::MAX);
        self.keys.with_label_values(&[site, issuer]).set(keys);
    }
}

fn gauges(short_name: &str, help: &str) -> Result<IntGaugeVec, prometheus::Error> {
    IntGaugeVec::new(Opts::new(name(short_name), help), &["site", "issuer"])
}
