//! Session tokens for very many users, as an app would sign them, in a file for the load generator: one a line.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

/// The secret of HS256 tokens.
pub(crate) const SECRET: &str = "a session secret of the benches, long enough for HS256";
/// The `iss` and `aud` of every token.
pub(crate) const ISSUER: &str = "https://app.example.com";
pub(crate) const AUDIENCE: &str = "web";

/// How an app signs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signing {
    Hs256,
    Rs256,
    Es256,
    EdDsa,
}

impl Signing {
    /// The JOSE name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The public key's file in tests/keys; HS256 has none.
    pub(crate) fn public_key(self) -> Option<PathBuf> {
        let name = match self {
            Self::Hs256 => return None,
            Self::Rs256 => "rsa-2048.pem",
            Self::Es256 => "p256.pem",
            Self::EdDsa => "ed25519.pem",
        };
        Some(keys().join(name))
    }

    fn key(self) -> (Algorithm, EncodingKey) {
        let read = |name: &str| std::fs::read(keys().join(name)).unwrap();
        match self {
            Self::Hs256 => (
                Algorithm::HS256,
                EncodingKey::from_secret(SECRET.as_bytes()),
            ),
            Self::Rs256 => (
                Algorithm::RS256,
                EncodingKey::from_rsa_pem(&read("rsa-2048.private.pem")).unwrap(),
            ),
            Self::Es256 => (
                Algorithm::ES256,
                EncodingKey::from_ec_pem(&read("p256.private.pem")).unwrap(),
            ),
            Self::EdDsa => (
                Algorithm::EdDSA,
                EncodingKey::from_ed_pem(&read("ed25519.private.pem")).unwrap(),
            ),
        }
    }
}

/// The subject, and so the UserID, of a number: 21 characters that hardly compress.
pub(crate) fn subject(number: u64) -> String {
    let scattered = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("user-{scattered:016x}")
}

/// Writes tokens of the users in `numbers` to `path`; with `forged`, each has the sound signature of another.
pub(crate) fn write(path: &Path, signing: Signing, numbers: std::ops::Range<u64>, forged: bool) {
    let (algorithm, key) = signing.key();
    let header = Header::new(algorithm);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut file = BufWriter::new(File::create(path).unwrap());
    let mut other_signature = None;
    for number in numbers {
        let claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject(number),
            "iat": now.as_secs() - 60,
            "nbf": now.as_secs() - 60,
            "exp": now.as_secs() + 6 * 3600,
            "jti": format!("0f2b6c1d-93ae-4f57-8d10-{number:012x}"),
            "name": "Mina Sato",
            "roles": ["member", "editor"],
        });
        let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let other = other_signature.replace(signature.to_owned());
        match forged {
            true => {
                let other = other.unwrap_or_else(|| signature.chars().rev().collect());
                writeln!(file, "{signed}.{other}").unwrap();
            }
            false => writeln!(file, "{token}").unwrap(),
        }
    }
    file.flush().unwrap();
}

fn keys() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys")
}
