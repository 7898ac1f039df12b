//! What a configuration comes to, against what it says.

use super::*;
use crate::config::schema::samples::{REFERENCE, with_both, with_samples};

impl World {
    /// What counts, as a file of its own and with the origin of each value.
    fn effective(&self, text: &str) -> Effective {
        let path = self.file("config.toml", text);
        let files = effective(&path, &|name| self.env.get(name).cloned());
        let mut files = files.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(files.len(), 1);
        files.remove(0)
    }
}

/// What the reference's samples name, and the environment of the files.
fn world() -> World {
    let mut world = World::new();
    world.env.insert("CHAT_SECRET_KEY", CHAT_KEY.to_owned());
    world
        .env
        .insert("SESSION_SECRET", SESSION_SECRET.to_owned());
    world.file("webhook-token", "a token that nobody knows");
    world.file("redis-password", "a password that nobody knows");
    world.file("traces-authorization", "Bearer of a collector");
    world
}

fn reference() -> String {
    with_server(&with_samples(REFERENCE))
}

/// With a server for which all the samples mean something.
fn with_server(text: &str) -> String {
    text.replace("\"http://127.0.0.1:3000\"", "\"https://10.0.0.1\"")
}

#[test]
fn what_is_written_out_comes_to_the_same_configuration() {
    let world = world();
    let conf = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("conf")
            .join(name);
        fs::read_to_string(path).unwrap()
    };
    for (name, text) in [
        ("base", BASE.to_owned()),
        // Without the query, which is masked.
        ("full", FULL.replace("?deep=1", "")),
        ("start", conf("start.toml")),
        ("reference", REFERENCE.to_owned()),
        ("samples", reference()),
    ] {
        let written = world.effective(&text).toml;
        let [short, long] = [&text, &written].map(|text| world.good(text));
        let all = |config: &Config| {
            let sites = config.sites.iter();
            let sites: Vec<_> = sites
                .map(|site| {
                    let rules = &site.authorizer;
                    format!(
                        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                        site.hosts,
                        rules.origins,
                        site.upstreams,
                        site.inject,
                        site.usersig_endpoint,
                        site.key_sets,
                        site.rest_api,
                        rules.sources,
                        rules.verifier.issuers().collect::<Vec<_>>(),
                        rules.tolerance,
                        rules.webhooks,
                        rules.profile,
                        site.chat.imports,
                    )
                })
                .collect();
            format!(
                "{} {:?} {} {:?} {:?} {:?} {:?} {sites:#?}",
                config.demo,
                config.listen,
                config.ops,
                config.runtime,
                config.log,
                config.store,
                config.audit
            )
        };
        assert_eq!(all(&short), all(&long), "{name}:\n{written}");
        assert_eq!(short.warnings.len(), long.warnings.len(), "{name}");
        assert_eq!(world.effective(&written).toml, written, "{name}");
    }
}

#[test]
fn every_default_that_the_reference_shows_is_filled_in() {
    let world = world();
    let filled_in = world.effective(&reference()).with_origins;
    let written = world
        .effective(&with_server(&with_both(REFERENCE)))
        .with_origins;
    let keys = |text: &str| -> Vec<String> {
        let mut section = String::new();
        let mut keys = Vec::new();
        for line in text.lines() {
            match line.split_once(" = ") {
                Some((key, _)) => keys.push(format!("{section} {key}")),
                None => section = line.to_owned(),
            }
        }
        keys.sort_unstable();
        keys
    };
    let missing: Vec<_> = keys(&written)
        .into_iter()
        .filter(|key| !keys(&filled_in).contains(key))
        .collect();
    // What means something for other keys only, and what an issuer inherits.
    let others = [
        "[[session.issuer]] allow_private",
        "[session.issuer.identity] type",
    ];
    assert_eq!(missing, others, "{filled_in}");
    assert!(filled_in.matches("  # default").count() > 50, "{filled_in}");
}

#[test]
fn each_value_has_the_line_that_it_stands_on() {
    let world = world();
    let text = base_with("[routes]", "[runtime]\nthreads = 3\n[routes]");
    let shown = world.effective(&text).with_origins;
    let line = text.lines().position(|line| line == "threads = 3").unwrap() + 1;
    let origin = format!("config.toml:{line}");
    let threads = shown.lines().find(|line| line.starts_with("threads = 3"));
    assert!(threads.unwrap().ends_with(&origin), "{shown}");
    assert!(!shown.contains(CHAT_KEY) && !shown.contains(SESSION_SECRET));
}

#[test]
fn what_may_hold_a_secret_is_masked() {
    let world = world();
    let health = "health = { path = \"/health?token=sesame\" }\nservers = [";
    let text = base_with("servers = [", health);
    let shown = world.effective(&text).toml;
    assert!(shown.contains("path = \"/health?[redacted]\""), "{shown}");
    assert!(!shown.contains("sesame"), "{shown}");
}
