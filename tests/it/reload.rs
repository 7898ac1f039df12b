//! The configuration while requests run: changed, broken, mended, and every request judged by exactly one.

mod gone;
mod refused;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;

use serde_json::json;
use usersig_proxy::usersig::decode::Decoded;

use crate::edge::{assert_identity, assert_no_identity, http2};
use crate::sites::{MAIN, ask, site};
use crate::support::proxy::{CHAT_KEY, SDK_APP_ID, free_address};
use crate::support::tokens::{SECRET, authorization, bearer, now, session, sign_with};
use crate::support::user_sig::is_signed_with;
use crate::support::{App, Connection, Done, Proxy, Recorded, Response, config, get, send};

pub(crate) const GENERATION: &str = "config_generation";
pub(crate) const REFUSED: &str = "config_reloads_total{result=\"refused\"}";

pub(crate) fn route(path: &str, access: &str, more: &str) -> String {
    format!("[[route]]\nmatch = {{ path = \"{path}\" }}\naccess = \"{access}\"\n{more}\n")
}

/// A configuration that is read again on SIGHUP only, with these routes.
pub(crate) fn by_signal(app: &App, routes: &str) -> String {
    let more = format!("default_access = \"deny\"\n{routes}[runtime]\nreload_on_change = false\n");
    config(app.address, &more)
}

pub(crate) fn status(proxy: &Proxy, path: &str) -> u16 {
    get(proxy.address, path, "").status
}

#[test]
fn o2_a_bad_file_changes_nothing_and_is_reported_until_it_is_mended() {
    let app = App::start();
    let proxy = Proxy::start(&by_signal(&app, &route("/one", "public", "")));
    assert_eq!((status(&proxy, "/one"), status(&proxy, "/two")), (200, 404));
    let ready = get(proxy.ops, "/readyz", "").text();
    assert!(!ready.contains("refused"), "{ready}");

    let two = by_signal(&app, &route("/two", "public", ""));
    for (count, (bad, why)) in (1..).zip([
        (two.replace("[chat]", "[chta]"), "chta: unknown key"),
        (
            two.split_at(two.len() / 2).0.to_owned(),
            "unclosed inline table",
        ),
        (String::new(), "upstream: is required"),
        ("\u{0}".to_owned(), "proxy.toml:1:1"),
        (
            two.replace("\"chat-key\"", "\"no-such-file\""),
            "no-such-file cannot be read",
        ),
    ]) {
        proxy.write("proxy.toml", &bad);
        proxy.signal("HUP");
        proxy.wait_for_metric(REFUSED, count);
        assert_eq!(
            (status(&proxy, "/one"), status(&proxy, "/two")),
            (200, 404),
            "{why}"
        );
        assert_eq!(proxy.metric(GENERATION), 1);
        assert_eq!(proxy.metric("config_last_reload_successful"), 0);
        let ready = get(proxy.ops, "/readyz", "");
        assert_eq!(ready.status, 200);
        let ready = ready.text();
        assert!(
            ready.contains("was refused\n") && ready.contains(why),
            "{ready}"
        );
        proxy.log_line(|line| line["level"] == "ERROR" && line["error"].to_string().contains(why));
    }
    proxy.write("proxy.toml", &two);
    proxy.signal("HUP");
    proxy.wait_for_metric(GENERATION, 2);
    assert_eq!((status(&proxy, "/one"), status(&proxy, "/two")), (404, 200));
    assert_eq!(proxy.metric("config_last_reload_successful"), 1);
    let ready = get(proxy.ops, "/readyz", "").text();
    assert!(
        ready.contains("generation 2") && !ready.contains("refused"),
        "{ready}"
    );
}

#[test]
fn o3_secrets_and_keys_are_read_again_when_their_files_change() {
    let app = App::start();
    let proxy = Proxy::start(&config(app.address, "default_access = \"session\"\n"));
    let ask = |token: &str| get(proxy.address, "/_chat/usersig", &authorization(token));
    let new_secret = "the session secret after its rotation, long enough for HS256";
    let (old, new) = (
        session("42"),
        sign_with(new_secret, &json!({ "sub": "42", "exp": now() + 600 })),
    );
    assert_eq!((ask(&old).status, ask(&new).status), (200, 401));
    proxy.write("session-secret", new_secret);
    proxy.wait_for_metric(GENERATION, 2);
    assert_eq!((ask(&old).status, ask(&new).status), (401, 200));

    let new_key = "5ec0000000000000000000000000000000000000000000000000000000000e57";
    proxy.write("chat-key", new_key);
    proxy.wait_for_metric(GENERATION, 3);
    let user_sig = ask(&new).json()["userSig"].as_str().unwrap().to_owned();
    assert!(is_signed_with(new_key, &user_sig) && !is_signed_with(CHAT_KEY, &user_sig));
}

