//! What a site leaves behind when its file goes, and what it finds when it comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::reload::GENERATION;
use crate::sites::{MAIN, ask, site};
use crate::support::proxy::{CHAT_KEY, SDK_APP_ID};
use crate::support::tokens::{SECRET, session};
use crate::support::{App, Proxy, get, send};

/// Two sites; Chat takes kicks for the second once that is said.
struct World {
    app: App,
    chat: App,
    takes_kicks: Arc<AtomicBool>,
    second: String,
    proxy: Proxy,
}

impl World {
    /// The first site's server is checked every second, which tells that time has passed.
    fn start() -> Self {
        let app = App::start();
        let takes_kicks = Arc::new(AtomicBool::new(false));
        let is_taken = Arc::clone(&takes_kicks);
        let chat = App::with(move |_, stream| {
            use std::io::Write;
            let code = if is_taken.load(Ordering::Acquire) {
                0
            } else {
                60007
            };
            let body = format!("{{\"ErrorCode\":{code}}}");
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).is_ok()
        });
        let first = site("a", "\"a.example\"", SDK_APP_ID, app.address, "").replace(
            "name = \"app\"\nservers",
            "name = \"app\"\nhealth = { path = \"/check\", interval = \"1s\" }\nservers",
        );
        let logout = "[[route]]\nmatch = { path = \"/logout\" }\naccess = \"session\"\non_success = \"kick\"\n";
        let second = site("b", "\"b.example\"", SDK_APP_ID + 1, app.address, logout).replace(
            "admin = \"b-admin\"",
            &format!(
                "admin = \"b-admin\"\nendpoint = \"http://{}\"",
                chat.address
            ),
        );
        let proxy = Proxy::start_with_files(
            &format!("{MAIN}[runtime]\nreload_on_change = false\n"),
            &[
                ("sites.d/a.toml", &first),
                ("sites.d/a.chat", CHAT_KEY),
                ("sites.d/a.session", SECRET),
                ("sites.d/b.toml", &second),
                ("sites.d/b.chat", CHAT_KEY),
                ("sites.d/b.session", SECRET),
            ],
        );
        Self {
            app,
            chat,
            takes_kicks,
            second,
            proxy,
        }
    }

    fn log_out(&self) -> u16 {
        let token = session("42");
        let head = "POST /logout HTTP/1.1\r\nHost: b.example\r\nContent-Length: 0\r\n";
        let request = format!("{head}Authorization: Bearer {token}\r\n\r\n");
        send(self.proxy.address, request).status
    }

    fn reload(&self, generation: u64) {
        self.proxy.signal("HUP");
        self.proxy.wait_for_metric(GENERATION, generation);
    }

    fn kicks(&self, result: &str) -> u64 {
        let series = format!("kicks_total{{result=\"{result}\",site=\"b\"}}");
        self.proxy.metric(&series)
    }

    fn wait_for_checks(&self, count: u32) {
        self.app.seen();
        (0..count).for_each(|_| drop(self.app.next()));
    }
}

#[test]
fn a_site_that_is_gone_kicks_nobody_and_goes_on_when_it_is_back() {
    let world = World::start();
    assert_eq!(world.log_out(), 200);
    let line = world
        .proxy
        .log_line(|line| line["message"] == "Chat refused a kick");
    assert_eq!(
        (&line["site"], &line["user_id"]),
        (&"b".into(), &"42".into())
    );
    assert_eq!(world.kicks("landed"), 0);

    world.proxy.remove("sites.d/b.toml");
    world.reload(2);
    // An attempt that was under way may still arrive.
    world.wait_for_checks(2);
    world.chat.seen();
    // The first pauses of its retries are 1 s and 2 s; two checkers are at work after a reload.
    world.wait_for_checks(8);
    let kicked: Vec<_> = world.chat.seen();
    assert!(kicked.is_empty(), "{kicked:?}");
    let metrics = get(world.proxy.ops, "/metrics", "").text();
    assert!(
        metrics.contains("site=\"a\"") && !metrics.contains("site=\"b\""),
        "{metrics}"
    );

    world.takes_kicks.store(true, Ordering::Release);
    world.proxy.write("sites.d/b.toml", &world.second);
    world.reload(3);
    assert_eq!(world.chat.next().body, br#"{"UserID":"42"}"#);
    world
        .proxy
        .wait_for_metric("kicks_total{result=\"landed\",site=\"b\"}", 1);
    world.wait_for_checks(3);
    assert_eq!((world.kicks("landed"), world.kicks("failed")), (1, 0));
    let login = ask(&world.proxy, "b.example", "/_chat/usersig", &session("7"));
    assert_eq!(login.status, 200);
}

#[test]
fn a_renamed_site_is_a_new_one_and_what_it_has_lost_is_logged() {
    let world = World::start();
    let is_stray = |line: &serde_json::Value| {
        let message = line["message"].as_str().unwrap_or_default();
        message.ends_with("of a site that no file is named after")
    };
    world.proxy.rename("sites.d/b.toml", "sites.d/c.toml");
    world.reload(2);
    world.proxy.rename("sites.d/c.toml", "sites.d/b.toml");
    world.reload(3);
    let printed = world.proxy.printed();
    let lines = printed
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    assert_eq!(
        lines.filter(is_stray).count(),
        0,
        "there was nothing to lose"
    );

    world.takes_kicks.store(true, Ordering::Release);
    assert_eq!(world.log_out(), 200);
    world.proxy.rename("sites.d/b.toml", "sites.d/c.toml");
    world.reload(4);
    let line = world.proxy.log_line(is_stray);
    assert_eq!(
        (&line["level"], &line["site"]),
        (&"WARN".into(), &"b".into())
    );
}
