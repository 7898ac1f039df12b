//! `commands`: the commands of Chat's REST API, and who may call them.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::cli::{CliError, choose_site, load};
use crate::rest_api::acting::ActingAccount;
use crate::rest_api::catalog::{Catalog, Command, Risk};
use crate::rest_api::policy::{AllowedRoles, Policy, Rule};

/// List the commands of Chat's REST API
///
/// One a line, with tabs between: service/command, risk, the body's field that says who acts (or -), the one that names the
/// group in which a rule may ask for the caller's role (or -), calls a second for the whole app, whether a call may be
/// repeated, description. With --config, the column before the description says who may call it: for each rule its name,
/// the roles and the issuers, who may act, and the roles in the group; - is nobody.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  usersig-proxy commands --risk destructive --risk app-secret
  usersig-proxy commands --service sns --config proxy.toml")]
pub(super) struct Commands {
    /// Only those of this risk; may be repeated
    #[arg(long, value_name = "RISK", value_parser = parse_risk)]
    risk: Vec<Risk>,

    /// Only those of this service; may be repeated
    #[arg(long, value_name = "SERVICE")]
    service: Vec<String>,

    /// The configuration that says who may call them
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// With several sites: which one, by the name of its file without .toml
    #[arg(long, value_name = "NAME", requires = "config")]
    site: Option<String>,
}

impl Commands {
    pub(super) fn run(self) -> Result<(), CliError> {
        let policy = self.policy()?;
        let builtin = Catalog::builtin();
        let catalog = policy.as_ref().map_or(&builtin, Policy::catalog);
        let mut out = io::stdout().lock();
        for command in catalog.commands().filter(|command| self.lists(command)) {
            let allowed = policy.as_ref().map(|policy| allowed(policy, command));
            writeln!(out, "{}", line(command, allowed.as_deref()))?;
        }
        Ok(())
    }

    fn policy(&self) -> Result<Option<Policy>, CliError> {
        let Some(path) = &self.config else {
            return Ok(None);
        };
        let site = choose_site(load(path)?, self.site.as_deref())?;
        match site.rest_api {
            Some(settings) => Ok(Some(settings.policy)),
            None => {
                let problem = "the configuration has no [rest_api], so nobody may call anything";
                Err(CliError::Refused(problem.to_owned()))
            }
        }
    }

    fn lists(&self, command: &Command) -> bool {
        let is_service = |service: &String| service == command.name.service();
        (self.risk.is_empty() || self.risk.contains(&command.risk))
            && (self.service.is_empty() || self.service.iter().any(is_service))
    }
}

fn line(command: &Command, allowed: Option<&str>) -> String {
    let acting = command.acting.as_ref().map(ToString::to_string);
    let group = command.group.as_ref().map(ToString::to_string);
    let mut columns = vec![
        command.name.to_string(),
        command.risk.to_string(),
        acting.unwrap_or_else(|| "-".to_owned()),
        group.unwrap_or_else(|| "-".to_owned()),
        command.rate.to_string(),
        if command.repeatable { "yes" } else { "no" }.to_owned(),
    ];
    columns.extend(allowed.map(str::to_owned));
    columns.push(command.description.to_string());
    columns.join("\t")
}

/// Who may call a command, rule by rule in the order in which they are tried.
fn allowed(policy: &Policy, command: &Command) -> String {
    let rules = policy.rules_of(command);
    let rules: Vec<String> = rules.map(|rule| describe(rule, command)).collect();
    match rules.is_empty() {
        true => "-".to_owned(),
        false => rules.join("; "),
    }
}

fn describe(rule: &Rule, command: &Command) -> String {
    let roles = match &rule.roles {
        AllowedRoles::Everybody => "any".to_owned(),
        AllowedRoles::OneOf(names) => names.join("|"),
    };
    let issuers = match rule.issuers.as_slice() {
        [] => String::new(),
        names => format!(" of {}", names.join("|")),
    };
    let acting = match (rule.acting(), &command.acting) {
        (_, None) => "",
        (ActingAccount::Caller, Some(_)) => " as itself",
        (ActingAccount::Listed(_), Some(_)) => " as listed",
        (ActingAccount::Any, Some(_)) => " as anybody",
    };
    let conditions = match rule.conditions.is_empty() {
        true => "",
        false => " on conditions",
    };
    let group_role = match &rule.group_role {
        Some(roles) => format!(" as {roles} of the group"),
        None => String::new(),
    };
    format!(
        "{}: {roles}{issuers}{acting}{group_role}{conditions}",
        rule.label
    )
}

fn parse_risk(text: &str) -> Result<Risk, String> {
    Risk::parse(text).map_err(|error| {
        let known = Risk::ALL.map(Risk::as_str).join(", ");
        format!("{error}; known are {known}")
    })
}
