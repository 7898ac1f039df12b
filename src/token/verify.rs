//! From a token to claims that can be relied on.
//!
//! The order is fixed: header, issuer by the still unverified `iss`, key, signature, and only then what the claims say.
//! Until the signature has verified, the payload is used for one thing, to choose whose keys must verify it. Every
//! check is made on exact types: an `exp` that is a string is refused, not read. The signature itself is the work of
//! `aws-lc-rs`; time is an argument.

mod claims;
mod header;
mod presume;
mod times;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

pub use self::claims::{Proof, SessionClaims, VerifiedToken};
use self::header::Header;
use self::times::Times;
use super::keys::trust::{KeyFingerprint, TrustedKeys};
use super::keys::{Algorithm, KeySet};
use super::{BearerToken, TokenError};
use crate::json::{self, Object};
use crate::time::UnixTime;

/// An issuer of session tokens: what its tokens must say, and the keys that verify them.
#[derive(Clone, Debug)]
pub struct TokenIssuer {
    /// The name in configuration, logs and metrics.
    pub name: String,
    /// The exact `iss`. Without one, only a token that has no `iss` is this issuer's.
    pub issuer: Option<String>,
    /// The `aud` values of which a token must have one. When empty, a token must not have `aud`.
    pub audience: Vec<String>,
    /// The algorithms that its tokens may use.
    pub algorithms: Vec<Algorithm>,
    /// Its keys.
    pub keys: KeySet,
    /// What its tokens may have as `exp`, `nbf` and `iat`.
    pub fractions: Fractions,
}

/// Whether the times of a token may have fractions of a second, which RFC 7519, section 2, allows and few apps write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fractions {
    /// A time is a whole number.
    #[default]
    Refuse,
    /// A fraction is cut off: the token then begins and ends up to a second earlier.
    CutOff,
}

/// Verifies the tokens of the configured issuers.
#[derive(Clone, Debug)]
pub struct Verifier {
    issuers: Vec<Issuer>,
    version: Version,
    trusted: TrustedKeys,
    leeway: Duration,
    max_lifetime: Duration,
}

/// A key that a token asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedKey {
    /// Whose token it says it is: the issuer's index in the list that the verifier was made with.
    pub issuer: usize,
    /// Its `kid`, up to 256 bytes of a stranger's text.
    pub key_id: Option<String>,
}

/// Why a list of issuers is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifierError {
    /// The list is empty.
    #[error("at least one issuer is needed")]
    NoIssuer,
    /// An issuer lists no algorithm.
    #[error("the issuer {name:?} lists no algorithm")]
    NoAlgorithm {
        /// Its configured name.
        name: String,
    },
    /// An issuer or audience is the empty string.
    #[error("the issuer {name:?} has an empty issuer or audience; leave it out instead")]
    Empty {
        /// Its configured name.
        name: String,
    },
    /// Two entries claim the same `iss`, or both have none, so that a token could be either's.
    #[error("the issuers {first:?} and {second:?} take the same tokens")]
    SameIssuer {
        /// The configured name of one.
        first: String,
        /// The configured name of the other.
        second: String,
    },
}

impl Verifier {
    /// Takes the issuers, how far clocks may differ (`leeway`), and the longest life of a token. Whole seconds count.
    pub fn new(
        issuers: Vec<TokenIssuer>,
        leeway: Duration,
        max_lifetime: Duration,
    ) -> Result<Self, VerifierError> {
        if issuers.is_empty() {
            return Err(VerifierError::NoIssuer);
        }
        issuers.iter().try_for_each(refuse_incomplete)?;
        refuse_overlap(&issuers)?;
        let issuers: Vec<_> = issuers.into_iter().enumerate().map(Issuer::new).collect();
        Ok(Self {
            trusted: all_trusted(&issuers),
            version: Version::next(),
            issuers,
            leeway,
            max_lifetime,
        })
    }

    /// The same verifier with other keys for one issuer; an index without an issuer changes nothing.
    pub fn with_keys(&self, issuer: usize, keys: KeySet) -> Self {
        let mut verifier = self.clone();
        if let Some(issuer) = verifier.issuers.get_mut(issuer) {
            if !issuer.settings.keys.is_like(&keys) {
                verifier.version = Version::next();
            }
            issuer.replace_keys(keys);
        }
        verifier.succeeding(self)
    }

    /// A number that no verifier of the process has that would judge any token otherwise at the same moment.
    pub fn version(&self) -> u64 {
        self.version.0
    }

