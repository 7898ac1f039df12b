//! The node's part of a fleet: its connection to the store, what is told of that, and the budgets that all nodes have together.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::runtime::Builder;

use super::store::Store;
use crate::identity::UserId;
use crate::metrics::{Metrics, StoreMetrics};
use crate::proxy::CallBudgets;
use crate::rest_api::budget::{Budgets, Exceeded, LocalBudgets, Scope};
use crate::rest_api::catalog::Command;
use crate::state::redis::{
    AppBudget, Fleet, Operation, RESULTS, Settings, Standing, Taken, Want, Watcher,
};

/// This node's part of the fleet, if the configuration names a store for one.
pub(super) fn join(
    settings: Option<&Settings>,
    metrics: &Arc<Metrics>,
) -> Result<Option<Arc<Fleet>>, super::StartError> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    let series = metrics.create_store(Operation::ALL.map(Operation::as_str), RESULTS)?;
    let fleet = Fleet::new(settings.clone(), Box::new(Counter(series)));
    Ok(Some(Arc::new(fleet?)))
}

/// Reads the store before the first request is taken. Blocks, for a few seconds at most.
pub(super) fn look_at_first(store: &Store) {
    let Some(fleet) = store.fleet.clone() else {
        return;
    };
    // A thread of its own: this one may be within a runtime.
    let look = thread::spawn(move || {
        if let Ok(runtime) = Builder::new_current_thread().enable_all().build() {
            runtime.block_on(fleet.first_look());
            // A name that does not resolve would hold the start up.
            runtime.shutdown_background();
        }
    });
    // One that panicked has read nothing; the connection that is made later reads it all.
    let _ = look.join();
}

/// Keeps the connection while the process lives: the last requests of a stop have logouts and calls, too.
pub(super) struct Connection(pub(super) Arc<Fleet>);

#[async_trait]
impl BackgroundService for Connection {
    async fn start(&self, _: ShutdownWatch) {
        self.0.run().await;
    }
}

/// A line for people.
pub(super) fn report(standing: &Standing) -> String {
    let since = humantime::format_rfc3339_seconds(standing.since());
    match standing.fault() {
        _ if standing.is_up() => {
            let nodes = standing.nodes;
            format!("store of the fleet: there since {since}; nodes: {nodes}\n")
        }
        Some(fault) => format!("store of the fleet: away since {since}: {fault}\n"),
        None => format!("store of the fleet: not reached yet, since {since}\n"),
    }
}

/// Notes in the metrics how the store stands.
pub(super) fn measure(standing: &Standing, metrics: &Metrics) {
    if let Some(series) = metrics.store() {
        series.set(standing.is_up(), standing.lag(), standing.nodes);
    }
}

/// Counts what the store is asked.
struct Counter(StoreMetrics);

impl Watcher for Counter {
    fn asked(&self, operation: Operation, result: &'static str) {
        self.0.count(operation.as_str(), result);
    }

    fn reconnected(&self) {
        self.0.count_reconnected();
    }

    fn ignored_record(&self) {
        self.0.count_ignored();
    }
}

/// The budgets of a site.
pub(super) struct SiteBudgets {
    pub(super) local: LocalBudgets,
    /// The moment from which the local ones count.
    pub(super) started: Instant,
    /// The budgets of its application over all nodes.
    pub(super) shared: Option<Arc<AppBudget>>,
}

#[async_trait]
impl CallBudgets for SiteBudgets {
    async fn take(&self, command: &Command, caller: &UserId) -> Result<(), Exceeded> {
        let Some(shared) = &self.shared else {
            return self.local.take(command, caller, self.started.elapsed());
        };
        let limits = self.local.limits();
        let of_command = Want {
            name: command.name.as_str(),
            rate: limits.rate_of(command),
        };
        let of_app = limits.app.map(|rate| Want {
            name: WHOLE_APP,
            rate,
        });
        let wants: Vec<_> = [of_command].into_iter().chain(of_app).collect();
        match shared.take(&wants).await {
            Taken::Places(places) => {
                // A caller's part is a matter of this node, and so is that it alone never makes more calls than a fleet may.
                let taken = self.local.take(command, caller, self.started.elapsed());
                taken.inspect_err(|_| shared.put_back(places))
            }
            Taken::UsedUp { index, retry_after } => Err(Exceeded {
                scope: if index == 0 {
                    Scope::Command
                } else {
                    Scope::App
                },
                retry_after,
            }),
            Taken::Away { nodes } => self.share(command, caller, nodes),
        }
    }
}

impl SiteBudgets {
    fn share(&self, command: &Command, caller: &UserId, nodes: NonZeroU32) -> Result<(), Exceeded> {
        let now = self.started.elapsed();
        self.local.take_share(command, caller, now, nodes)
    }
}

/// The name of the whole application's budget; no command is called so.
const WHOLE_APP: &str = "all";
