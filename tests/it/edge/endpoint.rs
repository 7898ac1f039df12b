//! Our own endpoint, and what else stands under the proxy's own path.

use super::{get_bytes, route, signed_for, typical};
use crate::support::tokens::{bearer, now};
use crate::support::{App, Connection, Proxy, get, send};

#[test]
fn the_endpoint_answers_with_five_members_and_is_not_cached() {
    let app = App::start();
    let proxy = typical(&app, "");
    let before = now();
    let response = get(proxy.address, "/_chat/usersig?ignored=1", &bearer("alice"));
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    let body = response.json();
    assert_eq!(body.as_object().unwrap().len(), 5, "{body}");
    assert_eq!(body["sdkAppId"], 1_400_007_357);
    assert_eq!(body["userId"], "alice");
    assert_eq!(signed_for(body["userSig"].as_str().unwrap()), "alice");
    let expires_at = body["expiresAt"].as_u64().unwrap();
    let issued_at = expires_at - 7 * 86_400;
    assert!((before..=now()).contains(&issued_at));
    // Six of the seven days: 24 hours must be left of any that is handed out.
    let refresh_after = body["refreshAfter"].as_u64().unwrap();
    assert!(
        (issued_at..=expires_at - 86_400).contains(&refresh_after),
        "{body}"
    );
    assert!(app.seen().is_empty());
}

#[test]
fn head_gets_the_header_alone_and_keeps_the_connection() {
    let app = App::start();
    let proxy = typical(&app, "");
    let lines = format!("Host: localhost\r\n{}\r\n", bearer("alice"));
    let mut connection = Connection::open(proxy.address);
    let head = connection.request(format!("HEAD /_chat/usersig HTTP/1.1\r\n{lines}"));
    let full = connection.request(format!("GET /_chat/usersig HTTP/1.1\r\n{lines}"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), full.header("content-length"));
    assert!(full.body.len() > 100);
}

#[test]
fn other_methods_are_told_which_ones_there_are() {
    let app = App::start();
    let proxy = typical(&app, "");
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "get", "BREW"] {
        let response = send(
            proxy.address,
            format!(
                "{method} /_chat/usersig HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
                bearer("alice")
            ),
        );
        assert_eq!(
            (response.status, response.code().as_str()),
            (405, "method_not_allowed"),
            "{method}"
        );
        assert_eq!(
            response.header("allow"),
            Some("GET, HEAD, OPTIONS, POST"),
            "{method}"
        );
    }
    assert_eq!(
        get(proxy.address, "/_chat/usersig", &bearer("alice")).status,
        200
    );
}

#[test]
fn nothing_of_the_proxys_own_is_ever_forwarded() {
    let app = App::start();
    let routes = [
        "default_access = \"public\"\nallow = [\"double_slash\", \"semicolon\", \"encoded_slash\"]\n",
        &route("path = \"/{*rest}\"", "public", &[]),
    ];
    let proxy = Proxy::in_front_of(&app, &routes.concat());
    for path in [
        "/_chat",
        "/_chat/",
        "/_chat/usersig/",
        "/_chat/usersig/x",
        "/_chat/other",
        "/_CHAT/usersig",
        "/_Chat/v4/openim/sendmsg",
        "//_chat/usersig",
        "/_chat//usersig",
        "///_chat/other",
        "/_chat;v=1/usersig",
        "/_chat/usersig;v=1",
        "/_chat%2Fusersig",
        "/%5Fchat/usersig",
    ] {
        let mut connection = Connection::open(proxy.address);
        let response = connection.request(get_bytes(path, &bearer("alice")));
        assert!(matches!(response.status, 400 | 404), "{path}: {response:?}");
    }
    assert!(app.seen().is_empty());
    // The twins: tolerated spellings of the app's own paths pass.
    for path in ["/_chats", "/x/_chat", "//x", "/x;v=1", "/x%2Fy"] {
        assert_eq!(
            get(proxy.address, path, &bearer("alice")).status,
            200,
            "{path}"
        );
        assert_eq!(app.next().target, path);
    }
}

#[test]
fn without_an_endpoint_its_path_is_nobodys() {
    let app = App::start();
    let config = crate::support::config(app.address, "default_access = \"public\"\n");
    let off = Proxy::start(&config.replace("[usersig_endpoint]\n", ""));
    assert_eq!(
        get(off.address, "/_chat/usersig", &bearer("alice")).status,
        404
    );
    assert!(app.seen().is_empty());
    let moved = Proxy::start(&config.replace(
        "[usersig_endpoint]",
        "[usersig_endpoint]\npath = \"/login/chat\"",
    ));
    assert_eq!(
        get(moved.address, "/_chat/usersig", &bearer("alice")).status,
        404
    );
    assert_eq!(
        get(moved.address, "/Login/chat", &bearer("alice")).status,
        404
    );
    assert_eq!(
        get(moved.address, "/login/chat", &bearer("alice")).status,
        200
    );
    assert_eq!(get(moved.address, "/login/chat", "").status, 401);
    assert!(app.seen().is_empty());
}