    /// The same verifier in place of another: its trusted keys keep their number when they are the same. While the keys of
    /// an issuer are not available, those that it had last count on.
    pub fn succeeding(mut self, before: &Self) -> Self {
        for issuer in &mut self.issuers {
            let mut earlier = before.issuers.iter();
            let earlier = earlier.find(|earlier| earlier.name == issuer.name);
            if let Some(earlier) = earlier.filter(|_| !issuer.settings.keys.is_available()) {
                issuer.trusted.clone_from(&earlier.trusted);
            }
        }
        self.trusted = all_trusted(&self.issuers).succeeding(&before.trusted);
        self
    }

    /// The keys that it verifies with now.
    pub fn trusted(&self) -> &TrustedKeys {
        &self.trusted
    }

    /// The claims of `token` if everything about it is right at `now`.
    pub fn verify(&self, token: &BearerToken, now: UnixTime) -> Result<SessionClaims, TokenError> {
        let parts = token.parts();
        let header = Header::parse(parts.header)?;
        let claims = decode_object(parts.payload, TokenError::BadPayload)?;
        let issuer = self.find_issuer(&claims)?;
        let key = issuer.check_signature(&header, parts.signed, parts.signature)?;
        let proof = Proof {
            algorithm: header.algorithm,
            key,
        };
        self.accept(issuer, claims, Some(proof), now)
    }

    /// What follows the signature: the claims themselves.
    fn accept(
        &self,
        issuer: &Issuer,
        claims: Object,
        proof: Option<Proof>,
        now: UnixTime,
    ) -> Result<SessionClaims, TokenError> {
        issuer.check_audience(&claims)?;
        let times = Times::parse(&claims, issuer.settings.fractions)?;
        self.check_times(&times, now)?;
        let jti = claims.get("jti").and_then(Value::as_str);
        let token = VerifiedToken {
            issuer: issuer.index,
            issuer_name: Arc::clone(&issuer.name),
            proof,
            times,
            jti: jti.map(Box::from),
        };
        Ok(SessionClaims {
            token: Arc::new(token),
            claims,
        })
    }

    /// Repeats at a later `now` what of [`verify`](Self::verify) depends on the time, for a token that this verifier, or
    /// one of the same [`version`](Self::version), has verified.
    pub fn recheck(&self, known: &VerifiedToken, now: UnixTime) -> Result<(), TokenError> {
        self.check_times(&known.times, now)
    }

    /// Reads the claims again of a `token` that is known to have been verified, as `known`.
    pub fn read_again(
        &self,
        token: &BearerToken,
        known: &Arc<VerifiedToken>,
    ) -> Result<SessionClaims, TokenError> {
        Ok(SessionClaims {
            token: Arc::clone(known),
            claims: decode_object(token.parts().payload, TokenError::BadPayload)?,
        })
    }

    /// Which key would verify `token`, by what the unverified token says: for deciding what to fetch, no more.
    pub fn wanted_key(&self, token: &BearerToken) -> Option<WantedKey> {
        let parts = token.parts();
        let header = Header::parse(parts.header).ok()?;
        let claims = decode_object(parts.payload, TokenError::BadPayload).ok()?;
        Some(WantedKey {
            issuer: self.find_issuer(&claims).ok()?.index,
            key_id: header.key_id,
        })
    }

    fn find_issuer(&self, claims: &Object) -> Result<&Issuer, TokenError> {
        let (wanted, otherwise) = match claims.get("iss") {
            None => (None, TokenError::IssuerMissing),
            Some(Value::String(issuer)) => (Some(issuer.as_str()), TokenError::IssuerUnknown),
            Some(_) => return Err(TokenError::IssuerInvalid),
        };
        self.issuers
            .iter()
            .find(|issuer| issuer.settings.issuer.as_deref() == wanted)
            .ok_or(otherwise)
    }

    fn check_times(&self, times: &Times, now: UnixTime) -> Result<(), TokenError> {
        let latest_start = now.saturating_add(self.leeway);
        if now >= times.expires_at.saturating_add(self.leeway) {
            return Err(TokenError::Expired);
        }
        if times.not_before.is_some_and(|time| time > latest_start) {
            return Err(TokenError::NotYetValid);
        }
        if times.issued_at.is_some_and(|time| time > latest_start) {
            return Err(TokenError::IssuedInFuture);
        }
        // `iat` is not after `latest_start` here, so the same bound holds from now on too.
        let start = times.issued_at.unwrap_or(latest_start);
        if times.expires_at > start.saturating_add(self.max_lifetime) {
            return Err(TokenError::LifetimeTooLong);
        }
        Ok(())
    }
}

