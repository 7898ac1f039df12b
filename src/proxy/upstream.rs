//! The apps behind the proxy: which server a request goes to, how it is reached, and what is known of its health.
//!
//! A server is a URL of the configuration, and every address that its name resolves to is used in turn. An address is
//! left out while its checks fail, or while connections to it do; when none is good all are tried, so that with one
//! server, or a check that errs, nothing is worse than without. A connection that fails is tried elsewhere for any
//! request, because nothing of it was sent; at most three, each address once, within one `connect_timeout`. What was
//! sent is sent again once at most, by the framework's rule: idempotent methods, on a connection that was reused or where
//! HTTP/2 says that the request was not processed.
//!
//! [`Upstreams`] are built without any traffic and take the health of servers that stay from an earlier set, so that a
//! reload loses none; [`Upstreams::run`] checks them until its future says that they were replaced.

mod check;
mod failure;
mod health;
mod roots;
mod server;
mod tries;

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Version;
use http::header::HOST;
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

pub use self::check::{Check, CheckRequest};
pub(super) use self::failure::{is_failure, rejection_for};
pub use self::health::Thresholds;
pub use self::roots::{Roots, RootsError};
pub use self::server::Location;
use self::server::{Address, Choice, Server};
pub(super) use self::tries::Tries;
use self::tries::{Chosen, MAX_TRIES};
use super::request;
use crate::metrics::Metrics;

/// What an upstream is made of.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// The name in configuration, logs and metrics.
    pub name: String,
    /// Where its servers are, each with the label under which logs and metrics show it; at least one.
    pub servers: Vec<(String, Location)>,
    /// Which of them is next.
    pub balance: Balance,
    /// What their certificates must be signed by, if not by what the system trusts. The framework makes its TLS
    /// settings anew for each connection then: roots are parsed again and no session is resumed, so that every new
    /// connection is a whole handshake.
    pub roots: Option<Roots>,
    /// Whether HTTP/2 is spoken where a server offers it in its handshake.
    pub http2: bool,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// How its servers are checked, if they are.
    pub check: Option<Check>,
}

/// Which server is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests and tunnels of this process.
    LeastRequests,
}

/// How long an upstream may take. The framework waits for ever where nothing is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a new connection stands, all tries together.
    pub connect: Duration,
    /// Between two reads of an answer.
    pub read: Duration,
    /// For one write of a request.
    pub write: Duration,
    /// How long an unused connection is kept. Shorter than the app keeps its own, or a request meets a closed one.
    pub idle: Duration,
}

/// All upstreams of a site, in the order that routes count them.
#[derive(Clone)]
pub struct Upstreams(Arc<[Arc<Upstream>]>);

impl Upstreams {
    /// Makes them, without any traffic and without touching what is in force. Servers that `earlier` has under the same
    /// upstream are the same ones, with their health.
    pub fn new(
        site: &Arc<str>,
        settings: Vec<UpstreamSettings>,
        metrics: &Arc<Metrics>,
        earlier: Option<&Self>,
    ) -> Self {
        let known: Vec<_> = earlier
            .iter()
            .flat_map(|earlier| earlier.servers())
            .collect();
        let make = |settings| Arc::new(Upstream::new(site, settings, metrics, &known));
        Self(settings.into_iter().map(make).collect())
    }

    /// Puts them in force: their series begin, and what checks said of servers that have none any more is forgotten.
    pub fn begin(&self) {
        for upstream in self.0.iter() {
            let servers = upstream.servers.iter();
            servers.for_each(|server| server.begin(upstream.check.clone()));
        }
    }

    /// Ends their series. Call it before others that may share servers [`begin`](Self::begin).
    pub fn end(&self) {
        self.servers().for_each(|server| server.end());
    }

    /// Checks the servers until `shutdown` completes; needs a tokio runtime with I/O and time.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut checks = check::start(&self.0);
        shutdown.await;
        checks.shutdown().await;
    }

    /// One line for each upstream: how many servers are healthy, and which are not.
    pub fn report(&self) -> String {
        self.0.iter().map(|upstream| upstream.report()).collect()
    }

    /// The names of the upstreams.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|upstream| &*upstream.name)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Arc<Upstream>> {
        self.0.get(index)
    }

    fn servers(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.0.iter().flat_map(|upstream| &upstream.servers)
    }
}

