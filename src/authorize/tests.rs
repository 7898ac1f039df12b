//! The walk as tables.
//!
//! A case is one line: its name, the request, and what comes of it in the words of [`verdict`]. To add a case, add a
//! line. The site that judges, its tokens and the words for a request are in `tests/site.rs`.

mod explain;
mod lifetimes;
mod memory;
mod profiles;
mod site;
mod webhooks;

use serde_json::json;

use self::site::*;
use super::*;
use crate::policy::{Access, Route};
use crate::rest_api::catalog::CommandName;
use crate::token::TokenError;
use crate::token::extract::TokenSource;

/// The name of the case, the request, the expected [`verdict`].
type Case = (&'static str, Request, &'static str);

#[test]
#[rustfmt::skip]
fn a_request_passes_or_is_refused_as_its_route_says() {
    check_all(&site(|_| ()), &[
        ("public", get("/public"), "/public: nobody to app"),
        ("public, good token", get("/public").bearer(a("42")), "/public: nobody to app"),
        ("public, bad token", get("/public").bearer(expired()), "/public: nobody to app"),
        ("public, two tokens", get("/public").bearer(a("1")).cookie(a("2")), "/public: nobody to app"),
        ("session", get("/me").bearer(a("42")), "/me: a_42 to app +headers"),
        ("session, cookie", get("/me").cookie(a("42")), "/me: a_42 to app +headers"),
        ("session, no token", get("/me"), "/me: token_missing"),
        ("session, other scheme", get("/me").header("authorization", "Basic eDp5"), "/me: token_missing"),
        ("session, query", get("/me?token=x.y.z"), "/me: token_missing"),
        ("session, query, WebSocket", get(&format!("/me?token={}", a("42"))).websocket(), "/me: a_42 to app +headers"),
        ("session without inject", get("/plain").bearer(a("42")), "/plain: a_42 to app"),
        ("session, response", get("/out").bearer(a("42")), "/out: a_42 to app +response +cookie"),
        ("session, other upstream", get("/two").bearer(a("42")), "/two: a_42 to app 2"),
        ("optional, no token", get("/feed"), "/feed: nobody to app"),
        ("optional", get("/feed").bearer(a("42")), "/feed: a_42 to app +headers"),
        ("optional, expired", get("/feed").bearer(expired()), "/feed: token_expired"),
        ("optional, tampered", get("/feed").bearer(tampered()), "/feed: token_invalid (signature_invalid)"),
        ("optional, no mapping", get("/feed").bearer(a("x y")), "/feed: user_not_mapped (user_id_bad_character)"),
        ("deny", get("/secret"), "/secret: route_not_found"),
        ("deny, good token", get("/secret").bearer(a("42")), "/secret: route_not_found"),
        ("unlisted", get("/unlisted"), "default: route_not_found"),
        ("unlisted, good token", get("/unlisted").bearer(a("42")), "default: route_not_found"),
        ("listed for its host", get("/host-only").host("b.example:8080").bearer(a("42")), "b.example/host-only: a_42 to app"),
        ("listed for another host", get("/host-only").bearer(a("42")), "default: route_not_found"),
        ("no host", get("/public").no_host(), "/public: nobody to app"),
        ("malformed host", get("/public").host("a@b"), "host_invalid"),
        ("method", send("POST", "/me").bearer(a("42")), "/me: a_42 to app +headers"),
        ("other method", send("DELETE", "/me").bearer(a("42")), "method_not_allowed [GET, HEAD, POST]"),
        ("u6: method in lower case", send("get", "/me").bearer(a("42")), "method_not_allowed [GET, HEAD, POST]"),
        ("HEAD follows GET", send("HEAD", "/me"), "/me: token_missing"),
        ("u6: TRACE of a public page", send("TRACE", "/any"), "method_not_allowed []"),
        ("u6: TRACE with a session", send("TRACE", "/any/x").bearer(a("42")), "method_not_allowed []"),
        ("TRACE's twin", send("PATCH", "/any/x").bearer(a("42")), "/any/{*rest}: a_42 to app +headers"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_token_passes_or_is_refused_by_what_it_says() {
    check_all(&site(|_| ()), &[
        ("good", get("/plain").bearer(a("42")), "/plain: a_42 to app"),
        ("expired", get("/plain").bearer(expired()), "/plain: token_expired"),
        ("tampered", get("/plain").bearer(tampered()), "/plain: token_invalid (signature_invalid)"),
        ("no token in shape", get("/plain").bearer("not.a.token!"), "/plain: token_invalid (bad_shape)"),
        ("two tokens", get("/plain").bearer(a("1")).cookie(a("2")), "/plain: token_conflict"),
        ("one token twice", get("/plain").bearer(a("1")).cookie(a("1")), "/plain: a_1 to app"),
        ("h11: Authorization twice", get("/plain").bearer(a("1")).bearer(a("1")), "/plain: token_conflict"),
        ("issuer b", get("/plain").bearer(b("42", "access")), "/plain: b_42 to app"),
        ("issuer b, required claim differs", get("/plain").bearer(b("42", "refresh")), "/plain: access_denied"),
        ("issuer b, required claim absent", get("/plain").bearer(sign(SECRET_B, &claims(ISSUER_B, "42"))), "/plain: access_denied"),
        ("issuer a requires nothing", get("/plain").bearer(typed(SECRET_A, ISSUER_A, "42", "refresh")), "/plain: a_42 to app"),
        ("j10: b's key for an a token", get("/plain").bearer(sign(SECRET_B, &claims(ISSUER_A, "42"))), "/plain: token_invalid (signature_invalid)"),
        ("j10: a's key for a b token", get("/plain").bearer(typed(SECRET_A, ISSUER_B, "42", "access")), "/plain: token_invalid (signature_invalid)"),
        ("j7: nobody's token", get("/plain").bearer(sign(SECRET_A, &claims("https://c.example", "42"))), "/plain: token_invalid (issuer_unknown)"),
        ("reserved name", get("/plain").bearer(b("root", "access")), "/plain: user_not_mapped (user_id_reserved)"),
        ("reserved name in capitals", get("/plain").bearer(b("ROOT", "access")), "/plain: user_not_mapped (user_id_reserved)"),
        ("no name, but close", get("/plain").bearer(b("root2", "access")), "/plain: b_root2 to app"),
        ("subject too long", get("/plain").bearer(a(LONGEST_BUT_ONE)), "/plain: user_not_mapped (user_id_too_long)"),
        ("longest subject", get("/plain").bearer(a(LONGEST)), "/plain: a_123456789012345678901234567890 to app"),
        ("subject a number", get("/plain").bearer(sign(SECRET_A, &json!({"iss": ISSUER_A, "sub": 42, "exp": LATER}))), "/plain: user_not_mapped (claim_type)"),
        ("h5: no subject", get("/plain").bearer(sign(SECRET_A, &json!({"iss": ISSUER_A, "exp": LATER}))), "/plain: user_not_mapped (claim_missing)"),
    ]);
}

/// Where a token may be missing it may not be wrong: a stranger's is no reason to let its bearer pass as nobody.
#[test]
#[rustfmt::skip]
fn j7_a_strangers_token_does_not_pass_where_none_is_needed() {
    let of = |issuer: &str| sign(SECRET_A, &claims(issuer, "42"));
    check_all(&site(|_| ()), &[
        ("unknown issuer", get("/feed").bearer(of("https://c.example")), "/feed: token_invalid (issuer_unknown)"),
        ("slash at the end", get("/feed").bearer(of(&format!("{ISSUER_A}/"))), "/feed: token_invalid (issuer_unknown)"),
        ("no issuer", get("/feed").bearer(sign(SECRET_A, &json!({"sub": "42", "exp": LATER}))), "/feed: token_invalid (issuer_missing)"),
        ("in a cookie", get("/feed").cookie(of("https://c.example")), "/feed: token_invalid (issuer_unknown)"),
        ("no token", get("/feed"), "/feed: nobody to app"),
        ("a known issuer's", get("/feed").bearer(of(ISSUER_A)), "/feed: a_42 to app +headers"),
    ]);
}

/// Each row mends the earliest fault of the row above it, so that the next stage shows.
#[test]
#[rustfmt::skip]
fn an_earlier_stage_refuses_before_a_later_one() {
    let no_mapping_no_access = || typed(SECRET_B, ISSUER_B, "x y", "refresh");
    let all_wrong = |token: String| [token, tampered()];
    let two = |request: Request, [one, two]: [String; 2]| request.bearer(one).cookie(two);
    let late = || sign(SECRET_B, &json!({"iss": ISSUER_B, "sub": "x y", "type": "refresh", "exp": EARLIER}));
    check_all(&site(|_| ()), &[
        ("1 path", two(send("DELETE", "//me").host("a@b"), all_wrong(late())), "path_ambiguous (double_slash)"),
        ("2 host", two(send("DELETE", "/me").host("a@b"), all_wrong(late())), "host_invalid"),
        ("2 method", two(send("DELETE", "/me"), all_wrong(late())), "method_not_allowed [GET, HEAD, POST]"),
        ("2 deny", two(get("/secret"), all_wrong(late())), "/secret: route_not_found"),
        ("3 extract", two(get("/me"), all_wrong(late())), "/me: token_conflict"),
        ("3 extract, cookie of two values", get("/me").bearer(late()).cookie(late()).cookie(tampered()), "/me: token_conflict"),
        ("4 signature", get("/me").bearer(resigned(&late())), "/me: token_invalid (signature_invalid)"),
        ("4 expiry", get("/me").bearer(late()), "/me: token_expired"),
        ("5 admit", get("/me").bearer(no_mapping_no_access()), "/me: access_denied"),
        ("6 map", get("/me").bearer(b("x y", "access")), "/me: user_not_mapped (user_id_bad_character)"),
        ("7 issue", get("/me").bearer(b("x_y", "access")), "/me: b_x_y to app +headers"),
    ]);
}

#[test]
#[rustfmt::skip]
fn h8_headers_that_name_another_request_do_not_choose_the_rule() {
    check_all(&site(|_| ()), &[
        ("X-Original-URL", get("/me").header("x-original-url", "/public"), "/me: token_missing"),
        ("X-Rewrite-URL", get("/me").header("x-rewrite-url", "/public"), "/me: token_missing"),
        ("X-Forwarded-Uri", get("/me").header("x-forwarded-uri", "/public"), "/me: token_missing"),
        ("X-Forwarded-Prefix", get("/me").header("x-forwarded-prefix", "/public"), "/me: token_missing"),
        ("X-Forwarded-Host", get("/host-only").header("x-forwarded-host", "b.example"), "default: route_not_found"),
        ("X-Forwarded-Method", send("DELETE", "/me").header("x-forwarded-method", "GET"), "method_not_allowed [GET, HEAD, POST]"),
        ("X-HTTP-Method-Override", send("DELETE", "/me").header("x-http-method-override", "GET"), "method_not_allowed [GET, HEAD, POST]"),
        ("u3: a public path in the query", get("/me?x=/public"), "/me: token_missing"),
        ("the twin of all", get("/me").header("x-original-url", "/public").bearer(a("42")), "/me: a_42 to app +headers"),
    ]);
}

#[test]
#[rustfmt::skip]
fn h10_no_probe_passes_by_its_user_agent() {
    check_all(&site(|_| ()), &[
        ("GoogleHC", get("/me").header("user-agent", "GoogleHC/1.0"), "/me: token_missing"),
        ("kube-probe", get("/me").header("user-agent", "kube-probe/1.30"), "/me: token_missing"),
        ("ELB", get("/me").header("user-agent", "ELB-HealthChecker/2.0"), "/me: token_missing"),
        ("with a session", get("/me").header("user-agent", "GoogleHC/1.0").bearer(a("42")), "/me: a_42 to app +headers"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_preflight_goes_to_the_app_as_nobody_unless_denied() {
    let cases = |forwarded: [&'static str; 5]| -> Vec<Case> {
        let [session, feed, any, denied, unlisted] = forwarded;
        vec![
            ("session route", preflight("/me", "POST"), session),
            ("optional route", preflight("/feed", "GET"), feed),
            ("route of any method", preflight("/any/x", "DELETE"), any),
            ("method that is not listed", preflight("/me", "DELETE"), "method_not_allowed [GET, HEAD, POST]"),
            ("denied route", preflight("/secret", "GET"), denied),
            ("unlisted path", preflight("/unlisted", "GET"), unlisted),
        ]
    };
    let forwarded = cases([
        "/me: nobody to app", "/feed: nobody to app", "/any/{*rest}: nobody to app", "/secret: route_not_found", "default: route_not_found",
    ]);
    check_all(&site(|_| ()), &forwarded);
    let denied = cases(["access_denied"; 5]);
    check_all(&site(|settings| settings.preflight = Preflight::Deny), &denied);
}

#[test]
#[rustfmt::skip]
fn u6_what_a_browser_does_not_send_is_no_preflight() {
    let ordinary = "/any/{*rest}: token_missing";
    let of_alice = "/any/{*rest}: a_42 to app +headers";
    check_all(&site(|_| ()), &[
        ("no origin", send("OPTIONS", "/any/x").header("access-control-request-method", "GET"), ordinary),
        ("no method asked", send("OPTIONS", "/any/x").header("origin", ORIGIN), ordinary),
        ("two origins", preflight("/any/x", "GET").header("origin", ORIGIN), ordinary),
        ("two methods", preflight("/any/x", "GET").header("access-control-request-method", "PUT"), ordinary),
        ("no method at all", preflight("/any/x", "G T"), ordinary),
        ("a body", preflight("/any/x", "GET").body(), ordinary),
        ("other credentials", preflight("/any/x", "GET").header("authorization", "Basic eA=="), ordinary),
        ("another cookie", preflight("/any/x", "GET").header("cookie", "theme=dark"), ordinary),
        ("a session", preflight("/any/x", "GET").bearer(a("42")), of_alice),
        ("a session cookie", preflight("/any/x", "GET").cookie(a("42")), of_alice),
        ("a bad session", preflight("/any/x", "GET").bearer(expired()), "/any/{*rest}: token_expired"),
        ("a session where OPTIONS is not listed", preflight("/me", "GET").bearer(a("42")), "method_not_allowed [GET, HEAD, POST]"),
        ("another method", get("/me").header("origin", ORIGIN).header("access-control-request-method", "GET"), "/me: token_missing"),
        ("the twin of all", preflight("/any/x", "GET"), "/any/{*rest}: nobody to app"),
    ]);
    let name = http::HeaderName::from_static("x-session");
    let source = TokenSource::Header { name, scheme: None };
    let elsewhere = site(|settings| settings.sources = TokenSources::new(vec![source]).unwrap());
    check_all(&elsewhere, &[
        ("a session elsewhere", preflight("/any/x", "GET").header("x-session", a("42")), of_alice),
        ("a bad one elsewhere", preflight("/any/x", "GET").header("x-session", "a.b"), "/any/{*rest}: token_invalid (bad_shape)"),
        ("two elsewhere", preflight("/any/x", "GET").header("x-session", a("42")).header("x-session", a("43")), "/any/{*rest}: token_conflict"),
        ("none there", preflight("/any/x", "GET"), "/any/{*rest}: nobody to app"),
    ]);
}

#[test]
#[rustfmt::skip]
fn u6_a_preflight_of_an_unlisted_or_ambiguous_path_is_judged_like_any_request() {
    for (access, expected) in [
        (Access::Public, "default: nobody to app"),
        (Access::Optional, "default: nobody to app"),
        (Access::Session, "default: token_missing"),
        (Access::Deny, "default: route_not_found"),
    ] {
        let site = site(|settings| settings.routes = table(strict_routes(), access));
        check_all(&site, &[
            ("unlisted", preflight("/unlisted", "GET"), expected),
            ("listed", preflight("/out", "GET"), "/out: nobody to app"),
        ]);
    }
    check_all(&site(allow_all_spellings), &[
        ("parameter", preflight("/pages/x;y", "GET"), "/pages/{*rest}: token_missing"),
        ("doubled slash", preflight("/pages//x", "GET"), "/pages/{*rest}: token_missing"),
        ("plain spelling", preflight("/pages/x", "GET"), "/pages/{*rest}: nobody to app"),
    ]);
}

#[test]
#[rustfmt::skip]
fn our_own_paths_are_never_the_apps() {
    check_all(&site(allow_all_spellings), &[
        ("endpoint", get("/_chat/usersig").bearer(a("42")), "usersig_endpoint: a_42 to endpoint"),
        ("endpoint, HEAD", send("HEAD", "/_chat/usersig").bearer(a("42")), "usersig_endpoint: a_42 to endpoint"),
        ("endpoint, no token", get("/_chat/usersig"), "usersig_endpoint: token_missing"),
        ("endpoint, expired", get("/_chat/usersig").bearer(expired()), "usersig_endpoint: token_expired"),
        ("endpoint, POST, no token", send("POST", "/_chat/usersig"), "usersig_endpoint: token_missing"),
        ("endpoint, POST, expired", send("POST", "/_chat/usersig").bearer(expired()), "usersig_endpoint: token_expired"),
        ("endpoint, POST, slash at the end", send("POST", "/_chat/usersig/").bearer(a("42")), "route_not_found"),
        ("endpoint, DELETE", send("DELETE", "/_chat/usersig").bearer(a("42")), "method_not_allowed [GET, HEAD, OPTIONS, POST]"),
        ("endpoint, TRACE", send("TRACE", "/_chat/usersig").bearer(a("42")), "method_not_allowed [GET, HEAD, OPTIONS, POST]"),
        ("endpoint, preflight", preflight("/_chat/usersig", "GET"), "usersig_endpoint: nobody to preflight"),
        ("endpoint, preflight of POST", preflight("/_chat/usersig", "POST"), "usersig_endpoint: nobody to preflight"),
        ("endpoint, preflight of DELETE", preflight("/_chat/usersig", "DELETE"), "method_not_allowed [GET, HEAD, OPTIONS, POST]"),
        ("endpoint, malformed host", get("/_chat/usersig").host("a@b").bearer(a("42")), "host_invalid"),
        ("endpoint, slash at the end", get("/_chat/usersig/").bearer(a("42")), "route_not_found"),
        ("endpoint in capitals", get("/_CHAT/USERSIG").bearer(a("42")), "route_not_found"),
        ("below our prefix", get("/_chat/v4/openim/sendmsg").bearer(a("42")), "route_not_found"),
        ("our prefix", get("/_chat").bearer(a("42")), "route_not_found"),
        ("our prefix, any case", get("/_Chat/x").bearer(a("42")), "route_not_found"),
        ("our prefix, preflight", preflight("/_chat/x", "GET"), "route_not_found"),
        ("doubled slash", get("//_chat//usersig").bearer(a("42")), "route_not_found"),
        ("encoded slash", get("/_chat%2Fusersig").bearer(a("42")), "route_not_found"),
        ("encoded slash in front", get("/%2F_chat/usersig").bearer(a("42")), "route_not_found"),
        ("parameter", get("/_chat;v=1/usersig").bearer(a("42")), "route_not_found"),
        ("close, but the app's", get("/_chats").bearer(a("42")), "/{*rest}: a_42 to app"),
        ("deeper, so the app's", get("/x/_chat/usersig").bearer(a("42")), "/{*rest}: a_42 to app"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_renewal_is_limited_for_each_user_and_for_nothing_else() {
    let site = site(|_| ());
    // In this order, and once: the first changes what the second gets.
    for (name, request, expected) in [
        ("POST", send("POST", "/_chat/usersig").bearer(a("42")), "usersig_endpoint: a_42 to renewal"),
        ("POST at once", send("POST", "/_chat/usersig").bearer(a("42")), "usersig_endpoint: renewed_too_soon"),
        ("POST of another user", send("POST", "/_chat/usersig").bearer(a("43")), "usersig_endpoint: a_43 to renewal"),
        ("GET after it", get("/_chat/usersig").bearer(a("42")), "usersig_endpoint: a_42 to endpoint"),
    ] {
        assert_eq!(request.judge(&site, NOW), expected, "{name}");
    }
}

#[test]
fn a_session_can_end_only_where_the_route_says_so_and_only_for_whom_it_is() {
    let ends = |access| {
        site(move |settings| {
            let rule = AnswerRule {
                session: None,
                json: None,
                ends_session: true,
            };
            let logout = Route {
                answer: Some(Arc::new(rule)),
                ..route("/logout", &["POST"], access, Inject::default())
            };
            let me = route("/me", &[], Access::Session, Inject::default());
            settings.routes = table(vec![logout, me], Access::Deny);
        })
    };
    let (session, optional) = (ends(Access::Session), ends(Access::Optional));
    for (name, site, request, ending) in [
        (
            "logout",
            &session,
            send("POST", "/logout").bearer(a("42")),
            Some("a_42"),
        ),
        (
            "another user's",
            &session,
            send("POST", "/logout").bearer(b("7", "access")),
            Some("b_7"),
        ),
        (
            "optional",
            &optional,
            send("POST", "/logout").cookie(a("42")),
            Some("a_42"),
        ),
        ("optional, nobody", &optional, send("POST", "/logout"), None),
        ("preflight", &session, preflight("/logout", "POST"), None),
        ("another route", &session, get("/me").bearer(a("42")), None),
    ] {
        let permit = request.ask(site, NOW).unwrap();
        let user = permit.ending.map(|ending| *ending.session().user());
        assert_eq!(user.as_ref().map(UserId::as_str), ending, "{name}");
    }
    let token = a("42");
    let permit = send("POST", "/logout").bearer(&token).ask(&session, NOW);
    session
        .state
        .log_out(&permit.unwrap().ending.unwrap().session(), NOW);
    check_all(
        &session,
        &[
            (
                "logged out",
                get("/me").bearer(&token),
                "/me: token_invalid (logged_out)",
            ),
            (
                "logged out twice",
                send("POST", "/logout").bearer(&token),
                "/logout: token_invalid (logged_out)",
            ),
            (
                "renewal",
                send("POST", "/_chat/usersig").bearer(&token),
                "usersig_endpoint: token_invalid (logged_out)",
            ),
            (
                "endpoint",
                get("/_chat/usersig").bearer(&token),
                "usersig_endpoint: token_invalid (logged_out)",
            ),
            (
                "another user",
                get("/me").bearer(a("43")),
                "/me: a_43 to app",
            ),
        ],
    );
}

#[test]
#[rustfmt::skip]
fn an_endpoint_elsewhere_is_ours_in_every_spelling() {
    let site = site(|settings| {
        allow_all_spellings(settings);
        settings.endpoint = Some(canonical("/chat/login"));
    });
    check_all(&site, &[
        ("endpoint", get("/chat/login").bearer(a("42")), "usersig_endpoint: a_42 to endpoint"),
        ("capitals", get("/Chat/Login").bearer(a("42")), "route_not_found"),
        ("doubled slash", get("/chat//login").bearer(a("42")), "route_not_found"),
        ("slash at the end", get("/chat/login/").bearer(a("42")), "route_not_found"),
        ("encoded slash", get("/chat%2flogin").bearer(a("42")), "route_not_found"),
        ("parameter", get("/chat/login;x").bearer(a("42")), "route_not_found"),
        ("the usual place stays ours", get("/_chat/usersig").bearer(a("42")), "route_not_found"),
        ("below it, the app's", get("/chat/login/x").bearer(a("42")), "/{*rest}: a_42 to app"),
        ("above it, the app's", get("/chat").bearer(a("42")), "/{*rest}: a_42 to app"),
    ]);
}

#[test]
#[rustfmt::skip]
fn an_endpoint_that_is_off_is_nowhere() {
    check_all(&site(|settings| settings.endpoint = None), &[
        ("off", get("/_chat/usersig").bearer(a("42")), "route_not_found"),
        ("off, no token", get("/_chat/usersig"), "route_not_found"),
        ("the rest works", get("/me").bearer(a("42")), "/me: a_42 to app +headers"),
    ]);
}

#[test]
#[rustfmt::skip]
fn u1_an_ambiguous_path_is_refused_or_gets_the_strictest_access() {
    check_all(&site(|_| ()), &[
        ("plain", get("/any/x").bearer(a("42")), "/any/{*rest}: a_42 to app +headers"),
        ("encoded slash", get("/public%2Fx"), "path_ambiguous (encoded_slash)"),
        ("parameter", get("/public;x"), "path_ambiguous (semicolon)"),
        ("doubled slash", get("//public"), "path_ambiguous (double_slash)"),
        ("dot segment", get("/public/../me"), "path_ambiguous (dot_segment)"),
        ("encoded letter", get("/%6de"), "path_ambiguous (encoded_unreserved)"),
    ]);
    check_all(&site(allow_all_spellings), &[
        ("public in plain spelling", get("/pages/x"), "/pages/{*rest}: nobody to app"),
        ("public with a parameter", get("/pages/x;y"), "/pages/{*rest}: token_missing"),
        ("public with an encoded slash", get("/pages/x%2Fy"), "/pages/{*rest}: token_missing"),
        ("public with a doubled slash", get("/pages//x"), "/pages/{*rest}: token_missing"),
        ("with a session", get("/pages//x").bearer(a("42")), "/pages/{*rest}: a_42 to app"),
        ("dot segments stay refused", get("/pages/..;/me"), "path_ambiguous (dot_segment)"),
    ]);
    let with_a_denied_route = site(|settings| settings.tolerance.double_slash = true);
    check_all(&with_a_denied_route, &[
        ("the strictest denies", get("/pages//x").bearer(a("42")), "/pages/{*rest}: route_not_found"),
    ]);
}

#[test]
#[rustfmt::skip]
fn c1_a_user_in_the_cache_is_judged_anew_by_every_route() {
    let site = site(|_| ());
    let (token, refresh) = (b("42", "access"), b("42", "refresh"));
    check_all(&site, &[
        ("lax route", get("/feed").bearer(&token), "/feed: b_42 to app +headers"),
        ("strict route", get("/me").bearer(&token), "/me: b_42 to app +headers"),
        ("denied route", get("/secret").bearer(&token), "/secret: route_not_found"),
        ("same user, no session", get("/me").bearer(&refresh), "/me: access_denied"),
        ("same user, tampered", get("/me").bearer(resigned(&token)), "/me: token_invalid (signature_invalid)"),
    ]);
    assert_eq!(site.cached_users(), 1);
    let later = UnixTime::from_secs(LATER + LEEWAY);
    assert_eq!(get("/me").bearer(&token).judge(&site, later), "/me: token_expired");
}

#[test]
fn c2_one_subject_of_two_issuers_is_two_users() {
    let site = site(|_| ());
    let login = |token| get("/me").bearer(token).login(&site);
    let (of_a, of_b) = (login(a("42")), login(b("42", "access")));
    assert_ne!(of_a.issued.user_sig, of_b.issued.user_sig);
    assert_eq!(site.cached_users(), 2);
    assert_eq!(login(a("42")).issued.user_sig, of_a.issued.user_sig);
    assert_eq!(login(a("42")).lookup, Lookup::Hit);
}

#[test]
fn only_routes_that_hand_one_out_issue_a_usersig() {
    let site = site(|_| ());
    for path in ["/public", "/plain", "/two", "/secret", "/unlisted"] {
        let _ = get(path).bearer(a("42")).judge(&site, NOW);
    }
    let _ = preflight("/me", "POST").bearer(a("42")).judge(&site, NOW);
    let _ = get("/me").bearer(expired()).judge(&site, NOW);
    assert_eq!(site.cached_users(), 0);
    let _ = get("/me").bearer(a("42")).judge(&site, NOW);
    assert_eq!(site.cached_users(), 1);
}

#[test]
fn a_login_says_whose_it_is_and_until_when() {
    let login = get("/_chat/usersig").bearer(a("42")).login(&site(|_| ()));
    let sig = crate::usersig::decode::Decoded::parse(login.issued.user_sig.expose()).unwrap();
    assert_eq!(
        (sig.identifier.as_str(), sig.sdk_app_id),
        ("a_42", 1_400_000_000)
    );
    assert_eq!(login.issued.issued_at, NOW);
    assert_eq!(login.issued.expires_at, NOW.saturating_add(LIFETIME));
    assert_eq!(
        login.refresh_after,
        NOW.saturating_add(LIFETIME - MIN_REMAINING)
    );
}

/// Judges every case, first to last and then back: no verdict depends on what was asked before.
fn check_all(site: &Authorizer, cases: &[Case]) {
    for (name, request, expected) in cases.iter().chain(cases.iter().rev()) {
        assert_eq!(request.judge(site, NOW), *expected, "{name}");
    }
}

/// `route: who to where +what`, or `route: code (reason) [allowed methods]`.
fn verdict(outcome: &Result<Permit, Refusal>) -> String {
    match outcome {
        Ok(permit) => format!("{}: {}", permit.route, passed(permit)),
        Err(Refusal {
            route, rejection, ..
        }) => {
            let route = route
                .as_ref()
                .map_or(String::new(), |route| format!("{route}: "));
            format!("{route}{}", refused(rejection))
        }
    }
}

fn called(permit: &Permit) -> String {
    let call = permit.rest_call.as_ref().unwrap();
    let roles: Vec<_> = call.roles.iter().collect();
    format!(
        "{} as {} {}",
        call.command.as_str(),
        call.issuer,
        roles.join("+")
    )
}

#[test]
fn a_rest_call_takes_the_session_s_roles_and_no_browser_s_cookie_from_elsewhere() {
    let site = site(|settings| {
        let pointer = |text| JsonPointer::parse(text).unwrap();
        settings.rest_api = Some(RestRoutes {
            prefix: Prefix::parse("/_chat/v4").unwrap(),
            roles_claims: vec![pointer("/roles"), pointer("/scope")],
            callable: [CommandName::parse("openim/sendmsg").unwrap()].into(),
        });
    });
    let with = |name: &str, value: Value| {
        let mut claims = claims(ISSUER_A, "42");
        claims[name] = value;
        sign(SECRET_A, &claims)
    };
    let member = with("roles", json!(["member", "support"]));
    let call = |method: &str, path: &str| send(method, path);
    let own = ("origin", "https://app.example");
    let json = ("content-type", "application/json");
    for (case, request, expected) in [
        (
            "a member",
            call("POST", "/_chat/v4/openim/sendmsg").bearer(&member),
            "rest_api: a_42 to openim/sendmsg as a member+support",
        ),
        (
            "no role",
            call("POST", "/_chat/v4/openim/sendmsg").bearer(a("42")),
            "rest_api: a_42 to openim/sendmsg as a ",
        ),
        (
            "the other issuer's claim counts for nothing",
            call("POST", "/_chat/v4/openim/sendmsg").bearer(with("scope", json!("admin"))),
            "rest_api: a_42 to openim/sendmsg as a ",
        ),
        (
            "no token",
            call("POST", "/_chat/v4/openim/sendmsg"),
            "rest_api: token_missing",
        ),
        (
            "another method",
            call("GET", "/_chat/v4/openim/sendmsg").bearer(&member),
            "method_not_allowed [OPTIONS, POST]",
        ),
        (
            "u6: a preflight",
            preflight("/_chat/v4/openim/sendmsg", "POST"),
            "rest_api: nobody to preflight of a call",
        ),
        (
            "u6: a preflight for another method",
            preflight("/_chat/v4/openim/sendmsg", "GET"),
            "method_not_allowed [OPTIONS, POST]",
        ),
        (
            "u6: a preflight for two methods",
            preflight("/_chat/v4/openim/sendmsg", "POST")
                .header("access-control-request-method", "GET"),
            "method_not_allowed [OPTIONS, POST]",
        ),
        (
            "u6: a preflight for what nobody may call",
            preflight("/_chat/v4/im_open_login_svc/kick", "POST"),
            "command_not_allowed",
        ),
        (
            "u6: a preflight with a token",
            preflight("/_chat/v4/im_open_login_svc/kick", "POST").bearer(&member),
            "command_not_allowed",
        ),
        (
            "u8: more segments",
            call("POST", "/_chat/v4/openim/sendmsg/x").bearer(&member),
            "route_not_found",
        ),
        (
            "u8: dots",
            call("POST", "/_chat/v4/openim/sendmsg/../kick").bearer(&member),
            "path_ambiguous (dot_segment)",
        ),
        (
            "beside the prefix",
            call("POST", "/_chat/v5/openim/sendmsg").bearer(&member),
            "route_not_found",
        ),
        (
            "a cookie alone",
            call("POST", "/_chat/v4/openim/sendmsg").cookie(&member),
            "rest_api: cross_site",
        ),
        (
            "a cookie from our own page",
            call("POST", "/_chat/v4/openim/sendmsg")
                .cookie(&member)
                .header(own.0, own.1)
                .header(json.0, json.1)
                .host("app.example"),
            "rest_api: a_42 to openim/sendmsg as a member+support",
        ),
    ] {
        assert_eq!(request.judge(&site, NOW), expected, "{case}");
    }
    let off = self::site(|_| ());
    let call = send("POST", "/_chat/v4/openim/sendmsg").bearer(&member);
    assert_eq!(call.judge(&off, NOW), "route_not_found");
}

fn passed(permit: &Permit) -> String {
    let place = match permit.target {
        Target::Upstream { upstream: 0, .. } => "app".to_owned(),
        Target::Upstream { upstream, .. } => format!("app {}", upstream + 1),
        Target::UserSigEndpoint => "endpoint".to_owned(),
        Target::UserSigRenewal => "renewal".to_owned(),
        Target::UserSigPreflight => "preflight".to_owned(),
        Target::RestPreflight => "preflight of a call".to_owned(),
        Target::RestCall => called(permit),
        Target::Webhook { upstream } => format!("app {} as a webhook", upstream + 1),
    };
    let Caller::User(User { user_id, login, .. }) = &permit.caller else {
        return format!("nobody to {place}");
    };
    let inject = match permit.target {
        Target::Upstream { inject, .. } => inject,
        Target::UserSigEndpoint
        | Target::UserSigRenewal
        | Target::UserSigPreflight
        | Target::RestCall
        | Target::RestPreflight
        | Target::Webhook { .. } => Inject::default(),
    };
    let is_our_own = matches!(
        permit.target,
        Target::UserSigEndpoint | Target::UserSigRenewal
    );
    let hands_out = is_our_own || !inject.is_none();
    assert_eq!(login.is_some(), hands_out, "{}", permit.route);
    let injected: String = [
        (inject.request_headers, " +headers"),
        (inject.response_headers, " +response"),
        (inject.response_cookie, " +cookie"),
    ]
    .iter()
    .filter_map(|(is_on, name)| is_on.then_some(*name))
    .collect();
    format!("{user_id} to {place}{injected}")
}

fn refused(rejection: &Rejection) -> String {
    let code = rejection.code();
    match (rejection, rejection.reason()) {
        (Rejection::MethodNotAllowed { allow }, _) => format!("{code} [{allow}]"),
        (Rejection::Token(TokenError::Expired), _) | (_, None) => code.to_owned(),
        (_, Some(reason)) => format!("{code} ({reason})"),
    }
}
