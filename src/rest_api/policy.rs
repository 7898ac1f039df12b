//! Who may call which command: an allow-list in which every rule adds and none takes away.
//!
//! A call is allowed when one rule covers the command and the caller and admits the body. So the order of the rules changes
//! nothing but which of them is named in the log: rules by command are tried before rules by service and risk, those
//! before rules by service, those before rules by risk, and at last those for which Chat must be asked. A rule that cannot matter, and two that say different things about
//! the same callers of a command, are faults, since the one who wrote them expects something else. What cannot be
//! undone or concerns the whole app is only allowed by a rule that names the command.

mod faults;
mod roles;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::faults::{RuleFault, RuleProblem};
pub use self::roles::{AllowedRoles, Roles};
use super::acting::ActingAccount;
use super::catalog::{Catalog, Command, CommandName, Risk};
use super::condition::Condition;
use super::group_role::GroupRoles;
use crate::identity::UserId;

/// One rule: to whom it allows what.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name in logs.
    pub label: Arc<str>,
    /// The commands.
    pub selector: Selector,
    /// The roles of which a caller must have one.
    pub roles: AllowedRoles,
    /// The names of the issuers of which the caller's token must come; every issuer when there are none.
    pub issuers: Vec<String>,
    /// Who may stand in the acting field; [`ActingAccount::Caller`] when it does not say. It has no meaning for a command
    /// without such a field.
    pub acting: Option<ActingAccount>,
    /// The roles of which the caller must have one in the group that the body names; Chat is asked before the call. Such a
    /// rule covers only commands whose body names one.
    pub group_role: Option<GroupRoles>,
    /// What else the body must be.
    pub conditions: Vec<Condition>,
}

/// Which commands a rule covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// These.
    Commands(Vec<CommandName>),
    /// Those of one of the services and one of the risks, as far as they need not be named; an empty list is no limit.
    Class {
        /// The services.
        services: Vec<String>,
        /// The risks.
        risks: Vec<Risk>,
    },
}

/// Whose call is judged.
#[derive(Clone, Debug)]
pub struct RestCaller<'a> {
    /// The account that the session maps to.
    pub user_id: UserId,
    /// The issuer of the session token.
    pub issuer: &'a str,
    /// The roles that the token gives.
    pub roles: Roles,
}

/// What a caller may do with a command, depending on the body.
#[derive(Clone, Debug)]
pub struct Grant<'p> {
    /// The command.
    pub command: &'p Command,
    /// The first rule that covers it for the caller.
    pub first: &'p Rule,
    /// The others, in the order in which they are tried.
    pub others: Vec<&'p Rule>,
}

/// Why no rule allows a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Denial<'p> {
    /// Nobody knows the command.
    UnknownCommand,
    /// No rule covers the command.
    NoRule,
    /// Rules cover it, but not for this caller.
    NotForCaller {
        /// The rule that comes nearest.
        nearest: &'p Rule,
        /// What the caller lacks for it.
        lacks: Lack,
    },
}

/// What a caller lacks for a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// One of its roles.
    Role,
    /// A token of one of its issuers.
    Issuer,
}

/// The rules of a site over the commands that it knows.
#[derive(Clone, Debug)]
pub struct Policy {
    catalog: Catalog,
    rules: Vec<Rule>,
    /// The rules of each command, as indices in the order in which they are tried.
    by_command: BTreeMap<CommandName, Vec<usize>>,
}

impl Policy {
    /// Takes the rules, or tells everything that is wrong with them.
    pub fn build(catalog: Catalog, rules: Vec<Rule>) -> Result<Self, Vec<RuleFault>> {
        let faults = faults::find(&catalog, &rules);
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut by_command = BTreeMap::new();
        for command in catalog.commands() {
            let mut covering: Vec<_> = (0..rules.len())
                .filter_map(|index| Some((rules.get(index)?, index)))
                .filter(|(rule, _)| rule.covers(command))
                .collect();
            covering.sort_by_key(|(rule, index)| {
                let asks = rule.group_role.is_some();
                (asks, rule.selector.width(), *index)
            });
            let indices: Vec<usize> = covering.into_iter().map(|(_, index)| index).collect();
            by_command.insert(command.name.clone(), indices);
        }
        Ok(Self {
            catalog,
            rules,
            by_command,
        })
    }

