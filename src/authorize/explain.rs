//! The walk for whoever asks what would become of a request, and why: its own stages, up to where a UserSig is issued.
//!
//! The verdict is that of the walk, since every stage here is the walk's own function; what stands beside it (the routes that
//! match, the one that comes nearest) says why and decides nothing. A session can be presumed from claims alone. It is
//! never given a UserSig, here or elsewhere, because no signature stands behind it.

use std::sync::Arc;

use http::Method;

use super::caller::{Wanted, needed, not_issued};
use super::passage::{Passage, is_our_own, preflight_for};
use super::{AnswerRule, Authorizer, Parts, Refusal, RestCall, Target};
use crate::identity::UserId;
use crate::json::Object;
use crate::policy::{Access, CanonicalPath, HostName, NearMiss, Route};
use crate::rejection::Rejection;
use crate::rest_api::catalog::CommandName;
use crate::time::UnixTime;
use crate::token::extract::{Carrier, Extracted};
use crate::token::verify::SessionClaims;
use crate::usersig::cache::Prospect;
use crate::webhook::Announced;

/// What is believed of the token that a request carries.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// What it proves, as in the walk.
    Token,
    /// That it says this and has verified, whatever it is.
    Presumed(Object),
}

/// What was found out about a request, as far as the walk came.
#[derive(Debug, Default)]
pub struct Explanation<'s> {
    /// The host, where it is one.
    pub host: Option<HostName>,
    /// The path, where it reads the same to everybody.
    pub path: Option<CanonicalPath>,
    /// Whether the path is the proxy's own.
    pub is_ours: bool,
    /// The method that a CORS preflight asks about, where the request is one.
    pub preflight: Option<Method>,
    /// The routes whose host and path match, the most specific first.
    pub matching: Vec<&'s Route>,
    /// Where none matches, the one that comes nearest.
    pub nearest: Option<NearMiss<'s>>,
    /// The way that the request would go.
    pub way: Option<Way>,
    /// How the session token came, where there is one and the route looks for it.
    pub carrier: Option<Carrier>,
    /// The session.
    pub session: Option<SessionClaims>,
    /// Whose it is.
    pub user_id: Option<UserId>,
    /// The UserSig that would be issued if none were in the cache.
    pub prospect: Option<Prospect>,
    /// The webhook whose body is to be judged yet.
    pub announced: Option<Arc<Announced>>,
    /// The call of the REST API that a policy is to judge yet.
    pub rest_call: Option<RestCall>,
    /// Why the walk ended before its last stage.
    pub refusal: Option<Refusal>,
}

/// The way of a request through the proxy.
#[derive(Clone, Debug)]
pub struct Way {
    /// The route's label.
    pub route: Arc<str>,
    /// Who may pass.
    pub access: Access,
    /// Where it goes.
    pub target: Target,
    /// What happens to the app's answer.
    pub answer: Option<Arc<AnswerRule>>,
    /// What is called of the REST API.
    pub command: Option<CommandName>,
    /// Whether the caller is handed a UserSig.
    pub hands_out: bool,
}

impl Authorizer {
    /// Explains a request at the moment `now`. Nothing is issued; but where a UserSig is wanted this counts as a login or
    /// renewal like any other, so ask an authorizer that nobody is served by.
    pub fn explain(&self, parts: &Parts<'_>, evidence: Evidence, now: UnixTime) -> Explanation<'_> {
        let mut found = Explanation::default();
        found.refusal = self.explore(parts, evidence, now, &mut found).err();
        found
    }

    /// The stages of [`authorize`](Self::authorize), each noted with what it made.
    fn explore<'s>(
        &'s self,
        parts: &Parts<'_>,
        evidence: Evidence,
        now: UnixTime,
        found: &mut Explanation<'s>,
    ) -> Result<(), Refusal> {
        let path = CanonicalPath::parse(parts.path, self.settings.tolerance)
            .map_err(Rejection::PathAmbiguous)?;
        self.look_around(parts, &path, found);
        let passage = Passage::find(&self.settings, parts, &path)?;
        found.way = Some(Way::of(&passage));
        self.explore_caller(parts, &passage, (evidence, now), found)
            .map_err(|rejection| Refusal {
                route: Some(passage.route.clone()),
                ..Refusal::from(rejection)
            })
    }

    /// What of the routes is worth telling.
    fn look_around<'s>(
        &'s self,
        parts: &Parts<'_>,
        path: &CanonicalPath,
        found: &mut Explanation<'s>,
    ) {
        let settings = &self.settings;
        let host = parts.host.map(HostName::from_authority);
        found.host = host.and_then(Result::ok);
        found.is_ours = is_our_own(settings, path);
        if !found.is_ours {
            found.preflight = preflight_for(settings, parts);
            found.matching = settings.routes.matching(found.host.as_ref(), path);
        }
        if !found.is_ours && found.matching.is_empty() {
            found.nearest = settings.routes.nearest(found.host.as_ref(), path);
        }
        found.path = Some(path.clone());
    }

    fn explore_caller(
        &self,
        parts: &Parts<'_>,
        passage: &Passage,
        (evidence, now): (Evidence, UnixTime),
        found: &mut Explanation<'_>,
    ) -> Result<(), Rejection> {
        if passage.access == Access::Webhook {
            found.announced = self.announce(parts, now)?.webhook;
            return Ok(());
        }
        let find = || {
            let extracted = self.extract(parts)?;
            found.carrier = extracted.as_ref().map(|extracted| extracted.carrier);
            Ok(extracted)
        };
        let Some(Extracted { token, .. }) = needed(&self.settings, parts, passage, find)? else {
            return Ok(());
        };
        let verifier = self.verifier.load();
        let (token, session) = match evidence {
            Evidence::Token => (Some(&token), verifier.verify(&token, now)),
            Evidence::Presumed(claims) => (None, verifier.presume(claims, now)),
        };
        let session = found.session.insert(session.map_err(Rejection::Token)?);
        let user_id = found.user_id.insert(self.map(session)?);
        let admitted = self.admit(token, session, user_id, (passage.wanted(), now))?;
        if let Some(generation) = admitted.generation {
            let lifetime = self.settings.issuer.lifetime();
            let prospect = self
                .cache
                .prospect(lifetime, generation, admitted.session_end, now);
            found.prospect = Some(prospect.map_err(not_issued)?);
        }
        if let Some((command, routes)) =
            passage.command.clone().zip(self.settings.rest_api.as_ref())
        {
            let rules = self.rules_for(session)?;
            found.rest_call = Some(RestCall::new(command, routes, session, rules));
        }
        Ok(())
    }
}

impl Way {
    fn of(passage: &Passage) -> Self {
        Self {
            route: passage.route.clone(),
            access: passage.access,
            target: passage.target,
            answer: passage.answer.clone(),
            command: passage.command.clone(),
            hands_out: passage.wanted() != Wanted::Nothing,
        }
    }
}
