//! What a call of the REST API adds to the walk: what is called, and the roles of its caller.

use super::{Authorizer, ClaimRules, RestRoutes};
use crate::policy::CanonicalPath;
use crate::rest_api::address::Address;
use crate::rest_api::catalog::CommandName;
use crate::rest_api::policy::Roles;
use crate::token::verify::SessionClaims;

/// Whose call it is, as the policy and the audit ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestCall {
    /// What is called; whether it is known is not asked yet.
    pub command: CommandName,
    /// The name of the session's issuer.
    pub issuer: String,
    /// The subject that the session is of; none when the claim that is mapped is not there.
    pub subject: Option<String>,
    /// The roles that the session gives.
    pub roles: Roles,
}

impl RestCall {
    /// The call of a verified session.
    pub(super) fn new(
        command: CommandName,
        routes: &RestRoutes,
        session: &SessionClaims,
        rules: &ClaimRules,
    ) -> Self {
        let claim = routes.roles_claims.get(session.issuer());
        let roles = claim.map(|claim| Roles::of(session.claims(), claim));
        Self {
            command,
            issuer: session.issuer_name().to_owned(),
            subject: rules.identity.subject(session.claims()).ok(),
            roles: roles.unwrap_or_default(),
        }
    }
}

/// What the path of a request tells of a call of the REST API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallPath {
    /// It names this command, known or not.
    Command(CommandName),
    /// It is below the prefix and names no command.
    NoCommand,
}

impl Authorizer {
    /// What a path tells of a call, for a refusal that came before its route was found; `None` when it is not below the
    /// gateway's prefix. A path that can be read in two ways counts as it is spelled.
    pub fn call_path(&self, path: &[u8]) -> Option<CallPath> {
        let prefix = &self.settings.rest_api.as_ref()?.prefix;
        match CanonicalPath::parse(path, self.settings.tolerance) {
            Ok(path) => prefix.address(&path).map(|address| match address {
                Address::Command(command) => CallPath::Command(command),
                Address::Nothing => CallPath::NoCommand,
            }),
            Err(_) => {
                let below = path.strip_prefix(prefix.as_str().as_bytes())?;
                below.starts_with(b"/").then_some(CallPath::NoCommand)
            }
        }
    }
}
