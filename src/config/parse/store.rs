//! Where the state is kept: a file of this node, and what the nodes of a fleet share.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::ServerName;
use url::{Host, Url};

use super::bundle::bundle;
use crate::config::Store;
use crate::config::raw::{Table, Value};
use crate::config::secrets::Secrets;
use crate::state::fleet::{Roots, Server, Settings};

pub(super) fn section(root: &Table<'_>, secrets: &Secrets<'_>) -> Store {
    let Some(table) = root
        .get("store")
        .and_then(|value| value.table(&["file", "redis"]))
    else {
        return Store::default();
    };
    let (file, redis) = (table.get("file"), table.get("redis"));
    if file.is_none() && redis.is_none() {
        table.require("file", "file = \"state\", in a folder that is there");
    }
    Store {
        file: file.and_then(|value| self::file(&value, secrets.folder)),
        redis: redis.and_then(|value| self::redis(&value, secrets)),
    }
}

fn file(value: &Value<'_>, folder: &Path) -> Option<PathBuf> {
    let file = folder.join(value.text()?);
    let home = file.parent().filter(|home| !home.as_os_str().is_empty());
    if file.is_dir() || !home.unwrap_or(Path::new(".")).is_dir() {
        let hint = "a file that the proxy may make, in a folder that is there";
        value.error("is a folder, or in one that is not there", hint);
        return None;
    }
    Some(file)
}

fn redis(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<Settings> {
    let table = value.table(KEYS)?;
    let url = table.require("url", URL_HINT);
    let address = url.as_ref().and_then(|value| address(value));
    let username = table.get("username");
    let name = username.as_ref().and_then(Value::text);
    let password = table.get("password");
    let secret = password.as_ref().and_then(|value| secrets.read(value));
    let database = table.integer_or("database", 0, 0..=MAX_DATABASE);
    let prefix = prefix(&table);
    let timeout = table.short_duration_or("timeout", TIMEOUT, SHORTEST..=LONGEST);
    let nodes = table.integer_or("nodes", 1, 1..=MAX_NODES);
    if let (Some(username), None) = (&username, &password) {
        username.error("there is no password", "password = { file = \"..\" }");
        return None;
    }
    if let (Some(Address::Plain { host, .. }), Some(value)) = (&address, &url)
        && !is_loopback(host)
    {
        value.warn(
            "what is said to the store, the password too, can be read and changed on its way",
            "rediss:// where the server speaks TLS",
        );
    }
    let ca = table.get("ca");
    let roots = ca.as_ref().map(|value| bundle(value, secrets));
    let server = match address? {
        Address::Secure { host, port } => Server::Tls {
            host,
            port,
            roots: match roots {
                None => Roots::System,
                Some(certificates) => Roots::Only(certificates?),
            },
        },
        other => {
            if let Some(ca) = ca {
                ca.error("has a meaning only with rediss://", "leave it out");
                return None;
            }
            match other {
                Address::Unix(path) => Server::Unix(path),
                Address::Plain { host, port } | Address::Secure { host, port } => {
                    Server::Tcp { host, port }
                }
            }
        }
    };
    if password.is_some() && secret.is_none() || username.is_some() && name.is_none() {
        return None;
    }
    Some(Settings {
        server,
        database: u32::try_from(database).unwrap_or_default(),
        username: name.map(str::to_owned),
        password: secret,
        prefix: prefix?,
        timeout,
        nodes: u32::try_from(nodes).ok().and_then(NonZeroU32::new)?,
    })
}

enum Address {
    Plain { host: String, port: u16 },
    Secure { host: String, port: u16 },
    Unix(PathBuf),
}

fn address(value: &Value<'_>) -> Option<Address> {
    let text = value.text()?;
    if let Some(path) = text.strip_prefix("unix:") {
        if !path.starts_with('/') {
            value.error("names no socket", "unix:/run/redis/redis.sock");
            return None;
        }
        return Some(Address::Unix(path.into()));
    }
    match url_address(text) {
        Ok(address) => Some(address),
        Err((problem, hint)) => {
            value.error(problem, hint);
            None
        }
    }
}

/// The text itself is never part of what is wrong with it: there may be a password in it.
fn url_address(text: &str) -> Result<Address, (&'static str, &'static str)> {
    let url = Url::parse(text).map_err(|_| ("is no address of a store", URL_HINT))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("a secret does not stand in this file", CREDENTIALS));
    }
    if !["", "/"].contains(&url.path()) || url.query().is_some() || url.fragment().is_some() {
        return Err((
            "has more than a host and a port",
            "database = 1 has a key of its own",
        ));
    }
    let host = match url.host().ok_or(("names no host", URL_HINT))? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let port = url.port().unwrap_or(PORT);
    match url.scheme() {
        "redis" => Ok(Address::Plain { host, port }),
        "rediss" if ServerName::try_from(host.as_str()).is_err() => {
            Err(("the host is no name that a certificate can have", URL_HINT))
        }
        "rediss" => Ok(Address::Secure { host, port }),
        _ => Err(("is no address of a store", URL_HINT)),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

fn prefix(table: &Table<'_>) -> Option<String> {
    let Some(value) = table.get_or("prefix", || PREFIX.into()) else {
        return Some(PREFIX.to_owned());
    };
    let text = value.text()?;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/".contains(&byte);
    if text.len() > MAX_PREFIX || !text.bytes().all(is_letter) {
        value.error(
            "is no prefix for keys",
            "up to 64 letters, digits, and . _ - : /",
        );
        return None;
    }
    Some(text.to_owned())
}

const KEYS: &[&str] = &[
    "url", "ca", "database", "username", "password", "prefix", "timeout", "nodes",
];
const URL_HINT: &str =
    "\"redis://host:6379\", \"rediss://host:6379\" with TLS, or \"unix:/run/redis/redis.sock\"";
const CREDENTIALS: &str =
    "username = \"..\" and password = { file = \"..\" } have keys of their own";
const PREFIX: &str = "usersig-proxy:";
const MAX_PREFIX: usize = 64;
const PORT: u16 = 6379;
const MAX_DATABASE: u64 = 1_000_000;
const MAX_NODES: u64 = 10_000;
const TIMEOUT: Duration = Duration::from_millis(500);
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(10);
