//! Failures to order: what the next calls of the REST API meet instead of, or on the way to, their answer.
//!
//! A rule holds for a number of calls, of one command or of all; the oldest rule that fits is used up first. An order with an
//! unknown member or word is refused, because a fault that never comes lets a test pass for nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::json::Object;

/// What a call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The command is carried out; only the answer takes its time.
    Slow,
    /// Nothing is carried out; the answer has this `ErrorCode`.
    Code(u32),
    /// Nothing is carried out, and the connection ends without an answer.
    Cut,
    /// The command is carried out, and the connection ends without an answer.
    CutAfter,
    /// A gateway's error page, HTTP 502, that repeats the request's URL with the UserSig in it.
    Html,
    /// An answer in Chat's shape (60002) that repeats the request's URL with the UserSig in it.
    Echo,
    /// HTTP 302 to `/sandbox/redirected` with the same query.
    Redirect,
}

/// The orders that are not yet used up, oldest first.
#[derive(Default)]
pub(super) struct Faults(Vec<Rule>);

struct Rule {
    left: u64,
    command: Option<String>,
    fault: Fault,
    delay: Duration,
}

/// Why an order is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OrderError {
    #[error("unknown member: there are \"as\", \"next\", \"command\" and \"delay_ms\"")]
    UnknownMember,
    #[error(
        "\"as\" is missing or unknown: an ErrorCode of 4 to 6 digits, \"slow\", \"cut\", \"cut_after\", \"html\", \"echo\" or \"redirect\""
    )]
    As,
    #[error("\"next\" is a number of calls, 1 or more")]
    Next,
    #[error("\"command\" is a text like \"openim/sendmsg\"")]
    Command,
    #[error(
        "\"delay_ms\" is a number of milliseconds, 60000 at most; \"slow\" needs one of 1 or more"
    )]
    Delay,
    #[error("100 orders are open: DELETE /sandbox/fail takes them back")]
    TooMany,
}

impl Faults {
    /// Takes an order such as `{"next": 3, "as": "60007", "command": "openim/sendmsg"}`.
    pub(super) fn order(&mut self, order: &Object) -> Result<(), OrderError> {
        let is_known =
            |name: &String| ["as", "next", "command", "delay_ms"].contains(&name.as_str());
        if !order.keys().all(is_known) {
            return Err(OrderError::UnknownMember);
        }
        let fault = Fault::parse(order.get("as")).ok_or(OrderError::As)?;
        let rule = Rule {
            left: next(order.get("next")).ok_or(OrderError::Next)?,
            command: command(order.get("command"))?,
            fault,
            delay: delay(order.get("delay_ms"), fault).ok_or(OrderError::Delay)?,
        };
        if self.0.len() >= MAX_RULES {
            return Err(OrderError::TooMany);
        }
        self.0.push(rule);
        Ok(())
    }

    /// What this call meets, and after which delay; uses the order up by one.
    pub(super) fn take(&mut self, command: &str) -> Option<(Fault, Duration)> {
        let fits = |rule: &Rule| {
            rule.command
                .as_deref()
                .is_none_or(|wanted| wanted == command)
        };
        let index = self.0.iter().position(fits)?;
        let rule = self.0.get_mut(index)?;
        rule.left -= 1;
        let met = (rule.fault, rule.delay);
        if rule.left == 0 {
            self.0.remove(index);
        }
        Some(met)
    }

    /// The open orders, in the members that order them.
    pub(super) fn list(&self) -> Value {
        let rules = self.0.iter().map(|rule| {
            json!({
                "as": rule.fault.name(),
                "next": rule.left,
                "command": rule.command,
                "delay_ms": u64::try_from(rule.delay.as_millis()).unwrap_or(u64::MAX),
            })
        });
        json!({ "orders": rules.collect::<Vec<_>>() })
    }

    /// Takes all orders back.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Fault {
    fn parse(word: Option<&Value>) -> Option<Self> {
        let code = match word? {
            Value::String(word) => match WORDS.iter().find(|(name, _)| name == word) {
                Some((_, fault)) => return Some(*fault),
                None if word.bytes().all(|byte| byte.is_ascii_digit()) => word.parse().ok()?,
                None => return None,
            },
            other => other.as_u64()?,
        };
        let code = u32::try_from(code).ok()?;
        (1000..=999_999).contains(&code).then_some(Self::Code(code))
    }

    /// The word that orders it.
    pub(super) fn name(self) -> String {
        match (self, WORDS.iter().find(|(_, fault)| *fault == self)) {
            (Self::Code(code), _) => code.to_string(),
            (_, Some((name, _))) => (*name).to_owned(),
            (_, None) => String::new(),
        }
    }
}

fn next(value: Option<&Value>) -> Option<u64> {
    match value {
        None => Some(1),
        Some(value) => value.as_u64().filter(|next| *next > 0),
    }
}

fn command(value: Option<&Value>) -> Result<Option<String>, OrderError> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) if text.split('/').count() == 2 => Ok(Some(text.clone())),
        Some(_) => Err(OrderError::Command),
    }
}

fn delay(value: Option<&Value>, fault: Fault) -> Option<Duration> {
    let milliseconds = match value {
        None => 0,
        Some(value) => value.as_u64().filter(|delay| *delay <= MAX_DELAY_MS)?,
    };
    let is_useless = fault == Fault::Slow && milliseconds == 0;
    (!is_useless).then_some(Duration::from_millis(milliseconds))
}

const WORDS: [(&str, Fault); 6] = [
    ("slow", Fault::Slow),
    ("cut", Fault::Cut),
    ("cut_after", Fault::CutAfter),
    ("html", Fault::Html),
    ("echo", Fault::Echo),
    ("redirect", Fault::Redirect),
];

const MAX_RULES: usize = 100;
const MAX_DELAY_MS: u64 = 60_000;
