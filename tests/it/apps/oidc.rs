//! An identity provider that nobody here wrote: oidc-provider from npm, found by discovery, which rotates its keys.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;

use super::world::{RealApp, Setup, bearer, request};
use crate::keys::with_issuer;
use crate::support::{App, Connection, Done, foreign, get, send};

const OIDC: Setup = Setup {
    name: "oidc-provider",
    ready: "/jwks",
};

#[test]
fn oidc_provider_is_discovered_and_rotates_its_keys_while_traffic_runs() {
    let Some(installed) = foreign::apps("oidc_provider") else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let keys = folder.path().join("keys.json");
    let env = [("KEYS", keys.to_str().unwrap())];
    let mut provider = RealApp::start(&OIDC, &installed, &env);
    let app = App::start();
    let issuer = format!(
        "issuer = \"http://{}\"\naudience = [\"web\"]",
        provider.address
    );
    let lines = format!("{issuer}\nkeys = {{ oidc = true }}");
    let proxy = with_issuer(&app, "RS256", &lines);

    let old = token(&provider);
    assert_eq!(get(proxy.address, "/app/page", &old).status, 200);
    assert_eq!(app.next().header("X-Chat-UserID"), Some("ann"));
    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            let mut connection = Connection::open(proxy.address);
            while !done.load(Ordering::SeqCst) {
                let request = request("/app/page", &old);
                let response = connection.request_of_many(proxy.address, request);
                assert_eq!(response.status, 200, "{response:?}");
                served.fetch_add(1, Ordering::SeqCst);
            }
        });
        let _done = Done(&done);
        let wait_for_more = || {
            let wanted = served.load(Ordering::SeqCst) + MIN_SERVED;
            while served.load(Ordering::SeqCst) < wanted {
                assert!(!traffic.is_finished(), "the traffic stopped");
                thread::yield_now();
            }
        };
        wait_for_more();
        provider.restart(&OIDC, &installed, &env);
        let new = token(&provider);
        wait_for_more();
        let response = get(proxy.address, "/app/page", &new);
        assert_eq!(response.status, 200, "the first token of the new key");
        wait_for_more();
    });
    let line = proxy.log_line(|line| line["message"] == "new key set" && line["keys"] == 2);
    assert_eq!(line["issuer"], "app");
}

/// A header line with an access token for the client ann.
fn token(provider: &RealApp) -> String {
    let (host, form) = (provider.address, "grant_type=client_credentials");
    let length = form.len();
    let response = send(
        provider.address,
        format!(
            "POST /token HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {ANN}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        ),
    );
    assert_eq!(response.status, 200, "{response:?}");
    bearer(response.json()["access_token"].as_str().unwrap())
}

/// How many requests with the old key there are at least before the rotation, between it and the first token of the new
/// key, and after that.
const MIN_SERVED: usize = 50;
/// `ann:pw-ann`.
const ANN: &str = "YW5uOnB3LWFubg==";
