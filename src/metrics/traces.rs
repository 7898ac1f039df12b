//! The series of traces.

use prometheus::{IntCounterVec, Registry};

use super::counters;

/// What became of the spans of requests.
pub struct TraceMetrics(IntCounterVec);

impl TraceMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let spans = counters(
            "trace_spans_total",
            "Spans of requests: sent to the collector, failed there, or dropped because too many were waiting",
            &["result"],
        )?;
        registry.register(Box::new(spans.clone()))?;
        for result in [SENT, FAILED, DROPPED] {
            spans.with_label_values(&[result]);
        }
        Ok(Self(spans))
    }

    /// Counts spans that the collector took.
    pub fn count_sent(&self, spans: usize) {
        self.0.with_label_values(&[SENT]).inc_by(spans as u64);
    }

    /// Counts spans that it did not take.
    pub fn count_failed(&self, spans: usize) {
        self.0.with_label_values(&[FAILED]).inc_by(spans as u64);
    }

    /// Counts a span for which there was no room.
    pub fn count_dropped(&self) {
        self.0.with_label_values(&[DROPPED]).inc();
    }
}

const SENT: &str = "sent";
const FAILED: &str = "failed";
const DROPPED: &str = "dropped";
