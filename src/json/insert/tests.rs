use proptest::prelude::*;

use super::*;

const CHAT: &str = r#"{"userId":"u_1","expiresAt":9007199254740993}"#;

fn insert_at(text: &str, pointer: &str) -> Result<String, InsertError> {
    let grown = insert(text.as_bytes(), &JsonPointer::parse(pointer).unwrap(), CHAT)?;
    Ok(String::from_utf8(grown).unwrap())
}

#[test]
fn p6_every_other_byte_stays_as_it_was() {
    for (name, text, pointer, expected) in [
        ("no members", "{}", "/chat", "{+chat}"),
        ("no members, space", "{ \n}", "/chat", "{+chat \n}"),
        ("one member", r#"{"a":1}"#, "/chat", r#"{"a":1,+chat}"#),
        (
            "space around",
            " {\"a\":1 \n} \n",
            "/chat",
            " {\"a\":1,+chat \n} \n",
        ),
        (
            "exact numbers, order, escapes",
            r#"{"z":2.50,"a":9007199254740993,"e":1E2,"n":-0,"s":"\u0041\/}","token":"x"}"#,
            "/chat",
            r#"{"z":2.50,"a":9007199254740993,"e":1E2,"n":-0,"s":"\u0041\/}","token":"x",+chat}"#,
        ),
        (
            "nested",
            r#"{"data" : {"user":{"id":7} } , "ok":true}"#,
            "/data/user/chat",
            r#"{"data" : {"user":{"id":7,+chat} } , "ok":true}"#,
        ),
        (
            "in an item of a list",
            r#"{"data":[1,"]",{"a":[2, 3]}]}"#,
            "/data/2/chat",
            r#"{"data":[1,"]",{"a":[2, 3],+chat}]}"#,
        ),
        (
            "parent's name in another spelling",
            r#"{"d\u0061ta":{}}"#,
            "/data/chat",
            r#"{"d\u0061ta":{+chat}}"#,
        ),
        (
            "braces and quotes in strings",
            r#"{"a":"}\"{","b":["{"]}"#,
            "/chat",
            r#"{"a":"}\"{","b":["{"],+chat}"#,
        ),
        (
            "text beyond ASCII",
            r#"{"é":"😀"}"#,
            "/chat",
            r#"{"é":"😀",+chat}"#,
        ),
        (
            "name that needs escapes",
            "{}",
            "/a\"~1\n",
            r#"{"a\"/\n":@}"#,
        ),
        (
            "same name elsewhere",
            r#"{"a":{"chat":1}}"#,
            "/chat",
            r#"{"a":{"chat":1},+chat}"#,
        ),
        (
            "name of other case",
            r#"{"Chat":1}"#,
            "/chat",
            r#"{"Chat":1,+chat}"#,
        ),
    ] {
        let expected = expected.replace("+chat", "\"chat\":@").replace('@', CHAT);
        assert_eq!(insert_at(text, pointer), Ok(expected), "{name}");
    }
}

#[test]
fn p6_a_member_is_never_overwritten() {
    for (name, text, pointer) in [
        ("same name", r#"{"chat":{"a":1},"b":2}"#, "/chat"),
        ("last of several", r#"{"b":2,"chat":1}"#, "/chat"),
        ("null", r#"{"chat":null}"#, "/chat"),
        ("escaped spelling", r#"{"\u0063hat":1}"#, "/chat"),
        ("nested", r#"{"data":{"chat":1}}"#, "/data/chat"),
        ("empty name", r#"{"":1}"#, "/"),
    ] {
        assert_eq!(
            insert_at(text, pointer),
            Err(InsertError::Occupied),
            "{name}"
        );
    }
}

#[test]
fn p6_a_text_that_is_not_one_strict_object_is_refused() {
    for (name, text, error) in [
        ("array", "[]", JsonError::NotAnObject),
        ("string", "\"{}\"", JsonError::NotAnObject),
        ("empty", "", JsonError::Syntax),
        ("cut short", r#"{"a":1"#, JsonError::Syntax),
        ("two objects", "{}{}", JsonError::Syntax),
        ("trailing comma", r#"{"a":1,}"#, JsonError::Syntax),
        ("HTML", "<html>", JsonError::Syntax),
        (
            "repeated name",
            r#"{"a":1,"a":2}"#,
            JsonError::DuplicateMember,
        ),
        (
            "ours repeated",
            r#"{"chat":1,"chat":2}"#,
            JsonError::DuplicateMember,
        ),
        (
            "repeated deep down",
            r#"{"a":[{"b":1,"\u0062":2}]}"#,
            JsonError::DuplicateMember,
        ),
    ] {
        assert_eq!(insert_at(text, "/chat"), Err(error.into()), "{name}");
    }
}

#[test]
fn a_place_without_an_object_is_refused() {
    for (name, text, pointer) in [
        ("absent parent", r#"{"a":1}"#, "/data/chat"),
        ("parent is text", r#"{"data":"{}"}"#, "/data/chat"),
        ("parent is null", r#"{"data":null}"#, "/data/chat"),
        ("parent is a list", r#"{"data":[{}]}"#, "/data/chat"),
        ("end of a list", r#"{"data":[{}]}"#, "/data/-"),
        ("index as the member", r#"{"data":[{}]}"#, "/data/1"),
        ("item beyond the list", r#"{"data":[{}]}"#, "/data/1/chat"),
        (
            "item of an empty list",
            r#"{"data":[],"b":{}}"#,
            "/data/0/chat",
        ),
        (
            "huge index",
            r#"{"data":[{}]}"#,
            "/data/18446744073709551615/chat",
        ),
        (
            "index with a zero before",
            r#"{"data":[1,{}]}"#,
            "/data/01/chat",
        ),
        ("item is no object", r#"{"data":[1,{}]}"#, "/data/0/chat"),
    ] {
        assert_eq!(
            insert_at(text, pointer),
            Err(InsertError::NoParent),
            "{name}"
        );
    }
}

#[test]
fn a_value_that_is_not_strict_json_is_refused() {
    let pointer = JsonPointer::parse("/chat").unwrap();
    for (member, error) in [
        ("", JsonError::Syntax),
        ("1,\"admin\":true", JsonError::Syntax),
        ("{}}", JsonError::Syntax),
        (r#"{"a":1,"a":1}"#, JsonError::DuplicateMember),
    ] {
        let result = insert(b"{}", &pointer, member);
        assert_eq!(result, Err(InsertError::BadMember(error)), "{member}");
    }
    assert_eq!(insert(b"{}", &pointer, "1").unwrap(), br#"{"chat":1}"#);
}

#[test]
fn a_result_that_readers_find_too_deep_is_refused() {
    let nested =
        |depth: usize| format!("{}{}", "{\"a\":".repeat(depth - 1), "{}") + &"}".repeat(depth - 1);
    let pointer = |depth: usize| "/a".repeat(depth - 1) + "/chat";
    assert_eq!(parse_object(nested(128).as_bytes()), Err(JsonError::Syntax));
    assert_eq!(
        insert_at(&nested(127), &pointer(127)),
        Err(InsertError::TooDeep)
    );
    assert!(insert_at(&nested(126), &pointer(126)).is_ok());
}

/// JSON texts in all spellings, with member names that differ.
fn value_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("2.50".to_owned()),
        Just("9007199254740993".to_owned()),
        Just("-0".to_owned()),
        Just(r#""\u0041}]\"{,""#.to_owned()),
        "\"[a-z é😀]{0,4}\"",
        "(true|false|null|[1-9][0-9]{0,14}|[1-9]E[0-9])",
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            items(inner.clone()).prop_map(|(items, space)| list('[', &items, ']', &space)),
            items(inner).prop_map(object_text),
        ]
    })
}

fn items(inner: impl Strategy<Value = String>) -> impl Strategy<Value = (Vec<String>, String)> {
    (prop::collection::vec(inner, 0..4), "[ \n\t]{0,2}")
}

fn object_text((values, space): (Vec<String>, String)) -> String {
    let names = ["a", "\\u0062", "c d", "é"];
    let members: Vec<_> = names
        .iter()
        .zip(values)
        .map(|(name, value)| format!("\"{name}\"{space}:{value}"))
        .collect();
    list('{', &members, '}', &space)
}

fn list(open: char, items: &[String], close: char, space: &str) -> String {
    format!(
        "{space}{open}{space}{}{space}{close}{space}",
        items.join(&format!("{space},"))
    )
}

/// The pointer texts of all objects in a value.
fn object_places(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.push(place.to_owned());
            for (name, value) in members {
                object_places(value, &format!("{place}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                object_places(value, &format!("{place}/{index}"), found);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn what_comes_out_is_the_original_and_the_member(text in items(value_text()).prop_map(object_text)) {
        let original = Value::Object(parse_object(text.as_bytes()).unwrap());
        let mut places = Vec::new();
        object_places(&original, "", &mut places);
        for place in places {
            let grown = insert_at(&text, &format!("{place}/chat")).unwrap();
            let mut expected = original.clone();
            let parent = expected.pointer_mut(&place).unwrap().as_object_mut().unwrap();
            let comma = if parent.is_empty() { "" } else { "," };
            parent.insert("chat".to_owned(), serde_json::from_str(CHAT).unwrap());
            prop_assert_eq!(Value::Object(parse_object(grown.as_bytes()).unwrap()), expected);
            prop_assert_eq!(grown.replacen(&format!("{comma}\"chat\":{CHAT}"), "", 1), &text[..]);
            prop_assert_eq!(insert_at(&grown, &format!("{place}/chat")), Err(InsertError::Occupied));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_what_comes_out_is_strict(
        text in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            "[{}\\[\\]\",:a-b0-9 \\\\]{0,24}".prop_map(String::into_bytes),
        ],
        pointer in "(/[a-b0-2~/]{0,2}){1,3}",
        member in "[{}\"a:0-9]{0,6}",
    ) {
        if let Ok(pointer) = JsonPointer::parse(&pointer)
            && let Ok(grown) = insert(&text, &pointer, &member)
        {
            let (before, after) = (parse_object(&text).unwrap(), parse_object(&grown).unwrap());
            let member = parse_value(member.as_bytes()).unwrap();
            prop_assert_eq!(pointer.find(&before), None);
            prop_assert_eq!(pointer.find(&after), Some(&member));
        }
    }
}
