//! The traces as the configuration wants them.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use super::StartError;
use crate::config;
use crate::metrics::Metrics;
use crate::traces::{Exporter, Settings};

/// Sets the exporter up, if there is a section.
pub(super) fn open(
    traces: Option<&config::Traces>,
    metrics: &Arc<Metrics>,
) -> Result<Option<Arc<Exporter>>, StartError> {
    let Some(traces) = traces.cloned() else {
        return Ok(None);
    };
    let settings = Settings {
        endpoint: traces.endpoint,
        authorization: traces.authorization,
        service_name: traces.service_name,
        one_in: traces.one_in,
        follow: traces.follow,
    };
    tracing::info!(endpoint = %settings.endpoint, "requests are traced");
    Ok(Some(Arc::new(Exporter::new(settings, metrics.clone())?)))
}

/// What has to be done with spans in the background: beyond the stop signal, because requests still end then.
pub(super) struct Exporting(pub(super) Arc<Exporter>);

#[async_trait]
impl BackgroundService for Exporting {
    async fn start(&self, _: ShutdownWatch) {
        self.0.run().await;
    }
}
