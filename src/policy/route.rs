//! A route: which requests it covers, who may pass, what is injected and where the request goes.
//!
//! `config` fills routes in from parsed parts; a [`RouteTable`](super::RouteTable) chooses among them. What an
//! [`Access`] demands of a token is decided in `authorize`, not here.

use std::sync::Arc;

use super::{HostName, Methods, Pattern};

/// Who may pass, from the least strict to the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Everybody; a token is not looked at.
    Public,
    /// Everybody without a token, and who has a good one; a bad one is refused.
    Optional,
    /// Only who has a good token.
    Session,
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
            Self::Deny => "deny",
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
    /// The index of the upstream that the request goes to.
    pub upstream: usize,
}
