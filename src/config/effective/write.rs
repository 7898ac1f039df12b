//! Writes a tree as TOML, in the form of its file where that can be kept.

use serde_json::Value as Json;

use super::{Entry, Node, Tree};
use crate::config::error::{Report, printable};
use crate::config::secrets::looks_like_key;

/// The tree as the text of a file; with `origins`, each value has a comment that says where it comes from.
pub(super) fn toml(tree: &Tree, report: &Report<'_>, origins: bool) -> String {
    let mut writer = Writer {
        report,
        origins,
        text: String::new(),
    };
    writer.table(tree, "");
    writer.text
}

struct Writer<'r, 't> {
    report: &'r Report<'t>,
    origins: bool,
    text: String,
}

impl Writer<'_, '_> {
    /// Values first: what follows a header belongs to that.
    fn table(&mut self, tree: &Tree, path: &str) {
        for (key, entry) in &tree.0 {
            if !self.has_header(entry) {
                let line = format!("{} = {}", bare(key), inline(entry, key));
                self.line(line, entry.offset);
            }
        }
        for (key, entry) in &tree.0 {
            let path = match path {
                "" => bare(key),
                _ => format!("{path}.{}", bare(key)),
            };
            match &entry.node {
                _ if !self.has_header(entry) => {}
                Node::Table(table) => {
                    // A section that only holds others needs no header of its own.
                    if table.0.is_empty() || table.0.iter().any(|(_, one)| !self.has_header(one)) {
                        self.header(&format!("[{path}]"));
                    }
                    self.table(table, &path);
                }
                Node::Array(items) => {
                    for item in items {
                        self.header(&format!("[[{path}]]"));
                        if let Node::Table(table) = &item.node {
                            self.table(table, &path);
                        }
                    }
                }
                Node::Scalar(_) => {}
            }
        }
    }

    /// Whether it is written as `[..]` or `[[..]]`: as in the file, and where a default was filled in.
    fn has_header(&self, entry: &Entry) -> bool {
        let is_section = |entry: &Entry| {
            let is_table = matches!(entry.node, Node::Table(_));
            is_table && (entry.is_completed() || !self.is_inline(entry))
        };
        match &entry.node {
            Node::Scalar(_) => false,
            Node::Table(_) => is_section(entry),
            Node::Array(items) => {
                let are_tables = items.iter().all(|item| matches!(item.node, Node::Table(_)));
                // A default of a list as a whole is short.
                entry.offset.is_some() && are_tables && items.iter().any(is_section)
            }
        }
    }

    fn is_inline(&self, entry: &Entry) -> bool {
        let from = entry
            .offset
            .and_then(|offset| self.report.text().get(offset..));
        from.is_some_and(|text| text.starts_with('{'))
    }

    fn header(&mut self, header: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(header);
        self.text.push('\n');
    }

    fn line(&mut self, line: String, offset: Option<usize>) {
        let comment = match offset {
            _ if !self.origins => String::new(),
            None => "  # default".to_owned(),
            Some(offset) => {
                let (line, _) = self.report.position(offset);
                let file = printable(&self.report.file().to_string_lossy());
                format!("  # {file}:{line}")
            }
        };
        self.text.push_str(&match comment.as_str() {
            "" => line,
            comment => format!("{line:<COMMENT_COLUMN$}{comment}"),
        });
        self.text.push('\n');
    }
}

fn inline(entry: &Entry, key: &str) -> String {
    match &entry.node {
        Node::Scalar(Json::String(text)) => quoted(&shown(text, key)),
        Node::Scalar(scalar) => scalar.to_string(),
        Node::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| inline(item, key)).collect();
            format!("[{}]", items.join(", "))
        }
        Node::Table(tree) if tree.0.is_empty() => "{}".to_owned(),
        Node::Table(tree) => {
            let member = |(name, entry): &(String, Entry)| {
                // The names in these are data, so that they say what the values are of.
                let owner = if DATA.contains(&key) { key } else { name };
                format!("{} = {}", bare(name), inline(entry, owner))
            };
            let members: Vec<_> = tree.0.iter().map(member).collect();
            format!("{{ {} }}", members.join(", "))
        }
    }
}

/// The text without what could be a secret: secrets are references, yet an address may have one in its query, and a claim
/// may be one.
fn shown(text: &str, key: &str) -> String {
    match text.split_once('?') {
        Some((before, _)) if before.starts_with('/') || before.contains("://") => {
            format!("{before}?[redacted]")
        }
        _ if DATA.contains(&key) && looks_like_key(text) => "[redacted]".to_owned(),
        _ => text.to_owned(),
    }
}

fn bare(key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    match !key.is_empty() && key.bytes().all(is_bare) {
        true => key.to_owned(),
        false => quoted(key),
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(letter)));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// Keys whose tables hold data.
const DATA: [&str; 1] = ["require"];
const COMMENT_COLUMN: usize = 46;
