use super::*;
use crate::identity::{ReservedNames, UserId};
use crate::json::{self, JsonPointer};
use crate::rest_api::acting::ActingAccount;
use crate::rest_api::admit::{Admission, AdmitError, Body, Bounds};
use crate::rest_api::catalog::{Catalog, CommandName};
use crate::rest_api::condition::{Condition, FieldPath, Test};
use crate::rest_api::group_role::{GroupError, GroupRole, GroupRoles};
use crate::rest_api::policy::{AllowedRoles, Policy, RestCaller, Roles, Selector};
use crate::usersig::SdkAppId;

const REMOVE: &str = "group_open_http_svc/delete_group_member";
const OWNER: &str = "group_open_http_svc/change_group_owner";

fn rule(label: &str, command: &str, group_role: &[GroupRole], conditions: Vec<Condition>) -> Rule {
    let roles = GroupRoles::new(group_role.iter().copied());
    Rule {
        label: label.into(),
        selector: Selector::Commands(vec![CommandName::parse(command).unwrap()]),
        roles: AllowedRoles::Everybody,
        issuers: Vec::new(),
        acting: None,
        group_role: (!group_role.is_empty()).then_some(roles),
        conditions,
    }
}

fn condition(field: &str, test: Test) -> Condition {
    Condition {
        field: FieldPath::parse(field).unwrap(),
        test,
        optional: false,
    }
}

/// What comes of a body for `u7` when Chat tells this role: the rule and what is sent, and whether Chat was asked.
fn admit(rules: &[Rule], command: &str, body: &str, told: Told) -> (Result<String, String>, bool) {
    let policy = Policy::build(Catalog::builtin(), rules.to_vec()).unwrap();
    let reserved = ReservedNames::new(["administrator"]);
    let claims = json::parse_object(b"{}").unwrap();
    let caller = RestCaller {
        user_id: UserId::parse("u7", &reserved).unwrap(),
        issuer: "app",
        roles: Roles::of(&claims, &JsonPointer::parse("/r").unwrap()),
    };
    let name = CommandName::parse(command).unwrap();
    let grant = policy.decide(&name, &caller).unwrap();
    let bounds = Bounds {
        reserved: &reserved,
        sdk_app_id: SdkAppId::new(1_400_000_000).unwrap(),
    };
    let body = Body::parse(body.as_bytes()).unwrap();
    let shown = |admitted: Admitted<'_, '_>| {
        let sent = String::from_utf8(admitted.body.into_owned()).unwrap();
        format!("{}: {sent}", admitted.rule.label)
    };
    match body.admit(&grant, &caller, bounds) {
        Ok(Admission::Given(admitted)) => (Ok(shown(admitted)), false),
        Ok(Admission::ByRole(waiting)) => {
            assert_eq!(waiting.group(), "g1");
            let refused = |refused: NotByRole<'_>| {
                format!("{}: {}", refused.nearest.label, refused.reason.reason())
            };
            (waiting.with(told).map(shown).map_err(refused), true)
        }
        Err(refused) => {
            let reason = refused.reason.reason();
            (Err(format!("{}: {reason}", refused.nearest.label)), false)
        }
    }
}

#[test]
fn only_a_listed_role_in_the_group_gets_through() {
    let rules = [rule(
        "chiefs",
        REMOVE,
        &[GroupRole::Owner, GroupRole::Admin],
        Vec::new(),
    )];
    let body = r#"{"GroupId":"g1","MemberToDel_Account":["u8"]}"#;
    for (told, expected) in [
        (Some(GroupRole::Owner), Ok(format!("chiefs: {body}"))),
        (Some(GroupRole::Admin), Ok(format!("chiefs: {body}"))),
        (
            Some(GroupRole::Member),
            Err("chiefs: other_role".to_owned()),
        ),
        (None, Err("chiefs: not_a_member".to_owned())),
    ] {
        assert_eq!(
            admit(&rules, REMOVE, body, told),
            (expected, true),
            "{told:?}"
        );
    }
}

