//! `POST /sandbox/login`: what a Chat SDK does at login, as one JSON call.
//!
//! The SDK's own protocol is not public. The members have the names of its login options: `UserID`, `UserSig`, `SDKAppID`.
//! Unknown members are ignored, as Chat's REST API does. The first login of a user creates the account, as in Chat, and who
//! is logged in is online until the UserSig expires or the user is kicked.

use serde::Serialize;
use serde_json::Value;

use super::credentials::Credentials;
use super::failure::Failure;
use super::state::State;
use super::{MAX_BODY_BYTES, Sandbox};
use crate::json::{self, Object};
use crate::time::UnixTime;

/// What a client learns from its login.
#[derive(Serialize)]
pub(super) struct LoggedIn {
    #[serde(rename = "UserID")]
    user_id: String,
    /// Unix seconds; the last second in which the UserSig is valid.
    #[serde(rename = "ExpiresAt")]
    expires_at: u64,
    /// Which key signed the UserSig, where keys have names.
    #[serde(rename = "KeyID", skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
}

impl Sandbox {
    pub(super) fn login(
        &self,
        state: &mut State,
        body: &[u8],
        now: UnixTime,
    ) -> Result<LoggedIn, Failure> {
        if body.len() > MAX_BODY_BYTES {
            return Err(Failure::BodyTooLong);
        }
        let members = json::parse_object(body)?;
        let account = self.admit(state, &credentials(&members)?, now)?;
        state.chat.log_in(account.user_id, account.expires_at)?;
        Ok(LoggedIn {
            user_id: account.user_id.to_string(),
            expires_at: account.expires_at.as_secs(),
            key_id: account.key_id,
        })
    }
}

pub(super) fn credentials(members: &Object) -> Result<Credentials<'_>, Failure> {
    Ok(Credentials {
        user_id: user_id(members)?,
        sdk_app_id: sdk_app_id(members)?,
        user_sig: user_sig(members)?,
    })
}

fn user_id(members: &Object) -> Result<&str, Failure> {
    match members.get("UserID") {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Failure::UserIdNotText),
        None => Err(Failure::UserIdMissing),
    }
}

fn sdk_app_id(members: &Object) -> Result<u32, Failure> {
    members
        .get("SDKAppID")
        .ok_or(Failure::SdkAppIdMissing)?
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .ok_or(Failure::SdkAppIdNotNumber)
}

fn user_sig(members: &Object) -> Result<&str, Failure> {
    match members.get("UserSig") {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Failure::UserSigNotText),
        None => Err(Failure::UserSigEmpty),
    }
}
