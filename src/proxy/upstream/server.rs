//! One server of an upstream: the addresses behind its name, what is known of each, and the peer for a request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use parking_lot::Mutex;
use pingora::Result;
use pingora::upstreams::peer::HttpPeer;
use tokio::time::Instant;

use super::check::Check;
use super::health::Health;
use super::tries::Tries;
use crate::metrics::Metrics;
use crate::proxy::resolver::Resolver;

/// Where a server is, as the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A name or an address without brackets, and a port.
    Tcp {
        /// The name or address.
        host: String,
        /// The port.
        port: u16,
        /// The name that its certificate must be for; `None` is plain text.
        tls: Option<String>,
    },
    /// The path of a Unix socket.
    Unix(String),
}

/// Where one connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix,
    /// Nowhere yet: the name was not resolved so far.
    Name,
}

pub(super) struct Server {
    site: Arc<str>,
    upstream: Arc<str>,
    label: Arc<str>,
    location: Location,
    /// For a name.
    resolver: Option<Resolver>,
    endpoints: Mutex<Endpoints>,
    load: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

/// The addresses in turn; at least one.
struct Endpoints {
    all: Vec<(Address, Health)>,
    next: usize,
    /// The check whose word counts. One of an earlier configuration may still be under way.
    check: Option<Check>,
}

impl Server {
    pub(super) fn new(
        site: Arc<str>,
        upstream: Arc<str>,
        label: &str,
        location: Location,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (resolver, first) = match &location {
            Location::Unix(_) => (None, Address::Unix),
            Location::Tcp { host, port, .. } => match host.parse::<IpAddr>() {
                Ok(ip) => (None, Address::Tcp(SocketAddr::new(ip, *port))),
                Err(_) => (Some(Resolver::new(host.clone(), *port)), Address::Name),
            },
        };
        Self {
            site,
            upstream,
            label: Arc::from(label),
            location,
            resolver,
            endpoints: Mutex::new(Endpoints {
                all: vec![(first, Health::default())],
                next: 0,
                check: None,
            }),
            load: Arc::default(),
            metrics,
        }
    }

    /// Comes into force with this check: its series begins.
    pub(super) fn begin(&self, check: Option<Check>) {
        let mut endpoints = self.endpoints.lock();
        if check.is_none() {
            let all = endpoints.all.iter_mut();
            all.for_each(|(_, health)| health.forget_checks());
        }
        endpoints.check = check;
        self.show(endpoints.is_healthy());
    }

