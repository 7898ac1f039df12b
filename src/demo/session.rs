//! The demo app's session tokens: signed at login, verified at every call, with nothing remembered in between.
//!
//! One issuer per algorithm, so that the proxy's configuration pins each to its own key. The app's verification stands on its
//! own: it shares no code with the proxy's, and works the same when the proxy is not there.

use std::fmt;
use std::time::Duration;

use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::users::DemoUser;
use crate::secret::SecretBytes;
use crate::time::UnixTime;

/// The claim `iss` of tokens signed with the shared secret.
pub const HS256_ISSUER: &str = "https://demo.example/hs256";

/// The claim `iss` of tokens signed with the RSA private key.
pub const RS256_ISSUER: &str = "https://demo.example/rs256";

/// How long a session lasts, in seconds. Its token carries no `aud`.
pub const SESSION_SECONDS: u64 = 3600;

/// How a session token is signed, and with that whose it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionAlgorithm {
    /// HMAC-SHA256; issuer [`HS256_ISSUER`].
    Hs256,
    /// RSA PKCS#1 v1.5 with SHA-256; issuer [`RS256_ISSUER`].
    Rs256,
}

impl SessionAlgorithm {
    /// Parses the exact JOSE name, `HS256` or `RS256`.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Hs256, Self::Rs256]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    /// The JOSE name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
        }
    }

    /// The claim `iss`.
    pub fn issuer(self) -> &'static str {
        match self {
            Self::Hs256 => HS256_ISSUER,
            Self::Rs256 => RS256_ISSUER,
        }
    }

    fn jose(self) -> Algorithm {
        match self {
            Self::Hs256 => Algorithm::HS256,
            Self::Rs256 => Algorithm::RS256,
        }
    }
}

/// The demo app's keys, each with the half that verifies.
#[derive(Clone)]
pub struct DemoKeys {
    hs256: KeyPair,
    rs256: KeyPair,
}

#[derive(Clone)]
struct KeyPair {
    sign: EncodingKey,
    verify: DecodingKey,
}

/// Why a key does not serve the demo app. No variant carries key material.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DemoKeyError {
    /// HS256 needs as many bytes as its hash (RFC 7518 3.2).
    #[error("the session secret is shorter than 32 bytes")]
    ShortSecret,
    /// Not one RSA private key of at least 2048 bits in PEM.
    #[error("the session key is not an RSA private key of at least 2048 bits in PEM")]
    PrivateKey,
}

/// The session token could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session token could not be signed")]
pub struct SignError;

/// A session whose token was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) user_id: String,
    pub(super) name: String,
    pub(super) roles: Vec<String>,
    pub(super) algorithm: SessionAlgorithm,
    pub(super) expires_at: UnixTime,
}

#[derive(Serialize)]
struct NewClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    name: &'a str,
    roles: &'a [&'a str],
    iat: u64,
    exp: u64,
    jti: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    name: String,
    roles: Vec<String>,
    exp: u64,
}

impl DemoKeys {
    /// Takes the HS256 secret as raw bytes, and the RS256 private key in PEM (PKCS#8 or PKCS#1).
    pub fn new(secret: &SecretBytes, private_pem: &[u8]) -> Result<Self, DemoKeyError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(DemoKeyError::ShortSecret);
        }
        Ok(Self {
            hs256: KeyPair {
                sign: EncodingKey::from_secret(secret.expose()),
                verify: DecodingKey::from_secret(secret.expose()),
            },
            rs256: KeyPair::from_rsa_pem(private_pem).map_err(|_| DemoKeyError::PrivateKey)?,
        })
    }

    /// Signs a session token for `user` that is valid for [`SESSION_SECONDS`] from `now`; its `jti` is random.
    pub fn session_token(
        &self,
        user: &DemoUser<'_>,
        algorithm: SessionAlgorithm,
        now: UnixTime,
    ) -> Result<String, SignError> {
        let claims = NewClaims {
            iss: algorithm.issuer(),
            sub: user.id,
            name: user.name,
            roles: user.roles,
            iat: now.as_secs(),
            exp: now
                .saturating_add(Duration::from_secs(SESSION_SECONDS))
                .as_secs(),
            jti: format!("{:032x}", rand::random::<u128>()),
        };
        let header = Header::new(algorithm.jose());
        jsonwebtoken::encode(&header, &claims, &self.pair(algorithm).sign).map_err(|_| SignError)
    }

    /// The session that a request carries: in `Authorization`, else in the cookie.
    pub(super) fn session(&self, headers: &HeaderMap, now: UnixTime) -> Option<Session> {
        self.verify(bearer(headers).or_else(|| cookie(headers))?, now)
    }

    fn verify(&self, token: &str, now: UnixTime) -> Option<Session> {
        let named = jsonwebtoken::decode_header(token).ok()?.alg;
        let algorithm = [SessionAlgorithm::Hs256, SessionAlgorithm::Rs256]
            .into_iter()
            .find(|algorithm| algorithm.jose() == named)?;
        let mut rules = Validation::new(algorithm.jose());
        rules.set_issuer(&[algorithm.issuer()]);
        rules.set_required_spec_claims(&["iss", "sub", "exp"]);
        // The library would ask the system clock; ours is `now`.
        rules.validate_exp = false;
        let key = &self.pair(algorithm).verify;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &rules)
            .ok()?
            .claims;
        let expires_at = UnixTime::from_secs(claims.exp);
        (now < expires_at).then_some(Session {
            user_id: claims.sub,
            name: claims.name,
            roles: claims.roles,
            algorithm,
            expires_at,
        })
    }

    fn pair(&self, algorithm: SessionAlgorithm) -> &KeyPair {
        match algorithm {
            SessionAlgorithm::Hs256 => &self.hs256,
            SessionAlgorithm::Rs256 => &self.rs256,
        }
    }
}

impl fmt::Debug for DemoKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DemoKeys([redacted])")
    }
}

impl KeyPair {
    fn from_rsa_pem(private_pem: &[u8]) -> Result<Self, jsonwebtoken::errors::Error> {
        let sign = EncodingKey::from_rsa_pem(private_pem)?;
        let public = Jwk::from_encoding_key(&sign, Algorithm::RS256)?;
        let verify = DecodingKey::from_jwk(&public)?;
        Ok(Self { sign, verify })
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("Bearer")
        .then_some(token.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix("session="))
}

const MIN_SECRET_BYTES: usize = 32;
