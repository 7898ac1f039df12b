//! Calls of Chat's REST API through the proxy: read the body, hold it to the policy, ask for the caller's role in a group where
//! a rule wants one, take a place in the budgets, call.
//!
//! Nothing of the client's request goes to Chat but its body, and that only as a rule admits it. The call is made by a
//! [`ChatApi`], which knows the credential; here it is never seen. Each call leaves one record in the audit, made or refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::time::timeout;

use super::audit::{Audit, Entry};
use super::context::RequestContext;
use super::known_roles::KnownRoles;
use super::{UserSigProxy, internal, request_body, respond};
use crate::authorize::RestCall;
use crate::identity::{ReservedNames, UserId};
use crate::rejection::Rejection;
use crate::rest_api::HttpStatus;
use crate::rest_api::admit::{
    Admission, Admitted, Body, BodyError, Bounds, ByRole, MAX_BODY_BYTES,
};
use crate::rest_api::budget::Exceeded;
use crate::rest_api::catalog::Command;
use crate::rest_api::group_role::{self, RoleUnknown, Told};
use crate::rest_api::outcome::{Answer, Class};
use crate::rest_api::policy::{Denial, Grant, Policy, RestCaller};
use crate::rest_api::refusal::Refusal;
use crate::usersig::SdkAppId;

/// Calls Chat in the administrator's name.
#[async_trait]
pub trait ChatApi: Send + Sync {
    /// Makes the call and gives an answer that may be passed on. Bounded in time; repeats what may be repeated.
    async fn call(&self, command: &Command, body: &[u8]) -> Result<ChatAnswer, Refusal>;
}

/// Where calls take their place: on this node, or among the nodes of a fleet.
#[async_trait]
pub trait CallBudgets: Send + Sync {
    /// Takes a place for a call now, or says when to come again.
    async fn take(&self, command: &Command, caller: &UserId) -> Result<(), Exceeded>;
}

/// An answer of Chat that may be passed on.
#[derive(Clone, Debug)]
pub struct ChatAnswer {
    /// What it says.
    pub answer: Answer,
    /// The answer itself, a JSON object.
    pub body: Vec<u8>,
}

/// The gateway of a site.
pub struct RestGateway {
    /// Who may call what.
    pub policy: Policy,
    /// How often.
    pub budgets: Box<dyn CallBudgets>,
    /// Who has which role in a group.
    pub roles: KnownRoles,
    /// Makes the calls.
    pub chat: Arc<dyn ChatApi>,
    /// The administrators, in whose name nobody acts.
    pub reserved: Arc<ReservedNames>,
    /// The application.
    pub sdk_app_id: SdkAppId,
    /// The HTTP status of an answer.
    pub http_status: HttpStatus,
    /// The moment from which budgets count.
    pub started: Instant,
}

impl UserSigProxy {
    /// Makes the call of a permitted request, if the policy allows it, and answers.
    pub(super) async fn answer_rest_call(
        &self,
        session: &mut Session,
        ctx: &mut RequestContext,
    ) -> Result<()> {
        let site = ctx.site()?.clone();
        let gateway = site.settings.rest_api.as_ref().ok_or_else(internal)?;
        let permit = ctx.permit().ok_or_else(internal)?;
        let call = permit.rest_call.clone().ok_or_else(internal)?;
        let user = ctx.user().cloned().ok_or_else(internal)?;
        let mut entry = self.entry(ctx, &call);
        let mut asked = Asked {
            user_id: user.user_id,
            call: &call,
            audit: &*self.audit,
            read_within: site.bounds.read_timeout,
            role: None,
        };
        // An error means that the client went away: the entry is kept as it is.
        let answered = gateway.call(session, &mut asked, &mut entry).await?;
        if let Some(class) = asked.role {
            let calls = self.metrics.rest_calls();
            calls.count(&site.settings.name, group_role::GET_ROLE, class);
        }
        match answered {
            Ok(answer) => {
                entry.allowed(answer.answer.error_code).await;
                self.metrics.rest_calls().count(
                    &site.settings.name,
                    call.command.as_str(),
                    answer.answer.class,
                );
                let status = match gateway.http_status {
                    HttpStatus::AsSent => StatusCode::OK,
                    HttpStatus::FromErrorCode => answer.answer.class.status(),
                };
                respond::with_chat_answer(session, self.origins(ctx), status, answer.body).await
            }
            Err(refusal) => {
                entry.refused(&refusal).await;
                ctx.reject(Rejection::RestApi(refusal));
                let rejection = Rejection::RestApi(refusal);
                let origins = self.origins(ctx);
                let refused = respond::Refused {
                    request_id: ctx.request_id,
                    speaks_api: true,
                };
                respond::with_rejection(session, origins, refused, &rejection).await?;
                request_body::drain(session).await;
                Ok(())
            }
        }
    }
}

/// What is asked of the gateway.
struct Asked<'a> {
    user_id: UserId,
    call: &'a RestCall,
    audit: &'a dyn Audit,
    /// How long its body may take: it is short.
    read_within: Duration,
    /// What became of the question for the caller's role, where this call asked it.
    role: Option<Class>,
}

