//! How the servers of an upstream are checked.

use std::time::Duration;

use http::StatusCode;

use super::SHORTEST;
use crate::config::raw::{Table, Value};
use crate::config::{HealthCheck, HealthRequest};
use crate::policy::HostName;

/// The checks of an upstream: as its `health` says, or by connections alone where there are servers to choose from.
pub(super) fn section(upstream: &Table<'_>, servers: usize) -> Option<HealthCheck> {
    let written = upstream.get("health");
    if written.is_none() && servers < 2 {
        return None;
    }
    let table = upstream.section("health", KEYS);
    let count = |key, default| {
        let count = table.integer_or(key, default, 1..=100);
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let time = |key, default: u64, most: u64| {
        let range = SHORTEST..=Duration::from_secs(most);
        table.short_duration_or(key, Duration::from_secs(default), range)
    };
    Some(HealthCheck {
        request: request(&table),
        interval: time("interval", 5, 3600),
        timeout: time("timeout", 2, 60),
        unhealthy_after: count("unhealthy_after", 3),
        healthy_after: count("healthy_after", 2),
    })
}

fn request(table: &Table<'_>) -> Option<HealthRequest> {
    let host = table.get("host");
    let statuses = table.get("statuses");
    let Some(path) = table.get("path") else {
        for value in [host, statuses].into_iter().flatten() {
            value.error("has a meaning only with path", "path = \"/healthz\"");
        }
        return None;
    };
    let host = host.and_then(|value| value.parsed(named_host));
    let statuses = statuses.and_then(|value| value.items()).unwrap_or_default();
    let statuses = statuses.iter().filter_map(status).collect();
    Some(HealthRequest {
        path: path.parsed(target)?,
        host,
        statuses,
    })
}

fn target(text: &str) -> Result<String, &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"#\\\"<>^`{|}".contains(&byte);
    match text.starts_with('/') && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("is not a path that starts with \"/\""),
    }
}

/// With or without a port, as it goes into the request.
fn named_host(text: &str) -> Result<String, &'static str> {
    match HostName::from_authority(text) {
        Ok(_) => Ok(text.to_ascii_lowercase()),
        Err(_) => Err("is not a host"),
    }
}

fn status(value: &Value<'_>) -> Option<StatusCode> {
    let number = value.integer(200..=599)?;
    u16::try_from(number)
        .ok()
        .and_then(|number| StatusCode::from_u16(number).ok())
}

const KEYS: &[&str] = &[
    "path",
    "host",
    "statuses",
    "interval",
    "timeout",
    "unhealthy_after",
    "healthy_after",
];
