//! What the login form sends, and whose it is.

use http::StatusCode;
use serde_json::Value;

use super::MAX_BODY_BYTES;
use super::session::SessionAlgorithm;
use super::users::{ACCOUNTS, DemoAccount};
use crate::json::{self, Object};

/// A filled login form: JSON with `user`, `password` and, if it likes, `algorithm`.
pub(super) struct Login {
    user: String,
    password: String,
    /// How the session token shall be signed; HS256 when the form does not say.
    pub(super) algorithm: SessionAlgorithm,
}

/// Why a login form is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginRefusal {
    TooLong,
    NotAnObject,
    Member,
    Algorithm,
}

impl Login {
    pub(super) fn parse(body: &[u8]) -> Result<Self, LoginRefusal> {
        if body.len() > MAX_BODY_BYTES {
            return Err(LoginRefusal::TooLong);
        }
        let members = json::parse_object(body).map_err(|_| LoginRefusal::NotAnObject)?;
        Ok(Self {
            user: text(&members, "user")?,
            password: text(&members, "password")?,
            algorithm: algorithm(&members)?,
        })
    }

    /// The account with this name and password. The passwords are public, so nothing is gained by a constant-time compare.
    pub(super) fn account(&self) -> Option<&'static DemoAccount> {
        ACCOUNTS
            .iter()
            .find(|account| account.login == self.user && account.password == self.password)
    }
}

impl LoginRefusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotAnObject | Self::Member | Self::Algorithm => StatusCode::BAD_REQUEST,
        }
    }

    pub(super) fn message(self) -> &'static str {
        match self {
            Self::TooLong => "the login form is too long",
            Self::NotAnObject => "the body is not a JSON object",
            Self::Member => "user and password must be strings",
            Self::Algorithm => "algorithm must be HS256 or RS256",
        }
    }
}

fn text(members: &Object, name: &str) -> Result<String, LoginRefusal> {
    members
        .get(name)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or(LoginRefusal::Member)
}

fn algorithm(members: &Object) -> Result<SessionAlgorithm, LoginRefusal> {
    let Some(value) = members.get("algorithm") else {
        return Ok(SessionAlgorithm::Hs256);
    };
    value
        .as_str()
        .and_then(SessionAlgorithm::parse)
        .ok_or(LoginRefusal::Algorithm)
}
