//! Reads TOML with positions: the text-shaped half of the configuration.
//!
//! `serde` stops at the first error; this reader records each in the [`Report`] and goes on with the next key. A
//! [`Table`] is opened with the keys that it may have, so an unknown key cannot be missed. What the values mean is not
//! known here; `parse` asks for them one by one.

mod value;
mod words;

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeTable;

pub(super) use self::value::Value;
pub(super) use self::words::{closest, is_unexpanded};
use super::error::{Place, Report};
use super::secrets::looks_like_key;

/// Parses the text and hands its root table to `read`, unless the text is not TOML: then the report has every place
/// where it is not. What stands on a line is never repeated, since it may be a secret.
pub(super) fn parse<T>(
    text: &str,
    report: &Report<'_>,
    keys: &[&str],
    read: impl FnOnce(&Table<'_>) -> Option<T>,
) -> Option<T> {
    let (root, faults) = DeTable::parse_recoverable(text);
    for fault in &faults {
        let place = Place {
            offset: fault.span().map_or(text.len(), |span| span.start),
            key: String::new(),
        };
        let problem = fault.message().trim_end_matches(", expected nothing");
        let hint = match problem {
            "duplicate key" => "a key is written once; entries of a list are written [[name]]",
            _ => "",
        };
        report.error(&place, problem, hint);
    }
    if !faults.is_empty() {
        return None;
    }
    let place = Place {
        offset: 0,
        key: String::new(),
    };
    read(&Table::open(report, place, Some(root.get_ref()), keys))
}

/// A table whose keys are all known.
pub(super) struct Table<'a> {
    report: &'a Report<'a>,
    place: Place,
    entries: Option<&'a DeTable<'a>>,
}

impl<'a> Table<'a> {
    fn open(
        report: &'a Report<'a>,
        place: Place,
        entries: Option<&'a DeTable<'a>>,
        keys: &[&str],
    ) -> Self {
        let table = Self {
            report,
            place,
            entries,
        };
        for (key, value) in table.entries() {
            if !keys.contains(&key) {
                let hint = closest(key, keys).map_or_else(
                    || format!("known here: {}", keys.join(", ")),
                    |known| format!("did you mean `{known}`?"),
                );
                report.error(&value.key_place, "unknown key", hint);
            }
        }
        table
    }

    pub(super) fn report(&self) -> &'a Report<'a> {
        self.report
    }

    /// Where the table stands: its header, its opening brace, or the start of the file.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<Value<'a>> {
        self.entries()
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The value of a key; its absence is an error that tells what to write.
    pub(super) fn require(&self, key: &str, hint: &str) -> Option<Value<'a>> {
        let value = self.get(key);
        if value.is_none() {
            let place = self.place_of(key);
            self.report.error(&place, "is required", hint);
        }
        value
    }

    /// A table within this one; an absent one is empty, so that its defaults apply.
    pub(super) fn section(&self, key: &str, keys: &[&str]) -> Table<'a> {
        self.get(key)
            .and_then(|value| value.table(keys))
            .unwrap_or_else(|| self.empty(key))
    }

    /// A table of no keys in the place of one that is absent or has an error.
    pub(super) fn empty(&self, key: &str) -> Table<'a> {
        Table::open(self.report, self.place_of(key), None, &[])
    }

    /// The items of an array, none if it is absent.
    pub(super) fn items(&self, key: &str) -> Vec<Value<'a>> {
        self.get(key)
            .and_then(|value| value.items())
            .unwrap_or_default()
    }

    pub(super) fn boolean_or(&self, key: &str, default: bool) -> bool {
        self.get(key)
            .and_then(|value| value.boolean())
            .unwrap_or(default)
    }

    pub(super) fn duration_or(
        &self,
        key: &str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        self.get(key)
            .and_then(|value| value.duration(range))
            .unwrap_or(default)
    }

    /// The same with milliseconds among the units.
    pub(super) fn short_duration_or(
        &self,
        key: &str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        self.get(key)
            .and_then(|value| value.short_duration(range))
            .unwrap_or(default)
    }

    pub(super) fn size_or(&self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.get(key)
            .and_then(|value| value.size(range))
            .unwrap_or(default)
    }

    pub(super) fn integer_or(&self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.get(key)
            .and_then(|value| value.integer(range))
            .unwrap_or(default)
    }

    pub(super) fn choice_or<T: Copy>(&self, key: &str, default: T, choices: &[(&str, T)]) -> T {
        self.get(key)
            .and_then(|value| value.choice(choices))
            .unwrap_or(default)
    }

    /// Where a key of this table would stand.
    pub(super) fn place_of(&self, key: &str) -> Place {
        Place {
            offset: self.place.offset,
            key: join(&self.place.key, key),
        }
    }

    /// Every key with its value, in no particular order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let (report, parent) = (self.report, self.place.key.as_str());
        self.entries.into_iter().flatten().map(move |(key, node)| {
            let path = join(parent, key.get_ref());
            let value = Value {
                report,
                key_place: Place {
                    offset: key.span().start,
                    key: path.clone(),
                },
                place: Place {
                    offset: node.span().start,
                    key: path,
                },
                node: node.get_ref(),
            };
            (key.get_ref().as_ref(), value)
        })
    }
}

fn join(parent: &str, key: &str) -> String {
    // A secret may have been written where a name belongs.
    let key = if looks_like_key(key) {
        "[redacted]"
    } else {
        key
    };
    let bare = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let shown: String = key.chars().take(words::MAX_WORD).collect();
    let shown = if bare { shown } else { format!("{shown:?}") };
    if parent.is_empty() {
        return shown;
    }
    format!("{parent}.{shown}")
}

#[cfg(test)]
mod tests;
