//! How a request reads: its target, its host, whether it is an upgrade, and whether a browser on this machine sent it.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderName, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderValue, Method, Version};
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::protocols::http::authority::raw_target_authority;
use pingora::proxy::Session;

use super::forwarding::ForwardingRules;
use crate::authorize::Parts;
use crate::policy::header_name::is_forwarding;
use crate::policy::{HostError, PathError};
use crate::rejection::Rejection;

/// What of a request is judged, once it was stripped.
pub(super) fn parts(session: &Session) -> Result<Parts<'_>, Rejection> {
    parts_of(session.req_header(), has_body(session))
}

/// What of a request with this header is judged.
pub(super) fn parts_of(header: &RequestHeader, has_body: bool) -> Result<Parts<'_>, Rejection> {
    let (path, query) = target(header)?;
    Ok(Parts {
        method: &header.method,
        host: host(header)?,
        path,
        query,
        headers: &header.headers,
        websocket: asks_for_websocket(header),
        has_body,
    })
}

/// Path and query as they are forwarded. A target in absolute form counts by its path, which is what is sent on.
pub(super) fn target(request: &RequestHeader) -> Result<(&[u8], Option<&str>), Rejection> {
    let raw = request.raw_path();
    if raw.first() == Some(&b'/') {
        let mut parts = raw.splitn(2, |byte| *byte == b'?');
        let path = parts.next().unwrap_or_default();
        let query = parts.next().map(std::str::from_utf8).transpose();
        return Ok((path, query.map_err(|_| Rejection::RequestInvalid)?));
    }
    // The framework reads every target that it does not understand as "/".
    if raw_target_authority(raw).authority().is_none() {
        return Err(Rejection::PathAmbiguous(PathError::NotAbsolute));
    }
    match request.raw_path_is_utf8() {
        true => Ok((request.uri.path().as_bytes(), request.uri.query())),
        false => Err(Rejection::RequestInvalid),
    }
}

/// Sends the path that was judged, and nothing before it.
pub(super) fn make_origin_form(request: &mut RequestHeader) -> Result<()> {
    if request.raw_path().first() == Some(&b'/') {
        return Ok(());
    }
    let path_and_query = request.uri.path_and_query().map(ToString::to_string);
    request.set_raw_path(path_and_query.as_deref().unwrap_or("/").as_bytes())
}

/// The host that a request names: in HTTP/2 its `:authority`, then `Host`, then a target in absolute form.
pub(super) fn host(request: &RequestHeader) -> Result<Option<&str>, Rejection> {
    if let Some(authority) = request.uri.authority() {
        return Ok(Some(authority.as_str()));
    }
    let host = request.headers.get(HOST).map(|value| value.as_bytes());
    let named = host.or_else(|| raw_target_authority(request.raw_path()).authority());
    named
        .map(std::str::from_utf8)
        .transpose()
        .map_err(|_| Rejection::HostInvalid(HostError::Character))
}

/// Gives the app the `Host` that HTTP/1.1 demands; HTTP/1.0 may leave it out, and the app is asked with HTTP/1.1.
pub(super) fn complete_host(session: &Session, request: &mut RequestHeader) -> Result<()> {
    let asked = session.req_header();
    if request.headers.contains_key(HOST) || asked.version >= Version::HTTP_2 {
        return Ok(());
    }
    let host = host(asked).ok().flatten();
    request.insert_header(HOST, host.unwrap_or_default())
}

/// Makes one field of the crumbs that HTTP/2 allows, as RFC 9113 section 8.2.3 demands of whoever passes them on. Browsers
/// send them, and an app that speaks HTTP/1 may read the first field alone.
pub(super) fn join_cookies(session: &Session, request: &mut RequestHeader) -> Result<()> {
    if session.req_header().version < Version::HTTP_2 {
        return Ok(());
    }
    let crumbs = request.headers.get_all(COOKIE).iter();
    let crumbs: Vec<_> = crumbs.map(HeaderValue::as_bytes).collect();
    if crumbs.len() < 2 {
        return Ok(());
    }
    let joined = crumbs.join(&b"; "[..]);
    request.insert_header(COOKIE, joined)
}

