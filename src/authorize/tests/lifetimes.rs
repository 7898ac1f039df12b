//! How long what is handed out lives, and what ends it before.

use super::super::*;
use super::site::*;
use crate::token::keys::KeySet;
use crate::usersig::SecretKey;
use crate::usersig::decode::Decoded;

fn capped() -> Authorizer {
    site(|settings| settings.cap_to_session = true)
}

fn later(seconds: u64) -> UnixTime {
    NOW.saturating_add(Duration::from_secs(seconds))
}

fn endpoint(token: &str) -> Request {
    get("/_chat/usersig").bearer(token)
}

#[test]
fn a_capped_login_ends_with_the_session_and_says_when_to_ask_again() {
    let (site, token) = (capped(), a_for("42", 600));
    for (seconds, refresh) in [(0, 300), (300, 450), (598, 599), (599, 599)] {
        let login = endpoint(&token).login_at(&site, later(seconds));
        assert_eq!(login.issued.issued_at, NOW, "{seconds}");
        assert_eq!(login.issued.expires_at, later(600), "{seconds}");
        assert_eq!(login.refresh_after, later(refresh), "{seconds}");
    }
    // The twin: without a cap the same session gets what every session gets.
    let login = endpoint(&token).login_at(&self::site(|_| ()), NOW);
    assert_eq!(login.issued.expires_at, NOW.saturating_add(LIFETIME));
}

#[test]
fn a_renewed_session_gets_a_longer_usersig_where_the_old_one_keeps_its_own() {
    let site = capped();
    let (old, new) = (a_for("42", 600), a_for("42", 4000));
    let first = endpoint(&old).login_at(&site, NOW).issued;
    let second = endpoint(&new).login_at(&site, later(300)).issued;
    assert_eq!(second.expires_at, later(4000));
    assert_eq!(endpoint(&old).login_at(&site, later(301)).issued, first);
    assert_eq!(endpoint(&new).login_at(&site, later(301)).issued, second);
    let elsewhere = BearerToken::parse(&new).unwrap();
    let user = site.log_in(&elsewhere, later(302)).unwrap();
    assert_eq!(user.login.unwrap().issued, second);
}

#[test]
fn a_session_in_its_leeway_gets_no_capped_usersig_and_loses_no_renewal() {
    let (capped, uncapped) = (capped(), site(|_| ()));
    let token = a_for("42", 600);
    let expired = "usersig_endpoint: token_expired";
    let good = "usersig_endpoint: a_42 to endpoint";
    let renewal = || send("POST", "/_chat/usersig").bearer(&token);
    for seconds in [600, 629] {
        let now = later(seconds);
        assert_eq!(endpoint(&token).judge(&capped, now), expired);
        assert_eq!(renewal().judge(&capped, now), expired);
        assert_eq!(endpoint(&token).judge(&uncapped, now), good);
        let plain = get("/plain").bearer(&token).judge(&capped, now);
        assert_eq!(plain, "/plain: a_42 to app");
    }
    assert_eq!(capped.cached_users(), 0);
    let renewed = send("POST", "/_chat/usersig").bearer(a_for("42", 900));
    let answer = renewed.judge(&capped, later(629));
    assert_eq!(answer, "usersig_endpoint: a_42 to renewal");
    assert_eq!(endpoint(&token).judge(&self::capped(), later(599)), good);
}

fn signed_by(key: &str, login: &Login) -> bool {
    let key = format!("{key}-key-of-nobody-and-of-no-app-at-all");
    let decoded = Decoded::parse(login.issued.user_sig.expose()).unwrap();
    decoded.is_signed_by(&SecretKey::parse(&key).unwrap())
}