    /// The rules by which the caller may call the command, or why there are none.
    pub fn decide(
        &self,
        command: &CommandName,
        caller: &RestCaller<'_>,
    ) -> Result<Grant<'_>, Denial<'_>> {
        let command = self
            .catalog
            .find(command.as_str())
            .ok_or(Denial::UnknownCommand)?;
        let covering = || self.rules_of(command);
        let mut fitting = covering().filter(|rule| rule.lack_of(caller).is_none());
        if let Some(first) = fitting.next() {
            let others = fitting.collect();
            return Ok(Grant {
                command,
                first,
                others,
            });
        }
        // Who comes from the right issuer is nearer than who does not.
        let nearest = covering()
            .find(|rule| rule.lack_of(caller) == Some(Lack::Role))
            .or_else(|| covering().next());
        let lack = nearest.and_then(|rule| Some((rule, rule.lack_of(caller)?)));
        Err(match lack {
            Some((nearest, lacks)) => Denial::NotForCaller { nearest, lacks },
            None => Denial::NoRule,
        })
    }

    /// The rules that cover a command, in the order in which they are tried.
    pub fn rules_of(&self, command: &Command) -> impl Iterator<Item = &Rule> {
        let indices = self.by_command.get(&command.name).into_iter().flatten();
        indices.filter_map(|index| self.rules.get(*index))
    }

    /// Whether a rule asks for the caller's role in a group.
    pub fn asks_for_roles(&self) -> bool {
        self.rules.iter().any(|rule| rule.group_role.is_some())
    }

    /// The commands that some rule covers, whoever may call them.
    pub fn callable(&self) -> impl Iterator<Item = &CommandName> {
        let by_command = self.by_command.iter();
        by_command
            .filter(|(_, rules)| !rules.is_empty())
            .map(|(name, _)| name)
    }

    /// The commands that the site knows.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }
}

impl Rule {
    /// Who may stand in the acting field.
    pub fn acting(&self) -> &ActingAccount {
        self.acting.as_ref().unwrap_or(&ActingAccount::Caller)
    }

    /// Whether it can allow a call of the command.
    pub fn covers(&self, command: &Command) -> bool {
        let can_ask = self.group_role.is_none() || command.group.is_some();
        can_ask && self.selector.covers(command)
    }

    /// What the caller lacks for it, if anything.
    pub fn lack_of(&self, caller: &RestCaller<'_>) -> Option<Lack> {
        let is_named = |issuer: &String| issuer == caller.issuer;
        if !self.issuers.is_empty() && !self.issuers.iter().any(is_named) {
            return Some(Lack::Issuer);
        }
        (!self.roles.include(&caller.roles)).then_some(Lack::Role)
    }
}

impl Selector {
    /// Whether the command is one of those.
    pub fn covers(&self, command: &Command) -> bool {
        match self {
            Self::Commands(names) => names.contains(&command.name),
            Self::Class { services, risks } => {
                let is_service = |service: &String| service == command.name.service();
                !command.is_allowed_by_name_only()
                    && (services.is_empty() || services.iter().any(is_service))
                    && (risks.is_empty() || risks.contains(&command.risk))
            }
        }
    }

    /// How wide it is: the narrowest selectors are tried first.
    fn width(&self) -> u8 {
        match self {
            Self::Commands(_) => 0,
            Self::Class { services, risks } => match (services.is_empty(), risks.is_empty()) {
                (false, false) => 1,
                (false, true) => 2,
                (true, _) => 3,
            },
        }
    }
}

#[cfg(test)]
mod tests;
