//! `inspect`: says what a credential holds, never the part that makes it one.

use serde_json::json;
use usersig_proxy::usersig::decode::Decoded;

use super::{Folder, QUICKSTART};
use crate::support::program::{Finished, finish, finish_with_input, program};
use crate::support::proxy::CHAT_KEY;
use crate::support::tokens::{now, sign, sign_with};

#[test]
fn a_usersig_is_shown_without_its_signature() {
    let sig = minted("27149");
    let shown = inspect(&[], &sig);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    let decoded = Decoded::parse(&sig).unwrap();
    for line in [
        "UserSig\n  UserID     27149\n  SDKAppID   1400000000\n",
        "  valid for  604800 s\n",
        &format!("  issued     {} (20", decoded.time),
        &format!("  expires    {} (20", decoded.expires_at()),
        "  verified   no: give --config to verify it\n",
    ] {
        assert!(shown.stdout.contains(line), "{line:?} in {}", shown.stdout);
    }
    assert!(
        !shown.stdout.contains(&sig[..12]),
        "the UserSig is repeated"
    );
    assert!(!shown.stdout.contains("TLS.sig"), "{}", shown.stdout);
}

#[test]
fn a_usersig_is_verified_with_the_configurations_key() {
    let folder = Folder::new();
    let other_app = folder.config("app.toml", |text| text);
    let other_key = folder.config("key.toml", |text| text.replace("1400007357", "1400000000"));
    let sig = minted("27149");
    let mut swapped = sig.clone();
    let letter = if swapped.remove(60) == 'A' { 'B' } else { 'A' };
    swapped.insert(60, letter);
    for (case, config, text, code, said) in [
        ("good", QUICKSTART, sig.as_str(), 0, "  verified   yes\n"),
        ("other app", &other_app, &sig, 1, "another SDKAppID"),
        ("other key", &other_key, &sig, 1, "not verified: "),
        ("changed letter", QUICKSTART, &swapped, 1, "not "),
        ("cut off", QUICKSTART, &sig[..50], 1, "not a UserSig: "),
        (
            "trailing letter",
            QUICKSTART,
            &format!("{sig}~"),
            1,
            "not a UserSig: ",
        ),
        ("nothing", QUICKSTART, "", 1, "not a UserSig: "),
    ] {
        let shown = finish(&mut program(["inspect", "-c", config, text]));
        assert_eq!(shown.code, Some(code), "{case}: {shown:?}");
        let stream = if code == 0 {
            &shown.stdout
        } else {
            &shown.stderr
        };
        assert!(stream.contains(said), "{case}: {shown:?}");
        assert_eq!(
            shown.stdout.contains("verified   yes"),
            code == 0,
            "{case}: {shown:?}"
        );
    }
}

#[test]
fn the_key_that_signed_a_usersig_is_named_and_a_retired_one_is_no_good() {
    let folder = Folder::new();
    folder.secret("other-key", &CHAT_KEY.replace("7e57", "5e7e"));
    let config = |name: &str, active: &str, state: &str| {
        let standby = ["chat-key", "other-key"].map(|file| match file == active {
            true => {
                format!("{{ id = \"{file}\", key = {{ file = \"{file}\" }}, state = \"active\" }}")
            }
            false => {
                format!("{{ id = \"{file}\", key = {{ file = \"{file}\" }}, state = \"{state}\" }}")
            }
        });
        let keys = format!("keys = [{}]", standby.join(", "));
        folder.config(name, |text| {
            text.replace("secret_key = { file = \"chat-key\" }", &keys)
        })
    };
    let before = config("before.toml", "chat-key", "next");
    let after = config("after.toml", "other-key", "retired");
    let both_ways = config("next.toml", "other-key", "next");
    let minted = finish(&mut program(["mint", "-c", &before, "-u", "27149"]));
    for (config, code, said) in [
        (
            &before,
            0,
            "  key        chat-key, active\n  verified   yes\n",
        ),
        (
            &both_ways,
            0,
            "  key        chat-key, next\n  verified   yes\n",
        ),
        (&after, 1, "  key        chat-key, retired\n"),
    ] {
        let shown = finish(&mut program([
            "inspect",
            "-c",
            config,
            minted.stdout.trim(),
        ]));
        assert_eq!(shown.code, Some(code), "{shown:?}");
        assert!(shown.stdout.ends_with(said), "{shown:?}");
        assert_eq!(shown.stderr.contains("its key is retired"), code == 1);
    }
    let minted = finish(&mut program(["mint", "-c", &after, "-u", "27149"]));
    let shown = finish(&mut program([
        "inspect",
        "-c",
        &after,
        minted.stdout.trim(),
    ]));
    assert!(shown.stdout.contains("other-key, active"), "{shown:?}");
}

