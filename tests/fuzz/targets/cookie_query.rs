//! Cookies and the query against what other readers find there. Input: a `Cookie` field, or behind a `?` a query.
//!
//! The app reads the same request with a parser of its own. Where a token is found here, no other reader may find another
//! one under that name, and where none is found, no other reader may find one.

#![no_main]

use std::sync::LazyLock;

use cookie::Cookie;
use http::header::{COOKIE, HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use usersig_proxy::token::extract::{TokenSource, TokenSources};

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        Some((b'?', query)) => check_query(query),
        _ => check_cookies(data),
    }
});

fn check_query(query: &[u8]) {
    let Ok(query) = std::str::from_utf8(query) else {
        return;
    };
    let Ok(found) = QUERY.extract(&HeaderMap::new(), Some(query), true) else {
        return;
    };
    let ours = found.map(|found| found.token.expose().to_owned());
    let theirs = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == NAME)
        .map(|(_, value)| value.into_owned());
    assert_agree(ours.as_deref(), theirs.collect());
}

fn check_cookies(field: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(field) else {
        return;
    };
    let headers = HeaderMap::from_iter([(COOKIE, value)]);
    let Ok(found) = COOKIES.extract(&headers, None, false) else {
        return;
    };
    let ours = found.map(|found| found.token.expose().to_owned());
    let latin: String = field.iter().map(|byte| char::from(*byte)).collect();
    for text in [String::from_utf8_lossy(field).into_owned(), latin] {
        let cookies = Cookie::split_parse(&text).flatten();
        let named = cookies.filter(|cookie| cookie.name() == NAME);
        let theirs = named.map(|cookie| cookie.value().to_owned());
        assert_agree(ours.as_deref(), theirs.collect());
    }
}

/// An empty value is no token to anybody.
fn assert_agree(ours: Option<&str>, theirs: Vec<String>) {
    for value in theirs.iter().filter(|value| !value.is_empty()) {
        assert_eq!(
            ours,
            Some(value.as_str()),
            "another reader finds {theirs:?}"
        );
    }
    assert!(
        ours.is_none() || !theirs.is_empty(),
        "only we find {ours:?}"
    );
}

static COOKIES: LazyLock<TokenSources> = LazyLock::new(|| {
    let name = NAME.to_owned();
    TokenSources::new(vec![TokenSource::Cookie { name }]).expect("a good place")
});

static QUERY: LazyLock<TokenSources> = LazyLock::new(|| {
    let name = NAME.to_owned();
    TokenSources::new(vec![TokenSource::Query { name }]).expect("a good place")
});

const NAME: &str = "session";
