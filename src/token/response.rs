//! Where the app's answer to a login carries the new session token: a JSON member, a cookie that it sets, or a header.
//!
//! What is found is not verified and comes from the app, but it passes the same door as a request's token before a login
//! hangs on it. An absent or empty place means that the app signed nobody in. Several different tokens are a conflict:
//! which one the client will use is not for us to guess.

mod cookie_date;
mod set_cookie;

use http::header::{HeaderMap, HeaderName};
use serde_json::Value;

use super::extract::{ExtractError, TokenSource, TokenSourceError, TokenSources};
use super::{BearerToken, TokenError};
use crate::json::{JsonPointer, Object};
use crate::time::UnixTime;

/// The place of the session token in the app's answer to a login.
///
/// The word `Bearer` may stand before the token in each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseSource {
    /// A member of the JSON body, as in `/access_token`.
    Json(JsonPointer),
    /// A cookie that the answer sets.
    SetCookie(CookieName),
    /// A header of the answer.
    Header(HeaderName),
}

/// The exact name of a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(String);

impl CookieName {
    /// Takes an RFC 6265 cookie name.
    pub fn parse(name: &str) -> Result<Self, TokenSourceError> {
        let name = name.to_owned();
        TokenSources::new(vec![TokenSource::Cookie { name: name.clone() }])?;
        Ok(Self(name))
    }
}

impl ResponseSource {
    /// Whether the token is in the body, so that nothing is known before the body's end.
    pub const fn is_in_body(&self) -> bool {
        matches!(self, Self::Json(_))
    }

    /// The token in the headers of an answer; none from a place in the body.
    ///
    /// A cookie that expires at `now` or before is one that the app takes away, and carries no token.
    pub fn from_headers(
        &self,
        headers: &HeaderMap,
        now: UnixTime,
    ) -> Result<Option<BearerToken>, ExtractError> {
        match self {
            Self::Json(_) => Ok(None),
            Self::SetCookie(name) => one_token(set_cookie::live_values(headers, &name.0, now)),
            Self::Header(name) => {
                one_token(headers.get_all(name).iter().map(|value| value.as_bytes()))
            }
        }
    }

    /// The token in the body of an answer; none from a place in the headers.
    ///
    /// A place that holds something else than text, null aside, is refused.
    pub fn from_body(&self, body: &Object) -> Result<Option<BearerToken>, ExtractError> {
        let Self::Json(pointer) = self else {
            return Ok(None);
        };
        match pointer.find(body) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => one_token([text.as_bytes()]),
            Some(_) => Err(TokenError::BadShape.into()),
        }
    }
}

/// The one token that all the texts agree on; empty texts have no say.
fn one_token<'a>(
    texts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Option<BearerToken>, ExtractError> {
    let mut texts = texts
        .into_iter()
        .map(without_scheme)
        .filter(|text| !text.is_empty());
    let Some(first) = texts.next() else {
        return Ok(None);
    };
    if texts.any(|text| text != first) {
        return Err(ExtractError::Conflict);
    }
    let text = std::str::from_utf8(first).map_err(|_| TokenError::BadShape)?;
    Ok(Some(BearerToken::parse(text)?))
}

/// No token holds a space, so the word before one is never part of it.
fn without_scheme(text: &[u8]) -> &[u8] {
    match text.split_at_checked(SCHEME.len()) {
        Some((word, rest)) if word.eq_ignore_ascii_case(SCHEME) => rest.trim_ascii_start(),
        _ => text,
    }
}

const SCHEME: &[u8] = b"Bearer ";

#[cfg(test)]
mod tests;
