//! A call of Chat's REST API: which rules cover it, what the body must be and is, and what the budgets are.

use std::borrow::Cow;
use std::num::NonZeroU32;

use super::Subject;
use super::report::{Report, list};
use crate::authorize::RestCall;
use crate::identity::UserId;
use crate::rest_api::Settings;
use crate::rest_api::acting::ActingAccount;
use crate::rest_api::admit::{Admission, AdmitError, Admitted, Body, Bounds, ByRole};
use crate::rest_api::budget::Limits;
use crate::rest_api::catalog::{Command, CommandName};
use crate::rest_api::condition::{Condition, Test};
use crate::rest_api::policy::{AllowedRoles, Denial, Lack, RestCaller, Rule};
use crate::rest_api::refusal::Refusal;

/// Tells everything about a call; the error is what the gateway would refuse it with.
pub(super) fn tell(
    report: &mut Report,
    subject: &Subject,
    (call, user_id): (&RestCall, UserId),
    body: Option<&[u8]>,
) -> Result<(), Refusal> {
    let Some(settings) = &subject.rest_api else {
        return Err(Refusal::UnknownCommand);
    };
    let caller = RestCaller {
        user_id,
        issuer: &call.issuer,
        roles: call.roles.clone(),
    };
    tell_command(report, settings, call);
    let grant = settings.policy.decide(&call.command, &caller);
    let grant = grant.map_err(|denial| {
        tell_rules(report, settings, call, &caller);
        tell_nearest(report, settings, &denial, call);
        Refusal::from(&denial)
    })?;
    let parsed = Body::parse(body.unwrap_or_default()).map_err(Refusal::Body)?;
    let judged = Judged {
        subject,
        command: grant.command,
        caller: &caller,
        body: &parsed,
    };
    for rule in settings.policy.rules_of(grant.command) {
        report.say("rule", judged.by(rule));
    }
    match parsed.admit(&grant, &caller, judged.bounds()) {
        Ok(admission) => {
            let admitted = match &admission {
                Admission::Given(admitted) => admitted,
                Admission::ByRole(waiting) => {
                    report.say("group role", asked_role(waiting));
                    waiting.pending()
                }
            };
            tell_sent(report, admitted, grant.command, body);
            report.say("budget", budget(&settings.limits, grant.command));
            Ok(())
        }
        Err(refused) => {
            report.say("nearest", &*refused.nearest.label);
            Err(Refusal::NotAdmitted(refused.reason))
        }
    }
}

/// A call before the rules that cover its command.
struct Judged<'a> {
    subject: &'a Subject,
    command: &'a Command,
    caller: &'a RestCaller<'a>,
    body: &'a Body<'a>,
}

impl Judged<'_> {
    fn bounds(&self) -> Bounds<'_> {
        Bounds {
            reserved: &self.subject.chat.reserved,
            sdk_app_id: self.subject.chat.sdk_app_id,
        }
    }

    /// Whether a rule allows it, and why not.
    fn by(&self, rule: &Rule) -> String {
        if let Some(lack) = rule.lack_of(self.caller) {
            return format!("{}: no, {}", rule.label, lacking(rule, lack));
        }
        match self
            .body
            .fits(self.command, rule, self.caller, self.bounds())
        {
            Ok(_) => match &rule.group_role {
                Some(roles) => format!("{}: yes, if Chat says {roles}", rule.label),
                None => format!("{}: yes", rule.label),
            },
            Err(error @ AdmitError::Condition(_)) => {
                let unmet = self.body.unmet(rule, self.caller);
                let condition = unmet.map(|condition| format!(" ({})", describe(condition)));
                format!(
                    "{}: no, {error}{}",
                    rule.label,
                    condition.unwrap_or_default()
                )
            }
            Err(error @ AdmitError::Acting(_)) => {
                format!("{}: no, {error} ({})", rule.label, may_act(rule))
            }
            Err(
                error @ (AdmitError::OtherApp | AdmitError::Group(_) | AdmitError::ReservedTarget),
            ) => format!("{}: no, {error}", rule.label),
        }
    }
}

/// What Chat would be asked first; nothing is asked here.
fn asked_role(waiting: &ByRole<'_, '_>) -> String {
    let roles = waiting.first().group_role.as_ref();
    format!(
        "Chat is asked first for the caller's role in the group {}, which must be {}",
        waiting.group(),
        roles.map(ToString::to_string).unwrap_or_default()
    )
}

/// The command and what is known of it, and the caller's roles.
fn tell_command(report: &mut Report, settings: &Settings, call: &RestCall) {
    report.say("command", call.command.as_str());
    if let Some(command) = settings.policy.catalog().find(call.command.as_str()) {
        let field = command.acting.as_ref().map(ToString::to_string);
        report.say("risk", command.risk.as_str());
        report.say("acting field", field.unwrap_or_else(|| "none".to_owned()));
    }
    report.say("roles", list(call.roles.iter(), "none"));
}

/// The rules that cover the command, none of which is for this caller.
fn tell_rules(report: &mut Report, settings: &Settings, call: &RestCall, caller: &RestCaller<'_>) {
    let command = settings.policy.catalog().find(call.command.as_str());
    let rules = command.map(|command| settings.policy.rules_of(command));
    for rule in rules.into_iter().flatten() {
        if let Some(lack) = rule.lack_of(caller) {
            report.say(
                "rule",
                format!("{}: no, {}", rule.label, lacking(rule, lack)),
            );
        }
    }
}

