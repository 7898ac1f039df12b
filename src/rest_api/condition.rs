//! Conditions on other fields of a body than the acting one.
//!
//! A field is `/Name`, `/Name/Name`, or with `*` every item of an array: `/MemberList/*/Member_Account`. Chat takes a string in
//! some commands where it takes an array in others, so a value that is an array is judged item by item, and a single
//! value as the only item. What is absent meets no condition unless that is marked as optional; an empty array is absent.

use std::fmt;

use serde_json::Value;

use super::loose::{self, Misspelled};
use crate::identity::UserId;
use crate::json::Object;

/// What a field of a body must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The field.
    pub field: FieldPath,
    /// What is asked of it.
    pub test: Test,
    /// Whether it may be absent.
    pub optional: bool,
}

/// What is asked of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Every value is a string that one of the patterns matches.
    Matches(Vec<Wildcard>),
    /// Every value is one of these strings, whole numbers or booleans.
    OneOf(Vec<Value>),
    /// Every value is the caller's UserID.
    OnlyCaller,
    /// There are at most so many values.
    MaxItems(usize),
    /// The field is not there.
    Absent,
}

/// A field, or with `*` every item of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Items,
}

/// Why a text is not a [`FieldPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a field is written \"/GroupId\", or with \"*\" for every item \"/MemberList/*/Member_Account\""
)]
pub struct FieldPathError;

/// A text in which `*` stands for any characters, also none. It always means the whole string, and case counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wildcard(String);

/// Why a text is not a [`Wildcard`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pattern is not empty, and only \"*\" stands for any characters; no \"?\", \"[\" or \"{{\""
)]
pub struct WildcardError;

/// Why a body does not meet a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ConditionError {
    /// The field is not there.
    #[error("a field that a condition asks for is absent")]
    Absent,
    /// The field is there and must not be.
    #[error("a field is there that a condition forbids")]
    Present,
    /// A value is none of those that are allowed.
    #[error("a field has a value that a condition does not allow")]
    Value,
    /// A value, or what it stands in, has another type than the condition is about.
    #[error("a field has another type than a condition is about")]
    Type,
    /// There are more values than allowed.
    #[error("a field has more items than a condition allows")]
    TooMany,
    /// A member looks like the field and is spelled otherwise.
    #[error("a member is spelled almost like a field of a condition")]
    Misspelled,
}

impl From<Misspelled> for ConditionError {
    fn from(_: Misspelled) -> Self {
        Self::Misspelled
    }
}

impl Condition {
    pub(super) fn check(&self, body: &Object, caller: &UserId) -> Result<(), ConditionError> {
        let mut found = Found::default();
        found.gather_member(body, &self.field.0)?;
        if let Test::Absent = self.test {
            return match found.is_empty() {
                true => Ok(()),
                false => Err(ConditionError::Present),
            };
        }
        if found.is_incomplete && !self.optional {
            return Err(ConditionError::Absent);
        }
        match &self.test {
            Test::Matches(patterns) => found.each(|value| {
                let text = value.as_str().ok_or(ConditionError::Type)?;
                allow(patterns.iter().any(|pattern| pattern.matches(text)))
            }),
            Test::OneOf(values) => found.each(|value| allow(values.contains(value))),
            Test::OnlyCaller => found.each(|value| {
                let text = value.as_str().ok_or(ConditionError::Type)?;
                allow(text == caller.as_str())
            }),
            Test::MaxItems(most) if found.values.len() > *most => Err(ConditionError::TooMany),
            Test::MaxItems(_) | Test::Absent => Ok(()),
        }
    }
}

fn allow(is_allowed: bool) -> Result<(), ConditionError> {
    match is_allowed {
        true => Ok(()),
        false => Err(ConditionError::Value),
    }
}

/// The values that a field has in a body.
#[derive(Default)]
struct Found<'b> {
    values: Vec<&'b Value>,
    /// Whether it is there in whatever form, an empty array included.
    is_there: bool,
    /// Whether it is absent somewhere that it could stand.
    is_incomplete: bool,
}

impl<'b> Found<'b> {
    fn gather(&mut self, value: &'b Value, path: &[Token]) -> Result<(), ConditionError> {
        match (path.split_first(), value) {
            (None, value) => self.take(value),
            (Some((Token::Name(_), _)), Value::Object(object)) => {
                return self.gather_member(object, path);
            }
            (Some((Token::Items, rest)), Value::Array(items)) => {
                self.is_incomplete |= items.is_empty();
                for item in items {
                    self.gather(item, rest)?;
                }
            }
            (Some(_), _) => return Err(ConditionError::Type),
        }
        Ok(())
    }

