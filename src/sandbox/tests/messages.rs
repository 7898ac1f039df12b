use super::world::{World, column, strangers, text, text_of};
use super::*;

const SEND: &str = "openim/sendmsg";
const BATCH: &str = "openim/batchsendmsg";
const HISTORY: &str = "openim/admin_getroammsg";
const WITHDRAW: &str = "openim/admin_msgwithdraw";

#[test]
fn a_message_stands_in_the_history_of_both() {
    let world = World::new();
    let body = json!({
        "From_Account": "ann", "To_Account": "ben", "MsgSeq": 5, "MsgRandom": 6, "MsgBody": text("hi"),
        "CloudCustomData": "c",
    });
    let sent = world.done(SEND, body);
    assert_eq!(sent["MsgTime"], NOW);
    assert_eq!(sent["MsgKey"], format!("5_6_{NOW}"));
    let message = json!({
        "From_Account": "ann", "To_Account": "ben", "MsgSeq": 5, "MsgRandom": 6, "MsgTimeStamp": NOW, "MsgFlagBits": 0,
        "IsPeerRead": 0, "MsgKey": sent["MsgKey"], "MsgBody": text("hi"), "CloudCustomData": "c",
    });
    for (reader, peer) in [("ann", "ben"), ("ben", "ann")] {
        let history = history(&world, reader, peer);
        assert_eq!(history["MsgList"], json!([message]), "{reader}");
        assert_eq!(
            (&history["Complete"], &history["MsgCnt"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(
            (&history["LastMsgTime"], &history["LastMsgKey"]),
            (&json!(NOW), &sent["MsgKey"])
        );
    }
    assert_eq!(history(&world, "ann", "cid")["MsgCnt"], 0);
}

#[test]
fn without_from_account_the_administrator_sends() {
    let world = World::new();
    world.done(
        SEND,
        json!({ "To_Account": "ben", "MsgRandom": 6, "MsgBody": text("hi") }),
    );
    let history = history(&world, "ben", "administrator");
    assert_eq!(
        column(&history["MsgList"], "From_Account"),
        ["administrator"]
    );
}

#[test]
fn a_message_has_the_shape_and_size_of_one() {
    let world = World::new();
    let good = json!({
        "From_Account": "ann", "To_Account": "ben", "MsgRandom": u32::MAX, "MsgBody": text_of(12 * 1024),
        "MsgLifeTime": 604_800,
    });
    world.judges(
        SEND,
        &good,
        &[
            ("to nobody", 90003, "To_Account", Value::Null),
            ("to a list", 90003, "To_Account", json!(["ben"])),
            ("to a stranger", 90012, "To_Account", json!("eve")),
            ("from a stranger", 90008, "From_Account", json!("eve")),
            ("from a number", 90008, "From_Account", json!(7)),
            ("no random", 90005, "MsgRandom", Value::Null),
            ("random a text", 90005, "MsgRandom", json!("7")),
            (
                "random beyond 32 bits",
                90005,
                "MsgRandom",
                json!(1_u64 << 32),
            ),
            ("no content", 90007, "MsgBody", Value::Null),
            ("content an object", 90007, "MsgBody", json!({})),
            ("empty content", 90010, "MsgBody", json!([])),
            ("no type", 90010, "MsgBody", json!([{ "MsgContent": {} }])),
            (
                "not a type",
                90010,
                "MsgBody",
                json!([{ "MsgType": "Text", "MsgContent": {} }]),
            ),
            (
                "content a text",
                90010,
                "MsgBody",
                json!([{ "MsgType": "TIMTextElem", "MsgContent": "hi" }]),
            ),
            ("12 KB and a byte", 80002, "MsgBody", text_of(12 * 1024 + 1)),
            (
                "with custom data over 12 KB",
                80002,
                "CloudCustomData",
                json!("x"),
            ),
            ("custom data a number", 90001, "CloudCustomData", json!(1)),
            ("seq a text", 90001, "MsgSeq", json!("1")),
            ("lifetime a text", 90044, "MsgLifeTime", json!("1")),
            ("lifetime too long", 90026, "MsgLifeTime", json!(604_801)),
            ("sync a text", 90031, "SyncOtherMachine", json!("1")),
        ],
    );
    assert_eq!(history(&world, "ann", "ben")["MsgCnt"], 1);
}

#[test]
fn a_repeated_message_is_kept_once_and_answered_like_the_first() {
    let mut world = World::new();
    let body = json!({ "From_Account": "ann", "To_Account": "ben", "MsgRandom": 6, "MsgBody": text("hi") });
    let first = world.done(SEND, body.clone());
    assert_eq!(world.done(SEND, body.clone()), first);
    let mut other = body.clone();
    for (member, value) in [("MsgRandom", json!(7)), ("From_Account", json!("cid"))] {
        other[member] = value;
        assert_ne!(world.done(SEND, other.clone()), first);
    }
    world.now += 1;
    assert_ne!(world.done(SEND, body), first);
    assert_eq!(history(&world, "ann", "ben")["MsgCnt"], 3);
}

#[test]
fn a_message_that_is_not_kept_or_not_synced_is_missing_where_it_should() {
    let world = World::new();
    let send = |random: u32, member: &str, value: u32| {
        world.done(SEND, json!({
            "From_Account": "ann", "To_Account": "ben", "MsgRandom": random, "MsgBody": text("hi"), member: value
        }))
    };
    send(1, "MsgLifeTime", 0);
    send(2, "MsgLifeTime", 1);
    send(3, "SyncOtherMachine", 2);
    send(4, "SyncOtherMachine", 1);
    assert_eq!(randoms(&history(&world, "ann", "ben")), ["2", "4"]);
    assert_eq!(randoms(&history(&world, "ben", "ann")), ["2", "3", "4"]);
}

#[test]
fn a_batch_reaches_all_with_one_key_and_names_those_it_does_not() {
    let world = World::new();
    let body = |to: Value| json!({ "To_Account": to, "MsgRandom": 6, "MsgBody": text("hi") });
    let answer = world.done_in_part(BATCH, body(json!(["ann", "eve", "ben"])));
    assert_eq!(
        answer["ErrorList"],
        json!([{ "To_Account": "eve", "ErrorCode": 70107 }])
    );
    for user in ["ann", "ben"] {
        let history = history(&world, user, "administrator");
        assert_eq!(history["LastMsgKey"], answer["MsgKey"], "{user}");
    }
    assert_eq!(
        world.done(BATCH, body(json!(["cid"])))["ErrorList"],
        Value::Null
    );
}

#[test]
fn a_batch_has_up_to_500_receivers() {
    let world = World::new();
    let mut most = strangers(499);
    most.push("ann".to_owned());
    let good = json!({ "To_Account": ["ann"], "MsgRandom": 6, "MsgBody": text("hi") });
    world.judges(
        BATCH,
        &good,
        &[
            ("none", 90003, "To_Account", json!([])),
            ("a text", 90003, "To_Account", json!("ann")),
            ("a number", 90003, "To_Account", json!([7])),
            ("501", 90011, "To_Account", json!(strangers(501))),
            ("strangers only", 90012, "To_Account", json!(strangers(500))),
            ("500", 0, "To_Account", json!(most)),
            ("from a stranger", 90008, "From_Account", json!("eve")),
            ("no random", 90005, "MsgRandom", Value::Null),
            ("empty content", 90010, "MsgBody", json!([])),
            ("over 12 KB", 80002, "MsgBody", text_of(12 * 1024 + 1)),
        ],
    );
}

#[test]
fn a_long_history_is_read_backwards_in_pages() {
    let mut world = World::new();
    for random in 1..=5 {
        world.now = NOW + random / 3;
        world.done(SEND, json!({ "From_Account": "ann", "To_Account": "ben", "MsgRandom": random, "MsgBody": text("hi") }));
    }
    let mut body = json!({
        "Operator_Account": "ann", "Peer_Account": "ben", "MaxCnt": 2, "MinTime": NOW, "MaxTime": NOW + 9
    });
    for (complete, expected) in [(0, vec!["4", "5"]), (0, vec!["2", "3"]), (1, vec!["1"])] {
        let page = world.done(HISTORY, body.clone());
        assert_eq!(
            (randoms(&page), &page["Complete"]),
            (
                expected.iter().map(|text| (*text).to_owned()).collect(),
                &json!(complete)
            )
        );
        body["MaxTime"] = page["LastMsgTime"].clone();
        body["LastMsgKey"] = page["LastMsgKey"].clone();
    }
    let between = json!({
        "Operator_Account": "ann", "Peer_Account": "ben", "MaxCnt": 9, "MinTime": NOW + 1, "MaxTime": NOW + 1
    });
    assert_eq!(randoms(&world.done(HISTORY, between)), ["3", "4", "5"]);
}

#[test]
fn a_history_is_asked_for_two_accounts_and_a_time() {
    let world = World::new();
    let good = json!({ "Operator_Account": "ann", "Peer_Account": "ben", "MaxCnt": 9, "MinTime": 0, "MaxTime": NOW });
    world.judges(
        HISTORY,
        &good,
        &[
            ("of nobody", 90001, "Operator_Account", Value::Null),
            ("of a number", 90001, "Operator_Account", json!(7)),
            ("of a stranger", 90048, "Operator_Account", json!("eve")),
            ("with nobody", 90001, "Peer_Account", Value::Null),
            ("with a stranger", 90048, "Peer_Account", json!("eve")),
            ("no count", 90001, "MaxCnt", Value::Null),
            ("no start", 90001, "MinTime", json!("0")),
            ("no end", 90001, "MaxTime", Value::Null),
            ("another's key", 90054, "LastMsgKey", json!("1_2_3")),
            ("key a number", 90001, "LastMsgKey", json!(7)),
        ],
    );
    let older = json!({ "From_Account": "ann", "To_Account": "ben", "MaxCnt": 9, "MinTime": 0, "MaxTime": NOW });
    world.done(HISTORY, older);
}

#[test]
fn a_withdrawn_message_is_flagged() {
    let world = World::new();
    let sent = world.done(SEND, json!({ "From_Account": "ann", "To_Account": "ben", "MsgRandom": 6, "MsgBody": text("hi") }));
    let good = json!({ "From_Account": "ann", "To_Account": "ben", "MsgKey": sent["MsgKey"] });
    world.judges(
        WITHDRAW,
        &good,
        &[
            ("by the receiver", 90054, "From_Account", json!("cid")),
            ("from a stranger", 90048, "From_Account", json!("eve")),
            ("to a stranger", 90048, "To_Account", json!("eve")),
            ("from nobody", 90001, "From_Account", Value::Null),
            ("no key", 90054, "MsgKey", Value::Null),
            ("another key", 90054, "MsgKey", json!("1_2_3")),
        ],
    );
    let turned = json!({ "From_Account": "ben", "To_Account": "ann", "MsgKey": sent["MsgKey"] });
    assert_eq!(world.call(WITHDRAW, turned)["ErrorCode"], 90054);
    assert_eq!(
        column(&history(&world, "ben", "ann")["MsgList"], "MsgFlagBits"),
        ["8"]
    );
}

fn history(world: &World, reader: &str, peer: &str) -> Value {
    let body = json!({
        "Operator_Account": reader, "Peer_Account": peer, "MaxCnt": 100, "MinTime": 0, "MaxTime": NOW + 1000
    });
    world.done(HISTORY, body)
}

fn randoms(history: &Value) -> Vec<String> {
    column(&history["MsgList"], "MsgRandom")
}
