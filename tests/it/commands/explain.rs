//! `explain`: whole outputs for every kind of outcome, and that it says what the running proxy does.
//!
//! A case stands in `explain/cases.txt`: a line `$ ` with the arguments, then what is printed. Its exit code is 0 when it ends
//! in `decision: permitted`, else 1.

mod agreement;

use std::fs;

use serde_json::{Value, json};

use super::{Folder, QUICKSTART};
use crate::support::config;
use crate::support::program::{Finished, finish, finish_with_input, program};
use crate::support::proxy::{assert_holds_no_secret, free_address};
use crate::support::tokens::{session, sign};

const CASES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/commands/explain/cases.txt"
);
/// The moment at which all cases are judged.
const NOW: u64 = 1_800_000_000;

#[test]
fn every_kind_of_outcome_is_explained() {
    let world = World::new();
    let mut wrong = String::new();
    let cases = fs::read_to_string(CASES).unwrap();
    let cases: Vec<_> = cases.split("\n$ ").skip(1).collect();
    for case in &cases {
        let (arguments, expected) = case.split_once('\n').unwrap();
        let explained = world.explain(&words(arguments));
        assert_eq!(explained.stderr, "", "{arguments}");
        let is_permitted = explained.stdout.ends_with("decision: permitted\n");
        assert_eq!(
            explained.code,
            Some(i32::from(!is_permitted)),
            "{arguments}"
        );
        if explained.stdout.trim_end() != without_comments(expected).trim_end() {
            wrong += &format!("$ {arguments}\n{}\n", explained.stdout);
        }
    }
    assert!(wrong.is_empty(), "these differ:\n{wrong}");
    assert!(cases.len() > 40);
}

