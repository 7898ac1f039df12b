//! Cross-origin rules: ours for our own answers, the app's for the app's.

use super::{assert_identity, assert_no_identity, typical};
use crate::support::tokens::{bearer, session};
use crate::support::{App, Response, get, send};

const CORS: &str = "[cors]\norigins = [\"https://app.example.com\"]\n";
const LISTED: &str = "Origin: https://app.example.com\r\n";
const UNLISTED: &str = "Origin: https://evil.example\r\n";

#[test]
fn our_answers_are_readable_for_listed_origins_alone() {
    let app = App::start();
    let proxy = typical(&app, CORS);
    for (case, path, token, status) in [
        ("endpoint", "/_chat/usersig", bearer("alice"), 200),
        ("refusal", "/session/", String::new(), 401),
        ("refusal before a route", "/session//", String::new(), 400),
    ] {
        let response = get(proxy.address, path, &format!("{token}{LISTED}"));
        assert_eq!(response.status, status, "{case}");
        assert_eq!(
            allowed_origin(&response),
            Some("https://app.example.com"),
            "{case}"
        );
        assert_eq!(
            response.header("access-control-allow-credentials"),
            Some("true"),
            "{case}"
        );
        assert_eq!(
            response.header("access-control-expose-headers"),
            Some("WWW-Authenticate, Retry-After, X-Request-ID"),
            "{case}"
        );
        assert_eq!(response.header("vary"), Some("Origin"), "{case}");

        for origin in [UNLISTED, "Origin: null\r\n", ""] {
            let response = get(proxy.address, path, &format!("{token}{origin}"));
            assert_eq!(response.status, status, "{case}");
            assert_no_cors(&response);
            assert_eq!(response.header("vary"), Some("Origin"), "{case}");
        }
    }
}

#[test]
fn the_apps_own_answers_keep_the_apps_own_rules() {
    let app = App::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAccess-Control-Allow-Origin: https://other.example\r\n\r\n",
    );
    let proxy = typical(&app, CORS);
    let response = get(proxy.address, "/public/", LISTED);
    assert_eq!(allowed_origin(&response), Some("https://other.example"));
    assert_eq!(response.header("access-control-allow-credentials"), None);
}

#[test]
fn the_endpoints_preflight_is_answered_here() {
    let app = App::start();
    let proxy = typical(&app, CORS);
    let asked =
        "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n";
    let response = options(&proxy, "/_chat/usersig", &format!("{LISTED}{asked}"));
    assert_eq!(response.status, 204);
    assert_eq!(allowed_origin(&response), Some("https://app.example.com"));
    assert_eq!(
        response.header("access-control-allow-methods"),
        Some("GET, HEAD, POST")
    );
    assert_eq!(
        response.header("access-control-allow-headers"),
        Some("authorization, content-type")
    );
    assert_eq!(response.header("access-control-max-age"), Some("600"));
    assert_eq!(response.header("content-length"), None);

    let other = asked.replace("GET", "DELETE");
    let response = options(&proxy, "/_chat/usersig", &format!("{LISTED}{other}"));
    assert_eq!(
        (response.status, response.code().as_str()),
        (405, "method_not_allowed")
    );
    assert_no_cors(&response);

    let response = options(&proxy, "/_chat/usersig", &format!("{UNLISTED}{asked}"));
    assert_eq!(response.status, 204);
    assert_no_cors(&response);
    assert!(app.seen().is_empty());
}

/// It would end the Chat logins of whoever visits the page. That a cookie is sent there at all is up to the app's `SameSite`.
#[test]
fn a_renewal_with_a_cookie_is_for_our_own_pages_and_listed_ones() {
    let app = App::start();
    let proxy = typical(&app, CORS);
    let renew = |user: &str, lines: &str| {
        let cookie = format!("Cookie: session={}\r\n", session(user));
        let head = "POST /_chat/usersig HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n";
        send(proxy.address, format!("{head}{cookie}{lines}\r\n"))
    };
    let cross = "Sec-Fetch-Site: cross-site\r\n";
    for lines in [
        UNLISTED,
        "Origin: null\r\n",
        cross,
        &format!("{cross}{UNLISTED}"),
        "Sec-Fetch-Site: same-site\r\nOrigin: http://other.localhost\r\n",
    ] {
        let response = renew("alice", lines);
        let refused = (response.status, response.code());
        assert_eq!(refused, (403, "cross_site".to_owned()), "{lines}");
    }
    // Nothing was renewed by then: a second renewal at once would be too soon.
    for (user, lines) in [
        ("alice", ""),
        ("bob", "Origin: http://localhost\r\n"),
        ("carol", "Sec-Fetch-Site: same-origin\r\n"),
        ("dave", &format!("{cross}{LISTED}")),
    ] {
        assert_eq!(renew(user, lines).status, 200, "{user}");
    }
    let with_header = format!("{}{cross}{UNLISTED}", bearer("erin"));
    let head = "POST /_chat/usersig HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n";
    let response = send(proxy.address, format!("{head}{with_header}\r\n"));
    assert_eq!(response.status, 200);
}

