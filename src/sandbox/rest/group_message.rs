//! The messages of groups.
//!
//! Answers and codes: Chat's pages 34959 (send) and 34971 (history), with their samples in the crate tencent_im_rs. A message
//! with the same `Random` within five minutes is the same, as page 34959 says; that the second is answered like the first is our
//! choice, and so is it to let no muted member speak through this command.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Call, body, group, message};
use crate::identity::UserId;
use crate::sandbox::answer::Reply;
use crate::sandbox::archive::{Message, Talk};
use crate::sandbox::failure::Failure;
use crate::sandbox::group::{Group, Kind, Role};
use crate::sandbox::state::Chat;

/// `send_group_msg`: the administrator need be no member, another sender must be one and may not be muted.
pub(super) fn send(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let wrong = Failure::Group("From_Account");
    let name = body::text_if_any(call.body, "From_Account", wrong)?;
    let from = match name.filter(|name| !name.is_empty()) {
        Some(name) => chat.known(name).ok_or(Failure::MemberUnknown)?,
        None => call.caller,
    };
    let random = message::random(call.body, "Random", Failure::Group("Random"))?;
    let content = message::content(call.body).map_err(|failure| match failure {
        Failure::MessageTooLong => failure,
        _ => Failure::Group("MsgBody"),
    })?;
    if call.body.contains_key("To_Account") {
        let limit = (MAX_TARGETS, Failure::TooManyMembers);
        body::texts(call.body, "To_Account", limit, Failure::Group("To_Account"))?;
    }
    let group = group::found(chat, call.body)?;
    may_speak(group, from, call)?;
    let talk = Talk::Group(group.serial);
    let is_fresh = |message: &Message| call.now.saturating_since(message.time) < SAME;
    let same = chat
        .archive
        .fresh(talk, is_fresh)
        .find(|message| message.from == from && message.random == random)
        .map(|message| json!({ "MsgTime": message.time.as_secs(), "MsgSeq": message.seq }));
    if let Some(same) = same {
        return Ok(same.into());
    }
    let group = group::found(chat, call.body)?;
    let seq = group.count_message(from, call.now);
    // The messages of an AVChatRoom are not stored.
    if group.kind != Kind::AvChatRoom {
        let message = content.message(call, (from, None), (seq, random));
        chat.archive.push(talk, message);
    }
    Ok(json!({ "MsgTime": call.now.as_secs(), "MsgSeq": seq }).into())
}

/// `group_msg_get_simple`: up to 20 messages down from `ReqMsgSeq`; for one that is no longer kept stands a placeholder.
pub(super) fn history(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let wanted = body::number(call.body, "ReqMsgNumber", Failure::Group("ReqMsgNumber"))?;
    let from = body::number_if_any(call.body, "ReqMsgSeq", Failure::Group("ReqMsgSeq"))?;
    let group = group::found(chat, call.body)?;
    if group.kind == Kind::AvChatRoom {
        return Err(Failure::GroupPermission("an AVChatRoom has no history"));
    }
    let (talk, newest) = (Talk::Group(group.serial), group.next_seq.saturating_sub(1));
    let top = from.unwrap_or(newest).min(newest);
    let count = wanted.min(MAX_GROUP_PAGE).min(top);
    let mut kept = chat.archive.of(talk).rev().peekable();
    let mut list = Vec::new();
    for seq in (top.saturating_sub(count).saturating_add(1)..=top).rev() {
        while kept.next_if(|message| message.seq > seq).is_some() {}
        let message = kept.next_if(|message| message.seq == seq);
        list.push(message.map_or_else(|| json!({ "IsPlaceMsg": 1, "MsgSeq": seq }), of_group));
    }
    let is_finished = u8::from(wanted <= MAX_GROUP_PAGE);
    let id = call.body.get("GroupId");
    Ok(json!({ "GroupId": id, "IsFinished": is_finished, "RspMsgList": list }).into())
}

fn may_speak(group: &Group, from: UserId, call: &Call<'_>) -> Result<(), Failure> {
    if from == call.caller {
        return Ok(());
    }
    let Some(member) = group.member(from) else {
        return Err(Failure::GroupPermission("the sender is no member"));
    };
    let is_muted = group.is_muted && member.role == Role::Member;
    match is_muted || group.muted_until(from, call.now) > 0 {
        true => Err(Failure::Muted),
        false => Ok(()),
    }
}

fn of_group(message: &Message) -> Value {
    json!({
        "From_Account": message.from.to_string(),
        "IsPlaceMsg": 0,
        "MsgBody": message.body,
        "MsgPriority": 1,
        "MsgRandom": message.random,
        "MsgSeq": message.seq,
        "MsgTimeStamp": message.time.as_secs(),
        "CloudCustomData": message.custom.as_deref().unwrap_or_default(),
    })
}

const MAX_TARGETS: usize = 50;
const MAX_GROUP_PAGE: u64 = 20;
const SAME: Duration = Duration::from_secs(300);
