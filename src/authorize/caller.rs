//! Stages 3 to 7: whose request it is.
//!
//! Each stage takes what the one before it made: the token that was found, its verified claims, the UserID that they map to,
//! and the UserSig of that user. A session that has ended is refused before it gets one.

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::Guard;
use http::Method;

use super::cross_site::refuse_cross_site;
use super::memory::{Edition, Known, TokenDigest};
use super::passage::Passage;
use super::{
    Authorizer, Caller, ClaimRules, EndingSession, Login, Parts, RestCall, Settings, User,
};
use crate::identity::UserId;
use crate::policy::Access;
use crate::profile::Profile;
use crate::rejection::Rejection;
use crate::state::{Generation, RenewError, Session};
use crate::time::UnixTime;
use crate::token::extract::{ExtractError, Extracted};
use crate::token::keys::trust::Trust;
use crate::token::verify::{Proof, SessionClaims, VerifiedToken, Verifier};
use crate::token::{BearerToken, TokenError};
use crate::usersig::cache::{Lookup, LookupError, Signing};
use crate::webhook::Announced;

/// What stages 3 to 7 find out.
pub(super) struct Found {
    pub(super) caller: Caller,
    /// The session that the app may end with its answer.
    pub(super) ending: Option<Arc<EndingSession>>,
    pub(super) rest_call: Option<Arc<RestCall>>,
    pub(super) webhook: Option<Arc<Announced>>,
}

impl Found {
    fn nobody() -> Self {
        Self {
            caller: Caller::Anonymous,
            ending: None,
            rest_call: None,
            webhook: None,
        }
    }
}

/// Why there is no caller, and what is known of its call of the REST API by then.
pub(super) struct TurnedAway {
    pub(super) rejection: Rejection,
    pub(super) rest_call: Option<Arc<RestCall>>,
}

