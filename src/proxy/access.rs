//! The access line: what became of one request.

use std::borrow::Cow;

use http::Method;
use pingora::proxy::Session;

use super::context::{Decision, RequestContext};
use crate::authorize::Target;
use crate::metrics::Outcome;

pub(super) fn outcome(ctx: &RequestContext, failed: bool) -> Outcome {
    match &ctx.decision {
        Decision::Rejected(refusal) => Outcome::Rejected(refusal.rejection.code()),
        Decision::Pending => Outcome::Aborted,
        Decision::Permitted(_) if failed => Outcome::Aborted,
        Decision::Permitted(permit) => match permit.target {
            Target::Upstream { .. } => Outcome::Forwarded,
            Target::UserSigEndpoint | Target::UserSigRenewal | Target::UserSigPreflight => {
                Outcome::Answered
            }
        },
    }
}

/// One line a request: never a query, a header or a body.
pub(super) fn log(
    session: &Session,
    ctx: &RequestContext,
    outcome: Outcome,
    route: &str,
    seconds: f64,
) {
    let request = session.req_header();
    let status = session.response_written().map(|header| header.status);
    let reason = match &ctx.decision {
        Decision::Rejected(refusal) => refusal.rejection.reason(),
        Decision::Pending | Decision::Permitted(_) => None,
    };
    tracing::info!(
        target: "usersig_proxy::access",
        request_id = %ctx.request_id,
        method = method_name(&request.method),
        path = &*printable(request.uri.path()),
        route,
        status = status.map_or(0, |status| status.as_u16()),
        outcome = outcome.as_str(),
        reason,
        user_id = ctx.user().or(ctx.logged_in.as_ref()).map(|user| user.user_id.as_str().to_owned()),
        upstream = ctx.upstream.as_deref(),
        duration_ms = (seconds * 1e6).round() / 1e3,
        "request"
    );
}

/// The method, if it looks like one: a client may send any word in its place, a credential too.
fn method_name(method: &Method) -> &str {
    let name = method.as_str();
    let is_plain = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    match name.len() <= MAX_METHOD_BYTES && name.bytes().all(is_plain) {
        true => name,
        false => "other",
    }
}

/// The path without what could end a line or fill the log.
fn printable(path: &str) -> Cow<'_, str> {
    match path.len() <= MAX_PATH_BYTES && path.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Cow::Borrowed(path),
        false => {
            let shown = path.chars().take(MAX_PATH_BYTES);
            Cow::Owned(shown.flat_map(char::escape_default).collect())
        }
    }
}

const MAX_PATH_BYTES: usize = 1024;
/// The longest registered method, `UPDATEREDIRECTREF`, has 17.
const MAX_METHOD_BYTES: usize = 20;
