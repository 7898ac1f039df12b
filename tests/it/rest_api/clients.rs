//! Clients of Chat's REST API that nobody here wrote, at the gateway: another base URL and a session token, nothing else.
//!
//! Each signs its calls itself, with what is worth nothing, and some send no `Content-Type`. `tests/apps/chat-rest` drives
//! them. The sandbox stands for Chat.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::{Background, finish_with_input, program};
use crate::support::proxy::{CHAT_KEY, SDK_APP_ID, free_address};
use crate::support::tls::{KEYS, pair};
use crate::support::tokens::{SECRET, now, sign};
use crate::support::{Proxy, config, foreign, get};

const SERVERS: &str = r#"
[rest_api]
[[rest_api.allow]]
commands = [
    "im_open_login_svc/account_import",
    "openim/sendmsg",
    "group_open_http_svc/create_group",
    "openim/admin_getroammsg",
]
roles = ["server"]
"#;
const HTTP: &str = "http = [\"@PROXY@\"]";
const ADMIN: &str = "admin = \"administrator\"\n";

#[test]
fn a_client_from_pypi_calls_what_its_session_may_and_no_more() {
    let Some(apps) = foreign::apps("a_client_from_pypi_calls") else {
        return;
    };
    let chat = Chat::start(HTTP);
    let mut command = Command::new(apps.join("venv/bin/python"));
    command.args(["-B", "tests/apps/chat-rest/gateway.py"]);
    let talk = chat.talk(command.args([chat.base(), SDK_APP_ID.to_string()]));
    // What `raise_for_status` of its answers raises.
    chat.assert_talk(&talk, [json!("403"), json!("401")]);
}

#[test]
fn a_client_from_npm_calls_what_its_session_may_and_no_more() {
    let Some(apps) = foreign::apps("a_client_from_npm_calls") else {
        return;
    };
    let chat = Chat::start(HTTP);
    let mut command = Command::new("node");
    command.arg("tests/apps/chat-rest/gateway.mjs");
    command
        .args([chat.base(), SDK_APP_ID.to_string()])
        .arg(apps);
    let talk = chat.talk(&mut command);
    let raised = |status| json!(format!("Request failed with status code {status}"));
    chat.assert_talk(&talk, [raised(403), raised(401)]);
}

/// It speaks to `https` only, and raises nothing: its answers carry the `ErrorCode`.
#[test]
fn a_client_from_crates_io_calls_what_its_session_may_and_no_more() {
    let Some(built) = foreign::rust_client("a_client_from_crates_io_calls") else {
        return;
    };
    let listen = format!("https = [{{ address = \"@PROXY@\", {} }}]", pair("app"));
    let chat = Chat::start(&listen);
    let mut command = Command::new(built.join("chat-rest"));
    let domain = format!("{}/_chat", chat.proxy.address);
    let ca = format!("{KEYS}/ca.pem");
    let talk = chat.talk(command.args([domain, SDK_APP_ID.to_string(), ca]));
    chat.assert_talk(&talk, [Value::Null, Value::Null]);
}

