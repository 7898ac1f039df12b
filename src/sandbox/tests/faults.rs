use std::time::Duration;

use super::world::{World, text};
use super::*;

const CHECK: &str = "im_open_login_svc/account_check";
const IMPORT: &str = "im_open_login_svc/account_import";

#[test]
fn an_ordered_code_comes_as_often_as_ordered_and_nothing_is_carried_out() {
    let world = World::new();
    for code in [
        json!("60007"),
        json!("60008"),
        json!(70001),
        json!("70050"),
        json!(20004),
    ] {
        order(&world, json!({ "as": code, "next": 2 }));
        for _ in 0..2 {
            let answer = world.call(IMPORT, json!({ "UserID": "eve" }));
            assert_eq!(
                answer["ErrorCode"].to_string(),
                code.to_string().replace('"', "")
            );
            assert_eq!(answer["ActionStatus"], "FAIL");
        }
        assert!(!is_imported(&world, "eve"));
    }
}

#[test]
fn an_order_for_a_command_leaves_the_others_alone() {
    let world = World::new();
    order(&world, json!({ "as": "60007", "command": IMPORT }));
    assert!(!is_imported(&world, "eve"));
    assert_eq!(
        world.call(IMPORT, json!({ "UserID": "eve" }))["ErrorCode"],
        60007
    );
    assert_eq!(
        world.call(IMPORT, json!({ "UserID": "eve" }))["ErrorCode"],
        0
    );
}

#[test]
fn the_oldest_order_that_fits_is_used_first() {
    let world = World::new();
    order(&world, json!({ "as": "60007", "command": IMPORT }));
    order(&world, json!({ "as": "60008" }));
    order(&world, json!({ "as": "70001" }));
    let codes = [IMPORT, IMPORT, IMPORT, IMPORT].map(|command| code(&world, command));
    assert_eq!(codes, [60007, 60008, 70001, 0]);
}

#[test]
fn a_slow_answer_is_carried_out_and_comes_later() {
    let world = World::new();
    order(&world, json!({ "as": "slow", "delay_ms": 1500 }));
    let Answer::RespondAfter(delay, response) = world.answer(IMPORT, r#"{"UserID":"eve"}"#) else {
        panic!("not slow");
    };
    assert_eq!(
        (delay, code_of(&response)),
        (Duration::from_millis(1500), 0)
    );
    assert!(is_imported(&world, "eve"));
    order(&world, json!({ "as": "60008", "delay_ms": 60_000 }));
    let answer = world.answer(IMPORT, "{}");
    assert!(matches!(answer, Answer::RespondAfter(delay, _) if delay == Duration::from_secs(60)));
}

#[test]
fn a_connection_is_cut_before_or_after_the_command() {
    let world = World::new();
    for (word, name, is_carried_out) in [("cut", "eve", false), ("cut_after", "fay", true)] {
        order(&world, json!({ "as": word }));
        let body = json!({ "UserID": name }).to_string();
        let answer = world.answer(IMPORT, body);
        assert!(
            matches!(answer, Answer::Cut(Duration::ZERO)),
            "{word}: {answer:?}"
        );
        assert_eq!(is_imported(&world, name), is_carried_out, "{word}");
    }
    order(&world, json!({ "as": "cut", "delay_ms": 7 }));
    assert!(
        matches!(world.answer(IMPORT, "{}"), Answer::Cut(delay) if delay == Duration::from_millis(7))
    );
}

#[test]
fn pages_that_echo_the_url_hold_the_usersig() {
    let world = World::new();
    let query = world.query();
    // As a client encodes what may be: "*" is one of the letters of a UserSig.
    let encoded = query.replace('*', "%2A");
    let plain = query
        .split('&')
        .find(|pair| pair.starts_with("usersig="))
        .unwrap();
    for (word, status, content_type) in [
        ("html", 502, "text/html"),
        ("echo", 200, "application/json"),
    ] {
        order(&world, json!({ "as": word }));
        let request = Request::post(format!("/v4/{CHECK}?{encoded}"))
            .body(Bytes::new())
            .unwrap();
        let response = response(world.sandbox.answer(&request, UnixTime::from_secs(NOW)));
        assert_eq!(
            (
                response.status().as_u16(),
                &response.headers()["content-type"]
            ),
            (status, &content_type.parse().unwrap())
        );
        let page = text_of(&response);
        assert!(page.contains(&encoded) && page.contains(plain), "{page}");
    }
}

