//! The body of a webhook: one JSON object, of which one member is read.
//!
//! Its texts are those of chat users, who may send whatever JSON can spell, also halves of surrogate pairs. A webhook that
//! is refused for that would be a way around the app's moderation, so nothing but `CallbackCommand` is looked into. The
//! bytes go to the app as they came.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::json::JsonError;

/// The command that the body of a webhook names, if it names one as text.
pub(super) fn command_of(body: &[u8]) -> Result<Option<String>, JsonError> {
    match serde_json::from_slice::<Named>(body) {
        Ok(Named(Command::Text(command))) => Ok(Some(command)),
        Ok(Named(Command::None)) => Ok(None),
        Ok(Named(Command::Repeated)) => Err(JsonError::DuplicateMember),
        Err(_) if is_json(body) => Err(JsonError::NotAnObject),
        Err(_) => Err(JsonError::Syntax),
    }
}

/// Whether it is JSON of another kind than an object.
fn is_json(body: &[u8]) -> bool {
    let is_object = body.trim_ascii_start().starts_with(b"{");
    !is_object && serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

enum Command {
    None,
    Text(String),
    Repeated,
}

struct Named(Command);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members).map(Self)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Command;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Command, A::Error> {
        let mut command = Command::None;
        let mut is_named = false;
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            if name != COMMAND {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = members.next_value::<Value>()?;
            command = match value {
                _ if is_named => Command::Repeated,
                Value::String(text) => Command::Text(text),
                _ => return Err(A::Error::custom("the command is no text")),
            };
            is_named = true;
        }
        Ok(command)
    }
}

const COMMAND: &str = "CallbackCommand";

#[cfg(test)]
mod tests {
    use super::*;

    fn command(body: impl AsRef<[u8]>) -> Result<Option<String>, JsonError> {
        command_of(body.as_ref())
    }

    #[test]
    fn whatever_a_user_can_write_passes() {
        let named = Ok(Some("C2C.CallbackBeforeSendMsg".to_owned()));
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        for text in [
            r#""half a pair \ud83d""#.as_bytes(),
            br#""the other half \udc00 and \u0000""#,
            b"\"not UTF-8 \xff\"",
            r#""a repeated member", "Text": 1"#.as_bytes(),
            b"1e999",
            deep.as_bytes(),
        ] {
            let body = [
                br#"{"Text":"#.as_slice(),
                text,
                br#","CallbackCommand":"C2C.CallbackBeforeSendMsg"}"#,
            ];
            let shown = text.get(..40).unwrap_or(text);
            assert_eq!(command(body.concat()), named, "{shown:?}");
        }
    }

    #[test]
    fn the_command_is_one_text_of_one_object() {
        for (body, expected) in [
            (r#"{"A":{"CallbackCommand":"x"}}"#, Ok(None)),
            (r#"{"Callback\u0043ommand":"x"}"#, Ok(Some("x".to_owned()))),
            (
                r#"{"CallbackCommand":"x","Callback\u0043ommand":"x"}"#,
                Err(JsonError::DuplicateMember),
            ),
            (r#"{"CallbackCommand":1}"#, Err(JsonError::Syntax)),
            (r#"{"CallbackCommand":"x"} {}"#, Err(JsonError::Syntax)),
            (r#"{"CallbackCommand":"x""#, Err(JsonError::Syntax)),
            (r#"{"A":"\ud8"}"#, Err(JsonError::Syntax)),
            ("", Err(JsonError::Syntax)),
            (r#""x""#, Err(JsonError::NotAnObject)),
            ("[{}]", Err(JsonError::NotAnObject)),
        ] {
            assert_eq!(command(body), expected, "{body}");
        }
    }
}
