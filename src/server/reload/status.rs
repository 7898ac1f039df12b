//! How the configuration stands, for `/readyz`.
//!
//! It says what is in force since when, what of the files waits for a restart, and why they are not in force if they are not.

use std::time::{Duration, SystemTime};

/// How the configuration stands.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Status {
    /// Which configuration is in force, counted from 1.
    pub(super) generation: u64,
    pub(super) loaded_at: Option<SystemTime>,
    /// What only a restart can change.
    pub(super) restart_needed: Vec<&'static str>,
    /// Why the last reload was refused, and when.
    pub(super) refused: Option<(SystemTime, String)>,
}

impl Status {
    /// Lines for people: what is in force since when, and what is not.
    pub(in crate::server) fn report(&self, now: SystemTime) -> String {
        let age = |at: SystemTime| {
            let seconds = now.duration_since(at).unwrap_or_default().as_secs();
            humantime::format_duration(Duration::from_secs(seconds)).to_string()
        };
        let loaded = self.loaded_at.map(age).unwrap_or_default();
        let mut report = format!(
            "configuration: generation {}, loaded {loaded} ago\n",
            self.generation
        );
        for key in &self.restart_needed {
            report.push_str(&format!(
                "configuration: {key} changed; it takes a restart\n"
            ));
        }
        if let Some((at, why)) = &self.refused {
            let ago = age(*at);
            report.push_str(&format!(
                "configuration: the reload {ago} ago was refused\n"
            ));
            for line in why.lines() {
                report.push_str(&format!("  {line}\n"));
            }
        }
        report
    }
}