    fn gather_member(&mut self, object: &'b Object, path: &[Token]) -> Result<(), ConditionError> {
        let Some((Token::Name(name), rest)) = path.split_first() else {
            return Err(ConditionError::Type);
        };
        match loose::find(object, name)? {
            Some(value) => self.gather(value, rest),
            None => {
                self.is_incomplete = true;
                Ok(())
            }
        }
    }

    fn take(&mut self, value: &'b Value) {
        self.is_there = true;
        match value {
            Value::Array(items) => {
                self.is_incomplete |= items.is_empty();
                self.values.extend(items);
            }
            single => self.values.push(single),
        }
    }

    fn is_empty(&self) -> bool {
        !self.is_there
    }

    fn each(
        &self,
        check: impl Fn(&Value) -> Result<(), ConditionError>,
    ) -> Result<(), ConditionError> {
        self.values.iter().try_for_each(|value| check(value))
    }
}

impl FieldPath {
    /// Parses `/Name/*/Name`.
    pub fn parse(text: &str) -> Result<Self, FieldPathError> {
        let rest = text.strip_prefix('/').ok_or(FieldPathError)?;
        let tokens = rest.split('/').map(|token| match token {
            "*" => Ok(Token::Items),
            name if is_name(name) => Ok(Token::Name(name.to_owned())),
            _ => Err(FieldPathError),
        });
        let tokens: Vec<Token> = tokens.collect::<Result<_, _>>()?;
        let starts_with_name = matches!(tokens.first(), Some(Token::Name(_)));
        match starts_with_name && tokens.len() <= MAX_TOKENS {
            true => Ok(Self(tokens)),
            false => Err(FieldPathError),
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| match token {
            Token::Name(name) => write!(f, "/{name}"),
            Token::Items => f.write_str("/*"),
        })
    }
}

impl fmt::Display for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Wildcard {
    /// Takes a text that is not empty.
    pub fn parse(text: &str) -> Result<Self, WildcardError> {
        match text.is_empty() || text.contains(['?', '[', ']', '{', '}']) {
            true => Err(WildcardError),
            false => Ok(Self(text.to_owned())),
        }
    }

    fn matches(&self, text: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else {
            return self.0 == text;
        };
        let Some(mut text) = text.strip_prefix(start) else {
            return false;
        };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*') {
            let Some(at) = text.find(part) else {
                return false;
            };
            text = text.get(at + part.len()..).unwrap_or_default();
        }
        text.ends_with(end)
    }
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.bytes().all(is_letter)
}

