//! Conditions and ranges of a request: an answer that carries a login is never a confirmation or part of an old one.

use super::typical;
use crate::support::tokens::bearer;
use crate::support::{App, get};

#[test]
fn c6_conditions_reach_the_app_only_where_the_answer_is_not_injected() {
    let app = App::start();
    let proxy = typical(&app, "");
    let conditions = [
        ("If-None-Match", "\"1\""),
        ("If-Match", "\"2\""),
        ("If-Modified-Since", "Mon, 23 Nov 2026 00:00:00 GMT"),
        ("If-Unmodified-Since", "Mon, 23 Nov 2026 00:00:00 GMT"),
        ("If-Range", "\"3\""),
        ("Range", "bytes=0-1"),
    ];
    let lines = conditions
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .concat();
    for (path, forwarded) in [
        ("/inject/response", false),
        ("/inject/cookie", false),
        ("/inject/all", false),
        ("/inject/request", true),
        ("/session/", true),
    ] {
        get(proxy.address, path, &format!("{}{lines}", bearer("alice")));
        let request = app.next();
        for (name, value) in conditions {
            let expected = forwarded.then_some(value);
            assert_eq!(request.header(name), expected, "{path} {name}");
        }
    }
}