/// As the pages of the API show it: all parameters in the query, and a type that curl chooses.
#[test]
fn curl_calls_as_the_api_s_own_pages_show_it() {
    if !foreign::has("curl_calls", &["curl"]) {
        return;
    }
    let chat = Chat::start(HTTP);
    let call = |command: &str, body: &str| -> (Value, String) {
        let query =
            "sdkappid=88888888&identifier=admin&usersig=xxx&random=99999999&contenttype=json";
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-H", "@-", "-w", "\n%{http_code}", "-d", body]);
        curl.arg(format!("{}/{command}?{query}", chat.base()));
        let header = format!("Authorization: Bearer {}\n", token());
        let finished = finish_with_input(&mut curl, &header);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
        let (answer, status) = finished.stdout.rsplit_once('\n').unwrap();
        (serde_json::from_str(answer).unwrap(), status.to_owned())
    };
    let (answer, status) = call("im_open_login_svc/account_import", r#"{"UserID":"ann"}"#);
    assert_eq!((status.as_str(), &answer["ErrorCode"]), ("200", &json!(0)));
    let (answer, status) = call("im_open_login_svc/account_delete", "{}");
    assert_eq!(
        (status.as_str(), &answer["ErrorCode"]),
        ("403", &json!(60010))
    );
    assert_eq!(chat.reached(), ["im_open_login_svc/account_import"]);
}

/// The gateway, and the sandbox behind it.
struct Chat {
    proxy: Proxy,
    sandbox: SocketAddr,
    _process: Background,
    _folder: TempDir,
}

impl Chat {
    /// With this in the place of the plain listener.
    fn start(listen: &str) -> Self {
        let app = "127.0.0.1:9".parse().unwrap();
        let text = config(app, &format!("default_access = \"deny\"\n{SERVERS}"));
        let endpoint = format!("{ADMIN}endpoint = \"http://@CHAT@\"\n");
        let text = text.replacen(ADMIN, &endpoint, 1);
        let folder = TempDir::new().unwrap();
        let (process, sandbox) = start_sandbox(&text, &folder);
        let text = text.replace("@CHAT@", &sandbox.to_string());
        Self {
            proxy: Proxy::start(&text.replacen(HTTP, listen, 1)),
            sandbox,
            _process: process,
            _folder: folder,
        }
    }

    /// What a client gets in the place of `https://console.tim.qq.com/v4`.
    fn base(&self) -> String {
        format!("http://{}/_chat/v4", self.proxy.address)
    }

    /// What a client tells of its calls: what it asked, the answer, and what it raised.
    fn talk(&self, command: &mut Command) -> Vec<(String, Value, Value)> {
        let command = command.current_dir(env!("CARGO_MANIFEST_DIR"));
        let finished = finish_with_input(command, &token());
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let parse = |line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let what = line[0].as_str().unwrap().to_owned();
            (what, line[1].clone(), line[2].clone())
        };
        finished.stdout.lines().map(parse).collect()
    }

    /// Checks what every client does, with what it raises when it is refused, and when it brings no token.
    fn assert_talk(&self, talk: &[(String, Value, Value)], raised: [Value; 2]) {
        let not_allowed = "This session may not call this command.";
        let not_as = "This session may not act in the name that the body gives, or gives none.";
        let [refused, unknown] = raised;
        let expected = [
            ("import", "OK", 0, "", &Value::Null),
            ("import", "OK", 0, "", &Value::Null),
            ("send", "OK", 0, "", &Value::Null),
            ("create", "OK", 0, "", &Value::Null),
            ("history", "OK", 0, "", &Value::Null),
            ("delete", "FAIL", 60010, not_allowed, &refused),
            ("send as ben", "FAIL", 60010, not_as, &refused),
            ("history of ben", "FAIL", 60010, not_as, &refused),
            (
                "no token",
                "FAIL",
                70003,
                "Log in to the app first and send its session token.",
                &unknown,
            ),
        ];
        assert_eq!(talk.len(), expected.len(), "{talk:?}");
        for ((what, answer, error), expected) in talk.iter().zip(expected) {
            let member = |name: &str| answer[name].as_str().unwrap_or_default();
            let code = answer["ErrorCode"].as_i64().unwrap();
            let told = (
                what.as_str(),
                member("ActionStatus"),
                code,
                member("ErrorInfo"),
                error,
            );
            assert_eq!(told, expected);
        }
        let (_, history, _) = &talk[4];
        assert_eq!(history["MsgCnt"], 1);
        let message = &history["MsgList"][0];
        assert_eq!(
            (&message["From_Account"], &message["To_Account"]),
            (&json!("ann"), &json!("ben"))
        );
        assert_eq!(message["MsgBody"][0]["MsgContent"]["Text"], "hello");
        assert_eq!(self.reached(), REACHED);
    }

    /// The commands that reached Chat.
    fn reached(&self) -> Vec<String> {
        let calls = get(self.sandbox, "/sandbox/calls", "").json();
        let calls = calls["calls"].as_array().unwrap().iter();
        calls
            .map(|call| call["command"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn token() -> String {
    sign(&json!({ "sub": "ann", "roles": ["server"], "exp": now() + 600 }))
}

/// The sandbox with this configuration, of which it needs nothing but the application.
fn start_sandbox(config: &str, folder: &TempDir) -> (Background, SocketAddr) {
    let config = config
        .replace("@PROXY@", "127.0.0.1:1")
        .replace("@OPS@", "127.0.0.1:2")
        .replace("@CHAT@", "127.0.0.1:3");
    for (name, text) in [
        ("proxy.toml", &*config),
        ("chat-key", CHAT_KEY),
        ("session-secret", SECRET),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    // Another process may take a free port before the sandbox does.
    for _ in 0..5 {
        let address = free_address();
        let mut command = program(["sandbox", "--listen", &address.to_string(), "--config"]);
        let mut process = Background::spawn(command.arg(folder.path().join("proxy.toml")));
        if process.wait_until_it_listens(address) {
            return (process, address);
        }
    }
    panic!("the sandbox does not start");
}

const REACHED: [&str; 5] = [
    "im_open_login_svc/account_import",
    "im_open_login_svc/account_import",
    "openim/sendmsg",
    "group_open_http_svc/create_group",
    "openim/admin_getroammsg",
];
