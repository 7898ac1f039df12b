//! What is wrong with a configuration, where it stands and what to write instead.
//!
//! Every fault becomes a [`Diagnostic`] in one [`Report`], so that an operator sees them all at once. A diagnostic
//! does not repeat a value of the file, which may be a secret in the wrong place: its position says enough. Only names
//! of files and variables and what stands in a route's `match` are repeated.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::asked::{Asked, Notes};
use super::effective::Tree;

/// One fault or one warning, with its place in the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The configuration file, as it was named on the command line.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The path of the key, as in `session.issuer[1].keys`; the first entry of an array is `[1]`. Empty where the text
    /// is not TOML.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead, where that can be said.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.problem)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Everything that was found, file by file and in the order of the lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// What keeps the configuration from being used; never empty where there is no configuration.
    pub errors: Vec<Diagnostic>,
    /// What works and should be looked at.
    pub warnings: Vec<Diagnostic>,
}

impl fmt::Display for Diagnostics {
    /// The errors, one a line; the warnings are left to the caller.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{error}")?;
        }
        Ok(())
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read at all.
    #[error("{}: cannot be read: {source}", file.display())]
    Unreadable {
        /// The configuration file, as it was named on the command line.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Files changed each time that they were read.
    #[error("{}: the configuration's files keep changing while they are read", file.display())]
    Unsettled {
        /// The configuration file, as it was named on the command line.
        file: PathBuf,
    },
    /// The file was read and has errors.
    #[error("{0}")]
    Invalid(Diagnostics),
}

/// Where a value stands: its offset in the text and the path of its key.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) offset: usize,
    pub(super) key: String,
}

impl Place {
    /// The start of the file, for what concerns all of it.
    pub(super) fn start() -> Self {
        Self {
            offset: 0,
            key: String::new(),
        }
    }
}

/// Collects the diagnostics of one file.
pub(super) struct Report<'t> {
    file: &'t Path,
    text: &'t str,
    errors: RefCell<Vec<(usize, Diagnostic)>>,
    warnings: RefCell<Vec<(usize, Diagnostic)>>,
    /// `None` where nobody wants to know, as in a usual load.
    notes: Option<RefCell<Notes>>,
}

impl<'t> Report<'t> {
    pub(super) fn new(file: &'t Path, text: &'t str) -> Self {
        Self {
            file,
            text,
            errors: RefCell::default(),
            warnings: RefCell::default(),
            notes: None,
        }
    }

    /// One that takes note of what the file says and what is asked of it.
    pub(super) fn with_notes(self) -> Self {
        Self {
            notes: Some(RefCell::default()),
            ..self
        }
    }

    pub(super) fn note(&self, asked: impl FnOnce() -> (String, Asked)) {
        if let Some(notes) = &self.notes {
            notes.borrow_mut().asked.push(asked());
        }
    }

    pub(super) fn note_tree(&self, tree: impl FnOnce() -> Tree) {
        if let Some(notes) = &self.notes {
            notes.borrow_mut().tree = tree();
        }
    }

    /// The notes; there are none in a usual load.
    pub(super) fn take_notes(&self) -> Option<Notes> {
        self.notes.as_ref().map(RefCell::take)
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// Records a fault; an empty hint is none.
    pub(super) fn error(&self, place: &Place, problem: impl Into<String>, hint: impl Into<String>) {
        let diagnostic = self.diagnostic(place, problem.into(), hint.into());
        self.errors.borrow_mut().push((place.offset, diagnostic));
    }

    /// Records what works and should be looked at.
    pub(super) fn warn(&self, place: &Place, problem: impl Into<String>, hint: impl Into<String>) {
        let diagnostic = self.diagnostic(place, problem.into(), hint.into());
        self.warnings.borrow_mut().push((place.offset, diagnostic));
    }

    pub(super) fn file(&self) -> &'t Path {
        self.file
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.borrow().is_empty()
    }

    /// The line of a place, for a diagnostic that speaks of two.
    pub(super) fn line(&self, place: &Place) -> usize {
        self.position(place.offset).0
    }

    pub(super) fn into_diagnostics(self) -> Diagnostics {
        Diagnostics {
            errors: sorted(self.errors.into_inner()),
            warnings: sorted(self.warnings.into_inner()),
        }
    }

    fn diagnostic(&self, place: &Place, problem: String, hint: String) -> Diagnostic {
        let (line, column) = self.position(place.offset);
        Diagnostic {
            file: self.file.to_owned(),
            line,
            column,
            key: place.key.clone(),
            problem: printable(&problem),
            hint: Some(printable(&hint)).filter(|hint| !hint.is_empty()),
        }
    }

    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(line_start..).unwrap_or("").chars().count() + 1;
        (line, column)
    }
}

/// The text with its control characters written as escapes, so that it stays one line on any terminal.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn sorted(mut diagnostics: Vec<(usize, Diagnostic)>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|(offset, _)| *offset);
    diagnostics
        .into_iter()
        .map(|(_, diagnostic)| diagnostic)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnostics_read_as_one_line_each_in_file_order() {
        let report = Report::new(Path::new("a.toml"), "x = 1\nü = 2\n");
        let place = |offset, key: &str| Place {
            offset,
            key: key.to_owned(),
        };
        report.error(&place(8, ""), "is not TOML", "");
        report.error(&place(0, "x"), "unknown\x1b[2J key", "did you mean `y`?");
        let diagnostics = report.into_diagnostics();
        assert_eq!(
            diagnostics.to_string(),
            "a.toml:1:1: x: unknown\\u{1b}[2J key (did you mean `y`?)\na.toml:2:2: is not TOML"
        );
    }
}
