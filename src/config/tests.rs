use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::policy::{Access, AllowedOrigins, CanonicalPath, Tolerance};
use crate::usersig::{Issuer, SecretKey};

mod audit;
mod conf_files;
mod effective;
mod key_sets;
mod listeners;
mod rest_api;
mod revoked;
mod secrets;
mod sites;
mod webhook;
mod wrong;

/// A folder with a configuration that is right, and what the environment holds.
struct World {
    folder: TempDir,
    env: HashMap<&'static str, String>,
}

impl World {
    fn new() -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            env: HashMap::from([
                ("CHAT", CHAT_KEY.to_owned()),
                ("CHAT_BEFORE", CHAT_KEY.replace("f00d", "beef")),
                ("SESSION", SESSION_SECRET.to_owned()),
            ]),
        };
        world.file("rsa.pem", RSA_PEM);
        world.file("ed.pem", ED_PEM);
        world.file("app.jwks", JWKS);
        world.file("ca.pem", CA);
        world.file("bad-ca.pem", CA.replace("MII", "MIX"));
        world
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn load(&self, text: &str) -> Result<Config, LoadError> {
        let path = self.file("config.toml", text);
        load(&path, &|name| self.env.get(name).cloned())
    }

    fn good(&self, text: &str) -> Config {
        self.load(text).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The errors, each as `line:column: key: problem (hint)`.
    fn errors(&self, text: &str) -> Vec<String> {
        match self.load(text) {
            Ok(_) => Vec::new(),
            Err(LoadError::Invalid(diagnostics)) => {
                assert!(
                    !diagnostics.errors.is_empty(),
                    "refused without a reason: {text}"
                );
                self.shown(&diagnostics.errors)
            }
            Err(error) => vec![error.to_string()],
        }
    }

    fn warnings(&self, text: &str) -> Vec<String> {
        self.shown(&self.good(text).warnings)
    }

    fn shown(&self, diagnostics: &[Diagnostic]) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        let shown = diagnostics.iter().map(Diagnostic::to_string);
        shown
            .map(|line| line.replace(&folder, "").replacen("config.toml:", "", 1))
            .collect()
    }
}

/// Every listener as the log names it.
fn shown(listen: &Listen) -> Vec<String> {
    listen.listeners.iter().map(Listener::to_string).collect()
}

/// The base configuration with `from` replaced by `to`, which must occur.
fn base_with(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "{from}");
    BASE.replacen(from, to, 1)
}

/// What nobody but an operator may see is on loopback, and what becomes of an unlisted path is never left to a default.
#[test]
fn o1_u9_what_is_not_written_opens_nothing() {
    let world = World::new();
    let config = world.good(BASE);
    assert!(config.ops.ip().is_loopback());
    assert!(BASE.contains("default_access"));
    let without: Vec<_> = BASE
        .lines()
        .filter(|line| !line.starts_with("default_access"))
        .collect();
    let errors = world.errors(&without.join("\n"));
    assert!(
        errors.len() == 1 && errors[0].contains("routes.default_access: is required"),
        "{errors:?}"
    );
}

