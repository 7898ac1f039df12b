//! The body of a webhook: read whole and judged before anything of the request goes to the app.
//!
//! The framework opens the request to the app and then passes the body on as it comes; what was read before that is gone,
//! except what its buffer for a repeated request holds. That buffer is switched on here ahead of its time, so that the
//! framework takes the body for one that is sent again. It holds 64 KiB and nothing of what is longer: of a body whose length
//! is declared it gets the end alone, and [`Received`] puts the whole body in its place. So what goes to the app are the very
//! bytes that were judged. A body without a length can be no longer than the buffer.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::time::timeout;

use super::context::{Decision, RequestContext};
use super::{UserSigProxy, internal, request_body, respond};
use crate::authorize::Target;
use crate::metrics::WebhookOutcome;
use crate::rejection::Rejection;
use crate::time::UnixTime;
use crate::webhook::{Delivery, WebhookError};

/// A webhook that may go to the app.
pub(super) struct Received {
    delivery: Delivery,
    body: Bytes,
}

impl UserSigProxy {
    /// Reads and judges the body of an announced webhook; `true` when it is refused, and answered.
    pub(super) async fn receive_webhook(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<bool> {
        match self.judge_body(session, ctx).await? {
            Ok(received) => {
                ctx.webhook = Some(received);
                Ok(false)
            }
            Err(error) => {
                let rejection = Rejection::Webhook(error);
                ctx.reject(rejection.clone());
                let origins = self.origins(ctx);
                respond::with_rejection(session, origins, ctx.refused(), &rejection).await?;
                request_body::drain(session).await;
                Ok(true)
            }
        }
    }

    async fn judge_body(
        &self,
        session: &mut Session,
        ctx: &RequestContext,
    ) -> Result<Result<Received, WebhookError>> {
        let site = ctx.site()?;
        let webhooks = site.settings.authorizer.webhooks().ok_or_else(internal)?;
        let permit = ctx.permit().ok_or_else(internal)?;
        let announced = permit.webhook.clone().ok_or_else(internal)?;
        let read = timeout(READ_WITHIN, read_body(session, webhooks.max_body())).await;
        let body = match read {
            Ok(Ok(Some(body))) => body,
            Ok(Ok(None)) => return Ok(Err(WebhookError::BodyTooLarge)),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(Error::new(ErrorType::ReadTimedout).into_down()),
        };
        let now = UnixTime::from(SystemTime::now());
        let delivery = match webhooks.receive(&announced, &body, now) {
            Ok(delivery) => delivery,
            Err(error) => return Ok(Err(error)),
        };
        match session.get_retry_buffer() {
            Some(_) => Ok(Ok(Received { delivery, body })),
            // Without it the framework would open a request to the app and send no body.
            None => Err(internal()),
        }
    }
}

impl Received {
    /// Puts the body in the place of what the framework sends to the app; the end of the body stays one.
    pub(super) fn replace(&self, sent: &mut Option<Bytes>) {
        if sent.is_some() {
            *sent = Some(self.body.clone());
        }
    }

    /// Remembers the webhook when the app has answered with success, and forgets it before anybody hears of another answer.
    pub(super) fn answered(&mut self, status: StatusCode) {
        match status.is_success() {
            true => self.delivery.taken(),
            false => self.delivery.failed(),
        }
    }
}

/// What became of a request that was announced as a webhook, or refused as one.
pub(super) fn outcome(ctx: &RequestContext) -> Option<WebhookOutcome> {
    match (&ctx.decision, &ctx.webhook) {
        (_, Some(received)) if received.delivery.is_taken() => Some(WebhookOutcome::Delivered),
        (_, Some(_)) => Some(WebhookOutcome::Failed),
        (Decision::Rejected(refusal), None) => match &refusal.rejection {
            Rejection::Webhook(error) => Some(WebhookOutcome::Refused(error.reason())),
            _ => None,
        },
        (Decision::Permitted(permit), None) => {
            matches!(permit.target, Target::Webhook { .. }).then_some(WebhookOutcome::Aborted)
        }
        (Decision::Pending, None) => None,
    }
}

/// The body, unless it is longer than `limit`.
async fn read_body(session: &mut Session, limit: usize) -> Result<Option<Bytes>> {
    let declared = declared_length(session);
    if declared.is_some_and(|length| length > limit) {
        return Ok(None);
    }
    request_body::invite(session).await?;
    let mut body = BytesMut::new();
    loop {
        let rest = declared.map_or(0, |length| length.saturating_sub(body.len()));
        if rest <= BUFFER_BYTES {
            session.enable_retry_buffering();
        }
        let chunk = session.read_request_body().await;
        let Some(chunk) = chunk.map_err(Error::into_down)? else {
            return Ok(Some(body.freeze()));
        };
        let most = declared.map_or(limit.min(BUFFER_BYTES), |_| limit);
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
}

/// The length of the body where the framework goes by one. Its spelling was checked with the header.
fn declared_length(session: &Session) -> Option<usize> {
    let headers = &session.req_header().headers;
    if headers.contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let length = headers.get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// What the framework's buffer for a repeated request holds.
const BUFFER_BYTES: usize = 64 << 10;
/// For a whole body. Chat itself gives a webhook up after 2 s.
const READ_WITHIN: Duration = Duration::from_secs(10);
