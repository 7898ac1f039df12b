//! The same requests to the running proxy and to `explain`: each is answered as was explained.

use std::io::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{BODIES, ROUTES, WEBHOOK_TOKEN};
use crate::support::program::{finish, program};
use crate::support::proxy::SDK_APP_ID;
use crate::support::tokens::{now, sign};
use crate::support::{App, Proxy, Response, config, send};

/// A request: the method, the target, further header lines, the claims of its token and where that stands, and the body.
struct Asked {
    method: &'static str,
    target: String,
    headers: &'static [&'static str],
    session: Session,
    body: &'static str,
}

#[derive(Clone)]
enum Session {
    None,
    Header(Value),
    Cookie(Value),
}

#[test]
fn the_running_proxy_does_what_is_explained() {
    let (proxy, _app, _chat) = start();
    let requests = requests();
    for (index, asked) in requests.iter().enumerate() {
        let real = asked.send(&proxy, index);
        let name = format!("{} {}", asked.method, asked.target);
        assert_eq!(asked.explain(&proxy, false), real, "{name}");
        assert_eq!(asked.explain(&proxy, true), real, "{name}, by its token");
    }
    assert!(requests.len() > 60);
}

/// What became of a request: the refusal's status, code and reason, else `null`; the route, and whose it was.
fn outcome(refused: bool, of: [&Value; 5]) -> Value {
    let [status, code, reason, route, user] = of;
    match refused {
        true => json!([status, code, reason, route]),
        false => json!([route, user]),
    }
}

impl Asked {
    fn token(&self) -> Option<String> {
        match &self.session {
            Session::None => None,
            Session::Header(claims) | Session::Cookie(claims) => Some(sign(claims)),
        }
    }

    /// Sends it, and reads the answer and the access line, of which there were `earlier` before.
    fn send(&self, proxy: &Proxy, earlier: usize) -> Value {
        let mut lines: String = self
            .headers
            .iter()
            .map(|line| format!("{line}\r\n"))
            .collect();
        if !lines.contains("Host:") {
            lines += "Host: localhost\r\n";
        }
        let token = self.token().unwrap_or_default();
        match self.session {
            Session::None => {}
            Session::Header(_) => lines += &format!("Authorization: Bearer {token}\r\n"),
            Session::Cookie(_) => lines += &format!("Cookie: session={token}\r\n"),
        }
        let (body, length) = (self.body, self.body.len());
        if !body.is_empty() {
            lines += &format!("Content-Length: {length}\r\n");
        }
        let (method, target) = (self.method, &self.target);
        let request = format!("{method} {target} HTTP/1.1\r\n{lines}\r\n{body}");
        let response: Response = send(proxy.address, request);
        let is_access = |line: &Value| line["target"] == "usersig_proxy::access";
        proxy.log_lines(earlier + 1, is_access);
        let printed = proxy.printed();
        let log = printed
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let line: Value = log.filter(is_access).nth(earlier).unwrap();
        let is_refused = !["forwarded", "answered"].contains(&line["outcome"].as_str().unwrap());
        let none = Value::Null;
        let route = Some(&line["route"])
            .filter(|route| *route != "none")
            .unwrap_or(&none);
        let status = json!(response.status);
        outcome(
            is_refused,
            [
                &status,
                &line["outcome"],
                &line["reason"],
                route,
                &line["user_id"],
            ],
        )
    }

