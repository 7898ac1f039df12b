//! Webhooks: the section that says how they are checked, and the routes that take them.

use super::*;
use crate::policy::Methods;
use crate::time::UnixTime;
use crate::webhook::Webhooks;

const TOKEN: &str = "a token that nobody knows";

fn world() -> World {
    let mut world = World::new();
    world.env.insert("HOOK", TOKEN.to_owned());
    world
        .env
        .insert("HOOK_BEFORE", "another token of the console".to_owned());
    world.env.insert("SHORT", "0123456789abcde".to_owned());
    world.env.insert("SAMPLE", "xxxxyyyy".to_owned());
    world
}

/// The base configuration with these tables, from line 20 on.
fn with(section: &str, route: &str) -> String {
    format!("{BASE}{section}\n[[route]]\n{route}\n")
}

fn hook(section: &str) -> String {
    with(section, HOOK)
}

const HOOK: &str = "match = { path = \"/hook\" }\naccess = \"webhook\"";
const SECTION: &str = "[webhook]\ntoken = { env = \"HOOK\" }";

/// Whether `token` signs for the sites of the configuration.
fn takes(config: &Config, token: &str) -> bool {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{token}1669872112"));
    let sign: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let query = format!(
        "SdkAppid=1400000000&CallbackCommand=x&contenttype=json&Sign={sign}&RequestTime=1669872112"
    );
    let settings = config.sites[0].authorizer.webhooks.clone().unwrap();
    let announced =
        Webhooks::new(settings).announce(Some(&query), UnixTime::from_secs(1_669_872_112));
    announced.is_ok()
}

#[test]
fn a_short_section_gets_the_documented_defaults() {
    let world = world();
    assert!(world.good(BASE).sites[0].authorizer.webhooks.is_none());
    let config = world.good(&hook(SECTION));
    assert_eq!(world.shown(&config.warnings), Vec::<String>::new());
    let settings = config.sites[0].authorizer.webhooks.as_ref().unwrap();
    assert_eq!(settings.sdk_app_id.get(), 1_400_000_000);
    assert_eq!(settings.max_age, Duration::from_secs(120));
    assert_eq!(
        (settings.max_body, settings.replay_capacity.get()),
        (128 << 10, 1_000_000)
    );
    assert!(takes(&config, TOKEN) && !takes(&config, "another token of the console"));
}

#[test]
fn a_full_section_sets_everything() {
    let section = "[webhook]\ntokens = [{ env = \"HOOK\" }, { env = \"HOOK_BEFORE\" }]\nmax_age = \"15m\"\nmax_body = \"1MiB\"\n\
        replay_capacity = 7";
    let config = world().good(&hook(section));
    let settings = config.sites[0].authorizer.webhooks.as_ref().unwrap();
    assert_eq!(settings.max_age, Duration::from_secs(900));
    assert_eq!(
        (settings.max_body, settings.replay_capacity.get()),
        (1 << 20, 7)
    );
    assert!(takes(&config, TOKEN) && takes(&config, "another token of the console"));
}

/// What reaches the app by another method must not be left to the default access.
#[test]
fn a_route_that_takes_webhooks_covers_every_method() {
    for route in [
        HOOK,
        "match = { path = \"/hook\", methods = [\"POST\"] }\naccess = \"webhook\"",
    ] {
        let config = world().good(&with(SECTION, route));
        let mut routes = config.sites[0].authorizer.routes.routes();
        let found = routes
            .find(|route| route.access == Access::Webhook)
            .unwrap();
        assert_eq!((&*found.name, &found.methods), ("/hook", &Methods::Any));
    }
}

