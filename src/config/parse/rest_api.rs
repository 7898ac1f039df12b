//! The REST gateway: where it is, which commands it knows beside its own, who may call them, and how often.

mod allow;

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{chat, routes};
use crate::config::raw::{Table, Value, closest};
use crate::identity::ReservedNames;
use crate::json::JsonPointer;
use crate::rest_api::address::Prefix;
use crate::rest_api::budget::Limits;
use crate::rest_api::catalog::{ActingField, Catalog, Command, CommandName, Risk};
use crate::rest_api::group_role::GroupField;
use crate::rest_api::{HttpStatus, Settings};

/// What the gateway refers to.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) chat: Option<&'a chat::Section>,
    pub(super) reserved: &'a ReservedNames,
    /// The issuers in their order; what had an error is `None`.
    pub(super) issuers: &'a [IssuerRoles],
    pub(super) endpoint: Option<&'a routes::Endpoint>,
}

/// What an issuer's entry says for the gateway.
#[derive(Clone)]
pub(super) struct IssuerRoles {
    pub(super) name: Option<String>,
    pub(super) claim: Option<JsonPointer>,
}

/// The gateway, if there is one and it has no error.
pub(super) fn section(root: &Table<'_>, around: Around<'_>) -> Option<Settings> {
    let section = root.get("rest_api")?;
    let table = section.table(KEYS)?;
    if around.chat.is_some_and(|chat| chat.endpoint.is_none()) {
        section.error(
            "nothing says where Chat is",
            "in [chat], region = \"china\", or another in which the application is",
        );
    }
    let prefix = prefix(&table, around.endpoint);
    let claim = match table.get_or("roles_claim", || DEFAULT_CLAIM.into()) {
        Some(value) => value.parsed(JsonPointer::parse),
        None => JsonPointer::parse(DEFAULT_CLAIM).ok(),
    };
    let claim_of = |issuer: &IssuerRoles| issuer.claim.clone().or_else(|| claim.clone());
    let roles_claims = around.issuers.iter().map(claim_of).collect::<Option<_>>();
    let http_status = table.choice_or("http_status", HttpStatus::AsSent, HTTP_STATUSES);
    let group_role_max_age = table.duration_or("group_role_max_age", DEFAULT_ROLE_AGE, ROLE_AGES);
    let catalog = catalog(&table);
    let limits = limits(&table, &catalog);
    let policy = allow::policy(&table, catalog, around);
    Some(Settings {
        prefix: prefix?,
        roles_claims: roles_claims?,
        policy: policy?,
        limits: limits?,
        group_role_max_age,
        http_status,
    })
}

fn prefix(table: &Table<'_>, endpoint: Option<&routes::Endpoint>) -> Option<Prefix> {
    let written = table.get_or("path_prefix", || DEFAULT_PREFIX.into());
    let prefix = match &written {
        Some(value) => value.parsed(Prefix::parse)?,
        None => Prefix::parse(DEFAULT_PREFIX).ok()?,
    };
    if endpoint.is_some_and(|endpoint| prefix.address(&endpoint.path).is_some()) {
        let place = written.map_or_else(
            || table.place_of("path_prefix"),
            |value| value.place().clone(),
        );
        let hint = "two paths of which neither starts with the other";
        let problem = "holds the path of [usersig_endpoint]";
        table.report().error(&place, problem, hint);
        return None;
    }
    Some(prefix)
}

/// The commands of the program and those that are declared.
fn catalog(table: &Table<'_>) -> Catalog {
    let mut catalog = Catalog::builtin();
    for entry in table.items("command") {
        let Some((command, name)) = declared(&entry) else {
            continue;
        };
        if let Err(error) = catalog.declare(command) {
            name.error(
                error.to_string(),
                "leave it out; [rest_api.budget] can lower its rate",
            );
        }
    }
    catalog
}

fn declared<'a>(entry: &Value<'a>) -> Option<(Command, Value<'a>)> {
    let table = entry.table(COMMAND_KEYS)?;
    let written = table.require("name", "name = \"service/command\"");
    let name = written
        .as_ref()
        .and_then(|value| value.parsed(CommandName::parse));
    let risk = table
        .require("risk", "what a call of it can do, as in \"read\"")
        .and_then(|value| value.choice(&risks()));
    let acting = match table.get("acting_field") {
        Some(value) => value.parsed(ActingField::parse).map(Some),
        None => Some(None),
    };
    let group = match table.get("group_field") {
        Some(value) => value.parsed(GroupField::parse).map(Some),
        None => Some(None),
    };
    let rate = match table.get_or("rate", || DEFAULT_RATE.into()) {
        Some(value) => rate(&value),
        None => NonZeroU32::new(DEFAULT_RATE),
    };
    let repeatable = table.boolean_or("repeatable", false);
    let command = Command {
        name: name?,
        risk: risk?,
        acting: acting?,
        group: group?,
        rate: rate?,
        repeatable,
        description: Cow::Borrowed(""),
    };
    Some((command, written?))
}

fn limits(table: &Table<'_>, catalog: &Catalog) -> Option<Limits> {
    let table = table.section("budget", &["app", "caller", "commands"]);
    let [app, caller] = ["app", "caller"].map(|key| match table.get(key) {
        Some(value) => rate(&value).map(Some),
        None => Some(None),
    });
    let mut commands = HashMap::new();
    if let Some(listed) = table.get("commands") {
        for (name, value) in listed.map()?.entries() {
            let rate = rate(&value);
            match catalog.find(name) {
                Some(command) => commands.extend(Some(command.name.clone()).zip(rate)),
                None => value.error("no such command", nearest_command(name, catalog)),
            }
        }
    }
    Some(Limits {
        app: app?,
        caller: caller?,
        commands,
    })
}

fn rate(value: &Value<'_>) -> Option<NonZeroU32> {
    let number = value.integer(1..=MAX_RATE)?;
    NonZeroU32::new(u32::try_from(number).ok()?)
}

/// What may have been meant by the name of a command that nobody knows.
fn nearest_command(name: &str, catalog: &Catalog) -> String {
    let names: Vec<&str> = catalog
        .commands()
        .map(|command| command.name.as_str())
        .collect();
    closest(name, &names).map_or_else(
        || "`usersig-proxy commands` lists them; declare others as [[rest_api.command]]".to_owned(),
        |name| format!("did you mean \"{name}\"?"),
    )
}

fn risks() -> [(&'static str, Risk); 9] {
    Risk::ALL.map(|risk| (risk.as_str(), risk))
}

const KEYS: &[&str] = &[
    "path_prefix",
    "roles_claim",
    "http_status",
    "group_role_max_age",
    "allow",
    "command",
    "budget",
];
const COMMAND_KEYS: &[&str] = &[
    "name",
    "risk",
    "acting_field",
    "group_field",
    "rate",
    "repeatable",
];
const HTTP_STATUSES: &[(&str, HttpStatus)] = &[
    ("as_sent", HttpStatus::AsSent),
    ("from_error_code", HttpStatus::FromErrorCode),
];
const DEFAULT_PREFIX: &str = "/_chat/v4";
const DEFAULT_CLAIM: &str = "/roles";
const DEFAULT_ROLE_AGE: Duration = Duration::from_secs(5);
/// As long as somebody may still act who has lost his role elsewhere.
const ROLE_AGES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
/// What Chat takes of a command whose page names no rate.
const DEFAULT_RATE: u32 = 200;
const MAX_RATE: u64 = 1_000_000;
