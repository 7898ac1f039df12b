//! Whether the store is there, since when, and how old is what was read of it.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::Fault;

/// How the store stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    is_up: bool,
    since: SystemTime,
    changed: Instant,
    fault: Option<Fault>,
    /// What an operator was told of while it is away.
    told: Option<Fault>,
    last_read: Option<Instant>,
    /// The nodes that were last seen, this one with them; 0 when none were.
    pub nodes: u32,
}

impl Standing {
    pub(super) fn at_start() -> Self {
        Self {
            is_up: false,
            since: SystemTime::now(),
            changed: Instant::now(),
            fault: None,
            told: None,
            last_read: None,
            nodes: 0,
        }
    }

    /// Whether it is there.
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    /// Since when it is there or away.
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// Why it is away.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// How old what is known of the other nodes is; `None` when nothing was ever read.
    pub fn lag(&self) -> Option<Duration> {
        self.last_read.map(|last_read| last_read.elapsed())
    }

    /// For how long, in whole seconds.
    pub(super) fn lasts(&self) -> Duration {
        Duration::from_secs(self.changed.elapsed().as_secs())
    }

    /// By how many nodes a budget is shared now.
    pub(super) fn shares(&self, expected: NonZeroU32) -> NonZeroU32 {
        NonZeroU32::new(self.nodes).map_or(expected, |seen| seen.max(expected))
    }

    pub(super) fn rise(&mut self) {
        self.turn(true);
        self.fault = None;
        self.told = None;
    }

    /// Whether this is news: the first fault, and one that only an operator can mend.
    pub(super) fn fall(&mut self, fault: Fault) -> bool {
        let is_first = self.is_up || self.fault.is_none();
        if self.is_up {
            self.turn(false);
        }
        self.fault = Some(fault);
        let is_news = is_first || (fault.needs_operator() && self.told != Some(fault));
        if is_news {
            self.told = Some(fault);
        }
        is_news
    }

    pub(super) fn note_read(&mut self) {
        self.last_read = Some(Instant::now());
    }

    fn turn(&mut self, is_up: bool) {
        self.is_up = is_up;
        self.since = SystemTime::now();
        self.changed = Instant::now();
    }
}
