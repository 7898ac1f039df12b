//! Calls of Chat's server REST API, signed with the admin account.
//!
//! Whoever holds an administrator's UserSig owns the Chat app, so it exists only inside a
//! [`SignedUri`](sign::SignedUri), which cannot be printed. The proxy itself kicks users at logout; callers with a session of
//! the app call what a policy allows them, in this order:
//!
//! ```text
//! address   path → command name            ✗ 404 unless it is two names
//! catalog   name → command                 ✗ 403 unless it is known
//! policy    command, role, issuer → rules  ✗ 403
//! admit     body, as a rule allows it      ✗ 400 · 403 · 413
//! role      (some rules) in the group      ✗ 403 · 502 · 503 · 504
//! budget    a place in the second          ✗ 429
//! sign      the URI                        outcome: what Chat's answer means
//! ```
//!
//! Pure: no I/O, no clock. `refusal` says how each ✗ reads to a client of the REST API.

pub mod acting;
pub mod address;
pub mod admit;
pub mod budget;
pub mod catalog;
pub mod condition;
pub mod group_role;
mod loose;
pub mod outcome;
pub mod policy;
pub mod refusal;
pub mod sign;
mod target;

use std::time::Duration;

use self::address::Prefix;
use self::budget::Limits;
use self::policy::Policy;
use crate::json::JsonPointer;

/// All that the gateway of a site is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where calls arrive.
    pub prefix: Prefix,
    /// For each issuer, in the order of the verifier's: the claim that holds the caller's roles.
    pub roles_claims: Vec<JsonPointer>,
    /// Who may call what.
    pub policy: Policy,
    /// How often, where that differs from what is documented.
    pub limits: Limits,
    /// How long a role that Chat told is believed.
    pub group_role_max_age: Duration,
    /// The HTTP status of an answer of Chat.
    pub http_status: HttpStatus,
}

/// The HTTP status with which an answer of Chat is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpStatus {
    /// As Chat sent it: 200, also when it refuses.
    AsSent,
    /// By the class of its `ErrorCode`.
    FromErrorCode,
}
