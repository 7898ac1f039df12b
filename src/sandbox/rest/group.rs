//! Groups as such: create, read, list, change, destroy.
//!
//! Answers and codes: Chat's pages 34895 (create), 34961 (info), 34960 (list), 34962 (change), 34896 (destroy), their samples
//! in the crate tencent_im_rs, and the group part (10002 to 10060) of its Error Codes. Newer pages say `Mute` where older
//! ones say `ShutUp`; both are taken and given. The sandbox holds 1,000 groups of 2,000 members.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::{Call, body, member};
use crate::identity::UserId;
use crate::json::Object;
use crate::sandbox::answer::Reply;
use crate::sandbox::archive::Talk;
use crate::sandbox::failure::Failure;
use crate::sandbox::group::{Group, Kind, Member, Role, TEXTS};
use crate::sandbox::state::Chat;

/// `create_group`: the owner and the first members must be accounts.
pub(super) fn create(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let kind = kind(call.body, "Type")?.ok_or(Failure::Group("Type"))?;
    body::text(call.body, "Name", Failure::Group("Name"))?;
    let mut group = Group {
        serial: 0,
        kind,
        texts: BTreeMap::from([("ApplyJoinOption", "NeedPermission".to_owned())]),
        max_members: MAX_MEMBERS,
        is_muted: false,
        created: call.now,
        changed: call.now,
        last_message: None,
        next_seq: 1,
        custom: BTreeMap::new(),
        members: first_members(chat, call, kind)?,
        muted_until: HashMap::new(),
    };
    change(&mut group, call.body, "MaxMemberCount")?;
    if group.members.len() > group.max_members {
        return Err(Failure::GroupFull);
    }
    let id = new_id(chat, call.body, group.owner())?;
    if chat.groups.len() >= MAX_GROUPS {
        return Err(Failure::GroupsFull);
    }
    group.serial = chat.next_serial();
    let id = id.unwrap_or_else(|| format!("@TGS#2{:07}", group.serial));
    chat.groups.insert(id.clone(), group);
    Ok(json!({ "GroupId": id }).into())
}

/// `get_group_info`: of up to 50 groups, each with its own result.
pub(super) fn info(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let wrong = Failure::Group("GroupIdList");
    let ids = body::texts(call.body, "GroupIdList", (MAX_ASKED, wrong), wrong)?;
    let filters = Filters::parse(call.body)?;
    let mut found = Vec::new();
    for id in ids {
        let group = match valid_id(id) {
            true => chat.groups.get(id).ok_or(Failure::GroupUnknown),
            false => Err(Failure::GroupId),
        };
        let mut members = match group {
            Ok(group) => filters.apply(group, call),
            Err(_) => Map::new(),
        };
        let failure = group.err();
        members.insert("GroupId".to_owned(), json!(id));
        members.insert(
            "ErrorCode".to_owned(),
            json!(failure.map_or(0, Failure::code)),
        );
        let text = failure
            .map(|failure| failure.to_string())
            .unwrap_or_default();
        members.insert("ErrorInfo".to_owned(), json!(text));
        found.push(members);
    }
    Ok(json!({ "GroupInfo": found }).into())
}

/// `get_appid_group_list`: pages of up to 10,000 IDs; `Next` is 0 after the last.
pub(super) fn list(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let kind = kind(call.body, "GroupType")?;
    let limit = body::number_if_any(call.body, "Limit", Failure::Group("Limit"))?;
    let start = body::number_if_any(call.body, "Next", Failure::Group("Next"))?.unwrap_or(0);
    let limit = limit.unwrap_or(MAX_LISTED).min(MAX_LISTED);
    let mut groups: Vec<_> = chat
        .groups
        .iter()
        .filter(|(_, group)| kind.is_none_or(|kind| group.kind == kind))
        .map(|(id, group)| (group.serial, id))
        .collect();
    groups.sort_unstable();
    let total = groups.len();
    let mut rest = groups.into_iter().filter(|(serial, _)| *serial >= start);
    let page = rest
        .by_ref()
        .take(usize::try_from(limit).unwrap_or(usize::MAX));
    let page: Vec<_> = page.map(|(_, id)| json!({ "GroupId": id })).collect();
    let next = rest.next().map_or(0, |(serial, _)| serial);
    Ok(json!({ "TotalCount": total, "GroupIdList": page, "Next": next }).into())
}

