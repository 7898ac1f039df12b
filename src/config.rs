//! The configuration: TOML, read whole into types that cannot hold a wrong value.
//!
//! [`load`] reports every error at once, each with its line, its key and a hint, and gives a [`Config`] only when there
//! is none. Secrets are read from where the file refers to; none stands in the file. `raw` reads text with positions,
//! `parse` gives it meaning, `secrets` follows the references, `watch` sees when any of it changes. Nothing here knows the
//! proxy: `server` joins the two.

mod asked;
mod audit;
mod effective;
mod error;
mod files;
mod listen;
mod load;
mod parse;
mod raw;
mod schema;
mod secrets;
mod traces;
mod upstream;
mod watch;

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

pub use self::audit::{Audit, AuditTarget, OnAuditFailure};
pub use self::effective::Effective;
pub use self::error::{Diagnostic, Diagnostics, LoadError};
pub use self::listen::{Certificate, Listen, ListenAddress, ListenShape, Listener, Transport};
pub use self::load::{effective, load, load_watched, ops_address};
pub use self::parse::DEFAULT_OPS;
pub use self::schema::schema;
pub use self::traces::Traces;
pub use self::upstream::{Authority, Balance, HealthCheck, HealthRequest, ServerAddress, Upstream};
pub use self::watch::{Fingerprint, Watched};
use crate::authorize;
use crate::identity::ReservedNames;
use crate::policy::HostName;
use crate::rest_api::{self, sign::Endpoint};
use crate::state::fleet;
use crate::state::revocation::Revocations;
use crate::token::keys::Algorithm;
use crate::token::keys::location::Location;
use crate::usersig::SdkAppId;
use crate::usersig::ring::KeyRing;

/// Everything that the configuration says, ready to use.
#[derive(Debug)]
pub struct Config {
    /// Whether example keys are accepted; then every listener is on loopback.
    pub demo: bool,
    /// Where requests are taken.
    pub listen: Listen,
    /// Where health and metrics are served.
    pub ops: SocketAddr,
    /// Threads, limits and times.
    pub runtime: Runtime,
    /// What is logged and how.
    pub log: Log,
    /// Where logouts, renewals and budgets are kept beside the memory of the process.
    pub store: Store,
    /// Where the audit of REST calls goes; to the log when that is not said.
    pub audit: Option<Audit>,
    /// Where the traces of requests go; nowhere when that is not said.
    pub traces: Option<Traces>,
    /// The sites; at least one, no two with the same name or host.
    pub sites: Vec<Site>,
    /// What works and should be looked at.
    pub warnings: Vec<Diagnostic>,
}

/// Where the state of the process is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    /// The file in which logouts and renewals survive a restart, if there is one.
    pub file: Option<PathBuf>,
    /// What the nodes of a fleet share them and the budgets in, if there are several.
    pub redis: Option<fleet::Settings>,
}

/// An app with all that concerns it. Sites share nothing but the process.
#[derive(Debug)]
pub struct Site {
    /// Its name in logs, metrics and the store.
    pub name: String,
    /// The hosts that it answers for; every host when there are none, and then it is the only site.
    pub hosts: Vec<HostName>,
    /// The apps behind the proxy; at least one. Routes refer to them by index.
    pub upstreams: Vec<Upstream>,
    /// The Chat application.
    pub chat: Chat,
    /// The names under which UserID and UserSig are injected.
    pub inject: InjectNames,
    /// The path of our own endpoint as it was written, if it is on.
    pub usersig_endpoint: Option<String>,
    /// The key sets that issuers publish; their issuers have no keys yet.
    pub key_sets: Vec<KeySetSource>,
    /// The sessions that the operator has revoked.
    pub revoked: Arc<Revocations>,
    /// What the authorizer is made of.
    pub authorizer: authorize::Settings,
    /// The REST gateway, if it is on; then `chat.endpoint` is there.
    pub rest_api: Option<rest_api::Settings>,
}

/// Threads, limits and times of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Worker threads; `None` is one for each core.
    pub threads: Option<NonZeroUsize>,
    /// How many client connections may be open at the same time; `None` is 10,000, or fewer where the process may open few files.
    pub max_connections: Option<NonZeroUsize>,
    /// How many requests may be under way at the same time.
    pub max_requests: NonZeroUsize,
    /// The largest request body in bytes, declared or streamed; an upgraded connection has no such limit.
    pub max_body: u64,
    /// The largest answer in bytes that is held back to write a login into it.
    pub max_login_body: usize,
    /// The largest request header in bytes, all fields together.
    pub max_header_bytes: usize,
    /// The longest request target in bytes.
    pub max_uri_bytes: usize,
    /// How long an idle client connection is kept.
    pub downstream_keepalive: Duration,
    /// How long the proxy waits for more of a request.
    pub downstream_read_timeout: Duration,
    /// Whether the configuration is read again when its files change, beside SIGHUP.
    pub reload_on_change: bool,
    /// After a stop signal: how long requests are still taken while `/readyz` fails.
    pub drain_delay: Duration,
    /// After that: how long running requests may still start to finish.
    pub grace_period: Duration,
    /// After the grace period: how long until what still runs is cut.
    pub shutdown_timeout: Duration,
    /// Where a new process takes the listeners over.
    pub upgrade_socket: Option<PathBuf>,
}

/// What is logged and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The shape of a line.
    pub format: LogFormat,
    /// The least severe lines that are written.
    pub level: LogLevel,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for people.
    Text,
}

/// How severe a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What should be looked at.
    Warn,
    /// What happens, one line a request.
    Info,
    /// More, for finding a fault.
    Debug,
    /// All there is.
    Trace,
}

/// The Chat application.
#[derive(Clone, Debug)]
pub struct Chat {
    /// Its number.
    pub sdk_app_id: SdkAppId,
    /// Its secret keys; the active one signs.
    pub keys: KeyRing,
    /// The account that is an administrator of the application.
    pub admin: String,
    /// Where its REST API is, if that was said.
    pub endpoint: Option<Endpoint>,
    /// Every name that no user may be given; `admin` is one of them.
    pub reserved: Arc<ReservedNames>,
    /// How profiles of users are imported, if they are; then `endpoint` is there.
    pub imports: Option<ProfileImports>,
}

/// How profiles of users are imported into Chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileImports {
    /// How many calls a second this process makes for it.
    pub per_second: NonZeroU32,
    /// How many profiles may wait.
    pub queue_capacity: NonZeroUsize,
}

/// Where an issuer publishes its keys, and how they are kept fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySetSource {
    /// The issuer's index.
    pub issuer: usize,
    /// The issuer's name in configuration, logs and metrics.
    pub name: String,
    /// Where its keys are.
    pub location: Location,
    /// The algorithms that its tokens may use; none is HMAC.
    pub algorithms: Vec<Algorithm>,
    /// Whether its keys may come from an address inside a network.
    pub allow_private: bool,
    /// The longest time between two fetches while they succeed.
    pub refresh: Duration,
    /// How long the last good set is used while no fetch succeeds; at least `refresh`.
    pub max_age: Duration,
    /// Certificates (DER) that its server may be signed by, beside those that the system trusts.
    pub ca: Option<Vec<Vec<u8>>>,
}

/// The names under which UserID and UserSig are injected; all of them differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectNames {
    /// The header for the UserID.
    pub user_id_header: HeaderName,
    /// The header for the UserSig.
    pub user_sig_header: HeaderName,
    /// The header for the SDKAppID.
    pub sdk_app_id_header: HeaderName,
    /// The cookie for the UserSig.
    pub cookie_name: String,
}

#[cfg(test)]
mod tests;
