//! What the app and the client get of a login, and which answers must not carry one.

use super::{assert_identity, assert_no_identity, get_bytes, ok, route, signed_for, typical};
use crate::support::tokens::{bearer, session, sign};
use crate::support::{App, Connection, Response, get};

#[test]
fn request_headers_reach_the_app_once_and_the_client_never() {
    let app = App::start();
    let proxy = typical(&app, "");
    let response = get(proxy.address, "/inject/request", &bearer("alice"));
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    assert_carries_nothing(&response);
    assert_eq!(response.header("cache-control"), None);
    let first = app.next();
    assert_identity(&first, "alice");

    // The same login until it is renewed, another one for another user.
    get(proxy.address, "/inject/request", &bearer("alice"));
    let again = app.next();
    assert_eq!(
        first.header("X-Chat-UserSig"),
        again.header("X-Chat-UserSig")
    );
    get(proxy.address, "/inject/request", &bearer("bob"));
    assert_identity(&app.next(), "bob");
}

#[test]
fn response_headers_reach_the_client_and_not_the_app() {
    let app = App::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: public, max-age=600\r\nETag: \"1\"\r\n\
         CDN-Cache-Control: max-age=600\r\nCloudflare-CDN-Cache-Control: max-age=600\r\n\
         Surrogate-Control: max-age=600\r\nX-Accel-Expires: 600\r\nEdge-Control: max-age=600\r\n\
         Last-Modified: Mon, 23 Nov 2026 00:00:00 GMT\r\nExpires: Tue, 24 Nov 2026 00:00:00 GMT\r\nAge: 3\r\n\
         Pragma: cache\r\nX-Chat-UserSig: the app's own\r\nx-chat-usersig: twice\r\n\r\nhi",
    );
    let proxy = typical(&app, "");
    let response = get(proxy.address, "/inject/response", &bearer("alice"));
    assert_eq!(response.header("x-chat-userid"), Some("alice"));
    assert_eq!(response.header("x-chat-sdkappid"), Some("1400007357"));
    assert_eq!(
        signed_for(response.header("x-chat-usersig").unwrap()),
        "alice"
    );
    assert_eq!(response.header("set-cookie"), None);
    assert_kept_out_of_caches(&response);
    assert_no_identity(&app.next());

    // Where nothing is injected the app's own rules and headers stand.
    let response = get(proxy.address, "/session/", &bearer("alice"));
    assert_eq!(
        response.header("cache-control"),
        Some("public, max-age=600")
    );
    assert_eq!(response.header("etag"), Some("\"1\""));
}

#[test]
fn the_cookie_is_set_for_a_script_of_the_same_site_until_the_client_has_it() {
    let app = App::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: \"1\"\r\nSet-Cookie: app=1\r\n\r\nhi",
    );
    let proxy = typical(&app, "");
    let response = get(proxy.address, "/inject/cookie", &bearer("alice"));
    let cookies = cookies(&response);
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert_eq!(cookies[0], "app=1");
    let (value, attributes) = cookies[1].split_once("; ").unwrap();
    let user_sig = value.strip_prefix("chat_usersig=").unwrap();
    assert_eq!(signed_for(user_sig), "alice");
    assert_eq!(attributes, "Path=/; Max-Age=604800; SameSite=Strict");
    assert_kept_out_of_caches(&response);
    assert_no_identity(&app.next());

    let has_it = format!("{}Cookie: a=b; {value}\r\n", bearer("alice"));
    let response = get(proxy.address, "/inject/cookie", &has_it);
    assert_eq!(response.header("set-cookie"), Some("app=1"));
    assert_eq!(response.header("cache-control"), None);

    let has_anothers = format!("{}Cookie: {value}\r\n", bearer("bob"));
    let response = get(proxy.address, "/inject/cookie", &has_anothers);
    assert!(self::cookies(&response)[1].starts_with("chat_usersig="));
}

#[test]
fn the_cookie_is_secure_unless_the_browser_speaks_to_its_own_machine() {
    let app = App::start();
    let proxy = typical(&app, "");
    for (host, secure) in [
        ("localhost", false),
        ("LOCALHOST:8080", false),
        ("127.0.0.1:8080", false),
        ("[::1]:8080", false),
        ("[::1]", false),
        ("app.example.com", true),
        ("app.example.com:8080", true),
        ("localhost.example.com", true),
        ("192.0.2.1", true),
    ] {
        let request = format!(
            "GET /inject/cookie HTTP/1.1\r\nHost: {host}\r\n{}\r\n",
            bearer("alice")
        );
        let response = crate::support::send(proxy.address, request);
        let cookie = response.header("set-cookie").unwrap();
        assert_eq!(cookie.ends_with("; Secure"), secure, "{host}");
    }
}

