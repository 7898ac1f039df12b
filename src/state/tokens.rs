//! The denied session tokens: bounded, sharded, and each known until it has expired.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::RwLock;

use super::{Change, TokenId};
use crate::time::UnixTime;

type Shard = HashMap<TokenId, UnixTime>;

/// Token ids with the moment from which each may be forgotten.
pub(super) struct DeniedTokens {
    shards: Box<[RwLock<Shard>]>,
    shard_capacity: usize,
    count: AtomicUsize,
    evicted: AtomicU64,
}

impl DeniedTokens {
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            shard_capacity: capacity.get().div_ceil(SHARDS),
            count: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    /// Denies `id` until `until` or longer; when the shard is full, what would end soonest leaves.
    pub(super) fn insert(&self, id: TokenId, until: UnixTime) {
        let Some(shard) = self.shard(&id) else {
            return;
        };
        let mut shard = shard.write();
        if let Some(known) = shard.get_mut(&id) {
            *known = until.max(*known);
            return;
        }
        if shard.len() >= self.shard_capacity {
            self.make_room(&mut shard);
        }
        shard.insert(id, until);
        self.count.fetch_add(1, Ordering::Release);
    }

    pub(super) fn contains(&self, id: &TokenId) -> bool {
        self.until(id).is_some()
    }

    pub(super) fn until(&self, id: &TokenId) -> Option<UnixTime> {
        self.shard(id)?.read().get(id).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    pub(super) fn sweep(&self, now: UnixTime) {
        for shard in &self.shards {
            let mut shard = shard.write();
            let before = shard.len();
            shard.retain(|_, until| *until > now);
            self.count
                .fetch_sub(before - shard.len(), Ordering::Release);
        }
    }

    pub(super) fn snapshot(&self) -> Vec<Change> {
        let change = |(id, until): (&TokenId, &UnixTime)| Change::Token {
            id: *id,
            until: *until,
        };
        let all = self.shards.iter();
        all.flat_map(|shard| shard.read().iter().map(change).collect::<Vec<_>>())
            .collect()
    }

    fn make_room(&self, shard: &mut Shard) {
        let soonest = shard.iter().min_by_key(|(_, until)| **until);
        let Some(soonest) = soonest.map(|(id, _)| *id) else {
            return;
        };
        shard.remove(&soonest);
        self.count.fetch_sub(1, Ordering::Release);
        self.evicted.fetch_add(1, Ordering::Relaxed);
    }

    fn shard(&self, id: &TokenId) -> Option<&RwLock<Shard>> {
        self.shards.get(usize::from(id.first_byte()) % SHARDS)
    }
}

const SHARDS: usize = 64;
