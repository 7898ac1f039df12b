//! What the proxy remembers of one request between Pingora's phases.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use pingora::Result;
use pingora::proxy::Session;

use super::answer::HeldBody;
use super::forwarding::Provenance;
use super::respond::Refused;
use super::site::Site;
use super::upstream::Tries;
use super::webhook::Received;
use super::{internal, request};
use crate::authorize::{
    Authorizer, Caller, Inject, Login, Permit, REST_ROUTE, Refusal, Target, User,
};
use crate::metrics::NO_SITE;
use crate::rejection::Rejection;
use crate::time::UnixTime;

/// The state of one request. The clock is read once, when the request is.
pub struct RequestContext {
    pub(super) request_id: RequestId,
    pub(super) now: UnixTime,
    pub(super) started: Instant,
    pub(super) decision: Decision,
    /// The site that it is for, under the configuration that was current when it came.
    pub(super) site: Option<Arc<Site>>,
    /// Where the request came from; noted before the request is stripped.
    pub(super) provenance: Provenance,
    /// Whether a cookie can go without `Secure`; noted before the request is stripped.
    pub(super) plain_loopback: bool,
    pub(super) upstream: Option<Arc<str>>,
    pub(super) tries: Tries,
    pub(super) body_bytes: u64,
    /// Whether it was refused and its path is below the gateway's prefix, whatever route it found.
    pub(super) is_call: bool,
    pub(super) held_body: Option<HeldBody>,
    /// The webhook that it is, once its body was judged.
    pub(super) webhook: Option<Received>,
    /// The user whose session the app's answer began, or whose login it carries.
    pub(super) logged_in: Option<User>,
}

/// How far the decision about a request has come.
pub(super) enum Decision {
    Pending,
    Permitted(Permit),
    Rejected(Refusal),
}

impl RequestContext {
    pub(super) fn new() -> Self {
        Self {
            request_id: RequestId::random(),
            now: UnixTime::from(SystemTime::now()),
            started: Instant::now(),
            decision: Decision::Pending,
            site: None,
            provenance: Provenance::unknown(),
            plain_loopback: false,
            upstream: None,
            tries: Tries::default(),
            body_bytes: 0,
            is_call: false,
            held_body: None,
            webhook: None,
            logged_in: None,
        }
    }

    /// Starts the clocks again: a kept-alive connection makes the context before the request arrives.
    pub(super) fn start(&mut self) {
        self.now = UnixTime::from(SystemTime::now());
        self.started = Instant::now();
    }

    /// The site, without which nothing comes after the decision.
    pub(super) fn site(&self) -> Result<&Arc<Site>> {
        self.site.as_ref().ok_or_else(internal)
    }

    /// The site's label for logs and metrics.
    pub(super) fn site_name(&self) -> &str {
        let site = self.site.as_ref();
        site.map_or(NO_SITE, |site| &site.settings.name)
    }

    pub(super) fn permit(&self) -> Option<&Permit> {
        match &self.decision {
            Decision::Permitted(permit) => Some(permit),
            Decision::Pending | Decision::Rejected(_) => None,
        }
    }

    pub(super) fn route(&self) -> Option<&Arc<str>> {
        match &self.decision {
            Decision::Permitted(permit) => Some(&permit.route),
            Decision::Rejected(refusal) => refusal.route.as_ref(),
            Decision::Pending => None,
        }
    }

    pub(super) fn user(&self) -> Option<&User> {
        match &self.permit()?.caller {
            Caller::User(user) => Some(user),
            Caller::Anonymous => None,
        }
    }

    /// The login and the places of the app's traffic it goes into.
    pub(super) fn injection(&self) -> Option<(Inject, &User, &Login)> {
        let Target::Upstream { inject, .. } = self.permit()?.target else {
            return None;
        };
        let user = self.user()?;
        Some((inject, user, user.login.as_ref()?))
    }

    /// Whether it is a webhook or was to be one: Chat reads `ErrorCode` there.
    fn is_webhook(&self) -> bool {
        match &self.decision {
            Decision::Permitted(permit) => permit.webhook.is_some(),
            Decision::Rejected(refusal) => matches!(refusal.rejection, Rejection::Webhook(_)),
            Decision::Pending => false,
        }
    }

    /// Whether the path is below the gateway's prefix, of a command or not.
    pub(super) fn asks_gateway(&self, session: &Session) -> bool {
        let target = request::target(session.req_header());
        let site = self.site.as_ref().map(|site| &site.settings.authorizer);
        let call = |(site, (path, _)): (&Arc<Authorizer>, (&[u8], _))| site.call_path(path);
        site.zip(target.ok()).and_then(call).is_some()
    }

    /// How a refusal of it is told.
    pub(super) fn refused(&self) -> Refused {
        Refused {
            request_id: self.request_id,
            speaks_api: self.is_call
                || self.is_webhook()
                || self.route().is_some_and(|route| **route == *REST_ROUTE),
        }
    }

    /// Turns away a request that had a permit, or never came to be judged.
    pub(super) fn reject(&mut self, rejection: Rejection) {
        let route = self.route().cloned();
        self.decision = Decision::Rejected(Refusal {
            route,
            rejection,
            rest_call: None,
        });
    }
}

/// A name for one request, for logs and the error body: 128 random bits in hexadecimal.
#[derive(Clone, Copy)]
pub(super) struct RequestId(u128);

impl RequestId {
    fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