#[test]
fn a_short_file_gets_the_documented_defaults() {
    let config = World::new().good(BASE);
    assert_eq!(config.warnings, []);
    assert!(!config.demo);
    assert_eq!(shown(&config.listen), ["127.0.0.1:8080"]);
    assert_eq!(config.listen.unix_mode, 0o660);
    assert!(config.listen.trusted_proxies.is_empty());
    assert_eq!(config.ops, "127.0.0.1:9090".parse().unwrap());
    let seconds = Duration::from_secs;
    assert_eq!(
        config.runtime,
        Runtime {
            threads: None,
            max_connections: None,
            max_requests: NonZeroUsize::new(10_000).unwrap(),
            max_body: 1 << 30,
            max_login_body: 1 << 20,
            max_header_bytes: 64 << 10,
            max_uri_bytes: 16 << 10,
            downstream_keepalive: seconds(60),
            downstream_read_timeout: seconds(60),
            reload_on_change: true,
            drain_delay: seconds(0),
            grace_period: seconds(10),
            shutdown_timeout: seconds(5),
            upgrade_socket: None,
        }
    );
    assert_eq!(
        config.sites[0].upstreams,
        [Upstream {
            name: "app".to_owned(),
            servers: vec![ServerAddress::Http(Authority {
                host: "127.0.0.1".to_owned(),
                port: 3000
            })],
            balance: Balance::RoundRobin,
            server_name: None,
            ca: None,
            http2: false,
            health: None,
            connect_timeout: seconds(5),
            read_timeout: seconds(60),
            write_timeout: seconds(60),
            idle_timeout: seconds(30),
        }]
    );
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.level, LogLevel::Info);
    assert_eq!(
        config.sites[0].inject.user_sig_header.as_str(),
        "x-chat-usersig"
    );
    assert_eq!(config.sites[0].inject.cookie_name, "chat_usersig");
    assert_eq!(
        config.sites[0].authorizer.issuer.lifetime().as_secs(),
        604_800
    );
    assert_eq!(config.sites[0].authorizer.min_remaining, seconds(86_400));
    assert!(!config.sites[0].authorizer.cap_to_session);
    assert_eq!(config.sites[0].authorizer.cache_capacity.get(), 1_000_000);
    assert_eq!(config.sites[0].usersig_endpoint, None);
    assert!(
        config.sites[0].chat.reserved.contains("Root")
            && config.sites[0].chat.reserved.contains("ADMIN")
    );
}

#[test]
fn a_full_file_sets_everything() {
    let world = World::new();
    let config = world.good(FULL);
    assert_eq!(world.shown(&config.warnings), Vec::<String>::new());
    assert_eq!(shown(&config.listen), ["0.0.0.0:8080", "[::1]:8081"]);
    assert_eq!(config.runtime.threads.map(NonZeroUsize::get), Some(4));
    assert_eq!(config.runtime.max_connections, NonZeroUsize::new(2000));
    assert_eq!(config.runtime.max_requests.get(), 500);
    assert_eq!(config.runtime.max_body, 2 << 20);
    assert_eq!(config.runtime.grace_period, Duration::ZERO);
    assert_eq!(config.log.level, LogLevel::Debug);
    assert_eq!(
        config.sites[0].authorizer.origins,
        AllowedOrigins::new(
            ["https://app.example.com", "http://localhost:5173"].map(str::to_owned)
        )
    );
    let other = &config.sites[0].upstreams[1];
    let servers: Vec<_> = other.servers.iter().map(ToString::to_string).collect();
    let socket = world.folder.path().join("run/app.sock");
    assert_eq!(
        servers,
        [
            "http://[::1]:80",
            "https://10.0.0.1:443",
            &format!("unix:{}", socket.display())
        ]
    );
    assert_eq!(other.balance, Balance::LeastRequests);
    assert_eq!(other.server_name.as_deref(), Some("app.internal"));
    assert_eq!(other.ca.as_ref().map(Vec::len), Some(1));
    assert!(other.http2);
    let health = other.health.clone().unwrap();
    assert_eq!(health.timeout, Duration::from_secs(1));
    assert_eq!((health.unhealthy_after, health.healthy_after), (2, 1));
    let request = health.request.unwrap();
    assert_eq!(request.path, "/healthz?deep=1");
    assert_eq!(request.host.as_deref(), Some("app.example:8080"));
    assert_eq!(request.statuses, [http::StatusCode::OK]);
    assert_eq!(config.sites[0].inject.user_id_header.as_str(), "x-user");
    assert_eq!(
        config.sites[0].usersig_endpoint.as_deref(),
        Some("/chat-login")
    );
    assert!(
        config.sites[0].authorizer.tolerance.encoded_slash
            && !config.sites[0].authorizer.tolerance.semicolon
    );
    assert_eq!(
        config.sites[0].authorizer.preflight,
        authorize::Preflight::Deny
    );
    let site = &config.sites[0];
    assert!(site.authorizer.cap_to_session);
    let key = SecretKey::parse(CHAT_KEY).unwrap();
    assert!(site.chat.keys.active().is_same_as(&key));
    let lifetime = site.authorizer.issuer.lifetime();
    let issuer = Issuer::new(site.chat.sdk_app_id, key, lifetime);
    assert!(site.authorizer.issuer.signs_like(&issuer));
    assert_eq!(config.sites[0].authorizer.claim_rules.len(), 3);
    assert_eq!(config.sites[0].authorizer.claim_rules[0].require.len(), 3);

    let path = CanonicalPath::parse(b"/API/Users/7/", Tolerance::default()).unwrap();
    let found = config.sites[0]
        .authorizer
        .routes
        .find(None, &http::Method::GET, &path)
        .unwrap();
    assert_eq!(found.access, Access::Session);
    assert_eq!(found.route.upstream, 1);
    assert!(found.route.inject.response_cookie && !found.route.inject.request_headers);
}

