//! What a reload does not give back: budgets, Chat's pause, and what is known to be wrong.

use std::time::Instant;

use super::{Chat, call, code, member, ok, refusal, refused, settings, user_sig};
use crate::support::{Proxy, get};

/// Reads the configuration again, with these texts in place of others.
fn reload(proxy: &Proxy, text: &str) {
    let generation = proxy.metric("config_generation");
    proxy.write("proxy.toml", text);
    proxy.signal("HUP");
    proxy.wait_for_metric("config_generation", generation + 1);
}

/// The configuration, read again on SIGHUP only.
fn by_signal(chat: &Chat, more: &str) -> String {
    settings(
        &chat.app,
        &format!("{more}[runtime]\nreload_on_change = false\n"),
    )
}

/// Every second text differs, so that the reload is one.
fn variant(text: &str, round: u32) -> String {
    text.replace(
        "[rest_api]\n",
        &format!("[rest_api]\ngroup_role_max_age = \"{}s\"\n", round % 50 + 1),
    )
}

#[test]
fn a_reload_gives_nobody_a_second_go() {
    let chat = Chat::start();
    let text = by_signal(
        &chat,
        "[rest_api.budget]\ncommands = { \"openim/sendmsg\" = 1 }\n",
    );
    let proxy = Proxy::start(&text);
    let start = Instant::now();
    let mut passed = 0;
    for round in 0..20 {
        let response = call(&proxy, "openim/sendmsg", &member(), "{}");
        match response.status {
            200 => passed += 1,
            _ => assert_eq!(refusal(&response), refused(429, "budget_used_up", 60007)),
        }
        reload(&proxy, &variant(&text, round));
    }
    let most = start.elapsed().as_secs() + 1;
    assert!((1..=most).contains(&passed), "{passed} calls in {most} s");
    // Another limit takes effect at once.
    reload(
        &proxy,
        &text.replace("\"openim/sendmsg\" = 1", "\"openim/sendmsg\" = 1000"),
    );
    let statuses = (0..5).map(|_| call(&proxy, "openim/sendmsg", &member(), "{}").status);
    let refused = statuses.filter(|status| *status != 200).count();
    assert!(refused <= 1, "{refused}");
}

#[test]
fn a_pause_and_an_alarm_outlive_a_reload_that_cannot_have_mended_them() {
    let (chat, elsewhere) = (Chat::start(), Chat::start());
    let text = by_signal(&chat, "");
    let proxy = Proxy::start(&text);
    let send_message = || call(&proxy, "openim/sendmsg", &member(), "{}");
    let (alarm, paused) = (
        "rest_alarm_error_code{site=\"default\"}",
        "rest_paused{site=\"default\"}",
    );
    // A signature that replaced a voided one stays in use.
    chat.will_answer([ok(&code(70052))]);
    send_message();
    let (_, renewed) = (chat.app.next(), chat.app.next());
    reload(&proxy, &variant(&text, 1));
    send_message();
    assert_eq!(user_sig(&chat.app.next()), user_sig(&renewed));

    chat.will_answer([ok(&code(70009))]);
    send_message();
    reload(&proxy, &variant(&text, 2));
    assert_eq!(proxy.metric(alarm), 70009);
    assert!(
        get(proxy.ops, "/readyz", "")
            .text()
            .contains("ErrorCode 70009")
    );
    let new_key = "5ec0000000000000000000000000000000000000000000000000000000000e57";
    proxy.write("chat-key", new_key);
    reload(&proxy, &text);
    assert_eq!(proxy.metric(alarm), 0);

    chat.will_answer([ok(&code(70050))]);
    assert_eq!(send_message().json()["ErrorCode"], 70050);
    chat.app.seen();
    for round in 3..6 {
        proxy.write("chat-key", &new_key.replace("57", &format!("{round}7")));
        reload(&proxy, &variant(&text, round));
        assert_eq!(refusal(&send_message()), refused(503, "chat_paused", 60019));
        assert_eq!(proxy.metric(paused), 1);
    }
    assert_eq!(chat.app.seen().len(), 0);
    // Another place knows nothing of it.
    let moved = text.replace(
        &chat.app.address.to_string(),
        &elsewhere.app.address.to_string(),
    );
    reload(&proxy, &moved);
    assert_eq!(send_message().status, 200);
    assert_eq!((proxy.metric(paused), elsewhere.app.seen().len()), (0, 1));
}
