use super::world::{World, column, strangers, text, text_of};
use super::*;
use crate::sandbox::archive::Archive;

const CREATE: &str = "group_open_http_svc/create_group";
const MEMBERS: &str = "group_open_http_svc/get_group_member_info";
const JOINED: &str = "group_open_http_svc/get_joined_group_list";
const ADD: &str = "group_open_http_svc/add_group_member";
const DELETE: &str = "group_open_http_svc/delete_group_member";
const OWNER: &str = "group_open_http_svc/change_group_owner";
const FORBID: &str = "group_open_http_svc/forbid_send_msg";
const ROLES: &str = "group_open_http_svc/get_role_in_group";
const SEND: &str = "group_open_http_svc/send_group_msg";
const HISTORY: &str = "group_open_http_svc/group_msg_get_simple";

#[test]
fn members_are_read_in_pages_and_by_role() {
    let world = World::with_group();
    let ask = |more: Value| {
        let mut body = json!({ "GroupId": "g" });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = world.done(MEMBERS, body);
        assert_eq!(answer["MemberNum"], 3);
        column(&answer["MemberList"], "Member_Account")
    };
    assert_eq!(ask(json!({})), ["ann", "ben", "cid"]);
    assert_eq!(ask(json!({ "Limit": 1, "Offset": 1 })), ["ben"]);
    assert_eq!(ask(json!({ "Offset": 3 })), [""; 0]);
    assert_eq!(
        ask(json!({ "MemberRoleFilter": ["Owner", "Member"] })),
        ["ann", "cid"]
    );
    let filtered = world.done(
        MEMBERS,
        json!({ "GroupId": "g", "MemberInfoFilter": ["JoinTime"] }),
    );
    assert_eq!(
        filtered["MemberList"][0],
        json!({ "Member_Account": "ann", "JoinTime": NOW })
    );
    world.judges(
        MEMBERS,
        &json!({ "GroupId": "g" }),
        &[
            ("another group", 10010, "GroupId", json!("h")),
            ("limit a text", 10004, "Limit", json!("1")),
            ("offset negative", 10004, "Offset", json!(-1)),
            (
                "a filter that is none",
                10004,
                "MemberInfoFilter",
                json!("Role"),
            ),
            ("roles that are none", 10004, "MemberRoleFilter", json!([7])),
        ],
    );
}

#[test]
fn the_groups_of_an_account_are_listed() {
    let world = World::with_group();
    for (id, kind) in [("h", "Work"), ("live", "AVChatRoom")] {
        world.done(
            CREATE,
            json!({ "GroupId": id, "Type": kind, "Name": "H", "Owner_Account": "ann" }),
        );
    }
    let ask = |body: Value| {
        let answer = world.done(JOINED, body);
        (
            column(&answer["GroupIdList"], "GroupId").join(" "),
            answer["TotalCount"].as_u64().unwrap(),
        )
    };
    assert_eq!(ask(json!({ "Member_Account": "ann" })), ("g h".into(), 2));
    assert_eq!(
        ask(json!({ "Member_Account": "ann", "WithHugeGroups": 1 })),
        ("g h live".into(), 3)
    );
    assert_eq!(
        ask(json!({ "Member_Account": "ann", "GroupType": "Public" })),
        ("g".into(), 1)
    );
    assert_eq!(
        ask(json!({ "Member_Account": "ann", "Limit": 1, "Offset": 1 })),
        ("h".into(), 2)
    );
    assert_eq!(ask(json!({ "Member_Account": "dan" })), (String::new(), 0));
    let filter = json!({ "GroupBaseInfoFilter": ["Name"], "SelfInfoFilter": ["Role"] });
    let answer = world.done(
        JOINED,
        json!({ "Member_Account": "cid", "ResponseFilter": filter }),
    );
    assert_eq!(
        answer["GroupIdList"],
        json!([{ "GroupId": "g", "Name": "G", "SelfInfo": { "Role": "Member" } }])
    );
    world.judges(
        JOINED,
        &json!({ "Member_Account": "ann" }),
        &[
            ("of nobody", 10004, "Member_Account", Value::Null),
            ("of a stranger", 10019, "Member_Account", json!("eve")),
            ("unknown type", 10004, "GroupType", json!("Club")),
            ("a filter that is none", 10004, "ResponseFilter", json!([])),
            ("huge a text", 10004, "WithHugeGroups", json!("1")),
        ],
    );
}

