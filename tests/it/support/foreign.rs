//! Programs that are not ours and need more than Rust, gcc and make: Python, Node and the apps they run.
//!
//! Where one is missing the test says so in one line and passes; with `USERSIG_PROXY_TEST_REQUIRE_APPS=1` it fails.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;

use super::program::finish_with_input;

/// The verifiers of `tests/foreign`, each with the program that runs it.
const VERIFIERS: [(&str, &str); 2] = [
    ("python3", "tests/foreign/verify_usersig.py"),
    ("node", "tests/foreign/verify_usersig.mjs"),
];

/// A UserSig and whose it is said to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) key: &'a str,
    pub(crate) sdk_app_id: u32,
    pub(crate) user: &'a str,
    pub(crate) sig: &'a str,
    /// The moment for which it is judged.
    pub(crate) now: u64,
}

/// Whether the verifiers take each UserSig; they must agree.
pub(crate) fn judge(claims: &[Claim<'_>]) -> Vec<bool> {
    let lines: String = claims
        .iter()
        .map(|claim| {
            json!([
                claim.key,
                claim.sdk_app_id,
                claim.user,
                claim.sig,
                claim.now
            ])
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let [one, two] = VERIFIERS.map(|(program, script)| {
        let mut command = Command::new(program);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg(script);
        let finished = finish_with_input(&mut command, &lines);
        assert_eq!(
            (finished.code, finished.stderr.as_str()),
            (Some(0), ""),
            "{script}"
        );
        finished.stdout
    });
    assert_eq!(one, two, "the verifiers disagree");
    let verdicts: Vec<_> = one.lines().map(|line| line == "true").collect();
    assert_eq!(verdicts.len(), claims.len());
    verdicts
}

/// Whether the verifiers can run; says what is missing when not.
pub(crate) fn can_verify(test: &str) -> bool {
    has(test, &VERIFIERS.map(|(program, _)| program))
}

/// Whether these programs are installed; says which is missing when not.
pub(crate) fn has(test: &str, programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| !is_installed(program));
    match missing {
        Some(program) => skip(test, &format!("{program} is not installed")),
        None => true,
    }
}

/// Whether wrk is installed; says so when not. Its exit code is 1 when it only says its version.
pub(crate) fn has_wrk(test: &str) -> bool {
    match Command::new("wrk").arg("-v").output() {
        Ok(_) => true,
        Err(_) => skip(test, "wrk is not installed"),
    }
}

/// The folder with the installed apps; says what is missing when they cannot be installed.
pub(crate) fn apps(test: &str) -> Option<PathBuf> {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    found(
        test,
        INSTALLED.get_or_init(|| install("tests/apps/setup", "real-apps")),
    )
}

/// The folder with the client from crates.io, the program `chat-rest`; says what is missing when it cannot be built.
pub(crate) fn rust_client(test: &str) -> Option<PathBuf> {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    found(
        test,
        INSTALLED.get_or_init(|| install("tests/apps/setup-rust", "rust-client")),
    )
}

/// The folder with the linters of what is under `conf`; says what is missing when they cannot be installed.
pub(crate) fn linters(test: &str) -> Option<PathBuf> {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    found(
        test,
        INSTALLED.get_or_init(|| install("tests/packages/setup", "linters")),
    )
}

/// The folder, or why there is nothing in it.
type Installed = Result<PathBuf, String>;

fn found(test: &str, installed: &Installed) -> Option<PathBuf> {
    match installed {
        Ok(folder) => Some(folder.clone()),
        Err(reason) => {
            skip(test, reason);
            None
        }
    }
}

fn install(script: &str, name: &str) -> Installed {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let output = Command::new(script)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg(&folder)
        .output()
        .map_err(|error| format!("{script} does not run: {error}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(folder),
        false => Err(errors.lines().last().unwrap_or("no reason").to_owned()),
    }
}

fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output();
    found.is_ok_and(|output| output.status.success())
}

/// Says that a test does not run, and fails where all must. Always `false`.
pub(crate) fn skip(test: &str, reason: &str) -> bool {
    let required = std::env::var_os("USERSIG_PROXY_TEST_REQUIRE_APPS").is_some();
    assert!(!required, "{test} cannot run: {reason}");
    say_skipped(test, reason);
    false
}

/// Says that a test does not run because the system does not allow it, whoever wants it to.
pub(crate) fn say_skipped(test: &str, reason: &str) {
    // Not with `eprintln!`, which the test harness keeps to itself.
    let line = format!("skipped: {test}: {reason}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}
