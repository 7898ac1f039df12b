//! The configuration as it counts: what a file says, and what counts for each key that it leaves out.
//!
//! The defaults are those that the parser itself fell back to, noted while it read the file; there is no second list of
//! them. Sections that turn a part of the proxy on are not made up where they are absent.

mod write;

use std::path::PathBuf;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::asked::{Asked, Step, steps};
use super::error::Report;

/// What counts of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The file, the main one or that of a site.
    pub file: PathBuf,
    /// TOML that says the same as the file, with every default written out.
    pub toml: String,
    /// The same with a comment behind each value: the file and line that it comes from, or `default`.
    pub with_origins: String,
}

impl Effective {
    /// What was noted of a file that has no errors; `None` where nothing was.
    pub(super) fn of(report: &Report<'_>) -> Option<Self> {
        let notes = report.take_notes()?;
        let mut tree = notes.tree;
        for (path, asked) in notes.asked {
            if let Asked::Default(default) = asked {
                tree.add_default(&steps(&path), &default);
            }
        }
        Some(Self {
            file: report.file().to_owned(),
            toml: write::toml(&tree, report, false),
            with_origins: write::toml(&tree, report, true),
        })
    }
}

/// A table in the order of its file; what was filled in comes last.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree(Vec<(String, Entry)>);

/// A value and the offset at which it stands; `None` for a default.
#[derive(Clone, Debug)]
struct Entry {
    offset: Option<usize>,
    node: Node,
}

#[derive(Clone, Debug)]
enum Node {
    Scalar(Json),
    Array(Vec<Entry>),
    Table(Tree),
}

impl Tree {
    pub(super) fn of(table: &DeTable<'_>) -> Self {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (&Spanned<_>, _)| {
            let key: &toml::de::DeString<'_> = key.get_ref();
            (key.to_string(), Entry::of(value))
        };
        Self(entries.into_iter().map(entry).collect())
    }

    /// Whether it has this key itself.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name == key)
    }

    /// Calls `see` with the path of each key and the offset at which its value stands.
    pub(super) fn each(&self, above: &[Step], see: &mut impl FnMut(&[Step], usize)) {
        for (key, entry) in &self.0 {
            entry.each(&[above, &[Step::Key(key.clone())]].concat(), see);
        }
    }

    fn add_default(&mut self, steps: &[Step], default: &Json) {
        let [Step::Key(key), below @ ..] = steps else {
            return;
        };
        let found = self.0.iter().position(|(name, _)| name == key);
        let found = found.and_then(|at| self.0.get_mut(at));
        match (found, below) {
            (Some((_, entry)), below) => entry.add_default(below, default),
            (None, []) => self.0.push((key.clone(), Entry::filled_in(default))),
            (None, below) => {
                let mut table = Self::default();
                table.add_default(below, default);
                let entry = Entry {
                    offset: None,
                    node: Node::Table(table),
                };
                self.0.push((key.clone(), entry));
            }
        }
    }
}

impl Entry {
    fn of(value: &Spanned<DeValue<'_>>) -> Self {
        let node = match value.get_ref() {
            DeValue::Table(table) => Node::Table(Tree::of(table)),
            DeValue::Array(items) => Node::Array(items.iter().map(Self::of).collect()),
            DeValue::String(text) => Node::Scalar(text.to_string().into()),
            DeValue::Boolean(boolean) => Node::Scalar((*boolean).into()),
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix());
                Node::Scalar(number.unwrap_or_default().into())
            }
            // No key takes one of these, so the file has an error and is not shown.
            DeValue::Float(_) | DeValue::Datetime(_) => Node::Scalar(Json::Null),
        };
        Self {
            offset: Some(value.span().start),
            node,
        }
    }

    fn filled_in(default: &Json) -> Self {
        let node = match default {
            Json::Array(items) => Node::Array(items.iter().map(Self::filled_in).collect()),
            Json::Object(members) => {
                let member = |(key, value): (&String, _)| (key.clone(), Self::filled_in(value));
                Node::Table(Tree(members.iter().map(member).collect()))
            }
            scalar => Node::Scalar(scalar.clone()),
        };
        Self { offset: None, node }
    }

    /// What stands already is left as it is.
    fn add_default(&mut self, steps: &[Step], default: &Json) {
        match (&mut self.node, steps) {
            (Node::Table(table), steps) => table.add_default(steps, default),
            (Node::Array(items), [Step::Item(position), below @ ..]) => {
                let item = position.checked_sub(1).and_then(|at| items.get_mut(at));
                if let Some(item) = item {
                    item.add_default(below, default);
                }
            }
            (Node::Array(_) | Node::Scalar(_), _) => {}
        }
    }

    fn each(&self, path: &[Step], see: &mut impl FnMut(&[Step], usize)) {
        if let Some(offset) = self.offset {
            see(path, offset);
        }
        match &self.node {
            Node::Scalar(_) => {}
            Node::Table(table) => table.each(path, see),
            Node::Array(items) => {
                for (position, item) in (1..).zip(items) {
                    item.each(&[path, &[Step::Item(position)]].concat(), see);
                }
            }
        }
    }

    /// Whether a default is somewhere in it.
    fn is_completed(&self) -> bool {
        self.offset.is_none()
            || match &self.node {
                Node::Scalar(_) => false,
                Node::Array(items) => items.iter().any(Self::is_completed),
                Node::Table(table) => table.0.iter().any(|(_, entry)| entry.is_completed()),
            }
    }
}
