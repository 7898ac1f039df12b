//! Roles in groups that Chat told a moment ago, and questions for them that are under way.
//!
//! A role is believed for some seconds, counted from before it was asked for. Whoever needs it while it is asked for waits for
//! that answer, also for a failure, which nobody is told later. Bounded: what is old makes room, and at last all.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::identity::UserId;
use crate::rest_api::group_role::Told;
use crate::rest_api::refusal::Refusal;

/// The roles of callers in the groups of one application.
pub struct KnownRoles {
    max_age: Duration,
    capacity: usize,
    entries: Mutex<HashMap<Key, Entry>>,
}

/// A group and an account.
type Key = (String, UserId);
/// An answer, or a question under way.
type Entry = Arc<OnceCell<Known>>;

#[derive(Clone, Copy)]
struct Known {
    role: Result<Told, Refusal>,
    until: Duration,
}

impl KnownRoles {
    /// Believes a role for `max_age`.
    pub fn new(max_age: Duration) -> Self {
        Self {
            max_age,
            capacity: CAPACITY,
            entries: Mutex::default(),
        }
    }

    /// The role of an account in a group; unless it is known, by the question, which is dropped otherwise. `clock` tells the
    /// time since some fixed moment.
    pub(super) async fn role(
        &self,
        group: &str,
        user: UserId,
        clock: impl Fn() -> Duration,
        question: impl Future<Output = Result<Told, Refusal>>,
    ) -> Result<Told, Refusal> {
        let entry = self.entry((group.to_owned(), user), clock());
        let known = entry.get_or_init(|| async {
            let until = clock().saturating_add(self.max_age);
            let role = question.await;
            Known { role, until }
        });
        known.await.role
    }

    /// Forgets a group, and what is asked about it at this moment: its members may have changed.
    pub(super) fn forget(&self, group: &str) {
        self.entries.lock().retain(|(known, _), _| known != group);
    }

    /// Forgets everything.
    pub(super) fn forget_all(&self) {
        self.entries.lock().clear();
    }

    fn entry(&self, key: Key, now: Duration) -> Entry {
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.get(&key).filter(|entry| counts(entry, now)) {
            return Arc::clone(entry);
        }
        if entries.len() >= self.capacity {
            entries.retain(|_, entry| is_waited_for(entry) || is_fresh(entry, now));
        }
        if entries.len() >= self.capacity {
            entries.clear();
        }
        let entry = Entry::default();
        entries.insert(key, Arc::clone(&entry));
        entry
    }
}

/// Whether it is asked for right now, or known and still believed.
fn counts(entry: &Entry, now: Duration) -> bool {
    !entry.initialized() || is_fresh(entry, now)
}

fn is_fresh(entry: &Entry, now: Duration) -> bool {
    let is_good = |known: &Known| known.role.is_ok() && now < known.until;
    entry.get().is_some_and(is_good)
}

/// One whose question was given up has nobody left but the table.
fn is_waited_for(entry: &Entry) -> bool {
    !entry.initialized() && Arc::strong_count(entry) > 1
}

/// More than the roles that Chat tells in the seconds that one is believed, at its documented rate.
const CAPACITY: usize = 16_384;

#[cfg(test)]
mod tests;
