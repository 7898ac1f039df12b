//! Series as the metrics gather them, looked up by name and summed up by a label.

use std::collections::{BTreeMap, HashMap};

use prometheus::proto::{Metric, MetricFamily};

/// Counts by the value of a label; those at zero are left out.
pub(super) type Counts = BTreeMap<String, u64>;

/// All series of one moment.
pub(super) struct Families<'a>(HashMap<&'a str, &'a [Metric]>);

impl<'a> Families<'a> {
    pub(super) fn new(families: &'a [MetricFamily]) -> Self {
        let named = families.iter().filter_map(|family| {
            let name = family.name().strip_prefix(PREFIX)?;
            Some((name, family.get_metric()))
        });
        Self(named.collect())
    }

    /// The series of this name, without its prefix.
    pub(super) fn series(&self, name: &str) -> &'a [Metric] {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Counters, summed up by what `key` says of each; those without a key are left out.
    pub(super) fn sums(&self, name: &str, key: impl Fn(&Metric) -> Option<String>) -> Counts {
        let mut counts = Counts::new();
        for metric in self.series(name) {
            let count = whole(metric.get_counter().get_value());
            if let Some(key) = key(metric).filter(|_| count > 0) {
                *counts.entry(key).or_default() += count;
            }
        }
        counts
    }

    /// Counters, summed up by a label.
    pub(super) fn sums_by(&self, name: &str, by: &str) -> Counts {
        self.sums(name, |metric| Some(label(metric, by).to_owned()))
    }

    /// A gauge without labels.
    pub(super) fn gauge(&self, name: &str) -> i64 {
        self.series(name).first().map_or(0, gauge)
    }
}

/// The value of a label; empty where there is none.
pub(super) fn label<'a>(metric: &'a Metric, name: &str) -> &'a str {
    let labels = metric.get_label().iter();
    let mut named = labels.filter(|label| label.name() == name);
    named.next().map_or("", |label| label.value())
}

/// The value of a gauge. All of ours are whole numbers, and a cast of a float does not wrap.
pub(super) fn gauge(metric: &Metric) -> i64 {
    metric.get_gauge().get_value() as i64
}

/// The value of a counter, which is a whole number.
fn whole(value: f64) -> u64 {
    value as u64
}

const PREFIX: &str = "usersig_proxy_";
