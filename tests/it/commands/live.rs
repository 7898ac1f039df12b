//! `check --live`: what Chat itself says of a configuration, here the program's own sandbox and stand-ins that are not the API.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use serde_json::json;

use super::Folder;
use crate::support::keys::{self, KeyServer, Signer};
use crate::support::program::{Background, Finished, finish, program};
use crate::support::proxy::{CHAT_KEY, SDK_APP_ID, assert_holds_no_secret, free_address};
use crate::support::{App, Proxy, config, get, send, tls};

#[test]
fn app_id_key_admin_and_host_are_proven_or_what_is_wrong_is_told() {
    let world = World::start();
    let app = format!("sdk_app_id = {SDK_APP_ID}");
    world
        .folder
        .secret("other-key", &CHAT_KEY.replace('7', "8"));
    for (case, from, to, said) in [
        (
            "good",
            "",
            "",
            Ok(
                "Chat takes its calls: SDKAppID 1400007357, key, admin \"administrator\" and host are right",
            ),
        ),
        (
            "wrong key",
            "\"chat-key\"",
            "\"other-key\"",
            Err(
                "ErrorCode 70009: the key is not that of the application: compare chat.secret_key, or the active one of \
                 chat.keys, with the console",
            ),
        ),
        (
            "wrong admin",
            "admin = \"administrator\"",
            "admin = \"Administrator\"",
            Err(
                "ErrorCode 60010: chat.admin is no administrator of the application: name one that the console lists, \
                 case counts",
            ),
        ),
        (
            "wrong app id",
            &app,
            "sdk_app_id = 1400007358",
            Err(
                "ErrorCode 70020: Chat knows no such application there: compare chat.sdk_app_id, and chat.region, with \
                 the console",
            ),
        ),
    ] {
        let config = world.config("proxy.toml", |text| text.replace(from, to));
        let checked = check(&[&config]);
        assert_eq!(checked, expected(&config, said), "{case}");
    }
}

#[test]
fn every_failure_to_order_is_told_apart_and_chat_is_asked_once() {
    let world = World::start();
    let config = world.config("proxy.toml", |text| text);
    for (order, said) in [
        (
            "60026",
            "ErrorCode 60026: the application belongs to another region",
        ),
        (
            "70014",
            "ErrorCode 70014: Chat knows no such application there",
        ),
        ("70403", "ErrorCode 70403: chat.admin is no administrator"),
        ("70050", "ErrorCode 70050: too many signatures were refused"),
        (
            "70001",
            "ErrorCode 70001: Chat takes a UserSig that was just made for outlived",
        ),
        ("70003", "ErrorCode 70003: Chat does not take the signature"),
        ("60007", "ErrorCode 60007: too many calls at the moment"),
        ("60008", "ErrorCode 60008: it failed inside Chat"),
        ("60020", "ErrorCode 60020: the application's plan"),
        ("cut", "the connection was cut without an answer"),
        ("html", "what answers there is not Chat's REST API: "),
        ("redirect", "what answers there is not Chat's REST API: "),
        (
            "echo",
            "what answers there is not Chat's REST API and repeats the call",
        ),
    ] {
        world.order(order);
        let checked = check(&[&config]);
        let start = format!("{config}: site default: {said}");
        assert!(checked.stderr.starts_with(&start), "{order}: {checked:?}");
        assert_eq!((checked.code, checked.stderr.lines().count()), (Some(1), 1));
        assert_eq!(world.calls(), 1, "{order}");
    }
    assert_eq!(check(&[&config]).code, Some(0));
}

