//! Several sites in one process: the host selects one, and nothing of one serves another.

use std::net::SocketAddr;

use serde_json::json;

use crate::edge::assert_identity;
use crate::support::keys::{KeyServer, Signer, key_set};
use crate::support::proxy::{CHAT_KEY, SDK_APP_ID};
use crate::support::tokens::{SECRET, authorization, now, session, sign, sign_with};
use crate::support::{App, Proxy, Response, send};

/// The main file of a process with several sites.
pub(crate) const MAIN: &str = r#"
sites = "sites.d/*.toml"
[listen]
http = ["@PROXY@"]
[ops]
listen = "@OPS@"
[log]
level = "trace"
"#;

/// A site with these hosts and this SDKAppID in front of `app`; its keys are `sites.d/NAME.chat` and `NAME.session`.
pub(crate) fn site(name: &str, hosts: &str, app_id: u32, app: SocketAddr, more: &str) -> String {
    format!(
        r#"
hosts = [{hosts}]
[[upstream]]
name = "app"
servers = ["http://{app}"]
[chat]
sdk_app_id = {app_id}
secret_key = {{ file = "{name}.chat" }}
admin = "{name}-admin"
[session]
from = [{{ header = "Authorization", scheme = "Bearer" }}]
[[session.issuer]]
name = "app"
algorithms = ["HS256"]
keys = {{ secret = {{ file = "{name}.session" }} }}
[identity]
reserved = ["{name}-admin"]
[usersig_endpoint]
[routes]
default_access = "deny"
[[route]]
match = {{ path = "/api/{{*rest}}" }}
access = "session"
inject = {{ request_headers = true }}
{more}
"#
    )
}

/// Two sites, `a.example` and `b.example`, with an app each.
struct World {
    apps: [App; 2],
    proxy: Proxy,
}

impl World {
    fn start(secrets: [&str; 2]) -> Self {
        let apps = [App::start(), App::start()];
        let public = |name: &str| {
            format!(
                "[[route]]\nmatch = {{ path = \"/only-{name}\" }}\naccess = \"public\"\n\
                 [cors]\norigins = [\"https://{name}.example\"]\n"
            )
        };
        let a = site(
            "a",
            "\"a.example\", \"www.a.example\"",
            SDK_APP_ID,
            apps[0].address,
            &public("a"),
        );
        let b = site(
            "b",
            "\"b.example\"",
            SDK_APP_ID + 1,
            apps[1].address,
            &public("b"),
        );
        let proxy = Proxy::start_with_files(
            MAIN,
            &[
                ("sites.d/a.toml", &a),
                ("sites.d/a.chat", CHAT_KEY),
                ("sites.d/a.session", secrets[0]),
                ("sites.d/b.toml", &b),
                ("sites.d/b.chat", OTHER_KEY),
                ("sites.d/b.session", secrets[1]),
            ],
        );
        Self { apps, proxy }
    }

    fn ask(&self, host: &str, path: &str, token: &str) -> Response {
        ask(&self.proxy, host, path, token)
    }
}

