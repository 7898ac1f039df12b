//! A node's lease of one budget: places that it may use for a short time without asking.
//!
//! Places that are not used in time lapse, so a node takes no more than it is about to use: half of what it used lately, and
//! what it could not give. Calls that were refused do not count: they come again at once. Pure: time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::rest_api::budget::Pace;

/// The places of one budget that this node holds.
#[derive(Debug)]
pub(super) struct Lease {
    pace: Pace,
    grants: VecDeque<Grant>,
    /// The store said that there is no place before.
    dry_until: Option<Instant>,
    /// Calls since the last question for which there was no place.
    missed: u32,
    demand: Demand,
}

/// Places that came together.
#[derive(Debug)]
struct Grant {
    places: u32,
    until: Instant,
}

/// How many places were used lately.
#[derive(Debug)]
struct Demand {
    since: Instant,
    used: u32,
    before: u32,
}

/// What a call finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// There is a place.
    Ready,
    /// The store has to be asked.
    Empty,
    /// Nobody has a place before this time is over.
    Dry(Duration),
}

impl Lease {
    pub(super) fn new(pace: Pace, now: Instant) -> Self {
        Self {
            pace,
            grants: VecDeque::new(),
            dry_until: None,
            missed: 0,
            demand: Demand {
                since: now,
                used: 0,
                before: 0,
            },
        }
    }

    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// What is held goes on; what is asked for from now on goes by this pace.
    pub(super) fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    pub(super) fn look(&mut self, now: Instant) -> Look {
        if self.held(now) > 0 {
            return Look::Ready;
        }
        let dry_until = self.dry_until.filter(|until| *until > now);
        dry_until.map_or(Look::Empty, |until| Look::Dry(until.duration_since(now)))
    }

    /// A call found no place and waits for the next answer.
    pub(super) fn note_miss(&mut self) {
        self.missed = self.missed.saturating_add(1);
    }

    /// Takes a place that [`look`](Self::look) found, and says until when it counts.
    pub(super) fn take(&mut self, now: Instant) -> Option<Instant> {
        self.demand.roll(now);
        self.demand.used = self.demand.used.saturating_add(1);
        let grant = self.grants.front_mut()?;
        let until = grant.until;
        grant.places = grant.places.saturating_sub(1);
        if grant.places == 0 {
            self.grants.pop_front();
        }
        Some(until)
    }

    /// A place that was taken is not used after all.
    pub(super) fn put_back(&mut self, until: Instant) {
        // Calls that were refused do not count.
        self.demand.used = self.demand.used.saturating_sub(1);
        self.grants.push_front(Grant { places: 1, until });
    }

    /// Whether so little is left that the next places should come before it is used up.
    pub(super) fn is_low(&mut self, now: Instant) -> bool {
        let is_dry = self.dry_until.is_some_and(|until| until > now);
        !is_dry && self.held(now) < self.demand.expected(now) / 4
    }

    /// How many places to ask for.
    pub(super) fn ask(&mut self, now: Instant) -> u32 {
        if self.dry_until.is_some_and(|until| until > now) {
            return 0;
        }
        let wanted = std::mem::take(&mut self.missed).saturating_add(self.demand.expected(now) / 2);
        wanted.saturating_sub(self.held(now))
    }

    /// The answer to a question that was asked at `asked`: places, or how long there are none.
    pub(super) fn answer(&mut self, places: u32, wait: Duration, asked: Instant, now: Instant) {
        if places == 0 {
            self.dry_until = Some(now + wait);
            return;
        }
        self.dry_until = None;
        let until = asked + LASTS;
        self.grants.push_back(Grant { places, until });
    }

    fn held(&mut self, now: Instant) -> u32 {
        self.grants.retain(|grant| grant.until > now);
        self.grants.iter().map(|grant| grant.places).sum()
    }
}

impl Demand {
    fn roll(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        if passed < LASTS {
            return;
        }
        self.before = if passed < 2 * LASTS { self.used } else { 0 };
        self.used = 0;
        self.since = now;
    }

