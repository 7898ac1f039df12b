use super::*;
use crate::identity::ReservedNames;
use crate::rest_api::catalog::{Catalog, Risk};
use crate::rest_api::outcome::Secrets;

fn find(field: &str, body: Value) -> Result<String, GroupError> {
    let field = GroupField::parse(field).unwrap();
    let body = body.as_object().unwrap();
    field.find(body).map(str::to_owned)
}

#[test]
fn a_body_names_one_group_in_one_way() {
    use GroupError::{Form, Missing, Misspelled, OtherTopic, Several, WrongType};
    let long = "g".repeat(129);
    for (body, result) in [
        (json!({"GroupId": "g1"}), Ok("g1")),
        (
            json!({"GroupId": "@TGS#_@TGS#cQVLVHIM62CJ"}),
            Ok("@TGS#_@TGS#cQVLVHIM62CJ"),
        ),
        (json!({"GroupId": "my group"}), Ok("my group")),
        (json!({"GroupId": long[..128]}), Ok(&long[..128])),
        (json!({}), Err(Missing)),
        (json!({"GroupId": null}), Err(WrongType)),
        (json!({"GroupId": 7}), Err(WrongType)),
        (json!({"GroupId": {"GroupId": "g1"}}), Err(WrongType)),
        (json!({"GroupId": ["g1"]}), Err(WrongType)),
        (json!({"GroupId": []}), Err(WrongType)),
        (json!({"GroupId": ["g1", "g2"]}), Err(Several)),
        (
            json!({"GroupId": "g1", "GroupIdList": ["g2"]}),
            Err(Several),
        ),
        (json!({"groupid": "g1"}), Err(Misspelled)),
        (json!({"GroupId": "g1", "Groupid": "g2"}), Err(Misspelled)),
        (json!({"GroupId": "g1", "GroupId\0": "g2"}), Err(Misspelled)),
        (json!({"GroupId": "g1", "Group_Id": "g2"}), Err(Misspelled)),
        (
            json!({"GroupId": "g1", "groupidlist": ["g2"]}),
            Err(Misspelled),
        ),
        (json!({"GroupId": ""}), Err(Form)),
        (json!({"GroupId": " g1"}), Err(Form)),
        (json!({"GroupId": "g1\n"}), Err(Form)),
        (json!({"GroupId": "g1\0x"}), Err(Form)),
        (json!({"GroupId": "grüppe"}), Err(Form)),
        (json!({"GroupId": long}), Err(Form)),
        (json!({"GroupId": "g1", "TopicId": "g1@TOPIC#_a"}), Ok("g1")),
        (json!({"GroupId": "g1", "TopicId": ""}), Ok("g1")),
        (
            json!({"GroupId": "g1", "TopicIdList": ["g1@TOPIC#_a", "g1@TOPIC#_b"]}),
            Ok("g1"),
        ),
        (
            json!({"GroupId": "g1", "TopicId": "g2@TOPIC#_a"}),
            Err(OtherTopic),
        ),
        (
            json!({"GroupId": "g1", "TopicId": "g12@TOPIC#_a"}),
            Err(OtherTopic),
        ),
        (json!({"GroupId": "g1", "TopicId": 7}), Err(OtherTopic)),
        (
            json!({"GroupId": "g1", "TopicIdList": ["g1@TOPIC#_a", "g2@TOPIC#_a"]}),
            Err(OtherTopic),
        ),
        (
            json!({"GroupId": "g1", "topicid": "g2@TOPIC#_a"}),
            Err(Misspelled),
        ),
    ] {
        let expected = result.map(str::to_owned);
        assert_eq!(find("GroupId", body.clone()), expected, "{body}");
    }
}

#[test]
fn a_list_of_groups_has_one() {
    use GroupError::{Missing, Misspelled, Several, WrongType};
    for (body, result) in [
        (json!({"GroupIdList": ["g1"]}), Ok("g1")),
        (json!({"GroupIdList": ["g1", "g1"]}), Err(Several)),
        (json!({"GroupIdList": ["g1", "g2"]}), Err(Several)),
        (json!({"GroupIdList": []}), Err(Missing)),
        (json!({"GroupIdList": "g1"}), Err(WrongType)),
        (json!({"GroupIdList": [["g1"]]}), Err(WrongType)),
        (
            json!({"GroupIdList": ["g1"], "GroupId": "g2"}),
            Err(Several),
        ),
        (json!({"GroupIDList": ["g1"]}), Err(Misspelled)),
    ] {
        let expected = result.map(str::to_owned);
        assert_eq!(find("GroupIdList[]", body.clone()), expected, "{body}");
    }
    for text in ["GroupId", "GroupIdList[]", "a_1"] {
        assert_eq!(GroupField::parse(text).unwrap().to_string(), text);
    }
    for text in ["", "[]", "a[].b", "a[][]", "a b", "/GroupId"] {
        assert_eq!(GroupField::parse(text), Err(GroupFieldError), "{text}");
    }
}

