//! Counters and histograms in Prometheus' text form, all labels from closed sets. All series are created at zero,
//! but for those of routes beyond the first 256 of a site.
//!
//! Nothing here holds a user, path, token or address. The edge counts; the ops listener renders.

mod audit;
mod certificates;
mod config;
mod connections;
mod in_flight;
mod key_sets;
mod labels;
mod outcomes;
mod profiles;
mod requests;
mod rest_calls;
mod store;
mod token_memory;
mod traces;
mod upstreams;
mod webhooks;

use std::sync::OnceLock;

use prometheus::proto::MetricFamily;
use prometheus::{Encoder, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

pub use self::audit::AuditMetrics;
pub use self::config::ConfigMetrics;
pub use self::connections::ConnectionMetrics;
pub use self::in_flight::{InFlight, Place};
pub use self::key_sets::KeySetMetrics;
pub use self::outcomes::{AnswerOutcome, KickOutcome, Outcome};
pub use self::profiles::{ImportOutcome, ProfileMetrics};
pub use self::rest_calls::RestCallMetrics;
pub use self::store::StoreMetrics;
pub use self::token_memory::TokenMemoryMetrics;
pub use self::traces::TraceMetrics;
pub use self::upstreams::UpstreamMetrics;
pub use self::webhooks::{WebhookMetrics, WebhookOutcome};
use crate::token::TokenError;
use crate::token::keys::Algorithm;
use crate::usersig::cache::Lookup;

/// All series of the process.
pub struct Metrics {
    registry: Registry,
    requests: requests::RequestMetrics,
    in_flight: InFlight,
    connections: ConnectionMetrics,
    verifications: IntCounterVec,
    lookups: IntCounterVec,
    evictions: IntCounterVec,
    cached_users: IntGaugeVec,
    token_memory: TokenMemoryMetrics,
    upstream_failures: IntCounterVec,
    answers: IntCounterVec,
    kicks: IntCounterVec,
    key_sets: KeySetMetrics,
    config: ConfigMetrics,
    rest_calls: RestCallMetrics,
    audit: AuditMetrics,
    certificates: certificates::CertificateMetrics,
    upstreams: UpstreamMetrics,
    webhooks: WebhookMetrics,
    profiles: ProfileMetrics,
    traces: TraceMetrics,
    store: OnceLock<StoreMetrics>,
}

impl Metrics {
    /// Registers every series; those of sites come with [`create_site`](Self::create_site).
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let metrics = Self {
            in_flight: InFlight::new(&registry)?,
            connections: ConnectionMetrics::new(&registry)?,
            key_sets: KeySetMetrics::new(&registry)?,
            config: ConfigMetrics::new(&registry)?,
            rest_calls: RestCallMetrics::new(&registry)?,
            token_memory: TokenMemoryMetrics::new(&registry)?,
            audit: AuditMetrics::new(&registry)?,
            certificates: certificates::CertificateMetrics::new(&registry)?,
            upstreams: UpstreamMetrics::new(&registry)?,
            webhooks: WebhookMetrics::new(&registry)?,
            profiles: ProfileMetrics::new(&registry)?,
            traces: TraceMetrics::new(&registry)?,
            store: OnceLock::new(),
            registry,
            requests: requests::RequestMetrics::default(),
            verifications: counters(
                "token_verifications_total",
                "Session tokens judged, by site, algorithm and result",
                &["site", "algorithm", "result"],
            )?,
            lookups: counters(
                "usersig_lookups_total",
                "UserSigs handed out, by site and what the cache had to do",
                &["site", "result"],
            )?,
            evictions: counters(
                "usersig_evictions_total",
                "UserSigs that left the full cache of a site before their time",
                &["site"],
            )?,
            cached_users: IntGaugeVec::new(
                Opts::new(
                    name("usersig_cached_users"),
                    "Users whose UserSig is in the cache of a site",
                ),
                &["site"],
            )?,
            kicks: counters(
                "kicks_total",
                "Kicks sent to Chat after logouts and bans, each attempt, by site and result",
                &["site", "result"],
            )?,
            answers: counters(
                "login_answers_total",
                "Answers of routes that begin a session or take a login in their body, by site and what became of them",
                &["site", "result"],
            )?,
            upstream_failures: counters(
                "upstream_failures_total",
                "Requests that an upstream failed, by code",
                &["site", "upstream", "code"],
            )?,
        };
        metrics.register()?;
        metrics.requests.create(NO_SITE, [NO_ROUTE]);
        Ok(metrics)
    }

    /// Creates the series of a site at zero, for these route and upstream names. Those that are there stay as they are.
    pub fn create_site<'a>(
        &self,
        site: &str,
        routes: impl IntoIterator<Item = &'a str>,
        upstreams: impl IntoIterator<Item = &'a str>,
    ) {
        self.requests.create(site, [NO_ROUTE]);
        self.requests.create(site, routes);
        for upstream in upstreams {
            for code in UPSTREAM_CODES {
                self.upstream_failures
                    .with_label_values(&[site, upstream, code]);
            }
        }
        self.create_logins(site);
    }

    /// Ends the series of a site that is gone. A request of it that is still under way begins some of them anew.
    pub fn remove_site(&self, site: &str) {
        let counters = [
            &self.verifications,
            &self.lookups,
            &self.evictions,
            &self.upstream_failures,
            &self.answers,
            &self.kicks,
        ];
        for counters in counters {
            labels::remove_site(counters, site);
        }
        self.requests.remove_site(site);
        labels::remove_site(&self.cached_users, site);
        self.key_sets.remove_site(site);
        self.rest_calls.remove_site(site);
        self.token_memory.remove_site(site);
        self.webhooks.remove_site(site);
        self.profiles.remove_site(site);
    }

    /// Counts a finished request. `site` and `route` are labels that [`create_site`](Self::create_site) was given, or
    /// [`NO_SITE`] and [`NO_ROUTE`].
    pub fn count_request(&self, site: &str, route: &str, outcome: Outcome, seconds: f64) {
        self.requests.count(site, route, outcome, seconds);
    }

    /// Counts a session token that was good.
    pub fn count_verified(&self, site: &str, algorithm: Algorithm) {
        self.verifications
            .with_label_values(&[site, algorithm.name(), "ok"])
            .inc();
    }

    /// Counts a session token that was not.
    pub fn count_refused_token(&self, site: &str, error: TokenError) {
        self.verifications
            .with_label_values(&[site, UNKNOWN_ALGORITHM, error.reason()])
            .inc();
    }

    /// Counts a UserSig that was handed out.
    pub fn count_lookup(&self, site: &str, lookup: Lookup) {
        self.lookups
            .with_label_values(&[site, lookup_name(lookup)])
            .inc();
        if lookup == (Lookup::Issued { evicted: true }) {
            self.evictions.with_label_values(&[site]).inc();
        }
    }

    /// Counts an answer that a login should have gone into.
    pub fn count_answer(&self, site: &str, outcome: AnswerOutcome) {
        self.answers
            .with_label_values(&[site, outcome.as_str()])
            .inc();
    }

    /// Counts an attempt to kick a user.
    pub fn count_kick(&self, site: &str, outcome: KickOutcome) {
        self.kicks
            .with_label_values(&[site, outcome.as_str()])
            .inc();
    }

    /// Counts a request that an upstream failed.
    pub fn count_upstream_failure(&self, site: &str, upstream: &str, code: &'static str) {
        self.upstream_failures
            .with_label_values(&[site, upstream, code])
            .inc();
    }

    /// Notes how many users are in the cache of a site.
    pub fn set_cached_users(&self, site: &str, users: usize) {
        self.cached_users
            .with_label_values(&[site])
            .set(i64::try_from(users).unwrap_or(i64::MAX));
    }

    /// The number of requests that are under way.
    pub fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// The series of client connections.
    pub fn connections(&self) -> &ConnectionMetrics {
        &self.connections
    }

    /// The series of the configuration.
    pub fn config(&self) -> &ConfigMetrics {
        &self.config
    }

    /// The series of the memory of verified tokens.
    pub fn token_memory(&self) -> &TokenMemoryMetrics {
        &self.token_memory
    }

    /// The series of the REST gateway.
    pub fn rest_calls(&self) -> &RestCallMetrics {
        &self.rest_calls
    }

    /// The series of the audit.
    pub fn audit(&self) -> &AuditMetrics {
        &self.audit
    }

    /// Creates the series of the store of a fleet, for these operations and results.
    pub fn create_store<'a>(
        &self,
        operations: impl IntoIterator<Item = &'a str>,
        results: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Result<StoreMetrics, prometheus::Error> {
        let series = StoreMetrics::new(&self.registry, operations, results)?;
        Ok(self.store.get_or_init(|| series).clone())
    }

    /// The series of the store, if there is one for the fleet.
    pub fn store(&self) -> Option<&StoreMetrics> {
        self.store.get()
    }

    /// The series of webhooks.
    pub fn webhooks(&self) -> &WebhookMetrics {
        &self.webhooks
    }

    /// The series of profiles that are imported into Chat.
    pub fn profiles(&self) -> &ProfileMetrics {
        &self.profiles
    }

    /// The series of traces.
    pub fn traces(&self) -> &TraceMetrics {
        &self.traces
    }

    /// The series of published key sets.
    pub fn key_sets(&self) -> &KeySetMetrics {
        &self.key_sets
    }

    /// The series of the servers behind upstreams.
    pub fn upstreams(&self) -> &UpstreamMetrics {
        &self.upstreams
    }

    /// All series at this moment.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// All series in Prometheus' text format 0.0.4.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Writing into memory fails only on a series without a name or help, which none is.
        let _ = TextEncoder::new().encode(&self.gather(), &mut text);
        text
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        self.requests.register(&self.registry)?;
        self.registry
            .register(Box::new(self.verifications.clone()))?;
        self.registry.register(Box::new(self.lookups.clone()))?;
        self.registry.register(Box::new(self.evictions.clone()))?;
        self.registry
            .register(Box::new(self.cached_users.clone()))?;
        self.registry.register(Box::new(self.answers.clone()))?;
        self.registry.register(Box::new(self.kicks.clone()))?;
        self.registry
            .register(Box::new(self.upstream_failures.clone()))
    }

    fn create_logins(&self, site: &str) {
        for algorithm in Algorithm::ALL {
            self.verifications
                .with_label_values(&[site, algorithm.name(), "ok"]);
        }
        for error in TokenError::ALL {
            self.verifications
                .with_label_values(&[site, UNKNOWN_ALGORITHM, error.reason()]);
        }
        for lookup in LOOKUPS {
            self.lookups.with_label_values(&[site, lookup_name(lookup)]);
        }
        self.evictions.with_label_values(&[site]);
        self.cached_users.with_label_values(&[site]);
        self.token_memory.create_site(site);
        for outcome in [KickOutcome::Landed, KickOutcome::Failed] {
            self.kicks.with_label_values(&[site, outcome.as_str()]);
        }
        for outcome in AnswerOutcome::ALL {
            self.answers.with_label_values(&[site, outcome.as_str()]);
        }
    }
}

