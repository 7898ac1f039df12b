//! `POST /v4/<service>/<command>`: the REST API as far as this program uses it, for administrators only.
//!
//! Credentials stand in the query, as in Chat. A kick voids every UserSig of a user that is dated in its second or before.

use bytes::Bytes;
use http::Request;
use serde::Serialize;
use serde_json::Value;

use super::credentials::Credentials;
use super::failure::Failure;
use super::{MAX_BODY_BYTES, Sandbox};
use crate::identity::{ReservedNames, UserId};
use crate::json;
use crate::time::UnixTime;

/// An answer without members of its own.
#[derive(Serialize)]
pub(super) struct Done {}

impl Sandbox {
    /// `im_open_login_svc/kick`: logs one user out everywhere.
    pub(super) fn kick(&self, request: &Request<Bytes>, now: UnixTime) -> Result<Done, Failure> {
        self.admit_admin(request.uri().query().unwrap_or_default(), now)?;
        if request.body().len() > MAX_BODY_BYTES {
            return Err(Failure::BodyTooLong);
        }
        let members = json::parse_object(request.body())?;
        let user = match members.get("UserID") {
            Some(Value::String(text)) => {
                UserId::parse(text, &ReservedNames::default()).map_err(Failure::UserId)?
            }
            Some(_) => return Err(Failure::UserIdNotText),
            None => return Err(Failure::UserIdMissing),
        };
        self.kicked.lock().insert(user, now);
        Ok(Done {})
    }

    fn admit_admin(&self, query: &str, now: UnixTime) -> Result<(), Failure> {
        let value = |name| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .filter(|(found, _)| *found == name)
                .map(|(_, value)| value)
                .next()
        };
        let sdk_app_id = value("sdkappid").ok_or(Failure::SdkAppIdMissing)?;
        let account = self.admit(
            &Credentials {
                user_id: value("identifier").ok_or(Failure::UserIdMissing)?,
                sdk_app_id: sdk_app_id.parse().map_err(|_| Failure::SdkAppIdNotNumber)?,
                user_sig: value("usersig").ok_or(Failure::UserSigEmpty)?,
            },
            now,
        )?;
        match self.admin.as_deref() == Some(account.user_id.as_str()) {
            true => Ok(()),
            false => Err(Failure::NotAdmin),
        }
    }
}

#[cfg(test)]
mod tests;
