//! Checks in the background.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use super::front::{Certificate, Front, key_file};
use super::{answer, answered_by, count, http, https, is_healthy, named, proxy, turns, wait_until};
use crate::support::{App, Recorded, get};

/// An app whose answer to `/healthz` is the test's, and which answers everything else with its name.
struct Checked {
    app: App,
    status: Arc<AtomicU16>,
    checks: Arc<AtomicUsize>,
}

impl Checked {
    fn start(name: &'static str) -> Self {
        let status = Arc::new(AtomicU16::new(200));
        let checks = Arc::new(AtomicUsize::new(0));
        let (current, counter) = (status.clone(), checks.clone());
        let app = App::with(move |request: &Recorded, stream| {
            if !request.target.starts_with("/healthz") {
                return answer(stream, name);
            }
            counter.fetch_add(1, Ordering::SeqCst);
            let status = current.load(Ordering::SeqCst);
            let answer = format!("HTTP/1.1 {status} Status\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).is_ok()
        });
        Self {
            app,
            status,
            checks,
        }
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn server(&self) -> String {
        http(self.app.address)
    }
}

const OFTEN: &str = "health = { path = \"/healthz?deep=1\", interval = \"1s\", unhealthy_after = 2, healthy_after = 2 }";

#[test]
fn a_server_that_fails_its_checks_is_out_until_it_passes_them() {
    let (sick, well) = (Checked::start("sick"), Checked::start("well"));
    let proxy = proxy(&[sick.server(), well.server()], OFTEN);
    assert_eq!(count(&answered_by(&proxy, 10), "sick"), 5);
    // It still answers requests: only its health says otherwise.
    sick.answer(503);
    wait_until(&proxy, &sick.server(), false);
    assert_eq!(count(&answered_by(&proxy, 10), "well"), 10);
    let line = proxy.log_line(|line| line["message"] == "server is out");
    assert_eq!(line["server"], sick.server());
    assert_eq!(line["upstream"], "app");
    assert_eq!(line["reason"], "the check is answered with 503");
    let ready = get(proxy.ops, "/readyz", "").text();
    let expected = format!(
        "upstream app of site default: 1 of 2 healthy; out: {}\n",
        sick.server()
    );
    assert!(ready.contains(&expected), "{ready}");

    sick.answer(204);
    wait_until(&proxy, &sick.server(), true);
    assert_eq!(count(&answered_by(&proxy, 10), "sick"), 5);
    assert_eq!(turns(&proxy), (1, 1));
}

#[test]
fn a_check_carries_nobody_and_names_its_host() {
    let app = Checked::start("app");
    let lines = OFTEN.replace("path", "host = \"app.example:8080\", path");
    let proxy = proxy(&[app.server()], &lines);
    let check = app.app.next();
    assert_eq!(
        (check.method.as_str(), check.target.as_str()),
        ("GET", "/healthz?deep=1")
    );
    assert_eq!(check.header("host"), Some("app.example:8080"));
    assert_eq!(check.headers.len(), 3, "{check:?}");
    let again = app.app.next();
    assert_ne!(check.connection, again.connection);
    assert!(is_healthy(&proxy, &app.server()));
}

/// A check that errs, or an app that is late everywhere, must not take a working app away.
#[test]
fn when_all_servers_are_out_all_are_asked() {
    let (a, b) = (Checked::start("a"), Checked::start("b"));
    for app in [&a, &b] {
        app.answer(404);
    }
    let proxy = proxy(&[a.server(), b.server()], OFTEN);
    for app in [&a, &b] {
        wait_until(&proxy, &app.server(), false);
    }
    let names = answered_by(&proxy, 10);
    assert_eq!((count(&names, "a"), count(&names, "b")), (5, 5));
    assert_eq!(get(proxy.ops, "/readyz", "").status, 200);
}

#[test]
fn statuses_say_what_passes() {
    let app = Checked::start("app");
    app.answer(302);
    let lines = OFTEN.replace("path", "statuses = [200, 204], path");
    let strict = proxy(&[app.server()], &lines);
    wait_until(&strict, &app.server(), false);
    app.answer(204);
    wait_until(&strict, &app.server(), true);
    app.answer(302);
    let before = app.checks.load(Ordering::SeqCst);
    let lenient = proxy(&[app.server()], OFTEN);
    wait_until(&strict, &app.server(), false);
    // Both check every second, so the lenient one has judged it as well.
    assert!(app.checks.load(Ordering::SeqCst) >= before + 2);
    assert!(is_healthy(&lenient, &app.server()));
}

#[test]
fn checks_go_over_the_tls_that_requests_go_over() {
    let app = Checked::start("app");
    let good = Front::tls(Certificate::App, &["http/1.1"], app.app.address);
    let expired = Front::tls(Certificate::Expired, &["http/1.1"], app.app.address);
    let lines = format!(
        "ca = {:?}\nserver_name = \"app.internal\"\nhttp2 = \"auto\"\n{OFTEN}",
        key_file("upstreams/ca.pem")
    );
    let servers = [https(good.address), https(expired.address)];
    let proxy = proxy(&servers, &lines);
    wait_until(&proxy, &servers[1], false);
    assert!(is_healthy(&proxy, &servers[0]));
    let line = proxy.log_line(|line| line["message"] == "server is out");
    assert!(
        line["reason"].as_str().unwrap().contains("expired"),
        "{line}"
    );
    assert_eq!(count(&answered_by(&proxy, 6), "app"), 6);
}

/// Without a path a connection is enough, TLS included: nothing is sent that an app could take amiss.
#[test]
fn several_servers_are_checked_by_connections_without_a_word() {
    let app = named("app");
    let silent = Front::silent();
    let front = Front::tls(Certificate::App, &[], app.address);
    let lines = format!(
        "ca = {:?}\nserver_name = \"app.internal\"\nhealth = {{ interval = \"5s\", timeout = \"5s\", unhealthy_after = 1 }}",
        key_file("upstreams/ca.pem")
    );
    let servers = [https(front.address), https(silent.address)];
    let proxy = proxy(&servers, &lines);
    wait_until(&proxy, &servers[1], false);
    assert!(is_healthy(&proxy, &servers[0]));
    assert!(app.seen().is_empty());
    assert_eq!(count(&answered_by(&proxy, 5), "app"), 5);
}
