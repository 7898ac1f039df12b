use proptest::prelude::*;

use super::*;

const ALL: Tolerance = Tolerance {
    encoded_slash: true,
    semicolon: true,
    double_slash: true,
};

fn parse(raw: &str) -> Result<CanonicalPath, PathError> {
    CanonicalPath::parse(raw.as_bytes(), Tolerance::default())
}

fn segments(path: &CanonicalPath) -> Vec<&str> {
    path.segments().collect()
}

#[test]
fn paths_with_one_reading_are_split_into_decoded_segments() {
    let cases: [(&str, &str, &[&str]); 18] = [
        ("root", "/", &[""]),
        ("one segment", "/api", &["api"]),
        ("several segments", "/api/v1/users", &["api", "v1", "users"]),
        ("slash at the end", "/api/", &["api", ""]),
        ("unreserved", "/Az09-._~", &["Az09-._~"]),
        ("sub-delimiters", "/!$&'()*+,=:@", &["!$&'()*+,=:@"]),
        ("raw as browsers send it", "/|[]^{}", &["|[]^{}"]),
        ("the same six encoded", "/%7C%5B%5D%5E%7B%7D", &["|[]^{}"]),
        ("space", "/a%20b", &["a b"]),
        ("plus is no space", "/a+b", &["a+b"]),
        ("percent sign", "/100%25", &["100%"]),
        ("percent sign before letters", "/100%25zz", &["100%zz"]),
        ("two bytes, either case", "/%C3%a9", &["é"]),
        ("four bytes", "/%F0%9F%98%80", &["😀"]),
        ("version dots", "/v1.0/a..b", &["v1.0", "a..b"]),
        ("hidden file", "/.well-known", &[".well-known"]),
        ("dot at the end", "/Inc.", &["Inc."]),
        ("dots at the end", "/api../x", &["api..", "x"]),
    ];
    for (case, raw, expected) in cases {
        let path = parse(raw).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(segments(&path), expected, "{case}");
        assert!(!path.is_ambiguous(), "{case}");
    }
}

#[test]
fn u1_paths_with_two_readings_are_refused() {
    let cases = [
        ("empty", "", PathError::NotAbsolute),
        ("asterisk", "*", PathError::NotAbsolute),
        ("relative", "api", PathError::NotAbsolute),
        ("absolute form", "http://a/b", PathError::NotAbsolute),
        ("double slash", "//v4/x", PathError::DoubleSlash),
        ("double slash inside", "/v4//x", PathError::DoubleSlash),
        ("double slash at the end", "/v4//", PathError::DoubleSlash),
        ("double slash alone", "//", PathError::DoubleSlash),
        ("dot", "/./x", PathError::DotSegment),
        ("dot at the end", "/x/.", PathError::DotSegment),
        ("two dots", "/v4/../x", PathError::DotSegment),
        ("two dots at the end", "/v4/..", PathError::DotSegment),
        ("three dots", "/v4/.../x", PathError::DotSegment),
        ("dots and space", "/v4/..%20/x", PathError::DotSegment),
        ("encoded dots", "/v4/%2e%2e/", PathError::EncodedUnreserved),
        (
            "one encoded dot",
            "/v4/.%2E/x",
            PathError::EncodedUnreserved,
        ),
        ("encoded letter", "/%61pi", PathError::EncodedUnreserved),
        ("encoded tilde", "/%7euser", PathError::EncodedUnreserved),
        ("parameters", "/v4/..;/x", PathError::Semicolon),
        ("session id", "/api;jsessionid=1", PathError::Semicolon),
        ("encoded semicolon", "/api%3bx", PathError::Semicolon),
        ("encoded slash", "/v4%2fx", PathError::EncodedSlash),
        ("encoded slash, upper", "/v4%2Fx", PathError::EncodedSlash),
        ("encoded backslash", "/v4/%5c", PathError::EncodedBackslash),
        (
            "encoded backslash, upper",
            "/v4/%5Cx",
            PathError::EncodedBackslash,
        ),
        ("backslash", "/v4\\x", PathError::Backslash),
        (
            "slash encoded twice",
            "/v4%252fx",
            PathError::DoubleEncoding,
        ),
        (
            "letter encoded twice",
            "/%2561pi",
            PathError::DoubleEncoding,
        ),
        ("percent encoded twice", "/%2525", PathError::DoubleEncoding),
        ("encoded NUL", "/v4%00", PathError::Control),
        ("encoded line feed", "/v4%0ax", PathError::Control),
        ("encoded DEL", "/v4%7F", PathError::Control),
        ("encoded C1 control", "/v4%C2%85", PathError::Control),
        ("NUL", "/v4\0x", PathError::Control),
        ("tab", "/v4\tx", PathError::Control),
        ("DEL", "/v4\x7f", PathError::Control),
        ("percent sign alone", "/100%", PathError::BadPercentCode),
        ("one digit", "/a%2", PathError::BadPercentCode),
        ("no digits", "/a%zz", PathError::BadPercentCode),
        ("code across a slash", "/a%2/f", PathError::BadPercentCode),
        ("sign for a digit", "/a%+4", PathError::BadPercentCode),
        ("wide code", "/%u0061", PathError::BadPercentCode),
        ("overlong slash", "/a%C0%AFb", PathError::NotUtf8),
        ("half a character", "/%C3", PathError::NotUtf8),
        ("character across a slash", "/%C3/%A9", PathError::NotUtf8),
        ("surrogate", "/%ED%A0%80", PathError::NotUtf8),
        ("raw UTF-8", "/é", PathError::NonAscii),
        ("space", "/a b", PathError::ForbiddenCharacter),
        ("quote", "/a\"b", PathError::ForbiddenCharacter),
        ("less than", "/a<b", PathError::ForbiddenCharacter),
        ("greater than", "/a>b", PathError::ForbiddenCharacter),
        ("backtick", "/a`b", PathError::ForbiddenCharacter),
    ];
    for (case, raw, expected) in cases {
        assert_eq!(parse(raw), Err(expected), "{case}");
    }
}

