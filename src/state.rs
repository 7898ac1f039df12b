//! What must outlive a request: session tokens that were logged out, and from when on a user's UserSigs count.
//!
//! ```text
//! logout    deny the session token ─▶ raise the user's generation ─▶ kick ─▶ ErrorCode 0 ─▶ raise it again
//! hand-out  read the generation    ─▶ is the token denied?        ─▶ cached or issued under that generation
//! ```
//!
//! The two run in opposite order, so that whoever sees the new generation also sees the denial, and a UserSig that was
//! in flight carries the old one. [`State`] is memory only: no file, no clock, short locks. A store beside it
//! ([`local`]) takes its [`Change`]s and gives them back after a restart, another ([`redis`]) brings those of other nodes. The
//! edge logs out and kicks; the authorizer asks.

pub mod fleet;
pub mod kick;
pub mod local;
#[cfg(not(fuzzing))]
pub mod redis;
pub mod revocation;

mod change;
mod session;
mod sharing;
mod tokens;
mod users;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

pub use self::change::{Change, DamagedChange};
use self::change::{Key, Kicks, Outbox, Reader};
use self::kick::KickTicket;
use self::revocation::{Enforced, Revocations};
pub use self::session::{Session, TokenId};
use self::tokens::DeniedTokens;
use self::users::Users;
use crate::identity::UserId;
use crate::time::UnixTime;

/// The logged-out sessions, generations and revocations of one site.
pub struct State {
    tokens: DeniedTokens,
    users: Users,
    revocations: ArcSwap<Revocations>,
    enforced: Mutex<Enforced>,
    /// For the file.
    outbox: Outbox,
    /// For the other nodes.
    shared: Outbox,
}

/// How much a [`State`] may hold. Beyond it, what would end soonest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Denied session tokens; a logout adds one or two.
    pub tokens: NonZeroUsize,
    /// Users with a raised generation.
    pub users: NonZeroUsize,
}

impl Default for Limits {
    fn default() -> Self {
        let million = NonZeroUsize::MIN.saturating_add(999_999);
        Self {
            tokens: million,
            users: million,
        }
    }
}

/// Which UserSigs of a user count: those issued under this number, dated at or after `not_before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Grows with every raise. Only of use in this process, to compare two generations of one user.
    pub number: u64,
    /// The earliest `TLS.time` of a new UserSig.
    pub not_before: UnixTime,
}

impl Generation {
    /// The generation of a user for whom nothing was ever raised.
    pub const FIRST: Self = Self {
        number: 0,
        not_before: UnixTime::from_secs(0),
    };
}

/// Why a verified session is no session any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denied {
    /// The session was logged out.
    #[error("the session was logged out")]
    LoggedOut,
    /// The token is on the operator's list.
    #[error("the token is revoked")]
    TokenRevoked,
    /// The user is on the operator's list.
    #[error("the subject is revoked")]
    SubjectRevoked,
}

impl Denied {
    /// The fact as one word, for logs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::TokenRevoked => "token_revoked",
            Self::SubjectRevoked => "subject_revoked",
        }
    }
}

/// Why a user gets no renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewError {
    /// The session is denied.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// The last renewal was less than [`RENEWAL_PAUSE`] ago.
    #[error("renewed a moment ago")]
    TooSoon {
        /// When to come again: 1 to 10 s from now.
        retry_after: Duration,
    },
    /// The new UserSig would be dated further ahead than [`MAX_AHEAD`]; this attempt does not count.
    #[error("a new UserSig cannot be dated yet")]
    TooEarly {
        /// When to come again: at least 1 s.
        retry_after: Duration,
    },
}

impl State {
    /// An empty state that forgets with the process.
    pub fn in_memory(limits: Limits) -> Self {
        Self::new(limits, Outbox::closed())
    }

    /// An empty state that collects its changes for a store.
    fn kept(limits: Limits) -> Self {
        Self::new(limits, Outbox::open())
    }

    fn new(limits: Limits, outbox: Outbox) -> Self {
        Self {
            tokens: DeniedTokens::new(limits.tokens),
            users: Users::new(limits.users),
            revocations: ArcSwap::default(),
            enforced: Mutex::default(),
            outbox,
            shared: Outbox::closed(),
        }
    }

