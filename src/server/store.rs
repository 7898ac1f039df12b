//! Keeps the state of the process in its file, soon after a change and tidied every minute, and shares it with the fleet.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::fleet;
use crate::config;
use crate::proxy::Keeper;
use crate::state::local::{LocalStore, Opened, StoreError};
use crate::state::redis::Fleet;
use crate::state::{Limits, State};
use crate::time::UnixTime;
use crate::usersig::{Lifetime, SdkAppId};

/// Where denied sessions and generations are kept.
#[derive(Clone)]
pub(super) struct Store {
    local: Local,
    /// The other nodes, if there are any.
    pub(super) fleet: Option<Arc<Fleet>>,
}

/// Where this node keeps them.
#[derive(Clone)]
enum Local {
    /// In memory, by the name of the site: they end with the process.
    Memory(Arc<Mutex<BTreeMap<String, Arc<State>>>>),
    /// In a file as well.
    File(Arc<LocalStore>),
}

impl Store {
    /// Opens what the configuration names.
    pub(super) fn open(
        store: &config::Store,
        fleet: Option<Arc<Fleet>>,
    ) -> Result<Self, StoreError> {
        let local = match &store.file {
            Some(path) => Local::File(Arc::new(open_file(path)?)),
            None => Local::Memory(Arc::default()),
        };
        Ok(Self { local, fleet })
    }

    /// Shares the state of a site with the other nodes, if there are any.
    pub(super) fn share(&self, site: &str, app: SdkAppId, lifetime: Lifetime) {
        if let Some(fleet) = &self.fleet {
            let lifetime = Duration::from_secs(lifetime.as_secs().into());
            fleet.share(site, app, lifetime, &self.state(site));
        }
    }

    /// Reads what others wrote since it was opened. Blocks, for a few seconds at most.
    pub(super) fn look_again(&self) {
        if let Err(error) = self.flush() {
            tracing::error!(%error, "the store cannot be read; it is tried again");
        }
        fleet::look_at_first(self);
    }

    /// The state of a site: the same for the same name until the process ends.
    pub(super) fn state(&self, site: &str) -> Arc<State> {
        let new = || Arc::new(State::in_memory(Limits::default()));
        match &self.local {
            Local::Memory(states) => {
                let mut states = states.lock();
                states.entry(site.to_owned()).or_insert_with(new).clone()
            }
            Local::File(store) => store.state(site),
        }
    }

    /// The sites of which it holds something.
    pub(super) fn sites(&self) -> Vec<String> {
        match &self.local {
            Local::Memory(states) => {
                let states = states.lock();
                let held = states.iter().filter(|(_, state)| !state.is_empty());
                held.map(|(site, _)| site.clone()).collect()
            }
            Local::File(store) => store.sites(),
        }
    }

    /// Writes what changed. Blocks on the disk.
    fn flush(&self) -> Result<(), StoreError> {
        match &self.local {
            Local::Memory(_) => Ok(()),
            Local::File(store) => store.flush(now()),
        }
    }

    /// Drops what has expired. Blocks on the disk.
    fn sweep(&self) -> Result<(), StoreError> {
        match &self.local {
            Local::Memory(states) => {
                states.lock().values().for_each(|state| state.sweep(now()));
                Ok(())
            }
            Local::File(store) => store.sweep(now()),
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
        if let Some(fleet) = &self.fleet {
            fleet.keep().await;
        }
    }
}

/// What has to be done with the store in the background.
pub(super) struct Tending(pub(super) Store);

#[async_trait]
impl BackgroundService for Tending {
    async fn start(&self, mut shutdown: ShutdownWatch) {
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
            self.0.tend(is_sweep).await;
        }
        self.0.tend(false).await;
    }
}

fn open_file(path: &Path) -> Result<LocalStore, StoreError> {
    let (store, opened) = LocalStore::open(path, Limits::default(), now())?;
    match opened {
        Opened::Read { records } => tracing::info!(records, "the store was read"),
        Opened::New => {
            tracing::warn!(file = %path.display(), "there was no store; it is new and empty")
        }
        Opened::Torn { records, copy } => {
            tracing::warn!(records, copy = %copy.display(), "the end of the store was half-written");
        }
    }
    Ok(store)
}

fn now() -> UnixTime {
    UnixTime::from(SystemTime::now())
}

const FLUSH_EVERY: Duration = Duration::from_secs(1);
const FLUSHES_PER_SWEEP: u32 = 60;