    /// Asks the program, which is given the claims or the token.
    fn explain(&self, proxy: &Proxy, by_token: bool) -> Value {
        let folder = tempfile::TempDir::new().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let config = proxy.config_file();
        let mut command = program([
            "explain",
            "--json",
            "-c",
            &config,
            self.method,
            &self.target,
        ]);
        for line in self.headers {
            command.args(["-H", line]);
        }
        let (option, text) = match (&self.session, by_token) {
            (Session::None, _) => ("", String::new()),
            (_, true) => ("--token", self.token().unwrap()),
            (Session::Header(claims) | Session::Cookie(claims), false) => {
                ("--claims", claims.to_string())
            }
        };
        if !option.is_empty() {
            command.args([option, &file("session", &text)]);
        }
        if let Session::Cookie(_) = self.session {
            command.args(["--carrier", "cookie"]);
        }
        if !self.body.is_empty() {
            command.args(["--body", &file("body", self.body)]);
        }
        let explained = finish(&mut command);
        let said: Value = serde_json::from_str(&explained.stdout)
            .unwrap_or_else(|_| panic!("{} {}: {explained:?}", self.method, self.target));
        let is_refused = said["decision"] == "refused";
        assert_eq!(explained.code, Some(i32::from(is_refused)));
        outcome(
            is_refused,
            [
                &said["status"],
                &said["code"],
                &said["reason"],
                &said["route"],
                &said["userId"],
            ],
        )
    }
}

/// A proxy before an app and a Chat that take everything.
fn start() -> (Proxy, App, App) {
    let app = App::start();
    let chat = App::with(|_, stream| {
        let body = r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#;
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all((head + body).as_bytes()).is_ok()
    });
    let admin = "admin = \"administrator\"\n";
    let endpoint = format!("{admin}endpoint = \"http://{}\"\n", chat.address);
    let text = config(app.address, ROUTES).replace(admin, &endpoint);
    let files = [("webhook-token", WEBHOOK_TOKEN)];
    (Proxy::start_with_files(&text, &files), app, chat)
}

fn requests() -> Vec<Asked> {
    let claims = |subject: &str, roles: &[&str]| json!({ "sub": subject, "roles": roles, "exp": now() + 600 });
    let alice = claims("alice", &["member"]);
    let mut all = Vec::new();
    let mut ask = |method, target: &'static str, headers, session: &Session, body| {
        let target = target.to_owned();
        let session = session.clone();
        all.push(Asked {
            method,
            target,
            headers,
            session,
            body,
        });
    };
    let (nobody, member) = (Session::None, Session::Header(alice.clone()));
    for target in [
        "/",
        "/api/me",
        "/api/login",
        "/pages/7",
        "/pages/7/",
        "/Pages/7",
        "/secret/x",
        "/other",
        "/api",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            ask(method, target, &[], &nobody, "");
            ask(method, target, &[], &member, "");
        }
    }
    for target in [
        "/api%2Fme",
        "/api/../me",
        "//api",
        "/api;x",
        "/%61pi",
        "/api/me#top",
        "/api/%zz",
        "/api/ü",
        "/api\\me",
        "/api/a%00",
    ] {
        ask("GET", target, &[], &member, "");
    }
    let of = |claims: Value| Session::Header(claims);
    for claims in [
        json!({ "sub": "alice", "exp": now() - 60 }),
        json!({ "sub": "alice" }),
        json!({ "sub": "alice", "exp": "4000000000" }),
        json!({ "sub": "alice", "exp": now() + 600, "nbf": now() + 300 }),
        json!({ "sub": "alice", "exp": now() + 600, "iat": now() + 300 }),
        json!({ "sub": "alice", "exp": now() + 10_000_000 }),
        json!({ "sub": "alice", "exp": now() + 600, "iss": "x" }),
        json!({ "sub": "alice", "exp": now() + 600, "aud": "x" }),
        json!({ "sub": 42, "exp": now() + 600 }),
        json!({ "exp": now() + 600 }),
        self::claims_of("administrator"),
        self::claims_of("a@b"),
        self::claims_of("7f8d9f3e-1f0e-4a53-9a5f-0c9ad0a3c1b2"),
        self::claims_of("0123456789012345678901234567890123"),
    ] {
        ask("GET", "/api/me", &[], &of(claims), "");
    }
    let cookie = Session::Cookie(alice);
    for (headers, session) in [
        (&["Host: "][..], &member),
        (&["Host: a b"], &member),
        (&["Connection: cookie"], &member),
        (&["X-Chat-UserID: root"], &member),
        (&["Authorization: Bearer e30.e30.e30"], &cookie),
        (&["Authorization: Basic eDp5"], &cookie),
        (
            &[
                "Origin: https://x.example",
                "Access-Control-Request-Method: PUT",
            ],
            &nobody,
        ),
    ] {
        ask("GET", "/api/me", headers, session, "");
        ask("OPTIONS", "/pages/7", headers, session, "");
    }
    let headers = &["Content-Length: 99999999999"];
    ask("POST", "/api/login", headers, &nobody, "");
    for method in ["GET", "OPTIONS", "DELETE"] {
        ask(method, "/_chat/usersig", &[], &member, "");
        ask(method, "/_chat/usersig", &[], &nobody, "");
    }
    ask(
        "POST",
        "/_chat/usersig",
        &[],
        &Session::Header(self::claims_of("erin")),
        "",
    );
    for target in [
        "/_chat/other",
        "/_CHAT/usersig",
        "/_chat/v4/openim",
        "/_chat/v4/openim/sendmsg/",
    ] {
        ask("POST", target, &[], &member, "");
    }
    calls(&mut ask, &claims);
    all.extend(webhooks());
    all
}

