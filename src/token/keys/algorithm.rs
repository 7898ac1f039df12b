//! The signature algorithms of JSON Web Algorithms (RFC 7518, RFC 8037) that a session token may use.
//!
//! The type is closed and our own: a match names every algorithm, so none can be added without saying what it is.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, VerificationAlgorithm};

/// How a session token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// EdDSA on Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 12] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Takes the exact name of RFC 7518, case and all.
    pub fn parse(name: &str) -> Result<Self, AlgorithmError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or(if name.eq_ignore_ascii_case("none") {
                AlgorithmError::None
            } else {
                AlgorithmError::Unknown
            })
    }

    /// The name of RFC 7518, as in a token's header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The type of key that it verifies with.
    pub const fn key_kind(self) -> KeyKind {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => KeyKind::Secret,
            Self::Rs256 | Self::Rs384 | Self::Rs512 => KeyKind::Rsa,
            Self::Ps256 | Self::Ps384 | Self::Ps512 => KeyKind::Rsa,
            Self::Es256 => KeyKind::P256,
            Self::Es384 => KeyKind::P384,
            Self::EdDsa => KeyKind::Ed25519,
        }
    }

    pub(super) fn primitive(self) -> Primitive {
        match self {
            Self::Hs256 => Primitive::Mac(hmac::HMAC_SHA256),
            Self::Hs384 => Primitive::Mac(hmac::HMAC_SHA384),
            Self::Hs512 => Primitive::Mac(hmac::HMAC_SHA512),
            Self::Rs256 => Primitive::Signature(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Primitive::Signature(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Primitive::Signature(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Primitive::Signature(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Primitive::Signature(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Primitive::Signature(&signature::RSA_PSS_2048_8192_SHA512),
            Self::Es256 => Primitive::Signature(&signature::ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Primitive::Signature(&signature::ECDSA_P384_SHA384_FIXED),
            Self::EdDsa => Primitive::Signature(&signature::ED25519),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The two kinds of cryptography; a secret reaches only the first, a public key only the second.
pub(super) enum Primitive {
    Mac(hmac::Algorithm),
    Signature(&'static dyn VerificationAlgorithm),
}

/// The types of key that verify tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// A secret shared with the app.
    Secret,
    /// An RSA public key.
    Rsa,
    /// A public key on the curve P-256.
    P256,
    /// A public key on the curve P-384.
    P384,
    /// An Ed25519 public key.
    Ed25519,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "secret",
            Self::Rsa => "RSA",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::Ed25519 => "Ed25519",
        })
    }
}

/// Why a text is not the name of an algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlgorithmError {
    /// `none`, in any case.
    #[error("\"none\" is no signature: anybody could write such a token")]
    None,
    /// Another text.
    #[error(
        "not one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA"
    )]
    Unknown,
}
