//! The moments that a token names. Each is a number of seconds; a string is refused, not read, and so is a fraction, unless
//! the issuer is said to write them.

use serde_json::Value;

use crate::json::Object;
use crate::time::UnixTime;
use crate::token::TokenError;
use crate::token::verify::Fractions;

/// The times of a token, in whole seconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) expires_at: UnixTime,
    pub(super) not_before: Option<UnixTime>,
    pub(super) issued_at: Option<UnixTime>,
}

impl Times {
    /// The times in these claims. A fraction of a second is refused, or cut off where the issuer may write one.
    pub(super) fn parse(claims: &Object, fractions: Fractions) -> Result<Self, TokenError> {
        let time = |name: &str, otherwise: TokenError| match claims.get(name) {
            None => Ok(None),
            Some(value) => seconds(value, fractions).ok_or(otherwise).map(Some),
        };
        Ok(Self {
            expires_at: time("exp", TokenError::ExpiryInvalid)?.ok_or(TokenError::ExpiryMissing)?,
            not_before: time("nbf", TokenError::NotBeforeInvalid)?,
            issued_at: time("iat", TokenError::IssuedAtInvalid)?,
        })
    }
}

fn seconds(value: &Value, fractions: Fractions) -> Option<UnixTime> {
    let whole = match (value.as_i64(), fractions) {
        (Some(whole), _) => u64::try_from(whole).ok()?,
        (None, Fractions::Refuse) => return None,
        (None, Fractions::CutOff) => {
            let seconds = value.as_f64()?;
            let is_exact = seconds.is_sign_positive() && seconds < MAX_EXACT;
            // Truncation is what is meant, and both bounds are checked.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            is_exact.then_some(seconds as u64)?
        }
    };
    Some(UnixTime::from_secs(whole))
}

/// 2^53: up to here a floating-point number has every whole second.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
