//! What the nodes of a fleet share, in Redis or Valkey: logouts, generations and the budgets of the REST API.
//!
//! ```text
//! requests ─▶ State (memory) ─ changes ─▶ write ─▶ ┌───────┐ ─ every 200 ms: what has a higher number ─▶ State
//! REST calls ─▶ lease (memory) ◀─ places for 100 ms ─ │ store │        after a gap: all, and back what it lacks
//! ```
//!
//! No request reads the store. A logout waits for its record to be written, a call for the first place of its lease; both
//! shortly, and not at all while the store is away. Then each node goes on with what it knows and with its part of the budgets.
//! On every connection the two are held against each other in full, so neither a gap nor an empty store loses anything that
//! a node knows. Records merge to the later of two; a generation never goes back. Kept are digests of tokens and UserIDs, never a
//! token or a UserSig, each until what it is about has ended.

mod budget;
mod connect;
mod fault;
mod lease;
mod link;
mod records;
mod replica;
mod standing;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

pub use self::budget::{AppBudget, Taken, Want};
pub use self::connect::TlsError;
use self::connect::{Tls, connect};
pub use self::fault::Fault;
use self::link::Link;
use self::replica::Replica;
pub use self::standing::Standing;
use super::State;
pub use super::fleet::{Roots, Server, Settings};
use crate::usersig::SdkAppId;

/// Is told what the store is asked, for metrics.
pub trait Watcher: Send + Sync {
    /// Something was asked of the store: one of [`Operation::ALL`], with one of [`RESULTS`].
    fn asked(&self, operation: Operation, result: &'static str);
    /// A connection stands again after one was lost.
    fn reconnected(&self);
    /// A record was read that no node of this program writes.
    fn ignored_record(&self);
}

/// What is asked of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A connection, with TLS and password.
    Connect,
    /// What is new, or all of it.
    Read,
    /// Records are added.
    Write,
    /// Places in the budgets.
    Lease,
}

impl Operation {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Connect, Self::Read, Self::Write, Self::Lease];

    /// Its label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Read => "read",
            Self::Write => "write",
            Self::Lease => "lease",
        }
    }
}

/// What becomes of it, as metrics say it.
pub const RESULTS: [&str; 3] = [OK, TIMEOUT, ERROR];
const OK: &str = "ok";
const TIMEOUT: &str = "timeout";
const ERROR: &str = "error";

/// One node's part of a fleet.
pub struct Fleet {
    settings: Settings,
    tls: Option<Tls>,
    /// The name of this process among the nodes.
    node: String,
    sites: Mutex<BTreeMap<String, Arc<Site>>>,
    budgets: Mutex<BTreeMap<u32, Arc<AppBudget>>>,
    standing: Arc<watch::Sender<Standing>>,
    /// There is something to write; the number says how many times that was said, and up to which it is done.
    to_write: Notify,
    asked: AtomicU64,
    written: watch::Sender<u64>,
    to_lease: Arc<Notify>,
    watcher: Box<dyn Watcher>,
}

/// A site whose state is shared with the nodes that have the same site.
struct Site {
    name: String,
    app: SdkAppId,
    state: Arc<State>,
    /// How long the longest-lived UserSig that this process issued counts, in seconds.
    lifetime: AtomicU64,
}

impl Fleet {
    /// A part of the fleet that does nothing yet. Blocks on the disk, for the system's certificates.
    pub fn new(settings: Settings, watcher: Box<dyn Watcher>) -> Result<Self, TlsError> {
        let tls = Tls::new(&settings.server)?;
        Ok(Self {
            settings,
            tls,
            node: format!("{:016x}", rand::random::<u64>()),
            sites: Mutex::default(),
            budgets: Mutex::default(),
            standing: Arc::new(watch::Sender::new(Standing::at_start())),
            to_write: Notify::new(),
            asked: AtomicU64::new(0),
            written: watch::Sender::new(0),
            to_lease: Arc::default(),
            watcher,
        })
    }

    /// Shares the state of a site; again after a change of its application or of how long its UserSigs live.
    pub fn share(&self, name: &str, app: SdkAppId, lifetime: Duration, state: &Arc<State>) {
        let mut sites = self.sites.lock();
        let earlier = sites.get(name).filter(|site| site.app == app);
        let lived = earlier.map_or(0, |site| site.lifetime.load(Ordering::Relaxed));
        let lifetime = lived.max(lifetime.as_secs());
        if let Some(earlier) = earlier {
            earlier.lifetime.store(lifetime, Ordering::Relaxed);
            return;
        }
        let site = Site {
            name: name.to_owned(),
            app,
            state: Arc::clone(state),
            lifetime: AtomicU64::new(lifetime),
        };
        sites.insert(name.to_owned(), Arc::new(site));
        self.to_write.notify_one();
    }