    /// Whether the session still is one.
    pub fn admit(&self, session: &Session<'_>) -> Result<(), Denied> {
        if self.users.is_before_floor(session) {
            return Err(Denied::LoggedOut);
        }
        let ids = || session.token_ids();
        if !self.tokens.is_empty() && ids().any(|id| self.tokens.contains(&id)) {
            return Err(Denied::LoggedOut);
        }
        self.revocations.load().admit(session)
    }

    /// Admits the session and says which of its user's UserSigs it may be given. Counts as a login: it ends the retries
    /// of a kick.
    pub fn generation(&self, session: &Session<'_>, now: UnixTime) -> Result<Generation, Denied> {
        let read = self.users.read(session.user(), now);
        self.admit_login(session, read)
    }

    /// The same for a login that cannot wait for a kick that is under way, or that it hurries: the UserSig is dated [`MAX_AHEAD`] then, and
    /// holds if the kick lands before.
    pub fn generation_past_kick(
        &self,
        session: &Session<'_>,
        now: UnixTime,
    ) -> Result<Generation, Denied> {
        self.admit(session)?;
        let read = self.users.read_past_kick(session.user(), now);
        self.admit_login(session, read)
    }

    /// Supersedes all UserSigs of the session's user, at most once in [`RENEWAL_PAUSE`].
    pub fn renew(&self, session: &Session<'_>, now: UnixTime) -> Result<Generation, RenewError> {
        self.admit(session)?;
        let generation = self.users.renew(session.user(), now)?;
        // Again: a logout denies before it raises, so one that came in between shows here or raises after us.
        self.admit(session)?;
        self.count_login(session.user());
        self.note(Key::User(*session.user()));
        Ok(generation)
    }

    /// Denies the session until its token expires and supersedes its user's UserSigs; the ticket is for the kick.
    ///
    /// `now` is read when the app has answered, not when the request came.
    pub fn log_out(&self, session: &Session<'_>, now: UnixTime) -> KickTicket {
        let until = session.expires_at().saturating_add(KEEP_AFTER_EXPIRY);
        if self.users.count_logout(session.user(), now, until) {
            for id in session.token_ids() {
                self.tokens.insert(id, until);
                self.note(Key::Token(id));
            }
        }
        let ticket = self.users.start_kick(session.user(), now);
        self.note(Key::User(*session.user()));
        ticket
    }

    /// Notes that Chat answered a kick with `ErrorCode` 0 at `now`: nothing issued until then is handed out again.
    pub fn kick_landed(&self, ticket: &KickTicket, now: UnixTime) -> Generation {
        let generation = self.users.kick_landed(ticket, now);
        self.note(Key::User(ticket.user));
        generation
    }

    /// Notes that an attempt failed. `true`: try again later, unless [`is_kick_wanted`](Self::is_kick_wanted) says no.
    pub fn kick_failed(&self, ticket: &KickTicket) -> bool {
        self.users.kick_failed(ticket);
        self.is_kick_wanted(ticket)
    }

    /// Whether a retry may still be sent: no login and no later logout came since, and none has landed.
    pub fn is_kick_wanted(&self, ticket: &KickTicket) -> bool {
        self.users.is_kick_wanted(ticket)
    }

    /// The turn of a queued kick has come: whether it is to be sent, and is [under way](Self::is_kick_under_way) from now
    /// on. Not when a login [hurried](Self::hurry_kick) it, nor when a later logout took its place.
    pub fn begin_kick(&self, ticket: &KickTicket) -> bool {
        self.users.begin_kick(ticket)
    }

    /// A login comes: the user's kick, if it still queues, is under way from now on and to be sent by the caller at once.
    /// Later it would void what the login gets. As any that a login came since, it is not tried again.
    pub fn hurry_kick(&self, user: &UserId) -> Option<KickTicket> {
        let ticket = self.users.hurry_kick(user)?;
        self.note(Key::User(*user));
        Some(ticket)
    }

    /// Whether the first attempt of a kick is under way, for which a login of this user waits (bounded by the caller).
    pub fn is_kick_under_way(&self, user: &UserId) -> bool {
        self.users.is_kick_under_way(user)
    }

