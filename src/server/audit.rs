//! The audit as the configuration wants it.

use std::sync::Arc;

use super::StartError;
use crate::audit::{Auditor, OnFailure, Target};
use crate::config::{Audit, AuditTarget, OnAuditFailure};
use crate::metrics::Metrics;

/// Opens the audit; without a section its lines go to the log.
pub(super) fn open(
    audit: Option<&Audit>,
    metrics: &Arc<Metrics>,
) -> Result<Arc<Auditor>, StartError> {
    let metrics = Arc::clone(metrics);
    let Some(audit) = audit else {
        return Ok(Arc::new(Auditor::to_log(metrics)));
    };
    let target = match &audit.target {
        AuditTarget::File(path) => Target::File(path.clone()),
        AuditTarget::Stdout => Target::Stdout,
        AuditTarget::Stderr => Target::Stderr,
    };
    let on_failure = match audit.on_failure {
        OnAuditFailure::GoOn => OnFailure::GoOn,
        OnAuditFailure::Stop => OnFailure::Stop,
    };
    let auditor = Auditor::to_target(&target, on_failure, metrics)?;
    tracing::info!(sink = %audit.target, "calls of the REST API are audited");
    Ok(Arc::new(auditor))
}
