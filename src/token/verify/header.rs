//! The header of a token: the algorithm and the key id, and refusals for all that would make the token say more.

use serde_json::Value;

use super::decode_object;
use crate::json::Object;
use crate::token::TokenError;
use crate::token::keys::{Algorithm, AlgorithmError, MAX_KEY_ID_BYTES};

/// What of a header says how the token is verified.
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
}

impl Header {
    /// Takes the first part of a token.
    pub(super) fn parse(text: &str) -> Result<Self, TokenError> {
        let header = decode_object(text, TokenError::BadHeader)?;
        for (name, error) in REFUSED_MEMBERS {
            if header.contains_key(name) {
                return Err(error);
            }
        }
        refuse_other_kinds(&header)?;
        Ok(Self {
            algorithm: header_algorithm(&header)?,
            key_id: header_key_id(&header)?,
        })
    }
}

fn header_algorithm(header: &Object) -> Result<Algorithm, TokenError> {
    let name = header
        .get("alg")
        .and_then(Value::as_str)
        .ok_or(TokenError::AlgorithmMissing)?;
    Algorithm::parse(name).map_err(|error| match error {
        AlgorithmError::None => TokenError::AlgorithmNone,
        AlgorithmError::Unknown => TokenError::AlgorithmNotAllowed,
    })
}

fn header_key_id(header: &Object) -> Result<Option<String>, TokenError> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(id)) if !id.is_empty() && id.len() <= MAX_KEY_ID_BYTES => {
            Ok(Some(id.clone()))
        }
        Some(_) => Err(TokenError::KeyIdInvalid),
    }
}

/// RFC 8725 section 3.11: a token that says what else it is must not pass as a session.
fn refuse_other_kinds(header: &Object) -> Result<(), TokenError> {
    let kind = match header.get("typ") {
        None => return Ok(()),
        Some(Value::String(kind)) => kind.to_ascii_lowercase(),
        Some(_) => return Err(TokenError::BadHeader),
    };
    let kind = kind.strip_prefix("application/").unwrap_or(&kind);
    if OTHER_KINDS.contains(&kind) {
        return Err(TokenError::OtherKind);
    }
    Ok(())
}

/// Header members that change what verifying means, or that would let the token choose its key.
const REFUSED_MEMBERS: [(&str, TokenError); 7] = [
    ("crit", TokenError::CriticalExtension),
    ("b64", TokenError::UnencodedPayload),
    ("zip", TokenError::Compressed),
    ("jwk", TokenError::EmbeddedKey),
    ("jku", TokenError::EmbeddedKey),
    ("x5u", TokenError::EmbeddedKey),
    ("x5c", TokenError::EmbeddedKey),
];

/// Registered kinds of token that an issuer may sign with the keys of its sessions.
const OTHER_KINDS: [&str; 6] = [
    "logout+jwt",
    "secevent+jwt",
    "dpop+jwt",
    "token-introspection+jwt",
    "oauth-authz-req+jwt",
    "vp+jwt",
];