#[test]
fn a_session_token_is_shown_without_the_values_of_private_claims() {
    let exp = now() + 600;
    let token = sign(&json!({
        "iss": "https://app.example", "sub": "private-subject", "email": "private@example.com", "exp": exp,
        "level": 7_654_321, "admin": true, "roles": ["private-role"], "more": { "private-key": "private-value" },
        "evil\u{1b}[2J": "x",
    }));
    let shown = inspect(&[], &token);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    for line in [
        "Session token\n  header\n",
        "    alg        \"HS256\"\n",
        "    iss        \"https://app.example\"\n",
        "    sub        (string)\n",
        "    email      (string)\n",
        "    level      (integer)\n",
        "    admin      (boolean)\n",
        "    roles      (array)\n",
        "    more       (object)\n",
        &format!("    exp        {exp} (20"),
        "  verified   no: give --config to verify it\n",
    ] {
        assert!(shown.stdout.contains(line), "{line:?} in {}", shown.stdout);
    }
    let signature = token.rsplit('.').next().unwrap();
    for secret in ["private", "7654321", "@", signature, "\u{1b}"] {
        assert!(
            !shown.stdout.contains(secret),
            "{secret:?} in {}",
            shown.stdout
        );
    }
}

#[test]
fn a_session_token_is_verified_and_mapped_with_a_configuration() {
    let folder = Folder::new();
    let config = folder.config("proxy.toml", |text| {
        text.replace(
            "name = \"app\"\nalgorithms",
            "name = \"app\"\nrequire = { \"/type\" = \"access\" }\nalgorithms",
        )
    });
    let claims =
        |subject: &str, kind: &str, exp: u64| json!({ "sub": subject, "type": kind, "exp": exp });
    let later = now() + 600;
    for (case, token, code, said) in [
        (
            "good",
            sign(&claims("27149", "access", later)),
            0,
            "  verified   yes, as issuer \"app\"\n  UserID     27149\n",
        ),
        (
            "expired",
            sign(&claims("27149", "access", now() - 600)),
            1,
            "not verified: ",
        ),
        (
            "other secret",
            sign_with(
                "another secret, of thirty-two bytes",
                &claims("27149", "access", later),
            ),
            1,
            "not verified: ",
        ),
        (
            "no session",
            sign(&claims("27149", "refresh", later)),
            1,
            "the claim /type is not as required",
        ),
        (
            "administrator",
            sign(&claims("Administrator", "access", later)),
            1,
            "reserved for an administrator",
        ),
        (
            "no UserID",
            sign(&claims("private subject", "access", later)),
            1,
            "only the letters",
        ),
        ("no token", "a.b".to_owned(), 1, "not a session token: "),
    ] {
        let shown = inspect(&["--config", &config], &token);
        assert_eq!(shown.code, Some(code), "{case}: {shown:?}");
        let stream = if code == 0 {
            &shown.stdout
        } else {
            &shown.stderr
        };
        assert!(stream.contains(said), "{case}: {shown:?}");
        assert!(
            !(shown.stdout.clone() + &shown.stderr).contains("private"),
            "{case}: {shown:?}"
        );
    }
}

fn inspect(arguments: &[&str], text: &str) -> Finished {
    finish_with_input(program(["inspect"]).args(arguments), &format!("{text}\n"))
}

fn minted(user: &str) -> String {
    let minted = finish(&mut program(["mint", "-c", QUICKSTART, "-u", user]));
    minted.stdout.trim_end().to_owned()
}
