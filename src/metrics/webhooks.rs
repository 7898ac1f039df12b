//! The series of webhooks.

use prometheus::{IntCounterVec, Registry};

use super::{counters, labels};
use crate::webhook::WebhookError;

/// What became of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// The app has taken it.
    Delivered,
    /// It went to the app, which did not answer with success.
    Failed,
    /// It was refused for this reason and did not reach the app.
    Refused(&'static str),
    /// Its sender went away before its body was there.
    Aborted,
}

impl WebhookOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Refused(reason) => reason,
            Self::Aborted => "aborted",
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let others = [Self::Delivered, Self::Failed, Self::Aborted];
        let refused = WebhookError::REASONS.map(Self::Refused);
        others.into_iter().chain(refused)
    }
}

/// How many webhooks came, and what became of them.
pub struct WebhookMetrics {
    webhooks: IntCounterVec,
}

impl WebhookMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let webhooks = counters(
            "webhooks_total",
            "Webhooks on the routes that check them, by site and what became of them",
            &["site", "result"],
        )?;
        registry.register(Box::new(webhooks.clone()))?;
        Ok(Self { webhooks })
    }

    /// Creates the series of a site at zero.
    pub fn create(&self, site: &str) {
        for outcome in WebhookOutcome::all() {
            self.webhooks.with_label_values(&[site, outcome.as_str()]);
        }
    }

    pub(super) fn remove_site(&self, site: &str) {
        labels::remove_site(&self.webhooks, site);
    }

    /// Counts a webhook.
    pub fn count(&self, site: &str, outcome: WebhookOutcome) {
        self.webhooks
            .with_label_values(&[site, outcome.as_str()])
            .inc();
    }
}
