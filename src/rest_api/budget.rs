//! How often the API may be called: what does not fit is refused here, before Chat refuses it for everybody.
//!
//! Chat counts the calls of a command for the whole application, so one caller can use up what all need. A call takes a place
//! in three budgets or in none: the command's, the application's and the caller's. A caller's part of a command's
//! budget is that of all who call it now, so a lone caller may use all of it and two share it in halves. In no second, wherever it
//! starts, does a budget take more than its number. Time is an argument: the time since some fixed moment.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::catalog::{Command, CommandName};
use crate::identity::UserId;

/// Where calls take their place.
pub trait Budgets: Send + Sync {
    /// Takes a place for a call at `now`, or says when to come again.
    fn take(&self, command: &Command, caller: &UserId, now: Duration) -> Result<(), Exceeded>;
}

/// A budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the budget of {} is used up", scope.as_str())]
pub struct Exceeded {
    /// Whose.
    pub scope: Scope,
    /// When a place may be free; longer when others come first.
    pub retry_after: Duration,
}

/// Whose budget it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The command's.
    Command,
    /// The whole application's.
    App,
    /// The caller's, or its part of the command's.
    Caller,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Command, Self::App, Self::Caller];

    /// Its label in metrics and the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::App => "app",
            Self::Caller => "caller",
        }
    }
}

/// Calls a second, where they differ from what is documented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// All calls of the application; no limit by default, since none is documented.
    pub app: Option<NonZeroU32>,
    /// All calls of one caller.
    pub caller: Option<NonZeroU32>,
    /// The calls of single commands, in place of the documented rate.
    pub commands: HashMap<CommandName, NonZeroU32>,
}

impl Limits {
    /// The calls a second of one command.
    pub fn rate_of(&self, command: &Command) -> NonZeroU32 {
        let set = self.commands.get(&command.name);
        set.copied().unwrap_or(command.rate)
    }
}

/// Budgets of this process alone.
#[derive(Debug)]
pub struct LocalBudgets {
    limits: Limits,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    app: Bucket,
    callers: HashMap<UserId, Bucket>,
    /// From how many callers on the idle ones are forgotten.
    prune_at: usize,
    commands: HashMap<CommandName, CommandState>,
}

#[derive(Debug, Default)]
struct CommandState {
    bucket: Bucket,
    /// Those who called in the last second or so.
    shares: HashMap<UserId, Bucket>,
}

impl LocalBudgets {
    /// Budgets of which nothing is used.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: Arc::default(),
        }
    }

    /// Budgets of these limits of which as much is used as of the earlier ones, by calls of either: new limits give nobody a
    /// second go. Both count from the same moment.
    #[must_use]
    pub fn succeeded_by(&self, limits: Limits) -> Self {
        Self {
            limits,
            state: Arc::clone(&self.state),
        }
    }

    /// How many callers are remembered, in all budgets together.
    pub fn remembered(&self) -> usize {
        let state = self.state.lock();
        let shares = state.commands.values().map(|command| command.shares.len());
        state.callers.len() + shares.sum::<usize>()
    }
}

impl Budgets for LocalBudgets {
    fn take(&self, command: &Command, caller: &UserId, now: Duration) -> Result<(), Exceeded> {
        self.take_share(command, caller, now, NonZeroU32::MIN)
    }
}

