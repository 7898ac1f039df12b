//! What the audit is told of calls of the REST API: one record for each, made or refused, also one that is cut short. Only of
//! what comes without a verified session some are left out where there are many, and counted.
//!
//! A record is handed to the [`Audit`] before the client gets its answer. Who writes it, where, and in which shape is not
//! known here. It never holds a body or a credential.

mod strangers;

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::Method;
use pingora::proxy::Session;
use sha2::{Digest, Sha256};

pub(super) use self::strangers::Strangers;
use super::context::{Decision, RequestContext};
use super::{UserSigProxy, access, request};
use crate::authorize::{CallPath, RestCall};
use crate::rest_api::group_role::RoleUnknown;
use crate::rest_api::policy::Roles;
use crate::rest_api::refusal::Refusal;

/// Keeps the records of calls.
pub trait Audit: Send + Sync {
    /// Whether calls are to be refused, because their records cannot be kept.
    fn refuses_calls(&self) -> bool;

    /// Takes a record over at once, whether the answer is waited for or not. It comes when the record is kept, in a second at
    /// most; then it stands in the log.
    fn keep(&self, record: &AuditRecord) -> Keeping;
}

/// The wait until a record is kept.
pub type Keeping = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What became of one call. Texts are as long as they came.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// When it came.
    pub time: SystemTime,
    /// The request's id, as the client and the access line have it.
    pub request_id: String,
    /// The site's name.
    pub site: String,
    /// Whose session it is, in the words of the app; as all that a session says, only of a verified one.
    pub subject: Option<String>,
    /// The name of the session's issuer.
    pub issuer: Option<String>,
    /// The Chat account of the subject.
    pub user_id: Option<String>,
    /// The roles that the session gives.
    pub roles: Vec<String>,
    /// The rule that allowed it, or that came nearest.
    pub rule: Option<Arc<str>>,
    /// The command that the path names, known or not.
    pub command: Option<String>,
    /// The accounts, groups and rooms that the body names.
    pub concerns: Vec<String>,
    /// The accounts in whose name it acts.
    pub acting: Vec<String>,
    /// [`ALLOWED`], [`ABORTED`] or the code of the refusal.
    pub decision: &'static str,
    /// The fact behind the decision, in one word.
    pub reason: Option<&'static str>,
    /// The `ErrorCode` of Chat's answer.
    pub error_code: Option<i64>,
    /// From the end of the request's header until the answer is known.
    pub duration: Duration,
}

/// A record that grows while its call is under way. When the call is cut short, it is kept as it is.
pub(super) struct Entry {
    audit: Arc<dyn Audit>,
    started: Instant,
    is_kept: bool,
    record: AuditRecord,
}

impl Entry {
    fn new(audit: &Arc<dyn Audit>, ctx: &RequestContext) -> Self {
        Self {
            audit: Arc::clone(audit),
            started: ctx.started,
            is_kept: false,
            record: AuditRecord {
                time: SystemTime::now() - ctx.started.elapsed(),
                request_id: ctx.request_id.to_string(),
                site: ctx.site_name().to_owned(),
                subject: None,
                issuer: None,
                user_id: None,
                roles: Vec::new(),
                rule: None,
                command: None,
                concerns: Vec::new(),
                acting: Vec::new(),
                decision: ABORTED,
                reason: None,
                error_code: None,
                duration: Duration::ZERO,
            },
        }
    }

    fn call(mut self, call: &RestCall) -> Self {
        let record = &mut self.record;
        record.command = Some(call.command.to_string());
        record.issuer = Some(call.issuer.clone());
        record.subject = call.subject.as_deref().map(printable);
        record.roles = printable_roles(&call.roles);
        self
    }

    pub(super) fn note_rule(&mut self, rule: Option<&Arc<str>>) {
        self.record.rule = rule.cloned();
    }