#[test]
fn a_successor_keeps_every_usersig_where_nothing_of_it_changed() {
    let site = site(|_| ());
    let (token, other) = (a("42"), a("43"));
    let first = endpoint(&token).login(&site).issued;
    let next = site.succeeded_by(settings(|settings| settings.endpoint = None));
    assert_eq!(endpoint(&token).judge(&next, NOW), "route_not_found");
    let again = get("/me").bearer(&token).login_at(&next, later(5));
    assert_eq!((again.issued, again.lookup), (first, Lookup::Hit));
    // What was logged out stays so, and the old one's answers still count.
    let session = endpoint(&other).login(&site).issued;
    let same = get("/me").bearer(&other).login_at(&next, later(5));
    assert_eq!((same.issued, same.lookup), (session, Lookup::Hit));
    assert_eq!(next.cached_users(), 2);
}

#[test]
fn c4_a_successor_with_other_lives_starts_with_an_empty_cache() {
    type Change = fn(&mut Settings);
    let changes: [(&str, Change); 5] = [
        ("lifetime", |settings| {
            settings.issuer = issuer_with("the", 2 * MIN_REMAINING);
        }),
        ("min_remaining", |settings| {
            settings.min_remaining = 2 * MIN_REMAINING;
        }),
        ("cap", |settings| settings.cap_to_session = true),
        ("capacity", |settings| {
            settings.cache_capacity = NonZeroUsize::MIN;
        }),
        ("app", |settings| {
            let key = "the-key-of-nobody-and-of-no-app-at-all";
            settings.issuer = Issuer::new(
                SdkAppId::new(1_400_000_001).unwrap(),
                SecretKey::parse(key).unwrap(),
                settings.issuer.lifetime(),
            );
        }),
    ];
    for (name, change) in changes {
        let site = site(|_| ());
        endpoint(&a("42")).login(&site);
        let next = site.succeeded_by(settings(change));
        assert_eq!(next.cached_users(), 0, "{name}");
        let login = endpoint(&a("42")).login(&next);
        assert_eq!(login.lookup, Lookup::Issued { evicted: false }, "{name}");
        assert_eq!(site.cached_users(), 1, "{name}");
    }
}

#[test]
fn c4_c7_another_key_supersedes_and_old_requests_put_nothing_back() {
    let site = site(|_| ());
    let token = a("42");
    let of_old = endpoint(&token).login(&site);
    let with =
        |key: &'static str| settings(move |settings| settings.issuer = issuer_with(key, LIFETIME));
    let next = site.succeeded_by(with("next"));
    let of_next = endpoint(&token).login(&next);
    assert_eq!(of_next.lookup, Lookup::Superseded);
    assert!(signed_by("the", &of_old) && signed_by("next", &of_next));
    // A request that the old one judges yet.
    let late = endpoint(&token).login(&site);
    assert_eq!((late.lookup, signed_by("the", &late)), (Lookup::Late, true));
    let again = endpoint(&token).login(&next);
    assert_eq!((again.issued, again.lookup), (of_next.issued, Lookup::Hit));
    // One for a user who was not there yet: it goes at the next look-up.
    endpoint(&a("43")).login(&site);
    let other = endpoint(&a("43")).login(&next);
    assert_eq!(other.lookup, Lookup::Superseded);
    assert!(signed_by("next", &other));
    // Back to the key before: that counts as another key again.
    let back = next.succeeded_by(with("the"));
    let of_back = endpoint(&token).login_at(&back, later(1));
    assert_eq!(of_back.lookup, Lookup::Superseded);
    assert!(signed_by("the", &of_back));
    assert_eq!(endpoint(&token).login(&next).lookup, Lookup::Late);
}

#[test]
fn a_logout_counts_for_the_successor_too() {
    let site = site(|_| ());
    let (ended, other) = (a_for("42", 600), a_for("42", 601));
    let old = endpoint(&ended).login(&site).issued;
    let session = BearerToken::parse(&ended).unwrap();
    let judged = site.verify(&session, NOW).unwrap();
    let user_id = site.user_id_of(&judged).unwrap();
    site.state
        .log_out(&Session::new(&session, judged.verified(), &user_id), NOW);
    let next = site.succeeded_by(settings(|_| ()));
    let refused = "usersig_endpoint: token_invalid (logged_out)";
    assert_eq!(endpoint(&ended).judge(&next, NOW), refused);
    let new = endpoint(&other).login(&next);
    assert_eq!(new.lookup, Lookup::Superseded);
    assert!(new.issued.issued_at > old.issued_at);
}

