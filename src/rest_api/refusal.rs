//! How a refusal of the gateway reads to a client of the REST API: `ActionStatus`, `ErrorCode`, `ErrorInfo`, as Chat's own.
//!
//! Clients raise their ordinary error by `ErrorCode`, and some act on it: they make a new UserSig on 70001 and 70052 and send again
//! on 60008 and its kin. So a code of that kind stands only where the call was not sent and sending it again can help.
//! Where it may have been sent, the code is one that nobody repeats.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use super::admit::{AdmitError, BodyError};
use super::budget::{Exceeded, Scope};
use super::group_role::{NoGroupRole, RoleError, RoleUnknown};
use super::outcome::{AnswerError, Class};
use super::policy::Denial;

/// Why a call is refused, or has no answer of Chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The path names no command.
    NoCommand,
    /// The command is not known.
    UnknownCommand,
    /// No rule allows the command to the caller.
    NotAllowed,
    /// The body does not fit the rules that would allow it.
    NotAdmitted(AdmitError),
    /// The body is not one.
    Body(BodyError),
    /// The caller has another role in the group than the rules ask for, or none.
    GroupRole(NoGroupRole),
    /// The caller's role in the group could not be learnt; the call was not sent.
    RoleUnknown(RoleUnknown),
    /// A budget is used up.
    Budget(Exceeded),
    /// Chat has refused our signatures too often, and is left alone for a while.
    BreakerOpen {
        /// Until it is asked again.
        retry_after: Duration,
    },
    /// The call could not be audited, and none is made that is not.
    AuditUnavailable,
    /// Chat was not reached; the call was not sent.
    Unreachable,
    /// Chat did not answer in time; the call may have been made.
    Timeout,
    /// The answer is not one that may be passed on; the call may have been made.
    Answer(AnswerError),
}

impl From<&Denial<'_>> for Refusal {
    fn from(denial: &Denial<'_>) -> Self {
        match denial {
            Denial::UnknownCommand => Self::UnknownCommand,
            Denial::NoRule | Denial::NotForCaller { .. } => Self::NotAllowed,
        }
    }
}

impl From<RoleError> for Refusal {
    fn from(error: RoleError) -> Self {
        match error {
            RoleError::None(lack) => Self::GroupRole(lack),
            RoleError::Unknown(why) => Self::RoleUnknown(why),
        }
    }
}

impl Refusal {
    /// What the refusal of the question for a role is to the call that waits for it, and that was not sent in any case.
    #[must_use]
    pub fn of_question(self) -> Self {
        match self {
            Self::Timeout => Self::RoleUnknown(RoleUnknown::Timeout),
            Self::Answer(error) => Self::RoleUnknown(RoleUnknown::Answer(error)),
            other => other,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.facts().0
    }

    /// The stable code that clients may act on.
    pub fn code(&self) -> &'static str {
        self.facts().1
    }

    /// The `ErrorCode`.
    pub fn error_code(&self) -> u32 {
        self.facts().2
    }

