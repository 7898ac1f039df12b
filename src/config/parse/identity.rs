//! How subjects become UserIDs, and which names they must never become.

use std::sync::Arc;

use serde_json::json;

use super::chat::account;
use crate::config::raw::{Table, Value};
use crate::config::secrets::Secrets;
use crate::identity::{DigestKey, IdentityMap, ReservedNames, SubjectType, Transform};
use crate::json::JsonPointer;

/// What `[identity]` says.
pub(super) struct Site {
    rule: Rule,
    pub(super) reserved: Arc<ReservedNames>,
}

/// A mapping that issuers may share.
#[derive(Clone)]
struct Rule {
    claim: Option<JsonPointer>,
    subject_type: SubjectType,
    transforms: Vec<Transform>,
}

pub(super) fn site(root: &Table<'_>, secrets: &Secrets<'_>, admin: Option<&str>) -> Site {
    let hint = "reserved = [\"administrator\"]: every administrator that the console lists";
    let table = root
        .require("identity", &format!("add [identity] with {hint}"))
        .and_then(|value| value.table(&["claim", "type", "transform", "reserved"]));
    let reserved = table
        .as_ref()
        .and_then(|table| table.require("reserved", hint)?.items())
        .unwrap_or_default();
    let reserved: Vec<String> = reserved.iter().filter_map(account).collect();
    let names = reserved.iter().map(String::as_str).chain(admin);
    let mut rule = Rule {
        claim: JsonPointer::parse("/sub").ok(),
        subject_type: SubjectType::Text,
        transforms: Vec::new(),
    };
    if let Some(table) = &table {
        rule.read(table, secrets);
        table.note_default("claim", || "/sub".into());
        table.note_default("transform", || json!([]));
    }
    Site {
        rule,
        reserved: Arc::new(ReservedNames::new(names)),
    }
}

impl Site {
    /// The mapping of an issuer: that of the site, except for what the issuer's own `identity` says.
    pub(super) fn map_for(
        &self,
        own: Option<Value<'_>>,
        secrets: &Secrets<'_>,
    ) -> Option<IdentityMap> {
        let mut rule = self.rule.clone();
        if let Some(own) = own {
            rule.read(&own.table(&["claim", "type", "transform"])?, secrets);
        }
        Some(IdentityMap::new(
            rule.claim?,
            rule.subject_type,
            rule.transforms,
            Arc::clone(&self.reserved),
        ))
    }
}

impl Rule {
    fn read(&mut self, table: &Table<'_>, secrets: &Secrets<'_>) {
        if let Some(value) = table.get("claim") {
            self.claim = value.parsed(JsonPointer::parse);
        }
        self.subject_type = table.choice_or("type", self.subject_type, SUBJECT_TYPES);
        if let Some(value) = table.get("transform") {
            let items = value.items().unwrap_or_default();
            let transforms = items.iter().filter_map(|item| transform(item, secrets));
            self.transforms = transforms.collect();
            self.check_fit(&value);
        }
    }

    /// Finds the chain out of which no UserID can come.
    fn check_fit(&self, value: &Value<'_>) {
        let first = self.transforms.first();
        if self.subject_type == SubjectType::Integer
            && matches!(first, Some(Transform::RemoveDashes))
        {
            value.error("an integer is never a UUID", "type = \"string\"");
        }
        let (mut length, mut fits) = (1, true);
        for transform in &self.transforms {
            match transform {
                Transform::Digest(_) => (length, fits) = (DIGEST_CHARACTERS, true),
                Transform::RemoveDashes => length = UUID_CHARACTERS,
                Transform::StripPrefix(prefix) => {
                    length = length.saturating_sub(prefix.len()).max(1)
                }
                Transform::Prefix(prefix) => {
                    length += prefix.len();
                    fits &= prefix.bytes().all(is_user_id_byte);
                }
            }
        }
        if !fits || length > MAX_USER_ID {
            value.error(
                "can never give a UserID",
                "a UserID has at most 32 of A-Z a-z 0-9 _ -; a digest has 27, a UUID without dashes 32",
            );
        }
    }
}

fn transform(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<Transform> {
    if value.is_text() {
        let known = ["remove_dashes"];
        let is_known = |text: &str| known.contains(&text).then_some(Transform::RemoveDashes);
        return value.parsed_word(&known, TRANSFORMS, |text| {
            is_known(text).ok_or("is not a transform")
        });
    }
    let table = value.table(&["strip_prefix", "prefix", "digest"])?;
    let text = |value: &Value<'_>| value.text().map(str::to_owned);
    let mut entries = table.entries();
    match (entries.next(), entries.next()) {
        (Some(("strip_prefix", value)), None) => text(&value).map(Transform::StripPrefix),
        (Some(("prefix", value)), None) => text(&value).map(Transform::Prefix),
        (Some(("digest", value)), None) => digest(&value, secrets),
        _ => {
            value.error("must be one transform", TRANSFORMS);
            None
        }
    }
}

fn digest(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<Transform> {
    let key = value
        .table(&["key"])?
        .require("key", "{ digest = { key = { file = \"..\" } } }")?;
    let Some(digest_key) = DigestKey::new(secrets.read(&key)?) else {
        key.error("is shorter than 32 bytes", "openssl rand -hex 32");
        return None;
    };
    Some(Transform::Digest(digest_key))
}

fn is_user_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

const SUBJECT_TYPES: &[(&str, SubjectType)] = &[
    ("string", SubjectType::Text),
    ("integer", SubjectType::Integer),
];
const TRANSFORMS: &str = "\"remove_dashes\", { strip_prefix = \"..\" }, { prefix = \"..\" } or \
                          { digest = { key = {..} } }";
const MAX_USER_ID: usize = 32;
const DIGEST_CHARACTERS: usize = 27;
const UUID_CHARACTERS: usize = 32;
