//! A verified session as the state knows it, and the names by which its token can be denied.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::identity::UserId;
use crate::time::UnixTime;
use crate::token::BearerToken;
use crate::token::verify::VerifiedToken;

/// A verified and mapped session: whose it is, and which token carries it.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    pub(super) issuer: &'a str,
    pub(super) user: &'a UserId,
    pub(super) token: Option<&'a BearerToken>,
    pub(super) jti: Option<&'a str>,
    pub(super) issued_at: Option<UnixTime>,
    pub(super) expires_at: UnixTime,
}

impl<'a> Session<'a> {
    /// The session of `token`, which was verified and whose claims were mapped to `user`. A `jti` that is no text does not
    /// count.
    pub fn new(token: &'a BearerToken, verified: &'a VerifiedToken, user: &'a UserId) -> Self {
        Self {
            token: Some(token),
            ..Self::without_token(verified, user)
        }
    }

    /// The same when only the claims are known, so that nothing that was denied by its token is found.
    pub fn without_token(verified: &'a VerifiedToken, user: &'a UserId) -> Self {
        Self {
            issuer: verified.issuer_name(),
            user,
            token: None,
            jti: verified.jti(),
            issued_at: verified.issued_at(),
            expires_at: verified.expires_at(),
        }
    }

    /// Whose session it is.
    pub fn user(&self) -> &'a UserId {
        self.user
    }

    pub(super) fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Whether the token was issued before `time`. One that does not say when was.
    pub(super) fn is_issued_before(&self, time: UnixTime) -> bool {
        self.issued_at.is_none_or(|issued_at| issued_at < time)
    }

    /// The digest of the token, where it is known.
    pub(super) fn token_id(&self) -> Option<TokenId> {
        self.token.map(TokenId::of_token)
    }

    /// The digest of the token and, where it has a `jti`, that too: an app may issue one session again in another token.
    pub(super) fn token_ids(&self) -> impl Iterator<Item = TokenId> {
        let by_jti = self.jti.filter(|jti| !jti.is_empty());
        let by_jti = by_jti.map(|jti| TokenId::of_jti(self.issuer, self.user, jti));
        [self.token_id(), by_jti].into_iter().flatten()
    }
}

/// The name of a session token, from which nobody can make the token.
///
/// ```text
/// SHA-256( header "." payload )                      what was signed; an ECDSA signature has a twin that verifies too
/// SHA-256( "jti" 0 issuer 0 UserID 0 jti )           bound to the user: nobody logs another out with a jti of his choice
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId([u8; 32]);

impl TokenId {
    /// The name of `token` by its signed part.
    pub fn of_token(token: &BearerToken) -> Self {
        let text = token.expose();
        let signed = text.rsplit_once('.').map_or(text, |(signed, _)| signed);
        Self(Sha256::digest(signed).into())
    }

    /// Parses 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let digits = text.get(2 * index..2 * index + 2)?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(bytes))
    }

    fn of_jti(issuer: &str, user: &UserId, jti: &str) -> Self {
        let digest = Sha256::new()
            .chain_update("jti\0")
            .chain_update(issuer)
            .chain_update("\0")
            .chain_update(user.as_str())
            .chain_update("\0")
            .chain_update(jti);
        Self(digest.finalize().into())
    }

    /// A number that is as good as random, to choose a shard by.
    pub(super) fn first_byte(&self) -> u8 {
        self.0.first().copied().unwrap_or(0)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

impl Serialize for TokenId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not a token id"))
    }
}
