//! Session tokens as an app would sign them, made by another library than the one that verifies them.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// The secret that [`config`](super::config) gives to its only issuer.
pub(crate) const SECRET: &str = "a session secret of the tests, long enough for HS256";

/// Every token that any test made, for the search through what the proxies printed.
static MADE: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// A good token for a subject.
pub(crate) fn session(subject: &str) -> String {
    sign(&json!({ "sub": subject, "exp": now() + 600 }))
}

/// A token with these claims, signed with [`SECRET`].
pub(crate) fn sign(claims: &Value) -> String {
    sign_with(SECRET, claims)
}

pub(crate) fn sign_with(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap();
    MADE.lock().unwrap().push(token.clone());
    token
}

/// Adds a token that an app made.
pub(crate) fn note(token: &str) {
    MADE.lock().unwrap().push(token.to_owned());
}

/// A header line that carries a good token.
pub(crate) fn bearer(subject: &str) -> String {
    authorization(&session(subject))
}

/// A header line that carries this token.
pub(crate) fn authorization(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// All tokens so far.
pub(crate) fn made() -> Vec<String> {
    MADE.lock().unwrap().clone()
}
