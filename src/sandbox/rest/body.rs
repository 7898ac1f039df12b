//! Members of a body, read as the type that a command needs; the caller names the refusal for a missing or wrong one.

use serde_json::Value;

use crate::json::Object;
use crate::sandbox::failure::Failure;

/// A text that must be there.
pub(super) fn text<'a>(body: &'a Object, name: &str, wrong: Failure) -> Result<&'a str, Failure> {
    body.get(name).and_then(Value::as_str).ok_or(wrong)
}

/// A text that may be absent.
pub(super) fn text_if_any<'a>(
    body: &'a Object,
    name: &str,
    wrong: Failure,
) -> Result<Option<&'a str>, Failure> {
    let value = body.get(name);
    value.map(|value| value.as_str().ok_or(wrong)).transpose()
}

/// A whole number that may be absent.
pub(super) fn number_if_any(
    body: &Object,
    name: &str,
    wrong: Failure,
) -> Result<Option<u64>, Failure> {
    let value = body.get(name);
    value.map(|value| value.as_u64().ok_or(wrong)).transpose()
}

/// A whole number that must be there.
pub(super) fn number(body: &Object, name: &str, wrong: Failure) -> Result<u64, Failure> {
    number_if_any(body, name, wrong)?.ok_or(wrong)
}

/// A list of 1 to `most` items.
pub(super) fn list<'a>(
    body: &'a Object,
    name: &str,
    (most, too_many): (usize, Failure),
    wrong: Failure,
) -> Result<&'a [Value], Failure> {
    let items = body.get(name).and_then(Value::as_array).ok_or(wrong)?;
    match items.len() {
        0 => Err(wrong),
        length if length > most => Err(too_many),
        _ => Ok(items),
    }
}

/// The texts of a list of 1 to `most` texts.
pub(super) fn texts<'a>(
    body: &'a Object,
    name: &str,
    limit: (usize, Failure),
    wrong: Failure,
) -> Result<Vec<&'a str>, Failure> {
    let items = list(body, name, limit, wrong)?.iter();
    items.map(|item| item.as_str().ok_or(wrong)).collect()
}

/// A list of names that may be absent: a filter.
pub(super) fn filter<'a>(
    body: &'a Object,
    name: &str,
    wrong: Failure,
) -> Result<Option<Vec<&'a str>>, Failure> {
    let Some(value) = body.get(name) else {
        return Ok(None);
    };
    let items = value.as_array().ok_or(wrong)?.iter();
    let names = items.map(|item| item.as_str().ok_or(wrong));
    names.collect::<Result<_, _>>().map(Some)
}
