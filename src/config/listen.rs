//! Where requests are taken, with which certificates, and who is believed about where they came from.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use crate::policy::TrustedProxies;
use crate::policy::forwarded::ForwardedFamily;

/// The listeners of the proxy itself.
#[derive(Clone, Debug)]
pub struct Listen {
    /// At least one; no two of them clash.
    pub listeners: Vec<Listener>,
    /// The mode of the files of Unix sockets.
    pub unix_mode: u32,
    /// The peers that are believed about where a request came from.
    pub trusted_proxies: TrustedProxies,
    /// The headers in which they say it.
    pub trusted_headers: ForwardedFamily,
}

impl Listen {
    /// All but the certificates.
    pub fn shape(&self) -> ListenShape {
        let shape = |listener: &Listener| {
            let is_tls = matches!(listener.transport, Transport::Tls(_));
            (listener.address.clone(), is_tls, listener.proxy_protocol)
        };
        ListenShape {
            listeners: self.listeners.iter().map(shape).collect(),
            unix_mode: self.unix_mode,
            trusted_proxies: self.trusted_proxies.clone(),
            trusted_headers: self.trusted_headers,
        }
    }

    /// The addresses of all listeners that have one.
    pub fn addresses(&self) -> impl Iterator<Item = &SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| match &listener.address {
                ListenAddress::Tcp(address) => Some(address),
                ListenAddress::Unix(_) => None,
            })
    }
}

/// What of the listeners a running process cannot change: to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenShape {
    listeners: Vec<(ListenAddress, bool, bool)>,
    unix_mode: u32,
    trusted_proxies: TrustedProxies,
    trusted_headers: ForwardedFamily,
}

/// One place where connections are taken.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where it is.
    pub address: ListenAddress,
    /// What is spoken there.
    pub transport: Transport,
    /// Whether every connection starts with a header of the PROXY protocol.
    pub proxy_protocol: bool,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.transport {
            Transport::Plain => write!(f, "{}", self.address),
            Transport::Tls(_) => write!(f, "{} with TLS", self.address),
        }
    }
}

/// An address or a file to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The file of a Unix socket; its path is UTF-8 and not too long for one.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddress {
    /// As it is written in the configuration, with the whole path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What is spoken on a listener.
#[derive(Clone, Debug)]
pub enum Transport {
    /// HTTP/1.1 and h2c.
    Plain,
    /// HTTP/1.1 and HTTP/2 over TLS with one of these certificates; at least one, the first is the default.
    Tls(Vec<Certificate>),
}

/// A certificate with its private key, which fits it.
#[derive(Clone)]
pub struct Certificate {
    /// The host names that it covers, in lower case; `*.example.com` covers one label more.
    pub names: Vec<String>,
    /// The last second of its life, in Unix time.
    pub not_after: u64,
    /// Chain and key.
    pub key: Arc<CertifiedKey>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("names", &self.names)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}
