//! The keys of an issuer and the algorithms that they are used with.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::key_set::{self, Published};
use crate::config::raw::{Table, Value};
use crate::config::secrets::{Secrets, jwks_moduli, pem_modulus};
use crate::secret::SecretBytes;
use crate::token::keys::{Algorithm, KeyError, KeyKind, KeySet, ShortSecret};

/// Keys with the algorithms that fit them.
pub(super) struct IssuerKeys {
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) keys: KeySet,
    /// Where the keys are published, if they are; `keys` is empty then.
    pub(super) published: Option<Published>,
}

pub(super) fn of_issuer(issuer: &Table<'_>, secrets: &Secrets<'_>) -> Option<IssuerKeys> {
    let algorithms = issuer.require("algorithms", "algorithms = [\"RS256\"], as the app signs");
    let names = algorithms.as_ref().and_then(names);
    let source = issuer
        .require("keys", KEYS_HINT)
        .and_then(|value| KeySource::read(&value, issuer, secrets));
    let short = short_secret(issuer, source.as_ref());
    let (source, names) = (source?, names?);
    match source.load(&names, short) {
        Ok(keys) => Some(IssuerKeys {
            algorithms: names,
            keys,
            published: source.material.into_published(),
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
    Published(Published),
}

/// The kinds of sources, each with its key in the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Secret,
    PublicKey,
    JwksFile,
    JwksUrl,
    Oidc,
}

impl<'a> KeySource<'a> {
    fn read(value: &Value<'a>, issuer: &Table<'_>, secrets: &Secrets<'_>) -> Option<Self> {
        let table = value.table(KEYS)?;
        let encoding = match table.get("secret").or_else(|| table.get("encoding")) {
            Some(_) => table.choice_or("encoding", Encoding::Utf8, ENCODINGS),
            None => Encoding::Utf8,
        };
        let found: Vec<_> = SOURCES
            .iter()
            .filter_map(|(key, kind)| Some((*kind, table.get(key)?)))
            .collect();
        let Ok([(kind, value)]) = <[_; 1]>::try_from(found) else {
            value.error("must name one source of keys", KEYS_HINT);
            return None;
        };
        if let (Some(encoding), false) = (table.get("encoding"), kind == Kind::Secret) {
            encoding.error("has a meaning only beside secret", "leave it out");
        }
        if !matches!(kind, Kind::JwksUrl | Kind::Oidc) {
            key_set::refuse_beside_other_keys(&table, issuer);
        }
        let material = match kind {
            Kind::Secret => Material::Secret(encoding.decode(secrets.read(&value)?, &value)?),
            Kind::PublicKey => {
                let pem = secrets.read_public(&value)?;
                check_known(pem_modulus(&pem), secrets, &value)?;
                Material::Pem(pem)
            }
            Kind::JwksFile => {
                let set = secrets.read_public(&value)?;
                check_known(jwks_moduli(&set), secrets, &value)?;
                Material::Jwks(set)
            }
            Kind::JwksUrl => Material::Published(Published::jwks(&value, &table, issuer, secrets)?),
            Kind::Oidc => Material::Published(Published::oidc(&value, &table, issuer, secrets)?),
        };
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
            Material::Published(_) => match algorithms.iter().find(|one| is_mac(**one)) {
                Some(&algorithm) => Err(KeyError::PublicKeyForMac { algorithm }),
                None => Ok(KeySet::unavailable()),
            },
        }
    }
}

fn is_mac(algorithm: Algorithm) -> bool {
    algorithm.key_kind() == KeyKind::Secret
}

impl Material {
    fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_))
    }

    fn into_published(self) -> Option<Published> {
        match self {
            Self::Published(published) => Some(published),
            Self::Secret(_) | Self::Pem(_) | Self::Jwks(_) => None,
        }
    }
}

/// How the text of a secret stands for its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
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
    let known = Algorithm::ALL.map(Algorithm::name);
    let names: Vec<_> = items
        .iter()
        .map(|item| item.parsed_word(&known, "", Algorithm::parse))
        .collect();
    names.into_iter().collect()
}

fn short_secret(issuer: &Table<'_>, source: Option<&KeySource<'_>>) -> ShortSecret {
    let Some(value) = issuer.get_or("allow_short_secret", || false.into()) else {
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

const KEYS_HINT: &str = "{ secret = { env = \"SESSION_SECRET\" } }, { public_key = \"key.pem\" }, \
                         { jwks_file = \"keys.json\" }, { jwks_url = \"https://..\" } or { oidc = true }";
const KEYS: &[&str] = &[
    "secret",
    "encoding",
    "public_key",
    "jwks_file",
    "jwks_url",
    "oidc",
    "refresh",
    "max_age",
    "ca",
];
const SOURCES: &[(&str, Kind)] = &[
    ("secret", Kind::Secret),
    ("public_key", Kind::PublicKey),
    ("jwks_file", Kind::JwksFile),
    ("jwks_url", Kind::JwksUrl),
    ("oidc", Kind::Oidc),
];
const ENCODINGS: &[(&str, Encoding)] = &[
    ("utf8", Encoding::Utf8),
    ("base64", Encoding::Base64),
    ("hex", Encoding::Hex),
];
