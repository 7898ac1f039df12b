//! Stages 3 to 7: whose request it is.
//!
//! Each stage takes what the one before it made: the token that was found, its verified claims, the UserID that they map to,
//! and the UserSig of that user. A session that has ended is refused before it gets one.

use std::sync::Arc;

use super::passage::Passage;
use super::rest_call::refuse_cross_site;
use super::{Authorizer, Caller, ClaimRules, EndingSession, Login, Parts, RestCall, User};
use crate::identity::UserId;
use crate::policy::Access;
use crate::rejection::Rejection;
use crate::state::{Generation, RenewError, Session};
use crate::time::UnixTime;
use crate::token::extract::{ExtractError, Extracted};
use crate::token::keys::trust::Trust;
use crate::token::verify::SessionClaims;
use crate::token::{BearerToken, TokenError};
use crate::usersig::cache::{LookupError, Signing};

/// What stages 3 to 7 find out.
pub(super) struct Found {
    pub(super) caller: Caller,
    /// The session that the app may end with its answer.
    pub(super) ending: Option<Arc<EndingSession>>,
    pub(super) rest_call: Option<Arc<RestCall>>,
}

impl Found {
    fn nobody() -> Self {
        Self {
            caller: Caller::Anonymous,
            ending: None,
            rest_call: None,
        }
    }
}

impl Authorizer {
    /// Whose request it is, and what else its session is needed for.
    pub(super) fn find_caller(
        &self,
        parts: &Parts<'_>,
        passage: &Passage,
        now: UnixTime,
    ) -> Result<Found, Rejection> {
        let extracted = match passage.access {
            Access::Deny => return Err(Rejection::RouteNotFound),
            Access::Public => None,
            Access::Optional => self.extract(parts)?,
            Access::Session => Some(self.extract(parts)?.ok_or(Rejection::TokenMissing)?),
        };
        let Some(Extracted { token, carrier }) = extracted else {
            return Ok(Found::nobody());
        };
        if passage.command.is_some() {
            refuse_cross_site(parts, carrier)?;
        }
        let (user, claims) = self.identify(&token, passage.wanted(), now)?;
        let user_id = user.user_id;
        let rest_call = passage.command.clone().zip(self.settings.rest_api.as_ref());
        let rest_call = rest_call.map(|(command, routes)| RestCall::new(command, routes, &claims));
        let ending = passage.ends_session().then(|| EndingSession {
            token,
            claims,
            user_id,
        });
        Ok(Found {
            caller: Caller::User(user),
            ending: ending.map(Arc::new),
            rest_call: rest_call.map(Arc::new),
        })
    }

    pub(super) fn extract(&self, parts: &Parts<'_>) -> Result<Option<Extracted>, Rejection> {
        let extracted = self
            .settings
            .sources
            .extract(parts.headers, parts.query, parts.websocket);
        match extracted {
            Ok(found) => Ok(found),
            Err(ExtractError::Conflict) => Err(Rejection::TokenConflict),
            Err(ExtractError::Invalid(error)) => Err(Rejection::Token(error)),
        }
    }

    /// Stages 4 to 7 for the token of a session that the app's answer begins, which waits for nothing.
    pub fn log_in(&self, token: &BearerToken, now: UnixTime) -> Result<User, Rejection> {
        let (user, _) = self.identify(token, Wanted::LoginNow, now)?;
        Ok(user)
    }

    pub(super) fn identify(
        &self,
        token: &BearerToken,
        wanted: Wanted,
        now: UnixTime,
    ) -> Result<(User, SessionClaims), Rejection> {
        let verifier = self.verifier.load();
        let session = verifier
            .verify(token, now)
            .map_err(|error: TokenError| Rejection::Token(error))?;
        let rules = self.rules_for(&session)?;
        if rules.unmet(session.claims()).is_some() {
            return Err(Rejection::AccessDenied);
        }
        let user_id = rules
            .identity
            .map(session.claims())
            .map_err(Rejection::UserNotMapped)?;
        let session_end = self.settings.cap_to_session.then(|| session.expires_at());
        if wanted != Wanted::Nothing && session_end.is_some_and(|end| end <= now) {
            // Within the leeway: a session still, but no UserSig may outlive it. Found out before a renewal counts.
            return Err(Rejection::Token(TokenError::Expired));
        }
        let generation = self.generation(&Session::new(token, &session, &user_id), wanted, now)?;
        let login = generation
            .map(|generation| {
                let signing = Signing {
                    issuer: &self.settings.issuer,
                    key_version: self.key_version,
                    generation,
                    session_end,
                    trust: Trust {
                        key: session.key(),
                        keys: verifier.trusted(),
                    },
                };
                self.login(&user_id, &signing, now)
            })
            .transpose()?;
        let user = User {
            user_id,
            algorithm: session.algorithm(),
            login,
        };
        Ok((user, session))
    }

    fn rules_for(&self, session: &SessionClaims) -> Result<&ClaimRules, Rejection> {
        let rules = self.settings.claim_rules.get(session.issuer());
        rules.ok_or(Rejection::Internal)
    }

    /// Whether the session still is one, and which UserSigs it may be given, when it wants any.
    fn generation(
        &self,
        session: &Session<'_>,
        wanted: Wanted,
        now: UnixTime,
    ) -> Result<Option<Generation>, Rejection> {
        let generation = match wanted {
            Wanted::Nothing => self.state.admit(session).map(|()| None),
            Wanted::Login => self.state.generation(session, now).map(Some),
            Wanted::LoginNow => self.state.generation_past_kick(session, now).map(Some),
            Wanted::Renewal => match self.state.renew(session, now) {
                Ok(generation) => Ok(Some(generation)),
                Err(RenewError::Denied(denied)) => Err(denied),
                Err(RenewError::TooSoon { retry_after }) => {
                    return Err(Rejection::RenewedTooSoon { retry_after });
                }
                Err(RenewError::TooEarly { retry_after }) => {
                    return Err(Rejection::UserSigTooEarly { retry_after });
                }
            },
        };
        generation.map_err(Rejection::SessionDenied)
    }

    fn login(
        &self,
        user_id: &UserId,
        signing: &Signing<'_>,
        now: UnixTime,
    ) -> Result<Login, Rejection> {
        let looked_up = self.cache.get_or_issue(user_id, signing, now);
        let (issued, lookup) = looked_up.map_err(|error| match error {
            LookupError::TooEarly { retry_after } => Rejection::UserSigTooEarly { retry_after },
            LookupError::SessionEnds => Rejection::Token(TokenError::Expired),
            LookupError::Issue(_) => Rejection::Internal,
        })?;
        Ok(Login {
            sdk_app_id: signing.issuer.sdk_app_id(),
            refresh_after: self.cache.refresh_after(&issued, signing, now),
            issued,
            lookup,
        })
    }
}

/// What a verified session is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// To pass.
    Nothing,
    /// To be given a UserSig.
    Login,
    /// To be given one without waiting for a kick that is under way.
    LoginNow,
    /// To be given a new UserSig in place of the old ones.
    Renewal,
}
