//! Calls of Chat's REST API through the proxy: read the body, hold it to the policy, ask for the caller's role in a group where
//! a rule wants one, take a place in the budgets, call.
//!
//! Nothing of the client's request goes to Chat but its body, and that only as a rule admits it. The call is made by a
//! [`ChatApi`], which knows the credential; here it is never seen. Each call leaves one audit line, allowed or refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::EXPECT;
use pingora::proxy::Session;
use pingora::{Error, Result};
use tokio::time::timeout;

use super::context::RequestContext;
use super::known_roles::KnownRoles;
use super::{UserSigProxy, internal, respond};
use crate::authorize::{RestCall, User};
use crate::identity::{ReservedNames, UserId};
use crate::rejection::Rejection;
use crate::rest_api::HttpStatus;
use crate::rest_api::admit::{
    Admission, Admitted, Body, BodyError, Bounds, ByRole, MAX_BODY_BYTES,
};
use crate::rest_api::budget::Budgets;
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
    pub budgets: Box<dyn Budgets>,
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

/// What the audit tells of a call beside who called what.
#[derive(Default)]
struct Record {
    rule: Option<Arc<str>>,
    concerns: Vec<String>,
    acting: Vec<String>,
    error_code: Option<i64>,
    /// What became of the question for a role, where this call asked it.
    asked: Option<Class>,
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
        let mut record = Record::default();
        let answered = gateway.call(session, &user, &call, &mut record).await?;
        record.log(ctx, &user, &call, &answered);
        if let Some(class) = record.asked {
            let calls = self.metrics.rest_calls();
            calls.count(&site.settings.name, group_role::GET_ROLE, class);
        }
        match answered {
            Ok(answer) => {
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
                ctx.reject(Rejection::RestApi(refusal));
                let rejection = Rejection::RestApi(refusal);
                let origins = self.origins(ctx);
                let refused = respond::Refused {
                    request_id: ctx.request_id,
                    speaks_api: true,
                };
                respond::with_rejection(session, origins, refused, &rejection).await?;
                drain(session).await;
                Ok(())
            }
        }
    }
}

impl RestGateway {
    /// In the order of cost: who may call it at all, the body, what of it is allowed, by whom in the group, a place in the
    /// budgets, the call.
    async fn call(
        &self,
        session: &mut Session,
        user: &User,
        call: &RestCall,
        record: &mut Record,
    ) -> Result<Result<ChatAnswer, Refusal>> {
        let caller = RestCaller {
            user_id: user.user_id,
            issuer: &call.issuer,
            roles: call.roles.clone(),
        };
        let grant = match self.policy.decide(&call.command, &caller) {
            Ok(grant) => grant,
            Err(denial) => {
                record.rule = nearest(&denial);
                return Ok(Err(Refusal::from(&denial)));
            }
        };
        record.rule = Some(grant.first.label.clone());
        let Some(text) = read_body(session).await? else {
            return Ok(Err(Refusal::Body(BodyError::TooLarge)));
        };
        Ok(match Body::parse(&text) {
            Ok(body) => self.call_with(&body, &grant, &caller, record).await,
            Err(error) => Err(Refusal::Body(error)),
        })
    }

    async fn call_with(
        &self,
        body: &Body<'_>,
        grant: &Grant<'_>,
        caller: &RestCaller<'_>,
        record: &mut Record,
    ) -> Result<ChatAnswer, Refusal> {
        let concerns = body.concerns(MAX_CONCERNED).into_iter();
        record.concerns = concerns.map(str::to_owned).collect();
        let bounds = Bounds {
            reserved: &self.reserved,
            sdk_app_id: self.sdk_app_id,
        };
        let admission = body.admit(grant, caller, bounds).map_err(|refused| {
            record.rule = Some(refused.nearest.label.clone());
            Refusal::NotAdmitted(refused.reason)
        })?;
        let admitted = match admission {
            Admission::Given(admitted) => admitted,
            Admission::ByRole(waiting) => {
                self.admit_by_role(waiting, caller.user_id, record).await?
            }
        };
        record.rule = Some(admitted.rule.label.clone());
        record.acting.clone_from(&admitted.acting);
        self.budgets
            .take(grant.command, &caller.user_id, self.started.elapsed())
            .map_err(Refusal::Budget)?;
        let answer = self.chat.call(grant.command, &admitted.body).await;
        record.error_code = answer.as_ref().ok().map(|answer| answer.answer.error_code);
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
        user: UserId,
        record: &mut Record,
    ) -> Result<Admitted<'p, 'b>, Refusal> {
        record.rule = Some(waiting.first().label.clone());
        let question = self.ask_role(waiting.group(), user, &mut record.asked);
        let clock = || self.started.elapsed();
        let told = self
            .roles
            .role(waiting.group(), user, clock, question)
            .await;
        if let Err(Refusal::RoleUnknown(RoleUnknown::Refused(error_code))) = told {
            record.error_code = Some(error_code);
        }
        waiting.with(told?).map_err(|refused| {
            record.rule = Some(refused.nearest.label.clone());
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
            .take(command, &user, self.started.elapsed())
            .map_err(Refusal::Budget)?;
        let question = group_role::question(group, &user);
        let called = self.chat.call(command, question.as_bytes()).await;
        let told = called.map_err(Refusal::of_question)?;
        *asked = Some(told.answer.class);
        Ok(group_role::read(&told.answer, &told.body, &user)?)
    }
}

impl Record {
    /// One line for each call. Never a body or a credential.
    fn log(
        &self,
        ctx: &RequestContext,
        user: &User,
        call: &RestCall,
        answered: &Result<ChatAnswer, Refusal>,
    ) {
        let roles: Vec<_> = call.roles.iter().collect();
        let decision = match answered {
            Ok(_) => "allowed",
            Err(refusal) => refusal.code(),
        };
        tracing::info!(
            target: "usersig_proxy::audit",
            request_id = %ctx.request_id,
            site = ctx.site_name(),
            issuer = call.issuer,
            user_id = user.user_id.as_str(),
            roles = roles.join(" "),
            command = call.command.as_str(),
            rule = self.rule.as_deref(),
            acting = self.acting.join(" "),
            concerns = self.concerns.join(" "),
            decision,
            reason = answered.as_ref().err().and_then(|refusal| refusal.reason()),
            error_code = self.error_code,
            duration_ms = (ctx.started.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            "call"
        );
    }
}

fn nearest(denial: &Denial<'_>) -> Option<Arc<str>> {
    match denial {
        Denial::NotForCaller { nearest, .. } => Some(nearest.label.clone()),
        Denial::UnknownCommand | Denial::NoRule => None,
    }
}

/// The body, unless it is longer than that of any call.
async fn read_body(session: &mut Session) -> Result<Option<Bytes>> {
    if session.req_header().headers.contains_key(EXPECT) {
        session.write_continue_response().await?;
    }
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

/// Takes what a refused client still sends, so that it reads the answer before the connection closes.
async fn drain(session: &mut Session) {
    let rest = async {
        let mut drained = 0;
        while let Ok(Some(chunk)) = session.read_request_body().await {
            drained += chunk.len();
            if drained > MAX_DRAINED_BYTES {
                return;
            }
        }
    };
    // Whether it is over or not, the connection closes next.
    let _ = timeout(DRAIN, rest).await;
}

/// So many accounts and groups an audit line names.
const MAX_CONCERNED: usize = 20;
const MAX_DRAINED_BYTES: usize = 1 << 20;
const DRAIN: Duration = Duration::from_secs(2);
