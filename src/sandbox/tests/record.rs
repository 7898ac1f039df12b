use super::world::World;
use super::*;

#[test]
fn every_call_is_recorded_with_what_it_asked_and_what_it_got() {
    let world = World::new();
    forget(&world);
    world.done(
        "im_open_login_svc/account_import",
        json!({ "UserID": "eve" }),
    );
    world.call("im_open_login_svc/no_such_command", json!({ "a": [1] }));
    world.answer("openim/sendmsg", "not JSON");
    let calls = calls(&world);
    assert_eq!(calls["seen"], 3);
    let first = &calls["calls"][0];
    for (member, value) in [
        ("number", json!(1)),
        ("time", json!(NOW)),
        ("method", json!("POST")),
        ("command", json!("im_open_login_svc/account_import")),
        ("identifier", json!("administrator")),
        (
            "query",
            json!(["sdkappid", "identifier", "usersig", "random", "contenttype"]),
        ),
        ("headers", json!([])),
        ("body", json!({ "UserID": "eve" })),
        ("answer", json!(0)),
    ] {
        assert_eq!(first[member], value, "{member}");
    }
    assert_eq!(calls["calls"][1]["answer"], 60009);
    assert_eq!(
        (&calls["calls"][2]["body"], &calls["calls"][2]["answer"]),
        (&json!("not JSON"), &json!(60003))
    );
}

#[test]
fn calls_without_credentials_and_strange_paths_are_recorded_too() {
    let world = World::new();
    forget(&world);
    for (method, target) in [
        ("POST", "/v4/openim/sendmsg"),
        ("GET", "/v4/openim/sendmsg?usersig=x"),
        ("POST", "/v4/openim/../openim/sendmsg"),
        ("POST", "/v3/openim/sendmsg"),
        ("GET", "/"),
    ] {
        send_to(&world.sandbox, method, target, Bytes::new());
    }
    for (method, target) in [
        ("GET", "/healthz"),
        ("GET", "/sandbox/"),
        ("GET", "/sandbox/calls"),
        ("POST", "/sandbox/login"),
    ] {
        send_to(&world.sandbox, method, target, Bytes::new());
    }
    let calls = calls(&world);
    let commands = world::column(&calls["calls"], "command");
    assert_eq!(
        commands,
        [
            "openim/sendmsg",
            "openim/sendmsg",
            "openim/../openim/sendmsg",
            "/v3/openim/sendmsg",
            "/"
        ]
    );
    assert_eq!(
        world::column(&calls["calls"], "answer"),
        ["60012", "60009", "60009", "60009", "60009"]
    );
}

#[test]
fn names_of_headers_are_recorded_and_their_values_are_not() {
    let world = World::new();
    let request = Request::post("/v4/openim/sendmsg")
        .header("content-type", "text/needle")
        .header("cookie", "session=needle")
        .body(Bytes::new())
        .unwrap();
    world.sandbox.answer(&request, UnixTime::from_secs(NOW));
    let calls = calls(&world);
    let last = calls["calls"].as_array().unwrap().last().unwrap();
    assert_eq!(last["headers"], json!(["content-type", "cookie"]));
    assert!(!calls.to_string().contains("needle"));
}

#[test]
fn no_usersig_is_recorded_wherever_it_stands() {
    let world = World::new();
    let user_sig = signed(&Fields {
        identifier: "administrator",
        ..fields()
    });
    let spelled = user_sig.replace('A', "\\u0041");
    assert_ne!(spelled, user_sig);
    for (command, body) in [
        (
            "openim/sendmsg",
            json!({ "CloudCustomData": user_sig }).to_string(),
        ),
        (
            "openim/sendmsg",
            format!("{{\"CloudCustomData\":\"{spelled}\"}}"),
        ),
        ("openim/sendmsg", format!("not JSON {user_sig}")),
        (
            "openim/sendmsg",
            json!({ user_sig.as_str(): 1 }).to_string(),
        ),
        (user_sig.as_str(), String::new()),
    ] {
        let target = format!("/v4/{command}?usersig={user_sig}&{user_sig}=1&identifier={user_sig}");
        send_to(&world.sandbox, "POST", &target, body.into());
    }
    let text = calls(&world).to_string();
    assert!(
        !text.contains(&user_sig) && !text.contains(&user_sig[..20]),
        "{text}"
    );
    assert_eq!(text.matches("[UserSig]").count(), 5 * 2 + 5);
}

#[test]
fn the_record_is_bounded_and_the_oldest_call_goes() {
    let mut calls = Calls::new(3, 10_000);
    let push = |calls: &mut Calls, length: usize| {
        let request = Request::post("/v4/a/b")
            .body(Bytes::from("x".repeat(length)))
            .unwrap();
        calls.push(
            &request,
            "a/b",
            &Query::parse(""),
            (UnixTime::from_secs(NOW), json!(0)),
        );
    };
    let numbers = |calls: &Calls| -> Vec<Value> {
        calls
            .list()
            .map(|call| json!(call)["number"].clone())
            .collect()
    };
    for _ in 0..4 {
        push(&mut calls, 0);
    }
    assert_eq!(
        (numbers(&calls), calls.seen()),
        (vec![json!(2), json!(3), json!(4)], 4)
    );
    push(&mut calls, 7000);
    assert_eq!(numbers(&calls), [4, 5].map(|number| json!(number)));
    push(&mut calls, 10_000);
    assert_eq!(numbers(&calls), Vec::<Value>::new());
    push(&mut calls, 10);
    assert_eq!(numbers(&calls), [json!(7)]);
}

fn calls(world: &World) -> Value {
    let response = send_to(&world.sandbox, "GET", "/sandbox/calls", Bytes::new());
    assert_eq!(response.headers().get("access-control-allow-origin"), None);
    serde_json::from_slice(response.body()).unwrap()
}

fn forget(world: &World) {
    send_to(&world.sandbox, "DELETE", "/sandbox/calls", Bytes::new());
    assert_eq!(calls(world), json!({ "seen": 0, "calls": [] }));
}
