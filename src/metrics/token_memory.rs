//! The series of the memory of verified tokens.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::{counters, labels, name};

/// How often a token was known already, and how full the memory is.
pub struct TokenMemoryMetrics {
    lookups: IntCounterVec,
    evictions: IntCounterVec,
    tokens: IntGaugeVec,
    bytes: IntGaugeVec,
}

impl TokenMemoryMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            lookups: counters(
                "token_memory_lookups_total",
                "Good session tokens, by site and whether they were known (hit) or had to be verified (miss)",
                &["site", "result"],
            )?,
            evictions: counters(
                "token_memory_evictions_total",
                "Tokens that left the full memory of verified tokens of a site for others",
                &["site"],
            )?,
            tokens: gauges("token_memory_tokens", "Tokens that are remembered, by site")?,
            bytes: gauges(
                "token_memory_bytes",
                "About how many bytes the remembered tokens take, by site",
            )?,
        };
        registry.register(Box::new(metrics.lookups.clone()))?;
        registry.register(Box::new(metrics.evictions.clone()))?;
        registry.register(Box::new(metrics.tokens.clone()))?;
        registry.register(Box::new(metrics.bytes.clone()))?;
        Ok(metrics)
    }

    pub(super) fn create_site(&self, site: &str) {
        for result in [HIT, MISS] {
            self.lookups.with_label_values(&[site, result]);
        }
        self.set(site, (0, 0), 0);
    }

    pub(super) fn remove_site(&self, site: &str) {
        labels::remove_site(&self.lookups, site);
        labels::remove_site(&self.evictions, site);
        labels::remove_site(&self.tokens, site);
        labels::remove_site(&self.bytes, site);
    }

    /// Counts a good token, which was known or not.
    pub fn count(&self, site: &str, was_known: bool) {
        let result = if was_known { HIT } else { MISS };
        self.lookups.with_label_values(&[site, result]).inc();
    }

    /// Notes how many tokens are remembered and how many bytes they take, and how many have left so far.
    pub fn set(&self, site: &str, (tokens, bytes): (usize, usize), evicted: u64) {
        let as_gauge = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.tokens.with_label_values(&[site]).set(as_gauge(tokens));
        self.bytes.with_label_values(&[site]).set(as_gauge(bytes));
        let counter = self.evictions.with_label_values(&[site]);
        counter.inc_by(evicted.saturating_sub(counter.get()));
    }
}

fn gauges(short_name: &str, help: &str) -> Result<IntGaugeVec, prometheus::Error> {
    IntGaugeVec::new(Opts::new(name(short_name), help), &["site"])
}

const HIT: &str = "hit";
const MISS: &str = "miss";
