use http::header::{AUTHORIZATION, HeaderValue};
use proptest::prelude::*;

use super::*;

const A: &str = "eyJh.eyJh.AAAA";
const B: &str = "eyJh.eyJh.BBBB";

fn bearer() -> TokenSource {
    TokenSource::Header {
        name: AUTHORIZATION,
        scheme: Some("Bearer".to_owned()),
    }
}

fn bare_header() -> TokenSource {
    TokenSource::Header {
        name: HeaderName::from_static("x-session"),
        scheme: None,
    }
}

fn cookie() -> TokenSource {
    TokenSource::Cookie {
        name: "session".to_owned(),
    }
}

fn query() -> TokenSource {
    TokenSource::Query {
        name: "token".to_owned(),
    }
}

fn all() -> TokenSources {
    TokenSources::new(vec![cookie(), query(), bare_header(), bearer()]).unwrap()
}

fn headers(fields: &[(&'static str, &[u8])]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value).unwrap(),
            )
        })
        .fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
}

type Outcome = Result<Option<String>, ExtractError>;

fn extract(fields: &[(&'static str, &str)], query: Option<&str>, websocket: bool) -> Outcome {
    let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
    let found = all().extract(&headers(&fields), query, websocket)?;
    Ok(found.map(|found| found.token.expose().to_owned()))
}

fn token(text: &str) -> Outcome {
    Ok(Some(text.to_owned()))
}

const MALFORMED: Outcome = Err(ExtractError::Invalid(TokenError::BadShape));
const CONFLICT: Outcome = Err(ExtractError::Conflict);

#[test]
fn each_place_yields_its_token() {
    for (name, fields, query, expected) in [
        ("nothing", vec![], None, Ok(None)),
        (
            "bearer",
            vec![("authorization", format!("Bearer {A}"))],
            None,
            token(A),
        ),
        (
            "scheme in lower case",
            vec![("authorization", format!("bearer {A}"))],
            None,
            token(A),
        ),
        (
            "several spaces",
            vec![("authorization", format!("Bearer   {A}"))],
            None,
            token(A),
        ),
        (
            "bare header",
            vec![("x-session", A.to_owned())],
            None,
            token(A),
        ),
        (
            "cookie",
            vec![("cookie", format!("a=1; session={A}; b=2"))],
            None,
            token(A),
        ),
        (
            "cookie without spaces",
            vec![("cookie", format!("a=1;session={A};b"))],
            None,
            token(A),
        ),
        ("query", vec![], Some(format!("x=1&token={A}&y")), token(A)),
    ] {
        let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert_eq!(extract(&fields, query.as_deref(), true), expected, "{name}");
    }
}

#[test]
fn what_is_meant_for_others_is_no_token() {
    let other_cookies = format!("Session={A}; session2={A}; xsession={A}; {A}; ={A}");
    for (name, fields, query) in [
        ("another scheme", vec![("authorization", "Basic dTpw")], ""),
        (
            "digest with commas",
            vec![("authorization", "Digest a=\"1\", b=\"2\"")],
            "",
        ),
        (
            "scheme as a prefix",
            vec![("authorization", "Bearerx eyJh.eyJh.AAAA")],
            "",
        ),
        (
            "similar cookie names",
            vec![("cookie", other_cookies.as_str())],
            "",
        ),
        ("empty cookie", vec![("cookie", "session=; a=1")], ""),
        ("empty bare header", vec![("x-session", "")], ""),
        ("empty query value", vec![], "token=&token"),
        (
            "similar query names",
            vec![],
            "Token=x&tokens=x&toke=x&%=x&%74oke=x&tok%65%6e%=x",
        ),
    ] {
        assert_eq!(extract(&fields, Some(query), true), Ok(None), "{name}");
    }
}

#[test]
fn what_is_not_a_token_is_refused() {
    let cookies = "a=1; ".repeat(MAX_COOKIE_BYTES / 5 + 1);
    let too_long = Err(ExtractError::Invalid(TokenError::TooLong));
    let long_token = format!("Bearer a.b.{}", "c".repeat(9000));
    for (name, fields, query, expected) in [
        (
            "scheme alone",
            vec![("authorization", "Bearer")],
            "",
            MALFORMED,
        ),
        (
            "not a token",
            vec![("authorization", "Bearer undefined")],
            "",
            MALFORMED,
        ),
        (
            "more after the token",
            vec![("authorization", "Bearer a.b.c d")],
            "",
            MALFORMED,
        ),
        (
            "non-ASCII",
            vec![("authorization", "Bearer a.b.ç")],
            "",
            MALFORMED,
        ),
        (
            "long token",
            vec![("authorization", long_token.as_str())],
            "",
            too_long.clone(),
        ),
        (
            "many cookies",
            vec![("cookie", cookies.as_str())],
            "",
            too_long,
        ),
        ("encoded query", vec![], "token=eyJh%2eeyJh.AAAA", MALFORMED),
    ] {
        assert_eq!(extract(&fields, Some(query), true), expected, "{name}");
    }
}

#[test]
fn h11_a_repeated_or_joined_authorization_is_refused() {
    let one = format!("Bearer {A}");
    let two = format!("Bearer {B}");
    for (name, values, expected) in [
        ("two different", vec![one.as_str(), &two], CONFLICT),
        ("two equal", vec![&one, &one], CONFLICT),
        ("basic first", vec!["Basic dTpw", &one], CONFLICT),
        ("basic last", vec![&one, "Basic dTpw"], CONFLICT),
        ("joined", vec![&format!("{one}, {two}")], MALFORMED),
        (
            "tab after the scheme",
            vec![&format!("Bearer\t{A}")],
            MALFORMED,
        ),
        (
            "joined after basic",
            vec![&format!("Basic dTpw, {one}")],
            CONFLICT,
        ),
        (
            "joined without space",
            vec![&format!("Basic dTpw,bearer {A}")],
            CONFLICT,
        ),
    ] {
        let fields: Vec<_> = values.into_iter().map(|v| ("authorization", v)).collect();
        assert_eq!(extract(&fields, None, false), expected, "{name}");
    }
    assert_eq!(extract(&[("authorization", &one)], None, false), token(A));
}

#[test]
fn h11_several_cookie_fields_are_one_header() {
    let (a, b) = (format!("session={A}"), format!("session={B}"));
    for (name, fields, expected) in [
        ("token in the second", vec!["x=1", &a], token(A)),
        ("same token in both", vec![&a, "x=1", &a], token(A)),
        ("different tokens", vec![&a, "x=1", &b], CONFLICT),
    ] {
        let fields: Vec<_> = fields.into_iter().map(|v| ("cookie", v)).collect();
        assert_eq!(extract(&fields, None, false), expected, "{name}");
    }
}

#[test]
fn h11_two_places_must_agree() {
    let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
    let cookie = |token: &str| ("cookie", format!("session={token}"));
    let session = |token: &str| ("x-session", token.to_owned());
    for (name, fields, query, expected) in [
        (
            "header and cookie agree",
            vec![bearer(A), cookie(A)],
            "",
            token(A),
        ),
        (
            "header and cookie differ",
            vec![bearer(A), cookie(B)],
            "",
            CONFLICT,
        ),
        (
            "two headers differ",
            vec![bearer(A), session(B)],
            "",
            CONFLICT,
        ),
        (
            "query agrees",
            vec![bearer(A)],
            "token=eyJh.eyJh.AAAA",
            token(A),
        ),
        (
            "query differs",
            vec![bearer(A)],
            "token=eyJh.eyJh.BBBB",
            CONFLICT,
        ),
        (
            "good header, bad cookie",
            vec![bearer(A), cookie("x")],
            "",
            CONFLICT,
        ),
        (
            "bad header, good cookie",
            vec![bearer("null"), cookie(A)],
            "",
            CONFLICT,
        ),
        (
            "other scheme, cookie",
            vec![("authorization", "Basic dTpw".into()), cookie(A)],
            "",
            token(A),
        ),
    ] {
        let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert_eq!(extract(&fields, Some(query), true), expected, "{name}");
    }
}

#[test]
fn h12_repeated_and_quoted_cookies_are_decided_one_way() {
    for (name, value, expected) in [
        ("same twice", format!("session={A}; session={A}"), token(A)),
        ("different", format!("session={A}; session={B}"), CONFLICT),
        (
            "different, name padded",
            format!("session={A}; session ={B}"),
            CONFLICT,
        ),
        ("one empty", format!("session=; session={A}"), CONFLICT),
        ("quoted", format!("session=\"{A}\""), MALFORMED),
        (
            "quoted and bare",
            format!("session=\"{A}\"; session={A}"),
            CONFLICT,
        ),
        ("space inside", "session=a.b .c".to_owned(), MALFORMED),
        ("equals sign inside", format!("session={A}=x"), MALFORMED),
        (
            "too long",
            format!("session=a.b.{}", "c".repeat(9000)),
            Err(TokenError::TooLong.into()),
        ),
        (
            "beside too many others",
            format!("{}session={A}", "a=1; ".repeat(MAX_COOKIE_BYTES / 5)),
            Err(TokenError::TooLong.into()),
        ),
        (
            "beside as many others as may be",
            format!(
                "session={A}; {}",
                "a=1; ".repeat((MAX_COOKIE_BYTES - 30) / 5)
            ),
            token(A),
        ),
    ] {
        assert_eq!(
            extract(&[("cookie", &value)], None, false),
            expected,
            "{name}"
        );
    }
}

#[test]
fn cookie_bytes_of_others_do_not_matter_but_ours_must_be_text() {
    let find = |value: &[u8]| all().extract(&headers(&[("cookie", value)]), None, false);
    let found = find(b"other=\xff\xfe; session=eyJh.eyJh.AAAA").unwrap();
    assert_eq!(found.unwrap().token.expose(), A);
    let refused = find(b"session=a.b.\xff").unwrap_err();
    assert_eq!(refused, ExtractError::Invalid(TokenError::BadShape));
}

#[test]
fn h12_a_cookie_name_that_some_readers_would_trim_further_is_refused() {
    let find = |value: &[u8]| {
        let found = all().extract(&headers(&[("cookie", value)]), None, false)?;
        Ok(found.map(|found| found.token.expose().to_owned()))
    };
    for padded in [
        &b"session\xa0=eyJh.eyJh.BBBB"[..],
        b"\xa0session=eyJh.eyJh.BBBB",
        b"x=1; \xc2\xa0 session\x85=eyJh.eyJh.BBBB",
    ] {
        assert_eq!(find(padded), MALFORMED, "{padded:?}");
        let beside = [b"session=eyJh.eyJh.AAAA; ", padded].concat();
        assert_eq!(find(&beside), CONFLICT, "{padded:?}");
    }
    for other in [
        &b"\tsession =eyJh.eyJh.AAAA"[..],
        b"session=eyJh.eyJh.AAAA; se\xa0ssion=eyJh.eyJh.BBBB",
        b"session=eyJh.eyJh.AAAA; sessions=eyJh.eyJh.BBBB; \xa0=1; \xff",
    ] {
        assert_eq!(find(other), token(A), "{other:?}");
    }
}

#[test]
fn the_query_counts_on_a_websocket_upgrade_only() {
    let text = format!("token={A}");
    assert_eq!(extract(&[], Some(&text), true), token(A));
    assert_eq!(extract(&[], Some(&text), false), Ok(None));
    let bearer = format!("Bearer {B}");
    assert_eq!(
        extract(&[("authorization", &bearer)], Some(&text), false),
        token(B)
    );
}

#[test]
fn a_query_name_cannot_hide_a_second_token() {
    let query = |text: String| extract(&[], Some(&text), true);
    assert_eq!(query(format!("token={A}&token={A}")), token(A));
    assert_eq!(query(format!("token={A}&token={B}")), CONFLICT);
    assert_eq!(query(format!("token={A}&%74oke%6E={B}")), CONFLICT);
    assert_eq!(query(format!("%74oke%6e={A}")), token(A));
}

#[test]
fn only_a_token_that_came_in_a_cookie_alone_counts_as_sent_by_the_browser() {
    let bearer = format!("Bearer {A}");
    let cookie = format!("session={A}");
    let text = format!("token={A}");
    let carrier = |fields: &[(&'static str, &str)], query: Option<&str>| {
        let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
        let found = all().extract(&headers(&fields), query, true);
        found.unwrap().unwrap().carrier
    };
    assert_eq!(carrier(&[("cookie", &cookie)], None), Carrier::Cookie);
    assert_eq!(carrier(&[("cookie", &cookie)], Some(&text)), Carrier::Query);
    let both = [("cookie", cookie.as_str()), ("authorization", &bearer)];
    assert_eq!(carrier(&both, None), Carrier::Header);
}

#[test]
fn places_that_could_never_match_are_refused() {
    let named = |name: &str| name.to_owned();
    let scheme = |scheme: &str| TokenSource::Header {
        name: AUTHORIZATION,
        scheme: Some(named(scheme)),
    };
    for (sources, error) in [
        (vec![], TokenSourceError::Empty),
        (vec![scheme("")], TokenSourceError::Scheme),
        (vec![scheme("Bearer ")], TokenSourceError::Scheme),
        (
            vec![TokenSource::Cookie { name: named("") }],
            TokenSourceError::CookieName,
        ),
        (
            vec![TokenSource::Cookie { name: named("a=b") }],
            TokenSourceError::CookieName,
        ),
        (
            vec![TokenSource::Cookie { name: named("a;b") }],
            TokenSourceError::CookieName,
        ),
        (
            vec![TokenSource::Query { name: named("a&b") }],
            TokenSourceError::QueryName,
        ),
        (
            vec![TokenSource::Query { name: named("%74") }],
            TokenSourceError::QueryName,
        ),
        (
            vec![cookie(), bearer(), cookie()],
            TokenSourceError::Repeated,
        ),
    ] {
        assert_eq!(
            TokenSources::new(sources.clone()).unwrap_err(),
            error,
            "{sources:?}"
        );
    }
    let host_cookie = TokenSource::Cookie {
        name: named("__Host-session.id"),
    };
    assert!(TokenSources::new(vec![host_cookie, bearer(), query()]).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_answered(
        authorization in header_bytes(),
        cookies in prop::collection::vec(header_bytes(), 0..4),
        query in prop::option::of("(token|%74oken|x)?=?[ -~]{0,20}(&token=[ -~]{0,8})?"),
        websocket: bool,
    ) {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, authorization);
        for cookie in cookies {
            headers.append(COOKIE, cookie);
        }
        let found = all().extract(&headers, query.as_deref(), websocket);
        if let Ok(Some(found)) = found {
            prop_assert!(BearerToken::parse(found.token.expose()).is_ok());
        }
    }
}

fn header_bytes() -> impl Strategy<Value = HeaderValue> {
    let prefix =
        prop::sample::select(&["", "Bearer ", "bearer", "session=", "a=1;session=x.y.z;"][..]);
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    (prefix, bytes).prop_filter_map("not a header value", |(prefix, bytes)| {
        HeaderValue::from_bytes(&[prefix.as_bytes(), &bytes].concat()).ok()
    })
}
