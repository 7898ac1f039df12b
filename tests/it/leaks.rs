//! Neither the key nor an administrator's UserSig leaves the process: it is driven at trace level in front of the sandbox,
//! and of a Chat that fails and echoes in every way, and every byte that left is searched.

mod dumps;
mod hostile;
mod memory;
mod search;

use std::collections::BTreeSet;
use std::fs;

use serde_json::json;
use tempfile::TempDir;

use self::hostile::{Hostile, Part, SPELLINGS};
use self::search::Needles;
use crate::apps::relay::relay;
use crate::edge::http2;
use crate::rest_api::{code, request};
use crate::support::program::{Background, program};
use crate::support::proxy::free_address;
use crate::support::tokens::{authorization, now, sign};
use crate::support::{App, Connection, Proxy, Recorded, Response, config, get};

/// Of which no piece stands anywhere by chance.
const KEY: &str = "c0ffee5a17b3d2946e8fa1c37d50b9e2468ace13579bdf0f1e2d3c4b5a697887";

const MORE: &str = r#"default_access = "session"
[[route]]
match = { path = "/api/me" }
access = "session"
inject = { request_headers = true }
[[route]]
match = { path = "/api/logout", methods = ["POST"] }
access = "session"
on_success = "kick"
[store]
file = "state"
[audit]
file = "audit.jsonl"
[runtime]
grace_period = "0s"
[rest_api]
[[rest_api.allow]]
name = "members"
commands = ["openim/sendmsg", "profile/portrait_get", "im_open_login_svc/account_check"]
roles = ["member"]
[[rest_api.allow]]
name = "support"
commands = ["im_open_login_svc/kick", "im_open_login_svc/account_import"]
roles = ["support"]
[rest_api.budget]
commands = { "openim/sendmsg" = 10000 }
"#;

/// What left, by the name of the way that it took.
struct World {
    proxy: Proxy,
    app: App,
    left: Vec<(String, Vec<u8>)>,
}

impl World {
    fn in_front_of(chat: &App) -> Self {
        let app = App::start();
        let admin = "admin = \"administrator\"\n";
        let endpoint = format!("{admin}endpoint = \"http://{}\"\n", chat.address);
        let text = config(app.address, MORE).replacen(admin, &endpoint, 1);
        Self {
            proxy: Proxy::start_with_files(&text, &[("chat-key", KEY)]),
            app,
            left: Vec::new(),
        }
    }

    /// Sends a request and keeps what comes back.
    fn send(&mut self, name: &str, request: impl AsRef<[u8]>) -> Response {
        let mut connection = Connection::open(self.proxy.address);
        let response = connection.request(request);
        self.keep(name, &response);
        response
    }

    fn call(&mut self, name: &str, command: &str, token: &str, body: &str) -> Response {
        self.send(name, request(command, &authorization(token), body))
    }

    fn keep(&mut self, name: &str, response: &Response) {
        let mut bytes = response.reason.clone().into_bytes();
        for (name, value) in &response.headers {
            bytes.extend(format!("\n{name}: {value}").bytes());
        }
        bytes.extend(b"\n\n");
        bytes.extend(&response.body);
        self.left.push((format!("the answer: {name}"), bytes));
    }

    /// What the gateway refuses, before Chat is asked.
    fn drive_refused(&mut self) {
        let member = token("42", "member");
        for (name, command, token, body) in [
            (
                "not allowed",
                "im_open_login_svc/kick",
                member.as_str(),
                "{}",
            ),
            ("unknown", "openim/nothing", &member, "{}"),
            ("no command", "openim", &member, "{}"),
            ("no body", "openim/sendmsg", &member, "["),
            (
                "foreign",
                "openim/sendmsg",
                &member,
                r#"{"From_Account":"administrator"}"#,
            ),
            ("no token", "openim/sendmsg", "x.y.z", "{}"),
            (
                "unmapped",
                "openim/sendmsg",
                &token("administrator", "member"),
                "{}",
            ),
        ] {
            let response = self.call(name, command, token, body);
            assert!(
                (400..500).contains(&response.status),
                "{name}: {response:?}"
            );
        }
    }

    /// A logout, whose kick is on its way when the answer is there.
    fn log_out(&mut self, user: &str) {
        let bearer = authorization(&token(user, "member"));
        let logout = format!(
            "POST /api/logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{bearer}\r\n"
        );
        assert_eq!(self.send("logout", logout).status, 200);
    }

    /// A request that the app gets with the user's own UserSig.
    fn visit(&mut self, user: &str) {
        let bearer = authorization(&token(user, "member"));
        let visit = format!("GET /api/me HTTP/1.1\r\nHost: localhost\r\n{bearer}\r\n");
        assert_eq!(self.send("visit", visit).status, 200);
    }

