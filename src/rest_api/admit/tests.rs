use std::fmt;

use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::*;
use crate::identity::UserId;
use crate::json::JsonPointer;
use crate::rest_api::acting::{Account, AccountError, ActingAccount};
use crate::rest_api::catalog::{Catalog, CommandName};
use crate::rest_api::condition::{Condition, FieldPath, Test};
use crate::rest_api::policy::{AllowedRoles, Policy, Roles, Selector};

const SEND: &str = "openim/sendmsg";
const HISTORY: &str = "openim/admin_getroammsg";
const UNREAD: &str = "openim/get_c2c_unread_msg_num";
const IMPORT: &str = "group_open_http_svc/import_group_msg";
const GROUP: &str = "group_open_http_svc/get_group_info";

/// What comes of a body by one rule for the caller `u7`: the body that is sent, or the reason.
fn admit(command: &str, acting: Option<ActingAccount>, body: &str) -> Result<String, AdmitError> {
    admit_by(&[rule(command, acting, Vec::new(), "a")], command, body)
        .map(|(body, _, _)| body)
        .map_err(|(reason, _)| reason)
}

fn rule(
    command: &str,
    acting: Option<ActingAccount>,
    conditions: Vec<Condition>,
    role: &str,
) -> Rule {
    Rule {
        label: role.into(),
        selector: Selector::Commands(vec![CommandName::parse(command).unwrap()]),
        roles: AllowedRoles::OneOf(vec![role.to_owned()]),
        issuers: Vec::new(),
        acting,
        group_role: None,
        conditions,
    }
}

type Outcome = Result<(String, Vec<String>, String), (AdmitError, String)>;

