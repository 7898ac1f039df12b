//! Steady load from clients that know the right answer to each of their requests.
//!
//! An answer is right, or a refusal with a code of the program's own, or there is none. Anything else is wrong: another
//! user's identity, another request's answer, a UserSig that Chat would not take. A wrong answer fails the test at once.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use usersig_proxy::rejection::Rejection;
use usersig_proxy::time::UnixTime;
use usersig_proxy::usersig::SecretKey;
use usersig_proxy::usersig::decode::Decoded;

use super::client::{Broken, HANG};
use super::figures::say;
use super::proxy::{CHAT_KEY, SDK_APP_ID};
use super::tokens::{SECRET, now};
use super::{Connection, Response};

/// The routes that the load asks for; the first lines of `more` belong to `[runtime]`.
pub(crate) fn routes(more: &str) -> String {
    format!(
        "default_access = \"deny\"\n[[route]]\nmatch = {{ path = \"/public/{{*rest}}\" }}\naccess = \"public\"\n\
         [[route]]\nmatch = {{ path = \"/app/{{*rest}}\" }}\naccess = \"session\"\ninject = {{ request_headers = true }}\n\
         [runtime]\n{more}"
    )
}

/// Who asks, and how.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) clients: usize,
    /// How many users each client has, which no other client has.
    pub(crate) users: u64,
    pub(crate) connect: Arc<Connect>,
    /// Makes a header with the user's token; by default one of the tests' only issuer.
    pub(crate) token: Arc<Token>,
    /// The same, and not to be accepted.
    pub(crate) forged: Arc<Token>,
    /// How far the proxy's clock is ahead, in seconds, and how far it may be off that at the moment.
    pub(crate) clock: Arc<Clock>,
}

type Connect = dyn Fn() -> io::Result<Connection> + Send + Sync;
pub(crate) type Token = dyn Fn(&str) -> String + Send + Sync;

#[derive(Default)]
pub(crate) struct Clock {
    pub(crate) ahead: AtomicI64,
    /// What it was before, as long as it may still be.
    pub(crate) before: AtomicI64,
}

impl Plan {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self {
            clients: 4,
            users: 8,
            connect: Arc::new(move || {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(HANG))?;
                stream.set_nodelay(true)?;
                Ok(Connection::over(stream))
            }),
            token: Arc::new(|user| signed(SECRET, user)),
            forged: Arc::new(|user| signed("a secret of a stranger, long enough for HS256", user)),
            clock: Arc::default(),
        }
    }

    pub(crate) fn start(self) -> Load {
        let shared = Arc::new(Shared {
            right: (0..self.clients).map(|_| AtomicU64::new(0)).collect(),
            rounds: (0..self.clients).map(|_| AtomicU64::new(0)).collect(),
            failures: Mutex::default(),
            is_over: AtomicBool::new(false),
            pausing: AtomicBool::new(false),
        });
        let start = |number| {
            let (plan, shared) = (self.clone(), shared.clone());
            thread::spawn(move || Client::new(plan, number).run(&shared))
        };
        Load {
            threads: (0..self.clients).map(start).collect(),
            users: self.users,
            shared,
        }
    }
}

/// A header line with a token that no search through what was printed looks for: they would be too many.
fn signed(secret: &str, user: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    // For as long as any test moves the clock.
    let claims = json!({ "sub": user, "exp": now() + 20 * DAY });
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    super::tokens::authorization(&token)
}

/// A request that has no right answer.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The code of a refusal, or what became of the connection.
    pub(crate) code: String,
    pub(crate) target: String,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// Clients at work, until this is [ended](Self::end) or dropped.
pub(crate) struct Load {
    threads: Vec<JoinHandle<()>>,
    users: u64,
    shared: Arc<Shared>,
}

struct Shared {
    /// How many right answers each client got.
    right: Vec<AtomicU64>,
    /// How many requests each client has made.
    rounds: Vec<AtomicU64>,
    failures: Mutex<Vec<Failure>>,
    is_over: AtomicBool,
    pausing: AtomicBool,
}

/// What became of all requests. Wrong answers are not among them: there are none.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) right: u64,
    pub(crate) failures: Vec<Failure>,
}

impl Report {
    /// How many failed, by code.
    pub(crate) fn codes(&self) -> BTreeMap<String, usize> {
        let mut codes = BTreeMap::new();
        for failure in &self.failures {
            *codes.entry(failure.code.clone()).or_default() += 1;
        }
        codes
    }
}

impl Load {
    /// Right answers so far.
    pub(crate) fn right(&self) -> u64 {
        let right = self.shared.right.iter();
        right.map(|count| count.load(Ordering::SeqCst)).sum()
    }

    pub(crate) fn failures(&self) -> Vec<Failure> {
        self.shared.failures.lock().unwrap().clone()
    }

