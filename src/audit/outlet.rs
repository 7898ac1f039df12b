//! The open end of the audit: a file that others may move away or empty at any time, or a stream of the process.
//!
//! A line is one write to the end of the file. Before each, the file at the path is compared with the one that is open
//! (device and inode): so a rotation that renames takes effect with the next line, and one that copies and truncates needs
//! nothing. A line that was written in part is left behind: the next begins on a line of its own.
//!
//! A stream is shared with whatever else the process prints, the log above all. A line is written to its end under the lock
//! of the standard library, which those others hold for as long as they write.

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
    /// None for a file.
    stream: Option<Stream>,
    /// Whether its last line has no end.
    is_torn: bool,
}

/// A stream of the process.
#[derive(Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

impl Outlet {
    /// Opens the target. Blocks on the disk, never on a reader.
    pub(super) fn open(target: &Target) -> io::Result<Self> {
        let (path, open) = match target {
            Target::File(path) => (Some(path.clone()), Open::file(path)?),
            Target::Stdout => (None, Open::stream(io::stdout(), Stream::Stdout)?),
            Target::Stderr => (None, Open::stream(io::stderr(), Stream::Stderr)?),
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
            stream: None,
        })
    }

    /// Through a descriptor of its own: the standard library keeps an error of a closed stream to itself.
    fn stream(to: impl AsFd, stream: Stream) -> io::Result<Self> {
        let file = File::from(to.as_fd().try_clone_to_owned()?);
        Ok(Self {
            identity: id(&file.metadata()?),
            file,
            stream: Some(stream),
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
        let written = match self.stream {
            Some(stream) => stream.alone(|| write_on(&mut self.file, bytes))?,
            None => write_once(&mut self.file, bytes)?,
        };
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

impl Stream {
    /// Does it while nobody else in the process writes to the stream.
    fn alone<T>(self, write: impl FnOnce() -> T) -> T {
        match self {
            Self::Stdout => {
                let mut held = io::stdout().lock();
                // What others left in its buffer comes first; whether it can be written they find out.
                let _ = held.flush();
                write()
            }
            Self::Stderr => {
                let _held = io::stderr().lock();
                write()
            }
        }
    }
}

/// Writes until all is written or no more can be; an error only when nothing was.
fn write_on(to: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while let Some(rest @ [_, ..]) = bytes.get(written..) {
        match write_once(to, rest) {
            Ok(0) => break,
            Ok(more) => written += more,
            Err(error) if written == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(written)
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    /// Writes as [`crate::telemetry`] does, which takes the lock once for several lines, while lines of the audit come.
    fn torn_lines(stream: Stream, log: fn(&mut UnixStream)) -> Vec<String> {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        let mut outlet = Outlet {
            path: None,
            open: Some(Open::stream(writer.try_clone().unwrap(), stream).unwrap()),
        };
        let audit = thread::spawn(move || {
            for _ in 0..LINES {
                outlet.write(AUDIT_LINE.as_bytes()).unwrap();
            }
        });
        let log = thread::spawn(move || (0..LINES).for_each(|_| log(&mut writer)));
        let lines = BufReader::new(reader).lines().map(Result::unwrap);
        let whole = [AUDIT_LINE.trim_end(), LOG_LINE.concat().trim_end()].map(str::to_owned);
        let torn = lines.filter(|line| !whole.contains(line)).collect();
        audit.join().unwrap();
        log.join().unwrap();
        torn
    }

    fn write_halves(to: &mut UnixStream) {
        for half in LOG_LINE {
            to.write_all(half.as_bytes()).unwrap();
            thread::yield_now();
        }
    }

    #[test]
    fn a_line_on_a_stream_neither_tears_another_nor_is_torn() {
        let stderr = |to: &mut UnixStream| {
            let _held = io::stderr().lock();
            write_halves(to);
        };
        let stdout = |to: &mut UnixStream| {
            let _held = io::stdout().lock();
            write_halves(to);
        };
        assert_eq!(torn_lines(Stream::Stderr, stderr), [""; 0]);
        assert_eq!(torn_lines(Stream::Stdout, stdout), [""; 0]);
    }

    /// Takes a few bytes at a time, and then none.
    struct Slow(Vec<u8>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let free = 7 - self.0.len();
            if free == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            let taken = bytes.iter().take(free.min(3));
            self.0.extend(taken.copied());
            Ok(bytes.len().min(free.min(3)))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stream_gets_a_line_to_its_end_or_says_that_it_did_not() {
        let mut slow = Slow(Vec::new());
        assert_eq!(write_on(&mut slow, b"12345\n").unwrap(), 6);
        assert_eq!(slow.0, b"12345\n");
        assert_eq!(write_on(&mut slow, b"67\n").unwrap(), 1);
        assert!(write_on(&mut slow, b"7\n").is_err());
    }

    const LINES: usize = 2000;
    const AUDIT_LINE: &str = "a line of the audit\n";
    const LOG_LINE: [&str; 2] = ["one half of a line of the log, ", "and the other\n"];
}
