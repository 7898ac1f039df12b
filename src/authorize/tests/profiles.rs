//! When Chat is to be told nickname and avatar of a user.

use super::super::*;
use super::site::*;
use serde_json::json;

fn places() -> ProfileClaims {
    ProfileClaims {
        nick: Some(JsonPointer::parse("/name").unwrap()),
        avatar: Some(JsonPointer::parse("/picture").unwrap()),
    }
}

fn importing() -> Authorizer {
    site(|settings| settings.profile = Some(places()))
}

fn named(subject: &str, nick: &str) -> String {
    let claims = json!({ "iss": ISSUER_A, "sub": subject, "exp": LATER, "name": nick });
    sign(SECRET_A, &claims)
}

/// What Chat is to know after a request, as the body of its call.
fn told(request: &Request, site: &Authorizer, now: UnixTime) -> Option<String> {
    let Caller::User(user) = request.ask(site, now).unwrap().caller else {
        panic!("nobody");
    };
    let profile = user.profile?;
    assert_eq!(profile.user_id(), &user.user_id);
    assert_eq!(profile.sdk_app_id(), user.login.unwrap().sdk_app_id);
    Some(profile.body())
}

fn ann() -> Option<String> {
    Some(r#"{"Nick":"Ann","UserID":"a_42"}"#.to_owned())
}

#[test]
fn a_profile_comes_with_a_usersig_that_was_issued_and_with_no_cached_one() {
    let site = importing();
    let request = |nick: &str| get("/me").bearer(named("42", nick));
    assert_eq!(told(&request("Ann"), &site, NOW), ann());
    for nick in ["Ann", "Anna"] {
        assert_eq!(told(&request(nick), &site, NOW), None, "cached: {nick}");
    }
    // Without a UserSig there is no news; the next request is of a token that is known.
    let other = || named("43", "Ben");
    assert_eq!(told(&get("/plain").bearer(other()), &site, NOW), None);
    let known = told(&get("/me").bearer(other()), &site, NOW);
    assert_eq!(known.unwrap(), r#"{"Nick":"Ben","UserID":"a_43"}"#);
}

#[test]
fn a_usersig_in_place_of_another_brings_the_profile_as_it_is_by_then() {
    let site = importing();
    let request = |method: &str| send(method, "/_chat/usersig").bearer(named("42", "Anna"));
    told(&get("/me").bearer(named("42", "Ann")), &site, NOW);
    let renewed = told(&request("POST"), &site, NOW).unwrap();
    assert_eq!(renewed, r#"{"Nick":"Anna","UserID":"a_42"}"#);
    assert_eq!(told(&request("GET"), &site, NOW), None);
    let next = site.succeeded_by(settings(|settings| {
        settings.profile = Some(places());
        settings.issuer = issuer_with("other", LIFETIME);
    }));
    assert!(told(&request("GET"), &next, NOW).is_some(), "another key");
}

#[test]
fn the_token_of_an_apps_answer_brings_a_profile_too() {
    let token = BearerToken::parse(&named("42", "Ann")).unwrap();
    let site = importing();
    let profile = |site: &Authorizer| site.log_in(&token, NOW).unwrap().profile;
    assert_eq!(profile(&site).map(|profile| profile.body()), ann());
    assert_eq!(profile(&site), None);
}

#[test]
fn without_settings_or_claims_there_is_no_profile() {
    let request = get("/me").bearer(named("42", "Ann"));
    assert_eq!(told(&request, &site(|_| ()), NOW), None);
    assert_eq!(told(&get("/me").bearer(a("42")), &importing(), NOW), None);
}
