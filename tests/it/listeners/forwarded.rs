//! Proxies in front that are trusted, and everybody else.

use super::{FORGED, ask, behind, told};
use crate::support::{App, Connection, Proxy, get, send};

const TRUSTED: &str = "http = [\"@PROXY@\"]\ntrusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]";

fn told_for(proxy: &Proxy, app: &App, lines: &str) -> [Option<String>; 3] {
    ask(&mut Connection::open(proxy.address), lines);
    told(&app.next()).map(|value| value.map(str::to_owned))
}

fn text(values: [&str; 3]) -> [Option<String>; 3] {
    values.map(|value| Some(value.to_owned()))
}

#[test]
fn h9_nobody_is_believed_by_default_and_strangers_never() {
    let app = App::start();
    for listen in [
        "http = [\"@PROXY@\"]",
        "http = [\"@PROXY@\"]\ntrusted_proxies = [\"10.0.0.0/8\", \"unix\", \"::/0\"]",
        "http = [\"@PROXY@\"]\ntrusted_proxies = [\"10.0.0.0/8\"]\ntrusted_headers = \"forwarded\"",
    ] {
        let proxy = behind(&app, listen);
        let found = told_for(&proxy, &app, FORGED);
        assert_eq!(found, text(["127.0.0.1", "http", "localhost"]), "{listen}");
        let line = proxy.log_line(|line| line["path"] == "/public/");
        assert_eq!(line["client"], "127.0.0.1");
    }
}

#[test]
fn h9_a_trusted_proxy_names_client_scheme_and_host() {
    let app = App::start();
    let proxy = behind(&app, TRUSTED);
    let lines = "X-Forwarded-For: 198.51.100.1, 192.0.2.1, 10.1.1.1\r\nX-Forwarded-Proto: https\r\n\
                 X-Forwarded-Host: app.example:8443\r\nForwarded: for=198.51.100.9\r\nX_Forwarded_For: 198.51.100.8\r\n\
                 X-Real-IP: 198.51.100.7\r\n";
    let found = told_for(&proxy, &app, lines);
    assert_eq!(
        found,
        text([
            "192.0.2.1, 10.1.1.1, 127.0.0.1",
            "https",
            "app.example:8443"
        ])
    );
    let line = proxy.log_line(|line| line["path"] == "/public/");
    assert_eq!(line["client"], "192.0.2.1");

    let other = behind(&app, &format!("{TRUSTED}\ntrusted_headers = \"forwarded\""));
    let lines = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: gopher\r\n\
                 Forwarded: for=198.51.100.9, for=\"[2001:db8::1]:4711\";proto=https;host=app.example\r\n";
    let found = told_for(&other, &app, lines);
    assert_eq!(
        found,
        text(["2001:db8::1, 127.0.0.1", "https", "app.example"])
    );
}

#[test]
fn h9_malformed_values_of_a_trusted_proxy_are_dropped() {
    let app = App::start();
    let proxy = behind(&app, TRUSTED);
    for (lines, expected) in [
        (
            "X-Forwarded-For: 192.0.2.1, evil\r\n",
            ["127.0.0.1", "http", "localhost"],
        ),
        (
            "X-Forwarded-For: evil, 192.0.2.1\r\n",
            ["192.0.2.1, 127.0.0.1", "http", "localhost"],
        ),
        (
            "X-Forwarded-Host: a\";b\r\n",
            ["127.0.0.1", "http", "localhost"],
        ),
        (
            "X-Forwarded-Host: a.example, b.example\r\n",
            ["127.0.0.1", "http", "localhost"],
        ),
        (
            "X-Forwarded-Proto: https, http\r\n",
            ["127.0.0.1", "http", "localhost"],
        ),
        (
            "X-Forwarded-Proto: javascript\r\n",
            ["127.0.0.1", "http", "localhost"],
        ),
        (
            "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: https\r\n",
            ["127.0.0.1", "https", "localhost"],
        ),
    ] {
        assert_eq!(told_for(&proxy, &app, lines), text(expected), "{lines}");
    }
}

/// Neither for a stranger nor for a trusted proxy.
#[test]
fn h9_a_host_cannot_be_injected() {
    let app = App::start();
    for listen in ["http = [\"@PROXY@\"]", TRUSTED] {
        let proxy = behind(&app, listen);
        for host in ["a;proto=https", "a\"", "a\";for=\"x", "a, b", "a b"] {
            let request = format!("GET /public/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(send(proxy.address, request).status, 400, "{host}");
        }
        let request = "GET /public/ HTTP/1.1\r\nHost: a.example:81\r\n\r\n";
        assert_eq!(send(proxy.address, request).status, 200);
        assert_eq!(told(&app.next())[2], Some("a.example:81"));
        assert!(app.seen().is_empty());
    }
}

/// The host that a route is chosen by is the request's own, whoever says otherwise.
#[test]
fn h8_a_forwarded_host_chooses_no_route() {
    let app = App::start();
    let routes = "default_access = \"deny\"\n[[route]]\nmatch = { host = \"a.example\", path = \"/{*rest}\" }\naccess = \"public\"\n";
    let config = crate::support::config(app.address, routes);
    let proxy = Proxy::start(&config.replacen("http = [\"@PROXY@\"]", TRUSTED, 1));
    let forwarded = "X-Forwarded-Host: a.example\r\n";
    assert_eq!(get(proxy.address, "/", forwarded).status, 404);
    let own = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{forwarded}\r\n");
    assert_eq!(send(proxy.address, own).status, 200);
    assert_eq!(app.seen().len(), 1);
}

/// Whom the PROXY header and the others are believed from must not come apart, so both wait for a restart.
#[test]
fn o2_trusted_proxies_wait_for_a_restart_and_that_is_said() {
    let app = App::start();
    let config = crate::support::config(app.address, &crate::edge::typical_routes(""));
    let trusting = config.replacen("http = [\"@PROXY@\"]", TRUSTED, 1);
    let proxy = Proxy::start(&config);
    proxy.write("proxy.toml", &trusting);
    proxy.signal("HUP");
    proxy.wait_for_metric("config_restart_needed", 1);
    let ready = get(proxy.ops, "/readyz", "").text();
    assert!(
        ready.contains("listen changed; it takes a restart"),
        "{ready}"
    );
    let lines = "X-Forwarded-For: 192.0.2.1\r\n";
    let found = told_for(&proxy, &app, lines);
    assert_eq!(found, text(["127.0.0.1", "http", "localhost"]));
    proxy.write("proxy.toml", &config);
    proxy.signal("HUP");
    proxy.wait_for_metric("config_restart_needed", 0);
}
