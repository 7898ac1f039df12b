//! The states of all sites in one small file, for one node: what a restart or an upgrade must not forget.
//!
//! A change is on disk when [`LocalStore::flush`] returns, so the edge flushes before it answers a logout. Calls block on
//! the disk: not for an async thread. During an upgrade two processes use the file; each reads what the other adds
//! ([`LocalStore::follow`]). A file that is not fully understood is an error and stays as it is, never an empty state.

mod journal;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::journal::{Entry, Journal};
use super::{Change, Limits, State};
use crate::time::UnixTime;

/// The file and the states that it keeps.
pub struct LocalStore {
    limits: Limits,
    inner: Mutex<Inner>,
}

/// How the file was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There was none: a new one was made. Worth a warning where there should have been one.
    New,
    /// It was read in full.
    Read {
        /// The number of records.
        records: usize,
    },
    /// The last record is half-written: the process or the machine stopped before it was acknowledged.
    Torn {
        /// The number of whole records.
        records: usize,
        /// Where the file was kept as it was found.
        copy: PathBuf,
    },
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: a verb.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It does not start as such a file does; also when it is empty.
    #[error("{} is not a state file of this program (or is of a later version)", path.display())]
    NotAStateFile {
        /// The file.
        path: PathBuf,
    },
    /// A record in the middle does not fit its checksum or is not known.
    #[error(
        "{}:{line}: the record is damaged. The file is left as it is; restore it, or move it away to start empty: sessions \
         that were logged out then work until they expire", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
    },
}

impl LocalStore {
    /// Opens the file or makes a new one in a folder that is there.
    pub fn open(path: &Path, limits: Limits, now: UnixTime) -> Result<(Self, Opened), StoreError> {
        let (journal, entries, opened) = Journal::open(path, now)?;
        let mut inner = Inner {
            journal,
            states: BTreeMap::new(),
            must_rewrite: false,
        };
        for entry in entries {
            inner.state(&entry.site, limits).restore(entry.change);
        }
        inner.states.values().for_each(|state| state.sweep(now));
        let store = Self {
            limits,
            inner: Mutex::new(inner),
        };
        Ok((store, opened))
    }

    /// The state of a site: the same for the same name until the process ends, so that a reload keeps it.
    pub fn state(&self, site: &str) -> Arc<State> {
        self.inner.lock().state(site, self.limits)
    }

    /// The sites whose states are not empty.
    pub fn sites(&self) -> Vec<String> {
        let inner = self.inner.lock();
        let held = inner.states.iter().filter(|(_, state)| !state.is_empty());
        held.map(|(site, _)| site.clone()).collect()
    }

    /// Writes all changes and waits until they are on disk. After an error they are kept and written with the next call.
    pub fn flush(&self, now: UnixTime) -> Result<(), StoreError> {
        let mut inner = self.inner.lock();
        inner.follow(self.limits)?;
        inner.flush(self.limits, now)
    }

    /// Takes in what another process wrote. Called every second while an upgrade may be under way.
    pub fn follow(&self) -> Result<(), StoreError> {
        self.inner.lock().follow(self.limits)
    }

    /// Drops what has expired, writes changes, and makes the file short again when most of it is of no more use.
    pub fn sweep(&self, now: UnixTime) -> Result<(), StoreError> {
        let mut inner = self.inner.lock();
        inner.follow(self.limits)?;
        inner.states.values().for_each(|state| state.sweep(now));
        let snapshot = inner.snapshot(now);
        inner.must_rewrite |= inner.journal.records() > 2 * snapshot.len() + SPARE_RECORDS;
        inner.flush(self.limits, now)
    }
}

struct Inner {
    journal: Journal,
    states: BTreeMap<String, Arc<State>>,
    /// After a failed write the end of the file is not known, so all is written anew.
    must_rewrite: bool,
}

impl Inner {
    fn state(&mut self, site: &str, limits: Limits) -> Arc<State> {
        if let Some(state) = self.states.get(site) {
            return Arc::clone(state);
        }
        let state = Arc::new(State::kept(limits));
        self.states.insert(site.to_owned(), Arc::clone(&state));
        state
    }

    fn follow(&mut self, limits: Limits) -> Result<(), StoreError> {
        if self.must_rewrite {
            return Ok(());
        }
        match self.journal.read_new()? {
            Some(entries) => self.absorb(entries, limits),
            None => self.must_rewrite = true,
        }
        Ok(())
    }

    fn absorb(&mut self, entries: Vec<Entry>, limits: Limits) {
        for entry in entries {
            self.state(&entry.site, limits).absorb(entry.change);
        }
    }

    fn flush(&mut self, limits: Limits, now: UnixTime) -> Result<(), StoreError> {
        let changes = self.take_changes();
        let written = match self.must_rewrite {
            true => self.journal.rewrite(&self.snapshot(now)),
            false => self.journal.append(&changes),
        };
        match written {
            Ok(missed) => {
                self.must_rewrite = false;
                self.absorb(missed, limits);
                Ok(())
            }
            Err(error) => {
                // The changes that were taken are in the snapshot that comes instead.
                self.must_rewrite = true;
                Err(error)
            }
        }
    }

    fn take_changes(&self) -> Vec<Entry> {
        self.entries(State::take_changes)
    }

    fn snapshot(&self, now: UnixTime) -> Vec<Entry> {
        self.entries(|state| state.snapshot(now))
    }

    fn entries(&self, list: impl Fn(&State) -> Vec<Change>) -> Vec<Entry> {
        let entry = |site: &String, change| Entry {
            site: site.clone(),
            change,
        };
        let sites = self.states.iter();
        sites
            .flat_map(|(site, state)| {
                list(state)
                    .into_iter()
                    .map(move |change| entry(site, change))
            })
            .collect()
    }
}

/// So many records of no more use are not worth a rewrite.
const SPARE_RECORDS: usize = 1000;

#[cfg(test)]
mod tests;
