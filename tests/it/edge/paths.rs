//! Paths and methods: what the app sees is what was judged.

use super::{get_bytes, route, typical};
use crate::support::tokens::bearer;
use crate::support::{App, Proxy, get, send};

/// Everything is open but what lies under `/admin`.
fn guarded(app: &App) -> Proxy {
    let routes = [
        "default_access = \"public\"\n".to_owned(),
        route("path = \"/admin/{*rest}\"", "session", &[]),
        route("path = \"/posts\", methods = [\"POST\"]", "session", &[]),
    ];
    Proxy::in_front_of(app, &routes.concat())
}

#[test]
fn u1_no_spelling_of_a_guarded_path_reaches_the_app_without_a_session() {
    let app = App::start();
    let proxy = guarded(&app);
    for path in [
        "/admin",
        "/admin/",
        "/admin/x",
        "//admin/x",
        "/./admin/x",
        "/x/../admin/x",
        "/x/%2e%2e/admin/x",
        "/x/%2E%2e/admin/x",
        "/x/.%2e/admin/x",
        "/x/..;/admin/x",
        "/..;/admin/x",
        "/admin;v=1/x",
        "/admin%2fx",
        "/admin%2Fx",
        "/admin%5cx",
        "/admin\\x",
        "/x\\..\\admin/x",
        "/%61dmin/x",
        "/%2561dmin/x",
        "/x/%252e%252e/admin/x",
        "/%252fadmin/x",
        "/admin%00",
        "/admin%",
        "/admin%zz",
        "/adm\u{ff49}n/x",
        "/x/%c0%ae%c0%ae/admin/x",
        "/x/%ff/../admin/x",
        "/x/%0d%0a/../admin/x",
    ] {
        let status = get(proxy.address, path, "").status;
        assert!(matches!(status, 400 | 401), "{path}: {status}");
    }
    assert!(app.seen().is_empty());
}

#[test]
fn u1_a_path_that_is_let_through_is_forwarded_byte_for_byte() {
    let app = App::start();
    let proxy = guarded(&app);
    let session = bearer("alice");
    for path in [
        "/admin",
        "/admin/x",
        "/admin/x%20y",
        "/api../x",
        "/.well-known/x",
        "/x.",
        "/caf%C3%A9",
        "/a+b&c=d",
        "/x/",
        "/%E2%82%AC?x=%2e%2e/%2f;%00",
    ] {
        // The framework forwards the raw path, so it is the raw path that is judged.
        assert_eq!(get(proxy.address, path, &session).status, 200, "{path}");
        assert_eq!(app.next().target, path);
    }
}

/// The framework encodes a space before anybody else sees the target.
#[test]
fn u1_a_space_is_judged_and_forwarded_in_one_spelling() {
    let app = App::start();
    let proxy = guarded(&app);
    assert_eq!(get(proxy.address, "/x y", "").status, 200);
    assert_eq!(app.next().target, "/x%20y");
    assert_eq!(get(proxy.address, "/admin/x y", "").status, 401);
    assert_eq!(get(proxy.address, "/x /../admin", "").status, 400);
    assert_eq!(get(proxy.address, "/x HTTP/1.1 /admin", "").status, 400);
    assert!(app.seen().is_empty());
}

#[test]
fn u2_a_fragment_in_the_target_is_refused() {
    let app = App::start();
    let proxy = guarded(&app);
    for target in ["/admin#/public", "/x#", "/x?q#/admin", "#/x", "/x%23#"] {
        for start in ["", "\r\n", "\r\n\r\n"] {
            let request = format!("{start}{}", get_bytes(target, &bearer("alice")));
            let response = send(proxy.address, request);
            assert_eq!(
                (response.status, response.code().as_str()),
                (400, "path_ambiguous"),
                "{target}"
            );
        }
    }
    assert!(app.seen().is_empty());
    let encoded = get(proxy.address, "/x%23y", "");
    assert_eq!(
        (encoded.status, app.next().target.as_str()),
        (200, "/x%23y")
    );
}

