//! Those that are measured, and the app behind them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::load;
use super::process::{Process, free_address};
use super::tokens::{AUDIENCE, ISSUER, SECRET, Signing, TokenFile, Tokens};

/// The app, and a folder for what the others need.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) app: Process,
}

/// One of those that do a job.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// Or passes everything through.
    pub(crate) does_the_job: bool,
    pub(crate) process: Process,
}

/// How the proxy is set up.
pub(crate) struct Settings {
    pub(crate) signing: Signing,
    /// In bytes.
    pub(crate) token_memory: u64,
    /// In users.
    pub(crate) usersig_cache: u64,
    /// The routes and what else differs.
    pub(crate) sections: String,
}

impl World {
    /// Starts the app, which lets `users` log in.
    pub(crate) fn new(users: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let logins = Tokens {
            signing: Signing::Hs256,
            forged: false,
            users,
        };
        let mut logins = TokenFile::new(folder.path().join("logins"), logins);
        logins.grow(users.min(MOST_LOGINS));
        let address = free_address();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["app", &address.to_string()]).arg(logins.path);
        let log = folder.path().join("app.log");
        let app = Process::start(command, load::CORE, address, &log);
        Self { folder, app }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file of tokens that is still empty.
    pub(crate) fn token_file(&self, name: &str, tokens: Tokens) -> TokenFile {
        let name = format!("{}.tokens", name.replace('/', "-"));
        TokenFile::new(self.folder().join(name), tokens)
    }

    /// Pingora that passes everything through.
    pub(crate) fn bare(&self) -> Subject {
        self.bare_in(&[])
    }

    /// The same, started by the words of another program.
    pub(crate) fn bare_in(&self, launcher: &[String]) -> Subject {
        let address = free_address();
        let mut command = launched(launcher, &std::env::current_exe().unwrap());
        command.args(["bare", &address.to_string(), &self.app.address.to_string()]);
        let log = self.folder().join("bare.log");
        Subject {
            name: BARE,
            does_the_job: false,
            process: Process::start(command, CORE, address, &log),
        }
    }

    /// The proxy.
    pub(crate) fn proxy(&self, settings: &Settings) -> Subject {
        self.proxy_in(&[], settings)
    }

    /// The same, started by the words of another program.
    pub(crate) fn proxy_in(&self, launcher: &[String], settings: &Settings) -> Subject {
        let address = free_address();
        let config = self.folder().join("proxy.toml");
        write_secret(&self.folder().join("chat-key"), CHAT_KEY);
        write_secret(&self.folder().join("session-secret"), SECRET);
        fs::write(&config, settings.text(&address.to_string(), self)).unwrap();
        let mut command = launched(launcher, &proxy_program());
        command.arg("run").arg("--config").arg(&config);
        let log = self.folder().join("proxy.log");
        Subject {
            name: "usersig-proxy",
            does_the_job: true,
            process: Process::start(command, CORE, address, &log),
        }
    }
}

impl Subject {
    /// The same under another name.
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

impl Settings {
    /// For an app whose tokens are signed like this.
    pub(crate) fn of(signing: Signing) -> Self {
        Self {
            signing,
            token_memory: 64 << 20,
            usersig_cache: 1_000_000,
            sections: ROUTES.to_owned(),
        }
    }

    fn text(&self, address: &str, world: &World) -> String {
        let keys = match self.signing.public_key() {
            Some(path) => format!("{{ public_key = {:?} }}", path.to_str().unwrap()),
            None => "{ secret = { file = \"session-secret\" } }".to_owned(),
        };
        format!(
            r#"
[listen]
http = ["{address}"]
[ops]
listen = "{ops}"
[runtime]
threads = 1
[[upstream]]
name = "app"
servers = ["http://{app}"]
[chat]
sdk_app_id = {SDK_APP_ID}
secret_key = {{ file = "chat-key" }}
admin = "administrator"
endpoint = "http://{app}"
[chat.usersig]
cache_capacity = {usersig_cache}
[session]
from = [{{ header = "Authorization", scheme = "Bearer" }}, {{ cookie = "session" }}]
token_memory = "{token_memory}B"
[[session.issuer]]
name = "app"
issuer = "{ISSUER}"
audience = ["{AUDIENCE}"]
algorithms = ["{algorithm}"]
keys = {keys}
[identity]
reserved = ["administrator"]
[usersig_endpoint]
{sections}
"#,
            ops = free_address(),
            app = world.app.address,
            usersig_cache = self.usersig_cache,
            token_memory = self.token_memory,
            algorithm = self.signing.name(),
            sections = self.sections,
        )
    }
}

fn launched(launcher: &[String], program: &Path) -> Command {
    match launcher.split_first() {
        Some((first, more)) => {
            let mut command = Command::new(first);
            command.args(more).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// The program, or the one that the environment names: to compare two builds.
fn proxy_program() -> PathBuf {
    let other = std::env::var_os("USERSIG_PROXY_PROGRAM");
    other.map_or_else(|| env!("CARGO_BIN_EXE_usersig-proxy").into(), PathBuf::from)
}

fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// What everything is compared with.
pub(crate) const BARE: &str = "bare Pingora";
/// The core of what is measured.
pub(crate) const CORE: usize = 1;
/// More users than that do not log in at the app in any round.
const MOST_LOGINS: u64 = 1000;
pub(crate) const SDK_APP_ID: u32 = 1_400_007_357;
/// A Chat key that is nobody's.
pub(crate) const CHAT_KEY: &str =
    "7e57000000000000000000000000000000000000000000000000000000007e57";

const ROUTES: &str = r#"
[routes]
default_access = "deny"
[[route]]
match = { path = "/public/{*rest}" }
access = "public"
[[route]]
match = { path = "/api/{*rest}" }
access = "session"
inject = { request_headers = true, response_headers = true }
"#;

/// A login whose answer carries the session token.
pub(crate) const LOGIN_ROUTE: &str = r#"
[[route]]
match = { path = "/login", methods = ["POST"] }
access = "public"
session_from_response = { json = "/access_token" }
inject = { response_json = "/chat" }
"#;

/// Everybody may send messages, and no budget stands in the way.
pub(crate) const REST_API: &str = r#"
[rest_api]
[[rest_api.allow]]
commands = ["openim/sendmsg"]
roles = ["member"]
[rest_api.budget]
commands = { "openim/sendmsg" = 1_000_000 }
"#;
