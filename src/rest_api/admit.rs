//! The body of a call: read strictly, held to the rules that cover the call, and completed with the acting account.
//!
//! What is admitted reads the same to every JSON reader: one object in UTF-8, no member twice in any spelling, not deep. Its
//! bytes go to Chat as the client wrote them; only an acting field that was absent is written into them. The rules of a
//! grant are tried one after the other, and the first that the body fits is the one that allowed the call. Rules that ask for the
//! caller's role in a group come last: what they allow waits for that role, and no call is made before.

mod by_role;
mod concerns;

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

pub use self::by_role::{ByRole, NotByRole};
use super::acting::{Acting, ActingError, ActingRule};
use super::catalog::Command;
use super::condition::{Condition, ConditionError};
use super::group_role::GroupError;
use super::policy::{Grant, RestCaller, Rule};
use super::{loose, target};
use crate::identity::ReservedNames;
use crate::json::insert::insert;
use crate::json::{self, JsonError, Object};
use crate::usersig::SdkAppId;

/// The largest body of a call in bytes.
pub const MAX_BODY_BYTES: usize = 64 << 10;

/// The body of a call that reads the same to everybody.
pub struct Body<'b> {
    text: &'b [u8],
    object: Object,
}

/// Why a text is not the [`Body`] of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BodyError {
    /// More than [`MAX_BODY_BYTES`].
    #[error("the body is longer than a call may be")]
    TooLarge,
    /// Not JSON in UTF-8, or nested too deep.
    #[error("the body is not valid JSON")]
    Syntax,
    /// A member name is repeated.
    #[error("a member name of the body is repeated")]
    DuplicateMember,
    /// Valid JSON, but not an object.
    #[error("the body is not a JSON object")]
    NotAnObject,
}

impl From<JsonError> for BodyError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Syntax => Self::Syntax,
            JsonError::DuplicateMember => Self::DuplicateMember,
            JsonError::NotAnObject => Self::NotAnObject,
        }
    }
}

/// What bodies of a site may not name.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// The administrators.
    pub reserved: &'a ReservedNames,
    /// The one application of which a body may speak.
    pub sdk_app_id: SdkAppId,
}

/// A call that may go to Chat.
pub struct Admitted<'p, 'b> {
    /// The rule that allowed it.
    pub rule: &'p Rule,
    /// The body to send.
    pub body: Cow<'b, [u8]>,
    /// The accounts in whose name it acts; none when the command has no field for it and the body names none.
    pub acting: Vec<String>,
}

/// What the rules say of a call with this body.
#[derive(Debug)]
pub enum Admission<'p, 'b> {
    /// It may go to Chat.
    Given(Admitted<'p, 'b>),
    /// It may if the caller has the right role in the group that it is about.
    ByRole(ByRole<'p, 'b>),
}

/// A call that no rule admits with this body.
#[derive(Debug, PartialEq)]
pub struct NotAdmitted<'p> {
    /// The narrowest rule that covers the call.
    pub nearest: &'p Rule,
    /// Why the body does not fit it.
    pub reason: AdmitError,
}

/// Why a body does not fit a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum AdmitError {
    /// It acts in another name than it may.
    #[error("{0}")]
    Acting(#[from] ActingError),
    /// It does not meet a condition.
    #[error("{0}")]
    Condition(#[from] ConditionError),
    /// It does not name the one group in which the caller's role counts.
    #[error("{0}")]
    Group(#[from] GroupError),
    /// It names an administrator, to whom such a call could do harm.
    #[error("the body names an administrator as one whom the call acts on")]
    ReservedTarget,
    /// It speaks of another application.
    #[error("the body names another SDKAppID")]
    OtherApp,
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.text.len())
    }
}

impl fmt::Debug for Admitted<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Admitted(by {}, {} bytes)",
            self.rule.label,
            self.body.len()
        )
    }
}

