//! The members of groups: read, add, take out, hand over, mute, and what role an account has.
//!
//! Answers and codes: Chat's pages 34948 (members), 34925 (joined groups), 34921 (add), 34949 (delete), 34966 (owner), 34951
//! (mute) and 34963 (roles), with their samples in the crate tencent_im_rs. Our choices: 10004 for somebody who is no member
//! where one is needed, 10007 for taking the owner out.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Call, body, group};
use crate::json::Object;
use crate::sandbox::answer::Reply;
use crate::sandbox::failure::Failure;
use crate::sandbox::group::{Group, Kind, Member, Role};
use crate::sandbox::state::Chat;
use crate::time::UnixTime;

/// `get_group_member_info`: a page of the members.
pub(super) fn info(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let fields = body::filter(
        call.body,
        "MemberInfoFilter",
        Failure::Group("MemberInfoFilter"),
    )?;
    let roles = body::filter(
        call.body,
        "MemberRoleFilter",
        Failure::Group("MemberRoleFilter"),
    )?;
    let page = Page::parse(call.body)?;
    let group = group::found(chat, call.body)?;
    let is_wanted = |member: &&Member| {
        let roles = roles.as_ref();
        roles.is_none_or(|roles| roles.contains(&member.role.name()))
    };
    let members = page.of(group.members.iter().filter(is_wanted));
    let list: Vec<_> = members
        .map(|one| info_of(group, one, fields.as_deref(), call.now))
        .collect();
    Ok(json!({ "MemberNum": group.members.len(), "MemberList": list }).into())
}

/// `get_joined_group_list`: a page of an account's groups; an AVChatRoom only when it is asked for.
pub(super) fn joined(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let wrong = Failure::Group("Member_Account");
    let name = body::text(call.body, "Member_Account", wrong)?;
    let user = chat.known(name).ok_or(Failure::MemberUnknown)?;
    let kind = group::kind(call.body, "GroupType")?;
    let wrong = Failure::Group("WithHugeGroups");
    let huge = body::number_if_any(call.body, "WithHugeGroups", wrong)?;
    let page = Page::parse(call.body)?;
    let profile = response_filter(call.body, "GroupBaseInfoFilter")?;
    let own = response_filter(call.body, "SelfInfoFilter")?;
    let is_wanted = |group: &Group| match kind {
        Some(kind) => group.kind == kind,
        None => group.kind != Kind::AvChatRoom || huge == Some(1),
    };
    let mut found = Vec::new();
    for (id, group) in chat.groups.iter().filter(|(_, group)| is_wanted(group)) {
        let Some(member) = group.member(user) else {
            continue;
        };
        let mut item = match &profile {
            Some(names) => group::filtered(group.profile(call.sdk_app_id), Some(names)),
            None => Map::new(),
        };
        if let Some(names) = &own {
            let info = group::filtered(group.member_info(member, call.now), Some(names));
            item.insert("SelfInfo".to_owned(), Value::Object(info));
        }
        item.insert("GroupId".to_owned(), json!(id));
        found.push(item);
    }
    let total = found.len();
    let list: Vec<_> = page.of(found.into_iter()).collect();
    Ok(json!({ "TotalCount": total, "GroupIdList": list }).into())
}

/// `add_group_member`: up to 300; `Result` is 0 for no account, 1 for added, 2 for a member already.
pub(super) fn add(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let names = named(call.body, MAX_ADDED)?;
    let users: Vec<_> = names.iter().map(|(name, _)| chat.known(name)).collect();
    let group = group::found(chat, call.body)?;
    if group.kind == Kind::AvChatRoom {
        return Err(Failure::GroupPermission("nobody is added to an AVChatRoom"));
    }
    let is_new = |user| group.member(user).is_none();
    let new = users.iter().flatten().filter(|user| is_new(**user)).count();
    if group.members.len().saturating_add(new) > group.max_members {
        return Err(Failure::GroupFull);
    }
    let mut results = Vec::new();
    for ((name, role), user) in names.into_iter().zip(users) {
        let result = match user {
            None => 0,
            Some(user) if group.member(user).is_some() => 2,
            Some(user) => {
                group.members.push(Member::new(user, role, call.now));
                1
            }
        };
        results.push(json!({ "Member_Account": name, "Result": result }));
    }
    Ok(json!({ "MemberList": results }).into())
}

/// `delete_group_member`: up to 100; who is no member is passed over.
pub(super) fn delete(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let wrong = Failure::Group("MemberToDel_Account");
    let limit = (MAX_DELETED, Failure::TooManyMembers);
    let names = body::texts(call.body, "MemberToDel_Account", limit, wrong)?;
    let users: Vec<_> = names.iter().filter_map(|name| chat.known(name)).collect();
    let group = group::found(chat, call.body)?;
    if group.owner().is_some_and(|owner| users.contains(&owner)) {
        return Err(Failure::GroupPermission("the owner is not taken out"));
    }
    for user in users {
        group.remove(user);
    }
    Ok(Reply::done())
}

