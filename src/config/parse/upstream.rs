//! The apps behind the proxy.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::config::raw::{Table, Value};
use crate::config::{ServerAddress, Upstream};
use crate::policy::HostName;

/// Every upstream in the order of the file; `None` for one with an error, so that the indices stay.
pub(super) fn all(root: &Table<'_>, listeners: &[SocketAddr]) -> Vec<Option<Upstream>> {
    let hint = "add [[upstream]] with name = \"app\" and servers = [\"http://127.0.0.1:3000\"]";
    let entries = root
        .require("upstream", hint)
        .and_then(|value| value.some_items(hint))
        .unwrap_or_default();
    let upstreams: Vec<_> = entries
        .iter()
        .map(|entry| upstream(entry, listeners))
        .collect();
    for (index, (entry, upstream)) in entries.iter().zip(&upstreams).enumerate() {
        let name = upstream.as_ref().map(|upstream| &upstream.name);
        let earlier = upstreams.iter().take(index).flatten();
        if earlier.map(|one| &one.name).any(|one| Some(one) == name) {
            entry.error(
                "has the name of an earlier upstream",
                "give each its own name",
            );
        }
    }
    upstreams
}

fn upstream(entry: &Value<'_>, listeners: &[SocketAddr]) -> Option<Upstream> {
    let table = entry.table(KEYS)?;
    let name = table
        .require("name", "name = \"app\"")
        .and_then(|value| value.name());
    let server = table
        .require("servers", "servers = [\"http://127.0.0.1:3000\"]")
        .and_then(|value| only_server(&value, listeners));
    let time =
        |key, default: u64| table.duration_or(key, Duration::from_secs(default), SECOND..=DAY);
    let connect_timeout = time("connect_timeout", 5);
    let read_timeout = time("read_timeout", 60);
    let write_timeout = time("write_timeout", 60);
    let idle_timeout = time("idle_timeout", 30);
    Some(Upstream {
        name: name?.to_owned(),
        server: server?,
        connect_timeout,
        read_timeout,
        write_timeout,
        idle_timeout,
    })
}

fn only_server(value: &Value<'_>, listeners: &[SocketAddr]) -> Option<ServerAddress> {
    let items = value.items()?;
    let [item] = items.as_slice() else {
        value.error(
            "must name exactly one server",
            "servers = [\"http://127.0.0.1:3000\"]",
        );
        return None;
    };
    let server = match server(item.text()?) {
        Ok(server) => server,
        Err(problem) => {
            item.error(
                problem,
                "scheme, host and port, as in \"http://127.0.0.1:3000\"",
            );
            return None;
        }
    };
    if listeners.iter().any(|listener| reaches(&server, listener)) {
        item.error(
            "is this proxy itself: every request would go around for ever",
            "the address that the app listens on",
        );
        return None;
    }
    Some(server)
}

fn server(url: &str) -> Result<ServerAddress, &'static str> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err("is not a URL");
    };
    if !scheme.eq_ignore_ascii_case("http") {
        return Err("must be http://: no other scheme is supported");
    }
    if rest.contains('@') {
        return Err("must have no user name or password");
    }
    if rest.contains(['/', '?', '#']) {
        return Err("must have no path, not even \"/\": paths are forwarded as they come");
    }
    let host = HostName::from_authority(rest).map_err(|_| "has no usable host or port")?;
    let port = match rest.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse().unwrap_or(0),
        _ => 80,
    };
    if port == 0 {
        return Err("has no usable host or port");
    }
    let host = host.as_str().to_owned();
    Ok(ServerAddress { host, port })
}

fn reaches(server: &ServerAddress, listener: &SocketAddr) -> bool {
    let host = server.host.trim_matches(['[', ']']);
    let address = match host {
        "localhost" => Ok(IpAddr::from([127, 0, 0, 1])),
        host => host.parse::<IpAddr>(),
    };
    let Ok(address) = address else { return false };
    let is_here = address == listener.ip()
        || (listener.ip().is_unspecified() && (address.is_loopback() || address.is_unspecified()));
    server.port == listener.port() && is_here
}

const KEYS: &[&str] = &[
    "name",
    "servers",
    "connect_timeout",
    "read_timeout",
    "write_timeout",
    "idle_timeout",
];
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
