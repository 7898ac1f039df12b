//! The role that a caller has in the group that a call is about: who must have which, and what Chat says of it.
//!
//! Chat lets an administrator act on every group, so a rule may ask for the caller's own role there. The role is asked for
//! with `get_role_in_group` (34963) and believed for some seconds. What is not plainly a role is none: nothing of the answer is
//! taken on trust but the entry of the very caller.

use std::fmt;

use serde_json::{Value, json};

use super::catalog::{Command, is_word};
use super::loose::{self, Misspelled};
use super::outcome::{Answer, AnswerError, Class};
use crate::identity::UserId;
use crate::json::{self, Object};

/// The command that tells the roles of accounts in a group.
pub const GET_ROLE: &str = "group_open_http_svc/get_role_in_group";

/// What a member of a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupRole {
    /// Its owner.
    Owner,
    /// One of its administrators.
    Admin,
    /// Any other member.
    Member,
}

impl GroupRole {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Admin, Self::Member];

    /// Chat's word for it, also in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "Owner",
            Self::Admin => "Admin",
            Self::Member => "Member",
        }
    }
}

/// Roles of which a caller must have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRoles(Vec<GroupRole>);

impl GroupRoles {
    /// These roles, whatever their order; of none, nobody has one.
    pub fn new(roles: impl IntoIterator<Item = GroupRole>) -> Self {
        let mut roles: Vec<_> = roles.into_iter().collect();
        roles.sort_unstable();
        roles.dedup();
        Self(roles)
    }

    /// Whether it is one of them.
    pub fn include(&self, role: GroupRole) -> bool {
        self.0.contains(&role)
    }

    /// Whether all of the other ones are among them.
    pub(super) fn include_all_of(&self, other: &Self) -> bool {
        other.0.iter().all(|role| self.include(*role))
    }

    /// Whether a role is in both.
    pub(super) fn share(&self, other: &Self) -> bool {
        other.0.iter().any(|role| self.include(*role))
    }
}

impl fmt::Display for GroupRoles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(|role| role.as_str()).collect();
        f.write_str(&words.join("|"))
    }
}

/// Where in a body the group stands: a member of the body, or the items of one of its arrays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupField {
    name: Box<str>,
    is_list: bool,
}

/// Why a text is not a [`GroupField`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a group's field is Name or Name[], of letters, digits and \"_\", as in \"GroupId\"")]
pub struct GroupFieldError;

/// Why a body does not name the one group in which the caller's role counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum GroupError {
    /// It names none.
    #[error("the body does not name the group")]
    Missing,
    /// The field has another type than documented.
    #[error("the group's field has another type than documented")]
    WrongType,
    /// It names several.
    #[error("the body names more than one group")]
    Several,
    /// A member looks like the field and is spelled otherwise.
    #[error("a member is spelled almost like the group's field")]
    Misspelled,
    /// No group has such a name.
    #[error("the body names the group as no group is named")]
    Form,
    /// It names a topic that is not one of the group.
    #[error("the body names a topic of another group")]
    OtherTopic,
}

impl From<Misspelled> for GroupError {
    fn from(_: Misspelled) -> Self {
        Self::Misspelled
    }
}

impl GroupField {
    /// Parses `Name` or `Name[]`.
    pub fn parse(text: &str) -> Result<Self, GroupFieldError> {
        let list = text.strip_suffix("[]");
        let name = list.unwrap_or(text);
        match is_word(name) {
            true => Ok(Self {
                name: name.into(),
                is_list: list.is_some(),
            }),
            false => Err(GroupFieldError),
        }
    }

    /// The member's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The one group that the body names, there and nowhere else.
    pub(super) fn find<'b>(&self, body: &'b Object) -> Result<&'b str, GroupError> {
        for other in GROUP_FIELDS.iter().filter(|name| **name != &*self.name) {
            if loose::find(body, other)?.is_some() {
                return Err(GroupError::Several);
            }
        }
        let value = loose::find(body, &self.name)?.ok_or(GroupError::Missing)?;
        let value = match (self.is_list, value) {
            (false, Value::Array(items)) if items.len() > 1 => return Err(GroupError::Several),
            (false, value) => value,
            (true, Value::Array(items)) => match items.as_slice() {
                [] => return Err(GroupError::Missing),
                [item] => item,
                _ => return Err(GroupError::Several),
            },
            (true, _) => return Err(GroupError::WrongType),
        };
        let group = value.as_str().ok_or(GroupError::WrongType)?;
        check_form(group)?;
        check_topics(group, body)?;
        Ok(group)
    }
}

impl fmt::Display for GroupField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = if self.is_list { "[]" } else { "" };
        write!(f, "{}{items}", self.name)
    }
}