#[test]
fn what_is_not_there_or_is_not_chat_is_told_without_its_address() {
    let world = World::start();
    let echo = App::with(|request, stream| {
        let body = json!({ "ErrorCode": 60002, "ErrorInfo": request.target }).to_string();
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all((head + &body).as_bytes()).is_ok()
    });
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let untrusted = free_address();
    let listen = format!(
        "https = [{{ address = \"{untrusted}\", {} }}]",
        tls::pair("app")
    );
    let text = config(echo.address, "default_access = \"public\"\n");
    let _proxy = Proxy::start(&text.replace("[ops]", &format!("{listen}\n[ops]")));
    for (case, endpoint, said) in [
        ("nobody", http(free_address()), "Chat cannot be reached: "),
        (
            "echo",
            http(echo.address),
            "what answers there is not Chat's REST API and repeats the call",
        ),
        (
            "a page",
            http(App::start().address),
            "what answers there is not Chat's REST API: ",
        ),
        (
            "an error page in the API's own shape",
            http(answering("500 Internal Server Error").address),
            "what answers there is not Chat's REST API: ",
        ),
        ("no TLS", https(plain_text()), "no trusted TLS connection: "),
        (
            "a stranger's certificate",
            https(untrusted),
            "no trusted TLS connection: ",
        ),
        (
            "silence",
            http(silent.local_addr().unwrap()),
            "no answer in time: ",
        ),
    ] {
        let config = world.config("proxy.toml", |text| {
            text.replace(&http(world.address), &endpoint)
        });
        let checked = check(&[&config]);
        let start = format!("{config}: site default: {said}");
        assert!(checked.stderr.starts_with(&start), "{case}: {checked:?}");
        assert_eq!((checked.code, checked.stderr.lines().count()), (Some(1), 1));
    }
}

#[test]
fn every_site_has_a_line_and_one_without_an_endpoint_has_nothing_to_try() {
    let world = World::start();
    std::fs::create_dir(world.folder.0.path().join("sites.d")).unwrap();
    let site = |name: &str, change: &dyn Fn(String) -> String| {
        world.config(&format!("sites.d/{name}.toml"), |text| {
            let site = &text[text.find("[[upstream]]").unwrap()..];
            let site = site.replace("file = \"", "file = \"../");
            format!("hosts = [\"{name}.example\"]\n{}", change(site))
        });
    };
    site("a", &|text| text);
    site("b", &|text| {
        text.replace(&format!("endpoint = \"{}\"\n", http(world.address)), "")
    });
    let config = world
        .folder
        .file("proxy.toml", "sites = \"sites.d/*.toml\"\n");
    let good = check(&[&config]);
    let line = |site: &str, said: &str| format!("{config}: site {site}: {said}\n");
    let proven = "Chat takes its calls: SDKAppID 1400007357, key, admin \"administrator\" and host are right";
    let none = "nothing to try: [chat] has neither region nor endpoint";
    let head = |sites: u8| format!("{config}: good ({sites} sites, {sites} hosts)\n");
    assert_eq!(
        (good.code, good.stdout),
        (Some(0), head(2) + &line("a", proven) + &line("b", none)),
        "{}",
        good.stderr
    );

    site("c", &|text| {
        text.replace(&SDK_APP_ID.to_string(), "1400007358")
    });
    let mixed = check(&[&config]);
    assert_eq!(
        (mixed.code, mixed.stdout),
        (Some(1), head(3) + &line("a", proven) + &line("b", none))
    );
    assert!(
        mixed
            .stderr
            .starts_with(&format!("{config}: site c: ErrorCode 70020: "))
    );
}

#[test]
fn every_published_key_set_is_fetched_once_and_has_a_line() {
    let world = World::start();
    let server = KeyServer::start(keys::key_set(&[&Signer::new("a"), &Signer::new("b")]));
    let published = |what: String| {
        world.config("keys.toml", |text| {
            text.replace("[\"HS256\"]", "[\"EdDSA\"]")
                .replace("{ secret = { file = \"session-secret\" } }", &what)
        })
    };
    let at =
        |address: SocketAddr| published(format!("{{ jwks_url = \"{}/keys\" }}", http(address)));
    let config = at(server.address);
    let good = check(&[&config]);
    let line = |said: &str| format!("{config}: site default: {said}\n");
    assert!(
        good.stdout
            .ends_with(&line("issuer app publishes its keys: 2 of use, 0 ignored")),
        "{good:?}"
    );
    assert_eq!(
        (good.code, server.fetches(), world.calls()),
        (Some(0), 1, 1)
    );

    server.answer(keys::answer(404, "{}"));
    let gone = check(&[&config]);
    let said = line("the keys of issuer app: the key server answered with status 404");
    assert_eq!((gone.code, gone.stderr), (Some(1), said));

    let nobody = check(&[&at(free_address())]);
    let said = line("the keys of issuer app: no connection: ");
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.stderr.starts_with(said.trim_end()), "{nobody:?}");

    let told = finish(&mut program([
        "check",
        "--live",
        "--format",
        "json",
        &at(server.address),
    ]));
    let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    let live = &told["files"][0]["live"];
    assert_eq!(
        (&live[0]["good"], &live[0]["issuer"]),
        (&json!(true), &json!(null))
    );
    assert_eq!(
        (&live[1]["good"], &live[1]["issuer"]),
        (&json!(false), &json!("app"))
    );
    assert_eq!(
        (&told["good"], &told["files"][0]["errors"]),
        (&json!(false), &json!([]))
    );
}

