//! Reads TOML with positions: the text-shaped half of the configuration.
//!
//! `serde` stops at the first error; this reader records each in the [`Report`] and goes on with the next key. A
//! [`Table`] is opened with the keys that it may have, so an unknown key cannot be missed. What the values mean is not
//! known here; `parse` asks for them one by one.

mod value;
mod words;

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

pub(super) use self::value::Value;
use self::words::{DURATION_UNITS, SHORT_DURATION_UNITS, SIZE_UNITS, with_unit};
pub(super) use self::words::{closest, is_unexpanded};
use super::asked::{Asked, Kind};
use super::effective::Tree;
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
    report.note_tree(|| Tree::of(root.get_ref()));
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
        let is_unknown = |(key, _): &Entry<'_>| !keys.contains(&key.get_ref().as_ref());
        for entry in table.nodes().filter(is_unknown) {
            let (key, value) = table.read(entry);
            let hint = closest(key, keys).map_or_else(
                || format!("known here: {}", keys.join(", ")),
                |known| format!("did you mean `{known}`?"),
            );
            report.error(&value.key_place, "unknown key", hint);
        }
        if table.entries.is_some() {
            let keys = || keys.iter().map(ToString::to_string).collect();
            report.note(|| (table.place.key.clone(), Asked::Kind(Kind::Table(keys()))));
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
        let mut nodes = self.nodes();
        let entry = nodes.find(|(name, _)| name.get_ref() == key)?;
        Some(self.read(entry).1)
    }

    /// The value of a key; its absence is an error that tells what to write.
    pub(super) fn require(&self, key: &str, hint: &str) -> Option<Value<'a>> {
        let value = self.get(key);
        self.report
            .note(|| (self.place_of(key).key, Asked::Required));
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
        self.get_or(key, || json!([]))
            .and_then(|value| value.items())
            .unwrap_or_default()
    }

    /// The value of a key, if it is there; `default` is what counts otherwise.
    pub(super) fn get_or(&self, key: &str, default: impl FnOnce() -> Json) -> Option<Value<'a>> {
        let value = self.get(key);
        if value.is_none() {
            self.note_default(key, default);
        }
        value
    }

    /// Takes note of what counts where a key is absent.
    pub(super) fn note_default(&self, key: &str, default: impl FnOnce() -> Json) {
        let asked = || Asked::Default(default());
        self.report.note(|| (self.place_of(key).key, asked()));
    }

    pub(super) fn boolean_or(&self, key: &str, default: bool) -> bool {
        self.get_or(key, || default.into())
            .and_then(|value| value.boolean())
            .unwrap_or(default)
    }

    pub(super) fn duration_or(
        &self,
        key: &str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        self.get_or(key, || shown(default, &DURATION_UNITS))
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
        self.get_or(key, || shown(default, &SHORT_DURATION_UNITS))
            .and_then(|value| value.short_duration(range))
            .unwrap_or(default)
    }

    pub(super) fn size_or(&self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.get_or(key, || with_unit(default, &SIZE_UNITS).into())
            .and_then(|value| value.size(range))
            .unwrap_or(default)
    }

    pub(super) fn integer_or(&self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.get_or(key, || default.into())
            .and_then(|value| value.integer(range))
            .unwrap_or(default)
    }

    pub(super) fn choice_or<T: Copy + PartialEq>(
        &self,
        key: &str,
        default: T,
        choices: &[(&str, T)],
    ) -> T {
        let word = || {
            let mut words = choices.iter();
            let found = words.find(|(_, choice)| *choice == default);
            found.map(|(word, _)| *word).into()
        };
        self.get_or(key, word)
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
        self.nodes().map(|entry| self.read(entry))
    }

    fn nodes(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        self.entries.into_iter().flatten()
    }

    /// Names the place of an entry, which is dear beside finding one.
    fn read(&self, (key, node): Entry<'a>) -> (&'a str, Value<'a>) {
        let path = join(&self.place.key, key.get_ref());
        let value = Value {
            report: self.report,
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
    }
}

fn shown(duration: Duration, units: &[(&str, u64)]) -> Json {
    with_unit(
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        units,
    )
    .into()
}

type Entry<'a> = (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>);

fn join(parent: &str, key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let shown = match key.len() {
        // A secret may have been written where a name belongs.
        _ if looks_like_key(key) => Cow::Borrowed("\"[redacted]\""),
        1..=words::MAX_WORD if key.bytes().all(is_bare) => Cow::Borrowed(key),
        _ => {
            let start: String = key.chars().take(words::MAX_WORD).collect();
            match !key.is_empty() && key.bytes().all(is_bare) {
                true => Cow::Owned(start),
                false => Cow::Owned(format!("{start:?}")),
            }
        }
    };
    if parent.is_empty() {
        return shown.into_owned();
    }
    [parent, &shown].join(".")
}

#[cfg(test)]
mod tests;
