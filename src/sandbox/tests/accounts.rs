use super::world::{World, column, strangers};
use super::*;

const IMPORT: &str = "im_open_login_svc/account_import";
const IMPORT_MANY: &str = "im_open_login_svc/multiaccount_import";
const CHECK: &str = "im_open_login_svc/account_check";
const DELETE: &str = "im_open_login_svc/account_delete";
const KICK: &str = "im_open_login_svc/kick";
const ONLINE: &str = "openim/query_online_status";

#[test]
fn an_import_creates_an_account_with_name_and_picture_and_may_be_repeated() {
    let world = World::new();
    assert_eq!(status(&world, "eve"), "NotImported");
    let body = json!({ "UserID": "eve", "Nick": "Eve", "FaceUrl": "http://localhost/eve" });
    assert_eq!(
        world.done(IMPORT, body),
        json!({ "ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0 })
    );
    assert_eq!(status(&world, "eve"), "Imported");
    world.done(IMPORT, json!({ "Identifier": "eve", "Nick": "Eva" }));
    let tags = ["Tag_Profile_IM_Nick", "Tag_Profile_IM_Image"];
    let profile = world.done(
        "profile/portrait_get",
        json!({ "To_Account": ["eve"], "TagList": tags }),
    );
    let items = &profile["UserProfileItem"][0]["ProfileItem"];
    assert_eq!(column(items, "Value"), ["Eva", "http://localhost/eve"]);
}

#[test]
fn an_import_that_names_nobody_is_refused() {
    let world = World::new();
    let good = json!({ "UserID": "eve", "Nick": "Eve", "FaceUrl": "" });
    world.judges(
        IMPORT,
        &good,
        &[
            ("no name", 70402, "UserID", Value::Null),
            ("a number", 60015, "UserID", json!(7)),
            ("no UserID", 70402, "UserID", json!("e v e")),
            ("33 letters", 70402, "UserID", json!("e".repeat(33))),
            ("a number as Nick", 70402, "Nick", json!(7)),
            ("a list as FaceUrl", 70402, "FaceUrl", json!([])),
            ("a long Nick", 70402, "Nick", json!("n".repeat(501))),
        ],
    );
}

#[test]
fn many_are_imported_and_those_that_fail_are_named() {
    let world = World::new();
    let body = json!({ "AccountList": [{ "UserID": "eve", "Nick": "Eve" }, { "UserID": "no body" }, "fay", 7] });
    let answer = world.done(IMPORT_MANY, body);
    assert_eq!(answer["FailAccounts"], json!(["no body", 7]));
    assert_eq!(
        column(&answer["ResultItem"], "ResultCode"),
        ["0", "70402", "0", "60015"]
    );
    assert_eq!(
        (status(&world, "eve"), status(&world, "fay")),
        ("Imported".into(), "Imported".into())
    );
    let hundred = json!({ "Accounts": strangers(100) });
    world.judges(
        IMPORT_MANY,
        &hundred,
        &[
            ("none", 70402, "Accounts", json!([])),
            ("no list", 70402, "Accounts", Value::Null),
            ("a text", 70402, "Accounts", json!("eve")),
            ("101", 70402, "Accounts", json!(strangers(101))),
        ],
    );
}

#[test]
fn a_check_and_a_deletion_take_100_names() {
    let world = World::new();
    for (command, list) in [(CHECK, "CheckItem"), (DELETE, "DeleteItem")] {
        let items = |count| -> Value {
            let names = strangers(count).into_iter();
            names.map(|name| json!({ "UserID": name })).collect()
        };
        world.judges(
            command,
            &json!({ list: items(100) }),
            &[
                ("none", 70402, list, json!([])),
                ("no list", 70402, list, Value::Null),
                ("101", 70402, list, items(101)),
                ("a number", 60015, list, json!([{ "UserID": 7 }])),
                ("no name", 70402, list, json!([{}])),
            ],
        );
    }
}

#[test]
fn a_deleted_account_is_gone_with_its_groups_and_messages() {
    let world = World::with_group();
    let message = json!({ "From_Account": "ann", "To_Account": "ben", "MsgRandom": 1, "MsgBody": world::text("hi") });
    world.done("openim/sendmsg", message);
    let items = json!([{ "UserID": "ann" }, { "UserID": "eve" }, { "UserID": "administrator" }]);
    let answer = world.done(DELETE, json!({ "DeleteItem": items }));
    let results = &answer["ResultItem"];
    assert_eq!(column(results, "ResultCode"), ["0", "70107", "70402"]);
    assert_eq!(
        results[1]["ResultInfo"],
        "Err_TLS_PT_Open_Login_Account_Not_Exist"
    );
    assert_eq!(status(&world, "ann"), "NotImported");
    let info = world.done(
        "group_open_http_svc/get_group_info",
        json!({ "GroupIdList": ["g"] }),
    );
    let group = &info["GroupInfo"][0];
    assert_eq!(
        (&group["Owner_Account"], &group["MemberNum"]),
        (&json!(""), &json!(2))
    );
    // Created again it has no history.
    world.done(IMPORT, json!({ "UserID": "ann" }));
    let history = json!({
        "Operator_Account": "ben", "Peer_Account": "ann", "MaxCnt": 9, "MinTime": 0, "MaxTime": NOW
    });
    assert_eq!(world.done("openim/admin_getroammsg", history)["MsgCnt"], 0);
}

#[test]
fn only_an_account_is_kicked() {
    let world = World::new();
    assert_eq!(
        world.call(KICK, json!({ "UserID": "eve" }))["ErrorCode"],
        70107
    );
    assert_eq!(world.call(KICK, json!({ "UserID": "ann" }))["ErrorCode"], 0);
}

#[test]
fn the_first_login_creates_the_account_and_makes_it_online() {
    let mut world = World::new();
    assert_eq!(status(&world, "27149"), "NotImported");
    assert_eq!(online(&world, "27149"), "70107");
    assert_eq!(online(&world, "ann"), "Offline");
    // A login that fails creates nobody.
    assert_eq!(log_in(&world, "27149", "x"), 70003);
    assert_eq!(status(&world, "27149"), "NotImported");
    assert_eq!(log_in(&world, "27149", &good()), 0);
    assert_eq!(status(&world, "27149"), "Imported");
    assert_eq!(online(&world, "27149"), "Online");
    world.now += u64::from(fields().expire);
    assert_eq!(online(&world, "27149"), "Online");
    world.now += 1;
    assert_eq!(online(&world, "27149"), "Offline");
}

#[test]
fn who_is_kicked_is_offline() {
    let world = World::new();
    assert_eq!(log_in(&world, "27149", &good()), 0);
    let detailed = json!({ "To_Account": ["27149", "ann"], "IsNeedDetail": 1 });
    let answer = world.done(ONLINE, detailed);
    assert_eq!(answer["QueryResult"][0]["Detail"][0]["Status"], "Online");
    assert_eq!(answer["QueryResult"][1]["Detail"], Value::Null);
    world.done(KICK, json!({ "UserID": "27149" }));
    assert_eq!(online(&world, "27149"), "Offline");
}

#[test]
fn the_online_status_of_500_accounts_can_be_asked() {
    World::new().judges(
        ONLINE,
        &json!({ "To_Account": strangers(500) }),
        &[
            ("none", 90003, "To_Account", json!([])),
            ("no list", 90003, "To_Account", json!("ann")),
            ("missing", 90003, "To_Account", Value::Null),
            ("a number", 90003, "To_Account", json!([7])),
            ("501", 90011, "To_Account", json!(strangers(501))),
            ("a text for detail", 90001, "IsNeedDetail", json!("1")),
        ],
    );
}

fn status(world: &World, user: &str) -> String {
    let answer = world.done(CHECK, json!({ "CheckItem": [{ "UserID": user }] }));
    let item = &answer["ResultItem"][0];
    assert_eq!(
        (&item["UserID"], &item["ResultCode"]),
        (&json!(user), &json!(0))
    );
    item["AccountStatus"].as_str().unwrap().to_owned()
}

/// `Online`, `Offline` or the code.
fn online(world: &World, user: &str) -> String {
    let answer = world.done(ONLINE, json!({ "To_Account": [user] }));
    let found = answer["QueryResult"][0]["Status"].as_str();
    match found {
        Some(found) => found.to_owned(),
        None => answer["ErrorList"][0]["ErrorCode"].to_string(),
    }
}

fn log_in(world: &World, user: &str, user_sig: &str) -> u64 {
    let body = json!({ "UserID": user, "UserSig": user_sig, "SDKAppID": APP }).to_string();
    let request = Request::post("/sandbox/login").body(body.into()).unwrap();
    let answer = world
        .sandbox
        .answer(&request, UnixTime::from_secs(world.now));
    code_of(&response(answer))
}
