//! Key sets that an issuer publishes, on the running program in front of a key server that fails, changes and goes away.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::keys::{KeyServer, Signer, answer, jwks, key_set};
use crate::support::program::{finish, program};
use crate::support::{App, Connection, Done, Proxy, Response, config, get, tokens};

/// A proxy whose issuer publishes its keys on the server: `/app/..` needs a session, `/public` does not.
fn proxy(app: &App, server: &KeyServer, refresh: &str) -> Proxy {
    let url = format!("http://{}/keys?hidden=1", server.address);
    with_issuer(
        app,
        "EdDSA",
        &format!("keys = {{ jwks_url = \"{url}\", refresh = \"{refresh}\" }}"),
    )
}

/// The same with another algorithm and place of its keys.
pub(crate) fn with_issuer(app: &App, algorithm: &str, lines: &str) -> Proxy {
    with_issuer_and_files(app, algorithm, lines, &[])
}

fn with_issuer_and_files(app: &App, algorithm: &str, lines: &str, files: &[(&str, &str)]) -> Proxy {
    let routes = "default_access = \"public\"\n[[route]]\nmatch = { path = \"/app/{*rest}\" }\n\
                  access = \"session\"\ninject = { request_headers = true }\n";
    let secret = "algorithms = [\"HS256\"]\nkeys = { secret = { file = \"session-secret\" } }";
    let text = config(app.address, routes);
    assert!(text.contains(secret));
    let issuer = format!("algorithms = [\"{algorithm}\"]\n{lines}");
    Proxy::start_with_files(&text.replace(secret, &issuer), files)
}

/// A key set that is in use.
fn loaded(app: &App, server: &KeyServer, refresh: &str) -> Proxy {
    let proxy = proxy(app, server, refresh);
    proxy.log_line(|line| line["message"] == NEW_SET);
    proxy
}

fn ask(proxy: &Proxy, header_lines: &str) -> Response {
    get(proxy.address, "/app/page", header_lines)
}

fn refused(response: &Response) -> (u16, String) {
    (response.status, response.code())
}

#[test]
fn k3_k4_a_session_gets_503_until_there_are_keys_and_nobody_passes() {
    let (app, signer) = (App::start(), Signer::new("a"));
    let server = KeyServer::start(answer(500, "down"));
    let proxy = proxy(&app, &server, "10m");
    let unavailable = (503, "keys_unavailable".to_owned());
    for (case, token) in [
        ("the issuer's", signer.bearer("42")),
        ("somebody's", Signer::new("a").bearer("42")),
        ("without a known key", signer.bearer_with_id("42", "b")),
    ] {
        assert_eq!(refused(&ask(&proxy, &token)), unavailable, "{case}");
    }
    let with_secret = ask(&proxy, &tokens::bearer("42"));
    assert_eq!(refused(&with_secret), (401, "token_invalid".to_owned()));
    let nothing = ask(&proxy, "");
    assert_eq!(refused(&nothing), (401, "token_missing".to_owned()));
    assert!(app.seen().is_empty());
    assert_eq!(get(proxy.address, "/public", "").status, 200);
    app.next();
    let ready = get(proxy.ops, "/readyz", "");
    assert_eq!(ready.status, 200);
    let ready = ready.text();
    let line = "ago\nkeys of app of site default: none; failed fetches: ";
    assert!(
        ready.contains(line) && ready.contains("the last by status\n"),
        "{ready}"
    );
    assert_eq!(
        proxy.metric(r#"key_set_keys{issuer="app",site="default"}"#),
        0
    );
    assert_eq!(proxy.metric(CHANGED), 0);

    server.answer(key_set(&[&signer]));
    proxy.log_line(|line| line["message"] == NEW_SET);
    assert_eq!(ask(&proxy, &signer.bearer("42")).status, 200);
    assert_eq!(app.next().header("X-Chat-UserID"), Some("42"));
    let others = ask(&proxy, &Signer::new("a").bearer("42"));
    assert_eq!(refused(&others), (401, "token_invalid".to_owned()));
    assert_eq!(
        proxy.metric(r#"key_set_keys{issuer="app",site="default"}"#),
        1
    );
    assert_eq!(proxy.metric(CHANGED), 1);
    assert!(
        proxy.metric(r#"key_set_refreshes_total{issuer="app",result="status",site="default"}"#)
            >= 1
    );
    let ready = get(proxy.ops, "/readyz", "").text();
    assert!(
        ready.contains("ago\nkeys of app of site default: 1 in use, "),
        "{ready}"
    );
    assert!(
        !ready.contains("failed") && !ready.contains("hidden"),
        "{ready}"
    );
    assert!(!proxy.printed().contains("hidden=1"), "a query was printed");
}

#[test]
fn k2_a_thousand_requests_at_the_start_cause_one_fetch() {
    let (app, signer) = (App::start(), Signer::new("a"));
    let server = KeyServer::start(key_set(&[&signer]));
    let proxy = proxy(&app, &server, "10m");
    let token = signer.bearer("42");
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(ask(&proxy, &token).status, 200);
                }
            });
        }
    });
    assert_eq!(server.fetches(), 1);
}

