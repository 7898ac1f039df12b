//! The layer rule of the crate docs: each layer names only the ones below it, and only the edge names the framework.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const CORE: [&str; 15] = [
    "authorize",
    "identity",
    "json",
    "page",
    "policy",
    "profile",
    "rejection",
    "rest_api",
    "secret",
    "state",
    "time",
    "token",
    "trace_context",
    "usersig",
    "webhook",
];

/// For each module outside the core: what it may import beside the core.
const ABOVE: [(&str, &[&str]); 14] = [
    ("config", &[]),
    ("metrics", &[]),
    ("proxy", &["metrics"]),
    ("key_source", &[]),
    ("chat_client", &["proxy"]),
    ("audit", &["metrics", "proxy"]),
    ("traces", &["metrics", "proxy"]),
    ("status_page", &["metrics"]),
    ("telemetry", &[]),
    ("sandbox", &[]),
    ("demo", &[]),
    ("guide", &[]),
    (
        "server",
        &[
            "audit",
            "chat_client",
            "config",
            "key_source",
            "metrics",
            "proxy",
            "traces",
            "status_page",
        ],
    ),
    ("cli", &["config", "demo", "sandbox", "server", "telemetry"]),
];

/// What the core may not touch: it has no I/O, no clock and no framework.
const FORBIDDEN_IN_CORE: [&str; 12] = [
    "pingora",
    "tokio",
    "tracing",
    "log::",
    "std::fs",
    "std::env",
    "std::io",
    "std::net::Tcp",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "rand::",
];

/// Beside the pure state stands what keeps it: a file, and the store of a fleet.
const STORES: [&str; 2] = ["state/local", "state/redis"];

#[test]
fn every_module_imports_only_what_its_layer_may() {
    let modules = sources();
    let known: Vec<&str> = CORE
        .into_iter()
        .chain(ABOVE.map(|(name, _)| name))
        .collect();
    for (module, files) in &modules {
        assert!(known.contains(&module.as_str()), "{module} has no layer");
        for (file, text) in files {
            for imported in imports(text) {
                assert!(
                    may_import(module, &imported),
                    "{} imports crate::{imported}",
                    file.display()
                );
            }
        }
    }
    assert_eq!(
        modules.len(),
        known.len(),
        "a layer names a module that is not there"
    );
}

#[test]
fn the_core_touches_no_outside_world() {
    for (module, files) in sources() {
        if !CORE.contains(&module.as_str()) {
            continue;
        }
        for (file, text) in files {
            let is_of = |store: &str| {
                file.ends_with(format!("{store}.rs"))
                    || file.parent().is_some_and(|folder| folder.ends_with(store))
            };
            if STORES.into_iter().any(is_of) {
                continue;
            }
            for forbidden in FORBIDDEN_IN_CORE {
                assert!(!names(&text, forbidden), "{}: {forbidden}", file.display());
            }
        }
    }
}

/// Whether a text holds a path, and not just the end of another: `catalog::` is not `log::`.
fn names(text: &str, path: &str) -> bool {
    let starts = text.match_indices(path).map(|(at, _)| &text[..at]);
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    starts
        .into_iter()
        .any(|before| !before.ends_with(is_letter))
}

#[test]
fn only_the_edge_and_the_server_name_the_framework() {
    for (module, files) in sources() {
        if ["proxy", "server"].contains(&module.as_str()) {
            continue;
        }
        for (file, text) in files {
            assert!(!text.contains("pingora::"), "{}", file.display());
        }
    }
}

#[test]
fn sources_stay_short() {
    for files in sources().values() {
        for (file, text) in files {
            let lines = text.lines().count();
            assert!(lines <= 400, "{}: {lines} lines", file.display());
        }
    }
}

fn may_import(module: &str, imported: &str) -> bool {
    let above = ABOVE.iter().find(|(name, _)| *name == module);
    module == imported
        || CORE.contains(&imported)
        || above.is_some_and(|(_, allowed)| allowed.contains(&imported))
}

/// The first path segment after `crate::`, wherever it stands in the code.
fn imports(text: &str) -> Vec<String> {
    let after = text.split("crate::").skip(1);
    after
        .map(|rest| {
            let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
            rest[..end.unwrap_or(rest.len())].to_owned()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

/// Module name → its files without tests, comments and what follows `#[cfg(test)]`.
fn sources() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(&root).unwrap().to_owned();
            let first = relative.iter().next().unwrap().to_str().unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            let is_test = relative
                .iter()
                .any(|part| part == "tests" || part == "tests.rs");
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if first.ends_with("lib.rs") || first == "main.rs" || is_test {
                continue;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                modules.entry(module).or_default().push((path, code(&text)));
            }
        }
    }
    modules
}

fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}
