//! What a store keeps of a state, and the list of what it does not have yet.
//!
//! Each change says all about its subject and only ever adds to what is known, so that two processes may write one
//! file and a line that is read twice does no harm.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::TokenId;
use super::revocation::EnforcedSubject;
use crate::identity::{ReservedNames, UserId};
use crate::time::UnixTime;

/// One fact in its current form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A session token is denied.
    Token {
        /// Which.
        id: TokenId,
        /// Until it has expired for certain.
        until: UnixTime,
    },
    /// A user's UserSigs were superseded.
    User(UserChange),
    /// A subject of the operator's list was kicked, or is no longer on the list.
    Enforced(EnforcedSubject),
}

impl Change {
    /// The change as one line of JSON.
    pub fn to_json(&self) -> serde_json::Value {
        let stored = match self {
            Self::Token { id, until } => Stored::Token {
                id: *id,
                until: until.as_secs(),
            },
            Self::User(user) => Stored::User {
                id: user.user.as_str().to_owned(),
                not_before: user.not_before.as_secs(),
                renewed_at: user.renewed_at.map(UnixTime::as_secs),
                floor: user
                    .floor
                    .map(|floor| (floor.before.as_secs(), floor.until.as_secs())),
                kick: user.kick,
            },
            Self::Enforced(subject) => Stored::Revoked {
                issuer: subject.issuer.clone(),
                user: subject.user.as_str().to_owned(),
                before: subject.before.map(UnixTime::as_secs),
                listed: subject.listed,
            },
        };
        serde_json::to_value(stored).unwrap_or_default()
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    pub fn from_json(value: serde_json::Value) -> Result<Self, DamagedChange> {
        let time = UnixTime::from_secs;
        let user =
            |text: &str| UserId::parse(text, &ReservedNames::default()).map_err(|_| DamagedChange);
        Ok(
            match serde_json::from_value(value).map_err(|_| DamagedChange)? {
                Stored::Token { id, until } => Self::Token {
                    id,
                    until: time(until),
                },
                Stored::User {
                    id,
                    not_before,
                    renewed_at,
                    floor,
                    kick,
                } => Self::User(UserChange {
                    user: user(&id)?,
                    not_before: time(not_before),
                    renewed_at: renewed_at.map(time),
                    floor: floor.map(|(before, until)| Floor {
                        before: time(before),
                        until: time(until),
                    }),
                    kick,
                }),
                Stored::Revoked {
                    issuer,
                    user: id,
                    before,
                    listed,
                } => Self::Enforced(EnforcedSubject {
                    issuer,
                    user: user(&id)?,
                    before: before.map(time),
                    listed,
                }),
            },
        )
    }
}

/// A stored text that is no [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record of this program")]
pub struct DamagedChange;

/// All that is kept of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserChange {
    pub(super) user: UserId,
    pub(super) not_before: UnixTime,
    pub(super) renewed_at: Option<UnixTime>,
    pub(super) floor: Option<Floor>,
    pub(super) kick: bool,
}

/// Instead of single tokens: everything that the user's tokens issued before a moment could do is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Floor {
    pub(super) before: UnixTime,
    /// From here on no such token is alive.
    pub(super) until: UnixTime,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Stored {
    Token {
        id: TokenId,
        until: u64,
    },
    User {
        id: String,
        not_before: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        renewed_at: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        floor: Option<(u64, u64)>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        kick: bool,
    },
    Revoked {
        issuer: String,
        user: String,
        before: Option<u64>,
        listed: bool,
    },
}

/// Whom a [`Change`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// This node after a restart, which goes on with its own kicks.
    File,
    /// The other nodes: a login there ends the retries of a kick, whoever sends it.
    Fleet,
}

/// Whose the kick of a [`Change`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kicks {
    /// An earlier process's of this node: it is to be sent.
    Ours,
    /// Another process's, which sends it itself. A login here ends it, as one there ends ours.
    Others,
    /// What this process wrote itself, and may know better by now.
    Echo,
}

/// What a [`Change`] is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Token(TokenId),
    User(UserId),
    Enforced(EnforcedSubject),
}

/// What changed and was not taken by a store yet; each subject once. A closed one keeps nothing.
pub(super) struct Outbox {
    is_open: AtomicBool,
    keys: Mutex<HashSet<Key>>,
}

impl Outbox {
    /// For a state without a store, or whose store is away.
    pub(super) fn closed() -> Self {
        Self {
            is_open: AtomicBool::new(false),
            keys: Mutex::default(),
        }
    }

    pub(super) fn open() -> Self {
        let outbox = Self::closed();
        outbox.reopen();
        outbox
    }

    /// Keeps what is added from now on, and nothing of before.
    pub(super) fn reopen(&self) {
        let mut keys = self.keys.lock();
        keys.clear();
        self.is_open.store(true, Ordering::Release);
    }

    pub(super) fn close(&self) {
        let mut keys = self.keys.lock();
        *keys = HashSet::new();
        self.is_open.store(false, Ordering::Release);
    }

    pub(super) fn add(&self, key: &Key) {
        if !self.is_open.load(Ordering::Acquire) {
            return;
        }
        let mut keys = self.keys.lock();
        // It may have been closed since.
        if self.is_open.load(Ordering::Acquire) {
            keys.insert(key.clone());
        }
    }

    pub(super) fn take(&self) -> HashSet<Key> {
        std::mem::take(&mut *self.keys.lock())
    }
}
