//! Where requests are taken: addresses, Unix sockets, TLS, and the proxies in front that are believed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};

use serde_json::json;

use super::{certificates, socket};
use crate::config::error::{Place, Report};
use crate::config::raw::{Table, Value};
use crate::config::secrets::Secrets;
use crate::config::{Listen, ListenAddress, Listener, Transport};
use crate::policy::forwarded::ForwardedFamily;
use crate::policy::{TrustedProxy, TrustedProxyError};

/// Listeners that do not clash.
pub(super) struct Listeners {
    pub(super) listen: Listen,
    pub(super) ops: SocketAddr,
}

impl Listeners {
    /// Addresses that an upstream must not have.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.listen.addresses().copied().collect()
    }
}

pub(super) fn all(root: &Table<'_>, secrets: &Secrets<'_>) -> Listeners {
    let table = root.section("listen", KEYS);
    let trusted = trusted_proxies(&table);
    let placed = listeners(&table, secrets);
    for (listener, place) in &placed {
        check_proxy_protocol(&table, listener, place, &trusted);
    }
    let ops = ops(root, secrets.demo);
    check_clashes(root.report(), &placed, &ops);
    let listen = Listen {
        listeners: placed.into_iter().map(|(listener, _)| listener).collect(),
        unix_mode: unix_mode(&table),
        trusted_proxies: trusted.into_iter().collect(),
        trusted_headers: table.choice_or("trusted_headers", ForwardedFamily::default(), FAMILIES),
    };
    Listeners {
        listen,
        ops: ops.address.unwrap_or(DEFAULT_OPS),
    }
}

type Placed = (Listener, Place);

/// The listener for health and metrics.
struct Ops {
    /// `None` after an error.
    address: Option<SocketAddr>,
    place: Place,
    is_written: bool,
}

fn listeners(table: &Table<'_>, secrets: &Secrets<'_>) -> Vec<Placed> {
    let tls: Vec<_> = table
        .items("https")
        .iter()
        .filter_map(|item| tls_listener(item, secrets))
        .collect();
    let has_tls = table.get("https").is_some_and(|value| value.has_items());
    let plain: Vec<_> = match table.get("http") {
        Some(value) if has_tls => plain_listeners(&value.items().unwrap_or_default(), secrets),
        Some(value) => {
            let hint = "name at least one address, as in [\"0.0.0.0:8080\"]";
            plain_listeners(&value.some_items(hint).unwrap_or_default(), secrets)
        }
        None if has_tls => Vec::new(),
        None => {
            table.note_default("http", || json!([DEFAULT_HTTP.to_string()]));
            let listener = plain(ListenAddress::Tcp(DEFAULT_HTTP));
            vec![(listener, table.place_of("http"))]
        }
    };
    plain.into_iter().chain(tls).collect()
}

