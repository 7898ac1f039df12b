//! The whole decision about a request, in request order. The page to read first.
//!
//! ```text
//! 1 canonical path         400 path_ambiguous
//! 2 route and method       404 route_not_found · 405 method_not_allowed
//! 3 extract token          401 token_missing · 400 token_conflict
//!   or check the query     400 webhook_query_invalid · 403 webhook_sign_invalid and its kin
//! 4 verify token           401 token_invalid · token_expired
//! 5 admit its claims       403 access_denied
//! 6 map subject → UserId   403 user_not_mapped
//! 7 get or issue UserSig
//! = Permit
//! ```
//!
//! Pure: no I/O, no clock. Each stage takes what the one before it made, so none can be skipped; a public route ends
//! after stage 2 because of its kind, never because a token is missing, and a webhook's after its query.

mod caller;
mod cross_site;
pub mod explain;
mod keys;
mod memory;
mod passage;
mod rest_call;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderName, Method};
use serde_json::Value;

use self::memory::{Edition, TokenMemory};
use self::passage::Passage;
pub use self::passage::{ENDPOINT_ROUTE, REST_ROUTE};
pub use self::rest_call::{CallPath, RestCall};
use crate::identity::{IdentityMap, UserId};
use crate::json::{JsonPointer, Object};
use crate::policy::{AllowedOrigins, CanonicalPath, RouteTable, Tolerance};
pub use crate::policy::{AnswerRule, Inject, SessionFromResponse};
use crate::profile::{Profile, ProfileClaims};
use crate::rejection::Rejection;
use crate::rest_api::address::Prefix;
use crate::rest_api::catalog::CommandName;
use crate::state::{Session, State};
use crate::time::UnixTime;
use crate::token::BearerToken;
use crate::token::extract::TokenSources;
use crate::token::keys::Algorithm;
use crate::token::verify::{VerifiedToken, Verifier};
use crate::usersig::cache::{KeyVersion, Lookup, UserSigCache};
use crate::usersig::{IssuedUserSig, Issuer, SdkAppId};
use crate::webhook::{self, Announced, Webhooks};

/// What is judged of a request.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host as the request names it, with or without port; `None` when an HTTP/1.0 request names none.
    pub host: Option<&'a str>,
    /// The path exactly as it will be forwarded, without the query.
    pub path: &'a [u8],
    /// The query without `?`; only a token of a WebSocket upgrade is ever read from it.
    pub query: Option<&'a str>,
    /// The header.
    pub headers: &'a HeaderMap,
    /// Whether this is a WebSocket upgrade.
    pub websocket: bool,
    /// Whether a body follows the header, or may follow.
    pub has_body: bool,
}

/// A request that may pass, and what it gets.
#[derive(Clone, Debug)]
pub struct Permit {
    /// The route's label for logs and metrics.
    pub route: Arc<str>,
    /// Where it goes.
    pub target: Target,
    /// Whose request it is.
    pub caller: Caller,
    /// What happens to the app's answer, if anything.
    pub answer: Option<Arc<AnswerRule>>,
    /// The caller's session, where the app's answer may end it.
    pub ending: Option<Arc<EndingSession>>,
    /// What is called of the REST API, if anything.
    pub rest_call: Option<Arc<RestCall>>,
    /// The webhook that it is, if it is one; its body is to be judged before it goes anywhere.
    pub webhook: Option<Arc<Announced>>,
}

/// A session that the app may end with its answer.
#[derive(Debug)]
pub struct EndingSession {
    token: BearerToken,
    verified: Arc<VerifiedToken>,
    user_id: UserId,
}

impl EndingSession {
    /// The session as the state knows it.
    pub fn session(&self) -> Session<'_> {
        Session::new(&self.token, &self.verified, &self.user_id)
    }
}

/// Where a permitted request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the upstream with this index, with this injected.
    Upstream {
        /// Index into the configured upstreams.
        upstream: usize,
        /// What is injected when there is a UserSig.
        inject: Inject,
    },
    /// To our own endpoint, which answers with the caller's UserSig.
    UserSigEndpoint,
    /// To our own endpoint, which has issued a new UserSig in place of the caller's old ones.
    UserSigRenewal,
    /// A CORS preflight for our own endpoint.
    UserSigPreflight,
    /// To Chat's REST API, if its policy allows the call.
    RestCall,
    /// A CORS preflight for a command that the policy allows to somebody.
    RestPreflight,
    /// To the upstream with this index, if the body is that of the announced webhook.
    Webhook {
        /// Index into the configured upstreams.
        upstream: usize,
    },
}

