//! Adds one member to a JSON text and leaves every other byte as it is.
//!
//! Decoding and encoding again would change numbers (2.50, 2^53 + 1), the order of members and escapes. So the place is
//! found by reading along, and the member is written into the text there. A text that two readers could read
//! differently is refused, and so is a place that is taken: nothing of the app's is ever overwritten. Nothing here knows
//! what the member means; the edge calls it with the app's answer to a login.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Deserializer, Value};

use super::{JsonError, JsonPointer, array_index, parse_object, parse_value};

/// Why a member was not added. The text is then to be passed on as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// The text is not one strict JSON object.
    #[error("the text cannot take a member: {0}")]
    NotStrict(#[from] JsonError),
    /// The member's value is not one strict JSON value.
    #[error("the new member is not usable: {0}")]
    BadMember(JsonError),
    /// What the new member would stand in is absent or is not an object.
    #[error("there is no object to put the member into")]
    NoParent,
    /// A member of this name is there already, also with the value null or in an escaped spelling.
    #[error("there is a member of this name already")]
    Occupied,
    /// With the member the text would be nested deeper than readers take.
    #[error("the text would be nested too deep")]
    TooDeep,
}

/// Gives `text` with a member of the JSON value `member` at `pointer`, as the last one of its object.
///
/// The object must be there: none is made on the way, and an array takes no member. The result is strict JSON again.
pub fn insert(text: &[u8], pointer: &JsonPointer, member: &str) -> Result<Vec<u8>, InsertError> {
    parse_object(text)?;
    parse_value(member.as_bytes()).map_err(InsertError::BadMember)?;
    let text = std::str::from_utf8(text).map_err(|_| JsonError::Syntax)?;
    let (name, parents) = pointer.0.split_last().ok_or(InsertError::NoParent)?;
    let mut cursor = Cursor { rest: text };
    if !parents.iter().all(|token| cursor.enter(token)) || !cursor.take('{') {
        return Err(InsertError::NoParent);
    }
    let comma = match cursor.walk_members(name) {
        Walk::Found => return Err(InsertError::Occupied),
        Walk::Missing => ",",
        Walk::Empty => "",
    };
    let tail = cursor.rest;
    let head = text.strip_suffix(tail).ok_or(InsertError::NoParent)?;
    let name = Value::from(name.as_str());
    let grown = format!("{head}{comma}{name}:{member}{tail}").into_bytes();
    // Both parts are strict, so only their depth can be in the way.
    let most_levels = pointer.0.len() + member.matches(['{', '[']).count();
    match most_levels <= SURELY_READ || parse_object(&grown).is_ok() {
        true => Ok(grown),
        false => Err(InsertError::TooDeep),
    }
}

/// Every reader takes so many levels; ours takes 127.
const SURELY_READ: usize = 64;

/// Reads along a text that is known to be strict JSON.
struct Cursor<'a> {
    rest: &'a str,
}

/// Where a walk over the members of an object ended.
enum Walk {
    /// At the value of the member that was looked for.
    Found,
    /// Right behind the last member.
    Missing,
    /// Right behind the opening brace of an object without members.
    Empty,
}

impl Cursor<'_> {
    /// Steps to the value that `token` names in the object or array ahead; `false` if there is none.
    fn enter(&mut self, token: &str) -> bool {
        if self.take('{') {
            return matches!(self.walk_members(token), Walk::Found);
        }
        match array_index(token) {
            Some(index) if self.take('[') => {
                (0..index).all(|_| self.read::<IgnoredAny>().is_some() && self.take(','))
            }
            _ => false,
        }
    }

    /// Steps over the members of an object whose brace was taken.
    fn walk_members(&mut self, name: &str) -> Walk {
        let mut end = Walk::Empty;
        while let Some(found) = self.read::<String>() {
            self.take(':');
            if found == name {
                return Walk::Found;
            }
            self.read::<IgnoredAny>();
            end = Walk::Missing;
            if !self.take(',') {
                break;
            }
        }
        end
    }

    /// Steps over `symbol`, if that comes next after white space; stays otherwise.
    fn take(&mut self, symbol: char) -> bool {
        let ahead = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        match ahead.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Steps over the next value, if it is a `T`; stays otherwise.
    fn read<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut values = Deserializer::from_str(self.rest).into_iter::<T>();
        let value = values.next()?.ok()?;
        self.rest = self.rest.get(values.byte_offset()..)?;
        Some(value)
    }
}

#[cfg(test)]
mod tests;
