//! Webhooks in the walk: the query is judged there, and a permit says that the body is not yet.

use sha2::{Digest, Sha256};

use super::*;
use crate::secret::SecretBytes;
use crate::webhook::Tokens;

const TOKEN: &str = "a token that nobody knows";

fn hook(settings: &mut Settings) {
    let mut routes = strict_routes();
    let hook = route("/hook", &[], Access::Webhook, Inject::default());
    routes.push(Route {
        upstream: 1,
        ..hook
    });
    settings.routes = table(routes, Access::Public);
    settings.webhooks = Some(webhook::Settings {
        sdk_app_id: SdkAppId::new(1_400_000_000).unwrap(),
        tokens: Tokens::new(vec![SecretBytes::new(TOKEN.into())]),
        max_age: Duration::from_secs(120),
        max_body: 1000,
        replay_capacity: NonZeroUsize::MIN,
    });
}

fn target(token: &str, time: UnixTime) -> String {
    let digest = Sha256::digest(format!("{token}{time}"));
    let sign: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "/hook?SdkAppid=1400000000&CallbackCommand=x&contenttype=json&Sign={sign}&RequestTime={time}"
    )
}

#[test]
#[rustfmt::skip]
fn a_webhook_passes_by_its_sign_and_by_nothing_else() {
    let good = target(TOKEN, NOW);
    let old = target(TOKEN, UnixTime::from_secs(NOW.as_secs() - 121));
    check_all(&site(hook), &[
        ("signed", send("POST", &good), "/hook: nobody to app 2 as a webhook"),
        ("signed, with a session", send("POST", &good).bearer(a("42")), "/hook: nobody to app 2 as a webhook"),
        ("another token", send("POST", &target("other", NOW)), "/hook: webhook_sign_invalid (sign_invalid)"),
        ("too old", send("POST", &old), "/hook: webhook_time_invalid (stale)"),
        ("no query", send("POST", "/hook"), "/hook: webhook_query_invalid (missing_parameter)"),
        ("a session", send("POST", "/hook").bearer(a("42")), "/hook: webhook_query_invalid (missing_parameter)"),
        ("another method", get(&good), "/hook: method_not_allowed [POST]"),
        ("a preflight", preflight(&good, "POST"), "/hook: method_not_allowed [POST]"),
        ("a preflight of nothing", preflight("/hook", "GET"), "/hook: method_not_allowed [POST]"),
        ("a sign elsewhere", send("POST", &good.replace("/hook", "/me")), "/me: token_missing"),
    ]);
}

/// A sign is no session and a session no sign: as strict as both is only denial.
#[test]
#[rustfmt::skip]
fn an_ambiguous_path_beside_a_webhook_is_denied() {
    let site = site(|settings| {
        hook(settings);
        settings.tolerance.semicolon = true;
    });
    let good = target(TOKEN, NOW);
    check_all(&site, &[
        ("the webhook's", send("POST", &good.replace("/hook", "/hook;x")), "default: route_not_found"),
        ("a session's", get("/me;x").bearer(a("42")), "default: route_not_found"),
        ("a session's within", get("/any/x;y").bearer(a("42")), "/any/{*rest}: route_not_found"),
        ("signed", send("POST", &good.replace("/hook", "/any/x;y")), "/any/{*rest}: route_not_found"),
        ("the twin", get("/any/x").bearer(a("42")), "/any/{*rest}: a_42 to app +headers"),
    ]);
}

#[test]
fn what_was_delivered_is_known_after_a_reload() {
    let before = site(hook);
    let permit = send("POST", &target(TOKEN, NOW)).ask(&before, NOW).unwrap();
    let announced = permit.webhook.unwrap();
    let body = br#"{"CallbackCommand":"x"}"#;
    let receive = |site: &Authorizer| {
        let webhooks = site.webhooks().unwrap();
        webhooks.receive(&announced, body, NOW)
    };
    receive(&before).unwrap().taken();
    let after = before.succeeded_by(settings(hook));
    let again = receive(&after).unwrap_err();
    assert_eq!(again.code(), "webhook_repeated");
    assert!(receive(&site(hook)).is_ok());
}
