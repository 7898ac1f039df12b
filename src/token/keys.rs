//! Keys that verify session tokens, each bound to one algorithm when it is loaded.
//!
//! A token never chooses how it is verified: the configuration lists the algorithms of an issuer, the type of a key
//! decides which of them it can serve, and [`KeySet`] holds one entry for each pair. A shared secret can only become a
//! MAC key and a public key can only become a signature key, so a public key is never used as an HMAC secret. Bytes
//! come in, nothing is read or fetched here; keys are parsed once, so a bad one is found at load.

pub mod address;
mod algorithm;
mod jwks;
pub mod location;
mod public;
pub mod trust;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;

use self::algorithm::Primitive;
pub use self::algorithm::{Algorithm, AlgorithmError, KeyKind};
pub use self::jwks::{IgnoredKey, IgnoredKeyReason};
use self::public::PublicKey;
use self::trust::KeyFingerprint;
use super::TokenError;
use crate::json::JsonError;
use crate::secret::SecretBytes;

/// The keys of one issuer. A clone shares them.
#[derive(Clone)]
pub struct KeySet(Arc<[Key]>);

/// What to do with an HMAC secret that is shorter than its hash (RFC 7518 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortSecret {
    /// An error; the default of the configuration.
    Refuse,
    /// Taken, since the operator named it for this issuer: whoever can guess the secret can be any user.
    Allow,
}

impl KeySet {
    /// A set that was not loaded yet: every token of its issuer is [`TokenError::KeysUnavailable`].
    pub fn unavailable() -> Self {
        Self(Arc::new([]))
    }

    /// A secret shared with the app, for HMAC algorithms only.
    pub fn from_secret(
        secret: &SecretBytes,
        algorithms: &[Algorithm],
        short: ShortSecret,
    ) -> Result<Self, KeyError> {
        refuse_what_is_no_secret(secret)?;
        distinct(algorithms)?
            .map(|algorithm| Key::mac(secret, algorithm, short))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// One public key in PEM: `PUBLIC KEY` (any type) or `RSA PUBLIC KEY`; every algorithm must be one of its type.
    pub fn from_pem(pem: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        let key = PublicKey::from_pem(pem)?;
        distinct(algorithms)?
            .map(|algorithm| Key::signature(None, &key, algorithm))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// A JWK Set (RFC 7517) of public keys. A key that fits none of the algorithms, or is not for verifying, is
    /// ignored and reported; no usable key at all is an error, so that a caller keeps its last good set.
    pub fn from_jwks(
        json: &[u8],
        algorithms: &[Algorithm],
    ) -> Result<(Self, Vec<IgnoredKey>), KeyError> {
        let algorithms: Vec<_> = distinct(algorithms)?.collect();
        let (keys, ignored) = jwks::parse(json, &algorithms)?;
        Ok((Self(keys.into()), ignored))
    }

    /// Whether keys were ever loaded.
    pub fn is_available(&self) -> bool {
        !self.0.is_empty()
    }

    /// The MAC of a message under the secret, for the tokens of a load test; `None` where the keys only verify.
    pub fn mac(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        let mut keys = self.0.iter().filter(|key| key.algorithm == algorithm);
        match &keys.next()?.material {
            Material::Mac(key) => Some(hmac::sign(key, message).as_ref().to_vec()),
            Material::Signature(_) => None,
        }
    }

    /// Whether both find the same key for every token.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.0
            .iter()
            .map(Key::name)
            .eq(other.0.iter().map(Key::name))
    }

    /// The names of its keys; one that serves several algorithms is there several times.
    pub(super) fn fingerprints(&self) -> impl Iterator<Item = KeyFingerprint> {
        self.0.iter().map(|key| key.fingerprint)
    }

    /// Whether a key has this id, whatever its algorithm.
    pub fn has_id(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// The one key for a token: the key with its id, else the one key without an id, else, for a token without an id,
    /// the only key of the algorithm.
    pub(super) fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Result<&Key, TokenError> {
        if !self.is_available() {
            return Err(TokenError::KeysUnavailable);
        }
        let fits = || self.0.iter().filter(|key| key.algorithm == algorithm);
        let Some(id) = id else {
            return only(fits());
        };
        match fits().find(|key| key.id.as_deref() == Some(id)) {
            Some(key) => Ok(key),
            None => only(fits().filter(|key| key.id.is_none())),
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
    }
}

fn only<'a>(mut keys: impl Iterator<Item = &'a Key>) -> Result<&'a Key, TokenError> {
    match (keys.next(), keys.next()) {
        (None, _) => Err(TokenError::KeyUnknown),
        (Some(key), None) => Ok(key),
        (Some(_), Some(_)) => Err(TokenError::KeyAmbiguous),
    }
}

/// A key with the one algorithm that it is used with.
pub(super) struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    fingerprint: KeyFingerprint,
    material: Material,
}

enum Material {
    Mac(Box<hmac::Key>),
    Signature(ParsedPublicKey),
}

impl Key {
    fn mac(
        secret: &SecretBytes,
        algorithm: Algorithm,
        short: ShortSecret,
    ) -> Result<Self, KeyError> {
        let Primitive::Mac(mac) = algorithm.primitive() else {
            return Err(KeyError::SecretForSignature { algorithm });
        };
        let needed = mac.digest_algorithm().output_len();
        if secret.len() < needed && short == ShortSecret::Refuse {
            let found = secret.len();
            return Err(KeyError::ShortSecret {
                algorithm,
                needed,
                found,
            });
        }
        Ok(Self {
            id: None,
            algorithm,
            fingerprint: KeyFingerprint::of("secret", secret.expose()),
            material: Material::Mac(Box::new(hmac::Key::new(mac, secret.expose()))),
        })
    }

