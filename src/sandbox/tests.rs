use std::io::{Read, Write};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::calls::Calls;
use super::query::Query;
use super::*;
use crate::identity::ReservedNames;
use crate::usersig::encode::Fields;
use crate::usersig::ring::{KeyState, NamedKey};
use crate::usersig::{Issuer, Lifetime, SecretKey};

mod accounts;
mod client;
mod faults;
mod groups;
mod members;
mod messages;
mod profiles;
mod pushes;
mod record;
pub(super) mod world;

const APP: u32 = 1_400_000_000;
const NOW: u64 = 1_741_000_435;

#[test]
fn a_login_with_a_good_user_sig_succeeds() {
    let response = login(&json!({"UserID": "27149", "UserSig": good(), "SDKAppID": APP}));
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(
        response.body(),
        "{\"ActionStatus\":\"OK\",\"ErrorInfo\":\"\",\"ErrorCode\":0,\
         \"UserID\":\"27149\",\"ExpiresAt\":1741086835}"
    );
}

#[test]
fn a_failure_has_status_200_and_the_shape_of_chat() {
    let response = login(&json!({"UserID": "27149", "UserSig": "", "SDKAppID": APP}));
    assert_eq!(response.status(), 200);
    let length = response.body().len().to_string();
    assert_eq!(response.headers()["content-length"], length.as_str());
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(
        response.body(),
        r#"{"ActionStatus":"FAIL","ErrorInfo":"UserSig is empty","ErrorCode":70002}"#
    );
}

#[test]
fn what_the_body_must_hold_has_a_code_for_each_member() {
    let good = good();
    let cases = [
        (
            "UserID missing",
            70402,
            json!({"UserSig": good, "SDKAppID": APP}),
        ),
        (
            "UserID a number",
            60015,
            json!({"UserID": 27149, "UserSig": good, "SDKAppID": APP}),
        ),
        (
            "UserID null",
            60015,
            json!({"UserID": null, "UserSig": good, "SDKAppID": APP}),
        ),
        (
            "UserID empty",
            70402,
            json!({"UserID": "", "UserSig": good, "SDKAppID": APP}),
        ),
        (
            "UserID too long",
            70402,
            json!({"UserID": "a".repeat(33), "UserSig": good, "SDKAppID": APP}),
        ),
        (
            "UserID with a space",
            70402,
            json!({"UserID": "27 149", "UserSig": good, "SDKAppID": APP}),
        ),
        (
            "SDKAppID missing",
            60012,
            json!({"UserID": "27149", "UserSig": good}),
        ),
        (
            "SDKAppID a string",
            70402,
            json!({"UserID": "27149", "UserSig": good, "SDKAppID": "1400000000"}),
        ),
        (
            "SDKAppID a fraction",
            70402,
            json!({"UserID": "27149", "UserSig": good, "SDKAppID": 1.4e9}),
        ),
        (
            "SDKAppID beyond 32 bits",
            70402,
            json!({"UserID": "27149", "UserSig": good, "SDKAppID": 1_u64 << 32}),
        ),
        (
            "SDKAppID of another app",
            70020,
            json!({"UserID": "27149", "UserSig": good, "SDKAppID": APP + 1}),
        ),
        (
            "UserSig missing",
            70002,
            json!({"UserID": "27149", "SDKAppID": APP}),
        ),
        (
            "UserSig empty",
            70002,
            json!({"UserID": "27149", "UserSig": "", "SDKAppID": APP}),
        ),
        (
            "UserSig a number",
            70402,
            json!({"UserID": "27149", "UserSig": 1, "SDKAppID": APP}),
        ),
        (
            "unknown member",
            0,
            json!({"UserID": "27149", "UserSig": good, "SDKAppID": APP, "Platform": "Web"}),
        ),
    ];
    for (name, code, body) in cases {
        assert_eq!(code_of(&login(&body)), code, "{name}");
    }
}