/// Whose request it is.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Nobody known: a public route, or no token on an optional one.
    Anonymous,
    /// The user of a verified session.
    User(User),
}

/// A verified user.
#[derive(Clone, Debug)]
pub struct User {
    /// The Chat account.
    pub user_id: UserId,
    /// The algorithm that the session token was signed with.
    pub algorithm: Algorithm,
    /// Whether the token was known, so that its signature was not verified again.
    pub remembered: bool,
    /// The UserSig, where the route hands one out.
    pub login: Option<Login>,
    /// What Chat is to know of the user, where a UserSig was issued and the settings name claims for it.
    pub profile: Option<Arc<Profile>>,
}

/// What a Chat SDK logs in with.
#[derive(Clone, Debug)]
pub struct Login {
    /// The application.
    pub sdk_app_id: SdkAppId,
    /// The UserSig and its moments.
    pub issued: IssuedUserSig,
    /// From when on it pays to ask again: a request gets a newer one, or one with a renewed session does.
    pub refresh_after: UnixTime,
    /// What the cache had to do.
    pub lookup: Lookup,
}

/// A request that may not pass, and how far it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The route's label, when one was found.
    pub route: Option<Arc<str>>,
    /// Why.
    pub rejection: Rejection,
    /// What its session says of a call of the REST API, when that was verified.
    pub rest_call: Option<Arc<RestCall>>,
}

impl From<Rejection> for Refusal {
    /// A refusal before any route was found.
    fn from(rejection: Rejection) -> Self {
        Self {
            route: None,
            rejection,
            rest_call: None,
        }
    }
}

/// What happens to a CORS preflight of an app route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preflight {
    /// It goes to the app, as nobody and without injection.
    Forward,
    /// It is refused.
    Deny,
}

/// What one issuer's claims must say and how they become a UserID.
#[derive(Clone, Debug)]
pub struct ClaimRules {
    /// Claims that must have exactly these values.
    pub require: Vec<(JsonPointer, Value)>,
    /// The mapping of the subject.
    pub identity: IdentityMap,
}

impl ClaimRules {
    /// The first required claim that is not as required: then these are not the claims of a session.
    pub fn unmet(&self, claims: &Object) -> Option<&JsonPointer> {
        let unmet = self
            .require
            .iter()
            .find(|(claim, value)| claim.find(claims) != Some(value));
        unmet.map(|(claim, _)| claim)
    }
}

/// Where calls of the REST API arrive, and where their callers' roles stand.
#[derive(Clone, Debug)]
pub struct RestRoutes {
    /// The path below which commands are called.
    pub prefix: Prefix,
    /// The claim with the roles for each issuer, in the order of the verifier's issuers.
    pub roles_claims: Vec<JsonPointer>,
    /// The commands that some rule covers: preflights of all others are refused.
    pub callable: BTreeSet<CommandName>,
}

/// All that an [`Authorizer`] is made of.
#[derive(Debug)]
pub struct Settings {
    /// The routes.
    pub routes: RouteTable,
    /// Spellings of paths that are let through.
    pub tolerance: Tolerance,
    /// The treatment of preflights.
    pub preflight: Preflight,
    /// The path of our own endpoint, if it is on.
    pub endpoint: Option<CanonicalPath>,
    /// The browser origins beside our own.
    pub origins: AllowedOrigins,
    /// Where calls of the REST API arrive, if the gateway is on.
    pub rest_api: Option<RestRoutes>,
    /// How webhooks are checked, where a route takes any.
    pub webhooks: Option<webhook::Settings>,
    /// Where session tokens are found.
    pub sources: TokenSources,
    /// How they are verified, with the keys that are known at the start.
    pub verifier: Verifier,
    /// Rules for each issuer, in the order of the verifier's issuers.
    pub claim_rules: Vec<ClaimRules>,
    /// Signs UserSigs.
    pub issuer: Issuer,
    /// The life that every UserSig handed out still has.
    pub min_remaining: Duration,
    /// Whether no UserSig outlives the session that it is handed to; it then has half of what it could have, at least.
    pub cap_to_session: bool,
    /// How many users the cache holds.
    pub cache_capacity: NonZeroUsize,
    /// Where nickname and avatar of users stand, if they are imported into Chat.
    pub profile: Option<ProfileClaims>,
    /// About how many bytes the memory of verified tokens may take; 0 for none.
    pub token_memory: usize,
}

