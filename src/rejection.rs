//! Every way in which a request is turned away, on one screen: HTTP status, public code, what the client may know.
//!
//! The variants are facts found by other modules; this is the only one that knows their HTTP form. A client learns the
//! code and a fixed sentence. [`Rejection::reason`] is for the log and says more; neither carries any text of the request.

use std::time::Duration;

use http::StatusCode;

use crate::identity::IdentityError;
use crate::policy::{HostError, PathError};
use crate::rest_api::refusal::Refusal;
use crate::state::Denied;
use crate::token::TokenError;
use crate::webhook::WebhookError;

/// Why a request does not get what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The `Host` is missing, repeated or no host.
    HostInvalid(HostError),
    /// No site answers for the `Host`.
    HostUnknown,
    /// Two parsers could read the path differently.
    PathAmbiguous(PathError),
    /// The request breaks a rule of HTTP that the proxy relies on.
    RequestInvalid,
    /// The request target is longer than allowed.
    UriTooLong,
    /// The header is larger than allowed.
    HeaderTooLarge,
    /// The body is larger than allowed.
    BodyTooLarge,
    /// No route, or one that denies.
    RouteNotFound,
    /// The path is known and the method is not.
    MethodNotAllowed {
        /// The value for `Allow`.
        allow: String,
    },
    /// The route needs a session token and there is none.
    TokenMissing,
    /// Two different session tokens.
    TokenConflict,
    /// The session token is not good; `Expired` has a code of its own.
    Token(TokenError),
    /// The token was good, and its session has ended.
    SessionDenied(Denied),
    /// The token is good, but its claims do not make it a session.
    AccessDenied,
    /// A call of the REST API or a renewal whose token came in a cookie, and that another site may have made a browser send.
    CrossSite,
    /// A call of the REST API that is refused, or has no answer.
    RestApi(Refusal),
    /// A webhook that is not known to be Chat's, or was delivered before.
    Webhook(WebhookError),
    /// The token is good, but its subject has no UserID.
    UserNotMapped(IdentityError),
    /// The user's last renewal was a moment ago.
    RenewedTooSoon {
        /// When to come again.
        retry_after: Duration,
    },
    /// A UserSig that is new enough would be dated too far ahead of the clock.
    UserSigTooEarly {
        /// When to come again.
        retry_after: Duration,
    },
    /// Nobody answers at the app's address.
    UpstreamUnreachable,
    /// The app did not answer in time.
    UpstreamTimeout,
    /// The app's answer is not HTTP, or broke off.
    UpstreamInvalid,
    /// There are more requests under way than the proxy takes.
    Overloaded,
    /// The fault is ours.
    Internal,
}

