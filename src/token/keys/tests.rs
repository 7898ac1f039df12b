mod wycheproof;

use serde_json::json;

use super::*;
use Algorithm::{EdDsa, Es256, Es384, Hs256, Hs384, Hs512, Ps256, Ps384, Rs256, Rs384};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/keys/", $name))
    };
}

const RSA: &[u8] = fixture!("rsa-2048.pem");
const RSA_PKCS1: &[u8] = fixture!("rsa-2048-pkcs1.pem");
const P256: &[u8] = fixture!("p256.pem");
const P384: &[u8] = fixture!("p384.pem");
const ED25519: &[u8] = fixture!("ed25519.pem");

fn from_text(secret: &str, algorithm: Algorithm) -> Result<KeySet, KeyError> {
    let secret = SecretBytes::new(secret.as_bytes().to_vec());
    KeySet::from_secret(&secret, &[algorithm], ShortSecret::Refuse)
}

fn pairs(keys: &KeySet) -> Vec<(Option<&str>, Algorithm)> {
    keys.0
        .iter()
        .map(|key| (key.id.as_deref(), key.algorithm))
        .collect()
}

/// The public JWK of a PEM fixture, made by the library that the tests sign with.
fn jwk(private_pem: &[u8], algorithm: jsonwebtoken::Algorithm) -> serde_json::Value {
    use jsonwebtoken::EncodingKey;
    let key = match algorithm.family() {
        jsonwebtoken::AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(private_pem),
        jsonwebtoken::AlgorithmFamily::Ec => EncodingKey::from_ec_pem(private_pem),
        _ => EncodingKey::from_ed_pem(private_pem),
    };
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key.unwrap(), algorithm).unwrap();
    let mut jwk = serde_json::to_value(jwk).unwrap();
    jwk.as_object_mut().unwrap().remove("alg");
    jwk
}

fn rsa_jwk() -> serde_json::Value {
    jwk(
        fixture!("rsa-2048.private.pem"),
        jsonwebtoken::Algorithm::RS256,
    )
}

fn other_rsa_jwk() -> serde_json::Value {
    jwk(
        fixture!("rsa-2048-other.private.pem"),
        jsonwebtoken::Algorithm::RS256,
    )
}

fn p256_jwk() -> serde_json::Value {
    jwk(fixture!("p256.private.pem"), jsonwebtoken::Algorithm::ES256)
}

fn p384_jwk() -> serde_json::Value {
    jwk(fixture!("p384.private.pem"), jsonwebtoken::Algorithm::ES384)
}

fn ed25519_jwk() -> serde_json::Value {
    jwk(
        fixture!("ed25519.private.pem"),
        jsonwebtoken::Algorithm::EdDSA,
    )
}

fn with(mut jwk: serde_json::Value, members: serde_json::Value) -> serde_json::Value {
    for (name, value) in members.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    jwk
}

fn from_jwks(
    keys: serde_json::Value,
    algorithms: &[Algorithm],
) -> Result<(KeySet, Vec<IgnoredKey>), KeyError> {
    KeySet::from_jwks(json!({ "keys": keys }).to_string().as_bytes(), algorithms)
}

#[test]
fn algorithms_have_the_exact_names_of_rfc_7518() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::parse(algorithm.name()), Ok(algorithm));
    }
    for name in ["none", "None", "nOnE"] {
        assert_eq!(Algorithm::parse(name), Err(AlgorithmError::None), "{name}");
    }
    for name in [
        "", "hs256", "HS256 ", "RS1", "ES512", "ES256K", "EDDSA", "RSA-OAEP",
    ] {
        assert_eq!(
            Algorithm::parse(name),
            Err(AlgorithmError::Unknown),
            "{name}"
        );
    }
}

