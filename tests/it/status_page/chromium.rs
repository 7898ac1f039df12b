//! The page in a real browser: its figures follow what happens, by day, by night and on a telephone.

use serde_json::json;

use super::World;
use crate::rest_api::{call, code, member, ok};
use crate::support::browser::{Browser, LOOKS};
use crate::support::get;
use crate::support::tokens::{bearer, now, sign};

#[test]
fn the_page_follows_requests_refusals_and_reloads() {
    let Some(mut browser) = Browser::start("the_page_follows") else {
        return;
    };
    let world = World::start("");
    let ops = format!("http://{}", world.proxy.ops);
    let page = browser.open(&format!("{ops}/status"));
    browser.wait_for_text(&page, "#connection", "live");
    browser.wait_for_text(&page, "#readiness", "ready");
    browser.wait_for_text(&page, "#generation", "generation 1");
    browser.wait_for_text(&page, "#refusals", "Nothing was refused.");

    let expired = sign(&json!({ "sub": "42", "exp": now() - 600 }));
    let expired = format!("Authorization: Bearer {expired}\r\n");
    for _ in 0..20 {
        assert_eq!(
            get(world.proxy.address, "/api/x", &bearer("42")).status,
            200
        );
        assert_eq!(get(world.proxy.address, "/api/x", &expired).status, 401);
        assert_eq!(get(world.proxy.address, "/public/x", "").status, 200);
    }
    world.chat.will_answer([ok(&code(0)), ok(&code(70009))]);
    for _ in 0..2 {
        call(
            &world.proxy,
            "openim/sendmsg",
            &member(),
            r#"{"To_Account":"bob"}"#,
        );
    }
    assert_eq!(
        call(&world.proxy, "im_open_login_svc/kick", &member(), "{}").status,
        403
    );

    browser.wait_for_text(&page, "#refusals", "token_expired");
    browser.wait_for_text(&page, "#refusals", "command_not_allowed");
    // What tokens were refused for stands beside what clients were told.
    for (selector, text) in [
        ("#refusals tr", "codetoken_expired2020"),
        ("#refusals tr", "tokenexpired2020"),
        ("#figures div", "63requests since start"),
    ] {
        let elements = format!("[...document.querySelectorAll('{selector}')]");
        let holds = format!("{elements}.some(({{ textContent }}) => textContent === '{text}')");
        browser.wait_for(&page, &holds);
    }
    browser.wait_for_text(&page, "#commands", "openim/sendmsg");
    browser.wait_for_text(&page, "#commands", "config 1");
    browser.wait_for_text(&page, "#sites", "alarm: 70009");
    browser.wait_for_text(&page, "#chat", "1 of 1 sites in trouble");
    for (chart, legend) in [
        ("requests", "refused"),
        ("lookups", "hit"),
        ("tokens", "HS256"),
        ("calls", "ok"),
        ("latency", "99 % below"),
    ] {
        let chart = format!("[data-chart={chart}]");
        browser.wait_for_text(&page, &chart, legend);
        let shapes =
            format!("document.querySelectorAll('{chart} polyline, {chart} path').length > 0");
        browser.wait_for(&page, &shapes);
    }

    world.proxy.signal("HUP");
    browser.wait_for_text(&page, "#generation", "generation 2");
    browser.wait_for_text(&page, "#configuration", "1, 0");

    let mut backgrounds = Vec::new();
    for look in LOOKS {
        browser.photograph(&page, look, "status");
        backgrounds.push(browser.background(&page));
    }
    assert_ne!(backgrounds[0], backgrounds[1], "night is not day");
    assert_eq!(browser.complaints(), [""; 0]);
    browser.assert_asked_only(&ops);
}

/// What a page of another origin may do is up to the browser, so a browser is asked.
#[test]
fn a_page_of_another_origin_can_neither_read_nor_frame_it() {
    let Some(mut browser) = Browser::start("a_page_of_another_origin_can_neither") else {
        return;
    };
    let world = World::start("");
    let page = browser.open(&format!("http://{}/public/", world.proxy.address));
    browser.wait_for_text(&page, "body", "hello");
    let ops = world.proxy.ops;
    for path in ["/status", "/status/events", "/metrics", "/readyz"] {
        let read = format!("fetch('http://{ops}{path}').then(() => 'read', (error) => error.name)");
        assert_eq!(browser.run(&page, &read), json!("TypeError"), "{path}");
    }
    let frame = format!(
        "new Promise((resolve) => {{ const frame = document.createElement('iframe'); frame.onload = () => resolve('loaded'); \
         frame.src = 'http://{ops}/status'; document.body.append(frame) }})"
    );
    browser.run(&page, &frame);
    browser.wait_for_complaint("frame-ancestors");
    // Its own page is read by itself.
    let own = browser.open(&format!("http://{ops}/status"));
    browser.wait_for_text(&own, "#connection", "live");
}