fn name(name: &str) -> String {
    format!("usersig_proxy_{name}")
}

fn counters(
    short_name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name(short_name), help), labels)
}

fn lookup_name(lookup: Lookup) -> &'static str {
    match lookup {
        Lookup::Hit => "hit",
        Lookup::Issued { .. } => "issued",
        Lookup::Renewed => "renewed",
        Lookup::Superseded => "superseded",
        Lookup::Late => "late",
    }
}

/// The site label of a request that was refused before a site was found.
pub const NO_SITE: &str = "none";
/// The route label of a request that was refused before a route was found.
pub const NO_ROUTE: &str = "none";
const UNKNOWN_ALGORITHM: &str = "unknown";
const LOOKUPS: [Lookup; 5] = [
    Lookup::Hit,
    Lookup::Issued { evicted: false },
    Lookup::Renewed,
    Lookup::Superseded,
    Lookup::Late,
];
const UPSTREAM_CODES: [&str; 3] = [
    "upstream_unreachable",
    "upstream_timeout",
    "upstream_invalid",
];
/// From a cache hit on loopback to the longest that an app may take by default.
const DURATION_BUCKETS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 60.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_exists_at_zero_from_the_start() {
        let metrics = Metrics::new().unwrap();
        metrics.create_site("a", ["/api/{*rest}", "default"], ["app"]);
        let text = String::from_utf8(metrics.render()).unwrap();
        for line in [
            r#"usersig_proxy_requests_total{outcome="forwarded",route="/api/{*rest}",site="a"} 0"#,
            r#"usersig_proxy_requests_total{outcome="token_expired",route="none",site="a"} 0"#,
            r#"usersig_proxy_token_verifications_total{algorithm="ES384",result="ok",site="a"} 0"#,
            r#"usersig_proxy_token_verifications_total{algorithm="unknown",result="expired",site="a"} 0"#,
            r#"usersig_proxy_usersig_lookups_total{result="renewed",site="a"} 0"#,
            r#"usersig_proxy_usersig_evictions_total{site="a"} 0"#,
            r#"usersig_proxy_usersig_cached_users{site="a"} 0"#,
            r#"usersig_proxy_token_memory_lookups_total{result="hit",site="a"} 0"#,
            r#"usersig_proxy_token_memory_evictions_total{site="a"} 0"#,
            r#"usersig_proxy_token_memory_bytes{site="a"} 0"#,
            r#"usersig_proxy_upstream_failures_total{code="upstream_timeout",site="a",upstream="app"} 0"#,
            r#"usersig_proxy_request_duration_seconds_count{route="default",site="a"} 0"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_is_counted_shows() {
        let metrics = Metrics::new().unwrap();
        metrics.create_site("a", ["default"], ["app"]);
        metrics.count_request("a", "default", Outcome::Rejected("token_expired"), 0.002);
        metrics.count_lookup("a", Lookup::Issued { evicted: true });
        metrics.set_cached_users("a", 3);
        metrics.token_memory().count("a", true);
        metrics.token_memory().set("a", (2, 800), 7);
        metrics.token_memory().set("a", (3, 1200), 9);
        let text = String::from_utf8(metrics.render()).unwrap();
        for line in [
            r#"usersig_proxy_requests_total{outcome="token_expired",route="default",site="a"} 1"#,
            r#"usersig_proxy_request_duration_seconds_bucket{route="default",site="a",le="0.0025"} 1"#,
            r#"usersig_proxy_request_duration_seconds_bucket{route="default",site="a",le="0.001"} 0"#,
            r#"usersig_proxy_usersig_lookups_total{result="issued",site="a"} 1"#,
            r#"usersig_proxy_usersig_evictions_total{site="a"} 1"#,
            r#"usersig_proxy_usersig_cached_users{site="a"} 3"#,
            r#"usersig_proxy_token_memory_lookups_total{result="hit",site="a"} 1"#,
            r#"usersig_proxy_token_memory_tokens{site="a"} 3"#,
            r#"usersig_proxy_token_memory_bytes{site="a"} 1200"#,
            r#"usersig_proxy_token_memory_evictions_total{site="a"} 9"#,
        ] {
            assert!(text.contains(line), "{line}");
        }
    }

    #[test]
    fn a_site_that_is_gone_leaves_no_series_and_takes_none_of_another() {
        let metrics = Metrics::new().unwrap();
        let without = metrics.render();
        for site in ["a", "b"] {
            metrics.create_site(site, ["default"], ["app"]);
            metrics.key_sets().create(site, "issuer", ["changed"]);
            metrics.profiles().create(site);
        }
        let with_both = metrics.render();
        metrics.remove_site("a");
        let left = String::from_utf8(metrics.render()).unwrap();
        assert!(!left.contains(r#"site="a""#), "{left}");
        assert!(left.contains(r#"site="b""#), "{left}");
        metrics.create_site("a", ["default"], ["app"]);
        metrics.key_sets().create("a", "issuer", ["changed"]);
        metrics.profiles().create("a");
        assert_eq!(metrics.render(), with_both);
        metrics.remove_site("a");
        metrics.remove_site("b");
        assert_eq!(metrics.render(), without);
    }
}
