//! The series of the audit.

use prometheus::{IntCounterVec, IntGauge, Registry};

use super::{counters, name};

/// What became of the audit's lines.
pub struct AuditMetrics {
    lines: IntCounterVec,
    lost: IntGauge,
}

impl AuditMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            lines: counters(
                "audit_lines_total",
                "Lines of the audit: written where they belong, failed there and written to the log, or suppressed",
                &["result"],
            )?,
            lost: IntGauge::new(
                name("audit_lost"),
                "1 while no line of the audit can be written where it belongs",
            )?,
        };
        registry.register(Box::new(metrics.lines.clone()))?;
        registry.register(Box::new(metrics.lost.clone()))?;
        for result in [WRITTEN, FAILED, SUPPRESSED] {
            metrics.lines.with_label_values(&[result]);
        }
        Ok(metrics)
    }

    /// Counts a line that stands where it belongs.
    pub fn count_written(&self) {
        self.lines.with_label_values(&[WRITTEN]).inc();
    }

    /// Counts a line that could not be written there, and went to the log.
    pub fn count_failed(&self) {
        self.lines.with_label_values(&[FAILED]).inc();
    }

    /// Counts a line that is left out, because calls without a session leave too many.
    pub fn count_suppressed(&self) {
        self.lines.with_label_values(&[SUPPRESSED]).inc();
    }

    /// Notes whether lines can be written.
    pub fn set_lost(&self, is_lost: bool) {
        self.lost.set(is_lost.into());
    }
}

const WRITTEN: &str = "written";
const FAILED: &str = "failed";
const SUPPRESSED: &str = "suppressed";
