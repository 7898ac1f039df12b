//! One value of the configuration: asked for by type, or its place is reported.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::Table;
use super::words::{
    DURATION_UNITS, SHORT_DURATION_UNITS, SIZE_UNITS, closest, is_unexpanded, quoted, with_unit,
};
use crate::config::asked::{Asked, Kind};
use crate::config::error::{Place, Report};

/// A value of any type, with its place.
pub(in crate::config) struct Value<'a> {
    pub(super) report: &'a Report<'a>,
    pub(super) key_place: Place,
    pub(super) place: Place,
    pub(super) node: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    pub(in crate::config) fn place(&self) -> &Place {
        &self.place
    }

    pub(in crate::config) fn report(&self) -> &'a Report<'a> {
        self.report
    }

    /// Records what is wrong with this value.
    pub(in crate::config) fn error(&self, problem: impl Into<String>, hint: impl Into<String>) {
        self.report.error(&self.place, problem, hint);
    }

    /// Records what should be looked at in this value.
    pub(in crate::config) fn warn(&self, problem: impl Into<String>, hint: impl Into<String>) {
        self.report.warn(&self.place, problem, hint);
    }

    fn note(&self, kind: impl FnOnce() -> Kind) {
        self.report
            .note(|| (self.place.key.clone(), Asked::Kind(kind())));
    }

    pub(in crate::config) fn is_text(&self) -> bool {
        self.node.is_str()
    }

    /// A string that is neither empty nor a template that nobody filled in.
    pub(in crate::config) fn text(&self) -> Option<&'a str> {
        self.note(|| Kind::Text);
        let Some(text) = self.node.as_str() else {
            return self.wrong_type("a string");
        };
        if text.is_empty() {
            self.error("is empty", "leave the key out for its default");
            return None;
        }
        if is_unexpanded(text) {
            self.error("looks like a variable that was not expanded", NO_EXPANSION);
            return None;
        }
        Some(text)
    }

    /// A string that `parse` turns into its type; what `parse` says becomes the problem.
    pub(in crate::config) fn parsed<T, E: fmt::Display>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.parsed_as("", parse)
    }

    /// The same, with what to write instead.
    pub(in crate::config) fn parsed_as<T, E: fmt::Display>(
        &self,
        hint: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(self.text()?) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.error(error.to_string(), hint);
                None
            }
        }
    }

    /// One of a closed set of words.
    pub(in crate::config) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let words = || choices.iter().map(|(word, _)| *word).collect::<Vec<_>>();
        self.note(|| Kind::words(&words()));
        let text = self.text()?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words = words();
            let hint = meant(text, &words).unwrap_or_default();
            self.error(format!("must be one of {}", quoted(&words)), hint);
        }
        found.map(|(_, choice)| *choice)
    }

    /// A string of a closed set that `parse` knows and words its own problem for; `hint` is for one that is near none.
    pub(in crate::config) fn parsed_word<T, E: fmt::Display>(
        &self,
        words: &[&str],
        hint: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.note(|| Kind::words(words));
        let meant = self.node.as_str().and_then(|text| meant(text, words));
        self.parsed_as(meant.as_deref().unwrap_or(hint), parse)
    }

    /// A short name for logs and labels.
    pub(in crate::config) fn name(&self) -> Option<&'a str> {
        let name = self.text()?;
        let fits = Self::is_name(name);
        if !fits {
            self.error(
                "is not a name",
                "up to 64 letters, digits, dots, dashes or underscores",
            );
        }
        fits.then_some(name)
    }

    /// Whether a text is fit to be a name in logs and labels.
    pub(in crate::config) fn is_name(text: &str) -> bool {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (1..=64).contains(&text.len()) && text.bytes().all(is_letter)
    }

    pub(in crate::config) fn boolean(&self) -> Option<bool> {
        self.note(|| Kind::Boolean);
        match self.node.as_bool() {
            None => self.wrong_type("true or false"),
            found => found,
        }
    }

    /// A whole number within a range.
    pub(in crate::config) fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
        self.note(|| Kind::Integer(range.clone()));
        let Some(integer) = self.node.as_integer() else {
            return self.wrong_type("a whole number");
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            self.error(format!("must be from {least} to {most}"), "");
        }
        number
    }

    /// A span of whole seconds such as "30s", "15m", "24h" or "7d", within a range.
    pub(in crate::config) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        self.span(range, &DURATION_UNITS, DURATION_HINT)
    }

    /// A span of time that may be shorter than a second, as in "500ms".
    pub(in crate::config) fn short_duration(
        &self,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        self.span(range, &SHORT_DURATION_UNITS, SHORT_DURATION_HINT)
    }

    fn span(
        &self,
        range: RangeInclusive<Duration>,
        units: &[(&str, u64)],
        hint: &str,
    ) -> Option<Duration> {
        self.note(|| Kind::quantity(units));
        let duration = Duration::from_millis(self.quantity(units, "a duration", hint)?);
        if !range.contains(&duration) {
            let millis = |bound: &Duration| u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
            let show = |bound: &Duration| with_unit(millis(bound), units);
            let (least, most) = (show(range.start()), show(range.end()));
            self.error(format!("must be from \"{least}\" to \"{most}\""), "");
            return None;
        }
        Some(duration)
    }

    /// A number of bytes such as "64KiB" or "1MiB", within a range.
    pub(in crate::config) fn size(&self, range: RangeInclusive<u64>) -> Option<u64> {
        self.note(|| Kind::quantity(&SIZE_UNITS));
        let bytes = self.quantity(&SIZE_UNITS, "a size", "as in \"64KiB\", \"1MiB\", \"512B\"")?;
        if !range.contains(&bytes) {
            let show = |bound: &u64| with_unit(*bound, &SIZE_UNITS);
            let (least, most) = (show(range.start()), show(range.end()));
            self.error(format!("must be from \"{least}\" to \"{most}\""), "");
            return None;
        }
        Some(bytes)
    }

    /// The items of an array; a single value in its stead is an error.
    pub(in crate::config) fn items(&self) -> Option<Vec<Value<'a>>> {
        self.note(|| Kind::Array);
        let items = match self.node {
            DeValue::Array(items) => items,
            DeValue::Table(_) => {
                let name = self.place.key.rsplit('.').next().unwrap_or_default();
                let hint = format!("write [[{name}]] for each entry, or [..] around a list");
                self.error("expected an array, found a table", hint);
                return None;
            }
            _ => return self.wrong_type("an array"),
        };
        let item = |(index, item): (usize, &'a toml::Spanned<DeValue<'a>>)| {
            let place = Place {
                offset: item.span().start,
                key: format!("{}[{}]", self.place.key, index + 1),
            };
            Value {
                report: self.report,
                key_place: place.clone(),
                place,
                node: item.get_ref(),
            }
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// Whether it is an array with an item in it.
    pub(in crate::config) fn has_items(&self) -> bool {
        matches!(self.node, DeValue::Array(items) if !items.is_empty())
    }

    /// The items of an array that has at least one; `hint` says what to write.
    pub(in crate::config) fn some_items(&self, hint: &str) -> Option<Vec<Value<'a>>> {
        let items = self.items()?;
        if items.is_empty() {
            self.error("is empty", hint);
            return None;
        }
        Some(items)
    }

    /// A table that has no other keys than these.
    pub(in crate::config) fn table(&self, keys: &[&str]) -> Option<Table<'a>> {
        let table = self.open_map()?;
        Some(Table::open(table.report, table.place, table.entries, keys))
    }

    /// A table whose keys are data, not words of ours.
    pub(in crate::config) fn map(&self) -> Option<Table<'a>> {
        self.note(|| Kind::Map);
        self.open_map()
    }

    fn open_map(&self) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.node else {
            return self.wrong_type("a table");
        };
        Some(Table {
            report: self.report,
            place: self.place.clone(),
            entries: Some(entries),
        })
    }

    /// The value as JSON, if it is a string, a whole number or a boolean.
    pub(in crate::config) fn json(&self) -> Option<serde_json::Value> {
        self.note(|| Kind::Scalar);
        match self.node {
            DeValue::String(_) => self.text().map(Into::into),
            DeValue::Boolean(boolean) => Some((*boolean).into()),
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
                if number.is_none() {
                    self.error("is out of range", "");
                }
                number.map(Into::into)
            }
            _ => self.wrong_type("a string, a whole number or a boolean"),
        }
    }

    fn quantity(&self, units: &[(&str, u64)], what: &str, hint: &str) -> Option<u64> {
        if !self.is_text() {
            self.error(format!("expected {what}, in quotes, with its unit"), hint);
            return None;
        }
        let text = self.text()?;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = units.iter().find(|(name, _)| *name == unit);
        let amount = number
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(number, (_, factor))| number.checked_mul(*factor));
        if amount.is_none() {
            self.error(format!("is not {what}"), hint);
        }
        amount
    }

    fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        let found = match self.node {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.error(format!("expected {expected}, found {found}"), "");
        None
    }
}

/// The word of a closed set that a mistyped one may stand for.
fn meant(text: &str, words: &[&str]) -> Option<String> {
    closest(text, words).map(|word| format!("did you mean \"{word}\"?"))
}

const DURATION_HINT: &str = "whole seconds, as in \"30s\", \"15m\", \"24h\", \"7d\"";
const SHORT_DURATION_HINT: &str = "as in \"500ms\", \"30s\", \"15m\", \"24h\"";
const NO_EXPANSION: &str = "the file is read as it is; a secret comes from { env = \"NAME\" }";
