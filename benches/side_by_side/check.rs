//! Answers that are looked at before anything is timed: what is timed must be the work that is meant.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;

use super::load::Load;
use super::subjects::Subject;

/// An answer, and whose it is.
pub(crate) struct Answer {
    of: String,
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header that it has once at most.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let (_, value) = fields.find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// Ends the bench, with the answer, unless `holds`.
    #[track_caller]
    pub(crate) fn must(&self, holds: bool) {
        let body = String::from_utf8_lossy(&self.body);
        assert!(holds, "{}:\n{}{body}", self.of, self.head);
    }
}

/// Sends the request with the token in this line to a subject.
pub(crate) fn fetch(subject: &Subject, load: &Load, line: usize, folder: &Path) -> Answer {
    let body = folder.join("answer");
    let mut curl = Command::new("curl");
    curl.args(["-s", "-D", "-", "-X", load.method, "-o"])
        .arg(&body);
    if let Some(path) = &load.tokens {
        let file = BufReader::new(File::open(path).unwrap());
        let token = file.lines().nth(line).unwrap().unwrap();
        curl.arg("-H").arg(format!("Authorization: Bearer {token}"));
    }
    if !load.body.is_empty() {
        curl.args(["-H", "Content-Type: application/json", "--data-raw"])
            .arg(&load.body);
    }
    let target = &load.targets[line % load.targets.len()];
    curl.arg(format!("http://{}{target}", subject.process.address));
    let output = curl.output().expect("needs curl");
    let head = String::from_utf8_lossy(&output.stdout).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        of: format!("{} {target}", subject.name),
        status: status.unwrap_or_else(|| panic!("{} did not answer", subject.name)),
        head,
        body: fs::read(body).unwrap(),
    }
}
