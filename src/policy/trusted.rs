//! Which peers are believed when they say on whose behalf they ask.
//!
//! A peer is a program that is connected to the proxy: a client, or a load balancer that passes a client on. Pure;
//! `config` builds the list, `proxy` and `server` ask it.

use std::net::IpAddr;

use ipnet::IpNet;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A program at this address.
    Address(IpAddr),
    /// A program on this machine, through a Unix socket.
    Unix,
    /// Someone whose address was not told.
    Unknown,
}

impl Peer {
    /// The peer at an address; one of IPv4 in the clothes of IPv6 counts as IPv4.
    pub fn at(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

/// One entry of the list of believed peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    /// Everyone in this network.
    Network(IpNet),
    /// Everyone who may connect to our Unix sockets.
    Unix,
}

/// Why a text names no peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedProxyError {
    /// Neither an address nor a network nor `unix`.
    #[error("is neither an address nor a network nor \"unix\"")]
    NotNetwork,
    /// The address has bits set that its prefix leaves open; the network is this.
    #[error("is an address within a network, not the network")]
    HostBits(IpNet),
    /// IPv4 in the clothes of IPv6, which is compared as IPv4.
    #[error("is IPv4 written as IPv6")]
    Mapped,
}

impl TrustedProxy {
    /// Parses `10.0.0.0/8`, `192.0.2.1`, `2001:db8::/32` or `unix`.
    pub fn parse(text: &str) -> Result<Self, TrustedProxyError> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse().map_err(|_| TrustedProxyError::NotNetwork)?,
        };
        if network.addr() != network.network() {
            return Err(TrustedProxyError::HostBits(network.trunc()));
        }
        if network.addr().is_ipv6() && network.addr().to_canonical().is_ipv4() {
            return Err(TrustedProxyError::Mapped);
        }
        Ok(Self::Network(network))
    }

    /// Whether this entry means everybody.
    pub fn is_everyone(&self) -> bool {
        matches!(self, Self::Network(network) if network.prefix_len() == 0)
    }
}

/// The believed peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<TrustedProxy>);

impl TrustedProxies {
    /// Whether nobody is believed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a peer is believed. Someone unknown never is.
    pub fn contains(&self, peer: Peer) -> bool {
        match peer {
            Peer::Address(address) => self.contains_address(address),
            Peer::Unix => self.0.contains(&TrustedProxy::Unix),
            Peer::Unknown => false,
        }
    }

    /// Whether a program at this address is believed.
    pub fn contains_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let holds = |entry: &TrustedProxy| match entry {
            TrustedProxy::Network(network) => network.contains(&address),
            TrustedProxy::Unix => false,
        };
        self.0.iter().any(holds)
    }
}

impl FromIterator<TrustedProxy> for TrustedProxies {
    fn from_iter<I: IntoIterator<Item = TrustedProxy>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> TrustedProxies {
        let parse = |text: &&str| TrustedProxy::parse(text).unwrap();
        entries.iter().map(parse).collect()
    }

    #[test]
    fn h9_only_listed_peers_are_believed() {
        let trusted = list(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]);
        for address in [
            "10.0.0.0",
            "10.255.255.255",
            "::ffff:10.1.2.3",
            "192.0.2.7",
            "2001:db8:ffff::1",
        ] {
            let peer = Peer::at(address.parse().unwrap());
            assert!(trusted.contains(peer), "{address}");
        }
        for address in ["11.0.0.1", "192.0.2.8", "2001:db9::1", "::1", "::10.0.0.1"] {
            let peer = Peer::at(address.parse().unwrap());
            assert!(!trusted.contains(peer), "{address}");
        }
        assert!(!trusted.contains(Peer::Unix) && !trusted.contains(Peer::Unknown));
        assert!(list(&["unix"]).contains(Peer::Unix));
        let everyone = list(&["0.0.0.0/0", "::/0", "unix"]);
        assert!(!everyone.contains(Peer::Unknown));
        assert!(!TrustedProxies::default().contains(Peer::Unix));
    }

    #[test]
    fn what_names_no_network_is_refused() {
        use TrustedProxyError::{HostBits, Mapped, NotNetwork};
        let within = |network: &str| HostBits(network.parse().unwrap());
        for (text, error) in [
            ("10.0.0.1/8", within("10.0.0.0/8")),
            ("2001:db8::1/32", within("2001:db8::/32")),
            ("::ffff:10.0.0.0/104", Mapped),
            ("::ffff:10.0.0.1", Mapped),
            ("10.0.0.0/33", NotNetwork),
            ("10.0.0", NotNetwork),
            ("010.0.0.1", NotNetwork),
            ("localhost", NotNetwork),
            ("unix:", NotNetwork),
            ("10.0.0.0/8 ", NotNetwork),
            ("", NotNetwork),
        ] {
            assert_eq!(TrustedProxy::parse(text), Err(error), "{text}");
        }
    }
}