fn said(body: &str) -> Result<Told, RoleError> {
    let answer = Answer::read(body.as_bytes(), &Secrets::default()).unwrap();
    let user = UserId::parse("u7", &ReservedNames::default()).unwrap();
    read(&answer, body.as_bytes(), &user)
}

#[test]
fn a_role_is_what_chat_says_of_this_account_and_nothing_else() {
    let told = |list: &str| said(&format!(r#"{{"ErrorCode":0,"UserIdList":{list}}}"#));
    for (word, role) in [
        ("Owner", Some(GroupRole::Owner)),
        ("Admin", Some(GroupRole::Admin)),
        ("Member", Some(GroupRole::Member)),
        ("NotMember", None),
    ] {
        let list = format!(r#"[{{"Member_Account":"u7","Role":"{word}"}}]"#);
        assert_eq!(told(&list), Ok(role), "{word}");
    }
    let not_told = Err(RoleError::Unknown(RoleUnknown::NotTold));
    for list in [
        "[]",
        "{}",
        "null",
        r#"[{"Member_Account":"u7"}]"#,
        r#"[{"Role":"Owner"}]"#,
        r#"[{"Member_Account":"u8","Role":"Owner"}]"#,
        r#"[{"Member_Account":"U7","Role":"Owner"}]"#,
        r#"[{"Member_Account":"u7","Role":"owner"}]"#,
        r#"[{"Member_Account":"u7","Role":"Chief"}]"#,
        r#"[{"Member_Account":"u7","Role":["Owner"]}]"#,
        r#"[{"Member_Account":"u7","Role":"Member","Role":"Owner"}]"#,
        r#"[{"Member_Account":"u7","Role":"Owner"},{"Member_Account":"u7","Role":"Member"}]"#,
        r#"[{"Member_Account":"u8","Role":"Owner"},{"Member_Account":"u7","Role":"Member"}]"#,
    ] {
        assert_eq!(told(list), not_told, "{list}");
    }
    assert_eq!(said(r#"{"ErrorCode":0}"#), not_told);
}

#[test]
fn what_chat_refuses_to_tell_is_no_role() {
    let list = r#""UserIdList":[{"Member_Account":"u7","Role":"Owner"}]"#;
    let no_group = RoleError::None(NoGroupRole::NoGroup);
    let refused = |code| RoleError::Unknown(RoleUnknown::Refused(code));
    for (code, error) in [
        (10010, no_group),
        (10015, no_group),
        (10007, refused(10007)),
        (10004, refused(10004)),
        (60007, refused(60007)),
        (70009, refused(70009)),
    ] {
        let body = format!(r#"{{"ActionStatus":"FAIL","ErrorCode":{code},{list}}}"#);
        assert_eq!(said(&body), Err(error), "{code}");
    }
    let body = format!(r#"{{"ActionStatus":"FAIL","ErrorCode":0,{list}}}"#);
    assert_eq!(said(&body), Err(refused(0)));
}

#[test]
fn the_question_names_one_account_whatever_the_group_is_called() {
    let user = UserId::parse("u7", &ReservedNames::default()).unwrap();
    assert_eq!(
        question(r#"a","User_Account":["x"#, &user),
        r#"{"GroupId":"a\",\"User_Account\":[\"x","User_Account":["u7"]}"#
    );
}

#[test]
fn who_changes_roles_is_a_command_of_the_catalogue_that_names_a_group() {
    let catalog = Catalog::builtin();
    for name in CHANGES_ROLES {
        let command = catalog.find(name).unwrap();
        assert!(
            command.group.is_some() && may_change_roles(command),
            "{name}"
        );
        assert!(!matches!(command.risk, Risk::Read | Risk::ReadSensitive));
    }
    for name in [GET_ROLE, "group_open_http_svc/send_group_msg"] {
        let command = catalog.find(name).unwrap();
        assert!(
            command.group.is_some() && !may_change_roles(command),
            "{name}"
        );
    }
}
