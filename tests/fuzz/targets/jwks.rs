//! Key sets against a second library. Input: a JWK Set.
//!
//! A key that is taken must be a public key for signatures to another reader too, and a point that is refused as unsound
//! must be unsound to it.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::{ES256PublicKey, ES384PublicKey, Ed25519PublicKey, RS256PublicKey};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use usersig_proxy::token::keys::{Algorithm, IgnoredKeyReason, KeyError, KeySet, MAX_KEYS};

fuzz_target!(|data: &[u8]| {
    let ignored = match KeySet::from_jwks(data, &ALGORITHMS) {
        Ok((set, ignored)) => {
            check_taken(
                data,
                &set,
                &ignored.iter().map(|key| key.position).collect::<Vec<_>>(),
            );
            ignored
        }
        Err(KeyError::NoUsableKey { ignored }) => ignored,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let keys = listed(data);
    for key in ignored {
        let jwk = keys.get(key.position).expect("a key that is listed");
        if key.reason == IgnoredKeyReason::Weak && jwk["kty"] == "EC" {
            assert!(!is_sound(jwk), "a sound point is called weak");
        }
    }
});

fn check_taken(data: &[u8], set: &KeySet, ignored: &[usize]) {
    let keys = listed(data);
    assert!(keys.len() <= MAX_KEYS && ignored.len() < keys.len());
    let taken = (0..keys.len()).filter(|position| !ignored.contains(position));
    for jwk in taken.map(|position| &keys[position]) {
        assert!(is_sound(jwk), "not a public key: {jwk}");
        assert!(jwk.get("d").is_none(), "a private key");
        assert!(jwk.get("use").is_none_or(|usage| usage == "sig"));
        let algorithm = jwk.get("alg").map(|name| name.as_str().expect("text"));
        assert!(algorithm.is_none_or(|name| ALGORITHMS.iter().any(|one| one.name() == name)));
        assert!(jwk["kid"].as_str().is_none_or(|id| set.has_id(id)));
    }
}

fn listed(data: &[u8]) -> Vec<Value> {
    let set: Value = serde_json::from_slice(data).expect("strict JSON is JSON");
    set["keys"].as_array().expect("a list").clone()
}

fn is_sound(jwk: &Value) -> bool {
    let bytes = |name: &str| {
        let text = jwk[name].as_str().unwrap_or_default();
        URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
    };
    let point = || [&[4], &bytes("x")[..], &bytes("y")].concat();
    match (jwk["kty"].as_str(), jwk["crv"].as_str()) {
        // The library takes moduli of 4096 bits at most.
        (Some("RSA"), _) if bytes("n").len() > 512 => true,
        (Some("RSA"), _) => RS256PublicKey::from_components(&bytes("n"), &bytes("e")).is_ok(),
        (Some("EC"), Some("P-256")) => ES256PublicKey::from_bytes(&point()).is_ok(),
        (Some("EC"), Some("P-384")) => ES384PublicKey::from_bytes(&point()).is_ok(),
        (Some("OKP"), Some("Ed25519")) => Ed25519PublicKey::from_bytes(&bytes("x")).is_ok(),
        _ => false,
    }
}

const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
];