#[test]
fn nobody_is_asked_about_a_body_that_names_no_group_or_fits_no_rule() {
    let only = condition("/MemberToDel_Account", Test::MaxItems(1));
    let rules = [rule("chiefs", REMOVE, &[GroupRole::Owner], vec![only])];
    for (body, reason) in [
        (r#"{"MemberToDel_Account":["u8"]}"#, "group_missing"),
        (
            r#"{"GroupId":["g1"],"MemberToDel_Account":["u8"]}"#,
            "group_wrong_type",
        ),
        (
            r#"{"GroupId":["g1","g2"],"MemberToDel_Account":["u8"]}"#,
            "group_several",
        ),
        (
            r#"{"groupid":"g1","MemberToDel_Account":["u8"]}"#,
            "group_misspelled",
        ),
        (
            r#"{"GroupId":"","MemberToDel_Account":["u8"]}"#,
            "group_form",
        ),
        (
            r#"{"GroupId":"g1","TopicId":"g2@TOPIC#_a","MemberToDel_Account":["u8"]}"#,
            "group_other_topic",
        ),
        (
            r#"{"GroupId":"g1","MemberToDel_Account":["u8","u9"]}"#,
            "condition_too_many",
        ),
        (
            r#"{"GroupId":"g1","From_Account":"u8","MemberToDel_Account":["u8"]}"#,
            "acting_foreign",
        ),
        (
            r#"{"GroupId":"g1","MemberToDel_Account":["Administrator"]}"#,
            "reserved_target",
        ),
    ] {
        let refused = (Err(format!("chiefs: {reason}")), false);
        assert_eq!(
            admit(&rules, REMOVE, body, Some(GroupRole::Owner)),
            refused,
            "{body}"
        );
    }
    assert_eq!(
        GroupError::Missing,
        match admit_error(&rules[0], "openim/sendmsg") {
            AdmitError::Group(error) => error,
            other => panic!("{other}"),
        }
    );
}

/// What a rule says of a command that it does not cover.
fn admit_error(rule: &Rule, command: &str) -> AdmitError {
    let catalog = Catalog::builtin();
    let command = catalog.find(command).unwrap();
    let body = Body::parse(br#"{"GroupId":"g1"}"#).unwrap();
    body.group_of(command, rule).unwrap_err().into()
}

#[test]
fn the_next_rule_is_tried_where_the_role_for_one_is_lacking() {
    let own = condition("/MemberToDel_Account", Test::OnlyCaller);
    let few = condition("/MemberToDel_Account", Test::MaxItems(1));
    let rules = [
        rule("owner", REMOVE, &[GroupRole::Owner], Vec::new()),
        rule("chiefs", REMOVE, &[GroupRole::Admin], vec![few]),
        rule("self", REMOVE, &[], vec![own]),
    ];
    let others = r#"{"GroupId":"g1","MemberToDel_Account":["u8"]}"#;
    let two = r#"{"GroupId":"g1","MemberToDel_Account":["u8","u9"]}"#;
    let own = r#"{"GroupId":"g1","MemberToDel_Account":["u7"]}"#;
    let (owner, admin) = (Some(GroupRole::Owner), Some(GroupRole::Admin));
    for (body, told, expected, is_asked) in [
        (others, owner, Ok("owner"), true),
        (others, admin, Ok("chiefs"), true),
        (
            others,
            Some(GroupRole::Member),
            Err("owner: other_role"),
            true,
        ),
        (two, owner, Ok("owner"), true),
        (two, admin, Err("owner: other_role"), true),
        // What needs no role needs no question.
        (own, None, Ok("self"), false),
    ] {
        let expected = expected
            .map(|label| format!("{label}: {body}"))
            .map_err(str::to_owned);
        assert_eq!(
            admit(&rules, REMOVE, body, told),
            (expected, is_asked),
            "{body} {told:?}"
        );
    }
}

#[test]
fn what_is_sent_by_role_acts_as_the_caller() {
    let rules = [
        rule("self", OWNER, &[GroupRole::Owner], Vec::new()),
        Rule {
            acting: Some(ActingAccount::Any),
            ..rule("any", OWNER, &[GroupRole::Admin], Vec::new())
        },
    ];
    let (owner, admin) = (Some(GroupRole::Owner), Some(GroupRole::Admin));
    let absent = r#"{"GroupId":"g1"}"#;
    let set = r#"{"GroupId":"g1","From_Account":"u7"}"#;
    let foreign = r#"{"GroupId":"g1","From_Account":"u8"}"#;
    for (body, told, expected) in [
        (absent, owner, Ok(format!("self: {set}"))),
        (absent, admin, Err("self: other_role".to_owned())),
        (set, admin, Ok(format!("any: {set}"))),
        (foreign, owner, Err("any: other_role".to_owned())),
        (foreign, admin, Ok(format!("any: {foreign}"))),
    ] {
        assert_eq!(
            admit(&rules, OWNER, body, told),
            (expected, true),
            "{body} {told:?}"
        );
    }
}
