use super::world::text;
use super::*;

const ANN: &str = "27149";
const BEN: &str = "27150";

#[test]
fn a_message_is_heard_by_both_and_by_nobody_else() {
    let sandbox = world();
    let (mut ann, mut ben) = (listen(&sandbox, ANN), listen(&sandbox, BEN));
    let mut eve = listen(&sandbox, "eve");
    for listener in [&mut ann, &mut ben, &mut eve] {
        assert_eq!(events(listener, NOW)[0]["Event"], "SDK_READY");
        assert_eq!(listener.hear(at(NOW)), Heard::Nothing);
    }
    assert_eq!(send(&sandbox, ANN, BEN, "hello"), 0);
    for listener in [&mut ann, &mut ben] {
        let heard = events(listener, NOW);
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert_eq!(heard[0]["Event"], "MESSAGE_RECEIVED");
        let message = &heard[0]["Message"];
        assert_eq!(
            (&message["From_Account"], &message["To_Account"]),
            (&json!(ANN), &json!(BEN))
        );
        assert_eq!(message["MsgBody"], text("hello"));
        assert_eq!(listener.hear(at(NOW)), Heard::Nothing);
    }
    assert_eq!(eve.hear(at(NOW)), Heard::Nothing);
}

#[test]
fn who_comes_later_hears_the_newest_messages_in_their_order() {
    let sandbox = world();
    for number in 0..60 {
        let (from, to) = if number % 2 == 0 {
            (ANN, BEN)
        } else {
            (BEN, ANN)
        };
        assert_eq!(send(&sandbox, from, to, &number.to_string()), 0);
    }
    let heard = events(&mut listen(&sandbox, BEN), NOW);
    let texts: Vec<_> = heard[1..]
        .iter()
        .map(|event| {
            event["Message"]["MsgBody"][0]["MsgContent"]["Text"]
                .as_str()
                .unwrap()
        })
        .collect();
    let newest: Vec<_> = (10..60).map(|number: u32| number.to_string()).collect();
    assert_eq!(texts, newest);
}

#[test]
fn a_quiet_listener_gets_an_empty_line_from_time_to_time() {
    let sandbox = world();
    let mut ann = listen(&sandbox, ANN);
    events(&mut ann, NOW);
    assert_eq!(ann.hear(at(NOW + 9)), Heard::Nothing);
    assert_eq!(ann.hear(at(NOW + 10)), Heard::Lines("\n".into()));
    assert_eq!(ann.hear(at(NOW + 19)), Heard::Nothing);
}

#[test]
fn a_listener_ends_with_a_kick_with_the_account_and_with_the_user_sig() {
    let ends = |name: &str, end: &dyn Fn(&Sandbox), now: u64, code: u32| {
        let sandbox = world();
        let (mut ann, mut ben) = (listen(&sandbox, ANN), listen(&sandbox, BEN));
        events(&mut ann, NOW);
        events(&mut ben, NOW);
        end(&sandbox);
        let expected = format!("{{\"ErrorCode\":{code},\"Event\":\"KICKED_OUT\"}}\n");
        assert_eq!(ann.hear(at(now)), Heard::End(expected.into()), "{name}");
        if now == NOW {
            assert_eq!(ben.hear(at(now)), Heard::Nothing, "{name}");
        }
    };
    let user = || UserId::parse(ANN, &ReservedNames::default()).unwrap();
    ends(
        "kicked",
        &|sandbox| {
            let mut state = sandbox.state.lock();
            state.chat.import(user()).unwrap().kicked_at = Some(at(NOW));
        },
        NOW,
        70052,
    );
    ends(
        "deleted",
        &|sandbox| sandbox.state.lock().chat.delete(user()).unwrap(),
        NOW,
        70052,
    );
    let expired = NOW + 86_400;
    ends("expired", &|_| {}, expired + 1, 70001);
    let sandbox = world();
    let mut ann = listen(&sandbox, ANN);
    events(&mut ann, NOW);
    assert!(matches!(ann.hear(at(expired)), Heard::Lines(_)));
}