impl From<Rejection> for TurnedAway {
    fn from(rejection: Rejection) -> Self {
        Self {
            rejection,
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
    ) -> Result<Found, TurnedAway> {
        if passage.access == Access::Webhook {
            return Ok(self.announce(parts, now)?);
        }
        let find = || self.extract(parts);
        let Some(Extracted { token, .. }) = needed(&self.settings, parts, passage, find)? else {
            return Ok(Found::nobody());
        };
        let judged = self.verify(&token, now).map_err(Rejection::Token)?;
        let rest_call = self.rest_call(passage, &token, &judged)?;
        let user = self.user_of(&token, &judged, passage.wanted(), now);
        let user = user.map_err(|rejection| TurnedAway {
            rejection,
            rest_call: rest_call.clone(),
        })?;
        let ending = passage.ends_session().then(|| EndingSession {
            token,
            verified: Arc::clone(judged.verified()),
            user_id: user.user_id,
        });
        Ok(Found {
            caller: Caller::User(user),
            ending: ending.map(Arc::new),
            rest_call,
            webhook: None,
        })
    }

    /// What stands in the place of stages 3 to 7 on a webhook's route. Chat posts; whatever else an app may take for a post
    /// on that path is refused with it.
    pub(super) fn announce(&self, parts: &Parts<'_>, now: UnixTime) -> Result<Found, Rejection> {
        if parts.method != Method::POST {
            let allow = Method::POST.to_string();
            return Err(Rejection::MethodNotAllowed { allow });
        }
        let webhooks = self.webhooks.as_ref().ok_or(Rejection::Internal)?;
        let announced = webhooks.announce(parts.query, now);
        Ok(Found {
            webhook: Some(Arc::new(announced.map_err(Rejection::Webhook)?)),
            ..Found::nobody()
        })
    }

    /// What a verified session says of the call that a request makes, if it makes one.
    fn rest_call(
        &self,
        passage: &Passage,
        token: &BearerToken,
        judged: &Judged,
    ) -> Result<Option<Arc<RestCall>>, Rejection> {
        let routes = self.settings.rest_api.as_ref();
        let Some((command, routes)) = passage.command.as_ref().zip(routes) else {
            return Ok(None);
        };
        let claims = judged.claims(token).map_err(Rejection::Token)?;
        let rules = self.rules_for(&claims)?;
        let call = RestCall::new(command.clone(), routes, &claims, rules);
        Ok(Some(Arc::new(call)))
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
        let judged = self.verify(token, now).map_err(Rejection::Token)?;
        self.user_of(token, &judged, Wanted::LoginNow, now)
    }

    /// Stage 4. A token that was good before is good still, but for what the time has changed.
    pub(super) fn verify(&self, token: &BearerToken, now: UnixTime) -> Result<Judged, TokenError> {
        let verifier = self.verifier.load();
        let edition = Edition {
            authorizer: self.number,
            verifier: verifier.version(),
        };
        let digest = TokenDigest::of(token);
        let verdict = match self.memory.find(&digest, edition) {
            Some(known) => {
                verifier.recheck(&known.verified, now)?;
                Verdict::Known(known)
            }
            None => Verdict::New {
                claims: verifier.verify(token, now)?,
                digest,
                edition,
            },
        };
        Ok(Judged { verdict, verifier })
    }

    /// Stages 5 and 6: whether the claims are those of a session, and whose it is.
    pub(super) fn map(&self, session: &SessionClaims) -> Result<UserId, Rejection> {
        let rules = self.rules_for(session)?;
        if rules.unmet(session.claims()).is_some() {
            return Err(Rejection::AccessDenied);
        }
        let user_id = rules.identity.map(session.claims());
        user_id.map_err(Rejection::UserNotMapped)
    }

    /// Stages 5 and 6 for a token, which is remembered when it passes them.
    pub(super) fn user_id_of(&self, judged: &Judged) -> Result<UserId, Rejection> {
        match &judged.verdict {
            Verdict::Known(known) => Ok(known.user_id),
            Verdict::New {
                claims,
                digest,
                edition,
            } => {
                let user_id = self.map(claims)?;
                let known = Known {
                    verified: Arc::clone(claims.token()),
                    user_id,
                    edition: *edition,
                };
                self.memory.insert(*digest, known);
                Ok(user_id)
            }
        }
    }

    /// Stages 5 to 7 for a verified token.
    fn user_of(
        &self,
        token: &BearerToken,
        judged: &Judged,
        wanted: Wanted,
        now: UnixTime,
    ) -> Result<User, Rejection> {
        let verified = judged.verified();
        // Without a signature nobody is given a UserSig.
        let Proof { algorithm, key } = verified.proof().ok_or(Rejection::Internal)?;
        let user_id = self.user_id_of(judged)?;
        let admitted = self.admit(Some(token), verified, &user_id, (wanted, now))?;
        let trust = Trust {
            key,
            keys: judged.verifier.trusted(),
        };
        let login = self.login(&user_id, &admitted, trust, now)?;
        let profile = login
            .as_ref()
            .and_then(|login| self.profile(user_id, login, || judged.claims(token).ok()));
        Ok(User {
            user_id,
            algorithm,
            remembered: matches!(judged.verdict, Verdict::Known(_)),
            login,
            profile: profile.map(Arc::new),
        })
    }

    /// Whether a session of this user has not ended, and which UserSigs it may be given. Without the token, one that was denied
    /// by its text is not found out.
    pub(super) fn admit(
        &self,
        token: Option<&BearerToken>,
        verified: &VerifiedToken,
        user_id: &UserId,
        (wanted, now): (Wanted, UnixTime),
    ) -> Result<Admitted, Rejection> {
        let session_end = self.settings.cap_to_session.then(|| verified.expires_at());
        if wanted != Wanted::Nothing && session_end.is_some_and(|end| end <= now) {
            // Within the leeway: a session still, but no UserSig may outlive it. Found out before a renewal counts.
            return Err(Rejection::Token(TokenError::Expired));
        }
        let session = match token {
            Some(token) => Session::new(token, verified, user_id),
            None => Session::without_token(verified, user_id),
        };
        Ok(Admitted {
            generation: self.generation(&session, wanted, now)?,
            session_end,
        })
    }

    pub(super) fn rules_for(&self, session: &SessionClaims) -> Result<&ClaimRules, Rejection> {
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

    /// The UserSig of an admitted session, if it may be given one.
    fn login(
        &self,
        user_id: &UserId,
        admitted: &Admitted,
        trust: Trust<'_>,
        now: UnixTime,
    ) -> Result<Option<Login>, Rejection> {
        let Some(generation) = admitted.generation else {
            return Ok(None);
        };
        let signing = Signing {
            issuer: &self.settings.issuer,
            key_version: self.key_version,
            generation,
            session_end: admitted.session_end,
            trust,
        };
        let looked_up = self.cache.get_or_issue(user_id, &signing, now);
        let (issued, lookup) = looked_up.map_err(not_issued)?;
        Ok(Some(Login {
            sdk_app_id: signing.issuer.sdk_app_id(),
            refresh_after: self.cache.refresh_after(&issued, &signing, now),
            issued,
            lookup,
        }))
    }

    /// What Chat is to know of a user, where the settings say so and a UserSig was issued: claims that a cached one was issued
    /// for are not read again. Those of a late request may be older than what Chat knows.
    fn profile<'c>(
        &self,
        user_id: UserId,
        login: &Login,
        claims: impl FnOnce() -> Option<Cow<'c, SessionClaims>>,
    ) -> Option<Profile> {
        let places = self.settings.profile.as_ref()?;
        match login.lookup {
            Lookup::Hit | Lookup::Late => None,
            Lookup::Issued { .. } | Lookup::Renewed | Lookup::Superseded => {
                places.read(login.sdk_app_id, user_id, claims()?.claims())
            }
        }
    }
}

/// A verified token, and the verifier that said so.
pub(super) struct Judged {
    verdict: Verdict,
    verifier: Guard<Arc<Verifier>>,
}

/// What is known of a verified token.
enum Verdict {
    /// All that was found out when it came first.
    Known(Known),
    /// Its claims; whose it is was not asked yet.
    New {
        claims: SessionClaims,
        digest: TokenDigest,
        edition: Edition,
    },
}

impl Judged {
    pub(super) fn verified(&self) -> &Arc<VerifiedToken> {
        match &self.verdict {
            Verdict::Known(known) => &known.verified,
            Verdict::New { claims, .. } => claims.token(),
        }
    }

