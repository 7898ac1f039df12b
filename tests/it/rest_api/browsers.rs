//! Calls from pages: who is told by a preflight that it may ask, and who may read the answer.

use serde_json::json;

use super::{Chat, answer, code, member, refusal, refused, request, settings};
use crate::support::{Proxy, Response, send};

const ORIGIN: &str = "https://app.example.com";
const CORS: &str = "[cors]\norigins = [\"https://app.example.com\"]\n";
const LISTED: &str = "Origin: https://app.example.com\r\n";
const ASKS: &str = "Access-Control-Request-Method: POST\r\n\
                    Access-Control-Request-Headers: authorization,content-type\r\n";

fn preflight(proxy: &Proxy, path: &str, lines: &str) -> Response {
    let head = format!("OPTIONS /_chat/v4/{path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    send(proxy.address, head)
}

fn cors_of(response: &Response) -> Vec<(&str, &str)> {
    let headers = response.headers.iter();
    let cors = headers.filter(|(name, _)| name.starts_with("access-control-"));
    cors.map(|(name, value)| (name.strip_prefix("access-control-").unwrap(), &**value))
        .collect()
}

#[test]
fn u6_a_preflight_is_granted_for_what_some_rule_allows_to_somebody() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, CORS));
    for command in [
        "openim/sendmsg",
        "profile/portrait_get",
        "im_open_login_svc/kick",
    ] {
        let response = preflight(&proxy, command, &format!("{LISTED}{ASKS}"));
        assert_eq!(response.status, 204, "{command}");
        let mut granted = cors_of(&response);
        granted.sort_unstable();
        assert_eq!(
            granted,
            [
                ("allow-credentials", "true"),
                ("allow-headers", "authorization, content-type"),
                ("allow-methods", "POST"),
                ("allow-origin", ORIGIN),
                (
                    "expose-headers",
                    "WWW-Authenticate, Retry-After, X-Request-ID"
                ),
                ("max-age", "600"),
            ],
            "{command}"
        );
        assert_eq!(response.header("vary"), Some("Origin"), "{command}");
    }
    assert_eq!(chat.app.seen().len(), 0);
}

#[test]
fn u6_a_preflight_is_not_granted_for_any_other_command_method_or_origin() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, CORS));
    let asks = |method: &str| ASKS.replace("POST", method);
    let evil = "Origin: https://evil.example\r\n";
    let not_allowed = (403, "command_not_allowed");
    for (case, command, lines, refusal) in [
        (
            "no rule",
            "im_open_login_svc/account_delete",
            format!("{LISTED}{ASKS}"),
            not_allowed,
        ),
        (
            "unknown",
            "openim/no_such_command",
            format!("{LISTED}{ASKS}"),
            not_allowed,
        ),
        (
            "capitals",
            "OPENIM/SENDMSG",
            format!("{LISTED}{ASKS}"),
            not_allowed,
        ),
        (
            "no command",
            "openim",
            format!("{LISTED}{ASKS}"),
            (404, "route_not_found"),
        ),
        (
            "GET",
            "openim/sendmsg",
            format!("{LISTED}{}", asks("GET")),
            (405, "method_not_allowed"),
        ),
        (
            "post",
            "openim/sendmsg",
            format!("{LISTED}{}", asks("post")),
            (405, "method_not_allowed"),
        ),
    ] {
        let response = preflight(&proxy, command, &lines);
        assert_eq!((response.status, &*response.code()), refusal, "{case}");
        assert_eq!(cors_of(&response), [], "{case}");
    }
    for (case, lines) in [
        ("another origin", format!("{evil}{ASKS}")),
        ("no origin to tell", format!("Origin: null\r\n{ASKS}")),
        ("two origins", format!("{LISTED}{evil}{ASKS}")),
        ("no origin", ASKS.to_owned()),
    ] {
        let response = preflight(&proxy, "openim/sendmsg", &lines);
        assert_eq!(response.status, 204, "{case}");
        assert_eq!(cors_of(&response), [], "{case}");
        assert_eq!(response.header("vary"), Some("Origin"), "{case}");
    }
    // An OPTIONS request that asks for nothing is granted nothing.
    let response = preflight(&proxy, "openim/sendmsg", LISTED);
    assert_eq!(
        (
            response.status,
            response.header("access-control-allow-methods")
        ),
        (204, None)
    );
    assert_eq!(chat.app.seen().len(), 0);
}

