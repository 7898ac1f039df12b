//! How Chat takes our calls: whether it must be left alone, and whether something is wrong that calls cannot mend.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::rest_api::outcome::{Answer, Class};
use crate::rest_api::sign::Likeness;

/// What was learnt from the last answers. Clients share it as far as they are the same to Chat, so that an answer to an
/// earlier one's call counts for its successor.
#[derive(Default)]
pub(super) struct Health {
    paused_until: Arc<Mutex<Option<Instant>>>,
    alarm: Arc<Mutex<Option<i64>>>,
}

/// How Chat takes our calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The `ErrorCode` that says that the configuration is wrong, until a call works again.
    pub alarm: Option<i64>,
    /// Whether no call is sent, because too many signatures were refused.
    pub is_paused: bool,
}

impl Health {
    /// What stays true of a successor. Chat's pause concerns the application, whoever signs; what was wrong with the
    /// configuration may be mended by anything that changed in it.
    pub(super) fn succeeded_by(&self, likeness: Likeness) -> Self {
        match likeness {
            Likeness::Same => Self {
                paused_until: Arc::clone(&self.paused_until),
                alarm: Arc::clone(&self.alarm),
            },
            Likeness::SameApp => Self {
                paused_until: Arc::clone(&self.paused_until),
                alarm: Arc::default(),
            },
            Likeness::Other => Self::default(),
        }
    }

    /// Takes an answer to a call in.
    pub(super) fn note(&self, answer: &Answer, now: Instant) {
        match answer.class {
            Class::Breaker => *self.paused_until.lock() = Some(now + PAUSE),
            Class::Ok => *self.alarm.lock() = None,
            class if class.is_alarm() => *self.alarm.lock() = Some(answer.error_code),
            _ => {}
        }
    }

    /// How long no call may be sent yet.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let until = (*self.paused_until.lock())?;
        let left = until.saturating_duration_since(now);
        Some(left).filter(|left| !left.is_zero())
    }

    pub(super) fn standing(&self, now: Instant) -> Standing {
        Standing {
            is_paused: self.pause(now).is_some(),
            alarm: *self.alarm.lock(),
        }
    }
}

/// As long as Chat refuses everything after too many failed verifications (70050).
const PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest_api::outcome::Secrets;

    fn answer(code: i64) -> Answer {
        let body = format!("{{\"ErrorCode\":{code}}}");
        Answer::read(body.as_bytes(), &Secrets::default()).unwrap()
    }

    #[test]
    fn after_70050_nothing_is_sent_for_a_minute() {
        let (health, start) = (Health::default(), Instant::now());
        let pause = |seconds| health.pause(start + Duration::from_secs(seconds));
        health.note(&answer(70009), start);
        assert_eq!(pause(0), None);
        health.note(&answer(70050), start);
        assert_eq!(
            (pause(0), pause(59)),
            (Some(PAUSE), Some(Duration::from_secs(1)))
        );
        assert_eq!(pause(60), None);
    }

    #[test]
    fn a_successor_is_paused_and_alarmed_as_far_as_it_is_the_same_to_chat() {
        for (likeness, is_paused, alarm) in [
            (Likeness::Same, true, Some(70009)),
            (Likeness::SameApp, true, None),
            (Likeness::Other, false, None),
        ] {
            let (before, now) = (Health::default(), Instant::now());
            before.note(&answer(70009), now);
            let after = before.succeeded_by(likeness);
            let expected = |is_paused, alarm| Standing { alarm, is_paused };
            assert_eq!(after.standing(now), expected(false, alarm), "{likeness:?}");
            // The answer to a call that was under way.
            before.note(&answer(70050), now);
            assert_eq!(
                after.standing(now),
                expected(is_paused, alarm),
                "{likeness:?}"
            );
            after.note(&answer(0), now);
            assert_eq!(
                after.standing(now),
                expected(is_paused, None),
                "{likeness:?}"
            );
        }
    }

    #[test]
    fn an_alarm_stands_until_a_call_works() {
        let (health, now) = (Health::default(), Instant::now());
        for (code, alarm) in [
            (0, None),
            (60007, None),
            (70009, Some(70009)),
            (60008, Some(70009)),
            (60026, Some(60026)),
            (0, None),
        ] {
            health.note(&answer(code), now);
            assert_eq!(health.standing(now).alarm, alarm, "{code}");
        }
    }
}