#[test]
fn accounts_are_added_and_others_reported() {
    let world = World::with_group();
    let body = json!({ "GroupId": "g", "MemberList": [
        { "Member_Account": "dan" }, { "Member_Account": "ben" }, { "Member_Account": "eve" }, { "Member_Account": "dan" },
    ]});
    assert_eq!(
        column(&world.done(ADD, body)["MemberList"], "Result"),
        ["1", "2", "0", "2"]
    );
    assert_eq!(roles(&world), "Owner Admin Member Member NotMember");
    let list = |count| -> Value {
        strangers(count)
            .into_iter()
            .map(|name| json!({ "Member_Account": name }))
            .collect()
    };
    world.judges(
        ADD,
        &json!({ "GroupId": "g", "MemberList": list(300) }),
        &[
            ("301", 10005, "MemberList", list(301)),
            ("none", 10004, "MemberList", json!([])),
            ("a text", 10004, "MemberList", json!("dan")),
            ("another group", 10010, "GroupId", json!("h")),
        ],
    );
}

#[test]
fn a_full_group_takes_nobody() {
    let world = World::with_group();
    world.done(
        "group_open_http_svc/modify_group_base_info",
        json!({ "GroupId": "g", "MaxMemberNum": 3 }),
    );
    let add = |name| json!({ "GroupId": "g", "MemberList": [{ "Member_Account": name }] });
    assert_eq!(world.call(ADD, add("dan"))["ErrorCode"], 10014);
    world.done(ADD, add("cid"));
    world.done(
        DELETE,
        json!({ "GroupId": "g", "MemberToDel_Account": ["cid"] }),
    );
    world.done(ADD, add("dan"));
    world.done(
        CREATE,
        json!({ "GroupId": "live", "Type": "AVChatRoom", "Name": "L" }),
    );
    let live = json!({ "GroupId": "live", "MemberList": [{ "Member_Account": "dan" }] });
    assert_eq!(world.call(ADD, live)["ErrorCode"], 10007);
}

#[test]
fn members_are_taken_out_but_not_the_owner() {
    let world = World::with_group();
    let most: Vec<_> = strangers(99)
        .into_iter()
        .chain(["cid".to_owned()])
        .collect();
    world.judges(
        DELETE,
        &json!({ "GroupId": "g", "MemberToDel_Account": most }),
        &[
            ("101", 10005, "MemberToDel_Account", json!(strangers(101))),
            ("none", 10004, "MemberToDel_Account", json!([])),
            ("missing", 10004, "MemberToDel_Account", Value::Null),
            (
                "the owner",
                10007,
                "MemberToDel_Account",
                json!(["ben", "ann"]),
            ),
            ("another group", 10010, "GroupId", json!("h")),
        ],
    );
    assert_eq!(roles(&world), "Owner Admin NotMember NotMember NotMember");
}

#[test]
fn a_group_is_handed_to_a_member() {
    let world = World::with_group();
    world.judges(
        OWNER,
        &json!({ "GroupId": "g", "NewOwner_Account": "cid" }),
        &[
            ("to nobody", 10004, "NewOwner_Account", Value::Null),
            ("to a stranger", 10019, "NewOwner_Account", json!("eve")),
            ("to somebody else", 10004, "NewOwner_Account", json!("dan")),
            ("another group", 10010, "GroupId", json!("h")),
        ],
    );
    assert_eq!(roles(&world), "Member Admin Owner NotMember NotMember");
}

#[test]
fn roles_are_told_of_up_to_500_accounts() {
    World::with_group().judges(
        ROLES,
        &json!({ "GroupId": "g", "User_Account": strangers(500) }),
        &[
            ("501", 10005, "User_Account", json!(strangers(501))),
            ("none", 10004, "User_Account", json!([])),
            ("a text", 10004, "User_Account", json!("ann")),
            ("another group", 10010, "GroupId", json!("h")),
            ("an empty id", 10015, "GroupId", json!("")),
        ],
    );
}