fn refuse_incomplete(issuer: &TokenIssuer) -> Result<(), VerifierError> {
    let name = || issuer.name.clone();
    if issuer.algorithms.is_empty() {
        return Err(VerifierError::NoAlgorithm { name: name() });
    }
    if issuer
        .issuer
        .iter()
        .chain(&issuer.audience)
        .any(String::is_empty)
    {
        return Err(VerifierError::Empty { name: name() });
    }
    Ok(())
}

fn refuse_overlap(issuers: &[TokenIssuer]) -> Result<(), VerifierError> {
    for (index, second) in issuers.iter().enumerate() {
        let earlier = issuers.iter().take(index);
        if let Some(first) = earlier
            .into_iter()
            .find(|first| first.issuer == second.issuer)
        {
            return Err(VerifierError::SameIssuer {
                first: first.name.clone(),
                second: second.name.clone(),
            });
        }
    }
    Ok(())
}

/// A configured issuer in its place.
#[derive(Clone, Debug)]
struct Issuer {
    index: usize,
    name: Arc<str>,
    fingerprint: KeyFingerprint,
    trusted: Vec<KeyFingerprint>,
    settings: TokenIssuer,
}

impl Issuer {
    fn new((index, settings): (usize, TokenIssuer)) -> Self {
        let fingerprint = KeyFingerprint::of("issuer", settings.name.as_bytes());
        Self {
            index,
            name: settings.name.as_str().into(),
            fingerprint,
            trusted: trusted(fingerprint, &settings.keys),
            settings,
        }
    }

    fn replace_keys(&mut self, keys: KeySet) {
        self.trusted = trusted(self.fingerprint, &keys);
        self.settings.keys = keys;
    }

    fn check_signature(
        &self,
        header: &Header,
        signed: &str,
        signature: &str,
    ) -> Result<KeyFingerprint, TokenError> {
        if !self.settings.algorithms.contains(&header.algorithm) {
            return Err(TokenError::AlgorithmNotAllowed);
        }
        let key = self
            .settings
            .keys
            .find(header.algorithm, header.key_id.as_deref())?;
        let signature = decode(signature)?;
        if !key.verifies(signed.as_bytes(), &signature) {
            return Err(TokenError::SignatureInvalid);
        }
        Ok(key.fingerprint() ^ self.fingerprint)
    }

    fn check_audience(&self, claims: &Object) -> Result<(), TokenError> {
        let configured = &self.settings.audience;
        // A library that writes "aud": null means that it names nobody (devise-jwt does).
        let Some(audience) = claims.get("aud").filter(|named| !named.is_null()) else {
            return if configured.is_empty() {
                Ok(())
            } else {
                Err(TokenError::AudienceMissing)
            };
        };
        let named = audience_list(audience).ok_or(TokenError::AudienceInvalid)?;
        if configured.is_empty() {
            return Err(TokenError::AudienceUnexpected);
        }
        if !configured.iter().any(|one| named.contains(&one.as_str())) {
            return Err(TokenError::AudienceMismatch);
        }
        Ok(())
    }
}

/// The number of a verifier.
#[derive(Clone, Copy)]
struct Version(u64);

impl Version {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl fmt::Debug for Version {
    /// Without the number: what is alike looks alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Version")
    }
}

fn trusted(issuer: KeyFingerprint, keys: &KeySet) -> Vec<KeyFingerprint> {
    keys.fingerprints().map(|key| key ^ issuer).collect()
}

fn all_trusted(issuers: &[Issuer]) -> TrustedKeys {
    let keys = issuers.iter().flat_map(|issuer| &issuer.trusted);
    TrustedKeys::new(keys.copied().collect())
}

/// RFC 7519 section 4.1.3: one string, or a list of strings.
fn audience_list(audience: &Value) -> Option<Vec<&str>> {
    match audience {
        Value::String(one) => Some(vec![one]),
        Value::Array(many) if !many.is_empty() => many.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn decode_object(part: &str, otherwise: TokenError) -> Result<Object, TokenError> {
    json::parse_object(&decode(part)?).map_err(|_| otherwise)
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::BadEncoding)
}

#[cfg(test)]
mod tests;
