//! Users, keys and tokens that several groups measure with; all of them made up.

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{HeaderMap, header};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use usersig_proxy::identity::{IdentityMap, ReservedNames, SubjectType, Transform, UserId};
use usersig_proxy::json::JsonPointer;
use usersig_proxy::secret::SecretBytes;
use usersig_proxy::state::Generation;
use usersig_proxy::time::UnixTime;
use usersig_proxy::token::extract::{TokenSource, TokenSources};
use usersig_proxy::token::keys::trust::{KeyFingerprint, Trust, TrustedKeys};
use usersig_proxy::token::keys::{Algorithm, KeySet, ShortSecret};
use usersig_proxy::token::verify::{Fractions, TokenIssuer, Verifier};
use usersig_proxy::usersig::cache::{KeyVersion, Signing, UserSigCache};
use usersig_proxy::usersig::{Issuer, Lifetime, SdkAppId, SecretKey};

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_796_142_583);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const SUBJECT: &str = "user-5c1f0a9e7b3d2846";

/// The algorithms that are measured: one of each family, and the second curve.
pub(crate) const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Hs256,
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
];

macro_rules! key {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/keys/", $name)).as_slice()
    };
}

/// A user name of 21 characters that hardly compresses; another one for every number.
pub(crate) fn user_id(number: u64) -> UserId {
    let scattered = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    UserId::parse(&format!("user-{scattered:016x}"), &ReservedNames::default()).unwrap()
}

/// One whose name repeats itself so much that zlib writes the UserSig.
pub(crate) fn repetitive_user() -> UserId {
    UserId::parse("test-user-test-user-1", &ReservedNames::default()).unwrap()
}

/// Signs UserSigs of seven days.
pub(crate) fn issuer() -> Issuer {
    Issuer::new(
        SdkAppId::new(1_400_537_416).unwrap(),
        secret_key(),
        Lifetime::new(7 * DAY).unwrap(),
    )
}

pub(crate) fn secret_key() -> SecretKey {
    SecretKey::parse(&"0123456789abcdef".repeat(4)).unwrap()
}

/// The claims of an ordinary session.
pub(crate) fn claims(subject: &str) -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "iat": NOW.as_secs() - 60,
        "nbf": NOW.as_secs() - 60,
        "exp": NOW.as_secs() + 3600,
        "jti": "0f2b6c1d-93ae-4f57-8d10-6a5be2c47f38",
        "name": "Mina Sato",
        "roles": ["member", "editor"],
    })
}

/// An app that signs its session tokens with one algorithm.
pub(crate) struct App {
    algorithm: Algorithm,
    signing_key: EncodingKey,
    keys: KeySet,
}

impl App {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let (signing_key, public) = match algorithm {
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                (EncodingKey::from_secret(SECRET), None)
            }
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => rsa(),
            Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => rsa(),
            Algorithm::Es256 => (
                EncodingKey::from_ec_pem(key!("p256.private.pem")).unwrap(),
                Some(key!("p256.pem")),
            ),
            Algorithm::Es384 => (
                EncodingKey::from_ec_pem(key!("p384.private.pem")).unwrap(),
                Some(key!("p384.pem")),
            ),
            Algorithm::EdDsa => (
                EncodingKey::from_ed_pem(key!("ed25519.private.pem")).unwrap(),
                Some(key!("ed25519.pem")),
            ),
        };
        Self {
            algorithm,
            signing_key,
            keys: key_set(public, algorithm),
        }
    }

    /// A good token for a subject.
    pub(crate) fn token(&self, subject: &str) -> String {
        let algorithm = self.algorithm.name().parse().unwrap();
        jsonwebtoken::encode(&Header::new(algorithm), &claims(subject), &self.signing_key).unwrap()
    }

    /// A token with the sound signature of another one, so that the whole verification is done in vain.
    pub(crate) fn forged_token(&self, subject: &str) -> String {
        let (token, other) = (self.token(subject), self.token("somebody-else"));
        let (signed, _) = token.rsplit_once('.').unwrap();
        let (_, signature) = other.rsplit_once('.').unwrap();
        format!("{signed}.{signature}")
    }

    /// What verifies its tokens.
    pub(crate) fn verifier(&self) -> Verifier {
        let issuer = TokenIssuer {
            name: "app".to_owned(),
            issuer: Some(ISSUER.to_owned()),
            audience: vec![AUDIENCE.to_owned()],
            algorithms: vec![self.algorithm],
            keys: self.keys.clone(),
            fractions: Fractions::Refuse,
        };
        Verifier::new(vec![issuer], Duration::from_secs(30), DAY).unwrap()
    }
}

