//! A line of the audit: which members it has, and how long each may be.
//!
//! ```json
//! {"time":"2026-11-30T20:15:07.123Z","request_id":"…","site":"default","subject":"42","issuer":"app","user_id":"42",
//!  "roles":["member"],"rule":"members","command":"openim/sendmsg","concerns":["bob"],"acting":["42"],
//!  "decision":"allowed","reason":null,"error_code":0,"duration_ms":12.345}
//! ```
//!
//! Every line has every member; what is not known is `null` or an empty list. It is ASCII, whatever a body or a claim holds:
//! what ends a line for some reader, or moves the cursor of a terminal, is a `\u` escape.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::proxy::{AuditRecord, fingerprint};

/// A record as it is written.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    time: String,
    request_id: String,
    site: String,
    subject: Option<String>,
    issuer: Option<String>,
    user_id: Option<String>,
    roles: Vec<String>,
    rule: Option<String>,
    command: Option<String>,
    concerns: Vec<String>,
    acting: Vec<String>,
    decision: &'static str,
    reason: Option<&'static str>,
    error_code: Option<i64>,
    duration_ms: f64,
    #[serde(skip)]
    is_logged: AtomicBool,
}

impl Line {
    pub(super) fn of(record: &AuditRecord) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(|text| bounded(text, MAX_TEXT));
        Self {
            time: humantime::format_rfc3339_millis(record.time).to_string(),
            request_id: record.request_id.clone(),
            site: record.site.clone(),
            subject: text(&record.subject),
            issuer: text(&record.issuer),
            user_id: text(&record.user_id),
            roles: list(&record.roles),
            rule: record.rule.as_deref().map(|rule| bounded(rule, MAX_TEXT)),
            command: text(&record.command),
            concerns: list(&record.concerns),
            acting: list(&record.acting),
            decision: record.decision,
            reason: record.reason,
            error_code: record.error_code,
            duration_ms: (record.duration.as_secs_f64() * 1e6).round() / 1e3,
            is_logged: AtomicBool::new(false),
        }
    }

    /// The line with its end.
    pub(super) fn to_json(&self) -> Vec<u8> {
        // Texts and numbers that are finite cannot fail.
        let json = serde_json::to_string(self).unwrap_or_default();
        let mut line = String::with_capacity(json.len() + 1);
        for letter in json.chars() {
            match letter {
                ' '..='~' => line.push(letter),
                other => escape(other, &mut line),
            }
        }
        line.push('\n');
        line.into_bytes()
    }

    /// Writes it to the log, with lists as words between spaces.
    pub(super) fn log(&self) {
        tracing::info!(
            target: "usersig_proxy::audit",
            request_id = self.request_id,
            site = self.site,
            subject = self.subject,
            issuer = self.issuer,
            user_id = self.user_id,
            roles = self.roles.join(" "),
            command = self.command,
            rule = self.rule,
            acting = self.acting.join(" "),
            concerns = self.concerns.join(" "),
            decision = self.decision,
            reason = self.reason,
            error_code = self.error_code,
            duration_ms = self.duration_ms,
            "call"
        );
    }

    /// The same, unless it stands there already; says whether it did not.
    pub(super) fn log_once(&self) -> bool {
        let is_first = !self.is_logged.swap(true, Ordering::Relaxed);
        if is_first {
            self.log();
        }
        is_first
    }
}

/// The first letters of a text, a sign that there are more, and what tells it from others that begin so.
fn bounded(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => {
            let beginning = text.get(..end).unwrap_or_default();
            format!("{beginning}{MORE}{}", fingerprint(text))
        }
        None => text.to_owned(),
    }
}

/// The first items of a list, and how many more there are.
fn list(items: &[String]) -> Vec<String> {
    let more = items.len().saturating_sub(MAX_ITEMS);
    let more = (more > 0).then(|| format!("+{more} more"));
    let first = items.iter().take(MAX_ITEMS);
    first
        .map(|item| bounded(item, MAX_ITEM))
        .chain(more)
        .collect()
}

fn escape(letter: char, line: &mut String) {
    for unit in letter.encode_utf16(&mut [0; 2]) {
        // Writing to memory cannot fail.
        let _ = write!(line, "\\u{unit:04x}");
    }
}

