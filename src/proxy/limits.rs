//! What is refused before a request is judged: sizes, and what the framework lets through although HTTP forbids it.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Version};
use pingora::http::RequestHeader;
use pingora::proxy::Session;

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

/// Checks the header of a request as it came.
pub(super) fn check(session: &Session, limits: &Limits) -> Result<(), Rejection> {
    check_header(session.req_header(), &request_line(session), limits)
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
    if header_bytes(request) > limits.max_header_bytes {
        return Err(Rejection::HeaderTooLarge);
    }
    check_host(request)?;
    check_framing(&request.headers)?;
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

/// Codings other than chunked would be forwarded under the name of chunked.
fn check_framing(headers: &HeaderMap) -> Result<(), Rejection> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(only), None) if is_chunked(only) => Ok(()),
        _ => Err(Rejection::RequestInvalid),
    }
}

/// The first line of a request of HTTP/1; others have none.
fn request_line(session: &Session) -> Bytes {
    let Some(http1) = session.as_http1() else {
        return Bytes::new();
    };
    // Empty lines may stand before the request line (RFC 9112 section 2.2).
    let header = http1.get_headers_raw_bytes();
    let mut lines = header.trim_ascii_start().split(|byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    header.slice_ref(line)
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

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

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
