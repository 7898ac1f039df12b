//! Strict JSON: an object whose member names are unique at every depth, and pointers into it.
//!
//! RFC 8259 leaves open what a reader does with a repeated name, so two readers may see two documents in one text. What
//! this program judges must read the same to everybody: a repeated name is an error here. Depth is bounded by
//! `serde_json` at 128 levels, and a number outside the range of its type is an error rather than rounded to infinity.

pub mod insert;

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A JSON object with unique member names.
pub type Object = Map<String, Value>;

/// Why a text is not a strict JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON in UTF-8, nested too deep, or with a number out of range.
    #[error("not valid JSON")]
    Syntax,
    /// One object names a member twice, also when one spelling is escaped.
    #[error("a member name is repeated")]
    DuplicateMember,
    /// Valid, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
}

/// Parses `text` as one JSON object with nothing after it.
pub fn parse_object(text: &[u8]) -> Result<Object, JsonError> {
    match parse_value(text)? {
        Value::Object(object) => Ok(object),
        _ => Err(JsonError::NotAnObject),
    }
}

/// Parses `text` as one JSON value with unique member names and nothing after it.
pub fn parse_value(text: &[u8]) -> Result<Value, JsonError> {
    match serde_json::from_slice::<Unique>(text) {
        Ok(Unique(value)) => Ok(value),
        Err(error) if error.to_string().starts_with(DUPLICATE) => Err(JsonError::DuplicateMember),
        Err(_) => Err(JsonError::Syntax),
    }
}

/// A pointer into a JSON document (RFC 6901) that is not empty: `/sub`, `/user/id`, `/roles/0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPointer(Vec<String>);

/// Why a text is not a usable JSON pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonPointerError {
    /// A pointer starts with a slash; the empty pointer, which names the whole document, is of no use here.
    #[error("a JSON pointer starts with \"/\", as in \"/sub\"")]
    NoLeadingSlash,
    /// A tilde stands before something other than 0 or 1 (RFC 6901 section 3).
    #[error("in a JSON pointer \"~\" is written \"~0\" and \"/\" is written \"~1\"")]
    BadEscape,
}

impl JsonPointer {
    /// Parses the string form of RFC 6901.
    pub fn parse(text: &str) -> Result<Self, JsonPointerError> {
        let rest = text
            .strip_prefix('/')
            .ok_or(JsonPointerError::NoLeadingSlash)?;
        rest.split('/')
            .map(unescape_token)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The value the pointer names, if the document has it.
    pub fn find<'a>(&self, object: &'a Object) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter()
            .try_fold(object.get(first)?, |value, token| match value {
                Value::Object(members) => members.get(token),
                Value::Array(items) => items.get(array_index(token)?),
                _ => None,
            })
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|token| write!(f, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}

fn unescape_token(token: &str) -> Result<String, JsonPointerError> {
    let escapes_are_known = token
        .split('~')
        .skip(1)
        .all(|after| after.starts_with(['0', '1']));
    if !escapes_are_known {
        return Err(JsonPointerError::BadEscape);
    }
    Ok(token.replace("~1", "/").replace("~0", "~"))
}

fn array_index(token: &str) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with(['0', '+']);
    canonical.then(|| token.parse().ok()).flatten()
}

/// A value that was read with the rule of unique names.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Unique)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Unique(value))) = members.next_entry::<String, Unique>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(object))
    }
}

const DUPLICATE: &str = "repeated member name";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_are_refused_at_every_depth() {
        for text in [
            r#"{"sub":"1","sub":"1"}"#,
            r#"{"sub":"1","s\u0075b":"2"}"#,
            r#"{"a":[{"b":{"c":1,"c":2}}]}"#,
        ] {
            assert_eq!(
                parse_object(text.as_bytes()),
                Err(JsonError::DuplicateMember),
                "{text}"
            );
        }
        let twin = parse_object(br#"{"sub":"1","Sub":"2","a":[{"c":1},{"c":2}]}"#).unwrap();
        assert_eq!(twin.len(), 3);
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for (name, text, error) in [
            ("array", &b"[]"[..], JsonError::NotAnObject),
            ("trailing text", b"{} {}", JsonError::Syntax),
            ("byte order mark", b"\xef\xbb\xbf{}", JsonError::Syntax),
            ("invalid UTF-8", b"{\"a\":\"\xff\"}", JsonError::Syntax),
            ("lone surrogate", br#"{"a":"\ud800"}"#, JsonError::Syntax),
            ("number out of range", br#"{"a":1e400}"#, JsonError::Syntax),
            ("too deep", deep.as_bytes(), JsonError::Syntax),
            ("empty", b"", JsonError::Syntax),
        ] {
            assert_eq!(parse_object(text), Err(error), "{name}");
        }
        assert!(parse_object(b" {\"a\": [1, 2.5, null, true]} \n").is_ok());
    }

    #[test]
    fn integers_keep_their_exact_value() {
        let object = parse_object(br#"{"a":9007199254740993,"b":-9007199254740993}"#).unwrap();
        assert_eq!(object["a"].as_u64(), Some(9_007_199_254_740_993));
        assert_eq!(object["b"].as_i64(), Some(-9_007_199_254_740_993));
    }

    #[test]
    fn pointers_find_members_items_and_escaped_names() {
        let object =
            parse_object(br#"{"sub":"u","user":{"id":7},"roles":["a","b"],"a/b~c":1}"#).unwrap();
        let find = |pointer| JsonPointer::parse(pointer).unwrap().find(&object).cloned();
        assert_eq!(find("/sub"), Some("u".into()));
        assert_eq!(find("/user/id"), Some(7.into()));
        assert_eq!(find("/roles/1"), Some("b".into()));
        assert_eq!(find("/a~1b~0c"), Some(1.into()));
        for absent in ["/none", "/sub/x", "/roles/2", "/roles/01", "/roles/-"] {
            assert_eq!(find(absent), None, "{absent}");
        }
    }

    #[test]
    fn pointers_that_name_nothing_are_refused() {
        assert_eq!(
            JsonPointer::parse("sub"),
            Err(JsonPointerError::NoLeadingSlash)
        );
        assert_eq!(
            JsonPointer::parse(""),
            Err(JsonPointerError::NoLeadingSlash)
        );
        assert_eq!(JsonPointer::parse("/a~2"), Err(JsonPointerError::BadEscape));
        let text = "/a~1b~0c/0";
        assert_eq!(JsonPointer::parse(text).unwrap().to_string(), text);
    }
}
