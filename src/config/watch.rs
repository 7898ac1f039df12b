//! Whether the configuration's files have changed: what a reload waits for.
//!
//! Files are looked at by name, through every link, so that a new file moved over the old one and the links that
//! orchestrators swap are seen like an edit. Looking reads no content.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The files that a configuration was read from, as they stood when they were, and the pattern of its sites' files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    files: BTreeMap<PathBuf, Option<Stamp>>,
    pattern: Option<String>,
}

/// How the files stood at one moment. Two that are equal were taken of files with the same content, unless somebody
/// set out to deceive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<PathBuf, Option<Stamp>>);

/// A version of a file: which, how large, and when it was last written or swapped.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Watched {
    /// Notes a file that is about to be read, or that should be there.
    pub(super) fn note(&mut self, file: &Path) {
        let stamp = stamp(file);
        self.files.entry(file.to_owned()).or_insert(stamp);
    }

    pub(super) fn note_pattern(&mut self, pattern: String) {
        self.pattern = Some(pattern);
    }

    /// The files of both; where both have one, as the later stood.
    pub fn and(self, later: Self) -> Self {
        let mut files = self.files;
        files.extend(later.files);
        Self {
            files,
            pattern: later.pattern.or(self.pattern),
        }
    }

    /// The same files as they stand now, with those that the pattern matches now. Blocks on the disk.
    pub fn anew(&self) -> Self {
        Self {
            files: self.as_it_is().0,
            pattern: self.pattern.clone(),
        }
    }

    /// How the files stood when they were read.
    pub fn as_read(&self) -> Fingerprint {
        Fingerprint(self.files.clone())
    }

    /// How they stand now; one that cannot be looked at counts as absent. Blocks on the disk.
    pub fn as_it_is(&self) -> Fingerprint {
        let matched = self.pattern.as_deref().map(expand);
        let matched = matched.and_then(Result::ok).unwrap_or_default();
        let files = self.files.keys().cloned().chain(matched);
        Fingerprint(files.map(|file| (file.clone(), stamp(&file))).collect())
    }
}

/// Why it is not known which files a pattern matches.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExpandError {
    #[error("is not a pattern of file names")]
    Pattern,
    #[error("{} cannot be looked into: {source}", folder.display())]
    Unreadable { folder: PathBuf, source: io::Error },
}

/// The files that a pattern matches, in the order of their names. A folder that cannot be looked into is an error: the
/// sites in it would be gone.
pub(super) fn expand(pattern: &str) -> Result<Vec<PathBuf>, ExpandError> {
    let folders = Path::new(pattern).ancestors().skip(1);
    let folders = folders.filter_map(|folder| folder.to_str());
    for folders in folders.take_while(|folder| folder.contains(['*', '?', '['])) {
        for folder in matched(folders)? {
            check_folder(folder)?;
        }
    }
    matched(pattern)
}

fn matched(pattern: &str) -> Result<Vec<PathBuf>, ExpandError> {
    let paths = glob::glob(pattern).map_err(|_| ExpandError::Pattern)?;
    let unreadable = |error: glob::GlobError| ExpandError::Unreadable {
        folder: error.path().to_owned(),
        source: error.into(),
    };
    paths.map(|path| path.map_err(unreadable)).collect()
}

/// What a pattern goes through has to be a folder that can be entered. Files beside folders, and links to nothing, do
/// not count.
fn check_folder(folder: PathBuf) -> Result<(), ExpandError> {
    match fs::metadata(folder.join(".")) {
        Err(source) if !is_no_folder(&source) => Err(ExpandError::Unreadable { folder, source }),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn is_no_folder(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    kinds.contains(&error.kind())
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok()?;
    Some(Stamp {
        inode: (metadata.dev(), metadata.ino()),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn o3_every_way_to_change_a_file_shows() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("sites")).unwrap();
        fs::write(path("main.toml"), "a").unwrap();
        fs::write(path("v1"), "one").unwrap();
        fs::write(path("v2"), "two").unwrap();
        symlink(path("v1"), path("link")).unwrap();
        let read = || {
            let mut watched = Watched::default();
            for name in ["main.toml", "link", "absent"] {
                watched.note(&path(name));
            }
            let pattern = format!("{}/*.toml", path("sites").display());
            for site in expand(&pattern).unwrap() {
                watched.note(&site);
            }
            watched.note_pattern(pattern);
            watched
        };
        let changes: [(&str, &dyn Fn()); 6] = [
            ("written", &|| fs::write(path("main.toml"), "ab").unwrap()),
            ("moved over", &|| {
                fs::write(path("new"), "ab").unwrap();
                fs::rename(path("new"), path("main.toml")).unwrap();
            }),
            ("link swapped", &|| {
                symlink(path("v2"), path("link.new")).unwrap();
                fs::rename(path("link.new"), path("link")).unwrap();
            }),
            ("appeared", &|| fs::write(path("absent"), "").unwrap()),
            ("a site more", &|| {
                fs::write(path("sites/a.toml"), "").unwrap()
            }),
            ("removed", &|| fs::remove_file(path("main.toml")).unwrap()),
        ];
        for (case, change) in changes {
            let watched = read();
            assert_eq!(watched.as_read(), watched.as_it_is(), "{case}");
            change();
            assert_ne!(watched.as_read(), watched.as_it_is(), "{case}");
        }
        let watched = read();
        fs::write(path("sites/notes.txt"), "").unwrap();
        assert_eq!(watched.as_read(), watched.as_it_is(), "not one of ours");
    }

    #[test]
    fn a_folder_that_cannot_be_looked_into_hides_no_site() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("a")).unwrap();
        for name in ["a/site.toml", "notes.txt"] {
            fs::write(path(name), "").unwrap();
        }
        symlink(path("nothing"), path("b")).unwrap();
        let patterns =
            ["*/*.toml", "*/site.toml"].map(|end| format!("{}/{end}", folder.path().display()));
        for pattern in &patterns {
            assert_eq!(expand(pattern).unwrap(), [path("a/site.toml")], "{pattern}");
        }
        symlink("c", path("c")).unwrap();
        for pattern in &patterns {
            let error = expand(pattern).unwrap_err().to_string();
            let beginning = format!("{} cannot be looked into: ", path("c").display());
            assert!(error.starts_with(&beginning), "{pattern}: {error}");
        }
    }

    #[test]
    fn a_refused_attempt_leaves_nothing_unwatched() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("both"), "").unwrap();
        let (mut before, mut later) = (Watched::default(), Watched::default());
        before.note(&path("both"));
        before.note(&path("only before"));
        fs::write(path("both"), "changed").unwrap();
        later.note(&path("both"));
        later.note(&path("only later"));
        let all = before.and(later);
        assert_eq!(all.as_read(), all.as_it_is());
        for name in ["only before", "only later"] {
            fs::write(path(name), "").unwrap();
            assert_ne!(all.as_read(), all.as_it_is(), "{name}");
            fs::remove_file(path(name)).unwrap();
        }
    }
}
