//! What a believed peer says about the request it passes on, read from the headers that proxies use for it.
//!
//! ```text
//! X-Forwarded-For: 192.0.2.60, 10.0.0.2          the client, then each proxy it came through but the last
//! X-Forwarded-Proto: https
//! X-Forwarded-Host: app.example.com
//! Forwarded: for=192.0.2.60;proto=https;host=app.example.com, for="[2001:db8::2]:4711"     RFC 7239
//! ```
//!
//! Each proxy writes at the right end, so a list is read from the right and every entry must parse by itself: what a
//! client wrote at the left can change nothing to the right of it. Pure; whom to believe is decided by the caller.

use std::net::{IpAddr, SocketAddr};

use super::HostName;

/// Which of the two families of headers the believed peers write. The other one is never read: a proxy that writes one
/// family usually passes the other on as the client sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedFamily {
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    #[default]
    XForwarded,
    /// `Forwarded`.
    Forwarded,
}

/// The protocol that a client spoke to the outermost believed proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// As `X-Forwarded-Proto` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// A WebSocket's scheme counts as the one it is opened with.
    fn parse(text: &str) -> Option<Self> {
        let named = |names: [&str; 2]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
        match text {
            _ if named(["http", "ws"]) => Some(Self::Http),
            _ if named(["https", "wss"]) => Some(Self::Https),
            _ => None,
        }
    }
}

/// What one proxy said of the program that asked it. An entry that does not parse says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop<'a> {
    /// The address of that program.
    pub address: Option<IpAddr>,
    /// How it asked.
    pub scheme: Option<Scheme>,
    /// The host that it named.
    pub host: Option<&'a str>,
}

/// The addresses of one `X-Forwarded-For` field, the nearest first; empty list elements are skipped.
pub fn x_forwarded_for(field: &str) -> impl Iterator<Item = Hop<'_>> {
    let entries = field.rsplit(',').map(str::trim);
    entries.filter(|entry| !entry.is_empty()).map(|entry| Hop {
        address: address(entry),
        ..Hop::default()
    })
}

/// The scheme that the values of `X-Forwarded-Proto` name, if they all name the same one.
pub fn x_forwarded_proto<'a>(fields: impl Iterator<Item = &'a str>) -> Option<Scheme> {
    let values = fields.flat_map(|field| field.split(','));
    agreed(values.map(|value| Scheme::parse(value.trim())))
}

/// The host that the values of `X-Forwarded-Host` name, if they all name the same one.
pub fn x_forwarded_host<'a>(fields: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let values = fields.flat_map(|field| field.split(','));
    agreed(values.map(|value| host(value.trim())))
}

/// The elements of one `Forwarded` field, the nearest first.
pub fn forwarded(field: &str) -> impl Iterator<Item = Hop<'_>> {
    let elements = field.rsplit(',').map(str::trim);
    elements
        .filter(|element| !element.is_empty())
        .map(|element| hop(element).unwrap_or_default())
}

/// One element of RFC 7239 section 4: pairs divided by semicolons, none of them twice.
fn hop(element: &str) -> Option<Hop<'_>> {
    let (mut by_for, mut by_proto, mut by_host) = (None, None, None);
    for pair in element.split(';') {
        let (name, text) = pair.trim().split_once('=')?;
        let value = value(text)?;
        let slot = match name {
            _ if name.eq_ignore_ascii_case("for") => &mut by_for,
            _ if name.eq_ignore_ascii_case("proto") => &mut by_proto,
            _ if name.eq_ignore_ascii_case("host") => &mut by_host,
            _ if is_token(name) => continue,
            _ => return None,
        };
        if slot.replace(value).is_some() {
            return None;
        }
    }
    Some(Hop {
        address: by_for.and_then(address),
        scheme: by_proto.and_then(Scheme::parse),
        host: by_host.and_then(host),
    })
}

/// A token, or a quoted string. None that we read holds a quote, a backslash, a comma or a semicolon, so one that does
/// is not read.
fn value(text: &str) -> Option<&str> {
    match text.strip_prefix('"') {
        Some(rest) => rest
            .strip_suffix('"')
            .filter(|inner| !inner.contains(['"', '\\'])),
        None => Some(text).filter(|text| is_token(text)),
    }
}

fn is_token(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_letter)
}

/// An address with or without port; one of IPv6 may stand in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .filter(|inner| inner.contains(':'))
        .unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    let address = bare.parse::<IpAddr>().or_else(|_| with_port()).ok()?;
    Some(address.to_canonical())
}

fn host(text: &str) -> Option<&str> {
    HostName::from_authority(text).is_ok().then_some(text)
}

/// The one value that all are.
fn agreed<T: PartialEq>(mut values: impl Iterator<Item = Option<T>>) -> Option<T> {
    let first = values.next()??;
    values
        .all(|value| value.as_ref() == Some(&first))
        .then_some(first)
}

#[cfg(test)]
mod tests;
