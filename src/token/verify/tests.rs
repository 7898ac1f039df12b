use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::secret::SecretBytes;
use crate::token::MAX_TOKEN_BYTES;
use crate::token::keys::ShortSecret;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/keys/", $name))
    };
}

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const LEEWAY: u64 = 30;
const MAX_LIFETIME: u64 = 86_400;
const ISSUER: &str = "https://app.example.com";
const SECRET: &[u8] = b"a secret of the tests, of 32 bytes and more, up to 64 in all ...";
const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const RS256: &str = r#"{"alg":"RS256","typ":"JWT"}"#;

fn secret_keys(secret: &[u8], algorithms: &[Algorithm]) -> KeySet {
    let secret = SecretBytes::new(secret.to_vec());
    KeySet::from_secret(&secret, algorithms, ShortSecret::Refuse).unwrap()
}

fn app() -> TokenIssuer {
    TokenIssuer {
        name: "app".to_owned(),
        issuer: Some(ISSUER.to_owned()),
        audience: vec!["web".to_owned()],
        algorithms: vec![Algorithm::Hs256],
        keys: secret_keys(SECRET, &[Algorithm::Hs256]),
        fractions: Fractions::Refuse,
    }
}

fn rsa_app() -> TokenIssuer {
    TokenIssuer {
        algorithms: vec![Algorithm::Rs256],
        keys: KeySet::from_pem(fixture!("rsa-2048.pem"), &[Algorithm::Rs256]).unwrap(),
        ..app()
    }
}

fn verifier(issuers: impl IntoIterator<Item = TokenIssuer>) -> Verifier {
    let seconds = Duration::from_secs;
    let issuers = issuers.into_iter().collect();
    Verifier::new(issuers, seconds(LEEWAY), seconds(MAX_LIFETIME)).unwrap()
}