/// As mounted secrets are changed: all at once, by a link to another folder.
#[test]
fn o3_a_secret_that_is_swapped_by_a_link_is_read_again() {
    use std::os::unix::fs::symlink;
    let app = App::start();
    let secret = |number: u32| format!("the session secret number {number}, long enough for HS256");
    let proxy = Proxy::start_with_files(
        &config(app.address, "default_access = \"session\"\n"),
        &[("v1/session", &secret(1)), ("v2/session", &secret(2))],
    );
    let link = |to: &str, name: &str| {
        symlink(to, proxy.path("draft")).unwrap();
        proxy.rename("draft", name);
    };
    let statuses = || {
        let token = |secret: &str| sign_with(secret, &json!({ "sub": "42", "exp": now() + 600 }));
        [SECRET, &secret(1), &secret(2)].map(|secret| {
            get(
                proxy.address,
                "/_chat/usersig",
                &authorization(&token(secret)),
            )
            .status
        })
    };
    assert_eq!(statuses(), [200, 401, 401]);
    link("v1", "data");
    link("data/session", "session-secret");
    proxy.wait_for_metric(GENERATION, 2);
    assert_eq!(statuses(), [401, 200, 401]);
    link("v2", "data");
    proxy.wait_for_metric(GENERATION, 3);
    assert_eq!(statuses(), [401, 401, 200]);
    // A link that leads nowhere is no secret, and changes nothing.
    link("v3", "data");
    proxy.wait_for_metric(REFUSED, 1);
    assert_eq!(statuses(), [401, 401, 200]);
}

#[test]
fn o2_a_file_that_stays_half_written_is_refused_and_the_whole_one_is_taken() {
    let app = App::start();
    let text = config(app.address, "default_access = \"deny\"\n");
    let proxy = Proxy::start(&text);
    let longer = format!("{text}{}", route("/two", "public", ""));
    proxy.write("proxy.toml", &longer[..longer.len() - 12]);
    proxy.wait_for_metric(REFUSED, 1);
    assert_eq!(status(&proxy, "/two"), 404);
    proxy.write("proxy.toml", &longer);
    proxy.wait_for_metric(GENERATION, 2);
    assert_eq!(status(&proxy, "/two"), 200);
    assert_eq!(proxy.metric(REFUSED), 1);
}

#[test]
fn what_only_a_restart_can_change_is_said_and_all_else_takes_effect() {
    let app = App::start();
    let text = by_signal(&app, &route("/one", "public", ""));
    let proxy = Proxy::start(&text);
    let elsewhere = free_address();
    let changed = by_signal(&app, &route("/two", "public", ""))
        .replace("\"@PROXY@\"", &format!("\"@PROXY@\", \"{elsewhere}\""))
        .replace("[runtime]", "[runtime]\nthreads = 1");
    proxy.write("proxy.toml", &changed);
    proxy.signal("HUP");
    proxy.wait_for_metric(GENERATION, 2);
    assert_eq!((status(&proxy, "/one"), status(&proxy, "/two")), (404, 200));
    assert_eq!(proxy.metric("config_restart_needed"), 1);
    let ready = get(proxy.ops, "/readyz", "").text();
    for key in ["listen", "runtime.threads"] {
        assert!(
            ready.contains(&format!("{key} changed; it takes a restart\n")),
            "{ready}"
        );
        proxy.log_line(|line| line["level"] == "WARN" && line["key"] == key);
    }
    assert_eq!(ready.matches("restart").count(), 2, "{ready}");
    assert!(std::net::TcpStream::connect(elsewhere).is_err());

    proxy.write("proxy.toml", &text);
    proxy.signal("HUP");
    proxy.wait_for_metric(GENERATION, 3);
    assert_eq!(proxy.metric("config_restart_needed"), 0);
}