impl AdmitError {
    /// The error as one word, for logs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Acting(ActingError::Foreign) => "acting_foreign",
            Self::Acting(ActingError::WrongType) => "acting_wrong_type",
            Self::Acting(ActingError::Misspelled) => "acting_misspelled",
            Self::Acting(ActingError::Missing) => "acting_missing",
            Self::Acting(ActingError::TooManyItems) => "acting_too_many_items",
            Self::Condition(ConditionError::Absent) => "condition_absent",
            Self::Condition(ConditionError::Present) => "condition_present",
            Self::Condition(ConditionError::Value) => "condition_value",
            Self::Condition(ConditionError::Type) => "condition_type",
            Self::Condition(ConditionError::TooMany) => "condition_too_many",
            Self::Condition(ConditionError::Misspelled) => "condition_misspelled",
            Self::Group(GroupError::Missing) => "group_missing",
            Self::Group(GroupError::WrongType) => "group_wrong_type",
            Self::Group(GroupError::Several) => "group_several",
            Self::Group(GroupError::Misspelled) => "group_misspelled",
            Self::Group(GroupError::Form) => "group_form",
            Self::Group(GroupError::OtherTopic) => "group_other_topic",
            Self::ReservedTarget => "reserved_target",
            Self::OtherApp => "other_app",
        }
    }
}

impl<'b> Body<'b> {
    /// Reads a body; an empty one is `{}`.
    pub fn parse(text: &'b [u8]) -> Result<Self, BodyError> {
        if text.len() > MAX_BODY_BYTES {
            return Err(BodyError::TooLarge);
        }
        let text = if text.is_empty() { b"{}" } else { text };
        let object = json::parse_object(text)?;
        if object
            .values()
            .any(|value| is_deeper_than(value, MAX_DEPTH))
        {
            return Err(BodyError::Syntax);
        }
        Ok(Self { text, object })
    }

    /// The accounts, groups and rooms that a call of the command concerns, for the audit: each once, those first that a
    /// reader should see.
    pub fn concerns(&self, command: &Command) -> Vec<&str> {
        concerns::concerns(command, &self.object)
    }

