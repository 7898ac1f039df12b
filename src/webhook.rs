//! Webhooks: what Chat posts to the app about its events, believed only once it is checked.
//!
//! ```text
//! POST <path>?SdkAppid=…&CallbackCommand=…&contenttype=json&ClientIP=…&OptPlatform=…&Sign=…&RequestTime=…
//! {"CallbackCommand": "…", …}
//! ```
//!
//! `Sign` is the lower-case hexadecimal SHA-256 of a token, which the console knows too, followed by `RequestTime` (Tencent's
//! "Webhook Overview", 34354). It covers neither the command nor the body, so who has seen one URL can send whatever he likes
//! under it while its time counts: the window is short, and a request that the app has taken is not taken again.
//!
//! [`Webhooks::announce`] judges the query within the walk; [`Webhooks::receive`] takes what it made and judges the body. Only
//! a [`Delivery`] may go to the app. What is refused here is a failed webhook to Chat, which then does as its console says.

mod body;
mod error;
mod query;
mod replay;
mod sign;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

pub use self::error::WebhookError;
use self::query::Query;
pub use self::query::QueryError;
pub use self::replay::Delivery;
use self::replay::{Fingerprint, Memory, QueryDigest};
pub use self::sign::Tokens;
use crate::time::UnixTime;
use crate::usersig::SdkAppId;

/// What webhooks are checked by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The application that they must be of.
    pub sdk_app_id: SdkAppId,
    /// The tokens that may have signed them.
    pub tokens: Tokens,
    /// How far their time may be from now, in either direction.
    pub max_age: Duration,
    /// The largest body in bytes.
    pub max_body: usize,
    /// How many are remembered; while there is no room, none is taken.
    pub replay_capacity: NonZeroUsize,
}

/// Checks the webhooks of one site and remembers those that the app has taken.
#[derive(Debug)]
pub struct Webhooks {
    settings: Settings,
    memory: Arc<Memory>,
}

/// A webhook whose query is good. Its body was not judged yet.
#[derive(Clone, Debug)]
pub struct Announced {
    /// Of the query as it came. The query itself holds the sign, which is not kept.
    query: QueryDigest,
    command: String,
    time: UnixTime,
}

impl Webhooks {
    /// Checks by these settings, with nothing remembered.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            memory: Arc::default(),
        }
    }

    /// The same with other settings. What was remembered counts on, except under another application.
    pub fn succeeded_by(&self, settings: Settings) -> Self {
        let memory = match self.settings.sdk_app_id == settings.sdk_app_id {
            true => Arc::clone(&self.memory),
            false => Arc::default(),
        };
        Self { settings, memory }
    }

    /// The largest body in bytes.
    pub fn max_body(&self) -> usize {
        self.settings.max_body
    }

    /// Judges the query (without `?`) of a request that came at `now`.
    pub fn announce(&self, query: Option<&str>, now: UnixTime) -> Result<Announced, WebhookError> {
        let text = query.unwrap_or_default();
        let query = Query::parse(text)?;
        if query.sdk_app_id != u64::from(self.settings.sdk_app_id.get()) {
            return Err(WebhookError::OtherApp);
        }
        self.check_time(query.request_time, now)?;
        if !self.settings.tokens.signed(&query.sign, query.request_time) {
            return Err(WebhookError::SignInvalid);
        }
        Ok(Announced {
            query: QueryDigest::of(text),
            command: query.command,
            time: query.request_time,
        })
    }

    /// Judges the whole body of an announced webhook, at the moment `now` when it is there: its time must count still. The
    /// delivery holds the place of the webhook in the memory, where an identical one meets it.
    pub fn receive(
        &self,
        announced: &Announced,
        body: &[u8],
        now: UnixTime,
    ) -> Result<Delivery, WebhookError> {
        if body.len() > self.settings.max_body {
            return Err(WebhookError::BodyTooLarge);
        }
        self.check_time(announced.time, now)?;
        let command = body::command_of(body).map_err(WebhookError::Body)?;
        if command.as_ref() != Some(&announced.command) {
            return Err(WebhookError::CommandDiffers);
        }
        let max_age = self.settings.max_age.as_secs();
        let forgotten = UnixTime::from_secs(now.as_secs().saturating_sub(max_age));
        let webhook = (announced.time, Fingerprint::of(&announced.query, body));
        self.memory
            .begin(webhook, forgotten, self.settings.replay_capacity)
    }

    fn check_time(&self, time: UnixTime, now: UnixTime) -> Result<(), WebhookError> {
        let max_age = self.settings.max_age;
        if now.saturating_since(time) > max_age {
            return Err(WebhookError::Stale);
        }
        match time.saturating_since(now) > max_age {
            true => Err(WebhookError::Ahead),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
