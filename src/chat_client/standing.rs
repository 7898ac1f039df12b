//! How Chat takes our calls: whether it must be left alone, and whether something is wrong that calls cannot mend.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::rest_api::outcome::{Answer, Class};

/// What was learnt from the last answers.
#[derive(Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Clone, Copy, Default)]
struct State {
    paused_until: Option<Instant>,
    alarm: Option<i64>,
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
    /// Takes an answer to a call in.
    pub(super) fn note(&self, answer: &Answer, now: Instant) {
        let mut state = self.0.lock();
        match answer.class {
            Class::Breaker => state.paused_until = Some(now + PAUSE),
            Class::Ok => state.alarm = None,
            class if class.is_alarm() => state.alarm = Some(answer.error_code),
            _ => {}
        }
    }

    /// How long no call may be sent yet.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        let until = self.0.lock().paused_until?;
        let left = until.saturating_duration_since(now);
        Some(left).filter(|left| !left.is_zero())
    }

    pub(super) fn standing(&self, now: Instant) -> Standing {
        Standing {
            is_paused: self.pause(now).is_some(),
            alarm: self.0.lock().alarm,
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
