//! The end of a session: the token is denied, the user's UserSigs are superseded, and Chat is told to drop them.
//!
//! The order is the safety of it. What the state says is on disk before the client hears of a logout or a renewal; the kick follows in
//! the background, is tried again until Chat takes it, and gives way to a new login. What was issued until it landed is
//! never handed out again.
//!
//! The kicks of a list queue, a few at a time. A login of a user whose kick has not had its turn does not wait for the
//! queue and does not cancel the kick either: that is sent at once, the login waits for this one attempt as after a
//! logout, and no later attempt voids what it got.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::StatusCode;
use parking_lot::RwLock;
use pingora::proxy::Session as PingoraSession;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};

use super::context::RequestContext;
use super::site::Site;
use crate::authorize::{Caller, Permit, Refusal, Target};
use crate::identity::UserId;
use crate::metrics::{KickOutcome, Metrics};
use crate::rejection::Rejection;
use crate::state::kick::{KickAnswer, KickTicket};
use crate::state::revocation::Revocations;
use crate::state::{Session, State};
use crate::time::UnixTime;

/// Tells Chat to drop a user's logins.
#[async_trait]
pub trait Kicker: Send + Sync {
    /// One attempt, bounded in time.
    async fn kick(&self, user: &UserId) -> KickAnswer;
}

/// Writes the state where it survives the process.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// Writes what changed and waits until it is on disk. A failure is the keeper's to report and to try again.
    async fn keep(&self);
}

/// Ends sessions.
pub struct Logouts {
    site: Arc<str>,
    state: Arc<State>,
    keeper: Arc<dyn Keeper>,
    /// A reload may bring another key or endpoint while kicks are tried again.
    kicker: RwLock<Option<Arc<dyn Kicker>>>,
    /// A list of many users must not be kicked all at once.
    pace: Semaphore,
    metrics: Arc<Metrics>,
}

impl Logouts {
    /// Ends sessions in `state`, without a kicker yet. `site` is the label for logs and metrics.
    pub fn new(
        site: Arc<str>,
        state: Arc<State>,
        keeper: Arc<dyn Keeper>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            site,
            state,
            keeper,
            kicker: RwLock::default(),
            pace: Semaphore::new(KICKS_AT_ONCE),
            metrics,
        }
    }

    /// Kicks with this one from the next attempt on; without one, nobody is kicked and
    /// what did not land stays to be done. Whether there was none before and is
    /// one now, so that there are kicks to [resume](Self::resume).
    pub fn replace_kicker(&self, kicker: Option<Arc<dyn Kicker>>) -> bool {
        let is_there = kicker.is_some();
        let before = std::mem::replace(&mut *self.kicker.write(), kicker);
        is_there && before.is_none()
    }

    /// Ends a session that the app has ended, and starts the kick.
    pub(super) async fn end(self: &Arc<Self>, session: &Session<'_>) {
        let ticket = self.state.log_out(session, now());
        self.keeper.keep().await;
        let logouts = Arc::clone(self);
        tokio::spawn(async move {
            sleep(ticket.send_from.saturating_since(now())).await;
            logouts.kick(&ticket, None).await;
        });
    }

    /// Puts the operator's list in force. The tickets are of those who are new on it, for [`Self::kick_all`].
    pub fn revoke(&self, list: Arc<Revocations>) -> Vec<KickTicket> {
        self.state.revoke(list, now())
    }

    /// Writes a renewal where it survives the process.
    pub(super) async fn keep_renewal(&self) {
        self.keeper.keep().await;
    }

    /// Starts all kicks that are to be done, those that an earlier process did not get done with them.
    pub fn resume(self: &Arc<Self>) {
        self.kick_all(self.state.pending_kicks());
    }

    /// Starts these kicks, a few at a time, once what is known of them is on disk.
    pub fn kick_all(self: &Arc<Self>, tickets: Vec<KickTicket>) {
        if tickets.is_empty() {
            return;
        }
        let logouts = Arc::clone(self);
        tokio::spawn(async move {
            logouts.keeper.keep().await;
            for ticket in tickets {
                let logouts = Arc::clone(&logouts);
                tokio::spawn(async move { logouts.kick_in_turn(&ticket).await });
            }
        });
    }

    /// Sends the user's kick now if it still queues, because a login comes. Whether a kick is under way, for which that had
    /// better wait.
    pub(super) fn hurry_kick(self: &Arc<Self>, user: &UserId) -> bool {
        if let Some(ticket) = self.state.hurry_kick(user) {
            let logouts = Arc::clone(self);
            tokio::spawn(async move {
                logouts.keeper.keep().await;
                sleep(ticket.send_from.saturating_since(now())).await;
                logouts.kick(&ticket, None).await;
            });
        }
        self.state.is_kick_under_way(user)
    }

    /// Waits for the first attempt of a user's kick, but not for long: a login in between would be kicked with the rest.
    pub(super) async fn wait_for_kick(&self, user: &UserId) {
        let start = Instant::now();
        while self.state.is_kick_under_way(user) && start.elapsed() < LOGIN_WAITS {
            sleep(POLL).await;
        }
    }

    /// Waits for a place; only then may a login wait for the kick.
    async fn kick_in_turn(&self, ticket: &KickTicket) {
        sleep(ticket.send_from.saturating_since(now())).await;
        let place = self.pace.acquire().await.ok();
        if self.state.begin_kick(ticket) {
            self.kick(ticket, place).await;
        }
    }

    /// Sends a kick that is under way until it lands or is not wanted any more. With a place of those that take turns,
    /// each attempt needs one.
    async fn kick(&self, ticket: &KickTicket, mut place: Option<SemaphorePermit<'_>>) {
        let is_in_turn = place.is_some();
        let mut pause = FIRST_PAUSE;
        for _ in 0..ATTEMPTS {
            let Some(kicker) = self.kicker.read().clone() else {
                // No login waits for a kick that nobody can send.
                self.state.kick_failed(ticket);
                return;
            };
            let answer = kicker.kick(&ticket.user).await;
            drop(place.take());
            if answer == KickAnswer::Landed {
                self.state.kick_landed(ticket, now());
                self.report(&ticket.user, answer);
                self.keeper.keep().await;
                return;
            }
            self.report(&ticket.user, answer);
            if !self.state.kick_failed(ticket) {
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            if is_in_turn {
                place = self.pace.acquire().await.ok();
            }
            if !self.state.is_kick_wanted(ticket) {
                return;
            }
        }
    }

    /// Counts and logs what became of one attempt. Once its site is gone, nothing is counted any more.
    fn report(&self, user: &UserId, answer: KickAnswer) {
        let (site, user_id) = (&*self.site, user.as_str());
        let outcome = match answer {
            KickAnswer::Landed => {
                tracing::debug!(site, user_id, "a kick landed");
                KickOutcome::Landed
            }
            KickAnswer::Refused { error_code } => {
                tracing::warn!(site, user_id, error_code, "Chat refused a kick");
                KickOutcome::Failed
            }
            KickAnswer::Unusable => {
                tracing::warn!(
                    site,
                    user_id,
                    "a kick did not reach Chat, or had no usable answer"
                );
                KickOutcome::Failed
            }
        };
        if self.kicker.read().is_some() {
            self.metrics.count_kick(&self.site, outcome);
        }
    }
}

