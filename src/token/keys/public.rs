//! One public key, from PEM or from the members of a JWK, checked and with a known type.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{self, PublicEncryptingKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use pem::Pem;

use super::KeyError;
use super::algorithm::{Algorithm, KeyKind, Primitive};
use super::trust::KeyFingerprint;

/// A public key whose encoding, size and curve point were checked.
pub(super) struct PublicKey {
    kind: KeyKind,
    /// `SubjectPublicKeyInfo` in DER, or for the curves also the bare point.
    encoded: Vec<u8>,
}

impl PublicKey {
    /// The single public key of a PEM text; text around the block is allowed, as OpenSSL does.
    pub(super) fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let blocks = pem::parse_many(pem).map_err(|_| KeyError::NotPem)?;
        let is_private = |block: &Pem| block.tag().ends_with("PRIVATE KEY");
        if blocks.iter().any(is_private) {
            return Err(KeyError::PrivateKey);
        }
        let block = match blocks.as_slice() {
            [] => return Err(KeyError::NotPem),
            [block] => block,
            [_, _, ..] => return Err(KeyError::SeveralKeys),
        };
        match block.tag() {
            "PUBLIC KEY" => Self::from_spki(block.contents()),
            "RSA PUBLIC KEY" => Self::from_rsa_der(block.contents()),
            label if label.ends_with("CERTIFICATE") => Err(KeyError::Certificate),
            _ => Err(KeyError::Unsupported),
        }
    }

    /// An RSA key from its big-endian modulus and exponent, both without leading zeros.
    pub(super) fn from_rsa_components(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let spki = RsaPublicKeyComponents { n, e }
            .as_der()
            .map_err(unsupported)?;
        Self::from_rsa_der(spki.as_ref())
    }

    /// A key on P-256 or P-384 from the two coordinates, each in the full width of the curve.
    pub(super) fn from_curve_point(kind: KeyKind, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        let (algorithm, width) = match kind {
            KeyKind::P256 => (&ECDSA_P256_SHA256_FIXED, 32),
            KeyKind::P384 => (&ECDSA_P384_SHA384_FIXED, 48),
            KeyKind::Secret | KeyKind::Rsa | KeyKind::Ed25519 => return Err(KeyError::Unsupported),
        };
        if x.len() != width || y.len() != width {
            return Err(KeyError::Unsupported);
        }
        Self::checked(kind, algorithm, [&[UNCOMPRESSED_POINT], x, y].concat())
    }

    /// An Ed25519 key from its 32 bytes.
    pub(super) fn from_ed25519(x: &[u8]) -> Result<Self, KeyError> {
        if x.len() != 32 {
            return Err(KeyError::Unsupported);
        }
        Self::checked(KeyKind::Ed25519, &ED25519, x.to_vec())
    }

    /// The type of the key.
    pub(super) fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The name of the key.
    pub(super) fn fingerprint(&self) -> KeyFingerprint {
        KeyFingerprint::of("public key", &self.encoded)
    }

    /// The key ready for one algorithm of its own type.
    pub(super) fn for_algorithm(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
        let Primitive::Signature(primitive) = algorithm.primitive() else {
            return Err(KeyError::PublicKeyForMac { algorithm });
        };
        if algorithm.key_kind() != self.kind {
            let found = self.kind;
            return Err(KeyError::OtherKind { algorithm, found });
        }
        ParsedPublicKey::new(primitive, &self.encoded).map_err(unsupported)
    }

    fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        const CURVES: [(KeyKind, &dyn VerificationAlgorithm); 3] = [
            (KeyKind::P256, &ECDSA_P256_SHA256_FIXED),
            (KeyKind::P384, &ECDSA_P384_SHA384_FIXED),
            (KeyKind::Ed25519, &ED25519),
        ];
        CURVES
            .into_iter()
            .find_map(|(kind, algorithm)| Self::checked(kind, algorithm, der.to_vec()).ok())
            .map_or_else(|| Self::from_rsa_der(der), Ok)
    }

    /// Takes `RSAPublicKey` (PKCS#1) as well as `SubjectPublicKeyInfo`.
    fn from_rsa_der(der: &[u8]) -> Result<Self, KeyError> {
        let key = rsa::PublicKey::from_der(der).map_err(unsupported)?;
        let spki = key.as_der().map_err(unsupported)?;
        // Of what the library offers, this alone applies the size limits at load instead of at the first token.
        PublicEncryptingKey::from_der(spki.as_ref()).map_err(|_| KeyError::RsaSize)?;
        Ok(Self {
            kind: KeyKind::Rsa,
            encoded: spki.as_ref().to_vec(),
        })
    }

    fn checked(
        kind: KeyKind,
        algorithm: &'static dyn VerificationAlgorithm,
        encoded: Vec<u8>,
    ) -> Result<Self, KeyError> {
        ParsedPublicKey::new(algorithm, &encoded).map_err(unsupported)?;
        Ok(Self { kind, encoded })
    }
}

fn unsupported<E>(_: E) -> KeyError {
    KeyError::Unsupported
}

/// The first byte of a point with both coordinates (SEC 1 section 2.3.3).
const UNCOMPRESSED_POINT: u8 = 4;
