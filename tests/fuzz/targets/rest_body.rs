//! The body of a REST call and the account that acts in it. Input: a command and who may act (`caller`, `listed` or
//! `any`) in the first line, the body behind it.
//!
//! What is admitted is read once more as a careless server would: names without case and without what is no letter or
//! digit. In no reading may anybody act but who is allowed to, and the bytes are the client's but for what was missing.

#![no_main]

use std::borrow::Cow;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use usersig_proxy::identity::{ReservedNames, UserId};
use usersig_proxy::json::{JsonPointer, parse_object};
use usersig_proxy::rest_api::acting::{Account, ActingAccount};
use usersig_proxy::rest_api::admit::{Admission, Admitted, Body, Bounds, MAX_BODY_BYTES};
use usersig_proxy::rest_api::catalog::{Catalog, Command, CommandName};
use usersig_proxy::rest_api::policy::{AllowedRoles, Policy, RestCaller, Roles, Rule, Selector};
use usersig_proxy::usersig::SdkAppId;

fuzz_target!(|data: &[u8]| {
    let at = data
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(data.len());
    let (line, text) = (&data[..at], data.get(at + 1..).unwrap_or_default());
    let line = String::from_utf8_lossy(line);
    let (name, acting) = line.split_once(' ').unwrap_or((&line, ""));
    let Some(command) = CATALOG.find(name) else {
        return;
    };
    let Ok(body) = Body::parse(text) else {
        return;
    };
    let acting = command.acting.as_ref().and_then(|_| account(acting));
    let rule = rule(&command.name, acting.clone());
    let policy = Policy::build(CATALOG.clone(), vec![rule]).expect("one good rule");
    let grant = policy
        .decide(&command.name, &CALLER)
        .expect("the rule covers it");
    let bounds = Bounds {
        reserved: &RESERVED,
        sdk_app_id: SdkAppId::new(APP).expect("not zero"),
    };
    if let Ok(Admission::Given(admitted)) = body.admit(&grant, &CALLER, bounds) {
        let acting = acting.unwrap_or(ActingAccount::Caller);
        check(command, &acting, &admitted, text);
    }
});

fn check(command: &Command, acting: &ActingAccount, admitted: &Admitted<'_, '_>, text: &[u8]) {
    let text = if text.is_empty() { b"{}" } else { text };
    check_bytes(&admitted.body, text);
    let body: Value = serde_json::from_slice(&admitted.body).expect("what is sent is JSON");
    let mut actors = Vec::new();
    for name in ["From_Account", "Operator_Account"] {
        members(&body, name, false, &mut actors);
    }
    if let Some(field) = &command.acting {
        members(&body, field.member(), true, &mut actors);
        let spelled = format!("\"{}\"", field.member());
        let is_empty_list = field
            .list()
            .is_some_and(|list| body[list] == Value::Array(vec![]));
        let sent = String::from_utf8_lossy(&admitted.body);
        assert!(
            is_empty_list || !actors.is_empty() || sent.contains(&spelled),
            "nobody acts"
        );
    }
    for actor in &actors {
        let actor = actor.as_str().expect("an account is text");
        assert!(may_act(acting, actor), "{actor} acts");
        assert!(
            admitted.acting.iter().any(|one| one == actor),
            "{actor} is not told of"
        );
    }
    let mut apps = Vec::new();
    members(&body, "SdkAppId", false, &mut apps);
    let is_ours = |app: &&Value| **app == APP || **app == APP.to_string();
    assert!(apps.iter().all(is_ours), "of another application: {apps:?}");
}

/// Only members were put in.
fn check_bytes(sent: &Cow<'_, [u8]>, text: &[u8]) {
    match sent {
        Cow::Borrowed(sent) => assert_eq!(*sent, text),
        Cow::Owned(sent) => {
            let mut old = text.iter().peekable();
            let kept = sent
                .iter()
                .filter(|byte| old.next_if_eq(byte).is_some())
                .count();
            assert_eq!(kept, text.len(), "bytes of the client are gone");
            assert!(sent.len() <= MAX_BODY_BYTES + 4096);
            assert!(parse_object(sent).is_ok());
        }
    }
}

fn may_act(acting: &ActingAccount, actor: &str) -> bool {
    match acting {
        ActingAccount::Caller => actor == "u7",
        ActingAccount::Listed(_) => actor == "bot1" || actor == "@robot",
        ActingAccount::Any => !["administrator", "root"].contains(&actor.to_lowercase().as_str()),
    }
}

/// The values of all members whose name a careless reader takes for `name`, in the body itself or at any depth.
fn members<'v>(value: &'v Value, name: &str, deep: bool, found: &mut Vec<&'v Value>) {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(|letter| letter.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                if plain(key) == plain(name) {
                    found.push(value);
                }
                if deep {
                    members(value, name, deep, found);
                }
            }
        }
        Value::Array(items) if deep => {
            items
                .iter()
                .for_each(|item| members(item, name, deep, found));
        }
        _ => {}
    }
}

fn account(name: &str) -> Option<ActingAccount> {
    match name {
        "listed" => {
            let parse = |name| Account::parse(name, &RESERVED).expect("an account");
            Some(ActingAccount::Listed(["bot1", "@robot"].map(parse).into()))
        }
        "any" => Some(ActingAccount::Any),
        "caller" => Some(ActingAccount::Caller),
        _ => None,
    }
}

fn rule(command: &CommandName, acting: Option<ActingAccount>) -> Rule {
    Rule {
        label: "rule".into(),
        selector: Selector::Commands(vec![command.clone()]),
        roles: AllowedRoles::OneOf(vec!["a".to_owned()]),
        issuers: Vec::new(),
        acting,
        group_role: None,
        conditions: Vec::new(),
    }
}

static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::builtin);
static RESERVED: LazyLock<ReservedNames> =
    LazyLock::new(|| ReservedNames::new(["administrator", "Root"]));
static CALLER: LazyLock<RestCaller<'static>> = LazyLock::new(|| {
    let claims = parse_object(br#"{"r":"a"}"#).expect("claims");
    RestCaller {
        user_id: UserId::parse("u7", &RESERVED).expect("a user"),
        issuer: "app",
        roles: Roles::of(&claims, &JsonPointer::parse("/r").expect("a pointer")),
    }
});

const APP: u32 = 1_400_000_000;
