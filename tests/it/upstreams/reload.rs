//! What of the servers outlives a configuration.

use super::front::{Certificate, Front, key_file};
use super::{answered_by, configured, count, http, https, is_healthy, named, turns};
use crate::support::proxy::free_address;
use crate::support::{Proxy, get};

const BY_SIGNAL: &str = "[runtime]\nreload_on_change = false\n";
const RARELY: &str = "health = { interval = \"1h\", timeout = \"1s\" }";

fn reload(proxy: &Proxy, text: &str, generation: u64) {
    proxy.write("proxy.toml", text);
    proxy.signal("HUP");
    proxy.wait_for_metric("config_generation", generation);
}

#[test]
fn a_server_that_stays_is_not_forgotten_and_one_that_goes_is() {
    let apps = [named("a"), named("b")];
    let [a, dead, b] = [apps[0].address, free_address(), apps[1].address].map(http);
    let text = |servers: &[&String]| {
        let servers: Vec<_> = servers.iter().map(|server| (*server).clone()).collect();
        configured(&servers, RARELY, BY_SIGNAL)
    };
    let proxy = Proxy::start(&text(&[&a, &dead]));
    assert_eq!(count(&answered_by(&proxy, 10), "a"), 10);
    assert!(!is_healthy(&proxy, &dead));

    reload(&proxy, &text(&[&dead, &b]), 2);
    assert!(!is_healthy(&proxy, &dead) && is_healthy(&proxy, &b));
    assert_eq!(count(&answered_by(&proxy, 10), "b"), 10);
    assert_eq!(turns(&proxy), (1, 0), "it was never asked again");
    let metrics = get(proxy.ops, "/metrics", "").text();
    assert!(!metrics.contains(&a), "{metrics}");

    // A file that is refused ends no series and begins none.
    let bad = text(&[&a]).replace("[chat]", "[chta]");
    proxy.write("proxy.toml", &bad);
    proxy.signal("HUP");
    proxy.wait_for_metric("config_reloads_total{result=\"refused\"}", 1);
    assert!(!is_healthy(&proxy, &dead) && is_healthy(&proxy, &b));
    assert!(!get(proxy.ops, "/metrics", "").text().contains(&a));
}

/// A connection that stands was made under the certificates of before.
#[test]
fn other_certificates_count_from_the_reload_on() {
    let app = named("hello");
    let front = Front::tls(Certificate::App, &[], app.address);
    let text = |ca: &str| {
        let lines = format!(
            "ca = {:?}\nserver_name = \"app.internal\"",
            key_file(&format!("{ca}/ca.pem"))
        );
        configured(&[https(front.address)], &lines, BY_SIGNAL)
    };
    let proxy = Proxy::start(&text("upstreams"));
    assert_eq!(get(proxy.address, "/", "").status, 200);
    reload(&proxy, &text("key-server"), 2);
    assert_eq!(get(proxy.address, "/", "").status, 502);
    reload(&proxy, &text("upstreams"), 3);
    assert_eq!(get(proxy.address, "/", "").status, 200);
}
