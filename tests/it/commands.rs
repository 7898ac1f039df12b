//! The program as an operator calls it: what each command prints, and its exit code.

mod catalogue;
mod check;
mod config_show;
mod demo;
mod explain;
mod fixtures;
mod health;
mod inspect;
mod live;
mod load_scripts;
mod mint;
mod run;
mod shells;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::program::{Background, finish, program};
use crate::support::proxy::{CHAT_KEY, SDK_APP_ID, config, free_address};
use crate::support::send;
use crate::support::tokens::SECRET;

const QUICKSTART: &str = "conf/quickstart.toml";

/// A folder with a configuration and its secrets.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.secret("chat-key", CHAT_KEY);
        folder.secret("session-secret", SECRET);
        folder
    }

    /// A good configuration, changed.
    fn config(&self, name: &str, change: impl FnOnce(String) -> String) -> String {
        let text = config(free_address(), "default_access = \"deny\"");
        let text = text
            .replace("@PROXY@", &free_address().to_string())
            .replace("@OPS@", &free_address().to_string());
        self.file(name, &change(text))
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn secret(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = PathBuf::from(self.file(name, text));
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn every_help_text_says_what_the_command_does_and_how() {
    for (command, phrases) in [
        (
            "--help",
            &[
                "stands in front of the app",
                "usersig-proxy demo",
                "Exit codes",
            ][..],
        ),
        (
            "run",
            &[
                "SIGTERM",
                "SIGINT",
                "exit code is 1",
                "USERSIG_PROXY_CONFIG",
            ],
        ),
        (
            "check",
            &[
                "every error at once",
                "line, column",
                "Exit code 0",
                "2:",
                "sent once",
                "--live",
            ],
        ),
        (
            "demo",
            &[
                "knows nothing of Chat",
                "curl",
                "Ctrl-C",
                "[default: 127.0.0.1:8080]",
            ],
        ),
        (
            "sandbox",
            &[
                "verifies UserSigs",
                "27 commands",
                "It is not Chat",
                "/sandbox/login",
                "/sandbox/fail",
                "/sandbox/calls",
            ],
        ),
        (
            "mint",
            &[
                "reserved for administrators",
                "log in as any user",
                "seq 1000",
            ],
        ),
        (
            "inspect",
            &["signature", "--config", "standard input", "Exit code 1"],
        ),
        (
            "explain",
            &[
                "status, code and stage",
                "--claims",
                "--token",
                "no key, token or UserSig is printed",
                "is not known here",
                "Exit code 0",
            ],
        ),
        (
            "commands",
            &["service/command", "--risk", "--config", "- is nobody"],
        ),
        (
            "fixtures",
            &[
                "none is an administrator",
                "mode 0600",
                "--signing-key",
                "conf/load",
                "Exit code 0",
            ],
        ),
        (
            "health",
            &["/readyz", "/healthz", "HEALTHCHECK", "Exit code 0", "3s"],
        ),
        ("config", &["show"]),
        (
            "completions",
            &["bash", "zsh", "fish", "_usersig-proxy", "Exit code 0"],
        ),
        ("man", &["man -l -", "--out", "Exit code 0"]),
    ] {
        let arguments = [command, "--help"];
        let help = finish(&mut program(&arguments[usize::from(command == "--help")..]));
        assert_eq!(
            (help.code, help.stderr.as_str()),
            (Some(0), ""),
            "{command}"
        );
        // Where a line is broken does not matter.
        let text = help.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        for phrase in phrases {
            assert!(
                text.contains(phrase),
                "{command} --help without {phrase:?}:\n{text}"
            );
        }
        let widest = help.stdout.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(110), "{command} --help is too wide");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_right() {
    for (case, arguments, said) in [
        ("nothing", &[][..], "Usage: usersig-proxy <COMMAND>"),
        ("unknown command", &["serve"], "unrecognized subcommand"),
        ("run without a file", &["run"], "--config <FILE>"),
        ("check without a file", &["check"], "<FILE>"),
        (
            "mint without a user",
            &["mint", "-c", QUICKSTART],
            "--user <USERID>",
        ),
        (
            "mint, unknown format",
            &["mint", "-c", QUICKSTART, "-u", "1", "--format", "xml"],
            "text, json",
        ),
        (
            "completions for another shell",
            &["completions", "tcsh"],
            "bash, zsh, fish",
        ),
        (
            "a mistyped command",
            &["chek", QUICKSTART],
            "a similar subcommand exists: 'check'",
        ),
        (
            "a mistyped argument",
            &["check", "--lvie", QUICKSTART],
            "a similar argument exists: '--live'",
        ),
        (
            "check, a schema and a file",
            &["check", "--schema", QUICKSTART],
            "cannot be used with",
        ),
        (
            "fixtures for nobody",
            &[
                "fixtures", "-c", QUICKSTART, "--out", "none", "--users", "0",
            ],
            "0 is not in 1..=100000000",
        ),
        (
            "health, TLS",
            &["health", "--url", "https://127.0.0.1:9090"],
            "http, host and port",
        ),
        (
            "health, a path",
            &["health", "--url", "http://127.0.0.1:9090/readyz"],
            "http, host and port",
        ),
        (
            "health, two places",
            &["health", "--url", "http://[::1]:1", "-c", QUICKSTART],
            "cannot be used with",
        ),
        (
            "demo, no address",
            &["demo", "--listen", "8080"],
            "invalid value",
        ),
    ] {
        let finished = finish(&mut program(arguments));
        assert_eq!(
            (finished.code, finished.stdout.as_str()),
            (Some(2), ""),
            "{case}"
        );
        assert!(
            finished.stderr.contains(said),
            "{case}: {}",
            finished.stderr
        );
    }
}

#[test]
fn demo_and_sandbox_listen_on_loopback_only_and_only_where_they_can() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for command in [&["demo"][..], &["sandbox", "--config", QUICKSTART]] {
        for (address, said) in [("0.0.0.0:0", "on loopback only"), (&taken, taken.as_str())] {
            let finished = finish(program(command).args(["--listen", address]));
            assert_eq!(
                (finished.code, finished.stdout.as_str()),
                (Some(1), ""),
                "{command:?}"
            );
            assert!(
                finished.stderr.contains(said),
                "{command:?}: {}",
                finished.stderr
            );
        }
    }
}

#[test]
fn the_sandbox_takes_what_mint_prints() {
    let folder = Folder::new();
    let config = folder.config("proxy.toml", |text| text);
    let (mut sandbox, address) =
        Background::listening(|listen| program(["sandbox", "-c", &config, "--listen", listen]));
    assert_eq!(
        sandbox.stdout(),
        format!("sandbox on http://{address}/sandbox/\n")
    );

    let sig = finish(&mut program(["mint", "-c", &config, "-u", "27149"])).stdout;
    let sig = sig.trim_end();
    for (case, user, sdk_app_id, sig, code) in [
        ("good", "27149", SDK_APP_ID, sig, 0),
        ("other user", "27150", SDK_APP_ID, sig, 70013),
        ("other app", "27149", SDK_APP_ID + 1, sig, 70020),
        ("cut off", "27149", SDK_APP_ID, &sig[..40], 70003),
    ] {
        let body = serde_json::json!({ "UserID": user, "SDKAppID": sdk_app_id, "UserSig": sig })
            .to_string();
        let length = body.len();
        let head = format!(
            "POST /sandbox/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        );
        let response = send(address, head + &body);
        assert_eq!(
            (response.status, &response.json()["ErrorCode"]),
            (200, &code.into()),
            "{case}"
        );
    }
    assert_eq!(sandbox.interrupt(), Some(0));
    assert!(
        !(sandbox.stdout() + &sandbox.stderr()).contains(sig),
        "a UserSig was printed"
    );
}