#[test]
fn a_body_that_is_not_one_strict_json_object_is_60003() {
    let good = good();
    let twice = format!(r#"{{"UserID":"1","UserID":"27149","UserSig":"{good}","SDKAppID":{APP}}}"#);
    for (name, body) in [
        ("empty", String::new()),
        ("form", "UserID=27149".to_owned()),
        ("array", "[]".to_owned()),
        ("repeated member", twice),
    ] {
        assert_eq!(code_of(&post(body.into())), 60003, "{name}");
    }
    let once = format!(r#"{{"UserID":"27149","UserSig":"{good}","SDKAppID":{APP}}}"#);
    assert_eq!(code_of(&post(once.into())), 0);
}

#[test]
fn a_body_beyond_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let mut body = json!({"UserID": "27149", "UserSig": good(), "SDKAppID": APP}).to_string();
    body.push_str(&" ".repeat(MAX_BODY_BYTES - body.len()));
    assert_eq!(code_of(&post(body.clone().into())), 0);
    body.push(' ');
    assert_eq!(code_of(&post(body.into())), 70402);
}

#[test]
fn a_user_sig_is_refused_with_the_code_of_what_is_wrong() {
    let good = good();
    let other = SecretKey::parse(&"fedcba98".repeat(8)).unwrap();
    let cases = [
        ("good", 0, good.clone()),
        ("not base64", 70003, "no UserSig at all".to_owned()),
        ("cut short", 70003, good[..good.len() - 8].to_owned()),
        ("percent-encoded", 70003, good.replacen('e', "%65", 1)),
        ("followed by a space", 70003, format!("{good} ")),
        (
            "of another key",
            70009,
            fields().encode(&other).expose().to_owned(),
        ),
        (
            "with a longer life written in",
            70009,
            rewrite(&good, "86400", "96400"),
        ),
        (
            "of another user",
            70013,
            signed(&Fields {
                identifier: "27150",
                ..fields()
            }),
        ),
        (
            "of a user in another case",
            70013,
            signed(&Fields {
                identifier: "User-27149",
                ..fields()
            }),
        ),
        (
            "of another app",
            70014,
            signed(&Fields {
                sdk_app_id: APP + 1,
                ..fields()
            }),
        ),
        (
            "with the app written over",
            70009,
            rewrite(
                &signed(&Fields {
                    sdk_app_id: APP + 1,
                    ..fields()
                }),
                "1400000001",
                "1400000000",
            ),
        ),
        (
            "with the user written over",
            70009,
            rewrite(
                &signed(&Fields {
                    identifier: "27150",
                    ..fields()
                }),
                "27150",
                "27149",
            ),
        ),
        (
            "a PrivateMapKey",
            70003,
            signed(&Fields {
                userbuf: Some(b"room"),
                ..fields()
            }),
        ),
    ];
    for (name, code, user_sig) in cases {
        let body = json!({"UserID": "27149", "UserSig": user_sig, "SDKAppID": APP});
        assert_eq!(code_of(&login(&body)), code, "{name}");
    }
}

#[test]
fn the_life_of_a_user_sig_is_judged_by_the_time_given() {
    let start = u32::try_from(NOW).unwrap();
    for (name, code, time, expire) in [
        ("first second", 0, start, 10),
        ("last second", 0, start - 10, 10),
        ("one second after", 70001, start - 11, 10),
        ("no lifetime", 70001, start, 0),
        ("clock 60 s ahead", 0, start + 60, 10),
        ("clock 61 s ahead", 70005, start + 61, 10),
        ("years ahead", 70005, start + 100_000_000, 10),
        ("beyond 32 bits", 0, start, u32::MAX),
    ] {
        let user_sig = signed(&Fields {
            time,
            expire,
            ..fields()
        });
        let body = json!({"UserID": "27149", "UserSig": user_sig, "SDKAppID": APP});
        assert_eq!(code_of(&login(&body)), code, "{name}");
    }
}

#[test]
fn an_expired_user_sig_of_another_key_is_reported_as_of_another_key() {
    let other = SecretKey::parse(&"fedcba98".repeat(8)).unwrap();
    let user_sig = Fields {
        time: 1,
        ..fields()
    }
    .encode(&other);
    let body = json!({"UserID": "27149", "UserSig": user_sig.expose(), "SDKAppID": APP});
    assert_eq!(code_of(&login(&body)), 70009);
}

#[test]
fn an_administrator_logs_in_like_anybody_else() {
    let user_sig = signed(&Fields {
        identifier: "administrator",
        ..fields()
    });
    let body = json!({"UserID": "administrator", "UserSig": user_sig, "SDKAppID": APP});
    assert_eq!(code_of(&login(&body)), 0);
}

#[test]
fn nothing_of_the_request_comes_back_in_a_failure() {
    let body = json!({"UserID": "needle needle", "UserSig": "needle", "SDKAppID": APP});
    let response = login(&body);
    assert_eq!(code_of(&response), 70402);
    assert!(!text_of(&response).contains("needle"));
}

#[test]
fn the_sandbox_says_that_it_is_not_chat() {
    let response = send("GET", "/sandbox/", Bytes::new());
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    assert!(text_of(&response).contains("It is not Chat"));
}

#[test]
fn the_health_check_answers_and_head_leaves_the_body_out() {
    let get = send("GET", "/healthz", Bytes::new());
    assert_eq!(
        (get.status().as_u16(), &get.body()[..]),
        (200, &b"ok\n"[..])
    );
    let head = send("HEAD", "/healthz", Bytes::new());
    assert_eq!((head.status().as_u16(), &head.body()[..]), (200, &b""[..]));
    assert_eq!(head.headers(), get.headers());
}

#[test]
fn other_paths_and_methods_are_60009() {
    for (method, path) in [
        ("GET", "/sandbox/login"),
        ("PUT", "/sandbox/login"),
        ("POST", "/sandbox/"),
        ("POST", "/healthz"),
        ("POST", "/sandbox/login/"),
        ("POST", "/SANDBOX/login"),
        ("GET", "/"),
        ("POST", "/v4/openim/no_such_command"),
        ("POST", "/v4/openim/SENDMSG"),
        ("POST", "/v4/OpenIM/sendmsg"),
        ("POST", "/v4/openim/sendmsg/"),
        ("POST", "/v4/sendmsg"),
        ("POST", "/v4/"),
        ("PUT", "/sandbox/fail"),
        ("POST", "/sandbox/calls"),
    ] {
        let response = send(method, path, Bytes::new());
        assert_eq!(response.status(), 200, "{method} {path}");
        assert_eq!(code_of(&response), 60009, "{method} {path}");
    }
    let with_query = send("POST", "/sandbox/login?x=1", Bytes::new());
    assert_eq!(code_of(&with_query), 60003);
    let a_command = send("POST", "/v4/openim/sendmsg", Bytes::new());
    assert_eq!(code_of(&a_command), 60012);
}

#[test]
fn debug_shows_nothing_of_the_key() {
    assert!(!format!("{:?}", sandbox()).contains("0123456789abcdef"));
}

proptest! {
    #[test]
    fn any_body_gets_an_answer_and_no_login(body: Vec<u8>, user_sig: String) {
        prop_assert_ne!(code_of(&post(body.into())), 0);
        let named = json!({"UserID": "27149", "UserSig": user_sig, "SDKAppID": APP});
        prop_assert_ne!(code_of(&login(&named)), 0);
    }
}

#[test]
fn the_active_and_the_next_key_are_taken_and_named_and_a_retired_one_is_not() {
    let keys = ["active", "next", "retired"].map(|id| NamedKey {
        id: Some(id.to_owned()),
        key: SecretKey::parse(&format!("{id}-{}", "k".repeat(40))).unwrap(),
    });
    let [active, next, retired] = keys.clone();
    let ring = KeyRing::new(vec![
        (active, KeyState::Active),
        (next, KeyState::Next),
        (retired, KeyState::Retired),
    ]);
    let sandbox = Sandbox::new(SdkAppId::new(APP).unwrap(), ring.unwrap());
    for (named, code) in keys.iter().zip([0, 0, 70009]) {
        let lifetime = Lifetime::new(Duration::from_secs(60)).unwrap();
        let issuer = Issuer::new(SdkAppId::new(APP).unwrap(), named.key.clone(), lifetime);
        let user = UserId::parse("27149", &ReservedNames::default()).unwrap();
        let issued = issuer.issue(&user, UnixTime::from_secs(NOW)).unwrap();
        let sig = issued.user_sig.expose();
        let body = json!({"UserID": "27149", "UserSig": sig, "SDKAppID": APP});
        let request = Request::post("/sandbox/login").body(Bytes::from(body.to_string()));
        let response = response(sandbox.answer(&request.unwrap(), UnixTime::from_secs(NOW)));
        let answer: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(answer["ErrorCode"], code, "{answer}");
        match code {
            0 => assert_eq!(answer["KeyID"], json!(named.id)),
            _ => assert!(answer["ErrorInfo"].as_str().unwrap().ends_with("retired")),
        }
    }
}

fn key() -> SecretKey {
    SecretKey::parse(&"0123456789abcdef".repeat(4)).unwrap()
}

fn sandbox() -> Sandbox {
    Sandbox::new(SdkAppId::new(APP).unwrap(), key())
}

fn fields() -> Fields<'static> {
    Fields {
        identifier: "27149",
        sdk_app_id: APP,
        time: u32::try_from(NOW).unwrap(),
        expire: 86_400,
        userbuf: None,
    }
}

