use serde_json::json;

use super::*;
use crate::usersig::encode::Fields;
use crate::usersig::{SdkAppId, SecretKey};

const APP: u32 = 1_400_000_000;
const NOW: u64 = 1_741_000_435;
const PATH: &str = "/v4/im_open_login_svc/kick";

#[test]
fn a_kick_voids_what_is_dated_in_its_second_or_before() {
    let sandbox = sandbox();
    assert_eq!(kick(&sandbox, &query(), BODY), 0);
    for (name, user, time, code) in [
        ("long before", "27149", NOW - 60, 70052),
        ("the second before", "27149", NOW - 1, 70052),
        ("that second", "27149", NOW, 70052),
        ("the second after", "27149", NOW + 1, 0),
        ("another user", "27150", NOW - 60, 0),
    ] {
        assert_eq!(login(&sandbox, user, time), code, "{name}");
    }
    // A clone is the same Chat.
    assert_eq!(login(&sandbox.clone(), "27149", NOW), 70052);
}

#[test]
fn a_kick_needs_the_credentials_of_the_administrator() {
    let good = signed("administrator", NOW, &key());
    let other_key = SecretKey::parse(&"fedcba98".repeat(8)).unwrap();
    for (name, code, query) in [
        ("good", 0, query()),
        (
            "another order",
            0,
            format!("usersig={good}&identifier=administrator&sdkappid={APP}"),
        ),
        ("no query", 60012, String::new()),
        (
            "no app",
            60012,
            format!("identifier=administrator&usersig={good}"),
        ),
        ("no number", 70402, with("x", "administrator", &good)),
        (
            "another app",
            70020,
            with("1400000001", "administrator", &good),
        ),
        (
            "no identifier",
            70402,
            format!("sdkappid={APP}&usersig={good}"),
        ),
        (
            "no UserSig",
            70002,
            format!("sdkappid={APP}&identifier=administrator"),
        ),
        (
            "empty UserSig",
            70002,
            with(&APP.to_string(), "administrator", ""),
        ),
        (
            "no UserSig at all",
            70003,
            with(&APP.to_string(), "administrator", "x"),
        ),
        (
            "a user",
            60010,
            with(&APP.to_string(), "27149", &signed("27149", NOW, &key())),
        ),
        (
            "a user as administrator",
            70013,
            with(
                &APP.to_string(),
                "administrator",
                &signed("27149", NOW, &key()),
            ),
        ),
        (
            "another key",
            70009,
            with(
                &APP.to_string(),
                "administrator",
                &signed("administrator", NOW, &other_key),
            ),
        ),
        (
            "expired",
            70001,
            with(
                &APP.to_string(),
                "administrator",
                &signed("administrator", NOW - 601, &key()),
            ),
        ),
    ] {
        let sandbox = sandbox();
        assert_eq!(kick(&sandbox, &query, BODY), code, "{name}");
        let kicked = login(&sandbox, "27149", NOW);
        assert_eq!(kicked == 70052, code == 0, "{name}");
    }
    let without_admin = Sandbox::new(SdkAppId::new(APP).unwrap(), key());
    assert_eq!(kick(&without_admin, &query(), BODY), 60010);
}

#[test]
fn a_kick_names_one_user() {
    let long = format!("{}{BODY}", " ".repeat(MAX_BODY_BYTES));
    for (name, code, body) in [
        ("good", 0, BODY),
        ("more members", 0, r#"{"UserID":"27149","x":1}"#),
        ("nobody", 70402, "{}"),
        ("a number", 60015, r#"{"UserID":27149}"#),
        ("a list", 60015, r#"{"UserID":["27149"]}"#),
        ("no name", 70402, r#"{"UserID":"27 149"}"#),
        ("two", 60003, r#"{"UserID":"1","UserID":"27149"}"#),
        ("no JSON", 60003, "UserID=27149"),
        ("empty", 60003, ""),
        ("too long", 70402, long.as_str()),
    ] {
        let sandbox = sandbox();
        assert_eq!(kick(&sandbox, &query(), body), code, "{name}");
        let kicked = login(&sandbox, "27149", NOW);
        assert_eq!(kicked == 70052, code == 0, "{name}");
    }
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(SdkAppId::new(APP).unwrap(), key()).with_admin("administrator");
    // Only accounts are kicked, and a login makes one.
    for user in ["27149", "27150"] {
        assert_eq!(login(&sandbox, user, NOW), 0);
    }
    sandbox
}

fn key() -> SecretKey {
    SecretKey::parse(&"0123456789abcdef".repeat(4)).unwrap()
}

fn signed(identifier: &str, time: u64, key: &SecretKey) -> String {
    let fields = Fields {
        identifier,
        sdk_app_id: APP,
        time: u32::try_from(time).unwrap(),
        expire: 600,
        userbuf: None,
    };
    fields.encode(key).expose().to_owned()
}

fn with(app: &str, identifier: &str, user_sig: &str) -> String {
    format!("sdkappid={app}&identifier={identifier}&usersig={user_sig}&random=7&contenttype=json")
}

fn query() -> String {
    let user_sig = signed("administrator", NOW, &key());
    with(&APP.to_string(), "administrator", &user_sig)
}

fn kick(sandbox: &Sandbox, query: &str, body: &str) -> u64 {
    code(sandbox, &format!("{PATH}?{query}"), body)
}

fn login(sandbox: &Sandbox, user: &str, time: u64) -> u64 {
    let user_sig = signed(user, time, &key());
    let body = json!({"UserID": user, "UserSig": user_sig, "SDKAppID": APP});
    code(sandbox, "/sandbox/login", &body.to_string())
}

fn code(sandbox: &Sandbox, target: &str, body: &str) -> u64 {
    let request = Request::post(target).body(body.to_owned().into()).unwrap();
    let Answer::Respond(response) = sandbox.answer(&request, UnixTime::from_secs(NOW)) else {
        panic!("not answered at once");
    };
    assert_eq!(response.status(), 200);
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    answer["ErrorCode"].as_u64().unwrap()
}

const BODY: &str = r#"{"UserID":"27149"}"#;