#[test]
fn u6_a_preflight_of_an_app_route_is_forwarded_as_nobody() {
    let app = App::start();
    let proxy = typical(&app, CORS);
    let asked = format!("{LISTED}Access-Control-Request-Method: GET\r\n");
    let forged = format!("{asked}X-Chat-UserID: root\r\nContent-Length: 0\r\n");
    for path in ["/session/", "/inject/all", "/inject/request", "/optional/"] {
        let response = options(&proxy, path, &forged);
        assert_eq!(
            (response.status, response.header("set-cookie")),
            (200, None),
            "{path}"
        );
        assert_no_cors(&response);
        assert_no_identity(&app.next());
    }
    // It goes only where the request that it asks about would go.
    assert_eq!(options(&proxy, "/deny/", &asked).status, 404);
    assert_eq!(options(&proxy, "/unlisted", &asked).status, 404);
    let delete = format!("{LISTED}Access-Control-Request-Method: DELETE\r\n");
    assert_eq!(options(&proxy, "/get-only", &delete).status, 405);
    assert_eq!(options(&proxy, "/get-only", &asked).status, 200);
    // Without the header that makes it a preflight it is a request like any other.
    assert_eq!(options(&proxy, "/session/", LISTED).status, 401);
    assert_eq!(app.seen().len(), 1);
    // Nor may it be one here and none at the app.
    let dropped = format!("{asked}Connection: access-control-request-method\r\n");
    assert_eq!(options(&proxy, "/session/", &dropped).status, 400);
    assert!(app.seen().is_empty());
}

#[test]
fn u6_options_with_a_body_or_credentials_does_not_pass_a_session_gate() {
    let app = App::start();
    let proxy = typical(&app, CORS);
    let asked = format!("{LISTED}Access-Control-Request-Method: GET\r\n");
    for more in [
        "Content-Length: 2\r\n\r\nhi",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n",
        "Authorization: Basic eA==\r\n",
        "Cookie: theme=dark\r\n",
        "Origin: https://app.example.com\r\n",
        "Access-Control-Request-Method: POST\r\n",
    ] {
        let response = options(&proxy, "/session/", &format!("{asked}{more}"));
        let refused = (response.status, response.code());
        assert_eq!(refused, (401, "token_missing".to_owned()), "{more:?}");
    }
    assert!(app.seen().is_empty());
    // With a session it is the user's own request.
    let own = format!("{asked}{}", bearer("alice"));
    assert_eq!(options(&proxy, "/inject/request", &own).status, 200);
    assert_identity(&app.next(), "alice");
    assert_eq!(options(&proxy, "/session/", &asked).status, 200);
    assert_no_identity(&app.next());
}

#[test]
fn u6_a_preflight_reaches_no_unlisted_path_behind_a_session() {
    let app = App::start();
    let asked = format!("{LISTED}Access-Control-Request-Method: GET\r\n");
    for (access, status) in [("session", 401), ("deny", 404), ("public", 200)] {
        let routes = super::typical_routes(CORS);
        let routes = routes.replace(
            "default_access = \"deny\"",
            &format!("default_access = \"{access}\""),
        );
        let proxy = crate::support::Proxy::in_front_of(&app, &routes);
        let response = options(&proxy, "/unlisted", &asked);
        assert_eq!(response.status, status, "{access}");
        assert_eq!(app.seen().len(), usize::from(status == 200), "{access}");
    }
}

#[test]
fn preflights_can_be_denied() {
    let app = App::start();
    let routes = super::typical_routes(CORS);
    let routes = routes.replace("default_access", "preflight = \"deny\"\ndefault_access");
    let proxy = crate::support::Proxy::in_front_of(&app, &routes);
    let asked = format!("{LISTED}Access-Control-Request-Method: GET\r\n");
    let response = options(&proxy, "/public/", &asked);
    assert_eq!(
        (response.status, response.code().as_str()),
        (403, "access_denied")
    );
    assert!(app.seen().is_empty());
    assert_eq!(options(&proxy, "/public/", LISTED).status, 200);
}

fn options(proxy: &crate::support::Proxy, path: &str, lines: &str) -> Response {
    send(
        proxy.address,
        format!("OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"),
    )
}

fn allowed_origin(response: &Response) -> Option<&str> {
    response.header("access-control-allow-origin")
}

fn assert_no_cors(response: &Response) {
    let mut headers = response.headers.iter();
    let found = headers.find(|(name, _)| name.starts_with("access-control-"));
    assert_eq!(found, None);
}