impl Site {
    /// The decision about a request, made again when its login would be issued under a kick that is on its way, or
    /// could not be dated yet.
    pub(super) async fn decide_after_kick(
        &self,
        session: &mut PingoraSession,
        now: UnixTime,
    ) -> Result<Permit, Refusal> {
        let mut decision = self.decide(session, now).await;
        if let Some(wait) = wait_until_datable(&decision) {
            sleep(wait).await;
            decision = self.decide_again(session);
        }
        let logouts = &self.settings.logouts;
        match decision.as_ref().ok().and_then(logging_in) {
            // A renewal is not made twice; it is dated ahead already.
            Some((user, is_renewal)) if logouts.hurry_kick(&user) && !is_renewal => {
                logouts.wait_for_kick(&user).await;
                self.decide_again(session)
            }
            _ => decision,
        }
    }

    fn decide_again(&self, session: &mut PingoraSession) -> Result<Permit, Refusal> {
        self.authorize(session, self::now())
    }

    /// Ends the caller's session when the app has answered its logout with success.
    pub(super) async fn end_session(&self, status: StatusCode, ctx: &RequestContext) {
        let ending = ctx.permit().and_then(|permit| permit.ending.clone());
        let succeeded =
            status.is_success() || (status.is_redirection() && status != StatusCode::NOT_MODIFIED);
        if let Some(ending) = ending.filter(|_| succeeded) {
            self.settings.logouts.end(&ending.session()).await;
        }
    }
}

/// The user whom a permit hands a UserSig, and whether that is a renewal.
fn logging_in(permit: &Permit) -> Option<(UserId, bool)> {
    let Caller::User(user) = &permit.caller else {
        return None;
    };
    let is_renewal = permit.target == Target::UserSigRenewal;
    user.login.as_ref().map(|_| (user.user_id, is_renewal))
}

/// Several logouts within a second push the date of the next UserSig ahead, which is soon over.
fn wait_until_datable(decision: &Result<Permit, Refusal>) -> Option<Duration> {
    match decision {
        Err(Refusal {
            rejection: Rejection::UserSigTooEarly { retry_after },
            ..
        }) => Some(*retry_after).filter(|wait| *wait <= LOGIN_WAITS),
        _ => None,
    }
}

fn now() -> UnixTime {
    UnixTime::from(SystemTime::now())
}

/// A new login waits this long at most for the kick of the logout before it, and for a moment to be dated.
const LOGIN_WAITS: Duration = Duration::from_secs(2);
/// Of those for a list; Chat takes 200 a second.
const KICKS_AT_ONCE: usize = 8;
const POLL: Duration = Duration::from_millis(10);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// About an hour.
const ATTEMPTS: u32 = 64;