/// `modify_group_base_info`: all members of the call or none.
pub(super) fn modify(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let group = found(chat, call.body)?;
    change(group, call.body, "MaxMemberNum")?;
    group.changed = call.now;
    Ok(Reply::done())
}

/// `destroy_group`: with its messages.
pub(super) fn destroy(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let serial = found(chat, call.body)?.serial;
    chat.groups.retain(|_, group| group.serial != serial);
    chat.archive.forget(|talk| *talk == Talk::Group(serial));
    Ok(Reply::done())
}

/// The group that the body names.
pub(super) fn found<'a>(chat: &'a mut Chat, members: &Object) -> Result<&'a mut Group, Failure> {
    let id = body::text(members, "GroupId", Failure::Group("GroupId"))?;
    if !valid_id(id) {
        return Err(Failure::GroupId);
    }
    chat.groups.get_mut(id).ok_or(Failure::GroupUnknown)
}

/// The type that the body names. An empty one is none: a public client sends it so.
pub(super) fn kind(members: &Object, name: &'static str) -> Result<Option<Kind>, Failure> {
    match body::text_if_any(members, name, Failure::Group(name))? {
        None | Some("") => Ok(None),
        Some(text) => Kind::parse(text).map(Some).ok_or(Failure::Group(name)),
    }
}

/// The members whose names a filter lists; all without one.
pub(super) fn filtered(members: Map<String, Value>, filter: Option<&[&str]>) -> Map<String, Value> {
    let is_wanted = |name: &str| filter.is_none_or(|filter| filter.contains(&name));
    members
        .into_iter()
        .filter(|(name, _)| is_wanted(name))
        .collect()
}

/// `ResponseFilter`: without it all is answered, with it only the parts that have a list.
struct Filters<'a> {
    is_given: bool,
    profile: Option<Vec<&'a str>>,
    members: Option<Vec<&'a str>>,
    custom: Option<Vec<&'a str>>,
}

impl<'a> Filters<'a> {
    fn parse(members: &'a Object) -> Result<Self, Failure> {
        let wrong = Failure::Group("ResponseFilter");
        let filter = match members.get("ResponseFilter") {
            Some(filter) => Some(filter.as_object().ok_or(wrong)?),
            None => None,
        };
        let list = |name| filter.map_or(Ok(None), |filter| body::filter(filter, name, wrong));
        Ok(Self {
            is_given: filter.is_some(),
            profile: list("GroupBaseInfoFilter")?,
            members: list("MemberInfoFilter")?,
            custom: list("AppDefinedDataFilter_Group")?,
        })
    }

    fn apply(&self, group: &Group, call: &Call<'_>) -> Map<String, Value> {
        let mut answer = Map::new();
        if !self.is_given || self.profile.is_some() {
            answer = filtered(group.profile(call.sdk_app_id), self.profile.as_deref());
        }
        if !self.is_given || self.custom.is_some() {
            let is_wanted = |key: &str| self.custom.as_ref().is_none_or(|keys| keys.contains(&key));
            let fields = group.custom.iter().filter(|(key, _)| is_wanted(key));
            let fields: Vec<_> = fields
                .map(|(key, value)| json!({ "Key": key, "Value": value }))
                .collect();
            answer.insert("AppDefinedData".to_owned(), json!(fields));
        }
        if !self.is_given || self.members.is_some() {
            let list = group.members.iter();
            let list: Vec<_> = list
                .map(|one| member::info_of(group, one, self.members.as_deref(), call.now))
                .collect();
            answer.insert("MemberList".to_owned(), json!(list));
        }
        answer
    }
}

fn first_members(chat: &Chat, call: &Call<'_>, kind: Kind) -> Result<Vec<Member>, Failure> {
    let mut members: Vec<Member> = Vec::new();
    let mut add = |user, role| {
        if members.iter().all(|member| member.user != user) {
            members.push(Member::new(user, role, call.now));
        }
    };
    let wrong = Failure::Group("Owner_Account");
    if let Some(owner) = body::text_if_any(call.body, "Owner_Account", wrong)? {
        add(
            chat.known(owner).ok_or(Failure::MemberUnknown)?,
            Role::Owner,
        );
    }
    if call.body.contains_key("MemberList") {
        if kind == Kind::AvChatRoom {
            return Err(Failure::GroupPermission("an AVChatRoom has no MemberList"));
        }
        for (name, role) in member::named(call.body, MAX_FIRST_MEMBERS)? {
            add(chat.known(name).ok_or(Failure::MemberUnknown)?, role);
        }
    }
    Ok(members)
}

