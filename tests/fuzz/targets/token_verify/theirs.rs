//! The verdict of jwt-simple, in Rust's own cryptography, with the same keys, issuers, audiences, leeway and time.

use std::collections::HashSet;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::algorithms::*;
use jwt_simple::claims::{JWTClaims, NoCustomClaims};
use jwt_simple::common::VerificationOptions;
use jwt_simple::prelude::{Duration, UnixTimeStamp};
use serde_json::Value;
use usersig_proxy::json::Object;
use usersig_proxy::token::TokenError;
use usersig_proxy::token::keys::Algorithm;

use super::{ISSUERS, Known, LEEWAY, NOW, SECRET};

/// A token that the other library accepts.
pub(super) struct Accepted {
    pub(super) issuer: &'static str,
    claims: JWTClaims<NoCustomClaims>,
}

pub(super) fn verdict(text: &str) -> Option<Accepted> {
    ISSUERS.iter().zip(&*KEYS).find_map(|(known, keys)| {
        let options = Some(options(known));
        let claims = keys
            .iter()
            .find_map(|key| key(text, options.clone()).ok())?;
        let is_whole = claims.expires_at.is_some()
            && claims.issuer.is_some() == known.issuer.is_some()
            && claims.audiences.is_some() != known.audience.is_empty();
        is_whole.then_some(Accepted {
            issuer: known.name,
            claims,
        })
    })
}

/// The header, as anybody reads it.
pub(super) fn header(text: &str) -> Option<Value> {
    let (header, _) = text.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
}

/// Whether the other library refuses types that have no meaning for us: a `typ` that is no JWT, members that must be text.
pub(super) fn is_stricter(header: &Value, claims: &Object) -> bool {
    let kind = header["typ"].as_str().map(str::to_uppercase);
    let is_jwt = kind.is_none_or(|kind| kind == "JWT" || kind.ends_with("+JWT"));
    let is_text =
        |value: Option<&Value>| value.is_none_or(|value| value.is_string() || value.is_null());
    let members = ["cty", "x5t", "x5t#S256", "salt"];
    let is_plain = header.get("salt").is_none_or(Value::is_null)
        && members.iter().all(|name| is_text(header.get(*name)));
    let texts = ["sub", "jti", "nonce", "kid"];
    !is_jwt || !is_plain || !texts.iter().all(|name| is_text(claims.get(*name)))
}

impl Accepted {
    pub(super) fn subject(&self) -> Option<&str> {
        self.claims.subject.as_deref()
    }

    /// Whether we may refuse it all the same.
    pub(super) fn allows(&self, error: TokenError) -> bool {
        let Some(expires_at) = self.claims.expires_at.map(|time| time.as_secs()) else {
            return false;
        };
        match error {
            // Both count the leeway, and differ by the last second of it.
            TokenError::Expired => {
                expires_at + LEEWAY.as_secs() == NOW.as_secs() || self.overflows()
            }
            TokenError::NotYetValid | TokenError::IssuedInFuture => self.overflows(),
            other => ONLY_OURS.contains(&other),
        }
    }

    /// The library counts seconds in 32 bits.
    fn overflows(&self) -> bool {
        let times = [
            self.claims.expires_at,
            self.claims.invalid_before,
            self.claims.issued_at,
        ];
        times.iter().flatten().any(|time| time.as_secs() < 1 << 20)
    }
}

/// Rules that the other library does not have.
const ONLY_OURS: [TokenError; 18] = [
    TokenError::TooLong,
    TokenError::BadHeader,
    TokenError::BadPayload,
    TokenError::CriticalExtension,
    TokenError::UnencodedPayload,
    TokenError::Compressed,
    TokenError::EmbeddedKey,
    TokenError::OtherKind,
    TokenError::KeyIdInvalid,
    TokenError::IssuerInvalid,
    TokenError::AudienceInvalid,
    TokenError::ExpiryInvalid,
    TokenError::NotBeforeInvalid,
    TokenError::IssuedAtInvalid,
    TokenError::LifetimeTooLong,
    TokenError::BadShape,
    TokenError::BadEncoding,
    TokenError::ExpiryMissing,
];

fn options(known: &Known) -> VerificationOptions {
    let audiences = known.audience.iter().map(|one| (*one).to_owned());
    VerificationOptions {
        allowed_issuers: known.issuer.map(|one| HashSet::from([one.to_owned()])),
        allowed_audiences: Some(audiences.collect()).filter(|all: &HashSet<_>| !all.is_empty()),
        time_tolerance: Some(Duration::from_secs(LEEWAY.as_secs())),
        artificial_time: Some(UnixTimeStamp::from_secs(NOW.as_secs())),
        ..VerificationOptions::default()
    }
}

type Verdict = Result<JWTClaims<NoCustomClaims>, jwt_simple::Error>;
type Key = Box<dyn Fn(&str, Option<VerificationOptions>) -> Verdict + Send + Sync>;

/// The keys of each issuer.
static KEYS: LazyLock<Vec<Vec<Key>>> = LazyLock::new(|| {
    let of = |known: &Known| {
        known
            .algorithms
            .iter()
            .map(|one| key(known, *one))
            .collect()
    };
    ISSUERS.iter().map(of).collect()
});

macro_rules! verifying {
    ($key:expr) => {{
        let key = $key;
        Box::new(move |text, options| key.verify_token(text, options))
    }};
}

fn key(known: &Known, algorithm: Algorithm) -> Key {
    let pem = match known.keys {
        super::Keys::Pem(pem) => pem,
        super::Keys::Secret => "",
    };
    match algorithm {
        Algorithm::Hs256 => verifying!(HS256Key::from_bytes(SECRET)),
        Algorithm::Hs384 => verifying!(HS384Key::from_bytes(SECRET)),
        Algorithm::Hs512 => verifying!(HS512Key::from_bytes(SECRET)),
        Algorithm::Rs256 => verifying!(RS256PublicKey::from_pem(pem).expect("a key")),
        Algorithm::Ps256 => verifying!(PS256PublicKey::from_pem(pem).expect("a key")),
        Algorithm::Es256 => verifying!(ES256PublicKey::from_pem(pem).expect("a key")),
        Algorithm::Es384 => verifying!(ES384PublicKey::from_pem(pem).expect("a key")),
        Algorithm::EdDsa => verifying!(Ed25519PublicKey::from_pem(pem).expect("a key")),
        other => panic!("no issuer uses {other}"),
    }
}