/// The rule or command that came nearest, and what was wanting.
fn tell_nearest(report: &mut Report, settings: &Settings, denial: &Denial<'_>, call: &RestCall) {
    match denial {
        Denial::NotForCaller { nearest, lacks } => {
            report.say("nearest", &*nearest.label);
            report.say("needed", needed(nearest, *lacks));
        }
        Denial::NoRule => {
            let found = settings.policy.catalog().find(call.command.as_str());
            let by_name = match found.is_some_and(|command| command.is_allowed_by_name_only()) {
                true => "; no rule by service or risk covers it",
                false => "",
            };
            let rule = format!("a rule with commands = [\"{}\"]{by_name}", call.command);
            report.say("nearest", "no rule covers the command");
            report.say("needed", rule);
        }
        Denial::UnknownCommand => {
            let near = near_command(settings, &call.command);
            report.say("nearest", near.unwrap_or("no command has a name like that"));
            report.say(
                "needed",
                "a command of the catalogue, or one that [[rest_api.command]] declares",
            );
        }
    }
}

/// A command that is spelled almost like this one, or has the same name in another service.
fn near_command<'s>(settings: &'s Settings, name: &CommandName) -> Option<&'s str> {
    let commands = || {
        settings
            .policy
            .catalog()
            .commands()
            .map(|command| command.name.as_str())
    };
    let last = |name: &str| name.rsplit('/').next().map(str::to_ascii_lowercase);
    commands()
        .find(|known| known.eq_ignore_ascii_case(name.as_str()))
        .or_else(|| commands().find(|known| last(known) == last(name.as_str())))
}

fn needed(rule: &Rule, lack: Lack) -> String {
    match (lack, &rule.roles) {
        (Lack::Issuer, _) => format!("a token of issuer {}", rule.issuers.join(" or ")),
        (Lack::Role, AllowedRoles::OneOf(roles)) => format!("the role {}", roles.join(" or ")),
        (Lack::Role, AllowedRoles::Everybody) => "a role".to_owned(),
    }
}

fn lacking(rule: &Rule, lack: Lack) -> String {
    format!("the caller lacks {}", needed(rule, lack))
}

fn may_act(rule: &Rule) -> String {
    match rule.acting() {
        ActingAccount::Caller => "it is for the caller alone".to_owned(),
        ActingAccount::Listed(accounts) => {
            let names = accounts.iter().map(|account| account.as_str());
            format!("the body must name one of {}", list(names, "none"))
        }
        ActingAccount::Any => "the body must name an account that is no administrator's".to_owned(),
    }
}

fn describe(condition: &Condition) -> String {
    let optional = match condition.optional {
        true => ", if it is there",
        false => "",
    };
    let test = match &condition.test {
        Test::Matches(patterns) => {
            let patterns = patterns
                .iter()
                .map(|pattern| format!("{:?}", pattern.to_string()));
            format!("matches {}", patterns.collect::<Vec<_>>().join(" or "))
        }
        Test::OneOf(values) => {
            let values = values.iter().map(ToString::to_string);
            format!("is one of {}", values.collect::<Vec<_>>().join(", "))
        }
        Test::OnlyCaller => "names only the caller".to_owned(),
        Test::MaxItems(most) => format!("has at most {most} items"),
        Test::Absent => "is absent".to_owned(),
    };
    format!("{} {test}{optional}", condition.field)
}

/// The rule, the body by its size and the accounts that act, and where it goes; nothing else of the body is shown.
fn tell_sent(
    report: &mut Report,
    admitted: &Admitted<'_, '_>,
    command: &Command,
    body: Option<&[u8]>,
) {
    report.say("allowed by", &*admitted.rule.label);
    let is_set = matches!(admitted.body, Cow::Owned(_));
    let accounts = list(admitted.acting.iter().map(String::as_str), "none");
    let acting = match (&command.acting, is_set) {
        (Some(field), true) => format!("{accounts}; {field} is set where it is absent"),
        (Some(field), false) => format!("{accounts}; {field} stays as the body has it"),
        (None, _) => accounts,
    };
    report.say("acting account", acting);
    let given = match body {
        Some(body) => format!("{} bytes", body.len()),
        None => "none is given, which is {}".to_owned(),
    };
    let sent = admitted.body.len();
    report.say("body", format!("{given}; {sent} bytes are sent"));
    let name = &command.name;
    report.say(
        "target",
        format!("Chat's REST API, POST /v4/{name}, signed as the admin"),
    );
}

fn budget(limits: &Limits, command: &Command) -> String {
    let source = match limits.commands.contains_key(&command.name) {
        true => "configured",
        false => "documented",
    };
    let rate = limits.rate_of(command);
    let limit = |limit: Option<NonZeroU32>| match limit {
        Some(rate) => format!("{rate} a second"),
        None => "no limit".to_owned(),
    };
    format!(
        "{rate} a second of the command ({source}), in equal parts for who calls at a time; the app: {}; a caller: {}",
        limit(limits.app),
        limit(limits.caller)
    )
}