/// How a request must be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// In any version.
    Any,
    /// In HTTP/1.1: it names no host, which HTTP/2 has no place for.
    Http1,
    /// In HTTP/1.1, and then it is a tunnel that may stay silent for longer than an answer.
    WebSocket,
}

/// How the request of a session must be sent.
pub(super) fn wire(session: &Session) -> Wire {
    let host = request::host(session.req_header()).ok().flatten();
    match host.is_some_and(|host| !host.is_empty()) {
        _ if request::is_websocket(session) => Wire::WebSocket,
        true => Wire::Any,
        false => Wire::Http1,
    }
}

/// Names the host of a request that goes on over HTTP/2 as HTTP/1 does: only then is its scheme that of the connection and
/// not of the client's.
pub(super) fn name_host(request: &mut RequestHeader) -> Result<()> {
    let authority = request.uri.authority().map(|name| name.as_str().to_owned());
    match authority {
        Some(host) if request.version == Version::HTTP_2 => request.insert_header(HOST, host),
        Some(_) | None => Ok(()),
    }
}

/// The servers of one app.
pub(super) struct Upstream {
    site: Arc<str>,
    pub(super) name: Arc<str>,
    servers: Vec<Arc<Server>>,
    balance: Balance,
    turn: AtomicUsize,
    roots: Option<Roots>,
    http2: bool,
    timeouts: Timeouts,
    check: Option<Check>,
    /// Keeps connections apart that were made under other roots or for another site.
    group: u64,
}

impl Upstream {
    fn new(
        site: &Arc<str>,
        settings: UpstreamSettings,
        metrics: &Arc<Metrics>,
        known: &[&Arc<Server>],
    ) -> Self {
        let name: Arc<str> = Arc::from(settings.name);
        let server = |(label, location): (String, Location)| {
            let same = known
                .iter()
                .find(|one| (one.upstream(), one.location()) == (&*name, &location));
            match same {
                Some(server) => Arc::clone(server),
                None => {
                    let (site, name) = (site.clone(), name.clone());
                    Arc::new(Server::new(site, name, &label, location, metrics.clone()))
                }
            }
        };
        let servers: Vec<_> = settings.servers.into_iter().map(server).collect();
        let mut hasher = DefaultHasher::new();
        (site, &settings.roots).hash(&mut hasher);
        Self {
            site: site.clone(),
            name,
            servers,
            balance: settings.balance,
            turn: AtomicUsize::new(0),
            roots: settings.roots,
            http2: settings.http2,
            timeouts: settings.timeouts,
            check: settings.check,
            group: hasher.finish(),
        }
    }

    /// The peer for the next try of a request.
    pub(super) async fn peer(
        self: &Arc<Self>,
        tries: &mut Tries,
        wire: Wire,
    ) -> Result<Box<HttpPeer>> {
        tries.belong_to(self);
        // Every turn either ends here or is one failed look-up more.
        for _ in 0..=MAX_TRIES {
            let patience = self.patience(tries);
            let Some(server) = self.next(tries).filter(|_| !patience.is_zero()) else {
                break;
            };
            if server.resolve(patience).await.is_none() {
                server.failed(&Address::Name, UNRESOLVED);
                tries.fail(server, Address::Name, UNRESOLVED.to_owned());
                continue;
            }
            // Before one is taken: a trial leaves time for what follows when it fails.
            let patience = self.patience(tries);
            let Some(address) = server.take(tries) else {
                continue;
            };
            let mut peer = self.connection(&server, &address, wire, patience)?;
            peer.options.max_h2_streams = MAX_STREAMS;
            tries.choose(Chosen::new(server, address));
            return Ok(Box::new(peer));
        }
        let etype = match self.patience(tries).is_zero() {
            true => ErrorType::ConnectTimedout,
            false => ErrorType::ConnectNoRoute,
        };
        Err(Error::explain(etype, "no server can be reached").into_up())
    }

    /// A connection stands.
    fn connected(&self, tries: &mut Tries, reused: bool) {
        tries.settle();
        // An old connection says nothing of new ones.
        if let Some((server, address)) = tries.chosen().filter(|_| !reused) {
            server.connected(&address);
        }
    }

