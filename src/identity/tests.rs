use proptest::prelude::*;
use serde_json::json;

use super::*;

const UUID: &str = "0b8f3c2e-9d4a-4f6b-8a51-1c2d3e4f5a6b";

fn object(value: Value) -> Object {
    value.as_object().unwrap().clone()
}

fn map_of(subject_type: SubjectType, transforms: Vec<Transform>) -> IdentityMap {
    IdentityMap::new(
        JsonPointer::parse("/sub").unwrap(),
        subject_type,
        transforms,
        Arc::new(ReservedNames::new(["administrator", "Root"])),
    )
}

fn text(transforms: Vec<Transform>, subject: &str) -> Result<String, IdentityError> {
    map_of(SubjectType::Text, transforms)
        .map(&object(json!({ "sub": subject })))
        .map(|user| user.to_string())
}

fn strip(prefix: &str) -> Transform {
    Transform::StripPrefix(prefix.into())
}

fn prefix(prefix: &str) -> Transform {
    Transform::Prefix(prefix.into())
}

fn digest_with(byte: u8) -> Transform {
    Transform::Digest(DigestKey::new(SecretBytes::new(vec![byte; 32])).unwrap())
}

#[test]
fn takes_what_chat_takes() {
    for id in ["a", "Bob", "bob", "user-27149", "_-_", &"x".repeat(32)] {
        assert_eq!(text(vec![], id).as_deref(), Ok(id), "{id}");
    }
}

#[test]
fn refuses_what_chat_does_not_take() {
    for (name, id, error) in [
        ("empty", "", UserIdError::Empty),
        ("33 characters", &"x".repeat(33), UserIdError::TooLong),
        ("dashed UUID", UUID, UserIdError::DashedUuid),
        (
            "upper-case dashed UUID",
            &UUID.to_uppercase(),
            UserIdError::DashedUuid,
        ),
        ("space", " ", UserIdError::BadCharacter),
        ("e-mail", "a@b.example", UserIdError::BadCharacter),
        ("chatbot", "@RBT#1", UserIdError::BadCharacter),
        ("look-alike letter", "аdmin", UserIdError::BadCharacter),
    ] {
        assert_eq!(text(vec![], id), Err(error.into()), "{name}");
    }
}

#[test]
fn h6_control_and_non_ascii_characters_never_become_a_user_id() {
    for id in [
        "a\r",
        "a\n",
        "a\0",
        "a\tb",
        "a\r\nX: y",
        "é",
        "a\u{7f}",
        "\u{202e}a",
    ] {
        assert_eq!(
            text(vec![], id),
            Err(UserIdError::BadCharacter.into()),
            "{id:?}"
        );
    }
    let long = "a".repeat(65_536);
    assert_eq!(text(vec![], &long), Err(UserIdError::TooLong.into()));
    assert_eq!(text(vec![], "ab").as_deref(), Ok("ab"));
}

#[test]
fn a7_no_subject_becomes_an_administrator() {
    for id in ["administrator", "Administrator", "ADMINISTRATOR", "root"] {
        assert_eq!(text(vec![], id), Err(UserIdError::Reserved.into()), "{id}");
    }
    assert_eq!(
        text(vec![prefix("admini")], "strator"),
        Err(UserIdError::Reserved.into())
    );
    assert_eq!(
        text(vec![strip("x-")], "x-Root"),
        Err(UserIdError::Reserved.into())
    );
    assert_eq!(
        text(vec![], "administrator2").as_deref(),
        Ok("administrator2")
    );
}