fn good() -> String {
    signed(&fields())
}

fn signed(fields: &Fields<'_>) -> String {
    fields.encode(&key()).expose().to_owned()
}

/// The same UserSig with one text in its document replaced and its signature left as it was.
fn rewrite(user_sig: &str, from: &str, to: &str) -> String {
    let standard = user_sig
        .replace('*', "+")
        .replace('-', "/")
        .replace('_', "=");
    let compressed = STANDARD.decode(standard).unwrap();
    let mut document = String::new();
    ZlibDecoder::new(&compressed[..])
        .read_to_string(&mut document)
        .unwrap();
    assert!(document.contains(from));
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(document.replace(from, to).as_bytes())
        .unwrap();
    let encoded = STANDARD.encode(encoder.finish().unwrap());
    encoded
        .replace('+', "*")
        .replace('/', "-")
        .replace('=', "_")
}

fn login(body: &Value) -> Response<Bytes> {
    post(body.to_string().into())
}

fn post(body: Bytes) -> Response<Bytes> {
    send("POST", "/sandbox/login", body)
}

fn send(method: &str, target: &str, body: Bytes) -> Response<Bytes> {
    send_to(&sandbox(), method, target, body)
}

fn send_to(sandbox: &Sandbox, method: &str, target: &str, body: Bytes) -> Response<Bytes> {
    let request = Request::builder()
        .method(method)
        .uri(target)
        .body(body)
        .unwrap();
    response(sandbox.answer(&request, UnixTime::from_secs(NOW)))
}

/// The response of an answer that comes at once.
fn response(answer: Answer) -> Response<Bytes> {
    match answer {
        Answer::Respond(response) => response,
        other => panic!("not answered at once: {other:?}"),
    }
}

fn text_of(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

fn code_of(response: &Response<Bytes>) -> u64 {
    let answer: Value = serde_json::from_slice(response.body()).unwrap();
    let code = answer["ErrorCode"].as_u64().unwrap();
    let status = if code == 0 { "OK" } else { "FAIL" };
    assert_eq!(answer["ActionStatus"], status);
    assert_eq!(answer["ErrorInfo"] == "", code == 0);
    code
}
