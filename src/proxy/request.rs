//! How a request reads: its target, its host, whether it is an upgrade, and what the app is told about where it came from.

use std::net::IpAddr;

use http::header::{HOST, UPGRADE};
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::policy::HostError;
use crate::rejection::Rejection;

/// Path and query as they are forwarded. A target in absolute form counts by its path, which is what is sent on.
pub(super) fn target(request: &RequestHeader) -> Result<(&[u8], Option<&str>), Rejection> {
    let raw = request.raw_path();
    if raw.first() == Some(&b'/') {
        let mut parts = raw.splitn(2, |byte| *byte == b'?');
        let path = parts.next().unwrap_or_default();
        let query = parts.next().map(std::str::from_utf8).transpose();
        return Ok((path, query.map_err(|_| Rejection::RequestInvalid)?));
    }
    Ok((request.uri.path().as_bytes(), request.uri.query()))
}

/// Sends the path that was judged, and nothing before it.
pub(super) fn make_origin_form(request: &mut RequestHeader) -> Result<()> {
    if request.raw_path().first() == Some(&b'/') {
        return Ok(());
    }
    let path_and_query = request.uri.path_and_query().map(ToString::to_string);
    request.set_raw_path(path_and_query.as_deref().unwrap_or("/").as_bytes())
}

pub(super) fn host(request: &RequestHeader) -> Result<Option<&str>, Rejection> {
    if let Some(authority) = request.uri.authority() {
        return Ok(Some(authority.as_str()));
    }
    let value = request.headers.get(HOST).map(|value| value.to_str());
    value
        .transpose()
        .map_err(|_| Rejection::HostInvalid(HostError::Character))
}

/// Tells the app who asked and for what; what the client said of it was stripped.
pub(super) fn set_forwarding(session: &Session, request: &mut RequestHeader) -> Result<()> {
    let client = session.client_addr().and_then(|address| address.as_inet());
    if let Some(client) = client {
        request.insert_header("X-Forwarded-For", client.ip().to_string())?;
    }
    if let Ok(Some(host)) = host(session.req_header()) {
        request.insert_header("X-Forwarded-Host", host)?;
    }
    request.insert_header("X-Forwarded-Proto", "http")
}

pub(super) fn is_websocket(session: &Session) -> bool {
    let upgrade = session.req_header().headers.get(UPGRADE);
    session.is_upgrade_req()
        && upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Whether the browser speaks plain HTTP to this very machine, where it would drop a `Secure` cookie.
pub(super) fn is_plain_loopback(session: &Session) -> bool {
    let Ok(Some(host)) = host(session.req_header()) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    };
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
