use super::world::{World, column, strangers};
use super::*;

const GET: &str = "profile/portrait_get";
const SET: &str = "profile/portrait_set";

#[test]
fn what_is_set_can_be_read_and_the_rest_is_left_out() {
    let world = World::new();
    let items = json!([
        { "Tag": "Tag_Profile_IM_Nick", "Value": "Ann" },
        { "Tag": "Tag_Profile_IM_Level", "Value": 7 },
        { "Tag": "Tag_Profile_Custom_Town", "Value": "Ulm" },
    ]);
    let set = world.done(SET, json!({ "From_Account": "ann", "ProfileItem": items }));
    assert_eq!(set["ErrorDisplay"], "");
    let tags = [
        "Tag_Profile_IM_Nick",
        "Tag_Profile_IM_Gender",
        "Tag_Profile_IM_Level",
        "Tag_Profile_Custom_Town",
    ];
    let answer = world.done(
        GET,
        json!({ "To_Account": ["ann", "ben"], "TagList": tags }),
    );
    let found = &answer["UserProfileItem"];
    assert_eq!(column(found, "To_Account"), ["ann", "ben"]);
    assert_eq!(found[0]["ProfileItem"], items);
    assert_eq!(found[1]["ProfileItem"], json!([]));
    assert_eq!(answer["Fail_Account"], Value::Null);
}

#[test]
fn an_account_that_does_not_exist_is_named_beside_the_others() {
    let body = json!({ "To_Account": ["eve", "ann"], "TagList": ["Tag_Profile_IM_Nick"] });
    let answer = World::new().done(GET, body);
    assert_eq!(
        column(&answer["UserProfileItem"], "ResultCode"),
        ["40003", "0"]
    );
    assert_eq!(answer["Fail_Account"], json!(["eve"]));
}

#[test]
fn a_profile_is_asked_of_up_to_100_accounts() {
    let tags = json!(["Tag_Profile_IM_Nick"]);
    World::new().judges(
        GET,
        &json!({ "To_Account": strangers(100), "TagList": tags }),
        &[
            ("of nobody", 40002, "To_Account", json!([])),
            ("missing", 40002, "To_Account", Value::Null),
            ("a number", 40002, "To_Account", json!([7])),
            ("of 101", 40001, "To_Account", json!(strangers(101))),
            ("no tags", 40001, "TagList", Value::Null),
            (
                "tags a text",
                40001,
                "TagList",
                json!("Tag_Profile_IM_Nick"),
            ),
        ],
    );
}

#[test]
fn a_profile_is_set_as_a_whole_or_not_at_all() {
    let world = World::new();
    let item = |tag: &str, value: Value| json!([{ "Tag": "Tag_Profile_IM_Nick", "Value": "x" }, { "Tag": tag, "Value": value }]);
    let many: Value = (0..33)
        .map(|number| json!({ "Tag": format!("Tag_Profile_Custom_{number}"), "Value": "v" }))
        .collect();
    let last = json!([{ "Tag": "Tag_Profile_IM_Image", "Value": "v".repeat(500) }]);
    world.judges(
        SET,
        &json!({ "From_Account": "ann", "ProfileItem": last }),
        &[
            ("of nobody", 40001, "From_Account", Value::Null),
            ("of a number", 40001, "From_Account", json!(7)),
            ("of a stranger", 40003, "From_Account", json!("eve")),
            ("no items", 40001, "ProfileItem", json!([])),
            ("missing", 40001, "ProfileItem", Value::Null),
            (
                "unknown tag",
                40001,
                "ProfileItem",
                item("Tag_Profile_IM_Nickname", json!("x")),
            ),
            (
                "no name",
                40001,
                "ProfileItem",
                item("Tag_Profile_Custom_", json!("x")),
            ),
            (
                "a list as value",
                40001,
                "ProfileItem",
                item("Tag_Profile_IM_Image", json!([])),
            ),
            (
                "no value",
                40001,
                "ProfileItem",
                json!([{ "Tag": "Tag_Profile_IM_Image" }]),
            ),
            (
                "501 bytes",
                40601,
                "ProfileItem",
                item("Tag_Profile_IM_Image", json!("v".repeat(501))),
            ),
            ("33 tags", 40001, "ProfileItem", many),
        ],
    );
    let answer = world.done(
        GET,
        json!({ "To_Account": ["ann"], "TagList": ["Tag_Profile_IM_Nick"] }),
    );
    assert_eq!(answer["UserProfileItem"][0]["ProfileItem"], json!([]));
}

#[test]
fn a_profile_does_not_grow_beyond_32_tags() {
    let world = World::new();
    let set = |from: u32, to: u32| {
        let items: Value = (from..to)
            .map(|number| json!({ "Tag": format!("Tag_Profile_Custom_{number}"), "Value": "v" }))
            .collect();
        world.call(SET, json!({ "From_Account": "ann", "ProfileItem": items }))["ErrorCode"].clone()
    };
    assert_eq!(set(0, 32), 0);
    assert_eq!(set(31, 32), 0);
    assert_eq!(set(32, 33), 40001);
    let tag = "Tag_Profile_Custom_32";
    let answer = world.done(GET, json!({ "To_Account": ["ann"], "TagList": [tag] }));
    assert_eq!(answer["UserProfileItem"][0]["ProfileItem"], json!([]));
}
