//! The rules of the gateway: who may call what, and what the body must be.

use super::{Around, nearest_command, risks};
use crate::config::error::Place;
use crate::config::raw::{Table, Value, closest};
use crate::rest_api::acting::{Account, ActingAccount};
use crate::rest_api::catalog::{Catalog, CommandName};
use crate::rest_api::condition::{Condition, FieldPath, Test, Wildcard};
use crate::rest_api::group_role::{GroupRole, GroupRoles};
use crate::rest_api::policy::{AllowedRoles, Policy, Rule, RuleFault, RuleProblem, Selector};

pub(super) fn policy(table: &Table<'_>, catalog: Catalog, around: Around<'_>) -> Option<Policy> {
    let entries = table.items("allow");
    if table.get("allow").is_none() {
        let hint = "add [[rest_api.allow]] with commands and roles";
        table
            .report()
            .warn(table.place(), "nobody may call anything", hint);
    }
    let rules = entries.iter().enumerate();
    let rules: Vec<_> = rules
        .map(|(index, entry)| rule(index, entry, around))
        .collect();
    let is_complete = rules.iter().all(Option::is_some);
    // Faults are looked for among the rules that can be read, whatever is wrong with the others.
    let (entries, rules): (Vec<_>, Vec<_>) = entries
        .iter()
        .zip(rules)
        .filter_map(|(entry, rule)| Some((entry, rule?)))
        .unzip();
    match Policy::build(catalog.clone(), rules) {
        Ok(policy) => is_complete.then_some(policy),
        Err(faults) => {
            for fault in faults {
                report(&fault, &entries, &catalog);
            }
            None
        }
    }
}

fn rule(index: usize, entry: &Value<'_>, around: Around<'_>) -> Option<Rule> {
    let table = entry.table(KEYS)?;
    let label = match table.get("name") {
        Some(value) => value.name().map(str::to_owned),
        None => Some(format!("allow[{}]", index + 1)),
    };
    let selector = selector(entry, &table);
    let roles = table
        .require("roles", ROLES_HINT)
        .and_then(|value| roles(&value));
    let issuers = issuers(&table, around);
    let acting = match table.get("acting_account") {
        Some(value) => acting(&value, around).map(Some),
        None => Some(None),
    };
    let group_role = match table.get("group_role") {
        Some(value) => group_roles(&value).map(Some),
        None => Some(None),
    };
    let conditions = table.items("conditions");
    let conditions: Vec<_> = conditions.iter().map(condition).collect();
    Some(Rule {
        label: label?.into(),
        selector: selector?,
        roles: roles?,
        issuers: issuers?,
        acting: acting?,
        group_role: group_role?,
        conditions: conditions.into_iter().collect::<Option<_>>()?,
    })
}

fn selector(entry: &Value<'_>, table: &Table<'_>) -> Option<Selector> {
    let list = |key| table.get(key).map(|value| value.some_items(SELECTOR_HINT));
    match (list("commands"), list("services"), list("risk")) {
        (Some(commands), None, None) => {
            let names = commands?;
            let names = names.iter().map(|item| item.parsed(CommandName::parse));
            all(names).map(Selector::Commands)
        }
        (None, None, None) => {
            entry.error("names no command", SELECTOR_HINT);
            None
        }
        (None, services, risks_list) => {
            let services = services.unwrap_or(Some(Vec::new()))?;
            let names = services.iter().map(|item| item.text().map(str::to_owned));
            let listed = risks_list.unwrap_or(Some(Vec::new()))?;
            let classes = listed.iter().map(|item| item.choice(&risks()));
            let (services, risks) = (all(names), all(classes));
            Some(Selector::Class {
                services: services?,
                risks: risks?,
            })
        }
        (Some(_), _, _) => {
            entry.error("names commands beside services or risk", SELECTOR_HINT);
            None
        }
    }
}

