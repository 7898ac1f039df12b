//! What is remembered of a token, and what is asked again each time.

use super::site::*;
use super::*;
use crate::authorize::memory::TokenDigest;
use crate::state::revocation::Revocations;
use crate::token::keys::KeySet;

/// Whether the token of a permitted request was known.
fn was_known(token: &str, site: &Authorizer, now: UnixTime) -> bool {
    match get("/me").bearer(token).ask(site, now).unwrap().caller {
        Caller::User(user) => user.remembered,
        Caller::Anonymous => panic!("nobody's request"),
    }
}

fn refusal(token: &str, site: &Authorizer, now: UnixTime) -> String {
    get("/me").bearer(token).judge(site, now)
}

fn later(seconds: u64) -> UnixTime {
    UnixTime::from_secs(NOW.as_secs() + seconds)
}

#[test]
fn a_token_is_verified_once_and_stays_the_same_users() {
    let site = site(|_| ());
    let (token, other) = (a("42"), a("43"));
    assert!(!was_known(&token, &site, NOW));
    assert!(was_known(&token, &site, later(5)));
    assert!(!was_known(&other, &site, NOW));
    assert_eq!(refusal(&token, &site, NOW), "/me: a_42 to app +headers");
    assert_eq!(refusal(&other, &site, NOW), "/me: a_43 to app +headers");
    assert_eq!(site.remembered_tokens().0, 2);
}

#[test]
fn c4_a_known_token_still_expires_and_may_not_be_used_before_its_time() {
    let site = site(|_| ());
    let mut claims = claims(ISSUER_A, "42");
    claims["nbf"] = json!(NOW.as_secs());
    let token = sign(SECRET_A, &claims);
    assert!(!was_known(&token, &site, NOW));
    let last = later(600 + LEEWAY - 1);
    assert!(was_known(&token, &site, last));
    let expired = "/me: token_expired";
    assert_eq!(refusal(&token, &site, later(600 + LEEWAY)), expired);
    // A clock that was set back.
    let early = UnixTime::from_secs(NOW.as_secs() - LEEWAY - 1);
    let invalid = refusal(&token, &site, early);
    assert_eq!(invalid, "/me: token_invalid (not_yet_valid)");
    assert!(was_known(&token, &site, NOW));
}

#[test]
fn c4_a_known_token_is_refused_once_it_is_logged_out_or_revoked() {
    let site = site(|_| ());
    let (ended, revoked, other) = (a("42"), a("43"), a("44"));
    for token in [&ended, &revoked, &other] {
        assert!(!was_known(token, &site, NOW));
        assert!(was_known(token, &site, NOW));
    }
    let session = BearerToken::parse(&ended).unwrap();
    let judged = site.verify(&session, NOW).unwrap();
    let user_id = site.user_id_of(&judged).unwrap();
    let session = Session::new(&session, judged.verified(), &user_id);
    site.state.log_out(&session, NOW);
    let list = Revocations::parse(b"user a a_43\n", &["a", "b"]).unwrap();
    site.state.revoke(Arc::new(list), NOW);
    let reasons = [&ended, &revoked].map(|token| refusal(token, &site, NOW));
    assert_eq!(
        reasons,
        [
            "/me: token_invalid (logged_out)",
            "/me: token_invalid (subject_revoked)"
        ]
    );
    assert!(was_known(&other, &site, NOW));
}

#[test]
fn c4_other_keys_let_every_token_be_verified_anew_and_the_same_keys_none() {
    let site = site(|_| ());
    let token = a("42");
    let keys = |secret| token_issuer("a", ISSUER_A, secret).keys;
    assert!(!was_known(&token, &site, NOW));
    site.replace_keys(0, &keys(SECRET_A));
    assert!(was_known(&token, &site, NOW));
    site.replace_keys(0, &keys(SECRET_B));
    let invalid = "/me: token_invalid (signature_invalid)";
    assert_eq!(refusal(&token, &site, NOW), invalid);
    site.replace_keys(0, &KeySet::unavailable());
    let away = refusal(&token, &site, NOW);
    assert!(away.starts_with("/me: keys_unavailable"), "{away}");
    site.replace_keys(0, &keys(SECRET_A));
    assert!(!was_known(&token, &site, NOW));
    assert!(was_known(&token, &site, NOW));
}

#[test]
fn the_key_under_another_id_is_another_key() {
    let set = |id: &str| {
        let json = format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{id}","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}]}}"#
        );
        let (keys, _) = KeySet::from_jwks(json.as_bytes(), &[Algorithm::EdDsa]).unwrap();
        keys
    };
    let verifier = |keys| settings(|_| ()).verifier.with_keys(0, keys);
    let one = verifier(set("one"));
    assert_eq!(one.with_keys(0, set("one")).version(), one.version());
    assert_ne!(one.with_keys(0, set("two")).version(), one.version());
}

