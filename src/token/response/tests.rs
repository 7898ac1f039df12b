use http::HeaderValue;
use http::header::AUTHORIZATION;
use proptest::prelude::*;

use super::*;
use crate::json::parse_object;

const NOW: UnixTime = UnixTime::from_secs(784_111_777);

/// What was found, as a text that a test can compare.
fn shown(
    result: Result<Option<BearerToken>, ExtractError>,
) -> Result<Option<String>, ExtractError> {
    result.map(|token| token.map(|token| token.expose().to_owned()))
}

fn in_body(pointer: &str, body: &str) -> Result<Option<String>, ExtractError> {
    let source = ResponseSource::Json(JsonPointer::parse(pointer).unwrap());
    shown(source.from_body(&parse_object(body.as_bytes()).unwrap()))
}

fn in_cookies(fields: &[&str]) -> Result<Option<String>, ExtractError> {
    let source = ResponseSource::SetCookie(CookieName::parse("session").unwrap());
    shown(source.from_headers(&headers("set-cookie", fields), NOW))
}

fn in_header(fields: &[&str]) -> Result<Option<String>, ExtractError> {
    shown(
        ResponseSource::Header(AUTHORIZATION).from_headers(&headers("authorization", fields), NOW),
    )
}

fn headers(name: &'static str, fields: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(name, HeaderValue::from_bytes(field.as_bytes()).unwrap());
    }
    headers
}

fn found(token: &str) -> Result<Option<String>, ExtractError> {
    Ok(Some(token.to_owned()))
}

const BAD_SHAPE: Result<Option<String>, ExtractError> =
    Err(ExtractError::Invalid(TokenError::BadShape));

