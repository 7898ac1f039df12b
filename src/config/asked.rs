//! What the parser asks of a file: the keys that a table may have, the kind of each value, and what counts where a key is
//! absent. Only noted on demand: `effective` fills the absent keys in, `schema` writes the kinds down.

use std::ops::RangeInclusive;

use serde_json::Value as Json;

use super::effective::Tree;

/// What was noted while a file was parsed.
#[derive(Default)]
pub(super) struct Notes {
    /// What the file says.
    pub(super) tree: Tree,
    /// What was asked of it, each with the path of its key.
    pub(super) asked: Vec<(String, Asked)>,
}

/// One thing that was asked.
pub(super) enum Asked {
    /// That the value is of this kind.
    Kind(Kind),
    /// That the key is there.
    Required,
    /// The key, which is absent: this counts.
    Default(Json),
}

/// The kind of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// One of a closed set.
    Words(Vec<String>),
    Boolean,
    Integer(RangeInclusive<u64>),
    /// A whole number with one of these units behind it, in quotes.
    Quantity(Vec<String>),
    /// A string, a whole number or a boolean.
    Scalar,
    Array,
    /// A table of these keys.
    Table(Vec<String>),
    /// A table whose keys are data.
    Map,
}

impl Kind {
    pub(super) fn words(words: &[&str]) -> Self {
        Self::Words(words.iter().map(ToString::to_string).collect())
    }

    pub(super) fn quantity(units: &[(&str, u64)]) -> Self {
        Self::Quantity(units.iter().map(|(unit, _)| (*unit).to_owned()).collect())
    }
}

/// The steps of a key's path: names, without their quotes, and positions in arrays, counted from 1.
pub(super) fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if let Some((position, after)) = rest
            .strip_prefix('[')
            .and_then(|inside| inside.split_once(']'))
        {
            steps.push(Step::Item(position.parse().unwrap_or_default()));
            rest = after;
            continue;
        }
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_at(end_of_quoted(quoted)),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        steps.push(Step::Key(name.to_owned()));
        rest = after.strip_prefix('"').unwrap_or(after);
    }
    steps
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Item(usize),
}

/// Where the closing quote stands that no backslash precedes.
fn end_of_quoted(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' if !is_escaped => return at,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart_whatever_its_keys_are() {
        let key = |name: &str| Step::Key(name.to_owned());
        for (path, expected) in [
            ("", vec![]),
            ("demo", vec![key("demo")]),
            (
                "listen.https[2].key",
                vec![key("listen"), key("https"), Step::Item(2), key("key")],
            ),
            (
                r#"require."/a.b[1]\"c".d"#,
                vec![key("require"), key(r#"/a.b[1]\"c"#), key("d")],
            ),
        ] {
            assert_eq!(steps(path), expected, "{path}");
        }
    }
}