/// Letters of a text that stands alone.
const MAX_TEXT: usize = 128;
/// Letters of an item: twice as many as a UserID may have, and more than a chosen id of a group.
const MAX_ITEM: usize = 64;
const MAX_ITEMS: usize = 100;
const MORE: &str = "…";

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value, json};

    use super::*;

    fn record() -> AuditRecord {
        AuditRecord {
            time: UNIX_EPOCH + Duration::from_millis(1_796_069_707_045),
            request_id: "00ff".to_owned(),
            site: "default".to_owned(),
            subject: None,
            issuer: None,
            user_id: None,
            roles: Vec::new(),
            rule: None,
            command: None,
            concerns: Vec::new(),
            acting: Vec::new(),
            decision: "token_missing",
            reason: None,
            error_code: None,
            duration: Duration::from_micros(1_234),
        }
    }

    #[test]
    fn every_line_has_every_member_in_its_order() {
        let line = Line::of(&record()).to_json();
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"time\":\"2026-11-30T20:15:07.045Z\",\"request_id\":\"00ff\",\"site\":\"default\",\"subject\":null,\
             \"issuer\":null,\"user_id\":null,\"roles\":[],\"rule\":null,\"command\":null,\"concerns\":[],\"acting\":[],\
             \"decision\":\"token_missing\",\"reason\":null,\"error_code\":null,\"duration_ms\":1.234}\n"
        );
        let known = AuditRecord {
            subject: Some("a@b".to_owned()),
            issuer: Some("app".to_owned()),
            user_id: Some("u_42".to_owned()),
            roles: vec!["admin".to_owned(), "member".to_owned()],
            rule: Some("members".into()),
            command: Some("openim/sendmsg".to_owned()),
            concerns: vec!["bob".to_owned()],
            acting: vec!["u_42".to_owned()],
            decision: "allowed",
            reason: Some("no_answer"),
            error_code: Some(-1),
            ..record()
        };
        let line: Value = serde_json::from_slice(&Line::of(&known).to_json()).unwrap();
        let mut expected = json!({
            "time": "2026-11-30T20:15:07.045Z", "request_id": "00ff", "site": "default", "subject": "a@b", "issuer": "app",
            "user_id": "u_42", "roles": ["admin", "member"], "rule": "members", "command": "openim/sendmsg",
            "concerns": ["bob"], "acting": ["u_42"], "decision": "allowed", "reason": "no_answer", "error_code": -1,
        });
        expected["duration_ms"] = json!(1.234);
        assert_eq!(line, expected);
    }

    #[test]
    fn h6_no_text_ends_a_line_or_leaves_ascii() {
        let hostile = "a\r\n{\"decision\":\"allowed\"}\u{0}\u{1b}[2J\u{7f}\u{85}\u{2028}\u{2029}é\u{1f600}\"\\";
        let record = AuditRecord {
            subject: Some(hostile.to_owned()),
            concerns: vec![hostile.to_owned()],
            ..record()
        };
        let line = Line::of(&record).to_json();
        let (end, text) = line.split_last().unwrap();
        assert_eq!(*end, b'\n');
        assert!(text.iter().all(|byte| (b' '..=b'~').contains(byte)));
        let read: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(read["subject"], hostile);
        assert_eq!(read["concerns"], json!([hostile]));
    }

    #[test]
    fn texts_and_lists_are_bounded() {
        let long = AuditRecord {
            subject: Some("\u{1f600}".repeat(100_000)),
            roles: vec!["r".repeat(65); 223],
            concerns: vec!["c".repeat(64); 100],
            ..record()
        };
        let line: Value = serde_json::from_slice(&Line::of(&long).to_json()).unwrap();
        let subject = line["subject"].as_str().unwrap();
        let beginning = format!("{}…#", "\u{1f600}".repeat(128));
        assert!(subject.starts_with(&beginning), "{subject}");
        // Of `printf 'r%.0s' $(seq 65) | sha256sum`.
        let role = format!("{}…#c75c685455641076", "r".repeat(64));
        let mut roles = vec![role.as_str(); 100];
        roles.push("+123 more");
        assert_eq!(line["roles"], json!(roles));
        assert_eq!(line["concerns"], json!(vec!["c".repeat(64); 100]));
    }

    #[test]
    fn texts_that_begin_alike_are_told_apart() {
        let beginning = "@TGS#_".repeat(12);
        let items = ["a", "b"].map(|end| format!("{beginning}{end}"));
        let [first, second] = items.map(|item| bounded(&item, MAX_ITEM));
        assert_ne!(first, second);
    }
}
