//! The files under `conf/` are read as an operator would read them.

use super::*;
use crate::config::schema::samples::{with_defaults, with_samples};

fn conf(name: &str) -> PathBuf {
    Path::new(CONF).join(name)
}

/// The environment that the files may use, and nothing else.
fn env(name: &str) -> Option<String> {
    match name {
        "CHAT_SECRET_KEY" => Some(CHAT_KEY.to_owned()),
        "SESSION_SECRET" => Some(SESSION_SECRET.to_owned()),
        _ => None,
    }
}

#[test]
fn the_quickstart_runs_as_it_is() {
    let config = load(&conf("quickstart.toml"), &|_| None).unwrap();
    assert_eq!(config.warnings, []);
    assert!(config.demo);
}

#[test]
fn the_quickstart_without_demo_is_refused_for_each_example_key() {
    let text = fs::read_to_string(conf("quickstart.toml")).unwrap();
    let world = World::new();
    fs::create_dir(world.folder.path().join("demo")).unwrap();
    for name in ["chat-secret-key", "session-secret", "session-public.pem"] {
        world.file(
            &format!("demo/{name}"),
            fs::read(conf("demo").join(name)).unwrap(),
        );
    }
    assert_eq!(world.errors(&text), Vec::<String>::new());
    let errors = world.errors(&text.replace("demo = true", "demo = false"));
    let known = "is an example key that everybody knows";
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(
        errors.iter().all(|error| error.contains(known)),
        "{errors:?}"
    );
}

#[test]
fn the_start_is_right_as_it_is_and_lets_every_path_through() {
    let config = load(&conf("start.toml"), &env).unwrap();
    assert_eq!(config.warnings, []);
    let site = &config.sites[0];
    assert!(site.hosts.is_empty());
    assert!(site.upstreams[0].health.is_none());
    for path in ["/", "/api/login", "/any/where"] {
        let path = CanonicalPath::parse(path.as_bytes(), Tolerance::default()).unwrap();
        let routes = &site.authorizer.routes;
        let found = routes.find(None, &http::Method::POST, &path).unwrap();
        assert_eq!(found.access, Access::Public);
    }
    assert!(site.usersig_endpoint.is_some());
}

#[test]
fn what_the_start_offers_is_right_and_reminds_of_the_default_access() {
    let text = fs::read_to_string(conf("start.toml")).unwrap();
    let world = world();
    let warnings = world.warnings(&with_defaults(&text));
    assert!(
        warnings.len() == 1 && warnings[0].contains("a path that no route lists"),
        "{warnings:?}"
    );
    let text = with_defaults(&text).replace("= \"public\"\n\n[user", "= \"session\"\n\n[user");
    let config = world.good(&text);
    assert_eq!(config.warnings, []);
    let site = &config.sites[0];
    assert_eq!(site.authorizer.routes.routes().count(), 4);
    assert!(config.store.file.is_some() && site.chat.endpoint.is_some());
}

#[test]
fn the_reference_is_right_and_raises_no_warning() {
    let config = load(&conf("usersig-proxy.toml"), &env).unwrap();
    assert_eq!(config.warnings, []);
    let site = &config.sites[0];
    assert!(
        site.hosts.is_empty()
            && site.upstreams[0].health.is_none()
            && site.chat.imports.is_none()
            && config.store == Store::default()
    );
}

#[test]
fn each_sample_of_the_reference_is_right() {
    let text = fs::read_to_string(conf("usersig-proxy.toml")).unwrap();
    let text = with_samples(&text).replace("\"http://127.0.0.1:3000\"", "\"https://10.0.0.1\"");
    let config = world().good(&text);
    assert_eq!(config.warnings, []);
    let site = &config.sites[0];
    assert_eq!(site.hosts.len(), 1);
    let upstream = &site.upstreams[0];
    assert!(upstream.ca.is_some() && upstream.server_name.is_some());
    assert!(upstream.health.as_ref().unwrap().request.is_some());
    assert!(config.store.file.is_some() && site.rest_api.is_some() && site.chat.endpoint.is_some());
    assert!(config.audit.is_some());
    assert_eq!(site.authorizer.routes.routes().count(), 5);
    assert!(site.authorizer.webhooks.is_some());
    assert!(site.chat.imports.is_some() && site.authorizer.profile.is_some());
}