impl LocalBudgets {
    /// The calls a second that these budgets take.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The same where so many have the command's and the application's budgets among them, and none knows of the others'
    /// calls: a place in an even part of each.
    pub fn take_share(
        &self,
        command: &Command,
        caller: &UserId,
        now: Duration,
        sharers: NonZeroU32,
    ) -> Result<(), Exceeded> {
        let pace = Pace::of(self.limits.rate_of(command)).shared_by(sharers);
        let state = &mut *self.state.lock();
        state.forget_idle(now);
        if !state.commands.contains_key(&command.name) {
            let fresh = CommandState::default();
            state.commands.insert(command.name.clone(), fresh);
        }
        let Some(used) = state.commands.get_mut(&command.name) else {
            return Ok(());
        };
        let of_command = used.bucket.after(pace, now).map_err(at(Scope::Command))?;
        let share = used.share_after(pace, caller, now);
        let share = share.map_err(at(Scope::Caller))?;
        let of_app = match self.limits.app {
            Some(rate) => state.app.after(Pace::of(rate).shared_by(sharers), now),
            None => Ok(Bucket::default()),
        };
        let of_app = of_app.map_err(at(Scope::App))?;
        if let Some(rate) = self.limits.caller {
            let bucket = state.callers.get(caller).copied().unwrap_or_default();
            let after = bucket.after(Pace::of(rate), now);
            state
                .callers
                .insert(*caller, after.map_err(at(Scope::Caller))?);
        }
        used.bucket = of_command;
        used.shares.insert(*caller, share);
        state.app = of_app;
        Ok(())
    }
}

fn at(scope: Scope) -> impl Fn(Duration) -> Exceeded {
    move |retry_after| Exceeded { scope, retry_after }
}

impl State {
    /// Forgets callers who have their whole budget again, before there are twice as many as were left the last time.
    fn forget_idle(&mut self, now: Duration) {
        if self.callers.len() < self.prune_at.max(MIN_PRUNE) {
            return;
        }
        self.callers.retain(|_, bucket| !bucket.is_idle(now));
        self.prune_at = 2 * self.callers.len();
    }
}

impl CommandState {
    /// The caller's share of the command's budget after one more call.
    fn share_after(
        &mut self,
        pace: Pace,
        caller: &UserId,
        now: Duration,
    ) -> Result<Bucket, Duration> {
        // No more callers stay than the command takes calls in a second or so.
        self.shares.retain(|_, bucket| !bucket.is_idle(now));
        let own = self.shares.get(caller).copied();
        let callers = self.shares.len() + usize::from(own.is_none());
        let shared = Pace {
            interval: pace
                .interval
                .saturating_mul(u32::try_from(callers).unwrap_or(u32::MAX)),
            burst: pace.burst,
        };
        own.unwrap_or_default().after(shared, now)
    }
}

/// A rate as a token bucket keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The time that one call stands for.
    pub interval: Duration,
    /// How much time may be used ahead.
    pub burst: Duration,
}

impl Pace {
    /// Half of the calls of a second at once, the others spread over it: together never more than the rate in one.
    pub fn of(rate: NonZeroU32) -> Self {
        let ahead = rate.get() / 2;
        let spread = rate.get() - ahead;
        // Rounded up, so that the rounding never adds a call.
        let interval = Duration::from_nanos(SECOND_NANOS.div_ceil(spread.into()));
        Self {
            interval,
            burst: interval.saturating_mul(ahead.saturating_add(1)),
        }
    }

    /// The same for one of so many who share it evenly and do not know of each other. Each may make one call at any time
    /// at which it has made none for long, so a small rate may be exceeded by as many as they are.
    fn shared_by(self, sharers: NonZeroU32) -> Self {
        let ahead = self.burst.as_nanos() / self.interval.as_nanos().max(1) - 1;
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX) / sharers;
        let interval = self.interval.saturating_mul(sharers.get());
        Self {
            interval,
            burst: interval.saturating_mul(ahead.saturating_add(1)),
        }
    }
}

/// The moment up to which a budget is used (generic cell rate algorithm).
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    used_until: Duration,
}

impl Bucket {
    /// The bucket after one more call, or how long until there is room for one. An idle one always has room.
    fn after(self, pace: Pace, now: Duration) -> Result<Self, Duration> {
        let used_until = self.used_until.max(now).saturating_add(pace.interval);
        let over = used_until.saturating_sub(now.saturating_add(pace.burst));
        match self.is_idle(now) || over.is_zero() {
            true => Ok(Self { used_until }),
            false => Err(over.min(self.used_until.saturating_sub(now))),
        }
    }

    fn is_idle(self, now: Duration) -> bool {
        self.used_until <= now
    }
}

const SECOND_NANOS: u64 = 1_000_000_000;
const MIN_PRUNE: usize = 1024;

#[cfg(test)]
mod tests;
