//! Host names as routes and sites compare them: lower case, without port and without the dot at the end.
//!
//! A name is exact; there are no wildcards. What a request says is held to the same letters, so a host that two
//! programs could split differently (`user@`, two ports, a comma) never selects a route.

use std::fmt;
use std::net::Ipv6Addr;

/// A host in the one spelling that is compared: `chat.example.com`, `127.0.0.1`, `[::1]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(String);

/// Why a text is not a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// There is no name, or a part between two dots is missing.
    #[error("a host or a part of it is empty")]
    Empty,
    /// Longer than 253 bytes, the limit of the DNS.
    #[error("a host has at most 253 bytes")]
    TooLong,
    /// A character other than letters, digits, `-`, `_` and `.` (or hexadecimal digits and `:` between brackets).
    #[error(
        "a host is an exact name without wildcard, scheme, port or path; a name outside ASCII is written as xn--"
    )]
    Character,
    /// What follows the colon is not a port number.
    #[error("the port of the host is not a number up to 65535")]
    Port,
}

impl HostName {
    /// Parses a host without port, as a route or site names it.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        match text.strip_prefix('[') {
            Some(rest) => parse_ip_literal(rest),
            None => parse_name(text.strip_suffix('.').unwrap_or(text)),
        }
        .map(Self)
    }

    /// Parses what a request names in `Host` or `:authority`: a host with or without port.
    pub fn from_authority(text: &str) -> Result<Self, HostError> {
        let (host, port) = split_port(text);
        if !port.is_none_or(is_port) {
            return Err(HostError::Port);
        }
        Self::parse(host)
    }

    /// The name in lower case, without port and trailing dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        // The last colon of an address in brackets is part of the address.
        Some((_, port)) if port.ends_with(']') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

/// An empty port means the default port (RFC 3986 section 3.2.3).
fn is_port(text: &str) -> bool {
    text.is_empty()
        || (text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok())
}

fn parse_name(name: &str) -> Result<String, HostError> {
    if name.len() > MAX_HOST_BYTES {
        return Err(HostError::TooLong);
    }
    if name
        .as_bytes()
        .split(|byte| *byte == b'.')
        .any(<[u8]>::is_empty)
    {
        return Err(HostError::Empty);
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !name.bytes().all(is_allowed) {
        return Err(HostError::Character);
    }
    Ok(name.to_ascii_lowercase())
}

/// An address of IPv6 has many spellings; the one that is kept is that of RFC 5952.
fn parse_ip_literal(after_bracket: &str) -> Result<String, HostError> {
    let address = after_bracket
        .strip_suffix(']')
        .and_then(|address| address.parse::<Ipv6Addr>().ok())
        .ok_or(HostError::Character)?;
    Ok(format!("[{address}]"))
}

const MAX_HOST_BYTES: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u4_spellings_of_one_host_are_one_name() {
        let cases = [
            ("plain", "chat.example.com", "chat.example.com"),
            ("upper case", "Chat.EXAMPLE.com", "chat.example.com"),
            ("port", "chat.example.com:8443", "chat.example.com"),
            ("empty port", "chat.example.com:", "chat.example.com"),
            ("dot at the end", "chat.example.com.", "chat.example.com"),
            ("dot and port", "chat.example.com.:80", "chat.example.com"),
            ("underscore", "my_app:3000", "my_app"),
            ("IPv4", "127.0.0.1:80", "127.0.0.1"),
            ("IPv6", "[::1]", "[::1]"),
            ("IPv6 with port", "[0:0::0:1]:8080", "[::1]"),
        ];
        for (case, authority, expected) in cases {
            let host = HostName::from_authority(authority);
            assert_eq!(host.as_ref().map(HostName::as_str), Ok(expected), "{case}");
        }
    }

    #[test]
    fn u4_hosts_that_two_programs_split_differently_are_refused() {
        let cases = [
            ("nothing", "", HostError::Empty),
            ("only a dot", ".", HostError::Empty),
            ("two dots at the end", "a.example..", HostError::Empty),
            ("missing part", "a..example", HostError::Empty),
            ("port alone", ":80", HostError::Empty),
            ("user", "a@b.example", HostError::Character),
            ("list", "a.example,b.example", HostError::Character),
            ("two ports", "a.example:80:81", HostError::Character),
            ("path", "a.example/b", HostError::Character),
            ("percent code", "a%2eexample", HostError::Character),
            ("space", "a.example ", HostError::Character),
            ("outside ASCII", "ä.example", HostError::Character),
            ("IPv6 without brackets", "::1", HostError::Character),
            ("bracket left open", "[::1", HostError::Character),
            ("name in brackets", "[a.example]", HostError::Character),
            ("dot after bracket", "[::1].", HostError::Port),
            ("port in words", "a.example:http", HostError::Port),
            ("port with sign", "a.example:+80", HostError::Port),
            ("port too high", "a.example:65536", HostError::Port),
        ];
        for (case, authority, expected) in cases {
            assert_eq!(HostName::from_authority(authority), Err(expected), "{case}");
        }
    }

    #[test]
    fn a_host_has_at_most_253_bytes() {
        let label = "a".repeat(MAX_HOST_BYTES);
        assert!(HostName::parse(&label).is_ok());
        assert_eq!(
            HostName::parse(&format!("{label}a")),
            Err(HostError::TooLong)
        );
    }

    #[test]
    fn a_configured_host_is_an_exact_name_without_port() {
        assert!(HostName::parse("Chat.Example.com").is_ok());
        for text in [
            "*.example.com",
            "example.com:80",
            "https://example.com",
            "^a$",
        ] {
            assert_eq!(HostName::parse(text), Err(HostError::Character), "{text}");
        }
    }
}