    /// Is no longer in force: its series ends.
    pub(super) fn end(&self) {
        let series = self.metrics.upstreams();
        series.end(&self.site, &self.upstream, &self.label);
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn upstream(&self) -> &str {
        &self.upstream
    }

    pub(super) fn load(&self) -> &Arc<AtomicUsize> {
        &self.load
    }

    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// Whether an address of it is healthy. What nothing is known of is.
    pub(super) fn is_healthy(&self) -> bool {
        self.endpoints.lock().is_healthy()
    }

    /// How many addresses a request could still be sent to.
    pub(super) fn open_to(self: &Arc<Self>, tries: &Tries, choice: Choice) -> usize {
        let now = Instant::now();
        let endpoints = self.endpoints.lock();
        let open = endpoints.all.iter().filter(|(address, health)| {
            choice.allows(health, now) && !tries.has_failed(self, address)
        });
        open.count()
    }

    /// The addresses behind the name, asked for where one is due.
    pub(super) async fn resolve(&self, patience: Duration) -> Option<()> {
        let Some(resolver) = &self.resolver else {
            return Some(());
        };
        let found = resolver.find(patience).await?;
        self.change(|endpoints| endpoints.replace(&found));
        Some(())
    }

    /// An address for a request, in turn; a healthy one if there is one.
    pub(super) fn take(self: &Arc<Self>, tries: &Tries) -> Option<Address> {
        let now = Instant::now();
        let mut endpoints = self.endpoints.lock();
        let take = |endpoints: &mut Endpoints, choice: Choice| {
            endpoints.take(now, |address, health| {
                choice.allows(health, now) && !tries.has_failed(self, address)
            })
        };
        take(&mut endpoints, Choice::Good).or_else(|| take(&mut endpoints, Choice::Any))
    }

    pub(super) fn addresses(&self) -> Vec<Address> {
        let endpoints = self.endpoints.lock();
        let addresses = endpoints.all.iter().map(|(address, _)| address.clone());
        addresses.collect()
    }

    pub(super) fn connected(&self, address: &Address) {
        self.note(address, "a connection stands", Health::connected);
    }

    pub(super) fn failed(&self, address: &Address, reason: &str) {
        let now = Instant::now();
        self.note(address, reason, |health| health.failed(now));
    }

    /// A check ended.
    pub(super) fn checked(&self, address: &Address, failure: Option<&str>, check: &Check) {
        if self.endpoints.lock().check.as_ref() != Some(check) {
            return;
        }
        let reason = failure.unwrap_or("checks pass");
        self.note(address, reason, |health| {
            health.checked(failure.is_none(), check.thresholds);
        });
    }

    /// The peer at an address, without its options.
    pub(super) fn peer(&self, address: &Address) -> Result<HttpPeer> {
        match (&self.location, address) {
            (Location::Tcp { tls, .. }, Address::Tcp(address)) => {
                let name = tls.clone().unwrap_or_default();
                Ok(HttpPeer::new(*address, tls.is_some(), name))
            }
            (Location::Unix(path), _) => HttpPeer::new_uds(path, false, String::new()),
            (Location::Tcp { .. }, Address::Unix | Address::Name) => Err(crate::proxy::internal()),
        }
    }

    /// What a check asks for as `Host` where nothing else is said.
    pub(super) fn host(&self) -> String {
        match &self.location {
            Location::Unix(_) => "localhost".to_owned(),
            Location::Tcp {
                tls: Some(name), ..
            } => bracketed(name),
            Location::Tcp { host, port, .. } => format!("{}:{port}", bracketed(host)),
        }
    }

    fn note(&self, address: &Address, reason: &str, note: impl FnOnce(&mut Health)) {
        let mut turned = None;
        self.change(|endpoints| {
            let found = endpoints.all.iter_mut().find(|(one, _)| one == address);
            if let Some((_, health)) = found {
                let before = health.is_healthy();
                note(health);
                let after = health.is_healthy();
                turned = (before != after).then_some(after);
            }
        });
        let (site, upstream, server) = (&*self.site, &*self.upstream, &*self.label);
        let address = match address {
            Address::Tcp(address) if self.resolver.is_some() => Some(address.to_string()),
            Address::Tcp(_) | Address::Unix | Address::Name => None,
        };
        match turned {
            Some(true) => tracing::info!(site, upstream, server, address, reason, "server is back"),
            Some(false) => tracing::warn!(site, upstream, server, address, reason, "server is out"),
            None => {}
        }
    }

    fn change(&self, change: impl FnOnce(&mut Endpoints)) {
        let mut endpoints = self.endpoints.lock();
        let before = endpoints.is_healthy();
        change(&mut endpoints);
        let after = endpoints.is_healthy();
        if before != after {
            // Under the lock, so that the series ends as the state does.
            self.show(after);
        }
    }

    fn show(&self, healthy: bool) {
        let series = self.metrics.upstreams();
        series.set(&self.site, &self.upstream, &self.label, healthy);
    }
}

/// Which addresses a request may be sent to.
#[derive(Clone, Copy)]
pub(super) enum Choice {
    /// Healthy ones, and those due for a trial.
    Good,
    /// All, because no good one is left: a check that errs must not take the app away.
    Any,
}

impl Choice {
    fn allows(self, health: &Health, now: Instant) -> bool {
        match self {
            Self::Good => health.may_try(now),
            Self::Any => true,
        }
    }
}

impl Endpoints {
    fn is_healthy(&self) -> bool {
        self.all.iter().any(|(_, health)| health.is_healthy())
    }

