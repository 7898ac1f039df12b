//! The file: a first line, then one record a line. Records are only ever added; a shorter file takes the place of the old.
//!
//! ```text
//! usersig-proxy state 1
//! 5f0c91a7e2d84b36 {"change":{"token":{"id":"9b…","until":1700000000}},"site":"app"}
//! └── first 8 bytes of the SHA-256 of the rest of the line
//! ```
//!
//! Without a lock on the file, two processes lose nothing: who adds looks afterwards whether the file still has its
//! name and otherwise adds again to the new one, and who puts a new one in place reads the old one's end afterwards.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Opened, StoreError};
use crate::json;
use crate::state::Change;
use crate::time::UnixTime;

/// A change and whose it is.
pub(super) struct Entry {
    pub(super) site: String,
    pub(super) change: Change,
}

/// The open file.
pub(super) struct Journal {
    path: PathBuf,
    pub(super) file: File,
    /// Up to here its records are known.
    read_to: u64,
    records: usize,
}

impl Journal {
    pub(super) fn open(
        path: &Path,
        now: UnixTime,
    ) -> Result<(Self, Vec<Entry>, Opened), StoreError> {
        // A rewrite takes the place of the file, not of a link to it.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let file = match open_file(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let journal = Self::create(&path, &[])?;
                return Ok((journal, Vec::new(), Opened::New));
            }
            Err(error) => return Err(fault("open", &path, error)),
        };
        let mut journal = Self {
            path,
            file,
            read_to: 0,
            records: 0,
        };
        let entries = journal.read_more()?;
        let records = entries.len();
        if !journal.has_torn_end()? {
            return Ok((journal, entries, Opened::Read { records }));
        }
        let copy = journal.keep_copy(now)?;
        let missed = journal.rewrite(&entries)?;
        let entries = entries.into_iter().chain(missed).collect();
        Ok((journal, entries, Opened::Torn { records, copy }))
    }

    /// The number of records in the file, as far as it was read.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// What was added since the last look; `None` when the file is gone.
    pub(super) fn read_new(&mut self) -> Result<Option<Vec<Entry>>, StoreError> {
        let mut entries = self.read_more()?;
        match self.has_its_name() {
            Ok(true) => return Ok(Some(entries)),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault("look at", &self.path, error)),
        }
        self.file = open_file(&self.path).map_err(|error| fault("open", &self.path, error))?;
        self.read_to = 0;
        self.records = 0;
        entries.extend(self.read_more()?);
        Ok(Some(entries))
    }

    /// Adds records and waits for the disk. Returns what another process added meanwhile.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<Vec<Entry>, StoreError> {
        let mut missed = Vec::new();
        if entries.is_empty() {
            return Ok(missed);
        }
        let lines: String = entries.iter().map(line).collect();
        for _ in 0..MAX_TRIES {
            self.add(lines.as_bytes(), entries.len())
                .map_err(|error| fault("write", &self.path, error))?;
            if self.has_its_name().is_ok_and(|has| has) {
                return Ok(missed);
            }
            let Some(new) = self.read_new()? else { break };
            missed.extend(new);
        }
        Err(fault("write", &self.path, io::ErrorKind::NotFound.into()))
    }

    /// Puts a file with just these records in the place of the old. Returns what another process added meanwhile.
    pub(super) fn rewrite(&mut self, entries: &[Entry]) -> Result<Vec<Entry>, StoreError> {
        let new = Self::create(&self.path, entries)?;
        let mut old = std::mem::replace(self, new);
        let missed = old.read_more()?;
        self.append(&missed)?;
        Ok(missed)
    }

    fn create(path: &Path, entries: &[Entry]) -> Result<Self, StoreError> {
        let text: String = [HEADER.to_owned()]
            .into_iter()
            .chain(entries.iter().map(line))
            .collect();
        let draft = with_suffix(path, &format!(".new-{}", std::process::id()));
        let write = || -> io::Result<File> {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, path)?;
            File::open(folder(path))?.sync_all()?;
            open_file(path)
        };
        let file = write().map_err(|error| {
            // The first error counts; a draft that stays behind does no harm.
            let _ = fs::remove_file(&draft);
            fault("write", path, error)
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            read_to: text.len() as u64,
            records: entries.len(),
        })
    }

    fn add(&mut self, lines: &[u8], count: usize) -> io::Result<()> {
        self.file.write_all(lines)?;
        self.file.sync_data()?;
        self.records += count;
        let end = self.read_to + lines.len() as u64;
        if self.file.metadata()?.len() == end {
            self.read_to = end;
        }
        Ok(())
    }

    /// The whole lines behind `read_to`.
    fn read_more(&mut self) -> Result<Vec<Entry>, StoreError> {
        let bytes = self
            .read_rest()
            .map_err(|error| fault("read", &self.path, error))?;
        let mut rest = bytes.as_slice();
        if self.read_to == 0 {
            let stripped = rest.strip_prefix(HEADER.as_bytes());
            rest = stripped.ok_or_else(|| StoreError::NotAStateFile {
                path: self.path.clone(),
            })?;
        }
        let whole = rest.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |index| index + 1);
        let lines = rest.get(..whole).unwrap_or_default();
        let entries = self.parse(lines)?;
        self.read_to += (bytes.len() - rest.len() + whole) as u64;
        self.records += entries.len();
        Ok(entries)
    }

    fn parse(&self, lines: &[u8]) -> Result<Vec<Entry>, StoreError> {
        let lines = lines.split_inclusive(|byte| *byte == b'\n');
        let damaged = |index| StoreError::Damaged {
            path: self.path.clone(),
            line: 2 + self.records + index,
        };
        lines
            .enumerate()
            .map(|(index, line)| parse_line(line).ok_or_else(|| damaged(index)))
            .collect()
    }

    fn read_rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(self.read_to))?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn has_torn_end(&self) -> Result<bool, StoreError> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|error| fault("look at", &self.path, error))?;
        Ok(metadata.len() > self.read_to)
    }

    fn has_its_name(&self) -> io::Result<bool> {
        let (named, open) = (fs::metadata(&self.path)?, self.file.metadata()?);
        Ok((named.dev(), named.ino()) == (open.dev(), open.ino()))
    }

    fn keep_copy(&self, now: UnixTime) -> Result<PathBuf, StoreError> {
        let mut number = now.as_secs();
        loop {
            let copy = with_suffix(&self.path, &format!(".torn-{number}"));
            match fs::hard_link(&self.path, &copy) {
                Ok(()) => return Ok(copy),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(fault("keep a copy of", &self.path, error)),
            }
        }
    }
}

fn line(entry: &Entry) -> String {
    let record = json!({ "site": entry.site, "change": entry.change.to_json() }).to_string();
    format!("{} {record}\n", checksum(record.as_bytes()))
}

fn parse_line(line: &[u8]) -> Option<Entry> {
    let (sum, record) = line
        .strip_suffix(b"\n")?
        .split_at_checked(CHECKSUM_DIGITS)?;
    let record = record.strip_prefix(b" ")?;
    if sum != checksum(record).as_bytes() {
        return None;
    }
    let mut record = json::parse_object(record).ok()?;
    let (site, change) = (record.remove("site")?, record.remove("change")?);
    let Value::String(site) = site else {
        return None;
    };
    let change = Change::from_json(change).ok()?;
    record.is_empty().then_some(Entry { site, change })
}

fn checksum(record: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(record).into();
    let first = digest.first_chunk().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(first))
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).open(path)
}

fn folder(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    parent.unwrap_or(Path::new("."))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn fault(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

const HEADER: &str = "usersig-proxy state 1\n";
const CHECKSUM_DIGITS: usize = 16;
/// How often another process may put a new file in place while one batch is written.
const MAX_TRIES: usize = 5;