impl Settings {
    /// Whether a UserSig under one of both could be one under the other, but for the key.
    fn issues_alike(&self, other: &Self) -> bool {
        let terms = |settings: &Self| {
            let Self { issuer, .. } = settings;
            (
                (issuer.sdk_app_id(), issuer.lifetime()),
                (settings.min_remaining, settings.cap_to_session),
                settings.cache_capacity,
            )
        };
        terms(self) == terms(other)
    }
}

/// Judges the requests of one site.
pub struct Authorizer {
    settings: Settings,
    verifier: ArcSwap<Verifier>,
    state: Arc<State>,
    cache: Arc<UserSigCache>,
    key_version: KeyVersion,
    memory: Arc<TokenMemory>,
    /// No other authorizer of the process has it.
    number: u64,
    webhooks: Option<Webhooks>,
}

impl Authorizer {
    /// An authorizer with an empty cache. What was logged out and renewed stands in `state`.
    pub fn new(settings: Settings, state: Arc<State>) -> Self {
        Self {
            verifier: ArcSwap::from_pointee(settings.verifier.clone()),
            state,
            cache: Self::new_cache(&settings),
            key_version: KeyVersion::default(),
            memory: Arc::new(TokenMemory::new(settings.token_memory)),
            number: Edition::next_authorizer(),
            webhooks: settings.webhooks.clone().map(Webhooks::new),
            settings,
        }
    }

    /// The authorizer that takes the place of this one, with other settings and the same state. It goes on with the same
    /// cache where the application and the lives of its UserSigs are the same; what another key has signed is superseded
    /// there, and requests that this one still judges put nothing of the old key back.
    pub fn succeeded_by(&self, settings: Settings) -> Self {
        let key_version = match self.settings.issuer.signs_like(&settings.issuer) {
            true => self.key_version,
            false => KeyVersion(self.key_version.0 + 1),
        };
        let cache = match self.settings.issues_alike(&settings) {
            true => Arc::clone(&self.cache),
            false => Self::new_cache(&settings),
        };
        // Tokens are judged anew under other settings; what takes their place makes room, a little at a time.
        let memory = match self.settings.token_memory == settings.token_memory {
            true => Arc::clone(&self.memory),
            false => Arc::new(self.memory.succeeded_by(settings.token_memory)),
        };
        let webhooks = settings
            .webhooks
            .clone()
            .map(|checks| match &self.webhooks {
                Some(webhooks) => webhooks.succeeded_by(checks),
                None => Webhooks::new(checks),
            });
        let verifier = settings.verifier.clone().succeeding(&self.verifier.load());
        Self {
            verifier: ArcSwap::from_pointee(verifier),
            state: Arc::clone(&self.state),
            cache,
            key_version,
            memory,
            number: Edition::next_authorizer(),
            webhooks,
            settings,
        }
    }

    fn new_cache(settings: &Settings) -> Arc<UserSigCache> {
        let cache = UserSigCache::new(settings.cache_capacity, settings.min_remaining);
        Arc::new(cache)
    }

    /// Decides about a request at the moment `now`.
    pub fn authorize(&self, parts: &Parts<'_>, now: UnixTime) -> Result<Permit, Refusal> {
        let path = CanonicalPath::parse(parts.path, self.settings.tolerance)
            .map_err(Rejection::PathAmbiguous)?;
        let passage = Passage::find(&self.settings, parts, &path)?;
        match self.find_caller(parts, &passage, now) {
            Ok(found) => Ok(Permit {
                route: passage.route,
                target: passage.target,
                caller: found.caller,
                answer: passage.answer,
                ending: found.ending,
                rest_call: found.rest_call,
                webhook: found.webhook,
            }),
            Err(turned_away) => Err(Refusal {
                route: Some(passage.route),
                rejection: turned_away.rejection,
                rest_call: turned_away.rest_call,
            }),
        }
    }

    /// Judges the bodies of webhooks, where a route takes any.
    pub fn webhooks(&self) -> Option<&Webhooks> {
        self.webhooks.as_ref()
    }

    /// What it was made of; keys may have been replaced since.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The browser origins that may read our own answers.
    pub fn origins(&self) -> &AllowedOrigins {
        &self.settings.origins
    }

    /// The headers that may carry a session token.
    pub fn token_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.settings.sources.headers()
    }

    /// The users that are in the cache now.
    pub fn cached_users(&self) -> usize {
        self.cache.len()
    }
}

#[cfg(test)]
mod tests;
