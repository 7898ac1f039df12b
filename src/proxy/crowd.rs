//! Who is turned away while there are too many requests.
//!
//! A proxy that takes more than it can carry serves nobody in time. Beyond the bound everybody is told at once to come
//! again; shortly before it, those who have been served before go first.

use crate::authorize::{Caller, Permit, Refusal, Target};
use crate::rejection::Rejection;

/// How many requests are under way beside what the process may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crowd {
    /// There is room for everybody.
    Usual,
    /// There is room for those who are known.
    Dense,
    /// There is no room.
    TooMany,
}

impl Crowd {
    /// When so many are under way and so many may be.
    pub(super) fn of(taken: usize, most: usize) -> Self {
        match taken {
            _ if taken > most => Self::TooMany,
            _ if taken > most - most / RESERVE => Self::Dense,
            _ => Self::Usual,
        }
    }

    /// Refuses a permitted request whose place is for others. Once its token was verified it is remembered, so it has a place
    /// when it comes again.
    pub(super) fn admit(self, permit: Permit) -> Result<Permit, Refusal> {
        match self == Self::Usual || is_known(&permit) {
            true => Ok(permit),
            false => Err(Refusal {
                route: Some(permit.route),
                rejection: Rejection::Overloaded,
                rest_call: permit.rest_call,
            }),
        }
    }
}

/// Whether it is of a user whose token was seen before, or Chat's. A renewal has happened and must be told.
fn is_known(permit: &Permit) -> bool {
    let is_remembered = match &permit.caller {
        Caller::User(user) => user.remembered,
        Caller::Anonymous => permit.webhook.is_some(),
    };
    is_remembered || permit.target == Target::UserSigRenewal
}

/// One place in so many is for those who are known.
const RESERVE: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_tenth_is_for_those_who_are_known() {
        for (taken, most, crowd) in [
            (1, 100, Crowd::Usual),
            (90, 100, Crowd::Usual),
            (91, 100, Crowd::Dense),
            (100, 100, Crowd::Dense),
            (101, 100, Crowd::TooMany),
            (9, 9, Crowd::Usual),
            (10, 9, Crowd::TooMany),
            (1, 1, Crowd::Usual),
            (2, 1, Crowd::TooMany),
        ] {
            assert_eq!(Crowd::of(taken, most), crowd, "{taken} of {most}");
        }
    }
}
