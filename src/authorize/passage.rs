//! Stage 2: which route covers a request, and where it would go.
//!
//! Our own paths come first: they are never the app's, however they are spelled. A CORS preflight then goes where the
//! request that it asks about would go, as nobody and without injection.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::caller::Wanted;
use super::{AnswerRule, Inject, Parts, Preflight, RestRoutes, Settings, Target};
use crate::policy::{Access, CanonicalPath, HostName, Matched};
use crate::rejection::Rejection;
use crate::rest_api::address::Address;
use crate::rest_api::catalog::CommandName;
use crate::rest_api::refusal::Refusal;

/// The outcome of stage 2.
pub(super) struct Passage {
    pub(super) route: Arc<str>,
    pub(super) access: Access,
    pub(super) target: Target,
    pub(super) answer: Option<Arc<AnswerRule>>,
    pub(super) command: Option<CommandName>,
}

impl Passage {
    pub(super) fn find(
        settings: &Settings,
        parts: &Parts<'_>,
        path: &CanonicalPath,
    ) -> Result<Self, Rejection> {
        let host = parts
            .host
            .map(HostName::from_authority)
            .transpose()
            .map_err(Rejection::HostInvalid)?;
        if settings.endpoint.as_ref() == Some(path) {
            return Self::endpoint(parts);
        }
        if let Some(rest_api) = &settings.rest_api
            && let Some(address) = rest_api.prefix.address(path)
        {
            return Self::rest_call(rest_api, parts, address);
        }
        if is_our_own(settings, path) {
            return Err(Rejection::RouteNotFound);
        }
        // TRACE would hand an injected UserSig back to whoever sends it.
        if parts.method == Method::TRACE {
            let allow = String::new();
            return Err(Rejection::MethodNotAllowed { allow });
        }
        match preflight_for(settings, parts) {
            Some(method) => Self::preflight(settings, host.as_ref(), &method, path),
            None => Self::route(settings, host.as_ref(), parts.method, path),
        }
    }

    fn endpoint(parts: &Parts<'_>) -> Result<Self, Rejection> {
        let (access, target) = match *parts.method {
            Method::GET | Method::HEAD => (Access::Session, Target::UserSigEndpoint),
            Method::POST => (Access::Session, Target::UserSigRenewal),
            Method::OPTIONS if asks_for(parts, &ENDPOINT_METHODS) => {
                (Access::Public, Target::UserSigPreflight)
            }
            _ => {
                let allow = "GET, HEAD, OPTIONS, POST".to_owned();
                return Err(Rejection::MethodNotAllowed { allow });
            }
        };
        Ok(Self {
            route: Arc::from(ENDPOINT_ROUTE),
            access,
            target,
            answer: None,
            command: None,
        })
    }

    fn rest_call(
        rest_api: &RestRoutes,
        parts: &Parts<'_>,
        address: Address,
    ) -> Result<Self, Rejection> {
        let (access, target) = match *parts.method {
            Method::POST => (Access::Session, Target::RestCall),
            Method::OPTIONS if asks_for(parts, &[Method::POST]) => {
                (Access::Public, Target::RestPreflight)
            }
            _ => {
                let allow = "OPTIONS, POST".to_owned();
                return Err(Rejection::MethodNotAllowed { allow });
            }
        };
        let command = match address {
            Address::Command(command) => command,
            Address::Nothing => return Err(Rejection::RestApi(Refusal::NoCommand)),
        };
        // Before there is a caller, all that can be said is that nobody may call it.
        if target == Target::RestPreflight && !rest_api.callable.contains(&command) {
            return Err(Rejection::RestApi(Refusal::NotAllowed));
        }
        Ok(Self {
            route: Arc::from(REST_ROUTE),
            access,
            target,
            answer: None,
            command: Some(command),
        })
    }

    fn route(
        settings: &Settings,
        host: Option<&HostName>,
        method: &Method,
        path: &CanonicalPath,
    ) -> Result<Self, Rejection> {
        find(settings, host, method, path).map(Self::of)
    }

    fn of(matched: Matched<'_>) -> Self {
        let Matched { route, access, .. } = matched;
        Self {
            route: route.name.clone(),
            access,
            target: match (route.access, access) {
                (Access::Webhook, _) | (_, Access::Webhook) => Target::Webhook {
                    upstream: route.upstream,
                },
                _ => Target::Upstream {
                    upstream: route.upstream,
                    inject: route.inject,
                },
            },
            answer: route.answer.clone(),
            command: None,
        }
    }

    /// A preflight goes where the request that it asks about would go, but as nobody. One for a path that nobody listed,
    /// or whose route is in doubt, is judged like any request.
    fn preflight(
        settings: &Settings,
        host: Option<&HostName>,
        asked: &Method,
        path: &CanonicalPath,
    ) -> Result<Self, Rejection> {
        let matched = find(settings, host, asked, path)?;
        if settings.preflight == Preflight::Deny {
            return Err(Rejection::AccessDenied);
        }
        let is_open = matched.is_listed && matched.access == matched.route.access;
        let passage = Self::of(matched);
        Ok(if is_open {
            passage.for_nobody()
        } else {
            passage
        })
    }

