//! The moments that a token names. Each is a whole number; a string or a fraction is refused, not read.

use crate::json::Object;
use crate::time::UnixTime;
use crate::token::TokenError;

/// The times of a token, each a whole number of seconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) expires_at: UnixTime,
    pub(super) not_before: Option<UnixTime>,
    pub(super) issued_at: Option<UnixTime>,
}

impl Times {
    pub(super) fn parse(claims: &Object) -> Result<Self, TokenError> {
        Ok(Self {
            expires_at: time(claims, "exp", TokenError::ExpiryInvalid)?
                .ok_or(TokenError::ExpiryMissing)?,
            not_before: time(claims, "nbf", TokenError::NotBeforeInvalid)?,
            issued_at: time(claims, "iat", TokenError::IssuedAtInvalid)?,
        })
    }
}

fn time(
    claims: &Object,
    name: &str,
    otherwise: TokenError,
) -> Result<Option<UnixTime>, TokenError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value.as_i64().ok_or(otherwise)?;
    let seconds = u64::try_from(seconds).map_err(|_| otherwise)?;
    Ok(Some(UnixTime::from_secs(seconds)))
}
