//! Where a request carries its token. Input: the query in the first line, behind a `>` when it is a WebSocket's, then
//! one header field a line.
//!
//! What is found must not depend on the order of the places, must stand in the request, and must be what each place says
//! by itself.

#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use usersig_proxy::token::extract::{Carrier, ExtractError, TokenSource, TokenSources};

struct Request<'a> {
    headers: HeaderMap,
    query: Option<&'a str>,
    websocket: bool,
}

type Outcome = Result<Option<(String, Carrier)>, ExtractError>;

fuzz_target!(|data: &[u8]| {
    let Some(request) = Request::read(data) else {
        return;
    };
    let outcome = request.extract(&PLACES.all);
    // Which of two faults is told first may depend on the order.
    assert_eq!(
        outcome.as_ref().ok(),
        request.extract(&PLACES.reversed).as_ref().ok()
    );
    let each: Vec<_> = PLACES.each.iter().map(|one| request.extract(one)).collect();
    match outcome {
        Ok(Some((token, _))) => {
            assert!(request.holds(&token), "a token that was not sent");
            assert!(each.iter().all(|one| says_or_is_silent(one, &token)));
            assert!(each.iter().any(|one| matches!(one, Ok(Some(_)))));
        }
        Ok(None) => assert!(each.iter().all(|one| matches!(one, Ok(None)))),
        Err(_) => assert!(is_fault(&each), "a fault that no place has: {each:?}"),
    }
});

impl<'a> Request<'a> {
    fn read(data: &'a [u8]) -> Option<Self> {
        let mut lines = data.split(|byte| *byte == b'\n');
        let query = std::str::from_utf8(lines.next()?).ok()?;
        let (websocket, query) = match query.strip_prefix('>') {
            Some(query) => (true, query),
            None => (false, query),
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            let Some(at) = line.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let (name, value) = (&line[..at], line[at + 1..].trim_ascii());
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
            {
                headers.append(name, value);
            }
        }
        Some(Self {
            headers,
            query: Some(query).filter(|query| !query.is_empty()),
            websocket,
        })
    }

    fn extract(&self, places: &TokenSources) -> Outcome {
        let found = places.extract(&self.headers, self.query, self.websocket)?;
        Ok(found.map(|found| (found.token.expose().to_owned(), found.carrier)))
    }

    fn holds(&self, token: &str) -> bool {
        let token = token.as_bytes();
        let is_in = |text: &[u8]| text.windows(token.len()).any(|window| window == token);
        let query = self.query.filter(|_| self.websocket).unwrap_or_default();
        is_in(query.as_bytes()) || self.headers.values().any(|value| is_in(value.as_bytes()))
    }
}

fn says_or_is_silent(one: &Outcome, token: &str) -> bool {
    match one {
        Ok(Some((found, _))) => found == token,
        Ok(None) => true,
        Err(_) => false,
    }
}

/// Whether one place is at fault, or two say different things.
fn is_fault(each: &[Outcome]) -> bool {
    let mut tokens: Vec<_> = each
        .iter()
        .flatten()
        .flatten()
        .map(|(text, _)| text)
        .collect();
    tokens.dedup();
    tokens.len() > 1 || each.iter().any(Result::is_err)
}

struct Places {
    all: TokenSources,
    reversed: TokenSources,
    each: Vec<TokenSources>,
}

static PLACES: LazyLock<Places> = LazyLock::new(|| {
    let places = vec![
        TokenSource::Header {
            name: http::header::AUTHORIZATION,
            scheme: Some("Bearer".to_owned()),
        },
        TokenSource::Header {
            name: HeaderName::from_static("x-session"),
            scheme: None,
        },
        TokenSource::Cookie {
            name: "session".to_owned(),
        },
        TokenSource::Query {
            name: "token".to_owned(),
        },
    ];
    let sources = |places: Vec<_>| TokenSources::new(places).expect("good places");
    Places {
        all: sources(places.clone()),
        reversed: sources(places.iter().rev().cloned().collect()),
        each: places.into_iter().map(|one| sources(vec![one])).collect(),
    }
});