#[test]
fn j19_a_secret_has_at_least_the_length_of_its_hash() {
    for (algorithm, needed) in [(Hs256, 32), (Hs384, 48), (Hs512, 64)] {
        let found = needed - 1;
        let short = KeyError::ShortSecret {
            algorithm,
            needed,
            found,
        };
        assert_eq!(from_text(&"x".repeat(found), algorithm).unwrap_err(), short);
        assert!(from_text(&"x".repeat(needed), algorithm).is_ok());
    }
}

#[test]
fn j19_a_short_secret_is_taken_only_by_name() {
    let allowed = |secret: &[u8]| {
        let secret = SecretBytes::new(secret.to_vec());
        KeySet::from_secret(&secret, &[Hs256], ShortSecret::Allow)
    };
    assert!(allowed(b"short").is_ok());
    assert_eq!(allowed(b"").unwrap_err(), KeyError::EmptySecret);
    assert_eq!(allowed(b" \n").unwrap_err(), KeyError::EmptySecret);
}

#[test]
fn j19_a_placeholder_is_no_secret() {
    let unexpanded = from_text("${SESSION_SECRET_FOR_THE_APP_IN_PRODUCTION}", Hs256);
    assert_eq!(unexpanded.unwrap_err(), KeyError::UnexpandedPlaceholder);
    assert!(from_text("$SESSION{SECRET}_FOR_THE_APP_IN_PRODUCTION", Hs256).is_ok());
}

#[test]
fn j1_a_public_key_is_never_a_secret_nor_a_secret_a_public_key() {
    for pem in [RSA, RSA_PKCS1, P256, ED25519] {
        let text = std::str::from_utf8(pem).unwrap();
        assert_eq!(from_text(text, Hs256).unwrap_err(), KeyError::PemAsSecret);
        let as_mac = KeySet::from_pem(pem, &[Hs256]).unwrap_err();
        assert_eq!(as_mac, KeyError::PublicKeyForMac { algorithm: Hs256 });
    }
    let mixed = KeySet::from_pem(RSA, &[Rs256, Hs256]).unwrap_err();
    assert_eq!(mixed, KeyError::PublicKeyForMac { algorithm: Hs256 });
    let set = from_jwks(json!([rsa_jwk()]), &[Rs256, Hs512]).unwrap_err();
    assert_eq!(set, KeyError::PublicKeyForMac { algorithm: Hs512 });
    let secret = from_text(&"x".repeat(64), Rs256).unwrap_err();
    assert_eq!(secret, KeyError::SecretForSignature { algorithm: Rs256 });
}

#[test]
fn pem_keys_serve_the_algorithms_of_their_type() {
    for (name, pem, algorithms) in [
        ("RSA", RSA, &[Rs256, Rs384, Ps384][..]),
        ("RSA in PKCS#1", RSA_PKCS1, &[Ps256]),
        ("P-256", P256, &[Es256]),
        ("P-384", P384, &[Es384]),
        ("Ed25519", ED25519, &[EdDsa]),
    ] {
        let keys = KeySet::from_pem(pem, algorithms).unwrap();
        let expected: Vec<_> = algorithms
            .iter()
            .map(|&algorithm| (None, algorithm))
            .collect();
        assert_eq!(pairs(&keys), expected, "{name}");
    }
    let twice = KeySet::from_pem(RSA, &[Rs256, Rs256]).unwrap();
    assert_eq!(pairs(&twice), [(None, Rs256)]);
}

#[test]
fn pem_keys_refuse_the_algorithms_of_other_types() {
    for (pem, algorithm, found) in [
        (RSA, Es256, KeyKind::Rsa),
        (P256, Rs256, KeyKind::P256),
        (P256, Es384, KeyKind::P256),
        (P384, Es256, KeyKind::P384),
        (ED25519, Es256, KeyKind::Ed25519),
    ] {
        let error = KeySet::from_pem(pem, &[algorithm]).unwrap_err();
        assert_eq!(error, KeyError::OtherKind { algorithm, found });
    }
    let one_of_two = KeySet::from_pem(RSA, &[Rs256, Es256]).unwrap_err();
    let found = KeyKind::Rsa;
    assert_eq!(
        one_of_two,
        KeyError::OtherKind {
            algorithm: Es256,
            found
        }
    );
    assert_eq!(
        KeySet::from_pem(RSA, &[]).unwrap_err(),
        KeyError::NoAlgorithm
    );
}

