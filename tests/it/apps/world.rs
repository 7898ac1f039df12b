//! A real app with the relay, the proxy and the sandbox around it.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::relay::relay;
use crate::guides;
use crate::support::foreign::Claim;
use crate::support::program::{Background, program};
use crate::support::proxy::{CHAT_KEY, free_address};
use crate::support::{App, Proxy, Recorded, Response, foreign, get, send, tokens};

/// The application in the configurations of `tests/apps`.
pub(super) const SDK_APP_ID: u32 = 1_400_000_000;

/// What one of the apps needs to start.
pub(super) struct Setup {
    pub(super) name: &'static str,
    /// A path that the app answers with 200 as soon as it runs.
    pub(super) ready: &'static str,
}

/// The app behind the proxy, and the sandbox beside it.
pub(super) struct World {
    name: &'static str,
    installed: PathBuf,
    pub(super) app: RealApp,
    pub(super) relay: App,
    pub(super) proxy: Proxy,
    sandbox: Sandbox,
}

impl World {
    /// `None` when the apps cannot be installed here.
    pub(super) fn start(setup: &Setup, test: &str) -> Option<Self> {
        let installed = foreign::apps(test)?;
        let app = RealApp::start(setup, &installed, &[]);
        let relay = relay(app.address);
        let config = config(setup.name, &installed, relay.address);
        let secret = app_secret(setup.name, &installed);
        let env = [("CHAT_SECRET_KEY", CHAT_KEY), ("SESSION_SECRET", &secret)];
        let sandbox = Sandbox::start(&config, &env);
        let config = config.replace("@CHAT@", &sandbox.address.to_string());
        Some(Self {
            name: setup.name,
            proxy: Proxy::start_with_env(&config, &env),
            sandbox,
            app,
            relay,
            installed,
        })
    }

    /// The same app behind a proxy with a changed configuration.
    pub(super) fn proxy_with(&self, change: impl FnOnce(String) -> String) -> Proxy {
        let config = config(self.name, &self.installed, self.relay.address);
        let secret = app_secret(self.name, &self.installed);
        let env = [("CHAT_SECRET_KEY", CHAT_KEY), ("SESSION_SECRET", &secret)];
        Proxy::start_with_env(&change(config), &env)
    }

    /// Another process of the same app, started with this environment.
    pub(super) fn another_app(&self, setup: &Setup, env: &[(&str, &str)]) -> RealApp {
        RealApp::start(setup, &self.installed, env)
    }

    /// A token signed with the app's own secret.
    pub(super) fn sign(&self, claims: &Value) -> String {
        tokens::sign_with(&app_secret(self.name, &self.installed), claims)
    }

    /// GET through the proxy with these header lines.
    pub(super) fn get(&self, path: &str, header_lines: &str) -> Response {
        get(self.proxy.address, path, header_lines)
    }

    /// The only request that reached the app since the last call.
    pub(super) fn reached_app(&self) -> Recorded {
        let mut seen = self.relay.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// Checks that the proxy refuses and that nothing reaches the app.
    pub(super) fn assert_refused(&self, case: &str, request: &[u8], status: u16, code: &str) {
        let response = send(self.proxy.address, request);
        assert_eq!(
            (response.status, response.code().as_str()),
            (status, code),
            "{case}"
        );
        assert!(self.relay.seen().is_empty(), "{case} reached the app");
    }

    /// Chat's `ErrorCode` for a login of this user.
    pub(super) fn chat_login(&self, user: &str, sig: &str) -> u64 {
        self.sandbox.login(user, sig)
    }

    /// The login of this session from the endpoint: one that Chat and the foreign verifiers take, for this user only.
    pub(super) fn assert_logs_in(&self, header_lines: &str, user: &str) -> String {
        let response = self.get("/_chat/usersig", header_lines);
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert!(self.relay.seen().is_empty(), "our own path reached the app");
        let login = response.json();
        assert_eq!(
            (&login["userId"], &login["sdkAppId"]),
            (&json!(user), &json!(SDK_APP_ID))
        );
        let sig = login["userSig"].as_str().unwrap().to_owned();
        assert_eq!(
            self.sandbox.login(user, &sig),
            0,
            "the sandbox refuses {user}"
        );
        assert_ne!(self.sandbox.login("somebody-else", &sig), 0);
        let claim = |user| Claim {
            key: CHAT_KEY,
            sdk_app_id: SDK_APP_ID,
            user,
            sig: &sig,
            now: tokens::now(),
        };
        let verdicts = foreign::judge(&[claim(user), claim("somebody-else")]);
        assert_eq!(verdicts, [true, false], "the foreign verifiers on {user}");
        sig
    }
}

/// A request with JSON in its body.
pub(super) fn post(path: &str, header_lines: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         {header_lines}\r\n{body}"
    )
    .into_bytes()
}

/// A GET request.
pub(super) fn request(path: &str, header_lines: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{header_lines}\r\n").into_bytes()
}

/// A header line with the token, which an app made.
pub(super) fn bearer(token: &str) -> String {
    tokens::note(token);
    tokens::authorization(token)
}