#[test]
fn a_muted_member_is_silent_until_the_time_is_over() {
    let mut world = World::with_group();
    assert_eq!(say(&world, "cid", 1), 0);
    world.done(
        FORBID,
        json!({ "GroupId": "g", "Members_Account": ["cid"], "MuteTime": 60 }),
    );
    assert_eq!((say(&world, "cid", 2), say(&world, "ben", 3)), (10017, 0));
    world.done(
        FORBID,
        json!({ "GroupId": "g", "Members_Account": ["cid"], "MuteTime": 0 }),
    );
    assert_eq!(say(&world, "cid", 4), 0);
    world.done(
        FORBID,
        json!({ "GroupId": "g", "Members_Account": ["cid"], "ShutUpTime": 60 }),
    );
    let members = world.done(MEMBERS, json!({ "GroupId": "g" }));
    let until = (NOW + 60).to_string();
    assert_eq!(
        column(&members["MemberList"], "MuteUntil"),
        ["0", "0", until.as_str()]
    );
    // It outlives the membership.
    world.done(
        DELETE,
        json!({ "GroupId": "g", "MemberToDel_Account": ["cid"] }),
    );
    world.done(
        ADD,
        json!({ "GroupId": "g", "MemberList": [{ "Member_Account": "cid" }] }),
    );
    world.now += 59;
    assert_eq!(say(&world, "cid", 5), 10017);
    world.now += 1;
    assert_eq!(say(&world, "cid", 6), 0);
}

#[test]
fn in_a_muted_group_only_owner_and_admins_speak() {
    let world = World::with_group();
    let mute = |word| {
        let body = json!({ "GroupId": "g", "MuteAllMember": word });
        world.done("group_open_http_svc/modify_group_base_info", body)
    };
    mute("On");
    let said = ["ann", "ben", "cid", "administrator"].map(|name| say(&world, name, 1));
    assert_eq!(said, [0, 0, 10017, 0]);
    mute("Off");
    assert_eq!(say(&world, "cid", 1), 0);
}

#[test]
fn up_to_500_members_are_muted() {
    let world = World::with_group();
    world.done(
        CREATE,
        json!({ "GroupId": "work", "Type": "Work", "Name": "W", "Owner_Account": "ann" }),
    );
    world.judges(
        FORBID,
        &json!({ "GroupId": "g", "Members_Account": vec!["cid"; 500], "MuteTime": 60 }),
        &[
            ("501", 10005, "Members_Account", json!(vec!["cid"; 501])),
            ("none", 10004, "Members_Account", json!([])),
            (
                "somebody else",
                10004,
                "Members_Account",
                json!(["cid", "dan"]),
            ),
            ("a stranger", 10004, "Members_Account", json!(["eve"])),
            ("no time", 10004, "MuteTime", Value::Null),
            ("time a text", 10004, "MuteTime", json!("60")),
            ("time beyond 32 bits", 10004, "MuteTime", json!(1_u64 << 32)),
            ("a Private group", 10007, "GroupId", json!("work")),
            ("another group", 10010, "GroupId", json!("h")),
        ],
    );
}

#[test]
fn a_message_to_a_group_has_the_next_number() {
    let mut world = World::with_group();
    let body = json!({ "GroupId": "g", "From_Account": "cid", "Random": 7, "MsgBody": text("hi") });
    let sent = world.done(SEND, body.clone());
    assert_eq!(
        (&sent["MsgTime"], &sent["MsgSeq"]),
        (&json!(NOW), &json!(1))
    );
    world.now += 299;
    assert_eq!(
        world.done(SEND, body.clone()),
        sent,
        "the same within five minutes"
    );
    world.now += 1;
    assert_eq!(world.done(SEND, body)["MsgSeq"], 2);
    let history = world.done(HISTORY, json!({ "GroupId": "g", "ReqMsgNumber": 20 }));
    assert_eq!(
        (&history["GroupId"], &history["IsFinished"]),
        (&json!("g"), &json!(1))
    );
    assert_eq!(column(&history["RspMsgList"], "MsgSeq"), ["2", "1"]);
    assert_eq!(
        history["RspMsgList"][1],
        json!({
            "From_Account": "cid", "IsPlaceMsg": 0, "MsgBody": text("hi"), "MsgPriority": 1, "MsgRandom": 7, "MsgSeq": 1,
            "MsgTimeStamp": NOW, "CloudCustomData": "",
        })
    );
    let info = world.done(
        "group_open_http_svc/get_group_info",
        json!({ "GroupIdList": ["g"] }),
    );
    let group = &info["GroupInfo"][0];
    assert_eq!(
        (&group["NextMsgSeq"], &group["LastMsgTime"]),
        (&json!(3), &json!(NOW + 300))
    );
    assert_eq!(
        column(&group["MemberList"], "LastSendMsgTime"),
        ["0", "0", &(NOW + 300).to_string()]
    );
}

