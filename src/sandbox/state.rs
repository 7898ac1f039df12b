//! All that the sandbox remembers, behind one lock: the application's Chat, the orders to fail and the record of calls.
//!
//! Everything is bounded, in memory only, and gone when the process ends.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_json::Value;

use super::archive::{Archive, Talk};
use super::attempts::Attempts;
use super::calls::Calls;
use super::failure::Failure;
use super::fault::Faults;
use super::group::Group;
use super::rest::push::Pushes;
use crate::identity::{ReservedNames, UserId};
use crate::time::UnixTime;

/// What all clones of a sandbox share.
pub(super) struct State {
    pub(super) chat: Chat,
    pub(super) faults: Faults,
    pub(super) calls: Calls,
    pub(super) attempts: Attempts,
}

/// The accounts, groups and messages of the application.
pub(super) struct Chat {
    pub(super) accounts: HashMap<UserId, Account>,
    /// By ID.
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) archive: Archive,
    pub(super) pushes: Pushes,
    max_accounts: usize,
    /// Numbers for what Chat would name at random: groups, and messages without a `MsgSeq`.
    serial: u64,
}

/// One account.
#[derive(Default)]
pub(super) struct Account {
    /// The profile fields that were set, by tag.
    pub(super) profile: BTreeMap<String, Value>,
    pub(super) kicked_at: Option<UnixTime>,
    /// The last second of the newest login.
    pub(super) online_until: Option<UnixTime>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            chat: Chat {
                accounts: HashMap::new(),
                groups: BTreeMap::new(),
                archive: Archive::new(MAX_MESSAGES, MAX_MESSAGE_BYTES),
                pushes: Pushes::default(),
                max_accounts: MAX_ACCOUNTS,
                serial: 0,
            },
            faults: Faults::default(),
            calls: Calls::new(MAX_CALLS, MAX_CALL_BYTES),
            attempts: Attempts::default(),
        }
    }
}

/// Shows nothing of what users wrote.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl Chat {
    /// The account of that name, created when there is none.
    pub(super) fn import(&mut self, user: UserId) -> Result<&mut Account, Failure> {
        if self.accounts.len() >= self.max_accounts && !self.accounts.contains_key(&user) {
            return Err(Failure::AccountsFull);
        }
        Ok(self.accounts.entry(user).or_default())
    }

    /// What a login does.
    pub(super) fn log_in(&mut self, user: UserId, until: UnixTime) -> Result<(), Failure> {
        self.import(user)?.online_until = Some(until);
        Ok(())
    }

    /// When a user was kicked last.
    pub(super) fn kicked_at(&self, user: &UserId) -> Option<UnixTime> {
        self.accounts.get(user)?.kicked_at
    }

    /// The account that a text names, if there is one.
    pub(super) fn known(&self, text: &str) -> Option<UserId> {
        let user = UserId::parse(text, &ReservedNames::default()).ok()?;
        self.accounts.contains_key(&user).then_some(user)
    }

    /// Deletes an account with its memberships and one-to-one messages; its groups lose their owner.
    pub(super) fn delete(&mut self, user: UserId) -> Result<(), Failure> {
        self.accounts.remove(&user).ok_or(Failure::AccountUnknown)?;
        for group in self.groups.values_mut() {
            group.remove(user);
        }
        self.archive.forget(|talk: &Talk| talk.has(user));
        Ok(())
    }

    /// A number that was never given before.
    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial = self.serial.saturating_add(1);
        self.serial
    }
}

/// As many as a storm of a million logins makes.
const MAX_ACCOUNTS: usize = 1_000_000;
const MAX_MESSAGES: usize = 100_000;
const MAX_MESSAGE_BYTES: usize = 64 << 20;
const MAX_CALLS: usize = 1_000;
const MAX_CALL_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_account_that_fits_is_imported_and_no_other() {
        let mut chat = State::default().chat;
        assert_eq!(chat.max_accounts, 1_000_000);
        chat.max_accounts = 10;
        for number in 0..10 {
            assert!(chat.import(user(number)).is_ok());
        }
        let one_more = chat.import(user(10)).err();
        assert_eq!(one_more, Some(Failure::AccountsFull));
        assert!(chat.import(user(7)).is_ok(), "an account that is there");
        assert_eq!(chat.delete(user(7)), Ok(()));
        assert!(chat.import(user(10)).is_ok());
        assert_eq!(Failure::AccountsFull.code(), 70398);
    }

    fn user(number: usize) -> UserId {
        UserId::parse(&number.to_string(), &ReservedNames::default()).unwrap()
    }
}
