//! Where the audit goes. What can be known of its file without writing is found out here, by `check` too.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::config::raw::{Table, Value};
use crate::config::{Audit, AuditTarget, OnAuditFailure};

/// `store` is a file that the audit must not be.
pub(super) fn section(root: &Table<'_>, folder: &Path, store: Option<&Path>) -> Option<Audit> {
    let table = root.get("audit")?.table(AUDIT_KEYS)?;
    let on_failure = table.choice_or("on_failure", OnAuditFailure::GoOn, ON_FAILURE);
    let target = match (table.get("file"), table.get("stream")) {
        (Some(value), None) => AuditTarget::File(file(&value, folder, store)?),
        (None, Some(value)) => value.choice(STREAMS)?.clone(),
        (Some(_), Some(value)) => {
            value.error("there is file as well", "one of the two");
            return None;
        }
        (None, None) => {
            table.require("file", TARGET_HINT);
            return None;
        }
    };
    Some(Audit { target, on_failure })
}

fn file(value: &Value<'_>, folder: &Path, store: Option<&Path>) -> Option<PathBuf> {
    let file = folder.join(value.text()?);
    if store == Some(file.as_path()) {
        value.error("is the file of [store]", "a file of its own");
        return None;
    }
    match unfit(&file) {
        Some(problem) => {
            value.error(problem, FILE_HINT);
            None
        }
        None => Some(file),
    }
}

/// Why no line can be written to the end of the file; it may be absent.
fn unfit(file: &Path) -> Option<String> {
    let Ok(found) = fs::metadata(file) else {
        let home = file.parent().filter(|home| !home.as_os_str().is_empty());
        let is_home = home.unwrap_or(Path::new(".")).is_dir();
        return (!is_home).then(|| "is in a folder that is not there".to_owned());
    };
    let kind = found.file_type();
    if kind.is_dir() {
        return Some("is a folder".to_owned());
    }
    // Opening one would wait for a reader, and each line for it to read.
    if kind.is_fifo() {
        return Some("is a named pipe".to_owned());
    }
    if !kind.is_file() && !kind.is_char_device() {
        return Some("is no file".to_owned());
    }
    let opened = OpenOptions::new().append(true).open(file);
    opened
        .err()
        .map(|error| format!("cannot be written: {error}"))
}

const AUDIT_KEYS: &[&str] = &["file", "stream", "on_failure"];
const STREAMS: &[(&str, &AuditTarget)] = &[
    ("stdout", &AuditTarget::Stdout),
    ("stderr", &AuditTarget::Stderr),
];
const ON_FAILURE: &[(&str, OnAuditFailure)] = &[
    ("go_on", OnAuditFailure::GoOn),
    ("stop", OnAuditFailure::Stop),
];
const TARGET_HINT: &str =
    "file = \"audit.jsonl\", or stream = \"stdout\"; without [audit] the lines go to the log";
const FILE_HINT: &str = "a file that the proxy may write or make, in a folder that is there";