fn new_id(chat: &Chat, members: &Object, owner: Option<UserId>) -> Result<Option<String>, Failure> {
    let Some(id) = body::text_if_any(members, "GroupId", Failure::GroupId)? else {
        return Ok(None);
    };
    // The prefix is Chat's own, for the IDs that it makes; a community's may begin with "@TGS#_".
    let is_reserved = id.starts_with("@TGS#") && !id.starts_with("@TGS#_");
    if !valid_id(id) || is_reserved {
        return Err(Failure::GroupId);
    }
    match chat.groups.get(id) {
        Some(group) if owner.is_some() && group.owner() == owner => Err(Failure::GroupIdOwned),
        Some(_) => Err(Failure::GroupIdTaken),
        None => Ok(Some(id.to_owned())),
    }
}

fn valid_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// Writes the members of the body into the profile: all of them or none.
fn change(group: &mut Group, members: &Object, max_name: &'static str) -> Result<(), Failure> {
    let mut texts = group.texts.clone();
    for name in TEXTS {
        if let Some(text) = body::text_if_any(members, name, Failure::Group(name))? {
            let most = if name == "Name" {
                MAX_NAME_BYTES
            } else {
                MAX_TEXT_BYTES
            };
            let is_good = text.len() <= most && !(name == "Name" && text.is_empty());
            is_good.then_some(()).ok_or(Failure::Group(name))?;
            texts.insert(name, text.to_owned());
        }
    }
    let max_members = body::number_if_any(members, max_name, Failure::Group(max_name))?;
    let max_members = match max_members.map(usize::try_from) {
        None => group.max_members,
        Some(Ok(most @ 1..=MAX_MEMBERS)) => most,
        Some(_) => return Err(Failure::Group(max_name)),
    };
    let is_muted = is_muted(members)?.unwrap_or(group.is_muted);
    let custom = custom(group.custom.clone(), members)?;
    group.texts = texts;
    group.max_members = max_members;
    group.is_muted = is_muted;
    group.custom = custom;
    Ok(())
}

fn is_muted(members: &Object) -> Result<Option<bool>, Failure> {
    let newer = members.get("MuteAllMember");
    match newer.or_else(|| members.get("ShutUpAllMember")) {
        None => Ok(None),
        Some(Value::String(word)) if word == "On" => Ok(Some(true)),
        Some(Value::String(word)) if word == "Off" => Ok(Some(false)),
        Some(_) => Err(Failure::Group("MuteAllMember")),
    }
}

/// The custom fields with those of the body; an empty value takes a field away.
fn custom(
    mut fields: BTreeMap<String, Value>,
    members: &Object,
) -> Result<BTreeMap<String, Value>, Failure> {
    let wrong = Failure::Group("AppDefinedData");
    let Some(list) = members.get("AppDefinedData") else {
        return Ok(fields);
    };
    for field in list.as_array().ok_or(wrong)? {
        let key = field.get("Key").and_then(Value::as_str).ok_or(wrong)?;
        match field.get("Value").and_then(Value::as_str).ok_or(wrong)? {
            "" => fields.remove(key),
            value => fields.insert(key.to_owned(), json!(value)),
        };
    }
    match fields.len() <= MAX_FIELDS {
        true => Ok(fields),
        false => Err(wrong),
    }
}

const MAX_GROUPS: usize = 1_000;
const MAX_MEMBERS: usize = 2_000;
const MAX_FIRST_MEMBERS: usize = 100;
const MAX_ASKED: usize = 50;
const MAX_LISTED: u64 = 10_000;
const MAX_ID_BYTES: usize = 48;
const MAX_NAME_BYTES: usize = 100;
const MAX_TEXT_BYTES: usize = 500;
const MAX_FIELDS: usize = 20;