#[test]
fn several_servers_are_checked_by_connections_unless_more_is_said() {
    let world = World::new();
    let health = |servers: &str| {
        let list = r#"servers = ["http://127.0.0.1:3000"]"#;
        let config = world.good(&base_with(list, servers));
        config.sites[0].upstreams[0].health.clone()
    };
    let seconds = Duration::from_secs;
    let by_connection = HealthCheck {
        request: None,
        interval: seconds(5),
        timeout: seconds(2),
        unhealthy_after: 3,
        healthy_after: 2,
    };
    assert_eq!(health(r#"servers = ["http://a"]"#), None);
    for checked in [
        r#"servers = ["http://a", "http://b"]"#,
        "servers = [\"http://a\"]\nhealth = {}",
    ] {
        assert_eq!(health(checked), Some(by_connection.clone()), "{checked}");
    }
}

#[test]
fn upstreams_and_their_checks_have_times_below_a_second() {
    let list = r#"servers = ["http://127.0.0.1:3000"]"#;
    let times = "connect_timeout = \"500ms\"\nidle_timeout = \"1500ms\"";
    let health = r#"health = { interval = "100ms", timeout = "250ms" }"#;
    let config = World::new().good(&base_with(list, &format!("{list}\n{times}\n{health}")));
    let upstream = &config.sites[0].upstreams[0];
    let health = upstream.health.as_ref().unwrap();
    assert_eq!(
        [
            upstream.connect_timeout,
            upstream.idle_timeout,
            health.interval,
            health.timeout
        ],
        [500, 1500, 100, 250].map(Duration::from_millis)
    );
}

#[test]
fn min_remaining_is_a_day_or_half_the_lifetime_where_that_is_less() {
    for (lifetime, seconds) in [
        ("7d", 86_400),
        ("48h", 86_400),
        ("1h", 1800),
        ("61s", 30),
        ("60s", 30),
    ] {
        let usersig = format!("[chat.usersig]\nlifetime = \"{lifetime}\"\n[[session");
        let config = World::new().good(&base_with("[[session", &usersig));
        let min_remaining = config.sites[0].authorizer.min_remaining;
        assert_eq!(min_remaining, Duration::from_secs(seconds), "{lifetime}");
    }
}

#[test]
fn the_store_is_a_file_in_a_folder_that_is_there() {
    let world = World::new();
    let config = world.good(&base_with(
        "[routes]",
        "[store]\nfile = \"state\"\n[routes]",
    ));
    assert_eq!(config.store.file, Some(world.folder.path().join("state")));
    assert_eq!(config.store.redis, None);
}

#[test]
fn the_store_of_a_fleet_has_an_address_and_defaults_for_the_rest() {
    let world = World::new();
    world.file("password", "hunter2\n");
    let store = |lines: &str| {
        let section = format!("[store.redis]\n{lines}\n[routes]");
        let store = world.good(&base_with("[routes]", &section)).store;
        (store.file, store.redis.unwrap())
    };
    let (file, least) = store("url = \"redis://127.0.0.1\"");
    assert_eq!(file, None);
    let host = "127.0.0.1".to_owned();
    let expected = fleet::Settings {
        server: fleet::Server::Tcp { host, port: 6379 },
        database: 0,
        username: None,
        password: None,
        prefix: "usersig-proxy:".to_owned(),
        timeout: Duration::from_millis(500),
        nodes: std::num::NonZeroU32::MIN,
    };
    assert_eq!(least, expected);
    let (_, most) = store(
        "url = \"rediss://redis.internal:7000/\"\nusername = \"proxy\"\npassword = { file = \"password\" }\n\
         database = 3\nprefix = \"a:\"\ntimeout = \"2s\"\nnodes = 4",
    );
    assert_eq!(most.password.as_ref().unwrap().expose(), b"hunter2");
    assert!(!format!("{most:?}").contains("hunter2"));
    let rest = (
        most.database,
        most.prefix.as_str(),
        most.timeout,
        most.nodes.get(),
    );
    assert_eq!(rest, (3, "a:", Duration::from_secs(2), 4));
    assert_eq!(most.username.as_deref(), Some("proxy"));
    let server = fleet::Server::Tls {
        host: "redis.internal".to_owned(),
        port: 7000,
        roots: fleet::Roots::System,
    };
    assert_eq!(most.server, server);
    let (_, socket) = store("url = \"unix:/run/redis/redis.sock\"");
    assert_eq!(
        socket.server,
        fleet::Server::Unix("/run/redis/redis.sock".into())
    );
    let (_, address) = store("url = \"redis://[::1]:1\"");
    let host = "::1".to_owned();
    assert_eq!(address.server, fleet::Server::Tcp { host, port: 1 });
}

#[test]
fn issuers_map_their_subjects_as_their_own_identity_says() {
    let config = World::new().good(FULL);
    let map = |issuer: usize, claims: &str| {
        let claims = crate::json::parse_object(claims.as_bytes()).unwrap();
        config.sites[0].authorizer.claim_rules[issuer]
            .identity
            .map(&claims)
    };
    assert_eq!(map(0, r#"{"user":{"id":"x7"}}"#).unwrap().as_str(), "a_x7");
    assert_eq!(map(1, r#"{"uid":7}"#).unwrap().as_str(), "b_7");
    assert!(map(1, r#"{"uid":"7"}"#).is_err());
    let digest = map(2, r#"{"user":{"id":"x@example.com"}}"#).unwrap();
    assert!(digest.as_str().starts_with("c_") && digest.as_str().len() == 29);
}

#[test]
fn an_unreadable_file_is_told_apart_from_a_wrong_one() {
    let world = World::new();
    let none = |_: &str| None;
    let absent = load(&world.folder.path().join("absent.toml"), &none);
    let error = absent.unwrap_err();
    assert!(matches!(error, LoadError::Unreadable { .. }));
    assert!(
        error
            .to_string()
            .ends_with("absent.toml: cannot be read: No such file or directory (os error 2)")
    );
    assert!(matches!(
        load(world.folder.path(), &none),
        Err(LoadError::Unreadable { .. })
    ));
    let fifo = world.folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    for path in [world.folder.path(), Path::new("/dev/null"), &fifo] {
        let error = load(path, &none).unwrap_err();
        let expected = format!("{}: cannot be read: not a regular file", path.display());
        assert_eq!(error.to_string(), expected);
    }
    let large = world.file("large.toml", vec![b'#'; 5 << 20]);
    assert!(matches!(
        load(&large, &none),
        Err(LoadError::Unreadable { .. })
    ));
    let latin = world.file("latin.toml", b"demo = true\n# \xe9\n");
    let error = load(&latin, &none).unwrap_err();
    assert!(matches!(error, LoadError::Invalid(_)));
    assert!(
        error
            .to_string()
            .ends_with("latin.toml:2:3: is not UTF-8 (save the file as UTF-8)")
    );
}

#[test]
fn nothing_that_holds_a_secret_prints_it() {
    let world = World::new();
    let config = world.good(FULL);
    let shown = format!("{config:?}");
    for secret in [CHAT_KEY, SESSION_SECRET] {
        assert!(!shown.contains(secret));
        let bytes = format!("{:?}", secret.as_bytes());
        assert!(!shown.contains(bytes.trim_matches(['[', ']'])));
    }
}

const CHAT_KEY: &str = "f00dfeedf00dfeedf00dfeedf00dfeedf00dfeedf00dfeedf00dfeedf00dfeed";
const SESSION_SECRET: &str = "correct horse battery staple, and twice over again";
const RSA_PEM: &str = include_str!("tests/rsa.pem");
const ED_PEM: &str = include_str!("tests/ed.pem");
const CA: &str = include_str!("../../tests/keys/key-server/ca.pem");
const JWKS: &str = include_str!("tests/app.jwks");

/// The shortest configuration that is right; the tables below spoil one thing in it.
const BASE: &str = r#"[[upstream]]
name = "app"
servers = ["http://127.0.0.1:3000"]
[chat]
sdk_app_id = 1400000000
secret_key = { env = "CHAT" }
admin = "root"
[[session.issuer]]
name = "app"
algorithms = ["HS256"]
keys = { secret = { env = "SESSION" } }
[identity]
reserved = ["admin"]
[routes]
default_access = "session"
[[route]]
match = { path = "/api/{*rest}" }
access = "session"
inject = { request_headers = true }
"#;

const FULL: &str = r#"secret_files = "strict"
[listen]
http = ["0.0.0.0:8080", "[::1]:8081"]
[ops]
listen = "127.0.0.1:9191"
[runtime]
threads = 4
max_connections = 2000
max_requests = 500
max_body = "2MiB"
max_header_bytes = "32KiB"
max_uri_bytes = "8KiB"
downstream_keepalive = "75s"
downstream_read_timeout = "20s"
grace_period = "0s"
shutdown_timeout = "1s"
[log]
format = "text"
level = "debug"
[cors]
origins = ["https://App.example.com", "http://localhost:5173"]
[[upstream]]
name = "app"
servers = ["http://app.internal:3000"]
[[upstream]]
name = "other"
servers = ["http://[::1]", "https://10.0.0.1", "unix:run/app.sock"]
balance = "least_requests"
server_name = "App.internal"
ca = "ca.pem"
http2 = "auto"
health = { path = "/healthz?deep=1", host = "app.example:8080", statuses = [200], interval = "1s", timeout = "1s", unhealthy_after = 2, healthy_after = 1 }
connect_timeout = "1s"
read_timeout = "1h"
write_timeout = "10s"
idle_timeout = "5s"
[chat]
sdk_app_id = 20_001_234
keys = [
    { id = "2026-11", key = { env = "CHAT" }, state = "active" },
    { id = "2025-11", key = { env = "CHAT_BEFORE" }, state = "retired" },
]
admin = "administrator"
[chat.usersig]
lifetime = "12h"
min_remaining = "6h"
cap_to_session = true
cache_capacity = 10
[session]
from = [{ header = "X-Session" }, { header = "Authorization", scheme = "JWT" }, { cookie = "session" }]
leeway = "0s"
max_lifetime = "1d"
[[session.issuer]]
name = "a"
issuer = "https://a.example.com"
audience = ["web", "ios"]
algorithms = ["HS256", "HS384"]
keys = { secret = { env = "SESSION" }, encoding = "utf8" }
allow_short_secret = false
require = { "/token_type" = "access", "/verified" = true, "/version" = 2 }
identity = { transform = [{ prefix = "a_" }] }
[[session.issuer]]
name = "b"
issuer = "https://b.example.com"
algorithms = ["RS256", "PS256"]
keys = { public_key = "rsa.pem" }
identity = { claim = "/uid", type = "integer", transform = [{ prefix = "b_" }] }
[[session.issuer]]
name = "c"
algorithms = ["ES256"]
keys = { jwks_file = "app.jwks" }
identity = { transform = [{ digest = { key = { env = "SESSION" } } }, { prefix = "c_" }] }
[identity]
claim = "/user/id"
reserved = []
[routes]
default_access = "deny"
ignore_case = true
ignore_trailing_slash = true
preflight = "deny"
allow = ["encoded_slash"]
[[route]]
match = { host = "App.Example.com.", path = "/api/login", methods = ["POST"] }
access = "public"
[[route]]
match = { path = "/api/users/{id}", methods = ["GET", "PUT"] }
access = "session"
upstream = "other"
inject = { response_cookie = true }
[[route]]
match = { path = "/health" }
access = "optional"
[inject]
user_id_header = "X-User"
user_sig_header = "X-Sig"
sdk_app_id_header = "X-App"
cookie_name = "sig"
[usersig_endpoint]
path = "/chat-login"
"#;