    /// Places used in the time that one lasts.
    fn expected(&mut self, now: Instant) -> u32 {
        self.roll(now);
        self.used.max(self.before)
    }
}

/// How long a place may be used after it was asked for. Half of a rate is spread over a second, so in no second are there
/// more calls than the rate and the twentieth part of it.
pub(super) const LASTS: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn lease(now: Instant) -> Lease {
        Lease::new(Pace::of(NonZeroU32::new(100).unwrap()), now)
    }

    fn millis(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn places_lapse_after_their_time_and_not_before() {
        let start = Instant::now();
        let mut lease = lease(start);
        assert_eq!(lease.look(start), Look::Empty);
        lease.answer(2, Duration::ZERO, start, start + millis(30));
        assert_eq!(lease.look(start + millis(99)), Look::Ready);
        assert_eq!(lease.take(start), Some(start + LASTS));
        assert_eq!(lease.look(start + millis(99)), Look::Ready);
        assert_eq!(lease.look(start + millis(100)), Look::Empty);
        assert_eq!(lease.take(start + millis(100)), None);
    }

    #[test]
    fn what_is_put_back_is_there_again_for_the_rest_of_its_time() {
        let start = Instant::now();
        let mut lease = lease(start);
        lease.answer(1, Duration::ZERO, start, start);
        let until = lease.take(start).unwrap();
        assert_eq!(lease.look(start), Look::Empty);
        lease.put_back(until);
        assert_eq!(lease.look(start + millis(99)), Look::Ready);
        assert_eq!(lease.look(start + millis(100)), Look::Empty);
    }

    /// A caller over his own limit must not have places fetched that nobody uses.
    #[test]
    fn what_is_put_back_was_not_used() {
        let start = Instant::now();
        let (mut used, mut put_back) = (lease(start), lease(start));
        for lease in [&mut used, &mut put_back] {
            lease.answer(1000, Duration::ZERO, start, start);
        }
        for _ in 0..1000 {
            used.take(start).unwrap();
            let until = put_back.take(start).unwrap();
            put_back.put_back(until);
        }
        assert!(used.ask(start + LASTS) > 0);
        assert_eq!(put_back.ask(start + LASTS), 0);
    }

    #[test]
    fn while_the_store_has_none_nobody_asks_it() {
        let start = Instant::now();
        let mut lease = lease(start);
        lease.note_miss();
        assert_eq!(lease.ask(start), 1);
        lease.answer(0, millis(20), start, start);
        lease.note_miss();
        assert_eq!(lease.look(start + millis(5)), Look::Dry(millis(15)));
        assert_eq!(lease.ask(start + millis(19)), 0);
        assert!(!lease.is_low(start + millis(19)));
        assert_eq!(lease.look(start + millis(20)), Look::Empty);
        assert_eq!(lease.ask(start + millis(20)), 1);
    }

    #[test]
    fn a_lone_call_takes_one_place_and_steady_ones_are_served_ahead() {
        let start = Instant::now();
        let mut lone = lease(start);
        lone.note_miss();
        assert_eq!(lone.ask(start), 1);
        assert_eq!(lone.ask(start), 0, "nothing is asked for twice");
        lone.answer(1, Duration::ZERO, start, start);
        lone.take(start).unwrap();
        assert_eq!(lone.ask(start), 0, "nothing is held ready for one");

        let mut steady = lease(start);
        steady.answer(100, Duration::ZERO, start, start);
        for ms in 0..100 {
            steady.take(start + millis(ms)).unwrap();
        }
        let now = start + millis(100);
        assert!(steady.is_low(now));
        assert_eq!(steady.ask(now), 50);
        steady.answer(50, Duration::ZERO, now, now);
        assert_eq!(steady.ask(now), 0);
        assert!(!steady.is_low(now));
        for _ in 0..26 {
            steady.take(now).unwrap();
        }
        assert!(steady.is_low(now));
        assert_eq!(steady.ask(now), 26);
        // Nobody called since: nothing is held ready.
        assert_eq!(steady.ask(now + 3 * LASTS), 0);
    }
}
