//! Which addresses keys may be fetched from, judged after the name was resolved and before anything connects.
//!
//! A name under somebody else's control may lead anywhere, and may lead elsewhere the second time. So the addresses of
//! every connection are judged, those inside a network only count when the operator allowed them for the issuer, and
//! this machine, link-local addresses and the metadata services of clouds never do. IPv4 inside IPv6 is judged as IPv4.
//! Pure: who resolves a name asks here what it may connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::Host;

use super::location::{KeyUrl, LOCALHOST, Reach};

/// Which addresses one issuer's keys may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRule {
    /// Whether an address inside a network counts.
    pub allow_private: bool,
}

/// An address that keys are not fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {range}")]
pub struct RefusedAddress {
    /// The address that a name led to, or that stands in the URL.
    pub address: IpAddr,
    /// Why it is refused.
    pub range: AddressRange,
}

/// The kinds of addresses, by who can be behind one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRange {
    /// Anybody on the internet.
    #[error("a public address")]
    Public,
    /// A machine inside a network (RFC 1918, RFC 4193, RFC 6598, RFC 2544): only with `allow_private`.
    #[error("a private address, which the issuer needs allow_private for")]
    Private,
    /// This machine: only when the URL says so.
    #[error("this machine, and the URL names another")]
    Loopback,
    /// Link-local, a cloud's metadata service, multicast or reserved: never.
    #[error("link-local, a metadata service or reserved, and never fetched from")]
    Never,
}

impl AddressRule {
    /// Refuses an address that stands in the URL itself; a name passes here and is judged when it is resolved.
    pub fn check_literal(self, url: &KeyUrl) -> Result<(), RefusedAddress> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(address.into(), url.reach()),
            Some(Host::Ipv6(address)) => self.check(address.into(), url.reach()),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }

    /// Those of `addresses` that may be connected to; none at all is the first one's refusal.
    pub fn filter(
        self,
        name: &str,
        addresses: &[SocketAddr],
    ) -> Result<Vec<SocketAddr>, RefusedAddress> {
        let reach = if name == LOCALHOST {
            Reach::Loopback
        } else {
            Reach::Network
        };
        let mut refused = None;
        let mut admit = |address: &&SocketAddr| match self.check(address.ip(), reach) {
            Ok(()) => true,
            Err(error) => {
                refused = refused.or(Some(error));
                false
            }
        };
        let admitted: Vec<_> = addresses.iter().filter(&mut admit).copied().collect();
        match refused {
            Some(error) if admitted.is_empty() => Err(error),
            _ => Ok(admitted),
        }
    }

    fn check(self, address: IpAddr, reach: Reach) -> Result<(), RefusedAddress> {
        let range = AddressRange::of(address);
        let admitted = match range {
            AddressRange::Loopback => reach == Reach::Loopback,
            AddressRange::Public => reach == Reach::Network,
            AddressRange::Private => reach == Reach::Network && self.allow_private,
            AddressRange::Never => false,
        };
        if admitted {
            return Ok(());
        }
        Err(RefusedAddress { address, range })
    }
}

impl AddressRange {
    /// The kind of an address, by the registries of special-purpose addresses (RFC 6890).
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => match embedded_v4(address) {
                Some(inner) => Self::of_v4(inner),
                None => Self::of_v6(address),
            },
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        if address.is_loopback() {
            return Self::Loopback;
        }
        let never = METADATA_V4.contains(&address)
            || address.is_link_local()
            || address.is_multicast()
            || address.is_documentation();
        let [first, second, third, _] = address.octets();
        match (first, second, third) {
            _ if never => Self::Never,
            (0 | 240.., ..) | (192, 0, 0) | (192, 88, 99) => Self::Never,
            (100, 64..=127, _) | (198, 18 | 19, _) => Self::Private,
            _ if address.is_private() => Self::Private,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if address.is_loopback() {
            return Self::Loopback;
        }
        if METADATA_V6.contains(&address) {
            return Self::Never;
        }
        match address.segments() {
            [0xfc00..=0xfdff, ..] | [0x64, 0xff9b, 1, ..] => Self::Private,
            // Teredo hides an IPv4 address; the others are for documents.
            [0x2001, 0, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Self::Never,
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Never,
        }
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped, translated (NAT64) or 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of_segments =
        |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(of_segments(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of_segments(high, low)),
        [0x2002, high, low, ..] => Some(of_segments(high, low)),
        _ => None,
    }
}

/// Metadata and host services of clouds outside 169.254.0.0/16: Azure's and Alibaba's.
const METADATA_V4: [Ipv4Addr; 2] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
];

/// Metadata services of clouds on IPv6: Amazon's and Google's.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

#[cfg(test)]
mod tests;
