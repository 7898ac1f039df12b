use super::world::{World, column};
use super::*;
use crate::sandbox::archive::Talk;

const CREATE: &str = "group_open_http_svc/create_group";
const INFO: &str = "group_open_http_svc/get_group_info";
const LIST: &str = "group_open_http_svc/get_appid_group_list";
const MODIFY: &str = "group_open_http_svc/modify_group_base_info";
const DESTROY: &str = "group_open_http_svc/destroy_group";

#[test]
fn a_new_group_has_its_owner_and_first_members() {
    let world = World::with_group();
    let group = info(&world, "g");
    for (member, value) in [
        ("GroupId", json!("g")),
        ("ErrorCode", json!(0)),
        ("Type", json!("Public")),
        ("Name", json!("G")),
        ("Appid", json!(APP)),
        ("Owner_Account", json!("ann")),
        ("CreateTime", json!(NOW)),
        ("NextMsgSeq", json!(1)),
        ("MemberNum", json!(3)),
        ("MuteAllMember", json!("Off")),
        ("ShutUpAllMember", json!("Off")),
        ("AppDefinedData", json!([])),
    ] {
        assert_eq!(group[member], value, "{member}");
    }
    assert_eq!(
        column(&group["MemberList"], "Member_Account"),
        ["ann", "ben", "cid"]
    );
    assert_eq!(
        column(&group["MemberList"], "Role"),
        ["Owner", "Admin", "Member"]
    );
}

#[test]
fn a_group_without_an_id_gets_one_of_its_own() {
    let world = World::new();
    let create = || {
        let answer = world.done(CREATE, json!({ "Type": "Work", "Name": "G" }));
        answer["GroupId"].as_str().unwrap().to_owned()
    };
    let (one, other) = (create(), create());
    assert!(one.starts_with("@TGS#"), "{one}");
    assert_ne!(one, other);
    let group = info(&world, &one);
    assert_eq!(
        (&group["Type"], &group["Owner_Account"]),
        (&json!("Private"), &json!(""))
    );
}

#[test]
fn a_group_is_created_with_valid_members_only() {
    let world = World::with_group();
    let members = |count: usize| -> Value {
        (0..count)
            .map(|_| json!({ "Member_Account": "ben" }))
            .collect()
    };
    let good = json!({
        "GroupId": "h".repeat(48), "Type": "Public", "Name": "n".repeat(100), "Owner_Account": "ann",
        "MemberList": members(100), "MaxMemberCount": 2, "Introduction": "i".repeat(500), "MuteAllMember": "On",
        "AppDefinedData": [{ "Key": "k", "Value": "v" }],
    });
    let fields: Value = (0..21)
        .map(|number| json!({ "Key": number.to_string(), "Value": "v" }))
        .collect();
    world.judges(
        CREATE,
        &good,
        &[
            ("no type", 10004, "Type", Value::Null),
            ("unknown type", 10004, "Type", json!("Club")),
            ("no name", 10004, "Name", Value::Null),
            ("empty name", 10004, "Name", json!("")),
            ("name over 100 bytes", 10004, "Name", json!("n".repeat(101))),
            (
                "text over 500 bytes",
                10004,
                "Introduction",
                json!("i".repeat(501)),
            ),
            ("text a number", 10004, "FaceUrl", json!(7)),
            ("owner a stranger", 10019, "Owner_Account", json!("eve")),
            ("owner a number", 10004, "Owner_Account", json!(7)),
            (
                "a stranger as member",
                10019,
                "MemberList",
                json!([{ "Member_Account": "eve" }]),
            ),
            ("101 members", 10005, "MemberList", members(101)),
            ("no members in the list", 10004, "MemberList", json!([])),
            ("a member without a name", 10004, "MemberList", json!([{}])),
            (
                "a member as owner",
                10004,
                "MemberList",
                json!([{ "Member_Account": "ben", "Role": "Owner" }]),
            ),
            (
                "members in an AVChatRoom",
                10007,
                "Type",
                json!("AVChatRoom"),
            ),
            ("empty id", 10015, "GroupId", json!("")),
            ("id over 48 bytes", 10015, "GroupId", json!("h".repeat(49))),
            ("id with a tab", 10015, "GroupId", json!("a\tb")),
            ("id of Chat's", 10015, "GroupId", json!("@TGS#h")),
            ("id a number", 10015, "GroupId", json!(7)),
            ("id of the same owner", 10025, "GroupId", json!("g")),
            (
                "more members than it may have",
                10014,
                "MaxMemberCount",
                json!(1),
            ),
            ("may have none", 10004, "MaxMemberCount", json!(0)),
            ("may have too many", 10004, "MaxMemberCount", json!(2001)),
            ("muted a bit", 10004, "MuteAllMember", json!("on")),
            (
                "a field without a value",
                10004,
                "AppDefinedData",
                json!([{ "Key": "k" }]),
            ),
            (
                "a field without a key",
                10004,
                "AppDefinedData",
                json!([{ "Value": "v" }]),
            ),
            ("21 fields", 10004, "AppDefinedData", fields),
        ],
    );
    let taken = json!({ "GroupId": "g", "Type": "Public", "Name": "G", "Owner_Account": "ben" });
    assert_eq!(world.call(CREATE, taken)["ErrorCode"], 10021);
    let community = json!({ "GroupId": "@TGS#_c", "Type": "Community", "Name": "C" });
    world.done(CREATE, community);
}

