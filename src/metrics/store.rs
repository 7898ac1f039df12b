//! The series of the store of a fleet; there are none without one.

use std::time::Duration;

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

use super::{counters, name};

/// How the store stands and what it is asked.
#[derive(Clone)]
pub struct StoreMetrics {
    up: IntGauge,
    lag: IntGauge,
    nodes: IntGauge,
    operations: IntCounterVec,
    reconnects: IntCounter,
    ignored: IntCounter,
}

impl StoreMetrics {
    /// Registers them at zero, for every operation and result that is ever counted.
    pub(super) fn new<'a>(
        registry: &Registry,
        operations: impl IntoIterator<Item = &'a str>,
        results: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Result<Self, prometheus::Error> {
        let gauge = |short_name: &str, help: &str| IntGauge::new(name(short_name), help);
        let metrics = Self {
            up: gauge("store_up", "1 while the store of the fleet is there")?,
            lag: gauge(
                "store_lag_seconds",
                "How old what this node knows of the others is; -1 when nothing was ever read",
            )?,
            nodes: gauge(
                "store_nodes",
                "Nodes of the fleet that were last seen, this one with them",
            )?,
            operations: counters(
                "store_operations_total",
                "What the store of the fleet was asked, by operation and result",
                &["operation", "result"],
            )?,
            reconnects: IntCounter::new(
                name("store_reconnects_total"),
                "How often the store of the fleet came back",
            )?,
            ignored: IntCounter::new(
                name("store_ignored_records_total"),
                "Records of the store that no node writes so: damaged, or dated far ahead",
            )?,
        };
        registry.register(Box::new(metrics.up.clone()))?;
        registry.register(Box::new(metrics.lag.clone()))?;
        registry.register(Box::new(metrics.nodes.clone()))?;
        registry.register(Box::new(metrics.operations.clone()))?;
        registry.register(Box::new(metrics.reconnects.clone()))?;
        registry.register(Box::new(metrics.ignored.clone()))?;
        for operation in operations {
            for result in results.clone() {
                metrics.operations.with_label_values(&[operation, result]);
            }
        }
        Ok(metrics)
    }

    /// Counts something that was asked.
    pub fn count(&self, operation: &str, result: &str) {
        self.operations
            .with_label_values(&[operation, result])
            .inc();
    }

    /// Counts that the store came back.
    pub fn count_reconnected(&self) {
        self.reconnects.inc();
    }

    /// Counts a record that was not taken in.
    pub fn count_ignored(&self) {
        self.ignored.inc();
    }

    /// Notes whether it is there, how old what was read of it is, and how many nodes there are.
    pub fn set(&self, is_up: bool, lag: Option<Duration>, nodes: u32) {
        self.up.set(is_up.into());
        let lag = lag.map_or(-1, |lag| i64::try_from(lag.as_secs()).unwrap_or(i64::MAX));
        self.lag.set(lag);
        self.nodes.set(nodes.into());
    }
}
