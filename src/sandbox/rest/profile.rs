//! Profiles: `portrait_set` and `portrait_get`.
//!
//! Answers and codes: Chat's pages 34916 (set) and 34917 (get) with their samples in the crate tencent_im_rs, and the profile
//! part (40001 to 40601) of its Error Codes. At most 32 tags are kept of one account, which is our limit.

use serde_json::{Value, json};

use super::{Call, body};
use crate::sandbox::answer::Reply;
use crate::sandbox::failure::Failure;
use crate::sandbox::state::Chat;

/// `portrait_set`: all fields of the call or none.
pub(super) fn set(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let wrong = Failure::Profile("From_Account");
    let name = body::text(call.body, "From_Account", wrong)?;
    let user = chat.known(name).ok_or(Failure::ProfileUnknown)?;
    let wrong = Failure::Profile("ProfileItem");
    let items = body::list(call.body, "ProfileItem", (MAX_TAGS, wrong), wrong)?;
    let fields: Vec<_> = items.iter().map(field).collect::<Result<_, _>>()?;
    let account = chat
        .accounts
        .get_mut(&user)
        .ok_or(Failure::ProfileUnknown)?;
    let mut profile = account.profile.clone();
    profile.extend(fields);
    if profile.len() > MAX_TAGS {
        return Err(wrong);
    }
    account.profile = profile;
    Ok(json!({ "ErrorDisplay": "" }).into())
}

/// `portrait_get`: of up to 100 accounts; a field that was never set is left out.
pub(super) fn get(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    let too_many = Failure::Profile("To_Account");
    let limit = (MAX_ASKED, too_many);
    let names = body::texts(call.body, "To_Account", limit, Failure::ProfileOfNobody)?;
    let wrong = Failure::Profile("TagList");
    let tags = body::texts(call.body, "TagList", (MAX_TAGS, wrong), wrong)?;
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for name in names {
        let user = chat.known(name);
        let Some(account) = user.and_then(|user| chat.accounts.get(&user)) else {
            failed.push(name);
            let failure = Failure::ProfileUnknown;
            found.push(json!({
                "To_Account": name, "ResultCode": failure.code(), "ResultInfo": failure.to_string()
            }));
            continue;
        };
        let set = tags
            .iter()
            .filter_map(|tag| account.profile.get_key_value(*tag));
        let items: Vec<_> = set
            .map(|(tag, value)| json!({ "Tag": tag, "Value": value }))
            .collect();
        found.push(json!({
            "To_Account": name, "ProfileItem": items, "ResultCode": 0, "ResultInfo": ""
        }));
    }
    let members = match failed.is_empty() {
        true => json!({ "UserProfileItem": found, "ErrorDisplay": "" }),
        false => json!({ "UserProfileItem": found, "ErrorDisplay": "", "Fail_Account": failed }),
    };
    Ok(members.into())
}

fn field(item: &Value) -> Result<(String, Value), Failure> {
    let tag = item.get("Tag").and_then(Value::as_str);
    let tag = tag.filter(|tag| TAGS.contains(tag) || is_custom(tag));
    let tag = tag.ok_or(Failure::Profile("Tag"))?;
    match item.get("Value") {
        Some(Value::String(text)) if text.len() > MAX_VALUE_BYTES => {
            Err(Failure::ProfileValueTooLong)
        }
        Some(value @ (Value::String(_) | Value::Number(_))) => Ok((tag.to_owned(), value.clone())),
        _ => Err(Failure::Profile("Value")),
    }
}

/// An app's own field, whose name has at most eight letters in Chat; the sandbox needs no set-up of these.
fn is_custom(tag: &str) -> bool {
    let name = tag.strip_prefix("Tag_Profile_Custom_");
    name.is_some_and(|name| !name.is_empty() && name.len() <= 32)
}

const TAGS: [&str; 12] = [
    "Tag_Profile_IM_Nick",
    "Tag_Profile_IM_Gender",
    "Tag_Profile_IM_BirthDay",
    "Tag_Profile_IM_Location",
    "Tag_Profile_IM_SelfSignature",
    "Tag_Profile_IM_AllowType",
    "Tag_Profile_IM_Language",
    "Tag_Profile_IM_Image",
    "Tag_Profile_IM_MsgSettings",
    "Tag_Profile_IM_AdminForbidType",
    "Tag_Profile_IM_Level",
    "Tag_Profile_IM_Role",
];

const MAX_TAGS: usize = 32;
const MAX_VALUE_BYTES: usize = 500;
const MAX_ASKED: usize = 100;