/// The header of a request as a browser sends it, with a session token or without.
pub(crate) fn headers(token: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in BROWSER_HEADERS {
        headers.insert(name, value.parse().unwrap());
    }
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        headers.insert(header::AUTHORIZATION, value);
    }
    headers
}

/// The two places of the quickstart configuration.
pub(crate) fn sources() -> TokenSources {
    let header = TokenSource::Header {
        name: header::AUTHORIZATION,
        scheme: Some("Bearer".to_owned()),
    };
    let cookie = TokenSource::Cookie {
        name: "session".to_owned(),
    };
    TokenSources::new(vec![header, cookie]).unwrap()
}

/// A map of `sub` with the usual two reserved names.
pub(crate) fn identity_map(transforms: Vec<Transform>) -> IdentityMap {
    IdentityMap::new(
        JsonPointer::parse("/sub").unwrap(),
        SubjectType::Text,
        transforms,
        Arc::new(ReservedNames::new(["administrator", "admin"])),
    )
}

/// The first users.
pub(crate) fn users(count: u64) -> Vec<UserId> {
    (0..count).map(user_id).collect()
}

/// What a UserSig is asked for with.
pub(crate) fn signing(issuer: &Issuer) -> Signing<'_> {
    Signing {
        issuer,
        key_version: KeyVersion::default(),
        generation: Generation::FIRST,
        session_end: None,
        trust: Trust {
            key: TRUSTED.0,
            keys: &TRUSTED.1,
        },
    }
}

/// Never asked: nothing changes them.
static TRUSTED: LazyLock<(KeyFingerprint, TrustedKeys)> = LazyLock::new(|| {
    let key = KeyFingerprint::of("bench", b"the only one");
    (key, TrustedKeys::new(vec![key]))
});

/// A cache of `capacity` users that all of `users` have asked, in order.
pub(crate) fn filled(users: &[UserId], capacity: u64) -> UserSigCache {
    let (issuer, capacity) = (issuer(), usize::try_from(capacity).unwrap());
    let cache = UserSigCache::new(NonZeroUsize::new(capacity).unwrap(), DAY);
    for user in users {
        cache.get_or_issue(user, &signing(&issuer), NOW).unwrap();
    }
    cache
}

fn rsa() -> (EncodingKey, Option<&'static [u8]>) {
    let private = key!("rsa-2048.private.pem");
    (
        EncodingKey::from_rsa_pem(private).unwrap(),
        Some(key!("rsa-2048.pem")),
    )
}

fn key_set(public: Option<&[u8]>, algorithm: Algorithm) -> KeySet {
    match public {
        Some(pem) => KeySet::from_pem(pem, &[algorithm]).unwrap(),
        None => {
            let secret = SecretBytes::new(SECRET.to_vec());
            KeySet::from_secret(&secret, &[algorithm], ShortSecret::Refuse).unwrap()
        }
    }
}

const ISSUER: &str = "https://app.example.com";
const AUDIENCE: &str = "example-web";
const SECRET: &[u8] = b"a secret of the benches, of 32 bytes and more";

const BROWSER_HEADERS: [(&str, &str); 8] = [
    ("host", "app.example.com"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    ),
    ("accept", "application/json, text/plain, */*"),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br"),
    ("cookie", "theme=dark; locale=en; consent=2"),
    ("referer", "https://app.example.com/inbox"),
    ("sec-fetch-mode", "cors"),
];
