//! The lines that are printed, and the verdict they end in.

use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::input::Url;
use crate::cli::CliError;
use crate::rejection::Rejection;
use crate::server::redacted;
use crate::time::UnixTime;

/// What was found out, line by line.
#[derive(Default)]
pub(super) struct Report {
    facts: Vec<Fact>,
    route: Option<String>,
    user_id: Option<String>,
    refused: Option<Refused>,
}

#[derive(Serialize)]
struct Fact {
    label: &'static str,
    value: String,
}

/// The refusal as the client would see it, with the reason that the log would have.
struct Refused {
    status: u16,
    code: &'static str,
    reason: Option<&'static str>,
}

/// The whole as one JSON object.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    decision: &'static str,
    status: Option<u16>,
    code: Option<&'static str>,
    reason: Option<&'static str>,
    route: Option<&'a str>,
    user_id: Option<&'a str>,
    facts: &'a [Fact],
}

impl Report {
    /// Adds a line. Claims, headers and the path may hold any text, so it is one line, without what a terminal would obey.
    pub(super) fn say(&mut self, label: &'static str, value: impl Into<String>) {
        let value = printable(&value.into());
        self.facts.push(Fact { label, value });
    }

    /// What is asked about. A query may hold a token, so it is not repeated, nor what has the shape of one in the path.
    pub(super) fn request(&mut self, method: &str, url: &Url) {
        let path = redacted(url.path());
        let query = if url.has_query() { "?…" } else { "" };
        let host = url.host.as_deref().unwrap_or_default();
        self.say("request", format!("{method} {host}{path}{query}"));
    }

    /// The label of the route, as logs and metrics have it.
    pub(super) fn note_route(&mut self, route: &str) {
        self.route = Some(route.to_owned());
    }

    /// The Chat account.
    pub(super) fn note_user(&mut self, user_id: &str) {
        self.user_id = Some(user_id.to_owned());
    }

    /// The end of a request that may pass.
    pub(super) fn permit(&mut self) {
        self.say("decision", PERMITTED);
    }

    /// The end of a request that may not: what the client sees, and the stage that refused it.
    pub(super) fn refuse(&mut self, rejection: &Rejection, stage: &str) {
        let status = rejection.status();
        let refused = Refused {
            status: status.as_u16(),
            code: rejection.code(),
            reason: rejection.reason(),
        };
        self.say("decision", REFUSED);
        self.say("status", refused.status.to_string());
        self.say("code", refused.code);
        if let Some(reason) = refused.reason {
            self.say("reason", reason);
        }
        self.say("stage", stage);
        self.refused = Some(refused);
    }

    /// Prints all, and gives the exit code of the verdict.
    pub(super) fn print(&self, as_json: bool) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        if as_json {
            serde_json::to_writer(&mut out, &self.document()).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            for Fact { label, value } in &self.facts {
                writeln!(out, "{label}: {value}")?;
            }
        }
        match self.refused {
            Some(_) => Err(CliError::Told(1)),
            None => Ok(()),
        }
    }

    fn document(&self) -> Document<'_> {
        let refused = self.refused.as_ref();
        Document {
            decision: if refused.is_some() {
                REFUSED
            } else {
                PERMITTED
            },
            status: refused.map(|refused| refused.status),
            code: refused.map(|refused| refused.code),
            reason: refused.and_then(|refused| refused.reason),
            route: self.route.as_deref(),
            user_id: self.user_id.as_deref(),
            facts: &self.facts,
        }
    }
}

/// A stranger's text without anything that a terminal would obey.
fn printable(text: &str) -> String {
    let escape = |letter: char| match letter {
        '"' | '\'' | '\\' => letter.to_string(),
        _ => letter.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}

/// A moment for people, with what lies between it and `now`.
pub(super) fn moment(time: UnixTime, now: UnixTime) -> String {
    // The formatter knows years up to 9999.
    let seconds = time.as_secs().min(LAST_SECOND);
    let text = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    let text = text.map(|time| humantime::format_rfc3339_seconds(time).to_string());
    let text = text.unwrap_or_default();
    match time > now {
        true => format!("{text}, in {} s", time.saturating_since(now).as_secs()),
        false => format!("{text}, {} s ago", now.saturating_since(time).as_secs()),
    }
}

/// Names with commas between, or a word for none.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>, none: &str) -> String {
    let names: Vec<_> = names.into_iter().collect();
    match names.is_empty() {
        true => none.to_owned(),
        false => names.join(", "),
    }
}

const PERMITTED: &str = "permitted";
const REFUSED: &str = "refused";
const LAST_SECOND: u64 = 253_402_300_799;
