//! Who a request says it comes from, and whether its UserSig proves it.
//!
//! A login carries the three values as JSON members; [`Sandbox::admit`] does not care where they stood.

use super::Sandbox;
use super::failure::Failure;
use super::query::Query;
use super::state::State;
use crate::identity::{ReservedNames, UserId};
use crate::time::UnixTime;
use crate::usersig::decode::{Decoded, VerifyError};
use crate::usersig::ring::KeyState;

/// The claim to be a user of an application. Nothing in it is believed until [`Sandbox::admit`] has passed.
pub(super) struct Credentials<'a> {
    pub(super) user_id: &'a str,
    pub(super) sdk_app_id: u32,
    pub(super) user_sig: &'a str,
}

/// A user whose UserSig was verified.
pub(super) struct Admitted {
    pub(super) user_id: UserId,
    /// The last second in which the UserSig is valid.
    pub(super) expires_at: UnixTime,
    /// The name of the key that signed it, where keys have names.
    pub(super) key_id: Option<String>,
}

impl Sandbox {
    /// Verifies a UserSig for the user and the application that the request names.
    ///
    /// Like the official verifiers it first compares what the request and the UserSig name, so that a mix-up of users or
    /// applications is reported as such and not as a wrong key. Only a good signature admits.
    pub(super) fn admit(
        &self,
        state: &mut State,
        credentials: &Credentials<'_>,
        now: UnixTime,
    ) -> Result<Admitted, Failure> {
        // Administrators log in to Chat like anybody else, so no name is reserved here.
        let user_id = UserId::parse(credentials.user_id, &ReservedNames::default())
            .map_err(Failure::UserId)?;
        if credentials.sdk_app_id != self.sdk_app_id.get() {
            return Err(Failure::SdkAppIdUnknown);
        }
        if credentials.user_sig.is_empty() {
            return Err(Failure::UserSigEmpty);
        }
        if state.attempts.is_locked(&user_id, now) {
            return Err(Failure::LockedOut);
        }
        let decoded = Decoded::parse(credentials.user_sig).map_err(Failure::UserSigIllegal)?;
        let verified = self.verify(&decoded, &user_id, now);
        if let Err(Failure::WrongKey | Failure::RetiredKey) = verified {
            state.attempts.count(user_id, now);
        }
        let key_id = verified?;
        state.attempts.clear(&user_id);
        let kicked_at = state.chat.kicked_at(&user_id);
        if kicked_at.is_some_and(|kicked_at| u64::from(decoded.time) <= kicked_at.as_secs()) {
            return Err(Failure::Voided);
        }
        // Chat documents that one without a lifetime is refused from the start, its first second included.
        if decoded.expire == 0 {
            return Err(Failure::Expired);
        }
        Ok(Admitted {
            user_id,
            expires_at: decoded.expires_at(),
            key_id,
        })
    }

    fn verify(
        &self,
        decoded: &Decoded,
        user_id: &UserId,
        now: UnixTime,
    ) -> Result<Option<String>, Failure> {
        if decoded.sdk_app_id != self.sdk_app_id.get() {
            return Err(Failure::SdkAppIdMismatch);
        }
        if decoded.identifier != user_id.as_str() {
            return Err(Failure::UserIdMismatch);
        }
        let (key, state) = self.keys.signer_of(decoded).ok_or(Failure::WrongKey)?;
        if state == KeyState::Retired {
            return Err(Failure::RetiredKey);
        }
        decoded.check_life(now)?;
        if decoded.userbuf.is_some() {
            return Err(Failure::UserSigHasUserbuf);
        }
        Ok(key.id.clone())
    }

    /// The administrator that the query of a REST call names and proves.
    pub(super) fn admit_admin(
        &self,
        state: &mut State,
        query: &Query,
        now: UnixTime,
    ) -> Result<UserId, Failure> {
        let sdk_app_id = query
            .sdk_app_id
            .as_deref()
            .ok_or(Failure::SdkAppIdMissing)?;
        let credentials = Credentials {
            user_id: query.identifier.as_deref().ok_or(Failure::UserIdMissing)?,
            sdk_app_id: sdk_app_id.parse().map_err(|_| Failure::SdkAppIdNotNumber)?,
            user_sig: query.user_sig.as_deref().ok_or(Failure::UserSigEmpty)?,
        };
        let admitted = self.admit(state, &credentials, now)?;
        match self.admin.as_deref() == Some(admitted.user_id.as_str()) {
            true => Ok(admitted.user_id),
            false => Err(Failure::NotAdmin),
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Signature => Self::WrongKey,
            VerifyError::Expired => Self::Expired,
            VerifyError::NotYetValid => Self::NotYetValid,
        }
    }
}