/// A line between two cases that starts with `#` says what comes.
fn without_comments(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn as_json_it_is_one_object_with_the_same_facts() {
    let world = World::new();
    let arguments = ["GET", "/api/me", "--claims", "alice.json"];
    let text = world.explain(&arguments);
    let permitted = world.json(&arguments);
    for (name, value) in [
        ("decision", json!("permitted")),
        ("status", Value::Null),
        ("code", Value::Null),
        ("reason", Value::Null),
        ("route", json!("/api/{*rest}")),
        ("userId", json!("alice")),
    ] {
        assert_eq!(permitted[name], value, "{name}");
    }
    let facts = permitted["facts"].as_array().unwrap();
    let lines = facts.iter().map(|fact| {
        let word = |name: &str| fact[name].as_str().unwrap();
        format!("{}: {}\n", word("label"), word("value"))
    });
    assert_eq!(lines.collect::<String>(), text.stdout);
    let refused = world.json(&["GET", "/api/me", "--claims", "administrator.json"]);
    assert_eq!(
        (&refused["status"], &refused["code"], &refused["reason"]),
        (
            &json!(403),
            &json!("user_not_mapped"),
            &json!("user_id_reserved")
        )
    );
}

#[test]
fn a_token_is_verified_with_keys_that_are_here_and_never_shown() {
    let world = World::new();
    let token = session("alice");
    for (case, token, said) in [
        ("good", token.clone(), "signature: HS256, verified\n"),
        (
            "tampered",
            token.replacen('.', ".e", 1),
            "reason: bad_payload\n",
        ),
        ("no token", "hello".to_owned(), "reason: bad_shape\n"),
    ] {
        let mut command = world.command(&["GET", "/api/me", "--token", "-"]);
        let explained = finish_with_input(&mut command, &format!("{token}\n"));
        assert_eq!(explained.code, Some(i32::from(case != "good")), "{case}");
        assert!(explained.stdout.contains(said), "{case}: {explained:?}");
        assert_holds_no_secret(&explained.stdout);
    }
    // In a header of the request it is one, too.
    let header = format!("Authorization: Bearer {token}");
    let explained = finish(&mut world.command(&["GET", "/api/me?token=secret", "-H", &header]));
    assert_eq!(explained.code, Some(0), "{explained:?}");
    assert!(explained.stdout.contains("UserID: alice\n"));
    assert!(!explained.stdout.contains("secret"), "{explained:?}");
    assert_holds_no_secret(&explained.stdout);
}

#[test]
fn a_token_in_the_path_is_not_repeated() {
    let world = World::new();
    let target = format!("/api/{}/x?token=secret", session("alice"));
    let explained = world.explain(&["GET", &target, "--claims", "alice.json"]);
    let said = "request: GET /api/[redacted]/x?…\n";
    assert!(explained.stdout.starts_with(said), "{explained:?}");
    assert_eq!(explained.code, Some(0));
}

#[test]
fn the_example_claims_of_the_help_make_a_session() {
    let world = World::new();
    let help = finish(&mut program(["explain", "--help"])).stdout;
    let mut lines = help.lines().map(str::trim);
    let line = lines.find(|line| line.starts_with("echo ")).unwrap();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", line]).current_dir(world.folder.0.path());
    assert!(shell.status().unwrap().success(), "{line}");
    let target = "/_chat/v4/openim/sendmsg";
    let call = ["POST", target, "--claims", "claims.json"];
    let explained = finish(world.command(&call).args(["--body", "message.body"]));
    assert_eq!(explained.code, Some(0), "{explained:?}");
    assert!(explained.stdout.contains("\nUserID: 42\n"), "{explained:?}");
    assert!(
        explained.stdout.contains("\nroles: member\n"),
        "{explained:?}"
    );
}

#[test]
fn a_session_in_its_leeway_is_refused_a_capped_user_sig_and_has_a_user() {
    let world = World::new();
    let text = fs::read_to_string(world.folder.0.path().join("proxy.toml")).unwrap();
    let capped = "[chat.usersig]\ncap_to_session = true\n[session]\n";
    world
        .folder
        .file("capped.toml", &text.replace("[session]\n", capped));
    let explain = |target| {
        let arguments = ["GET", target, "-c", "capped.toml", "--claims", "late.json"];
        world.explain(&arguments).stdout
    };
    let refused = explain("/api/me");
    for line in [
        "UserID: alice",
        "reason: expired",
        "stage: 7 get or issue UserSig",
    ] {
        assert!(
            refused.contains(&format!("\n{line}\n")),
            "{line}: {refused}"
        );
    }
    let plain = world.explain(&["GET", "/api/me", "--claims", "late.json"]);
    assert_eq!(plain.code, Some(0), "{plain:?}");
}

#[test]
fn keys_that_an_issuer_publishes_are_not_fetched() {
    let folder = Folder::new();
    let config = folder.config("proxy.toml", |text| {
        let secret = "keys = { secret = { file = \"session-secret\" } }";
        let url = "keys = { jwks_url = \"https://127.0.0.1:1/keys\" }\nallow_private = true";
        text.replace(secret, url)
            .replace("\"HS256\"", "\"RS256\"")
            .replace("default_access = \"deny\"", "default_access = \"session\"")
    });
    let claims = folder.file("claims.json", r#"{"sub":"alice","exp":4000000000}"#);
    let token = sign(&json!({ "sub": "alice", "exp": 4_000_000_000_u64 }));
    let token = token.replacen(
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9",
        "eyJhbGciOiJSUzI1NiJ9",
        1,
    );
    let mut command = program(["explain", "-c", &config, "GET", "/x", "--token", "-"]);
    let explained = finish_with_input(&mut command, &token);
    assert_eq!(explained.code, Some(1));
    assert!(
        explained.stdout.contains(
            "needed: keys of its issuer, which publishes them; nothing is fetched here, so give its --claims\n"
        ),
        "{explained:?}"
    );
    let claims = ["--claims", &claims, "--now", "3999999000"];
    let mut command = program(["explain", "-c", &config, "GET", "/x"]);
    assert_eq!(finish(command.args(claims)).code, Some(0));
}

#[test]
fn wrong_usage_and_what_cannot_be_read_end_with_2_and_a_wrong_file_with_1() {
    let world = World::new();
    world.folder.file("list.json", "[]");
    world.folder.file("twice.json", r#"{"sub":"a","sub":"b"}"#);
    let claims = |file| ["GET", "/", "--claims", file];
    for (case, arguments, said) in [
        ("no URL", &["GET"][..], "<URL>"),
        ("no path", &["GET", "api"], "starts with https://"),
        (
            "a user in the URL",
            &["GET", "http://a@b/"],
            "no user before it",
        ),
        (
            "a space",
            &["GET", "/a b"],
            "a space or a control character",
        ),
        ("no method", &["G T", "/"], "the method is one word"),
        ("no header", &["GET", "/", "-H", "x"], "NAME: VALUE"),
        ("no moment", &["GET", "/", "--now", "noon"], "Unix seconds"),
        ("no file", &claims("none.json"), "cannot read none.json: "),
        ("a list", &claims("list.json"), "not a JSON object"),
        (
            "a name twice",
            &claims("twice.json"),
            "a member name is repeated",
        ),
        (
            "both",
            &[
                "GET",
                "/",
                "--claims",
                "alice.json",
                "--token",
                "alice.json",
            ],
            "cannot be used with",
        ),
        (
            "another issuer",
            &["GET", "/", "--claims", "alice.json", "--issuer", "x"],
            "--issuer app",
        ),
        (
            "no such site",
            &["GET", "/", "--site", "x"],
            "--site default",
        ),
        (
            "no such place",
            &["GET", "/", "--claims", "alice.json", "--carrier", "query"],
            "session.from has no such place",
        ),
    ] {
        let explained = finish(&mut world.command(arguments));
        assert_eq!(
            (explained.code, explained.stdout.as_str()),
            (Some(2), ""),
            "{case}: {explained:?}"
        );
        assert!(
            explained.stderr.contains(said),
            "{case}: {}",
            explained.stderr
        );
    }
    let wrong = world
        .folder
        .config("wrong.toml", |text| text.replace("[ops]", "[opps]"));
    let explained = finish(&mut program(["explain", "-c", &wrong, "GET", "/"]));
    assert_eq!((explained.code, explained.stdout.as_str()), (Some(1), ""));
    let none = format!("{wrong}.none");
    assert_eq!(
        finish(&mut program(["explain", "-c", &none, "GET", "/"])).code,
        Some(2)
    );
}

#[test]
fn the_issuer_s_own_words_can_be_left_out_of_the_claims() {
    let folder = Folder::new();
    let claims = folder.file("claims.json", r#"{"sub":"27149","exp":4000000000}"#);
    let explain = |more: &[&str]| {
        let mut command = program([
            "explain", "-c", QUICKSTART, "GET", "/api/me", "--claims", &claims,
        ]);
        finish(command.args(["--now", "3999999000"]).args(more))
    };
    let without = explain(&[]);
    assert_eq!(without.code, Some(1));
    assert!(
        without.stdout.contains("reason: issuer_missing\n"),
        "{without:?}"
    );
    let with = explain(&["--issuer", "demo-rs256"]);
    assert_eq!(with.code, Some(0), "{with:?}");
    assert!(with.stdout.contains("issuer: demo-rs256\n"), "{with:?}");
}

/// A folder with two configurations, claims and bodies.
struct World {
    folder: Folder,
}

impl World {
    fn new() -> Self {
        let folder = Folder::new();
        let text = one_site()
            .replace("@PROXY@", "127.0.0.1:1")
            .replace("@OPS@", "127.0.0.1:2");
        folder.file("proxy.toml", &text);
        folder.secret("digest-key", &"d".repeat(32));
        folder.secret("webhook-token", WEBHOOK_TOKEN);
        fs::create_dir(folder.0.path().join("sites.d")).unwrap();
        let site = &text[text.find("[[upstream]]").unwrap()..];
        let site = site
            .replace("file = \"", "file = \"../")
            .replace("host = \"admin.example\", ", "");
        for name in ["shop", "forum"] {
            let site = site.replace("[identity]\n", &format!("[identity]\n{}", mapping(name)));
            let required = "require = { \"/type\" = \"access\" }\nalgorithms";
            let site = match name {
                "shop" => site.replace("algorithms", required),
                _ => site,
            };
            let text = format!("hosts = [\"{name}.example\"]\n{site}");
            folder.file(&format!("sites.d/{name}.toml"), &text);
        }
        folder.file("sites.toml", "sites = \"sites.d/*.toml\"\n");
        for (name, claims) in claims() {
            folder.file(&format!("{name}.json"), &claims.to_string());
        }
        for (name, body) in BODIES {
            folder.file(&format!("{name}.body"), body);
        }
        folder.file(
            "long.body",
            &format!("{{\"x\":\"{}\"}}", "a".repeat(64 << 10)),
        );
        Self { folder }
    }

    /// The command in the folder; the configuration is `proxy.toml` where none is given.
    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = program(["explain"]);
        if !arguments.contains(&"-c") {
            command.args(["-c", "proxy.toml"]);
        }
        command.args(arguments).current_dir(self.folder.0.path());
        command
    }

    fn explain(&self, arguments: &[&str]) -> Finished {
        let explained = finish(self.command(arguments).args(["--now", &NOW.to_string()]));
        assert_holds_no_secret(&explained.stdout);
        explained
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let explained = self.explain(&[arguments, &["--json"]].concat());
        serde_json::from_str(&explained.stdout).unwrap()
    }
}

/// A site with a route of every kind, an endpoint and a gateway.
fn one_site() -> String {
    let text = config("127.0.0.1:9".parse().unwrap(), ROUTES);
    let admin = "admin = \"administrator\"\n";
    text.replace(
        admin,
        &format!("{admin}endpoint = \"http://{}\"\n", free_address()),
    )
}

/// How a site maps subjects.
fn mapping(site: &str) -> &'static str {
    match site {
        "shop" => "transform = [\"remove_dashes\"]\n",
        _ => {
            "claim = \"/email\"\ntransform = [{ digest = { key = { file = \"../digest-key\" } } }, { prefix = \"f_\" }]\n"
        }
    }
}

fn claims() -> Vec<(&'static str, Value)> {
    let of =
        |subject: &str, roles: &[&str]| json!({ "sub": subject, "roles": roles, "exp": NOW + 600 });
    vec![
        ("alice", of("alice", &["member"])),
        ("bob", of("bob", &[])),
        ("support", of("carol", &["support"])),
        ("administrator", of("Administrator", &["member"])),
        (
            "uuid",
            json!({ "sub": UUID, "type": "access", "exp": NOW + 600 }),
        ),
        (
            "email",
            json!({ "email": "dora@example.com", "exp": NOW + 600 }),
        ),
        (
            "rude",
            of(
                "alice",
                &[
                    "a\nUserID: root",
                    "\u{1b}[2J\u{9b}2J\u{7f}",
                    "\u{2028}\u{2029}\u{202e}b",
                ],
            ),
        ),
        (
            "distant",
            json!({ "sub": "alice", "exp": NOW + 10_000_000 }),
        ),
        ("expired", json!({ "sub": "alice", "exp": NOW - 60 })),
        ("late", json!({ "sub": "alice", "exp": NOW - 20 })),
        ("endless", json!({ "sub": "alice" })),
        (
            "foreign",
            json!({ "sub": "alice", "iss": "https://other.example", "exp": NOW + 600 }),
        ),
        (
            "refresh",
            json!({ "sub": UUID, "type": "refresh", "exp": NOW + 600 }),
        ),
    ]
}

const UUID: &str = "7f8d9f3e-1f0e-4a53-9a5f-0c9ad0a3c1b2";

/// The signs in the cases are SHA-256 of this and the time, in hexadecimal.
const WEBHOOK_TOKEN: &str = "a token of the tests for webhooks";

const BODIES: [(&str, &str); 11] = [
    ("message", r#"{"To_Account":"bob","MsgRandom":7}"#),
    ("own", r#"{"From_Account":"alice","To_Account":"bob"}"#),
    ("forged", r#"{"From_Account":"bob"}"#),
    ("bot", r#"{"From_Account":"bot","To_Account":"bob"}"#),
    ("twice", r#"{"a":1,"a":2}"#),
    ("team", r#"{"GroupId":"team-1"}"#),
    ("board", r#"{"GroupId":"board"}"#),
    ("app", r#"{"SdkAppId":1400000001}"#),
    (
        "member",
        r#"{"GroupId":"team-1","MemberToDel_Account":["bob"]}"#,
    ),
    ("state", r#"{"CallbackCommand":"State.StateChange"}"#),
    ("list", "[]"),
];

const ROUTES: &str = r#"default_access = "deny"
[[route]]
match = { path = "/" }
access = "public"
[[route]]
match = { path = "/api/{*rest}" }
access = "session"
inject = { request_headers = true }
[[route]]
match = { path = "/api/login", methods = ["POST"] }
access = "public"
session_from_response = { json = "/token", statuses = [200] }
inject = { response_json = "/chat" }
[[route]]
match = { path = "/api/logout", methods = ["POST"] }
access = "session"
on_success = "kick"
[[route]]
match = { path = "/pages/{id}", methods = ["GET"] }
access = "optional"
inject = { response_headers = true, response_cookie = true }
[[route]]
match = { path = "/secret/{*rest}" }
access = "deny"
[[route]]
match = { host = "admin.example", path = "/admin" }
access = "session"
[[route]]
match = { path = "/hook", methods = ["POST"] }
access = "webhook"
[webhook]
token = { file = "webhook-token" }
[rest_api]
[[rest_api.allow]]
name = "members"
commands = ["openim/sendmsg"]
roles = ["member"]
[[rest_api.allow]]
name = "support"
commands = ["openim/sendmsg"]
roles = ["support"]
acting_account = ["bot"]
[[rest_api.allow]]
name = "kickers"
commands = ["im_open_login_svc/kick"]
roles = ["support"]
issuers = ["app"]
[[rest_api.allow]]
name = "teams"
commands = ["group_open_http_svc/get_group_info"]
roles = ["member"]
conditions = [{ field = "/GroupId", matches = ["team-*"] }]
[[rest_api.allow]]
name = "chiefs"
commands = ["group_open_http_svc/delete_group_member"]
roles = ["member"]
group_role = ["Owner", "Admin"]
[[rest_api.allow]]
name = "readers"
risk = ["read"]
roles = ["reader"]
[rest_api.budget]
caller = 5
commands = { "openim/sendmsg" = 20 }
"#;

/// Splits as a shell does, which here knows spaces and single quotes.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').unwrap(),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}