#[test]
fn chat_is_not_asked_about_a_file_with_errors_nor_without_being_told_to() {
    let world = World::start();
    let wrong = world.config("wrong.toml", |text| text.replace("[ops]", "[opps]"));
    assert_eq!(check(&[&wrong]).code, Some(1));
    let good = world.config("good.toml", |text| text);
    assert_eq!(finish(&mut program(["check", &good])).code, Some(0));
    assert_eq!(world.calls(), 0);
    let missing = format!("{good}.none");
    assert_eq!(check(&[&missing, &good]).code, Some(2));
    assert_eq!(world.calls(), 1);
}

/// A sandbox as a process, and a folder with configurations that name it.
struct World {
    folder: Folder,
    address: SocketAddr,
    _process: Background,
}

impl World {
    fn start() -> Self {
        let folder = Folder::new();
        let config = folder.config("sandbox.toml", |text| text);
        let (process, address) =
            Background::listening(|listen| program(["sandbox", "-c", &config, "--listen", listen]));
        Self {
            folder,
            address,
            _process: process,
        }
    }

    /// A configuration without a REST gateway whose Chat is the sandbox, changed.
    fn config(&self, name: &str, change: impl FnOnce(String) -> String) -> String {
        self.folder.config(name, |text| {
            let endpoint = format!("[chat]\nendpoint = \"{}\"\n", http(self.address));
            change(text.replace("[chat]\n", &endpoint))
        })
    }

    fn order(&self, what: &str) {
        let body = json!({ "as": what }).to_string();
        let length = body.len();
        let head = "POST /sandbox/fail HTTP/1.1\r\nHost: localhost";
        let ordered = send(
            self.address,
            format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}"),
        );
        assert_eq!(ordered.status, 200, "{ordered:?}");
    }

    /// How many calls arrived since this was asked last.
    fn calls(&self) -> u64 {
        let seen = get(self.address, "/sandbox/calls", "").json()["seen"].as_u64();
        send(
            self.address,
            "DELETE /sandbox/calls HTTP/1.1\r\nHost: localhost\r\n\r\n",
        );
        seen.unwrap()
    }
}

/// Runs the command, which shows neither a credential nor where it called.
fn check(files: &[&str]) -> Finished {
    let checked = finish(
        program(["check", "--live"])
            .args(files)
            .env("RUST_LOG", "trace"),
    );
    let printed = checked.stdout.clone() + &checked.stderr;
    assert_holds_no_secret(&printed);
    for word in ["usersig=", "identifier=", "127.0.0.1", "/v4/"] {
        assert!(!printed.contains(word), "{printed}");
    }
    checked
}

fn expected(config: &str, said: Result<&str, &str>) -> Finished {
    let good = format!("{config}: good (1 site, any host)\n");
    let line = |said| format!("{config}: site default: {said}\n");
    let (code, more, stderr) = match said {
        Ok(said) => (0, line(said), String::new()),
        Err(said) => (1, String::new(), line(said)),
    };
    Finished {
        code: Some(code),
        stdout: good + &more,
        stderr,
    }
}

/// A server that answers with success in the API's shape, under this status.
fn answering(status: &str) -> App {
    let body = r#"{"ActionStatus":"OK","ErrorCode":0}"#;
    let length = body.len();
    App::answering(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// A server that speaks without being asked, and no TLS.
fn plain_text() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
            // Until the other side has given up.
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    address
}

fn http(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn https(address: SocketAddr) -> String {
    format!("https://{address}")
}
