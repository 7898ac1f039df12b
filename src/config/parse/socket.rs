//! The path of a Unix socket, ours or an app's, by one rule: a file, in UTF-8, that is short enough for the system.

use std::path::{Path, PathBuf};

use crate::config::raw::Value;

/// What stands after `unix:`, relative to the folder of the configuration's file; `None` after it reported why not.
pub(super) fn path(value: &Value<'_>, folder: &Path, text: &str) -> Option<PathBuf> {
    if text.starts_with("//") {
        value.error(
            "is written like a URL",
            "\"unix:/run/app.sock\", without //",
        );
        return None;
    }
    let path = folder.join(text);
    let is_file = !text.is_empty() && !text.ends_with('/') && path.file_name().is_some();
    if !is_file || path.to_str().is_none_or(|path| path.contains('\0')) {
        value.error(
            "does not name the file of a socket",
            "\"unix:/run/app.sock\"",
        );
        return None;
    }
    if path.as_os_str().len() > MAX_BYTES {
        value.error(
            "is too long for the path of a socket",
            "the system allows 107 bytes, with the folder of this file where the path is relative",
        );
        return None;
    }
    Some(path)
}

/// `sun_path` has 108 bytes and ends in NUL.
const MAX_BYTES: usize = 107;
