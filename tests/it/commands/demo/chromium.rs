//! The demo's page in a real browser, with a window for each user.

use super::Demo;
use crate::support::browser::{Browser, LOOKS, Window};

#[test]
fn two_users_log_in_write_to_each_other_and_call_what_they_may() {
    let Some(mut browser) = Browser::start("two_users_log_in") else {
        return;
    };
    let demo = Demo::start();
    let origin = format!("http://{}", demo.address);

    let alice = browser.open(&format!("{origin}/"));
    browser.wait_for(&alice, "document.querySelector('#as-alice')");
    photograph(&mut browser, &alice, "demo-login");
    browser.click(&alice, "#login button");
    browser.wait_for_text(&alice, "#chat-state", "logged in as 27149");
    for (way, text) in [
        ("#way-json", "UserID 27149 · UserSig eJ"),
        ("#way-headers", "the same"),
        ("#way-endpoint", "the same"),
    ] {
        browser.wait_for_text(&alice, way, text);
    }
    counts_down(&mut browser, &alice);

    let bob = browser.open(&format!("{origin}/#bob"));
    browser.wait_for_text(&bob, "#chat-state", "logged in as 27150");
    write(
        &mut browser,
        &alice,
        "hello <b>Bob</b><img src=x onerror=alert(1)>",
    );
    browser.wait_for_text(
        &bob,
        "#messages li",
        "hello <b>Bob</b><img src=x onerror=alert(1)>",
    );
    browser.wait_for_text(&bob, "#messages li", "from Alice");
    browser.wait_for_text(&alice, "#messages .mine", "to Bob");
    write(&mut browser, &bob, "hello Alice");
    browser.wait_for_text(&alice, "#messages li:last-child", "hello Alice");

    // A member may write in her own name, and that is all.
    for (button, verdict, reason) in [
        (
            "#rest-online",
            "Refused by the proxy: 403 command_not_allowed",
            "rule support allows it to support; you are member",
        ),
        (
            "#rest-kick",
            "Refused by the proxy: 403 command_not_allowed",
            "rule support",
        ),
        (
            "#rest-delete",
            "Refused by the proxy: 403 command_not_allowed",
            "no rule allows it to anybody",
        ),
        (
            "#rest-forge",
            "Refused by the proxy: 403 acting_account_not_allowed",
            "in their own name",
        ),
        (
            "#rest-send",
            "Allowed; Chat answers ErrorCode 0",
            "rule members",
        ),
    ] {
        judge(&mut browser, &alice, button, verdict, reason);
    }
    browser.wait_for_text(&bob, "#messages li:last-child", "hello, by REST");
    browser.click(&alice, "#impostor");
    browser.wait_for_text(&alice, "#steps", "with Alice's UserSig: 70013");

    let carol = browser.open(&format!("{origin}/#carol"));
    browser.wait_for_text(&carol, "#chat-state", "logged in as 31005");
    let allowed = "Allowed; Chat answers ErrorCode 0";
    judge(
        &mut browser,
        &carol,
        "#rest-online",
        allowed,
        "you are support",
    );
    browser.wait_for_text(&carol, "#answer", "\"Status\": \"Online\"");
    judge(
        &mut browser,
        &carol,
        "#rest-delete",
        "Refused by the proxy: 403",
        "no rule",
    );
    judge(&mut browser, &carol, "#rest-kick", allowed, "rule support");
    // Who is kicked gets a new UserSig of a session that lives, and is back.
    browser.wait_for_text(&alice, "#steps", "kicked out: 70052");
    browser.wait_for_text(&alice, "#steps", "a new UserSig, in place of the old ones");
    browser.wait_for_text(&alice, "#way-endpoint", "a newer one");
    browser.wait_for_text(&alice, "#chat-state", "logged in as 27149");

    browser.click(&bob, "#renew");
    browser.wait_for_text(&bob, "#steps", "Chat takes it: ErrorCode 0");
    photograph(&mut browser, &bob, "demo");
    // A page that is loaded again goes on, also with its messages.
    browser.run(&bob, "location.reload()");
    browser.wait_for_text(&bob, "#way-json", "loaded again");
    browser.wait_for_text(&bob, "#messages", "hello, by REST");
    browser.click(&alice, "#logout");
    browser.wait_for(&alice, "document.querySelector('#logged-in').hidden");
    assert_eq!(
        browser.run(&alice, "sessionStorage.length"),
        serde_json::json!(0)
    );

    let complaints = browser.complaints();
    let (refused, others): (Vec<_>, Vec<_>) = complaints.into_iter().partition(|complaint| {
        complaint.contains("status of 403") && complaint.contains("/_chat/v4/")
    });
    assert_eq!(others, [""; 0]);
    assert_eq!(refused.len(), 5, "{refused:?}");
    browser.assert_asked_only(&origin);
}

#[test]
fn a_wrong_password_and_an_ended_session_are_told() {
    let Some(mut browser) = Browser::start("a_wrong_password") else {
        return;
    };
    let demo = Demo::start();
    let window = browser.open(&format!("http://{}/", demo.address));
    browser.wait_for(&window, "document.querySelector('#as-alice')");
    browser.run(
        &window,
        "document.querySelector('[name=password]').value = 'wrong'",
    );
    browser.click(&window, "#login button");
    browser.wait_for_text(&window, "#problem", "wrong user or password");
    browser.run(
        &window,
        "document.querySelector('[name=algorithm]').value = 'RS256'",
    );
    browser.click(&window, "#as-carol");
    browser.wait_for_text(&window, "#chat-state", "logged in as 31005");
    // The same session ends in another way: the page learns it when it next needs it.
    let logout = "fetch('/api/logout', { method: 'POST', credentials: 'omit', \
                  headers: { Authorization: `Bearer ${sessionStorage.getItem('token')}` } }).then((answer) => answer.status)";
    assert_eq!(browser.run(&window, logout), serde_json::json!(200));
    browser.wait_for_text(&window, "#problem", "The session has ended.");
    browser.wait_for(&window, "document.querySelector('#logged-in').hidden");
}

fn write(browser: &mut Browser, window: &Window, text: &str) {
    let text = serde_json::json!(text);
    browser.run(
        window,
        &format!("document.querySelector('[name=text]').value = {text}"),
    );
    browser.click(window, "#message button");
}

fn judge(browser: &mut Browser, window: &Window, button: &str, verdict: &str, reason: &str) {
    browser.run(
        window,
        "document.querySelector('#verdict').textContent = ''",
    );
    browser.click(window, button);
    browser.wait_for_text(window, "#verdict", verdict);
    browser.wait_for_text(window, "#reason", reason);
}

/// Six days, and a second less a moment later.
fn counts_down(browser: &mut Browser, window: &Window) {
    let is_clock = r"/^[56] d \d\d:\d\d:\d\d$/.test(document.querySelector('#clock').innerText)";
    browser.wait_for(window, is_clock);
    let before = serde_json::json!(browser.text(window, "#clock"));
    // Of two times of this form the earlier one sorts first.
    browser.wait_for(
        window,
        &format!("document.querySelector('#clock').innerText < {before}"),
    );
}

fn photograph(browser: &mut Browser, window: &Window, name: &str) {
    let mut backgrounds = Vec::new();
    for look in LOOKS {
        browser.photograph(window, look, name);
        backgrounds.push(browser.background(window));
    }
    assert_ne!(backgrounds[0], backgrounds[1], "night is not day");
}
