//! Three parsers that are not ours read every request that the app got, each on its own: `httparse`, Node's `llhttp` and
//! Python's `http.server`. They must read one and the same request, and it must be the one that was authorized.
//!
//! The requests are put together at random, from one seed, of pieces that are good, odd or made to smuggle.

use std::net::SocketAddr;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::desync::half_closed;
use super::{get_bytes, route, typical};
use crate::support::program::Background;
use crate::support::tokens::{bearer, session};
use crate::support::{App, Connection, Proxy, Recorded, foreign, get};

/// A request as a parser read it; bytes as Latin-1, names in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: String,
}

#[test]
fn p2_what_other_parsers_read_is_what_was_authorized() {
    if !foreign::has("what_other_parsers_read", &["node", "python3"]) {
        return;
    }
    let readers = [("node", "mjs"), ("python3", "py")].map(|(program, end)| {
        let script = format!("tests/foreign/read_requests.{end}");
        Reader::start(program, &script)
    });
    let app = App::start();
    let guarded = "host = \"guarded.example\", path = \"/{*rest}\"";
    let proxy = typical(&app, &route(guarded, "session", &["request_headers"]));
    let pieces = Pieces::new();
    let mut random = Random(SEED);
    let mut answers = [0, 0];
    for _ in 0..CASES {
        let mut client = Connection::open(proxy.address);
        client.write(pieces.request(&mut random));
        let mut responses = std::iter::from_fn(|| client.read_response(false));
        let answer = responses.find(|response| response.status >= 200);
        let is_passed = answer.is_some_and(|response| response.status == 200);
        answers[usize::from(is_passed)] += 1;
    }
    // If anybody took what follows a request for another one, it has come by now.
    assert_eq!(get(proxy.address, "/public/last", "").status, 200);
    let seen = app.seen();
    for request in &seen {
        let reading = reading_of(request);
        for reader in &readers {
            assert_eq!(
                reader.read(&request.raw),
                std::slice::from_ref(&reading),
                "{}",
                reader.program
            );
        }
        assert_authorized(&proxy, &reading);
    }
    // Both ends of the walk were seen often.
    let [refused, passed] = answers;
    assert!(refused > CASES / 5 && passed > CASES / 5, "{answers:?}");
    assert_eq!(seen.len(), passed + 1);
}

/// That the log says the same of the request with this id, and that it is allowed for the one who asks.
fn assert_authorized(proxy: &Proxy, read: &Reading) {
    let id = read.field("x-request-id").unwrap();
    let line = proxy.log_line(|line| line["request_id"] == id);
    let logged = |name: &str| line[name].as_str();
    let path = read.target.split('?').next().unwrap();
    assert_eq!(logged("method"), Some(read.method.as_str()), "{read:?}");
    assert_eq!(logged("path"), Some(path), "{read:?}");
    let host = read.field("host").unwrap();
    // Without a name, as HTTP/1.0 may ask, there is none to tell.
    let told = read.field("x-forwarded-host").unwrap_or_default();
    assert_eq!(told, host, "{read:?}");
    let (route, injects) = rule(host, path);
    assert_eq!(logged("route"), Some(route), "{read:?}");
    // On a public route nobody looks for one.
    let of_token = if route == "/public/{*rest}" {
        None
    } else {
        read.subject()
    };
    if injects {
        assert_eq!(of_token.as_deref(), logged("user_id"), "{read:?}");
    }
    let needs_session = injects && route != "/optional/{*rest}" || route == "/session/{*rest}";
    assert!(!needs_session || of_token.is_some(), "{read:?}");
    let told = of_token.filter(|_| injects);
    assert_eq!(read.field("x-chat-userid"), told.as_deref(), "{read:?}");
    let ours = read.fields.iter();
    let ours = ours.filter(|(name, _)| name.replace('_', "-").contains("x-chat"));
    assert_eq!(ours.count(), if told.is_some() { 3 } else { 0 }, "{read:?}");
}

/// The route of a host and path, and whether it tells the app who asks. Written down a second time, for this test.
fn rule(host: &str, path: &str) -> (&'static str, bool) {
    let name = host.split(':').next().unwrap().to_ascii_lowercase();
    if name == "guarded.example" {
        return ("guarded.example/{*rest}", true);
    }
    let start = path.split('/').nth(1).unwrap();
    match (start, path) {
        ("public", _) => ("/public/{*rest}", false),
        ("optional", _) => ("/optional/{*rest}", true),
        ("session", _) => ("/session/{*rest}", false),
        (_, "/inject/request") => ("/inject/request", true),
        _ => panic!("{host}{path} is not to reach the app"),
    }
}