    fn signature(
        id: Option<String>,
        key: &PublicKey,
        algorithm: Algorithm,
    ) -> Result<Self, KeyError> {
        Ok(Self {
            id,
            algorithm,
            fingerprint: key.fingerprint(),
            material: Material::Signature(key.for_algorithm(algorithm)?),
        })
    }

    /// By what it is found, and which it is.
    fn name(&self) -> (Algorithm, Option<&str>, KeyFingerprint) {
        (self.algorithm, self.id.as_deref(), self.fingerprint)
    }

    /// The name of the key, whatever its id and algorithm.
    pub(super) fn fingerprint(&self) -> KeyFingerprint {
        self.fingerprint
    }

    /// Whether `signature` was made over `message` with this key; a MAC is compared in constant time.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Mac(key) => hmac::verify(key, message, signature).is_ok(),
            Material::Signature(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Why keys are not usable. The texts name no key material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No algorithm is configured for the key.
    #[error("no algorithm is configured for the key")]
    NoAlgorithm,
    /// The secret has no bytes.
    #[error("the secret is empty")]
    EmptySecret,
    /// The secret is shorter than the output of the algorithm's hash.
    #[error("{algorithm} needs a secret of at least {needed} bytes; this one has {found}")]
    ShortSecret {
        /// The algorithm that needs more.
        algorithm: Algorithm,
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that the secret has.
        found: usize,
    },
    /// The secret is a reference to a variable that nobody replaced, such as `${SESSION_SECRET}`.
    #[error("the secret is a \"${{…}}\" placeholder that nothing has replaced")]
    UnexpandedPlaceholder,
    /// The secret is a PEM text: a public key as an HMAC secret lets everybody sign.
    #[error("the secret is a PEM text; a public key is configured as public_key")]
    PemAsSecret,
    /// A secret was given for an algorithm that verifies with a public key.
    #[error("{algorithm} verifies with a public key, not with a secret")]
    SecretForSignature {
        /// The algorithm as configured.
        algorithm: Algorithm,
    },
    /// A public key was given for an HMAC algorithm.
    #[error("{algorithm} needs a secret; with a public key everybody could sign")]
    PublicKeyForMac {
        /// The algorithm as configured.
        algorithm: Algorithm,
    },
    /// The algorithm belongs to another type of public key.
    #[error("{algorithm} needs a key of type {}, and this one is {found}", algorithm.key_kind())]
    OtherKind {
        /// The algorithm as configured.
        algorithm: Algorithm,
        /// The type of the key.
        found: KeyKind,
    },
    /// There is no complete PEM block in the text.
    #[error("not a public key in PEM, which starts with -----BEGIN PUBLIC KEY-----")]
    NotPem,
    /// A private key: the proxy must not hold what signs the app's sessions.
    #[error("this is a private key; give the public one, and treat this one as exposed")]
    PrivateKey,
    /// A certificate, whose validity nobody would check here.
    #[error("this is a certificate; extract its public key with openssl x509 -pubkey -noout")]
    Certificate,
    /// More than one PEM block.
    #[error("the PEM text holds several keys; give one, or a key set")]
    SeveralKeys,
    /// Not an RSA, P-256, P-384 or Ed25519 public key, or damaged.
    #[error("not a sound RSA, P-256, P-384 or Ed25519 public key")]
    Unsupported,
    /// An RSA key outside 2048 to 8192 bits.
    #[error("an RSA key must have 2048 to 8192 bits")]
    RsaSize,
    /// The key set is not strict JSON.
    #[error("the key set is {0}")]
    KeySetJson(#[source] JsonError),
    /// The key set has no `keys` list.
    #[error("the key set has no list named keys")]
    NoKeyList,
    /// The key set lists more than [`MAX_KEYS`] keys.
    #[error("the key set lists {found} keys; at most {MAX_KEYS} are taken")]
    TooManyKeys {
        /// The number of listed keys.
        found: usize,
    },
    /// The key set lists no key that can be used, for the reasons given.
    #[error("the key set has no usable key; {} ignored", ignored.len())]
    NoUsableKey {
        /// Each listed key and why it is of no use.
        ignored: Vec<IgnoredKey>,
    },
    /// Two usable keys for one algorithm have the same id, or both have none.
    #[error("two keys of the key set have the same id, or none, for {algorithm}")]
    DuplicateKeyId {
        /// The algorithm that both serve.
        algorithm: Algorithm,
    },
}

fn refuse_what_is_no_secret(secret: &SecretBytes) -> Result<(), KeyError> {
    let text = secret.expose().trim_ascii();
    if text.is_empty() {
        return Err(KeyError::EmptySecret);
    }
    if text.starts_with(b"-----BEGIN ") {
        return Err(KeyError::PemAsSecret);
    }
    if text.starts_with(b"${") && text.ends_with(b"}") {
        return Err(KeyError::UnexpandedPlaceholder);
    }
    Ok(())
}

/// The configured algorithms, each once.
fn distinct(algorithms: &[Algorithm]) -> Result<impl Iterator<Item = Algorithm> + '_, KeyError> {
    if algorithms.is_empty() {
        return Err(KeyError::NoAlgorithm);
    }
    Ok(Algorithm::ALL
        .into_iter()
        .filter(|algorithm| algorithms.contains(algorithm)))
}

/// The most keys that a key set may list.
pub const MAX_KEYS: usize = 64;

/// The longest key id, in a key set or a token.
pub const MAX_KEY_ID_BYTES: usize = 256;

#[cfg(test)]
mod tests;
