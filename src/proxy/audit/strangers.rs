//! How many records whoever has no session may leave: anybody could fill the disk with them.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Counts the records of refused calls that come without a verified session.
#[derive(Default)]
pub(in crate::proxy) struct Strangers(Mutex<Option<Second>>);

/// A second that began with a record.
struct Second {
    began: Instant,
    records: u32,
}

impl Strangers {
    /// Whether one more record may be kept.
    pub(super) fn may_leave_one(&self, now: Instant) -> bool {
        let mut current = self.0.lock();
        let second = match &mut *current {
            Some(second) if now.saturating_duration_since(second.began) < SECOND => second,
            current => current.insert(Second {
                began: now,
                records: 0,
            }),
        };
        let may = second.records < MOST;
        second.records += u32::from(may);
        may
    }
}

/// So many a second, in the whole process.
const MOST: u32 = 20;
const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_twenty_records_a_second() {
        let strangers = Strangers::default();
        let start = Instant::now();
        let leave = |milliseconds: u64| {
            let now = start + Duration::from_millis(milliseconds);
            (0..100).filter(|_| strangers.may_leave_one(now)).count()
        };
        assert_eq!(leave(500), 20);
        assert_eq!(leave(1499), 0);
        // A request that came earlier and was judged later.
        assert_eq!(leave(0), 0);
        assert_eq!(leave(1500), 20);
        assert_eq!(leave(2499), 0);
        assert_eq!(leave(60_000), 20);
    }
}