    /// One sentence for the client's developer, also the `ErrorInfo`. It repeats nothing of the request.
    pub fn detail(&self) -> &'static str {
        match self {
            Self::NoCommand => "The path is not that of a command.",
            Self::UnknownCommand => "There is no such command.",
            Self::NotAllowed => "This session may not call this command.",
            Self::NotAdmitted(AdmitError::Acting(_)) => {
                "This session may not act in the name that the body gives, or gives none."
            }
            Self::NotAdmitted(AdmitError::ReservedTarget) => {
                "Nobody may do this to an administrator of Chat."
            }
            Self::NotAdmitted(AdmitError::Group(_)) => {
                "The body must name one group, in which this session's user has a role."
            }
            Self::NotAdmitted(AdmitError::Condition(_) | AdmitError::OtherApp) => {
                "This session may not call this command with such a body."
            }
            Self::GroupRole(_) => "This session's user has not the role in the group for that.",
            Self::RoleUnknown(_) => {
                "The role in the group could not be learnt. The call was not made."
            }
            Self::Body(BodyError::TooLarge) => "The body is larger than a call may have.",
            Self::Body(_) => "The body is not one JSON object with each name once.",
            Self::Budget(_) => "Too many calls. Try again later.",
            Self::BreakerOpen { .. } => "Chat takes no calls at the moment. Try again later.",
            Self::AuditUnavailable => "Calls cannot be recorded at the moment. Try again later.",
            Self::Unreachable => "Chat cannot be reached. The call was not made.",
            Self::Timeout => "Chat did not answer in time. The call may have been made.",
            Self::Answer(_) => "Chat gave no usable answer. The call may have been made.",
        }
    }

    /// The fact behind the code, as one word for the log and the audit; `None` where the code says all.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::NotAdmitted(error) => Some(error.reason()),
            Self::Body(BodyError::Syntax) => Some("syntax"),
            Self::Body(BodyError::DuplicateMember) => Some("duplicate_member"),
            Self::Body(BodyError::NotAnObject) => Some("not_an_object"),
            Self::Budget(exceeded) => Some(exceeded.scope.as_str()),
            Self::GroupRole(lack) => Some(lack.reason()),
            Self::RoleUnknown(RoleUnknown::Timeout) => Some("timeout"),
            Self::RoleUnknown(RoleUnknown::Refused(_)) => Some("refused"),
            Self::RoleUnknown(RoleUnknown::NotTold) => Some("not_told"),
            Self::Answer(error) | Self::RoleUnknown(RoleUnknown::Answer(error)) => {
                Some(match error {
                    AnswerError::NotTheApi => "not_the_api",
                    AnswerError::Leak => "leak",
                })
            }
            Self::Body(BodyError::TooLarge)
            | Self::NoCommand
            | Self::UnknownCommand
            | Self::NotAllowed
            | Self::BreakerOpen { .. }
            | Self::AuditUnavailable
            | Self::Unreachable
            | Self::Timeout => None,
        }
    }

    /// When to come again, for `Retry-After`: whole seconds, rounded up, at least one.
    pub fn retry_after(&self) -> Option<u64> {
        let wait = match self {
            Self::Budget(Exceeded { retry_after, .. }) | Self::BreakerOpen { retry_after } => {
                *retry_after
            }
            Self::RoleUnknown(why) if why.may_pass() => Duration::from_secs(1),
            Self::AuditUnavailable => Duration::from_secs(10),
            Self::Unreachable => Duration::from_secs(1),
            Self::NoCommand
            | Self::UnknownCommand
            | Self::NotAllowed
            | Self::NotAdmitted(_)
            | Self::Body(_)
            | Self::GroupRole(_)
            | Self::RoleUnknown(_)
            | Self::Timeout
            | Self::Answer(_) => return None,
        };
        let started = u64::from(wait.subsec_nanos() > 0);
        Some((wait.as_secs() + started).max(1))
    }

    /// The members that make any JSON object an answer of the API.
    pub fn members(&self) -> [(&'static str, serde_json::Value); 3] {
        members(self.error_code(), self.detail())
    }

    fn facts(&self) -> (StatusCode, &'static str, u32) {
        match self {
            Self::NoCommand => (StatusCode::NOT_FOUND, "route_not_found", 60009),
            Self::UnknownCommand => (StatusCode::FORBIDDEN, "command_unknown", 60009),
            Self::NotAllowed => (StatusCode::FORBIDDEN, "command_not_allowed", 60010),
            Self::NotAdmitted(AdmitError::Acting(_)) => {
                (StatusCode::FORBIDDEN, "acting_account_not_allowed", 60010)
            }
            Self::NotAdmitted(
                AdmitError::Condition(_)
                | AdmitError::Group(_)
                | AdmitError::ReservedTarget
                | AdmitError::OtherApp,
            ) => (StatusCode::FORBIDDEN, "body_not_allowed", 60010),
            Self::GroupRole(_) => (StatusCode::FORBIDDEN, "group_role_not_allowed", 60010),
            Self::RoleUnknown(why) => {
                // Nothing was done, so a client may repeat the call where that can help.
                let error_code = if why.may_pass() { 60008 } else { 60013 };
                (why.status(), "group_role_unknown", error_code)
            }
            Self::Body(BodyError::TooLarge) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", 80002)
            }
            Self::Body(_) => (StatusCode::BAD_REQUEST, "body_invalid", 60003),
            Self::Budget(Exceeded { scope, .. }) => match scope {
                Scope::Command | Scope::Caller => {
                    (StatusCode::TOO_MANY_REQUESTS, "budget_used_up", 60007)
                }
                Scope::App => (StatusCode::TOO_MANY_REQUESTS, "budget_used_up", 60011),
            },
            Self::BreakerOpen { .. } => (StatusCode::SERVICE_UNAVAILABLE, "chat_paused", 60019),
            Self::AuditUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "audit_unavailable", 60019),
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "chat_unreachable", 60008),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "chat_timeout", 60013),
            Self::Answer(_) => (StatusCode::BAD_GATEWAY, "chat_invalid", 60013),
        }
    }
}