/// The keys of issuer a after its secret was changed.
fn other_keys() -> KeySet {
    token_issuer("a", ISSUER_A, SECRET_C).keys
}

fn signed_anew(subject: &str) -> String {
    sign(SECRET_C, &claims(ISSUER_A, subject))
}

const SECRET_C: &str = "issuer a's next secret of the tests, long enough";

#[test]
fn k5_c4_a_withdrawn_key_verifies_nothing_and_what_hung_on_it_is_superseded() {
    let site = site(|_| ());
    let of_a = endpoint(&a("42")).login(&site).issued;
    let of_b = endpoint(&b("42", "access")).login(&site).issued;
    // The twin: the same key once more changes nothing.
    site.replace_keys(0, &token_issuer("a", ISSUER_A, SECRET_A).keys);
    let same = endpoint(&a("42")).login_at(&site, later(5));
    assert_eq!((same.issued, same.lookup), (of_a.clone(), Lookup::Hit));

    site.replace_keys(0, &other_keys());
    let refused = "usersig_endpoint: token_invalid (signature_invalid)";
    assert_eq!(endpoint(&a("42")).judge(&site, later(5)), refused);
    let new = endpoint(&signed_anew("42")).login_at(&site, later(5));
    assert_eq!(new.lookup, Lookup::Superseded);
    assert_eq!(new.issued.issued_at, later(5));
    assert_ne!(new.issued, of_a);
    let again = endpoint(&signed_anew("42")).login_at(&site, later(6));
    assert_eq!((again.issued, again.lookup), (new.issued, Lookup::Hit));
    // Another issuer's key is still there.
    let other = endpoint(&b("42", "access")).login_at(&site, later(6));
    assert_eq!((other.issued, other.lookup), (of_b, Lookup::Hit));
}

#[test]
fn k5_c4_a_key_that_a_reload_takes_away_counts_as_withdrawn() {
    for (is_changed, token, new, late) in [
        (false, a("42"), Lookup::Hit, Lookup::Hit),
        (true, signed_anew("42"), Lookup::Superseded, Lookup::Late),
    ] {
        let site = site(|_| ());
        endpoint(&a("42")).login(&site);
        let next = site.succeeded_by(settings(|settings| {
            if is_changed {
                settings.verifier = settings.verifier.with_keys(0, other_keys());
            }
        }));
        let login = endpoint(&token).login_at(&next, later(5));
        assert_eq!(login.lookup, new, "changed: {is_changed}");
        // A request that the old one judges yet.
        let login = endpoint(&a("42")).login_at(&site, later(5));
        assert_eq!(login.lookup, late, "changed: {is_changed}");
    }
}

#[test]
fn keys_that_are_not_available_for_a_while_supersede_nothing_and_others_after_it_do() {
    let site = site(|_| ());
    let issued = endpoint(&a("42")).login(&site).issued;
    let next = site.succeeded_by(settings(|settings| {
        let verifier = &settings.verifier;
        settings.verifier = verifier.with_keys(0, KeySet::unavailable());
    }));
    let unavailable = "usersig_endpoint: keys_unavailable (keys_unavailable)";
    assert_eq!(endpoint(&a("42")).judge(&next, NOW), unavailable);
    let version = |site: &Authorizer| site.verifier.load().trusted().version();
    next.replace_keys(0, &token_issuer("a", ISSUER_A, SECRET_A).keys);
    assert_eq!(version(&next), version(&site));
    let login = endpoint(&a("42")).login_at(&next, later(5));
    assert_eq!((login.issued, login.lookup), (issued, Lookup::Hit));
    next.replace_keys(0, &KeySet::unavailable());
    next.replace_keys(0, &other_keys());
    let login = endpoint(&signed_anew("42")).login_at(&next, later(5));
    assert_eq!(login.lookup, Lookup::Superseded);
}
