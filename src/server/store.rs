//! Keeps the state of the process in its file: soon after a change, and tidied every minute.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::proxy::{Keeper, Logouts};
use crate::state::local::{LocalStore, StoreError};
use crate::state::{Limits, State};
use crate::time::UnixTime;

/// Where denied sessions and generations are kept.
#[derive(Clone)]
pub(super) enum Store {
    /// In memory: they end with the process.
    Memory(Arc<State>),
    /// In a file as well.
    File(Arc<LocalStore>),
}

impl Store {
    pub(super) fn memory() -> Self {
        Self::Memory(Arc::new(State::in_memory(Limits::default())))
    }

    pub(super) fn state(&self) -> Arc<State> {
        match self {
            Self::Memory(state) => state.clone(),
            Self::File(store) => store.state(SITE),
        }
    }

    /// Writes what changed. Blocks on the disk.
    fn flush(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::File(store) => store.flush(now()),
        }
    }

    /// Drops what has expired. Blocks on the disk.
    fn sweep(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(state) => {
                state.sweep(now());
                Ok(())
            }
            Self::File(store) => store.sweep(now()),
        }
    }

    async fn tend(&self, is_sweep: bool) {
        let store = self.clone();
        let work = move || match is_sweep {
            true => store.sweep(),
            false => store.flush(),
        };
        if let Ok(Err(error)) = spawn_blocking(work).await {
            tracing::error!(%error, "the store cannot be written; it is tried again");
        }
    }
}

#[async_trait]
impl Keeper for Store {
    async fn keep(&self) {
        self.tend(false).await;
    }
}

/// The store with what has to be done with it in the background.
pub(super) struct Tending {
    pub(super) store: Store,
    pub(super) logouts: Arc<Logouts>,
}

#[async_trait]
impl BackgroundService for Tending {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        self.logouts.resume();
        let mut ticks = interval(FLUSH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut since_sweep = 0;
        loop {
            tokio::select! {
                _ = shutdown.changed() => break,
                _ = ticks.tick() => {}
            }
            since_sweep += 1;
            let is_sweep = since_sweep == FLUSHES_PER_SWEEP;
            if is_sweep {
                since_sweep = 0;
            }
            self.store.tend(is_sweep).await;
        }
        self.store.tend(false).await;
    }
}

fn now() -> UnixTime {
    UnixTime::from(SystemTime::now())
}

/// The one site of a configuration without several.
const SITE: &str = "default";
const FLUSH_EVERY: Duration = Duration::from_secs(1);
const FLUSHES_PER_SWEEP: u32 = 60;
