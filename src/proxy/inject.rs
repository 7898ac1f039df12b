//! Puts a user's login into the app's traffic. Called from the filters after which nothing strips or copies a header.

use http::header::{
    AGE, CACHE_CONTROL, COOKIE, ETAG, EXPIRES, HeaderName, HeaderValue, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, PRAGMA, RANGE,
    SET_COOKIE,
};
use http::{HeaderMap, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType, Result};
use serde::Serialize;

use super::headers::InjectedNames;
use crate::authorize::{Inject, Login, User};
use crate::time::UnixTime;

/// Injects into the request to the app.
pub(super) fn into_request(
    request: &mut RequestHeader,
    names: &InjectedNames,
    (inject, user, login): (Inject, &User, &Login),
) -> Result<()> {
    if inject.request_headers {
        for (name, value) in identity_headers(names, user, login)? {
            request.insert_header(name, value)?;
        }
    }
    if inject.response_headers || inject.response_cookie {
        refuse_parts(request);
    }
    Ok(())
}

/// An answer that carries a UserSig is made anew each time, so no part or confirmation of an old one will do.
pub(super) fn refuse_parts(request: &mut RequestHeader) {
    for name in found(&request.headers, |name| PARTS.contains(name)) {
        request.remove_header(&name);
    }
}

/// Injects into the app's answer, if that is one in which the app served the user.
pub(super) fn into_response(
    response: &mut ResponseHeader,
    names: &InjectedNames,
    (inject, user, login): (Inject, &User, &Login),
    cookie: &CookieScope<'_>,
) -> Result<()> {
    if !carries_login(response.status) {
        return Ok(());
    }
    if inject.response_headers {
        for (name, value) in identity_headers(names, user, login)? {
            response.insert_header(name, value)?;
        }
    }
    let new_cookie = match inject.response_cookie {
        true => cookie.new_value(&names.cookie, login)?,
        false => None,
    };
    if inject.response_headers || new_cookie.is_some() {
        keep_out_of_caches(response)?;
    }
    if let Some(value) = new_cookie {
        response.append_header(SET_COOKIE, value)?;
    }
    Ok(())
}

/// Where a cookie would be set: what the client has, and over which connection.
pub(super) struct CookieScope<'a> {
    pub(super) request_headers: &'a HeaderMap,
    pub(super) secure: bool,
    pub(super) now: UnixTime,
}

impl CookieScope<'_> {
    /// The `Set-Cookie` value, unless the client has this very cookie already.
    fn new_value(&self, name: &str, login: &Login) -> Result<Option<HeaderValue>> {
        let user_sig = login.issued.user_sig.expose();
        if self.has(name, user_sig) {
            return Ok(None);
        }
        let max_age = login.issued.expires_at.saturating_since(self.now).as_secs();
        let secure = if self.secure { "; Secure" } else { "" };
        sensitive(&format!(
            "{name}={user_sig}; Path=/; Max-Age={max_age}; SameSite=Strict{secure}"
        ))
        .map(Some)
    }

    fn has(&self, name: &str, value: &str) -> bool {
        let fields = self.request_headers.get_all(COOKIE).iter();
        fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| field.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .any(|(sent_name, sent_value)| sent_name == name && sent_value == value)
    }
}

/// The body of our endpoint: the five members in which a login is handed out as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoginJson<'a> {
    sdk_app_id: u32,
    user_id: &'a str,
    user_sig: &'a str,
    /// Unix seconds, like `refreshAfter`.
    expires_at: u64,
    refresh_after: u64,
}

impl<'a> LoginJson<'a> {
    pub(super) fn new(user: &'a User, login: &'a Login) -> Self {
        Self {
            sdk_app_id: login.sdk_app_id.get(),
            user_id: user.user_id.as_str(),
            user_sig: login.issued.user_sig.expose(),
            expires_at: login.issued.expires_at.as_secs(),
            refresh_after: login.refresh_after.as_secs(),
        }
    }
}

/// Success and redirects to a page; an app that refuses or fails has not served this user.
fn carries_login(status: StatusCode) -> bool {
    let served = status.is_success() || status.is_redirection();
    served && status != StatusCode::NOT_MODIFIED
}

fn identity_headers<'n>(
    names: &'n InjectedNames,
    user: &User,
    login: &Login,
) -> Result<[(&'n http::HeaderName, HeaderValue); 3]> {
    Ok([
        (&names.user_id, value(user.user_id.as_str())?),
        (&names.sdk_app_id, value(&login.sdk_app_id.to_string())?),
        (&names.user_sig, sensitive(login.issued.user_sig.expose())?),
    ])
}

/// What a UserSig is in must not be kept or confirmed by a cache, also not by one that has a header of its own for it
/// (RFC 9213) and would take that before `Cache-Control`.
pub(super) fn keep_out_of_caches(response: &mut ResponseHeader) -> Result<()> {
    let is_for_caches = |name: &HeaderName| {
        KEPT_BY.contains(name)
            || name.as_str().ends_with("-cache-control")
            || CACHE_RULES.contains(&name.as_str())
    };
    for name in found(&response.headers, is_for_caches) {
        response.remove_header(&name);
    }
    response.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// The names in `headers` that are wanted. A look at each is cheaper than to look for each that could be there.
fn found(headers: &HeaderMap, is_wanted: impl Fn(&HeaderName) -> bool) -> Vec<HeaderName> {
    let names = headers.keys().filter(|name| is_wanted(name));
    names.cloned().collect()
}

/// Asks for a part, or for nothing new.
static PARTS: [HeaderName; 6] = [
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    IF_RANGE,
    RANGE,
];
/// What a cache keeps and confirms an answer by.
static KEPT_BY: [HeaderName; 5] = [ETAG, LAST_MODIFIED, EXPIRES, AGE, PRAGMA];
/// Rules for single caches, of Surrogate/1.0, nginx and Akamai.
const CACHE_RULES: [&str; 3] = ["surrogate-control", "x-accel-expires", "edge-control"];

/// A value that no log or debug output shows.
fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = value(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text)
        .map_err(|_| Error::explain(ErrorType::InternalError, "injected value is no header"))
}
