//! What is counted and logged of a request: its token and UserSig when they are judged, the rest at its end.

use pingora::proxy::Session;

use super::context::RequestContext;
use super::open_request::OpenRequest;
use super::{UserSigProxy, access, webhook};
use crate::authorize::User;
use crate::metrics::NO_ROUTE;
use crate::rejection::Rejection;

impl UserSigProxy {
    /// Counts a token that was judged, and the UserSig that it got.
    pub(super) fn count_user(&self, site: &str, user: Result<&User, &Rejection>) {
        match user {
            Ok(user) => {
                self.metrics.count_verified(site, user.algorithm);
                self.metrics.token_memory().count(site, user.remembered);
                if let Some(login) = &user.login {
                    self.metrics.count_lookup(site, login.lookup);
                }
            }
            Err(Rejection::Token(error)) => self.metrics.count_refused_token(site, *error),
            Err(_) => {}
        }
    }

    /// Takes note that the app has said all. Of a request that is still open its line is written now: its client may never end it,
    /// and then nothing more is heard of it.
    pub(super) fn note_end_of_answer(&self, session: &mut Session, ctx: &mut RequestContext) {
        // An empty body may follow a header that says so.
        if ctx.is_told {
            return;
        }
        let Some((open, site)) = OpenRequest::of(session).zip(ctx.site.as_ref()) else {
            return;
        };
        open.answered(site.bounds.read_timeout);
        ctx.is_told = true;
        self.finish(session, ctx, false);
    }

    /// One access line, one counter.
    pub(super) fn finish(&self, session: &Session, ctx: &RequestContext, failed: bool) {
        let outcome = access::outcome(ctx, failed);
        let seconds = ctx.started.elapsed().as_secs_f64();
        let route = ctx.route().map_or(NO_ROUTE, |route| route);
        self.metrics
            .count_request(ctx.site_name(), route, outcome, seconds);
        if let Some(outcome) = webhook::outcome(ctx) {
            self.metrics.webhooks().count(ctx.site_name(), outcome);
        }
        access::log(session, ctx, outcome, route, seconds);
        if let (Some(traces), Some(trace)) = (&self.traces, &ctx.trace)
            && let Some(span) = trace.finish(session, ctx, outcome)
        {
            traces.record(span);
        }
    }
}
