//! The series of profiles that are imported into Chat.

use prometheus::{IntCounterVec, Registry};

use super::{counters, labels};

/// What became of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    /// Chat has it.
    Imported,
    /// Chat does not take it.
    Refused,
    /// Chat was not reached or could not take it, however often it was sent.
    Failed,
    /// It was not sent: too many wait, or it is of another application or an administrator by now.
    Dropped,
}

impl ImportOutcome {
    const ALL: [Self; 4] = [Self::Imported, Self::Refused, Self::Failed, Self::Dropped];

    fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// How many profiles were to be imported, and what became of them.
pub struct ProfileMetrics {
    imports: IntCounterVec,
}

impl ProfileMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let imports = counters(
            "profile_imports_total",
            "Profiles of users that Chat was to have, by site and what became of them",
            &["site", "outcome"],
        )?;
        registry.register(Box::new(imports.clone()))?;
        Ok(Self { imports })
    }

    /// Creates the series of a site at zero.
    pub fn create(&self, site: &str) {
        for outcome in ImportOutcome::ALL {
            self.imports.with_label_values(&[site, outcome.as_str()]);
        }
    }

    pub(super) fn remove_site(&self, site: &str) {
        labels::remove_site(&self.imports, site);
    }

    /// Counts a profile.
    pub fn count(&self, site: &str, outcome: ImportOutcome) {
        self.imports
            .with_label_values(&[site, outcome.as_str()])
            .inc();
    }
}