#[test]
fn there_are_1000_groups_at_most() {
    let world = World::new();
    let create =
        || world.call(CREATE, json!({ "Type": "Public", "Name": "G" }))["ErrorCode"].clone();
    for _ in 0..1000 {
        assert_eq!(create(), 0);
    }
    assert_eq!(create(), 10037);
}

#[test]
fn a_filter_leaves_only_what_it_lists() {
    let world = World::with_group();
    let fields = json!([{ "Key": "a", "Value": "1" }, { "Key": "b", "Value": "2" }]);
    world.done(MODIFY, json!({ "GroupId": "g", "AppDefinedData": fields }));
    let ask = |filter: Value| {
        let body = json!({ "GroupIdList": ["g"], "ResponseFilter": filter });
        world.done(INFO, body)["GroupInfo"][0].clone()
    };
    let head = json!({ "GroupId": "g", "ErrorCode": 0, "ErrorInfo": "" });
    assert_eq!(ask(json!({})), head);
    let with = |member: &str, value: Value| {
        let mut with = head.clone();
        with[member] = value;
        with
    };
    assert_eq!(
        ask(json!({ "GroupBaseInfoFilter": ["Name", "Nothing"] })),
        with("Name", json!("G"))
    );
    assert_eq!(
        ask(json!({ "AppDefinedDataFilter_Group": ["b"] })),
        with("AppDefinedData", json!([{ "Key": "b", "Value": "2" }]))
    );
    let members = ask(json!({ "MemberInfoFilter": ["Role"] }))["MemberList"].clone();
    assert_eq!(
        members[0],
        json!({ "Member_Account": "ann", "Role": "Owner" })
    );
}

#[test]
fn up_to_50_groups_are_read_each_with_its_own_result() {
    let world = World::with_group();
    let body = json!({ "GroupIdList": ["g", "h", "a\tb"] });
    let found = world.done(INFO, body)["GroupInfo"].clone();
    assert_eq!(column(&found, "ErrorCode"), ["0", "10010", "10015"]);
    assert_eq!(found[1]["Name"], Value::Null);
    world.judges(
        INFO,
        &json!({ "GroupIdList": vec!["g"; 50] }),
        &[
            ("none", 10004, "GroupIdList", json!([])),
            ("missing", 10004, "GroupIdList", Value::Null),
            ("a number", 10004, "GroupIdList", json!([7])),
            ("51", 10004, "GroupIdList", json!(vec!["g"; 51])),
            ("a filter that is none", 10004, "ResponseFilter", json!([])),
            (
                "a list that is none",
                10004,
                "ResponseFilter",
                json!({ "MemberInfoFilter": "Role" }),
            ),
        ],
    );
}

#[test]
fn all_groups_are_listed_in_pages() {
    let world = World::new();
    for (id, kind) in [("c", "Public"), ("a", "Work"), ("b", "Public")] {
        world.done(CREATE, json!({ "GroupId": id, "Type": kind, "Name": "G" }));
    }
    let all = world.done(LIST, json!({}));
    assert_eq!(column(&all["GroupIdList"], "GroupId"), ["c", "a", "b"]);
    assert_eq!((&all["TotalCount"], &all["Next"]), (&json!(3), &json!(0)));
    let first = world.done(LIST, json!({ "Limit": 2, "Next": 0, "GroupType": "" }));
    assert_eq!(column(&first["GroupIdList"], "GroupId"), ["c", "a"]);
    let second = world.done(LIST, json!({ "Limit": 2, "Next": first["Next"] }));
    assert_eq!(column(&second["GroupIdList"], "GroupId"), ["b"]);
    assert_eq!(second["Next"], 0);
    let public = world.done(LIST, json!({ "GroupType": "Public" }));
    assert_eq!(column(&public["GroupIdList"], "GroupId"), ["c", "b"]);
    world.judges(
        LIST,
        &json!({}),
        &[
            ("unknown type", 10004, "GroupType", json!("Club")),
            ("limit a text", 10004, "Limit", json!("2")),
            ("next a text", 10004, "Next", json!("2")),
        ],
    );
}