/// Group IDs are of printable ASCII (34381). What another reader could cut or trim is none.
fn check_form(group: &str) -> Result<(), GroupError> {
    let is_printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    let is_whole = group.trim() == group && group.bytes().all(is_printable);
    match !group.is_empty() && group.len() <= MAX_GROUP_BYTES && is_whole {
        true => Ok(()),
        false => Err(GroupError::Form),
    }
}

/// The ID of a topic begins with that of its group (Creating Topic, 49471): `GROUP@TOPIC#_REST`. Whether Chat compares them
/// is not documented, and the role is that in the group.
fn check_topics(group: &str, body: &Object) -> Result<(), GroupError> {
    let of_group = |topic: &Value| {
        let rest = topic.as_str().and_then(|topic| topic.strip_prefix(group));
        rest.is_some_and(|rest| rest.starts_with(TOPIC))
    };
    for field in TOPIC_FIELDS {
        let good = match loose::find(body, field)? {
            None => true,
            Some(Value::Array(items)) => items.iter().all(of_group),
            // Means none in some commands.
            Some(Value::String(text)) if text.is_empty() => true,
            Some(topic) => of_group(topic),
        };
        if !good {
            return Err(GroupError::OtherTopic);
        }
    }
    Ok(())
}

/// Whether a call of the command, even one that failed, may have changed who has which role in the group that it names.
pub fn may_change_roles(command: &Command) -> bool {
    CHANGES_ROLES.contains(&command.name.as_str())
}

/// The body that asks for the role of one account.
pub fn question(group: &str, user: &UserId) -> String {
    json!({ "GroupId": group, "User_Account": [user.as_str()] }).to_string()
}

/// The role of an account that Chat told; `None` for who is no member.
pub type Told = Option<GroupRole>;

/// Why a caller has no role in a group that a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoGroupRole {
    /// It is a member in another role.
    OtherRole,
    /// It is no member.
    NotMember,
    /// There is no such group.
    NoGroup,
}

impl NoGroupRole {
    /// The fact as one word, for logs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::OtherRole => "other_role",
            Self::NotMember => "not_a_member",
            Self::NoGroup => "no_such_group",
        }
    }
}

/// Why the role of a caller could not be learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleUnknown {
    /// Chat did not answer in time.
    Timeout,
    /// What came is no answer of the API.
    Answer(AnswerError),
    /// Chat refused to tell, with this `ErrorCode`.
    Refused(i64),
    /// Chat's answer does not tell this account's role.
    NotTold,
}

/// Why [`read`] finds no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleError {
    /// There is none.
    None(NoGroupRole),
    /// It is not known.
    Unknown(RoleUnknown),
}

/// Reads Chat's answer about one account.
pub fn read(answer: &Answer, body: &[u8], user: &UserId) -> Result<Told, RoleError> {
    match answer.class {
        Class::Ok => told(body, user).ok_or(RoleError::Unknown(RoleUnknown::NotTold)),
        _ if NO_SUCH_GROUP.contains(&answer.error_code) => {
            Err(RoleError::None(NoGroupRole::NoGroup))
        }
        _ => Err(RoleError::Unknown(RoleUnknown::Refused(answer.error_code))),
    }
}

/// The role in the one entry of the list, which must be of that account; nothing else may stand beside it.
fn told(body: &[u8], user: &UserId) -> Option<Told> {
    let answer = json::parse_object(body).ok()?;
    let [entry] = answer.get("UserIdList")?.as_array()?.as_slice() else {
        return None;
    };
    if entry.get("Member_Account")?.as_str()? != user.as_str() {
        return None;
    }
    let word = entry.get("Role")?.as_str()?;
    let known = GroupRole::ALL
        .into_iter()
        .find(|role| role.as_str() == word);
    match known {
        None if word == "NotMember" => Some(None),
        known => known.map(Some),
    }
}

/// Beside the one of a command, neither may stand in its body.
const GROUP_FIELDS: [&str; 2] = ["GroupId", "GroupIdList"];
const TOPIC_FIELDS: [&str; 2] = ["TopicId", "TopicIdList"];
const TOPIC: &str = "@TOPIC#_";
/// Chosen names have up to 48; those that Chat makes for communities are not bounded in its documents.
const MAX_GROUP_BYTES: usize = 128;
/// The group was never there or is disbanded; the ID is wrong.
const NO_SUCH_GROUP: [i64; 2] = [10010, 10015];
const CHANGES_ROLES: [&str; 7] = [
    "group_open_http_svc/add_group_member",
    "group_open_http_svc/delete_group_member",
    "group_open_http_svc/modify_group_member_info",
    "group_open_http_svc/change_group_owner",
    "group_open_http_svc/destroy_group",
    "group_open_http_svc/ban_group_member",
    "group_open_http_svc/import_group_member",
];

#[cfg(test)]
mod tests;
