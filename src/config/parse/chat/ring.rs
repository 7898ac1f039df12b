//! The secret keys of the Chat application: one, or several by name.

use crate::config::error::Place;
use crate::config::raw::{Table, Value};
use crate::config::secrets::Secrets;
use crate::usersig::SecretKey;
use crate::usersig::ring::{KeyRing, KeyState, NamedKey};

/// What `secret_key` or `keys` says.
pub(super) fn keys(chat: &Table<'_>, secrets: &Secrets<'_>) -> Option<KeyRing> {
    let Some(list) = chat.get("keys") else {
        let value = chat.require("secret_key", "secret_key = { env = \"CHAT_SECRET_KEY\" }")?;
        return secret_key(&value, secrets).map(KeyRing::from);
    };
    let is_alone = chat.get("secret_key").is_none();
    if !is_alone {
        list.error("stands beside secret_key", "one of the two");
    }
    let items = list.some_items(ACTIVE_HINT)?;
    let entries: Vec<_> = items
        .iter()
        .filter_map(|item| entry(item, secrets))
        .collect();
    let is_unique = are_unique(&list, &entries);
    if entries.len() < items.len() || !is_unique || !is_alone {
        return None;
    }
    let keys = entries.into_iter().map(Entry::finish);
    KeyRing::new(keys.collect::<Option<_>>()?)
}

/// An entry of `keys`; what had an error is `None`.
struct Entry {
    place: Place,
    id: Option<String>,
    state: Option<KeyState>,
    key: Option<SecretKey>,
}

impl Entry {
    fn finish(self) -> Option<(NamedKey, KeyState)> {
        let named = NamedKey {
            id: Some(self.id?),
            key: self.key?,
        };
        Some((named, self.state?))
    }
}

fn entry(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<Entry> {
    let table = value.table(&["id", "key", "state"])?;
    let id = table
        .require("id", "id = \"2026-11\", a name of your own")
        .and_then(|value| value.name());
    let key = table
        .require("key", "key = { env = \"CHAT_SECRET_KEY\" }")
        .and_then(|value| secret_key(&value, secrets));
    let state = table
        .require("state", "state = \"active\", \"next\" or \"retired\"")
        .and_then(|value| value.choice(STATES));
    Some(Entry {
        place: value.place().clone(),
        id: id.map(str::to_owned),
        state,
        key,
    })
}

/// Whether no two entries are the same in what must differ, and one is active.
fn are_unique(list: &Value<'_>, entries: &[Entry]) -> bool {
    let report = list.report();
    let mut is_unique = true;
    let mut refuse = |entry: &Entry, problem: String, hint: &str| {
        report.error(&entry.place, problem, hint);
        is_unique = false;
    };
    for (index, later) in entries.iter().enumerate() {
        for earlier in entries.iter().take(index) {
            let line = report.line(&earlier.place);
            if later.id.is_some() && later.id == earlier.id {
                let problem = format!("has the id of the key in line {line}");
                refuse(later, problem, "give each its own");
            }
            if same_key(earlier, later) {
                let problem = format!("is the same key as that in line {line}");
                refuse(later, problem, "each key is listed once");
            }
            if [earlier.state, later.state] == [Some(KeyState::Active); 2] {
                let problem = format!("is active, and so is the key in line {line}");
                refuse(later, problem, ACTIVE_HINT);
            }
        }
    }
    let states = || entries.iter().map(|entry| entry.state);
    if states().all(|state| state.is_some_and(|state| state != KeyState::Active)) {
        list.error("has no active key", ACTIVE_HINT);
        return false;
    }
    is_unique
}

fn same_key(one: &Entry, other: &Entry) -> bool {
    let keys = one.key.as_ref().zip(other.key.as_ref());
    keys.is_some_and(|(one, other)| one.is_same_as(other))
}

fn secret_key(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<SecretKey> {
    let bytes = secrets.read(value)?;
    let text = std::str::from_utf8(bytes.expose()).unwrap_or("\u{fffd}");
    let key = match SecretKey::parse(text) {
        Ok(key) => key,
        Err(error) => {
            value.error(error.to_string(), "");
            return None;
        }
    };
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        value.warn(
            "the key is not 64 hexadecimal characters",
            "the console shows it under Basic Information; it is used as it stands there",
        );
    }
    Some(key)
}

const STATES: &[(&str, KeyState)] = &[
    ("active", KeyState::Active),
    ("next", KeyState::Next),
    ("retired", KeyState::Retired),
];
const ACTIVE_HINT: &str = "exactly one has state = \"active\"; it signs";