#[test]
fn the_defaults_that_the_reference_shows_are_the_defaults() {
    let world = world();
    let text = fs::read_to_string(conf("usersig-proxy.toml")).unwrap();
    let short = with_samples(&without_tls(&text));
    let long = with_defaults(&short).replace("\nhealth = {}\n", "\n");
    let [short, long] = [short, long].map(|text| world.good(&text));
    assert!(short.sites[0].upstreams[0].health.is_some());
    assert_eq!(
        (short.demo, format!("{:?}", short.listen), short.ops),
        (long.demo, format!("{:?}", long.listen), long.ops)
    );
    assert_eq!((&short.runtime, short.log), (&long.runtime, long.log));
    assert_eq!((&short.audit, &short.store), (&long.audit, &long.store));
    assert!(short.store.redis.is_some());
    let names = |config: &Config| {
        let site = &config.sites[0];
        (
            site.hosts.clone(),
            site.authorizer.origins.clone(),
            site.upstreams.clone(),
            site.inject.clone(),
            site.usersig_endpoint.clone(),
            format!("{:?} {:?}", site.rest_api, site.chat.imports),
        )
    };
    assert_eq!(names(&short), names(&long));
    let rest = |config: &Config| {
        let site = &config.sites[0].authorizer;
        let lives = (
            site.issuer.lifetime(),
            site.min_remaining,
            site.cap_to_session,
            site.cache_capacity,
            site.token_memory,
        );
        format!(
            "{lives:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            site.sources,
            site.verifier,
            site.tolerance,
            site.preflight,
            site.webhooks,
            site.profile
        )
    };
    assert_eq!(rest(&short), rest(&long));
    let map = |config: &Config| {
        let claims = crate::json::parse_object(br#"{"sub":"u7"}"#).unwrap();
        let rules = &config.sites[0].authorizer.claim_rules[0];
        rules.identity.map(&claims).unwrap()
    };
    assert_eq!(map(&short), map(&long));
    assert_eq!(world.shown(&long.warnings), Vec::<String>::new());
}

#[test]
fn the_reference_names_every_key_that_exists() {
    let text = fs::read_to_string(conf("usersig-proxy.toml")).unwrap();
    let spoilt = SECTIONS.iter().fold(with_samples(&text), |text, section| {
        text.replacen(
            &format!("\n{section}\n"),
            &format!("\n{section}\nzzz = 0\n"),
            1,
        )
    });
    let spoilt = format!("zzz = 0\n{spoilt}")
        .replace(
            "#https = []",
            "https = [{ zzz = 0, certificates = [{ zzz = 0 }] }]\nhttp = [{ zzz = 0 }]",
        )
        .replace("#identity = {}", "identity = { zzz = 0 }")
        .replace("health = { path", "health = { zzz = 0, path")
        .replace(
            "encoding = \"utf8\" }\n# Claims",
            "encoding = \"utf8\", zzz = 0 }\n# Claims",
        )
        .replace("secret_key = {", "keys = [{ zzz = 0 }]\nsecret_key = {");
    let world = World::new();
    let errors = world.errors(&spoilt);
    let listed: Vec<&str> = errors
        .iter()
        .filter_map(|error| error.split_once("known here: "))
        .flat_map(|(_, keys)| keys.trim_end_matches(')').split(", "))
        .collect();
    assert!(listed.len() > 60, "{errors:#?}");
    for key in listed {
        let spellings = [format!("{key} = "), format!("[{key}]"), format!(".{key}]")];
        let is_named = spellings.iter().any(|spelling| text.contains(spelling));
        assert!(is_named, "{key}");
    }
}

/// A folder with what the samples name, and the environment of the files.
fn world() -> World {
    let mut world = World::new();
    for name in ["CHAT_SECRET_KEY", "SESSION_SECRET"] {
        world.env.insert(name, env(name).unwrap());
    }
    world.file("webhook-token", "a token that nobody knows");
    world.file("traces-authorization", "Bearer of a collector");
    world.file("redis-password", "a password that nobody knows");
    world
}

/// The text without the samples for servers with TLS, and with checks that say nothing.
fn without_tls(text: &str) -> String {
    let line = |line: &str| match line {
        "# server_name = \"app.internal\"" | "# ca = \"ca.pem\"" => String::new(),
        line if line.starts_with("# health = {") => "# health = {}\n".to_owned(),
        line => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

const CONF: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conf");
const SECTIONS: &[&str] = &[
    "[listen]",
    "[ops]",
    "[runtime]",
    "[log]",
    "[cors]",
    "[[upstream]]",
    "[chat]",
    "[chat.usersig]",
    "[chat.profile]",
    "[session]",
    "[[session.issuer]]",
    "[identity]",
    "[routes]",
    "[[route]]",
    "[inject]",
    "[usersig_endpoint]",
    "[webhook]",
    "[store]",
    "[store.redis]",
    "[audit]",
    "[traces]",
    "[rest_api]",
    "[[rest_api.allow]]",
    "[[rest_api.command]]",
    "[rest_api.budget]",
];
