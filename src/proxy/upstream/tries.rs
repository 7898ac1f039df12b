//! What one request remembers of the servers that it was given.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pingora::Error;
use tokio::time::Instant;

use super::Upstream;
use super::server::{Address, Server};

/// The tries of one request.
#[derive(Default)]
pub(in crate::proxy) struct Tries {
    upstream: Option<Arc<Upstream>>,
    /// Where connections failed, at most [`MAX_TRIES`]; no request goes to one of them twice.
    failed: Vec<(Arc<Server>, Address)>,
    /// When the request began to look for a connection; `None` while it has one.
    since: Option<Instant>,
    chosen: Option<Chosen>,
    reason: Option<String>,
    /// Whether the request was sent twice.
    repeated: bool,
}

/// The server that a request is at.
pub(super) struct Chosen {
    pub(super) server: Arc<Server>,
    pub(super) address: Address,
    _load: Load,
}

impl Chosen {
    pub(super) fn new(server: Arc<Server>, address: Address) -> Self {
        Self {
            _load: Load::on(&server),
            server,
            address,
        }
    }
}

impl Tries {
    /// A connection stands, maybe one that was kept.
    pub(in crate::proxy) fn note_connected(&mut self, reused: bool) {
        if let Some(upstream) = self.upstream.clone() {
            upstream.connected(self, reused);
        }
    }

    /// A connection failed. The error says whether there is another try.
    pub(in crate::proxy) fn note_failed(&mut self, error: Box<Error>) -> Box<Error> {
        match self.upstream.clone() {
            Some(upstream) => upstream.failed(self, error),
            None => error,
        }
    }

    /// What was sent has no answer. It is sent once more by the framework's rule, where it may be repeated, and never a
    /// third time: a request that takes the app down must not take it down again and again.
    pub(in crate::proxy) fn note_broken(
        &mut self,
        mut error: Box<Error>,
        may_repeat: bool,
        reused: bool,
    ) -> Box<Error> {
        match may_repeat && !self.repeated {
            true => error.retry.decide_reuse(reused),
            false => error.set_retry(false),
        }
        self.repeated |= error.retry();
        error
    }

    pub(super) fn belong_to(&mut self, upstream: &Arc<Upstream>) {
        self.upstream = Some(Arc::clone(upstream));
    }

    /// The server that the request is at, as the configuration names it.
    pub(in crate::proxy) fn server(&self) -> Option<&str> {
        self.chosen.as_ref().map(|chosen| chosen.server.label())
    }

    /// Why the last connection failed.
    pub(in crate::proxy) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// What is left of the time for a connection, all tries together.
    pub(super) fn remaining(&mut self, connect: Duration) -> Duration {
        let since = *self.since.get_or_insert_with(Instant::now);
        connect.saturating_sub(since.elapsed())
    }

    pub(super) fn left(&self) -> usize {
        MAX_TRIES.saturating_sub(self.failed.len())
    }

    /// Whether a connection failed at this address.
    pub(super) fn has_failed(&self, server: &Arc<Server>, address: &Address) -> bool {
        let mut failed = self.failed.iter();
        failed.any(|(one, at)| Arc::ptr_eq(one, server) && at == address)
    }

    pub(super) fn choose(&mut self, chosen: Chosen) {
        self.chosen = Some(chosen);
    }

    pub(super) fn chosen(&self) -> Option<(Arc<Server>, Address)> {
        let chosen = self.chosen.as_ref()?;
        Some((chosen.server.clone(), chosen.address.clone()))
    }

    /// A connection stands: what comes later has the whole time again.
    pub(super) fn settle(&mut self) {
        self.since = None;
        self.reason = None;
    }

    pub(super) fn fail(&mut self, server: Arc<Server>, address: Address, reason: String) {
        self.failed.push((server, address));
        self.reason = Some(reason);
    }
}

/// Counts a request towards the load of a server for as long as it lives.
struct Load(Arc<AtomicUsize>);

impl Load {
    fn on(server: &Server) -> Self {
        let load = server.load().clone();
        load.fetch_add(1, Ordering::Relaxed);
        Self(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Failed connections that one request bears, each at another address.
pub(super) const MAX_TRIES: usize = 3;