    /// Takes a new answer of the resolver over; addresses that stay keep their health.
    fn replace(&mut self, found: &[SocketAddr]) {
        let is_same = self.all.len() == found.len()
            && found
                .iter()
                .zip(&self.all)
                .all(|(new, (old, _))| matches!(old, Address::Tcp(old) if old == new));
        if is_same {
            return;
        }
        let known = std::mem::take(&mut self.all);
        let keep = |address: &SocketAddr| {
            let address = Address::Tcp(*address);
            let health = known.iter().find(|(one, _)| *one == address);
            let health = health.map_or_else(Health::default, |(_, health)| *health);
            (address, health)
        };
        self.all = found.iter().map(keep).collect();
    }

    fn take(&mut self, now: Instant, open: impl Fn(&Address, &Health) -> bool) -> Option<Address> {
        let count = self.all.len();
        let turn = self.next;
        let mut positions = (0..count).map(|step| (turn.wrapping_add(step)) % count);
        let position = positions.find(|position| {
            let endpoint = self.all.get(*position);
            endpoint.is_some_and(|(address, health)| open(address, health))
        })?;
        self.next = position.wrapping_add(1);
        let (address, health) = self.all.get_mut(position)?;
        health.choose(now);
        Some(address.clone())
    }
}

fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(host: &str) -> Arc<Server> {
        let metrics = Arc::new(Metrics::new().unwrap());
        let location = Location::Tcp {
            host: host.to_owned(),
            port: 80,
            tls: None,
        };
        Arc::new(Server::new(
            "main".into(),
            "app".into(),
            host,
            location,
            metrics,
        ))
    }

    fn ip(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 80))
    }

    fn answer(server: &Server, last: &[u8]) {
        let found: Vec<_> = last.iter().map(|last| ip(*last)).collect();
        server.change(|endpoints| endpoints.replace(&found));
    }

    /// As many failed connections as it takes.
    fn fail(server: &Server, last: u8) {
        for _ in 0..3 {
            server.failed(&Address::Tcp(ip(last)), "refused");
        }
    }

    fn taken(server: &Arc<Server>, count: usize) -> Vec<Address> {
        let tries = Tries::default();
        (0..count).map(|_| server.take(&tries).unwrap()).collect()
    }

    #[test]
    fn the_addresses_of_a_name_take_turns_and_those_that_fail_are_left_out() {
        let server = name("app.internal");
        assert_eq!(taken(&server, 1), [Address::Name]);
        answer(&server, &[1, 2, 3]);
        let [one, two, three] = [1, 2, 3].map(|last| Address::Tcp(ip(last)));
        let all = [&one, &two, &three, &one].map(Clone::clone);
        assert_eq!(taken(&server, 4), [&all[1..], &[two.clone()][..]].concat());
        fail(&server, 2);
        assert!(server.is_healthy());
        let left = taken(&server, 4);
        assert!(!left.contains(&two) && left.contains(&one) && left.contains(&three));
        fail(&server, 1);
        fail(&server, 3);
        assert!(!server.is_healthy());
        let every = taken(&server, 3);
        assert!(
            all.iter().all(|address| every.contains(address)),
            "{every:?}"
        );
    }

    #[test]
    fn an_address_keeps_its_health_from_one_answer_to_the_next() {
        let server = name("app.internal");
        answer(&server, &[1, 2]);
        fail(&server, 1);
        answer(&server, &[3, 1]);
        assert_eq!(taken(&server, 2), vec![Address::Tcp(ip(3)); 2]);
        answer(&server, &[1]);
        assert!(!server.is_healthy());
        // One that was gone begins anew.
        answer(&server, &[2]);
        answer(&server, &[1]);
        assert!(server.is_healthy());
    }

    #[test]
    fn a_check_names_the_host_of_the_server() {
        let tls = |host: &str, name: Option<&str>| {
            let location = Location::Tcp {
                host: host.to_owned(),
                port: 8443,
                tls: name.map(str::to_owned),
            };
            let metrics = Arc::new(Metrics::new().unwrap());
            Server::new("main".into(), "app".into(), "x", location, metrics).host()
        };
        assert_eq!(tls("app.internal", None), "app.internal:8443");
        assert_eq!(tls("::1", None), "[::1]:8443");
        assert_eq!(tls("10.0.0.1", Some("app.internal")), "app.internal");
        assert_eq!(tls("::1", Some("::1")), "[::1]");
    }
}
