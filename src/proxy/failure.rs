//! What a client is told when the app fails it.

use http::StatusCode;
use pingora::proxy::Session;
use pingora::{Error, ErrorType};

use super::context::RequestContext;
use super::{UserSigProxy, respond, upstream};
use crate::rejection::Rejection;

impl UserSigProxy {
    /// Answers for a failed upstream, unless the app's own answer has begun. Gives the status for the framework.
    pub(super) async fn respond_failure(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
        rejection: Rejection,
    ) -> u16 {
        if let Some(name) = &ctx.upstream
            && upstream::is_failure(&rejection)
        {
            let code = rejection.code();
            self.metrics
                .count_upstream_failure(ctx.site_name(), name, code);
        }
        if let Some(webhook) = &mut ctx.webhook {
            webhook.answered(rejection.status());
        }
        let status = rejection.status().as_u16();
        let has_begun = session.response_written().is_some_and(|header| {
            header.status == StatusCode::SWITCHING_PROTOCOLS || !header.status.is_informational()
        });
        if !has_begun {
            session.set_keepalive(None);
            let origins = self.origins(ctx);
            // A client that left cannot be told.
            let _ = respond::with_rejection(session, origins, ctx.refused(), &rejection).await;
        } else if !session.is_http2() {
            // The framework drops what it has not written yet. The end of the connection tells that more is missing.
            respond::cut_off(session).await;
        }
        ctx.reject(rejection);
        status
    }
}

/// What a stage says that comes before what it needs.
pub(super) fn internal() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "a stage of the walk was skipped")
}