#[test]
fn k5_keys_rotate_while_traffic_runs_and_a_withdrawn_key_stops() {
    let (app, old, new) = (App::start(), Signer::new("old"), Signer::new("new"));
    let server = KeyServer::start(key_set(&[&old]));
    let proxy = loaded(&app, &server, "10s");
    let (old, new) = (old_and_token(old), old_and_token(new));
    let done = AtomicBool::new(false);
    let served = [AtomicUsize::new(0), AtomicUsize::new(0)];
    thread::scope(|scope| {
        let workers = served.each_ref().map(|served| {
            scope.spawn(|| {
                let mut connection = Connection::open(proxy.address);
                while !done.load(Ordering::SeqCst) {
                    let response = connection.request_of_many(proxy.address, request(&old.1));
                    assert_eq!(response.status, 200, "{response:?}");
                    served.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        let _done = Done(&done);
        let wait_for_traffic = || {
            let wanted = served
                .each_ref()
                .map(|served| served.load(Ordering::SeqCst) + 1);
            while (0..2).any(|worker| served[worker].load(Ordering::SeqCst) < wanted[worker]) {
                assert!(
                    workers.iter().all(|worker| !worker.is_finished()),
                    "the traffic stopped"
                );
                thread::yield_now();
            }
        };
        wait_for_traffic();
        server.answer(key_set(&[&old.0, &new.0]));
        assert_eq!(
            ask(&proxy, &new.1).status,
            200,
            "the first token of the new key"
        );
        assert_eq!(ask(&proxy, &old.1).status, 200);
        wait_for_traffic();
    });
    server.answer(key_set(&[&new.0]));
    let before = server.fetches();
    let mut status = ask(&proxy, &old.1).status;
    while status == 200 {
        assert!(
            server.fetches() < before + 2,
            "the withdrawn key is still used"
        );
        status = ask(&proxy, &old.1).status;
    }
    assert_eq!(status, 401);
    assert_eq!(ask(&proxy, &new.1).status, 200);
}

fn old_and_token(signer: Signer) -> (Signer, String) {
    let token = signer.bearer("42");
    (signer, token)
}

fn request(header_lines: &str) -> String {
    format!("GET /app/page HTTP/1.1\r\nHost: localhost\r\n{header_lines}\r\n")
}

#[test]
fn k3_the_last_good_keys_stay_while_their_source_is_down() {
    for (reason, broken) in [
        ("status", answer(503, "")),
        (
            "redirect",
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n".to_vec(),
        ),
        ("key_set", answer(200, "<!doctype html>")),
        ("key_set", answer(200, r#"{"keys":[]}"#)),
        ("broken", Vec::new()),
        (
            "too_large",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n{".to_vec(),
        ),
        (
            "encoded",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}".to_vec(),
        ),
    ] {
        let (app, signer) = (App::start(), Signer::new("a"));
        let server = KeyServer::start(key_set(&[&signer]));
        let proxy = loaded(&app, &server, "10m");
        server.answer(broken);
        let unknown = ask(&proxy, &Signer::new("b").bearer("42"));
        assert_eq!(
            refused(&unknown),
            (401, "token_invalid".to_owned()),
            "{reason}"
        );
        assert!(server.fetches() >= 2, "{reason}");
        assert_eq!(ask(&proxy, &signer.bearer("42")).status, 200, "{reason}");
        let ready = get(proxy.ops, "/readyz", "").text();
        assert!(
            ready.contains("keys of app of site default: 1 in use"),
            "{ready}"
        );
        assert!(
            ready.contains(&format!("the last by {reason}\n")),
            "{ready}"
        );
        let line = proxy.log_line(|line| line["message"] == "no new key set");
        assert_eq!(
            (&line["reason"], &line["issuer"]),
            (&json!(reason), &json!("app"))
        );
    }
}

/// All good requests are answered before the first of those that wait for a key: who comes first, not how fast. Those do not wait
/// for ever, which may be too short for a slow machine; then it is tried again.
#[test]
fn k1_requests_that_wait_for_an_unknown_key_keep_no_user_waiting() {
    assert!((0..TRIES).any(|_| users_are_served_while_others_wait()));
}

/// Whether all good requests were answered before those that wait had waited their whole time.
fn users_are_served_while_others_wait() -> bool {
    let (app, signer, flooder) = (App::start(), Signer::new("a"), Signer::new("b"));
    let server = KeyServer::start(key_set(&[&signer]));
    let proxy = loaded(&app, &server, "10m");
    let good = request(&signer.bearer("42"));
    let open = || Connection::open(proxy.address);
    let users: Vec<_> = (0..USERS).map(|_| open()).collect();
    let unknown = (0..WAITING).map(|number| {
        let id = format!("unknown-{number}");
        (open(), request(&flooder.bearer_with_id("42", &id)))
    });
    let unknown: Vec<_> = unknown.collect();
    server.hang();
    let before = server.fetches();
    let waiting = unknown.into_iter().map(|(mut connection, request)| {
        let since = Instant::now();
        connection.write(request);
        (connection, since)
    });
    let waiting: Vec<_> = waiting.collect();
    while server.fetches() == before {
        thread::yield_now();
    }
    let served = AtomicUsize::new(0);
    let served_before_each_answer: Vec<_> = thread::scope(|scope| {
        let answers = waiting.into_iter().map(|(mut connection, since)| {
            let served = &served;
            scope.spawn(move || {
                let response = connection.read_response(false).unwrap();
                let (before, waited) = (served.load(Ordering::SeqCst), since.elapsed());
                assert_eq!(refused(&response), (401, "token_invalid".to_owned()));
                assert!(
                    before == GOOD || waited >= MAX_WAIT,
                    "{before} after {waited:?}"
                );
                before
            })
        });
        let answers: Vec<_> = answers.collect();
        let users = users.into_iter().map(|mut connection| {
            let (good, served) = (&good, &served);
            scope.spawn(move || {
                for _ in 0..GOOD / USERS {
                    assert_eq!(connection.request(good).status, 200);
                    served.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        for user in users.collect::<Vec<_>>() {
            user.join().unwrap();
        }
        server.answer(key_set(&[&signer]));
        let answers = answers.into_iter().map(|answer| answer.join().unwrap());
        answers.collect()
    });
    let in_time = served_before_each_answer
        .iter()
        .all(|served| *served == GOOD);
    // A fetch does not wait for ever either.
    assert!(!in_time || server.fetches() == before + 1);
    in_time
}

#[test]
fn k1_a_flood_of_unknown_key_ids_causes_few_fetches_and_disturbs_no_user() {
    let (app, signer, flooder) = (App::start(), Signer::new("a"), Signer::new("b"));
    let server = KeyServer::start(key_set(&[&signer]));
    let proxy = loaded(&app, &server, "10m");
    let good = request(&signer.bearer("42"));
    let claims = json!({ "sub": "42", "exp": tokens::now() + 600 });
    let started = Instant::now();
    thread::scope(|scope| {
        for worker in 0..FLOODERS {
            let (proxy, flooder, claims) = (&proxy, &flooder, &claims);
            scope.spawn(move || {
                let mut connection = Connection::open(proxy.address);
                for number in 0..FLOOD / FLOODERS {
                    let token = flooder.sign(&format!("{worker}-{number}"), claims);
                    let line = tokens::authorization(&token);
                    assert_eq!(connection.request(request(&line)).status, 401);
                }
            });
        }
        scope.spawn(|| {
            let mut connection = Connection::open(proxy.address);
            for _ in 0..500 {
                assert_eq!(connection.request(&good).status, 200);
            }
        });
    });
    // The first, and one in each ten seconds.
    let allowed = 2 + started.elapsed().as_secs() / 10;
    let fetches = u64::try_from(server.fetches()).unwrap();
    assert!((2..=allowed).contains(&fetches), "{fetches} of {allowed}");
}

#[test]
fn an_oidc_issuer_is_discovered_and_k4_another_name_is_not_believed() {
    let (app, signer) = (App::start(), Signer::new("a"));
    let server = KeyServer::start(key_set(&[&signer]));
    let claims = |issuer: &str| json!({ "iss": issuer, "sub": "42", "exp": tokens::now() + 600 });
    let ask_as = |proxy: &Proxy, issuer: &str| {
        let token = signer.sign("a", &claims(issuer));
        tokens::note(&token);
        ask(proxy, &tokens::authorization(&token))
    };
    let lines = |issuer: &str| format!("issuer = \"{issuer}\"\nkeys = {{ oidc = true }}");
    let issuer = format!("http://{}", server.address);
    let discovered = with_issuer(&app, "EdDSA", &lines(&issuer));
    assert_eq!(ask_as(&discovered, &issuer).status, 200);
    assert_eq!(ask_as(&discovered, "http://127.0.0.1").status, 401);

    // The same server by another name: its document names itself.
    let other = format!("{issuer}/");
    let misled = with_issuer(&app, "EdDSA", &lines(&other));
    assert_eq!(
        refused(&ask_as(&misled, &other)),
        (503, "keys_unavailable".to_owned())
    );
    let line = misled.log_line(|line| line["message"] == "no new key set");
    assert_eq!(line["reason"], "discovery");
}

#[test]
fn k5_a_key_file_that_is_replaced_is_taken_by_a_reload() {
    let signers = [Signer::new("old"), Signer::new("new")];
    let [old_set, new_set] = signers.each_ref().map(|signer| jwks(&[signer]));
    let [old_pem, new_pem] = signers.each_ref().map(Signer::pem);
    for (lines, file, old, new) in [
        (
            "keys = { public_key = \"app.pem\" }",
            "app.pem",
            &old_pem,
            &new_pem,
        ),
        (
            "keys = { jwks_file = \"keys.json\" }",
            "keys.json",
            &old_set,
            &new_set,
        ),
    ] {
        let app = App::start();
        let proxy = with_issuer_and_files(&app, "EdDSA", lines, &[(file, old)]);
        let statuses = || {
            signers
                .each_ref()
                .map(|signer| ask(&proxy, &signer.bearer("42")).status)
        };
        assert_eq!(statuses(), [200, 401], "{file}");
        // Half of a file is no key, and changes nothing.
        proxy.write(file, &new[..new.len() / 2]);
        proxy.wait_for_metric("config_reloads_total{result=\"refused\"}", 1);
        assert_eq!(statuses(), [200, 401], "{file}");
        proxy.write(file, new);
        proxy.wait_for_metric("config_generation", 2);
        assert_eq!(statuses(), [401, 200], "{file}");
    }
}

#[test]
fn the_other_commands_fetch_nothing() {
    let signer = Signer::new("a");
    let server = KeyServer::start(key_set(&[&signer]));
    let app = App::start();
    let proxy = loaded(&app, &server, "10m");
    let fetches = server.fetches();
    let file = proxy.config_file();
    let token = signer.bearer("42");
    let token = token
        .trim_start_matches("Authorization: Bearer ")
        .trim_end();
    let run = |arguments: &[&str]| finish(&mut program(arguments));
    let checked = run(&["check", &file]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let minted = run(&["mint", "-c", &file, "-u", "42"]);
    assert_eq!(minted.code, Some(0), "{minted:?}");
    let verified = run(&["inspect", "-c", &file, minted.stdout.trim_end()]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let inspected = run(&["inspect", "-c", &file, token]);
    assert_eq!(inspected.code, Some(1), "{inspected:?}");
    assert!(
        inspected.stderr.contains("publishes its keys"),
        "{inspected:?}"
    );
    assert_eq!(server.fetches(), fetches);
}

const NEW_SET: &str = "new key set";
const CHANGED: &str = r#"key_set_refreshes_total{issuer="app",result="changed",site="default"}"#;
/// Requests that wait for a key, and good ones meanwhile.
const WAITING: usize = 64;
const USERS: usize = 4;
const GOOD: usize = 200;
const TRIES: usize = 5;
/// The longest that a request waits for an unknown key.
const MAX_WAIT: Duration = Duration::from_secs(3);
const FLOODERS: usize = 4;
const FLOOD: usize = 10_000;
