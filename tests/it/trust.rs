//! What `.github/SECURITY.md` and `Cargo.toml` promise: a test for each threat, a reason for each dependency, no unsafe code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_threat_names_tests_that_exist() {
    let text = fs::read_to_string(root().join(".github/SECURITY.md")).unwrap();
    let (_, threats) = text.split_once("\n## Threats\n").unwrap();
    let (threats, _) = threats.split_once("\n## ").unwrap();
    let tests = tests();
    let mut rows = 0;
    for row in threats.lines().filter(|line| is_threat(line)) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 3, "{row}");
        let named: Vec<_> = cells[2].split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test for the threat: {row}");
        for name in named {
            assert!(tests.contains(name), "no test is called {name}");
        }
        rows += 1;
    }
    assert!(rows > 30, "{rows} threats");
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut section = "";
    let mut above = "";
    let mut found = 0;
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let is_entry = line.contains(" = ") && !line.starts_with('#');
        if is_entry && ["[dependencies]", "[dev-dependencies]"].contains(&section) {
            assert!(above.starts_with("# "), "why {line}?");
            found += 1;
        }
        above = line;
    }
    assert!(found > 30, "{found}");
}

#[test]
fn only_the_stand_in_for_zlib_ng_holds_unsafe_code() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("\nunsafe_code = \"forbid\"\n"));
    let mut found = Vec::new();
    for file in sources(&["src", "tests", "benches", ".vendor"]) {
        let text = fs::read_to_string(&file).unwrap();
        // Put together here, so that this file does not hold what it looks for.
        let unsafe_words =
            [" {", " fn", " impl", " trait", " extern", "("].map(|after| format!("unsafe{after}"));
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        if code
            .into_iter()
            .any(|line| unsafe_words.iter().any(|word| line.contains(word)))
        {
            found.push(file.strip_prefix(root()).unwrap().to_owned());
        }
    }
    assert_eq!(found, [Path::new(".vendor/libz-ng-sys/src/lib.rs")]);
}

/// Whether a line is a row of a table, but for its head.
fn is_threat(line: &str) -> bool {
    line.starts_with("| ") && !line.starts_with("| threat |")
}

/// The names of all tests.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in sources(&["src", "tests/it"]) {
        let text = fs::read_to_string(&file).unwrap();
        let text = text.replace("#[tokio::test(start_paused = true)]\n", "#[test]\n");
        let text = text.replace("#[tokio::test]\n", "#[test]\n");
        for after in text.split("#[test]\n").skip(1) {
            let name = after
                .split_once("fn ")
                .and_then(|(_, rest)| rest.split_once('('));
            names.extend(name.map(|(name, _)| name.to_owned()));
        }
    }
    assert!(names.len() > 500, "{}", names.len());
    names
}

fn sources(folders: &[&str]) -> Vec<PathBuf> {
    let mut folders: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
