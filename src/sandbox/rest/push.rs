//! `im_push`: a push to all users, or to those that a condition names. It is checked and counted, and reaches nobody.
//!
//! Answer and codes: Chat's page 37166 with its samples in the crate tencent_im_rs. More than a second between two pushes and
//! 100 a day are Chat's default limits; a day is one of UTC here.

use serde_json::{Value, json};

use super::{Call, body, message};
use crate::sandbox::answer::Reply;
use crate::sandbox::failure::Failure;
use crate::sandbox::state::Chat;
use crate::time::UnixTime;

/// When was pushed.
#[derive(Default)]
pub(in crate::sandbox) struct Pushes {
    last: Option<UnixTime>,
    /// Of the day of the last one.
    today: u32,
}

impl Pushes {
    fn count(&mut self, now: UnixTime) -> Result<(), Failure> {
        let day = |time: UnixTime| time.as_secs() / 86_400;
        match self.last {
            Some(last) if now.saturating_since(last).as_secs() < 1 => {
                return Err(Failure::PushTooSoon);
            }
            Some(last) if day(last) == day(now) => {}
            _ => self.today = 0,
        }
        if self.today >= MAX_A_DAY {
            return Err(Failure::PushesUsedUp);
        }
        self.today += 1;
        self.last = Some(now);
        Ok(())
    }
}

/// `im_push`.
pub(super) fn push(chat: &mut Chat, call: &Call<'_>) -> Result<Reply, Failure> {
    message::sender(chat, call)?;
    let random = message::random(call.body, "MsgRandom", Failure::MsgRandom)?;
    message::content(call.body)?;
    message::lifetime(call.body)?;
    let wrong = Failure::Message("Condition");
    if let Some(condition) = call.body.get("Condition") {
        let condition = condition.as_object().ok_or(wrong)?;
        let is_known = |name: &String| CONDITIONS.contains(&name.as_str());
        if condition.is_empty() || !condition.keys().all(is_known) {
            return Err(wrong);
        }
    }
    let is_offline_info = |value: &Value| value.is_object();
    if !call.body.get("OfflinePushInfo").is_none_or(is_offline_info) {
        return Err(Failure::Message("OfflinePushInfo"));
    }
    body::text_if_any(
        call.body,
        "CloudCustomData",
        Failure::Message("CloudCustomData"),
    )?;
    chat.pushes.count(call.now)?;
    let task = format!(
        "{}_{}_{random}_{}",
        call.sdk_app_id,
        chat.next_serial(),
        call.now
    );
    Ok(json!({ "TaskId": task }).into())
}

const CONDITIONS: [&str; 4] = ["TagsOr", "TagsAnd", "AttrsOr", "AttrsAnd"];
const MAX_A_DAY: u32 = 100;
