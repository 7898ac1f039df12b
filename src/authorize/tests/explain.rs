//! What is told of a request whose claims are only presumed. That an explanation ends like the decision is asserted for every
//! case that [`Request::judge`] judges.

use super::super::explain::Explanation;
use super::site::*;
use super::*;
use crate::policy::Difference;
use crate::state::revocation::Revocations;

fn shown(found: &Explanation<'_>) -> String {
    match &found.refusal {
        Some(refusal) => refused(&refusal.rejection),
        None => found
            .user_id
            .map_or("nobody".to_owned(), |user| user.to_string()),
    }
}

#[test]
fn presumed_claims_are_asked_all_that_a_token_s_are_and_nothing_is_issued() {
    let site = site(|_| ());
    let with = |name: &str, value: Value| {
        let mut claims = claims(ISSUER_A, "42");
        claims[name] = value;
        claims
    };
    let without_expiry = {
        let mut claims = claims(ISSUER_A, "42");
        claims.as_object_mut().unwrap().remove("exp");
        claims
    };
    for (case, claims, expected) in [
        ("good", claims(ISSUER_A, "42"), "a_42"),
        (
            "of the other issuer",
            with("iss", json!(ISSUER_B)),
            "access_denied",
        ),
        (
            "of nobody",
            with("iss", json!("https://x")),
            "token_invalid (issuer_unknown)",
        ),
        ("no exp", without_expiry, "token_invalid (expiry_missing)"),
        (
            "expired",
            with("exp", json!(NOW.as_secs() - LEEWAY)),
            "token_expired",
        ),
        (
            "within the leeway",
            with("exp", json!(NOW.as_secs() - LEEWAY + 1)),
            "a_42",
        ),
        (
            "too early",
            with("nbf", json!(NOW.as_secs() + LEEWAY + 1)),
            "token_invalid (not_yet_valid)",
        ),
        (
            "an audience",
            with("aud", json!("x")),
            "token_invalid (audience_unexpected)",
        ),
        (
            "a number",
            with("sub", json!(42)),
            "user_not_mapped (claim_type)",
        ),
    ] {
        // The token itself proves nothing, and need not.
        let request = get("/me").bearer("e30.e30.e30");
        assert_eq!(
            shown(&request.presume(&site, claims.clone())),
            expected,
            "{case}"
        );
        let signed = get("/me").bearer(sign(SECRET_A, &claims));
        if claims["iss"] == ISSUER_A {
            assert_eq!(shown(&signed.explain(&site, NOW)), expected, "{case}");
        }
    }
    let found = get("/me")
        .bearer("e30.e30.e30")
        .presume(&site, claims(ISSUER_A, "42"));
    let prospect = found.prospect.unwrap();
    assert_eq!(
        Duration::from_secs(prospect.lifetime.as_secs().into()),
        LIFETIME
    );
    assert_eq!((prospect.issued_at, prospect.promise), (NOW, MIN_REMAINING));
    assert!(found.session.unwrap().proof().is_none());
    assert_eq!(site.cached_users(), 0);
}

#[test]
fn claims_are_not_looked_at_where_a_token_is_not() {
    let site = site(|_| ());
    let claims = || claims(ISSUER_A, "42");
    for (case, request, expected) in [
        ("no token in the request", get("/me"), "token_missing"),
        (
            "two tokens",
            get("/me").bearer("e30.e30.e30").cookie("e30.e30.e31"),
            "token_conflict",
        ),
        ("public", get("/public").bearer("e30.e30.e30"), "nobody"),
        (
            "denied",
            get("/secret").bearer("e30.e30.e30"),
            "route_not_found",
        ),
        // With a token it is no preflight.
        (
            "OPTIONS",
            preflight("/any/x", "POST").bearer("e30.e30.e30"),
            "a_42",
        ),
        ("preflight", preflight("/any/x", "POST"), "nobody"),
    ] {
        assert_eq!(shown(&request.presume(&site, claims())), expected, "{case}");
    }
}

#[test]
fn who_is_revoked_by_name_is_found_out_without_a_token_too() {
    let site = site(|_| ());
    let token = a("42");
    let permit = get("/me").bearer(&token).ask(&site, NOW).unwrap();
    let Caller::User(user) = permit.caller else {
        panic!("nobody");
    };
    let presume = || {
        get("/me")
            .bearer("e30.e30.e30")
            .presume(&site, claims(ISSUER_A, "42"))
    };
    assert_eq!(shown(&presume()), "a_42");
    let list = format!("user a {}\n", user.user_id);
    let list = Revocations::parse(list.as_bytes(), &["a", "b"]).unwrap();
    site.state.revoke(Arc::new(list), NOW);
    assert_eq!(shown(&presume()), "token_invalid (subject_revoked)");
}

#[test]
fn the_routes_that_match_and_the_one_that_comes_nearest_are_told() {
    let site = site(|_| ());
    let found = get("/any/x").explain(&site, NOW);
    let names: Vec<_> = found.matching.iter().map(|route| &*route.name).collect();
    assert_eq!(names, ["/any/{*rest}"]);
    assert!(found.nearest.is_none());
    let found = get("/me/").explain(&site, NOW);
    assert!(found.matching.is_empty());
    let near = found.nearest.unwrap();
    assert_eq!(
        (&*near.route.name, near.difference),
        ("/me", Difference::TrailingSlash)
    );
    let ours = get("/_chat/x").explain(&site, NOW);
    assert!(ours.is_ours && ours.nearest.is_none());
}
