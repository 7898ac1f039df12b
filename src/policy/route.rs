//! A route: which requests it covers, who may pass, what is injected and where the request goes.
//!
//! `config` fills routes in from parsed parts; a [`RouteTable`](super::RouteTable) chooses among them. What an
//! [`Access`] demands of a token is decided in `authorize`, not here.

use std::sync::Arc;

use http::StatusCode;

use super::{HostName, Methods, Pattern};
use crate::json::JsonPointer;
use crate::token::response::ResponseSource;

/// Who may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Everybody; a token is not looked at.
    Public,
    /// Everybody without a token, and who has a good one; a bad one is refused.
    Optional,
    /// Only who has a good token.
    Session,
    /// Only Chat, with a webhook that is checked; a token is not looked at.
    Webhook,
    /// Nobody; the route does not exist for clients.
    Deny,
}

impl Access {
    /// The word for it in configuration and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Optional => "optional",
            Self::Session => "session",
            Self::Webhook => "webhook",
            Self::Deny => "deny",
        }
    }

    /// The least strict access that is as strict as both. A session proves nothing of a webhook, nor the other way around:
    /// as strict as both is only denial.
    pub(super) fn strictest(self, other: Self) -> Self {
        match (self, other) {
            (one, same) if one == same => one,
            (Self::Deny | Self::Webhook, _) | (_, Self::Deny | Self::Webhook) => Self::Deny,
            (Self::Session, _) | (_, Self::Session) => Self::Session,
            (Self::Optional, _) | (_, Self::Optional) => Self::Optional,
            (Self::Public, Self::Public) => Self::Public,
        }
    }
}

/// Where UserID and UserSig are placed; nowhere by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inject {
    /// Into the header of the request to the app.
    pub request_headers: bool,
    /// Into the header of the response to the client.
    pub response_headers: bool,
    /// Into a cookie of the response to the client.
    pub response_cookie: bool,
}

impl Inject {
    /// Whether nothing is injected.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// What the proxy reads from the app's answer, and writes into its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRule {
    /// Where the answer carries a new session token; without it, the caller's own session counts.
    pub session: Option<SessionFromResponse>,
    /// Where the login is written into a JSON body.
    pub json: Option<JsonPointer>,
    /// Whether the caller's session ends when the app answers with success.
    pub ends_session: bool,
}

/// An answer with which the app begins a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFromResponse {
    /// The place of the new session token.
    pub source: ResponseSource,
    /// The statuses that mean a login; when empty, every 2xx does.
    pub statuses: Vec<StatusCode>,
}

impl SessionFromResponse {
    /// Whether an answer with this status may begin a session.
    pub fn covers(&self, status: StatusCode) -> bool {
        match self.statuses.as_slice() {
            [] => status.is_success(),
            listed => listed.contains(&status),
        }
    }
}

/// One entry of the route table.
#[derive(Clone, Debug)]
pub struct Route {
    /// The label in logs and metrics: the pattern as it was written, with the host if there is one.
    pub name: Arc<str>,
    /// The only host it covers; every host without it.
    pub host: Option<HostName>,
    /// The paths it covers.
    pub pattern: Pattern,
    /// The methods it covers.
    pub methods: Methods,
    /// Who may pass.
    pub access: Access,
    /// What is injected.
    pub inject: Inject,
    /// What happens to the app's answer, if anything.
    pub answer: Option<Arc<AnswerRule>>,
    /// The index of the upstream that the request goes to.
    pub upstream: usize,
}
