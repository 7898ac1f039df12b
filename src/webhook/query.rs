//! The query of a webhook, in the one reading that every parser shares, or a refusal.
//!
//! The app gets the query as it came and may read it with another parser than this one. So a name stands once, whatever its
//! case, and is spelled with letters that no parser changes; nothing stands for `&` but itself.

use super::sign::Sign;
use crate::time::UnixTime;

/// Why a query is not that of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// `SdkAppid`, `CallbackCommand`, `contenttype`, `Sign` or `RequestTime` is not there.
    #[error("a parameter is missing")]
    Missing,
    /// A parameter stands twice, also when the two differ in case.
    #[error("a parameter is repeated")]
    Repeated,
    /// A name, character or percent code that two parsers could read differently.
    #[error("a spelling that is ambiguous")]
    Spelling,
    /// A parameter does not have the form that Chat gives it.
    #[error("a parameter has another form")]
    Value,
}

/// What a webhook says of itself. Nothing of it is proved.
pub(super) struct Query {
    pub(super) sdk_app_id: u64,
    pub(super) command: String,
    pub(super) request_time: UnixTime,
    pub(super) sign: Sign,
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, QueryError> {
        let parameters = Parameters::parse(text)?;
        let [app, command, kind, sign, time] = [
            "SdkAppid",
            "CallbackCommand",
            "contenttype",
            "Sign",
            "RequestTime",
        ]
        .map(|name| parameters.find(name));
        if kind? != "json" {
            return Err(QueryError::Value);
        }
        let command = command?;
        if !is_command(command) {
            return Err(QueryError::Value);
        }
        Ok(Self {
            sdk_app_id: number(app?).ok_or(QueryError::Value)?,
            command: command.to_owned(),
            request_time: number(time?)
                .map(UnixTime::from_secs)
                .ok_or(QueryError::Value)?,
            sign: Sign::parse(sign?).ok_or(QueryError::Value)?,
        })
    }
}

/// Names as they stand with their decoded values.
struct Parameters<'q>(Vec<(&'q str, String)>);

impl<'q> Parameters<'q> {
    fn parse(text: &'q str) -> Result<Self, QueryError> {
        let mut found: Vec<(&str, String)> = Vec::new();
        // An empty pair says nothing to any parser.
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !is_name(name) || found.len() == MAX_PARAMETERS {
                return Err(QueryError::Spelling);
            }
            if found.iter().any(|(one, _)| one.eq_ignore_ascii_case(name)) {
                return Err(QueryError::Repeated);
            }
            found.push((name, decode(value).ok_or(QueryError::Spelling)?));
        }
        Ok(Self(found))
    }

    fn find(&self, name: &str) -> Result<&str, QueryError> {
        let found = self.0.iter().find(|(one, _)| *one == name);
        found
            .map(|(_, value)| value.as_str())
            .ok_or(QueryError::Missing)
    }
}

/// Some parsers cut, fold or nest a name that holds a space, a dot or a bracket, also as a percent code.
fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    !text.is_empty() && text.bytes().all(is_plain)
}

/// The dotted names of Chat's commands, as in `C2C.CallbackBeforeSendMsg`.
fn is_command(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._".contains(&byte);
    (1..=MAX_COMMAND).contains(&text.len()) && text.bytes().all(is_letter)
}

/// Replaces percent codes, unless a parser could see the end of a parameter in it or what it gives is no plain text.
fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(16 * digit()? + digit()?).ok()?
            }
            b';' => return None,
            byte if byte.is_ascii_graphic() => byte,
            _ => return None,
        });
    }
    let decoded = String::from_utf8(decoded).ok()?;
    (!decoded.chars().any(char::is_control)).then_some(decoded)
}

/// A whole number in the one way to write it.
fn number(text: &str) -> Option<u64> {
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// Chat sends seven; a URL of the console may have some of its own.
const MAX_PARAMETERS: usize = 32;
const MAX_COMMAND: usize = 128;

#[cfg(test)]
mod tests;
