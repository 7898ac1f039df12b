//! One user: the rules of raising, kicking and renewing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::identity::UserId;
use crate::state::change::{Floor, Kicks, Reader, UserChange};
use crate::state::kick::KickTicket;
use crate::state::{Generation, MAX_AHEAD, RENEWAL_PAUSE, RenewError, SECOND, Session};
use crate::time::UnixTime;

/// What is known of one user.
pub(super) struct Record {
    generation: Generation,
    /// Whether a UserSig may exist that is dated `not_before` while that lay ahead of the clock.
    dated_ahead: AtomicBool,
    renewed_at: Option<UnixTime>,
    kick: Option<Kick>,
    logouts: u32,
    /// When the last of the counted logouts is forgotten.
    logouts_until: UnixTime,
    floor: Option<Floor>,
}

/// A kick that has not landed.
struct Kick {
    number: u64,
    stage: Stage,
    login_since: AtomicBool,
}

/// How far the first attempt of a kick is. While it queues, a login does not end it but [hurries](Record::hurry_kick) it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Queued,
    UnderWay,
    Failed,
    /// Another node sends it.
    Elsewhere,
}

impl Kick {
    fn new(number: u64, stage: Stage) -> Self {
        Self {
            number,
            stage,
            login_since: AtomicBool::new(false),
        }
    }
}

impl Record {
    pub(super) fn new(generation: Generation) -> Self {
        Self {
            generation,
            dated_ahead: AtomicBool::new(false),
            renewed_at: None,
            kick: None,
            logouts: 0,
            logouts_until: UnixTime::from_secs(0),
            floor: None,
        }
    }

    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    /// The generation for issuing at `now`.
    pub(super) fn hand_out(&self, now: UnixTime) -> Generation {
        if self.generation.not_before > now {
            self.dated_ahead.store(true, Ordering::Relaxed);
        }
        self.generation
    }

    /// The generation for a login that cannot wait for a kick under way, or hurried by it: dated as far ahead as may be, so
    /// that the kick does not reach what is issued.
    pub(super) fn hand_out_past_kick(&mut self, number: u64, now: UnixTime) -> Generation {
        if self.is_kick_ahead() {
            let not_before = self.generation.not_before;
            self.generation = Generation {
                number,
                not_before: not_before.max(now.saturating_add(MAX_AHEAD)),
            };
        }
        self.hand_out(now)
    }

    /// Starts a generation that is dated after everything that may have been issued until `latest`.
    pub(super) fn raise(&mut self, number: u64, latest: UnixTime) {
        let not_before = self.next_date(latest);
        *self.dated_ahead.get_mut() = false;
        self.generation = Generation { number, not_before };
    }

    /// The first date after everything that may have been issued until `latest`.
    fn next_date(&self, latest: UnixTime) -> UnixTime {
        let not_before = self.generation.not_before;
        let taken = match self.dated_ahead.load(Ordering::Relaxed) {
            true => latest.max(not_before),
            false => latest,
        };
        taken.saturating_add(SECOND).max(not_before)
    }

    /// Raises for a renewal. One that could not be dated leaves all as it was, so that it may be asked for again.
    pub(super) fn renew(
        &mut self,
        number: u64,
        now: UnixTime,
        latest: UnixTime,
    ) -> Result<Generation, RenewError> {
        if let Some(retry_after) = self.pause_left(now) {
            return Err(RenewError::TooSoon { retry_after });
        }
        let latest_date = now.saturating_add(MAX_AHEAD);
        let retry_after = self.next_date(latest).saturating_since(latest_date);
        if !retry_after.is_zero() {
            return Err(RenewError::TooEarly { retry_after });
        }
        self.renewed_at = Some(now);
        self.raise(number, latest);
        Ok(self.hand_out(now))
    }

    fn pause_left(&self, now: UnixTime) -> Option<Duration> {
        let renewed_at = self.renewed_at?;
        let is_set_back = renewed_at.saturating_since(now) > MAX_AHEAD;
        let left = RENEWAL_PAUSE.checked_sub(now.saturating_since(renewed_at))?;
        Some(left).filter(|left| !left.is_zero() && !is_set_back)
    }

    pub(super) fn count_logout(&mut self, now: UnixTime, until: UnixTime) -> bool {
        if now >= self.logouts_until {
            self.logouts = 0;
        }
        self.logouts = self.logouts.saturating_add(1);
        self.logouts_until = self.logouts_until.max(until);
        if self.logouts <= MAX_LOGOUTS {
            return true;
        }
        self.floor = Some(Floor {
            before: now.saturating_add(SECOND),
            until: self.logouts_until,
        });
        false
    }

    pub(super) fn is_before_floor(&self, session: &Session<'_>) -> bool {
        let floor = self.floor.as_ref();
        floor.is_some_and(|floor| session.is_issued_before(floor.before))
    }

    /// Wants a kick whose first attempt is made at once.
    pub(super) fn start_kick(&mut self) {
        self.kick = Some(Kick::new(self.generation.number, Stage::UnderWay));
    }

    /// Wants a kick whose turn is yet to come.
    pub(super) fn queue_kick(&mut self) {
        self.kick = Some(Kick::new(self.generation.number, Stage::Queued));
    }

