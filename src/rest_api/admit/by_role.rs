//! A call that waits for the caller's role in a group.

use std::fmt;

use super::Admitted;
use crate::rest_api::group_role::{NoGroupRole, Told};
use crate::rest_api::policy::Rule;

/// A call that waits for the caller's role in a group.
pub struct ByRole<'p, 'b> {
    group: String,
    first: Admitted<'p, 'b>,
    /// The other rules that the body fits; what is sent is the same by each.
    others: Vec<&'p Rule>,
}

/// The caller's role in the group is none that a rule asks for.
#[derive(Debug, PartialEq)]
pub struct NotByRole<'p> {
    /// The narrowest rule that the body fits.
    pub nearest: &'p Rule,
    /// What the caller lacks.
    pub reason: NoGroupRole,
}

impl fmt::Debug for ByRole<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ByRole({} rules)", self.others.len() + 1)
    }
}

impl<'p, 'b> ByRole<'p, 'b> {
    pub(super) fn new(group: &str, first: Admitted<'p, 'b>) -> Self {
        Self {
            group: group.to_owned(),
            first,
            others: Vec::new(),
        }
    }

    /// The same call by either.
    pub(super) fn or(mut self, other: &Self) -> Self {
        self.others.push(other.first.rule);
        self
    }

    /// The group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The first rule that waits for the role.
    pub fn first(&self) -> &'p Rule {
        self.first.rule
    }

    /// The call as it goes to Chat, if the caller's role fits its rule.
    pub fn pending(&self) -> &Admitted<'p, 'b> {
        &self.first
    }

    /// The call by the first rule that the caller's role fits.
    pub fn with(self, told: Told) -> Result<Admitted<'p, 'b>, NotByRole<'p>> {
        let fits = |rule: &&Rule| match (&rule.group_role, told) {
            (Some(roles), Some(role)) => roles.include(role),
            (Some(_), None) | (None, _) => false,
        };
        let mut rules = [self.first.rule].into_iter().chain(self.others);
        let reason = match told {
            Some(_) => NoGroupRole::OtherRole,
            None => NoGroupRole::NotMember,
        };
        match rules.find(fits) {
            Some(rule) => Ok(Admitted { rule, ..self.first }),
            None => Err(NotByRole {
                nearest: self.first.rule,
                reason,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
