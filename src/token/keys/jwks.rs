//! JWK Sets (RFC 7517): which of the listed keys serve the configured algorithms.
//!
//! A set is written by somebody else and changes while we run, so a key that does not fit is no error: it is left out
//! and reported. What would make the choice of a key unclear, two usable keys under one id, is an error of the set.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::public::PublicKey;
use super::{Algorithm, Key, KeyError, KeyKind, MAX_KEY_ID_BYTES, MAX_KEYS};
use crate::json::{self, Object};

/// A listed key that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredKey {
    /// Its place in the list, from 0.
    pub position: usize,
    /// Its `kid`, when that is a string of at most [`MAX_KEY_ID_BYTES`].
    pub id: Option<String>,
    /// Why it is not used.
    pub reason: IgnoredKeyReason,
}

/// Why a listed key is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoredKeyReason {
    /// Not an object, or a member is missing or of the wrong type.
    #[error("a member is missing or malformed")]
    Malformed,
    /// The `kid` is empty or longer than [`MAX_KEY_ID_BYTES`].
    #[error("the key id is empty or too long")]
    KeyId,
    /// A shared secret (`oct`): what everybody can fetch signs nothing.
    #[error("a shared secret in a key set")]
    Secret,
    /// Members of a private key are listed.
    #[error("a private key in a key set")]
    PrivateKey,
    /// `use` or `key_ops` says that it is not for verifying signatures.
    #[error("not meant for verifying signatures")]
    Use,
    /// A type or curve that is not supported.
    #[error("the key type or curve is not supported")]
    KeyType,
    /// The key is unsound, or an RSA key outside 2048 to 8192 bits.
    #[error("the key is unsound or too small")]
    Weak,
    /// Its `alg`, or else its type, fits no configured algorithm.
    #[error("it fits no configured algorithm")]
    Algorithm,
}

pub(super) fn parse(
    json: &[u8],
    algorithms: &[Algorithm],
) -> Result<(Vec<Key>, Vec<IgnoredKey>), KeyError> {
    let is_mac = |algorithm: &&Algorithm| algorithm.key_kind() == KeyKind::Secret;
    if let Some(&algorithm) = algorithms.iter().find(is_mac) {
        return Err(KeyError::PublicKeyForMac { algorithm });
    }
    let set = json::parse_object(json).map_err(KeyError::KeySetJson)?;
    let listed = set
        .get("keys")
        .and_then(Value::as_array)
        .ok_or(KeyError::NoKeyList)?;
    if listed.len() > MAX_KEYS {
        return Err(KeyError::TooManyKeys {
            found: listed.len(),
        });
    }
    let (mut keys, mut ignored) = (Vec::new(), Vec::new());
    for (position, jwk) in listed.iter().enumerate() {
        match usable_keys(jwk, algorithms) {
            Ok(usable) => keys.extend(usable),
            Err(reason) => ignored.push(IgnoredKey {
                position,
                id: readable_id(jwk),
                reason,
            }),
        }
    }
    if keys.is_empty() {
        return Err(KeyError::NoUsableKey { ignored });
    }
    refuse_shared_ids(&keys)?;
    Ok((keys, ignored))
}

/// One entry for each configured algorithm that the key may serve; at least one.
fn usable_keys(jwk: &Value, algorithms: &[Algorithm]) -> Result<Vec<Key>, IgnoredKeyReason> {
    let jwk = jwk.as_object().ok_or(IgnoredKeyReason::Malformed)?;
    let id = key_id(jwk)?;
    refuse_other_uses(jwk)?;
    let key = public_key(jwk)?;
    let named = text(jwk, "alg")?;
    let keys: Vec<_> = algorithms
        .iter()
        .filter(|algorithm| algorithm.key_kind() == key.kind())
        .filter(|algorithm| named.is_none_or(|name| name == algorithm.name()))
        .map(|&algorithm| Key::signature(id.map(str::to_owned), &key, algorithm))
        .collect::<Result<_, _>>()
        .map_err(|_| IgnoredKeyReason::Weak)?;
    if keys.is_empty() {
        return Err(IgnoredKeyReason::Algorithm);
    }
    Ok(keys)
}

fn key_id(jwk: &Object) -> Result<Option<&str>, IgnoredKeyReason> {
    match text(jwk, "kid")? {
        Some(id) if id.is_empty() || id.len() > MAX_KEY_ID_BYTES => Err(IgnoredKeyReason::KeyId),
        id => Ok(id),
    }
}

fn refuse_other_uses(jwk: &Object) -> Result<(), IgnoredKeyReason> {
    if text(jwk, "use")?.is_some_and(|usage| usage != "sig") {
        return Err(IgnoredKeyReason::Use);
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|name| name == "verify") => Ok(()),
        Some(Value::Array(_)) => Err(IgnoredKeyReason::Use),
        Some(_) => Err(IgnoredKeyReason::Malformed),
    }
}

fn public_key(jwk: &Object) -> Result<PublicKey, IgnoredKeyReason> {
    let kind = text(jwk, "kty")?.ok_or(IgnoredKeyReason::Malformed)?;
    if kind == "oct" {
        return Err(IgnoredKeyReason::Secret);
    }
    if jwk.contains_key("d") {
        return Err(IgnoredKeyReason::PrivateKey);
    }
    let key = match (kind, text(jwk, "crv")?) {
        ("RSA", _) => PublicKey::from_rsa_components(&bytes(jwk, "n")?, &bytes(jwk, "e")?),
        ("EC", Some("P-256")) => curve_key(KeyKind::P256, jwk)?,
        ("EC", Some("P-384")) => curve_key(KeyKind::P384, jwk)?,
        ("OKP", Some("Ed25519")) => PublicKey::from_ed25519(&bytes(jwk, "x")?),
        _ => return Err(IgnoredKeyReason::KeyType),
    };
    key.map_err(|_| IgnoredKeyReason::Weak)
}

fn curve_key(kind: KeyKind, jwk: &Object) -> Result<Result<PublicKey, KeyError>, IgnoredKeyReason> {
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    Ok(PublicKey::from_curve_point(kind, &x, &y))
}

fn refuse_shared_ids(keys: &[Key]) -> Result<(), KeyError> {
    let mut seen = HashSet::new();
    for key in keys {
        if !seen.insert((key.algorithm, key.id.as_deref())) {
            let algorithm = key.algorithm;
            return Err(KeyError::DuplicateKeyId { algorithm });
        }
    }
    Ok(())
}

fn readable_id(jwk: &Value) -> Option<String> {
    let id = jwk.get("kid")?.as_str()?;
    (id.len() <= MAX_KEY_ID_BYTES).then(|| id.to_owned())
}

fn text<'a>(jwk: &'a Object, name: &str) -> Result<Option<&'a str>, IgnoredKeyReason> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(IgnoredKeyReason::Malformed),
    }
}

fn bytes(jwk: &Object, name: &str) -> Result<Vec<u8>, IgnoredKeyReason> {
    let text = text(jwk, name)?.ok_or(IgnoredKeyReason::Malformed)?;
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| IgnoredKeyReason::Malformed)
}
