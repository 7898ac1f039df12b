//! The edge: where Pingora calls us. Each filter hands over to a pure function and carries its answer out.
//!
//! ```text
//! request_filter           find the site, limits, strip our headers, authorize; refusals and our own endpoint are answered here
//! upstream_peer            the app's server
//! upstream_request_filter  inject into the request: the last place, so nothing can strip or copy what we set
//! request_body_filter      count the body; a webhook's was read and judged before
//! response_filter          inject into the answer's header, except informational ones
//! response_body_filter     write a login into the answer's JSON, where the route says so
//! fail_to_proxy            a failed upstream becomes a refusal of the same shape
//! logging                  one access line, one counter
//! ```

mod access;
mod answer;
mod audit;
mod context;
mod cors;
mod counting;
mod crowd;
mod decide;
mod failure;
mod forwarding;
mod header_time;
mod headers;
mod hosts;
mod inject;
mod joined;
mod keys;
mod known_roles;
mod limits;
mod login_body;
mod logout;
mod open_request;
mod profiles;
mod request;
mod request_body;
mod resolver;
mod respond;
mod rest_call;
mod site;
mod trace;
mod trial;
mod upstream;
mod webhook;

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

use crate::authorize::Caller;
use crate::metrics::Metrics;
use crate::policy::AllowedOrigins;

pub use access::redacted;
pub use audit::{ABORTED, ALLOWED, Audit, AuditRecord, Keeping, fingerprint};
pub use context::RequestContext;
pub use forwarding::{ForwardingRules, peer_of};
pub use headers::InjectedNames;
pub use hosts::Hosts;
pub use joined::Joined;
pub use keys::KeyRefresher;
pub use known_roles::KnownRoles;
pub use limits::Limits;
pub use logout::{Keeper, Kicker, Logouts};
pub use open_request::OpenRequest;
pub use profiles::{Importer, ProfileImports, Profiles};
pub use rest_call::{CallBudgets, ChatAnswer, ChatApi, RestGateway};
pub use site::{Bounds, Site, SiteSettings, Sites};
pub use trace::{Span, Traces};
pub use trial::{Trial, TrialError};
pub use upstream::{
    Balance, Check, CheckRequest, Location, MAX_ATTEMPTS, Roots, RootsError, Thresholds, Timeouts,
    UpstreamSettings, Upstreams,
};

use audit::Strangers;
use context::Decision;
use failure::internal;
use forwarding::Provenance;
use respond::REQUEST_ID;
use trace::Trace;

/// The reverse proxy for the sites that are current.
pub struct UserSigProxy {
    sites: Arc<ArcSwap<Sites>>,
    metrics: Arc<Metrics>,
    forwarding: ForwardingRules,
    audit: Arc<dyn Audit>,
    strangers: Strangers,
    no_origins: AllowedOrigins,
    traces: Option<Arc<dyn Traces>>,
}

impl UserSigProxy {
    /// A proxy that looks its sites up anew for every request, believes where one came from by these rules, and tells the
    /// audit of REST calls.
    pub fn new(
        sites: Arc<ArcSwap<Sites>>,
        metrics: Arc<Metrics>,
        forwarding: ForwardingRules,
        audit: Arc<dyn Audit>,
    ) -> Self {
        Self {
            sites,
            metrics,
            forwarding,
            audit,
            strangers: Strangers::default(),
            no_origins: AllowedOrigins::default(),
            traces: None,
        }
    }

    /// The same, with its requests traced.
    #[must_use]
    pub fn traced(self, traces: Option<Arc<dyn Traces>>) -> Self {
        Self { traces, ..self }
    }
}

#[async_trait]
impl ProxyHttp for UserSigProxy {
    type CTX = RequestContext;

    fn new_ctx(&self) -> RequestContext {
        RequestContext::new()
    }

