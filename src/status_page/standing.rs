//! How things stand now: what the page lists in tables.
//!
//! Lists have an end, since a process may have thousands of sites: what is left out is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Beside;
use super::families::{Counts, Families, gauge, label};

/// Whether the process takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// It does.
    Ready,
    /// It is about to, or is to stop.
    NotReady,
}

/// How the key set of one issuer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySetStanding {
    /// The site's name.
    pub site: String,
    /// The issuer's name.
    pub issuer: String,
    /// The number of keys in use.
    pub keys: usize,
    /// Since the set was fetched; `None` while there is none.
    pub age: Option<Duration>,
    /// Until the next fetch.
    pub next_refresh: Duration,
    /// Failed fetches since the last good one.
    pub failures: u32,
    /// Why the last one failed, as one word of a closed set.
    pub failed_by: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct Standing {
    readiness: Readiness,
    version: &'static str,
    config: Config,
    sites: List<Site>,
    key_sets: List<KeySet>,
    upstreams: List<Upstream>,
    certificates: List<Certificate>,
    commands: List<Command>,
    audit: Audit,
}

#[derive(Debug, Serialize)]
struct List<T> {
    items: Vec<T>,
    left_out: usize,
}

#[derive(Debug, Serialize)]
struct Config {
    generation: i64,
    loaded_at: i64,
    is_last_reload_good: bool,
    is_restart_needed: bool,
    reloads: Counts,
}

/// A site, with how Chat takes its calls.
#[derive(Debug, Serialize)]
struct Site {
    name: String,
    cached_users: i64,
    evictions: u64,
    remembered_tokens: i64,
    remembered_bytes: i64,
    alarm: i64,
    is_paused: bool,
}

#[derive(Debug, Serialize)]
struct KeySet {
    site: String,
    issuer: String,
    keys: usize,
    age: Option<u64>,
    next_refresh: u64,
    failures: u32,
    failed_by: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Upstream {
    site: String,
    upstream: String,
    server: String,
    is_healthy: bool,
}

#[derive(Debug, Serialize)]
struct Certificate {
    listener: String,
    name: String,
    expires_at: i64,
}

/// A command of the REST API, with its answers by class.
#[derive(Debug, Serialize)]
struct Command {
    name: String,
    classes: Counts,
}

#[derive(Debug, Serialize)]
struct Audit {
    lines: Counts,
    is_lost: bool,
}

impl Standing {
    pub(super) fn of(families: &Families<'_>, beside: Beside) -> Self {
        Self {
            readiness: beside.readiness,
            version: env!("CARGO_PKG_VERSION"),
            config: Config::of(families),
            sites: List::new(sites(families)),
            key_sets: List::new(beside.key_sets.into_iter().map(KeySet::from).collect()),
            upstreams: List::new(upstreams(families)),
            certificates: List::new(certificates(families)),
            commands: List::new(commands(families)),
            audit: Audit {
                lines: families.sums_by("audit_lines_total", "result"),
                is_lost: families.gauge("audit_lost") != 0,
            },
        }
    }
}

impl<T> List<T> {
    fn new(mut items: Vec<T>) -> Self {
        let left_out = items.len().saturating_sub(MAX_ITEMS);
        items.truncate(MAX_ITEMS);
        Self { items, left_out }
    }
}

impl Config {
    fn of(families: &Families<'_>) -> Self {
        Self {
            generation: families.gauge("config_generation"),
            loaded_at: families.gauge("config_loaded_timestamp_seconds"),
            is_last_reload_good: families.gauge("config_last_reload_successful") != 0,
            is_restart_needed: families.gauge("config_restart_needed") != 0,
            reloads: families.sums_by("config_reloads_total", "result"),
        }
    }
}

impl From<KeySetStanding> for KeySet {
    fn from(standing: KeySetStanding) -> Self {
        Self {
            site: standing.site,
            issuer: standing.issuer,
            keys: standing.keys,
            age: standing.age.map(|age| age.as_secs()),
            next_refresh: standing.next_refresh.as_secs(),
            failures: standing.failures,
            failed_by: standing.failed_by,
        }
    }
}

fn sites(families: &Families<'_>) -> Vec<Site> {
    let by_site = |name| -> BTreeMap<&str, i64> {
        let series = families.series(name).iter();
        series
            .map(|metric| (label(metric, SITE), gauge(metric)))
            .collect()
    };
    let (tokens, bytes) = (
        by_site("token_memory_tokens"),
        by_site("token_memory_bytes"),
    );
    let (alarm, paused) = (by_site("rest_alarm_error_code"), by_site("rest_paused"));
    let evictions = families.sums_by("usersig_evictions_total", SITE);
    let of = |values: &BTreeMap<&str, i64>, site| values.get(site).copied().unwrap_or(0);
    by_site("usersig_cached_users")
        .into_iter()
        .map(|(site, cached_users)| Site {
            name: site.to_owned(),
            cached_users,
            evictions: evictions.get(site).copied().unwrap_or(0),
            remembered_tokens: of(&tokens, site),
            remembered_bytes: of(&bytes, site),
            alarm: of(&alarm, site),
            is_paused: of(&paused, site) != 0,
        })
        .collect()
}

fn upstreams(families: &Families<'_>) -> Vec<Upstream> {
    let series = families.series("upstream_healthy").iter();
    let mut upstreams: Vec<_> = series
        .map(|metric| Upstream {
            site: label(metric, SITE).to_owned(),
            upstream: label(metric, "upstream").to_owned(),
            server: label(metric, "server").to_owned(),
            is_healthy: gauge(metric) != 0,
        })
        .collect();
    // Those that want looking after first, lest they be left out.
    upstreams.sort_by_key(|upstream| upstream.is_healthy);
    upstreams
}

fn certificates(families: &Families<'_>) -> Vec<Certificate> {
    let series = families.series("certificate_expiry_seconds").iter();
    let mut certificates: Vec<_> = series
        .map(|metric| Certificate {
            listener: label(metric, "listener").to_owned(),
            name: label(metric, "name").to_owned(),
            expires_at: gauge(metric),
        })
        .collect();
    certificates.sort_by_key(|certificate| certificate.expires_at);
    certificates
}

/// Commands that were called, over all sites.
fn commands(families: &Families<'_>) -> Vec<Command> {
    let calls = families.sums("rest_calls_total", |metric| {
        let (command, class) = (label(metric, "command"), label(metric, "class"));
        Some(format!("{command} {class}"))
    });
    let mut commands: BTreeMap<String, Counts> = BTreeMap::new();
    for (key, count) in calls {
        // Neither names of commands nor classes hold a space.
        if let Some((command, class)) = key.split_once(' ') {
            let classes = commands.entry(command.to_owned()).or_default();
            classes.insert(class.to_owned(), count);
        }
    }
    commands
        .into_iter()
        .map(|(name, classes)| Command { name, classes })
        .collect()
}

const SITE: &str = "site";
const MAX_ITEMS: usize = 200;