    pub(crate) fn failed(&self) -> usize {
        self.shared.failures.lock().unwrap().len()
    }

    /// How many users have asked.
    pub(crate) fn users(&self) -> u64 {
        let rounds = self.shared.rounds.iter();
        let users = rounds.map(|rounds| rounds.load(Ordering::SeqCst).div_ceil(KINDS));
        users.map(|users| users.min(self.users)).sum()
    }

    /// Lets every client finish its request and close its connection.
    pub(crate) fn pause(&self) {
        self.shared.pausing.store(true, Ordering::SeqCst);
    }

    pub(crate) fn go_on(&self) {
        self.shared.pausing.store(false, Ordering::SeqCst);
    }

    /// Waits until every client got several right answers and none failed, all since the call.
    pub(crate) fn settle(&self) {
        let counts = || -> Vec<_> {
            let right = self.shared.right.iter();
            right.map(|count| count.load(Ordering::SeqCst)).collect()
        };
        let (mut failed, mut before) = (self.failed(), counts());
        self.wait_until("every client is served", || {
            if self.failed() != failed {
                (failed, before) = (self.failed(), counts());
            }
            let now = counts();
            now.iter().zip(&before).all(|(now, then)| *now >= then + 10)
        });
    }

    /// Waits until so many have failed in all.
    pub(crate) fn wait_for_failures(&self, count: usize) {
        self.wait_until("requests fail", || self.failed() >= count);
    }

    /// Waits for a condition while all clients are at work.
    pub(crate) fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(
                !self.threads.iter().any(JoinHandle::is_finished),
                "a client had a wrong answer"
            );
            if started.elapsed() > HANG * 10 {
                let failures = self.failures();
                panic!("waiting until {what}: {:?}", failures.last());
            }
            thread::park_timeout(POLL);
        }
    }

    /// Lets every client finish its request.
    pub(crate) fn end(mut self) -> Report {
        self.shared.is_over.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().expect("a client had a wrong answer");
        }
        let report = Report {
            right: self.right(),
            failures: std::mem::take(&mut self.shared.failures.lock().unwrap()),
        };
        let (right, codes) = (report.right, report.codes());
        let test = thread::current();
        let test = test.name().unwrap_or_default();
        say(&format!(
            "{test}: {right} right, 0 wrong, without one {codes:?}"
        ));
        report
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
    }
}

struct Client {
    plan: Plan,
    number: usize,
    key: SecretKey,
    connection: Option<Connection>,
    tokens: HashMap<u64, String>,
}