#[test]
fn a_profile_is_changed_as_a_whole_or_not_at_all() {
    let mut world = World::with_group();
    world.now += 5;
    world.judges(
        MODIFY,
        &json!({ "GroupId": "g", "Name": "H", "ShutUpAllMember": "On", "MaxMemberNum": 2000 }),
        &[
            (
                "a text too long",
                10004,
                "Introduction",
                json!("i".repeat(501)),
            ),
            ("muted a bit", 10004, "ShutUpAllMember", json!("Yes")),
            ("may have too many", 10004, "MaxMemberNum", json!(2001)),
            (
                "a field without a value",
                10004,
                "AppDefinedData",
                json!([{ "Key": "k" }]),
            ),
            ("another group", 10010, "GroupId", json!("h")),
            ("no id", 10004, "GroupId", Value::Null),
            ("an empty id", 10015, "GroupId", json!("")),
        ],
    );
    let group = info(&world, "g");
    assert_eq!(
        (&group["Name"], &group["MuteAllMember"]),
        (&json!("H"), &json!("On"))
    );
    assert_eq!(
        (&group["LastInfoTime"], &group["CreateTime"]),
        (&json!(NOW + 5), &json!(NOW))
    );
    let refused = json!({ "GroupId": "g", "Name": "I", "ApplyJoinOption": 7 });
    assert_eq!(world.call(MODIFY, refused)["ErrorCode"], 10004);
    assert_eq!(info(&world, "g")["Name"], "H");
    let fields = json!([{ "Key": "a", "Value": "1" }, { "Key": "b", "Value": "2" }]);
    world.done(MODIFY, json!({ "GroupId": "g", "AppDefinedData": fields }));
    world.done(
        MODIFY,
        json!({ "GroupId": "g", "AppDefinedData": [{ "Key": "a", "Value": "" }] }),
    );
    assert_eq!(
        info(&world, "g")["AppDefinedData"],
        json!([{ "Key": "b", "Value": "2" }])
    );
}

#[test]
fn a_destroyed_group_is_gone_and_its_id_is_free() {
    let world = World::with_group();
    let message = json!({ "GroupId": "g", "Random": 1, "MsgBody": world::text("hi") });
    world.done("group_open_http_svc/send_group_msg", message);
    world.judges(
        DESTROY,
        &json!({ "GroupId": "g" }),
        &[
            ("another", 10010, "GroupId", json!("h")),
            ("an empty id", 10015, "GroupId", json!("")),
            ("no id", 10004, "GroupId", Value::Null),
            ("a number", 10004, "GroupId", json!(7)),
        ],
    );
    assert_eq!(
        world.call(DESTROY, json!({ "GroupId": "g" }))["ErrorCode"],
        10010
    );
    world.done(
        CREATE,
        json!({ "GroupId": "g", "Type": "Public", "Name": "G" }),
    );
    let kept = |serial| {
        let state = world.sandbox.state.lock();
        state.chat.archive.of(Talk::Group(serial)).count()
    };
    assert_eq!((kept(1), kept(2)), (0, 0));
    let message = json!({ "GroupId": "g", "Random": 1, "MsgBody": world::text("new") });
    let sent = world.done("group_open_http_svc/send_group_msg", message);
    assert_eq!((&sent["MsgSeq"], kept(2)), (&json!(1), 1));
    let body = json!({ "GroupId": "g", "ReqMsgNumber": 20 });
    let history = world.done("group_open_http_svc/group_msg_get_simple", body);
    assert_eq!(history["RspMsgList"][0]["MsgBody"], world::text("new"));
}

fn info(world: &World, id: &str) -> Value {
    world.done(INFO, json!({ "GroupIdList": [id] }))["GroupInfo"][0].clone()
}
