//! A new process takes the listeners of an old one over.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use tempfile::TempDir;

use crate::reload::GENERATION;
use crate::support::keys::{KeyServer, Signer, answer, jwks};
use crate::support::process;
use crate::support::program::{finish, program};
use crate::support::tokens::{authorization, session};
use crate::support::{App, Connection, Done, Proxy, config, get, send};

/// A proxy in front of `app` with an upgrade socket in `home`; Chat takes every kick.
fn settings(app: &App, chat: &App, home: &TempDir) -> String {
    let socket = home.path().join("upgrade.sock");
    let routes = r#"default_access = "session"
[[route]]
match = { path = "/logout", methods = ["POST"] }
access = "session"
on_success = "kick"
[store]
file = "state"
[runtime]
upgrade_socket = @SOCKET@
grace_period = "1s"
shutdown_timeout = "1s"
"#;
    let endpoint = format!("[chat]\nendpoint = \"http://{}\"", chat.address);
    config(app.address, routes)
        .replace("[chat]", &endpoint)
        .replace("@SOCKET@", &format!("{:?}", socket.to_str().unwrap()))
}

/// A folder that nobody else may enter.
fn home() -> TempDir {
    let home = TempDir::new().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    home
}

fn chat() -> App {
    let body = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;
    App::answering(answer(200, body))
}

fn log_out(token: &str) -> String {
    let token = authorization(token);
    format!("POST /logout HTTP/1.1\r\nHost: app\r\n{token}Content-Length: 0\r\n\r\n")
}

/// The old process listens for another five seconds, and then finishes what runs.
#[test]
fn o5_an_upgrade_under_load_fails_no_request() {
    let (app, chat, home) = (App::start(), chat(), home());
    let mut proxy = Proxy::start(&settings(&app, &chat, &home));
    let address = proxy.address;
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|user| {
                let token = authorization(&session(&user.to_string()));
                let (is_over, answered) = (&is_over, &answered);
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        let response = get(address, "/", &token);
                        assert_eq!(response.status, 200, "{}", response.text());
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let _done = Done(&is_over);
        let mut old = proxy.upgrade();
        assert_eq!(old.wait().unwrap().code(), Some(0));
        // From here on there is the new one only.
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < before + 50
            && !clients.iter().any(|client| client.is_finished())
        {
            thread::yield_now();
        }
    });
    assert_eq!(get(proxy.ops, "/readyz", "").status, 200);
    let forwarded = r#"requests_total{outcome="forwarded",route="default",site="default"}"#;
    assert!(proxy.metric(forwarded) >= 50);
}

#[test]
fn an_upgrade_lets_a_running_request_finish_and_both_follow_a_logout() {
    let (arrival, arrived) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new((arrival, released));
    let app = App::with(move |request, stream| {
        if request.target == "/slow" {
            let gate = gate.lock().unwrap();
            gate.0.send(()).unwrap();
            let _ = gate.1.recv();
        }
        let _ = std::io::Write::write_all(stream, &answer(200, "{}"));
        true
    });
    let (chat, home) = (chat(), home());
    let mut proxy = Proxy::start(&settings(&app, &chat, &home));
    let (token, other) = (session("42"), session("43"));
    let request = |path: &str, token: &str| {
        let token = authorization(token);
        format!("GET {path} HTTP/1.1\r\nHost: app\r\n{token}\r\n")
    };
    let mut running = Connection::open(proxy.address);
    running.write(request("/slow", &other));
    arrived.recv().unwrap();
    let mut with_the_old = Connection::open(proxy.address);
    assert_eq!(with_the_old.request(request("/", &token)).status, 200);

    let mut old = proxy.upgrade();
    assert_eq!(with_the_old.request(log_out(&token)).status, 200);
    release.send(()).unwrap();
    assert_eq!(running.read_response(false).unwrap().status, 200);
    assert_eq!(old.wait().unwrap().code(), Some(0));
    // Nobody asked for a reload.
    assert_eq!(proxy.metric(GENERATION), 1);
    while get(proxy.address, "/", &authorization(&token)).status != 401 {
        thread::yield_now();
    }
    // The twin, and the new process logs out by itself.
    assert_eq!(get(proxy.address, "/", &authorization(&other)).status, 200);
    assert_eq!(send(proxy.address, log_out(&other)).status, 200);
    assert_eq!(get(proxy.address, "/", &authorization(&other)).status, 401);
}