/// A GET for a path of a host, with this session token unless it is empty.
pub(crate) fn ask(proxy: &Proxy, host: &str, path: &str, token: &str) -> Response {
    let token = match token {
        "" => String::new(),
        token => authorization(token),
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{token}\r\n");
    send(proxy.address, request)
}

fn outcome(response: &Response) -> (u16, String) {
    (response.status, response.code())
}

#[test]
fn the_host_selects_the_site_in_every_spelling() {
    let world = World::start([SECRET, OTHER_SECRET]);
    for host in ["a.example", "A.Example.", "a.example:80", "www.a.example"] {
        assert_eq!(world.ask(host, "/only-a", "").status, 200, "{host}");
        let refused = outcome(&world.ask(host, "/only-b", ""));
        assert_eq!(refused, (404, "route_not_found".to_owned()), "{host}");
    }
    assert_eq!(world.ask("b.example", "/only-b", "").status, 200);
    assert_eq!(world.ask("b.example", "/only-a", "").status, 404);
    let targets = |app: &App| -> Vec<String> {
        app.seen()
            .into_iter()
            .map(|request| request.target)
            .collect()
    };
    assert_eq!(targets(&world.apps[0]), ["/only-a"; 4]);
    assert_eq!(targets(&world.apps[1]), ["/only-b"]);
    let line = world
        .proxy
        .log_line(|line| line["path"] == "/only-b" && line["status"] == 200);
    assert_eq!(
        (&line["site"], &line["route"]),
        (&json!("b"), &json!("/only-b"))
    );
    let count = |site: &str| {
        let series = format!("outcome=\"forwarded\",route=\"/only-{site}\",site=\"{site}\"");
        world.proxy.metric(&format!("requests_total{{{series}}}"))
    };
    assert_eq!((count("a"), count("b")), (4, 1));
}

#[test]
fn a_host_of_no_site_is_refused_before_anything_is_looked_at() {
    let world = World::start([SECRET, OTHER_SECRET]);
    let token = session("42");
    for host in ["c.example", "a.example.evil", "example", "127.0.0.1"] {
        let refused = world.ask(host, "/api/x", &token);
        let problem = PROBLEM.replace("<id>", refused.header("x-request-id").unwrap());
        assert_eq!((refused.status, refused.text()), (421, problem), "{host}");
    }
    let old = format!("GET /api/x HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
    assert_eq!(
        outcome(&send(world.proxy.address, old)),
        (421, "unknown_host".to_owned())
    );
    let named = format!(
        "GET http://a.example/api/x HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    assert_eq!(send(world.proxy.address, named).status, 200);
    let seen = world.apps[0].seen();
    assert_eq!(seen.len(), 1);
    assert_identity(&seen[0], "42");
    let series = "requests_total{outcome=\"unknown_host\",route=\"none\",site=\"none\"}";
    world.proxy.wait_for_metric(series, 5);
}

#[test]
fn c2_a_token_a_key_and_a_user_sig_of_one_site_serve_no_other() {
    let world = World::start([SECRET, OTHER_SECRET]);
    let claims = json!({ "sub": "42", "exp": now() + 600 });
    let (of_a, of_b) = (sign(&claims), sign_with(OTHER_SECRET, &claims));
    for (host, own, others, app_id) in [
        ("a.example", &of_a, &of_b, SDK_APP_ID),
        ("b.example", &of_b, &of_a, SDK_APP_ID + 1),
    ] {
        let login = world.ask(host, "/_chat/usersig", own).json();
        assert_eq!(
            (&login["sdkAppId"], &login["userId"]),
            (&json!(app_id), &json!("42"))
        );
        let refused = outcome(&world.ask(host, "/_chat/usersig", others));
        assert_eq!(refused, (401, "token_invalid".to_owned()), "{host}");
    }
    // An administrator of one app is nobody's name in the other, and the other way round.
    let admin = |secret| sign_with(secret, &json!({ "sub": "a-admin", "exp": now() + 600 }));
    let refused = outcome(&world.ask("a.example", "/api/x", &admin(SECRET)));
    assert_eq!(refused, (403, "user_not_mapped".to_owned()));
    assert_eq!(
        world
            .ask("b.example", "/api/x", &admin(OTHER_SECRET))
            .status,
        200
    );
}

#[test]
fn c2_sites_that_trust_the_same_secret_share_neither_user_sigs_nor_renewals() {
    let world = World::start([SECRET, SECRET]);
    let token = session("42");
    let login = |host| world.ask(host, "/_chat/usersig", &token).json();
    let (a, b) = (login("a.example"), login("b.example"));
    assert_ne!(a["userSig"], b["userSig"]);
    assert_eq!(b["sdkAppId"], SDK_APP_ID + 1);
    for site in ["a", "b"] {
        let count = |series: &str| world.proxy.metric(&series.replace('@', site));
        assert_eq!(count("usersig_cached_users{site=\"@\"}"), 1);
        assert_eq!(
            count("usersig_lookups_total{result=\"issued\",site=\"@\"}"),
            1
        );
        let series = "token_verifications_total{algorithm=\"HS256\",result=\"ok\",site=\"@\"}";
        assert_eq!(count(series), 1);
    }
    let renewal = format!(
        "POST /_chat/usersig HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let renewed = send(world.proxy.address, renewal).json();
    assert_ne!(renewed["userSig"], a["userSig"]);
    assert_eq!(login("a.example")["userSig"], renewed["userSig"]);
    assert_eq!(login("b.example"), b);
}

/// Two sites before one app, which believes what either of them injects.
#[test]
fn h1_sites_before_the_same_app_strip_each_other_s_names_and_share_no_connection() {
    let app = App::start();
    let more = "[[route]]\nmatch = { path = \"/open\" }\naccess = \"public\"\n";
    let named = format!("{more}[inject]\nuser_id_header = \"X-Backoffice-User\"\n");
    let a = site("a", "\"a.example\"", SDK_APP_ID, app.address, more);
    let b = site("b", "\"b.example\"", SDK_APP_ID + 1, app.address, &named);
    let proxy = Proxy::start_with_files(
        // On one thread: see `edge::keepalive`.
        &format!("{MAIN}[runtime]\nthreads = 1\n"),
        &[
            ("sites.d/a.toml", &a),
            ("sites.d/a.chat", CHAT_KEY),
            ("sites.d/a.session", SECRET),
            ("sites.d/b.toml", &b),
            ("sites.d/b.chat", OTHER_KEY),
            ("sites.d/b.session", OTHER_SECRET),
        ],
    );
    let mut connections = Vec::new();
    for (number, host) in ["a", "b", "a", "b"].iter().enumerate() {
        let forged = "X-Backoffice-User: root\r\nX_Chat_UserID: root\r\nX-Plain: root\r\n";
        let request = format!("GET /open HTTP/1.1\r\nHost: {host}.example\r\n{forged}\r\n");
        assert_eq!(send(proxy.address, request).status, 200);
        let seen = app.next();
        let kept = seen.headers.iter().filter(|(_, value)| value == "root");
        let kept: Vec<_> = kept.map(|(name, _)| name.to_lowercase()).collect();
        assert_eq!(kept, ["x-plain"], "{host}");
        connections.push(seen.connection);
        proxy.log_lines(number + 1, |line| line["path"] == "/open");
    }
    assert_ne!(connections[0], connections[1]);
    assert_eq!(
        connections[..2],
        connections[2..],
        "each site keeps its own"
    );
}

#[test]
fn c2_a_logout_at_one_site_ends_no_session_of_another_that_trusts_the_same_secret() {
    let app = App::start();
    let chats = [(); 2].map(|()| App::answering(LANDED));
    let with_chat = |index: usize| {
        let endpoint = format!("[chat]\nendpoint = \"http://{}\"\n", chats[index].address);
        let text = same_secret(index, &app, LOGOUT);
        text.replacen("[chat]\n", &endpoint, 1)
    };
    let proxy = two_sites([0, 1].map(with_chat));
    let token = session("42");
    let login = |host: &str| ask(&proxy, host, "/_chat/usersig", &token);
    let (_, before) = (login("a.example").json(), login("b.example").json());
    for (index, host) in ["a.example", "b.example"].into_iter().enumerate() {
        if index == 1 {
            assert_eq!(login(host).json(), before, "ended by the other site");
        }
        assert_eq!(ask(&proxy, host, "/log-out", &token).status, 200);
        let refused = outcome(&login(host));
        assert_eq!(refused, (401, "token_invalid".to_owned()), "{host}");
        // The first that this Chat hears of is its own.
        let kick = chats[index].next();
        let app_id = format!("?sdkappid={}&", SDK_APP_ID + index as u32);
        assert!(kick.target.contains(&app_id), "{}", kick.target);
        assert_eq!(kick.body, br#"{"UserID":"42"}"#);
    }
}

#[test]
fn c2_who_is_revoked_at_one_site_is_served_by_another_that_trusts_the_same_secret() {
    let app = App::start();
    let with_list = |index: usize| {
        let text = same_secret(index, &app, "");
        let list = format!("[session]\nrevoked = \"{}.revoked\"\n", NAMES[index]);
        text.replacen("[session]\n", &list, 1)
    };
    let proxy = two_sites([0, 1].map(with_list));
    let claims = json!({ "sub": "42", "exp": now() + 600, "jti": "j1" });
    let token = sign(&claims);
    let statuses =
        || ["a.example", "b.example"].map(|host| ask(&proxy, host, "/api/x", &token).status);
    assert_eq!(statuses(), [200, 200]);
    // Taken off at one and put on at the other, each time the issuer's name is the same.
    for (generation, listed, expected) in [
        (2, ["jti app j1\n", ""], [401, 200]),
        (3, ["", "jti app j1\n"], [200, 401]),
        (4, ["user app 42\n", ""], [401, 200]),
    ] {
        proxy.write("sites.d/a.revoked", listed[0]);
        proxy.write("sites.d/b.revoked", listed[1]);
        proxy.signal("HUP");
        proxy.wait_for_metric("config_generation", generation);
        assert_eq!(statuses(), expected, "{listed:?}");
    }
}

/// Each site's issuer publishes on a server of its own, once also under the same key id.
#[test]
fn c2_a_published_key_of_one_site_verifies_nothing_at_another() {
    let app = App::start();
    let signers = [["same", "only-a"], ["same", "only-b"]].map(|ids| ids.map(Signer::new));
    let servers = [0, 1].map(|site| {
        let of_site: &[Signer; 2] = &signers[site];
        KeyServer::start(key_set(&[&of_site[0], &of_site[1]]))
    });
    let published = |index: usize| {
        let secret = format!(
            "keys = {{ secret = {{ file = \"{}.session\" }} }}",
            NAMES[index]
        );
        let url = format!(
            "keys = {{ jwks_url = \"http://{}/keys\" }}",
            servers[index].address
        );
        let text = same_secret(index, &app, "");
        assert!(text.contains(&secret));
        text.replace("HS256", "EdDSA").replace(&secret, &url)
    };
    let proxy = two_sites([0, 1].map(published));
    proxy.log_lines(2, |line| line["message"] == "new key set");
    let ask = |host: &str, signer: &Signer| {
        let request = format!(
            "GET /api/x HTTP/1.1\r\nHost: {host}\r\n{}\r\n",
            signer.bearer("42")
        );
        send(proxy.address, request)
    };
    for (host, own, others) in [("a.example", 0, 1), ("b.example", 1, 0)] {
        let fetches = servers[others].fetches();
        for signer in &signers[others] {
            let refused = outcome(&ask(host, signer));
            assert_eq!(refused, (401, "token_invalid".to_owned()), "{host}");
        }
        assert_eq!(servers[others].fetches(), fetches, "{host}");
        for signer in &signers[own] {
            assert_eq!(ask(host, signer).status, 200, "{host}");
        }
    }
}

/// The site `a` or `b`, which trust the same secret.
fn same_secret(index: usize, app: &App, more: &str) -> String {
    let name = NAMES[index];
    let host = format!("\"{name}.example\"");
    site(name, &host, SDK_APP_ID + index as u32, app.address, more)
}

/// A process with these sites `a` and `b`, read again on SIGHUP only; each has an empty list of revoked sessions.
fn two_sites([a, b]: [String; 2]) -> Proxy {
    Proxy::start_with_files(
        &format!("{MAIN}[runtime]\nreload_on_change = false\n"),
        &[
            ("sites.d/a.toml", &a),
            ("sites.d/a.chat", CHAT_KEY),
            ("sites.d/a.session", SECRET),
            ("sites.d/a.revoked", ""),
            ("sites.d/b.toml", &b),
            ("sites.d/b.chat", OTHER_KEY),
            ("sites.d/b.session", SECRET),
            ("sites.d/b.revoked", ""),
        ],
    )
}

#[test]
fn each_site_answers_its_own_origins() {
    let world = World::start([SECRET, OTHER_SECRET]);
    for (host, origin, is_allowed) in [
        ("a.example", "https://a.example", true),
        ("a.example", "https://b.example", false),
        ("b.example", "https://b.example", true),
        ("c.example", "https://a.example", false),
    ] {
        let request = format!("GET /nothing HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\r\n");
        let response = send(world.proxy.address, request);
        let allowed = response.header("access-control-allow-origin");
        assert_eq!(allowed, is_allowed.then_some(origin), "{host} {origin}");
    }
}

const NAMES: [&str; 2] = ["a", "b"];
const LOGOUT: &str =
    "[[route]]\nmatch = { path = \"/log-out\" }\naccess = \"session\"\non_success = \"kick\"\n";
const LANDED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"ActionStatus\":\"OK\",\"ErrorInfo\":\"\",\"ErrorCode\":0}";
const PROBLEM: &str = r#"{"type":"about:blank","title":"Misdirected Request","status":421,"code":"unknown_host","detail":"This server does not answer for the host of the request.","requestId":"<id>"}"#;
const OTHER_KEY: &str = "07e5000000000000000000000000000000000000000000000000000000000e57";
const OTHER_SECRET: &str = "the session secret of another site, long enough for HS256";