impl RestGateway {
    /// In the order of cost: who may call it at all, the body, what of it is allowed, by whom in the group, a place in the
    /// budgets, the call.
    async fn call(
        &self,
        session: &mut Session,
        asked: &mut Asked<'_>,
        entry: &mut Entry,
    ) -> Result<Result<ChatAnswer, Refusal>> {
        let call = asked.call;
        let caller = RestCaller {
            user_id: asked.user_id,
            issuer: &call.issuer,
            roles: call.roles.clone(),
        };
        let grant = match self.policy.decide(&call.command, &caller) {
            Ok(grant) => grant,
            Err(denial) => {
                entry.note_rule(nearest(&denial));
                return Ok(Err(Refusal::from(&denial)));
            }
        };
        entry.note_rule(Some(&grant.first.label));
        let read = timeout(asked.read_within, read_body(session)).await;
        let read = read.map_err(|_| Error::new(ErrorType::ReadTimedout).into_down())?;
        let Some(text) = read? else {
            return Ok(Err(Refusal::Body(BodyError::TooLarge)));
        };
        let body = match Body::parse(&text) {
            Ok(body) => body,
            Err(error) => return Ok(Err(Refusal::Body(error))),
        };
        entry.note_concerns(body.concerns(grant.command));
        if asked.audit.refuses_calls() {
            return Ok(Err(Refusal::AuditUnavailable));
        }
        Ok(self.call_with(&body, &grant, &caller, asked, entry).await)
    }

    async fn call_with(
        &self,
        body: &Body<'_>,
        grant: &Grant<'_>,
        caller: &RestCaller<'_>,
        asked: &mut Asked<'_>,
        entry: &mut Entry,
    ) -> Result<ChatAnswer, Refusal> {
        let bounds = Bounds {
            reserved: &self.reserved,
            sdk_app_id: self.sdk_app_id,
        };
        let admission = body.admit(grant, caller, bounds).map_err(|refused| {
            entry.note_rule(Some(&refused.nearest.label));
            Refusal::NotAdmitted(refused.reason)
        })?;
        let admitted = match admission {
            Admission::Given(admitted) => admitted,
            Admission::ByRole(waiting) => self.admit_by_role(waiting, asked, entry).await?,
        };
        entry.note_rule(Some(&admitted.rule.label));
        entry.note_acting(&admitted.acting);
        self.budgets
            .take(grant.command, &caller.user_id)
            .await
            .map_err(Refusal::Budget)?;
        entry.note_sent();
        let answer = self.chat.call(grant.command, &admitted.body).await;
        if group_role::may_change_roles(grant.command) {
            // Also when no answer came: the call may have been made.
            match body.group(grant.command) {
                Some(group) => self.roles.forget(group),
                None => self.roles.forget_all(),
            }
        }
        answer
    }

    /// Asks Chat for the caller's role in the group, unless it was told a moment ago.
    async fn admit_by_role<'p, 'b>(
        &self,
        waiting: ByRole<'p, 'b>,
        asked: &mut Asked<'_>,
        entry: &mut Entry,
    ) -> Result<Admitted<'p, 'b>, Refusal> {
        entry.note_rule(Some(&waiting.first().label));
        let user = asked.user_id;
        let question = self.ask_role(waiting.group(), user, &mut asked.role);
        let clock = || self.started.elapsed();
        let told = self
            .roles
            .role(waiting.group(), user, clock, question)
            .await;
        waiting.with(told?).map_err(|refused| {
            entry.note_rule(Some(&refused.nearest.label));
            Refusal::GroupRole(refused.reason)
        })
    }

    /// A call as any other: it takes its place in the budgets.
    async fn ask_role(
        &self,
        group: &str,
        user: UserId,
        asked: &mut Option<Class>,
    ) -> Result<Told, Refusal> {
        let command = self.policy.catalog().find(group_role::GET_ROLE);
        let command = command.ok_or(Refusal::RoleUnknown(RoleUnknown::NotTold))?;
        self.budgets
            .take(command, &user)
            .await
            .map_err(Refusal::Budget)?;
        let question = group_role::question(group, &user);
        let called = self.chat.call(command, question.as_bytes()).await;
        let told = called.map_err(Refusal::of_question)?;
        *asked = Some(told.answer.class);
        Ok(group_role::read(&told.answer, &told.body, &user)?)
    }
}

fn nearest<'p>(denial: &Denial<'p>) -> Option<&'p Arc<str>> {
    match denial {
        Denial::NotForCaller { nearest, .. } => Some(&nearest.label),
        Denial::UnknownCommand | Denial::NoRule => None,
    }
}

/// The body, unless it is longer than that of any call.
async fn read_body(session: &mut Session) -> Result<Option<Bytes>> {
    request_body::invite(session).await?;
    let mut body = BytesMut::new();
    while let Some(chunk) = session
        .read_request_body()
        .await
        .map_err(Error::into_down)?
    {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}
