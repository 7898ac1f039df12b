//! The cache of issued UserSigs: one a user, the same value until it must be renewed.
//!
//! A stable value is what it is for: clients and logs see one UserSig, and one user's parallel requests do not make many.
//! It is bounded in entries, allocates as it fills, and is split into shards so that two threads seldom meet on a lock.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

use super::{IssueError, IssuedUserSig, Issuer};
use crate::identity::UserId;
use crate::time::UnixTime;

/// UserSigs by user, for one [`Issuer`].
pub struct UserSigCache {
    shards: Box<[Mutex<LruCache<UserId, IssuedUserSig>>]>,
    hasher: RandomState,
    min_remaining: Duration,
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

    /// The user's UserSig: the cached one while it has `min_remaining` left, else a new one.
    ///
    /// Requests for one user wait for each other (the shard's lock is held for the microseconds of signing), so they get
    /// one and the same value.
    pub fn get_or_issue(
        &self,
        user: &UserId,
        issuer: &Issuer,
        now: UnixTime,
    ) -> Result<(IssuedUserSig, Lookup), IssueError> {
        let Some(shard) = self.shard(user) else {
            return Ok((issuer.issue(user, now)?, Lookup::Issued { evicted: false }));
        };
        let mut entries = shard.lock();
        let known = entries.get(user);
        if let Some(issued) = known.filter(|issued| self.may_hand_out(issued, now)) {
            return Ok((issued.clone(), Lookup::Hit));
        }
        let was_known = known.is_some();
        let issued = issuer.issue(user, now)?;
        let evicted = entries.push(*user, issued.clone()).is_some() && !was_known;
        let lookup = if was_known {
            Lookup::Renewed
        } else {
            Lookup::Issued { evicted }
        };
        Ok((issued, lookup))
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

    fn shard(&self, user: &UserId) -> Option<&Mutex<LruCache<UserId, IssuedUserSig>>> {
        let hash = self.hasher.hash_one(user);
        let index = usize::try_from(hash % self.shards.len().max(1) as u64).unwrap_or(0);
        self.shards.get(index)
    }
}

const SHARDS: usize = 64;
/// As far ahead as Chat's own clock may be thought to tolerate.
const MAX_AHEAD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::identity::ReservedNames;
    use crate::usersig::{Lifetime, SdkAppId, SecretKey};

    const START: UnixTime = UnixTime::from_secs(1_700_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn issuer() -> Issuer {
        Issuer::new(
            SdkAppId::new(1_400_000_000).unwrap(),
            SecretKey::parse(&"0123456789abcdef".repeat(4)).unwrap(),
            Lifetime::new(7 * DAY).unwrap(),
        )
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name, &ReservedNames::default()).unwrap()
    }

    fn cache(capacity: usize) -> UserSigCache {
        UserSigCache::new(NonZeroUsize::new(capacity).unwrap(), DAY)
    }

    #[test]
    fn the_value_is_stable_until_less_than_min_remaining_is_left() {
        let (cache, issuer) = (cache(100), issuer());
        let (first, lookup) = cache.get_or_issue(&user("a"), &issuer, START).unwrap();
        assert_eq!(lookup, Lookup::Issued { evicted: false });
        assert_eq!(cache.refresh_after(&first), START.saturating_add(6 * DAY));

        let last_second = cache.refresh_after(&first);
        let (same, lookup) = cache
            .get_or_issue(&user("a"), &issuer, last_second)
            .unwrap();
        assert_eq!((same, lookup), (first.clone(), Lookup::Hit));

        let one_later = last_second.saturating_add(Duration::from_secs(1));
        let (renewed, lookup) = cache.get_or_issue(&user("a"), &issuer, one_later).unwrap();
        assert_eq!(lookup, Lookup::Renewed);
        assert_eq!(renewed.issued_at, one_later);
        assert_ne!(renewed.user_sig, first.user_sig);
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn c4_a_clock_that_is_set_back_renews_what_is_dated_ahead() {
        let (cache, issuer) = (cache(100), issuer());
        cache.get_or_issue(&user("a"), &issuer, START).unwrap();
        let slightly_back = UnixTime::from_secs(START.as_secs() - 60);
        let (_, lookup) = cache
            .get_or_issue(&user("a"), &issuer, slightly_back)
            .unwrap();
        assert_eq!(lookup, Lookup::Hit);
        let far_back = UnixTime::from_secs(START.as_secs() - 61);
        let (issued, lookup) = cache.get_or_issue(&user("a"), &issuer, far_back).unwrap();
        assert_eq!((issued.issued_at, lookup), (far_back, Lookup::Renewed));
    }

    #[test]
    fn the_number_of_users_is_bounded() {
        for capacity in [1, 3, 64, 100, 1000] {
            let (cache, issuer) = (cache(capacity), issuer());
            let mut evictions = 0;
            for number in 0..5 * capacity {
                let (_, lookup) = cache
                    .get_or_issue(&user(&format!("u{number}")), &issuer, START)
                    .unwrap();
                evictions += usize::from(lookup == Lookup::Issued { evicted: true });
            }
            assert!(cache.len() <= capacity, "capacity {capacity}");
            assert_eq!(evictions, 5 * capacity - cache.len(), "capacity {capacity}");
        }
    }

    #[test]
    fn concurrent_requests_for_one_user_issue_one() {
        let (cache, issuer) = (cache(100), issuer());
        let barrier = Barrier::new(8);
        let lookups: Vec<_> = std::thread::scope(|scope| {
            let ask = |second| {
                barrier.wait();
                let now = UnixTime::from_secs(START.as_secs() + second);
                cache.get_or_issue(&user("a"), &issuer, now).unwrap()
            };
            let threads: Vec<_> = (0..8)
                .map(|second| scope.spawn(move || ask(second)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let issued = lookups.iter().filter(|(_, lookup)| *lookup != Lookup::Hit);
        assert_eq!(issued.count(), 1);
        assert!(lookups.iter().all(|(value, _)| value == &lookups[0].0));
    }
}
