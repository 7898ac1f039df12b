//! Opens the files that the configuration consists of: regular files only, through links.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Opens a file to read it. A folder, pipe or device is an error.
pub(super) fn open(path: &Path) -> io::Result<File> {
    // Asked before opening: a pipe without a writer would block for good.
    check(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    // And of what was opened, which may be another by now.
    check(&file.metadata()?)?;
    Ok(file)
}

fn check(metadata: &fs::Metadata) -> io::Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("not a regular file")),
    }
}