#[test]
fn u2_a_fragment_is_refused_and_an_encoded_number_sign_is_text() {
    assert_eq!(parse("/protected#/public"), Err(PathError::Fragment));
    let path = parse("/tags/c%23").unwrap();
    assert_eq!(segments(&path), ["tags", "c#"]);
}

#[test]
fn u3_a_query_is_not_part_of_a_path_and_an_encoded_question_mark_is_text() {
    assert_eq!(
        parse("/protected?x=/public"),
        Err(PathError::ForbiddenCharacter)
    );
    let path = parse("/protected%3Fx").unwrap();
    assert_eq!(segments(&path), ["protected?x"]);
}

#[test]
fn each_tolerance_allows_its_spelling_and_no_other() {
    let encoded_slash = Tolerance {
        encoded_slash: true,
        ..Tolerance::default()
    };
    let semicolon = Tolerance {
        semicolon: true,
        ..Tolerance::default()
    };
    let double_slash = Tolerance {
        double_slash: true,
        ..Tolerance::default()
    };
    let cases: [(&str, Tolerance, &[&str]); 6] = [
        ("/a%2Fb", encoded_slash, &["a/b"]),
        ("/to/https:%2F%2Fb", encoded_slash, &["to", "https://b"]),
        ("/a;b=1/c", semicolon, &["a;b=1", "c"]),
        ("/a%3Bb", semicolon, &["a;b"]),
        ("/a//b", double_slash, &["a", "", "b"]),
        ("//", double_slash, &["", ""]),
    ];
    for (raw, fitting, expected) in cases {
        for tolerance in [encoded_slash, semicolon, double_slash] {
            let parsed = CanonicalPath::parse(raw.as_bytes(), tolerance);
            assert_eq!(parsed.is_ok(), tolerance == fitting, "{raw} {tolerance:?}");
        }
        let path = CanonicalPath::parse(raw.as_bytes(), fitting).unwrap();
        assert!(path.is_ambiguous(), "{raw}");
        assert_eq!(segments(&path), expected, "{raw}");
    }
}

#[test]
fn tolerance_marks_no_path_that_does_without() {
    let path = CanonicalPath::parse(b"/api/users/", ALL).unwrap();
    assert!(!path.is_ambiguous());
}

#[test]
fn u1_no_tolerance_lets_a_path_climb() {
    let cases = [
        ("/a/..;/b", PathError::DotSegment),
        ("/a/..;x=1/b", PathError::DotSegment),
        ("/a/.;/b", PathError::DotSegment),
        ("/a/..%3Bx/b", PathError::DotSegment),
        ("/a%2F..%2Fb", PathError::DotSegment),
        ("/a%2F..;x%2Fb", PathError::DotSegment),
        ("/..%2Fb", PathError::DotSegment),
        ("/a//../b", PathError::DotSegment),
        ("/a%252Fb", PathError::DoubleEncoding),
        ("/a%5C..%5Cb", PathError::EncodedBackslash),
    ];
    for (raw, expected) in cases {
        let parsed = CanonicalPath::parse(raw.as_bytes(), ALL);
        assert_eq!(parsed, Err(expected), "{raw}");
    }
}