#[test]
fn c4_a_successor_judges_every_token_by_its_own_rules() {
    let site = site(|_| ());
    let token = b("42", "access");
    assert!(!was_known(&token, &site, NOW));
    let stricter = site.succeeded_by(settings(|settings| {
        settings.claim_rules[1] = claim_rules("b_", &[("/type", "session")]);
    }));
    assert_eq!(refusal(&token, &stricter, NOW), "/me: access_denied");
    let renaming = site.succeeded_by(settings(|settings| {
        settings.claim_rules[1] = claim_rules("c_", &[("/type", "access")]);
    }));
    assert_eq!(refusal(&token, &renaming, NOW), "/me: c_42 to app +headers");
    // A request that the old one judges yet.
    assert_eq!(refusal(&token, &site, NOW), "/me: b_42 to app +headers");
    assert_eq!(refusal(&token, &renaming, NOW), "/me: c_42 to app +headers");
}

#[test]
fn c5_only_the_whole_token_is_known_and_only_if_it_was_good() {
    let site = site(|_| ());
    let token = a("42");
    assert!(!was_known(&token, &site, NOW));
    for bad in [resigned(&token), tampered(), expired(), b("42", "refresh")] {
        let first = refusal(&bad, &site, NOW);
        assert!(!first.contains(" to "), "{first}");
        assert_eq!(refusal(&bad, &site, NOW), first);
    }
    assert_eq!(site.remembered_tokens().0, 1);
}

#[test]
fn c5_the_memory_is_bounded_in_bytes_whatever_tokens_say() {
    let bytes = 256 << 10;
    let site = site(|settings| settings.token_memory = bytes);
    let long = "j".repeat(1000);
    let tokens: Vec<_> = (0..3000)
        .map(|number| {
            let mut claims = claims(ISSUER_A, &number.to_string());
            claims["jti"] = json!(if number % 2 == 0 { long.as_str() } else { "" });
            sign(SECRET_A, &claims)
        })
        .collect();
    for token in &tokens {
        assert!(!was_known(token, &site, NOW));
    }
    let (count, used) = site.remembered_tokens();
    assert!((bytes / 2..=bytes).contains(&used), "{used}");
    assert_eq!(count as u64 + site.forgotten_tokens(), 3000);
    assert!(was_known(&tokens[2999], &site, NOW));
    assert!(!was_known(&tokens[0], &site, NOW));
    // Of one token again and again, only one is there.
    for _ in 0..1000 {
        was_known(&tokens[0], &site, NOW);
        site.replace_keys(0, &token_issuer("a", ISSUER_A, SECRET_B).keys);
        site.replace_keys(0, &token_issuer("a", ISSUER_A, SECRET_A).keys);
    }
    let (_, after) = site.remembered_tokens();
    assert!((bytes / 2..=bytes).contains(&after), "{after}");
}

/// The table looks at the first bytes of a digest alone, so a test can choose what meets there; an entry is the whole digest's.
#[test]
fn c3_tokens_that_meet_in_a_short_hash_are_told_apart() {
    let site = site(|_| ());
    let (alice, bob) = (a("42"), a("43"));
    let [known_as_alice, known_as_bob] = [&alice, &bob].map(|token| {
        assert!(!was_known(token, &site, NOW));
        let digest = TokenDigest::of(&BearerToken::parse(token).unwrap());
        let edition = Edition {
            authorizer: site.number,
            verifier: site.verifier.load().version(),
        };
        (site.memory.find(&digest, edition).unwrap(), edition)
    });
    let ((alice, edition), (bob, _)) = (known_as_alice, known_as_bob);
    for index in 0..32 {
        let memory = TokenMemory::new(1 << 20);
        let whole = [7; 32];
        let mut other = whole;
        other[index] ^= 0x40;
        let [whole, other] = [whole, other].map(TokenDigest::from_bytes);
        let user = |digest| memory.find(digest, edition).map(|known| known.user_id);
        memory.insert(whole, alice.clone());
        assert_eq!((user(&whole), user(&other)), (Some(alice.user_id), None));
        memory.insert(other, bob.clone());
        let both = (Some(alice.user_id), Some(bob.user_id));
        assert_eq!((user(&whole), user(&other)), both, "{index}");
    }
}

#[test]
fn without_a_memory_every_token_is_verified() {
    let site = site(|settings| settings.token_memory = 0);
    let token = a("42");
    for _ in 0..2 {
        assert!(!was_known(&token, &site, NOW));
    }
    assert_eq!(site.remembered_tokens(), (0, 0));
}
