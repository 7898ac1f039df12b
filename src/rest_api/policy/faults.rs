//! What is wrong with a list of rules before anybody calls.

use super::{Rule, Selector};
use crate::rest_api::catalog::{Catalog, Command, CommandName, Risk};

/// A fault of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFault {
    /// The rule's index.
    pub rule: usize,
    /// What is wrong.
    pub problem: RuleProblem,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleProblem {
    /// It names a command that nobody knows.
    UnknownCommand(CommandName),
    /// It names a service of which no command is known.
    UnknownService(String),
    /// It allows a whole class that is only allowed command by command.
    NeverAsClass(Risk),
    /// It covers no command.
    CoversNothing,
    /// It says who may act, and this command has no field for that.
    NoActingField(CommandName),
    /// It says who may act, and no command that it covers has a field for that.
    NoActingFields,
    /// It asks for a role in a group, and the body of this command names no group of which Chat tells roles.
    NoGroupField(CommandName),
    /// It asks for a role in a group, and no command that it covers names one.
    NoGroupFields,
    /// Another rule allows at least the same, for this command or, without one, for all.
    Shadowed {
        /// The other rule.
        by: usize,
        /// The command.
        command: Option<CommandName>,
    },
    /// Another rule says something else about the same callers of this command.
    Conflict {
        /// The other rule.
        with: usize,
        /// The command.
        command: CommandName,
    },
}

pub(super) fn find(catalog: &Catalog, rules: &[Rule]) -> Vec<RuleFault> {
    let mut faults = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let mut problems = own(catalog, rule);
        for (other_index, other) in rules.iter().enumerate() {
            let later = other_index < index;
            let found = pair(catalog, (rule, later), (other, other_index));
            let found: Vec<_> = found
                .into_iter()
                .filter(|problem| !is_told(&problems, problem))
                .collect();
            problems.extend(found);
        }
        let fault = |problem| RuleFault {
            rule: index,
            problem,
        };
        faults.extend(problems.into_iter().map(fault));
    }
    faults
}

/// Whether another rule is known already that allows the same.
fn is_told(told: &[RuleProblem], problem: &RuleProblem) -> bool {
    let shadowed = |problem: &RuleProblem| match problem {
        RuleProblem::Shadowed { command, .. } => Some(command.clone()),
        _ => None,
    };
    let this = shadowed(problem);
    this.is_some() && told.iter().any(|other| shadowed(other) == this)
}

/// What is wrong with a rule by itself.
fn own(catalog: &Catalog, rule: &Rule) -> Vec<RuleProblem> {
    let covered = || {
        catalog
            .commands()
            .filter(|command| rule.selector.covers(command))
    };
    let mut problems = Vec::new();
    match &rule.selector {
        Selector::Commands(names) => {
            let unknown = names
                .iter()
                .filter(|name| catalog.find(name.as_str()).is_none());
            problems.extend(unknown.cloned().map(RuleProblem::UnknownCommand));
            let without_field = covered().filter(|command| command.acting.is_none());
            if rule.acting.is_some() {
                let names = without_field.map(|command| command.name.clone());
                problems.extend(names.map(RuleProblem::NoActingField));
            }
            if rule.group_role.is_some() {
                let without_group = covered().filter(|command| command.group.is_none());
                let names = without_group.map(|command| command.name.clone());
                problems.extend(names.map(RuleProblem::NoGroupField));
            }
        }
        Selector::Class { services, risks } => {
            let is_unknown = |service: &&String| {
                let mut names = catalog.commands().map(|command| command.name.service());
                !names.any(|name| name == service.as_str())
            };
            let unknown = services.iter().filter(is_unknown).cloned();
            problems.extend(unknown.map(RuleProblem::UnknownService));
            let by_name = risks.iter().filter(|risk| !risk.is_allowed_as_class());
            problems.extend(by_name.copied().map(RuleProblem::NeverAsClass));
            if problems.is_empty() && covered().next().is_none() {
                problems.push(RuleProblem::CoversNothing);
            } else if rule.group_role.is_some() && !covered().any(|command| rule.covers(command)) {
                problems.push(RuleProblem::NoGroupFields);
            } else if rule.acting.is_some() && covered().all(|command| command.acting.is_none()) {
                problems.push(RuleProblem::NoActingFields);
            }
        }
    }
    problems
}

/// What is wrong with a rule beside another one, which is `later` in the list or earlier.
fn pair(
    catalog: &Catalog,
    (rule, is_later): (&Rule, bool),
    (other, by): (&Rule, usize),
) -> Vec<RuleProblem> {
    if std::ptr::eq(rule, other) {
        return Vec::new();
    }
    // Of two that allow the same, the later one is at fault.
    let is_shadowed = |command: &Command| {
        allows_all_of(other, rule, command) && (is_later || !allows_all_of(rule, other, command))
    };
    let covered: Vec<_> = catalog
        .commands()
        .filter(|command| rule.covers(command))
        .collect();
    let shadowed = covered.iter().filter(|command| is_shadowed(command));
    let shadowed: Vec<_> = shadowed.map(|command| command.name.clone()).collect();
    match rule.selector {
        Selector::Commands(_) if !shadowed.is_empty() => {
            let problem = |name| RuleProblem::Shadowed {
                by,
                command: Some(name),
            };
            return shadowed.into_iter().map(problem).collect();
        }
        Selector::Class { .. } if !covered.is_empty() && shadowed.len() == covered.len() => {
            return vec![RuleProblem::Shadowed { by, command: None }];
        }
        _ => {}
    }
    let conflicting = covered
        .iter()
        .find(|command| is_later && conflict(rule, other, command));
    let problem = |command: &&std::sync::Arc<Command>| RuleProblem::Conflict {
        with: by,
        command: command.name.clone(),
    };
    conflicting.map(problem).into_iter().collect()
}

/// Whether every call of the command that `rule` allows is allowed by `other`, too.
fn allows_all_of(other: &Rule, rule: &Rule, command: &Command) -> bool {
    let issuers = other.issuers.is_empty()
        || (!rule.issuers.is_empty()
            && rule.issuers.iter().all(|name| other.issuers.contains(name)));
    let acting = command.acting.is_none() || other.acting().includes(rule.acting());
    let group_roles = match (&other.group_role, &rule.group_role) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(all), Some(some)) => all.include_all_of(some),
    };
    let conditions = other
        .conditions
        .iter()
        .all(|condition| rule.conditions.contains(condition));
    other.covers(command)
        && other.roles.include_all_of(&rule.roles)
        && group_roles
        && issuers
        && acting
        && conditions
}

/// Whether two rules of one width say different things about the same callers of the command. Who must have some role in
/// the group is not who need have none, nor who must have another.
fn conflict(rule: &Rule, other: &Rule, command: &Command) -> bool {
    let issuers = rule.issuers.is_empty()
        || other.issuers.is_empty()
        || rule.issuers.iter().any(|name| other.issuers.contains(name));
    let differ = rule.conditions != other.conditions
        || (command.acting.is_some() && rule.acting() != other.acting());
    let group_roles = match (&rule.group_role, &other.group_role) {
        (None, None) => true,
        (Some(one), Some(two)) => one.share(two),
        (None, Some(_)) | (Some(_), None) => false,
    };
    other.covers(command)
        && rule.selector.width() == other.selector.width()
        && group_roles
        && rule.roles.share(&other.roles)
        && issuers
        && differ
}