#[test]
fn answers_and_refusals_are_readable_for_listed_origins_alone() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, CORS));
    let bearer = format!("Authorization: Bearer {}\r\n", member());
    let readable = [
        ("allow-credentials", "true"),
        ("allow-origin", ORIGIN),
        (
            "expose-headers",
            "WWW-Authenticate, Retry-After, X-Request-ID",
        ),
    ];
    let of_chat = "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n\
                   access-control-allow-methods: DELETE\r\nVary: Accept\r\n";
    for (case, command, token, status) in [
        ("an answer", "openim/sendmsg", &*bearer, 200),
        ("not allowed", "im_open_login_svc/kick", &bearer, 403),
        ("unknown", "openim/no_such_command", &bearer, 403),
        ("no token", "openim/sendmsg", "", 401),
        ("no command", "openim", &bearer, 404),
    ] {
        let ask = |origin: &str| {
            chat.will_answer([answer("200 OK", of_chat, &code(0))]);
            let response = send(
                proxy.address,
                request(command, &format!("{token}{origin}"), "{}"),
            );
            assert_eq!(response.status, status, "{case}");
            assert_eq!(response.header("vary"), Some("Origin"), "{case}");
            response
        };
        let mut seen: Vec<_> = cors_of(&ask(LISTED))
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        seen.sort_unstable();
        assert_eq!(
            seen,
            readable.map(|(name, value)| (name.to_owned(), value.to_owned())),
            "{case}"
        );
        for origin in ["", "Origin: null\r\n", "Origin: https://evil.example\r\n"] {
            assert_eq!(cors_of(&ask(origin)), [], "{case}: {origin}");
        }
    }
}

/// Without a list there is nothing to tell, and Chat's own headers, which allow every page to read, stay here.
#[test]
fn without_listed_origins_no_page_is_told_anything() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, ""));
    let response = preflight(&proxy, "openim/sendmsg", &format!("{LISTED}{ASKS}"));
    assert_eq!((response.status, cors_of(&response)), (204, vec![]));
    let headers = format!("Authorization: Bearer {}\r\n{LISTED}", member());
    let response = send(proxy.address, request("openim/sendmsg", &headers, "{}"));
    assert_eq!((response.status, cors_of(&response)), (200, vec![]));
}

/// A listed origin may ask with its token. A cookie is no token of its own: the browser adds it, whoever asks.
#[test]
fn a_cookie_needs_the_same_origin_and_json_also_on_a_listed_origin() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, CORS));
    let cookie = format!("Cookie: session={}\r\n", member());
    let own = "Sec-Fetch-Site: same-origin\r\n";
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
    ] {
        let headers = format!("{cookie}{own}Content-Type: {kind}\r\n");
        let response = send(proxy.address, request("openim/sendmsg", &headers, "{}"));
        assert_eq!(response.status, 200, "{kind}");
        chat.app.next();
    }
    let json = "Content-Type: application/json\r\n";
    for (case, more) in [
        ("text", format!("{own}Content-Type: text/plain\r\n")),
        (
            "JSON as a parameter",
            format!("{own}Content-Type: text/plain; application/json\r\n"),
        ),
        (
            "a form",
            format!("{own}Content-Type: application/x-www-form-urlencoded\r\n"),
        ),
        (
            "a form with a file",
            format!("{own}Content-Type: multipart/form-data; boundary=x\r\n"),
        ),
        (
            "another JSON",
            format!("{own}Content-Type: application/json-seq\r\n"),
        ),
        (
            "two types",
            format!("{own}Content-Type: application/json, text/plain\r\n"),
        ),
        ("no type", own.to_owned()),
        (
            "a listed origin",
            format!("{LISTED}Sec-Fetch-Site: cross-site\r\n{json}"),
        ),
        (
            "a listed origin in an older browser",
            format!("{LISTED}{json}"),
        ),
        ("no origin to tell", format!("Origin: null\r\n{json}")),
    ] {
        let response = send(
            proxy.address,
            request("openim/sendmsg", &format!("{cookie}{more}"), "{}"),
        );
        assert_eq!(
            refusal(&response),
            refused(403, "cross_site", 60010),
            "{case}"
        );
    }
    assert_eq!(chat.app.seen().len(), 0);
    let bearer = format!("Authorization: Bearer {}\r\n", member());
    let headers = format!("{bearer}{LISTED}Sec-Fetch-Site: cross-site\r\n{json}");
    let response = send(proxy.address, request("openim/sendmsg", &headers, "{}"));
    assert_eq!(
        response.json(),
        json!({ "ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": "" })
    );
}
