//! `POST /sandbox/send` and `POST /sandbox/events`: what a Chat SDK does once it has logged in, as JSON over HTTP.
//!
//! The SDK's own protocol is not public. Both take the members of a login beside their own. A message goes out in the name of
//! the user who sends it, and the events have the names that the SDK gives them: `SDK_READY`, `MESSAGE_RECEIVED` (the newest
//! messages first, then each one as it comes, also what the user sends elsewhere), `KICKED_OUT`. One line of JSON each.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::Reply;
use super::failure::Failure;
use super::login;
use super::rest;
use super::state::State;
use super::{MAX_BODY_BYTES, Sandbox};
use crate::identity::UserId;
use crate::json;
use crate::time::UnixTime;

/// A user who hears what comes, until the login ends.
#[derive(Debug)]
pub struct Listener {
    sandbox: Sandbox,
    user: UserId,
    expires_at: UnixTime,
    kicked_at: Option<UnixTime>,
    /// The number of the last message that was told.
    told: u64,
    last_line_at: UnixTime,
    is_new: bool,
}

/// What a listener hears at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// These lines.
    Lines(Bytes),
    /// Nothing new.
    Nothing,
    /// The last line: the login has ended.
    End(Bytes),
}

impl Sandbox {
    /// Sends a message to one account.
    pub(super) fn send(
        &self,
        state: &mut State,
        body: &[u8],
        now: UnixTime,
    ) -> Result<Reply, Failure> {
        if body.len() > MAX_BODY_BYTES {
            return Err(Failure::BodyTooLong);
        }
        let members = json::parse_object(body)?;
        let sender = self.admit(state, &login::credentials(&members)?, now)?;
        let sdk_app_id = self.sdk_app_id.get();
        rest::send_in_own_name(&mut state.chat, &members, (sender.user_id, sdk_app_id), now)
    }

    /// A listener for the user who asks.
    pub(super) fn listen(
        &self,
        state: &mut State,
        body: &[u8],
        now: UnixTime,
    ) -> Result<Listener, Failure> {
        if body.len() > MAX_BODY_BYTES {
            return Err(Failure::BodyTooLong);
        }
        let members = json::parse_object(body)?;
        let account = self.admit(state, &login::credentials(&members)?, now)?;
        state.chat.log_in(account.user_id, account.expires_at)?;
        Ok(Listener {
            sandbox: self.clone(),
            user: account.user_id,
            expires_at: account.expires_at,
            kicked_at: state.chat.kicked_at(&account.user_id),
            told: 0,
            last_line_at: now,
            is_new: true,
        })
    }
}

impl Listener {
    /// What there is to hear at `now`. Nothing for a while is an empty line, so that a connection shows that it stands.
    pub fn hear(&mut self, now: UnixTime) -> Heard {
        let shared = self.sandbox.clone();
        let state = shared.state.lock();
        let is_there = state.chat.accounts.contains_key(&self.user);
        if !is_there || state.chat.kicked_at(&self.user) != self.kicked_at {
            return end(&json!({ "Event": "KICKED_OUT", "ErrorCode": Failure::Voided.code() }));
        }
        if now > self.expires_at {
            return end(&json!({ "Event": "KICKED_OUT", "ErrorCode": Failure::Expired.code() }));
        }
        let mut lines = String::new();
        if std::mem::take(&mut self.is_new) {
            let expires_at = self.expires_at.as_secs();
            let user = self.user.to_string();
            lines +=
                &line(&json!({ "Event": "SDK_READY", "UserID": user, "ExpiresAt": expires_at }));
        }
        for message in state
            .chat
            .archive
            .heard_by(self.user, self.told, MAX_AT_ONCE)
        {
            let message = rest::one_to_one(message);
            lines += &line(&json!({ "Event": "MESSAGE_RECEIVED", "Message": message }));
        }
        self.told = state.chat.archive.pushed();
        if lines.is_empty() && now.saturating_since(self.last_line_at) >= QUIET {
            lines.push('\n');
        }
        match lines.is_empty() {
            true => Heard::Nothing,
            false => {
                self.last_line_at = now;
                Heard::Lines(lines.into())
            }
        }
    }
}

fn end(event: &Value) -> Heard {
    Heard::End(line(event).into())
}

fn line(event: &Value) -> String {
    format!("{event}\n")
}

/// How many messages a listener is told at once; the newest.
const MAX_AT_ONCE: usize = 50;
const QUIET: Duration = Duration::from_secs(10);