#[test]
fn a_redirect_takes_the_query_along_and_who_follows_it_is_seen() {
    let world = World::new();
    order(&world, json!({ "as": "redirect" }));
    let redirect = response(world.answer(CHECK, "{}"));
    assert_eq!(redirect.status(), 302);
    let location = redirect.headers()["location"].to_str().unwrap();
    assert_eq!(location, format!("/sandbox/redirected?{}", world.query()));
    let request = Request::get(location).body(Bytes::new()).unwrap();
    world.sandbox.answer(&request, UnixTime::from_secs(NOW));
    let calls = send_to(&world.sandbox, "GET", "/sandbox/calls", Bytes::new());
    assert!(text_of(&calls).contains(r#""command":"/sandbox/redirected""#));
}

#[test]
fn orders_are_listed_and_taken_back() {
    let world = World::new();
    order(
        &world,
        json!({ "as": "60007", "next": 3, "command": IMPORT, "delay_ms": 5 }),
    );
    order(&world, json!({ "as": "cut" }));
    assert!(matches!(
        world.answer(IMPORT, "{}"),
        Answer::RespondAfter(..)
    ));
    let list = |method| -> Value {
        let response = send_to(&world.sandbox, method, "/sandbox/fail", Bytes::new());
        assert_eq!(response.headers().get("access-control-allow-origin"), None);
        serde_json::from_slice(response.body()).unwrap()
    };
    assert_eq!(
        list("GET"),
        json!({ "orders": [
            { "as": "60007", "next": 2, "command": IMPORT, "delay_ms": 5 },
            { "as": "cut", "next": 1, "command": null, "delay_ms": 0 },
        ]})
    );
    assert_eq!(list("DELETE"), json!({ "orders": [] }));
    assert_eq!(code(&world, IMPORT), 0);
}

#[test]
fn an_order_that_is_not_understood_is_refused() {
    let world = World::new();
    let mut wrong = Vec::new();
    for (name, expected, body) in [
        (
            "good",
            200,
            json!({ "as": "slow", "delay_ms": 60_000, "next": 1, "command": "a/b" }),
        ),
        ("nothing", 400, json!({})),
        ("unknown member", 400, json!({ "as": "cut", "nxt": 2 })),
        ("unknown word", 400, json!({ "as": "CUT" })),
        ("word a list", 400, json!({ "as": ["cut"] })),
        ("three digits", 400, json!({ "as": "600" })),
        ("seven digits", 400, json!({ "as": 6_000_000 })),
        ("a code with a sign", 400, json!({ "as": "+60007" })),
        ("never", 400, json!({ "as": "cut", "next": 0 })),
        ("next a text", 400, json!({ "as": "cut", "next": "2" })),
        (
            "command a number",
            400,
            json!({ "as": "cut", "command": 1 }),
        ),
        (
            "command without a service",
            400,
            json!({ "as": "cut", "command": "sendmsg" }),
        ),
        ("slow without a delay", 400, json!({ "as": "slow" })),
        (
            "delay too long",
            400,
            json!({ "as": "cut", "delay_ms": 60_001 }),
        ),
        ("delay a text", 400, json!({ "as": "cut", "delay_ms": "5" })),
    ] {
        let response = send_to(
            &world.sandbox,
            "POST",
            "/sandbox/fail",
            body.to_string().into(),
        );
        let is_error = text_of(&response).contains("\"error\"");
        if response.status() != expected || is_error != (expected == 400) {
            wrong.push(name);
        }
    }
    assert_eq!(wrong, [""; 0]);
    let twice = r#"{"as":"cut","as":"slow"}"#;
    assert_eq!(
        send_to(&world.sandbox, "POST", "/sandbox/fail", twice.into()).status(),
        400
    );
    for (count, expected) in [(99, 200), (1, 400)] {
        for _ in 0..count {
            let body = json!({ "as": "cut" }).to_string();
            let response = send_to(&world.sandbox, "POST", "/sandbox/fail", body.into());
            assert_eq!(response.status(), expected);
        }
    }
}

#[test]
fn ten_wrong_signatures_lock_a_user_out_for_a_minute() {
    let mut world = World::new();
    let wrong = signed_with(&SecretKey::parse(&"fedcba98".repeat(8)).unwrap());
    let log_in = |now: u64, user: &str, user_sig: &str| {
        let body = json!({ "UserID": user, "UserSig": user_sig, "SDKAppID": APP }).to_string();
        let request = Request::post("/sandbox/login").body(body.into()).unwrap();
        code_of(&response(
            world.sandbox.answer(&request, UnixTime::from_secs(now)),
        ))
    };
    let good = good();
    // A good one in between ends the count.
    for round in 0..2 {
        for _ in 0..9 {
            assert_eq!(log_in(NOW, "27149", &wrong), 70009);
        }
        assert_eq!(log_in(NOW, "27149", &good), 0, "round {round}");
    }
    for _ in 0..10 {
        assert_eq!(log_in(NOW, "27149", &wrong), 70009);
    }
    assert_eq!(log_in(NOW, "27149", &wrong), 70050);
    assert_eq!(log_in(NOW + 59, "27149", &good), 70050, "a good one, too");
    assert_eq!(log_in(NOW + 59, "ann", &wrong), 70013, "nobody else");
    assert_eq!(log_in(NOW + 60, "27149", &good), 0);
    // Spread over more than a minute each they lock nobody out.
    for round in 0..20 {
        assert_eq!(log_in(NOW + 60 * round, "27149", &wrong), 70009);
    }
    world.now += 60;
    world.done(IMPORT, json!({ "UserID": "eve" }));
}

fn order(world: &World, body: Value) {
    let response = send_to(
        &world.sandbox,
        "POST",
        "/sandbox/fail",
        body.to_string().into(),
    );
    assert_eq!(response.status(), 200, "{}", text_of(&response));
}

fn code(world: &World, command: &str) -> u64 {
    world.call(command, json!({ "UserID": "eve" }))["ErrorCode"]
        .as_u64()
        .unwrap()
}

fn is_imported(world: &World, user: &str) -> bool {
    let answer = world.done(CHECK, json!({ "CheckItem": [{ "UserID": user }] }));
    answer["ResultItem"][0]["AccountStatus"] == "Imported"
}

/// A UserSig for 27149 of another key.
fn signed_with(key: &SecretKey) -> String {
    fields().encode(key).expose().to_owned()
}

#[test]
fn an_order_meets_no_login() {
    let world = World::new();
    order(&world, json!({ "as": "60007" }));
    let body = json!({ "UserID": "27149", "UserSig": good(), "SDKAppID": APP }).to_string();
    let login = send_to(&world.sandbox, "POST", "/sandbox/login", body.into());
    assert_eq!(code_of(&login), 0);
    let message = json!({ "To_Account": "ann", "MsgRandom": 1, "MsgBody": text("hi") });
    assert_eq!(world.call("openim/sendmsg", message)["ErrorCode"], 60007);
}