    pub(super) fn note_concerns<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        self.record.concerns = names.into_iter().map(printable).collect();
    }

    pub(super) fn note_acting(&mut self, accounts: &[String]) {
        self.record.acting = accounts.iter().map(|account| printable(account)).collect();
    }

    /// From here on Chat may have carried the call out, whether its answer comes or not.
    pub(super) fn note_sent(&mut self) {
        self.record.decision = ALLOWED;
        self.record.reason = Some(NO_ANSWER);
    }

    /// Ends it with what Chat answered.
    pub(super) async fn allowed(self, error_code: i64) {
        self.end(ALLOWED, None, Some(error_code)).await;
    }

    /// Ends it with a refusal, which may be one for want of an answer.
    pub(super) async fn refused(self, refusal: &Refusal) {
        let error_code = match refusal {
            Refusal::RoleUnknown(RoleUnknown::Refused(error_code)) => Some(*error_code),
            _ => None,
        };
        self.end(refusal.code(), refusal.reason(), error_code).await;
    }

    async fn end(
        mut self,
        decision: &'static str,
        reason: Option<&'static str>,
        error_code: Option<i64>,
    ) {
        self.record.decision = decision;
        self.record.reason = reason;
        self.record.error_code = error_code;
        self.keep().await;
    }

    /// Keeps it as it is. What comes out is waited for, or not.
    pub(super) fn keep(&mut self) -> Keeping {
        self.is_kept = true;
        self.record.duration = self.started.elapsed();
        self.audit.keep(&self.record)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nobody is left to wait for it.
            drop(self.keep());
        }
    }
}

impl UserSigProxy {
    /// Begins the record of a permitted call.
    pub(super) fn entry(&self, ctx: &RequestContext, call: &RestCall) -> Entry {
        let mut entry = Entry::new(&self.audit, ctx).call(call);
        entry.record.user_id = ctx.user().map(|user| user.user_id.as_str().to_owned());
        entry
    }

    /// The record of a call that is refused before the gateway has it; other requests, and preflights, have none, nor have
    /// calls without a session that come too often.
    pub(super) fn refused_entry(&self, session: &Session, ctx: &RequestContext) -> Option<Entry> {
        let (Decision::Rejected(refused), Some(site)) = (&ctx.decision, &ctx.site) else {
            return None;
        };
        let header = session.req_header();
        if header.method == Method::OPTIONS {
            return None;
        }
        let (path, _) = request::target(header).ok()?;
        let path = site.settings.authorizer.call_path(path)?;
        if refused.rest_call.is_none() && !self.strangers.may_leave_one(Instant::now()) {
            self.metrics.audit().count_suppressed();
            return None;
        }
        let mut entry = Entry::new(&self.audit, ctx);
        if let CallPath::Command(command) = path {
            entry.record.command = Some(command.to_string());
        }
        if let Some(call) = &refused.rest_call {
            entry = entry.call(call);
        }
        entry.record.decision = refused.rejection.code();
        entry.record.reason = refused.rejection.reason();
        Some(entry)
    }
}

/// A text of a body or a claim. A client may put a credential where a name belongs, and a name may look like one: of such a
/// text the beginning is shown, and what tells it from others.
fn printable(text: &str) -> String {
    match access::redacted(text) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(_) => {
            let beginning: String = text.chars().take(MAX_BEGINNING).collect();
            format!("{beginning}{}{}", access::REDACTED, fingerprint(text))
        }
    }
}

/// What tells a text that is shown in part from others: `#` and the first 16 hex digits of its SHA-256.
pub fn fingerprint(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    format!("#{:016x}", u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

fn printable_roles(roles: &Roles) -> Vec<String> {
    roles.iter().map(printable).collect()
}

/// The decision about a call that Chat was asked to make.
pub const ALLOWED: &str = "allowed";
/// In place of a decision: the client went away, or the process ended, before there was one.
pub const ABORTED: &str = "aborted";
/// Why an allowed call has no `ErrorCode`: the process ended while Chat was asked.
const NO_ANSWER: &str = "no_answer";
/// So many letters of a text that may be a credential are shown.
const MAX_BEGINNING: usize = 8;