#[test]
fn every_fault_is_reported_with_its_place_and_a_hint() {
    let world = world();
    for (case, text, expected) in [
        (
            "no section",
            with("", HOOK),
            &[
                "23:10: route[2].access: nothing says how webhooks are checked (add [webhook] with token = { file = \"..\" })",
            ][..],
        ),
        (
            "no token",
            hook("[webhook]"),
            &[
                "20:1: webhook.token: is required (token = { file = \"..\" }: the token that the console signs webhooks with)",
            ],
        ),
        (
            "an inline token",
            hook("[webhook]\ntoken = \"a token that nobody knows\""),
            &[
                "21:9: webhook.token: a secret does not stand in this file (write { file = \"..\" }, { env = \"NAME\" } or { credential = \"name\" })",
            ],
        ),
        (
            "the sample of the documentation",
            hook("[webhook]\ntoken = { env = \"SAMPLE\" }"),
            &[
                "21:9: webhook.token: is an example key that everybody knows (make your own; only demo = true takes it, on loopback)",
            ],
        ),
        (
            "both keys",
            hook("[webhook]\ntoken = { env = \"HOOK\" }\ntokens = [{ env = \"HOOK\" }]"),
            &["22:10: webhook.tokens: stands beside token (one of the two)"],
        ),
        (
            "no tokens, and what is out of bounds",
            hook(
                "[webhook]\ntokens = []\nmax_age = \"9s\"\nmax_body = \"2MiB\"\nreplay_capacity = 0",
            ),
            &[
                "21:10: webhook.tokens: is empty (token = { file = \"..\" }: the token that the console signs webhooks with)",
                "22:11: webhook.max_age: must be from \"10s\" to \"15m\"",
                "23:12: webhook.max_body: must be from \"1KiB\" to \"1MiB\"",
                "24:19: webhook.replay_capacity: must be from 1 to 100000000",
            ],
        ),
        (
            "what only a session has",
            with(
                SECTION,
                "match = { path = \"/hook\", methods = [\"POST\", \"PUT\"] }\naccess = \"webhook\"\ninject = { request_headers = true }\n\
                 session_from_response = { json = \"/t\" }\non_success = \"kick\"",
            ),
            &[
                "23:9: route[2].match: a webhook is posted (leave methods out; the route refuses every other method)",
                "25:10: route[2].inject: a webhook is of no user's session (leave it out)",
                "26:25: route[2].session_from_response: a webhook is of no user's session (leave it out)",
                "27:14: route[2].on_success: a webhook is of no user's session (leave it out)",
            ],
        ),
        (
            "another route for another method",
            format!(
                "{}[[route]]\nmatch = {{ path = \"/hook\", methods = [\"GET\"] }}\naccess = \"public\"\n",
                hook(SECTION)
            ),
            &[
                "25:1: route[3]: covers requests of the route in line 22 as well (give the two different paths, methods or hosts)",
            ],
        ),
        (
            "by default",
            hook(SECTION).replace(
                "default_access = \"session\"",
                "default_access = \"webhook\"",
            ),
            &["15:18: routes.default_access: must be one of \"public\", \"session\", \"deny\""],
        ),
    ] {
        assert_eq!(world.errors(&text), expected, "{case}");
    }
}

#[test]
fn every_warning_has_its_place_and_leaves_the_configuration_usable() {
    let world = world();
    let short = hook("[webhook]\ntoken = { env = \"SHORT\" }");
    assert_eq!(
        world.warnings(&short),
        [
            "21:9: webhook.token: the token is short enough to be guessed by who sees one webhook (16 random letters or more, here and in the console)"
        ]
    );
    assert_eq!(
        world.warnings(&format!("{BASE}{SECTION}\n")),
        [
            "20:1: webhook: no route takes webhooks (access = \"webhook\" on the route that the console's URL names)"
        ]
    );
    let open = hook(SECTION).replace(
        "default_access = \"session\"",
        "default_access = \"public\"",
    );
    let warnings = world.warnings(&open);
    assert!(
        warnings
            .iter()
            .any(|warning| warning
                .contains("not checked, also one that the app takes for a webhook's")),
        "{warnings:?}"
    );
}