    /// Holds it to the rules of a grant.
    pub fn admit<'p>(
        &self,
        grant: &Grant<'p>,
        caller: &RestCaller<'_>,
        bounds: Bounds<'_>,
    ) -> Result<Admission<'p, 'b>, NotAdmitted<'p>> {
        let mut outcome = self.try_rule(grant.command, grant.first, caller, bounds);
        for rule in &grant.others {
            let next = || self.try_rule(grant.command, rule, caller, bounds);
            outcome = match outcome {
                Ok(Admission::Given(_)) => return outcome,
                Ok(Admission::ByRole(waiting)) => Ok(match next() {
                    Ok(Admission::Given(given)) => Admission::Given(given),
                    Ok(Admission::ByRole(other)) => Admission::ByRole(waiting.or(&other)),
                    Err(_) => Admission::ByRole(waiting),
                }),
                Err(first) => next().map_err(|_| first),
            };
        }
        outcome
    }

    /// Why it does not fit one rule; the accounts in whose name it acts, if it does.
    pub fn fits(
        &self,
        command: &Command,
        rule: &Rule,
        caller: &RestCaller<'_>,
        bounds: Bounds<'_>,
    ) -> Result<Vec<String>, AdmitError> {
        let judged = self.judge(command, rule, caller, bounds);
        judged.map(|(_, acting)| acting)
    }

    /// The first of a rule's conditions that it does not meet.
    pub fn unmet<'r>(&self, rule: &'r Rule, caller: &RestCaller<'_>) -> Option<&'r Condition> {
        let is_unmet = |condition: &&Condition| {
            let checked = condition.check(&self.object, &caller.user_id);
            checked.is_err()
        };
        rule.conditions.iter().find(is_unmet)
    }

    fn try_rule<'p>(
        &self,
        command: &Command,
        rule: &'p Rule,
        caller: &RestCaller<'_>,
        bounds: Bounds<'_>,
    ) -> Result<Admission<'p, 'b>, NotAdmitted<'p>> {
        let refused = |reason: AdmitError| NotAdmitted {
            nearest: rule,
            reason,
        };
        let group = self.group_of(command, rule);
        let group = group.map_err(|error| refused(error.into()))?;
        let judged = self.judge(command, rule, caller, bounds);
        let (body, acting) = judged.map_err(refused)?;
        let admitted = Admitted { rule, body, acting };
        Ok(match group {
            None => Admission::Given(admitted),
            Some(group) => Admission::ByRole(ByRole::new(group, admitted)),
        })
    }

    /// The body that is sent by a rule, and who acts in it.
    fn judge(
        &self,
        command: &Command,
        rule: &Rule,
        caller: &RestCaller<'_>,
        bounds: Bounds<'_>,
    ) -> Result<(Cow<'b, [u8]>, Vec<String>), AdmitError> {
        self.check_app(bounds.sdk_app_id)?;
        if target::harms_an_administrator(command, &self.object, bounds.reserved) {
            return Err(AdmitError::ReservedTarget);
        }
        let acting_rule = ActingRule {
            field: command.acting.as_ref(),
            account: rule.acting(),
            caller: &caller.user_id,
            reserved: bounds.reserved,
        };
        let acting = acting_rule.judge(&self.object)?;
        for condition in &rule.conditions {
            condition.check(&self.object, &caller.user_id)?;
        }
        let name = caller.user_id.as_str();
        let mut accounts: Vec<String> = acting.named.iter().map(|one| (*one).to_owned()).collect();
        if !acting.missing.is_empty() && !acting.named.contains(&name) {
            accounts.push(name.to_owned());
        }
        Ok((self.completed(&acting, name)?, accounts))
    }

    /// The group in which the rule asks for a role.
    fn group_of(&self, command: &Command, rule: &Rule) -> Result<Option<&str>, GroupError> {
        match (&rule.group_role, &command.group) {
            (None, _) => Ok(None),
            (Some(_), Some(field)) => field.find(&self.object).map(Some),
            (Some(_), None) => Err(GroupError::Missing),
        }
    }

    /// The one group that it names in the field of the command; `None` also where that is not plain.
    pub fn group(&self, command: &Command) -> Option<&str> {
        command.group.as_ref()?.find(&self.object).ok()
    }

    /// The text with the acting account wherever it was missing.
    fn completed(&self, acting: &Acting<'_>, account: &str) -> Result<Cow<'b, [u8]>, ActingError> {
        let member = Value::from(account).to_string();
        let mut text = Cow::Borrowed(self.text);
        for pointer in &acting.missing {
            let grown = insert(&text, pointer, &member).map_err(|_| ActingError::WrongType)?;
            text = Cow::Owned(grown);
        }
        Ok(text)
    }

    /// A few commands carry the SDKAppID in the body as well.
    fn check_app(&self, app: SdkAppId) -> Result<(), AdmitError> {
        let named = loose::find(&self.object, APP_FIELD).map_err(|_| AdmitError::OtherApp)?;
        let is_ours = |value: &Value| match value {
            Value::Number(number) => number.as_u64() == Some(app.get().into()),
            Value::String(text) => *text == app.to_string(),
            _ => false,
        };
        match named.is_none_or(is_ours) {
            true => Ok(()),
            false => Err(AdmitError::OtherApp),
        }
    }
}

fn is_deeper_than(value: &Value, most: usize) -> bool {
    let is_deep = |inner: &Value| match most.checked_sub(1) {
        Some(most) => is_deeper_than(inner, most),
        None => true,
    };
    match value {
        Value::Array(items) => most == 0 || items.iter().any(is_deep),
        Value::Object(object) => most == 0 || object.values().any(is_deep),
        _ => false,
    }
}

/// How many objects and arrays may stand in one another, the body itself not counted. Documented bodies need seven.
const MAX_DEPTH: usize = 31;
const APP_FIELD: &str = "SdkAppId";

#[cfg(test)]
mod tests;
