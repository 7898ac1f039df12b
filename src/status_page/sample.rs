//! What is counted at one moment, over all sites: what the page draws over time.

use serde::Serialize;

use super::families::{Counts, Families, label};

/// Counters of one moment. A reader takes differences of two of them.
#[derive(Debug, Serialize)]
pub(super) struct Sample {
    /// Unix milliseconds.
    at: u64,
    /// By outcome.
    requests: Counts,
    latency: Latency,
    in_flight: i64,
    /// UserSigs that were handed out, by what the cache had to do.
    lookups: Counts,
    /// Good session tokens that were verified, by algorithm.
    verified: Counts,
    /// Session tokens that were refused, by reason.
    refused_tokens: Counts,
    /// Good session tokens, by whether they were known.
    token_memory: Counts,
    /// Fetches of key sets, by result.
    key_set_refreshes: Counts,
    /// Answers of Chat to REST calls, by class.
    rest_calls: Counts,
    kicks: Counts,
    login_answers: Counts,
    webhooks: Counts,
    /// Profiles that Chat was to have, by outcome.
    profile_imports: Counts,
    upstream_failures: Counts,
}

/// How long requests took, as a histogram.
#[derive(Debug, Serialize)]
struct Latency {
    /// Upper bounds in seconds.
    bounds: Vec<f64>,
    /// Requests that took no longer than each.
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Sample {
    pub(super) fn of(families: &Families<'_>, at: u64) -> Self {
        let tokens = "token_verifications_total";
        Self {
            at,
            requests: families.sums_by("requests_total", "outcome"),
            latency: Latency::of(families),
            in_flight: families.gauge("requests_in_flight"),
            lookups: families.sums_by("usersig_lookups_total", "result"),
            verified: families.sums(tokens, |metric| {
                (label(metric, "result") == OK).then(|| label(metric, "algorithm").to_owned())
            }),
            refused_tokens: families.sums(tokens, |metric| {
                Some(label(metric, "result").to_owned()).filter(|result| result != OK)
            }),
            token_memory: families.sums_by("token_memory_lookups_total", "result"),
            key_set_refreshes: families.sums_by("key_set_refreshes_total", "result"),
            rest_calls: families.sums_by("rest_calls_total", "class"),
            kicks: families.sums_by("kicks_total", "result"),
            login_answers: families.sums_by("login_answers_total", "result"),
            webhooks: families.sums_by("webhooks_total", "result"),
            profile_imports: families.sums_by("profile_imports_total", "outcome"),
            upstream_failures: families.sums_by("upstream_failures_total", "code"),
        }
    }
}

impl Latency {
    fn of(families: &Families<'_>) -> Self {
        let mut all = Self {
            bounds: Vec::new(),
            counts: Vec::new(),
            count: 0,
            sum: 0.0,
        };
        for metric in families.series("request_duration_seconds") {
            let histogram = metric.get_histogram();
            let buckets = histogram.get_bucket();
            if all.bounds.is_empty() {
                all.bounds = buckets.iter().map(|bucket| bucket.upper_bound()).collect();
                all.counts = vec![0; buckets.len()];
            }
            // All series of a family have the same buckets.
            for (count, bucket) in all.counts.iter_mut().zip(buckets) {
                *count += bucket.cumulative_count();
            }
            all.count += histogram.get_sample_count();
            all.sum += histogram.get_sample_sum();
        }
        all
    }
}

const OK: &str = "ok";
