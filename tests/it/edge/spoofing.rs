//! Headers that a client sends in the hope that the app takes them for ours.

use serde_json::json;

use super::{assert_identity, assert_no_identity, get_bytes, typical};
use crate::support::tokens::{bearer, now, session, sign};
use crate::support::{App, Proxy, get, send};

/// Every route kind that lets a request through, and whether it injects.
const PATHS: [(&str, bool); 5] = [
    ("/public/", false),
    ("/optional/", true),
    ("/session/", false),
    ("/inject/request", true),
    ("/inject/response", false),
];

fn assert_forgery_is_stripped(forged: &str) {
    let app = App::start();
    let proxy = typical(&app, "");
    for (path, injects) in PATHS {
        let lines = format!("{forged}{}", bearer("alice"));
        assert_eq!(get(proxy.address, path, &lines).status, 200, "{path}");
        let request = app.next();
        match injects {
            true => assert_identity(&request, "alice"),
            false => assert_no_identity(&request),
        }
        assert!(
            !String::from_utf8_lossy(&request.raw).contains("forged"),
            "{request:?}"
        );
        assert_eq!(request.header("accept"), Some("*/*"));
    }
}

#[test]
fn h1_every_alias_is_stripped_on_every_route() {
    assert_forgery_is_stripped(
        "X_Chat_UserSig: forged\r\nx_chat_usersig: forged\r\nX-Chat_UserID: forged\r\nX-Chat-UserSig_: forged\r\n\
         _X-Chat-UserID: forged\r\nX.Chat.SDKAppID: forged\r\nX~Chat~UserID: forged\r\nAccept: */*\r\n\
         X-CHAT-USERID: forged\r\n",
    );
}

/// A CGI app reads both as `HTTP_X_CHAT_USERID`.
#[test]
fn h1_an_underscore_twin_does_not_stand_beside_ours() {
    assert_forgery_is_stripped("X_CHAT_USERID: forged\r\nAccept: */*\r\n");
}

#[test]
fn h2_two_spellings_of_one_header_are_both_stripped() {
    assert_forgery_is_stripped(
        "X-Chat-UserID: forged\r\nAccept: */*\r\nx-chat-userid: forged\r\nX-CHAT-UserSig: forged\r\n\
         X-Chat-UserSig: forged\r\nX-Chat-SDKAppID: forged\r\n",
    );
}

#[test]
fn h3_a_nomination_of_what_is_decided_by_is_refused() {
    let app = App::start();
    let proxy = typical(&app, "");
    for connection in [
        "x-chat-userid, x-chat-usersig, x-chat-sdkappid",
        "X-Chat-UserID",
        "close, x_chat_userid",
        "keep-alive, x-request-id",
        "Authorization",
        "close, cookie",
        "origin",
        "host",
        "content-length",
        "Content-Type",
        "X-Hop\r\nConnection: authorization",
    ] {
        let lines = format!("Connection: {connection}\r\n{}", bearer("alice"));
        for (path, _) in PATHS {
            let response = get(proxy.address, path, &lines);
            let refused = (response.status, response.code());
            assert_eq!(refused, (400, "request_invalid".to_owned()), "{connection}");
        }
    }
    assert!(app.seen().is_empty());
    let lines = format!("Connection: keep-alive, X-Hop\r\n{}", bearer("alice"));
    assert_eq!(get(proxy.address, "/inject/request", &lines).status, 200);
    assert_identity(&app.next(), "alice");
}

#[test]
fn h3_a_nomination_of_the_configured_token_header_is_refused() {
    let app = App::start();
    let config = crate::support::config(app.address, &super::typical_routes(""));
    let proxy =
        Proxy::start(&config.replace("{ cookie = \"session\" }", "{ header = \"X-Session\" }"));
    let token = format!("X-Session: {}\r\n", session("alice"));
    for nominated in ["x-session", "X_Session"] {
        let lines = format!("Connection: {nominated}\r\n{token}");
        assert_eq!(
            get(proxy.address, "/session/", &lines).status,
            400,
            "{nominated}"
        );
    }
    assert!(app.seen().is_empty());
    let lines = format!("Connection: x-session-id\r\n{token}");
    assert_eq!(get(proxy.address, "/inject/request", &lines).status, 200);
    assert_identity(&app.next(), "alice");
}

