//! What the process itself needs: threads, limits, times, log.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::raw::Table;
use crate::config::{Log, LogFormat, LogLevel, Runtime};

pub(super) fn runtime(root: &Table<'_>, folder: &Path) -> Runtime {
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
    let max_connections = table.integer_or("max_connections", 0, 0..=MAX_CONNECTIONS);
    let max_requests = table.integer_or("max_requests", 10_000, 1..=MAX_REQUESTS);
    let number = |number| usize::try_from(number).ok().and_then(NonZeroUsize::new);
    Runtime {
        max_connections: number(max_connections),
        max_requests: number(max_requests).unwrap_or(NonZeroUsize::MAX),
        threads: number(threads),
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
        upgrade_socket: upgrade_socket(&table, folder),
    }
}

fn upgrade_socket(table: &Table<'_>, folder: &Path) -> Option<PathBuf> {
    let value = table.get("upgrade_socket")?;
    let path = folder.join(value.text()?);
    // To an absolute one: the kernel knows the socket by the name that it was given.
    let path = std::path::absolute(&path).unwrap_or(path);
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        value.error("is too long a path for a Unix socket", "at most 107 bytes");
        return None;
    }
    Some(path)
}

pub(super) fn log(root: &Table<'_>) -> Log {
    let table = root.section("log", &["format", "level"]);
    Log {
        format: table.choice_or("format", LogFormat::Json, LOG_FORMATS),
        level: table.choice_or("level", LogLevel::Info, LOG_LEVELS),
    }
}

const RUNTIME_KEYS: &[&str] = &[
    "threads",
    "max_connections",
    "max_requests",
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
    "upgrade_socket",
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
/// What a `sockaddr_un` holds beside its final zero byte.
const MAX_SOCKET_PATH: usize = 107;
const DAY: Duration = Duration::from_secs(86_400);
/// As many files as a process may open where nobody changed the kernel's own limit.
const MAX_CONNECTIONS: u64 = 1 << 20;
/// More than it can have sockets then.
const MAX_REQUESTS: u64 = 1 << 20;
/// Half of what Pingora reads at all.
const MAX_HEADER_BYTES: u64 = 512 * KIB;
/// The `http` crate holds no longer one.
const MAX_URI_BYTES: u64 = 63 * KIB;
