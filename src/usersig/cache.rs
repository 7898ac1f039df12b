//! The cache of issued UserSigs: the same value for a user until it must be renewed.
//!
//! A stable value is what it is for: clients and logs see one UserSig, and one user's parallel requests do not make many.
//! It is bounded in users, allocates as it fills, and is split into shards so that two threads seldom meet on a lock.
//! A value counts under the key and the generation that it was issued with: after a logout, kick, renewal or change of the
//! key the next look-up issues anew, and also when the key is gone that verified the session it was for. Where a UserSig may not outlive its session, one user has a few of them, and a
//! session is handed the one that ends last of those that end in time.

mod entry;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

use self::entry::{Entry, Standing};
use super::{IssueError, IssuedUserSig, Issuer, Lifetime};
use crate::identity::UserId;
use crate::state::{Generation, MAX_AHEAD as MAX_ISSUED_AHEAD};
use crate::time::UnixTime;
use crate::token::keys::trust::Trust;

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

/// For whom a UserSig is wanted, and with what one is issued that is not in the cache.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    /// Signs.
    pub issuer: &'a Issuer,
    /// The issuer's key.
    pub key_version: KeyVersion,
    /// The user's generation, read before it was asked whether the session is denied.
    pub generation: Generation,
    /// The end of the session, where no UserSig may outlive it.
    pub session_end: Option<UnixTime>,
    /// What the session is believed by.
    pub trust: Trust<'a>,
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
    /// Less than a second of the session is left, and a UserSig may not outlive it.
    #[error("the session ends before a UserSig could begin")]
    SessionEnds,
    /// The issuer refused.
    #[error("{0}")]
    Issue(#[from] IssueError),
}

/// What a look-up had to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A cached UserSig still had enough life.
    Hit,
    /// The user was not in the cache; `evicted` says whether another one had to leave.
    Issued {
        /// Whether the least recently used entry of the shard made room.
        evicted: bool,
    },
    /// What was cached was too near its end, outlived the session, or was dated ahead of a clock that was set back.
    Renewed,
    /// The cached UserSig was of an earlier generation or key, or its session was verified by a key that is gone.
    Superseded,
    /// The cached UserSig is of later generation or keys than this request knows of, so it got one of its own.
    Late,
}

type Shard = LruCache<UserId, Entry>;

/// What a UserSig would be like that is issued now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prospect {
    /// How it would be dated.
    pub issued_at: UnixTime,
    /// How long it would live.
    pub lifetime: Lifetime,
    /// What it has left at least when it is handed out again.
    pub promise: Duration,
}

/// What a UserSig must be like to be handed out at `now`.
struct Terms {
    now: UnixTime,
    latest_end: Option<UnixTime>,
    promise: Duration,
}

impl Terms {
    fn admit(&self, issued_at: UnixTime, expires_at: UnixTime) -> bool {
        let ends_in_time = self.latest_end.is_none_or(|end| expires_at <= end);
        let has_life_left = expires_at.saturating_since(self.now) >= self.promise;
        ends_in_time && has_life_left && !is_dated_ahead(issued_at, self.now)
    }
}

impl UserSigCache {
    /// A cache of at most `capacity` users that never hands out a UserSig with less than `min_remaining` left, or, where
    /// it may not outlive its session, with less than half of what it could have.
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

    /// The user's UserSig: a cached one while it counts and has enough life left, else a new one.
    ///
    /// Requests for one user wait for each other (the shard's lock is held for the microseconds of signing), so they get
    /// one and the same value. What a late request issues never takes the place of a later generation or key.
    pub fn get_or_issue(
        &self,
        user: &UserId,
        signing: &Signing<'_>,
        now: UnixTime,
    ) -> Result<(IssuedUserSig, Lookup), LookupError> {
        if signing.session_end.is_some_and(|end| end <= now) {
            return Err(LookupError::SessionEnds);
        }
        let Some(shard) = self.shard(user) else {
            let issued = issue(user, signing, now, now)?;
            return Ok((issued, Lookup::Issued { evicted: false }));
        };
        let mut entries = shard.lock();
        let Some(entry) = entries.get_mut(user) else {
            let issued = issue(user, signing, now, now)?;
            let evicted = entries.push(*user, Entry::new(&issued, signing)).is_some();
            return Ok((issued, Lookup::Issued { evicted }));
        };
        let terms = Terms {
            now,
            latest_end: signing.session_end,
            promise: self.promise(signing.issuer.lifetime(), signing.session_end, now),
        };
        let (lookup, first) = match entry.standing(signing) {
            Standing::Late => return Ok((issue(user, signing, now, now)?, Lookup::Late)),
            Standing::Superseded { after } => (Lookup::Superseded, first_after(after, now)),
            Standing::Current => match entry.find(&terms, signing.trust) {
                Some(issued) => return Ok((issued, Lookup::Hit)),
                None => match entry.last_distrusted(signing.trust) {
                    Some(last) => (Lookup::Superseded, first_after_distrusted(last, now)?),
                    None => (Lookup::Renewed, now),
                },
            },
        };
        let issued = issue(user, signing, first, now)?;
        entry.add(&issued, signing, now);
        Ok((issued, lookup))
    }

