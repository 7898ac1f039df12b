use proptest::prelude::*;

use super::*;

fn exact(text: &str) -> Segment {
    Segment::Exact(text.to_owned())
}

#[test]
fn patterns_are_parsed_into_whole_segments() {
    let cases = [
        ("root", "/", vec![exact("")]),
        ("literal", "/api/login", vec![exact("api"), exact("login")]),
        ("slash at the end", "/api/", vec![exact("api"), exact("")]),
        (
            "parameter",
            "/users/{id}",
            vec![exact("users"), Segment::Parameter],
        ),
        (
            "parameter inside",
            "/users/{user_id}/photos",
            vec![exact("users"), Segment::Parameter, exact("photos")],
        ),
        ("rest", "/api/{*rest}", vec![exact("api"), Segment::Rest]),
        ("rest alone", "/{*rest}", vec![Segment::Rest]),
        ("percent code", "/caf%C3%A9", vec![exact("café")]),
        ("encoded brace", "/%7Bid%7D", vec![exact("{id}")]),
        ("encoded asterisk", "/%2A", vec![exact("*")]),
        ("encoded colon in front", "/%3Aid", vec![exact(":id")]),
        (
            "colon inside",
            "/v1/items:batch",
            vec![exact("v1"), exact("items:batch")],
        ),
        (
            "dollar in front",
            "/odata/$batch",
            vec![exact("odata"), exact("$batch")],
        ),
    ];
    for (case, text, expected) in cases {
        let pattern = Pattern::parse(text).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(pattern.segments(), expected, "{case}");
        assert_eq!(pattern.as_str(), text, "{case}");
    }
}

#[test]
fn u5_patterns_that_are_not_anchored_or_read_like_expressions_are_refused() {
    let not_absolute = ["", "api", "^/api", "*", "{*rest}", "~/api", "https://a/b"];
    for text in not_absolute {
        assert_eq!(
            Pattern::parse(text),
            Err(PatternError::NotAbsolute),
            "{text}"
        );
    }
    let wildcards = [
        ("/api/*", "*"),
        ("/api/**", "**"),
        ("/api*", "api*"),
        ("/api/.*", ".*"),
        ("/api/.+", ".+"),
        ("/api$", "api$"),
        ("/^api", "^api"),
        ("/(a|b)", "(a|b)"),
        ("/[a-z]/x", "[a-z]"),
        ("/users/:id", ":id"),
    ];
    for (text, segment) in wildcards {
        let segment = segment.to_owned();
        assert_eq!(
            Pattern::parse(text),
            Err(PatternError::Wildcard { segment }),
            "{text}"
        );
    }
}

#[test]
fn u5_a_dot_is_only_a_dot() {
    let pattern = Pattern::parse("/api/v1.0").unwrap();
    assert_eq!(pattern.segments(), [exact("api"), exact("v1.0")]);
}

#[test]
fn patterns_that_no_request_can_match_are_refused() {
    let cases = [
        ("/api//x", "", PathError::DoubleSlash),
        ("//", "", PathError::DoubleSlash),
        ("/api/../x", "..", PathError::DotSegment),
        ("/./x", ".", PathError::DotSegment),
        ("/%61pi", "%61pi", PathError::EncodedUnreserved),
        ("/a%2Fb", "a%2Fb", PathError::EncodedSlash),
        ("/a;b", "a;b", PathError::Semicolon),
        ("/100%", "100%", PathError::BadPercentCode),
        ("/%2541", "%2541", PathError::DoubleEncoding),
        ("/\\d", "\\d", PathError::Backslash),
        ("/a#b", "a#b", PathError::Fragment),
        ("/a?b=c", "a?b=c", PathError::ForbiddenCharacter),
        ("/a b", "a b", PathError::ForbiddenCharacter),
        ("/café", "café", PathError::NonAscii),
        ("/%FF", "%FF", PathError::NotUtf8),
        ("/a\n", "a\n", PathError::Control),
    ];
    for (text, segment, error) in cases {
        let segment = segment.to_owned();
        let expected = PatternError::Unreachable { segment, error };
        assert_eq!(Pattern::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn misplaced_parameters_are_refused() {
    for text in [
        "/{id}.json",
        "/v{n}",
        "/{a}{b}",
        "/{",
        "/a}",
        "/{a}-{b}",
        "/{{id}}",
    ] {
        let error = Pattern::parse(text).unwrap_err();
        let refused = matches!(
            error,
            PatternError::PartialParameter { .. } | PatternError::ParameterName { .. }
        );
        assert!(refused, "{text}: {error:?}");
    }
    for text in [
        "/{}",
        "/{*}",
        "/{a-b}",
        "/{**rest}",
        "/{id:[0-9]+}",
        "/{ id }",
        "/{é}",
    ] {
        let segment = text[1..].to_owned();
        let expected = PatternError::ParameterName { segment };
        assert_eq!(Pattern::parse(text), Err(expected), "{text}");
    }
    for text in ["/{*rest}/x", "/{*rest}/", "/{*a}/{*b}"] {
        assert_eq!(
            Pattern::parse(text),
            Err(PatternError::RestNotLast),
            "{text}"
        );
    }
}

#[test]
fn parameters_have_names_of_their_own() {
    assert!(Pattern::parse("/{a}/{b}/{*c}").is_ok());
    for text in ["/{a}/{a}", "/{a}/x/{*a}"] {
        let name = "a".to_owned();
        let expected = PatternError::RepeatedParameter { name };
        assert_eq!(Pattern::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn u7_patterns_are_bounded() {
    let longest = format!("/{}", "a".repeat(MAX_PATTERN_BYTES - 1));
    assert!(Pattern::parse(&longest).is_ok());
    let too_long = Pattern::parse(&format!("{longest}a"));
    assert_eq!(too_long, Err(PatternError::TooLong));
    let most = "/a".repeat(MAX_SEGMENTS);
    assert!(Pattern::parse(&most).is_ok());
    let too_many = Pattern::parse(&format!("{most}/a"));
    assert_eq!(too_many, Err(PatternError::TooManySegments));
    // There is nothing to backtrack in: an expression is no pattern, however short or long it is.
    let nested = "(a+)+".repeat(2000);
    assert_eq!(
        Pattern::parse(&format!("/{nested}$")),
        Err(PatternError::TooLong)
    );
    let segment = "(a+)+$".to_owned();
    let expression = Pattern::parse(&format!("/{segment}"));
    assert_eq!(expression, Err(PatternError::Wildcard { segment }));
}

#[test]
fn the_pattern_for_everything_is_what_its_text_says() {
    let everything = Pattern::everything();
    assert_eq!(Pattern::parse(everything.as_str()), Ok(everything));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,40}") {
        let _ = Pattern::parse(&text);
        let _ = Pattern::parse(&format!("/{text}"));
    }

    #[test]
    fn a_literal_pattern_is_read_like_a_path(text in "/[a-z%0-9./]{0,12}") {
        let path = CanonicalPath::parse(text.as_bytes(), Tolerance::default());
        match (Pattern::parse(&text), path) {
            (Ok(pattern), Ok(path)) => {
                let literals: Vec<_> = path.segments().map(exact).collect();
                prop_assert_eq!(pattern.segments(), literals);
            }
            (pattern, path) => prop_assert_eq!(pattern.is_ok(), path.is_ok()),
        }
    }
}
