//! Requests by site, route and outcome, and how long they took.
//!
//! Of its own, because a site may have thousands of routes, each with every outcome: a series of the library takes half a
//! kilobyte, one of these eight bytes. They are written out in the library's terms when somebody asks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Opts, Registry, core::Describer};

use super::outcomes::Outcome;
use super::{DURATION_BUCKETS, name};

/// The series of all sites. Clones share them.
#[derive(Clone, Default)]
pub(super) struct RequestMetrics {
    sites: std::sync::Arc<RwLock<HashMap<Box<str>, Routes>>>,
}

type Routes = HashMap<Box<str>, Route>;

/// What one route came to.
#[derive(Default)]
struct Route {
    outcomes: Outcomes,
    /// By the bucket that a request fell into; the last one is for what took longer than all.
    buckets: [AtomicU64; DURATION_BUCKETS.len() + 1],
    /// In nanoseconds: enough for five centuries.
    total: AtomicU64,
    /// Whether its series are shown before anything was counted.
    is_shown: bool,
}

struct Outcomes([AtomicU64; Outcome::COUNT]);

impl Default for Outcomes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl RequestMetrics {
    pub(super) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        let described = Described {
            requests: descriptor(REQUESTS, REQUESTS_HELP, &["site", "route", "outcome"])?,
            duration: descriptor(DURATION, DURATION_HELP, &["site", "route"])?,
            metrics: self.clone(),
        };
        registry.register(Box::new(described))
    }

    /// Creates the series of routes at zero, of the first [`MAX_SHOWN`] of a site. The others show once they have counted
    /// something: nobody reads hundreds of thousands of zeros.
    pub(super) fn create<'a>(&self, site: &str, routes: impl IntoIterator<Item = &'a str>) {
        let mut sites = self.sites.write();
        let known = sites.entry(site.into()).or_default();
        for route in routes {
            let is_shown = known.len() < MAX_SHOWN;
            known.entry(route.into()).or_insert_with(|| Route {
                is_shown,
                ..Route::default()
            });
        }
    }

    pub(super) fn remove_site(&self, site: &str) {
        self.sites.write().remove(site);
    }

    pub(super) fn count(&self, site: &str, route: &str, outcome: Outcome, seconds: f64) {
        {
            let sites = self.sites.read();
            if let Some(known) = sites.get(site).and_then(|routes| routes.get(route)) {
                return known.count(outcome, seconds);
            }
        }
        // Of a site or route that is gone, and a request that was still under way.
        let mut sites = self.sites.write();
        let routes = sites.entry(site.into()).or_default();
        let route = routes.entry(route.into()).or_default();
        route.count(outcome, seconds);
    }
}

impl Route {
    fn count(&self, outcome: Outcome, seconds: f64) {
        if let Some(counter) = self.outcomes.0.get(outcome.index()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let bucket = DURATION_BUCKETS.partition_point(|&bound| bound < seconds);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        // Saturates, and a clock that goes backwards is 0.
        let nanoseconds = (seconds * 1e9) as u64;
        self.total.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn histogram(&self) -> Histogram {
        let mut count = 0;
        let buckets = self.buckets.iter().map(|bucket| {
            count += bucket.load(Ordering::Relaxed);
            count
        });
        let buckets: Vec<u64> = buckets.collect();
        let mut histogram = Histogram::default();
        histogram.set_sample_count(count);
        histogram.set_sample_sum(self.total.load(Ordering::Relaxed) as f64 / 1e9);
        let bounded = DURATION_BUCKETS.iter().zip(buckets);
        histogram.set_bucket(
            bounded
                .map(|(&bound, count)| bucket(bound, count))
                .collect(),
        );
        histogram
    }
}

/// What the registry asks.
struct Described {
    requests: Desc,
    duration: Desc,
    metrics: RequestMetrics,
}

impl Collector for Described {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.requests, &self.duration]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (mut counters, mut histograms) = (Vec::new(), Vec::new());
        for (site, routes) in self.metrics.sites.read().iter() {
            for (name, route) in routes {
                let labels = vec![label("route", name), label("site", site)];
                let mut is_used = route.is_shown;
                for (outcome, counter) in Outcome::all().zip(&route.outcomes.0) {
                    let count = counter.load(Ordering::Relaxed);
                    if count == 0 && !route.is_shown {
                        continue;
                    }
                    is_used = true;
                    let mut labels = labels.clone();
                    labels.insert(0, label("outcome", outcome.as_str()));
                    let mut counter = Counter::default();
                    counter.set_value(count as f64);
                    let mut metric = Metric::from_label(labels);
                    metric.set_counter(counter);
                    counters.push(metric);
                }
                if is_used {
                    let mut metric = Metric::from_label(labels);
                    metric.set_histogram(route.histogram());
                    histograms.push(metric);
                }
            }
        }
        vec![
            family(&self.requests, MetricType::COUNTER, counters),
            family(&self.duration, MetricType::HISTOGRAM, histograms),
        ]
    }
}

