//! The app's session token: find it in a request, verify it, and hold the keys that verify it.
//!
//! A token is a JWT in JWS compact form (RFC 7515 section 7.1) that the app signed itself. What comes out of here is
//! [`SessionClaims`](verify::SessionClaims), and the only way to a [`Proof`](verify::Proof) of them is a verified
//! signature. Nothing here knows what the claims mean, fetches a key or reads a clock; the authorizer calls it with `now`.

pub mod extract;
pub mod keys;
pub mod response;
pub mod verify;

use std::fmt;

use zeroize::Zeroizing;

/// A text in the shape of a JWS in compact form, not verified in any way.
///
/// ```text
/// eyJhbGciOiJSUzI1NiJ9 . eyJzdWIiOiI0MiJ9 . c2lnbmF0dXJl      each part base64url without padding, none empty
/// header                 payload            signature
/// └───────────── signed ────────────────┘
/// ```
///
/// It is a credential: `Debug` prints a placeholder, there is no `Display`, and the memory is wiped.
#[derive(Clone)]
pub struct BearerToken {
    text: Zeroizing<String>,
    payload_start: usize,
    signature_start: usize,
}

impl BearerToken {
    /// Takes a text of at most [`MAX_TOKEN_BYTES`] in the shape above.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let (header, rest) = text.split_once('.').ok_or(TokenError::BadShape)?;
        let (payload, signature) = rest.split_once('.').ok_or(TokenError::BadShape)?;
        if ![header, payload, signature].into_iter().all(is_base64url) {
            return Err(TokenError::BadShape);
        }
        Ok(Self {
            payload_start: header.len() + 1,
            signature_start: header.len() + payload.len() + 2,
            text: Zeroizing::new(text.to_owned()),
        })
    }

    /// The whole text.
    pub fn expose(&self) -> &str {
        &self.text
    }

    fn parts(&self) -> Parts<'_> {
        let part = |start, end| self.text.get(start..end).unwrap_or_default();
        let dot_before = |start: usize| start.saturating_sub(1);
        Parts {
            header: part(0, dot_before(self.payload_start)),
            payload: part(self.payload_start, dot_before(self.signature_start)),
            signature: part(self.signature_start, self.text.len()),
            signed: part(0, dot_before(self.signature_start)),
        }
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken([redacted])")
    }
}

struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    signed: &'a str,
}

