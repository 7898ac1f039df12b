//! One-to-one messages: to one account, to many, their history, and taking one back.
//!
//! Answers and codes: Chat's pages 34919 (send), 34920 (send to many), 35478 (history) and 35015 (withdraw), with their samples
//! in the crate tencent_im_rs; dobyte/tencent-im for older member names; the message part (80001 to 93000) of its Error Codes.
//! A message that comes twice with one `MsgRandom` in one second is kept once, as page 34919 says. That the second is answered
//! like the first is our choice.

use serde_json::{Value, json};

use super::{Call, body};
use crate::identity::UserId;
use crate::json::Object;
use crate::sandbox::answer::Reply;
use crate::sandbox::archive::{Message, Talk};
use crate::sandbox::failure::Failure;
use crate::sandbox::state::Chat;

/// `sendmsg`.
pub(super) fn send(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let letter = Letter::parse(chat, call)?;
    let to = body::text(call.body, "To_Account", Failure::ToAccountMissing)?;
    let to = chat.known(to).ok_or(Failure::ToAccountUnknown)?;
    let (key, time) = letter.deliver(chat, call, to);
    Ok(json!({ "MsgTime": time, "MsgKey": key }).into())
}

/// `batchsendmsg`: to up to 500 accounts; who does not exist is listed.
pub(super) fn send_batch(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let mut letter = Letter::parse(chat, call)?;
    let limit = (MAX_RECEIVERS, Failure::TooManyReceivers);
    let names = body::texts(call.body, "To_Account", limit, Failure::ToAccountMissing)?;
    let (mut key, mut errors) = (None, Vec::new());
    for name in names {
        match chat.known(name) {
            Some(to) => {
                let (sent, _) = letter.deliver(chat, call, to);
                // One key for all.
                letter.seq = key_seq(&sent).or(letter.seq);
                key = Some(sent);
            }
            None => {
                let code = Failure::AccountUnknown.code();
                errors.push(json!({ "To_Account": name, "ErrorCode": code }));
            }
        }
    }
    let key = key.ok_or(Failure::ToAccountUnknown)?;
    Ok(match errors.is_empty() {
        true => json!({ "MsgKey": key }).into(),
        false => Reply::in_part(json!({ "MsgKey": key, "ErrorList": errors })),
    })
}

/// `admin_getroammsg`: the newest messages between two times that fit, oldest of them first.
///
/// To go on, a client repeats the call with `MaxTime` and `LastMsgKey` of the answer, which are those of its oldest message.
pub(super) fn history(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let reader = party(chat, call.body, ["Operator_Account", "From_Account"])?;
    let peer = party(chat, call.body, ["Peer_Account", "To_Account"])?;
    let number = |name| body::number(call.body, name, Failure::Message(name));
    let most = usize::try_from(number("MaxCnt")?).unwrap_or(usize::MAX);
    let times = number("MinTime")?..=number("MaxTime")?;
    let wrong = Failure::Message("LastMsgKey");
    let last_key = body::text_if_any(call.body, "LastMsgKey", wrong)?.filter(|key| !key.is_empty());
    let mut left: Vec<_> = chat
        .archive
        .of(Talk::of(reader, peer))
        .filter(|message| times.contains(&message.time.as_secs()))
        .filter(|message| !(message.is_hidden_from_sender && message.from == reader))
        .collect();
    if let Some(key) = last_key {
        let known = left.iter().position(|message| message.key() == key);
        left.truncate(known.ok_or(Failure::MsgKey)?);
    }
    let page = left.split_off(left.len().saturating_sub(most.min(MAX_PAGE)));
    let list: Vec<_> = page.iter().map(|message| one_to_one(message)).collect();
    Ok(json!({
        "Complete": u8::from(left.is_empty()),
        "MsgCnt": page.len(),
        "LastMsgTime": page.first().map_or(0, |message| message.time.as_secs()),
        "LastMsgKey": page.first().map(|message| message.key()).unwrap_or_default(),
        "MsgList": list,
    })
    .into())
}

/// `admin_msgwithdraw`: the message stays in the history, with a flag.
pub(super) fn withdraw(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let from = party(chat, call.body, ["From_Account"])?;
    let to = party(chat, call.body, ["To_Account"])?;
    let key = body::text(call.body, "MsgKey", Failure::MsgKey)?;
    let mut messages = chat.archive.of_mut(Talk::of(from, to));
    let message = messages.find(|message| message.from == from && message.key() == key);
    message.ok_or(Failure::MsgKey)?.is_withdrawn = true;
    Ok(Reply::done())
}

/// Who sends a one-to-one message: the caller, unless the body names somebody.
pub(super) fn sender(chat: &Chat, call: &Call<'_>) -> Result<UserId, Failure> {
    let wrong = Failure::FromAccountUnknown;
    match body::text_if_any(call.body, "From_Account", wrong)? {
        Some(name) => chat.known(name).ok_or(wrong),
        None => Ok(call.caller),
    }
}

/// The unsigned 32-bit number that tells a message from its repetition.
pub(super) fn random(members: &Object, name: &str, wrong: Failure) -> Result<u64, Failure> {
    let random = body::number(members, name, wrong)?;
    u32::try_from(random).map(u64::from).map_err(|_| wrong)
}