/// As nginx's `proxy_pass http://localhost:8080` asks for a browser elsewhere: from this machine and with this Host.
#[test]
fn the_cookie_is_secure_behind_another_proxy_whatever_host_that_names() {
    let app = App::start();
    let proxy = typical(&app, "");
    for (line, secure) in [
        ("X-Forwarded-For: 192.0.2.1\r\n", true),
        ("X-Forwarded-Proto: https\r\n", true),
        ("x_forwarded_host: app.example\r\n", true),
        ("X-Real-IP: 192.0.2.1\r\n", true),
        ("Forwarded: for=192.0.2.1\r\n", true),
        ("Via: 1.1 front\r\n", true),
        ("Accept: */*\r\n", false),
    ] {
        let lines = format!("{line}{}", bearer("alice"));
        let response = get(proxy.address, "/inject/cookie", &lines);
        let cookie = response.header("set-cookie").unwrap();
        assert_eq!(cookie.ends_with("; Secure"), secure, "{line}");
    }
    let old = format!(
        "GET /inject/cookie HTTP/1.0\r\nHost: localhost\r\n{}\r\n",
        bearer("alice")
    );
    let response = crate::support::send(proxy.address, old);
    assert!(response.header("set-cookie").unwrap().ends_with("; Secure"));
}

#[test]
fn only_answers_in_which_the_app_served_the_user_carry_a_login() {
    for (status, carries) in [
        ("200 OK", true),
        ("201 Created", true),
        ("204 No Content", true),
        ("206 Partial Content", true),
        ("302 Found", true),
        ("304 Not Modified", false),
        ("400 Bad Request", false),
        ("401 Unauthorized", false),
        ("403 Forbidden", false),
        ("404 Not Found", false),
        ("500 Internal Server Error", false),
        ("503 Service Unavailable", false),
    ] {
        let app = App::answering(format!(
            "HTTP/1.1 {status}\r\nContent-Length: 0\r\nCache-Control: public\r\n\r\n"
        ));
        let proxy = typical(&app, "");
        let response = get(proxy.address, "/inject/all", &bearer("alice"));
        assert!(status.starts_with(&response.status.to_string()), "{status}");
        if carries {
            assert_eq!(response.header("x-chat-userid"), Some("alice"), "{status}");
            assert_eq!(cookies(&response).len(), 1, "{status}");
            assert_kept_out_of_caches(&response);
        } else {
            assert_carries_nothing(&response);
            assert_eq!(response.header("cache-control"), Some("public"), "{status}");
        }
    }
}

#[test]
fn p5_an_informational_answer_carries_no_login() {
    let app = App::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    );
    let proxy = typical(&app, "");
    let mut connection = Connection::open(proxy.address);
    connection.write(get_bytes("/inject/all", &bearer("alice")));
    let hints = connection.read_response(false).unwrap();
    assert_eq!(
        (hints.status, hints.header("link")),
        (103, Some("</a.css>"))
    );
    assert_carries_nothing(&hints);
    let response = connection.read_response(false).unwrap();
    assert_eq!((response.status, response.text().as_str()), (200, "hi"));
    assert_eq!(response.header("x-chat-userid"), Some("alice"));
}

#[test]
fn each_access_lets_its_requests_through() {
    let app = App::start();
    let proxy = typical(&app, "");
    let expired = expired();
    let status = |path: &str, lines: &str| get(proxy.address, path, lines).status;
    for (path, anonymous, known, bad) in [
        ("/public/", 200, 200, 200),
        ("/optional/", 200, 200, 401),
        ("/session/", 401, 200, 401),
        ("/deny/", 404, 404, 404),
        ("/unlisted", 404, 404, 404),
    ] {
        assert_eq!(status(path, ""), anonymous, "{path}");
        assert_eq!(status(path, &bearer("alice")), known, "{path}");
        assert_eq!(status(path, &expired), bad, "{path}");
    }
    let targets: Vec<_> = app
        .seen()
        .into_iter()
        .map(|request| request.target)
        .collect();
    let expected = [
        "/public/",
        "/public/",
        "/public/",
        "/optional/",
        "/optional/",
        "/session/",
    ];
    assert_eq!(targets, expected);
}