/// What a request must get.
enum Expected<'a> {
    /// The app's echo of it, with the identity of this user or of nobody.
    Echo(Option<&'a str>, &'a str),
    /// This user's login.
    Login(&'a str),
    /// This refusal.
    Refusal(u16, &'static str),
}

enum Verdict {
    Right,
    Refused(String),
}

impl Client {
    fn new(plan: Plan, number: usize) -> Self {
        Self {
            plan,
            number,
            key: SecretKey::parse(CHAT_KEY).unwrap(),
            connection: None,
            tokens: HashMap::new(),
        }
    }

    fn run(mut self, shared: &Shared) {
        let mut round = 0;
        while !shared.is_over.load(Ordering::SeqCst) {
            if shared.pausing.load(Ordering::SeqCst) {
                self.connection = None;
                thread::park_timeout(POLL);
                continue;
            }
            let began = Instant::now();
            let (target, verdict) = self.ask(round);
            round += 1;
            shared.rounds[self.number].store(round, Ordering::SeqCst);
            match verdict {
                Ok(Verdict::Right) => {
                    shared.right[self.number].fetch_add(1, Ordering::SeqCst);
                }
                Ok(Verdict::Refused(code)) => shared.fail(code, target, began),
                Err(code) => {
                    self.connection = None;
                    shared.fail(code.to_owned(), target, began);
                }
            }
        }
    }

    /// One request of the kind whose turn it is.
    fn ask(&mut self, round: u64) -> (String, Result<Verdict, &'static str>) {
        let index = round / KINDS % self.plan.users;
        let user = format!("c{}u{index}", self.number);
        let token = self.token(index, &user);
        let unique = format!("{}-{round}", self.number);
        let body = format!("body {unique} of {user}");
        let post = format!("Content-Length: {}\r\n{token}", body.len());
        let forged = (self.plan.forged)(&user);
        let stranger = "X-Chat-UserID: administrator\r\nX_Chat_UserSig: forged\r\n";
        let refusal = Expected::Refusal(401, "token_invalid");
        let (method, target, lines, body, expected) = match round % KINDS {
            0 => (
                "GET",
                format!("/app/{unique}"),
                &token,
                "",
                Expected::Echo(Some(&user), ""),
            ),
            1 => (
                "GET",
                "/_chat/usersig".to_owned(),
                &token,
                "",
                Expected::Login(&user),
            ),
            2 => (
                "POST",
                format!("/app/{unique}"),
                &post,
                &*body,
                Expected::Echo(Some(&user), &body),
            ),
            3 => (
                "GET",
                format!("/public/{unique}"),
                &stranger.to_owned(),
                "",
                Expected::Echo(None, ""),
            ),
            _ => ("GET", format!("/app/{unique}"), &forged, "", refusal),
        };
        let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{body}");
        let verdict = self
            .send(&request)
            .map(|response| self.judge(&target, &expected, &response));
        (target, verdict)
    }

    fn token(&mut self, index: u64, user: &str) -> String {
        if self.tokens.len() > 1000 {
            self.tokens.clear();
        }
        let make = || (self.plan.token)(user);
        self.tokens.entry(index).or_insert_with(make).clone()
    }

    /// The error says how there came to be no answer.
    fn send(&mut self, request: &str) -> Result<Response, &'static str> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => (self.plan.connect)().map_err(|_| REFUSED)?,
        };
        let response = connection
            .exchange(request)
            .map_err(|broken| match broken {
                Broken::Closed => CLOSED,
                Broken::Cut => CUT,
            })?;
        if response.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    fn judge(&self, target: &str, expected: &Expected<'_>, response: &Response) -> Verdict {
        let body = response.json();
        match (expected, response.status) {
            (Expected::Echo(user, sent), 200) => {
                assert_eq!(body["target"], target, "another request's answer");
                assert_eq!(body["user"], json!(user), "another user at {target}");
                assert_eq!(body["body"], *sent, "another body at {target}");
                match user {
                    Some(user) => self.check_user_sig(user, &body["sig"]),
                    None => assert_eq!(body["sig"], Value::Null),
                }
            }
            (Expected::Login(user), 200) => {
                assert_eq!(body["userId"], *user, "another user's login");
                self.check_user_sig(user, &body["userSig"]);
            }
            (Expected::Refusal(status, code), found) if *status == found => {
                assert_eq!(body["code"], *code, "{target}");
            }
            (_, 500..) => return Verdict::Refused(refusal(response, &body)),
            _ => panic!("a wrong answer at {target}: {response:?}"),
        }
        Verdict::Right
    }

    /// Chat would take it, now and for the time that is promised.
    fn check_user_sig(&self, user: &str, sig: &Value) {
        let decoded = Decoded::parse(sig.as_str().unwrap()).unwrap();
        assert_eq!(decoded.identifier, user, "another user's UserSig");
        assert_eq!(decoded.sdk_app_id, SDK_APP_ID);
        let clock = &self.plan.clock;
        let is_good = |ahead: &AtomicI64| {
            let seconds = now().saturating_add_signed(ahead.load(Ordering::SeqCst));
            let moment = UnixTime::from_secs(seconds);
            let promised = UnixTime::from_secs(seconds + MIN_REMAINING - SLACK);
            decoded.verify(&self.key, moment).is_ok() && decoded.expires_at() > promised
        };
        assert!(
            is_good(&clock.ahead) || is_good(&clock.before),
            "{decoded:?} at {} {clock:?}",
            now(),
            clock = (&clock.ahead, &clock.before)
        );
    }
}

/// The code of one of our own refusals.
fn refusal(response: &Response, body: &Value) -> String {
    let code = body["code"].as_str().unwrap_or_default();
    assert!(Rejection::CODES.contains(&code), "{response:?}");
    assert_eq!(
        response.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(body["requestId"], response.header("x-request-id").unwrap());
    assert!(
        !response
            .headers
            .iter()
            .any(|(name, _)| name.starts_with("x-chat"))
    );
    if code == "overloaded" {
        assert_eq!(response.header("retry-after"), Some("1"));
    }
    code.to_owned()
}

impl Shared {
    fn fail(&self, code: String, target: String, began: Instant) {
        let ended = Instant::now();
        let mut failures = self.failures.lock().unwrap();
        failures.push(Failure {
            code,
            target,
            began,
            ended,
        });
        drop(failures);
        // A client that is turned away comes again in a moment.
        thread::park_timeout(POLL);
    }
}

/// Nobody takes the connection.
pub(crate) const REFUSED: &str = "refused";
/// The connection ended before the answer.
pub(crate) const CLOSED: &str = "closed";
/// The connection ended within the answer.
pub(crate) const CUT: &str = "cut";
const KINDS: u64 = 5;
const DAY: u64 = 24 * 3600;
/// The default of `chat.usersig.min_remaining`.
const MIN_REMAINING: u64 = DAY;
/// Between the proxy's moment and ours.
const SLACK: u64 = 120;
const POLL: Duration = Duration::from_millis(2);