impl RoleUnknown {
    fn status(self) -> StatusCode {
        match self {
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Refused(code) => match Class::of(code) {
                Class::Rate | Class::Breaker => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_GATEWAY,
            },
            Self::Answer(_) | Self::NotTold => StatusCode::BAD_GATEWAY,
        }
    }

    /// Whether asking again in a second can bring another answer.
    fn may_pass(self) -> bool {
        match self {
            Self::Timeout => true,
            Self::Refused(code) => matches!(Class::of(code), Class::Rate | Class::Retry),
            Self::Answer(_) | Self::NotTold => false,
        }
    }
}

/// The same members for a refusal that is not of the gateway, such as one of the session token, by its HTTP status.
pub fn members_for(status: StatusCode, detail: &str) -> [(&'static str, serde_json::Value); 3] {
    let error_code = match status {
        // Not 70001: a new UserSig of the client's would change nothing.
        StatusCode::UNAUTHORIZED => 70003,
        StatusCode::FORBIDDEN => 60010,
        StatusCode::NOT_FOUND => 60009,
        StatusCode::PAYLOAD_TOO_LARGE => 80002,
        StatusCode::TOO_MANY_REQUESTS => 60007,
        status if status.is_client_error() => 60002,
        StatusCode::SERVICE_UNAVAILABLE => 60019,
        _ => 60013,
    };
    members(error_code, detail)
}

fn members(error_code: u32, detail: &str) -> [(&'static str, serde_json::Value); 3] {
    [
        ("ActionStatus", json!("FAIL")),
        ("ErrorCode", json!(error_code)),
        ("ErrorInfo", json!(detail)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest_api::acting::ActingError;
    use crate::rest_api::condition::ConditionError;
    use crate::rest_api::group_role::GroupError;
    use crate::rest_api::outcome::{Answer, Secrets};

    fn all() -> Vec<Refusal> {
        let budget = |scope| {
            Refusal::Budget(Exceeded {
                scope,
                retry_after: Duration::from_millis(1001),
            })
        };
        vec![
            Refusal::NoCommand,
            Refusal::UnknownCommand,
            Refusal::NotAllowed,
            Refusal::NotAdmitted(ActingError::Foreign.into()),
            Refusal::NotAdmitted(ConditionError::Value.into()),
            Refusal::NotAdmitted(AdmitError::OtherApp),
            Refusal::NotAdmitted(AdmitError::ReservedTarget),
            Refusal::NotAdmitted(GroupError::Several.into()),
            Refusal::GroupRole(NoGroupRole::OtherRole),
            Refusal::RoleUnknown(RoleUnknown::Timeout),
            Refusal::RoleUnknown(RoleUnknown::Refused(60007)),
            Refusal::RoleUnknown(RoleUnknown::Refused(10007)),
            Refusal::RoleUnknown(RoleUnknown::Refused(70001)),
            Refusal::RoleUnknown(RoleUnknown::NotTold),
            Refusal::RoleUnknown(RoleUnknown::Answer(AnswerError::Leak)),
            Refusal::Body(BodyError::TooLarge),
            Refusal::Body(BodyError::DuplicateMember),
            budget(Scope::Command),
            budget(Scope::Caller),
            budget(Scope::App),
            Refusal::BreakerOpen {
                retry_after: Duration::from_secs(60),
            },
            Refusal::AuditUnavailable,
            Refusal::Unreachable,
            Refusal::Timeout,
            Refusal::Answer(AnswerError::Leak),
        ]
    }

    #[test]
    fn each_refusal_has_its_status_and_the_codes_of_both_worlds() {
        let lines = all().into_iter().map(|refusal| {
            let reason = refusal.reason().unwrap_or("-");
            let retry = refusal.retry_after().unwrap_or_default();
            let (status, code) = (refusal.status().as_u16(), refusal.code());
            format!("{status} {code} {} {reason} {retry}", refusal.error_code())
        });
        assert_eq!(
            lines.collect::<Vec<_>>(),
            [
                "404 route_not_found 60009 - 0",
                "403 command_unknown 60009 - 0",
                "403 command_not_allowed 60010 - 0",
                "403 acting_account_not_allowed 60010 acting_foreign 0",
                "403 body_not_allowed 60010 condition_value 0",
                "403 body_not_allowed 60010 other_app 0",
                "403 body_not_allowed 60010 reserved_target 0",
                "403 body_not_allowed 60010 group_several 0",
                "403 group_role_not_allowed 60010 other_role 0",
                "504 group_role_unknown 60008 timeout 1",
                "503 group_role_unknown 60008 refused 1",
                "502 group_role_unknown 60013 refused 0",
                "502 group_role_unknown 60013 refused 0",
                "502 group_role_unknown 60013 not_told 0",
                "502 group_role_unknown 60013 leak 0",
                "413 body_too_large 80002 - 0",
                "400 body_invalid 60003 duplicate_member 0",
                "429 budget_used_up 60007 command 2",
                "429 budget_used_up 60007 caller 2",
                "429 budget_used_up 60011 app 2",
                "503 chat_paused 60019 - 60",
                "503 audit_unavailable 60019 - 10",
                "502 chat_unreachable 60008 - 1",
                "504 chat_timeout 60013 - 0",
                "502 chat_invalid 60013 leak 0",
            ]
        );
    }

    #[test]
    fn a_refusal_reads_as_a_failure_of_the_api() {
        for refusal in all() {
            let object = serde_json::Map::from_iter(
                refusal
                    .members()
                    .map(|(name, value)| (name.to_owned(), value)),
            );
            let body = serde_json::to_vec(&object).unwrap();
            let answer = Answer::read(&body, &Secrets::default()).unwrap();
            assert!(!answer.is_success(), "{refusal:?}");
            assert_eq!(answer.error_code, i64::from(refusal.error_code()));
        }
    }

    #[test]
    fn no_code_makes_a_client_sign_again_or_repeat_what_may_have_been_done() {
        for refusal in all() {
            let class = Class::of(refusal.error_code().into());
            assert!(
                !matches!(class, Class::SignAgain | Class::Breaker),
                "{refusal:?}"
            );
            let may_repeat = matches!(class, Class::Retry | Class::Rate);
            assert_eq!(may_repeat, refusal.retry_after().is_some(), "{refusal:?}");
        }
        for status in (400..600).filter_map(|status| StatusCode::from_u16(status).ok()) {
            let [_, (_, code), _] = members_for(status, "");
            let class = Class::of(code.as_i64().unwrap());
            assert!(
                !matches!(class, Class::SignAgain | Class::Breaker | Class::Retry),
                "{status}"
            );
        }
    }
}