#[test]
fn nobody_sends_or_listens_without_a_good_user_sig_or_in_a_foreign_name() {
    let sandbox = world();
    let good = letter(ANN, BEN, "hello");
    let with = |member: &str, value: Value| {
        let mut body = good.clone();
        body[member] = value;
        body
    };
    for (name, body, code) in [
        ("good", good.clone(), 0),
        ("another user", with("UserID", json!(BEN)), 70013),
        ("another app", with("SDKAppID", json!(1)), 70020),
        ("no UserSig", with("UserSig", json!("")), 70002),
        ("a sender", with("From_Account", json!(BEN)), 90008),
        ("as herself", with("From_Account", json!(ANN)), 90008),
        ("nobody", with("To_Account", json!("nobody")), 90012),
        ("no text", with("MsgBody", json!([])), 90010),
    ] {
        let response = ask(&sandbox, "/sandbox/send", &body);
        assert_eq!(code_of(&response), code, "{name}");
    }
    for (name, body, code) in [
        ("another user", with("UserID", json!(BEN)), 70013),
        ("no UserSig", with("UserSig", json!("")), 70002),
    ] {
        let response = ask(&sandbox, "/sandbox/events", &body);
        assert_eq!(code_of(&response), code, "{name}");
    }
    for path in ["/sandbox/send", "/sandbox/events"] {
        let long = with("UserID", json!("x".repeat(MAX_BODY_BYTES)));
        assert_eq!(code_of(&ask(&sandbox, path, &long)), 70402, "{path}");
        let get = Request::get(path).body(Bytes::new()).unwrap();
        let Answer::Respond(response) = sandbox.answer(&get, at(NOW)) else {
            panic!("{path}");
        };
        assert_eq!(code_of(&response), 60009, "{path}");
    }
}

fn world() -> Sandbox {
    [ANN, BEN, "eve"]
        .into_iter()
        .fold(sandbox(), Sandbox::with_account)
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

fn credentials(user: &str) -> Value {
    let fields = Fields {
        identifier: user,
        ..fields()
    };
    json!({ "UserID": user, "UserSig": signed(&fields), "SDKAppID": APP })
}

fn letter(from: &str, to: &str, what: &str) -> Value {
    let mut body = credentials(from);
    body["To_Account"] = json!(to);
    body["MsgRandom"] = json!(7);
    // Two messages of one second that have one number are one.
    body["MsgSeq"] = json!(
        what.bytes()
            .fold(0_u64, |sum, byte| sum * 31 + u64::from(byte))
    );
    body["MsgBody"] = text(what);
    body
}

fn send(sandbox: &Sandbox, from: &str, to: &str, what: &str) -> u64 {
    code_of(&ask(sandbox, "/sandbox/send", &letter(from, to, what)))
}

fn ask(sandbox: &Sandbox, path: &str, body: &Value) -> Response<Bytes> {
    let request = Request::post(path).body(body.to_string().into()).unwrap();
    match sandbox.answer(&request, at(NOW)) {
        Answer::Respond(response) => response,
        other => panic!("{path}: {other:?}"),
    }
}

fn listen(sandbox: &Sandbox, user: &str) -> Listener {
    let body = credentials(user).to_string();
    let request = Request::post("/sandbox/events").body(body.into()).unwrap();
    match sandbox.answer(&request, at(NOW)) {
        Answer::Listen(head, listener) => {
            assert_eq!(head.headers()["content-type"], "application/x-ndjson");
            assert_eq!(head.headers()["cache-control"], "no-store");
            listener
        }
        other => panic!("{other:?}"),
    }
}

fn events(listener: &mut Listener, now: u64) -> Vec<Value> {
    let Heard::Lines(lines) = listener.hear(at(now)) else {
        panic!("nothing is heard");
    };
    let lines = std::str::from_utf8(&lines).unwrap().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