#[test]
fn j16_integers_are_exact_or_refused() {
    let map = map_of(SubjectType::Integer, vec![prefix("u")]);
    for (json, expected) in [
        (r#"{"sub":9007199254740993}"#, Ok("u9007199254740993")),
        (r#"{"sub":42}"#, Ok("u42")),
        (r#"{"sub":-7}"#, Ok("u-7")),
        (
            r#"{"sub":18446744073709551615}"#,
            Ok("u18446744073709551615"),
        ),
        (
            r#"{"sub":18446744073709551616}"#,
            Err(IdentityError::ClaimType),
        ),
        (r#"{"sub":1e3}"#, Err(IdentityError::ClaimType)),
        (r#"{"sub":1.0}"#, Err(IdentityError::ClaimType)),
        (r#"{"sub":"42"}"#, Err(IdentityError::ClaimType)),
        (r#"{"sub":true}"#, Err(IdentityError::ClaimType)),
        (r#"{"sub":{"id":1}}"#, Err(IdentityError::ClaimType)),
        (r#"{"sub":null}"#, Err(IdentityError::ClaimMissing)),
        (r#"{"user":1}"#, Err(IdentityError::ClaimMissing)),
    ] {
        let claims = crate::json::parse_object(json.as_bytes()).unwrap();
        let mapped = map.map(&claims).map(|user| user.to_string());
        assert_eq!(mapped.as_deref(), expected.as_ref().copied(), "{json}");
    }
}

#[test]
fn j16_a_number_is_no_text() {
    let map = map_of(SubjectType::Text, vec![]);
    assert_eq!(
        map.map(&object(json!({ "sub": 42 }))),
        Err(IdentityError::ClaimType)
    );
    assert!(map.map(&object(json!({ "sub": "42" }))).is_ok());
}

#[test]
fn j17_letters_that_only_look_alike_do_not_meet() {
    let digest = || vec![digest_with(1)];
    let composed = text(digest(), "caf\u{e9}@a@b").unwrap();
    let decomposed = text(digest(), "cafe\u{301}@a@b").unwrap();
    assert_ne!(composed, decomposed);
    assert_eq!(text(vec![], "a@b@c"), Err(UserIdError::BadCharacter.into()));
}

#[test]
fn remove_dashes_takes_only_a_lower_case_uuid() {
    let compact = UUID.replace('-', "");
    assert_eq!(
        text(vec![Transform::RemoveDashes], UUID),
        Ok(compact.clone())
    );
    for (name, subject) in [
        ("upper case", UUID.to_uppercase()),
        ("without dashes", compact),
        (
            "dashes elsewhere",
            format!("-{}", UUID.replacen('-', "", 1)),
        ),
        ("braces", format!("{{{UUID}}}")),
        ("not hexadecimal", UUID.replace('f', "g")),
    ] {
        assert_eq!(
            text(vec![Transform::RemoveDashes], &subject),
            Err(IdentityError::TransformDoesNotFit),
            "{name}"
        );
    }
}

#[test]
fn strip_prefix_demands_the_prefix() {
    assert_eq!(
        text(vec![strip("auth0|")], "auth0|5f7c").as_deref(),
        Ok("5f7c")
    );
    for other in ["5f7c", "Auth0|5f7c", "x|auth0|5f7c"] {
        assert_eq!(
            text(vec![strip("auth0|")], other),
            Err(IdentityError::TransformDoesNotFit)
        );
    }
}

#[test]
fn the_digest_depends_on_key_and_subject_and_fits() {
    let of = |key, subject| text(vec![digest_with(key)], subject).unwrap();
    let one = of(1, "alice@example.com");
    assert_eq!(one.len(), 27);
    assert_eq!(one, of(1, "alice@example.com"));
    assert_ne!(one, of(2, "alice@example.com"));
    assert_ne!(one, of(1, "Alice@example.com"));
    assert!(DigestKey::new(SecretBytes::new(vec![1; 31])).is_none());
}

#[test]
fn two_issuers_are_disjoint_only_by_prefixes_that_do_not_overlap() {
    let map = |last: Option<Transform>| map_of(SubjectType::Text, last.into_iter().collect());
    let disjoint = |one: Option<Transform>, two: Option<Transform>| {
        assert_eq!(
            map(one.clone()).is_disjoint_from(&map(two.clone())),
            map(two.clone()).is_disjoint_from(&map(one.clone()))
        );
        map(one).is_disjoint_from(&map(two))
    };
    assert!(disjoint(Some(prefix("a_")), Some(prefix("b_"))));
    assert!(!disjoint(Some(prefix("a")), Some(prefix("ab"))));
    assert!(!disjoint(Some(prefix("a_")), None));
    assert!(!disjoint(Some(prefix("a_")), Some(digest_with(1))));
    assert!(!disjoint(Some(prefix("")), Some(prefix("b_"))));
}

fn any_transform() -> impl Strategy<Value = Transform> {
    prop_oneof![
        Just(Transform::RemoveDashes),
        prop::sample::select(vec!["a", "ab", "a-", "auth0|", ""]).prop_map(strip),
        prop::sample::select(vec!["a", "ab", "u_", "-", ""]).prop_map(prefix),
        (1u8..4).prop_map(digest_with),
    ]
}

fn any_subject() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab0|-]{0,8}",
        "(a|ab|a-|auth0\\|){0,3}[0-9a-b-]{0,6}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "(ab|a|)0b8f3c2e-9d4a-4f6b-8a51-1c2d3e4f5a6[ab]",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn no_two_subjects_meet_under_any_chain(
        transforms in prop::collection::vec(any_transform(), 0..4),
        subjects in prop::collection::vec(any_subject(), 2..12),
    ) {
        let map = map_of(SubjectType::Text, transforms);
        let mut seen: Vec<(UserId, String)> = Vec::new();
        for subject in subjects {
            if let Ok(user) = map.map(&object(json!({ "sub": subject }))) {
                for (other_user, other) in &seen {
                    prop_assert_eq!(user == *other_user, subject == *other);
                }
                seen.push((user, subject));
            }
        }
    }

    #[test]
    fn no_two_subjects_meet_across_disjoint_issuers(
        chains in prop::collection::vec(
            (prop::collection::vec(any_transform(), 0..3), "[ab_-]{0,3}", any_subject()), 2..4),
    ) {
        let maps: Vec<_> = chains
            .into_iter()
            .map(|(mut transforms, last, subject)| {
                transforms.push(prefix(&last));
                (map_of(SubjectType::Text, transforms), object(json!({ "sub": subject })))
            })
            .collect();
        for (index, (one, one_claims)) in maps.iter().enumerate() {
            for (two, two_claims) in &maps[index + 1..] {
                if let (true, Ok(a), Ok(b)) =
                    (one.is_disjoint_from(two), one.map(one_claims), two.map(two_claims))
                {
                    prop_assert_ne!(a, b);
                }
            }
        }
    }
}
