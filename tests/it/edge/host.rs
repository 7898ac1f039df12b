//! The host of a request: one reading, or a refusal.

use super::{route, typical};
use crate::support::tokens::bearer;
use crate::support::{App, Connection, Proxy, send};

/// A site for one host; every other host is denied.
fn one_host(app: &App) -> Proxy {
    let routes = [
        "default_access = \"deny\"\n".to_owned(),
        route(
            "host = \"app.example.com\", path = \"/{*rest}\"",
            "session",
            &[],
        ),
        route(
            "host = \"open.example.com\", path = \"/{*rest}\"",
            "public",
            &[],
        ),
    ];
    Proxy::in_front_of(app, &routes.concat())
}

#[test]
fn u4_spellings_of_one_host_get_one_verdict() {
    let app = App::start();
    let proxy = one_host(&app);
    for host in [
        "app.example.com",
        "APP.example.COM",
        "app.example.com:8080",
        "app.example.com.",
        "app.example.com.:80",
    ] {
        let request = |lines: &str| format!("GET /x HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n");
        assert_eq!(send(proxy.address, request("")).status, 401, "{host}");
        assert_eq!(
            send(proxy.address, request(&bearer("alice"))).status,
            200,
            "{host}"
        );
        let seen = app.next();
        assert_eq!(seen.header("host"), Some(host));
        assert_eq!(seen.header("x-forwarded-host"), Some(host));
    }
    for host in [
        "other.example.com",
        "example.com",
        "xapp.example.com",
        "127.0.0.1",
    ] {
        let request = format!("GET /x HTTP/1.1\r\nHost: {host}\r\n{}\r\n", bearer("alice"));
        assert_eq!(send(proxy.address, request).status, 404, "{host}");
    }
    assert!(app.seen().is_empty());
}

#[test]
fn u4_a_host_that_two_programs_read_differently_is_refused() {
    let app = App::start();
    let proxy = typical(&app, "");
    for host in [
        "",
        " ",
        "a.example,b.example",
        "a.example;x",
        "a\"b",
        "a.example/x",
        "user@a.example",
        "a.example:80:81",
        "a.example:http",
        "a.example b.example",
        "a.example\r\nHost: b.example",
        "a.example\r\nHost: a.example",
        "[::1",
        "a%2eexample",
        "a\u{e4}.example",
    ] {
        let request = format!("GET /public/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(send(proxy.address, request).status, 400, "{host:?}");
    }
    let missing = "GET /public/ HTTP/1.1\r\n\r\n";
    let response = send(proxy.address, missing);
    assert_eq!(
        (response.status, response.code().as_str()),
        (400, "host_invalid")
    );
    let missing = "GET http://localhost/public/ HTTP/1.1\r\n\r\n";
    let response = send(proxy.address, missing);
    assert_eq!(
        (response.status, response.code().as_str()),
        (400, "host_invalid")
    );
    assert!(app.seen().is_empty());
    let with_host = "GET /public/ HTTP/1.1\r\nHost: a.example\r\n\r\n";
    assert_eq!(send(proxy.address, with_host).status, 200);
}

/// RFC 9112 section 3.2 lets a client of HTTP/1.0 leave it out; the app is asked with HTTP/1.1, which demands it.
#[test]
fn an_http10_request_needs_no_host_and_the_app_gets_one() {
    let app = App::start();
    let proxy = typical(&app, "");
    for (target, host) in [("/public/", ""), ("http://a.example/public/", "a.example")] {
        let mut connection = Connection::open(proxy.address);
        let response = connection.request(format!("GET {target} HTTP/1.0\r\n\r\n"));
        assert_eq!(response.status, 200, "{target}");
        assert!(connection.is_closed(), "{target}");
        let seen = app.next();
        assert_eq!(
            (seen.target.as_str(), seen.header("host")),
            ("/public/", Some(host))
        );
    }
}

#[test]
fn u4_a_target_in_absolute_form_is_judged_and_sent_in_origin_form() {
    let app = App::start();
    let proxy = one_host(&app);
    let request = |target: &str, host: &str, lines: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")
    };
    for (target, forwarded) in [
        ("http://app.example.com/x/y?q=1", "/x/y?q=1"),
        ("HTTP://app.example.com/x", "/x"),
        ("https://app.example.com/x", "/x"),
        ("http://app.example.com", "/"),
        ("http://app.example.com?q", "/?q"),
    ] {
        let anonymous = send(proxy.address, request(target, "app.example.com", ""));
        assert_eq!(anonymous.status, 401, "{target}");
        let known = send(
            proxy.address,
            request(target, "app.example.com", &bearer("alice")),
        );
        assert_eq!(known.status, 200, "{target}");
        assert_eq!(app.next().target, forwarded, "{target}");
    }
    for (target, host) in [
        ("http://open.example.com/x", "app.example.com"),
        ("http://app.example.com/x", "open.example.com"),
        ("http://open.example.com:80/x", "open.example.com"),
        ("http://user@open.example.com/x", "open.example.com"),
        ("http:///x", "open.example.com"),
        ("http:/open.example.com/x", "open.example.com"),
        ("open.example.com", "open.example.com"),
        ("*", "open.example.com"),
        ("http://open.example.com/x#y", "open.example.com"),
        ("http://open.example.com/../x", "open.example.com"),
        (
            "http://open.example.com\\@app.example.com/x",
            "open.example.com",
        ),
    ] {
        let response = send(proxy.address, request(target, host, ""));
        assert_eq!(response.status, 400, "{target} with {host}");
    }
    assert!(app.seen().is_empty());
}