#[test]
fn what_is_not_one_public_key_in_pem_is_refused() {
    let two = [RSA, P256].concat();
    let both_halves = [fixture!("p256.private.pem"), P256].concat();
    let cut = &RSA[..RSA.len() - 10];
    let damaged = String::from_utf8(RSA.to_vec())
        .unwrap()
        .replace("MIIB", "MIIA");
    for (name, pem, error) in [
        ("empty", &b""[..], KeyError::NotPem),
        (
            "ssh",
            b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA",
            KeyError::NotPem,
        ),
        ("not UTF-8", b"\xff\xfe", KeyError::NotPem),
        ("cut off", cut, KeyError::NotPem),
        ("damaged", damaged.as_bytes(), KeyError::Unsupported),
        (
            "private key",
            fixture!("rsa-2048.private.pem"),
            KeyError::PrivateKey,
        ),
        ("private and public", &both_halves, KeyError::PrivateKey),
        (
            "certificate",
            fixture!("certificate.pem"),
            KeyError::Certificate,
        ),
        ("two keys", &two, KeyError::SeveralKeys),
        ("P-521", fixture!("p521.pem"), KeyError::Unsupported),
    ] {
        assert_eq!(
            KeySet::from_pem(pem, &[Rs256]).unwrap_err(),
            error,
            "{name}"
        );
    }
    let with_text_around = [b"the app's key\r\n", RSA, b"\n"].concat();
    assert!(KeySet::from_pem(&with_text_around, &[Rs256]).is_ok());
}

#[test]
fn j19_an_rsa_key_has_at_least_2048_bits() {
    let short = KeySet::from_pem(fixture!("rsa-2040.pem"), &[Rs256]).unwrap_err();
    assert_eq!(short, KeyError::RsaSize);
    assert!(KeySet::from_pem(RSA, &[Rs256]).is_ok());
}

#[test]
fn a_key_set_pairs_each_key_with_the_algorithms_it_may_serve() {
    let (keys, ignored) = from_jwks(
        json!([
            with(rsa_jwk(), json!({"kid": "r", "use": "sig", "alg": "RS256"})),
            with(other_rsa_jwk(), json!({"kid": "any"})),
            with(p256_jwk(), json!({"kid": "e", "key_ops": ["verify"]})),
            with(p384_jwk(), json!({"kid": "e"})),
            with(ed25519_jwk(), json!({"x5t": "ignored"})),
        ]),
        &[Rs256, Ps256, Es256, Es384, EdDsa],
    )
    .unwrap();
    assert_eq!(ignored, []);
    assert_eq!(
        pairs(&keys),
        [
            (Some("r"), Rs256),
            (Some("any"), Rs256),
            (Some("any"), Ps256),
            (Some("e"), Es256),
            (Some("e"), Es384),
            (None, EdDsa),
        ]
    );
}

