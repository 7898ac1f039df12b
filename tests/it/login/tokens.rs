//! Answers that begin no session: nothing is issued, and the answer is the app's own.

use std::thread;
use std::time::Duration;

use super::*;
use crate::support::tokens::{session, sign, sign_with};

/// The app takes a while and issues then: the clock of the answer counts, not that of the request.
#[test]
fn a_token_that_is_issued_while_the_request_waits_is_not_from_the_future() {
    for ahead in [0, 30] {
        let app = App::with(move |request, stream| {
            let asked = now();
            while now() < asked + 2 {
                thread::park_timeout(Duration::from_millis(5));
            }
            let at = now() + ahead;
            let token = sign(&serde_json::json!({ "sub": "42", "iat": at, "exp": at + 600 }));
            let bytes = match request.target.as_str() {
                "/header" => json(&format!("X-Session: {token}\r\n"), "{}"),
                _ => json("", body_with(&token)),
            };
            stream.write_all(&bytes).is_ok()
        });
        let exact = "[session]\nleeway = \"0s\"\n";
        let proxy = Proxy::start(&typical_config(&app).replacen("[session]\n", exact, 1));
        for path in ["/json", "/header"] {
            let response = log_in(&proxy, path, "");
            match ahead {
                0 => {
                    let text = response.text();
                    take_login(&text, "\"chat\":", "42");
                }
                _ => assert_no_login(&response),
            }
        }
        assert_eq!(count(&proxy, "injected"), if ahead == 0 { 2 } else { 0 });
    }
}

#[test]
fn a8_a_login_that_fails_with_200_issues_nothing() {
    let app = echo();
    let proxy = typical(&app);
    let bodies = [
        "{\"code\":401,\"error\":\"wrong password\"}",
        "{\"access_token\":null}",
        "{\"access_token\":\"\"}",
        "{\"access_token\":\"Bearer \"}",
        "{}",
    ];
    for body in bodies {
        let response = log_in(&proxy, "/json", json("", body));
        assert_eq!((response.status, response.text().as_str()), (200, body));
        assert_no_login(&response);
    }
    for line in ["", "Set-Cookie: other=1\r\n", "Set-Cookie: session=\r\n"] {
        let response = log_in(&proxy, "/cookie", json(line, "{\"ok\":false}"));
        assert_eq!(response.text(), "{\"ok\":false}");
        assert_no_login(&response);
    }
    assert_eq!(count(&proxy, "no_session"), 8);
    assert_eq!(count(&proxy, "injected"), 0);
    assert_nothing_issued(&proxy);
    let line = proxy.log_line(|line| line["path"] == "/json");
    assert!(line["user_id"].is_null(), "{line}");
}

#[test]
fn a_token_that_is_no_good_session_changes_nothing_and_is_counted() {
    let app = echo();
    let proxy = Proxy::start(&typical_config(&app).replace(
        "algorithms = [\"HS256\"]\n",
        "algorithms = [\"HS256\"]\nrequire = { \"/token_type\" = \"access\" }\n",
    ));
    let claims = |sub: &str, kind: &str, exp: u64| serde_json::json!({ "sub": sub, "token_type": kind, "exp": exp });
    let good = sign(&claims("alice", "access", now() + 600));
    let cases = [
        ("expired", sign(&claims("alice", "access", now() - 600))),
        ("tampered", tampered(&good)),
        (
            "another key",
            sign_with(
                "another secret of the tests, just as long",
                &claims("alice", "access", now() + 600),
            ),
        ),
        ("refresh", sign(&claims("alice", "refresh", now() + 600))),
        (
            "reserved",
            sign(&claims("administrator", "access", now() + 600)),
        ),
        (
            "unmappable",
            sign(&claims("a@example.com", "access", now() + 600)),
        ),
        (
            "another issuer",
            sign(&serde_json::json!({
                "sub": "alice", "token_type": "access", "exp": now() + 600, "iss": "https://other.example.com"
            })),
        ),
        (
            "too long a life",
            sign(&claims("alice", "access", now() + 90 * 86_400)),
        ),
        ("opaque", "5f2b6f0e".to_owned()),
        ("huge", format!("{}.b.c", "a".repeat(9000))),
    ];
    let mut refused = 0;
    for (case, token) in &cases {
        let line = format!("X-Session: {token}\r\nETag: \"1\"\r\n");
        let by_header = json(&line, "{\"n\":2.50}");
        let by_body = json("", body_with(token));
        for (path, answer, is_sent) in [
            ("/header", by_header, true),
            ("/json", by_body, token.len() < LIMIT - 100),
        ] {
            let response = log_in(&proxy, path, &answer);
            assert_eq!(response.status, 200, "{case}");
            assert!(answer.ends_with(&response.body), "{case}");
            assert_no_login_but(&response, token);
            refused += u64::from(is_sent);
        }
        let kept = log_in(&proxy, "/header", json(&line, "{}"));
        assert_eq!(kept.header("etag"), Some("\"1\""), "{case}");
        refused += 1;
    }
    assert_eq!(count(&proxy, "session_refused"), refused);
    assert_eq!(count(&proxy, "injected"), 0);
    assert_nothing_issued(&proxy);
    // The twin.
    let response = log_in(&proxy, "/json", json("", body_with(&good)));
    take_login(&response.text(), ",\"chat\":", "alice");
}