    /// Kicks that were wanted when the process ended: to be retried once after a start.
    pub fn pending_kicks(&self) -> Vec<KickTicket> {
        self.users.pending_kicks()
    }

    /// Puts the operator's list in force. Returns a queued kick for every user on it that was not on the list before, with
    /// the generation already raised.
    pub fn revoke(&self, revocations: Arc<Revocations>, now: UnixTime) -> Vec<KickTicket> {
        // Denied first, raised after, as in a logout.
        self.revocations.store(Arc::clone(&revocations));
        let difference = self.enforced.lock().follow(&revocations);
        for subject in difference.changed {
            self.note(Key::Enforced(subject));
        }
        let raise = |user: &UserId| {
            self.note(Key::User(*user));
            self.users.queue_kick(user, now)
        };
        difference.users.iter().map(raise).collect()
    }

    /// Drops what has expired. Called every minute or so.
    pub fn sweep(&self, now: UnixTime) {
        self.tokens.sweep(now);
        self.users.sweep(now);
    }

    /// Whether it knows of no denied session and no raised user.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.users.len() == 0
    }

    /// The number of denied session tokens, for a gauge.
    pub fn denied_tokens(&self) -> usize {
        self.tokens.len()
    }

    /// The number of users whose generation was raised, for a gauge.
    pub fn raised_users(&self) -> usize {
        self.users.len()
    }

    /// Denied tokens that had to leave before they expired because [`Limits::tokens`] was reached, for a counter.
    pub fn evicted_tokens(&self) -> u64 {
        self.tokens.evicted()
    }

    /// What changed since the last call. After a failed write, a store writes the whole [`snapshot`](Self::snapshot).
    pub fn take_changes(&self) -> Vec<Change> {
        let keys = self.outbox.take();
        keys.into_iter()
            .filter_map(|key| self.look_up(key, Reader::File))
            .collect()
    }

    /// All that a restart at `now` would need, for a rewrite of a store.
    pub fn snapshot(&self, now: UnixTime) -> Vec<Change> {
        let mut changes = self.tokens.snapshot();
        changes.extend(self.users.snapshot(now));
        changes.extend(self.enforced.lock().snapshot());
        changes
    }

    /// Takes in what an earlier process wrote, with the kicks that it still wanted.
    pub fn restore(&self, change: Change) {
        self.take_in(change, Kicks::Ours);
    }

    /// Takes in what another process wrote meanwhile. The order does not matter, and twice is as good as once.
    pub fn absorb(&self, change: Change) {
        self.take_in(change, Kicks::Others);
    }

    fn take_in(&self, change: Change, kicks: Kicks) {
        match change {
            Change::Token { id, until } => self.tokens.insert(id, until),
            Change::User(user) => self.users.take_in(&user, kicks),
            Change::Enforced(subject) => self.enforced.lock().take_in(subject),
        }
    }

    fn note(&self, key: Key) {
        self.outbox.add(&key);
        self.shared.add(&key);
    }

    fn look_up(&self, key: Key, reader: Reader) -> Option<Change> {
        match key {
            Key::Token(id) => {
                let until = self.tokens.until(&id)?;
                Some(Change::Token { id, until })
            }
            Key::User(user) => self.users.change(&user, reader).map(Change::User),
            Key::Enforced(subject) => Some(Change::Enforced(subject)),
        }
    }

    /// Asked after the generation was read: a logout denies before it raises.
    fn admit_login(
        &self,
        session: &Session<'_>,
        (generation, awaits_login): (Generation, bool),
    ) -> Result<Generation, Denied> {
        self.admit(session)?;
        if awaits_login {
            self.count_login(session.user());
        }
        Ok(generation)
    }

    fn count_login(&self, user: &UserId) {
        if self.users.count_login(user) {
            self.note(Key::User(*user));
        }
    }
}

/// How long after one renewal the next is refused.
pub const RENEWAL_PAUSE: Duration = Duration::from_secs(10);
/// How far a `TLS.time` may lie ahead of the clock.
pub const MAX_AHEAD: Duration = Duration::from_secs(2);
/// More than any leeway of the verifier (10 min), and some patience with a clock that is set back.
const KEEP_AFTER_EXPIRY: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