    /// The turn of a kick has come: whether it is to be sent.
    pub(super) fn begin_kick(&mut self, number: u64) -> bool {
        let is_wanted = self.is_kick_wanted(number);
        match self.kick.as_mut().filter(|_| is_wanted) {
            Some(kick) if kick.stage != Stage::UnderWay => {
                kick.stage = Stage::UnderWay;
                true
            }
            Some(_) | None => false,
        }
    }

    /// A login comes: a kick that queues begins, and is not tried again.
    pub(super) fn hurry_kick(&mut self) -> bool {
        let is_queued = self.is_kick_queued();
        if let Some(kick) = self.kick.as_mut().filter(|_| is_queued) {
            kick.stage = Stage::UnderWay;
            *kick.login_since.get_mut() = true;
        }
        is_queued
    }

    pub(super) fn ticket(&self, user: &UserId) -> KickTicket {
        let number = self.kick.as_ref().map(|kick| kick.number);
        let not_before = self.generation.not_before.as_secs();
        KickTicket {
            user: *user,
            send_from: UnixTime::from_secs(not_before.saturating_sub(1)),
            number: number.unwrap_or(self.generation.number),
        }
    }

    /// A kick that landed also ends those before it.
    pub(super) fn end_kick(&mut self, number: u64) {
        if self.kick.as_ref().is_some_and(|kick| kick.number <= number) {
            self.kick = None;
        }
    }

    pub(super) fn kick_failed(&mut self, number: u64) {
        if let Some(kick) = self.kick.as_mut().filter(|kick| kick.number == number) {
            kick.stage = Stage::Failed;
        }
    }

    pub(super) fn is_kick_wanted(&self, number: u64) -> bool {
        self.is_kick_pending() && self.kick.as_ref().is_some_and(|kick| kick.number == number)
    }

    pub(super) fn is_kick_pending(&self) -> bool {
        let kick = self.kick.as_ref();
        kick.is_some_and(|kick| !kick.login_since.load(Ordering::Acquire))
    }

    /// Whether this node is to send it.
    pub(super) fn is_kick_ours(&self) -> bool {
        self.is_kick_pending() && !self.is_kick_at(Stage::Elsewhere)
    }

    pub(super) fn is_kick_under_way(&self) -> bool {
        self.is_kick_at(Stage::UnderWay)
    }

    pub(super) fn is_kick_queued(&self) -> bool {
        self.is_kick_at(Stage::Queued) && self.is_kick_pending()
    }

    /// Whether a kick reaches what is issued now.
    pub(super) fn is_kick_ahead(&self) -> bool {
        self.is_kick_under_way() || self.is_kick_queued()
    }

    fn is_kick_at(&self, stage: Stage) -> bool {
        self.kick.as_ref().is_some_and(|kick| kick.stage == stage)
    }

    /// Ends the retries of a kick that has begun.
    pub(super) fn count_login(&self) -> bool {
        !self.is_kick_at(Stage::Queued) && self.end_attempts()
    }

    fn end_attempts(&self) -> bool {
        let kick = self.kick.as_ref();
        kick.is_some_and(|kick| !kick.login_since.swap(true, Ordering::AcqRel))
    }

    pub(super) fn sweep(&mut self, now: UnixTime) {
        self.floor.take_if(|floor| floor.until <= now);
    }

    pub(super) fn change(&self, user: &UserId, reader: Reader) -> UserChange {
        UserChange {
            user: *user,
            not_before: self.generation.not_before,
            renewed_at: self.renewed_at,
            floor: self.floor,
            kick: match reader {
                Reader::File => self.is_kick_ours(),
                Reader::Fleet => self.is_kick_pending(),
            },
        }
    }

    /// Whether a process that starts at `now`, with an empty cache, would do anything else without this record.
    pub(super) fn counts_after_restart(&self, now: UnixTime) -> bool {
        let renewed = self.renewed_at;
        self.generation.not_before > now
            || renewed.is_some_and(|at| now.saturating_since(at) < RENEWAL_PAUSE)
            || self.floor.is_some()
            || self.is_kick_ours()
    }

    pub(super) fn eviction_order(&self) -> (bool, u64) {
        (self.floor.is_some(), self.generation.number)
    }

    pub(super) fn take_in(&mut self, change: &UserChange, number: u64, kicks: Kicks) {
        let is_latest = change.not_before >= self.generation.not_before;
        if change.not_before > self.generation.not_before {
            self.generation = Generation {
                number,
                not_before: change.not_before,
            };
            // Whoever wrote it may have issued at that very second.
            *self.dated_ahead.get_mut() = true;
        }
        self.renewed_at = self.renewed_at.max(change.renewed_at);
        self.floor = match (self.floor, change.floor) {
            (Some(one), Some(other)) => Some(Floor {
                before: one.before.max(other.before),
                until: one.until.max(other.until),
            }),
            (one, other) => one.or(other),
        };
        let number = self.generation.number;
        match kicks {
            Kicks::Ours => self.kick = change.kick.then(|| Kick::new(number, Stage::Queued)),
            Kicks::Others if !is_latest => {}
            Kicks::Others if change.kick => {
                // One of ours that a login waits for, or that is tried again, goes on.
                if !self.is_kick_pending() && !self.is_kick_ahead() {
                    self.kick = Some(Kick::new(number, Stage::Elsewhere));
                }
            }
            // A login there, or a kick that landed.
            Kicks::Others => drop(self.end_attempts()),
            Kicks::Echo => {}
        }
    }
}

/// From here on a user's logouts are not kept one by one.
const MAX_LOGOUTS: u32 = 1024;