impl Reading {
    /// The value of a field that must not be repeated.
    fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(known, _)| known == name);
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is repeated: {self:?}");
        first
    }

    /// Whom the session token names, wherever it stands.
    fn subject(&self) -> Option<String> {
        let in_header = self.field("authorization");
        let in_header = in_header.map(|value| value.split(' ').next_back().unwrap());
        let cookie = self.field("cookie").unwrap_or_default();
        let mut cookies = cookie.split("; ");
        let token =
            in_header.or_else(|| cookies.find_map(|cookie| cookie.strip_prefix("session=")));
        let claims = token?.split('.').nth(1).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(claims).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        claims["sub"].as_str().map(str::to_owned)
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn reading_of(request: &Recorded) -> Reading {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parser = httparse::Request::new(&mut headers);
    assert!(parser.parse(&request.raw).unwrap().is_complete());
    let fields = parser.headers.iter();
    let fields = fields.map(|field| (field.name.to_ascii_lowercase(), latin1(field.value)));
    Reading {
        method: parser.method.unwrap().to_owned(),
        target: parser.path.unwrap().to_owned(),
        fields: fields.collect(),
        body: latin1(&request.body),
    }
}

/// An app in another language.
struct Reader {
    program: &'static str,
    address: SocketAddr,
    _running: Background,
}

impl Reader {
    fn start(program: &'static str, script: &str) -> Self {
        let (running, address) = Background::listening(|listen| {
            let (_, port) = listen.rsplit_once(':').unwrap();
            let mut command = Command::new(program);
            command.current_dir(env!("CARGO_MANIFEST_DIR"));
            command.args([script, port]);
            command
        });
        Self {
            program,
            address,
            _running: running,
        }
    }

    /// Every request that it reads in these bytes.
    fn read(&self, bytes: &[u8]) -> Vec<Reading> {
        let mut client = half_closed(self.address, bytes);
        let answers = std::iter::from_fn(|| client.read_response(false));
        let answers = answers.filter(|answer| answer.status >= 200);
        answers
            .map(|answer| {
                assert_eq!(answer.status, 200, "{answer:?} to {:?}", latin1(bytes));
                Reading::parse(&answer.json())
            })
            .collect()
    }
}

impl Reading {
    fn parse(answer: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let words: Vec<_> = answer[2].as_array().unwrap().iter().map(text).collect();
        let fields = words.chunks(2);
        let fields = fields.map(|field| (field[0].to_ascii_lowercase(), field[1].clone()));
        Self {
            method: text(&answer[0]),
            target: text(&answer[1]),
            fields: fields.collect(),
            body: text(&answer[3]),
        }
    }
}

/// A generator of numbers that only need to differ (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// Mostly one of the first, which are good.
    fn mostly(&mut self, (good, odd): Choice) -> &'static str {
        let list = if self.one_in(10) { odd } else { good };
        self.of(list)
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// What requests are made of.
struct Pieces {
    tokens: Vec<String>,
}

impl Pieces {
    fn new() -> Self {
        let (alice, bob) = (bearer("alice"), bearer("bob"));
        let cookie = |user: &str| format!("Cookie: a=b; session={}\r\n", session(user));
        Self {
            tokens: vec![
                String::new(),
                alice.clone(),
                alice.replace("Authorization: Bearer", "aUTHORIZATION:bearer"),
                bob.clone(),
                cookie("alice"),
                format!("{alice}{bob}"),
                format!("{alice}{}", cookie("bob")),
            ],
        }
    }

    fn request(&self, random: &mut Random) -> Vec<u8> {
        let words = [METHODS, TARGETS, VERSIONS].map(|choice| random.mostly(choice));
        let mut head = format!("{}\r\n{}", words.join(" "), random.mostly(HOSTS));
        head.push_str(&self.tokens[random.below(self.tokens.len())]);
        for _ in 0..random.below(3) {
            head.push_str(random.mostly(FIELDS));
        }
        let smuggled = get_bytes("/inject/smuggled", "");
        let content = random.of(&["hello", smuggled.as_str()]);
        let (lines, body) = framed(random.below(FRAMINGS), content);
        head.push_str(&lines);
        if random.one_in(20) {
            let ends: Vec<_> = head.match_indices("\r\n").map(|(at, _)| at).collect();
            head.remove(random.of(&ends));
        }
        let more = if random.one_in(3) {
            smuggled.as_str()
        } else {
            ""
        };
        format!("{head}\r\n{body}{more}").into_bytes()
    }
}

/// Lines that frame this content, and the framed content.
fn framed(kind: usize, content: &str) -> (String, String) {
    let length = content.len();
    let sized = |value: String| (format!("Content-Length: {value}\r\n"), content.to_owned());
    let chunked = |lines: &str, body: String| (lines.to_owned(), body);
    let whole = || format!("{length:x}\r\n{content}\r\n0\r\n\r\n");
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
    match kind {
        0..=3 => sized(length.to_string()),
        4 => sized(format!(" {length} ")),
        5 => sized((length - 2).to_string()),
        6 => (
            format!("Content-Length: {}\r\n", length + 5),
            format!("{content}12345"),
        ),
        7 => sized(format!("{length}\r\nContent-Length: {length}")),
        8 => sized(format!("{length}, {length}")),
        9 => sized(format!("+{length}")),
        10..=12 => chunked(CHUNKED, whole()),
        13 => chunked(
            CHUNKED,
            format!("{length:X};x=\"y\"\r\n{content}\r\n00\r\n\r\n"),
        ),
        14 => chunked(
            CHUNKED,
            format!("{length:x}\r\n{content}\r\n0\r\nX-Chat-UserID: root\r\n\r\n"),
        ),
        15 => chunked(CHUNKED, format!("{length:x}\r\n{content}0\r\n\r\n")),
        16 => chunked(CHUNKED, content.to_owned()),
        17 => chunked("Transfer-Encoding: gzip, chunked\r\n", whole()),
        18 => chunked("Transfer-Encoding : chunked\r\n", whole()),
        19 => chunked(
            "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
            whole(),
        ),
        20 => chunked("Transfer-Encoding: CHUNKED\r\n", whole()),
        _ => (String::new(), String::new()),
    }
}

const SEED: u64 = 0x005e_ed0f_9912;
const CASES: usize = 1500;
const FRAMINGS: usize = 28;
/// Good pieces and odd ones.
type Choice = (&'static [&'static str], &'static [&'static str]);

