use super::*;
use crate::token::BearerToken;

const DIGEST: &str = "fb4b1ef4a1bbeae9e3b7be23e9e3be7ae0dbf3cf46d98cbf5b7c5a6e0f7a3b11";

fn parse(text: &str) -> Result<Revocations, Vec<LineError>> {
    Revocations::parse(text.as_bytes(), &["app", "other"])
}

#[test]
fn every_kind_of_line_denies_what_it_names_and_nothing_else() {
    let token = BearerToken::parse("aa.bb.cc").unwrap();
    let user = UserId::parse("ada", &ReservedNames::default()).unwrap();
    let session = Session {
        issuer: "app",
        user: &user,
        token: Some(&token),
        jti: Some("a b"),
        issued_at: Some(UnixTime::from_secs(100)),
        expires_at: UnixTime::from_secs(200),
    };
    let digest = TokenId::of_token(&token);
    let (by_token, by_subject) = (Err(Denied::TokenRevoked), Err(Denied::SubjectRevoked));
    let cases = [
        ("nothing", "# user app ada\n\n".to_owned(), Ok(())),
        ("digest", format!("token {digest}"), by_token),
        (
            "digest in capitals",
            format!("token {}", digest.to_string().to_uppercase()),
            by_token,
        ),
        ("another digest", format!("token {DIGEST}"), Ok(())),
        ("jti with a space", "jti app a b\r\n".to_owned(), by_token),
        ("another jti", "jti app a".to_owned(), Ok(())),
        ("jti of another issuer", "jti other a b".to_owned(), Ok(())),
        ("user", "user app ada".to_owned(), by_subject),
        ("another user", "user app Ada".to_owned(), Ok(())),
        (
            "user of another issuer",
            "user other ada".to_owned(),
            Ok(()),
        ),
        (
            "user, issued before",
            "user app ada before 101".to_owned(),
            by_subject,
        ),
        (
            "user, issued then",
            "user app ada before 100".to_owned(),
            Ok(()),
        ),
        (
            "twice, the strictest counts",
            "user app ada\nuser app ada before 1".to_owned(),
            by_subject,
        ),
        (
            "twice, the latest counts",
            "user app ada before 101\nuser app ada before 1".to_owned(),
            by_subject,
        ),
    ];
    for (name, text, expected) in cases {
        let list = parse(&format!("{text}\n")).unwrap();
        assert_eq!(list.admit(&session), expected, "{name}");
    }
    let undated = Session {
        issued_at: None,
        ..session
    };
    assert_eq!(
        parse("user app ada before 1\n").unwrap().admit(&undated),
        by_subject
    );
}

#[test]
fn every_line_that_is_not_understood_is_reported() {
    let cases = [
        ("kind", "usr app ada", LineProblem::UnknownKind),
        ("pasted token", "aa.bb.cc", LineProblem::UnknownKind),
        ("short digest", "token 00", LineProblem::BadDigest),
        (
            "more after the digest",
            &format!("token {DIGEST} x"),
            LineProblem::BadDigest,
        ),
        ("no issuer", "user", LineProblem::UnknownIssuer),
        ("unknown issuer", "user ap ada", LineProblem::UnknownIssuer),
        ("no jti", "jti app", LineProblem::NoJti),
        ("no user", "user app", LineProblem::BadUserId),
        ("bad user", "user app a@b", LineProblem::BadUserId),
        ("no time", "user app ada before", LineProblem::BadTime),
        (
            "bad time",
            "user app ada before 2026-01-01",
            LineProblem::BadTime,
        ),
        (
            "signed time",
            "user app ada before +1",
            LineProblem::BadTime,
        ),
        ("another word", "user app ada after 1", LineProblem::BadTime),
    ];
    for (name, line, problem) in cases {
        let text = format!("# list\n{line}\nuser app bob\n");
        assert_eq!(
            parse(&text),
            Err(vec![LineError { line: 2, problem }]),
            "{name}"
        );
    }
    let errors = Revocations::parse(b"x\nuser app ada\n\xff\n", &["app"]).unwrap_err();
    let lines: Vec<_> = errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [1, 3]);
}

#[test]
fn a_list_that_ends_within_a_line_is_refused() {
    for text in [
        "user app 2714",
        "user app 1\nuser app 2714",
        "user app 1\n# wh",
        "user app 1\n ",
    ] {
        let line = text.matches('\n').count() + 1;
        let problem = LineProblem::Unfinished;
        assert_eq!(
            parse(text),
            Err(vec![LineError { line, problem }]),
            "{text:?}"
        );
        assert!(parse(&format!("{text}\n")).is_ok(), "{text:?}");
    }
    assert!(parse("").unwrap().is_empty());
}
