//! Clients that others wrote: curl and OpenSSL, where they are installed.

use std::process::Command;

use super::{behind, https, told};
use crate::support::foreign::has;
use crate::support::program::{Finished, finish, finish_with_input};
use crate::support::tls::{KEYS, pair};
use crate::support::{App, Proxy};

fn curl(proxy: &Proxy, scheme: &str, arguments: &[&str]) -> Finished {
    let port = proxy.address.port();
    let resolve = format!("app.example.com:{port}:{}", proxy.address.ip());
    let ca = format!("{KEYS}/ca.pem");
    let url = format!("{scheme}://app.example.com:{port}/public/");
    let shown = "%{http_version} %{http_code} ";
    let fixed = ["-sS", "-o", "/dev/stdout", "-w", shown, "--noproxy", "*"];
    let rest = ["--resolve", &resolve, "--cacert", &ca, &url];
    finish(Command::new("curl").args(fixed).args(arguments).args(rest))
}

#[test]
fn curl_speaks_every_protocol() {
    if !has("curl_speaks_every_protocol", &["curl"]) {
        return;
    }
    let app = App::start();
    let proxy = behind(&app, &https("app", ""));
    for (arguments, shown) in [
        (&["--http2"][..], "hello2 200 "),
        (&["--http1.1"], "hello1.1 200 "),
        (&["--http1.1", "--tls-max", "1.2"], "hello1.1 200 "),
    ] {
        let done = curl(&proxy, "https", arguments);
        assert_eq!(done.stdout, shown, "{done:?}");
        assert_eq!(told(&app.next())[1], Some("https"));
    }
}

#[test]
fn curl_sends_a_proxy_header() {
    if !has("curl_sends_a_proxy_header", &["curl"]) {
        return;
    }
    let app = App::start();
    let trusted = "\ntrusted_proxies = [\"127.0.0.1\"]";
    let tls = https("app", ", proxy_protocol = true");
    let plain = "http = [{ address = \"@PROXY@\", proxy_protocol = true }]";
    for (scheme, listen) in [("http", plain), ("https", &tls)] {
        let proxy = behind(&app, &format!("{listen}{trusted}"));
        let done = curl(&proxy, scheme, &["--haproxy-protocol"]);
        assert!(done.stdout.ends_with(" 200 "), "{done:?}");
        assert_eq!(told(&app.next())[..2], [Some("127.0.0.1"), Some(scheme)]);
        let without = curl(&proxy, scheme, &[]);
        assert_ne!(without.code, Some(0), "{without:?}");
        assert!(app.seen().is_empty());
    }
}

#[test]
fn openssl_gets_the_certificate_that_it_asks_for() {
    if !is_openssl("openssl_gets_the_certificate_that_it_asks_for") {
        return;
    }
    let app = App::start();
    let more = format!(", certificates = [{{ {} }}]", pair("wildcard"));
    let proxy = behind(&app, &https("app", &more));
    let ca = format!("{KEYS}/ca.pem");
    let address = proxy.address.to_string();
    for (arguments, expected) in [
        (
            &["-servername", "other.example.com", "-tls1_2"][..],
            "subject=CN = wildcard",
        ),
        (
            &["-servername", "app.example.com", "-tls1_3", "-alpn", "h2"],
            "ALPN protocol: h2",
        ),
        (&["-noservername"], "subject=CN = app"),
    ] {
        let mut command = Command::new("openssl");
        command.args([
            "s_client",
            "-connect",
            &address,
            "-CAfile",
            &ca,
            "-verify_return_error",
        ]);
        let done = finish_with_input(command.args(arguments), "\n");
        let printed = done.stdout.replace("CN=", "CN = ");
        assert!(printed.contains(expected), "{arguments:?}: {done:?}");
        assert!(printed.contains("Verify return code: 0 (ok)"), "{done:?}");
    }
}

/// OpenSSL knows no `--version`.
fn is_openssl(test: &str) -> bool {
    let found = Command::new("openssl").arg("version").output();
    match found.is_ok_and(|output| output.status.success()) {
        true => true,
        false => has(test, &["openssl"]),
    }
}
