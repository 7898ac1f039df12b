//! The apps behind the proxy.

mod health;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::bundle::bundle;
use super::socket;
use crate::config::raw::{Table, Value};
use crate::config::secrets::Secrets;
use crate::config::{Authority, Balance, ServerAddress, Upstream};
use crate::policy::HostName;

/// Every upstream in the order of the file; `None` for one with an error, so that the indices stay.
pub(super) fn all(
    root: &Table<'_>,
    listeners: &[SocketAddr],
    secrets: &Secrets<'_>,
) -> Vec<Option<Upstream>> {
    let hint = "add [[upstream]] with name = \"app\" and servers = [\"http://127.0.0.1:3000\"]";
    let entries = root
        .require("upstream", hint)
        .and_then(|value| value.some_items(hint))
        .unwrap_or_default();
    let upstreams: Vec<_> = entries
        .iter()
        .map(|entry| upstream(entry, listeners, secrets))
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

fn upstream(
    entry: &Value<'_>,
    listeners: &[SocketAddr],
    secrets: &Secrets<'_>,
) -> Option<Upstream> {
    let table = entry.table(KEYS)?;
    let name = table
        .require("name", "name = \"app\"")
        .and_then(|value| value.name());
    let servers = table
        .require("servers", SERVERS_HINT)
        .and_then(|value| servers(&value, listeners, secrets));
    let time = |key, default: u64| {
        table.short_duration_or(key, Duration::from_secs(default), SHORTEST..=DAY)
    };
    let connect_timeout = time("connect_timeout", 5);
    let read_timeout = time("read_timeout", 60);
    let write_timeout = time("write_timeout", 60);
    let idle_timeout = time("idle_timeout", 30);
    let tls = tls(&table, servers.as_deref(), secrets);
    let health = health::section(&table, servers.as_ref().map_or(1, Vec::len));
    Some(Upstream {
        name: name?.to_owned(),
        servers: servers?,
        balance: table.choice_or("balance", Balance::RoundRobin, BALANCES),
        server_name: tls.server_name,
        ca: tls.ca,
        http2: tls.http2,
        health,
        connect_timeout,
        read_timeout,
        write_timeout,
        idle_timeout,
    })
}

/// What only servers with TLS have.
struct Tls {
    server_name: Option<String>,
    ca: Option<Vec<Vec<u8>>>,
    http2: bool,
}

fn tls(table: &Table<'_>, servers: Option<&[ServerAddress]>, secrets: &Secrets<'_>) -> Tls {
    let named = table.get("server_name");
    let name = named
        .as_ref()
        .and_then(|value| value.parsed_as(NAME_HINT, server_name));
    let file = table.get("ca");
    let ca = file.as_ref().and_then(|value| bundle(value, secrets));
    let http2 = table.choice_or("http2", false, HTTP2);
    let is_https = |server: &ServerAddress| matches!(server, ServerAddress::Https(_));
    if servers.is_some_and(|servers| !servers.iter().any(is_https)) {
        let version = table.get("http2").filter(|_| http2);
        for value in [named, file, version].into_iter().flatten() {
            value.error("has a meaning only with https:// servers", "leave it out");
        }
    } else if name.is_none() {
        refuse_unnameable(table, servers);
    }
    Tls {
        server_name: name,
        ca,
        http2,
    }
}

/// The framework checks another name than the one with an underscore, and no certificate has that one.
fn refuse_unnameable(table: &Table<'_>, servers: Option<&[ServerAddress]>) {
    let places = table.items("servers");
    for (place, server) in places.iter().zip(servers.unwrap_or_default()) {
        if let ServerAddress::Https(authority) = server
            && !is_nameable(authority.bare_host())
        {
            place.error(NO_NAME, NAME_HINT);
        }
    }
}

fn server_name(text: &str) -> Result<String, &'static str> {
    let name = HostName::parse(text).map_err(|_| NO_NAME)?;
    let name = name.as_str();
    match is_nameable(name) && name.parse::<IpAddr>().is_err() {
        true => Ok(name.to_owned()),
        false => Err(NO_NAME),
    }
}

fn is_nameable(host: &str) -> bool {
    !host.contains('_') && ServerName::try_from(host).is_ok()
}

fn servers(
    value: &Value<'_>,
    listeners: &[SocketAddr],
    secrets: &Secrets<'_>,
) -> Option<Vec<ServerAddress>> {
    let items = value.some_items(SERVERS_HINT)?;
    // All of them are read, so that each that is wrong is reported.
    let servers: Vec<_> = items
        .iter()
        .map(|item| listed_server(item, listeners, secrets))
        .collect();
    for (index, (item, server)) in items.iter().zip(&servers).enumerate() {
        let mut earlier = servers.iter().take(index);
        if server.is_some() && earlier.any(|one| one == server) {
            item.error("stands here twice", "list each server once");
        }
    }
    servers.into_iter().collect()
}

fn listed_server(
    item: &Value<'_>,
    listeners: &[SocketAddr],
    secrets: &Secrets<'_>,
) -> Option<ServerAddress> {
    let server = match item.text()?.strip_prefix("unix:") {
        Some(path) => socket::path(item, secrets.folder, path).map(ServerAddress::Unix)?,
        None => item.parsed_as(URL_HINT, server)?,
    };
    if listeners.iter().any(|listener| server.reaches(listener)) {
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
    match scheme.to_ascii_lowercase().as_str() {
        "http" => authority(rest, 80).map(ServerAddress::Http),
        "https" => authority(rest, 443).map(ServerAddress::Https),
        _ => Err("must be http://, https:// or unix:"),
    }
}

fn authority(rest: &str, default_port: u16) -> Result<Authority, &'static str> {
    if rest.contains('@') {
        return Err("must have no user name or password");
    }
    if rest.contains(['/', '?', '#']) {
        return Err("must have no path, not even \"/\": paths are forwarded as they come");
    }
    let host = HostName::from_authority(rest).map_err(|_| "has no usable host or port")?;
    let port = match rest.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port.parse().unwrap_or(0),
        _ => default_port,
    };
    if port == 0 {
        return Err("has no usable host or port");
    }
    let host = host.as_str().to_owned();
    Ok(Authority { host, port })
}

const KEYS: &[&str] = &[
    "name",
    "servers",
    "balance",
    "server_name",
    "ca",
    "http2",
    "health",
    "connect_timeout",
    "read_timeout",
    "write_timeout",
    "idle_timeout",
];
const BALANCES: &[(&str, Balance)] = &[
    ("round_robin", Balance::RoundRobin),
    ("least_requests", Balance::LeastRequests),
];
const HTTP2: &[(&str, bool)] = &[("off", false), ("auto", true)];
const SERVERS_HINT: &str = "servers = [\"http://127.0.0.1:3000\"]";
const URL_HINT: &str = "scheme, host and port, as in \"http://127.0.0.1:3000\"";
const NO_NAME: &str = "is no name that a certificate can be for";
const NAME_HINT: &str = "server_name = \"app.internal\", as it stands in the certificate";
/// The shortest of its times.
const SHORTEST: Duration = Duration::from_millis(100);
const DAY: Duration = Duration::from_secs(86_400);
