//! The configuration. Input: a file, which stands in a folder with the keys of the demo and one site's file.
//!
//! It is read or refused, each error has a place in the file, and no secret stands in any message or in what `Debug`
//! shows.

#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use usersig_proxy::config::{Config, Diagnostic, Diagnostics, LoadError, load};

fuzz_target!(|data: &[u8]| {
    // Would have the whole machine searched for files of sites.
    if data.windows(2).any(|two| two == b"**") {
        return;
    }
    let file = FOLDER.path().join("usersig-proxy.toml");
    fs::write(&file, data).expect("a folder of our own");
    match load(&file, &variable) {
        Ok(config) => check_config(&config),
        Err(LoadError::Invalid(found)) => check_errors(&found, data),
        Err(error) => assert!(data.len() > 4 << 20, "{error}"),
    }
});

fn variable(name: &str) -> Option<String> {
    let value = match name {
        "CHAT_SECRET_KEY" => CHAT_KEY,
        "SESSION_SECRET" => SESSION_SECRET,
        _ => return None,
    };
    Some(value.to_owned())
}

fn check_config(config: &Config) {
    assert!(!config.sites.is_empty() && !config.listen.listeners.is_empty());
    assert_no_secret(&format!("{config:?}"));
    config
        .warnings
        .iter()
        .for_each(|one| assert_no_secret(&one.to_string()));
}

fn check_errors(found: &Diagnostics, data: &[u8]) {
    assert!(!found.errors.is_empty(), "refused without a reason");
    let lines = data.iter().filter(|byte| **byte == b'\n').count() + 1;
    for one in found.errors.iter().chain(&found.warnings) {
        let is_main: fn(&Diagnostic) -> bool = |one| one.file.ends_with("usersig-proxy.toml");
        assert!(one.line >= 1 && one.column >= 1);
        assert!(!is_main(one) || one.line <= lines, "{one} of {lines} lines");
        assert_no_secret(&one.to_string());
    }
    assert_no_secret(&format!("{found:?}"));
}

fn assert_no_secret(text: &str) {
    for secret in [CHAT_KEY, SESSION_SECRET, FILE_SECRET] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// What configurations refer to, under names that are short enough to be found.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    // A disk takes milliseconds for what memory takes microseconds.
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let folder = folder.expect("a folder");
    let files: [(&str, &[u8]); 7] = [
        (
            "demo/chat-secret-key",
            include_bytes!("../../../conf/demo/chat-secret-key"),
        ),
        (
            "demo/session-secret",
            include_bytes!("../../../conf/demo/session-secret"),
        ),
        (
            "demo/session-public.pem",
            include_bytes!("../../../conf/demo/session-public.pem"),
        ),
        ("secret", FILE_SECRET.as_bytes()),
        ("jwks", include_bytes!("../../../src/config/tests/app.jwks")),
        ("tls.pem", include_bytes!("../../keys/tls/app.pem")),
        ("sites/a.toml", include_bytes!("../site.toml")),
    ];
    for (name, content) in files {
        let path: PathBuf = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("in the folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }
    folder
});

const CHAT_KEY: &str = "c4a7d1e0c4a7d1e0c4a7d1e0c4a7d1e0c4a7d1e0c4a7d1e0c4a7d1e0c4a7d1e0";
const SESSION_SECRET: &str = "5e551075e551075e551075e551075e551075e551075e55107";
const FILE_SECRET: &str = "f11e5ec2e7f11e5ec2e7f11e5ec2e7f11e5ec2e7f11e5ec2e7";
