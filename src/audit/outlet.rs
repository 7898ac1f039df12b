//! The open end of the audit: a file that others may move away or empty at any time, or a stream of the process.
//!
//! A line is one write to the end of the file. Before each, the file at the path is compared with the one that is open
//! (device and inode): so a rotation that renames takes effect with the next line, and one that copies and truncates needs
//! nothing. A line that was written in part is left behind: the next begins on a line of its own.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Target;

/// Where lines are written.
pub(super) struct Outlet {
    /// None for a stream.
    path: Option<PathBuf>,
    open: Option<Open>,
}

/// Something that takes bytes, and which file that is.
struct Open {
    file: File,
    identity: (u64, u64),
    /// Whether its last line has no end.
    is_torn: bool,
}

impl Outlet {
    /// Opens the target. Blocks on the disk, never on a reader.
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        let (path, open) = match target {
            Target::File(path) => (Some(path.clone()), Open::file(path)?),
            Target::Stdout => (None, Open::stream(io::stdout().as_fd())?),
            Target::Stderr => (None, Open::stream(io::stderr().as_fd())?),
        };
        Ok(Self {
            path,
            open: Some(open),
        })
    }

    /// Opens the file anew before the next line.
    pub(super) fn close(&mut self) {
        if self.path.is_some() {
            self.open = None;
        }
    }

    /// Writes one line, which ends in a line end.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.current()?.write(line)
    }

    /// What is open, and still the file at the path.
    fn current(&mut self) -> io::Result<&mut Open> {
        if let Some(path) = &self.path {
            let is_same = |open: &Open| fs::metadata(path).is_ok_and(|at| open.identity == id(&at));
            if !self.open.as_ref().is_some_and(is_same) {
                self.open = None;
                self.open = Some(Open::file(path)?);
            }
        }
        let closed = || io::Error::new(ErrorKind::NotConnected, "the stream is closed");
        self.open.as_mut().ok_or_else(closed)
    }
}

impl Open {
    fn file(path: &Path) -> io::Result<Self> {
        // For reading too: so the system opens a named pipe at once, which is then refused, and does not wait for a reader.
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let found = file.metadata()?;
        let kind = found.file_type();
        if !kind.is_file() && !kind.is_char_device() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is no file"));
        }
        Ok(Self {
            is_torn: kind.is_file() && is_torn(&file, found.len())?,
            file,
            identity: id(&found),
        })
    }

    fn stream(stream: impl AsFd) -> io::Result<Self> {
        let file = File::from(stream.as_fd().try_clone_to_owned()?);
        Ok(Self {
            identity: id(&file.metadata()?),
            file,
            is_torn: false,
        })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let mut whole = Vec::new();
        let bytes = match self.is_torn {
            true => {
                whole.push(b'\n');
                whole.extend_from_slice(line);
                &whole
            }
            false => line,
        };
        let written = write_once(&mut self.file, bytes)?;
        if let Some(last) = written.checked_sub(1) {
            self.is_torn = bytes.get(last) != Some(&b'\n');
        }
        match written == bytes.len() {
            true => Ok(()),
            false => Err(io::Error::new(
                ErrorKind::WriteZero,
                "a line was written in part",
            )),
        }
    }
}

/// One write, however often a signal comes in between.
fn write_once(to: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match to.write(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}

fn is_torn(file: &File, length: u64) -> io::Result<bool> {
    let Some(last) = length.checked_sub(1) else {
        return Ok(false);
    };
    let mut byte = [0];
    Ok(file.read_at(&mut byte, last)? == 1 && byte != *b"\n")
}

fn id(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// The target's name for people.
pub(super) fn name(target: &Target) -> String {
    match target {
        Target::File(path) => path.display().to_string(),
        Target::Stdout => "standard output".to_owned(),
        Target::Stderr => "standard error".to_owned(),
    }
}