    /// A connection failed before anything of the request was sent: whether another server may have it.
    fn failed(&self, tries: &mut Tries, error: Box<Error>) -> Box<Error> {
        let reason = failure::connect_reason(&error);
        let is_http2 = matches!(
            error.etype(),
            ErrorType::H2Error | ErrorType::H2Downgrade | ErrorType::InvalidH2
        );
        let mut error = failure::as_connect_error(error);
        if let Some((server, address)) = tries.chosen() {
            tracing::debug!(server = server.label(), reason, "connection failed");
            server.failed(&address, &reason);
            // It may have been a kept connection that the server has given up: a new one may stand.
            let tried = if is_http2 { Address::Name } else { address };
            tries.fail(server, tried, reason);
        }
        let is_open = |server: &Arc<Server>| server.open_to(tries, Choice::Any) > 0;
        let may_go_on = tries.left() > 0 && self.servers.iter().any(is_open);
        error.set_retry(may_go_on && !self.patience(tries).is_zero());
        error
    }

    /// How to reach an address of a server.
    fn connection(
        &self,
        server: &Server,
        address: &Address,
        wire: Wire,
        connect: Duration,
    ) -> Result<HttpPeer> {
        let mut peer = server.peer(address)?;
        let (read, write) = match wire {
            Wire::WebSocket => (WEBSOCKET_IDLE, WEBSOCKET_IDLE),
            Wire::Any | Wire::Http1 => (self.timeouts.read, self.timeouts.write),
        };
        peer.group_key = self.group;
        let options = &mut peer.options;
        options.connection_timeout = Some(connect);
        options.total_connection_timeout = Some(connect);
        options.read_timeout = Some(read);
        options.write_timeout = Some(write);
        options.idle_timeout = Some(self.timeouts.idle);
        options.ca = self.roots.as_ref().map(Roots::shared);
        if self.http2 && wire == Wire::Any {
            options.set_http_version(2, 1);
        }
        Ok(peer)
    }

    /// The time for the next try: what is left, shared out over the good addresses that could follow.
    fn patience(&self, tries: &mut Tries) -> Duration {
        let left = tries.remaining(self.timeouts.connect);
        let good = self
            .servers
            .iter()
            .map(|server| server.open_to(tries, Choice::Good));
        let parts = good.sum::<usize>().min(tries.left()).max(1);
        left / u32::try_from(parts).unwrap_or(1)
    }

    fn next(&self, tries: &Tries) -> Option<Arc<Server>> {
        if tries.left() == 0 {
            return None;
        }
        let among = |choice: Choice| {
            let open = |server: &&Arc<Server>| server.open_to(tries, choice) > 0;
            self.balanced(self.servers.iter().filter(open).collect())
        };
        among(Choice::Good).or_else(|| among(Choice::Any))
    }

    fn balanced(&self, servers: Vec<&Arc<Server>>) -> Option<Arc<Server>> {
        if servers.is_empty() {
            return None;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % servers.len();
        let in_turn = || servers.iter().cycle().skip(turn).take(servers.len());
        let next = match self.balance {
            Balance::RoundRobin => in_turn().next(),
            Balance::LeastRequests => {
                in_turn().min_by_key(|server| server.load().load(Ordering::Relaxed))
            }
        };
        next.map(|server| Arc::clone(server))
    }

    fn report(&self) -> String {
        let is_healthy = |server: &&Arc<Server>| server.is_healthy();
        let healthy = self.servers.iter().filter(is_healthy).count();
        let out = self.servers.iter().filter(|server| !server.is_healthy());
        let out: Vec<_> = out.map(|server| server.label()).collect();
        let out = match out.is_empty() {
            true => String::new(),
            false => format!("; out: {}", out.join(" ")),
        };
        let Self { site, name, .. } = self;
        let all = self.servers.len();
        format!("upstream {name} of site {site}: {healthy} of {all} healthy{out}\n")
    }
}

/// What the framework may make of one request: three connections that are looked for, and one request sent again.
pub const MAX_ATTEMPTS: usize = MAX_TRIES + 1;
/// A tunnel without a frame or ping in either direction for this long is taken for dead.
pub(super) const WEBSOCKET_IDLE: Duration = Duration::from_secs(3600);
/// Requests at the same time on one connection of HTTP/2; the server may allow fewer.
const MAX_STREAMS: usize = 100;
const UNRESOLVED: &str = "the name does not resolve";

#[cfg(test)]
mod tests;
