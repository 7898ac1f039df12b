//! The program under test as a process of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::process;
use super::tokens::{self, SECRET};

/// The Chat key of the tests: nobody's, and none of the known examples.
pub(crate) const CHAT_KEY: &str =
    "7e57000000000000000000000000000000000000000000000000000000007e57";
pub(crate) const SDK_APP_ID: u32 = 1_400_007_357;

/// A running proxy; it ends, and what it printed is searched, when the value is dropped.
pub(crate) struct Proxy {
    child: Child,
    folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) ops: SocketAddr,
}

/// How the process is started, where that is not plainly.
#[derive(Clone, Copy, Default)]
pub(crate) struct Launch<'a> {
    /// Further files beside those of the configuration.
    pub(crate) files: &'a [(&'a str, &'a str)],
    pub(crate) env: &'a [(&'a str, &'a str)],
    /// A program with arguments that becomes this one.
    pub(crate) through: &'a [&'a str],
    /// Where the log goes, if not to a file of the test.
    pub(crate) log: Option<&'a str>,
}

/// A configuration in front of `app` with one HS256 issuer; `more` adds tables, such as routes.
///
/// The first lines of `more` belong to `[routes]`, where `default_access` must be given.
pub(crate) fn config(app: SocketAddr, more: &str) -> String {
    format!(
        r#"
[listen]
http = ["@PROXY@"]
[ops]
listen = "@OPS@"
[log]
level = "trace"
[[upstream]]
name = "app"
servers = ["http://{app}"]
[chat]
sdk_app_id = {SDK_APP_ID}
secret_key = {{ file = "chat-key" }}
admin = "administrator"
[session]
from = [{{ header = "Authorization", scheme = "Bearer" }}, {{ cookie = "session" }}]
[[session.issuer]]
name = "app"
algorithms = ["HS256"]
keys = {{ secret = {{ file = "session-secret" }} }}
[identity]
reserved = ["administrator"]
[usersig_endpoint]
[routes]
{more}
"#
    )
}

impl Proxy {
    /// Starts the program with this configuration, in which `@PROXY@` and `@OPS@` stand for its addresses.
    pub(crate) fn start(config: &str) -> Self {
        Self::launch(config, Launch::default())
    }

    /// The same, with further environment variables.
    pub(crate) fn start_with_env(config: &str, env: &[(&str, &str)]) -> Self {
        let launch = Launch {
            env,
            ..Launch::default()
        };
        Self::launch(config, launch)
    }

    /// The same, with further files beside the configuration's own.
    pub(crate) fn start_with_files(config: &str, files: &[(&str, &str)]) -> Self {
        let launch = Launch {
            files,
            ..Launch::default()
        };
        Self::launch(config, launch)
    }

    /// The same, started in a way of one's own.
    pub(crate) fn launch(config: &str, launch: Launch<'_>) -> Self {
        let folder = TempDir::new().unwrap();
        let own = [("chat-key", CHAT_KEY), ("session-secret", SECRET)];
        for (name, text) in own.iter().chain(launch.files) {
            write_secret(folder.path(), name, text);
        }
        // Another process may take a free port before the proxy does.
        for _ in 0..5 {
            let (address, ops) = (free_address(), free_address());
            let text = config
                .replace("@PROXY@", &address.to_string())
                .replace("@OPS@", &ops.to_string());
            fs::write(folder.path().join("proxy.toml"), text).unwrap();
            let mut child = spawn(&folder, &[], launch);
            if wait_until_it_serves(&mut child, address, ops) {
                return Self {
                    child,
                    folder,
                    address,
                    ops,
                };
            }
        }
        panic!("the proxy does not start: {}", printed(&folder));
    }

    /// Starts the proxy in front of `app` with the configuration of [`config`].
    pub(crate) fn in_front_of(app: &super::App, more: &str) -> Self {
        Self::start(&config(app.address, more))
    }

    /// Everything that was printed so far, standard output and error.
    pub(crate) fn printed(&self) -> String {
        printed(&self.folder)
    }

    /// The first line that the log holds for which `wanted` is true; waits for it.
    pub(crate) fn log_line(
        &self,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let parse = |line: &str| serde_json::from_str(line).ok().filter(&wanted);
        let line = self.text_line(|line| parse(line).is_some());
        serde_json::from_str(&line).unwrap()
    }

    /// Waits until the log holds `count` lines for which `wanted` is true.
    pub(crate) fn log_lines(&self, count: usize, wanted: impl Fn(&serde_json::Value) -> bool) {
        for _ in 0..POLLS {
            let printed = self.printed();
            let lines = printed
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            if lines.filter(&wanted).count() >= count {
                return;
            }
            thread::park_timeout(POLL);
        }
        panic!("too few such lines: {}", self.printed());
    }

    /// The first line that was printed for which `wanted` is true; waits for it.
    pub(crate) fn text_line(&self, wanted: impl Fn(&str) -> bool) -> String {
        for _ in 0..POLLS {
            let printed = self.printed();
            if let Some(line) = printed.lines().find(|line| wanted(line)) {
                return line.to_owned();
            }
            thread::park_timeout(POLL);
        }
        panic!("no such line: {}", self.printed());
    }

