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

/// A file of tokens, one a line and all of one length, that grows when more are asked for.
pub(crate) struct TokenFile {
    pub(crate) path: PathBuf,
    pub(crate) count: u64,
    kind: Tokens,
    file: BufWriter<File>,
    key: EncodingKey,
    header: Header,
    /// In seconds since 1970; every token is from a minute before that.
    now: u64,
    last_signature: Option<String>,
}

/// What tokens a file has.
#[derive(Clone, Copy)]
pub(crate) struct Tokens {
    pub(crate) signing: Signing,
    /// Each has the sound signature of another one.
    pub(crate) forged: bool,
    /// How many users they are of, in turn.
    pub(crate) users: u64,
}

impl TokenFile {
    pub(crate) fn new(path: PathBuf, kind: Tokens) -> Self {
        let (algorithm, key) = kind.signing.key();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self {
            file: BufWriter::new(File::create(&path).unwrap()),
            path,
            count: 0,
            kind,
            key,
            header: Header::new(algorithm),
            now: now.as_secs(),
            last_signature: None,
        }
    }

    /// Signs until there are `count`.
    pub(crate) fn grow(&mut self, count: u64) {
        for number in self.count..count {
            let token = self.sign(number);
            writeln!(self.file, "{token}").unwrap();
        }
        self.file.flush().unwrap();
        self.count = self.count.max(count);
    }

    fn sign(&mut self, number: u64) -> String {
        let claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject(number % self.kind.users),
            "iat": self.now - 60,
            "nbf": self.now - 60,
            "exp": self.now + 6 * 3600,
            "jti": format!("0f2b6c1d-93ae-4f57-8d10-{number:012x}"),
            "name": "Mina Sato",
            "roles": ["member", "editor"],
        });
        let token = jsonwebtoken::encode(&self.header, &claims, &self.key).unwrap();
        if !self.kind.forged {
            return token;
        }
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let other = self.last_signature.replace(signature.to_owned());
        let other = other.unwrap_or_else(|| signature.chars().rev().collect());
        format!("{signed}.{other}")
    }
}

fn keys() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys")
}
