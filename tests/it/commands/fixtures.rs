//! `fixtures`: users for load tests, each with a session token that the proxy takes and a UserSig that Chat takes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use usersig_proxy::usersig::decode::Decoded;

use super::Folder;
use crate::support::program::{Finished, finish, program};
use crate::support::proxy::{SDK_APP_ID, assert_holds_no_secret};
use crate::support::{App, Proxy, get, tokens};

const ALGORITHMS: [(&str, Option<&str>); 9] = [
    ("HS384", None),
    ("RS256", Some("rsa-2048")),
    ("RS512", Some("rsa-2048")),
    ("PS256", Some("rsa-2048")),
    ("PS384", Some("rsa-2048")),
    ("ES256", Some("p256")),
    ("ES384", Some("p384")),
    ("EdDSA", Some("ed25519")),
    ("HS256", None),
];

#[test]
fn the_proxy_takes_every_token_and_answers_for_the_expected_user() {
    let app = App::start();
    let proxy = Proxy::in_front_of(&app, "default_access = \"public\"\n");
    let folder = Folder::new();
    let out = folder.0.path().join("load");
    let made = fixtures(
        &proxy.config_file(),
        &out,
        &["--users", "2500", "--first", "5"],
    );
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
    assert_holds_no_secret(&made.stdout);
    let users = users(&out);
    assert_eq!(users.len(), 2500);
    for (index, user) in users.iter().enumerate() {
        let expected = format!("load-{}", index + 5);
        assert_eq!(
            (user["subject"].as_str(), user["userId"].as_str()),
            (Some(&*expected), Some(&*expected))
        );
        let decoded = Decoded::parse(user["userSig"].as_str().unwrap()).unwrap();
        assert_eq!(
            (decoded.identifier, decoded.sdk_app_id),
            (expected, SDK_APP_ID)
        );
    }
    for user in [
        &users[0],
        &users[1023],
        &users[1024],
        &users[2048],
        &users[2499],
    ] {
        let token = user["token"].as_str().unwrap();
        tokens::note(token);
        let answer = get(
            proxy.address,
            "/_chat/usersig",
            &tokens::authorization(token),
        );
        assert_eq!(
            (answer.status, &answer.json()["userId"]),
            (200, &user["userId"])
        );
    }
}