/// For how many seconds a message is kept for who is offline; 0 is not at all.
pub(super) fn lifetime(members: &Object) -> Result<Option<u64>, Failure> {
    match body::number_if_any(members, "MsgLifeTime", Failure::MsgLifeTime)? {
        Some(seconds) if seconds > MAX_LIFETIME => Err(Failure::MsgLifeTimeTooLong),
        lifetime => Ok(lifetime),
    }
}

/// What a message says.
pub(super) struct Content {
    body: Value,
    custom: Option<String>,
    size: usize,
}

/// The content of the message in the body of a call: at most 12 KB.
pub(super) fn content(members: &Object) -> Result<Content, Failure> {
    let elements = members.get("MsgBody").ok_or(Failure::MsgBodyNotArray)?;
    let list = elements.as_array().ok_or(Failure::MsgBodyNotArray)?;
    let is_element = |element: &Value| {
        let kind = element.get("MsgType").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.starts_with("TIM"))
            && element.get("MsgContent").is_some_and(Value::is_object)
    };
    if list.is_empty() || !list.iter().all(is_element) {
        return Err(Failure::MsgElement);
    }
    let wrong = Failure::Message("CloudCustomData");
    let custom = body::text_if_any(members, "CloudCustomData", wrong)?;
    let size = elements.to_string().len() + custom.map_or(0, str::len);
    if size > MAX_MESSAGE_BYTES {
        return Err(Failure::MessageTooLong);
    }
    Ok(Content {
        body: elements.clone(),
        custom: custom.map(str::to_owned),
        size,
    })
}

impl Content {
    /// The message with this content.
    pub(super) fn message(
        &self,
        call: &Call<'_>,
        (from, to): (UserId, Option<UserId>),
        (seq, random): (u64, u64),
    ) -> Message {
        Message {
            from,
            to,
            seq,
            random,
            time: call.now,
            body: self.body.clone(),
            custom: self.custom.clone(),
            is_withdrawn: false,
            is_hidden_from_sender: false,
            number: 0,
            size: self.size + MESSAGE_OVERHEAD,
        }
    }
}

/// A one-to-one message before it is known to whom.
struct Letter {
    from: UserId,
    seq: Option<u64>,
    random: u64,
    content: Content,
    is_kept: bool,
    is_hidden_from_sender: bool,
}

impl Letter {
    fn parse(chat: &Chat, call: &Call<'_>) -> Result<Self, Failure> {
        let wrong = Failure::SyncOtherMachine;
        Ok(Self {
            from: sender(chat, call)?,
            seq: body::number_if_any(call.body, "MsgSeq", Failure::Message("MsgSeq"))?,
            random: random(call.body, "MsgRandom", Failure::MsgRandom)?,
            content: content(call.body)?,
            is_kept: lifetime(call.body)? != Some(0),
            is_hidden_from_sender: body::number_if_any(call.body, "SyncOtherMachine", wrong)?
                == Some(2),
        })
    }

    /// Keeps the message, unless it is there already; returns its key and time.
    fn deliver(&self, chat: &mut Chat, call: &Call<'_>, to: UserId) -> (String, u64) {
        let talk = Talk::of(self.from, to);
        let is_same = |message: &&Message| {
            message.from == self.from
                && message.random == self.random
                && self.seq.is_none_or(|seq| message.seq == seq)
        };
        let is_fresh = |message: &Message| message.time == call.now;
        let same = chat.archive.fresh(talk, is_fresh).find(is_same);
        let same = same.map(|message| (message.key(), message.time.as_secs()));
        if let Some(same) = same {
            return same;
        }
        let seq = self.seq.unwrap_or_else(|| chat.next_serial());
        let parties = (self.from, Some(to));
        let mut message = self.content.message(call, parties, (seq, self.random));
        message.is_hidden_from_sender = self.is_hidden_from_sender;
        let sent = (message.key(), message.time.as_secs());
        if self.is_kept {
            chat.archive.push(talk, message);
        }
        sent
    }
}

fn key_seq(key: &str) -> Option<u64> {
    key.split('_').next()?.parse().ok()
}

/// The account under the first of these names that is there.
fn party<const N: usize>(
    chat: &Chat,
    members: &Object,
    names: [&'static str; N],
) -> Result<UserId, Failure> {
    let missing = names.first().copied().unwrap_or_default();
    let name = names.into_iter().find(|name| members.contains_key(*name));
    let wrong = Failure::Message(missing);
    let text = body::text(members, name.unwrap_or(missing), wrong)?;
    chat.known(text).ok_or(Failure::PartyUnknown)
}

/// A one-to-one message as histories show it.
pub(in crate::sandbox) fn one_to_one(message: &Message) -> Value {
    json!({
        "From_Account": message.from.to_string(),
        "To_Account": message.to.map(|to| to.to_string()),
        "MsgSeq": message.seq,
        "MsgRandom": message.random,
        "MsgTimeStamp": message.time.as_secs(),
        "MsgFlagBits": if message.is_withdrawn { WITHDRAWN } else { 0 },
        "IsPeerRead": 0,
        "MsgKey": message.key(),
        "MsgBody": message.body,
        "CloudCustomData": message.custom.as_deref().unwrap_or_default(),
    })
}

const MAX_RECEIVERS: usize = 500;
const MAX_PAGE: usize = 100;
const MAX_MESSAGE_BYTES: usize = 12 * 1024;
/// For what a message holds beside its content.
const MESSAGE_OVERHEAD: usize = 256;
/// Seven days.
const MAX_LIFETIME: u64 = 604_800;
/// The flag of a message that was withdrawn.
const WITHDRAWN: u32 = 8;
