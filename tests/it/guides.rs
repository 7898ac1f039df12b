//! The guides and the README against the program: every configuration in them is run through `check`, every table through
//! what it is a table of.
//!
//! A block with the language `toml` is a whole configuration, unless the line before it is `<!-- check: NAME -->`: then its
//! sections stand in place of the sections of the same name in `conf/NAME`, as the guides tell their readers.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use usersig_proxy::rejection::Rejection;

use crate::monitoring::{read, root, rows};
use crate::support::program::{Finished, finish, program};
use crate::support::proxy::CHAT_KEY;
use crate::support::tokens::SECRET;

/// A configuration in a document.
struct Block {
    place: String,
    text: String,
}

#[test]
fn every_configuration_in_a_guide_is_good() {
    let blocks: Vec<_> = documents().iter().flat_map(|file| blocks(file)).collect();
    assert!(blocks.len() >= 12, "{}", blocks.len());
    let folder = folder();
    for block in &blocks {
        let finished = check(folder.path(), &block.text);
        assert_eq!(
            finished.code,
            Some(0),
            "{}: {}",
            block.place,
            finished.stderr
        );
        let warned = finished
            .stdout
            .lines()
            .filter(|line| line.starts_with("warning"));
        assert_eq!(
            warned.collect::<Vec<_>>(),
            Vec::<&str>::new(),
            "{}",
            block.place
        );
    }
}

/// What the test above looks for: a key that does not exist, in a whole block and in one that completes another file.
#[test]
fn a_configuration_with_a_wrong_key_is_found() {
    let folder = folder();
    let guide = root().join("src/guide/django.md");
    let good = &blocks(&guide)[0].text;
    assert_eq!(check(folder.path(), good).code, Some(0));
    for (right, wrong) in [
        ("max_lifetime = ", "max_life = "),
        ("\"/user_id\"", "\"user_id\""),
        ("access = \"session\"", "access = \"sessions\""),
    ] {
        assert!(good.contains(right), "{right}");
        let finished = check(folder.path(), &good.replace(right, wrong));
        assert_eq!(finished.code, Some(1), "{wrong}: {finished:?}");
    }
    let base = "[a]\none = 1\n[[b]]\nx = 1\n[[b]]\nx = 2\n[c]\nkept = 1\n";
    let block = "[a]\ntwo = 2\n[[b]]\nx = 3\n";
    assert_eq!(
        completed(base, block),
        "[c]\nkept = 1\n\n[a]\ntwo = 2\n[[b]]\nx = 3\n"
    );
}

/// Every public code stands in the guide's table and in the README's, with the same status, and nothing else does.
#[test]
fn the_tables_of_refusals_are_those_of_the_code() {
    let guide = read("src/guide/refusals.md");
    let readme = read("README.md");
    let readme = rows(&readme, "| status | code | what to do |");
    let mut listed = BTreeSet::new();
    for row in rows(&guide, "| code | status | meaning | what to do |") {
        let (code, status) = (row[0].trim_matches('`').to_owned(), &row[1]);
        assert!(row[2].len() > 5 && row[3].len() > 5, "{code}");
        let places = readme
            .iter()
            .filter(|row| row[1].contains(&format!("`{code}`")));
        let is_same = places
            .clone()
            .any(|row| row[0].split(' ').any(|found| found == status));
        assert!(is_same, "{code} {status} in the README");
        assert!(listed.insert(code.clone()), "{code} is there twice");
    }
    let codes: BTreeSet<_> = Rejection::CODES.map(str::to_owned).into();
    assert_eq!(listed, codes);
}

/// The modules of the guide and the files are the same.
#[test]
fn every_guide_is_in_the_documentation() {
    let module = read("src/guide.rs");
    for file in documents()
        .iter()
        .filter(|file| !file.ends_with("README.md"))
    {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let include = format!("#[doc = include_str!(\"guide/{name}.md\")]\npub mod {name} {{}}");
        assert!(module.contains(&include), "{name}");
    }
}

/// The configurations of a guide, complete.
pub(crate) fn configurations(guide: &str) -> Vec<String> {
    let blocks = blocks(&root().join(format!("src/guide/{guide}.md")));
    blocks.into_iter().map(|block| block.text).collect()
}

fn documents() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("src/guide")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.push(root().join("README.md"));
    files.sort();
    assert!(files.len() > 8, "{files:?}");
    files
}

fn blocks(file: &Path) -> Vec<Block> {
    let text = fs::read_to_string(file).unwrap();
    let (mut found, mut lines, mut base) = (Vec::new(), text.lines().enumerate(), None);
    while let Some((number, line)) = lines.next() {
        let indented = line.len() - line.trim_start().len();
        match line.trim() {
            "```toml" => {
                let inside = lines.by_ref().map(|(_, line)| line);
                let inside = inside.take_while(|line| line.trim() != "```");
                let block: String = inside
                    .map(|line| format!("{}\n", line.get(indented..).unwrap_or_default()))
                    .collect();
                let text = match base.take() {
                    Some(name) => completed(&read(&format!("conf/{name}")), &block),
                    None => block,
                };
                let place = format!("{}:{}", file.display(), number + 1);
                found.push(Block { place, text });
            }
            line => {
                let marker = line.strip_prefix("<!-- check: ");
                base = marker.and_then(|rest| rest.strip_suffix(" -->"));
            }
        }
    }
    found
}

/// The base without the sections that the block has, and then the block.
fn completed(base: &str, block: &str) -> String {
    let heads: BTreeSet<_> = block.lines().filter(|line| line.starts_with('[')).collect();
    let mut is_kept = true;
    let kept = base.lines().filter(|line| {
        if line.starts_with('[') {
            is_kept = !heads.contains(line);
        }
        is_kept
    });
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    format!("{kept}\n{block}")
}

/// What the configurations name: secrets, keys, a list of revoked users.
pub(crate) fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let key = fs::read_to_string(root().join("tests/keys/rsa-2048.pem")).unwrap();
    let other_key = CHAT_KEY.replace("7e57", "7e58");
    for (name, text) in [
        ("chat-secret-key", CHAT_KEY),
        ("session-secret", SECRET),
        ("next-key", other_key.as_str()),
        ("digest-key", SECRET),
        ("redis-password", SECRET),
        ("app.pub", key.as_str()),
        ("revoked.txt", "user app 27149\n"),
        ("both-keys.json", KEY_SET),
    ] {
        write(name, text);
    }
    folder
}

/// Runs `check` on a configuration in the folder. Absolute folders of a container or a host are the same folder here.
pub(crate) fn check(folder: &Path, text: &str) -> Finished {
    let here = folder.to_str().unwrap();
    let text = text
        .replace("/var/run/secrets/usersig-proxy/", &format!("{here}/"))
        .replace("/var/lib/usersig-proxy/", &format!("{here}/"));
    let file = folder.join("proxy.toml");
    fs::write(&file, text).unwrap();
    let mut command = program(["check"]);
    let command = command
        .arg(file)
        .env("CHAT_SECRET_KEY", CHAT_KEY)
        .env("SESSION_SECRET", SECRET)
        .env("CREDENTIALS_DIRECTORY", folder);
    finish(command)
}

/// The RSA key of RFC 7517, appendix A.1.
const KEY_SET: &str = r#"{"keys":[{"kty":"RSA","alg":"RS256","kid":"2011-04-29","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}]}"#;