impl Rejection {
    /// Every public code, for counters that exist from the start.
    pub const CODES: [&'static str; 44] = [
        "host_invalid",
        "unknown_host",
        "path_ambiguous",
        "request_invalid",
        "uri_too_long",
        "header_too_large",
        "body_too_large",
        "route_not_found",
        "method_not_allowed",
        "token_missing",
        "token_conflict",
        "token_invalid",
        "token_expired",
        "keys_unavailable",
        "access_denied",
        "cross_site",
        "command_unknown",
        "command_not_allowed",
        "acting_account_not_allowed",
        "body_not_allowed",
        "group_role_not_allowed",
        "group_role_unknown",
        "body_invalid",
        "budget_used_up",
        "chat_paused",
        "audit_unavailable",
        "chat_unreachable",
        "chat_timeout",
        "chat_invalid",
        "webhook_query_invalid",
        "webhook_other_app",
        "webhook_time_invalid",
        "webhook_sign_invalid",
        "webhook_body_invalid",
        "webhook_repeated",
        "webhook_memory_full",
        "user_not_mapped",
        "renewed_too_soon",
        "usersig_too_early",
        "upstream_unreachable",
        "upstream_timeout",
        "upstream_invalid",
        "overloaded",
        "internal",
    ];

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status_and_code().0
    }

    /// The stable code that clients may act on.
    pub fn code(&self) -> &'static str {
        self.status_and_code().1
    }

    /// One sentence for the client's developer.
    pub fn detail(&self) -> &'static str {
        match self {
            Self::HostInvalid(_) => "The Host of the request is missing, repeated or malformed.",
            Self::HostUnknown => "This server does not answer for the host of the request.",
            Self::PathAmbiguous(_) => {
                "The path is spelled in a way that two servers could read differently."
            }
            Self::RequestInvalid => "The request is not well-formed.",
            Self::UriTooLong => "The request target is too long.",
            Self::HeaderTooLarge => "The request header is too large.",
            Self::BodyTooLarge => "The request body is too large.",
            Self::RouteNotFound => "There is nothing here.",
            Self::MethodNotAllowed { .. } => "This path does not take this method.",
            Self::TokenMissing => "Log in to the app first and send its session token.",
            Self::TokenConflict => "The request carries more than one session token. Send one.",
            Self::Token(TokenError::Expired) => {
                "The session token has expired. Log in to the app again."
            }
            Self::Token(TokenError::KeysUnavailable) => {
                "Session tokens cannot be verified at the moment. Try again."
            }
            Self::Token(_) | Self::SessionDenied(_) => "The session token is not valid.",
            Self::AccessDenied => "This session token does not give access.",
            Self::CrossSite => {
                "With a session cookie, ask from the proxy's own origin, and call REST with application/json."
            }
            Self::RestApi(refusal) => refusal.detail(),
            Self::Webhook(error) => error.detail(),
            Self::UserNotMapped(_) => "The user of this session has no Chat UserID.",
            Self::RenewedTooSoon { .. } => "The UserSig was renewed a moment ago. Use that one.",
            Self::UserSigTooEarly { .. } => "A new UserSig cannot be dated yet. Try again.",
            Self::UpstreamUnreachable => "The app cannot be reached.",
            Self::UpstreamTimeout => "The app did not answer in time.",
            Self::UpstreamInvalid => "The app did not send a complete answer.",
            Self::Overloaded => "There are too many requests at the moment. Try again.",
            Self::Internal => "The proxy could not handle the request.",
        }
    }

    /// The fact behind the code, as one word for the log; `None` where the code says all.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::HostInvalid(_)
            | Self::HostUnknown
            | Self::RequestInvalid
            | Self::UriTooLong
            | Self::HeaderTooLarge
            | Self::BodyTooLarge
            | Self::RouteNotFound
            | Self::MethodNotAllowed { .. }
            | Self::TokenMissing
            | Self::TokenConflict
            | Self::AccessDenied
            | Self::CrossSite
            | Self::RenewedTooSoon { .. }
            | Self::UserSigTooEarly { .. }
            | Self::UpstreamUnreachable
            | Self::UpstreamTimeout
            | Self::UpstreamInvalid
            | Self::Overloaded
            | Self::Internal => None,
            Self::RestApi(refusal) => refusal.reason(),
            Self::Webhook(error) => Some(error.reason()),
            Self::SessionDenied(denied) => Some(denied.reason()),
            Self::PathAmbiguous(error) => Some(error.reason()),
            Self::Token(error) => Some(error.reason()),
            Self::UserNotMapped(error) => Some(error.reason()),
        }
    }

    /// The value for `WWW-Authenticate` (RFC 6750 section 3): no error code when no token was sent.
    pub fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::TokenMissing => Some(r#"Bearer realm="session""#),
            Self::TokenConflict => Some(
                r#"Bearer realm="session", error="invalid_request", error_description="more than one session token""#,
            ),
            Self::Token(TokenError::KeysUnavailable) => None,
            Self::Token(TokenError::Expired) => Some(
                r#"Bearer realm="session", error="invalid_token", error_description="the session token has expired""#,
            ),
            Self::Token(_) | Self::SessionDenied(_) => {
                Some(r#"Bearer realm="session", error="invalid_token""#)
            }
            Self::AccessDenied | Self::UserNotMapped(_) => {
                Some(r#"Bearer realm="session", error="insufficient_scope""#)
            }
            Self::HostInvalid(_)
            | Self::HostUnknown
            | Self::PathAmbiguous(_)
            | Self::RequestInvalid
            | Self::UriTooLong
            | Self::HeaderTooLarge
            | Self::BodyTooLarge
            | Self::RouteNotFound
            | Self::MethodNotAllowed { .. }
            | Self::CrossSite
            | Self::RestApi(_)
            | Self::Webhook(_)
            | Self::RenewedTooSoon { .. }
            | Self::UserSigTooEarly { .. }
            | Self::UpstreamUnreachable
            | Self::UpstreamTimeout
            | Self::UpstreamInvalid
            | Self::Overloaded
            | Self::Internal => None,
        }
    }

    /// When to come again, for `Retry-After`: whole seconds, at least one.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RenewedTooSoon { retry_after } | Self::UserSigTooEarly { retry_after } => {
                Some(retry_after.as_secs().max(1))
            }
            Self::Token(TokenError::KeysUnavailable) | Self::Overloaded => Some(1),
            Self::RestApi(refusal) => refusal.retry_after(),
            Self::Webhook(error) => error.retry_after(),
            Self::HostInvalid(_)
            | Self::HostUnknown
            | Self::PathAmbiguous(_)
            | Self::RequestInvalid
            | Self::UriTooLong
            | Self::HeaderTooLarge
            | Self::BodyTooLarge
            | Self::RouteNotFound
            | Self::MethodNotAllowed { .. }
            | Self::TokenMissing
            | Self::TokenConflict
            | Self::Token(_)
            | Self::SessionDenied(_)
            | Self::AccessDenied
            | Self::CrossSite
            | Self::UserNotMapped(_)
            | Self::UpstreamUnreachable
            | Self::UpstreamTimeout
            | Self::UpstreamInvalid
            | Self::Internal => None,
        }
    }

    /// The decision of what each fact is to a client, an arm a line.
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::HostInvalid(_) => (StatusCode::BAD_REQUEST, "host_invalid"),
            Self::HostUnknown => (StatusCode::MISDIRECTED_REQUEST, "unknown_host"),
            Self::PathAmbiguous(_) => (StatusCode::BAD_REQUEST, "path_ambiguous"),
            Self::RequestInvalid => (StatusCode::BAD_REQUEST, "request_invalid"),
            Self::UriTooLong => (StatusCode::URI_TOO_LONG, "uri_too_long"),
            Self::HeaderTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "header_too_large",
            ),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::RouteNotFound => (StatusCode::NOT_FOUND, "route_not_found"),
            Self::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::TokenMissing => (StatusCode::UNAUTHORIZED, "token_missing"),
            Self::TokenConflict => (StatusCode::BAD_REQUEST, "token_conflict"),
            Self::Token(TokenError::Expired) => (StatusCode::UNAUTHORIZED, "token_expired"),
            Self::Token(TokenError::KeysUnavailable) => {
                (StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable")
            }
            Self::Token(_) | Self::SessionDenied(_) => (StatusCode::UNAUTHORIZED, "token_invalid"),
            Self::AccessDenied => (StatusCode::FORBIDDEN, "access_denied"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross_site"),
            Self::RestApi(refusal) => (refusal.status(), refusal.code()),
            Self::Webhook(error) => (error.status(), error.code()),
            Self::UserNotMapped(_) => (StatusCode::FORBIDDEN, "user_not_mapped"),
            Self::RenewedTooSoon { .. } => (StatusCode::TOO_MANY_REQUESTS, "renewed_too_soon"),
            Self::UserSigTooEarly { .. } => (StatusCode::SERVICE_UNAVAILABLE, "usersig_too_early"),
            Self::UpstreamUnreachable => (StatusCode::BAD_GATEWAY, "upstream_unreachable"),
            Self::UpstreamTimeout => (StatusCode::GATEWAY_TIMEOUT, "upstream_timeout"),
            Self::UpstreamInvalid => (StatusCode::BAD_GATEWAY, "upstream_invalid"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::UserIdError;
    use crate::json::JsonError;
    use crate::rest_api::acting::ActingError;
    use crate::rest_api::admit::{AdmitError, BodyError};
    use crate::rest_api::budget::{Exceeded, Scope};
    use crate::rest_api::group_role::{NoGroupRole, RoleUnknown};
    use crate::rest_api::outcome::AnswerError;
    use crate::webhook::QueryError;

    /// One of each public code.
    fn samples() -> Vec<Rejection> {
        vec![
            Rejection::HostInvalid(HostError::Empty),
            Rejection::HostUnknown,
            Rejection::PathAmbiguous(PathError::DoubleSlash),
            Rejection::RequestInvalid,
            Rejection::UriTooLong,
            Rejection::HeaderTooLarge,
            Rejection::BodyTooLarge,
            Rejection::RouteNotFound,
            Rejection::MethodNotAllowed {
                allow: "GET".into(),
            },
            Rejection::TokenMissing,
            Rejection::TokenConflict,
            Rejection::Token(TokenError::SignatureInvalid),
            Rejection::Token(TokenError::Expired),
            Rejection::Token(TokenError::KeysUnavailable),
            Rejection::AccessDenied,
            Rejection::CrossSite,
            Rejection::RestApi(Refusal::UnknownCommand),
            Rejection::RestApi(Refusal::NotAllowed),
            Rejection::RestApi(Refusal::NotAdmitted(ActingError::Foreign.into())),
            Rejection::RestApi(Refusal::NotAdmitted(AdmitError::OtherApp)),
            Rejection::RestApi(Refusal::GroupRole(NoGroupRole::NotMember)),
            Rejection::RestApi(Refusal::RoleUnknown(RoleUnknown::Timeout)),
            Rejection::RestApi(Refusal::Body(BodyError::Syntax)),
            Rejection::RestApi(Refusal::Budget(Exceeded {
                scope: Scope::App,
                retry_after: Duration::from_secs(1),
            })),
            Rejection::RestApi(Refusal::BreakerOpen {
                retry_after: Duration::from_secs(60),
            }),
            Rejection::RestApi(Refusal::AuditUnavailable),
            Rejection::RestApi(Refusal::Unreachable),
            Rejection::RestApi(Refusal::Timeout),
            Rejection::RestApi(Refusal::Answer(AnswerError::NotTheApi)),
            Rejection::Webhook(QueryError::Missing.into()),
            Rejection::Webhook(WebhookError::OtherApp),
            Rejection::Webhook(WebhookError::Stale),
            Rejection::Webhook(WebhookError::SignInvalid),
            Rejection::Webhook(WebhookError::Body(JsonError::Syntax)),
            Rejection::Webhook(WebhookError::Repeated),
            Rejection::Webhook(WebhookError::MemoryFull),
            Rejection::UserNotMapped(UserIdError::Reserved.into()),
            Rejection::RenewedTooSoon {
                retry_after: Duration::from_secs(10),
            },
            Rejection::UserSigTooEarly {
                retry_after: Duration::from_secs(1),
            },
            Rejection::UpstreamUnreachable,
            Rejection::UpstreamTimeout,
            Rejection::UpstreamInvalid,
            Rejection::Overloaded,
            Rejection::Internal,
        ]
    }

    #[test]
    fn codes_are_all_listed_once() {
        let codes: Vec<_> = samples().iter().map(Rejection::code).collect();
        assert_eq!(codes, Rejection::CODES);
    }

    /// What clients rely on. A status or code that changes here changes the interface, and the README's table with it.
    #[test]
    fn every_refusal_keeps_its_status_and_code() {
        let found = samples();
        let found = found.iter().map(|rejection| {
            let status = rejection.status().as_u16();
            format!("{status} {}", rejection.code())
        });
        assert_eq!(found.clone().count(), KEPT.len());
        for (found, kept) in found.zip(KEPT) {
            assert_eq!(found, kept);
        }
    }

    const KEPT: [&str; 44] = [
        "400 host_invalid",
        "421 unknown_host",
        "400 path_ambiguous",
        "400 request_invalid",
        "414 uri_too_long",
        "431 header_too_large",
        "413 body_too_large",
        "404 route_not_found",
        "405 method_not_allowed",
        "401 token_missing",
        "400 token_conflict",
        "401 token_invalid",
        "401 token_expired",
        "503 keys_unavailable",
        "403 access_denied",
        "403 cross_site",
        "403 command_unknown",
        "403 command_not_allowed",
        "403 acting_account_not_allowed",
        "403 body_not_allowed",
        "403 group_role_not_allowed",
        "504 group_role_unknown",
        "400 body_invalid",
        "429 budget_used_up",
        "503 chat_paused",
        "503 audit_unavailable",
        "502 chat_unreachable",
        "504 chat_timeout",
        "502 chat_invalid",
        "400 webhook_query_invalid",
        "403 webhook_other_app",
        "403 webhook_time_invalid",
        "403 webhook_sign_invalid",
        "400 webhook_body_invalid",
        "409 webhook_repeated",
        "503 webhook_memory_full",
        "403 user_not_mapped",
        "429 renewed_too_soon",
        "503 usersig_too_early",
        "502 upstream_unreachable",
        "504 upstream_timeout",
        "502 upstream_invalid",
        "503 overloaded",
        "500 internal",
    ];

    #[test]
    fn every_401_carries_a_challenge() {
        for rejection in samples() {
            if rejection.status() == StatusCode::UNAUTHORIZED {
                assert!(rejection.challenge().is_some(), "{}", rejection.code());
            }
            assert!(rejection.status().is_client_error() || rejection.status().is_server_error());
        }
    }

    #[test]
    fn a_token_error_shows_the_client_nothing_but_expiry() {
        for error in TokenError::ALL {
            let code = Rejection::Token(error).code();
            let expected = match error {
                TokenError::Expired => "token_expired",
                TokenError::KeysUnavailable => "keys_unavailable",
                _ => "token_invalid",
            };
            assert_eq!(code, expected, "{}", error.reason());
        }
    }
}
