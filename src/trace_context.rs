//! W3C Trace Context, version 00: which trace a request belongs to, as the header `traceparent` says it.
//!
//! ```text
//! 00 - 4bf92f3577b34da6a3ce929d0e0e4736 - 00f067aa0ba902b7 - 01
//! version  trace id, 16 bytes             parent id, 8 bytes  flags: 01 sampled
//! ```

use std::fmt;

/// Whose `traceparent` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Everybody's.
    Anybody,
    /// That of `listen.trusted_proxies`.
    TrustedProxies,
}

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Of the whole trace; never all zeros.
    pub trace_id: TraceId,
    /// Of the span; never all zeros.
    pub span_id: SpanId,
    /// Whether the one before records it.
    pub is_sampled: bool,
}

/// The name of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

/// The name of a span within its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId(pub [u8; 8]);

impl TraceContext {
    /// Reads the value of `traceparent`; `None` where the specification wants it ignored. Of a version that is not known yet
    /// the part that version 00 has is read.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, more) = value.split_at_checked(LENGTH)?;
        let &[v0, v1, b'-', ref rest @ ..] = known else {
            return None;
        };
        let [version] = hex([v0, v1].as_slice())?;
        let is_read = match version {
            0 => more.is_empty(),
            0xff => false,
            _ => matches!(more, [] | [b'-', ..]),
        };
        let (trace_id, rest) = rest.split_at_checked(32)?;
        let (span_id, flags) = rest.strip_prefix(b"-")?.split_at_checked(16)?;
        let trace_id: [u8; 16] = hex(trace_id)?;
        let span_id: [u8; 8] = hex(span_id)?;
        let [flags] = hex(flags.strip_prefix(b"-")?)?;
        let is_there = trace_id != [0; 16] && span_id != [0; 8];
        (is_read && is_there).then_some(Self {
            trace_id: TraceId(trace_id),
            span_id: SpanId(span_id),
            is_sampled: flags & SAMPLED != 0,
        })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = if self.is_sampled { SAMPLED } else { 0 };
        write!(f, "00-{}-{}-{flags:02x}", self.trace_id, self.span_id)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// Lower-case digits, as the specification has them.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

const LENGTH: usize = 55;
const SAMPLED: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_header_of_the_specification_is_read_and_written() {
        let context = TraceContext::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(context.to_string(), GOOD);
        assert!(context.is_sampled);
        assert_eq!(
            context.trace_id.to_string(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
        let other = GOOD.replace("-01", "-02");
        assert!(!TraceContext::parse(other.as_bytes()).unwrap().is_sampled);
    }

    #[test]
    fn a_later_version_may_say_more() {
        let later = GOOD.replacen("00", "cc", 1);
        for good in [
            later.clone(),
            format!("{later}-what-comes"),
            format!("{later}-"),
        ] {
            let context = TraceContext::parse(good.as_bytes()).unwrap();
            assert_eq!(context.to_string(), GOOD);
        }
        assert_eq!(TraceContext::parse(format!("{later}x").as_bytes()), None);
    }

    #[test]
    fn what_the_specification_forbids_is_ignored() {
        for bad in [
            String::new(),
            GOOD[..54].to_owned(),
            format!("{GOOD}0"),
            format!("{GOOD}-more"),
            format!(" {GOOD}"),
            GOOD.to_uppercase(),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace('-', "_"),
            GOOD.replace("4b", "4g"),
            GOOD.replace("-01", "-0x"),
        ] {
            assert_eq!(TraceContext::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