/// What Chat posts, and what only looks like it.
fn webhooks() -> Vec<Asked> {
    let hook = |method, time: u64, signed: u64, body| {
        let digest = Sha256::digest(format!("{WEBHOOK_TOKEN}{signed}"));
        let sign: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let command = "State.StateChange";
        let target = format!(
            "/hook?SdkAppid={SDK_APP_ID}&CallbackCommand={command}&contenttype=json&Sign={sign}&RequestTime={time}"
        );
        Asked {
            method,
            target,
            headers: &[],
            session: Session::None,
            body,
        }
    };
    let mut all = vec![
        hook("PUT", now(), now(), "{}"),
        hook(
            "POST",
            now(),
            now() - 1,
            r#"{"CallbackCommand":"State.StateChange"}"#,
        ),
        hook("POST", now() - 9000, now() - 9000, "{}"),
        hook("POST", now() + 9000, now() + 9000, "{}"),
        hook("POST", now(), now(), "{"),
        hook(
            "POST",
            now(),
            now(),
            r#"{"CallbackCommand":"a","CallbackCommand":"a"}"#,
        ),
    ];
    all.extend(BODIES.map(|(_, body)| hook("POST", now(), now(), body)));
    all
}

fn claims_of(subject: &str) -> Value {
    json!({ "sub": subject, "exp": now() + 600 })
}

/// Calls of the REST API, each by several callers and with several bodies.
fn calls(
    ask: &mut impl FnMut(&'static str, &'static str, &'static [&'static str], &Session, &'static str),
    claims: &impl Fn(&str, &[&str]) -> Value,
) {
    let own: &[&str] = &[
        "Sec-Fetch-Site: same-origin",
        "Content-Type: application/json",
    ];
    for (index, target) in [
        "/_chat/v4/openim/sendmsg",
        "/_chat/v4/group_open_http_svc/get_group_info",
        "/_chat/v4/im_open_login_svc/kick",
        "/_chat/v4/im_open_login_svc/account_delete",
        "/_chat/v4/profile/portrait_get",
        "/_chat/v4/openim/SendMsg",
    ]
    .into_iter()
    .enumerate()
    {
        for (number, (_, body)) in BODIES.into_iter().enumerate() {
            // Each is another caller, so that no budget is used up.
            let name = |role: &str| format!("{role}-{index}-{number}");
            let of = |role: &str| claims(&name(role), &[role]);
            ask("POST", target, &[], &Session::Header(of("member")), body);
            ask("POST", target, own, &Session::Cookie(of("support")), body);
            ask("POST", target, &[], &Session::Cookie(of("member")), body);
        }
        ask(
            "POST",
            target,
            &[],
            &Session::Header(claims("dave", &["reader"])),
            "",
        );
        ask(
            "GET",
            target,
            &[],
            &Session::Header(claims("dave", &["reader"])),
            "",
        );
        ask("POST", target, &[], &Session::None, "{}");
    }
}
