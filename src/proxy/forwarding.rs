//! Where a request came from, and what the app is told of it.
//!
//! The peer's address comes from the socket. Only a trusted proxy is believed when it names the client that it asks for;
//! from everybody else such headers are worth nothing. Either way all of them are stripped, and the app gets one
//! account, `X-Forwarded-For`, `-Proto` and `-Host`, written anew from what was believed. `Forwarded` is never sent.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::protocols::SocketDigest;
use pingora::proxy::Session;

use super::request;
use crate::policy::forwarded::{self, ForwardedFamily, Hop, Scheme};
use crate::policy::{Peer, TrustedProxies};

/// Whose word counts about where a request came from, and in which headers.
#[derive(Clone, Debug, Default)]
pub struct ForwardingRules {
    /// The peers that are believed.
    pub trusted: TrustedProxies,
    /// The headers that they write.
    pub family: ForwardedFamily,
}

/// Where a request came from, as far as it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Provenance {
    /// The addresses of the client and then of the proxies that it came through, as `X-Forwarded-For` lists them; empty
    /// when the peer has no address.
    addresses: String,
    scheme: Scheme,
    host: Option<String>,
    is_trusted: bool,
}

impl Provenance {
    /// Of a request that was not read yet.
    pub(super) fn unknown() -> Self {
        Self {
            addresses: String::new(),
            scheme: Scheme::Http,
            host: None,
            is_trusted: false,
        }
    }

    /// Reads a request as it came, with what is stripped from it later.
    pub(super) fn of(session: &Session, rules: &ForwardingRules) -> Self {
        let digest = session.digest();
        let socket = digest.and_then(|digest| digest.socket_digest.as_deref());
        let scheme = match request::is_tls(session) {
            true => Scheme::Https,
            false => Scheme::Http,
        };
        let peer = socket.map_or(Peer::Unknown, peer_of);
        Self::believed(peer, scheme, &session.req_header().headers, rules)
    }

    /// The address of the client, if it is known.
    pub(super) fn client(&self) -> Option<&str> {
        self.addresses
            .split(SEPARATOR)
            .next()
            .filter(|client| !client.is_empty())
    }

    /// Whether the peer is one that may tell where a request came from.
    pub(super) fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    /// Tells the app, in a request without any such header. `host` is the one that the request names.
    pub(super) fn tell(&self, request: &mut RequestHeader, host: Option<&str>) -> Result<()> {
        if !self.addresses.is_empty() {
            request.insert_header("X-Forwarded-For", self.addresses.as_str())?;
        }
        if let Some(host) = self.host.as_deref().or(host) {
            request.insert_header("X-Forwarded-Host", host)?;
        }
        request.insert_header("X-Forwarded-Proto", self.scheme.as_str())
    }

    fn believed(peer: Peer, scheme: Scheme, headers: &HeaderMap, rules: &ForwardingRules) -> Self {
        let mut found = Self {
            scheme,
            ..Self::unknown()
        };
        if let Peer::Address(address) = peer {
            found.came_through(address);
        }
        if !rules.trusted.contains(peer) {
            return found;
        }
        found.is_trusted = true;
        match rules.family {
            ForwardedFamily::XForwarded => {
                found.follow(
                    nearest_first(headers, "x-forwarded-for", forwarded::x_forwarded_for),
                    rules,
                );
                let scheme = forwarded::x_forwarded_proto(texts(headers, "x-forwarded-proto"));
                found.scheme = scheme.unwrap_or(found.scheme);
                let host = forwarded::x_forwarded_host(texts(headers, "x-forwarded-host"));
                found.host = host.map(str::to_owned);
            }
            ForwardedFamily::Forwarded => {
                found.follow(
                    nearest_first(headers, "forwarded", forwarded::forwarded),
                    rules,
                );
            }
        }
        found
    }

    /// Puts an address before those that are nearer.
    fn came_through(&mut self, address: IpAddr) {
        let nearer = std::mem::take(&mut self.addresses);
        write_address(&mut self.addresses, address);
        if !nearer.is_empty() {
            self.addresses.push_str(SEPARATOR);
            self.addresses.push_str(&nearer);
        }
    }

    /// Goes from proxy to proxy until one is not trusted or says nothing of where it was asked from. What was said
    /// before it, it may have made up.
    fn follow<'h>(&mut self, hops: impl Iterator<Item = Hop<'h>>, rules: &ForwardingRules) {
        for hop in hops.take(MAX_HOPS) {
            self.scheme = hop.scheme.unwrap_or(self.scheme);
            self.host = hop.host.map(str::to_owned).or(self.host.take());
            let Some(address) = hop.address else { return };
            self.came_through(address);
            if !rules.trusted.contains_address(address) {
                return;
            }
        }
    }
}

/// Who is connected to us: a balancer's client where the PROXY protocol named it.
pub fn peer_of(socket: &SocketDigest) -> Peer {
    let is_unix = || {
        socket
            .local_addr()
            .is_some_and(|own| own.as_unix().is_some())
    };
    match socket.peer_addr() {
        Some(address) => match address.as_inet() {
            Some(address) => Peer::at(address.ip()),
            None => Peer::Unix,
        },
        // The client's end of a Unix socket has no name.
        None if is_unix() => Peer::Unix,
        None => Peer::Unknown,
    }
}

fn nearest_first<'h, I: Iterator<Item = Hop<'h>>>(
    headers: &'h HeaderMap,
    name: &'static str,
    read: impl Fn(&'h str) -> I + 'h,
) -> impl Iterator<Item = Hop<'h>> {
    let fields: Vec<_> = texts(headers, name).collect();
    fields.into_iter().rev().flat_map(read)
}

/// The values of a header; one that is no text counts as an empty entry, which nothing parses.
fn texts<'h>(headers: &'h HeaderMap, name: &'static str) -> impl Iterator<Item = &'h str> {
    let fields = headers.get_all(HeaderName::from_static(name)).iter();
    fields.map(|value| value.to_str().unwrap_or(NO_TEXT))
}

/// Writes an address. Every request brings one, and the standard library takes its time for the common kind.
fn write_address(text: &mut String, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            text.reserve("255.255.255.255".len());
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    text.push('.');
                }
                write_octet(text, octet);
            }
        }
        IpAddr::V6(address) => text.push_str(&address.to_string()),
    }
}

fn write_octet(text: &mut String, octet: u8) {
    for (power, is_shown) in [(100, octet >= 100), (10, octet >= 10), (1, true)] {
        if is_shown {
            text.push(char::from(b'0' + octet / power % 10));
        }
    }
}

const SEPARATOR: &str = ", ";
/// Neither an address nor a scheme nor a host.
const NO_TEXT: &str = "?";
/// What is further away is not believed; no network has so many proxies in a row.
const MAX_HOPS: usize = 32;

#[cfg(test)]
mod tests;
