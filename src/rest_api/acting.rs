//! In whose name a call acts: the one field that Chat believes without a question.
//!
//! Without the field the admin account acts, so an absent one is set or refused, never passed on. Chat takes a string there;
//! anything else a reader could take for absent, so it is refused, also an array of the right name. The field counts at
//! every depth, and those that have this meaning in most commands count in the body of every command.

use serde_json::Value;

use super::catalog::ActingField;
use super::loose::{self, Loose, Misspelled};
use crate::identity::{ReservedNames, UserId};
use crate::json::{JsonPointer, Object};

/// Who may stand in the acting field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActingAccount {
    /// The caller; the field is set when it is absent.
    Caller,
    /// One of these accounts, which the body must name.
    Listed(Vec<Account>),
    /// Any account that the body names, except an administrator.
    Any,
}

/// The name of an account of the Chat app, whoever made it. Never an administrator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account(String);

/// Why a text is not an [`Account`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Not 1 to 64 visible characters of ASCII.
    #[error("an account has 1 to 64 visible ASCII characters")]
    Form,
    /// An administrator.
    #[error("the name is reserved for an administrator, in whose name nobody acts")]
    Reserved,
}

impl Account {
    /// Takes a name that is not reserved. Accounts of robots and official accounts have more letters than a `UserId`.
    pub fn parse(name: &str, reserved: &ReservedNames) -> Result<Self, AccountError> {
        let is_fit = |byte: u8| byte.is_ascii_graphic();
        if name.is_empty() || name.len() > MAX_ACCOUNT_BYTES || !name.bytes().all(is_fit) {
            return Err(AccountError::Form);
        }
        if reserved.contains(name) {
            return Err(AccountError::Reserved);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ActingAccount {
    /// Whether whoever may act by `other` may act by this.
    pub(super) fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (Self::Caller, Self::Caller) => true,
            (Self::Listed(all), Self::Listed(some)) => some.iter().all(|one| all.contains(one)),
            (Self::Caller, Self::Listed(_) | Self::Any) => false,
            (Self::Listed(_), Self::Caller | Self::Any) => false,
        }
    }
}

/// Why a body does not act as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ActingError {
    /// It names an account that the caller may not act as.
    #[error("the acting field names an account that the caller may not act as")]
    Foreign,
    /// The field is not a string, or stands in something of another shape than documented.
    #[error("the acting field, or what it stands in, has another type than documented")]
    WrongType,
    /// A member looks like the field and is spelled otherwise.
    #[error("a member is spelled almost like the acting field")]
    Misspelled,
    /// The body must name the account and does not.
    #[error("the body does not name the acting account")]
    Missing,
    /// The array in whose items the field stands has too many.
    #[error("too many items in one call")]
    TooManyItems,
}

impl From<Misspelled> for ActingError {
    fn from(_: Misspelled) -> Self {
        Self::Misspelled
    }
}

/// What is known of a body that acts as it may.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Acting<'b> {
    /// The accounts that it names, each once.
    pub(super) named: Vec<&'b str>,
    /// The members that are still to be set.
    pub(super) missing: Vec<JsonPointer>,
}

/// Judges bodies of one caller.
pub(super) struct ActingRule<'a> {
    pub(super) field: Option<&'a ActingField>,
    pub(super) account: &'a ActingAccount,
    pub(super) caller: &'a UserId,
    pub(super) reserved: &'a ReservedNames,
}

impl ActingRule<'_> {
    pub(super) fn judge<'b>(&self, body: &'b Object) -> Result<Acting<'b>, ActingError> {
        let mut acting = Acting::default();
        for name in ALWAYS {
            self.judge_member(&Loose::new(name), body, &mut acting)?;
        }
        let Some(field) = self.field else {
            return Ok(acting);
        };
        self.judge_members(&Loose::new(field.member()), body, &mut acting)?;
        acting.missing = missing(field, body)?;
        match (acting.missing.is_empty(), self.account) {
            (true, _) | (false, ActingAccount::Caller) => Ok(acting),
            (false, ActingAccount::Listed(_) | ActingAccount::Any) => Err(ActingError::Missing),
        }
    }

    /// Every member of that name, at whatever depth.
    fn judge_members<'b>(
        &self,
        name: &Loose<'_>,
        object: &'b Object,
        acting: &mut Acting<'b>,
    ) -> Result<(), ActingError> {
        self.judge_member(name, object, acting)?;
        object
            .values()
            .try_for_each(|value| self.judge_within(name, value, acting))
    }

    fn judge_within<'b>(
        &self,
        name: &Loose<'_>,
        value: &'b Value,
        acting: &mut Acting<'b>,
    ) -> Result<(), ActingError> {
        match value {
            Value::Object(object) => self.judge_members(name, object, acting),
            Value::Array(items) => items
                .iter()
                .try_for_each(|item| self.judge_within(name, item, acting)),
            _ => Ok(()),
        }
    }

    fn judge_member<'b>(
        &self,
        name: &Loose<'_>,
        object: &'b Object,
        acting: &mut Acting<'b>,
    ) -> Result<(), ActingError> {
        for (key, value) in object.iter().filter(|(key, _)| name.is(key)) {
            if name.is_alias(key) {
                return Err(ActingError::Misspelled);
            }
            let account = value.as_str().ok_or(ActingError::WrongType)?;
            if !self.may_act_as(account) {
                return Err(ActingError::Foreign);
            }
            if !acting.named.contains(&account) {
                acting.named.push(account);
            }
        }
        Ok(())
    }

    fn may_act_as(&self, name: &str) -> bool {
        match self.account {
            ActingAccount::Caller => name == self.caller.as_str(),
            ActingAccount::Listed(accounts) => accounts.iter().any(|one| one.as_str() == name),
            ActingAccount::Any => Account::parse(name, self.reserved).is_ok(),
        }
    }
}

/// Where the field belongs and is not.
fn missing(field: &ActingField, body: &Object) -> Result<Vec<JsonPointer>, ActingError> {
    let member = field.member();
    let Some(list) = field.list() else {
        let pointer = (!body.contains_key(member)).then(|| pointer(&format!("/{member}")));
        return pointer.into_iter().collect();
    };
    let Some(Value::Array(items)) = loose::find(body, list)? else {
        return Err(ActingError::WrongType);
    };
    if items.len() > MAX_ITEMS {
        return Err(ActingError::TooManyItems);
    }
    let mut missing = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let item = item.as_object().ok_or(ActingError::WrongType)?;
        if !item.contains_key(member) {
            missing.push(pointer(&format!("/{list}/{index}/{member}"))?);
        }
    }
    Ok(missing)
}

fn pointer(text: &str) -> Result<JsonPointer, ActingError> {
    JsonPointer::parse(text).map_err(|_| ActingError::WrongType)
}

/// The fields that name the acting account in most commands, so that an older name of a command's own field is judged too.
const ALWAYS: [&str; 2] = ["From_Account", "Operator_Account"];
const MAX_ACCOUNT_BYTES: usize = 64;
/// Chat takes 7 messages in the one call that has such items.
const MAX_ITEMS: usize = 32;