#[test]
fn a_request_under_way_keeps_the_configuration_that_it_came_under() {
    let (arrival, arrived) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let gate = Mutex::new((arrival, released));
    let app = App::with(move |request, stream| {
        if request.target == "/held" {
            let gate = gate.lock().unwrap();
            let _ = gate.0.send(());
            let _ = gate.1.recv();
        }
        ok(stream)
    });
    let inject = |name: &str| {
        let places = "inject = { request_headers = true, response_headers = true }";
        let routes = route("/held", "session", places);
        by_signal(
            &app,
            &format!("{routes}[inject]\nuser_id_header = \"{name}\"\n"),
        )
    };
    let proxy = Proxy::start(&inject("X-Before"));
    let token = bearer("42");
    let mut held = Connection::open(proxy.address);
    held.write(format!(
        "GET /held HTTP/1.1\r\nHost: localhost\r\n{token}\r\n"
    ));
    arrived.recv().unwrap();
    proxy.write("proxy.toml", &inject("X-After"));
    proxy.signal("HUP");
    proxy.wait_for_metric(GENERATION, 2);
    release.send(()).unwrap();
    let response = held.read_response(false).unwrap();
    assert_eq!(
        (response.header("x-before"), response.header("x-after")),
        (Some("42"), None)
    );
    release.send(()).unwrap();
    let next = held.request(format!(
        "GET /held HTTP/1.1\r\nHost: localhost\r\n{token}\r\n"
    ));
    assert_eq!(
        (next.header("x-before"), next.header("x-after")),
        (None, Some("42"))
    );
}

#[test]
fn a_site_comes_and_goes_with_its_file_and_disturbs_no_other() {
    let (one, two) = (App::start(), App::start());
    let main = format!("{MAIN}[runtime]\nreload_on_change = true\n");
    let a = site("a", "\"a.example\"", SDK_APP_ID, one.address, "");
    let b = site("b", "\"b.example\"", SDK_APP_ID + 1, two.address, "");
    let proxy = Proxy::start_with_files(
        &main,
        &[
            ("sites.d/a.toml", &a),
            ("sites.d/a.chat", CHAT_KEY),
            ("sites.d/a.session", SECRET),
            ("sites.d/b.chat", CHAT_KEY),
            ("sites.d/b.session", SECRET),
        ],
    );
    let token = session("42");
    let login = |host: &str| ask(&proxy, host, "/_chat/usersig", &token);
    assert_eq!(login("b.example").status, 421);
    proxy.write("sites.d/b.toml", &b);
    proxy.wait_for_metric(GENERATION, 2);
    assert_eq!(
        (login("a.example").status, login("b.example").status),
        (200, 200)
    );
    // The same host in two files: neither is taken, both stay as they were.
    proxy.write(
        "sites.d/c.toml",
        &site("b", "\"b.example\"", SDK_APP_ID, one.address, ""),
    );
    proxy.wait_for_metric(REFUSED, 1);
    assert_eq!(login("b.example").json()["sdkAppId"], SDK_APP_ID + 1);
    proxy.remove("sites.d/c.toml");
    proxy.remove("sites.d/b.toml");
    proxy.wait_for_metric(GENERATION, 3);
    assert_eq!(
        (login("a.example").status, login("b.example").status),
        (200, 421)
    );
}

/// Configurations that differ in the names of what is injected, and pairwise in the mapping or in the Chat app and its
/// key; a request that saw parts of two would show it. Bad ones come in between, and every good one is another than before.
#[test]
fn o5_reloads_under_load_fail_no_request_and_each_is_judged_by_one_configuration() {
    let app = App::start();
    let variants = VARIANTS.each_ref().map(|variant| variant.config(&app));
    let proxy = Proxy::start_with_files(&variants[0], &[("beta-key", BETA_KEY)]);
    let (done, answered) = (AtomicBool::new(false), AtomicU32::new(0));
    let answers = Mutex::new(Counts::default());
    thread::scope(|scope| {
        let clients = CLIENTS.iter().zip(0..).map(|(kind, client)| {
            let (proxy, done, answered, answers) = (&proxy, &done, &answered, &answers);
            scope.spawn(move || {
                let check = |ids| {
                    let variant = variant_of(ids, client);
                    answers.lock().unwrap()[client as usize][variant] += 1;
                    answered.fetch_add(1, Ordering::AcqRel);
                    !done.load(Ordering::Acquire)
                };
                kind.work(proxy, client, &check);
            })
        });
        let clients: Vec<_> = clients.collect();
        let _done = Done(&done);
        let (mut good, mut bad) = (1, 0);
        for round in 0..RELOADS {
            let before = answered.load(Ordering::Acquire);
            match round % 3 {
                2 => {
                    proxy.write("proxy.toml", "nonsense =");
                    bad += 1;
                }
                _ => {
                    proxy.write("proxy.toml", &variants[good % VARIANTS.len()]);
                    good += 1;
                }
            }
            proxy.signal("HUP");
            proxy.wait_for_metric(GENERATION, good as u64);
            proxy.wait_for_metric(REFUSED, bad);
            // Every configuration is worked with.
            while answered.load(Ordering::Acquire) < before + REQUESTS_PER_RELOAD {
                assert!(
                    !clients.iter().any(|client| client.is_finished()),
                    "a client failed"
                );
                thread::yield_now();
            }
        }
    });
    let seen = app.seen();
    assert!(seen.len() >= (RELOADS * REQUESTS_PER_RELOAD) as usize);
    let mut counts = Counts::default();
    for request in &seen {
        let client = request.target[2..].parse().unwrap();
        counts[client as usize][judged_by_one(request, client)] += 1;
    }
    assert!(
        counts.as_flattened().iter().all(|count| *count > 0),
        "{counts:?}"
    );
    // The answer's names are those of the request.
    assert_eq!(*answers.lock().unwrap(), counts);
    let series = r#"requests_total{outcome="forwarded",route="/{*rest}",site="default"}"#;
    proxy.wait_for_metric(series, seen.len() as u64);
}

