//! The span of a request: begun when its header is read, told to the app in `traceparent`, and recorded at its end.
//!
//! Who keeps spans, and where, is not known here. A span never holds a query, a user or a credential.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Version;
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::access::{method_name, printable};
use super::context::RequestContext;
use crate::metrics::Outcome;
use crate::trace_context::{SpanId, TraceContext, TraceId};

/// Takes the spans of requests.
pub trait Traces: Send + Sync {
    /// Whether what a client says of its trace is believed; `is_trusted` of a client that may tell where a request came from.
    fn follows(&self, is_trusted: bool) -> bool;

    /// Whether a trace that begins here is recorded.
    fn samples(&self, trace_id: TraceId) -> bool;

    /// Takes a finished span over without waiting.
    fn record(&self, span: Span);
}

/// One request, from its header to the end of its answer.
#[derive(Clone, Debug)]
pub struct Span {
    /// The span's own place in the trace.
    pub context: TraceContext,
    /// The span of the client.
    pub parent: Option<SpanId>,
    /// When the header was read.
    pub start: SystemTime,
    /// Until the end of the answer.
    pub duration: Duration,
    /// The request's method, or "other" for a word that is none.
    pub method: String,
    /// The path without its query, shortened and without credentials as in the access line.
    pub path: String,
    /// "1.0", "1.1" or "2".
    pub http_version: &'static str,
    /// The route's pattern, if one was found.
    pub route: Option<Arc<str>>,
    /// The site's name.
    pub site: String,
    /// The answer's status, if there was one.
    pub status: Option<u16>,
    /// What the request came to, as in the metrics.
    pub outcome: &'static str,
    /// The name of the upstream that was asked.
    pub upstream: Option<Arc<str>>,
    /// The request's id.
    pub request_id: String,
}

/// The trace of a request that is under way.
pub(super) struct Trace {
    context: TraceContext,
    parent: Option<SpanId>,
}

impl Trace {
    /// Goes on with the client's trace or begins one.
    pub(super) fn begin(session: &Session, traces: &dyn Traces, is_trusted: bool) -> Self {
        let span_id = SpanId(random_id());
        let told = traces.follows(is_trusted).then(|| told(session)).flatten();
        if let Some(told) = told {
            let context = TraceContext { span_id, ..told };
            let parent = Some(told.span_id);
            return Self { context, parent };
        }
        let trace_id = TraceId(random_id());
        let context = TraceContext {
            trace_id,
            span_id,
            is_sampled: traces.samples(trace_id),
        };
        let parent = None;
        Self { context, parent }
    }

    /// Tells the app. What came along with another trace belongs to that one.
    pub(super) fn tell(&self, request: &mut RequestHeader) -> Result<()> {
        if self.parent.is_none() {
            request.remove_header(TRACESTATE);
        }
        request.insert_header(TRACEPARENT, self.context.to_string())
    }

    /// The name of the trace, if it is recorded.
    pub(super) fn id(&self) -> Option<TraceId> {
        let context = &self.context;
        context.is_sampled.then_some(context.trace_id)
    }

    /// The span of a request that has ended, if it is to be recorded.
    pub(super) fn finish(
        &self,
        session: &Session,
        ctx: &RequestContext,
        outcome: Outcome,
    ) -> Option<Span> {
        let request = session.req_header();
        let duration = ctx.started.elapsed();
        self.context.is_sampled.then(|| Span {
            context: self.context,
            parent: self.parent,
            start: SystemTime::now() - duration,
            duration,
            method: method_name(&request.method).to_owned(),
            path: printable(request.uri.path()).into_owned(),
            http_version: match request.version {
                Version::HTTP_2 => "2",
                Version::HTTP_10 => "1.0",
                _ => "1.1",
            },
            route: ctx.route().cloned(),
            site: ctx.site_name().to_owned(),
            status: ctx.status(session).map(|status| status.as_u16()),
            outcome: outcome.as_str(),
            upstream: ctx.upstream.clone(),
            request_id: ctx.request_id.to_string(),
        })
    }
}

/// What the request says; nothing when it says it twice.
fn told(session: &Session) -> Option<TraceContext> {
    let mut values = session.req_header().headers.get_all(TRACEPARENT).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => TraceContext::parse(value.as_bytes()),
        _ => None,
    }
}

/// All zeros is no id.
fn random_id<const N: usize>() -> [u8; N] {
    let mut id = [0; N];
    while id == [0; N] {
        id = std::array::from_fn(|_| rand::random());
    }
    id
}

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
