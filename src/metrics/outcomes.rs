//! What requests, kicks and answers come to, as labels.

use crate::rejection::Rejection;

/// How a request ended, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The app answered.
    Forwarded,
    /// Our own endpoint answered.
    Answered,
    /// Refused or failed with this code.
    Rejected(&'static str),
    /// The client went away first.
    Aborted,
}

impl Outcome {
    /// The label's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Answered => "answered",
            Self::Rejected(code) => code,
            Self::Aborted => "aborted",
        }
    }

    /// How many there are.
    pub(super) const COUNT: usize = 3 + Rejection::CODES.len();

    /// Its place in [`all`](Self::all); beyond the last one for a code that does not exist.
    pub(super) fn index(self) -> usize {
        match self {
            Self::Forwarded => 0,
            Self::Answered => 1,
            Self::Aborted => 2,
            Self::Rejected(code) => {
                let place = Rejection::CODES.iter().position(|&known| known == code);
                place.map_or(Self::COUNT, |place| 3 + place)
            }
        }
    }

    /// In the order of [`index`](Self::index).
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let others = [Self::Forwarded, Self::Answered, Self::Aborted];
        others
            .into_iter()
            .chain(Rejection::CODES.map(Self::Rejected))
    }
}

/// What became of one attempt to kick a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KickOutcome {
    /// Chat answered with `ErrorCode` 0.
    Landed,
    /// Chat refused or could not be reached.
    Failed,
}

impl KickOutcome {
    /// The label's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Landed => "landed",
            Self::Failed => "failed",
        }
    }
}

/// What became of an answer that a login should go into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// The login is in it.
    Injected,
    /// It begins no session: another status, or no token.
    NoSession,
    /// Its token is no good session.
    SessionRefused,
    /// Its body has no room for the login: no strict JSON object, no parent, or a member of that name.
    NoRoom,
    /// It has no body, or only a part of one.
    NoBody,
    /// It is not JSON.
    NotJson,
    /// Its coding cannot be read.
    Coding,
    /// Its body is over the limit.
    TooLong,
}

impl AnswerOutcome {
    pub(super) const ALL: [Self; 8] = [
        Self::Injected,
        Self::NoSession,
        Self::SessionRefused,
        Self::NoRoom,
        Self::NoBody,
        Self::NotJson,
        Self::Coding,
        Self::TooLong,
    ];

    /// The label's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::NoSession => "no_session",
            Self::SessionRefused => "session_refused",
            Self::NoRoom => "no_room",
            Self::NoBody => "no_body",
            Self::NotJson => "not_json",
            Self::Coding => "coding",
            Self::TooLong => "too_long",
        }
    }
}
