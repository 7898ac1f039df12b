//! `Set-Cookie` fields, read as RFC 6265 section 5.2 has a browser read them.
//!
//! What counts is what the browser holds after the answer: a cookie that is taken away again, or is expired when it
//! comes, is not there. Values are not unquoted and not decoded, as browsers do neither.

use http::header::{HeaderMap, SET_COOKIE};

use super::cookie_date;
use crate::time::UnixTime;

/// The values of the cookies called `name` that the answer leaves a client with.
pub(super) fn live_values<'a>(headers: &'a HeaderMap, name: &str, now: UnixTime) -> Vec<&'a [u8]> {
    let fields = headers.get_all(SET_COOKIE).iter();
    let cookies = fields
        .filter_map(|field| SetCookie::parse(field.as_bytes()))
        .filter(|cookie| cookie.name == name.as_bytes());
    let mut live: Vec<SetCookie<'_>> = Vec::new();
    for cookie in cookies {
        if cookie.takes_away(now) {
            live.retain(|earlier| !earlier.has_scope_of(&cookie));
        } else {
            live.push(cookie);
        }
    }
    live.into_iter().map(|cookie| cookie.value).collect()
}

struct SetCookie<'a> {
    name: &'a [u8],
    value: &'a [u8],
    /// Without the leading dot, which has no meaning.
    domain: &'a [u8],
    path: &'a [u8],
    /// Whether `Max-Age` is zero or negative; it goes before `Expires`.
    is_aged: Option<bool>,
    expires: Option<UnixTime>,
}

impl<'a> SetCookie<'a> {
    fn parse(field: &'a [u8]) -> Option<Self> {
        let mut parts = field.split(|&byte| byte == b';');
        let (name, value) = pair(parts.next()?)?;
        let mut cookie = Self {
            name,
            value,
            domain: b"",
            path: b"",
            is_aged: None,
            expires: None,
        };
        for (name, value) in parts.filter_map(pair) {
            cookie.set_attribute(name, value);
        }
        Some(cookie)
    }

    /// The last one of a name counts, and one that is malformed does not.
    fn set_attribute(&mut self, name: &[u8], value: &'a [u8]) {
        if name.eq_ignore_ascii_case(b"max-age") {
            self.is_aged = is_aged(value).or(self.is_aged);
        } else if name.eq_ignore_ascii_case(b"expires") {
            self.expires = cookie_date::parse(value).or(self.expires);
        } else if name.eq_ignore_ascii_case(b"domain") {
            self.domain = value.strip_prefix(b".").unwrap_or(value);
        } else if name.eq_ignore_ascii_case(b"path") {
            self.path = value;
        }
    }

    fn takes_away(&self, now: UnixTime) -> bool {
        let is_past = || self.expires.is_some_and(|expires| expires <= now);
        self.value.is_empty() || self.is_aged.unwrap_or_else(is_past)
    }

    fn has_scope_of(&self, other: &Self) -> bool {
        self.domain.eq_ignore_ascii_case(other.domain) && self.path == other.path
    }
}

fn pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == b'=')?;
    let (name, value) = text.split_at_checked(at)?;
    Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
}

/// RFC 6265 section 5.2.2: whether the seconds are zero or negative, or `None` for what is not a number.
fn is_aged(value: &[u8]) -> Option<bool> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.len() < value.len() || digits.iter().all(|&digit| digit == b'0'))
}