/// Why a token is not accepted: one variant a fact, and nothing of the token in any of them.
///
/// A client is told [`Expired`](Self::Expired) and otherwise only that the token is invalid; [`reason`](Self::reason)
/// is for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is too long")]
    TooLong,
    /// Not three base64url parts that all hold something.
    #[error("the token is not a JWS in compact form")]
    BadShape,
    /// A part is not the canonical base64url of any bytes.
    #[error("a part of the token is not canonical base64url")]
    BadEncoding,
    /// The header is not one strict JSON object, or a member of it has the wrong type.
    #[error("the token header is not usable")]
    BadHeader,
    /// The payload is not one strict JSON object.
    #[error("the token payload is not a strict JSON object")]
    BadPayload,
    /// The header names no algorithm, or not as a string.
    #[error("the token header names no algorithm")]
    AlgorithmMissing,
    /// The header says that there is no signature.
    #[error("the token says that it is not signed")]
    AlgorithmNone,
    /// The algorithm is unknown, or the issuer does not use it.
    #[error("the token's algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// The header has `crit`: extensions that must be understood, and none is.
    #[error("the token header has crit")]
    CriticalExtension,
    /// The header has `b64`, which changes what is signed (RFC 7797).
    #[error("the token header has b64")]
    UnencodedPayload,
    /// The header has `zip`: a compressed payload.
    #[error("the token header has zip")]
    Compressed,
    /// The header brings or points to its own key: `jwk`, `jku`, `x5u` or `x5c`.
    #[error("the token header brings its own key")]
    EmbeddedKey,
    /// The header's `typ` names a kind of token that is not a session, such as a logout token.
    #[error("the token is of another kind than a session token")]
    OtherKind,
    /// The header's `kid` is not a string, is empty or is too long.
    #[error("the token's key id is not usable")]
    KeyIdInvalid,
    /// No key of the issuer fits the header's `kid` and algorithm; fresh keys may have it.
    #[error("no key fits the token's key id and algorithm")]
    KeyUnknown,
    /// The token names no key and several would fit.
    #[error("the token names no key and several fit")]
    KeyAmbiguous,
    /// The issuer's keys were never loaded, so nothing can be said about the token.
    #[error("the issuer's keys are not loaded")]
    KeysUnavailable,
    /// The signature does not verify.
    #[error("the token's signature does not verify")]
    SignatureInvalid,
    /// There is no `iss` and every configured issuer has one.
    #[error("the token has no iss")]
    IssuerMissing,
    /// `iss` is not a string.
    #[error("the token's iss is not a string")]
    IssuerInvalid,
    /// `iss` is not that of a configured issuer.
    #[error("the token's iss is not configured")]
    IssuerUnknown,
    /// There is no `aud` and the issuer has audiences configured.
    #[error("the token has no aud")]
    AudienceMissing,
    /// `aud` is not a string or a list of strings with at least one item.
    #[error("the token's aud is neither a string nor a list of strings")]
    AudienceInvalid,
    /// No value of `aud` is a configured one.
    #[error("the token is meant for another audience")]
    AudienceMismatch,
    /// There is an `aud` and the issuer has no audience configured.
    #[error("the token has an aud and none is configured")]
    AudienceUnexpected,
    /// There is no `exp`.
    #[error("the token has no exp")]
    ExpiryMissing,
    /// `exp` is not an integer from 0 to 2^63 - 1.
    #[error("the token's exp is not a whole number of seconds")]
    ExpiryInvalid,
    /// `exp` has passed, leeway included.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is not an integer from 0 to 2^63 - 1.
    #[error("the token's nbf is not a whole number of seconds")]
    NotBeforeInvalid,
    /// `nbf` has not come, leeway included.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` is not an integer from 0 to 2^63 - 1.
    #[error("the token's iat is not a whole number of seconds")]
    IssuedAtInvalid,
    /// `iat` lies in the future, leeway included.
    #[error("the token was issued in the future")]
    IssuedInFuture,
    /// The token lives longer than configured.
    #[error("the token lives longer than allowed")]
    LifetimeTooLong,
}

impl TokenError {
    /// Every variant, for counters that exist from the start.
    pub const ALL: [Self; 33] = [
        Self::TooLong,
        Self::BadShape,
        Self::BadEncoding,
        Self::BadHeader,
        Self::BadPayload,
        Self::AlgorithmMissing,
        Self::AlgorithmNone,
        Self::AlgorithmNotAllowed,
        Self::CriticalExtension,
        Self::UnencodedPayload,
        Self::Compressed,
        Self::EmbeddedKey,
        Self::OtherKind,
        Self::KeyIdInvalid,
        Self::KeyUnknown,
        Self::KeyAmbiguous,
        Self::KeysUnavailable,
        Self::SignatureInvalid,
        Self::IssuerMissing,
        Self::IssuerInvalid,
        Self::IssuerUnknown,
        Self::AudienceMissing,
        Self::AudienceInvalid,
        Self::AudienceMismatch,
        Self::AudienceUnexpected,
        Self::ExpiryMissing,
        Self::ExpiryInvalid,
        Self::Expired,
        Self::NotBeforeInvalid,
        Self::NotYetValid,
        Self::IssuedAtInvalid,
        Self::IssuedInFuture,
        Self::LifetimeTooLong,
    ];

    /// Whether a new token from the app is all that is needed; the one detail that a client may learn.
    pub const fn is_expired(self) -> bool {
        matches!(self, Self::Expired)
    }

