//! Everything that fails around the program, one after the other and again, for as long as one likes.
//!
//! Ordinarily once around; `.ci/soak SECONDS` for longer, with figures. The clients know the right answer to each request, so that a
//! wrong one ends the run; which requests fail is a rule for each disturbance; what is left at the end is what was there
//! at the beginning.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::edge::get_bytes;
use crate::faults::assert_failures;
use crate::reload::{GENERATION, REFUSED};
use crate::support::figures::{chosen, say};
use crate::support::keys::{KeyServer, Signer, answer, key_set};
use crate::support::load::{CUT, Load, Plan, Token, routes};
use crate::support::stage::{Mode, Stage};
use crate::support::tokens::{authorization, now};
use crate::support::{Connection, Proxy, config, process};

struct Soak {
    stage: Stage,
    keys: KeyServer,
    proxy: Proxy,
    load: Load,
    plan: Plan,
    /// As many reloads as were put in force and refused.
    reloads: (u64, u64),
}

/// What fails, and the codes of the requests that fail of it.
type Disturbance = (&'static str, fn(&mut Soak), &'static [&'static str]);

const DISTURBANCES: [Disturbance; 10] = [
    (
        "the app goes away",
        Soak::stop_app,
        &["upstream_unreachable", "upstream_invalid"],
    ),
    (
        "the app is silent",
        Soak::silence_app,
        &["upstream_timeout"],
    ),
    ("half a header", Soak::halve_headers, &["upstream_invalid"]),
    ("half a body", Soak::halve_bodies, &[CUT]),
    ("garbage in the configuration", Soak::garble, &[]),
    ("the key server goes away", Soak::stop_keys, &[]),
    ("clients drip", Soak::drip, &[]),
    ("clients break off", Soak::break_off, &[]),
    ("bad tokens", Soak::flood, &[]),
    (
        "too many requests",
        Soak::crowd,
        &["overloaded", "upstream_timeout"],
    ),
];

const ISSUER: &str = "https://keys.example";

/// Two issuers, small caches, short times; a file for what must survive.
fn settings(stage: &Stage, keys: &KeyServer) -> String {
    let runtime = "max_requests = 40\ndownstream_read_timeout = \"5s\"\nreload_on_change = false\n";
    let published = format!(
        "[[session.issuer]]\nname = \"published\"\nissuer = \"{ISSUER}\"\nalgorithms = [\"EdDSA\"]\n\
         keys = {{ jwks_url = \"http://{}/keys\", refresh = \"10s\" }}\n[identity]\n",
        keys.address
    );
    config(stage.address, &routes(&format!("{runtime}[store]\nfile = \"state\"\n")))
        .replace("\"trace\"", "\"error\"")
        .replace("[chat]\n", "read_timeout = \"5s\"\nidle_timeout = \"1s\"\n[chat]\n")
        .replace("[identity]\n", &published)
        .replace(
            "[session]\n",
            "[chat.usersig]\ncache_capacity = 2000\n[session]\ntoken_memory = \"1MiB\"\nshared_identity = true\n",
        )
}

fn published(signer: &Signer, user: &str) -> String {
    let claims = json!({ "iss": ISSUER, "sub": user, "exp": now() + 20 * 24 * 3600 });
    authorization(&signer.sign("a", &claims))
}

impl Soak {
    fn start() -> Self {
        let (stage, signer) = (Stage::start(), Signer::new("a"));
        let keys = KeyServer::start(key_set(&[&signer]));
        let proxy = Proxy::start(&settings(&stage, &keys));
        proxy.wait_for_metric("key_set_keys{issuer=\"published\",site=\"default\"}", 1);
        let usual = Plan::at(proxy.address);
        let secret = usual.token.clone();
        // Every other user's is of the other issuer.
        let token: Arc<Token> =
            Arc::new(
                move |user| match user.ends_with(['0', '2', '4', '6', '8']) {
                    true => published(&signer, user),
                    false => secret(user),
                },
            );
        let plan = Plan {
            users: 100_000,
            token,
            ..usual
        };
        let load = plan.clone().start();
        Self {
            stage,
            keys,
            proxy,
            load,
            plan,
            reloads: (1, 0),
        }
    }

    fn fail_some(&self, count: usize) {
        self.load.wait_for_failures(self.load.failed() + count);
    }

    fn stop_app(&mut self) {
        self.stage.stop();
        self.fail_some(40);
        self.stage.start_again();
    }

    fn silence_app(&mut self) {
        self.stage.set(Mode::Silent);
        self.fail_some(4);
        self.stage.set(Mode::Well);
    }

    fn halve_headers(&mut self) {
        self.stage.set(Mode::HalfHeader);
        self.fail_some(40);
        self.stage.set(Mode::Well);
    }

    fn halve_bodies(&mut self) {
        self.stage.set(Mode::HalfBody);
        self.fail_some(40);
        self.stage.set(Mode::Well);
    }

    fn garble(&mut self) {
        for text in ["", "[", "not = \"it\"\n", "\0"] {
            self.proxy.write("proxy.toml", text);
            self.proxy.signal("HUP");
            self.reloads.1 += 1;
            self.proxy.wait_for_metric(REFUSED, self.reloads.1);
        }
        self.proxy
            .write("proxy.toml", &settings(&self.stage, &self.keys));
        for _ in 0..3 {
            self.proxy.signal("HUP");
            self.reloads.0 += 1;
            self.proxy.wait_for_metric(GENERATION, self.reloads.0);
        }
    }

    /// It is away while keys are asked for that nobody has.
    fn stop_keys(&mut self) {
        let well = self.keys.current();
        self.keys.answer(answer(500, "down"));
        let stranger = Signer::new("a");
        for number in 0..20 {
            let claims = json!({ "iss": ISSUER, "sub": "nobody", "exp": now() + 600 });
            let token = stranger.sign(&format!("unknown{number}"), &claims);
            let request = get_bytes("/app/unknown", &authorization(&token));
            let response = Connection::open(self.proxy.address).request(request);
            assert!(matches!(response.status, 401 | 503), "{response:?}");
        }
        self.load.settle();
        self.keys.answer(well);
    }

    fn drip(&mut self) {
        let connect = |_| TcpStream::connect(self.proxy.address).unwrap();
        let mut dripping: Vec<_> = (0..50).map(connect).collect();
        for stream in &mut dripping {
            stream.write_all(b"GET /public/ HTTP/1.1\r\nX: ").unwrap();
        }
        self.load.wait_until("all of them are ended", || {
            dripping.retain_mut(|stream| stream.write_all(b"x").is_ok());
            dripping.is_empty()
        });
    }

    /// Before, within and after a request, also one with a body that never comes.
    fn break_off(&mut self) {
        let whole = get_bytes("/public/gone", "");
        let body =
            "POST /public/gone HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nhalf";
        // Fewer than would be a crowd.
        for _ in 0..5 {
            for start in ["", &whole[..20], &whole, body] {
                let mut stream = TcpStream::connect(self.proxy.address).unwrap();
                stream.write_all(start.as_bytes()).unwrap();
            }
        }
    }

    fn flood(&mut self) {
        let mut connection = Connection::open(self.proxy.address);
        for number in 0..300 {
            let header = match number % 2 {
                0 => (self.plan.forged)(&format!("flood{number}")),
                _ => authorization(&"x".repeat(number * 20)),
            };
            let response = connection.request(get_bytes("/app/flood", &header));
            assert_eq!(response.status, 401, "{response:?}");
        }
    }

    /// Of a user who is known, or the last places would be left for the clients.
    fn crowd(&mut self) {
        let request = get_bytes("/app/crowd", &(self.plan.token)("crowd"));
        let known = Connection::open(self.proxy.address).request(&request);
        assert_eq!(known.status, 200);
        self.stage.set(Mode::Silent);
        let open = |_| Connection::open(self.proxy.address);
        let mut waiting: Vec<_> = (0..60).map(open).collect();
        for connection in &mut waiting {
            connection.write(&request);
        }
        self.fail_some(10);
        self.stage.set(Mode::Well);
        for connection in &mut waiting {
            let response = connection.read_response(false).unwrap();
            assert!(matches!(response.status, 200 | 503 | 504), "{response:?}");
        }
        // A place is free a moment after its client has the answer.
        self.load.wait_until("there is room again", || {
            self.proxy.metric("requests_in_flight") < 20
        });
    }

    /// What it holds when nobody asks: descriptors and threads.
    fn held(&self) -> (usize, u64) {
        (
            process::files(self.proxy.id()),
            process::threads(self.proxy.id()),
        )
    }
}

/// How many kilobytes come with a thousand requests, by the line that fits best.
fn slope(samples: &[(u64, u64)]) -> f64 {
    let points: Vec<_> = samples
        .iter()
        .map(|(x, y)| (*x as f64 / 1000.0, *y as f64))
        .collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let variance: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    covariance / variance
}

#[test]
fn whatever_fails_no_answer_is_wrong_and_nothing_is_left_behind() {
    let limit = Duration::from_secs(chosen("USERSIG_PROXY_SOAK_SECONDS", 0) as u64);
    let started = Instant::now();
    let mut soak = Soak::start();
    let mut samples = Vec::new();
    let mut least = (usize::MAX, 0);
    let mut cycles = 0;
    while cycles == 0 || started.elapsed() < limit {
        for (name, disturb, codes) in DISTURBANCES {
            soak.load.settle();
            let (failed, began) = (soak.load.failures().len(), Instant::now());
            disturb(&mut soak);
            let back = Instant::now();
            soak.load.settle();
            let failures = soak.load.failures();
            assert_failures(&failures[failed..], began, back, codes);
            assert!(codes.is_empty() || failures.len() > failed, "{name}");
            samples.push((soak.load.right(), process::memory(soak.proxy.id())));
        }
        cycles += 1;
        if cycles == 1 {
            // Once around, everything is there that will be: quiet, to be compared with the end.
            least = soak.rest();
        }
    }
    let last = soak.rest();
    let Soak {
        mut proxy, load, ..
    } = soak;
    let users = load.users();
    let report = load.end();
    let half = &samples[samples.len() / 2..];
    let slope = slope(half);
    say(&format!(
        "soak: {} s, {cycles} times around {} disturbances\n\
         soak: {} requests with the right answer, 0 with a wrong one, {users} users\n\
         soak: failed while something was broken, by code: {:?}; at any other time: 0\n\
         soak: descriptors and threads at rest: {least:?} after the first time around, {last:?} at the end\n\
         soak: memory {} KiB after the first disturbance, {} KiB after the last; {slope:.1} KiB a thousand requests in the second half",
        started.elapsed().as_secs(),
        DISTURBANCES.len(),
        report.right,
        report.codes(),
        samples[0].1,
        samples[samples.len() - 1].1,
    ));
    assert!(last.0 <= least.0 && last.1 <= least.1, "{least:?} {last:?}");
    assert!(
        cycles < 5 || slope < 100.0,
        "{slope} KiB a thousand requests"
    );
    proxy.signal("TERM");
    assert_eq!(proxy.wait(), Some(0));
}

impl Soak {
    /// Lets the clients pause until what was kept open for them is closed; what the process holds then.
    fn rest(&mut self) -> (usize, u64) {
        self.load.pause();
        let mut before = self.held();
        let mut since = Instant::now();
        // Kept connections to the app last for a second, and threads that read files for ten.
        while since.elapsed() < QUIET {
            thread::park_timeout(Duration::from_millis(50));
            let now = self.held();
            if now != before {
                (before, since) = (now, Instant::now());
            }
        }
        self.load.go_on();
        before
    }
}

/// Longer than anything lasts that ends by itself.
const QUIET: Duration = Duration::from_secs(12);
