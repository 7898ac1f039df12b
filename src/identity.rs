//! From the subject of a verified session token to a Chat [`UserId`].
//!
//! Two people must never meet in one UserID. Every [`Transform`] is therefore injective on what it accepts and refuses
//! the rest, a chain of them is injective again, and the keyed digest rests on its 160 bits. Names of administrators
//! are no [`UserId`] at all: the only way to make one asks [`ReservedNames`].

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::json::{JsonPointer, Object};
use crate::secret::SecretBytes;

/// A UserID of Chat that an ordinary user may have: 1 to 32 of `A-Z a-z 0-9 _ -`, not reserved.
///
/// Case counts: both official verifiers compare the bytes. Holds its text inline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UserId {
    length: u8,
    bytes: [u8; MAX_USER_ID_BYTES],
}

/// Why a text is no [`UserId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserIdError {
    /// No character.
    #[error("a UserID has at least one character")]
    Empty,
    /// More than 32 bytes.
    #[error("a UserID has at most 32 characters")]
    TooLong,
    /// 36 characters that are a UUID with its dashes.
    #[error(
        "a UUID with dashes has 36 characters, a UserID at most 32: use the transform \"remove_dashes\""
    )]
    DashedUuid,
    /// A character that Chat does not allow.
    #[error("a UserID has only the letters A-Z a-z, digits, \"_\" and \"-\"")]
    BadCharacter,
    /// The name of an administrator.
    #[error("the name is reserved for an administrator")]
    Reserved,
}

impl UserId {
    /// Parses `text`, which must not be one of `reserved`.
    pub fn parse(text: &str, reserved: &ReservedNames) -> Result<Self, UserIdError> {
        if text.is_empty() {
            return Err(UserIdError::Empty);
        }
        if !text.bytes().all(is_user_id_byte) {
            return Err(UserIdError::BadCharacter);
        }
        if is_dashed_uuid(text) {
            return Err(UserIdError::DashedUuid);
        }
        let mut bytes = [0; MAX_USER_ID_BYTES];
        bytes
            .get_mut(..text.len())
            .ok_or(UserIdError::TooLong)?
            .copy_from_slice(text.as_bytes());
        if reserved.contains(text) {
            return Err(UserIdError::Reserved);
        }
        let length = u8::try_from(text.len()).map_err(|_| UserIdError::TooLong)?;
        Ok(Self { length, bytes })
    }

    /// The UserID as text.
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..self.length.into()).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl Hash for UserId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({self})")
    }
}

/// Names that no user may be given: the administrators of the Chat app. Compared without regard to ASCII case.
#[derive(Clone, Debug, Default)]
pub struct ReservedNames(HashSet<String>);

impl ReservedNames {
    /// Reserves `names`.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().map(str::to_ascii_lowercase).collect())
    }

    /// Whether `name` is reserved in any case.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(&name.to_ascii_lowercase())
    }
}

/// The type that the subject's claim must have. Only one counts, so the number 42 and the text "42" never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectType {
    /// A JSON string.
    Text,
    /// A JSON number without fraction or exponent that fits 64 bits; its decimal digits are the subject.
    Integer,
}

/// One step from the subject to the UserID. Each maps different inputs to different outputs, or refuses.
#[derive(Clone, Debug)]
pub enum Transform {
    /// Takes the dashes out of a lower-case UUID (8-4-4-4-12) and of nothing else.
    RemoveDashes,
    /// Takes away a prefix that must be there.
    StripPrefix(String),
    /// Puts a prefix in front.
    Prefix(String),
    /// HMAC-SHA256 under the key, cut to 160 bits, as 27 characters of base64url: for e-mail addresses and long ids.
    Digest(DigestKey),
}

/// The key of a digest transform: at least 256 bits.
#[derive(Clone, Debug)]
pub struct DigestKey(SecretBytes);

impl DigestKey {
    /// Takes at least 32 bytes; `None` for fewer.
    pub fn new(key: SecretBytes) -> Option<Self> {
        (key.len() >= 32).then_some(Self(key))
    }
}

/// Why a verified token has no UserID. No variant carries the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The claim is absent, or `null`.
    #[error("the token has no such claim")]
    ClaimMissing,
    /// The claim has another type than configured.
    #[error("the claim has another type than configured")]
    ClaimType,
    /// A transform does not apply to this subject.
    #[error("a transform does not fit the subject")]
    TransformDoesNotFit,
    /// What came out is no UserID.
    #[error("{0}")]
    UserId(#[from] UserIdError),
}

