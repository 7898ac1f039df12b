//! The cache of issued UserSigs: one a user, the same value until it must be renewed.
//!
//! A stable value is what it is for: clients and logs see one UserSig, and one user's parallel requests do not make many.
//! It is bounded in entries, allocates as it fills, and is split into shards so that two threads seldom meet on a lock.
//! A value counts under the key and the generation that it was issued with: after a logout, kick, renewal or change of the
//! key the next look-up issues anew, dated after the one before.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

use super::{IssueError, IssuedUserSig, Issuer};
use crate::identity::UserId;
use crate::state::{Generation, MAX_AHEAD as MAX_ISSUED_AHEAD};
use crate::time::UnixTime;

/// UserSigs by user, for one application.
pub struct UserSigCache {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    min_remaining: Duration,
}

/// Counts the changes of the signing key in one process: a later key has a greater number, also when it is an old one
/// that was made active again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyVersion(pub u64);

/// With what a UserSig is issued that is not in the cache.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// Signs.
    pub issuer: &'a Issuer,
    /// The issuer's key.
    pub key_version: KeyVersion,
    /// The user's generation, read before it was asked whether the session is denied.
    pub generation: Generation,
}

/// Why a look-up has nothing to hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The next UserSig would be dated further ahead than Chat's clock may be thought to tolerate.
    #[error("the next UserSig may be issued in {} s", retry_after.as_secs())]
    TooEarly {
        /// When to come again: at least 1 s.
        retry_after: Duration,
    },
    /// The issuer refused.
    #[error("{0}")]
    Issue(#[from] IssueError),
}

/// What a look-up had to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The cached UserSig still had enough life.
    Hit,
    /// The user was not in the cache; `evicted` says whether another one had to leave.
    Issued {
        /// Whether the least recently used entry of the shard made room.
        evicted: bool,
    },
    /// The cached UserSig was too near its end, or dated ahead of a clock that was set back.
    Renewed,
    /// The cached UserSig was of an earlier generation or key.
    Superseded,
    /// The cached UserSig is of a later generation or key than this request knows of, so it got one of its own.
    Late,
}

type Shard = LruCache<UserId, Entry>;

struct Entry {
    issued: IssuedUserSig,
    epoch: Epoch,
}

/// Under what a UserSig was issued; a later one is greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Epoch {
    key_version: KeyVersion,
    generation: u64,
}

impl Entry {
    fn new(issued: &IssuedUserSig, epoch: Epoch) -> Self {
        Self {
            issued: issued.clone(),
            epoch,
        }
    }
}

impl Signing<'_> {
    fn epoch(&self) -> Epoch {
        Epoch {
            key_version: self.key_version,
            generation: self.generation.number,
        }
    }
}

impl UserSigCache {
    /// A cache of at most `capacity` users that never hands out a UserSig with less than `min_remaining` left.
    pub fn new(capacity: NonZeroUsize, min_remaining: Duration) -> Self {
        let shards = capacity.get().min(SHARDS);
        let shard = |index| {
            let share = capacity.get() / shards + usize::from(index < capacity.get() % shards);
            let mut entries = LruCache::unbounded();
            // Resizing an unbounded map sets its limit without allocating up to it.
            entries.resize(NonZeroUsize::new(share).unwrap_or(NonZeroUsize::MIN));
            Mutex::new(entries)
        };
        Self {
            shards: (0..shards).map(shard).collect(),
            hasher: RandomState::new(),
            min_remaining,
        }
    }

    /// The user's UserSig: the cached one while it counts and has `min_remaining` left, else a new one.
    ///
    /// Requests for one user wait for each other (the shard's lock is held for the microseconds of signing), so they get
    /// one and the same value. What a late request issues never takes the place of a later generation or key.
    pub fn get_or_issue(
        &self,
        user: &UserId,
        signing: &Signing<'_>,
        now: UnixTime,
    ) -> Result<(IssuedUserSig, Lookup), LookupError> {
        let Some(shard) = self.shard(user) else {
            let issued = issue(user, signing, None, now)?;
            return Ok((issued, Lookup::Issued { evicted: false }));
        };
        let mut entries = shard.lock();
        let epoch = signing.epoch();
        let known = entries.get(user);
        let lookup = match known {
            None => Lookup::Issued { evicted: false },
            Some(entry) if entry.epoch > epoch => Lookup::Late,
            Some(entry) if entry.epoch < epoch => Lookup::Superseded,
            Some(entry) if self.may_hand_out(&entry.issued, now) => {
                return Ok((entry.issued.clone(), Lookup::Hit));
            }
            Some(_) => Lookup::Renewed,
        };
        let superseded = known
            .filter(|_| lookup == Lookup::Superseded)
            .map(|entry| entry.issued.issued_at);
        let issued = issue(user, signing, superseded, now)?;
        if lookup == Lookup::Late {
            return Ok((issued, lookup));
        }
        let entry = Entry::new(&issued, epoch);
        let evicted = entries.push(*user, entry).is_some();
        match lookup {
            Lookup::Issued { .. } => Ok((issued, Lookup::Issued { evicted })),
            lookup => Ok((issued, lookup)),
        }
    }

    /// The moment from which a request gets a newer UserSig than `issued`.
    pub fn refresh_after(&self, issued: &IssuedUserSig) -> UnixTime {
        let seconds = issued
            .expires_at
            .as_secs()
            .saturating_sub(self.min_remaining.as_secs());
        UnixTime::from_secs(seconds)
    }

    /// The number of users in the cache.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Whether no user is in the cache.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn may_hand_out(&self, issued: &IssuedUserSig, now: UnixTime) -> bool {
        let has_life_left = issued.expires_at.saturating_since(now) >= self.min_remaining;
        let dated_ahead = issued.issued_at.saturating_since(now) > MAX_AHEAD;
        has_life_left && !dated_ahead
    }

    fn shard(&self, user: &UserId) -> Option<&Mutex<Shard>> {
        let hash = self.hasher.hash_one(user);
        let index = usize::try_from(hash % self.shards.len().max(1) as u64).unwrap_or(0);
        self.shards.get(index)
    }
}

/// Issues under the generation and with a later date than what it supersedes: not the same text once more.
fn issue(
    user: &UserId,
    signing: &Signing<'_>,
    superseded: Option<UnixTime>,
    now: UnixTime,
) -> Result<IssuedUserSig, LookupError> {
    let latest = now.saturating_add(MAX_ISSUED_AHEAD);
    let first = now.max(signing.generation.not_before);
    // One dated further ahead is of a clock that was set back.
    let time = superseded
        .filter(|superseded| *superseded < latest)
        .map_or(first, |superseded| {
            first.max(superseded.saturating_add(SECOND))
        });
    if time > latest {
        let retry_after = time.saturating_since(latest);
        return Err(LookupError::TooEarly { retry_after });
    }
    Ok(signing.issuer.issue(user, time)?)
}

const SHARDS: usize = 64;
const SECOND: Duration = Duration::from_secs(1);
/// As far ahead as Chat's own clock may be thought to tolerate.
const MAX_AHEAD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
