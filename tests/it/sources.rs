//! Rules about the files themselves: no machine's paths in them, and documents that name only what exists.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::program::{finish, program};

#[test]
fn no_file_names_a_path_of_somebodys_machine() {
    // Put together here, so that this file does not hold what it looks for.
    let mut homes = ["root", "home", "Users"]
        .map(|folder| format!("/{folder}/"))
        .to_vec();
    homes.push(format!("{}/", env!("CARGO_MANIFEST_DIR")));
    let mut found = Vec::new();
    for file in files() {
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            if homes.iter().any(|home| starts_a_path(line, home)) {
                found.push(format!("{}:{}: {line}", file.display(), index + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_readmes_commands_and_files_exist() {
    let readme = read("README.md");
    let mut commands: Vec<_> = readme
        .split("usersig-proxy ")
        .skip(1)
        .filter_map(|rest| rest.split([' ', '`', '\n']).next())
        .filter(|word| !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase()))
        .collect();
    commands.sort_unstable();
    commands.dedup();
    assert!(commands.contains(&"check"), "{commands:?}");
    for command in commands {
        let help = finish(&mut program([command, "--help"]));
        assert_eq!(
            help.code,
            Some(0),
            "the README names `usersig-proxy {command}`"
        );
    }
    let links = readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    for link in links.filter(|link| !link.starts_with("http") && !link.starts_with('#')) {
        let file = link.split('#').next().unwrap();
        assert!(root().join(file).exists(), "the README links to {link}");
    }
}

/// Whether the text stands in the line as the start of an absolute path, not inside of a longer one or of a URL's.
fn starts_a_path(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_ascii_alphanumeric() || "._-}/@".contains(letter))
    })
}

/// Every file of the package that a person wrote.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for name in [
        "src", "tests", "benches", "conf", ".ci", ".vendor", ".github",
    ] {
        collect(&root().join(name), &mut files);
    }
    let entries = fs::read_dir(root()).unwrap();
    files.extend(
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file()),
    );
    assert!(files.len() > 100, "{files:?}");
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