/// The token with another signature of the right length.
pub(super) fn tampered(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other: String = signature.chars().rev().collect();
    assert_ne!(other, signature);
    format!("{signed}.{other}")
}

/// The three headers that the app got.
pub(super) fn chat_headers(request: &Recorded) -> [Option<&str>; 3] {
    ["X-Chat-UserID", "X-Chat-UserSig", "X-Chat-SDKAppID"].map(|name| request.header(name))
}

/// The names of all headers that the app could take for one of ours.
pub(super) fn names_like_ours(request: &Recorded) -> Vec<String> {
    let names = request.headers.iter();
    let names = names.map(|(name, _)| name.to_ascii_lowercase().replace('_', "-"));
    let mut names: Vec<_> = names.filter(|name| name.starts_with("x-chat")).collect();
    names.sort();
    names
}

/// A process of an app that nobody here wrote.
pub(super) struct RealApp {
    child: Child,
    _state: TempDir,
    pub(super) address: SocketAddr,
}

impl RealApp {
    /// Starts it again at the same address, with its state anew.
    pub(super) fn restart(&mut self, setup: &Setup, installed: &Path, env: &[(&str, &str)]) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = spawn(setup.name, installed, self._state.path(), self.address, env);
        assert!(
            listens(&mut self.child, self.address),
            "{} is gone",
            setup.name
        );
    }

    pub(super) fn start(setup: &Setup, installed: &Path, env: &[(&str, &str)]) -> Self {
        // Another process may take a free port before the app does.
        for _ in 0..5 {
            let state = TempDir::new().unwrap();
            let address = free_address();
            let mut child = spawn(setup.name, installed, state.path(), address, env);
            if listens(&mut child, address) {
                assert_eq!(get(address, setup.ready, "").status, 200);
                return Self {
                    child,
                    _state: state,
                    address,
                };
            }
        }
        panic!("{} does not start", setup.name);
    }
}

impl Drop for RealApp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(
    name: &str,
    installed: &Path,
    state: &Path,
    address: SocketAddr,
    env: &[(&str, &str)],
) -> Child {
    Command::new("tests/apps/start")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg(name)
        .args([installed, state])
        .arg(address.port().to_string())
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn listens(child: &mut Child, address: SocketAddr) -> bool {
    while TcpStream::connect(address).is_err() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        thread::park_timeout(Duration::from_millis(5));
    }
    true
}

/// The stand-in for Chat as a process of its own.
struct Sandbox {
    _process: Background,
    _folder: TempDir,
    address: SocketAddr,
}

impl Sandbox {
    fn start(config: &str, env: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("sandbox.toml");
        let config = config
            .replace("@PROXY@", "127.0.0.1:1")
            .replace("@OPS@", "127.0.0.1:2")
            .replace("@CHAT@", "127.0.0.1:3");
        fs::write(&file, config).unwrap();
        let (process, address) = Background::listening(|listen| {
            let mut command = program(["sandbox", "--listen", listen, "--config"]);
            command.arg(&file).envs(env.iter().copied());
            command
        });
        Self {
            _process: process,
            _folder: folder,
            address,
        }
    }

    /// Chat's `ErrorCode` for this login.
    fn login(&self, user: &str, sig: &str) -> u64 {
        let members = json!({ "UserID": user, "UserSig": sig, "SDKAppID": SDK_APP_ID });
        let response = send(self.address, post("/sandbox/login", "", &members));
        assert_eq!(response.status, 200, "Chat answers 200 to everything");
        response.json()["ErrorCode"].as_u64().unwrap()
    }
}

/// The app's configuration with addresses that [`Proxy`] fills in, at trace level.
fn config(name: &str, installed: &Path, app: SocketAddr) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/apps/{name}.toml"));
    let text = match file.exists() {
        true => fs::read_to_string(file).unwrap(),
        false => guides_configuration(name),
    };
    let secrets = installed.join("secrets");
    let text = text
        .replace("127.0.0.1:@PROXY_PORT@", "@PROXY@")
        .replace("127.0.0.1:@OPS_PORT@", "@OPS@")
        .replace("@APP_PORT@", &app.port().to_string())
        .replace("@SECRETS@", secrets.to_str().unwrap());
    format!("[log]\nlevel = \"trace\"\n{text}")
}

/// The first configuration of the guide with this name, with the placeholders of the others.
fn guides_configuration(name: &str) -> String {
    let text = guides::configurations(name).remove(0);
    let places = [
        ("127.0.0.1:8080", "@PROXY@"),
        ("127.0.0.1:3000", "127.0.0.1:@APP_PORT@"),
    ];
    let text = places.iter().fold(text, |text, (ours, place)| {
        assert!(text.contains(ours), "{ours}");
        text.replace(ours, place)
    });
    format!("[ops]\nlisten = \"@OPS@\"\n{text}")
}

fn app_secret(name: &str, installed: &Path) -> String {
    fs::read_to_string(installed.join("secrets").join(name)).unwrap()
}
