//! The series of the REST gateway.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::{counters, labels, name};
use crate::rest_api::outcome::Class;

/// What became of calls, and how Chat takes them.
pub struct RestCallMetrics {
    calls: IntCounterVec,
    alarm: IntGaugeVec,
    paused: IntGaugeVec,
}

impl RestCallMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            calls: counters(
                "rest_calls_total",
                "Answers of Chat to calls of the REST API, by what their ErrorCode means",
                &["site", "command", "class"],
            )?,
            alarm: gauges(
                "rest_alarm_error_code",
                "The ErrorCode that says that the configuration is wrong, until a call works; 0 when all is well",
            )?,
            paused: gauges(
                "rest_paused",
                "1 while no call is sent because Chat refused too many signatures",
            )?,
        };
        registry.register(Box::new(metrics.calls.clone()))?;
        registry.register(Box::new(metrics.alarm.clone()))?;
        registry.register(Box::new(metrics.paused.clone()))?;
        Ok(metrics)
    }

    /// Creates the series of a site at zero, for the commands that its policy allows to anybody.
    pub fn create<'a>(&self, site: &str, commands: impl IntoIterator<Item = &'a str>) {
        for command in commands {
            for class in Class::ALL {
                self.calls
                    .with_label_values(&[site, command, class.as_str()]);
            }
        }
        self.set(site, None, false);
    }

    pub(super) fn remove_site(&self, site: &str) {
        labels::remove_site(&self.calls, site);
        labels::remove_site(&self.alarm, site);
        labels::remove_site(&self.paused, site);
    }

    /// Counts an answer.
    pub fn count(&self, site: &str, command: &str, class: Class) {
        self.calls
            .with_label_values(&[site, command, class.as_str()])
            .inc();
    }

    /// Notes how Chat takes the calls of a site.
    pub fn set(&self, site: &str, alarm: Option<i64>, is_paused: bool) {
        self.alarm
            .with_label_values(&[site])
            .set(alarm.unwrap_or(0));
        self.paused.with_label_values(&[site]).set(is_paused.into());
    }
}

fn gauges(short_name: &str, help: &str) -> Result<IntGaugeVec, prometheus::Error> {
    IntGaugeVec::new(Opts::new(name(short_name), help), &["site"])
}