    /// The budgets of an application.
    pub fn budget(&self, app: SdkAppId) -> Arc<AppBudget> {
        let mut budgets = self.budgets.lock();
        let new = || {
            let (standing, wake) = (self.standing.subscribe(), Arc::clone(&self.to_lease));
            Arc::new(AppBudget::new(standing, wake, &self.settings))
        };
        Arc::clone(budgets.entry(app.get()).or_insert_with(new))
    }

    /// How the store stands.
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Has what changed written, and waits for it; no longer than the store may take, and not while it is away.
    pub async fn keep(&self) {
        let number = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.to_write.notify_one();
        let mut standing = self.standing.subscribe();
        if !standing.borrow_and_update().is_up() {
            return;
        }
        let mut written = self.written.subscribe();
        let wait = async {
            tokio::select! {
                _ = written.wait_for(|done| *done >= number) => {}
                _ = standing.wait_for(|standing| !standing.is_up()) => {}
            }
        };
        // Longer than that, and whoever writes has found the store away.
        let _ = timeout(self.settings.timeout, wait).await;
    }

    /// Reads the store once, so that the first request is judged by what the others know. Gives up after a while.
    pub async fn first_look(&self) {
        let fault = match timeout(FIRST_LOOK, self.open()).await {
            Ok(Ok(_)) => return,
            Ok(Err(fault)) => fault,
            Err(_) => Fault::Timeout,
        };
        self.lose(fault);
    }

    /// Keeps the connection, for ever.
    pub async fn run(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let (fault, was_up) = self.session().await;
            self.lose(fault);
            pause = match was_up {
                true => FIRST_PAUSE,
                false => (2 * pause).min(LONGEST_PAUSE),
            };
            // A fleet does not come back in step.
            sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
        }
    }

    /// One connection until it ends; whether it ever stood.
    async fn session(&self) -> (Fault, bool) {
        let (link, replica) = match self.open().await {
            Ok(opened) => opened,
            Err(fault) => return (fault, false),
        };
        let ended: Result<Infallible, Fault> = tokio::select! {
            ended = replica.follow(&link) => ended,
            ended = self.lend(&link) => ended,
        };
        match ended {
            Ok(never) => match never {},
            Err(fault) => (fault, true),
        }
    }

    /// A connection on which the states of all sites have been held against the store.
    async fn open(&self) -> Result<(Link<'_>, Replica<'_>), Fault> {
        let connected = timeout(CONNECT, connect(&self.settings, self.tls.as_ref()));
        let connected = connected.await.unwrap_or(Err(Fault::Timeout));
        self.count(Operation::Connect, connected.as_ref().err());
        let (connection, driver) = connected?;
        let link = Link::new(connection, driver, self);
        let mut replica = Replica::new(self);
        replica.catch_up(&link).await?;
        self.stand();
        Ok((link, replica))
    }

    fn count(&self, operation: Operation, fault: Option<&Fault>) {
        let result = match fault {
            None => OK,
            Some(Fault::Timeout) => TIMEOUT,
            Some(_) => ERROR,
        };
        self.watcher.asked(operation, result);
    }

    fn sites(&self) -> Vec<Arc<Site>> {
        self.sites.lock().values().cloned().collect()
    }

    /// Says once that the store is there.
    fn stand(&self) {
        let before = self.standing();
        if before.is_up() {
            return;
        }
        self.standing.send_modify(Standing::rise);
        let nodes = self.standing().nodes;
        match before.fault() {
            None => tracing::info!(nodes, "the store of the fleet is there"),
            Some(_) => {
                let away = humantime::format_duration(before.lasts()).to_string();
                tracing::info!(nodes, away, "the store of the fleet is back");
                self.watcher.reconnected();
            }
        }
    }

    /// Says once that the store is away, and again only when it is for a reason that does not end by itself.
    fn lose(&self, fault: Fault) {
        for site in self.sites() {
            site.state.unshare();
        }
        let mut is_news = false;
        self.standing
            .send_modify(|standing| is_news = standing.fall(fault));
        if is_news {
            tracing::warn!(
                reason = %fault,
                "the store of the fleet is away; this node goes on with what it knows"
            );
        } else {
            tracing::debug!(reason = %fault, "the store of the fleet is still away");
        }
    }
}

const CONNECT: Duration = Duration::from_secs(3);
const FIRST_LOOK: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests;