impl IdentityError {
    /// The error as one word, for logs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ClaimMissing => "claim_missing",
            Self::ClaimType => "claim_type",
            Self::TransformDoesNotFit => "transform_does_not_fit",
            Self::UserId(UserIdError::Empty) => "user_id_empty",
            Self::UserId(UserIdError::TooLong) => "user_id_too_long",
            Self::UserId(UserIdError::DashedUuid) => "user_id_dashed_uuid",
            Self::UserId(UserIdError::BadCharacter) => "user_id_bad_character",
            Self::UserId(UserIdError::Reserved) => "user_id_reserved",
        }
    }
}

/// The rule by which one issuer's claims become a UserID.
#[derive(Clone, Debug)]
pub struct IdentityMap {
    claim: JsonPointer,
    subject_type: SubjectType,
    transforms: Vec<Transform>,
    reserved: Arc<ReservedNames>,
}

impl IdentityMap {
    /// A rule that reads `claim` and applies `transforms` in order.
    pub fn new(
        claim: JsonPointer,
        subject_type: SubjectType,
        transforms: Vec<Transform>,
        reserved: Arc<ReservedNames>,
    ) -> Self {
        Self {
            claim,
            subject_type,
            transforms,
            reserved,
        }
    }

    /// The claim that holds the subject.
    pub fn claim(&self) -> &JsonPointer {
        &self.claim
    }

    /// The type that the claim must have.
    pub fn subject_type(&self) -> SubjectType {
        self.subject_type
    }

    /// The steps from the subject to the UserID, in order.
    pub fn transforms(&self) -> &[Transform] {
        &self.transforms
    }

    /// Maps verified claims to their UserID.
    pub fn map(&self, claims: &Object) -> Result<UserId, IdentityError> {
        let subject = self.subject(claims)?;
        let text = self
            .transforms
            .iter()
            .try_fold(subject, |text, transform| transform.apply(text))?;
        Ok(UserId::parse(&text, &self.reserved)?)
    }

    /// Whether no UserID can come out of both rules: each ends in a prefix, and neither prefix starts with the other.
    pub fn is_disjoint_from(&self, other: &Self) -> bool {
        match (self.transforms.last(), other.transforms.last()) {
            (Some(Transform::Prefix(one)), Some(Transform::Prefix(two))) => {
                !one.starts_with(two.as_str()) && !two.starts_with(one.as_str())
            }
            _ => false,
        }
    }

    /// The subject that it maps, as the claims have it.
    pub fn subject(&self, claims: &Object) -> Result<String, IdentityError> {
        match (self.subject_type, self.claim.find(claims)) {
            (_, None | Some(Value::Null)) => Err(IdentityError::ClaimMissing),
            (SubjectType::Text, Some(Value::String(text))) => Ok(text.clone()),
            (SubjectType::Integer, Some(Value::Number(number))) if !number.is_f64() => {
                Ok(number.to_string())
            }
            (SubjectType::Text | SubjectType::Integer, Some(_)) => Err(IdentityError::ClaimType),
        }
    }
}

impl Transform {
    fn apply(&self, text: String) -> Result<String, IdentityError> {
        match self {
            Self::RemoveDashes if is_lower_case_uuid(&text) => Ok(text.replace('-', "")),
            Self::RemoveDashes => Err(IdentityError::TransformDoesNotFit),
            Self::StripPrefix(prefix) => text
                .strip_prefix(prefix.as_str())
                .map(str::to_owned)
                .ok_or(IdentityError::TransformDoesNotFit),
            Self::Prefix(prefix) => Ok(format!("{prefix}{text}")),
            Self::Digest(key) => Ok(digest(key, &text)),
        }
    }
}

fn digest(key: &DigestKey, text: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.0.expose())
        .map(|mac| mac.chain_update(text.as_bytes()).finalize().into_bytes())
        .unwrap_or_default();
    URL_SAFE_NO_PAD.encode(mac.first_chunk::<DIGEST_BYTES>().unwrap_or(&[0; 20]))
}

fn is_user_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn is_dashed_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_lower_case_uuid(text: &str) -> bool {
    is_dashed_uuid(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

const MAX_USER_ID_BYTES: usize = 32;
const DIGEST_BYTES: usize = 20;

#[cfg(test)]
mod tests;
