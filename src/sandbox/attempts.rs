//! Wrong signatures: after too many for one user nothing of that user is verified for a minute (70050).
//!
//! Chat's table says "too often, wait one minute" and not how often; ten within a minute is our choice.

use std::collections::HashMap;
use std::time::Duration;

use crate::identity::UserId;
use crate::time::UnixTime;

/// The wrong signatures of the last minute, by the user that they were for.
#[derive(Default)]
pub(super) struct Attempts(HashMap<UserId, Attempt>);

struct Attempt {
    count: u32,
    last: UnixTime,
}

impl Attempts {
    /// Whether nothing of this user is verified now.
    pub(super) fn is_locked(&self, user: &UserId, now: UnixTime) -> bool {
        self.0
            .get(user)
            .is_some_and(|attempt| attempt.count >= MAX_WRONG && attempt.is_fresh(now))
    }

    /// Counts one wrong signature.
    pub(super) fn count(&mut self, user: UserId, now: UnixTime) {
        if self.0.len() >= MAX_USERS {
            self.0.retain(|_, attempt| attempt.is_fresh(now));
        }
        if self.0.len() >= MAX_USERS && !self.0.contains_key(&user) {
            return;
        }
        let attempt = self.0.entry(user).or_insert(Attempt {
            count: 0,
            last: now,
        });
        if !attempt.is_fresh(now) {
            attempt.count = 0;
        }
        attempt.count = attempt.count.saturating_add(1);
        attempt.last = now;
    }

    /// A good signature ends the count.
    pub(super) fn clear(&mut self, user: &UserId) {
        self.0.remove(user);
    }
}

impl Attempt {
    fn is_fresh(&self, now: UnixTime) -> bool {
        now.saturating_since(self.last) < LOCK
    }
}

const MAX_WRONG: u32 = 10;
const LOCK: Duration = Duration::from_secs(60);
const MAX_USERS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ReservedNames;

    #[test]
    fn a_flood_of_names_takes_no_more_room_and_frees_nobody() {
        let mut attempts = Attempts::default();
        let now = UnixTime::from_secs(1_741_000_435);
        for _ in 0..MAX_WRONG {
            attempts.count(user(0), now);
        }
        for number in 1..=MAX_USERS {
            attempts.count(user(number), now);
        }
        assert_eq!(attempts.0.len(), MAX_USERS);
        assert!(attempts.is_locked(&user(0), now));
        // A minute later there is room again.
        attempts.count(user(MAX_USERS), now.saturating_add(LOCK));
        assert_eq!(attempts.0.len(), 1);
    }

    fn user(number: usize) -> UserId {
        UserId::parse(&number.to_string(), &ReservedNames::default()).unwrap()
    }
}