fn roles(value: &Value<'_>) -> Option<AllowedRoles> {
    if value.is_text() {
        return value
            .choice(&[("any", ())])
            .map(|()| AllowedRoles::Everybody);
    }
    let items = value.some_items(ROLES_HINT)?;
    let names = items.iter().map(|item| item.text().map(str::to_owned));
    all(names).map(AllowedRoles::OneOf)
}

fn issuers(table: &Table<'_>, around: Around<'_>) -> Option<Vec<String>> {
    let Some(value) = table.get("issuers") else {
        return Some(Vec::new());
    };
    let items = value.some_items("leave it out for every issuer")?;
    let known: Vec<_> = around
        .issuers
        .iter()
        .map(|one| one.name.as_deref())
        .collect();
    let name = |item: &Value<'_>| {
        let name = item.text()?;
        // An issuer with an error may be the one that is meant.
        if known.contains(&Some(name)) || known.contains(&None) {
            return Some(name.to_owned());
        }
        let names: Vec<&str> = known.iter().flatten().copied().collect();
        let hint = closest(name, &names).map_or_else(
            || "the name of a [[session.issuer]]".to_owned(),
            |name| format!("did you mean \"{name}\"?"),
        );
        item.error("no issuer has this name", hint);
        None
    };
    all(items.iter().map(name))
}

fn acting(value: &Value<'_>, around: Around<'_>) -> Option<ActingAccount> {
    if value.is_text() {
        let caller_or_any = value.choice(&[("caller", false), ("any", true)])?;
        return Some(match caller_or_any {
            false => ActingAccount::Caller,
            true => ActingAccount::Any,
        });
    }
    let items = value.some_items("\"caller\", \"any\" or a list of accounts")?;
    let account = |item: &Value<'_>| item.parsed(|name| Account::parse(name, around.reserved));
    all(items.iter().map(account)).map(ActingAccount::Listed)
}

fn group_roles(value: &Value<'_>) -> Option<GroupRoles> {
    let items = value.some_items(GROUP_ROLE_HINT)?;
    let words = GroupRole::ALL.map(|role| (role.as_str(), role));
    all(items.iter().map(|item| item.choice(&words))).map(GroupRoles::new)
}

fn condition(value: &Value<'_>) -> Option<Condition> {
    let table = value.table(CONDITION_KEYS)?;
    let field = table
        .require("field", "field = \"/GroupId\"")
        .and_then(|value| value.parsed(FieldPath::parse));
    let optional = table.boolean_or("optional", false);
    let tests: Vec<_> = TESTS
        .iter()
        .filter_map(|(key, read)| Some((table.get(key)?, read)))
        .collect();
    let [(written, read)] = tests.as_slice() else {
        value.error("must ask one thing of the field", CONDITION_HINT);
        return None;
    };
    Some(Condition {
        field: field?,
        test: read(written)?,
        optional,
    })
}

fn matches(value: &Value<'_>) -> Option<Test> {
    let items = value.some_items(CONDITION_HINT)?;
    let patterns = items.iter().map(|item| item.parsed(Wildcard::parse));
    all(patterns).map(Test::Matches)
}

fn one_of(value: &Value<'_>) -> Option<Test> {
    let items = value.some_items(CONDITION_HINT)?;
    all(items.iter().map(Value::json)).map(Test::OneOf)
}

fn only(value: &Value<'_>) -> Option<Test> {
    value.choice(&[("caller", ())]).map(|()| Test::OnlyCaller)
}

fn max_items(value: &Value<'_>) -> Option<Test> {
    let most = value.integer(1..=100_000)?;
    Some(Test::MaxItems(usize::try_from(most).ok()?))
}

fn absent(value: &Value<'_>) -> Option<Test> {
    if !value.boolean()? {
        value.error("asks nothing", "absent = true, or another condition");
        return None;
    }
    Some(Test::Absent)
}

/// All of them, or nothing; every one is read before that is decided.
fn all<T>(items: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let items: Vec<_> = items.collect();
    items.into_iter().collect()
}

