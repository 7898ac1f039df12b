//! The series of the servers behind upstreams, labelled as the configuration names them.

use prometheus::{IntGaugeVec, Opts, Registry};

use super::name;

/// How servers stand.
pub struct UpstreamMetrics {
    healthy: IntGaugeVec,
}

impl UpstreamMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let options = Opts::new(
            name("upstream_healthy"),
            "1 while requests go to a server, 0 while it is left out",
        );
        let healthy = IntGaugeVec::new(options, &["site", "upstream", "server"])?;
        registry.register(Box::new(healthy.clone()))?;
        Ok(Self { healthy })
    }

    /// Notes whether a server is healthy; its series begins here.
    pub fn set(&self, site: &str, upstream: &str, server: &str, healthy: bool) {
        let gauge = self.healthy.with_label_values(&[site, upstream, server]);
        gauge.set(i64::from(healthy));
    }

    /// Ends the series of a server that is gone from the configuration.
    pub fn end(&self, site: &str, upstream: &str, server: &str) {
        // An error means that there is none.
        let _ = self.healthy.remove_label_values(&[site, upstream, server]);
    }
}
