//! What is refused before a request is judged: sizes, and what the framework lets through although HTTP forbids it.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Version};
use memchr::memchr_iter;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::request::{announces_body, asks_for_websocket};
use crate::policy::HostError;
use crate::rejection::Rejection;

/// Bounds on what one request may bring, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The request target, query included.
    pub max_uri_bytes: usize,
    /// The whole request header.
    pub max_header_bytes: usize,
    /// The request body, declared or counted as it streams.
    pub max_body_bytes: u64,
    /// An answer's body that is held back to write a login into it.
    pub max_login_body_bytes: usize,
}

/// Checks the header of a request as it came. A connection on which it may not be clear where a request ends is not kept.
pub(super) fn check(session: &mut Session, limits: &Limits) -> Result<(), Rejection> {
    let raw = raw_header(session);
    check_header(session.req_header(), request_line(&raw), limits)?;
    check_raw(&raw, &session.req_header().headers).inspect_err(|_| session.set_keepalive(None))
}

/// Checks the header of a request whose first line is, or would be, this.
pub(super) fn check_header(
    request: &RequestHeader,
    line: &[u8],
    limits: &Limits,
) -> Result<(), Rejection> {
    if request.raw_path().len() > limits.max_uri_bytes {
        return Err(Rejection::UriTooLong);
    }
    if header_bytes(request) > limits.max_header_bytes || field_count(request) > MAX_FIELDS {
        return Err(Rejection::HeaderTooLarge);
    }
    check_host(request)?;
    check_framing(request)?;
    check_fragment(line)?;
    match declared_length(&request.headers)? {
        Some(length) if length > limits.max_body_bytes => Err(Rejection::BodyTooLarge),
        _ => Ok(()),
    }
}

/// The size of the header in HTTP/1 form: `name: value` lines and the target.
fn header_bytes(request: &RequestHeader) -> usize {
    let fields = request.headers.iter();
    let fields: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    fields + request.raw_path().len()
}

/// How many fields the app would get. HTTP/2 splits one field into crumbs, which are put together again.
fn field_count(request: &RequestHeader) -> usize {
    let crumbs = request.headers.get_all(COOKIE).iter().count();
    request.headers.len() - crumbs + crumbs.min(1)
}

/// RFC 9112 section 3.2 demands a Host of HTTP/1.1; RFC 9113 section 8.3.1 that a Host equals `:authority`.
fn check_host(request: &RequestHeader) -> Result<(), Rejection> {
    let host = request.headers.get(HOST).map(|value| value.as_bytes());
    let authority = request.uri.authority().map(|name| name.as_str().as_bytes());
    match (host, authority) {
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
            Err(Rejection::HostInvalid(HostError::Character))
        }
        (None, None) if request.version > Version::HTTP_10 => {
            Err(Rejection::HostInvalid(HostError::Empty))
        }
        _ => Ok(()),
    }
}

/// Codings other than chunked would be forwarded under the name of chunked. What follows a handshake belongs to the tunnel
/// or, where the app does not switch, to nobody: a body could be taken for either.
fn check_framing(request: &RequestHeader) -> Result<(), Rejection> {
    if asks_for_websocket(request) && announces_body(&request.headers) {
        return Err(Rejection::RequestInvalid);
    }
    let mut codings = request.headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(only), None) if is_chunked(only) => Ok(()),
        _ => Err(Rejection::RequestInvalid),
    }
}

/// The header of a request of HTTP/1 as the framework read it; others have none.
fn raw_header(session: &Session) -> Bytes {
    let http1 = session.as_http1();
    http1.map_or_else(Bytes::new, |http1| http1.get_headers_raw_bytes())
}

/// The first line of a header. Empty lines may stand before it (RFC 9112 section 2.2).
fn request_line(raw: &[u8]) -> &[u8] {
    let mut lines = raw.trim_ascii_start().split(|byte| *byte == b'\n');
    lines.next().unwrap_or_default()
}