#[test]
fn an_optional_route_injects_for_a_user_and_not_for_nobody() {
    let app = App::start();
    let proxy = typical(&app, "");
    assert_eq!(get(proxy.address, "/optional/", "").status, 200);
    assert_no_identity(&app.next());
    assert_eq!(
        get(proxy.address, "/optional/", &bearer("alice")).status,
        200
    );
    assert_identity(&app.next(), "alice");
    let cookie = format!("Cookie: session={}\r\n", session("carol"));
    assert_eq!(get(proxy.address, "/optional/", &cookie).status, 200);
    assert_identity(&app.next(), "carol");
}

#[test]
fn names_of_headers_and_cookie_are_configurable() {
    let app = App::with(|_, stream| ok(stream));
    let routes = [
        "default_access = \"deny\"\n".to_owned(),
        route(
            "path = \"/\"",
            "session",
            &["request_headers", "response_cookie"],
        ),
        "[inject]\nuser_id_header = \"Remote-User\"\nuser_sig_header = \"Remote-Sig\"\n".to_owned(),
        "sdk_app_id_header = \"Remote-App\"\ncookie_name = \"login\"\n".to_owned(),
    ];
    let proxy = crate::support::Proxy::in_front_of(&app, &routes.concat());
    let forged = format!(
        "{}Remote_User: root\r\nX-Chat-UserID: left\r\n",
        bearer("alice")
    );
    let response = get(proxy.address, "/", &forged);
    assert!(
        response
            .header("set-cookie")
            .unwrap()
            .starts_with("login=eJ")
    );
    let request = app.next();
    assert_eq!(request.header("Remote-User"), Some("alice"));
    assert_eq!(request.header("Remote_User"), None);
    assert_eq!(request.header("Remote-App"), Some("1400007357"));
    assert_eq!(signed_for(request.header("Remote-Sig").unwrap()), "alice");
    assert_eq!(request.header("X-Chat-UserID"), Some("left"));
}

fn expired() -> String {
    let token = sign(&serde_json::json!({ "sub": "alice", "exp": 1_000_000 }));
    format!("Authorization: Bearer {token}\r\n")
}

fn cookies(response: &Response) -> Vec<String> {
    let headers = response.headers.iter();
    headers
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, value)| value.clone())
        .collect()
}

/// Web cache deception: what a cache in front goes by is the end of the path, and the app does not look at it.
#[test]
fn c6_a_path_that_looks_like_a_file_is_kept_by_nobody() {
    let app = App::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: public, max-age=600\r\nETag: \"1\"\r\n\
         CDN-Cache-Control: max-age=600\r\nExpires: Tue, 24 Nov 2026 00:00:00 GMT\r\n\r\nhi",
    );
    let places = ["response_headers"];
    let cookie = ["response_cookie"];
    let routes = [
        route("path = \"/me/{*rest}\"", "session", &places),
        route("path = \"/mine/{*rest}\"", "session", &cookie),
    ];
    let proxy = typical(&app, &routes.concat());
    for path in [
        "/me/a.css",
        "/me/a.js?v=1",
        "/me/x%20/logo.png",
        "/mine/a.css",
    ] {
        let response = get(proxy.address, path, &bearer("alice"));
        assert_eq!(response.status, 200, "{path}");
        assert_kept_out_of_caches(&response);
        let refused = get(proxy.address, path, "");
        assert_eq!(refused.header("cache-control"), Some("no-store"), "{path}");
    }
    let kept = get(proxy.address, "/public/a.css", &bearer("alice"));
    assert_eq!(kept.header("cache-control"), Some("public, max-age=600"));
    assert_eq!(kept.header("etag"), Some("\"1\""));
}

fn assert_kept_out_of_caches(response: &Response) {
    assert_eq!(response.header("cache-control"), Some("no-store"));
    for name in [
        "etag",
        "last-modified",
        "expires",
        "age",
        "pragma",
        "cdn-cache-control",
        "cloudflare-cdn-cache-control",
        "surrogate-control",
        "x-accel-expires",
        "edge-control",
    ] {
        assert_eq!(response.header(name), None, "{name}");
    }
}

fn assert_carries_nothing(response: &Response) {
    let ours = response
        .headers
        .iter()
        .find(|(name, value)| name.starts_with("x-chat") || value.contains("chat_usersig"));
    assert_eq!(ours, None, "{}", response.status);
}
