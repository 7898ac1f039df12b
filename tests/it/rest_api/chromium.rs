//! The cross-origin rules as a real browser keeps them: a page on the proxy's own origin, on a listed one, on another.

use std::collections::BTreeMap;
use std::process::Command;

use tempfile::TempDir;

use super::{Chat, member, settings};
use crate::support::program::finish;
use crate::support::{App, Proxy, foreign};

#[test]
fn a_page_calls_from_its_own_and_from_a_listed_origin_and_from_no_other() {
    if !foreign::has("a_page_calls_from_its_own", &["chromium"]) {
        return;
    }
    let chat = Chat::start();
    let pages = || {
        let page = include_str!("page.html");
        let length = page.len();
        App::answering(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n{page}"
        ))
    };
    let (own, listed, other) = (pages(), pages(), pages());
    let more = format!(
        "[[route]]\nmatch = {{ path = \"/page\" }}\naccess = \"public\"\n\
         [cors]\norigins = [\"http://{}\"]\n",
        listed.address
    );
    let text = settings(&chat.app, &more);
    let proxy = Proxy::start(&text.replace("127.0.0.1:9\"", &format!("{}\"", own.address)));
    let by_token = [
        ("call", "200 0"),
        ("others may", "403 command_not_allowed"),
        ("no token", "401 token_missing"),
        ("login", "200 42"),
    ];

    let told = visit(&proxy, &proxy.address.to_string());
    assert_told(&told, &by_token);
    assert_told(
        &told,
        &[
            ("nobody may", "403 command_not_allowed"),
            ("another header", "200 0"),
            ("another method", "405 method_not_allowed"),
            ("cookie", "200 0"),
            ("cookie and text", "403 cross_site"),
        ],
    );

    let told = visit(&proxy, &listed.address.to_string());
    assert_told(&told, &by_token);
    assert_told(
        &told,
        &[
            ("nobody may", BLOCKED),
            ("another header", BLOCKED),
            ("another method", BLOCKED),
            ("cookie", "403 cross_site"),
            ("cookie and text", "403 cross_site"),
        ],
    );

    chat.app.seen();
    let told = visit(&proxy, &other.address.to_string());
    assert_eq!(told.len(), 9);
    assert!(told.values().all(|told| told == BLOCKED), "{told:?}");
    assert_eq!(chat.app.seen().len(), 0);
}

fn assert_told(told: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    for (what, expected) in expected {
        assert_eq!(told[*what], *expected, "{what}: {told:?}");
    }
}

/// What the page at this address tells of its calls.
fn visit(proxy: &Proxy, page: &str) -> BTreeMap<String, String> {
    let profile = TempDir::new().unwrap();
    let fragment = format!("http://{}%20{}", proxy.address, member());
    let mut chromium = Command::new("chromium");
    chromium.args(FLAGS);
    chromium.arg(format!("--user-data-dir={}", profile.path().display()));
    chromium.arg(format!("http://{page}/page#{fragment}"));
    let finished = finish(&mut chromium);
    let told = finished.stdout.split_once("<pre id=\"told\">");
    let told = told.and_then(|(_, rest)| rest.split_once("</pre>"));
    let (told, _) = told.unwrap_or_else(|| panic!("no page: {finished:?}"));
    serde_json::from_str(told).unwrap_or_else(|_| panic!("not told: {finished:?}"))
}

/// What a script gets in the place of an answer that it may not read.
const BLOCKED: &str = "TypeError";
/// The budget is the page's own clock, which stands still while a call is on its way.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=60000",
    "--dump-dom",
];