#[test]
fn keys_that_do_not_fit_are_ignored_with_their_reason() {
    use IgnoredKeyReason::*;
    let small = json!({"kty": "RSA", "n": "u".repeat(170) + "s", "e": "AQAB"});
    let off_curve = json!({"kty": "EC", "crv": "P-256", "x": "A".repeat(43), "y": "A".repeat(43)});
    let private = with(p256_jwk(), json!({"d": "AAAA"}));
    for (name, key, reason) in [
        ("not an object", json!("key"), Malformed),
        ("no kty", json!({"n": "AQAB", "e": "AQAB"}), Malformed),
        ("no modulus", json!({"kty": "RSA", "e": "AQAB"}), Malformed),
        (
            "modulus not base64url",
            json!({"kty": "RSA", "n": "+/", "e": "AQAB"}),
            Malformed,
        ),
        (
            "kid a number",
            with(rsa_jwk(), json!({"kid": 1})),
            Malformed,
        ),
        ("kid empty", with(rsa_jwk(), json!({"kid": ""})), KeyId),
        (
            "kid too long",
            with(rsa_jwk(), json!({"kid": "k".repeat(257)})),
            KeyId,
        ),
        (
            "for encryption",
            with(rsa_jwk(), json!({"use": "enc"})),
            Use,
        ),
        (
            "for signing",
            with(rsa_jwk(), json!({"key_ops": ["sign"]})),
            Use,
        ),
        ("for nothing", with(rsa_jwk(), json!({"key_ops": []})), Use),
        (
            "key_ops a string",
            with(rsa_jwk(), json!({"key_ops": "verify"})),
            Malformed,
        ),
        (
            "shared secret",
            json!({"kty": "oct", "k": "A".repeat(43)}),
            Secret,
        ),
        ("private key", private, PrivateKey),
        ("unknown type", json!({"kty": "AKP"}), KeyType),
        (
            "P-521",
            json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}),
            KeyType,
        ),
        (
            "no curve",
            json!({"kty": "EC", "x": "AA", "y": "AA"}),
            KeyType,
        ),
        (
            "Ed448",
            json!({"kty": "OKP", "crv": "Ed448", "x": "AA"}),
            KeyType,
        ),
        ("RSA too small", small, Weak),
        ("not on the curve", off_curve, Weak),
        (
            "coordinate too short",
            with(p256_jwk(), json!({"x": "AA"})),
            Weak,
        ),
        (
            "Ed25519 too short",
            with(ed25519_jwk(), json!({"x": "AA"})),
            Weak,
        ),
        (
            "alg not configured",
            with(rsa_jwk(), json!({"alg": "RS512"})),
            Algorithm,
        ),
        (
            "alg of another type",
            with(rsa_jwk(), json!({"alg": "ES256"})),
            Algorithm,
        ),
        (
            "alg in lower case",
            with(rsa_jwk(), json!({"alg": "rs256"})),
            Algorithm,
        ),
        ("type not configured", p384_jwk(), Algorithm),
    ] {
        let good = with(other_rsa_jwk(), json!({"kid": "good"}));
        let (keys, ignored) = from_jwks(json!([key, good]), &[Rs256, Es256, EdDsa]).unwrap();
        assert_eq!(pairs(&keys), [(Some("good"), Rs256)], "{name}");
        let found: Vec<_> = ignored
            .iter()
            .map(|key| (key.position, key.reason))
            .collect();
        assert_eq!(found, [(0, reason)], "{name}");
    }
}