#[test]
fn all_forms_say_the_same_and_are_closed_to_others() {
    let folder = Folder::new();
    let config = folder.config("proxy.toml", |text| text);
    let out = folder.0.path().join("load");
    let made = fixtures(&config, &out, &["--users", "3"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&out), 0o700);
    for name in ["users.json", "users.tsv", "users.csv"] {
        assert_eq!(mode(&out.join(name)), 0o600, "{name}");
        assert!(made.stdout.contains(name), "{}", made.stdout);
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 3);
    let lines = |users: &[Value], between: &str| -> Vec<String> {
        let fields = ["subject", "userId", "token", "userSig"];
        let line = |user: &Value| {
            fields
                .map(|field| user[field].as_str().unwrap().to_owned())
                .join(between)
        };
        users.iter().map(line).collect()
    };
    let users = users(&out);
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(
        read("users.tsv").lines().collect::<Vec<_>>(),
        lines(&users, "\t")
    );
    let csv = read("users.csv");
    let (heading, rows) = csv.split_once('\n').unwrap();
    assert_eq!(heading, "subject,user_id,token,user_sig");
    assert_eq!(rows.lines().collect::<Vec<_>>(), lines(&users, ","));

    let one = folder.0.path().join("one");
    let made = fixtures(&config, &one, &["--users", "1", "--format", "csv"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(fs::read_dir(&one).unwrap().count(), 1);
}

#[test]
fn every_algorithm_is_signed_as_its_issuer_verifies_it() {
    let folder = Folder::new();
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");
    folder.secret("session-secret", &"long enough for every hash ".repeat(3));
    for (algorithm, pair) in ALGORITHMS {
        let text = |text: String| {
            let text = text.replace("[\"HS256\"]", &format!("[\"{algorithm}\"]"));
            match pair {
                Some(name) => text.replace(
                    "{ secret = { file = \"session-secret\" } }",
                    &format!("{{ public_key = \"{keys}/{name}.pem\" }}"),
                ),
                None => text,
            }
        };
        let config = folder.config(&format!("{algorithm}.toml"), text);
        let out = folder.0.path().join(algorithm);
        let private = pair.map(|name| format!("--signing-key={keys}/{name}.private.pem"));
        let made = finish(
            program(["fixtures", "-c", &config, "--users", "2", "--out"])
                .arg(&out)
                .args(private),
        );
        assert_eq!(
            (made.code, made.stderr.as_str()),
            (Some(0), ""),
            "{algorithm}"
        );
        for user in users(&out) {
            let token = user["token"].as_str().unwrap();
            let inspected = finish(&mut program(["inspect", "-c", &config, token]));
            assert_eq!(inspected.code, Some(0), "{algorithm}: {inspected:?}");
            let line = format!("UserID     {}", user["userId"].as_str().unwrap());
            assert!(inspected.stdout.contains(&line), "{inspected:?}");
        }
    }
}

#[test]
fn a_key_pair_is_made_where_none_is_given_and_the_line_that_it_needs_is_right() {
    let folder = Folder::new();
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");
    for (algorithm, pair) in ALGORITHMS
        .iter()
        .filter_map(|(name, pair)| Some((name, (*pair)?)))
    {
        let before = format!("{{ public_key = \"{keys}/{pair}.pem\" }}");
        let text = |text: String| {
            text.replace("[\"HS256\"]", &format!("[\"{algorithm}\"]"))
                .replace("{ secret = { file = \"session-secret\" } }", &before)
        };
        let config = folder.config(&format!("{algorithm}.toml"), text);
        let out = folder.0.path().join(algorithm);
        let made = fixtures(&config, &out, &["--users", "2"]);
        assert_eq!(
            (made.code, made.stderr.as_str()),
            (Some(0), ""),
            "{algorithm}"
        );
        let line = made
            .stdout
            .lines()
            .find_map(|line| line.trim().strip_prefix("keys = "));
        let line = line.unwrap_or_else(|| panic!("{}", made.stdout));
        assert!(
            !fs::read_to_string(out.join("keys.json"))
                .unwrap()
                .contains("\"d\"")
        );
        let private = fs::read_to_string(out.join("signing-key.pem")).unwrap();
        assert!(private.starts_with("-----BEGIN PRIVATE KEY-----"));
        let text = fs::read_to_string(&config).unwrap();
        let changed = folder.file("changed.toml", &text.replace(&before, line));
        let token = users(&out)[1]["token"].as_str().unwrap().to_owned();
        let before = finish(&mut program(["inspect", "-c", &config, &token]));
        let after = finish(&mut program(["inspect", "-c", &changed, &token]));
        assert_eq!(
            (before.code, after.code),
            (Some(1), Some(0)),
            "{algorithm}: {after:?}"
        );
    }
}

#[test]
fn subjects_are_such_as_the_configuration_maps() {
    let folder = Folder::new();
    for (case, identity, subject, user) in [
        (
            "integer",
            "claim = \"/user/id\"\ntype = \"integer\"\n",
            "7",
            "7",
        ),
        (
            "prefix",
            "transform = [{ prefix = \"u_\" }]\n",
            "load-7",
            "u_load-7",
        ),
        (
            "uuid",
            "transform = [{ strip_prefix = \"auth0|\" }, \"remove_dashes\"]\n",
            "auth0|00000000-0000-4000-8000-000000000007",
            "00000000000040008000000000000007",
        ),
        (
            "stripped",
            "transform = [{ strip_prefix = \"auth0|\" }]\n",
            "auth0|load-7",
            "load-7",
        ),
    ] {
        let config = folder.config(&format!("{case}.toml"), |text| {
            text.replace("[identity]\n", &format!("[identity]\n{identity}"))
                .replace(
                    "algorithms = ",
                    "issuer = \"https://app.example\"\naudience = [\"web\", \"phone\"]\n\
                     require = { \"/kind/of\" = \"access\" }\nalgorithms = ",
                )
        });
        let out = folder.0.path().join(case);
        let made = fixtures(&config, &out, &["--users", "1", "--first", "7"]);
        assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{case}");
        let made = &users(&out)[0];
        assert_eq!(
            (&made["subject"], &made["userId"]),
            (&json!(subject), &json!(user))
        );
        let token = made["token"].as_str().unwrap();
        assert_eq!(
            finish(&mut program(["inspect", "-c", &config, token])).code,
            Some(0)
        );
    }
}

#[test]
fn no_user_is_an_administrator_and_a_refusal_leaves_nothing_behind() {
    let folder = Folder::new();
    let config = folder.config("proxy.toml", |text| {
        text.replace(
            "reserved = [\"administrator\"]",
            "reserved = [\"administrator\", \"LOAD-3\"]",
        )
    });
    let out = folder.0.path().join("load");
    let refused = fixtures(&config, &out, &["--users", "5"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert!(
        refused.stderr.contains("user 3: ") && refused.stderr.contains("reserved"),
        "{refused:?}"
    );
    assert!(!out.exists());
    for (users, first) in [("2", "1"), ("2", "4")] {
        let out = folder.0.path().join(first);
        let made = fixtures(&config, &out, &["--users", users, "--first", first]);
        assert_eq!(made.code, Some(0), "{made:?}");
    }
}

#[test]
fn nothing_is_overwritten_and_no_open_folder_is_taken() {
    let folder = Folder::new();
    let config = folder.config("proxy.toml", |text| text);
    let at = |name: &str| folder.0.path().join(name);
    let make = |name: &str, mode: u32| {
        fs::create_dir(at(name)).unwrap();
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    make("closed", 0o700);
    make("open", 0o750);
    make("full", 0o700);
    fs::write(at("full").join("users.csv"), "mine").unwrap();
    folder.file("file", "mine");
    for (name, code, said) in [
        ("closed", 0, ""),
        ("closed", 1, "nothing is overwritten"),
        ("open", 1, "others can open it"),
        ("full", 1, "nothing is overwritten"),
        ("file", 1, "no folder"),
        ("no/such", 1, "No such file"),
    ] {
        let made = fixtures(&config, &at(name), &["--users", "1"]);
        assert_eq!(made.code, Some(code), "{name}: {made:?}");
        assert!(made.stderr.contains(said), "{name}: {made:?}");
    }
    assert_eq!(
        fs::read_to_string(at("full").join("users.csv")).unwrap(),
        "mine"
    );
    assert_eq!(fs::read_dir(at("open")).unwrap().count(), 0);
}

#[test]
fn what_the_configuration_does_not_take_is_refused_before_anything_is_written() {
    let folder = Folder::new();
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");
    let hmac = folder.config("hmac.toml", |text| text);
    let rsa = folder.config("rsa.toml", |text| {
        text.replace("[\"HS256\"]", "[\"RS256\"]").replace(
            "{ secret = { file = \"session-secret\" } }",
            &format!("{{ public_key = \"{keys}/rsa-2048.pem\" }}"),
        )
    });
    let other = format!("--signing-key={keys}/rsa-2048-other.private.pem");
    let right = format!("--signing-key={keys}/rsa-2048.private.pem");
    let curve = format!("--signing-key={keys}/p256.private.pem");
    let public = format!("--signing-key={keys}/rsa-2048.pem");
    let no_file = format!("--signing-key={keys}/none.pem");
    for (case, config, argument, code, said) in [
        (
            "too long",
            &hmac,
            "--valid-for=31days",
            1,
            "does not take such a token",
        ),
        ("as long", &hmac, "--valid-for=30days", 0, ""),
        (
            "another algorithm",
            &hmac,
            "--algorithm=RS256",
            1,
            "--algorithm HS256",
        ),
        ("no algorithm", &hmac, "--algorithm=HS265", 2, "not one of"),
        ("another issuer", &hmac, "--issuer=apq", 1, "--issuer app"),
        (
            "a key for a secret",
            &hmac,
            &right,
            1,
            "leave --signing-key out",
        ),
        (
            "a role without a gateway",
            &hmac,
            "--role=member",
            1,
            "[rest_api]",
        ),
        ("a comma", &hmac, "--prefix=a,b", 1, "only the letters"),
        (
            "too long a name",
            &hmac,
            "--prefix=0123456789012345678901234567890x",
            1,
            "at most 32",
        ),
        ("another key", &rsa, &other, 1, "does not take such a token"),
        (
            "another kind of key",
            &rsa,
            &curve,
            1,
            "that RS256 signs with",
        ),
        ("a public key", &rsa, &public, 1, "that RS256 signs with"),
        ("no key", &rsa, &no_file, 2, "cannot read"),
        ("the right key", &rsa, &right, 0, ""),
    ] {
        let out = folder.0.path().join(case.replace(' ', "-"));
        let made = fixtures(config, &out, &["--users", "1", argument]);
        assert_eq!(made.code, Some(code), "{case}: {made:?}");
        assert!(made.stderr.contains(said), "{case}: {made:?}");
        assert_eq!(out.exists(), code == 0, "{case}");
        assert_holds_no_secret(&(made.stdout + &made.stderr));
    }
}

#[test]
fn roles_stand_where_the_gateway_looks_for_them() {
    let folder = Folder::new();
    let config = folder.config("proxy.toml", |text| {
        let text = text.replace("[chat]\n", "[chat]\nregion = \"china\"\n");
        format!(
            "{text}\n[rest_api]\nroles_claim = \"/realm/roles\"\n[[rest_api.allow]]\ncommands = [\"openim/sendmsg\"]\nroles = [\"member\"]\n"
        )
    });
    let out = folder.0.path().join("load");
    let made = fixtures(
        &config,
        &out,
        &["--users", "1", "--role", "member", "--role", "a b"],
    );
    assert_eq!(made.code, Some(0), "{made:?}");
    let token = users(&out)[0]["token"].as_str().unwrap().to_owned();
    let claims = token.split('.').nth(1).unwrap();
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["realm"]["roles"], json!(["member", "a b"]));
}

#[test]
fn keys_that_the_issuer_publishes_are_not_fetched_and_that_is_said() {
    let folder = Folder::new();
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");
    let config = folder.config("proxy.toml", |text| {
        text.replace("[\"HS256\"]", "[\"RS256\"]").replace(
            "{ secret = { file = \"session-secret\" } }",
            "{ jwks_url = \"http://127.0.0.1:1/keys\" }",
        )
    });
    let out = folder.0.path().join("load");
    let key = format!("{keys}/rsa-2048.private.pem");
    let made = fixtures(
        &config,
        &out,
        &["--users", "1", "--signing-key", &key, "--key-id", "k1"],
    );
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""));
    assert!(made.stdout.contains("not known here"), "{}", made.stdout);
}

fn fixtures(config: &str, out: &Path, arguments: &[&str]) -> Finished {
    finish(
        program(["fixtures", "--config", config, "--out"])
            .arg(out)
            .args(arguments),
    )
}

fn users(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out.join("users.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}