    /// The process's own words, to its very end, and what the app heard.
    fn end(&mut self) {
        for path in ["/metrics", "/readyz", "/status", "/healthz"] {
            let response = get(self.proxy.ops, path, "");
            self.keep(path, &response);
        }
        self.proxy.write("chat-key", "not a key");
        self.proxy.signal("HUP");
        self.proxy
            .wait_for_at_least("config_reloads_total{result=\"refused\"}", 1);
        let response = get(self.proxy.ops, "/readyz", "");
        self.keep("/readyz after a bad reload", &response);
        self.proxy.signal("TERM");
        assert_eq!(self.proxy.wait(), Some(0));
        for file in ["stdout", "stderr", "audit.jsonl", "state"] {
            let bytes = fs::read(self.proxy.path(file)).unwrap();
            self.left.push((file.to_owned(), bytes));
        }
        for request in self.app.seen() {
            let name = format!("{} to the app", request.target);
            self.left.push((name, request.raw));
        }
    }

    /// Searches it all, and what `more` printed, for the key and what the calls that Chat saw were signed with. To Chat the
    /// key does not go either.
    fn assert_nothing_left(&self, seen: &[Recorded], more: &str) {
        let key = Needles::new([(KEY, 0)]);
        for request in seen {
            if let Some(found) = key.find(&request.raw) {
                panic!("the key went to Chat: {found}");
            }
        }
        let sigs: BTreeSet<_> = calls(seen).map(user_sig).collect();
        assert!(!sigs.is_empty());
        let sigs = sigs.iter().map(|sig| (sig.as_str(), COMMON));
        let needles = Needles::new(sigs.chain([(KEY, 0)]));
        let more = ("the sandbox".to_owned(), more.as_bytes().to_vec());
        for (name, bytes) in self.left.iter().chain([&more]) {
            if let Some(found) = needles.find(bytes) {
                panic!("a credential left in {name}: {found}");
            }
        }
        // It was the right place to look at.
        let all: Vec<u8> = self
            .left
            .iter()
            .flat_map(|(_, bytes)| bytes.clone())
            .collect();
        let all = String::from_utf8_lossy(&all);
        for word in [
            "\"decision\":\"allowed\"",
            "usersig_proxy_rest_calls_total{",
            "usersig_proxy::access",
            "ready\n",
            "configuration: generation",
            "POST /api/logout HTTP/1.1",
            "x-chat-usersig: eJ",
        ] {
            assert!(all.contains(word), "nothing says {word}");
        }
    }
}

fn token(user: &str, role: &str) -> String {
    sign(&json!({ "sub": user, "roles": [role], "exp": now() + 600 }))
}

/// The requests that are signed.
fn calls(seen: &[Recorded]) -> impl Iterator<Item = &Recorded> {
    let is_signed = |request: &&Recorded| request.target.contains("&usersig=");
    seen.iter().filter(is_signed)
}

fn user_sig(request: &Recorded) -> String {
    let (_, rest) = request.target.split_once("&usersig=").unwrap();
    rest.split('&').next().unwrap().to_owned()
}

/// The program's sandbox with [`KEY`].
fn sandbox() -> (App, Background, TempDir) {
    let folder = TempDir::new().unwrap();
    let text = config(free_address(), "default_access = \"deny\"")
        .replace("@PROXY@", "127.0.0.1:8080")
        .replace("@OPS@", "127.0.0.1:9090")
        .replace("{ file = \"session-secret\" }", "{ env = \"SECRET\" }");
    fs::write(folder.path().join("sandbox.toml"), text).unwrap();
    fs::write(folder.path().join("chat-key"), KEY).unwrap();
    let file = folder.path().join("sandbox.toml");
    let file = file.to_str().unwrap();
    let (process, address) = Background::listening(|listen| {
        let mut command = program(["sandbox", "--config", file, "--listen", listen]);
        command
            .env("SECRET", "s".repeat(32))
            .env("RUST_LOG", "trace");
        command
    });
    (relay(address), process, folder)
}

