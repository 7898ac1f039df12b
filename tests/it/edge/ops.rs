//! What operators see: health, metrics, and one line a request.

use super::{get_bytes, typical};
use crate::support::proxy::assert_holds_no_secret;
use crate::support::tokens::{bearer, session, sign};
use crate::support::{App, Connection, Proxy, config, get, send};

#[test]
fn health_is_answered_on_the_ops_listener() {
    let app = App::start();
    let proxy = typical(&app, "");
    for (path, status, body) in [
        ("/healthz", 200, "ok\n"),
        (
            "/readyz",
            200,
            "ready\nconfiguration: generation 1, loaded ",
        ),
        ("/other", 404, "/healthz /readyz /metrics /status\n"),
        ("/_chat/usersig", 404, "/healthz /readyz /metrics /status\n"),
    ] {
        let response = get(proxy.ops, path, "");
        assert_eq!(response.status, status, "{path}");
        assert!(response.text().starts_with(body), "{path}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
    }
    let post = send(
        proxy.ops,
        "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(
        (post.status, post.header("allow")),
        (405, Some("GET, HEAD"))
    );
    let head = send(
        proxy.ops,
        "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    assert_eq!(
        (head.status, head.body.len(), head.header("content-length")),
        (200, 0, Some("3"))
    );
}

#[test]
fn o1_ops_paths_are_the_apps_on_the_public_listener() {
    let app = App::start();
    let proxy = typical(&app, "");
    let open = Proxy::in_front_of(&app, "default_access = \"public\"\n");
    for path in ["/healthz", "/readyz", "/metrics", "/status"] {
        let to_ops = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", proxy.ops);
        assert_eq!(send(proxy.address, to_ops).status, 404, "{path}");
        let absolute = format!(
            "GET http://{0}{path} HTTP/1.1\r\nHost: {0}\r\n\r\n",
            proxy.ops
        );
        assert_eq!(send(proxy.address, absolute).status, 404, "{path}");
        assert!(app.seen().is_empty());
        assert_eq!(get(open.address, path, "").text(), "hello", "{path}");
        assert_eq!(app.next().target, path);
    }
}

#[test]
fn metrics_count_what_happened() {
    let app = App::start();
    let proxy = typical(&app, "");
    let expired = format!(
        "Authorization: Bearer {}\r\n",
        sign(&serde_json::json!({ "sub": "a", "exp": 1 }))
    );
    let zero = metrics(&proxy);
    assert!(zero.contains(
        "requests_total{outcome=\"token_expired\",route=\"/session/{*rest}\",site=\"default\"} 0\n"
    ));
    let requests = [
        ("/public/1", String::new()),
        ("/public/2", String::new()),
        ("/session/", String::new()),
        ("/session/", expired),
        ("/session/", bearer("alice")),
        ("/inject/request", bearer("alice")),
        ("/inject/request", bearer("alice")),
        ("/inject/request", bearer("bob")),
        ("/_chat/usersig", bearer("alice")),
        ("/unlisted", String::new()),
        ("/public//", String::new()),
    ];
    for (path, lines) in &requests {
        get(proxy.address, path, lines);
    }
    let count = |outcome: &str, route: &str, count: u32| {
        format!(
            "requests_total{{outcome=\"{outcome}\",route=\"{route}\",site=\"default\"}} {count}"
        )
    };
    let expected = [
        count("forwarded", "/public/{*rest}", 2),
        count("token_missing", "/session/{*rest}", 1),
        count("token_expired", "/session/{*rest}", 1),
        count("forwarded", "/session/{*rest}", 1),
        count("forwarded", "/inject/request", 3),
        count("answered", "usersig_endpoint", 1),
        count("route_not_found", "default", 1),
        count("path_ambiguous", "none", 1),
        "request_duration_seconds_count{route=\"/public/{*rest}\",site=\"default\"} 2".to_owned(),
        "token_verifications_total{algorithm=\"HS256\",result=\"ok\",site=\"default\"} 5"
            .to_owned(),
        "token_verifications_total{algorithm=\"unknown\",result=\"expired\",site=\"default\"} 1"
            .to_owned(),
        "usersig_lookups_total{result=\"issued\",site=\"default\"} 2".to_owned(),
        "usersig_lookups_total{result=\"hit\",site=\"default\"} 2".to_owned(),
        "usersig_lookups_total{result=\"renewed\",site=\"default\"} 0".to_owned(),
        "usersig_cached_users{site=\"default\"} 2".to_owned(),
        "usersig_evictions_total{site=\"default\"} 0".to_owned(),
        "upstream_failures_total{code=\"upstream_invalid\",site=\"default\",upstream=\"app\"} 0"
            .to_owned(),
    ];
    // The line is written after the answer and counted before it; lines of several connections come in any order.
    proxy.log_lines(requests.len(), is_access_line);
    let counted = metrics(&proxy);
    for line in expected {
        assert!(
            counted.contains(&format!("\nusersig_proxy_{line}\n")),
            "{line}\n{counted}"
        );
    }
    assert_eq!(
        series(&zero),
        series(&counted),
        "all series exist from the start"
    );
    assert!(!counted.contains("alice") && !counted.contains("bob"));
}

#[test]
fn o4_a_credential_in_a_path_is_not_logged() {
    let app = App::start();
    let proxy = typical(&app, "");
    let login = get(proxy.address, "/_chat/usersig", &bearer("alice")).json();
    let user_sig = login["userSig"].as_str().unwrap().to_owned();
    let token = session("alice");
    for path in [
        format!("/api/{token}"),
        format!("/public/{token}/x"),
        format!("/api/{}", token.replace('.', "%2E")),
        format!("/public/{user_sig}"),
    ] {
        get(proxy.address, &path, "");
    }
    // What is printed is searched for tokens and UserSigs when the proxy ends.
    for logged in [
        "/api/[redacted]",
        "/public/[redacted]/x",
        "/public/[redacted]",
    ] {
        proxy.log_line(|line| line["path"] == logged);
    }
    assert_holds_no_secret(&proxy.printed());
}

#[test]
fn a_request_is_one_line_with_exactly_its_fields() {
    let app = App::start();
    let proxy = typical(&app, "");
    get(
        proxy.address,
        "/inject/request?secret=query",
        &bearer("alice"),
    );
    get(proxy.address, "/session/x?secret=query", "");
    get(proxy.address, "/public/../?secret=query", "");
    let common = [
        "client",
        "duration_ms",
        "level",
        "message",
        "method",
        "outcome",
        "path",
        "request_id",
        "route",
        "site",
        "status",
        "target",
        "timestamp",
    ];
    for (path, more, expected) in [
        (
            "/inject/request",
            &["server", "upstream", "user_id"][..],
            [
                ("status", "200"),
                ("outcome", "\"forwarded\""),
                ("route", "\"/inject/request\""),
            ],
        ),
        (
            "/session/x",
            &[],
            [
                ("status", "401"),
                ("outcome", "\"token_missing\""),
                ("route", "\"/session/{*rest}\""),
            ],
        ),
        (
            "/public/../",
            &["reason"],
            [
                ("status", "400"),
                ("outcome", "\"path_ambiguous\""),
                ("route", "\"none\""),
            ],
        ),
    ] {
        let line = proxy.log_line(|line| line["path"] == path);
        let mut fields: Vec<_> = common.iter().chain(more).copied().collect();
        fields.sort_unstable();
        let found: Vec<_> = line
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(found, fields, "{path}");
        for (field, value) in expected {
            assert_eq!(line[field].to_string(), value, "{path} {field}");
        }
        assert!(line["duration_ms"].as_f64().unwrap() < 60_000.0);
        assert_eq!(line["client"], "127.0.0.1");
    }
    for (method, logged) in [
        ("PROPFIND", "PROPFIND"),
        ("get", "other"),
        ("A_WORD", "other"),
    ] {
        let path = format!("/public/{method}");
        send(
            proxy.address,
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        );
        let line = proxy.log_line(|line| line["path"] == path.as_str());
        assert_eq!(line["method"], logged);
    }
    let printed = proxy.printed();
    assert_eq!(printed.matches("usersig_proxy::access").count(), 6);
    assert!(!printed.contains("secret=query"), "{printed}");
}

#[test]
fn the_log_can_be_text() {
    let app = App::start();
    let config = config(app.address, &super::typical_routes(""));
    let proxy = Proxy::start(&config.replace("[log]", "[log]\nformat = \"text\""));
    let response = get(proxy.address, "/session/x?secret=query", "");
    let id = response.header("x-request-id").unwrap();
    let line = proxy.text_line(|line| line.contains(id));
    for field in [
        "method=\"GET\"",
        "path=\"/session/x\"",
        "route=\"/session/{*rest}\"",
        "status=401",
        "outcome=\"token_missing\"",
        "duration_ms=",
    ] {
        assert!(line.contains(field), "{field}: {line}");
    }
    assert!(!proxy.printed().contains("secret=query"));
}

/// What a client writes into a path cannot start a line of its own.
#[test]
fn a_path_stays_in_its_line() {
    let app = App::start();
    for format in ["json", "text"] {
        let config = config(app.address, &super::typical_routes(""));
        let proxy =
            Proxy::start(&config.replace("[log]", &format!("[log]\nformat = \"{format}\"")));
        get(proxy.address, "/public/first", "");
        proxy.text_line(|line| line.contains("/public/first"));
        let before = proxy.printed().lines().count();
        for path in [
            "/public/\u{1b}[31m",
            "/public/\u{85}x",
            "/public/\u{2028}x",
            "/public/\"x",
            "/public/%0ax",
        ] {
            let response = get(proxy.address, path, "");
            assert!(response.status == 400, "{path:?}: {response:?}");
        }
        get(
            proxy.address,
            &format!("/public/{}", "a".repeat(10_000)),
            "",
        );
        get(proxy.address, "/public/last", "");
        proxy.text_line(|line| line.contains("/public/last"));
        let printed = proxy.printed();
        assert!(printed.lines().count() - before <= 7, "{printed}");
        assert!(printed.lines().all(|line| line.len() < 2000), "{printed}");
        let is_plain = |character: char| character == '\n' || (' '..='~').contains(&character);
        assert!(printed.chars().all(is_plain), "{format}: {printed:?}");
    }
}

/// What the framework itself logs of a broken request holds the request.
#[test]
fn o4_a_request_that_cannot_be_read_is_not_printed() {
    let app = App::start();
    let proxy = typical(&app, "");
    let token = session("alice");
    for broken in [
        format!(
            "GET /public/?t={token} HTTP/1.1\r\nHost: a\r\nHost: b\r\nAuthorization: Bearer {token}\r\n\r\n"
        ),
        format!(
            "GET /public/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nbroken\r\n\r\n"
        ),
        format!("{token} / HTTP/1.1\r\n\r\n"),
        format!("GET /public/ HTTP/1.1\r\nHost: {token}@localhost\r\n\r\n"),
        format!("GET /public/?t={token}#{token} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET http://{token}@localhost/public/ HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ] {
        assert_eq!(
            Connection::open(proxy.address).request(&broken).status,
            400,
            "{broken}"
        );
    }
    // An app that answers nonsense with what it was sent.
    let parrot = App::with(|request, stream| {
        let _ = std::io::Write::write_all(stream, &request.raw);
        false
    });
    let proxy = typical(&parrot, "");
    let request = get_bytes(
        &format!("/inject/all?t={token}"),
        &format!("Authorization: Bearer {token}\r\n"),
    );
    assert_eq!(send(proxy.address, request).status, 502);
    proxy.log_line(|line| line["status"] == 502);
}

/// The search that ends every test of a proxy finds what it should.
#[test]
fn the_search_for_secrets_finds_them() {
    use crate::support::proxy::CHAT_KEY;
    use crate::support::tokens::SECRET;
    let app = App::start();
    let proxy = typical(&app, "");
    let token = session("alice");
    let user_sig = get(
        proxy.address,
        "/_chat/usersig",
        &format!("Authorization: Bearer {token}\r\n"),
    );
    let user_sig = user_sig.json()["userSig"].as_str().unwrap().to_owned();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    for secret in [CHAT_KEY, SECRET, &token, signed, signature, &user_sig] {
        let printed = format!("{{\"message\":\"about {secret}.\"}}");
        let found = std::panic::catch_unwind(|| assert_holds_no_secret(&printed));
        assert!(found.is_err(), "{secret}");
    }
    assert_holds_no_secret("{\"message\":\"about alice\",\"user_id\":\"eJalice\"}");
}

fn metrics(proxy: &Proxy) -> String {
    let response = get(proxy.ops, "/metrics", "");
    assert_eq!(
        response.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    response.text()
}

fn series(metrics: &str) -> Vec<&str> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' ').map(|(series, _)| series))
        .collect()
}

fn is_access_line(line: &serde_json::Value) -> bool {
    line["target"] == "usersig_proxy::access"
}