const MAX_TOKENS: usize = 8;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::identity::ReservedNames;

    fn check(field: &str, test: &Test, optional: bool, body: Value) -> Result<(), ConditionError> {
        let caller = UserId::parse("u7", &ReservedNames::default()).unwrap();
        let condition = Condition {
            field: FieldPath::parse(field).unwrap(),
            test: test.clone(),
            optional,
        };
        condition.check(body.as_object().unwrap(), &caller)
    }

    fn patterns(texts: &[&str]) -> Test {
        let parse = |text: &&str| Wildcard::parse(text).unwrap();
        Test::Matches(texts.iter().map(parse).collect())
    }

    #[test]
    fn a_condition_holds_for_a_string_and_for_every_item_of_an_array() {
        use ConditionError::{Absent, Misspelled, Type, Value};
        let test = patterns(&["team-*", "lobby"]);
        for (body, result) in [
            (json!({"GroupId": "team-1"}), Ok(())),
            (json!({"GroupId": ["team-1", "lobby"]}), Ok(())),
            (json!({"GroupId": ["team-1", "board"]}), Err(Value)),
            (json!({"GroupId": "board"}), Err(Value)),
            (json!({"GroupId": "TEAM-1"}), Err(Value)),
            (json!({"GroupId": "lobby2"}), Err(Value)),
            (json!({"GroupId": [["team-1"]]}), Err(Type)),
            (json!({"GroupId": {"a": "team-1"}}), Err(Type)),
            (json!({"GroupId": 1}), Err(Type)),
            (json!({"GroupId": null}), Err(Type)),
            (json!({"GroupId": []}), Err(Absent)),
            (json!({}), Err(Absent)),
            (
                json!({"GroupId": "team-1", "groupid": "board"}),
                Err(Misspelled),
            ),
            (json!({"groupid": "team-1"}), Err(Misspelled)),
        ] {
            assert_eq!(
                check("/GroupId", &test, false, body.clone()),
                result,
                "{body}"
            );
        }
        assert_eq!(check("/GroupId", &test, true, json!({})), Ok(()));
        assert_eq!(
            check("/GroupId", &test, true, json!({"GroupId": "x"})),
            Err(Value)
        );
    }

    #[test]
    fn only_the_caller_may_stand_in_every_item() {
        use ConditionError::{Absent, Misspelled, Type, Value};
        let field = "/MemberList/*/Member_Account";
        for (body, result) in [
            (json!({"MemberList": [{"Member_Account": "u7"}]}), Ok(())),
            (
                json!({"MemberList": [{"Member_Account": ["u7"]}, {"Member_Account": "u7"}]}),
                Ok(()),
            ),
            (
                json!({"MemberList": [{"Member_Account": "u7"}, {"Member_Account": "u8"}]}),
                Err(Value),
            ),
            (
                json!({"MemberList": [{"Member_Account": "u7"}, {}]}),
                Err(Absent),
            ),
            (
                json!({"MemberList": [{"Member_Account": "u7"}, "u8"]}),
                Err(Type),
            ),
            (json!({"MemberList": {"Member_Account": "u7"}}), Err(Type)),
            (
                json!({"MemberList": [{"member_account": "u8", "Member_Account": "u7"}]}),
                Err(Misspelled),
            ),
            (json!({"MemberList": []}), Err(Absent)),
            (json!({"MemberList": [{"Member_Account": 7}]}), Err(Type)),
        ] {
            assert_eq!(
                check(field, &Test::OnlyCaller, false, body.clone()),
                result,
                "{body}"
            );
        }
        let optional = check(field, &Test::OnlyCaller, true, json!({"MemberList": [{}]}));
        assert_eq!(optional, Ok(()));
    }

    #[test]
    fn items_are_counted_whatever_their_shape() {
        use ConditionError::{Absent, TooMany};
        let test = Test::MaxItems(2);
        for (field, body, result) in [
            ("/To_Account", json!({"To_Account": ["a", "b"]}), Ok(())),
            ("/To_Account", json!({"To_Account": "a"}), Ok(())),
            (
                "/To_Account",
                json!({"To_Account": ["a", "b", "c"]}),
                Err(TooMany),
            ),
            ("/To_Account", json!({}), Err(Absent)),
            (
                "/L/*/N",
                json!({"L": [{"N": ["a"]}, {"N": ["b", "c"]}]}),
                Err(TooMany),
            ),
            ("/L/*", json!({"L": [1, 2, 3]}), Err(TooMany)),
        ] {
            assert_eq!(check(field, &test, false, body.clone()), result, "{body}");
        }
    }

    #[test]
    fn a_field_is_one_of_some_values_or_not_there_at_all() {
        use ConditionError::{Misspelled, Present, Value};
        let test = Test::OneOf(vec![json!("Public"), json!(1), json!(false)]);
        for (value, result) in [
            (json!("Public"), Ok(())),
            (json!(1), Ok(())),
            (json!([1, false]), Ok(())),
            (json!("1"), Err(Value)),
            (json!(1.0), Err(Value)),
            (json!(true), Err(Value)),
            (json!(null), Err(Value)),
        ] {
            let body = json!({"Type": value});
            assert_eq!(check("/Type", &test, false, body.clone()), result, "{body}");
        }
        let absent = |body| check("/Force", &Test::Absent, false, body);
        assert_eq!(absent(json!({})), Ok(()));
        for value in [json!(null), json!([]), json!({}), json!(0)] {
            assert_eq!(absent(json!({"Force": value})), Err(Present));
        }
        assert_eq!(absent(json!({"force": 1})), Err(Misspelled));
    }

    #[test]
    fn patterns_mean_the_whole_string() {
        for (pattern, text, result) in [
            ("*", "", true),
            ("*", "anything", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("a*b", "ab", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c", false),
            ("a*bc*c", "abcc", true),
            ("a*bc*c", "abc", false),
            ("ab", "ab", true),
            ("ab", "abc", false),
            ("ü*", "üx", true),
        ] {
            let parsed = Wildcard::parse(pattern).unwrap();
            assert_eq!(parsed.matches(text), result, "{pattern} {text}");
        }
        for text in ["", "a?", "[ab]", "{a,b}"] {
            assert_eq!(Wildcard::parse(text), Err(WildcardError), "{text}");
        }
    }

    #[test]
    fn fields_are_plain_names_and_stars() {
        for (text, good) in [
            ("/GroupId", true),
            ("/A/*/B_1", true),
            ("/A/*", true),
            ("GroupId", false),
            ("/", false),
            ("/*", false),
            ("/a//b", false),
            ("/a-b", false),
            ("/a/b/c/d/e/f/g/h/i", false),
            ("", false),
        ] {
            assert_eq!(FieldPath::parse(text).is_ok(), good, "{text}");
        }
    }
}
