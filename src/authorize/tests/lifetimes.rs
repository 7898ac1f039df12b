//! How long what is handed out lives, and what ends it before.

use super::super::*;
use super::site::*;

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
