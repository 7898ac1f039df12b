//! The keys of an issuer and the algorithms that they are used with.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::config::raw::{Table, Value};
use crate::config::secrets::{Secrets, jwks_moduli, pem_modulus};
use crate::secret::SecretBytes;
use crate::token::keys::{Algorithm, KeyError, KeySet, ShortSecret};

/// Keys with the algorithms that fit them.
pub(super) struct IssuerKeys {
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) keys: KeySet,
}

pub(super) fn of_issuer(issuer: &Table<'_>, secrets: &Secrets<'_>) -> Option<IssuerKeys> {
    let algorithms = issuer.require("algorithms", "algorithms = [\"RS256\"], as the app signs");
    let names = algorithms.as_ref().and_then(names);
    let source = issuer
        .require("keys", KEYS_HINT)
        .and_then(|value| KeySource::read(&value, secrets));
    let short = short_secret(issuer, source.as_ref());
    let (source, names) = (source?, names?);
    match source.load(&names, short) {
        Ok(keys) => Some(IssuerKeys {
            algorithms: names,
            keys,
        }),
        Err(error) => {
            report(&error, &source.value, &algorithms?);
            None
        }
    }
}

/// What `keys` refers to, read.
struct KeySource<'a> {
    value: Value<'a>,
    material: Material,
}

enum Material {
    Secret(SecretBytes),
    Pem(Vec<u8>),
    Jwks(Vec<u8>),
}

impl<'a> KeySource<'a> {
    fn read(value: &Value<'a>, secrets: &Secrets<'_>) -> Option<Self> {
        let table = value.table(&["secret", "encoding", "public_key", "jwks_file"])?;
        let encoding = table.choice_or("encoding", Encoding::Utf8, ENCODINGS);
        let found = (
            table.get("secret"),
            table.get("public_key"),
            table.get("jwks_file"),
        );
        let (value, material) = match found {
            (Some(value), None, None) => {
                let secret = encoding.decode(secrets.read(&value)?, &value)?;
                (value, Material::Secret(secret))
            }
            (None, Some(value), None) => {
                let pem = secrets.read_public(&value)?;
                check_known(pem_modulus(&pem), secrets, &value)?;
                (value, Material::Pem(pem))
            }
            (None, None, Some(value)) => {
                let set = secrets.read_public(&value)?;
                check_known(jwks_moduli(&set), secrets, &value)?;
                (value, Material::Jwks(set))
            }
            _ => {
                value.error("must name one source of keys", KEYS_HINT);
                return None;
            }
        };
        if let (Some(encoding), false) = (table.get("encoding"), material.is_secret()) {
            encoding.error("has a meaning only beside secret", "leave it out");
        }
        Some(Self { value, material })
    }

    fn load(&self, algorithms: &[Algorithm], short: ShortSecret) -> Result<KeySet, KeyError> {
        match &self.material {
            Material::Secret(secret) => KeySet::from_secret(secret, algorithms, short),
            Material::Pem(pem) => KeySet::from_pem(pem, algorithms),
            Material::Jwks(set) => {
                let (keys, ignored) = KeySet::from_jwks(set, algorithms)?;
                for key in ignored {
                    let number = key.position + 1;
                    let problem = format!("key {number} of the set is ignored: {}", key.reason);
                    self.value.warn(problem, "");
                }
                Ok(keys)
            }
        }
    }
}

impl Material {
    fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_))
    }
}

/// How the text of a secret stands for its bytes.
#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Base64,
    Hex,
}

impl Encoding {
    fn decode(self, secret: SecretBytes, value: &Value<'_>) -> Option<SecretBytes> {
        let text = secret.expose();
        let (decoded, problem) = match self {
            Self::Utf8 if std::str::from_utf8(text).is_ok() => return Some(secret),
            Self::Utf8 => (None, "is not UTF-8 text"),
            Self::Base64 => (decode_base64(text), "is not base64"),
            Self::Hex => (decode_hex(text), "is not hexadecimal"),
        };
        if decoded.is_none() {
            value.error(
                problem,
                "encoding = \"utf8\", \"base64\" or \"hex\", as the app reads it",
            );
        }
        decoded.map(SecretBytes::new)
    }
}

fn names(value: &Value<'_>) -> Option<Vec<Algorithm>> {
    let items = value.some_items("the algorithm that the app signs with, as in [\"RS256\"]")?;
    let names: Vec<_> = items
        .iter()
        .map(|item| item.parsed(Algorithm::parse))
        .collect();
    names.into_iter().collect()
}

fn short_secret(issuer: &Table<'_>, source: Option<&KeySource<'_>>) -> ShortSecret {
    let Some(value) = issuer.get("allow_short_secret") else {
        return ShortSecret::Refuse;
    };
    if value.boolean() != Some(true) {
        return ShortSecret::Refuse;
    }
    if source.is_some_and(|source| !source.material.is_secret()) {
        value.error("has a meaning only with keys.secret", "leave it out");
    }
    value.warn(
        "whoever guesses the short secret can be any user",
        "a secret of 32 random bytes, as soon as the app can have one",
    );
    ShortSecret::Allow
}

fn check_known(
    moduli: impl IntoIterator<Item = Vec<u8>>,
    secrets: &Secrets<'_>,
    value: &Value<'_>,
) -> Option<()> {
    let mut moduli = moduli.into_iter();
    moduli
        .all(|modulus| secrets.admit_modulus(&modulus, value))
        .then_some(())
}

fn report(error: &KeyError, keys: &Value<'_>, algorithms: &Value<'_>) {
    let (value, hint) = match error {
        KeyError::SecretForSignature { .. } => (algorithms, "HS256, HS384 or HS512"),
        KeyError::PublicKeyForMac { .. } => (algorithms, "RS256, PS256, ES256 or their kin"),
        KeyError::OtherKind { .. } | KeyError::NoAlgorithm => (algorithms, ""),
        KeyError::ShortSecret { .. } => (
            keys,
            "openssl rand -base64 48; or allow_short_secret = true where the app cannot change",
        ),
        _ => (keys, ""),
    };
    value.error(error.to_string(), hint);
    if let KeyError::NoUsableKey { ignored } = error {
        for key in ignored {
            let problem = format!("key {} of the set: {}", key.position + 1, key.reason);
            keys.error(problem, "");
        }
    }
}

/// Either alphabet, with or without padding: generators differ and nothing is ambiguous.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [STANDARD, URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
        .filter(|bytes| !bytes.is_empty())
}

fn decode_hex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?))
        .collect()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

const KEYS_HINT: &str = "{ secret = { env = \"SESSION_SECRET\" } }, \
                         { public_key = \"key.pem\" } or { jwks_file = \"keys.json\" }";
const ENCODINGS: &[(&str, Encoding)] = &[
    ("utf8", Encoding::Utf8),
    ("base64", Encoding::Base64),
    ("hex", Encoding::Hex),
];