#[test]
fn a_key_set_without_a_usable_key_is_an_error() {
    let no_usable = from_jwks(json!([with(rsa_jwk(), json!({"kid": "r"}))]), &[Es256]);
    let ignored = vec![IgnoredKey {
        position: 0,
        id: Some("r".to_owned()),
        reason: IgnoredKeyReason::Algorithm,
    }];
    assert_eq!(no_usable.unwrap_err(), KeyError::NoUsableKey { ignored });
    let empty = KeyError::NoUsableKey { ignored: vec![] };
    for (name, text, error) in [
        ("empty set", r#"{"keys":[]}"#, empty),
        ("no list", r#"{"keys":{}}"#, KeyError::NoKeyList),
        ("one bare key", r#"{"kty":"RSA"}"#, KeyError::NoKeyList),
        ("HTML", "<html>", KeyError::KeySetJson(JsonError::Syntax)),
        ("list", "[]", KeyError::KeySetJson(JsonError::NotAnObject)),
        (
            "keys twice",
            r#"{"keys":[],"keys":[]}"#,
            KeyError::KeySetJson(JsonError::DuplicateMember),
        ),
    ] {
        assert_eq!(
            KeySet::from_jwks(text.as_bytes(), &[Rs256]).unwrap_err(),
            error,
            "{name}"
        );
    }
}

#[test]
fn the_number_of_keys_is_bounded() {
    let numbered = |n: usize| with(ed25519_jwk(), json!({ "kid": n.to_string() }));
    let most: Vec<_> = (0..MAX_KEYS).map(numbered).collect();
    assert!(from_jwks(json!(most), &[EdDsa]).is_ok());
    let more: Vec<_> = (0..=MAX_KEYS).map(numbered).collect();
    let found = MAX_KEYS + 1;
    assert_eq!(
        from_jwks(json!(more), &[EdDsa]).unwrap_err(),
        KeyError::TooManyKeys { found }
    );
}

#[test]
fn j18_two_usable_keys_never_share_an_id() {
    let key = |jwk, id| with(jwk, json!({ "kid": id }));
    let algorithm = Rs256;
    for (name, keys) in [
        (
            "same id",
            json!([key(rsa_jwk(), "a"), key(other_rsa_jwk(), "a")]),
        ),
        ("both without id", json!([rsa_jwk(), other_rsa_jwk()])),
    ] {
        let error = from_jwks(keys, &[Rs256, Es256]).unwrap_err();
        assert_eq!(error, KeyError::DuplicateKeyId { algorithm }, "{name}");
    }
    let apart = json!([
        key(rsa_jwk(), "a"),
        key(other_rsa_jwk(), "b"),
        key(p256_jwk(), "a")
    ]);
    assert!(from_jwks(apart, &[Rs256, Es256]).is_ok());
}

#[test]
fn a_token_finds_one_key_or_a_reason() {
    let key = |jwk, id| with(jwk, json!({ "kid": id }));
    let listed = json!([
        key(rsa_jwk(), "a"),
        key(other_rsa_jwk(), "b"),
        key(p256_jwk(), "c")
    ]);
    let (set, _) = from_jwks(listed, &[Rs256, Es256]).unwrap();
    let (anonymous, _) =
        from_jwks(json!([key(rsa_jwk(), "a"), other_rsa_jwk()]), &[Rs256]).unwrap();
    let pem = KeySet::from_pem(RSA, &[Rs256]).unwrap();
    for (name, keys, algorithm, id, expected) in [
        ("by id", &set, Rs256, Some("b"), Ok(Some("b"))),
        (
            "unknown id",
            &set,
            Rs256,
            Some("x"),
            Err(TokenError::KeyUnknown),
        ),
        (
            "id of another algorithm",
            &set,
            Rs256,
            Some("c"),
            Err(TokenError::KeyUnknown),
        ),
        (
            "id in another case",
            &set,
            Rs256,
            Some("A"),
            Err(TokenError::KeyUnknown),
        ),
        ("no id, one key", &set, Es256, None, Ok(Some("c"))),
        (
            "no id, two keys",
            &set,
            Rs256,
            None,
            Err(TokenError::KeyAmbiguous),
        ),
        (
            "algorithm without key",
            &set,
            Es384,
            None,
            Err(TokenError::KeyUnknown),
        ),
        (
            "id beside a key without",
            &anonymous,
            Rs256,
            Some("a"),
            Ok(Some("a")),
        ),
        (
            "id that only a key without may have",
            &anonymous,
            Rs256,
            Some("x"),
            Ok(None),
        ),
        (
            "a single key takes any id",
            &pem,
            Rs256,
            Some("x"),
            Ok(None),
        ),
        (
            "never loaded",
            &KeySet::unavailable(),
            Rs256,
            None,
            Err(TokenError::KeysUnavailable),
        ),
    ] {
        let found = keys.find(algorithm, id).map(|key| key.id.as_deref());
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn j20_neither_errors_nor_debug_show_a_secret() {
    let secret = "hunter2-hunter2-hunter2";
    let error = from_text(secret, Hs256).unwrap_err();
    let keys = from_text(&secret.repeat(2), Hs256).unwrap();
    for text in [format!("{error} {error:?}"), format!("{keys:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert_eq!(
        format!("{keys:?}"),
        "[Key { id: None, algorithm: Hs256, .. }]"
    );
}
