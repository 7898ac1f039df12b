//! What the process itself needs: listeners, threads, limits, times, log.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::config::error::Place;
use crate::config::raw::{Table, Value};
use crate::config::{Log, LogFormat, LogLevel, Runtime};

/// Addresses that do not clash.
pub(super) struct Listeners {
    pub(super) http: Vec<SocketAddr>,
    pub(super) ops: SocketAddr,
}

pub(super) fn listeners(root: &Table<'_>, demo: bool) -> Listeners {
    let listen = root.section("listen", &["http"]);
    let http = match listen.get("http") {
        Some(value) => http_addresses(&value, demo),
        None => vec![(DEFAULT_HTTP, listen.place_of("http"))],
    };
    let section = root.section("ops", &["listen"]);
    let ops = match section.get("listen") {
        Some(value) => address(&value, demo).map(|address| (address, value.place().clone())),
        None => Some((DEFAULT_OPS, section.place_of("listen"))),
    };
    // What stands in the file is reported, not the default that it clashes with.
    let all: Vec<_> = match section.get("listen") {
        Some(_) => http.iter().chain(&ops).collect(),
        None => ops.iter().chain(&http).collect(),
    };
    for (index, (later, place)) in all.iter().enumerate() {
        let clash = all.iter().take(index).find(|(one, _)| clash(one, later));
        if let Some((_, other)) = clash {
            let problem = format!("is taken by {} already", other.key);
            root.report()
                .error(place, problem, "give each its own port");
        }
    }
    let ops = ops.map_or(DEFAULT_OPS, |(address, _)| address);
    let http = http.into_iter().map(|(address, _)| address).collect();
    Listeners { http, ops }
}

pub(super) fn runtime(root: &Table<'_>) -> Runtime {
    let table = root.section("runtime", RUNTIME_KEYS);
    let threads = table.integer_or("threads", 0, 0..=1024);
    let bytes = |key, default, most| -> usize {
        let bytes = table.size_or(key, default, KIB..=most);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    };
    let time = |key, default: u64, least: u64| {
        let range = Duration::from_secs(least)..=DAY;
        table.duration_or(key, Duration::from_secs(default), range)
    };
    Runtime {
        threads: usize::try_from(threads).ok().and_then(NonZeroUsize::new),
        max_body: table.size_or("max_body", GIB, 0..=1024 * GIB),
        max_login_body: bytes("max_login_body", 1024 * KIB, 64 * 1024 * KIB),
        max_header_bytes: bytes("max_header_bytes", 64 * KIB, MAX_HEADER_BYTES),
        max_uri_bytes: bytes("max_uri_bytes", 16 * KIB, MAX_URI_BYTES),
        downstream_keepalive: time("downstream_keepalive", 60, 1),
        downstream_read_timeout: time("downstream_read_timeout", 60, 1),
        reload_on_change: table.boolean_or("reload_on_change", true),
        drain_delay: time("drain_delay", 0, 0),
        grace_period: time("grace_period", 10, 0),
        shutdown_timeout: time("shutdown_timeout", 5, 0),
    }
}

pub(super) fn log(root: &Table<'_>) -> Log {
    let table = root.section("log", &["format", "level"]);
    Log {
        format: table.choice_or("format", LogFormat::Json, LOG_FORMATS),
        level: table.choice_or("level", LogLevel::Info, LOG_LEVELS),
    }
}

fn http_addresses(value: &Value<'_>, demo: bool) -> Vec<(SocketAddr, Place)> {
    value
        .some_items("name at least one address, as in [\"0.0.0.0:8080\"]")
        .unwrap_or_default()
        .iter()
        .filter_map(|item| Some((address(item, demo)?, item.place().clone())))
        .collect()
}

fn address(value: &Value<'_>, demo: bool) -> Option<SocketAddr> {
    let Ok(address) = value.text()?.parse::<SocketAddr>() else {
        value.error(
            "is not an address to listen on",
            "an IP address and a port, as in \"127.0.0.1:8080\" or \"[::1]:8080\"",
        );
        return None;
    };
    if address.port() == 0 {
        value.error(
            "has no port that a client could know",
            "a port from 1 to 65535",
        );
        return None;
    }
    if demo && !address.ip().is_loopback() {
        value.error(
            "is not on loopback, which demo = true asks for",
            "127.0.0.1, or keys of your own and no demo",
        );
        return None;
    }
    Some(address)
}

fn clash(one: &SocketAddr, other: &SocketAddr) -> bool {
    let every_address = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && (one.ip() == other.ip() || every_address)
}

const DEFAULT_HTTP: SocketAddr = SocketAddr::new(LOOPBACK, 8080);
const DEFAULT_OPS: SocketAddr = SocketAddr::new(LOOPBACK, 9090);
const LOOPBACK: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

const RUNTIME_KEYS: &[&str] = &[
    "threads",
    "max_body",
    "max_login_body",
    "max_header_bytes",
    "max_uri_bytes",
    "downstream_keepalive",
    "downstream_read_timeout",
    "reload_on_change",
    "drain_delay",
    "grace_period",
    "shutdown_timeout",
];
const LOG_FORMATS: &[(&str, LogFormat)] = &[("json", LogFormat::Json), ("text", LogFormat::Text)];
const LOG_LEVELS: &[(&str, LogLevel)] = &[
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;
const DAY: Duration = Duration::from_secs(86_400);
/// Half of what Pingora reads at all.
const MAX_HEADER_BYTES: u64 = 512 * KIB;
/// The `http` crate holds no longer one.
const MAX_URI_BYTES: u64 = 63 * KIB;