/// What the framework has put right in silence and another server may have read otherwise: lines that end in a bare LF, and
/// a length beside a coding, which it takes out of the header.
fn check_raw(raw: &[u8], headers: &HeaderMap) -> Result<(), Rejection> {
    let has_two_framings = || {
        let mut lines = raw.split(|byte| *byte == b'\n');
        headers.contains_key(TRANSFER_ENCODING) && lines.any(is_length)
    };
    match has_bare_line_feed(raw) || has_two_framings() {
        true => Err(Rejection::RequestInvalid),
        false => Ok(()),
    }
}

fn has_bare_line_feed(raw: &[u8]) -> bool {
    memchr_iter(b'\n', raw).any(|at| !raw.get(..at).unwrap_or_default().ends_with(b"\r"))
}

fn is_length(line: &[u8]) -> bool {
    let name = CONTENT_LENGTH.as_str().as_bytes();
    let (start, rest) = line.split_at(name.len().min(line.len()));
    start.eq_ignore_ascii_case(name) && rest.starts_with(b":")
}

/// The framework drops a fragment from the target, and a server behind another proxy may not.
fn check_fragment(line: &[u8]) -> Result<(), Rejection> {
    match line.contains(&b'#') {
        true => Err(Rejection::PathAmbiguous(crate::policy::PathError::Fragment)),
        false => Ok(()),
    }
}

/// The one spelling of a length that no two servers read differently: one field of digits, no sign, list or leading zero.
fn declared_length(headers: &HeaderMap) -> Result<Option<u64>, Rejection> {
    let mut fields = headers.get_all(CONTENT_LENGTH).iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    let is_plain = match field.as_bytes() {
        [b'0'] => true,
        [first, ..] => *first != b'0' && field.as_bytes().iter().all(u8::is_ascii_digit),
        [] => false,
    };
    let length = field.to_str().ok().and_then(|text| text.parse().ok());
    match fields.next().is_none() && is_plain {
        true => length.map(Some).ok_or(Rejection::RequestInvalid),
        false => Err(Rejection::RequestInvalid),
    }
}

/// As many as the framework takes of HTTP/1, and for HTTP/2 too.
const MAX_FIELDS: usize = 256;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn p2_lines_end_in_crlf_and_a_body_has_one_framing() {
        let check = |text: &str| {
            let mut headers = HeaderMap::new();
            if text.to_ascii_lowercase().contains("\ntransfer-encoding:") {
                headers.append(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            check_raw(text.as_bytes(), &headers)
        };
        for good in [
            "",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX-Content-Length: 1\r\nContent-Lengths: 1\r\n\r\n",
            "POST /content-length: HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: Content-Length: 1\r\n\r\n",
        ] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        for bad in [
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "\nGET / HTTP/1.1\r\n\r\n",
            "\r\n\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncONTENT-lENGTH:1\r\n\r\n",
        ] {
            assert_eq!(check(bad), Err(Rejection::RequestInvalid), "{bad:?}");
        }
    }

    #[test]
    fn p2_a_length_is_one_field_of_plain_digits() {
        let length = |sent: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append(CONTENT_LENGTH, HeaderValue::from_static(value));
            }
            declared_length(&headers)
        };
        assert_eq!(length(&[]), Ok(None));
        assert_eq!(length(&["0"]), Ok(Some(0)));
        assert_eq!(length(&["50"]), Ok(Some(50)));
        assert_eq!(length(&["18446744073709551615"]), Ok(Some(u64::MAX)));
        for sent in [
            &["5, 5"][..],
            &["5,5"],
            &["+5"],
            &["-0"],
            &["005"],
            &["00"],
            &["0x5"],
            &["5 "],
            &["5.0"],
            &[""],
            &["5", "5"],
            &["5", ""],
            &["18446744073709551616"],
        ] {
            assert_eq!(length(sent), Err(Rejection::RequestInvalid), "{sent:?}");
        }
    }
}
