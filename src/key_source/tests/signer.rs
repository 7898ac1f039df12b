//! An issuer's keys: what it publishes and what it signs.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::time::UnixTime;
use crate::token::BearerToken;

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

pub(crate) struct Signer {
    id: String,
    pair: Ed25519KeyPair,
}

impl Signer {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            pair: Ed25519KeyPair::generate().unwrap(),
        }
    }

    pub(crate) fn id(&self) -> Option<&str> {
        Some(&self.id)
    }

    pub(crate) fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": self.id, "x": x })
    }

    pub(crate) fn token(&self) -> BearerToken {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({ "alg": "EdDSA", "kid": self.id }));
        let claims = part(json!({ "sub": "42", "exp": NOW.as_secs() + 600 }));
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        BearerToken::parse(&format!("{signed}.{signature}")).unwrap()
    }
}

pub(crate) fn key_set(signers: &[&Signer]) -> String {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}
