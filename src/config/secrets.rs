//! Reads what the configuration refers to: secrets from files, environment and systemd credentials, and public keys.
//!
//! An error names where the secret was looked for, never what was found. Secrets that the world knows, because they are
//! printed in a manual or come with this program, are refused outside of a demo.

use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::files;
use super::load::Reads;
use super::raw::{Table, Value, is_unexpanded};
use crate::secret::SecretBytes;

/// How a variable of the environment is looked up; tests pass a map.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where secrets come from and how much is asked of them.
pub(super) struct Secrets<'a> {
    /// The folder of the configuration file, to which paths are relative.
    pub(super) folder: &'a Path,
    pub(super) env: Env<'a>,
    /// Takes note of every file that is looked at.
    pub(super) reads: &'a Reads,
    pub(super) files: SecretFiles,
    /// Whether keys that everybody knows are good enough.
    pub(super) demo: bool,
}

/// What to say about a secret's file that others than its owner can open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretFiles {
    Warn,
    Strict,
}

/// A place where a secret can be, as a message names it.
enum Source {
    File(PathBuf),
    Env(String),
    Credential(PathBuf),
}

/// A fault in a secret, with a hint.
type Fault = (String, String);

impl Secrets<'_> {
    /// The secret that `value` refers to, without the one line end that editors put there.
    pub(super) fn read(&self, value: &Value<'_>) -> Option<SecretBytes> {
        if value.is_text() {
            value.error("a secret does not stand in this file", REFERENCE);
            return None;
        }
        let source = self.source(&value.table(&["file", "env", "credential"])?)?;
        let read = self.fetch(&source, value).and_then(|bytes| {
            let bytes = without_line_end(bytes);
            check_content(&bytes, &source)?;
            Ok(bytes)
        });
        match read {
            Ok(bytes) => self.admit(bytes, &source, value),
            Err((problem, hint)) => {
                value.error(problem, hint);
                None
            }
        }
    }

    /// The content of a private key's file. Its name may stand alone: a path cannot be taken for a key.
    pub(super) fn read_private_key(&self, value: &Value<'_>) -> Option<Zeroizing<Vec<u8>>> {
        let source = match value.is_text() {
            true => {
                let text = value.text()?;
                if text.contains("-----BEGIN") {
                    value.error("a secret does not stand in this file", REFERENCE);
                    return None;
                }
                Source::File(self.folder.join(text))
            }
            false => self.source(&value.table(&["file", "env", "credential"])?)?,
        };
        match self.fetch(&source, value) {
            Ok(bytes) => Some(bytes),
            Err((problem, hint)) => {
                value.error(problem, hint);
                None
            }
        }
    }

    /// The content of a file that is not secret.
    pub(super) fn read_public(&self, value: &Value<'_>) -> Option<Vec<u8>> {
        let (bytes, _) = self.read_plain(value, MAX_FILE_BYTES)?;
        Some(bytes)
    }

    /// The content of a file with many lines, and the file as a message names it.
    pub(super) fn read_list(&self, value: &Value<'_>) -> Option<(Vec<u8>, String)> {
        let (bytes, source) = self.read_plain(value, MAX_LIST_BYTES)?;
        Some((bytes, source.shown()))
    }

    fn read_plain(&self, value: &Value<'_>, limit: u64) -> Option<(Vec<u8>, Source)> {
        let text = value.text()?;
        if text.contains("-----BEGIN") {
            value.error(
                "is a key, where the name of its file is expected",
                "put the key into a file beside this one",
            );
            return None;
        }
        let path = self.folder.join(text);
        self.reads.note(&path);
        let read = read_file(&path, limit);
        let source = Source::File(path);
        match read {
            Ok((bytes, _)) => Some((bytes.to_vec(), source)),
            Err(error) => {
                let (problem, hint) = self.unreadable(&source, &error);
                value.error(problem, hint);
                None
            }
        }
    }

    /// Whether a public key may be trusted: not the one whose private half comes with this program.
    pub(super) fn admit_modulus(&self, modulus: &[u8], value: &Value<'_>) -> bool {
        let fine = self.demo || !is_example(modulus);
        if !fine {
            value.error(EXAMPLE_KEY, EXAMPLE_HINT);
        }
        fine
    }

    fn source(&self, table: &Table<'_>) -> Option<Source> {
        let mut entries = table.entries();
        let (Some((kind, value)), None) = (entries.next(), entries.next()) else {
            table.report().error(
                table.place(),
                "must name one place where the secret is",
                REFERENCE,
            );
            return None;
        };
        let text = value.text()?;
        match kind {
            "file" => Some(Source::File(self.folder.join(text))),
            "env" => self.env_source(&value, text),
            "credential" => self.credential(&value, text),
            _ => None,
        }
    }

    fn env_source(&self, value: &Value<'_>, name: &str) -> Option<Source> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !name.bytes().all(is_name) {
            value.error(
                "is not the name of an environment variable",
                "the name only, as in { env = \"CHAT_SECRET_KEY\" }",
            );
            return None;
        }
        Some(Source::Env(name.to_owned()))
    }

    fn credential(&self, value: &Value<'_>, name: &str) -> Option<Source> {
        if name.contains('/') || name.starts_with('.') {
            value.error(
                "is not the name of a credential",
                "the name that LoadCredential= gives it, without a folder",
            );
            return None;
        }
        let Some(folder) = (self.env)("CREDENTIALS_DIRECTORY") else {
            value.error(
                "there are no credentials: CREDENTIALS_DIRECTORY is not set",
                "systemd sets it for a unit with LoadCredential= or LoadCredentialEncrypted=",
            );
            return None;
        };
        Some(Source::Credential(Path::new(&folder).join(name)))
    }

    fn fetch(&self, source: &Source, value: &Value<'_>) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let path = match source {
            Source::File(path) | Source::Credential(path) => path,
            Source::Env(name) => {
                return (self.env)(name)
                    .map(|text| Zeroizing::new(text.into_bytes()))
                    .ok_or_else(|| (format!("{} is not set", source.shown()), String::new()));
            }
        };
        self.reads.note(path);
        let (bytes, mode) =
            read_file(path, MAX_FILE_BYTES).map_err(|error| self.unreadable(source, &error))?;
        let is_open = mode & 0o066 != 0;
        // systemd keeps credentials in a folder that only the service can enter.
        if is_open && !self.demo && matches!(source, Source::File(_)) {
            let problem = format!(
                "{} can be opened by others (mode {:04o})",
                source.shown(),
                mode & 0o7777
            );
            match self.files {
                SecretFiles::Warn => value.warn(problem, CHMOD),
                SecretFiles::Strict => return Err((problem, CHMOD.to_owned())),
            }
        }
        Ok(bytes)
    }

    fn admit(
        &self,
        mut bytes: Zeroizing<Vec<u8>>,
        source: &Source,
        value: &Value<'_>,
    ) -> Option<SecretBytes> {
        if !self.demo && is_example(&bytes) {
            value.error(EXAMPLE_KEY, EXAMPLE_HINT);
            return None;
        }
        let at_an_end = [bytes.first(), bytes.last()];
        if at_an_end.into_iter().flatten().any(u8::is_ascii_whitespace) {
            value.warn(
                format!("{} starts or ends with white space", source.shown()),
                "it counts as part of the secret; only one line end is cut off",
            );
        }
        Some(SecretBytes::new(std::mem::take(&mut *bytes)))
    }

    fn unreadable(&self, source: &Source, error: &io::Error) -> Fault {
        let hint = match (source, error.kind()) {
            (Source::File(path), io::ErrorKind::NotFound) if path.starts_with(self.folder) => {
                "a path is relative to the folder of this file"
            }
            _ => "",
        };
        let problem = format!("{} cannot be read: {error}", source.shown());
        (problem, hint.to_owned())
    }
}

