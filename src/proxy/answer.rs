//! The app's answer: whose login goes into it, and how.
//!
//! Without a rule the caller's login goes into headers. A rule may say that the answer itself begins a session, and that
//! the login is written into its JSON body; the body is then held back until its end. Whatever does not fit leaves the
//! app's own bytes as they are.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HeaderValue, TRANSFER_ENCODING};
use http::{StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::context::RequestContext;
use super::inject::{self, CookieScope, LoginJson};
use super::joined::Joined;
use super::login_body::{Action, LoginBody, STALE, Untouched};
use super::{UserSigProxy, respond};
use crate::authorize::{AnswerRule, Target, User};
use crate::json::insert::{InsertError, insert};
use crate::json::parse_object;
use crate::metrics::AnswerOutcome;
use crate::rejection::Rejection;
use crate::time::UnixTime;
use crate::token::BearerToken;
use crate::token::extract::ExtractError;

/// A body that is held back for a login.
pub(super) struct HeldBody {
    body: LoginBody,
    rule: Arc<AnswerRule>,
    /// The login that the header already told; without it, the token is in the body.
    user: Option<User>,
}

impl UserSigProxy {
    /// Asks the app for an answer that can be read and written.
    pub(super) fn prepare_request(
        &self,
        request: &mut RequestHeader,
        ctx: &RequestContext,
    ) -> Result<()> {
        let Some(rule) = ctx.permit().and_then(|permit| permit.answer.as_deref()) else {
            return Ok(());
        };
        inject::refuse_parts(request);
        match rule.json {
            Some(_) => request.insert_header(ACCEPT_ENCODING, "identity"),
            None => Ok(()),
        }
    }

    /// Injects into the header of the app's answer, and starts holding its body where the login goes into that.
    pub(super) fn filter_answer(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        let Some(permit) = ctx.permit() else {
            return Ok(());
        };
        let Target::Upstream { inject, .. } = permit.target else {
            return Ok(());
        };
        let rule = permit.answer.clone();
        let user = match &rule {
            Some(rule) => self.find_user(rule, response, ctx),
            None => ctx.user().cloned(),
        };
        if let Some((user, login)) = user.as_ref().and_then(with_login) {
            let cookie = CookieScope {
                request_headers: &session.req_header().headers,
                secure: !ctx.plain_loopback,
                now: now(),
            };
            let names = &ctx.site()?.settings.names;
            inject::into_response(response, names, (inject, user, login), &cookie)?;
        }
        match rule {
            Some(rule) if rule.json.is_some() => {
                self.hold_body(session, response, ctx, rule, user.clone())?;
            }
            Some(rule) if rule.session.is_some() && user.is_some() => {
                self.count_answer(ctx, AnswerOutcome::Injected);
            }
            Some(_) | None => {}
        }
        ctx.logged_in = user;
        Ok(())
    }

    /// Takes a chunk of the body that is held back; gives what is sent instead.
    pub(super) fn filter_body(
        &self,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        let Some(mut held) = ctx.held_body.take() else {
            return Ok(());
        };
        let chunk = body.take().unwrap_or_default();
        let sent = match held.body.feed(&chunk, end_of_stream) {
            Ok(Action::Hold) => Vec::new(),
            Ok(Action::Pass(bytes)) => bytes,
            Ok(Action::GiveUp(bytes)) => {
                self.count_answer(ctx, AnswerOutcome::TooLong);
                bytes
            }
            Ok(Action::Whole(bytes)) => self.write_login(&held, bytes, ctx),
            Err(_) => {
                self.count_answer(ctx, AnswerOutcome::Coding);
                let text = "the app's answer cannot be decoded";
                return Err(Error::explain(ErrorType::InternalError, text).into_up());
            }
        };
        *body = (!sent.is_empty()).then(|| Bytes::from(sent));
        ctx.held_body = Some(held);
        Ok(())
    }

    /// What is sent of a body that is held back when trailers come, which are its end as well.
    pub(super) async fn end_body(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<Option<Bytes>> {
        let mut body = None;
        if let Err(error) = self.filter_body(&mut body, true, ctx) {
            // The framework would send an end after nothing.
            respond::cut_off(session).await;
            return Err(error);
        }
        Ok(body)
    }

    /// Whose answer this is, as far as its header tells.
    fn find_user(
        &self,
        rule: &AnswerRule,
        response: &ResponseHeader,
        ctx: &RequestContext,
    ) -> Option<User> {
        let Some(new_session) = &rule.session else {
            return ctx.user().cloned();
        };
        if !new_session.covers(response.status) {
            self.count_answer(ctx, AnswerOutcome::NoSession);
            return None;
        }
        if new_session.source.is_in_body() {
            return None;
        }
        let found = new_session.source.from_headers(&response.headers, now());
        self.log_in(found, ctx)
    }

    fn hold_body(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut RequestContext,
        rule: Arc<AnswerRule>,
        user: Option<User>,
    ) -> Result<()> {
        if !may_take_login(&rule, user.as_ref(), response.status) {
            return Ok(());
        }
        let request = session.req_header();
        let limit = ctx.site()?.bounds.limits.max_login_body_bytes;
        let body =
            match LoginBody::for_answer(&request.method, response.status, &response.headers, limit)
            {
                Ok(body) => body,
                Err(reason) => {
                    self.count_answer(ctx, reason.into());
                    return Ok(());
                }
            };
        for name in &STALE {
            response.remove_header(name);
        }
        inject::keep_out_of_caches(response)?;
        frame_anew(session, response)?;
        Joined::let_header_wait(session);
        ctx.held_body = Some(HeldBody { body, rule, user });
        Ok(())
    }

    /// The whole body with the login in it, or as it was.
    fn write_login(&self, held: &HeldBody, body: Vec<u8>, ctx: &mut RequestContext) -> Vec<u8> {
        let user = match &held.user {
            Some(user) => Some(user.clone()),
            None => self.find_user_in_body(&held.rule, &body, ctx),
        };
        let Some((user, login)) = user.as_ref().and_then(with_login) else {
            return body;
        };
        let member = serde_json::to_string(&LoginJson::new(user, login)).unwrap_or_default();
        let written = match &held.rule.json {
            Some(pointer) => insert(&body, pointer, &member),
            None => Err(InsertError::NoParent),
        };
        ctx.logged_in = Some(user.clone());
        match written {
            Ok(written) => {
                self.count_answer(ctx, AnswerOutcome::Injected);
                written
            }
            Err(_) => {
                self.count_answer(ctx, AnswerOutcome::NoRoom);
                body
            }
        }
    }

    fn find_user_in_body(
        &self,
        rule: &AnswerRule,
        body: &[u8],
        ctx: &RequestContext,
    ) -> Option<User> {
        let source = &rule.session.as_ref()?.source;
        match parse_object(body) {
            Ok(object) => self.log_in(source.from_body(&object), ctx),
            Err(_) => {
                self.count_answer(ctx, AnswerOutcome::NoRoom);
                None
            }
        }
    }

    /// Judges the token of an answer like that of a request; a refusal changes nothing about the answer.
    fn log_in(
        &self,
        found: Result<Option<BearerToken>, ExtractError>,
        ctx: &RequestContext,
    ) -> Option<User> {
        let site = ctx.site.as_ref()?;
        let Some(token) = found.transpose() else {
            self.count_answer(ctx, AnswerOutcome::NoSession);
            return None;
        };
        let user = token
            .map_err(|error| match error {
                ExtractError::Conflict => Rejection::TokenConflict,
                ExtractError::Invalid(error) => Rejection::Token(error),
            })
            .and_then(|token| site.settings.authorizer.log_in(&token, now()));
        self.count_user(ctx.site_name(), user.as_ref());
        match &user {
            // It cannot wait, so it is dated past the kick.
            Ok(user) => {
                site.settings.logouts.hurry_kick(&user.user_id);
                site.offer_profile(user);
            }
            Err(_) => self.count_answer(ctx, AnswerOutcome::SessionRefused),
        }
        user.ok()
    }

    fn count_answer(&self, ctx: &RequestContext, outcome: AnswerOutcome) {
        self.metrics.count_answer(ctx.site_name(), outcome);
    }
}

/// The answer may come much later than its request, and with a token that was issued in between.
fn now() -> UnixTime {
    UnixTime::from(SystemTime::now())
}

/// Whether a login may belong into the body of an answer with this status, as far as its header tells.
fn may_take_login(rule: &AnswerRule, user: Option<&User>, status: StatusCode) -> bool {
    match &rule.session {
        Some(session) => user.is_some() || (session.source.is_in_body() && session.covers(status)),
        None => user.is_some() && status.is_success(),
    }
}

/// Without a length, HTTP/1.1 needs chunks, HTTP/1.0 ends the body by closing, and HTTP/2 has frames.
fn frame_anew(session: &mut Session, response: &mut ResponseHeader) -> Result<()> {
    response.remove_header(&TRANSFER_ENCODING);
    match session.req_header().version {
        Version::HTTP_11 => {
            response.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
        }
        Version::HTTP_2 => {}
        _ => session.set_keepalive(None),
    }
    Ok(())
}

fn with_login(user: &User) -> Option<(&User, &crate::authorize::Login)> {
    Some((user, user.login.as_ref()?))
}

impl From<Untouched> for AnswerOutcome {
    fn from(reason: Untouched) -> Self {
        match reason {
            Untouched::NoBody | Untouched::Partial => Self::NoBody,
            Untouched::NotJson => Self::NotJson,
            Untouched::Coding => Self::Coding,
            Untouched::TooLong => Self::TooLong,
        }
    }
}
