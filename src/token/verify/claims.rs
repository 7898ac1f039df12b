//! What a verified token comes to: its claims, and what is known of it beside them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::times::Times;
use crate::json::Object;
use crate::time::UnixTime;
use crate::token::keys::Algorithm;
use crate::token::keys::trust::KeyFingerprint;

/// What is known of a token that was verified, beside its claims. Holds nothing that could be used as a credential.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    pub(super) issuer: usize,
    pub(super) issuer_name: Arc<str>,
    pub(super) proof: Option<Proof>,
    pub(super) times: Times,
    pub(super) jti: Option<Box<str>>,
}

/// Claims of a verified token. `Debug` shows whose they are, not what they say.
#[derive(Clone)]
pub struct SessionClaims {
    pub(super) token: Arc<VerifiedToken>,
    pub(super) claims: Object,
}

/// The signature that claims are believed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// The key that verified it, as a key of its issuer.
    pub key: KeyFingerprint,
}

impl VerifiedToken {
    /// The issuer's index in the list that the verifier was made with.
    pub fn issuer(&self) -> usize {
        self.issuer
    }

    /// The issuer's configured name.
    pub fn issuer_name(&self) -> &str {
        &self.issuer_name
    }

    /// What they are believed by; nothing, when they are only presumed.
    pub fn proof(&self) -> Option<Proof> {
        self.proof
    }

    /// The token's `exp`, without leeway.
    pub fn expires_at(&self) -> UnixTime {
        self.times.expires_at
    }

    /// The token's `iat`, if it says when it was issued.
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.times.issued_at
    }

    /// The token's `jti`, if it has one that is text.
    pub fn jti(&self) -> Option<&str> {
        self.jti.as_deref()
    }
}

impl SessionClaims {
    /// What is known of the token beside them.
    pub fn token(&self) -> &Arc<VerifiedToken> {
        &self.token
    }

    /// All claims, as signed.
    pub fn claims(&self) -> &Object {
        &self.claims
    }
}

impl Deref for SessionClaims {
    type Target = VerifiedToken;

    fn deref(&self) -> &VerifiedToken {
        &self.token
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedToken")
            .field("issuer_name", &self.issuer_name)
            .field("proof", &self.proof)
            .field("expires_at", &self.times.expires_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SessionClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionClaims")
            .field("issuer_name", &self.token.issuer_name)
            .field("proof", &self.token.proof)
            .field("expires_at", &self.token.times.expires_at)
            .finish_non_exhaustive()
    }
}