/// Whether the client speaks TLS to us.
pub(super) fn is_tls(session: &Session) -> bool {
    session
        .digest()
        .is_some_and(|digest| digest.ssl_digest.is_some())
}

/// Whether this is the opening handshake of RFC 6455 section 4.1, as far as it concerns a proxy.
pub(super) fn is_websocket(session: &Session) -> bool {
    asks_for_websocket(session.req_header())
}

/// The same of a header alone.
pub(super) fn asks_for_websocket(request: &RequestHeader) -> bool {
    let Some(upgrade) = request.headers.get(UPGRADE) else {
        return false;
    };
    let mut options = request
        .headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    request.method == Method::GET
        && request.version == Version::HTTP_11
        && upgrade.as_bytes().eq_ignore_ascii_case(b"websocket")
        && options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// Whether a body follows or may follow: HTTP/1 announces it in the header, HTTP/2 need not.
pub(super) fn has_body(session: &Session) -> bool {
    match session.as_http2() {
        Some(http2) => !http2.is_body_empty(),
        None => announces_body(&session.req_header().headers),
    }
}

/// Whether a header of HTTP/1 says that a body follows.
pub(super) fn announces_body(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    headers.contains_key(TRANSFER_ENCODING) || lengths.any(|length| length != "0")
}

/// Whether a browser on this very machine speaks plain HTTP to us, where it would drop a `Secure` cookie. Reads the
/// request as it came, with what is stripped from it. Behind a trusted proxy nobody can tell what the browser speaks.
pub(super) fn is_plain_loopback(session: &Session, rules: &ForwardingRules) -> bool {
    let client = session.client_addr().and_then(|address| address.as_inet());
    !is_tls(session)
        && rules.trusted.is_empty()
        && client.is_some_and(|client| is_local_browser(session.req_header(), client.ip()))
}

/// A proxy on this machine connects from a loopback address as well and may send its own upstream's name as `Host`, for
/// browsers elsewhere. What it adds gives it away, and so does HTTP/1.0, which no browser speaks.
fn is_local_browser(request: &RequestHeader, client: IpAddr) -> bool {
    let is_passed_on = |name: &HeaderName| *name == VIA || is_forwarding(name.as_str().as_bytes());
    client.to_canonical().is_loopback()
        && request.version > Version::HTTP_10
        && !request.headers.keys().any(is_passed_on)
        && host(request).is_ok_and(|host| host.is_some_and(is_loopback_host))
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    };
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_browser_on_this_machine_gets_a_cookie_without_secure() {
        let plain = |version: Version, client: &str, lines: &[(&'static str, &str)]| {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            request.set_version(version);
            for (name, value) in lines {
                request.append_header(*name, *value).unwrap();
            }
            is_local_browser(&request, client.parse().unwrap())
        };
        let local = ("host", "localhost:8080");
        for client in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(plain(Version::HTTP_11, client, &[local]), "{client}");
        }
        for host in ["LOCALHOST", "127.0.0.1", "[::1]:80", "[::1]"] {
            assert!(plain(Version::HTTP_11, "::1", &[("host", host)]), "{host}");
        }
        for client in ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1"] {
            assert!(!plain(Version::HTTP_11, client, &[local]), "{client}");
        }
        for name in [
            "x-forwarded-for",
            "x_forwarded_proto",
            "forwarded",
            "via",
            "x-real-ip",
        ] {
            let lines = [local, (name, "x")];
            assert!(!plain(Version::HTTP_11, "127.0.0.1", &lines), "{name}");
        }
        assert!(!plain(Version::HTTP_10, "127.0.0.1", &[local]));
        assert!(!plain(
            Version::HTTP_11,
            "127.0.0.1",
            &[("host", "app.example")]
        ));
        assert!(!plain(Version::HTTP_11, "127.0.0.1", &[]));
    }
}
