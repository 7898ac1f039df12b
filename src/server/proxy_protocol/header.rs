//! The header of the PROXY protocol, versions 1 and 2 (HAProxy's `proxy-protocol.txt`, 2.1 and 2.2).
//!
//! ```text
//! v1   PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n          at most 107 bytes
//! v2   \r\n\r\n\0\r\nQUIT\n │ 0x2 command │ family protocol │ length │ addresses │ TLVs
//!      12 bytes             │ 4 + 4 bits  │ 4 + 4 bits      │ 2      │ length bytes
//! ```
//!
//! Pure. The reader gives exactly the bytes that were asked for, so nothing of what follows a header is ever taken:
//! the framework's streams cannot take it back. That, and strictness, is why this is no crate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Who is behind a connection, by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The balancer itself, as in its health checks: the connection's own address holds.
    Balancer,
    /// A client at this address.
    Client(IpAddr, u16),
    /// A client whose address the balancer does not tell.
    Unknown,
}

/// How far a header has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// So many bytes more are part of it at least.
    Needs(usize),
    /// All of it.
    Done(Source),
}

/// What came is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no well-formed PROXY header")]
pub(in crate::server) struct Malformed;

/// Reads a header from its first bytes: none of them belongs to what follows.
pub(super) fn parse(bytes: &[u8]) -> Result<Progress, Malformed> {
    if bytes.len() < SIGNATURE.len() {
        return Ok(Progress::Needs(SIGNATURE.len() - bytes.len()));
    }
    match bytes.strip_prefix(SIGNATURE) {
        Some(rest) => parse_v2(rest),
        None => parse_v1(bytes),
    }
}

fn parse_v1(bytes: &[u8]) -> Result<Progress, Malformed> {
    let rest = bytes.strip_prefix(b"PROXY ").ok_or(Malformed)?;
    let Some(line) = rest.strip_suffix(b"\r\n") else {
        // A line feed ends the line, and only a carriage return may stand before it.
        let is_open = bytes.len() < MAX_V1 && !rest.contains(&b'\n');
        return match is_open {
            true => Ok(Progress::Needs(1)),
            false => Err(Malformed),
        };
    };
    let line = std::str::from_utf8(line).map_err(|_| Malformed)?;
    let mut fields = line.split(' ');
    let source = match fields.next() {
        // What follows is to be ignored.
        Some("UNKNOWN") => return Ok(Progress::Done(Source::Unknown)),
        Some("TCP4") => addresses_v1::<Ipv4Addr>(&mut fields)?,
        Some("TCP6") => addresses_v1::<Ipv6Addr>(&mut fields)?,
        _ => return Err(Malformed),
    };
    match fields.next() {
        None => Ok(Progress::Done(source)),
        Some(_) => Err(Malformed),
    }
}

/// Source, destination and their ports, of one family.
fn addresses_v1<'a, A: FromStr + Into<IpAddr>>(
    fields: &mut impl Iterator<Item = &'a str>,
) -> Result<Source, Malformed> {
    let [source, destination, from, to] =
        [fields.next(), fields.next(), fields.next(), fields.next()];
    let address = |text: Option<&str>| text?.parse::<A>().ok();
    let source = address(source).ok_or(Malformed)?;
    address(destination).ok_or(Malformed)?;
    let port = port(from).ok_or(Malformed)?;
    self::port(to).ok_or(Malformed)?;
    Ok(Source::Client(source.into(), port))
}

/// A decimal number without sign and leading zero.
fn port(text: Option<&str>) -> Option<u16> {
    let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let is_plain = text == "0" || !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

/// What follows the signature.
fn parse_v2(rest: &[u8]) -> Result<Progress, Malformed> {
    let Some((&[command, family, high, low], content)) = rest.split_first_chunk::<4>() else {
        return Ok(Progress::Needs(4 - rest.len()));
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let is_known = matches!(command, LOCAL | PROXY) && family >> 4 <= 3 && family & 0xf <= 2;
    if !is_known || length > MAX_V2_CONTENT || content.len() > length {
        return Err(Malformed);
    }
    if content.len() < length {
        return Ok(Progress::Needs(length - content.len()));
    }
    match command {
        LOCAL => Ok(Progress::Done(Source::Balancer)),
        _ => source_v2(family, content).map(Progress::Done),
    }
}

/// The source among the addresses; what follows them are TLVs, which nothing here needs.
fn source_v2(family: u8, content: &[u8]) -> Result<Source, Malformed> {
    match family {
        UNSPECIFIED => Ok(Source::Unknown),
        TCP4 => {
            let (addresses, _) = content.split_first_chunk::<12>().ok_or(Malformed)?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
            let address = Ipv4Addr::new(a, b, c, d);
            Ok(Source::Client(
                address.into(),
                u16::from_be_bytes([high, low]),
            ))
        }
        TCP6 => {
            let (addresses, _) = content.split_first_chunk::<36>().ok_or(Malformed)?;
            let (source, rest) = addresses.split_first_chunk::<16>().ok_or(Malformed)?;
            let (_, ports) = rest.split_first_chunk::<16>().ok_or(Malformed)?;
            let (port, _) = ports.split_first_chunk::<2>().ok_or(Malformed)?;
            let address = Ipv6Addr::from(*source);
            Ok(Source::Client(address.into(), u16::from_be_bytes(*port)))
        }
        UNIX => match content.len() >= UNIX_ADDRESSES {
            true => Ok(Source::Unknown),
            false => Err(Malformed),
        },
        // Datagrams do not come over a connection, and the rest of the combinations do not exist.
        _ => Err(Malformed),
    }
}

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of version 1, its line end included.
const MAX_V1: usize = 107;
/// More than any balancer sends; the format could hold 64 KiB.
const MAX_V2_CONTENT: usize = 4096;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX: u8 = 0x31;
/// Two paths of 108 bytes.
const UNIX_ADDRESSES: usize = 216;

#[cfg(test)]
mod tests;