/// `change_group_owner`: to a member; the owner until then stays as a member.
pub(super) fn change_owner(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let wrong = Failure::Group("NewOwner_Account");
    let name = body::text(call.body, "NewOwner_Account", wrong)?;
    let user = chat.known(name);
    let group = group::found(chat, call.body)?;
    let user = user.ok_or(Failure::MemberUnknown)?;
    group.member(user).ok_or(wrong)?;
    for member in &mut group.members {
        if member.user == user {
            member.role = Role::Owner;
        } else if member.role == Role::Owner {
            member.role = Role::Member;
        }
    }
    Ok(Reply::done())
}

/// `forbid_send_msg`: mutes up to 500 members for some seconds, 0 ends it.
pub(super) fn forbid(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let wrong = Failure::Group("Members_Account");
    let limit = (MAX_ASKED, Failure::TooManyMembers);
    let names = body::texts(call.body, "Members_Account", limit, wrong)?;
    let name = match call.body.contains_key("ShutUpTime") {
        true => "ShutUpTime",
        false => "MuteTime",
    };
    let seconds = body::number(call.body, name, Failure::Group("MuteTime"))?;
    let seconds = u32::try_from(seconds).map_err(|_| Failure::Group("MuteTime"))?;
    let users: Vec<_> = names.iter().map(|name| chat.known(name)).collect();
    let group = group::found(chat, call.body)?;
    if group.kind == Kind::Private {
        return Err(Failure::GroupPermission(
            "nobody is muted in a Private group",
        ));
    }
    let members: Option<Vec<_>> = users
        .into_iter()
        .map(|user| user.filter(|user| group.member(*user).is_some()))
        .collect();
    let until = call.now.saturating_add(Duration::from_secs(seconds.into()));
    group.muted_until.retain(|_, until| call.now < *until);
    for user in members.ok_or(wrong)? {
        group.muted_until.insert(user, until);
    }
    Ok(Reply::done())
}

/// `get_role_in_group`: of up to 500 accounts, `NotMember` also for who is no account.
pub(super) fn roles(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let wrong = Failure::Group("User_Account");
    let limit = (MAX_ASKED, Failure::TooManyMembers);
    let names = body::texts(call.body, "User_Account", limit, wrong)?;
    let users: Vec<_> = names.iter().map(|name| chat.known(name)).collect();
    let group = group::found(chat, call.body)?;
    let roles = names.iter().zip(users).map(|(name, user)| {
        let member = user.and_then(|user| group.member(user));
        let role = member.map_or("NotMember", |member| member.role.name());
        json!({ "Member_Account": name, "Role": role })
    });
    Ok(json!({ "UserIdList": roles.collect::<Vec<_>>() }).into())
}

/// The names in `MemberList[].Member_Account` with the roles they shall have.
pub(super) fn named(members: &Object, most: usize) -> Result<Vec<(&str, Role)>, Failure> {
    let wrong = Failure::Group("MemberList");
    let list = body::list(
        members,
        "MemberList",
        (most, Failure::TooManyMembers),
        wrong,
    )?;
    let names = list.iter().map(|item| {
        let name = item.get("Member_Account").and_then(Value::as_str);
        let role = match item.get("Role").map(Value::as_str) {
            None => Role::Member,
            Some(Some("Admin")) => Role::Admin,
            Some(_) => return Err(Failure::Group("Role")),
        };
        Ok((name.ok_or(wrong)?, role))
    });
    names.collect()
}

/// What Chat tells of a member; a filter leaves out all that it does not name, but never who it is.
pub(super) fn info_of(
    group: &Group,
    member: &Member,
    filter: Option<&[&str]>,
    now: UnixTime,
) -> Map<String, Value> {
    let mut info = group::filtered(group.member_info(member, now), filter);
    info.insert("Member_Account".to_owned(), json!(member.user.to_string()));
    info
}

/// One of the lists of `ResponseFilter`.
fn response_filter<'a>(members: &'a Object, list: &str) -> Result<Option<Vec<&'a str>>, Failure> {
    let wrong = Failure::Group("ResponseFilter");
    let Some(filter) = members.get("ResponseFilter") else {
        return Ok(None);
    };
    body::filter(filter.as_object().ok_or(wrong)?, list, wrong)
}

/// `Limit` and `Offset`.
struct Page {
    limit: usize,
    offset: usize,
}

impl Page {
    fn parse(members: &Object) -> Result<Self, Failure> {
        let number = |name| body::number_if_any(members, name, Failure::Group(name));
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            limit: number("Limit")?.map_or(usize::MAX, size),
            offset: number("Offset")?.map_or(0, size),
        })
    }

    fn of<I: Iterator>(&self, items: I) -> impl Iterator<Item = I::Item> {
        items.skip(self.offset).take(self.limit)
    }
}

const MAX_ADDED: usize = 300;
const MAX_DELETED: usize = 100;
const MAX_ASKED: usize = 500;
