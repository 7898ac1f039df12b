//! Our UserSigs before verifiers that are not ours, and UserSigs of Tencent's official packages before us.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::support::foreign::{self, Claim, judge};
use crate::support::program::{finish, finish_with_input, program};
use crate::support::tokens::now;

const QUICKSTART: &str = "conf/quickstart.toml";
const SDK_APP_ID: u32 = 1_400_000_000;

#[test]
fn what_mint_prints_is_good_for_other_verifiers_and_only_for_its_user() {
    if !foreign::can_verify("mint") {
        return;
    }
    let key = quickstart_key();
    let other_key = key.replace('0', "1");
    for user in USERS {
        let minted = finish(&mut program(["mint", "-c", QUICKSTART, "-u", user]));
        assert_eq!(minted.code, Some(0), "{minted:?}");
        let good = Claim {
            key: &key,
            sdk_app_id: SDK_APP_ID,
            user,
            sig: minted.stdout.trim_end(),
            now: now(),
        };
        let claims = [
            good,
            Claim {
                user: "27150",
                ..good
            },
            Claim {
                key: &other_key,
                ..good
            },
            Claim {
                sdk_app_id: SDK_APP_ID + 1,
                ..good
            },
            Claim {
                now: now() + 7 * 86_400 + 60,
                ..good
            },
        ];
        assert_eq!(judge(&claims), [true, false, false, false, false], "{user}");
    }
}

/// Shows that the verifiers can be trusted with the tests above: they know every official package's UserSig.
#[test]
fn the_verifiers_take_all_known_answers() {
    if !foreign::can_verify("the_known_answers") {
        return;
    }
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../vectors/usersig.json")).unwrap();
    assert_eq!(vectors.len(), 82);
    let claims = |age: fn(&Vector) -> u64| -> Vec<bool> {
        let claims = vectors.iter().map(|vector| vector.claim(age(vector)));
        judge(&claims.collect::<Vec<_>>())
    };
    assert_eq!(claims(|_| 0), [true; 82], "when they were made");
    assert_eq!(
        claims(|vector| vector.expire),
        [true; 82],
        "in their last second"
    );
    assert_eq!(
        claims(|vector| vector.expire + 1),
        [false; 82],
        "a second later"
    );
}

/// A known answer, as far as it is needed here.
#[derive(Deserialize)]
struct Vector {
    sdkappid: u32,
    key: String,
    identifier: String,
    time: u64,
    expire: u64,
    usersig: String,
}

impl Vector {
    fn claim(&self, age: u64) -> Claim<'_> {
        Claim {
            key: &self.key,
            sdk_app_id: self.sdkappid,
            user: &self.identifier,
            sig: &self.usersig,
            now: self.time + age,
        }
    }
}

#[test]
fn usersigs_of_the_official_packages_are_good_for_us() {
    let Some(apps) = foreign::apps("the_official_packages") else {
        return;
    };
    let key = quickstart_key();
    for (package, sig) in [
        ("PyPI", sign_with_pypi(&apps, &key)),
        ("npm", sign_with_npm(&apps, &key)),
    ] {
        let mut inspect = program(["inspect", "--config", QUICKSTART]);
        let inspected = finish_with_input(&mut inspect, &sig);
        assert_eq!(inspected.code, Some(0), "{package}: {inspected:?}");
        assert!(
            inspected.stdout.contains("  UserID     27149\n"),
            "{package}: {inspected:?}"
        );
        assert!(
            inspected.stdout.contains("  verified   yes\n"),
            "{package}: {inspected:?}"
        );
    }
    let other = sign_with_pypi(&apps, &key.replace('0', "1"));
    let inspected = finish_with_input(&mut program(["inspect", "--config", QUICKSTART]), &other);
    assert_eq!(inspected.code, Some(1), "{inspected:?}");
}

fn sign_with_pypi(apps: &Path, key: &str) -> String {
    let script = "import sys, TLSSigAPIv2\n\
                  print(TLSSigAPIv2.TLSSigAPIv2(int(sys.argv[1]), sys.argv[2]).gen_sig('27149', 600))";
    let mut command = Command::new(apps.join("venv/bin/python"));
    printed(command.args(["-c", script, &SDK_APP_ID.to_string(), key]))
}

fn sign_with_npm(apps: &Path, key: &str) -> String {
    let script = "const { Api } = require('tls-sig-api-v2');\n\
                  const [app, key] = process.argv.slice(1);\n\
                  console.log(new Api(Number(app), key).genSig('27149', 600));";
    let mut command = Command::new("node");
    command.current_dir(apps.join("node"));
    printed(command.args(["-e", script, &SDK_APP_ID.to_string(), key]))
}

fn printed(command: &mut Command) -> String {
    let finished = finish(command);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished.stdout
}

fn quickstart_key() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/demo/chat-secret-key");
    fs::read_to_string(file).unwrap().trim_end().to_owned()
}

const USERS: [&str; 4] = [
    "27149",
    "a",
    "A-Z_a-z_0-9",
    "12345678901234567890123456789012",
];
