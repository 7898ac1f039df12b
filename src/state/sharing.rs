//! What the other nodes of a fleet are told of a state, and take from it.
//!
//! Between [`State::share`] and [`State::unshare`] it collects what changes. While the store is away nothing is collected:
//! when it is back, all that is [known](State::known) is held against what it has, so that no queue can grow.

use super::change::{Key, Kicks, Reader};
use super::{Change, State};

impl State {
    /// Collects changes from now on, without those of before.
    pub(super) fn share(&self) {
        self.shared.reopen();
    }

    /// Collects no more.
    pub(super) fn unshare(&self) {
        self.shared.close();
    }

    /// What changed here since the last call.
    pub(super) fn take_shared(&self) -> Vec<Change> {
        let keys = self.shared.take();
        keys.into_iter()
            .filter_map(|key| self.look_up(key, Reader::Fleet))
            .collect()
    }

    /// All that another node may not know.
    pub(super) fn known(&self) -> Vec<Change> {
        let mut changes = self.tokens.snapshot();
        changes.extend(self.users.known());
        changes.extend(self.enforced.lock().known());
        changes
    }

    /// Takes in what another node wrote, and keeps it in the file as well. The order does not matter, and twice is as good as
    /// once.
    pub(super) fn absorb_shared(&self, change: Change, is_echo: bool) {
        let key = match &change {
            Change::Token { id, .. } => Key::Token(*id),
            Change::User(user) => Key::User(user.user),
            Change::Enforced(subject) => Key::Enforced(subject.clone()),
        };
        self.take_in(
            change,
            match is_echo {
                true => Kicks::Echo,
                false => Kicks::Others,
            },
        );
        // An echo as well: merged in the store, it may hold what another node wrote.
        self.outbox.add(&key);
    }
}