    /// Writes a file of its configuration in one step; `@PROXY@` and `@OPS@` stand for its addresses. The main one is
    /// `proxy.toml`.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let text = text
            .replace("@PROXY@", &self.address.to_string())
            .replace("@OPS@", &self.ops.to_string());
        write_secret(self.folder.path(), "draft", &text);
        let folder = self.folder.path();
        fs::rename(folder.join("draft"), folder.join(name)).unwrap();
    }

    /// Removes a file of its configuration.
    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    /// Moves a file or folder of its configuration.
    pub(crate) fn rename(&self, from: &str, to: &str) {
        let folder = self.folder.path();
        fs::rename(folder.join(from), folder.join(to)).unwrap();
    }

    /// Sends it a signal, as in `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        process::signal(self.id(), name);
    }

    /// Starts a new process that takes the listeners over; gives the old one, which drains and ends.
    pub(crate) fn upgrade(&mut self) -> Child {
        self.upgrade_after(|_| {})
    }

    /// The same; what is to happen to the new process while it waits gets its id.
    pub(crate) fn upgrade_after(&mut self, meanwhile: impl FnOnce(u32)) -> Child {
        let successor = spawn(&self.folder, &["--upgrade"], Launch::default());
        self.text_line(|line| line.contains("waiting for the listeners"));
        meanwhile(successor.id());
        self.signal("QUIT");
        self.text_line(|line| line.contains("the listeners were taken over"));
        std::mem::replace(&mut self.child, successor)
    }

    /// The value of a metric, by its name without prefix and its labels.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = super::get(self.ops, "/metrics", "").text();
        let start = format!("usersig_proxy_{series} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&start));
        let value = value.unwrap_or_else(|| panic!("no {series} in\n{text}"));
        value.parse().unwrap()
    }

    /// Waits until a metric has this value.
    pub(crate) fn wait_for_metric(&self, series: &str, value: u64) {
        self.wait_until(series, |found| found == value);
    }

    /// Waits until a metric that may have gone on has at least this value.
    pub(crate) fn wait_for_at_least(&self, series: &str, value: u64) {
        self.wait_until(series, |found| found >= value);
    }

    fn wait_until(&self, series: &str, is_wanted: impl Fn(u64) -> bool) {
        for _ in 0..POLLS {
            if is_wanted(self.metric(series)) {
                return;
            }
            thread::park_timeout(POLL);
        }
        panic!("{series} is {}: {}", self.metric(series), self.printed());
    }

    /// The path of a file in the folder of its configuration.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The path of its configuration.
    pub(crate) fn config_file(&self) -> String {
        let path = self.folder.path().join("proxy.toml");
        path.to_str().unwrap().to_owned()
    }

    /// The process's id, for signals.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the process to end and gives its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        for _ in 0..POLLS {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            thread::park_timeout(POLL);
        }
        panic!("the process does not end");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            assert_holds_no_secret(&self.printed());
        }
    }
}

/// Neither keys nor tokens nor anything that looks like a UserSig.
pub(crate) fn assert_holds_no_secret(printed: &str) {
    for secret in [CHAT_KEY, SECRET]
        .into_iter()
        .map(str::to_owned)
        .chain(tokens::made())
    {
        assert!(!printed.contains(&secret), "a secret was printed: {secret}");
        // A token without its signature is still the user's data.
        if let Some((signed, signature)) = secret.rsplit_once('.') {
            assert!(!printed.contains(signed), "a token's claims were printed");
            assert!(
                !printed.contains(signature),
                "a token's signature was printed"
            );
        }
    }
    let is_usersig_letter = |letter: char| letter.is_ascii_alphanumeric() || "*-_".contains(letter);
    for word in printed.split(|letter: char| !is_usersig_letter(letter)) {
        assert!(
            !(word.starts_with("eJ") && word.len() > 100),
            "a UserSig was printed: {word}"
        );
    }
}

fn write_secret(folder: &Path, name: &str, secret: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, secret).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn spawn(folder: &TempDir, arguments: &[&str], launch: Launch<'_>) -> Child {
    let mut options = File::options();
    options.create(true).append(true);
    let output = |name| options.open(folder.path().join(name)).unwrap();
    let log = match launch.log {
        Some(path) => File::options().append(true).open(path).unwrap(),
        None => output("stderr"),
    };
    let program = env!("CARGO_BIN_EXE_usersig-proxy");
    let mut command = match launch.through {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    command
        .args(["run", "--config"])
        .arg(folder.path().join("proxy.toml"))
        .args(arguments)
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "1")
        .envs(launch.env.iter().copied())
        .stdin(Stdio::null())
        .stdout(output("stdout"))
        .stderr(log)
        .spawn()
        .unwrap()
}

/// `false` when the process ends first.
///
/// A connection alone says nothing: on a free port it may reach a socket that another test is just giving up.
fn wait_until_it_serves(child: &mut Child, address: SocketAddr, ops: SocketAddr) -> bool {
    while !is_ready(ops) || TcpStream::connect(address).is_err() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        thread::park_timeout(POLL);
    }
    true
}

/// A listener that answers comes first: the process is ready a moment later.
fn is_ready(ops: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(ops) else {
        return false;
    };
    let is_sent = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut status = *b"HTTP/1.1 ...";
    is_sent.is_ok() && stream.read_exact(&mut status).is_ok() && status == *b"HTTP/1.1 200"
}

/// An address that nobody listens on, below the ports that the system hands out by itself: one of those could be taken
/// by another test before the proxy does, and then be mistaken for the proxy.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let next = (std::process::id() % PORTS) * 997 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + (next % PORTS) as u16;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        // Not by listening there: a process that another test starts at that moment would hold the port open until it
        // has its own program, and be taken for the proxy.
        if TcpStream::connect(address).is_err() {
            return address;
        }
    }
}

fn printed(folder: &TempDir) -> String {
    ["stdout", "stderr"]
        .map(|name| fs::read_to_string(folder.path().join(name)).unwrap_or_default())
        .concat()
}

const POLL: Duration = Duration::from_millis(2);
const POLLS: u32 = 30_000;
const FIRST_PORT: u16 = 10_000;
const PORTS: u32 = 22_000;
