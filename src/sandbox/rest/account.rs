//! Accounts: import, check, delete, kick, and who is online.
//!
//! Answers and codes: Chat's pages 34953 (import), 34954 (import many), 34956 (check), 34955 (delete), 34957 (kick) and 35477
//! (online status), with their samples in the crate tencent_im_rs, and doocs/qcloud-im-server-sdk-java. A deleted account may
//! be imported again at once, as in a trial application. That an administrator is not deleted is our choice.

use serde_json::{Value, json};

use super::{Call, body};
use crate::identity::{ReservedNames, UserId};
use crate::json::Object;
use crate::sandbox::answer::Reply;
use crate::sandbox::failure::Failure;
use crate::sandbox::state::Chat;

/// `account_import`: creates an account, or sets name and picture of one.
pub(super) fn import(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    import_one(chat, call.body)?;
    Ok(Reply::done())
}

/// `multiaccount_import`: up to 100 accounts, with the names of those that failed.
pub(super) fn import_many(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let name = match call.body.contains_key("Accounts") {
        true => "Accounts",
        false => "AccountList",
    };
    let wrong = Failure::Account("AccountList");
    let items = body::list(call.body, name, (MAX_ACCOUNTS, wrong), wrong)?;
    let (mut results, mut failed) = (Vec::new(), Vec::new());
    for item in items {
        let (user, imported) = match item {
            Value::Object(members) => (members.get("UserID"), import_one(chat, members)),
            _ => (Some(item), import_name(chat, Some(item)).map(|_| ())),
        };
        if imported.is_err() {
            failed.push(user.cloned());
        }
        results.push(result(user, imported));
    }
    Ok(json!({ "FailAccounts": failed, "ResultItem": results }).into())
}

/// `account_check`: which of up to 100 accounts exist.
pub(super) fn check(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let mut results = Vec::new();
    for name in names(call.body, "CheckItem")? {
        let status = match chat.known(name) {
            Some(_) => "Imported",
            None => "NotImported",
        };
        results.push(json!({
            "UserID": name, "ResultCode": 0, "ResultInfo": "", "AccountStatus": status
        }));
    }
    Ok(json!({ "ResultItem": results }).into())
}

/// `account_delete`: up to 100 accounts, each with its result.
pub(super) fn delete(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let mut results = Vec::new();
    for name in names(call.body, "DeleteItem")? {
        let deleted = match chat.known(name) {
            Some(user) if user == call.caller => Err(Failure::Account("UserID")),
            Some(user) => chat.delete(user),
            None => Err(Failure::AccountUnknown),
        };
        results.push(result(Some(&json!(name)), deleted));
    }
    Ok(json!({ "ResultItem": results }).into())
}

/// `kick`: logs one user out everywhere, and voids every UserSig that is dated in this second or before.
pub(super) fn kick(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let user = user_id(call.body.get("UserID"))?;
    let account = chat
        .accounts
        .get_mut(&user)
        .ok_or(Failure::AccountUnknown)?;
    account.kicked_at = Some(call.now);
    account.online_until = None;
    Ok(Reply::done())
}

/// `query_online_status`: of up to 500 accounts.
///
/// Newer pages call the answer's member `Status`, older ones `State`; both are given.
pub(super) fn query_online_status(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let limit = (MAX_ASKED, Failure::TooManyReceivers);
    let names = body::texts(call.body, "To_Account", limit, Failure::ToAccountMissing)?;
    let wrong = Failure::Message("IsNeedDetail");
    let is_detailed = body::number_if_any(call.body, "IsNeedDetail", wrong)? == Some(1);
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for name in names {
        let Some(user) = chat.known(name) else {
            let code = Failure::AccountUnknown.code();
            errors.push(json!({ "To_Account": name, "ErrorCode": code }));
            continue;
        };
        let until = chat
            .accounts
            .get(&user)
            .and_then(|account| account.online_until);
        let is_online = until.is_some_and(|until| call.now <= until);
        let status = if is_online { "Online" } else { "Offline" };
        let item = match is_detailed && is_online {
            true => json!({
                "To_Account": name, "Status": status, "State": status,
                "Detail": [{ "Platform": "Web", "Status": "Online" }],
            }),
            false => json!({ "To_Account": name, "Status": status, "State": status }),
        };
        found.push(item);
    }
    Ok(json!({ "QueryResult": found, "ErrorList": errors }).into())
}

fn import_one(chat: &mut Chat, members: &Object) -> Result<(), Failure> {
    let nick = body::text_if_any(members, "Nick", Failure::Account("Nick"))?;
    let face = body::text_if_any(members, "FaceUrl", Failure::Account("FaceUrl"))?;
    let is_long = |text: Option<&str>| text.is_some_and(|text| text.len() > MAX_TEXT_BYTES);
    if is_long(nick) || is_long(face) {
        return Err(Failure::Account("Nick or FaceUrl"));
    }
    let name = members.get("UserID").or_else(|| members.get("Identifier"));
    let user = import_name(chat, name)?;
    let profile = &mut chat.import(user)?.profile;
    for (tag, text) in [
        ("Tag_Profile_IM_Nick", nick),
        ("Tag_Profile_IM_Image", face),
    ] {
        if let Some(text) = text {
            profile.insert(tag.to_owned(), json!(text));
        }
    }
    Ok(())
}

fn import_name(chat: &mut Chat, name: Option<&Value>) -> Result<UserId, Failure> {
    let user = user_id(name)?;
    chat.import(user)?;
    Ok(user)
}

fn user_id(value: Option<&Value>) -> Result<UserId, Failure> {
    match value {
        Some(Value::String(text)) => {
            UserId::parse(text, &ReservedNames::default()).map_err(Failure::UserId)
        }
        Some(_) => Err(Failure::UserIdNotText),
        None => Err(Failure::UserIdMissing),
    }
}

/// The `UserID` of each item of a list of 1 to 100.
fn names<'a>(members: &'a Object, list: &'static str) -> Result<Vec<&'a str>, Failure> {
    let wrong = Failure::Account(list);
    let items = body::list(members, list, (MAX_ACCOUNTS, wrong), wrong)?;
    let names = items.iter().map(|item| match item.get("UserID") {
        Some(Value::String(name)) => Ok(name.as_str()),
        Some(_) => Err(Failure::UserIdNotText),
        None => Err(Failure::UserIdMissing),
    });
    names.collect()
}

fn result(user: Option<&Value>, outcome: Result<(), Failure>) -> Value {
    let failure = outcome.err();
    json!({
        "UserID": user,
        "ResultCode": failure.map_or(0, Failure::code),
        "ResultInfo": failure.map(|failure| failure.to_string()).unwrap_or_default(),
    })
}

const MAX_ACCOUNTS: usize = 100;
const MAX_ASKED: usize = 500;
const MAX_TEXT_BYTES: usize = 500;
