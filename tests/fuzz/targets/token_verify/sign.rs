//! Signs what the fuzzer wrote.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::SECRET;

/// The token that the input asks for.
pub(super) fn token(data: &[u8]) -> Option<String> {
    if let Some(text) = data.strip_prefix(b"token\n") {
        return std::str::from_utf8(text).ok().map(str::to_owned);
    }
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let signer = std::str::from_utf8(lines.next()?).ok()?;
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", part(lines.next()?), part(lines.next()?));
    let signature = signature(signer, signed.as_bytes())?;
    Some(format!("{signed}.{}", part(&signature)))
}

fn signature(signer: &str, text: &[u8]) -> Option<Vec<u8>> {
    let (keys, algorithm) = match signer.split_once(' ') {
        Some(("other", algorithm)) => (&*OTHERS, algorithm),
        Some(("pem", algorithm)) => (&*PEM, algorithm),
        Some(_) => return None,
        None => (&*OURS, signer),
    };
    let mac = |algorithm| {
        let key = hmac::Key::new(algorithm, &keys.secret);
        hmac::sign(&key, text).as_ref().to_vec()
    };
    Some(match algorithm {
        "HS256" => mac(hmac::HMAC_SHA256),
        "HS384" => mac(hmac::HMAC_SHA384),
        "HS512" => mac(hmac::HMAC_SHA512),
        "RS256" => rsa(&keys.rsa, &RSA_PKCS1_SHA256, text),
        "PS256" => rsa(&keys.rsa, &RSA_PSS_SHA256, text),
        "ES256" => ecdsa(&keys.p256, text),
        "ES384" => ecdsa(&keys.p384, text),
        "EdDSA" => keys.ed25519.sign(text).as_ref().to_vec(),
        _ => return None,
    })
}

fn rsa(key: &RsaKeyPair, encoding: &'static dyn RsaEncoding, text: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    let signed = key.sign(encoding, &SystemRandom::new(), text, &mut signature);
    signed.expect("a key of the right size");
    signature
}

fn ecdsa(key: &EcdsaKeyPair, text: &[u8]) -> Vec<u8> {
    let signature = key.sign(&SystemRandom::new(), text);
    signature
        .expect("a key of the right curve")
        .as_ref()
        .to_vec()
}

struct SigningKeys {
    secret: Vec<u8>,
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

/// The keys that the issuers have.
static OURS: LazyLock<SigningKeys> = LazyLock::new(|| {
    let curve = |algorithm: &'static EcdsaSigningAlgorithm, pem: &str| {
        EcdsaKeyPair::from_pkcs8(algorithm, &der(pem)).expect("a key")
    };
    let (rsa, ed25519) = (
        include_str!("../../../keys/rsa-2048.private.pem"),
        include_str!("../../../keys/ed25519.private.pem"),
    );
    SigningKeys {
        secret: SECRET.to_vec(),
        rsa: RsaKeyPair::from_pkcs8(&der(rsa)).expect("a key"),
        p256: curve(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            include_str!("../../../keys/p256.private.pem"),
        ),
        p384: curve(
            &ECDSA_P384_SHA384_FIXED_SIGNING,
            include_str!("../../../keys/p384.private.pem"),
        ),
        ed25519: Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der(ed25519)).expect("a key"),
    }
});

/// Keys that no issuer has.
static OTHERS: LazyLock<SigningKeys> = LazyLock::new(|| others(b"another secret".repeat(5)));

/// The public RSA key as a secret.
static PEM: LazyLock<SigningKeys> =
    LazyLock::new(|| others(include_bytes!("../../../keys/rsa-2048.pem").to_vec()));

fn others(secret: Vec<u8>) -> SigningKeys {
    let rsa = include_str!("../../../keys/rsa-2048-other.private.pem");
    let curve = |algorithm| EcdsaKeyPair::generate(algorithm).expect("a key");
    SigningKeys {
        secret,
        rsa: RsaKeyPair::from_pkcs8(&der(rsa)).expect("a key"),
        p256: curve(&ECDSA_P256_SHA256_FIXED_SIGNING),
        p384: curve(&ECDSA_P384_SHA384_FIXED_SIGNING),
        ed25519: Ed25519KeyPair::generate().expect("a key"),
    }
}

fn der(pem: &str) -> Vec<u8> {
    pem::parse(pem).expect("a PEM text").into_contents()
}