#[test]
fn u3_a_query_is_no_part_of_the_path() {
    let app = App::start();
    let proxy = guarded(&app);
    for target in ["/admin?x=/public", "/admin?/../public", "/admin/?a=b"] {
        assert_eq!(get(proxy.address, target, "").status, 401, "{target}");
        assert_eq!(
            get(proxy.address, target, &bearer("alice")).status,
            200,
            "{target}"
        );
        assert_eq!(app.next().target, target);
    }
    // An encoded question mark belongs to the segment: another path than /admin, for us and for the app.
    for target in [
        "/admin%3Fx",
        "/public?x=/admin",
        "/x?/admin/../..//%2e%00%zz",
    ] {
        assert_eq!(get(proxy.address, target, "").status, 200, "{target}");
        assert_eq!(app.next().target, target);
    }
}

#[test]
fn u6_a_method_is_what_it_says_it_is() {
    let app = App::start();
    let proxy = guarded(&app);
    let request =
        |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(send(proxy.address, request("POST", "/posts")).status, 401);
    for method in ["GET", "post", "BREW"] {
        assert_eq!(
            send(proxy.address, request(method, "/posts")).status,
            200,
            "{method}"
        );
        assert_eq!(app.next().method, method);
    }
    let strict = typical(&app, "");
    for (method, status) in [
        ("GET", 200),
        ("HEAD", 200),
        ("get", 405),
        ("POST", 405),
        ("BREW", 405),
    ] {
        assert_eq!(
            send(strict.address, request(method, "/get-only")).status,
            status,
            "{method}"
        );
    }
    assert_eq!(app.seen().len(), 2);
}

/// TRACE would send the injected UserSig back; CONNECT is the framework's to refuse.
#[test]
fn u6_trace_and_connect_are_refused_everywhere() {
    let app = App::start();
    let proxy = typical(
        &app,
        &route("path = \"/trace\", methods = [\"TRACE\"]", "public", &[]),
    );
    for path in ["/public/", "/inject/request", "/trace", "/unlisted"] {
        let request = format!(
            "TRACE {path} HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
            bearer("alice")
        );
        let response = send(proxy.address, request);
        assert_eq!(
            (response.status, response.code().as_str()),
            (405, "method_not_allowed"),
            "{path}"
        );
        assert_eq!(response.header("allow"), Some(""), "{path}");
    }
    let connect = "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n";
    assert_eq!(send(proxy.address, connect).status, 405);
    assert!(app.seen().is_empty());
}

#[test]
fn u8_a_narrow_permission_gives_nothing_beside_it() {
    let app = App::start();
    let routes = [
        "default_access = \"deny\"\n".to_owned(),
        route(
            "path = \"/v4/openim/sendmsg\", methods = [\"POST\"]",
            "public",
            &[],
        ),
        route("path = \"/v4/{service}/query\"", "public", &[]),
    ];
    let proxy = Proxy::in_front_of(&app, &routes.concat());
    let post = |path: &str| {
        send(
            proxy.address,
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"),
        )
        .status
    };
    for path in [
        "/v4/openim/sendmsg/x",
        "/v4/openim/sendmsg/",
        "/v4/openim/sendmsg/../../im_open_login_svc/account_delete",
        "/v4/OpenIM/sendmsg",
        "/v4/openim/sendmsg%20",
        "/v4/openim/sendmsgs",
        "/v4/openim",
        "/v4//query",
        "/v4/a/b/query",
    ] {
        assert!(matches!(post(path), 400 | 404), "{path}");
    }
    assert!(app.seen().is_empty());
    assert_eq!(post("/v4/openim/sendmsg"), 200);
    assert_eq!(post("/v4/any/query"), 200);
}

#[test]
fn a_tolerated_spelling_gets_the_strictest_access() {
    let app = App::start();
    let routes = [
        "default_access = \"public\"\nallow = [\"double_slash\", \"semicolon\", \"encoded_slash\"]\n".to_owned(),
        route("path = \"/admin/{*rest}\"", "session", &[]),
    ];
    let proxy = Proxy::in_front_of(&app, &routes.concat());
    for path in [
        "//admin/x",
        "/x//y",
        "/admin;a/x",
        "/x;a",
        "/x%2Fy",
        "/x%2f..%2fadmin",
    ] {
        assert!(
            matches!(get(proxy.address, path, "").status, 400 | 401),
            "{path}"
        );
    }
    assert!(app.seen().is_empty());
    assert_eq!(get(proxy.address, "/x//y", &bearer("alice")).status, 200);
    assert_eq!(app.next().target, "/x//y");
}
