//! How the process ends.

use std::net::TcpStream;
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use super::{get_bytes, ok};
use crate::support::{App, Connection, Proxy, get};

/// An app that says when it has a request for `/slow` and holds it until it is told.
struct Held {
    app: App,
    arrived: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
}

impl Held {
    fn start() -> Self {
        let (arrival, arrived) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new((arrival, released)));
        let app = App::with(move |request, stream| {
            if request.target == "/slow" {
                let gate = gate.lock().unwrap();
                let _ = gate.0.send(());
                let _ = gate.1.recv();
            }
            ok(stream)
        });
        Self {
            app,
            arrived,
            release,
        }
    }

    fn proxy(&self, runtime: &str) -> Proxy {
        let routes = format!("default_access = \"public\"\n[runtime]\n{runtime}\n");
        Proxy::in_front_of(&self.app, &routes)
    }

    /// A client whose request is with the app.
    fn running(&self, proxy: &Proxy) -> Connection {
        let mut client = Connection::open(proxy.address);
        client.write(get_bytes("/slow", ""));
        self.arrived.recv().unwrap();
        client
    }
}

#[test]
fn o5_readiness_fails_while_requests_are_still_taken() {
    let held = Held::start();
    let mut proxy = held.proxy("drain_delay = \"1h\"\ngrace_period = \"0s\"");
    assert_eq!(get(proxy.ops, "/readyz", "").status, 200);
    proxy.signal("TERM");
    while get(proxy.ops, "/readyz", "").status != 503 {
        std::thread::yield_now();
    }
    assert_eq!(get(proxy.address, "/", "").status, 200);
    assert_eq!(get(proxy.ops, "/healthz", "").status, 200);
    // Whoever cannot wait says so.
    proxy.signal("INT");
    assert_eq!(proxy.wait(), Some(0));
}

#[test]
fn o5_after_the_drain_delay_the_process_ends_by_itself() {
    let held = Held::start();
    let mut proxy = held.proxy("drain_delay = \"1s\"\ngrace_period = \"0s\"");
    let started = Instant::now();
    proxy.signal("TERM");
    assert_eq!(proxy.wait(), Some(0));
    assert!(started.elapsed() >= Duration::from_secs(1));
}

/// O5: readiness fails first, new connections are refused, what runs is finished.
#[test]
fn o5_sigterm_lets_a_running_request_finish() {
    let held = Held::start();
    let mut proxy = held.proxy("grace_period = \"6s\"\nshutdown_timeout = \"1s\"");
    let mut idle = Connection::open(proxy.address);
    assert_eq!(idle.request(get_bytes("/", "")).status, 200);
    let mut running = held.running(&proxy);

    let started = Instant::now();
    proxy.signal("TERM");
    while TcpStream::connect(proxy.address).is_ok() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "still listening"
        );
        std::thread::yield_now();
    }
    assert!(idle.is_closed());
    held.release.send(()).unwrap();
    let response = running.read_response(false).unwrap();
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    assert_eq!(proxy.wait(), Some(0));
    // The framework waits for the whole grace period, also when nothing runs any more.
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(5), "{took:?}");
}

/// Left alone the signal would end it at once.
#[test]
fn o5_sigquit_ends_the_process_as_sigterm_does() {
    let held = Held::start();
    let mut proxy = held.proxy("grace_period = \"6s\"\nshutdown_timeout = \"1s\"");
    let mut running = held.running(&proxy);
    proxy.signal("QUIT");
    while TcpStream::connect(proxy.address).is_ok() {
        std::thread::yield_now();
    }
    held.release.send(()).unwrap();
    assert_eq!(running.read_response(false).unwrap().status, 200);
    assert_eq!(proxy.wait(), Some(0));
}

/// The framework's own grace is five minutes.
#[test]
fn o5_sigterm_ends_the_process_within_the_grace_whatever_runs() {
    let held = Held::start();
    let mut proxy = held.proxy("grace_period = \"1s\"\nshutdown_timeout = \"1s\"");
    let mut running = held.running(&proxy);
    let started = Instant::now();
    proxy.signal("TERM");
    assert_eq!(proxy.wait(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(15));
    assert_eq!(running.read_response(false), None);
}

#[test]
fn o5_sigint_ends_the_process_at_once() {
    let held = Held::start();
    let mut proxy = held.proxy("grace_period = \"1h\"\nshutdown_timeout = \"1h\"");
    let mut running = held.running(&proxy);
    let started = Instant::now();
    proxy.signal("INT");
    assert_eq!(proxy.wait(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(running.read_response(false), None);
}

#[test]
fn a_used_address_is_a_clear_error() {
    let app = App::start();
    let first = Proxy::in_front_of(&app, "default_access = \"public\"\n");
    assert_eq!(get(first.address, "/", "").status, 200);
    let folder = tempfile::TempDir::new().unwrap();
    let text = crate::support::config(app.address, "default_access = \"public\"\n")
        .replace("@PROXY@", &first.address.to_string())
        .replace("@OPS@", &crate::support::proxy::free_address().to_string());
    for (name, content) in [
        ("proxy.toml", text.as_str()),
        ("chat-key", crate::support::proxy::CHAT_KEY),
        ("session-secret", crate::support::tokens::SECRET),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_usersig-proxy"))
        .args(["run", "--config"])
        .arg(folder.path().join("proxy.toml"))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        printed.contains(&format!("cannot listen on {}", first.address)),
        "{printed}"
    );
    assert!(!printed.contains("panicked"), "{printed}");
}
