//! What a reload refuses because of what the process serves, and how long a refusal lasts.

use crate::reload::{GENERATION, REFUSED, by_signal, route, status};
use crate::sites::{MAIN, ask, site};
use crate::support::proxy::{CHAT_KEY, SDK_APP_ID, free_address};
use crate::support::tokens::{SECRET, session};
use crate::support::{App, Proxy, config, get};

#[test]
fn o6_example_keys_come_into_force_only_with_a_restart() {
    let app = App::start();
    let text = by_signal(&app, &route("/one", "public", ""));
    let proxy = Proxy::start(&text);
    let demo = by_signal(&app, &route("/two", "public", ""));
    proxy.write(
        "chat-key",
        include_str!("../../../conf/demo/chat-secret-key"),
    );
    proxy.write("proxy.toml", &format!("demo = true\n{demo}"));
    proxy.signal("HUP");
    proxy.wait_for_metric(REFUSED, 1);
    assert_eq!((status(&proxy, "/one"), status(&proxy, "/two")), (200, 404));
    assert_eq!(proxy.metric(GENERATION), 1);
    let ready = get(proxy.ops, "/readyz", "").text();
    let why =
        "demo changed: it takes a restart, and nothing of this file takes effect until then\n";
    assert!(ready.contains(why), "{ready}");
    proxy.write("chat-key", CHAT_KEY);
    proxy.write("proxy.toml", &demo);
    proxy.signal("HUP");
    proxy.wait_for_metric(GENERATION, 2);
    assert_eq!((status(&proxy, "/one"), status(&proxy, "/two")), (404, 200));
}

#[test]
fn an_upstream_that_is_this_process_is_refused_though_the_file_moves_its_listeners() {
    let app = App::start();
    let proxy = Proxy::start(&by_signal(&app, &route("/one", "public", "")));
    let moved = by_signal(&app, &route("/two", "public", ""))
        .replace("\"@PROXY@\"", &format!("\"{}\"", free_address()));
    let own = moved.replace(
        &format!("\"http://{}\"", app.address),
        &format!("\"http://{}\", \"http://@PROXY@\"", app.address),
    );
    proxy.write("proxy.toml", &own);
    proxy.signal("HUP");
    proxy.wait_for_metric(REFUSED, 1);
    assert_eq!((status(&proxy, "/one"), status(&proxy, "/two")), (200, 404));
    let ready = get(proxy.ops, "/readyz", "").text();
    let why = "upstream \"app\" of site \"default\" has an address that this process listens on";
    assert!(ready.contains(why), "{ready}");
    proxy.write("proxy.toml", &moved);
    proxy.signal("HUP");
    proxy.wait_for_metric(GENERATION, 2);
    assert_eq!((status(&proxy, "/one"), status(&proxy, "/two")), (404, 200));
}

#[test]
fn o2_a_refusal_ends_when_the_files_are_again_those_in_force() {
    let app = App::start();
    let proxy = Proxy::start_with_files(
        &format!("{MAIN}[runtime]\nreload_on_change = true\n"),
        &[
            (
                "sites.d/a.toml",
                &site("a", "\"a.example\"", SDK_APP_ID, app.address, ""),
            ),
            ("sites.d/a.chat", CHAT_KEY),
            ("sites.d/a.session", SECRET),
        ],
    );
    proxy.rename("sites.d", "away");
    proxy.wait_for_metric(REFUSED, 1);
    assert_eq!(proxy.metric("config_last_reload_successful"), 0);
    assert!(get(proxy.ops, "/readyz", "").text().contains("refused"));
    proxy.rename("away", "sites.d");
    proxy.wait_for_metric("config_last_reload_successful", 1);
    let ready = get(proxy.ops, "/readyz", "").text();
    assert!(
        ready.contains("generation 1") && !ready.contains("refused"),
        "{ready}"
    );
    assert_eq!((proxy.metric(REFUSED), proxy.metric(GENERATION)), (1, 1));
    let login = ask(&proxy, "a.example", "/_chat/usersig", &session("42"));
    assert_eq!(login.status, 200);
}

/// Checks of an upstream, one a second like the looks at the files, tell that time has passed.
#[test]
fn o2_a_refused_reload_is_not_made_again_while_nothing_changes() {
    let (app, checked) = (App::start(), App::start());
    let more = "default_access = \"deny\"\n[[upstream]]\nname = \"checked\"\n";
    let text = format!(
        "{more}servers = [\"http://{}\"]\nhealth = {{ path = \"/\", interval = \"1s\" }}\n",
        checked.address
    );
    let proxy = Proxy::start(&config(app.address, &text));
    proxy.write(
        "session-secret",
        "a secret that the attempt never comes to read",
    );
    proxy.write("proxy.toml", "nonsense =");
    proxy.wait_for_metric(REFUSED, 1);
    checked.seen();
    (0..CHECKS).for_each(|_| drop(checked.next()));
    assert_eq!((proxy.metric(REFUSED), proxy.metric(GENERATION)), (1, 1));
}

#[test]
fn times_that_the_start_has_fixed_for_some_are_reported() {
    let app = App::start();
    let text = by_signal(&app, "");
    let proxy = Proxy::start(&text);
    let changed = text.replace(
        "[runtime]",
        "[runtime]\ndownstream_keepalive = \"7s\"\ndownstream_read_timeout = \"7s\"",
    );
    proxy.write("proxy.toml", &changed);
    proxy.signal("HUP");
    proxy.wait_for_metric(GENERATION, 2);
    let ready = get(proxy.ops, "/readyz", "").text();
    for key in ["keepalive (for HTTP/2)", "read_timeout (for headers)"] {
        let line = format!("runtime.downstream_{key} changed; it takes a restart\n");
        assert!(ready.contains(&line), "{ready}");
    }
}

const CHECKS: u32 = 5;
