//! The sites of one configuration, and which of them a request is for.
//!
//! A request takes its site once, from the sites that are current when it arrives, and keeps it to its end: a reload in
//! between changes nothing for it. Sites share nothing but the process.

use std::sync::Arc;
use std::time::Duration;

use pingora::Result;
use pingora::proxy::Session;

use super::context::RequestContext;
use super::headers::{InjectedNames, Stripper};
use super::hosts::Hosts;
use super::keys::KeyRefresher;
use super::limits::Limits;
use super::logout::Logouts;
use super::profiles::Profiles;
use super::rest_call::RestGateway;
use super::upstream::{self, Upstreams};
use super::{internal, request};
use crate::authorize::{Authorizer, Caller, Permit, Refusal, Target, User};
use crate::policy::HostName;
use crate::rejection::Rejection;
use crate::time::UnixTime;

/// All that a [`Site`] is made of.
pub struct SiteSettings {
    /// Its name in logs and metrics.
    pub name: Arc<str>,
    /// Decides about requests.
    pub authorizer: Arc<Authorizer>,
    /// Fetches keys that tokens ask for.
    pub keys: Arc<dyn KeyRefresher>,
    /// The app's servers, in the order that routes count them.
    pub upstreams: Upstreams,
    /// Names of what is injected.
    pub names: InjectedNames,
    /// Ends sessions.
    pub logouts: Arc<Logouts>,
    /// Tells Chat nickname and avatar of users.
    pub profiles: Arc<Profiles>,
    /// Calls of Chat's REST API, if they are on.
    pub rest_api: Option<RestGateway>,
}

/// An app with its rules, under one configuration.
pub struct Site {
    pub(super) settings: SiteSettings,
    pub(super) stripper: Stripper,
    pub(super) bounds: Bounds,
}

/// What every request is held to, whichever site it is for.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Size limits.
    pub limits: Limits,
    /// How long a client's connection may be idle between two requests.
    pub keepalive: Duration,
    /// How long a client may take between two reads of a body, and for one write of an answer.
    pub read_timeout: Duration,
    /// How many requests may be under way in the process.
    pub max_requests: usize,
}

/// The sites of one configuration.
pub struct Sites {
    bounds: Bounds,
    by_host: Hosts<Arc<Site>>,
}

impl Bounds {
    /// Without this the framework keeps an idle HTTP/1.1 connection for ever.
    pub(super) fn limit_waiting(&self, session: &mut Session) {
        let idle = match request::is_websocket(session) {
            true => upstream::WEBSOCKET_IDLE,
            false => self.read_timeout,
        };
        session.set_read_timeout(Some(idle));
        session.set_write_timeout(Some(idle));
        // Where it is off, the client or the framing of its request says that the connection must end.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(self.keepalive.as_secs()));
        }
    }
}

impl Sites {
    /// Sites with the hosts that each answers for; one without hosts answers for every host that is no other's.
    pub fn new(
        bounds: Bounds,
        sites: impl IntoIterator<Item = (Vec<HostName>, SiteSettings)>,
    ) -> Self {
        let sites: Vec<_> = sites.into_iter().collect();
        let names = sites.iter().map(|(_, settings)| settings.names.clone());
        let names: Vec<_> = names.collect();
        let site = |(hosts, settings)| (hosts, Arc::new(Site::new(settings, bounds, &names)));
        Self {
            bounds,
            by_host: Hosts::new(sites.into_iter().map(site)),
        }
    }

    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The site of a request that names this host, if it names one.
    pub(super) fn find(&self, host: Option<&str>) -> Result<&Arc<Site>, Rejection> {
        self.by_host.find(host)
    }
}

impl Site {
    /// Strips what any site injects: several may stand before the same app, which believes each of them.
    fn new(settings: SiteSettings, bounds: Bounds, all_names: &[InjectedNames]) -> Self {
        let tokens = settings.authorizer.token_headers();
        Self {
            stripper: Stripper::new(&settings.names, all_names, tokens),
            settings,
            bounds,
        }
    }

    /// Stages 1 to 7 of the walk, on a request without any header that only we may set.
    pub(super) fn judge(&self, session: &mut Session, now: UnixTime) -> Result<Permit, Refusal> {
        self.stripper.strip(session.req_header_mut())?;
        self.authorize(session, now)
    }

    /// The same of a request that was stripped.
    pub(super) fn authorize(&self, session: &Session, now: UnixTime) -> Result<Permit, Refusal> {
        let parts = request::parts(session)?;
        let permit = self.settings.authorizer.authorize(&parts, now)?;
        if let Caller::User(user) = &permit.caller {
            self.offer_profile(user);
        }
        Ok(permit)
    }

    /// Sends what Chat is to know of a user on its way, wherever he was issued a UserSig.
    pub(super) fn offer_profile(&self, user: &User) {
        if let Some(profile) = &user.profile {
            self.settings.profiles.offer(profile);
        }
    }

    /// The upstream of a permitted request; the other kinds of target have none, nor has a webhook before its body was
    /// judged.
    pub(super) fn upstream(&self, ctx: &RequestContext) -> Result<&Arc<upstream::Upstream>> {
        let index = match ctx.permit().map(|permit| permit.target) {
            Some(Target::Upstream { upstream, .. }) => Some(upstream),
            Some(Target::Webhook { upstream }) => ctx.webhook.as_ref().map(|_| upstream),
            Some(
                Target::UserSigEndpoint
                | Target::UserSigRenewal
                | Target::UserSigPreflight
                | Target::RestCall
                | Target::RestPreflight,
            )
            | None => None,
        };
        index
            .and_then(|index| self.settings.upstreams.get(index))
            .ok_or_else(internal)
    }
}
