//! Why a webhook does not reach the app, and how that is told.

use http::StatusCode;

use super::QueryError;
use crate::json::JsonError;

/// Why a webhook is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The query is not that of a webhook.
    #[error("{0}")]
    Query(#[from] QueryError),
    /// It is of another application.
    #[error("of another application")]
    OtherApp,
    /// Its time is too long ago.
    #[error("too old")]
    Stale,
    /// Its time is too far ahead.
    #[error("of a time to come")]
    Ahead,
    /// None of the tokens gives its sign.
    #[error("not signed by a known token")]
    SignInvalid,
    /// Its body is larger than allowed.
    #[error("the body is too large")]
    BodyTooLarge,
    /// Its body is not one strict JSON object.
    #[error("{0}")]
    Body(JsonError),
    /// The command of the body is not that of the query.
    #[error("query and body name different commands")]
    CommandDiffers,
    /// The app has answered an identical one, or is being asked.
    #[error("the same webhook was delivered before")]
    Repeated,
    /// There is no room to remember it.
    #[error("no room to remember another webhook")]
    MemoryFull,
}

impl WebhookError {
    /// Every reason, for counters that exist from the start.
    pub const REASONS: [&'static str; 15] = [
        "missing_parameter",
        "repeated_parameter",
        "spelling",
        "value",
        "other_app",
        "stale",
        "ahead",
        "sign_invalid",
        "too_large",
        "syntax",
        "duplicate_member",
        "not_an_object",
        "command_differs",
        "repeated",
        "memory_full",
    ];

    /// The HTTP status. Chat takes any but 200 as a webhook that failed.
    pub fn status(&self) -> StatusCode {
        self.facts().0
    }

    /// The stable public code.
    pub fn code(&self) -> &'static str {
        self.facts().1
    }

    /// The fact behind the code, as one word for the log and the metrics.
    pub fn reason(&self) -> &'static str {
        self.facts().2
    }

    /// One sentence for the one who set the webhook up. It repeats nothing of the request.
    pub fn detail(&self) -> &'static str {
        match self {
            Self::Query(_) => "The query is not that of a webhook of Chat with a sign.",
            Self::OtherApp => "The webhook is of another application.",
            Self::Stale | Self::Ahead => "The time of the webhook is too far from now.",
            Self::SignInvalid => "The sign of the webhook is not valid.",
            Self::BodyTooLarge => "The body is larger than a webhook may have.",
            Self::Body(_) => "The body is not one JSON object with each name once.",
            Self::CommandDiffers => "Query and body name different commands.",
            Self::Repeated => "The webhook was delivered before.",
            Self::MemoryFull => "Too many webhooks. Try again later.",
        }
    }

    /// When to come again, for `Retry-After`, in seconds.
    pub fn retry_after(&self) -> Option<u64> {
        (*self == Self::MemoryFull).then_some(1)
    }

    fn facts(&self) -> (StatusCode, &'static str, &'static str) {
        const QUERY: &str = "webhook_query_invalid";
        const TIME: &str = "webhook_time_invalid";
        const BODY: &str = "webhook_body_invalid";
        let bad = StatusCode::BAD_REQUEST;
        let forbidden = StatusCode::FORBIDDEN;
        match self {
            Self::Query(QueryError::Missing) => (bad, QUERY, "missing_parameter"),
            Self::Query(QueryError::Repeated) => (bad, QUERY, "repeated_parameter"),
            Self::Query(QueryError::Spelling) => (bad, QUERY, "spelling"),
            Self::Query(QueryError::Value) => (bad, QUERY, "value"),
            Self::OtherApp => (forbidden, "webhook_other_app", "other_app"),
            Self::Stale => (forbidden, TIME, "stale"),
            Self::Ahead => (forbidden, TIME, "ahead"),
            Self::SignInvalid => (forbidden, "webhook_sign_invalid", "sign_invalid"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "too_large"),
            Self::Body(JsonError::Syntax) => (bad, BODY, "syntax"),
            Self::Body(JsonError::DuplicateMember) => (bad, BODY, "duplicate_member"),
            Self::Body(JsonError::NotAnObject) => (bad, BODY, "not_an_object"),
            Self::CommandDiffers => (bad, BODY, "command_differs"),
            Self::Repeated => (StatusCode::CONFLICT, "webhook_repeated", "repeated"),
            Self::MemoryFull => (
                StatusCode::SERVICE_UNAVAILABLE,
                "webhook_memory_full",
                "memory_full",
            ),
        }
    }
}