impl Source {
    /// The name of the place. Left out when it may be the secret itself, written where its place belongs.
    fn shown(&self) -> String {
        match self {
            Self::File(path) | Self::Credential(path)
                if looks_like_key(&path.to_string_lossy()) =>
            {
                "the file named here".to_owned()
            }
            Self::File(path) => format!("the file {}", path.display()),
            Self::Credential(path) => format!("the credential {}", path.display()),
            Self::Env(name) if looks_like_key(name) => {
                "the environment variable named here".to_owned()
            }
            Self::Env(name) => format!("the environment variable {name}"),
        }
    }
}

/// The modulus of an RSA public key in PEM with the usual exponent, if it is one.
pub(super) fn pem_modulus(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?;
    let body: String = text
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .map(str::trim)
        .collect();
    let der = STANDARD.decode(body).ok()?;
    // Both SPKI and PKCS#1 end in the modulus and then the exponent: INTEGER 65537.
    let before_exponent = der.strip_suffix(&[0x02, 0x03, 0x01, 0x00, 0x01])?;
    before_exponent
        .last_chunk::<256>()
        .map(|modulus| modulus.to_vec())
}

/// The moduli of the RSA keys in a JSON Web Key Set.
pub(super) fn jwks_moduli(set: &[u8]) -> Vec<Vec<u8>> {
    let set: serde_json::Value = serde_json::from_slice(set).unwrap_or_default();
    let keys = set.get("keys").and_then(|keys| keys.as_array());
    keys.into_iter()
        .flatten()
        .filter_map(|key| URL_SAFE_NO_PAD.decode(key.get("n")?.as_str()?).ok())
        .collect()
}

