use super::world::{World, text, text_of};
use super::*;

const PUSH: &str = "all_member_push/im_push";

#[test]
fn a_push_has_a_task_id_and_needs_a_second_after_the_last() {
    let mut world = World::new();
    let body = json!({ "From_Account": "ann", "MsgRandom": 6, "MsgBody": text("hi"), "Condition": { "TagsOr": ["x"] } });
    let task = world.done(PUSH, body.clone())["TaskId"].clone();
    assert!(
        task.as_str().unwrap().starts_with(&format!("{APP}_")),
        "{task}"
    );
    assert_eq!(world.call(PUSH, body.clone())["ErrorCode"], 90024);
    world.now += 1;
    assert_ne!(world.done(PUSH, body)["TaskId"], task);
}

#[test]
fn a_day_has_100_pushes() {
    let mut world = World::new();
    world.now = NOW - NOW % 86_400;
    let body = json!({ "MsgRandom": 6, "MsgBody": text("hi") });
    for _ in 0..100 {
        world.done(PUSH, body.clone());
        world.now += 1;
    }
    assert_eq!(world.call(PUSH, body.clone())["ErrorCode"], 90047);
    world.now += 86_400 - 100;
    world.done(PUSH, body);
}

#[test]
fn a_push_has_the_shape_of_a_message() {
    World::new().judges(
        PUSH,
        &json!({ "MsgRandom": 6, "MsgBody": text_of(12 * 1024) }),
        &[
            ("from a stranger", 90008, "From_Account", json!("eve")),
            ("no random", 90005, "MsgRandom", Value::Null),
            ("no content", 90007, "MsgBody", Value::Null),
            ("empty content", 90010, "MsgBody", json!([])),
            ("over 12 KB", 80002, "MsgBody", text_of(12 * 1024 + 1)),
            ("lifetime too long", 90026, "MsgLifeTime", json!(604_801)),
            (
                "an unknown condition",
                90001,
                "Condition",
                json!({ "Tags": [] }),
            ),
            ("an empty condition", 90001, "Condition", json!({})),
            ("condition a list", 90001, "Condition", json!([])),
            ("offline info a text", 90001, "OfflinePushInfo", json!("x")),
        ],
    );
}