/// Writes a fault to the place where its rule can be mended.
fn report(fault: &RuleFault, entries: &[&Value<'_>], catalog: &Catalog) {
    let Some(entry) = entries.get(fault.rule) else {
        return;
    };
    let line_of = |rule: &usize| {
        let other = entries.get(*rule);
        other.map_or(0, |other| other.report().line(other.place()))
    };
    let item = |list, text: &str| place_of_item(entry, list, text);
    let (place, problem, hint) = match &fault.problem {
        RuleProblem::UnknownCommand(name) => (
            item("commands", name.as_str()),
            "no such command".to_owned(),
            nearest_command(name.as_str(), catalog),
        ),
        RuleProblem::UnknownService(name) => (
            item("services", name),
            "no such service".to_owned(),
            "`usersig-proxy commands` lists them".to_owned(),
        ),
        RuleProblem::NeverAsClass(risk) => (
            item("risk", risk.as_str()),
            "such commands are only allowed by name".to_owned(),
            "commands = [..]; `usersig-proxy commands --risk` lists them".to_owned(),
        ),
        RuleProblem::CoversNothing => (
            entry.place().clone(),
            "covers no command".to_owned(),
            "what cannot be undone or concerns the whole app is allowed by name".to_owned(),
        ),
        RuleProblem::NoActingField(name) => (
            item("commands", name.as_str()),
            "has no field that says who acts".to_owned(),
            "a rule of its own without acting_account".to_owned(),
        ),
        RuleProblem::NoActingFields => (
            entry.place().clone(),
            "no command that it covers has a field that says who acts".to_owned(),
            "leave acting_account out".to_owned(),
        ),
        RuleProblem::NoGroupField(name) => (
            item("commands", name.as_str()),
            "names no group of whose members Chat tells the roles".to_owned(),
            "a rule of its own without group_role".to_owned(),
        ),
        RuleProblem::NoGroupFields => (
            entry.place().clone(),
            "no command that it covers names a group of whose members Chat tells the roles"
                .to_owned(),
            "leave group_role out".to_owned(),
        ),
        RuleProblem::Shadowed { by, command } => (
            command.as_ref().map_or_else(
                || entry.place().clone(),
                |name| item("commands", name.as_str()),
            ),
            format!("is allowed by the rule in line {} already", line_of(by)),
            "rules only add; narrow that one, or remove this".to_owned(),
        ),
        RuleProblem::Conflict { with, command } => (
            item("commands", command.as_str()),
            format!(
                "says something else than the rule in line {} about the same callers of {command}",
                line_of(with)
            ),
            "one rule for them, or other roles or issuers".to_owned(),
        ),
    };
    entry.report().error(&place, problem, hint);
}

/// The place of an item of one of the rule's lists; that of the rule when it is not there.
fn place_of_item(entry: &Value<'_>, list: &str, text: &str) -> Place {
    let items = entry.map().map(|table| table.items(list));
    let mut items = items.unwrap_or_default().into_iter();
    let found = items.find(|item| item.is_text() && item.text() == Some(text));
    found.map_or_else(|| entry.place().clone(), |item| item.place().clone())
}

type ReadTest = fn(&Value<'_>) -> Option<Test>;

const KEYS: &[&str] = &[
    "name",
    "commands",
    "services",
    "risk",
    "roles",
    "issuers",
    "acting_account",
    "group_role",
    "conditions",
];
const CONDITION_KEYS: &[&str] = &[
    "field",
    "matches",
    "one_of",
    "only",
    "max_items",
    "absent",
    "optional",
];
const TESTS: &[(&str, ReadTest)] = &[
    ("matches", matches),
    ("one_of", one_of),
    ("only", only),
    ("max_items", max_items),
    ("absent", absent),
];
const SELECTOR_HINT: &str =
    "commands = [\"openim/sendmsg\"], or services = [\"sns\"], risk = [\"read\"] or both";
const ROLES_HINT: &str = "roles = [\"member\"], or \"any\" for everybody with a session";
const GROUP_ROLE_HINT: &str = "group_role = [\"Owner\", \"Admin\"]";
const CONDITION_HINT: &str =
    "matches = [\"team-*\"], one_of = [1], only = \"caller\", max_items = 100 or absent = true";