fn plain_listeners(items: &[Value<'_>], secrets: &Secrets<'_>) -> Vec<Placed> {
    let read = |item: &Value<'_>| Some((plain_listener(item, secrets)?, item.place().clone()));
    items.iter().filter_map(read).collect()
}

/// An address by itself, or a table for what is to be said of it.
fn plain_listener(item: &Value<'_>, secrets: &Secrets<'_>) -> Option<Listener> {
    if item.is_text() {
        return address(item, secrets).map(plain);
    }
    let table = item.table(&["address", "proxy_protocol"])?;
    let value = table.require("address", "address = \"0.0.0.0:8080\"");
    let proxy_protocol = table.boolean_or("proxy_protocol", false);
    Some(Listener {
        proxy_protocol,
        ..plain(address(&value?, secrets)?)
    })
}

fn plain(address: ListenAddress) -> Listener {
    Listener {
        address,
        transport: Transport::Plain,
        proxy_protocol: false,
    }
}

fn tls_listener(item: &Value<'_>, secrets: &Secrets<'_>) -> Option<Placed> {
    let table = item.table(TLS_KEYS)?;
    let value = table.require("address", "address = \"0.0.0.0:8443\"");
    let address = value
        .as_ref()
        .and_then(|value| tcp_address(value, secrets.demo));
    let proxy_protocol = table.boolean_or("proxy_protocol", false);
    let certificates = certificates::of_listener(&table, secrets);
    let listener = Listener {
        address: ListenAddress::Tcp(address?),
        transport: Transport::Tls(certificates),
        proxy_protocol,
    };
    Some((listener, value?.place().clone()))
}

fn ops(root: &Table<'_>, demo: bool) -> Ops {
    let section = root.section("ops", &["listen"]);
    match section.get_or("listen", || DEFAULT_OPS.to_string().into()) {
        Some(value) => Ops {
            address: tcp_address(&value, demo),
            place: value.place().clone(),
            is_written: true,
        },
        None => Ops {
            address: Some(DEFAULT_OPS),
            place: section.place_of("listen"),
            is_written: false,
        },
    }
}

/// The same without a place.
pub(super) fn ops_address(root: &Table<'_>, demo: bool) -> Option<SocketAddr> {
    ops(root, demo).address
}

fn check_clashes(report: &Report<'_>, listeners: &[Placed], ops: &Ops) {
    let listed = listeners.iter();
    let listed = listed.map(|(listener, place)| (listener.address.clone(), place));
    let ops_at = ops.address.map(ListenAddress::Tcp);
    let ops_at = ops_at.map(|address| (address, &ops.place)).into_iter();
    // What stands in the file is reported, not the default that it clashes with.
    let all: Vec<_> = match ops.is_written {
        true => listed.chain(ops_at).collect(),
        false => ops_at.chain(listed).collect(),
    };
    for (index, (later, place)) in all.iter().enumerate() {
        let clash = all.iter().take(index).find(|(one, _)| clash(one, later));
        if let Some((_, other)) = clash {
            let problem = format!("is taken by {} already", other.key);
            let hint = match later {
                ListenAddress::Tcp(_) => "give each its own port",
                ListenAddress::Unix(_) => "give each its own file",
            };
            report.error(place, problem, hint);
        }
    }
}

fn address(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<ListenAddress> {
    match value.text()?.strip_prefix("unix:") {
        Some(path) => socket::path(value, secrets.folder, path).map(ListenAddress::Unix),
        None => tcp_address(value, secrets.demo).map(ListenAddress::Tcp),
    }
}

fn tcp_address(value: &Value<'_>, demo: bool) -> Option<SocketAddr> {
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

/// Permission bits in octal, as `chmod` takes them.
fn unix_mode(table: &Table<'_>) -> u32 {
    let default = || format!("{DEFAULT_UNIX_MODE:04o}").into();
    let Some(value) = table.get_or("unix_mode", default) else {
        return DEFAULT_UNIX_MODE;
    };
    let Some(text) = value.text() else {
        return DEFAULT_UNIX_MODE;
    };
    let mode = u32::from_str_radix(text, 8).ok();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    match mode.filter(|mode| is_plain && *mode <= 0o777) {
        Some(mode) => mode,
        None => {
            value.error(
                "is not the mode of a file",
                "three octal digits, as in \"0660\"",
            );
            DEFAULT_UNIX_MODE
        }
    }
}

fn trusted_proxies(table: &Table<'_>) -> Vec<TrustedProxy> {
    let read = |item: &Value<'_>| match TrustedProxy::parse(item.text()?) {
        Ok(entry) => {
            if entry.is_everyone() {
                item.warn(
                    "believes everybody who can connect, about who they are as well",
                    "the networks that your proxies are in",
                );
            }
            Some(entry)
        }
        Err(error) => {
            let hint = match &error {
                TrustedProxyError::HostBits(network) => format!("\"{network}\""),
                _ => NETWORK_HINT.to_owned(),
            };
            item.error(error.to_string(), hint);
            None
        }
    };
    table
        .items("trusted_proxies")
        .iter()
        .filter_map(read)
        .collect()
}

/// A header of the PROXY protocol is believed from trusted proxies only, so without any nobody could connect.
fn check_proxy_protocol(
    table: &Table<'_>,
    listener: &Listener,
    place: &Place,
    trusted: &[TrustedProxy],
) {
    let may_connect = |entry: &TrustedProxy| match &listener.address {
        ListenAddress::Tcp(_) => matches!(entry, TrustedProxy::Network(_)),
        ListenAddress::Unix(_) => *entry == TrustedProxy::Unix,
    };
    if listener.proxy_protocol && !trusted.iter().any(may_connect) {
        table.report().error(
            place,
            "takes the PROXY protocol, and no trusted proxy could connect here",
            "name the balancer in listen.trusted_proxies; \"unix\" for a Unix socket",
        );
    }
}

fn clash(one: &ListenAddress, other: &ListenAddress) -> bool {
    match (one, other) {
        (ListenAddress::Tcp(one), ListenAddress::Tcp(other)) => {
            let every_address = one.ip().is_unspecified() || other.ip().is_unspecified();
            one.port() == other.port() && (one.ip() == other.ip() || every_address)
        }
        (ListenAddress::Unix(one), ListenAddress::Unix(other)) => resolved(one) == resolved(other),
        _ => false,
    }
}

/// Where a socket comes to be: through every link where its folder is there, by the letters alone where it is not.
fn resolved(socket: &Path) -> PathBuf {
    let folder = socket
        .parent()
        .and_then(|folder| folder.canonicalize().ok());
    if let (Some(folder), Some(name)) = (folder, socket.file_name()) {
        return folder.join(name);
    }
    let mut resolved = PathBuf::new();
    for part in socket.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(resolved.pop()),
            part => resolved.push(part),
        }
    }
    resolved
}

const DEFAULT_HTTP: SocketAddr = SocketAddr::new(LOOPBACK, 8080);
/// Where the ops listener is when nothing says so.
pub const DEFAULT_OPS: SocketAddr = SocketAddr::new(LOOPBACK, 9090);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The group of the socket's file is how an operator lets a web server in; everybody else stays out.
const DEFAULT_UNIX_MODE: u32 = 0o660;

const NETWORK_HINT: &str = "as in \"10.0.0.0/8\", \"192.0.2.7\", \"2001:db8::/32\" or \"unix\"";

const KEYS: &[&str] = &[
    "http",
    "https",
    "unix_mode",
    "trusted_proxies",
    "trusted_headers",
];
const TLS_KEYS: &[&str] = &[
    "address",
    "certificate",
    "key",
    "certificates",
    "proxy_protocol",
];
const FAMILIES: &[(&str, ForwardedFamily)] = &[
    ("x-forwarded", ForwardedFamily::XForwarded),
    ("forwarded", ForwardedFamily::Forwarded),
];