#[test]
fn h3_a_nominated_header_is_dropped_and_a_protected_one_refused() {
    let app = App::start();
    let proxy = typical(&app, "");
    let lines = "Connection: x-hop, close\r\nX-Hop: 1\r\nX-End: 2\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n\
                 Proxy-Authorization: Basic eA==\r\nProxy-Connection: keep-alive\r\nTrailer: X-End\r\n";
    assert_eq!(get(proxy.address, "/public/", lines).status, 200);
    let request = app.next();
    for name in [
        "connection",
        "x-hop",
        "keep-alive",
        "te",
        "proxy-authorization",
        "proxy-connection",
        "trailer",
    ] {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert_eq!(request.header("x-end"), Some("2"));

    // Where the framework is the one that refuses, it does so late, and the answer is still ours, not a 502.
    for nominated in [
        "x-forwarded-for",
        "X-Forwarded-Host",
        "x-forwarded-proto",
        "host",
        ":path",
        "a b",
        "\"x\"",
    ] {
        let lines = format!("Connection: {nominated}\r\n");
        let response = get(proxy.address, "/public/", &lines);
        assert_eq!(
            (response.status, response.code().as_str()),
            (400, "request_invalid"),
            "{nominated}"
        );
    }
    let many = format!("Connection: {}\r\n", ["x"; 10].join(","));
    assert_eq!(get(proxy.address, "/public/", &many).status, 400);
    let few = format!("Connection: {}\r\n", ["x"; 9].join(","));
    assert_eq!(get(proxy.address, "/public/", &few).status, 200);
    assert_eq!(app.seen().len(), 1);
}

#[test]
fn h4_nobody_brings_an_identity_along() {
    let app = App::start();
    let proxy = typical(&app, "");
    for path in ["/public/", "/optional/"] {
        let forged = "X-Chat-UserID: root\r\nX-Chat-UserSig: eJx\r\nX_Chat_SDKAppID: 1\r\n";
        assert_eq!(get(proxy.address, path, forged).status, 200, "{path}");
        assert_no_identity(&app.next());
    }
}

#[test]
fn h5_a_token_without_a_usable_subject_gives_no_identity() {
    let app = App::start();
    let proxy = typical(&app, "");
    for claims in [
        json!({ "exp": now() + 600 }),
        json!({ "exp": now() + 600, "sub": "" }),
        json!({ "exp": now() + 600, "sub": null }),
        json!({ "exp": now() + 600, "sub": 7 }),
        json!({ "exp": now() + 600, "sub": ["alice"] }),
        json!({ "exp": now() + 600, "sub": "administrator" }),
        json!({ "exp": now() + 600, "sub": "ADMINISTRATOR" }),
        json!({ "exp": now() + 600, "sub": "a".repeat(33) }),
    ] {
        let lines = format!(
            "Authorization: Bearer {}\r\nX-Chat-UserID: root\r\n",
            sign(&claims)
        );
        for path in [
            "/session/",
            "/optional/",
            "/inject/request",
            "/_chat/usersig",
        ] {
            let response = get(proxy.address, path, &lines);
            assert_eq!(
                (response.status, response.code().as_str()),
                (403, "user_not_mapped"),
                "{path} {claims}"
            );
        }
    }
    assert!(app.seen().is_empty());
    let longest = "a".repeat(32);
    assert_eq!(
        get(proxy.address, "/inject/request", &bearer(&longest)).status,
        200
    );
    assert_identity(&app.next(), &longest);
}

#[test]
fn h6_a_subject_that_would_break_a_header_is_refused() {
    let app = App::start();
    let proxy = typical(&app, "");
    let long = "a".repeat(5000);
    for subject in [
        "a\r\nX-Chat-UserID: root",
        "a\nb",
        "a\rb",
        "a\0b",
        "a\tb",
        "a b",
        "\u{e4}",
        "a,b",
        "a;b",
        "a=b",
        "a\"b",
        &long,
    ] {
        for path in ["/inject/all", "/_chat/usersig"] {
            let response = get(proxy.address, path, &bearer(subject));
            assert_eq!(
                (response.status, response.code().as_str()),
                (403, "user_not_mapped"),
                "{subject:?}"
            );
        }
    }
    assert!(app.seen().is_empty());
    assert_eq!(
        get(proxy.address, "/inject/all", &bearer("a-b_C9")).status,
        200
    );
    assert_identity(&app.next(), "a-b_C9");
}

#[test]
fn h7_names_are_compared_without_case_everywhere() {
    let app = App::start();
    let proxy = typical(&app, "");
    let token = session("alice");
    for lines in [
        format!("AUTHORIZATION: bearer {token}\r\nX-CHAT-USERID: root\r\n"),
        format!("authorization: BEARER {token}\r\nx-chat-userid: root\r\n"),
        format!("COOKIE: session={token}\r\nX-cHAT-uSERid: root\r\n"),
    ] {
        assert_eq!(
            get(proxy.address, "/inject/request", &lines).status,
            200,
            "{lines}"
        );
        assert_identity(&app.next(), "alice");
    }
}

#[test]
fn h8_a_header_that_names_another_path_or_method_changes_nothing() {
    let app = App::start();
    let proxy = typical(&app, "");
    let lines = "X-Original-URI: /public/\r\nX-Original-URL: /public/\r\nX-Rewrite-URL: /public/\r\nX-Forwarded-Uri: /public/\r\n\
                 X-Forwarded-Path: /public/\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Prefix: /public\r\n\
                 X-HTTP-Method-Override: GET\r\nX-HTTP-Method: GET\r\nX-Method-Override: GET\r\n";
    assert_eq!(get(proxy.address, "/session/", lines).status, 401);
    assert_eq!(get(proxy.address, "/deny/", lines).status, 404);
    let delete = format!("DELETE /get-only HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    assert_eq!(send(proxy.address, delete).status, 405);
    assert!(app.seen().is_empty());
    // An app may route by the first two, and then it would not serve what was judged.
    assert_eq!(get(proxy.address, "/public/", lines).status, 200);
    let request = app.next();
    for name in [
        "x-original-uri",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-uri",
        "x-forwarded-prefix",
    ] {
        assert_eq!(request.header(name), None, "{name}");
    }
}

#[test]
fn h9_where_a_request_comes_from_is_said_by_us_alone() {
    let app = App::start();
    let proxy = typical(&app, "");
    let forged = "_X-Forwarded-For: 192.0.2.7\r\n_Forwarded: for=192.0.2.8\r\nTrue-Client-IP: 192.0.2.9\r\n\
                  X-Client-IP: 192.0.2.10\r\nX-Cluster-Client-IP: 192.0.2.11\r\nCF-Connecting-IP: 192.0.2.12\r\n\
                  X-Original-Host: evil.example\r\nX_Request_ID: 192.0.2.13\r\nX-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: 192.0.2.2\r\nX_Forwarded_For: 192.0.2.3\r\n\
                  X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Port: 443\r\n\
                  Forwarded: for=192.0.2.4\r\nX-Real-IP: 192.0.2.5\r\nX_Real_IP: 192.0.2.6\r\n";
    for (path, token) in [
        ("/public/", String::new()),
        ("/inject/request", bearer("alice")),
    ] {
        assert_eq!(
            get(proxy.address, path, &format!("{forged}{token}")).status,
            200
        );
        let request = app.next();
        assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(request.header("x-forwarded-host"), Some("localhost"));
        assert_eq!(request.header("x-forwarded-proto"), Some("http"));
        let text = String::from_utf8_lossy(&request.raw).into_owned();
        assert!(
            !text.contains("192.0.2.") && !text.contains("evil.example"),
            "{text}"
        );
    }
}

#[test]
fn h10_a_probes_name_opens_nothing() {
    let app = App::start();
    let proxy = typical(&app, "");
    for agent in [
        "kube-probe/1.31",
        "GoogleHC/1.0",
        "ELB-HealthChecker/2.0",
        "AlwaysOn",
    ] {
        let lines = format!("User-Agent: {agent}\r\n");
        for path in ["/session/", "/inject/request", "/_chat/usersig"] {
            assert_eq!(get(proxy.address, path, &lines).status, 401, "{agent}");
        }
        assert_eq!(
            get(proxy.address, "/healthz", &lines).status,
            404,
            "{agent}"
        );
    }
    assert!(app.seen().is_empty());
    let probe = format!("User-Agent: kube-probe/1.31\r\n{}", bearer("alice"));
    assert_eq!(get(proxy.address, "/session/", &probe).status, 200);
}

#[test]
fn h11_two_tokens_are_never_the_first_that_works() {
    let app = App::start();
    let proxy = typical(&app, "");
    let (alice, bob) = (session("alice"), session("bob"));
    for (case, lines, status) in [
        (
            "header and cookie",
            format!("Authorization: Bearer {alice}\r\nCookie: session={bob}\r\n"),
            400,
        ),
        (
            "two headers",
            format!("Authorization: Bearer {alice}\r\nAuthorization: Bearer {bob}\r\n"),
            400,
        ),
        (
            "one header twice",
            format!("Authorization: Bearer {alice}\r\nAuthorization: Bearer {alice}\r\n"),
            400,
        ),
        (
            "two schemes",
            format!("Authorization: Bearer {alice}\r\nAuthorization: Basic eA==\r\n"),
            400,
        ),
        (
            "joined",
            format!("Authorization: Bearer {alice}, Bearer {bob}\r\n"),
            400,
        ),
        (
            "two cookies",
            format!("Cookie: session={alice}; session={bob}\r\n"),
            400,
        ),
        (
            "two cookie fields",
            format!("Cookie: session={alice}\r\nCookie: session={bob}\r\n"),
            400,
        ),
    ] {
        for path in ["/session/", "/optional/", "/_chat/usersig"] {
            let got = get(proxy.address, path, &lines).status;
            assert!(got == status || got == 401, "{case}: {got}");
        }
    }
    assert!(app.seen().is_empty());
    let same = format!("Authorization: Bearer {alice}\r\nCookie: session={alice}\r\n");
    assert_eq!(get(proxy.address, "/inject/request", &same).status, 200);
    assert_identity(&app.next(), "alice");
}

#[test]
fn h12_a_cookie_is_one_bare_token_or_refused_every_time() {
    let app = App::start();
    let proxy = typical(&app, "");
    let (alice, bob) = (session("alice"), session("bob"));
    let long = format!("session=a.b.{}", "c".repeat(9000));
    for (case, cookie, status) in [
        (
            "two of a name",
            format!("session={alice}; session={bob}"),
            400,
        ),
        (
            "two, one padded",
            format!("session={alice}; session ={bob}"),
            400,
        ),
        (
            "one of them empty",
            format!("session=; session={alice}"),
            400,
        ),
        ("quoted", format!("session=\"{alice}\""), 401),
        (
            "quoted and bare",
            format!("session=\"{alice}\"; session={alice}"),
            400,
        ),
        ("more behind it", format!("session={alice}=x"), 401),
        ("too long", long, 401),
    ] {
        for path in [
            "/session/",
            "/optional/",
            "/inject/request",
            "/_chat/usersig",
        ] {
            for _ in 0..2 {
                let response = get(proxy.address, path, &format!("Cookie: {cookie}\r\n"));
                assert_eq!(response.status, status, "{case} {path}");
            }
        }
    }
    assert!(app.seen().is_empty());
    for cookie in [
        format!("session={alice}"),
        format!("a=\"b\"; session={alice};c"),
        format!("session={alice}; session={alice}"),
        format!("Session={bob}; session={alice}"),
    ] {
        let response = get(
            proxy.address,
            "/inject/request",
            &format!("Cookie: {cookie}\r\n"),
        );
        assert_eq!(response.status, 200, "{cookie}");
        assert_identity(&app.next(), "alice");
    }
}

#[test]
fn p5_a_trailer_is_no_header_of_ours() {
    let app = App::start();
    let proxy = typical(&app, "");
    let request = format!(
        "POST /inject/request HTTP/1.1\r\nHost: localhost\r\n{}Transfer-Encoding: chunked\r\nTrailer: X-Chat-UserID\r\n\r\n\
         2\r\nhi\r\n0\r\nX-Chat-UserID: root\r\nX_Chat_UserSig: forged\r\n\r\n",
        bearer("alice")
    );
    assert_eq!(send(proxy.address, request).status, 200);
    let request = app.next();
    assert_identity(&request, "alice");
    assert_eq!(request.body, b"hi");
    let raw = String::from_utf8_lossy(&request.raw).into_owned();
    assert!(!raw.contains("root") && !raw.contains("forged"), "{raw}");
}

#[test]
fn a_refused_forgery_reaches_nobody() {
    let app = App::start();
    let proxy: Proxy = typical(&app, "");
    let forged = get_bytes(
        "/session/",
        "X-Chat-UserID: root\r\nX-Chat-UserSig: eJx\r\n",
    );
    assert_eq!(send(proxy.address, forged).status, 401);
    assert!(app.seen().is_empty());
}