    fn init_downstream_modules(&self, _modules: &mut pingora::modules::http::HttpModules) {
        // None: the one that Pingora adds compresses answers, which is the app's business.
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<bool> {
        ctx.start();
        ctx.provenance = Provenance::of(session, &self.forwarding);
        ctx.trace = self.traces.as_deref().map(|traces| {
            let is_trusted = ctx.provenance.is_trusted();
            Trace::begin(session, traces, is_trusted)
        });
        ctx.plain_loopback = request::is_plain_loopback(session, &self.forwarding);
        let decision = self.decide(session, ctx).await;
        ctx.decision = match decision {
            Ok(permit) => {
                if let Caller::User(user) = &permit.caller {
                    self.count_user(ctx.site_name(), Ok(user));
                }
                Decision::Permitted(permit)
            }
            Err(refusal) => {
                self.count_user(ctx.site_name(), Err(&refusal.rejection));
                ctx.is_call = ctx.asks_gateway(session);
                Decision::Rejected(refusal)
            }
        };
        if let Some(mut entry) = self.refused_entry(session, ctx) {
            entry.keep().await;
        }
        self.answer(session, ctx).await
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<Box<HttpPeer>> {
        let upstream = Arc::clone(ctx.site()?.upstream(ctx)?);
        ctx.upstream = Some(upstream.name.clone());
        // A retry sends the body from its start.
        ctx.body_bytes = 0;
        upstream.peer(&mut ctx.tries, upstream::wire(session)).await
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        reused: bool,
        _peer: &HttpPeer,
        _fd: RawFd,
        _digest: Option<&Digest>,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        ctx.tries.note_connected(reused);
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut RequestContext,
        error: Box<Error>,
    ) -> Box<Error> {
        ctx.tries.note_failed(error)
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut RequestContext,
        reused: bool,
    ) -> Box<Error> {
        let may_repeat = session.req_header().method.is_idempotent()
            && !session.as_ref().retry_buffer_truncated();
        ctx.tries.note_broken(error, may_repeat, reused)
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        request::make_origin_form(request)?;
        let host = request::host(session.req_header()).ok().flatten();
        ctx.provenance.tell(request, host)?;
        request::complete_host(session, request)?;
        request::join_cookies(session, request)?;
        upstream::name_host(request)?;
        request.insert_header(REQUEST_ID, ctx.request_id.as_str())?;
        if let Some(trace) = &ctx.trace {
            trace.tell(request)?;
        }
        self.prepare_request(request, ctx)?;
        match ctx.injection() {
            Some(injection) => {
                inject::into_request(request, &ctx.site()?.settings.names, injection)
            }
            None => Ok(()),
        }
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        // What passes a tunnel is no body.
        if session.was_upgraded() {
            return Ok(());
        }
        if let Some(webhook) = &ctx.webhook {
            webhook.replace(body);
        }
        let length = body.as_ref().map_or(0, Bytes::len);
        ctx.body_bytes = ctx.body_bytes.saturating_add(length as u64);
        if ctx.body_bytes > ctx.site()?.bounds.limits.max_body_bytes {
            return Err(Error::new(ErrorType::HTTPStatus(413)).into_down());
        }
        // An HTTP/2 body that ends in an empty DATA frame would get a second chunk terminator, which the app reads as
        // the start of the next request (pingora issue 935).
        if end_of_stream && length == 0 {
            *body = None;
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        match response.status.is_informational() {
            true => {
                if response.status == StatusCode::SWITCHING_PROTOCOLS {
                    ctx.place = None;
                }
                Ok(())
            }
            false => {
                self.filter_answer(session, response, ctx)?;
                if let Some(webhook) = &mut ctx.webhook {
                    webhook.answered(response.status);
                }
                ctx.answered = Some(response.status);
                ctx.site()?.end_session(response.status, ctx).await;
                let method = &session.req_header().method;
                if login_body::has_no_body(method, response.status, &response.headers) {
                    self.note_end_of_answer(session, ctx);
                }
                Ok(())
            }
        }
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut RequestContext,
    ) -> Result<Option<Duration>> {
        self.filter_body(body, end_of_stream, ctx)?;
        if end_of_stream {
            self.note_end_of_answer(session, ctx);
        }
        Ok(None)
    }

    async fn response_trailer_filter(
        &self,
        session: &mut Session,
        _trailers: &mut HeaderMap,
        ctx: &mut RequestContext,
    ) -> Result<Option<Bytes>> {
        let rest = self.end_body(session, ctx).await?;
        self.note_end_of_answer(session, ctx);
        Ok(rest)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut RequestContext,
    ) -> FailToProxy {
        let error_code = match upstream::rejection_for(error) {
            Some(rejection) => self.respond_failure(session, ctx, rejection).await,
            None => 0,
        };
        FailToProxy {
            error_code,
            can_reuse_downstream: false,
        }
    }

    async fn logging(
        &self,
        session: &mut Session,
        error: Option<&Error>,
        ctx: &mut RequestContext,
    ) {
        if !ctx.is_told {
            self.finish(session, ctx, error.is_some());
        }
    }

    // Pingora's own lines would hold the request's query.
    fn suppress_error_log(&self, _: &Session, _: &RequestContext, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &RequestContext,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    fn request_summary(&self, _: &Session, ctx: &RequestContext) -> String {
        format!("request {}", ctx.request_id)
    }
}
