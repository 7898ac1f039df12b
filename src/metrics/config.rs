//! The series of the configuration: which one is in force, and how the last reload went.

use prometheus::{IntCounterVec, IntGauge, Registry};

use super::{counters, name};
use crate::time::UnixTime;

/// How the configuration stands.
pub struct ConfigMetrics {
    reloads: IntCounterVec,
    generation: IntGauge,
    loaded: IntGauge,
    last_reload_successful: IntGauge,
    restart_needed: IntGauge,
}

impl ConfigMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            reloads: counters(
                "config_reloads_total",
                "Reloads of the configuration, by result",
                &["result"],
            )?,
            generation: gauge(
                "config_generation",
                "Which configuration is in force, counted from 1 at the start",
            )?,
            loaded: gauge(
                "config_loaded_timestamp_seconds",
                "When the configuration in force was loaded",
            )?,
            last_reload_successful: gauge(
                "config_last_reload_successful",
                "1, or 0 while the files say something that was refused, and the configuration before it stays",
            )?,
            restart_needed: gauge(
                "config_restart_needed",
                "1 when the file says something that only a restart can bring about",
            )?,
        };
        registry.register(Box::new(metrics.reloads.clone()))?;
        registry.register(Box::new(metrics.generation.clone()))?;
        registry.register(Box::new(metrics.loaded.clone()))?;
        registry.register(Box::new(metrics.last_reload_successful.clone()))?;
        registry.register(Box::new(metrics.restart_needed.clone()))?;
        for result in [APPLIED, REFUSED] {
            metrics.reloads.with_label_values(&[result]);
        }
        Ok(metrics)
    }

    /// Notes that a configuration is in force: the first, or one that a reload brought.
    pub fn set_loaded(&self, generation: u64, at: UnixTime, restart_needed: bool) {
        if generation > 1 {
            self.reloads.with_label_values(&[APPLIED]).inc();
        }
        self.generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
        self.loaded
            .set(i64::try_from(at.as_secs()).unwrap_or(i64::MAX));
        self.last_reload_successful.set(1);
        self.restart_needed.set(restart_needed.into());
    }

    /// Notes that the files say again what is in force, after a reload of other ones was refused.
    pub fn set_settled(&self) {
        self.last_reload_successful.set(1);
    }

    /// Counts a reload that changed nothing because the configuration has errors.
    pub fn count_refused(&self) {
        self.reloads.with_label_values(&[REFUSED]).inc();
        self.last_reload_successful.set(0);
    }
}

fn gauge(short_name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    IntGauge::new(name(short_name), help)
}

const APPLIED: &str = "applied";
const REFUSED: &str = "refused";