/// A configuration under which requests run.
struct Variant {
    name: &'static str,
    prefix: &'static str,
    key_file: &'static str,
    key: &'static str,
    sdk_app_id: u32,
}

impl Variant {
    fn config(&self, app: &App) -> String {
        let (name, prefix, key_file) = (self.name, self.prefix, self.key_file);
        let places = "inject = { request_headers = true, response_headers = true }";
        let names = format!(
            "[inject]\nuser_id_header = \"X-{name}-ID\"\nuser_sig_header = \"X-{name}-Sig\"\n\
             sdk_app_id_header = \"X-{name}-App\"\n"
        );
        let routes = route("/{*rest}", "session", places);
        by_signal(app, &format!("{routes}{names}"))
            .replace(
                "reserved = [",
                &format!("transform = [{{ prefix = \"{prefix}\" }}]\nreserved = ["),
            )
            .replace("\"chat-key\"", &format!("\"{key_file}\""))
            .replace(&SDK_APP_ID.to_string(), &self.sdk_app_id.to_string())
    }
}

/// The user's id under the name that each variant gives it.
type Ids = [Option<String>; VARIANTS.len()];

/// Requests by client and variant.
type Counts = [[u32; VARIANTS.len()]; CLIENTS.len()];

/// How a client reaches the proxy.
#[derive(Clone, Copy)]
enum Client {
    KeepAlive,
    ConnectionPerRequest,
    Http2,
}

impl Client {
    /// Makes requests until `check` of what names the user says that it is enough.
    fn work(self, proxy: &Proxy, client: u32, check: &dyn Fn(Ids) -> bool) {
        let token = session(&format!("user{client}"));
        let line = authorization(&token);
        let request = format!("GET /x{client} HTTP/1.1\r\nHost: localhost\r\n{line}\r\n");
        let ids = |response: Response| {
            assert_eq!(response.status, 200, "{response:?}");
            ID_HEADERS.map(|name| response.header(name).map(str::to_owned))
        };
        match self {
            Self::KeepAlive => {
                let mut connection = Connection::open(proxy.address);
                while check(ids(connection.request_of_many(proxy.address, &request))) {}
            }
            Self::ConnectionPerRequest => while check(ids(send(proxy.address, &request))) {},
            Self::Http2 => http2::talk(proxy, async |mut connection| {
                while check(over_http2(&mut connection, client, &token).await) {}
            }),
        }
    }
}