fn descriptor(short_name: &str, help: &str, labels: &[&str]) -> Result<Desc, prometheus::Error> {
    Opts::new(name(short_name), help)
        .variable_labels(labels.iter().map(|&label| label.to_owned()).collect())
        .describe()
}

fn family(described: &Desc, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(described.fq_name.clone());
    family.set_help(described.help.clone());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value.to_owned());
    label
}

fn bucket(bound: f64, count: u64) -> Bucket {
    let mut bucket = Bucket::default();
    bucket.set_upper_bound(bound);
    bucket.set_cumulative_count(count);
    bucket
}

const REQUESTS: &str = "requests_total";
const REQUESTS_HELP: &str = "Requests by site, route and outcome";
const DURATION: &str = "request_duration_seconds";
const DURATION_HELP: &str = "Time from the end of the request header to the end of the answer";
/// So that an answer with all series of a site stays below two megabytes.
const MAX_SHOWN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::rejection::Rejection;

    fn text(metrics: &Metrics) -> String {
        String::from_utf8(metrics.render()).unwrap()
    }

    #[test]
    fn routes_beyond_the_first_show_once_they_have_counted() {
        let metrics = Metrics::new().unwrap();
        let names: Vec<String> = (0..10_000).map(|number| format!("/r/{number}")).collect();
        metrics.create_site("a", names.iter().map(String::as_str), []);
        let before = text(&metrics);
        assert!(before.contains(r#"{outcome="aborted",route="/r/254",site="a"} 0"#));
        assert!(before.contains(r#"{outcome="token_expired",route="none",site="a"} 0"#));
        assert!(!before.contains(r#"route="/r/255""#));
        metrics.count_request("a", "/r/9999", Outcome::Forwarded, 0.3);
        let after = text(&metrics);
        for line in [
            r#"usersig_proxy_requests_total{outcome="forwarded",route="/r/9999",site="a"} 1"#,
            r#"usersig_proxy_request_duration_seconds_bucket{route="/r/9999",site="a",le="0.25"} 0"#,
            r#"usersig_proxy_request_duration_seconds_bucket{route="/r/9999",site="a",le="1"} 1"#,
            r#"usersig_proxy_request_duration_seconds_bucket{route="/r/9999",site="a",le="+Inf"} 1"#,
            r#"usersig_proxy_request_duration_seconds_sum{route="/r/9999",site="a"} 0.3"#,
            r#"usersig_proxy_request_duration_seconds_count{route="/r/9999",site="a"} 1"#,
        ] {
            assert!(after.contains(line), "{line}");
        }
        assert_eq!(after.lines().count(), before.lines().count() + 1 + 15);
    }

    #[test]
    fn a_time_falls_into_the_first_bucket_that_holds_it() {
        let metrics = RequestMetrics::default();
        for seconds in [-1.0, 0.0, 0.000_5, 0.000_6, 60.0, 61.0, f64::NAN] {
            metrics.count("a", "r", Outcome::Answered, seconds);
        }
        let sites = metrics.sites.read();
        let route = &sites["a"]["r"];
        let counts = route
            .buckets
            .each_ref()
            .map(|count| count.load(Ordering::Relaxed));
        assert_eq!((counts[0], counts[1], counts[11], counts[12]), (4, 1, 1, 1));
        assert_eq!(route.total.load(Ordering::Relaxed), 121_001_100_000);
    }

    #[test]
    fn every_outcome_has_a_place_of_its_own() {
        let places: Vec<usize> = Outcome::all().map(Outcome::index).collect();
        assert_eq!(places, (0..Outcome::COUNT).collect::<Vec<_>>());
        assert_eq!(Outcome::Rejected(Rejection::CODES[0]).index(), 3);
    }
}