fn read_file(path: &Path, limit: u64) -> io::Result<(Zeroizing<Vec<u8>>, u32)> {
    let file = files::open(path)?;
    let metadata = file.metadata()?;
    if metadata.len() > limit {
        let text = format!("larger than {} MiB", limit >> 20);
        return Err(io::Error::other(text));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(READ_BUFFER));
    file.take(limit).read_to_end(&mut bytes)?;
    Ok((bytes, metadata.permissions().mode()))
}

fn without_line_end(mut bytes: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}

fn check_content(bytes: &[u8], source: &Source) -> Result<(), Fault> {
    let shown = source.shown();
    if bytes.is_empty() {
        return Err((format!("{shown} is empty"), String::new()));
    }
    let marks: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    if marks.iter().any(|mark| bytes.starts_with(mark)) {
        return Err((
            format!("{shown} starts with a byte order mark"),
            "save it as UTF-8 without BOM".to_owned(),
        ));
    }
    if std::str::from_utf8(bytes).is_ok_and(is_unexpanded) {
        return Err((
            format!("{shown} holds a variable that was not expanded"),
            "put the secret itself there".to_owned(),
        ));
    }
    Ok(())
}

/// Whether a name is so long and even that it may be a key: no words, only digits of some base.
pub(super) fn looks_like_key(name: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or(name);
    let is_run = |run: &str| run.len() >= 24 && run.bytes().any(|byte| byte.is_ascii_digit());
    base.len() > 128
        || name.contains("-----BEGIN")
        || name
            .bytes()
            .any(|byte| byte.is_ascii_control() || byte == b'=')
        || name.split(['/', '.', '_', '-']).any(is_run)
}

fn is_example(key: &[u8]) -> bool {
    let digest: [u8; 32] = Sha256::digest(key).into();
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    EXAMPLES.contains(&digest.as_str())
}

const REFERENCE: &str = "write { file = \"..\" }, { env = \"NAME\" } or { credential = \"name\" }";
const CHMOD: &str = "chmod 600";
const EXAMPLE_KEY: &str = "is an example key that everybody knows";
const EXAMPLE_HINT: &str = "make your own; only demo = true takes it, on loopback";
const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_LIST_BYTES: u64 = 64 << 20;
const READ_BUFFER: usize = 4096;

/// SHA-256 of keys that are printed somewhere.
const EXAMPLES: [&str; 9] = [
    // conf/demo: the Chat key, the session secret, the modulus of the session key pair.
    "ce9b4322426edf9ddcf8900794c1c8fec490570b0663356c6ab078ebd2db43ca",
    "f05a4a6e543716b0fd0d380ba3dd19051bf1fdaaefea4a49e68c271907edac79",
    "bc97f17f832d8ea9dab945bdb7cc27e396bb0dde8ae3f5ceaaf62f879213125a",
    // The sample key of Tencent's README files, and "0123456789abcdef" four times.
    "0345c13c214c9e350561aa9b921f426769fb351d294772f0eace4e6d773295b0",
    "a8ae6e6ee929abea3afcfc5258c8ccd6f85273e0d4626d26c7279f3250f77c8e",
    // The sample token of Tencent's page on webhooks.
    "024310abb337d26506849eab4a17c0bc57025cdb17637c9bf3845b850a83f79f",
    // The sample secrets of jwt.io for HS256, HS384 and HS512.
    "465d9ad5d5528ebe287b5dce4fb51620833d09b290e49ddcc70ca6c4a0aea01b",
    "730d21a80e61a8de82d12cb4c0b8057cff5a30e2dec50ce7a773513374f9164a",
    "db6833593279d7373592ef70e51f3daf048c04475739f8ed024b0821fd9e7fde",
];