async fn over_http2(
    connection: &mut h2::client::SendRequest<bytes::Bytes>,
    client: u32,
    token: &str,
) -> Ids {
    let request = http::Request::get(format!("http://localhost/x{client}"))
        .header("authorization", format!("Bearer {token}"));
    let answer = http2::exchange(connection, request, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    ID_HEADERS.map(|name| {
        let value = answer.headers.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    })
}

/// The index of the variant under which the app got all of this request.
fn judged_by_one(request: &Recorded, client: u32) -> usize {
    let values = |end: &str| {
        VARIANTS.each_ref().map(|variant| {
            let value = request.header(&format!("X-{}-{end}", variant.name));
            value.map(str::to_owned)
        })
    };
    let [ids, sigs, apps] = ["ID", "Sig", "App"].map(values);
    let index = variant_of(ids.clone(), client);
    let variant = &VARIANTS[index];
    for named in [&sigs, &apps] {
        let found = named.each_ref().map(Option::is_some);
        assert_eq!(found, ids.each_ref().map(Option::is_some), "{request:?}");
    }
    assert_eq!(apps[index], Some(variant.sdk_app_id.to_string()));
    let user_sig = sigs[index].as_deref().unwrap();
    assert!(is_signed_with(variant.key, user_sig), "{request:?}");
    let decoded = Decoded::parse(user_sig).unwrap();
    assert_eq!(
        (Some(decoded.identifier), decoded.sdk_app_id),
        (ids[index].clone(), variant.sdk_app_id)
    );
    index
}

/// The index of the variant that names the user like this.
fn variant_of(ids: Ids, client: u32) -> usize {
    let expected = |index: usize| {
        let mut expected = Ids::default();
        expected[index] = Some(format!("{}user{client}", VARIANTS[index].prefix));
        expected
    };
    let found = (0..VARIANTS.len()).find(|index| ids == expected(*index));
    found.unwrap_or_else(|| panic!("{ids:?}"))
}

#[test]
fn h4_a_header_that_is_ours_only_since_a_reload_is_stripped_since_then() {
    let app = App::start();
    let text = |more: &str| {
        by_signal(
            &app,
            &format!(
                "{}{more}",
                route(
                    "/{*rest}",
                    "optional",
                    "inject = { request_headers = true }"
                )
            ),
        )
    };
    let proxy = Proxy::start(&text(""));
    let sent = |line: &str| -> Recorded {
        assert_eq!(get(proxy.address, "/x", line).status, 200);
        app.next()
    };
    assert_eq!(sent("X-Mine: 7\r\n").header("X-Mine"), Some("7"));
    assert_no_identity(&sent("X-Chat-UserID: 7\r\n"));
    proxy.write(
        "proxy.toml",
        &text("[inject]\nuser_id_header = \"X-Mine\"\n"),
    );
    proxy.signal("HUP");
    proxy.wait_for_metric(GENERATION, 2);
    assert_eq!(
        sent("X-Mine: 7\r\nX_Mine: 8\r\n").values("x-mine"),
        Vec::<&str>::new()
    );
    let token = bearer("42");
    assert_eq!(sent(&token).header("X-Mine"), Some("42"));
    proxy.write("proxy.toml", &text(""));
    proxy.signal("HUP");
    proxy.wait_for_metric(GENERATION, 3);
    assert_identity(&sent(&token), "42");
}

#[test]
fn kicks_that_had_no_way_to_chat_start_when_a_reload_brings_one() {
    let (app, chat) = (App::start(), App::start());
    let text = by_signal(&app, "").replace("[session]\n", "[session]\nrevoked = \"revoked\"\n");
    let proxy = Proxy::start_with_files(&text, &[("revoked", "user app 42\n")]);
    assert_eq!(
        proxy.metric("kicks_total{result=\"failed\",site=\"default\"}"),
        0
    );
    let endpoint = format!("[chat]\nendpoint = \"http://{}\"\n", chat.address);
    proxy.write("proxy.toml", &text.replace("[chat]\n", &endpoint));
    proxy.signal("HUP");
    let kick = chat.next();
    assert!(
        kick.target.starts_with("/v4/im_open_login_svc/kick?"),
        "{}",
        kick.target
    );
    assert_eq!(kick.body, br#"{"UserID":"42"}"#);
}

fn ok(stream: &mut std::net::TcpStream) -> bool {
    use std::io::Write;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        .is_ok()
}

const VARIANTS: [Variant; 3] = [
    Variant {
        name: "Alpha",
        prefix: "a_",
        key_file: "chat-key",
        key: CHAT_KEY,
        sdk_app_id: SDK_APP_ID,
    },
    Variant {
        name: "Beta",
        prefix: "b_",
        key_file: "beta-key",
        key: BETA_KEY,
        sdk_app_id: SDK_APP_ID + 1,
    },
    // The users of the first, the Chat app of the second: a UserSig that was cached under either would show.
    Variant {
        name: "Gamma",
        prefix: "a_",
        key_file: "beta-key",
        key: BETA_KEY,
        sdk_app_id: SDK_APP_ID + 1,
    },
];
const ID_HEADERS: [&str; 3] = ["x-alpha-id", "x-beta-id", "x-gamma-id"];
const BETA_KEY: &str = "be7a000000000000000000000000000000000000000000000000000000000e57";
const CLIENTS: [Client; 5] = [
    Client::KeepAlive,
    Client::KeepAlive,
    Client::KeepAlive,
    Client::ConnectionPerRequest,
    Client::Http2,
];
const RELOADS: u32 = 36;
const REQUESTS_PER_RELOAD: u32 = 200;