    /// The name of the fact in logs and metrics, in snake case.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::BadShape => "bad_shape",
            Self::BadEncoding => "bad_encoding",
            Self::BadHeader => "bad_header",
            Self::BadPayload => "bad_payload",
            Self::AlgorithmMissing => "algorithm_missing",
            Self::AlgorithmNone => "algorithm_none",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::CriticalExtension => "critical_extension",
            Self::UnencodedPayload => "unencoded_payload",
            Self::Compressed => "compressed",
            Self::EmbeddedKey => "embedded_key",
            Self::OtherKind => "other_kind",
            Self::KeyIdInvalid => "key_id_invalid",
            Self::KeyUnknown => "key_unknown",
            Self::KeyAmbiguous => "key_ambiguous",
            Self::KeysUnavailable => "keys_unavailable",
            Self::SignatureInvalid => "signature_invalid",
            Self::IssuerMissing => "issuer_missing",
            Self::IssuerInvalid => "issuer_invalid",
            Self::IssuerUnknown => "issuer_unknown",
            Self::AudienceMissing => "audience_missing",
            Self::AudienceInvalid => "audience_invalid",
            Self::AudienceMismatch => "audience_mismatch",
            Self::AudienceUnexpected => "audience_unexpected",
            Self::ExpiryMissing => "expiry_missing",
            Self::ExpiryInvalid => "expiry_invalid",
            Self::Expired => "expired",
            Self::NotBeforeInvalid => "not_before_invalid",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedAtInvalid => "issued_at_invalid",
            Self::IssuedInFuture => "issued_in_future",
            Self::LifetimeTooLong => "lifetime_too_long",
        }
    }
}

fn is_base64url(part: &str) -> bool {
    let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    // Without an early end, so that many bytes are looked at at once.
    let all = part.bytes().fold(true, |all, byte| all & in_alphabet(byte));
    all && !part.is_empty()
}

/// The longest token that is looked at: what fits into the header limits of common servers.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_token_has_three_parts_of_base64url() {
        let token = BearerToken::parse("eyJh.eyJz-_.c2ln").unwrap();
        let parts = token.parts();
        assert_eq!(
            [parts.header, parts.payload, parts.signature, parts.signed],
            ["eyJh", "eyJz-_", "c2ln", "eyJh.eyJz-_"]
        );
        assert_eq!(token.expose(), "eyJh.eyJz-_.c2ln");
    }

    #[test]
    fn j12_other_shapes_are_refused() {
        for (name, text) in [
            ("empty", ""),
            ("one part", "a"),
            ("two parts", "a.b"),
            ("four parts", "a.b.c.d"),
            ("five parts, a JWE", "a.b.c.d.e"),
            ("empty header", ".b.c"),
            ("empty payload", "a..c"),
            ("empty signature", "a.b."),
            ("only dots", ".."),
            ("space inside", "a.b .c"),
            ("trailing newline", "a.b.c\n"),
            ("padding", "YQ==.b.c"),
            ("standard alphabet", "a+/b.b.c"),
            ("percent-encoded dot", "a%2eb.c"),
            ("two joined tokens", "a.b.c,a.b.c"),
            ("quoted", "\"a.b.c\""),
            ("non-ASCII", "a.b.ç"),
        ] {
            let error = BearerToken::parse(text).unwrap_err();
            assert_eq!(error, TokenError::BadShape, "{name}");
        }
    }

    #[test]
    fn j12_size_is_bounded_before_anything_is_read() {
        let longest = format!("a.b.{}", "c".repeat(MAX_TOKEN_BYTES - 4));
        assert!(BearerToken::parse(&longest).is_ok());
        let dots = ".".repeat(10 * 1024 * 1024);
        for text in [format!("{longest}c"), dots] {
            assert_eq!(BearerToken::parse(&text).unwrap_err(), TokenError::TooLong);
        }
    }

    #[test]
    fn j20_debug_shows_nothing_of_a_token() {
        let token = BearerToken::parse("eyJh.eyJz.c2ln").unwrap();
        assert_eq!(format!("{token:?}"), "BearerToken([redacted])");
    }

    #[test]
    fn every_fact_has_a_reason_of_its_own() {
        let reasons: HashSet<_> = TokenError::ALL.map(TokenError::reason).into();
        assert_eq!(reasons.len(), TokenError::ALL.len());
        let snake_case = |reason: &str| reason.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(reasons.into_iter().all(snake_case));
        let expired = TokenError::ALL
            .into_iter()
            .filter(|error| error.is_expired());
        assert_eq!(expired.collect::<Vec<_>>(), [TokenError::Expired]);
    }
}
