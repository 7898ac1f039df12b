//! What only a restart can change: compared on every reload and reported.
//!
//! A key that a running process reads once, at its start, belongs here, also when it reads it anew in another place.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Audit, Config, ListenShape, Log, Store, Traces};

/// What a running process cannot change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    /// A change of this one is a refusal.
    demo: bool,
    listen: ListenShape,
    ops: SocketAddr,
    threads: Option<NonZeroUsize>,
    max_connections: Option<NonZeroUsize>,
    /// HTTP/1.1 follows the file, HTTP/2 the start.
    keepalive: Duration,
    /// Bodies and answers follow the file, headers the start.
    read_timeout: Duration,
    drain_delay: Duration,
    grace_period: Duration,
    shutdown_timeout: Duration,
    upgrade_socket: Option<PathBuf>,
    log: Log,
    store: Store,
    audit: Option<Audit>,
    traces: Option<Traces>,
    on_change: bool,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        let runtime = &config.runtime;
        Self {
            demo: config.demo,
            listen: config.listen.shape(),
            ops: config.ops,
            threads: runtime.threads,
            max_connections: runtime.max_connections,
            keepalive: runtime.downstream_keepalive,
            read_timeout: runtime.downstream_read_timeout,
            drain_delay: runtime.drain_delay,
            grace_period: runtime.grace_period,
            shutdown_timeout: runtime.shutdown_timeout,
            upgrade_socket: runtime.upgrade_socket.clone(),
            log: config.log,
            store: config.store.clone(),
            audit: config.audit.clone(),
            traces: config.traces.clone(),
            on_change: runtime.reload_on_change,
        }
    }

    /// Whether example keys are accepted here as there. What allows them is that every listener is on loopback, and a
    /// running process keeps its listeners.
    pub(super) fn is_demo_like(&self, other: &Self) -> bool {
        self.demo == other.demo
    }

    /// The keys of the file in which the two differ, but `demo`.
    pub(super) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let all = [
            ("listen", self.listen == other.listen),
            ("ops.listen", self.ops == other.ops),
            ("runtime.threads", self.threads == other.threads),
            (
                "runtime.max_connections",
                self.max_connections == other.max_connections,
            ),
            (
                "runtime.downstream_keepalive (for HTTP/2)",
                self.keepalive == other.keepalive,
            ),
            (
                "runtime.downstream_read_timeout (for headers)",
                self.read_timeout == other.read_timeout,
            ),
            ("runtime.drain_delay", self.drain_delay == other.drain_delay),
            (
                "runtime.grace_period",
                self.grace_period == other.grace_period,
            ),
            (
                "runtime.shutdown_timeout",
                self.shutdown_timeout == other.shutdown_timeout,
            ),
            (
                "runtime.upgrade_socket",
                self.upgrade_socket == other.upgrade_socket,
            ),
            (
                "runtime.reload_on_change",
                self.on_change == other.on_change,
            ),
            ("log", self.log == other.log),
            ("store.file", self.store.file == other.store.file),
            ("store.redis", self.store.redis == other.store.redis),
            ("audit", self.audit == other.audit),
            ("traces", self.traces == other.traces),
        ];
        let differing = all.into_iter().filter(|(_, is_same)| !is_same);
        differing.map(|(key, _)| key).collect()
    }
}