    /// From when on it pays to ask again for what was handed out as `issued` at `now`: a request gets a newer UserSig
    /// then or, where none may outlive its session, one with a renewed session does.
    pub fn refresh_after(
        &self,
        issued: &IssuedUserSig,
        signing: &Signing<'_>,
        now: UnixTime,
    ) -> UnixTime {
        let promise = self.promise(signing.issuer.lifetime(), signing.session_end, now);
        UnixTime::from_secs(
            issued
                .expires_at
                .as_secs()
                .saturating_sub(promise.as_secs()),
        )
    }

    /// What a user of this generation who is not in the cache would be given at `now`; nothing is issued.
    pub fn prospect(
        &self,
        lifetime: Lifetime,
        generation: Generation,
        session_end: Option<UnixTime>,
        now: UnixTime,
    ) -> Result<Prospect, LookupError> {
        let first = now.max(generation.not_before);
        let (issued_at, life) = life(lifetime, session_end, first, now)?;
        Ok(Prospect {
            issued_at,
            lifetime: life,
            promise: self.promise(lifetime, session_end, now),
        })
    }

    /// The number of users in the cache.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Whether no user is in the cache.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What whatever is handed out at `now` still has: `min_remaining`, or half of the life that the session allows.
    fn promise(
        &self,
        lifetime: Lifetime,
        session_end: Option<UnixTime>,
        now: UnixTime,
    ) -> Duration {
        let Some(end) = session_end else {
            return self.min_remaining;
        };
        let lifetime = u64::from(lifetime.as_secs());
        let longest = lifetime.min(end.saturating_since(now).as_secs());
        self.min_remaining
            .min(Duration::from_secs(longest.div_ceil(2)))
    }

    fn shard(&self, user: &UserId) -> Option<&Mutex<Shard>> {
        let hash = self.hasher.hash_one(user);
        let index = usize::try_from(hash % self.shards.len().max(1) as u64).unwrap_or(0);
        self.shards.get(index)
    }
}

/// Issues under the generation, dated `first` or later, for as long as the session allows.
fn issue(
    user: &UserId,
    signing: &Signing<'_>,
    first: UnixTime,
    now: UnixTime,
) -> Result<IssuedUserSig, LookupError> {
    let first = first.max(signing.generation.not_before);
    let lifetime = signing.issuer.lifetime();
    let (time, lifetime) = life(lifetime, signing.session_end, first, now)?;
    Ok(signing.issuer.issue_for(user, time, lifetime)?)
}

/// The date and the life of what is issued as of `time`.
fn life(
    lifetime: Lifetime,
    session_end: Option<UnixTime>,
    time: UnixTime,
    now: UnixTime,
) -> Result<(UnixTime, Lifetime), LookupError> {
    let latest = now.saturating_add(MAX_ISSUED_AHEAD);
    if time > latest {
        let retry_after = time.saturating_since(latest);
        return Err(LookupError::TooEarly { retry_after });
    }
    let lifetime = match session_end {
        Some(end) => lifetime.cut_to(end.saturating_since(time)),
        None => Some(lifetime),
    };
    Ok((time, lifetime.ok_or(LookupError::SessionEnds)?))
}

/// A later date than that of what is superseded: not the same text once more.
fn first_after(superseded: Option<UnixTime>, now: UnixTime) -> UnixTime {
    let latest = now.saturating_add(MAX_ISSUED_AHEAD);
    // One dated further ahead is of a clock that was set back.
    superseded
        .filter(|superseded| *superseded < latest)
        .map_or(now, |superseded| now.max(superseded.saturating_add(SECOND)))
}

/// A later date that is not ahead of the clock: nobody's kick would reach it in the same second.
fn first_after_distrusted(last: UnixTime, now: UnixTime) -> Result<UnixTime, LookupError> {
    if last > now.saturating_add(MAX_ISSUED_AHEAD) {
        // Of a clock that was set back.
        return Ok(now);
    }
    let retry_after = last.saturating_add(SECOND).saturating_since(now);
    match retry_after.is_zero() {
        true => Ok(now),
        false => Err(LookupError::TooEarly { retry_after }),
    }
}

fn is_dated_ahead(issued_at: UnixTime, now: UnixTime) -> bool {
    issued_at.saturating_since(now) > MAX_AHEAD
}

const SHARDS: usize = 64;
const SECOND: Duration = Duration::from_secs(1);
/// As far ahead as Chat's own clock may be thought to tolerate.
const MAX_AHEAD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
