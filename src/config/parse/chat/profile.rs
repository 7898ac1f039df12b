//! Which claims become nickname and avatar in Chat, and how fast accounts are imported.

use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;

use crate::config::ProfileImports;
use crate::config::raw::{Table, Value};
use crate::json::JsonPointer;
use crate::profile::ProfileClaims;

/// What `[chat.profile]` says.
pub(in crate::config::parse) struct Section {
    pub(in crate::config::parse) claims: ProfileClaims,
    pub(in crate::config::parse) imports: ProfileImports,
}

/// Reads `[chat.profile]` of `[chat]`; `None` where it is not there, and after an error.
pub(super) fn section(chat: &Table<'_>) -> Option<Section> {
    let value = chat.get("profile")?;
    let table = value.table(KEYS)?;
    let [nick, avatar] = ["nick", "avatar"].map(|key| table.get(key));
    if nick.is_none() && avatar.is_none() {
        value.error("names no claim, so that nothing is imported", CLAIMS_HINT);
    }
    if chat.get("region").is_none() && chat.get("endpoint").is_none() {
        let problem = "profiles are imported into Chat, and nothing says where that is";
        value.error(problem, ENDPOINT_HINT);
    }
    let pointer = |value: Option<Value<'_>>| value?.parsed(JsonPointer::parse);
    let per_second = table.integer_or("imports_per_second", DEFAULT_RATE, RATES);
    let capacity = table.integer_or("queue_capacity", DEFAULT_CAPACITY, CAPACITIES);
    Some(Section {
        claims: ProfileClaims {
            nick: pointer(nick),
            avatar: pointer(avatar),
        },
        imports: ProfileImports {
            per_second: NonZeroU32::new(u32::try_from(per_second).ok()?)?,
            queue_capacity: NonZeroUsize::new(usize::try_from(capacity).ok()?)?,
        },
    })
}

const KEYS: &[&str] = &["nick", "avatar", "imports_per_second", "queue_capacity"];
const CLAIMS_HINT: &str = "nick = \"/name\", avatar = \"/picture\", or both";
const ENDPOINT_HINT: &str = "in [chat], region = \"china\", or another in which the application is";
/// Chat takes 200 a second of the whole application (34953), whoever calls: other nodes, and its own servers.
const DEFAULT_RATE: u64 = 20;
const RATES: RangeInclusive<u64> = 1..=100;
const DEFAULT_CAPACITY: u64 = 10_000;
const CAPACITIES: RangeInclusive<u64> = 1..=1_000_000;