    /// The claims of the token, read again where the token was known.
    fn claims(&self, token: &BearerToken) -> Result<Cow<'_, SessionClaims>, TokenError> {
        match &self.verdict {
            Verdict::Known(known) => {
                let again = self.verifier.read_again(token, &known.verified);
                again.map(Cow::Owned)
            }
            Verdict::New { claims, .. } => Ok(Cow::Borrowed(claims)),
        }
    }
}

/// What carries the session of a request, where its route looks for one; `find` looks.
pub(super) fn needed(
    settings: &Settings,
    parts: &Parts<'_>,
    passage: &Passage,
    find: impl FnOnce() -> Result<Option<Extracted>, Rejection>,
) -> Result<Option<Extracted>, Rejection> {
    let found = match passage.access {
        Access::Deny => return Err(Rejection::RouteNotFound),
        Access::Public | Access::Webhook => None,
        Access::Optional => find()?,
        Access::Session => Some(find()?.ok_or(Rejection::TokenMissing)?),
    };
    if let Some(Extracted { carrier, .. }) = found {
        refuse_cross_site(parts, carrier, passage.target, &settings.origins)?;
    }
    Ok(found)
}

/// What it means to a request that it gets no UserSig.
pub(super) fn not_issued(error: LookupError) -> Rejection {
    match error {
        LookupError::TooEarly { retry_after } => Rejection::UserSigTooEarly { retry_after },
        LookupError::SessionEnds => Rejection::Token(TokenError::Expired),
        LookupError::Issue(_) => Rejection::Internal,
    }
}

/// A session that is one.
pub(super) struct Admitted {
    /// Which UserSigs it may be given, when it wants any.
    pub(super) generation: Option<Generation>,
    /// The end of the session, where no UserSig may outlive it.
    pub(super) session_end: Option<UnixTime>,
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