#[test]
fn a_json_member_carries_the_token() {
    for (name, pointer, body, expected) in [
        (
            "member",
            "/access_token",
            r#"{"access_token":"a.b.c"}"#,
            found("a.b.c"),
        ),
        (
            "nested",
            "/data/0/jwt",
            r#"{"data":[{"jwt":"a.b.c"}]}"#,
            found("a.b.c"),
        ),
        (
            "with the scheme",
            "/token",
            r#"{"token":"Bearer a.b.c"}"#,
            found("a.b.c"),
        ),
        (
            "scheme in other case",
            "/token",
            r#"{"token":"bearer  a.b.c"}"#,
            found("a.b.c"),
        ),
        (
            "escaped",
            "/token",
            r#"{"token":"a\u002eb.c"}"#,
            found("a.b.c"),
        ),
        (
            "absent",
            "/token",
            r#"{"error":"wrong password"}"#,
            Ok(None),
        ),
        ("null", "/token", r#"{"token":null}"#, Ok(None)),
        ("empty", "/token", r#"{"token":""}"#, Ok(None)),
        ("other case", "/token", r#"{"Token":"a.b.c"}"#, Ok(None)),
        ("number", "/token", r#"{"token":7}"#, BAD_SHAPE),
        ("false", "/token", r#"{"token":false}"#, BAD_SHAPE),
        ("list", "/token", r#"{"token":["a.b.c"]}"#, BAD_SHAPE),
        (
            "object",
            "/token",
            r#"{"token":{"jwt":"a.b.c"}}"#,
            BAD_SHAPE,
        ),
        ("not a JWT", "/token", r#"{"token":"42"}"#, BAD_SHAPE),
        (
            "other scheme",
            "/token",
            r#"{"token":"Basic a.b.c"}"#,
            BAD_SHAPE,
        ),
        (
            "only the scheme",
            "/token",
            r#"{"token":"Bearer"}"#,
            BAD_SHAPE,
        ),
        ("space around", "/token", r#"{"token":" a.b.c"}"#, BAD_SHAPE),
        ("line end", "/token", r#"{"token":"a.b.c\n"}"#, BAD_SHAPE),
        (
            "two scheme words",
            "/token",
            r#"{"token":"Bearer Bearer a.b.c"}"#,
            BAD_SHAPE,
        ),
    ] {
        assert_eq!(in_body(pointer, body), expected, "{name}");
    }
}

#[test]
fn a_header_carries_the_token() {
    let long = "a".repeat(super::super::MAX_TOKEN_BYTES) + ".b.c";
    for (name, fields, expected) in [
        ("bare", &["a.b.c"][..], found("a.b.c")),
        ("with the scheme", &["Bearer a.b.c"], found("a.b.c")),
        ("absent", &[], Ok(None)),
        ("empty", &[""], Ok(None)),
        ("same twice", &["Bearer a.b.c", "a.b.c"], found("a.b.c")),
        ("empty beside", &["", "a.b.c"], found("a.b.c")),
        (
            "different",
            &["a.b.c", "a.b.d"],
            Err(ExtractError::Conflict),
        ),
        ("joined", &["a.b.c, a.b.c"], BAD_SHAPE),
        ("not ASCII", &["a.b.ç"], BAD_SHAPE),
        ("too long", &[&long], Err(TokenError::TooLong.into())),
    ] {
        assert_eq!(in_header(fields), expected, "{name}");
    }
}

#[test]
fn a_cookie_that_is_set_carries_the_token() {
    for (name, fields, expected) in [
        ("alone", &["session=a.b.c"][..], found("a.b.c")),
        (
            "with attributes",
            &["session=a.b.c; Path=/; HttpOnly; Max-Age=3600"],
            found("a.b.c"),
        ),
        ("spaces", &[" session = a.b.c ;Secure"], found("a.b.c")),
        (
            "beside others",
            &["lang=en", "session=a.b.c", "session2=x"],
            found("a.b.c"),
        ),
        (
            "expires later",
            &["session=a.b.c; Expires=Sun, 06 Nov 1994 08:49:38 GMT"],
            found("a.b.c"),
        ),
        (
            "unreadable date",
            &["session=a.b.c; Expires=0"],
            found("a.b.c"),
        ),
        (
            "unreadable age",
            &["session=a.b.c; Max-Age=0x; max-age=-"],
            found("a.b.c"),
        ),
        (
            "age before date",
            &["session=a.b.c; Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
            found("a.b.c"),
        ),
        (
            "the last age counts",
            &["session=a.b.c; Max-Age=0; Max-Age=9"],
            found("a.b.c"),
        ),
        (
            "same twice",
            &["session=a.b.c; Path=/", "session=a.b.c; Path=/app"],
            found("a.b.c"),
        ),
        ("absent", &["lang=en"], Ok(None)),
        ("other case", &["Session=a.b.c"], Ok(None)),
        ("name as a value", &["x=session=a.b.c"], Ok(None)),
        (
            "name in an attribute",
            &["lang=en; session=a.b.c"],
            Ok(None),
        ),
        ("no equals sign", &["session"], Ok(None)),
        (
            "different",
            &["session=a.b.c; Path=/", "session=a.b.d; Path=/x"],
            Err(ExtractError::Conflict),
        ),
        (
            "different, one place",
            &["session=a.b.c", "session=a.b.d"],
            Err(ExtractError::Conflict),
        ),
        ("quoted", &["session=\"a.b.c\""], BAD_SHAPE),
        ("percent-encoded", &["session=a%2eb.c"], BAD_SHAPE),
        (
            "joined fields",
            &["session=a.b.c, session=a.b.d"],
            BAD_SHAPE,
        ),
    ] {
        assert_eq!(in_cookies(fields), expected, "{name}");
    }
}

#[test]
fn a_cookie_that_is_taken_away_carries_no_token() {
    for (name, fields) in [
        ("empty value", &["session=; Path=/"][..]),
        ("age zero", &["session=a.b.c; Max-Age=0"]),
        ("age of zeros, other case", &["session=a.b.c; MAX-AGE = 00"]),
        ("negative age", &["session=a.b.c; Max-Age=-1"]),
        (
            "unreadable age after zero",
            &["session=a.b.c; Max-Age=0; Max-Age=x"],
        ),
        (
            "unreadable date after a past one",
            &["session=a.b.c; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Expires=x"],
        ),
        (
            "negative age beyond any integer",
            &["session=a.b.c; Max-Age=-99999999999999999999999"],
        ),
        (
            "expires now",
            &["session=a.b.c; Expires=Sun, 06 Nov 1994 08:49:37 GMT"],
        ),
        (
            "expired",
            &["session=a.b.c; expires=Thu, 01-Jan-1970 00:00:01 GMT"],
        ),
        (
            "age zero and a later date",
            &["session=a.b.c; Max-Age=0; Expires=Fri, 31 Dec 9999 23:59:59 GMT"],
        ),
        (
            "set, then taken away",
            &[
                "session=a.b.c; Domain=.a.test; Path=/",
                "session=; Domain=A.test; Path=/",
            ],
        ),
    ] {
        assert_eq!(in_cookies(fields), Ok(None), "{name}");
    }
}

#[test]
fn only_a_later_removal_in_the_same_place_takes_a_cookie_away() {
    for (name, fields) in [
        (
            "taken away, then set",
            ["session=; Path=/", "session=a.b.c; Path=/"],
        ),
        (
            "other path",
            ["session=a.b.c; Path=/", "session=; Path=/old"],
        ),
        (
            "other domain",
            ["session=a.b.c; Domain=a.test", "session=; Domain=b.test"],
        ),
        ("no domain", ["session=a.b.c", "session=; Domain=a.test"]),
    ] {
        assert_eq!(in_cookies(&fields), found("a.b.c"), "{name}");
    }
}

#[test]
fn a_place_is_looked_for_on_its_own_side_only() {
    let body = ResponseSource::Json(JsonPointer::parse("/authorization").unwrap());
    let header = ResponseSource::Header(AUTHORIZATION);
    assert!(body.is_in_body() && !header.is_in_body());
    let headers = headers("authorization", &["a.b.c"]);
    let object = parse_object(br#"{"authorization":"a.b.c"}"#).unwrap();
    assert_eq!(shown(body.from_headers(&headers, NOW)), Ok(None));
    assert_eq!(shown(header.from_body(&object)), Ok(None));
    assert_eq!(shown(header.from_headers(&headers, NOW)), found("a.b.c"));
    assert_eq!(shown(body.from_body(&object)), found("a.b.c"));
}

#[test]
fn cookie_names_with_separators_are_refused() {
    for name in ["", "a b", "a=b", "a;b", "\"a\"", "é"] {
        assert_eq!(
            CookieName::parse(name),
            Err(TokenSourceError::CookieName),
            "{name}"
        );
    }
    assert!(CookieName::parse("__Host-session.id").is_ok());
}

proptest! {
    #[test]
    fn arbitrary_fields_never_panic(
        fields in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            "(session ?=)?[a-c.=; -]{0,12}(; ?(max-age|expires|path|domain)=?[0-9 :a-zA-Z./-]{0,30}){0,3}".prop_map(String::into_bytes),
        ], 0..4),
    ) {
        let mut headers = HeaderMap::new();
        for value in fields.iter().filter_map(|field| HeaderValue::from_bytes(field).ok()) {
            headers.append("set-cookie", value.clone());
            headers.append("authorization", value);
        }
        let cookie = ResponseSource::SetCookie(CookieName::parse("session").unwrap());
        for source in [cookie, ResponseSource::Header(AUTHORIZATION)] {
            if let Ok(Some(token)) = source.from_headers(&headers, NOW) {
                prop_assert!(BearerToken::parse(token.expose()).is_ok());
            }
        }
    }
}
