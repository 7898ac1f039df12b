//! An app behind the proxy, as the configuration says.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;

/// An app behind the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name in configuration, logs and metrics.
    pub name: String,
    /// Where it is; at least one, and all of them differ.
    pub servers: Vec<ServerAddress>,
    /// Which of them is next.
    pub balance: Balance,
    /// The name that the certificates of its servers must be for, if not that of each server's URL.
    pub server_name: Option<String>,
    /// The certificates (DER) that they must be signed by, if not by what the system trusts.
    pub ca: Option<Vec<Vec<u8>>>,
    /// Whether HTTP/2 is spoken with servers that offer it in their TLS handshake.
    pub http2: bool,
    /// How its servers are checked, if they are.
    pub health: Option<HealthCheck>,
    /// How long a connection may take to be made, all tries together.
    pub connect_timeout: Duration,
    /// How long the proxy waits for more of a response.
    pub read_timeout: Duration,
    /// How long the app may take no more of a request.
    pub write_timeout: Duration,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
}

/// Where a server of an app is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    /// It speaks plain HTTP.
    Http(Authority),
    /// It speaks HTTP over TLS.
    Https(Authority),
    /// It speaks plain HTTP on a Unix socket; the path is UTF-8 and at most 107 bytes long.
    Unix(PathBuf),
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// A name or address in lower case; IPv6 in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Which server of an upstream is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests.
    LeastRequests,
}

/// How servers are checked in the background.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked; a connection is enough without it.
    pub request: Option<HealthRequest>,
    /// The time between two checks.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Failed checks until a server is out.
    pub unhealthy_after: u32,
    /// Passed checks until it is back.
    pub healthy_after: u32,
}

/// What a check asks for with GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthRequest {
    /// Path and query.
    pub path: String,
    /// The host that it names, if not the server's own.
    pub host: Option<String>,
    /// The statuses that pass; any 2xx or 3xx if there are none.
    pub statuses: Vec<StatusCode>,
}

impl Authority {
    /// The host without brackets.
    pub fn bare_host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }
}

impl ServerAddress {
    /// Whether a request to this server comes to a listener of ours. A name other than `localhost` is not looked up.
    pub fn reaches(&self, listener: &SocketAddr) -> bool {
        let (Self::Http(server) | Self::Https(server)) = self else {
            return false;
        };
        let address = match server.bare_host() {
            "localhost" => Ok(IpAddr::from([127, 0, 0, 1])),
            host => host.parse::<IpAddr>(),
        };
        let Ok(address) = address else { return false };
        let is_here = address == listener.ip()
            || (listener.ip().is_unspecified()
                && (address.is_loopback() || address.is_unspecified()));
        server.port == listener.port() && is_here
    }
}

impl fmt::Display for Authority {
    /// As in a `Host` header, and as a resolver takes it: `host:port`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for ServerAddress {
    /// As logs and metrics show it; never with anything that is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(authority) => write!(f, "http://{authority}"),
            Self::Https(authority) => write!(f, "https://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