/// The usual payload with members set to other JSON texts; an empty text takes the member out.
fn payload(changes: &[(&str, &str)]) -> String {
    let issuer = format!("\"{ISSUER}\"");
    let expires_at = (NOW.as_secs() + 3600).to_string();
    let issued_at = (NOW.as_secs() - 60).to_string();
    let mut members = vec![
        ("iss", issuer.as_str()),
        ("aud", "\"web\""),
        ("sub", "\"42\""),
        ("exp", &expires_at),
        ("iat", &issued_at),
    ];
    for &(name, text) in changes {
        members.retain(|(other, _)| *other != name);
        if !text.is_empty() {
            members.push((name, text));
        }
    }
    let members: Vec<_> = members
        .iter()
        .map(|(name, text)| format!("\"{name}\":{text}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signed_with(
    header: impl AsRef<[u8]>,
    payload: impl AsRef<[u8]>,
    algorithm: jsonwebtoken::Algorithm,
    key: &EncodingKey,
) -> BearerToken {
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    BearerToken::parse(&format!("{message}.{signature}")).unwrap()
}

fn signed(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> BearerToken {
    let key = EncodingKey::from_secret(SECRET);
    signed_with(header, payload, jsonwebtoken::Algorithm::HS256, &key)
}

fn rsa_key() -> EncodingKey {
    EncodingKey::from_rsa_pem(fixture!("rsa-2048.private.pem")).unwrap()
}

fn p256_key() -> EncodingKey {
    EncodingKey::from_ec_pem(fixture!("p256.private.pem")).unwrap()
}

fn with_signature(token: &BearerToken, signature: &[u8]) -> BearerToken {
    BearerToken::parse(&format!("{}.{}", token.parts().signed, encode(signature))).unwrap()
}

fn signature_of(token: &BearerToken) -> Vec<u8> {
    decode(token.parts().signature).unwrap()
}

/// What a verifier for [`app`] says about a token that the app signed over these texts. Where the header is good, it says the
/// same of the claims alone.
fn verdict(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Result<(), TokenError> {
    let (verifier, is_usual) = (verifier([app()]), header.as_ref() == HS256.as_bytes());
    let claims = json::parse_object(payload.as_ref());
    let verdict = verifier.verify(&signed(header, payload), NOW).map(drop);
    if let (true, Ok(claims)) = (is_usual, claims) {
        let presumed = verifier.presume(claims, NOW);
        assert!(presumed.iter().all(|claims| claims.proof().is_none()));
        assert_eq!(presumed.map(drop), verdict);
    }
    verdict
}

#[test]
fn a_good_token_yields_its_claims() {
    let token = signed(HS256, payload(&[("roles", "[\"member\"]")]));
    let claims = verifier([app()]).verify(&token, NOW).unwrap();
    assert_eq!(claims.issuer(), 0);
    assert_eq!(claims.issuer_name(), "app");
    assert_eq!(claims.proof().unwrap().algorithm, Algorithm::Hs256);
    assert_eq!(
        claims.expires_at(),
        UnixTime::from_secs(NOW.as_secs() + 3600)
    );
    assert_eq!(claims.claims()["sub"], "42");
    assert_eq!(claims.claims()["roles"], json!(["member"]));
}

#[test]
fn every_algorithm_verifies_what_another_library_signed_and_nothing_else() {
    use jsonwebtoken::Algorithm as Theirs;
    let secret = || EncodingKey::from_secret(SECRET);
    let p384 = || EncodingKey::from_ec_pem(fixture!("p384.private.pem")).unwrap();
    let ed25519 = || EncodingKey::from_ed_pem(fixture!("ed25519.private.pem")).unwrap();
    let mut verified = Vec::new();
    for (ours, theirs, key, pem) in [
        (Algorithm::Hs256, Theirs::HS256, secret(), None),
        (Algorithm::Hs384, Theirs::HS384, secret(), None),
        (Algorithm::Hs512, Theirs::HS512, secret(), None),
        (
            Algorithm::Rs256,
            Theirs::RS256,
            rsa_key(),
            Some(&fixture!("rsa-2048.pem")[..]),
        ),
        (
            Algorithm::Rs384,
            Theirs::RS384,
            rsa_key(),
            Some(fixture!("rsa-2048.pem")),
        ),
        (
            Algorithm::Rs512,
            Theirs::RS512,
            rsa_key(),
            Some(fixture!("rsa-2048-pkcs1.pem")),
        ),
        (
            Algorithm::Ps256,
            Theirs::PS256,
            rsa_key(),
            Some(fixture!("rsa-2048.pem")),
        ),
        (
            Algorithm::Ps384,
            Theirs::PS384,
            rsa_key(),
            Some(fixture!("rsa-2048.pem")),
        ),
        (
            Algorithm::Ps512,
            Theirs::PS512,
            rsa_key(),
            Some(fixture!("rsa-2048-pkcs1.pem")),
        ),
        (
            Algorithm::Es256,
            Theirs::ES256,
            p256_key(),
            Some(fixture!("p256.pem")),
        ),
        (
            Algorithm::Es384,
            Theirs::ES384,
            p384(),
            Some(fixture!("p384.pem")),
        ),
        (
            Algorithm::EdDsa,
            Theirs::EdDSA,
            ed25519(),
            Some(fixture!("ed25519.pem")),
        ),
    ] {
        let keys = match pem {
            None => secret_keys(SECRET, &[ours]),
            Some(pem) => KeySet::from_pem(pem, &[ours]).unwrap(),
        };
        let verifier = verifier([TokenIssuer {
            algorithms: vec![ours],
            keys,
            ..app()
        }]);
        let token = signed_with(format!(r#"{{"alg":"{ours}"}}"#), payload(&[]), theirs, &key);
        let claims = verifier.verify(&token, NOW).unwrap();
        assert_eq!(claims.proof().unwrap().algorithm, ours);

        let mut signature = signature_of(&token);
        signature[7] ^= 1;
        let error = verifier
            .verify(&with_signature(&token, &signature), NOW)
            .unwrap_err();
        assert_eq!(error, TokenError::SignatureInvalid, "{ours}");
        verified.push(ours);
    }
    assert_eq!(verified, Algorithm::ALL);
}

#[test]
fn keys_from_a_set_verify_like_those_from_pem() {
    for (private, theirs, ours) in [
        (
            &fixture!("rsa-2048.private.pem")[..],
            jsonwebtoken::Algorithm::RS256,
            Algorithm::Rs256,
        ),
        (
            fixture!("p256.private.pem"),
            jsonwebtoken::Algorithm::ES256,
            Algorithm::Es256,
        ),
        (
            fixture!("p384.private.pem"),
            jsonwebtoken::Algorithm::ES384,
            Algorithm::Es384,
        ),
        (
            fixture!("ed25519.private.pem"),
            jsonwebtoken::Algorithm::EdDSA,
            Algorithm::EdDsa,
        ),
    ] {
        let key = match ours {
            Algorithm::Rs256 => EncodingKey::from_rsa_pem(private),
            Algorithm::EdDsa => EncodingKey::from_ed_pem(private),
            _ => EncodingKey::from_ec_pem(private),
        };
        let key = key.unwrap();
        let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, theirs).unwrap();
        let set = json!({ "keys": [jwk] }).to_string();
        let (keys, _) = KeySet::from_jwks(set.as_bytes(), &[ours]).unwrap();
        let verifier = verifier([TokenIssuer {
            algorithms: vec![ours],
            keys,
            ..app()
        }]);
        let token = signed_with(format!(r#"{{"alg":"{ours}"}}"#), payload(&[]), theirs, &key);
        assert!(verifier.verify(&token, NOW).is_ok(), "{ours}");
    }
}

#[test]
fn j1_a_public_key_used_as_a_secret_signs_nothing() {
    let public_keys: [&[u8]; 2] = [fixture!("rsa-2048.pem"), fixture!("rsa-2048-pkcs1.pem")];
    let as_named = verifier([rsa_app()]);
    let careless = verifier([TokenIssuer {
        algorithms: vec![Algorithm::Rs256, Algorithm::Hs256],
        ..rsa_app()
    }]);
    for public_key in public_keys {
        let key = EncodingKey::from_secret(public_key);
        let algorithm = jsonwebtoken::Algorithm::HS256;
        let forged = signed_with(HS256, payload(&[]), algorithm, &key);
        assert_eq!(
            as_named.verify(&forged, NOW).unwrap_err(),
            TokenError::AlgorithmNotAllowed
        );
        assert_eq!(
            careless.verify(&forged, NOW).unwrap_err(),
            TokenError::KeyUnknown
        );
        let renamed = signed_with(RS256, payload(&[]), algorithm, &key);
        assert_eq!(
            as_named.verify(&renamed, NOW).unwrap_err(),
            TokenError::SignatureInvalid
        );
    }
    let good = signed_with(
        RS256,
        payload(&[]),
        jsonwebtoken::Algorithm::RS256,
        &rsa_key(),
    );
    assert!(as_named.verify(&good, NOW).is_ok());
}

#[test]
fn j2_the_configuration_chooses_among_what_a_key_could_do() {
    use jsonwebtoken::Algorithm as Theirs;
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&rsa_key(), Theirs::RS256).unwrap();
    let mut jwk = serde_json::to_value(jwk).unwrap();
    jwk.as_object_mut().unwrap().remove("alg");
    let set = json!({ "keys": [jwk] }).to_string();
    let (keys, _) = KeySet::from_jwks(set.as_bytes(), &[Algorithm::Rs256]).unwrap();
    let verifier = verifier([TokenIssuer { keys, ..rsa_app() }]);
    for (name, theirs) in [("PS256", Theirs::PS256), ("RS384", Theirs::RS384)] {
        let header = format!(r#"{{"alg":"{name}"}}"#);
        let token = signed_with(header, payload(&[]), theirs, &rsa_key());
        let error = verifier.verify(&token, NOW).unwrap_err();
        assert_eq!(error, TokenError::AlgorithmNotAllowed, "{name}");
    }
    let twin = signed_with(RS256, payload(&[]), Theirs::RS256, &rsa_key());
    assert!(verifier.verify(&twin, NOW).is_ok());
}

#[test]
fn j3_the_algorithm_is_one_configured_name() {
    for (header, error) in [
        (r#"{"alg":"none"}"#, TokenError::AlgorithmNone),
        (r#"{"alg":"None"}"#, TokenError::AlgorithmNone),
        (r#"{"alg":"nOnE"}"#, TokenError::AlgorithmNone),
        (r#"{"typ":"JWT"}"#, TokenError::AlgorithmMissing),
        (r#"{"alg":null}"#, TokenError::AlgorithmMissing),
        (r#"{"alg":256}"#, TokenError::AlgorithmMissing),
        (r#"{"alg":["HS256"]}"#, TokenError::AlgorithmMissing),
        (r#"{"alg":""}"#, TokenError::AlgorithmNotAllowed),
        (r#"{"alg":"hs256"}"#, TokenError::AlgorithmNotAllowed),
        (r#"{"alg":"HS256 "}"#, TokenError::AlgorithmNotAllowed),
        (r#"{"alg":"HS384"}"#, TokenError::AlgorithmNotAllowed),
        (r#"{"alg":"RS256"}"#, TokenError::AlgorithmNotAllowed),
        (r#"{"alg":"HS256","alg":"HS256"}"#, TokenError::BadHeader),
    ] {
        assert_eq!(verdict(header, payload(&[])), Err(error), "{header}");
    }
    assert_eq!(verdict(r#"{"alg":"HS256"}"#, payload(&[])), Ok(()));
}

#[test]
fn j4_crit_is_refused_whatever_it_lists() {
    for crit in [
        r#"["exp"]"#,
        r#"["unknown"]"#,
        "[]",
        "null",
        "\"b64\"",
        "{}",
    ] {
        let header = format!(r#"{{"alg":"HS256","crit":{crit},"unknown":1}}"#);
        let error = TokenError::CriticalExtension;
        assert_eq!(verdict(&header, payload(&[])), Err(error), "{header}");
    }
    assert_eq!(
        verdict(r#"{"alg":"HS256","Crit":[]}"#, payload(&[])),
        Ok(())
    );
}

#[test]
fn j5_times_are_whole_non_negative_numbers() {
    let cases = [
        ("string", "\"1800000100\""),
        ("float", "1800000100.5"),
        ("float without a fraction", "1800000100.0"),
        ("exponent", "18e8"),
        ("negative", "-1"),
        ("negative zero", "-0"),
        ("2^63", "9223372036854775808"),
        ("2^64", "18446744073709551616"),
        ("null", "null"),
        ("boolean", "true"),
        ("list", "[1800000100]"),
        ("object", "{}"),
    ];
    for (claim, error) in [
        ("exp", TokenError::ExpiryInvalid),
        ("nbf", TokenError::NotBeforeInvalid),
        ("iat", TokenError::IssuedAtInvalid),
    ] {
        for (name, text) in cases {
            let found = verdict(HS256, payload(&[(claim, text)]));
            assert_eq!(found, Err(error), "{claim} {name}");
        }
        let out_of_range = verdict(HS256, payload(&[(claim, "1e400")]));
        assert_eq!(out_of_range, Err(TokenError::BadPayload), "{claim}");
    }
    assert_eq!(
        verdict(HS256, payload(&[("exp", "")])),
        Err(TokenError::ExpiryMissing)
    );
    let optional = payload(&[("nbf", ""), ("iat", "")]);
    assert_eq!(verdict(HS256, optional), Ok(()));
    assert_eq!(verdict(HS256, payload(&[("nbf", "0")])), Ok(()));
}

#[test]
fn j5_fractions_are_cut_off_for_an_issuer_that_writes_them_and_nothing_else_is_taken() {
    let lax = verifier([TokenIssuer {
        fractions: Fractions::CutOff,
        ..app()
    }]);
    let verdict = |claim: &str, text: &str| {
        let token = signed(HS256, payload(&[(claim, text)]));
        lax.verify(&token, NOW).map(|_| ())
    };
    let now = NOW.as_secs();
    let (begins, ends) = (now + LEEWAY, now - LEEWAY);
    for (claim, text, expected) in [
        ("exp", format!("{}.123456", now + 100), Ok(())),
        ("exp", format!("{}.0", now + 100), Ok(())),
        ("exp", format!("{}", now + 100), Ok(())),
        ("exp", "1.8000001e9".to_owned(), Ok(())),
        ("exp", format!("{}.0", ends + 1), Ok(())),
        ("exp", format!("{ends}.999999"), Err(TokenError::Expired)),
        ("nbf", format!("{begins}.999999"), Ok(())),
        (
            "nbf",
            format!("{}.0", begins + 1),
            Err(TokenError::NotYetValid),
        ),
        ("iat", format!("{begins}.999999"), Ok(())),
        (
            "iat",
            format!("{}.0", begins + 1),
            Err(TokenError::IssuedInFuture),
        ),
    ] {
        assert_eq!(verdict(claim, &text), expected, "{claim} {text}");
    }
    for (claim, error) in [
        ("exp", TokenError::ExpiryInvalid),
        ("nbf", TokenError::NotBeforeInvalid),
        ("iat", TokenError::IssuedAtInvalid),
    ] {
        for text in [
            "\"1800000100.5\"",
            "-1",
            "-0",
            "-0.5",
            "9007199254740992.0",
            "1e300",
            "null",
            "true",
            "[1800000100.5]",
        ] {
            assert_eq!(verdict(claim, text), Err(error), "{claim} {text}");
        }
    }
}

#[test]
fn j6_times_are_checked_to_the_second() {
    let now = NOW.as_secs();
    let end_of_life = now - 60 + MAX_LIFETIME;
    let end_without_iat = now + LEEWAY + MAX_LIFETIME;
    for (name, changes, expected) in [
        ("exp one second inside", [("exp", now - LEEWAY + 1)], Ok(())),
        (
            "exp at the edge",
            [("exp", now - LEEWAY)],
            Err(TokenError::Expired),
        ),
        (
            "exp one second past",
            [("exp", now - LEEWAY - 1)],
            Err(TokenError::Expired),
        ),
        ("exp long past", [("exp", 0)], Err(TokenError::Expired)),
        ("nbf one second inside", [("nbf", now + LEEWAY - 1)], Ok(())),
        ("nbf at the edge", [("nbf", now + LEEWAY)], Ok(())),
        (
            "nbf one second ahead",
            [("nbf", now + LEEWAY + 1)],
            Err(TokenError::NotYetValid),
        ),
        ("iat one second inside", [("iat", now + LEEWAY - 1)], Ok(())),
        ("iat at the edge", [("iat", now + LEEWAY)], Ok(())),
        (
            "iat one second ahead",
            [("iat", now + LEEWAY + 1)],
            Err(TokenError::IssuedInFuture),
        ),
        ("life one second inside", [("exp", end_of_life - 1)], Ok(())),
        ("life at the edge", [("exp", end_of_life)], Ok(())),
        (
            "life one second longer",
            [("exp", end_of_life + 1)],
            Err(TokenError::LifetimeTooLong),
        ),
        (
            "life without end",
            [("exp", i64::MAX as u64)],
            Err(TokenError::LifetimeTooLong),
        ),
    ] {
        let [(claim, time)] = changes;
        let found = verdict(HS256, payload(&[(claim, &time.to_string())]));
        assert_eq!(found, expected, "{name}");
    }
    for (name, time, expected) in [
        ("without iat, inside", end_without_iat - 1, Ok(())),
        ("without iat, at the edge", end_without_iat, Ok(())),
        (
            "without iat, longer",
            end_without_iat + 1,
            Err(TokenError::LifetimeTooLong),
        ),
    ] {
        let found = verdict(HS256, payload(&[("iat", ""), ("exp", &time.to_string())]));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn c4_a_remembered_verdict_is_rechecked_against_the_clock() {
    let verifier = verifier([app()]);
    let not_before = (NOW.as_secs() - 10).to_string();
    let token = signed(HS256, payload(&[("nbf", &not_before)]));
    let claims = verifier.verify(&token, NOW).unwrap();
    let end = claims.expires_at().as_secs() + LEEWAY;
    for (now, expected) in [
        (NOW.as_secs(), Ok(())),
        (end - 1, Ok(())),
        (end, Err(TokenError::Expired)),
        (
            NOW.as_secs() - 10 - LEEWAY - 1,
            Err(TokenError::NotYetValid),
        ),
    ] {
        assert_eq!(
            verifier.recheck(&claims, UnixTime::from_secs(now)),
            expected,
            "{now}"
        );
    }
}

#[test]
fn j7_the_issuer_is_compared_exactly() {
    for (name, text, expected) in [
        ("configured", "\"https://app.example.com\"", Ok(())),
        ("absent", "", Err(TokenError::IssuerMissing)),
        ("null", "null", Err(TokenError::IssuerInvalid)),
        (
            "list",
            "[\"https://app.example.com\"]",
            Err(TokenError::IssuerInvalid),
        ),
        ("number", "1", Err(TokenError::IssuerInvalid)),
        ("empty", "\"\"", Err(TokenError::IssuerUnknown)),
        (
            "trailing slash",
            "\"https://app.example.com/\"",
            Err(TokenError::IssuerUnknown),
        ),
        (
            "other case",
            "\"https://App.example.com\"",
            Err(TokenError::IssuerUnknown),
        ),
        (
            "prefix",
            "\"https://app.example.co\"",
            Err(TokenError::IssuerUnknown),
        ),
        (
            "other",
            "\"https://other.example.com\"",
            Err(TokenError::IssuerUnknown),
        ),
    ] {
        assert_eq!(
            verdict(HS256, payload(&[("iss", text)])),
            expected,
            "{name}"
        );
    }
}

#[test]
fn j7_an_entry_without_an_issuer_takes_only_tokens_without_one() {
    let anonymous = verifier([TokenIssuer {
        issuer: None,
        ..app()
    }]);
    let without = signed(HS256, payload(&[("iss", "")]));
    assert!(anonymous.verify(&without, NOW).is_ok());
    let with = signed(HS256, payload(&[]));
    assert_eq!(
        anonymous.verify(&with, NOW).unwrap_err(),
        TokenError::IssuerUnknown
    );

    let both = verifier([
        app(),
        TokenIssuer {
            issuer: None,
            ..app()
        },
    ]);
    assert_eq!(both.verify(&with, NOW).unwrap().issuer(), 0);
    assert_eq!(both.verify(&without, NOW).unwrap().issuer(), 1);
}

#[test]
fn j8_a_configured_audience_is_required() {
    for (name, text, expected) in [
        ("configured", "\"web\"", Ok(())),
        ("in a list", "[\"mobile\",\"web\"]", Ok(())),
        ("absent", "", Err(TokenError::AudienceMissing)),
        ("null", "null", Err(TokenError::AudienceMissing)),
        ("number", "1", Err(TokenError::AudienceInvalid)),
        ("object", "{\"web\":true}", Err(TokenError::AudienceInvalid)),
        ("empty list", "[]", Err(TokenError::AudienceInvalid)),
        ("nested", "[[\"web\"]]", Err(TokenError::AudienceInvalid)),
        (
            "list with a number",
            "[\"web\",1]",
            Err(TokenError::AudienceInvalid),
        ),
        ("other", "\"mobile\"", Err(TokenError::AudienceMismatch)),
        ("other case", "\"Web\"", Err(TokenError::AudienceMismatch)),
        (
            "joined",
            "\"web mobile\"",
            Err(TokenError::AudienceMismatch),
        ),
    ] {
        assert_eq!(
            verdict(HS256, payload(&[("aud", text)])),
            expected,
            "{name}"
        );
    }
}

#[test]
fn j8_an_audience_that_nobody_configured_is_refused() {
    let without = verifier([TokenIssuer {
        audience: vec![],
        ..app()
    }]);
    for (name, text, expected) in [
        ("absent", "", Ok(())),
        ("any", "\"web\"", Err(TokenError::AudienceUnexpected)),
        ("list", "[\"web\"]", Err(TokenError::AudienceUnexpected)),
        ("null", "null", Ok(())),
        ("null in a list", "[null]", Err(TokenError::AudienceInvalid)),
        ("empty list", "[]", Err(TokenError::AudienceInvalid)),
    ] {
        let token = signed(HS256, payload(&[("aud", text)]));
        assert_eq!(without.verify(&token, NOW).map(drop), expected, "{name}");
    }
}

#[test]
fn j9_an_expiry_is_required_of_the_laxest_issuer_too() {
    let lax = verifier([TokenIssuer {
        issuer: None,
        audience: vec![],
        ..app()
    }]);
    let token = |payload: &str| signed(HS256, payload);
    assert_eq!(
        lax.verify(&token("{}"), NOW).unwrap_err(),
        TokenError::ExpiryMissing
    );
    let twin = format!("{{\"exp\":{}}}", NOW.as_secs() + 1);
    assert!(lax.verify(&token(&twin), NOW).is_ok());
}

#[test]
fn j10_a_key_verifies_tokens_of_its_own_issuer_only() {
    const OTHER: &[u8] = b"the secret of another issuer, of 32 bytes and more";
    let other = TokenIssuer {
        name: "other".to_owned(),
        issuer: Some("https://other.example.com".to_owned()),
        keys: secret_keys(OTHER, &[Algorithm::Hs256]),
        ..app()
    };
    let verifier = verifier([app(), other]);
    let as_other = payload(&[("iss", "\"https://other.example.com\"")]);
    let crossed = signed(HS256, &as_other);
    assert_eq!(
        verifier.verify(&crossed, NOW).unwrap_err(),
        TokenError::SignatureInvalid
    );
    let key = EncodingKey::from_secret(OTHER);
    let twin = signed_with(HS256, &as_other, jsonwebtoken::Algorithm::HS256, &key);
    let claims = verifier.verify(&twin, NOW).unwrap();
    assert_eq!((claims.issuer(), claims.issuer_name()), (1, "other"));
    assert_eq!(verifier.wanted_key(&crossed).unwrap().issuer, 1);
}

#[test]
fn j11_a_token_brings_no_key_of_its_own() {
    let jwk =
        jsonwebtoken::jwk::Jwk::from_encoding_key(&p256_key(), jsonwebtoken::Algorithm::ES256);
    let jwk = serde_json::to_string(&jwk.unwrap()).unwrap();
    let url = "\"https://169.254.169.254/keys\"";
    for (name, text) in [
        ("jwk", jwk.as_str()),
        ("jku", url),
        ("x5u", url),
        ("x5c", "[]"),
        ("jwk", "null"),
    ] {
        let header = format!(r#"{{"alg":"HS256","{name}":{text}}}"#);
        assert_eq!(
            verdict(header, payload(&[])),
            Err(TokenError::EmbeddedKey),
            "{name}"
        );
    }
    assert_eq!(
        verdict(r#"{"alg":"HS256","x5t":"AAAA"}"#, payload(&[])),
        Ok(())
    );
    let internal = payload(&[("iss", "\"http://127.0.0.1:8500/v1\"")]);
    assert_eq!(verdict(HS256, &internal), Err(TokenError::IssuerUnknown));
    // Nothing is fetched for either.
    let verifier = verifier([app()]);
    let misleading = signed(format!(r#"{{"alg":"HS256","jku":{url}}}"#), payload(&[]));
    for token in [misleading, signed(HS256, internal)] {
        assert_eq!(verifier.wanted_key(&token), None);
    }
    assert!(verifier.wanted_key(&signed(HS256, payload(&[]))).is_some());
}

#[test]
fn j12_each_part_is_canonical_base64url() {
    let good = signed(HS256, payload(&[]));
    let parts = good.parts();
    assert_eq!(signature_of(&good).len() % 3, 2, "has unused bits");
    let (head, last) = parts.signature.split_at(parts.signature.len() - 1);
    let same_bytes = format!(
        "{}.{head}{}",
        parts.signed,
        char::from(last.as_bytes()[0] + 1)
    );
    let short_header = format!("e.{}.{}", parts.payload, parts.signature);
    let longer = format!("{}A", good.expose());
    for (name, text, error) in [
        (
            "unused bits in the signature",
            same_bytes,
            TokenError::BadEncoding,
        ),
        (
            "header of one character",
            short_header,
            TokenError::BadEncoding,
        ),
        (
            "one character too many",
            longer,
            TokenError::SignatureInvalid,
        ),
    ] {
        let token = BearerToken::parse(&text).unwrap();
        let found = verifier([app()]).verify(&token, NOW).unwrap_err();
        assert_eq!(found, error, "{name}");
    }
    assert!(verifier([app()]).verify(&good, NOW).is_ok());
}

#[test]
fn j13_a_compressed_or_unencoded_payload_is_refused() {
    let header = r#"{"alg":"HS256","zip":"DEF"}"#;
    assert_eq!(verdict(header, payload(&[])), Err(TokenError::Compressed));
    for b64 in ["false", "true"] {
        let header = format!(r#"{{"alg":"HS256","b64":{b64}}}"#);
        assert_eq!(
            verdict(header, payload(&[])),
            Err(TokenError::UnencodedPayload)
        );
    }
}

#[test]
fn j14_only_one_strict_json_object_is_read() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    for (name, text) in [
        ("nested", deep.as_bytes()),
        ("member twice", br#"{"sub":"1","sub":"2"}"#),
        ("member twice, escaped", br#"{"sub":"1","s\u0075b":"2"}"#),
        ("member twice, inside", br#"{"a":{"b":1,"b":2}}"#),
        ("invalid UTF-8", b"{\"sub\":\"\xff\"}"),
        ("lone surrogate", br#"{"sub":"\ud800"}"#),
        ("byte order mark", b"\xef\xbb\xbf{}"),
        ("list", b"[]"),
        ("two values", b"{}{}"),
        ("NUL after it", b"{}\0"),
    ] {
        assert_eq!(
            verdict(HS256, text),
            Err(TokenError::BadPayload),
            "payload {name}"
        );
        assert_eq!(
            verdict(text, payload(&[])),
            Err(TokenError::BadHeader),
            "header {name}"
        );
    }
    let many: Vec<_> = (0..500).map(|n| format!("\"c{n}\":1")).collect();
    let many = payload(&[("many", &format!("{{{}}}", many.join(",")))]);
    assert!(signed(HS256, &many).expose().len() <= MAX_TOKEN_BYTES);
    assert_eq!(verdict(HS256, many), Ok(()));
    // Larger ones are not read at all.
    let deepest = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let most: Vec<_> = (0..1_000_000).map(|n| format!("\"{n}\":1")).collect();
    let most = format!("{{{}}}", most.join(","));
    for (name, payload) in [("10,000 deep", deepest), ("a million claims", most)] {
        let refused = BearerToken::parse(&format!("e30.{}.AAAA", encode(payload)));
        assert_eq!(refused.unwrap_err(), TokenError::TooLong, "{name}");
    }
}

#[test]
fn j15_signatures_have_the_one_form_of_their_algorithm() {
    let es256 = verifier([TokenIssuer {
        algorithms: vec![Algorithm::Es256],
        keys: KeySet::from_pem(fixture!("p256.pem"), &[Algorithm::Es256]).unwrap(),
        ..app()
    }]);
    let header = r#"{"alg":"ES256"}"#;
    let token = signed_with(
        header,
        payload(&[]),
        jsonwebtoken::Algorithm::ES256,
        &p256_key(),
    );
    let good = signature_of(&token);
    let (r, s) = good.split_at(32);
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for (name, signature) in [
        ("DER", der_of(r, s)),
        ("r zero", [&[0; 32], s].concat()),
        ("s zero", [r, &[0; 32]].concat()),
        ("both zero", vec![0; 64]),
        ("r the group order", [&order, s].concat()),
        ("s the group order", [r, &order].concat()),
        ("one byte short", good[..63].to_vec()),
        ("one byte long", [good.as_slice(), &[0]].concat()),
        ("leading zeros", [&[0], r, &[0], s].concat()),
        ("width of P-384", [&[0; 16], r, &[0; 16], s].concat()),
        ("swapped", [s, r].concat()),
        ("5 kB", [good.as_slice(), &[0; 5000]].concat()),
    ] {
        let error = es256
            .verify(&with_signature(&token, &signature), NOW)
            .unwrap_err();
        assert_eq!(error, TokenError::SignatureInvalid, "{name}");
    }
    assert!(es256.verify(&with_signature(&token, &good), NOW).is_ok());
    let parts = token.parts();
    let huge = URL_SAFE_NO_PAD.encode([good.as_slice(), &[0; 20_000]].concat());
    let refused = BearerToken::parse(&format!("{}.{huge}", parts.signed));
    assert_eq!(refused.unwrap_err(), TokenError::TooLong);
}

#[test]
fn j15_an_eddsa_signature_has_no_second_form() {
    let eddsa = verifier([TokenIssuer {
        algorithms: vec![Algorithm::EdDsa],
        keys: KeySet::from_pem(fixture!("ed25519.pem"), &[Algorithm::EdDsa]).unwrap(),
        ..app()
    }]);
    let key = EncodingKey::from_ed_pem(fixture!("ed25519.private.pem")).unwrap();
    let header = r#"{"alg":"EdDSA"}"#;
    let token = signed_with(header, payload(&[]), jsonwebtoken::Algorithm::EdDSA, &key);
    let good = signature_of(&token);
    let (r, s) = good.split_at(32);
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    for (name, signature) in [
        (
            "s plus the group order",
            [r, &little_endian_sum(s, &order)].concat(),
        ),
        ("s zero", [r, &[0; 32]].concat()),
        ("one byte long", [good.as_slice(), &[0]].concat()),
        ("one byte short", good[..63].to_vec()),
    ] {
        let error = eddsa
            .verify(&with_signature(&token, &signature), NOW)
            .unwrap_err();
        assert_eq!(error, TokenError::SignatureInvalid, "{name}");
    }
    assert!(eddsa.verify(&token, NOW).is_ok());
}

#[test]
fn j15_an_rsa_signature_fits_its_padding_hash_and_width() {
    use jsonwebtoken::Algorithm as Theirs;
    let algorithms = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Ps256,
        Algorithm::Ps384,
    ];
    let keys = KeySet::from_pem(fixture!("rsa-2048.pem"), &algorithms).unwrap();
    let verifier = verifier([TokenIssuer {
        algorithms: algorithms.to_vec(),
        keys,
        ..app()
    }]);
    for (says, signed_as) in [
        ("RS256", Theirs::RS384),
        ("RS256", Theirs::PS256),
        ("PS256", Theirs::RS256),
        ("PS256", Theirs::PS384),
    ] {
        let header = format!(r#"{{"alg":"{says}"}}"#);
        let token = signed_with(header, payload(&[]), signed_as, &rsa_key());
        let error = verifier.verify(&token, NOW).unwrap_err();
        assert_eq!(error, TokenError::SignatureInvalid, "{says} {signed_as:?}");
    }
    let token = signed_with(RS256, payload(&[]), Theirs::RS256, &rsa_key());
    let good = signature_of(&token);
    for signature in [
        [&[0], good.as_slice()].concat(),
        good[1..].to_vec(),
        vec![0; 256],
        vec![0xff; 256],
    ] {
        let error = verifier
            .verify(&with_signature(&token, &signature), NOW)
            .unwrap_err();
        assert_eq!(error, TokenError::SignatureInvalid);
    }
    assert!(verifier.verify(&token, NOW).is_ok());
}

#[test]
fn j15_a_mac_is_compared_in_full() {
    let token = signed(HS256, payload(&[]));
    let good = signature_of(&token);
    for length in [1, 16, 31] {
        let cut = with_signature(&token, &good[..length]);
        let error = verifier([app()]).verify(&cut, NOW).unwrap_err();
        assert_eq!(error, TokenError::SignatureInvalid, "{length}");
    }
    let long = with_signature(&token, &[good.as_slice(), &[0]].concat());
    let error = verifier([app()]).verify(&long, NOW).unwrap_err();
    assert_eq!(error, TokenError::SignatureInvalid);
}

#[test]
fn j16_a_subject_is_passed_on_as_it_was_signed() {
    for (text, expected) in [
        ("9007199254740993", json!(9_007_199_254_740_993_u64)),
        ("\"9007199254740993\"", json!("9007199254740993")),
        ("1.0", json!(1.0)),
        ("true", json!(true)),
        ("\" \"", json!(" ")),
        ("{}", json!({})),
    ] {
        let token = signed(HS256, payload(&[("sub", text)]));
        let claims = verifier([app()]).verify(&token, NOW).unwrap();
        assert_eq!(claims.claims()["sub"], expected, "{text}");
        assert_eq!(claims.claims()["sub"].is_f64(), text == "1.0", "{text}");
    }
}

#[test]
fn j18_a_key_id_only_looks_a_key_up() {
    let long = format!("\"{}\"", "k".repeat(257));
    for (name, text, expected) in [
        ("a path", "\"../../dev/null\"", Ok(())),
        ("SQL", "\"' or 1=1 --\"", Ok(())),
        ("empty", "\"\"", Err(TokenError::KeyIdInvalid)),
        ("too long", long.as_str(), Err(TokenError::KeyIdInvalid)),
        ("number", "1", Err(TokenError::KeyIdInvalid)),
        ("null", "null", Err(TokenError::KeyIdInvalid)),
        ("object", "{}", Err(TokenError::KeyIdInvalid)),
    ] {
        let header = format!(r#"{{"alg":"HS256","kid":{text}}}"#);
        assert_eq!(verdict(header, payload(&[])), expected, "{name}");
    }
}

#[test]
fn j18_the_key_id_chooses_among_the_keys_of_a_set() {
    use jsonwebtoken::Algorithm::RS256 as THEIRS;
    let other_key = EncodingKey::from_rsa_pem(fixture!("rsa-2048-other.private.pem")).unwrap();
    let jwk = |key: &EncodingKey, id: &str| {
        let mut jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(key, THEIRS).unwrap();
        jwk.common.key_id = Some(id.to_owned());
        jwk
    };
    let set = json!({ "keys": [jwk(&rsa_key(), "1"), jwk(&other_key, "2")] }).to_string();
    let (keys, _) = KeySet::from_jwks(set.as_bytes(), &[Algorithm::Rs256]).unwrap();
    let verifier = verifier([TokenIssuer { keys, ..rsa_app() }]);
    for (name, header, expected) in [
        ("its own id", r#"{"alg":"RS256","kid":"1"}"#, Ok(())),
        (
            "the other's id",
            r#"{"alg":"RS256","kid":"2"}"#,
            Err(TokenError::SignatureInvalid),
        ),
        (
            "no such id",
            r#"{"alg":"RS256","kid":"3"}"#,
            Err(TokenError::KeyUnknown),
        ),
        ("no id", r#"{"alg":"RS256"}"#, Err(TokenError::KeyAmbiguous)),
    ] {
        let token = signed_with(header, payload(&[]), THEIRS, &rsa_key());
        assert_eq!(verifier.verify(&token, NOW).map(drop), expected, "{name}");
    }
}

#[test]
fn j20_neither_errors_nor_debug_show_a_claim() {
    let token = signed(
        HS256,
        payload(&[("sub", "\"alice@example.com\""), ("aud", "\"web\"")]),
    );
    let verifier = verifier([app()]);
    let claims = verifier.verify(&token, NOW).unwrap();
    let late = UnixTime::from_secs(NOW.as_secs() * 2);
    let error = verifier.verify(&token, late).unwrap_err();
    let text = format!("{claims:?} {error} {error:?} {token:?} {verifier:?}");
    let secret = std::str::from_utf8(SECRET).unwrap();
    for hidden in [
        "alice",
        secret,
        token.parts().payload,
        token.parts().signature,
    ] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    assert!(text.contains("issuer_name: \"app\""));
}

#[test]
fn a_token_of_another_kind_is_no_session() {
    for typ in [
        "logout+jwt",
        "application/logout+JWT",
        "dpop+jwt",
        "secevent+jwt",
    ] {
        let header = format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#);
        assert_eq!(
            verdict(header, payload(&[])),
            Err(TokenError::OtherKind),
            "{typ}"
        );
    }
    assert_eq!(
        verdict(r#"{"alg":"HS256","typ":1}"#, payload(&[])),
        Err(TokenError::BadHeader)
    );
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt", "session"] {
        let header = format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#);
        assert_eq!(verdict(header, payload(&[])), Ok(()), "{typ}");
    }
}

#[test]
fn keys_can_come_late_and_be_replaced() {
    let pending = verifier([TokenIssuer {
        keys: KeySet::unavailable(),
        ..app()
    }]);
    let token = signed(HS256, payload(&[]));
    assert_eq!(
        pending.verify(&token, NOW).unwrap_err(),
        TokenError::KeysUnavailable
    );
    let loaded = pending.with_keys(0, secret_keys(SECRET, &[Algorithm::Hs256]));
    assert!(loaded.verify(&token, NOW).is_ok());
    let rotated = loaded.with_keys(0, secret_keys(&[b'x'; 32], &[Algorithm::Hs256]));
    assert_eq!(
        rotated.verify(&token, NOW).unwrap_err(),
        TokenError::SignatureInvalid
    );
    assert!(
        loaded
            .with_keys(7, KeySet::unavailable())
            .verify(&token, NOW)
            .is_ok()
    );
}

#[test]
fn issuers_that_could_be_confused_are_refused() {
    let named = |name: &str, issuer: Option<&str>| TokenIssuer {
        name: name.to_owned(),
        issuer: issuer.map(str::to_owned),
        ..app()
    };
    let same = || VerifierError::SameIssuer {
        first: "a".to_owned(),
        second: "c".to_owned(),
    };
    let name = || "a".to_owned();
    for (case, issuers, error) in [
        ("none", vec![], VerifierError::NoIssuer),
        (
            "same iss",
            vec![
                named("a", Some("x")),
                named("b", Some("y")),
                named("c", Some("x")),
            ],
            same(),
        ),
        (
            "two without",
            vec![named("a", None), named("b", Some("y")), named("c", None)],
            same(),
        ),
        (
            "empty iss",
            vec![named("a", Some(""))],
            VerifierError::Empty { name: name() },
        ),
        (
            "empty aud",
            vec![TokenIssuer {
                audience: vec![String::new()],
                ..named("a", None)
            }],
            VerifierError::Empty { name: name() },
        ),
        (
            "no algorithm",
            vec![TokenIssuer {
                algorithms: vec![],
                ..named("a", None)
            }],
            VerifierError::NoAlgorithm { name: name() },
        ),
    ] {
        let found = Verifier::new(issuers, Duration::ZERO, Duration::ZERO).unwrap_err();
        assert_eq!(found, error, "{case}");
    }
}

proptest! {
    #[test]
    fn any_header_and_payload_are_answered(header: Vec<u8>, payload in any::<Vec<u8>>()) {
        prop_assume!(!header.is_empty() && !payload.is_empty());
        let _ = verifier([app()]).verify(&signed(&header, &payload), NOW);
        let _ = verifier([app()]).verify(&signed(HS256, &payload), NOW);
    }

    #[test]
    fn any_times_are_answered(exp: u64, iat: u64, nbf: u64, now: u64) {
        let texts = [exp, iat, nbf].map(|time| time.to_string());
        let payload = payload(&[("exp", &texts[0]), ("iat", &texts[1]), ("nbf", &texts[2])]);
        let _ = verifier([app()]).verify(&signed(HS256, payload), UnixTime::from_secs(now));
    }

    #[test]
    fn no_text_but_the_signed_one_verifies(at: prop::sample::Index, with in "[A-Za-z0-9_.-]") {
        let token = signed(HS256, payload(&[]));
        let mut text = token.expose().to_owned();
        let at = at.index(text.len());
        text.replace_range(at..=at, &with);
        prop_assume!(text != token.expose());
        if let Ok(changed) = BearerToken::parse(&text) {
            prop_assert!(verifier([app()]).verify(&changed, NOW).is_err());
        }
    }

    #[test]
    fn any_key_set_is_answered(json: Vec<u8>, n in "[A-Za-z0-9_-]{0,400}", e in "[A-Za-z0-9_-]{0,8}") {
        let _ = KeySet::from_jwks(&json, &[Algorithm::Rs256]);
        let _ = KeySet::from_pem(&json, &[Algorithm::Rs256]);
        let key = json!({ "keys": [{ "kty": "RSA", "n": n, "e": e }] }).to_string();
        let _ = KeySet::from_jwks(key.as_bytes(), &[Algorithm::Rs256]);
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn der_of(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let sign = if bytes[0] & 0x80 == 0 { &[][..] } else { &[0] };
        let length = u8::try_from(sign.len() + bytes.len()).unwrap();
        [&[2, length], sign, bytes].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
}

fn little_endian_sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let add = |(a, b): (&u8, &u8)| {
        let sum = u16::from(*a) + u16::from(*b) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    };
    a.iter().zip(b).map(add).collect()
}