#[test]
fn a_member_that_is_no_text_is_no_token() {
    let app = echo();
    let proxy = typical(&app);
    for value in ["42", "true", "[\"a.b.c\"]", "{\"token\":\"a.b.c\"}"] {
        let body = format!("{{\"access_token\":{value}}}");
        assert_eq!(log_in(&proxy, "/json", json("", &body)).text(), body);
    }
    assert_eq!(count(&proxy, "session_refused"), 4);
}

#[test]
fn two_different_tokens_are_nobodys() {
    let app = echo();
    let proxy = typical(&app);
    let (alice, bob) = (session("alice"), session("bob"));
    for (path, line) in [
        (
            "/cookie",
            format!("Set-Cookie: session={alice}\r\nSet-Cookie: session={bob}\r\n"),
        ),
        (
            "/cookie",
            format!(
                "Set-Cookie: session={alice}; Path=/a\r\nSet-Cookie: session={bob}; Path=/\r\n"
            ),
        ),
        (
            "/header",
            format!("X-Session: {alice}\r\nX-Session: {bob}\r\n"),
        ),
        ("/header", format!("X-Session: {alice}, {bob}\r\n")),
    ] {
        let response = log_in(&proxy, path, json(&line, "{}"));
        assert_eq!(response.text(), "{}", "{line}");
        assert_eq!(response.header("x-chat-userid"), None, "{line}");
    }
    assert_eq!(count(&proxy, "session_refused"), 4);
}

#[test]
fn a_cookie_that_is_taken_away_begins_no_session() {
    let app = echo();
    let proxy = typical(&app);
    let token = session("alice");
    for line in [
        format!("Set-Cookie: session={token}; Max-Age=0\r\n"),
        format!("Set-Cookie: session={token}; Max-Age=-1; Path=/\r\n"),
        format!("Set-Cookie: session={token}; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
        format!("Set-Cookie: session={token}\r\nSet-Cookie: session=; Max-Age=0\r\n"),
        format!("Set-Cookie: Session={token}\r\n"),
        format!("Set-Cookie: __session={token}\r\n"),
    ] {
        let response = log_in(&proxy, "/cookie", json(&line, "{}"));
        assert_eq!(response.text(), "{}", "{line}");
        assert_eq!(response.header("x-chat-userid"), None, "{line}");
    }
    assert_eq!(count(&proxy, "no_session"), 6);
    assert_nothing_issued(&proxy);
}

#[test]
fn a_token_elsewhere_in_the_answer_or_in_the_request_begins_nothing() {
    let app = echo();
    let proxy = typical(&app);
    let token = session("alice");
    let body = format!("{{\"token\":\"{token}\",\"data\":{{\"access_token\":\"{token}\"}}}}");
    let response = log_in(
        &proxy,
        "/json",
        json(&format!("X-Session: {token}\r\n"), &body),
    );
    assert_eq!(response.text(), body);
    let sent = format!("X-Session: {token}\r\nCookie: session={token}\r\n");
    let response = crate::support::send(proxy.address, post("/header", &sent, json("", "{}")));
    assert_eq!(response.text(), "{}");
    assert_no_login(&response);
    assert_nothing_issued(&proxy);
}

/// The same token with another subject under its signature.
fn tampered(token: &str) -> String {
    let other =
        sign(&serde_json::json!({ "sub": "mallory", "token_type": "access", "exp": now() + 600 }));
    let signature = token.rsplit('.').next().unwrap();
    let (signed, _) = other.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{signature}");
    crate::support::tokens::note(&forged);
    forged
}

/// Nothing of a login beside the token, whose text may be anything.
fn assert_no_login_but(response: &Response, token: &str) {
    let shown = format!("{:?} {}", response.headers, response.text()).replace(token, "");
    for word in ["x-chat", "chat_usersig", "userSig"] {
        assert!(!shown.contains(word), "{word}: {shown}");
    }
}

fn assert_nothing_issued(proxy: &Proxy) {
    let text = get(proxy.ops, "/metrics", "").text();
    assert!(
        text.contains("usersig_lookups_total{result=\"issued\",site=\"default\"} 0\n"),
        "{text}"
    );
    assert!(
        text.contains("usersig_cached_users{site=\"default\"} 0\n"),
        "{text}"
    );
}
