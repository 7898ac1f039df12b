//! The series of client connections.

use prometheus::{IntCounter, IntGauge, Opts, Registry};

use super::name;

/// How many client connections are open, and how many were closed at once for being too many.
#[derive(Clone, Debug)]
pub struct ConnectionMetrics {
    open: IntGauge,
    most: IntGauge,
    refused: IntCounter,
}

impl ConnectionMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            open: IntGauge::with_opts(Opts::new(
                name("connections"),
                "Client connections that are open, those in their TLS handshake too",
            ))?,
            most: IntGauge::with_opts(Opts::new(
                name("connections_max"),
                "How many of them there may be",
            ))?,
            refused: IntCounter::with_opts(Opts::new(
                name("connections_refused_total"),
                "Client connections that were closed at once since there were too many",
            ))?,
        };
        registry.register(Box::new(metrics.open.clone()))?;
        registry.register(Box::new(metrics.most.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        Ok(metrics)
    }

    /// Says how many there may be.
    pub fn set_most(&self, most: usize) {
        self.most.set(i64::try_from(most).unwrap_or(i64::MAX));
    }

    /// Counts one more that is open.
    pub fn count_opened(&self) {
        self.open.inc();
    }

    /// Counts one less.
    pub fn count_closed(&self) {
        self.open.dec();
    }

    /// Counts one that was closed at once.
    pub fn count_refused(&self) {
        self.refused.inc();
    }
}
