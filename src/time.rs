//! Points in time as the protocols here count them: whole seconds since 1970-01-01T00:00:00Z.
//!
//! The core never reads a clock. The edge reads it once a request and passes the value down, so that every check of
//! one request is made at one moment and a test can set it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in whole Unix seconds (RFC 7519 `NumericDate` without a fraction).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The moment `seconds` after the epoch.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// The moment `duration` later, whole seconds only; stays at the largest value instead of wrapping.
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// The time from `earlier` to this moment, zero when this moment is not later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for UnixTime {
    /// Takes what a clock said; a clock before 1970 counts as 1970.
    fn from(time: SystemTime) -> Self {
        Self(
            time.duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
        )
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_never_wrap() {
        let early = UnixTime::from_secs(10);
        let late = UnixTime::from_secs(25);
        assert_eq!(late.saturating_since(early), Duration::from_secs(15));
        assert_eq!(early.saturating_since(late), Duration::ZERO);
        let last = UnixTime::from_secs(u64::MAX);
        assert_eq!(last.saturating_add(Duration::from_secs(1)), last);
    }

    #[test]
    fn a_clock_before_the_epoch_reads_zero() {
        let before = UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(UnixTime::from(before), UnixTime::from_secs(0));
    }
}
