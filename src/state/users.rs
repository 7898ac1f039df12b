//! What is known of each user whose UserSigs were superseded: generation, kick, renewals.
//!
//! Sharded, bounded, and never wrong when it forgets: a user who had to leave is taken for one whose generation was
//! raised, which costs a UserSig that is issued again.

mod record;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use self::record::Record;
use super::change::{Kicks, Reader, UserChange};
use super::kick::KickTicket;
use super::{Change, Generation, MAX_AHEAD, RenewError, Session};
use crate::identity::UserId;
use crate::time::UnixTime;

/// The users of one site by UserID.
pub(super) struct Users {
    first: RwLock<Shard>,
    others: Box<[RwLock<Shard>]>,
    hasher: RandomState,
    shard_capacity: usize,
    last_number: AtomicU64,
    /// The latest `now` that anybody came with: another thread may have read the clock after the one that raises.
    latest: AtomicU64,
}

#[derive(Default)]
struct Shard {
    records: HashMap<UserId, Record>,
    /// The highest generation of a user who had to leave.
    forgotten: u64,
}

impl Users {
    pub(super) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            first: RwLock::default(),
            others: (1..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            shard_capacity: capacity.get().div_ceil(SHARDS),
            last_number: AtomicU64::new(0),
            latest: AtomicU64::new(0),
        }
    }

    /// The user's generation, for issuing at `now`, and whether a kick would like to know of a login.
    pub(super) fn read(&self, user: &UserId, now: UnixTime) -> (Generation, bool) {
        self.observe(now);
        let shard = self.shard(user).read();
        match shard.records.get(user) {
            Some(record) => (record.hand_out(now), record.is_kick_pending()),
            None => (shard.unknown(), false),
        }
    }

    /// The same for a login that cannot wait for a kick under way or about to be.
    pub(super) fn read_past_kick(&self, user: &UserId, now: UnixTime) -> (Generation, bool) {
        if !self.with(user, Record::is_kick_ahead).unwrap_or(false) {
            return self.read(user, now);
        }
        self.observe(now);
        self.update(user, |record, number| {
            let generation = record.hand_out_past_kick(number, now);
            (generation, record.is_kick_pending())
        })
    }

    pub(super) fn is_before_floor(&self, session: &Session<'_>) -> bool {
        let is_before = |record: &Record| record.is_before_floor(session);
        self.with(session.user(), is_before).unwrap_or(false)
    }

    /// Raises unless that was done within the pause, or could not be dated.
    pub(super) fn renew(&self, user: &UserId, now: UnixTime) -> Result<Generation, RenewError> {
        self.update(user, |record, number| {
            record.renew(number, now, self.latest_near(now))
        })
    }

    /// Whether the token is to be denied by its name. A user with very many logouts gets a floor instead.
    pub(super) fn count_logout(&self, user: &UserId, now: UnixTime, until: UnixTime) -> bool {
        self.update(user, |record, _| record.count_logout(now, until))
    }

    pub(super) fn start_kick(&self, user: &UserId, now: UnixTime) -> KickTicket {
        self.update(user, |record, number| {
            record.raise(number, self.latest_near(now));
            record.start_kick();
            record.ticket(user)
        })
    }

    pub(super) fn queue_kick(&self, user: &UserId, now: UnixTime) -> KickTicket {
        self.update(user, |record, number| {
            record.raise(number, self.latest_near(now));
            record.queue_kick();
            record.ticket(user)
        })
    }

    pub(super) fn begin_kick(&self, ticket: &KickTicket) -> bool {
        self.update(&ticket.user, |record, _| record.begin_kick(ticket.number))
    }

    pub(super) fn hurry_kick(&self, user: &UserId) -> Option<KickTicket> {
        // Every request with a login asks; next to none has one.
        if !self.with(user, Record::is_kick_queued).unwrap_or(false) {
            return None;
        }
        self.update(user, |record, _| {
            record.hurry_kick().then(|| record.ticket(user))
        })
    }

    pub(super) fn kick_landed(&self, ticket: &KickTicket, now: UnixTime) -> Generation {
        self.update(&ticket.user, |record, number| {
            record.end_kick(ticket.number);
            record.raise(number, self.latest_near(now));
            record.generation()
        })
    }

    pub(super) fn kick_failed(&self, ticket: &KickTicket) {
        self.update(&ticket.user, |record, _| record.kick_failed(ticket.number));
    }

    pub(super) fn is_kick_wanted(&self, ticket: &KickTicket) -> bool {
        let is_wanted = |record: &Record| record.is_kick_wanted(ticket.number);
        self.with(&ticket.user, is_wanted).unwrap_or(false)
    }

    pub(super) fn is_kick_under_way(&self, user: &UserId) -> bool {
        self.with(user, Record::is_kick_under_way).unwrap_or(false)
    }

    /// Ends the retries of a kick; whether there were any to end.
    pub(super) fn count_login(&self, user: &UserId) -> bool {
        self.with(user, Record::count_login).unwrap_or(false)
    }

    pub(super) fn pending_kicks(&self) -> Vec<KickTicket> {
        let pending =
            |(user, record): (&UserId, &Record)| record.is_kick_ours().then(|| record.ticket(user));
        self.collect(pending)
    }

    pub(super) fn sweep(&self, now: UnixTime) {
        for shard in self.shards() {
            let mut shard = shard.write();
            shard
                .records
                .values_mut()
                .for_each(|record| record.sweep(now));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards().map(|shard| shard.read().records.len()).sum()
    }

    pub(super) fn change(&self, user: &UserId, reader: Reader) -> Option<UserChange> {
        self.with(user, |record| record.change(user, reader))
    }

    pub(super) fn snapshot(&self, now: UnixTime) -> Vec<Change> {
        let change = |(user, record): (&UserId, &Record)| {
            let counts = record.counts_after_restart(now);
            counts.then(|| Change::User(record.change(user, Reader::File)))
        };
        self.collect(change)
    }

    /// All that other nodes may not know, however long ago it was.
    pub(super) fn known(&self) -> Vec<Change> {
        self.collect(|(user, record)| Some(Change::User(record.change(user, Reader::Fleet))))
    }

    pub(super) fn take_in(&self, change: &UserChange, kicks: Kicks) {
        self.update(&change.user, |record, number| {
            record.take_in(change, number, kicks);
        });
    }

    fn collect<T>(&self, pick: impl Fn((&UserId, &Record)) -> Option<T>) -> Vec<T> {
        let mut picked = Vec::new();
        for shard in self.shards() {
            picked.extend(shard.read().records.iter().filter_map(&pick));
        }
        picked
    }

    fn with<T>(&self, user: &UserId, read: impl FnOnce(&Record) -> T) -> Option<T> {
        self.shard(user).read().records.get(user).map(read)
    }

    /// Changes the user's record under the shard's lock; the number is a new one, for a raise.
    fn update<T>(&self, user: &UserId, change: impl FnOnce(&mut Record, u64) -> T) -> T {
        let mut shard = self.shard(user).write();
        if shard.records.len() >= self.shard_capacity && !shard.records.contains_key(user) {
            shard.make_room();
        }
        let unknown = shard.unknown();
        let record = shard.records.entry(*user);
        let record = record.or_insert_with(|| Record::new(unknown));
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        change(record, number)
    }

    fn shard(&self, user: &UserId) -> &RwLock<Shard> {
        let hash = self.hasher.hash_one(user);
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        self.others.get(index).unwrap_or(&self.first)
    }

    fn shards(&self) -> impl Iterator<Item = &RwLock<Shard>> {
        self.others.iter().chain([&self.first])
    }

    fn observe(&self, now: UnixTime) {
        let seen = UnixTime::from_secs(self.latest.load(Ordering::Relaxed));
        if now > seen {
            self.latest.fetch_max(now.as_secs(), Ordering::Relaxed);
        } else if seen.saturating_since(now) > MAX_AHEAD {
            self.latest.store(now.as_secs(), Ordering::Relaxed);
        }
    }

    /// The latest moment at which something may have been issued, unless the clock was set back since.
    fn latest_near(&self, now: UnixTime) -> UnixTime {
        let seen = UnixTime::from_secs(self.latest.load(Ordering::Relaxed));
        match seen.saturating_since(now) > MAX_AHEAD {
            true => now,
            false => seen.max(now),
        }
    }
}

impl Shard {
    fn unknown(&self) -> Generation {
        Generation {
            number: self.forgotten,
            ..Generation::FIRST
        }
    }

    /// Lets the eighth part go that was raised longest ago. Users with a floor stay while there are others.
    fn make_room(&mut self) {
        let records = self.records.iter();
        let mut order: Vec<_> = records
            .map(|(user, record)| (record.eviction_order(), *user))
            .collect();
        order.sort_unstable_by_key(|(order, _)| *order);
        for (_, user) in order.iter().take(order.len().div_ceil(8)) {
            if let Some(record) = self.records.remove(user) {
                self.forgotten = self.forgotten.max(record.generation().number);
            }
        }
    }
}

const SHARDS: usize = 64;
