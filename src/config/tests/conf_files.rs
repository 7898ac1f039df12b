//! The files under `conf/` are read as an operator would read them.

use super::*;

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
fn the_reference_is_right_and_raises_no_warning() {
    let config = load(&conf("usersig-proxy.toml"), &env).unwrap();
    assert_eq!(config.warnings, []);
}

#[test]
fn the_defaults_that_the_reference_shows_are_the_defaults() {
    let mut world = World::new();
    for name in ["CHAT_SECRET_KEY", "SESSION_SECRET"] {
        world.env.insert(name, env(name).unwrap());
    }
    let text = fs::read_to_string(conf("usersig-proxy.toml")).unwrap();
    let written_out: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.is_empty() && !key.starts_with(' ') => key,
            _ => line,
        })
        .collect();
    let [short, long] = [text.as_str(), &written_out.join("\n")].map(|text| world.good(text));
    assert_eq!(
        (short.demo, format!("{:?}", short.listen), short.ops),
        (long.demo, format!("{:?}", long.listen), long.ops)
    );
    assert_eq!((&short.runtime, short.log), (&long.runtime, long.log));
    let names = |config: &Config| {
        let site = &config.sites[0];
        (
            site.hosts.clone(),
            site.cors_origins.clone(),
            site.upstreams.clone(),
            site.inject.clone(),
            site.usersig_endpoint.clone(),
            format!("{:?}", site.rest_api),
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
        );
        format!(
            "{lives:?} {:?} {:?} {:?} {:?}",
            site.sources, site.verifier, site.tolerance, site.preflight
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
    let spoilt = SECTIONS.iter().fold(text.clone(), |text, section| {
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
            "encoding = \"utf8\" }\nrequire",
            "encoding = \"utf8\", zzz = 0 }\nrequire",
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
    "[session]",
    "[[session.issuer]]",
    "[identity]",
    "[routes]",
    "[[route]]",
    "[inject]",
    "[usersig_endpoint]",
    "[rest_api]",
    "[[rest_api.allow]]",
    "[[rest_api.command]]",
    "[rest_api.budget]",
];