/// The same for a caller with the roles of all the rules, with the accounts that act and the rule's label.
fn admit_by(rules: &[Rule], command: &str, body: &str) -> Outcome {
    let policy = Policy::build(Catalog::builtin(), rules.to_vec()).unwrap();
    let claims = json::parse_object(br#"{"r":"a b c"}"#).unwrap();
    let reserved = ReservedNames::new(["administrator"]);
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
    let body = Body::parse(body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"));
    match body.admit(&grant, &caller, bounds) {
        Ok(Admission::Given(admitted)) => Ok((
            String::from_utf8(admitted.body.into_owned()).unwrap(),
            admitted.acting,
            admitted.rule.label.to_string(),
        )),
        Ok(Admission::ByRole(waiting)) => panic!("waits for a role: {waiting:?}"),
        Err(refused) => Err((refused.reason, refused.nearest.label.to_string())),
    }
}

fn listed(names: &[&str]) -> Option<ActingAccount> {
    let parse = |name: &&str| Account::parse(name, &ReservedNames::default()).unwrap();
    Some(ActingAccount::Listed(names.iter().map(parse).collect()))
}

#[test]
fn a2_the_caller_acts_as_nobody_else() {
    use ActingError::{Foreign, Misspelled, WrongType};
    for (command, body, reason) in [
        (SEND, r#"{"From_Account":"u8"}"#, Foreign),
        (SEND, r#"{"From_Account":"U7"}"#, Foreign),
        (SEND, r#"{"From_Account":"u7 "}"#, Foreign),
        (SEND, r#"{"From_Account":"administrator"}"#, Foreign),
        (SEND, r#"{"From_Account":""}"#, Foreign),
        (SEND, r#"{"Fr\u006fm_Account":"u8"}"#, Foreign),
        (SEND, r#"{"From_Account":null}"#, WrongType),
        (SEND, r#"{"From_Account":7}"#, WrongType),
        (SEND, r#"{"From_Account":["u7"]}"#, WrongType),
        (SEND, r#"{"From_Account":["u7","u8"]}"#, WrongType),
        (SEND, r#"{"From_Account":{"From_Account":"u7"}}"#, WrongType),
        (SEND, r#"{"from_account":"u7"}"#, Misspelled),
        (
            SEND,
            r#"{"From_Account":"u7","FROM_ACCOUNT":"u8"}"#,
            Misspelled,
        ),
        (
            SEND,
            r#"{"From_Account":"u7","FromAccount":"u8"}"#,
            Misspelled,
        ),
        (
            SEND,
            r#"{"From_Account":"u7","From_Account\u0000":"u8"}"#,
            Misspelled,
        ),
        (
            SEND,
            r#"{"From_Account":"u7","MsgBody":[{"From_Account":"u8"}]}"#,
            Foreign,
        ),
        (
            SEND,
            r#"{"From_Account":"u7","X":{"Y":{"from_account":"u7"}}}"#,
            Misspelled,
        ),
        (
            SEND,
            r#"{"From_Account":"u7","Operator_Account":"u8"}"#,
            Foreign,
        ),
        (
            HISTORY,
            r#"{"Operator_Account":"u8","Peer_Account":"u9"}"#,
            Foreign,
        ),
        (
            HISTORY,
            r#"{"From_Account":"u8","To_Account":"u9"}"#,
            Foreign,
        ),
        (UNREAD, r#"{"To_Account":"u8"}"#, Foreign),
        (UNREAD, r#"{"To_Account":["u7"]}"#, WrongType),
        (
            GROUP,
            r#"{"GroupIdList":["g"],"From_Account":"u8"}"#,
            Foreign,
        ),
        (
            IMPORT,
            r#"{"MsgList":[{"From_Account":"u7"},{"From_Account":"u8"}]}"#,
            Foreign,
        ),
        (IMPORT, r#"{"MsgList":{"From_Account":"u7"}}"#, WrongType),
        (IMPORT, r#"{"MsgList":"u7"}"#, WrongType),
        (IMPORT, r#"{"MsgList":[["u7"]]}"#, WrongType),
        (IMPORT, r#"{"From_Account":"u7"}"#, WrongType),
        (IMPORT, r#"{"msglist":[{"From_Account":"u7"}]}"#, Misspelled),
        (
            IMPORT,
            r#"{"MsgList":[{"From_Account":"u7"}],"Msglist":[]}"#,
            Misspelled,
        ),
        (IMPORT, r#"{"MsgList":[{"from_account":"u7"}]}"#, Misspelled),
    ] {
        let refused = admit(command, None, body);
        assert_eq!(refused, Err(reason.into()), "{command} {body}");
    }
    for (command, body) in [
        (SEND, r#"{"From_Account":"u7","To_Account":"u8"}"#),
        (SEND, r#"{"Fr\u006fm_Account":"\u00757"}"#),
        (HISTORY, r#"{"Operator_Account":"u7","Peer_Account":"u9"}"#),
        (UNREAD, r#"{"To_Account":"u7","Peer_Account":["u8"]}"#),
        (GROUP, r#"{"GroupIdList":["g"]}"#),
        (
            IMPORT,
            r#"{"MsgList":[{"From_Account":"u7"},{"From_Account":"u7"}]}"#,
        ),
        (IMPORT, r#"{"MsgList":[]}"#),
    ] {
        assert_eq!(admit(command, None, body).as_deref(), Ok(body), "{command}");
    }
}

#[test]
fn a2_an_absent_account_is_set_and_every_other_byte_stays() {
    for (command, body, sent) in [
        (SEND, "", r#"{"From_Account":"u7"}"#),
        (SEND, "{}", r#"{"From_Account":"u7"}"#),
        (
            SEND,
            " {\"To_Account\" : \"u8\", \"MsgRandom\":1.50e3 , \"b\":9007199254740993,\"a\":\"\\u0061\"} ",
            " {\"To_Account\" : \"u8\", \"MsgRandom\":1.50e3 , \"b\":9007199254740993,\"a\":\"\\u0061\",\"From_Account\":\"u7\"} ",
        ),
        (
            UNREAD,
            r#"{"Peer_Account":["u8"]}"#,
            r#"{"Peer_Account":["u8"],"To_Account":"u7"}"#,
        ),
        (
            HISTORY,
            r#"{"From_Account":"u7"}"#,
            r#"{"From_Account":"u7","Operator_Account":"u7"}"#,
        ),
        (
            IMPORT,
            r#"{"MsgList":[{"a":1},{"From_Account":"u7"},{ }],"GroupId":"g"}"#,
            r#"{"MsgList":[{"a":1,"From_Account":"u7"},{"From_Account":"u7"},{"From_Account":"u7" }],"GroupId":"g"}"#,
        ),
    ] {
        assert_eq!(admit(command, None, body).as_deref(), Ok(sent), "{command}");
    }
}

#[test]
fn a2_whoever_may_act_for_others_names_them_and_never_an_administrator() {
    use ActingError::{Foreign, Missing, WrongType};
    let any = || Some(ActingAccount::Any);
    let bots = || listed(&["bot", "@RBT#1"]);
    for (acting, body, result) in [
        (any(), r#"{"From_Account":"u8"}"#, Ok(())),
        (any(), r#"{"From_Account":"@TOA#_x"}"#, Ok(())),
        (any(), r#"{"From_Account":"Administrator"}"#, Err(Foreign)),
        (any(), r#"{"From_Account":""}"#, Err(Foreign)),
        (any(), r#"{"From_Account":"administrator "}"#, Err(Foreign)),
        (
            any(),
            r#"{"From_Account":"u8","Operator_Account":"ADMINISTRATOR"}"#,
            Err(Foreign),
        ),
        (any(), r#"{"From_Account":null}"#, Err(WrongType)),
        (any(), "{}", Err(Missing)),
        (bots(), r#"{"From_Account":"bot"}"#, Ok(())),
        (bots(), r#"{"From_Account":"@RBT#1"}"#, Ok(())),
        (bots(), r#"{"From_Account":"u7"}"#, Err(Foreign)),
        (bots(), "{}", Err(Missing)),
    ] {
        let sent = admit(SEND, acting, body);
        let expected = result.map(|()| body.to_owned()).map_err(AdmitError::from);
        assert_eq!(sent, expected, "{body}");
    }
    let named = admit(IMPORT, any(), r#"{"MsgList":[{"From_Account":"u8"},{}]}"#);
    assert_eq!(named, Err(Missing.into()));
}

#[test]
fn an_administrator_is_no_account_to_act_as() {
    let reserved = ReservedNames::new(["root"]);
    for (name, error) in [
        ("Root", AccountError::Reserved),
        ("", AccountError::Form),
        ("a b", AccountError::Form),
        ("ü", AccountError::Form),
    ] {
        assert_eq!(Account::parse(name, &reserved), Err(error), "{name}");
    }
    assert!(Account::parse(&"a".repeat(65), &reserved).is_err());
    assert_eq!(
        Account::parse("@RBT#1", &reserved).unwrap().as_str(),
        "@RBT#1"
    );
}

#[test]
fn a_body_is_one_strict_object_or_nothing() {
    let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let (too_deep, deep) = (deep(32), deep(31));
    let long = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    let (too_long, long) = (long(MAX_BODY_BYTES + 1), long(MAX_BODY_BYTES));
    for (name, text, error) in [
        ("too large", too_long.as_bytes(), BodyError::TooLarge),
        ("repeated", br#"{"a":1,"a":1}"#, BodyError::DuplicateMember),
        (
            "repeated, escaped",
            br#"{"a":1,"\u0061":2}"#,
            BodyError::DuplicateMember,
        ),
        (
            "repeated within",
            br#"{"a":[{"b":1,"b":1}]}"#,
            BodyError::DuplicateMember,
        ),
        ("array", b"[]", BodyError::NotAnObject),
        ("string", b"\"{}\"", BodyError::NotAnObject),
        ("null", b"null", BodyError::NotAnObject),
        ("two", b"{}{}", BodyError::Syntax),
        ("form", b"a=1", BodyError::Syntax),
        ("not UTF-8", b"{\"a\":\"\xff\"}", BodyError::Syntax),
        ("overlong", b"{\"a\":\"\xc0\xae\"}", BodyError::Syntax),
        ("byte order mark", b"\xef\xbb\xbf{}", BodyError::Syntax),
        ("UTF-16", b"{\0}\0", BodyError::Syntax),
        ("white space only", b" ", BodyError::Syntax),
        ("comment", b"{/**/}", BodyError::Syntax),
        ("trailing comma", b"{\"a\":1,}", BodyError::Syntax),
        ("deep", too_deep.as_bytes(), BodyError::Syntax),
    ] {
        assert_eq!(Body::parse(text).err(), Some(error), "{name}");
    }
    for text in [
        long.as_bytes(),
        deep.as_bytes(),
        b"",
        b"{}",
        b" {\"a\":[{}]}\n",
    ] {
        assert!(Body::parse(text).is_ok());
    }
}

#[test]
fn many_items_of_one_call_are_refused() {
    let items = |count: usize| format!("{{\"MsgList\":[{}]}}", vec!["{}"; count].join(","));
    let refused = admit(IMPORT, None, &items(33));
    assert_eq!(refused, Err(ActingError::TooManyItems.into()));
    assert!(admit(IMPORT, None, &items(32)).is_ok());
}

#[test]
fn a_body_speaks_of_this_application_only() {
    let command = "im_msg_audit_mgr/get_local_audit_keywords";
    for (body, good) in [
        (r#"{"SdkAppId":1400000000}"#, true),
        (r#"{"SdkAppId":"1400000000"}"#, true),
        ("{}", true),
        (r#"{"SdkAppId":1400000001}"#, false),
        (r#"{"SdkAppId":"01400000000"}"#, false),
        (r#"{"SdkAppId":1400000000.0}"#, false),
        (r#"{"SdkAppId":null}"#, false),
        (r#"{"SdkAppId":1400000000,"sdkappid":1}"#, false),
    ] {
        let expected = match good {
            true => Ok(body.to_owned()),
            false => Err(AdmitError::OtherApp),
        };
        assert_eq!(admit(command, None, body), expected, "{body}");
    }
}

#[test]
fn the_first_rule_that_the_body_fits_is_the_one_that_allowed_it() {
    let at_most = |most| Condition {
        field: FieldPath::parse("/To_Account").unwrap(),
        test: Test::MaxItems(most),
        optional: false,
    };
    let rules = [
        rule(SEND, None, vec![at_most(1)], "a"),
        rule(SEND, listed(&["bot"]), Vec::new(), "b"),
        rule(SEND, Some(ActingAccount::Any), vec![at_most(2)], "c"),
    ];
    for (body, expected) in [
        (r#"{"From_Account":"u7","To_Account":"x"}"#, Ok(("a", "u7"))),
        (r#"{"To_Account":"x"}"#, Ok(("a", "u7"))),
        (r#"{"From_Account":"bot"}"#, Ok(("b", "bot"))),
        (
            r#"{"From_Account":"u9","To_Account":["x","y"]}"#,
            Ok(("c", "u9")),
        ),
        (
            r#"{"From_Account":"u7","To_Account":["x","y","z"]}"#,
            Err((AdmitError::Condition(ConditionError::TooMany), "a")),
        ),
        (
            r#"{"From_Account":"u9","To_Account":["x","y","z"]}"#,
            Err((AdmitError::Acting(ActingError::Foreign), "a")),
        ),
    ] {
        let outcome = admit_by(&rules, SEND, body);
        let seen = outcome.map(|(_, acting, label)| (label, acting.join(",")));
        let expected = expected
            .map(|(label, acting): (&str, &str)| (label.to_owned(), acting.to_owned()))
            .map_err(|(reason, label): (_, &str)| (reason, label.to_owned()));
        assert_eq!(seen, expected, "{body}");
    }
}

#[test]
fn whom_a_call_concerns_is_told_without_what_it_says() {
    let body = Body::parse(
        br#"{"To_Account":["a","b"],"GroupId":"g","MsgBody":[{"MsgContent":{"Text":"secret"}}],
            "MemberList":[{"Member_Account":"c"},{"Member_Account":"a"}],"UserID":"d"}"#,
    );
    let body = body.unwrap();
    let mut all = body.concerns(Catalog::builtin().find(SEND).unwrap());
    all.sort_unstable();
    assert_eq!(all, ["a", "b", "c", "d", "g"]);
    assert!(!format!("{body:?}").contains("secret"));
}

#[test]
fn whom_a_call_concerns_is_told_in_whatever_member_it_stands() {
    for (text, expected) in [
        (r#"{"Identifier":"a"}"#, "a"),
        (r#"{"Accounts":["a","b"]}"#, "a b"),
        (r#"{"MemberList":["a"],"SubscriberList":["b"]}"#, "a b"),
        (r#"{"TopicIdList":["a"],"X":{"GroupIdList":["b"]}}"#, "a b"),
        (
            r#"{"userid":"a","USER_IDS":["b"],"to_account":"c"}"#,
            "b a c",
        ),
        (r#"{"groupid":"a","ToGroupid":"b","room-id":"c"}"#, "b a c"),
        (r#"{"Name":"a","Text":"b","Id":"c","Ids":["d"]}"#, ""),
    ] {
        let body = Body::parse(text.as_bytes()).unwrap();
        let mut seen = body.concerns(Catalog::builtin().find(SEND).unwrap());
        let mut expected: Vec<_> = expected
            .split(' ')
            .filter(|name| !name.is_empty())
            .collect();
        seen.sort_unstable();
        expected.sort_unstable();
        assert_eq!(seen, expected, "{text}");
    }
}

#[test]
fn nobody_is_hidden_behind_names_that_the_command_does_not_ask_for() {
    let padding: Vec<_> = (0..500).map(|number| format!("pad{number}")).collect();
    for (name, victim) in [
        (
            "group_open_http_svc/delete_group_member",
            serde_json::json!({"GroupId": "victim"}),
        ),
        (
            "openim/sendmsg",
            serde_json::json!({"From_Account": "victim"}),
        ),
        (
            "openim/sendmsg",
            serde_json::json!({"To_Account": "victim"}),
        ),
        (
            "openim/batchsendmsg",
            serde_json::json!({"To_Account": ["victim"]}),
        ),
    ] {
        let mut body = serde_json::json!({"A_Account": padding, "B": {"UserID": padding}, "C": {"C": {"GroupId": "x"}}});
        let more = victim.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        let text = body.to_string();
        let body = Body::parse(text.as_bytes()).unwrap();
        let seen = body.concerns(Catalog::builtin().find(name).unwrap());
        let place = seen.iter().position(|seen| *seen == "victim").unwrap();
        assert!(place < 3, "{name} {place}");
        assert_eq!(seen.len(), 502, "{name}");
    }
}

/// JSON with every member that stands in the text, also repeated ones.
#[derive(Debug)]
enum Node {
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    Text(String),
    Other,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Node::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Node::Object(object))
    }
}

impl Node {
    /// The values of a member as a reader takes them that keeps the first one, one that keeps the last one, both without
    /// regard to case.
    fn readings(&self, name: &str) -> Vec<&Node> {
        let Node::Object(members) = self else {
            return Vec::new();
        };
        let mut found = members
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value);
        let first = found.next();
        let last = found.next_back().or(first);
        first.into_iter().chain(last).collect()
    }

    fn is(&self, expected: &str) -> bool {
        matches!(self, Node::Text(text) if text == expected)
    }
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        r#""u7""#,
        r#""u8""#,
        r#""\u00757""#,
        r#""administrator""#,
        "null",
        "1.50",
        "[]",
        "{}",
        r#"["u7"]"#,
        r#"["u7","u8"]"#,
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            object(inner.clone()),
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(" ,"))),
        ]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "From_Account",
        "From_Account",
        "from_account",
        "Fr\\u006fm_Account",
        "Operator_Account",
        "To_Account",
        "MsgList",
        "MsgList",
        "msgList",
        "GroupId",
        "a",
    ]);
    prop::collection::btree_map(name, value, 0..5).prop_map(|members| {
        let members = members
            .iter()
            .map(|(name, value)| format!("\"{name}\": {value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_judged_without_a_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(text) = std::str::from_utf8(&text)
            && Body::parse(text.as_bytes()).is_ok()
        {
            for command in [SEND, IMPORT, GROUP] {
                let _ = admit(command, None, text);
            }
        }
        let _ = Body::parse(&text);
    }

    #[test]
    fn a2_what_is_admitted_acts_as_the_caller_for_every_reader(text in object(value())) {
        if Body::parse(text.as_bytes()).is_err() {
            return Ok(());
        }
        for (command, field) in [(SEND, "From_Account"), (HISTORY, "Operator_Account"), (UNREAD, "To_Account")] {
            if let Ok(sent) = admit(command, None, &text) {
                let body: Node = serde_json::from_str(&sent).unwrap();
                let readings = body.readings(field);
                prop_assert!(!readings.is_empty(), "{}", sent);
                prop_assert!(readings.iter().all(|value| value.is("u7")), "{}", sent);
            }
        }
        if let Ok(sent) = admit(IMPORT, None, &text) {
            let body: Node = serde_json::from_str(&sent).unwrap();
            let lists = body.readings("MsgList");
            prop_assert!(!lists.is_empty(), "{}", sent);
            for list in lists {
                let Node::Array(items) = list else {
                    return Err(TestCaseError::fail(sent));
                };
                for item in items {
                    let readings = item.readings("From_Account");
                    prop_assert!(!readings.is_empty(), "{}", sent);
                    prop_assert!(readings.iter().all(|value| value.is("u7")), "{}", sent);
                }
            }
        }
    }

    #[test]
    fn what_is_admitted_is_what_came_and_the_account(text in object(value())) {
        if Body::parse(text.as_bytes()).is_err() {
            return Ok(());
        }
        if let Ok(sent) = admit(SEND, None, &text) {
            let mut expected = json::parse_object(text.as_bytes()).unwrap();
            expected.insert("From_Account".to_owned(), "u7".into());
            prop_assert_eq!(json::parse_object(sent.as_bytes()).unwrap(), expected);
            let (head, _) = text.rsplit_once('}').unwrap();
            prop_assert!(sent.starts_with(head));
        }
    }
}