    fn for_nobody(self) -> Self {
        let target = match self.target {
            Target::Upstream { upstream, .. } => Target::Upstream {
                upstream,
                inject: Inject::default(),
            },
            own @ (Target::UserSigEndpoint
            | Target::UserSigRenewal
            | Target::UserSigPreflight
            | Target::RestCall
            | Target::RestPreflight
            // Chat sends none; it is judged like any other method there.
            | Target::Webhook { .. }) => own,
        };
        let access = match self.access {
            access @ (Access::Deny | Access::Webhook) => access,
            Access::Public | Access::Optional | Access::Session => Access::Public,
        };
        Self {
            access,
            target,
            answer: None,
            ..self
        }
    }

    /// Whether the app's answer may end the session of such a request.
    pub(super) fn ends_session(&self) -> bool {
        self.answer.as_ref().is_some_and(|rule| rule.ends_session)
    }

    /// What the session of such a request is for. A login for the answer's own session is not the caller's.
    pub(super) fn wanted(&self) -> Wanted {
        let inject = match self.target {
            Target::Upstream { inject, .. } => inject,
            Target::UserSigEndpoint => return Wanted::Login,
            Target::UserSigRenewal => return Wanted::Renewal,
            Target::UserSigPreflight
            | Target::RestCall
            | Target::RestPreflight
            | Target::Webhook { .. } => {
                return Wanted::Nothing;
            }
        };
        let is_handed_out = match self.answer.as_deref() {
            Some(AnswerRule {
                session: Some(_), ..
            }) => inject.request_headers,
            Some(AnswerRule { json: Some(_), .. }) => true,
            Some(AnswerRule { json: None, .. }) | None => !inject.is_none(),
        };
        match is_handed_out {
            true => Wanted::Login,
            false => Wanted::Nothing,
        }
    }
}

fn find<'s>(
    settings: &'s Settings,
    host: Option<&HostName>,
    method: &Method,
    path: &CanonicalPath,
) -> Result<Matched<'s>, Rejection> {
    let found = settings.routes.find(host, method, path);
    found.map_err(|error| Rejection::MethodNotAllowed { allow: error.allow })
}

/// The method that a CORS preflight (Fetch standard, section 3.2.2) asks about, if the request is one.
///
/// A browser sends it without credentials and body. What carries any of these is an OPTIONS request of the app, and
/// must not pass a gate under the name of a preflight.
pub(super) fn preflight_for(settings: &Settings, parts: &Parts<'_>) -> Option<Method> {
    let headers = parts.headers;
    let bare = !parts.has_body
        && !headers.contains_key(header::AUTHORIZATION)
        && !headers.contains_key(header::COOKIE);
    if parts.method != Method::OPTIONS || !bare {
        return None;
    }
    only(headers, &header::ORIGIN)?;
    let asked = only(headers, &header::ACCESS_CONTROL_REQUEST_METHOD)?;
    let token = settings
        .sources
        .extract(headers, parts.query, parts.websocket);
    if !matches!(token, Ok(None)) {
        return None;
    }
    Method::from_bytes(asked.as_bytes()).ok()
}

/// Whether a preflight of our own paths asks for one of these methods, as any OPTIONS request does that asks for none.
fn asks_for(parts: &Parts<'_>, methods: &[Method]) -> bool {
    let asked = parts.headers.get_all(header::ACCESS_CONTROL_REQUEST_METHOD);
    let is_taken = |asked: &HeaderValue| {
        let mut methods = methods.iter();
        methods.any(|method| method.as_str().as_bytes() == asked.as_bytes())
    };
    asked.iter().all(is_taken)
}

/// The one field of this name.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut fields = headers.get_all(name).iter();
    fields.next().filter(|_| fields.next().is_none())
}

/// Whether a path belongs to the proxy in the reading of any server behind it.
pub(super) fn is_our_own(settings: &Settings, path: &CanonicalPath) -> bool {
    let below_prefix = loosely(path)
        .next()
        .is_some_and(|first| first.eq_ignore_ascii_case(OWN_SEGMENT));
    let is_endpoint = |endpoint: &CanonicalPath| {
        let mut ours = loosely(endpoint);
        let is_next = |segment: &str| {
            let own = ours.next();
            own.is_some_and(|own| own.eq_ignore_ascii_case(segment))
        };
        loosely(path).all(is_next) && ours.next().is_none()
    };
    below_prefix || settings.endpoint.as_ref().is_some_and(is_endpoint)
}

/// The segments as a server reads them that decodes slashes, merges them and drops what follows a semicolon.
fn loosely(path: &CanonicalPath) -> impl Iterator<Item = &str> {
    path.segments()
        .flat_map(|segment| segment.split('/'))
        .filter_map(|segment| segment.split(';').next())
        .filter(|segment| !segment.is_empty())
}

/// The label of our own endpoint in logs and metrics.
pub const ENDPOINT_ROUTE: &str = "usersig_endpoint";
/// The label of the REST gateway in logs and metrics.
pub const REST_ROUTE: &str = "rest_api";
const ENDPOINT_METHODS: [Method; 3] = [Method::GET, Method::HEAD, Method::POST];
/// Everything below this first path segment is the proxy's own.
const OWN_SEGMENT: &str = "_chat";