#[test]
fn a_message_to_a_group_has_the_shape_and_sender_of_one() {
    let world = World::with_group();
    world.judges(
        SEND,
        &json!({ "GroupId": "g", "From_Account": "cid", "Random": 7, "MsgBody": text_of(12 * 1024), "To_Account": vec!["ben"; 50] }),
        &[
            ("from somebody else", 10007, "From_Account", json!("dan")),
            ("from a stranger", 10019, "From_Account", json!("eve")),
            ("from a number", 10004, "From_Account", json!(7)),
            ("no random", 10004, "Random", Value::Null),
            ("no content", 10004, "MsgBody", Value::Null),
            ("empty content", 10004, "MsgBody", json!([])),
            ("over 12 KB", 80002, "MsgBody", text_of(12 * 1024 + 1)),
            ("to 51", 10005, "To_Account", json!(vec!["ben"; 51])),
            ("another group", 10010, "GroupId", json!("h")),
            ("an empty id", 10015, "GroupId", json!("")),
        ],
    );
}

#[test]
fn a_group_history_is_read_downwards_20_at_a_time() {
    let world = World::with_group();
    for random in 1..=25 {
        assert_eq!(say(&world, "ann", random), 0);
    }
    let ask = |body: Value| {
        let answer = world.done(HISTORY, body);
        let seqs = column(&answer["RspMsgList"], "MsgSeq");
        let ends = (seqs.first().cloned(), seqs.last().cloned(), seqs.len());
        (ends, answer["IsFinished"].as_u64().unwrap())
    };
    let ends =
        |first: &str, last: &str, count| (Some(first.to_owned()), Some(last.to_owned()), count);
    assert_eq!(
        ask(json!({ "GroupId": "g", "ReqMsgNumber": 20 })),
        (ends("25", "6", 20), 1)
    );
    assert_eq!(
        ask(json!({ "GroupId": "g", "ReqMsgNumber": 21 })),
        (ends("25", "6", 20), 0)
    );
    assert_eq!(
        ask(json!({ "GroupId": "g", "ReqMsgNumber": 20, "ReqMsgSeq": 5 })),
        (ends("5", "1", 5), 1)
    );
    assert_eq!(
        ask(json!({ "GroupId": "g", "ReqMsgNumber": 2, "ReqMsgSeq": 99 })),
        (ends("25", "24", 2), 1)
    );
    assert_eq!(
        ask(json!({ "GroupId": "g", "ReqMsgNumber": 0 })),
        ((None, None, 0), 1)
    );
    world.done(
        CREATE,
        json!({ "GroupId": "live", "Type": "AVChatRoom", "Name": "L" }),
    );
    world.judges(
        HISTORY,
        &json!({ "GroupId": "g", "ReqMsgNumber": 1 }),
        &[
            ("no number", 10004, "ReqMsgNumber", Value::Null),
            ("number a text", 10004, "ReqMsgNumber", json!("1")),
            ("seq a text", 10004, "ReqMsgSeq", json!("1")),
            ("an AVChatRoom", 10007, "GroupId", json!("live")),
            ("another group", 10010, "GroupId", json!("h")),
        ],
    );
}

#[test]
fn a_placeholder_stands_for_a_message_that_is_no_longer_kept() {
    let world = World::with_group();
    world.sandbox.state.lock().chat.archive = Archive::new(2, 1 << 20);
    for random in 1..=3 {
        assert_eq!(say(&world, "ann", random), 0);
    }
    let history = world.done(HISTORY, json!({ "GroupId": "g", "ReqMsgNumber": 20 }));
    let list = &history["RspMsgList"];
    assert_eq!(column(list, "MsgSeq"), ["3", "2", "1"]);
    assert_eq!(column(list, "IsPlaceMsg"), ["0", "0", "1"]);
    assert_eq!(list[2]["MsgBody"], Value::Null);
}

/// The code of a message in the group `g`.
fn say(world: &World, name: &str, random: u32) -> u64 {
    let body =
        json!({ "GroupId": "g", "From_Account": name, "Random": random, "MsgBody": text("hi") });
    world.call(SEND, body)["ErrorCode"].as_u64().unwrap()
}

/// The roles of ann, ben, cid, dan and of nobody in the group `g`.
fn roles(world: &World) -> String {
    let names = ["ann", "ben", "cid", "dan", "eve"];
    let answer = world.done(ROLES, json!({ "GroupId": "g", "User_Account": names }));
    assert_eq!(column(&answer["UserIdList"], "Member_Account"), names);
    column(&answer["UserIdList"], "Role").join(" ")
}
