//! The sandbox as a process: Chat's REST API over HTTP, failures to order, and a REST client from PyPI.

mod client;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use usersig_proxy::usersig::SecretKey;
use usersig_proxy::usersig::encode::Fields;

use crate::support::program::{Background, program};
use crate::support::tokens::now;
use crate::support::{Connection, Response, get, send};

const CHECK: &str = "im_open_login_svc/account_check";
const IMPORT: &str = "im_open_login_svc/account_import";
const SDK_APP_ID: u32 = 1_400_000_000;
const KEY: &str = include_str!("../../conf/demo/chat-secret-key");

#[test]
fn commands_are_answered_on_one_connection_and_recorded() {
    let mut chat = Chat::start();
    let mut connection = Connection::open(chat.address);
    for (name, status) in [("ann", "NotImported"), ("ann", "Imported")] {
        let body = json!({ "CheckItem": [{ "UserID": name }] });
        let answer = connection.request(chat.request(CHECK, &body));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.json()["ResultItem"][0]["AccountStatus"], status);
        let import = connection.request(chat.request(IMPORT, &json!({ "UserID": name })));
        assert_eq!(import.json()["ErrorCode"], 0);
    }
    let calls = get(chat.address, "/sandbox/calls", "").json();
    assert_eq!(calls["seen"], 4);
    let last = &calls["calls"][3];
    assert_eq!(last["command"], IMPORT);
    assert_eq!(last["headers"], json!(["host", "cookie", "content-length"]));
    chat.end();
}

#[test]
fn a_cut_connection_gives_no_answer_and_the_next_one_works() {
    let mut chat = Chat::start();
    for (word, name, is_carried_out) in [("cut", "ann", false), ("cut_after", "ben", true)] {
        chat.order(&json!({ "as": word, "command": IMPORT }));
        let mut connection = Connection::open(chat.address);
        connection.write(chat.request(IMPORT, &json!({ "UserID": name })));
        assert_eq!(connection.try_read_bytes(1), None, "{word}");
        assert!(connection.is_closed(), "{word}");
        assert_eq!(chat.is_imported(name), is_carried_out, "{word}");
    }
    assert_eq!(
        chat.call(IMPORT, &json!({ "UserID": "ann" })).json()["ErrorCode"],
        0
    );
    chat.end();
}

#[test]
fn a_slow_answer_takes_its_time_and_holds_nobody_else_up() {
    let mut chat = Chat::start();
    let delay = Duration::from_millis(300);
    chat.order(&json!({ "as": "slow", "delay_ms": 300 }));
    let start = Instant::now();
    let mut slow = Connection::open(chat.address);
    slow.write(chat.request(IMPORT, &json!({ "UserID": "ann" })));
    let answer = slow.read_response(false).unwrap();
    assert!(start.elapsed() >= delay);
    assert_eq!(answer.json()["ErrorCode"], 0);
    // The command is carried out at once; the polls that see it are answered while this one waits for a minute.
    chat.order(&json!({ "as": "slow", "delay_ms": 60_000, "command": IMPORT }));
    slow.write(chat.request(IMPORT, &json!({ "UserID": "ben" })));
    while !chat.is_imported("ben") {}
    chat.end();
}

#[test]
fn error_pages_and_redirects_come_as_ordered() {
    let mut chat = Chat::start();
    for (word, status, content_type) in [
        ("html", 502, "text/html"),
        ("redirect", 302, "text/html"),
        ("echo", 200, "application/json"),
        ("60007", 200, "application/json"),
    ] {
        chat.order(&json!({ "as": word }));
        let answer = chat.call(CHECK, &json!({}));
        assert_eq!(answer.status, status, "{word}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{word}");
    }
    let good = chat.call(CHECK, &json!({ "CheckItem": [{ "UserID": "ann" }] }));
    assert_eq!(good.json()["ErrorCode"], 0);
    chat.end();
}

/// The program's own sandbox for the application of the quickstart configuration.
struct Chat {
    address: SocketAddr,
    process: Background,
    user_sig: String,
}

impl Chat {
    fn start() -> Self {
        let (process, address) = Background::listening(|listen| {
            program(["sandbox", "--listen", listen, "-c", "conf/quickstart.toml"])
        });
        let fields = Fields {
            identifier: "administrator",
            sdk_app_id: SDK_APP_ID,
            time: u32::try_from(now()).unwrap(),
            expire: 600,
            userbuf: None,
        };
        let key = SecretKey::parse(KEY.trim_end()).unwrap();
        Self {
            address,
            process,
            user_sig: fields.encode(&key).expose().to_owned(),
        }
    }

    fn request(&self, command: &str, body: &Value) -> String {
        let (body, sig) = (body.to_string(), &self.user_sig);
        let query = format!("sdkappid={SDK_APP_ID}&identifier=administrator&usersig={sig}");
        format!(
            "POST /v4/{command}?{query}&random=1&contenttype=json HTTP/1.1\r\nHost: localhost\r\nCookie: a=b\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn call(&self, command: &str, body: &Value) -> Response {
        send(self.address, self.request(command, body))
    }

    fn order(&self, body: &Value) {
        let body = body.to_string();
        let head = "POST /sandbox/fail HTTP/1.1\r\nHost: localhost";
        let length = body.len();
        let ordered = send(
            self.address,
            format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}"),
        );
        assert_eq!(ordered.status, 200, "{ordered:?}");
    }

    fn is_imported(&self, name: &str) -> bool {
        let answer = self.call(CHECK, &json!({ "CheckItem": [{ "UserID": name }] }));
        answer.json()["ResultItem"][0]["AccountStatus"] == "Imported"
    }

    /// Ends the process; it printed no UserSig.
    fn end(&mut self) {
        assert_eq!(self.process.interrupt(), Some(0));
        let printed = self.process.stdout() + &self.process.stderr();
        assert!(!printed.contains(&self.user_sig), "a UserSig was printed");
    }
}