#[test]
fn o4_no_credential_leaves_in_front_of_the_sandbox() {
    let (chat, mut sandbox, _folder) = sandbox();
    let mut world = World::in_front_of(&chat);
    let (member, support) = (token("42", "member"), token("7", "support"));
    let code = |response: &Response| response.json()["ErrorCode"].as_u64().unwrap();
    for user in ["42", "bob"] {
        let body = json!({ "UserID": user }).to_string();
        let response = world.call(
            "import",
            "im_open_login_svc/account_import",
            &support,
            &body,
        );
        assert_eq!(code(&response), 0);
    }
    let message = json!({ "To_Account": "bob", "MsgRandom": 7, "MsgBody": [
        { "MsgType": "TIMTextElem", "MsgContent": { "Text": "hello" } }] });
    let response = world.call("message", "openim/sendmsg", &member, &message.to_string());
    assert_eq!(code(&response), 0, "{response:?}");
    let response = world.call("refused by Chat", "openim/sendmsg", &member, "{}");
    assert_ne!(code(&response), 0);
    let response = world.call(
        "kick",
        "im_open_login_svc/kick",
        &support,
        r#"{"UserID":"bob"}"#,
    );
    assert_eq!(code(&response), 0);
    world.send(
        "login",
        format!(
            "GET /_chat/usersig HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
            authorization(&member)
        ),
    );
    world.drive_refused();
    for (order, status) in [
        ("60007", 200),
        ("html", 502),
        ("redirect", 502),
        ("echo", 502),
        ("cut", 504),
        ("70001", 200),
    ] {
        let order_body = json!({ "as": order, "command": "openim/sendmsg" }).to_string();
        let length = order_body.len();
        let order_request = format!(
            "POST /sandbox/fail HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{order_body}"
        );
        assert_eq!(
            crate::support::send(chat.address, order_request).status,
            200
        );
        let response = world.call(order, "openim/sendmsg", &member, &message.to_string());
        assert_eq!(response.status, status, "{order}: {response:?}");
    }
    world.visit("43");
    world.log_out("42");
    world
        .proxy
        .wait_for_metric("kicks_total{result=\"landed\",site=\"default\"}", 1);
    world.end();
    assert_eq!(sandbox.interrupt(), Some(0));
    let seen = chat.seen();
    assert!(calls(&seen).count() > 8, "{}", seen.len());
    world.assert_nothing_left(&seen, &(sandbox.stdout() + &sandbox.stderr()));
}

#[test]
fn o4_no_credential_leaves_in_front_of_a_hostile_chat() {
    let chat = Hostile::start();
    let mut world = World::in_front_of(&chat.app);
    let member = token("42", "member");
    world.drive_refused();
    let mut send = |name: &str, status: u16| {
        let response = world.call(name, "openim/sendmsg", &member, r#"{"To_Account":"bob"}"#);
        assert_eq!(response.status, status, "{name}: {response:?}");
    };
    for (name, spell) in SPELLINGS {
        for part in [Part::Url, Part::UserSig] {
            chat.will(hostile::body_that_echoes(part, spell));
            send(name, 502);
            chat.will(hostile::page_that_echoes(part, spell));
            send(name, 502);
            chat.will(hostile::redirect_that_echoes(part, spell));
            send(name, 502);
            chat.will(hostile::header_that_echoes(part, spell));
            send(name, 200);
        }
    }
    for (name, deed, status) in hostile::failures() {
        chat.will(deed);
        send(name, status);
    }
    chat.will(hostile::answer(code(70001)));
    send("signed anew", 200);
    chat.will(hostile::answer(code(70009)));
    send("alarm", 200);
    http2_call(&mut world, &chat);
    chat.will(hostile::answer(code(70050)));
    let mut last = |name| world.call(name, "openim/sendmsg", &member, "{}").status;
    assert_eq!((last("breaker"), last("paused")), (200, 503));
    chat.will(hostile::body_that_echoes(Part::Url, |url| url.to_owned()));
    world.visit("43");
    world.log_out("42");
    world
        .proxy
        .wait_for_at_least("kicks_total{result=\"failed\",site=\"default\"}", 1);
    world.end();
    let seen = chat.app.seen();
    let sigs: BTreeSet<_> = seen.iter().map(user_sig).collect();
    assert!(sigs.len() > 1, "none was signed anew");
    world.assert_nothing_left(&seen, "");
}

/// A call over HTTP/2 that Chat answers with an echo.
fn http2_call(world: &mut World, chat: &Hostile) {
    chat.will(hostile::body_that_echoes(Part::Url, |url| url.to_owned()));
    let bearer = format!("Bearer {}", token("42", "member"));
    let mut answer = None;
    http2::talk(&world.proxy, async |mut client| {
        let request = http2::post("/_chat/v4/openim/sendmsg").header("authorization", &bearer);
        answer = Some(http2::exchange(&mut client, request, &["{}"]).await);
    });
    let answer = answer.unwrap();
    assert_eq!(answer.status, 502);
    let bytes = format!("{:?}\n{}", answer.headers, answer.text).into_bytes();
    world
        .left
        .push(("the answer over HTTP/2".to_owned(), bytes));
}

/// So many letters at the start of every UserSig of an application are alike, also of those that users are given.
const COMMON: usize = 64;