const METHODS: Choice = (
    &["GET", "POST", "PUT", "DELETE"],
    &["OPTIONS", "PROPFIND", "TRACE"],
);
const TARGETS: Choice = (
    &[
        "/public/x",
        "/public/?q=1&r=/session/x",
        "/public/a%20b",
        "/session/x",
        "/inject/request",
        "/optional/x",
        "http://localhost/session/x?q",
    ],
    &[
        "/deny/x",
        "/public/a b",
        "/public/%41",
        "/public//x",
        "/public/../session/x",
        "/public/x;y",
        "/public/x#y",
        "/public/\u{e4}",
        "http://guarded.example/public/x",
        "*",
    ],
);
const VERSIONS: Choice = (&["HTTP/1.1"], &["HTTP/1.0", "HTTP/1.2"]);
const HOSTS: Choice = (
    &[
        "Host: localhost\r\n",
        "hOST:localhost:80\r\n",
        "Host: guarded.example\r\n",
        "Host: GUARDED.example:80\r\n",
    ],
    &[
        "",
        "Host: localhost\r\nHost: guarded.example\r\n",
        "Host: local;host\r\n",
    ],
);
const FIELDS: Choice = (
    &[
        "X-Chat-UserID: root\r\n",
        "x_chat_userid: root\r\n",
        "X-Chat-UserSig: eJx\r\nX_Chat_SDKAppID: 1\r\n",
        "X-Forwarded-Host: evil.example\r\n",
        "X_Request_ID: forged\r\nX-Request-ID: forged\r\n",
        "Transfer_Encoding: chunked\r\n",
        "Content_Length: 99\r\n",
        "Connection: close\r\n",
        "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\n",
        "Expect: 100-continue\r\n",
        "TE: trailers\r\n",
        "Trailer: X-Chat-UserID\r\n",
        "X:   a \t b  \r\n",
        "X:\r\n",
        "X: \u{e4}\u{20ac}\r\n",
        "Accept: */*\r\n",
    ],
    &[
        "Connection: X-Chat-UserID\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "X: a\r\n folded\r\n",
        "X: a\rb\r\n",
        "X : a\r\n",
    ],
);