#[test]
fn a_prefix_counts_in_whole_segments() {
    let prefix = parse("/_chat/v4").unwrap();
    let below = |raw: &str| {
        let path = parse(raw).unwrap();
        let rest = path.segments_below(&prefix);
        rest.map(|rest| rest.map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(below("/_chat/v4/a/b").unwrap(), ["a", "b"]);
    assert_eq!(below("/_chat/v4/").unwrap(), [""]);
    assert!(below("/_chat/v4").unwrap().is_empty());
    assert_eq!(below("/_chat/v4a/b"), None);
    assert_eq!(below("/_chat"), None);
    assert_eq!(below("/x/_chat/v4"), None);
}

#[test]
fn reasons_are_distinct_words() {
    let reasons = [
        PathError::NotAbsolute,
        PathError::BadPercentCode,
        PathError::EncodedSlash,
        PathError::EncodedBackslash,
        PathError::EncodedUnreserved,
        PathError::DoubleEncoding,
        PathError::Control,
        PathError::Backslash,
        PathError::Fragment,
        PathError::Semicolon,
        PathError::NonAscii,
        PathError::ForbiddenCharacter,
        PathError::NotUtf8,
        PathError::DotSegment,
        PathError::DoubleSlash,
    ]
    .map(PathError::reason);
    let mut distinct = reasons.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), reasons.len());
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    assert!(reasons.iter().all(|reason| reason.bytes().all(is_word)));
}

/// Percent codes that many apps would decode once more, as a second reader.
fn decode_once_more(text: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'%')
            .then(|| {
                after
                    .get(..2)
                    .and_then(|code| std::str::from_utf8(code).ok())
            })
            .flatten()
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        decoded.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    decoded
}

fn encode(segment: &str) -> String {
    let encode_byte = |byte: u8| match byte {
        _ if is_unreserved(byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    segment.bytes().map(encode_byte).collect()
}

/// Paths made of the pieces that matter, so that many are accepted and many just fail.
fn likely_path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", "a", "B", "api", ".", "..", ";", "%", "%2F", "%5C", "%2e", "%25", "%41",
        "%20", "%C3%A9", "%00", "|", "{", "#", "\\", "@", "%40", " ", "é", "2f", "41",
    ]);
    prop::collection::vec(piece, 0..10).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(raw in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = CanonicalPath::parse(&raw, Tolerance::default());
        let _ = CanonicalPath::parse(&raw, ALL);
    }

    #[test]
    fn an_accepted_path_reads_the_same_to_every_reader(raw in likely_path()) {
        let Ok(path) = parse(&raw) else { return Ok(()) };
        let raw_segments: Vec<&str> = raw[1..].split('/').collect();
        prop_assert_eq!(path.segments().count(), raw_segments.len());
        for (decoded, raw_segment) in path.segments().zip(raw_segments) {
            prop_assert_eq!(decoded.as_bytes(), decode_once_more(raw_segment));
            prop_assert_eq!(decoded.as_bytes(), decode_once_more(decoded));
            prop_assert!(!decoded.contains(['/', '\\', ';', '\0']));
            prop_assert!(decoded != "." && decoded != "..");
        }
    }

    #[test]
    fn encoding_the_segments_again_gives_the_same_path(raw in likely_path()) {
        let Ok(path) = parse(&raw) else { return Ok(()) };
        let encoded: String = path.segments().map(|segment| format!("/{}", encode(segment))).collect();
        prop_assert_eq!(parse(&encoded), Ok(path));
    }

    #[test]
    fn tolerance_only_adds_ambiguous_paths(raw in likely_path()) {
        match (parse(&raw), CanonicalPath::parse(raw.as_bytes(), ALL)) {
            (Ok(strict), tolerant) => prop_assert_eq!(tolerant, Ok(strict)),
            (Err(_), Ok(tolerant)) => prop_assert!(tolerant.is_ambiguous()),
            (Err(_), Err(_)) => {}
        }
    }
}