#[test]
fn the_new_process_loads_published_key_sets_before_it_listens() {
    let (app, chat, home) = (App::start(), chat(), home());
    let signer = Signer::new("one");
    let server = KeyServer::start(answer(200, &jwks(&[&signer])));
    let text = settings(&app, &chat, &home)
        .replace("\"HS256\"", "\"EdDSA\"")
        .replace(
            "secret = { file = \"session-secret\" }",
            &format!("jwks_url = \"http://{}/keys\"", server.address),
        );
    let mut proxy = Proxy::start(&text);
    while get(proxy.address, "/", &signer.bearer("42")).status != 200 {
        thread::yield_now();
    }
    let mut old = proxy.upgrade();
    let printed = proxy.printed();
    let (before, _) = printed.split_once("waiting for the listeners").unwrap();
    assert_eq!(before.matches("\"new key set\"").count(), 2);
    assert_eq!(get(proxy.address, "/", &signer.bearer("42")).status, 200);
    assert_eq!(old.wait().unwrap().code(), Some(0));
    assert_eq!(get(proxy.address, "/", &signer.bearer("42")).status, 200);
}

/// Whoever rolls the audit's file or a certificate does not know that the process has only just started.
#[test]
fn a_hangup_that_comes_while_the_server_starts_is_not_lost() {
    let (app, chat, home) = (App::start(), chat(), home());
    let text = settings(&app, &chat, &home)
        .replace("[runtime]\n", "[runtime]\nreload_on_change = false\n");
    let mut proxy = Proxy::start(&text);
    let mut old = proxy.upgrade_after(|id| process::signal(id, "HUP"));
    assert_eq!(old.wait().unwrap().code(), Some(0));
    proxy.wait_for_metric(GENERATION, 2);
}

/// Without a successor the service would end.
#[test]
fn sigquit_changes_nothing_when_no_process_waits() {
    let (app, chat, home) = (App::start(), chat(), home());
    let proxy = Proxy::start(&settings(&app, &chat, &home));
    proxy.signal("QUIT");
    proxy.text_line(|line| line.contains("no process waits"));
    let token = authorization(&session("42"));
    assert_eq!(get(proxy.address, "/", &token).status, 200);
    assert_eq!(get(proxy.ops, "/readyz", "").status, 200);
}

/// Whoever reaches the socket could hand over listeners of his own.
#[test]
fn a_folder_that_others_may_enter_holds_no_upgrade_socket() {
    let (app, chat, home) = (App::start(), chat(), home());
    let proxy = Proxy::start(&settings(&app, &chat, &home));
    for (mode, is_refused) in [(0o755, true), (0o770, true), (0o711, true), (0o700, false)] {
        fs::set_permissions(home.path(), Permissions::from_mode(mode)).unwrap();
        let finished = finish(&mut program(["run", "--config", &proxy.config_file()]));
        // The accepting twin ends as well: its addresses are in use.
        assert_eq!(finished.code, Some(1), "{mode:o}");
        let is_told = finished
            .stderr
            .contains("others may reach the upgrade socket");
        assert_eq!(is_told, is_refused, "{mode:o}: {}", finished.stderr);
        let is_in_use = finished.stderr.contains("cannot listen on");
        assert_eq!(is_in_use, !is_refused, "{mode:o}: {}", finished.stderr);
    }
}

/// The framework would read two names where there is one, and the new process would end without the listeners of the old one.
#[test]
fn a_listener_that_cannot_be_handed_over_is_refused_at_the_start() {
    let (app, chat, home) = (App::start(), chat(), home());
    let proxy = Proxy::start(&settings(&app, &chat, &home));
    let text = fs::read_to_string(proxy.config_file()).unwrap();
    let named = |name: &str| {
        let listener = format!("http = [\"unix:{}\"]", home.path().join(name).display());
        let (before, after) = text.split_once("http = [").unwrap();
        let (_, after) = after.split_once(']').unwrap();
        proxy.write("other.toml", &format!("{before}{listener}{after}"));
        let other = proxy.path("other.toml");
        finish(&mut program(["run", "--config", other.to_str().unwrap()])).stderr
    };
    let refused = named("a b.sock");
    assert!(refused.contains("cannot be handed over"), "{refused}");
    // The twin ends as well: its ops address is in use.
    let accepted = named("b.sock");
    assert!(accepted.contains("cannot listen on"), "{accepted}");
}

#[test]
fn an_upgrade_needs_a_socket() {
    let (app, chat, home) = (App::start(), chat(), home());
    let proxy = Proxy::start(&settings(&app, &chat, &home));
    let text = fs::read_to_string(proxy.config_file()).unwrap();
    let (before, after) = text.split_once("upgrade_socket").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    proxy.write("other.toml", &format!("{before}{after}"));
    let other = proxy.path("other.toml");
    let arguments = ["run", "--upgrade", "--config", other.to_str().unwrap()];
    let finished = finish(&mut program(arguments));
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.stderr.contains("runtime.upgrade_socket"),
        "{}",
        finished.stderr
    );
}
