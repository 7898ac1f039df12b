//! How many requests are under way.

use prometheus::{IntGauge, Opts, Registry};

use super::name;

/// Counts the requests of the process that are under way.
pub struct InFlight(IntGauge);

/// The place of one request among them, which it gives back when this is dropped.
pub struct Place(IntGauge);

impl InFlight {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = IntGauge::with_opts(Opts::new(
            name("requests_in_flight"),
            "Requests whose answer is not at its end; a WebSocket connection is none once it stands",
        ))?;
        registry.register(Box::new(gauge.clone()))?;
        Ok(Self(gauge))
    }

    /// Counts one more.
    pub fn enter(&self) -> Place {
        self.0.inc();
        Place(self.0.clone())
    }
}

impl Place {
    /// How many requests have a place, this one too.
    pub fn taken(&self) -> usize {
        usize::try_from(self.0.get()).unwrap_or(0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.dec();
    }
}
