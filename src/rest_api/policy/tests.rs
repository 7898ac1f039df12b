use super::*;
use crate::identity::ReservedNames;
use crate::rest_api::condition::{FieldPath, Test};
use crate::rest_api::group_role::GroupRole;

fn rule(selector: Selector, roles: &[&str]) -> Rule {
    Rule {
        label: "rule".into(),
        selector,
        roles: match roles {
            [] => AllowedRoles::Everybody,
            names => AllowedRoles::OneOf(owned(names)),
        },
        issuers: Vec::new(),
        acting: None,
        group_role: None,
        conditions: Vec::new(),
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn name(text: &str) -> CommandName {
    CommandName::parse(text).unwrap()
}

fn commands(names: &[&str]) -> Selector {
    Selector::Commands(names.iter().map(|text| name(text)).collect())
}

fn services(names: &[&str]) -> Selector {
    Selector::Class {
        services: owned(names),
        risks: Vec::new(),
    }
}

fn risks(risks: &[Risk]) -> Selector {
    Selector::Class {
        services: Vec::new(),
        risks: risks.to_vec(),
    }
}

fn caller(roles: &str, issuer: &'static str) -> RestCaller<'static> {
    let claims = crate::json::parse_object(format!(r#"{{"r":"{roles}"}}"#).as_bytes()).unwrap();
    RestCaller {
        user_id: UserId::parse("u7", &ReservedNames::default()).unwrap(),
        issuer,
        roles: Roles::of(&claims, &crate::json::JsonPointer::parse("/r").unwrap()),
    }
}

fn build(rules: Vec<Rule>) -> Policy {
    Policy::build(Catalog::builtin(), rules).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn problems(rules: Vec<Rule>) -> Vec<(usize, RuleProblem)> {
    let faults = Policy::build(Catalog::builtin(), rules).err();
    let faults = faults.unwrap_or_default().into_iter();
    faults.map(|fault| (fault.rule, fault.problem)).collect()
}

fn at_most(most: usize) -> Condition {
    Condition {
        field: FieldPath::parse("/To_Account").unwrap(),
        test: Test::MaxItems(most),
        optional: false,
    }
}

#[test]
fn nothing_is_allowed_without_a_rule() {
    let policy = build(Vec::new());
    let anybody = caller("admin", "app");
    for command in policy.catalog().commands() {
        let denial = policy.decide(&command.name, &anybody).err();
        assert_eq!(denial, Some(Denial::NoRule), "{}", command.name);
    }
    let unknown = policy.decide(&name("openim/sendMsg"), &anybody).err();
    assert_eq!(unknown, Some(Denial::UnknownCommand));
}

#[test]
fn a_rule_allows_what_it_covers_and_nothing_else() {
    for (selector, inside, outside) in [
        (
            commands(&["openim/sendmsg", "im_open_login_svc/kick"]),
            &["openim/sendmsg", "im_open_login_svc/kick"][..],
            &["openim/batchsendmsg", "im_open_login_svc/account_delete"][..],
        ),
        (
            services(&["sns"]),
            &["sns/friend_add", "sns/friend_get", "sns/friend_import"],
            &[
                "sns/friend_delete",
                "profile/portrait_get",
                "follow/follow_get",
            ],
        ),
        (
            risks(&[Risk::Read, Risk::Impersonation]),
            &["profile/portrait_get", "openim/sendmsg"],
            &[
                "openim/admin_getroammsg",
                "openim/modify_group_msg",
                "im_open_login_svc/account_import",
            ],
        ),
        (
            Selector::Class {
                services: owned(&["sns"]),
                risks: vec![Risk::Read],
            },
            &["sns/friend_get"],
            &["sns/friend_add", "profile/portrait_get"],
        ),
    ] {
        let policy = build(vec![rule(selector.clone(), &["member"])]);
        let member = caller("member", "app");
        for inside in inside {
            assert!(
                policy.decide(&name(inside), &member).is_ok(),
                "{selector:?} {inside}"
            );
        }
        for outside in outside {
            let denial = policy.decide(&name(outside), &member).err();
            assert_eq!(denial, Some(Denial::NoRule), "{selector:?} {outside}");
        }
    }
}

#[test]
fn what_cannot_be_undone_is_allowed_by_name_only() {
    let every_class = Risk::ALL
        .into_iter()
        .filter(|risk| risk.is_allowed_as_class());
    let mut services_of_all: Vec<String> = Catalog::builtin()
        .commands()
        .map(|command| command.name.service().to_owned())
        .collect();
    services_of_all.dedup();
    let wide = [
        risks(&every_class.collect::<Vec<_>>()),
        Selector::Class {
            services: services_of_all,
            risks: Vec::new(),
        },
    ];
    for selector in wide {
        let policy = build(vec![rule(selector, &[])]);
        let mut refused = 0;
        for command in policy.catalog().commands() {
            let is_allowed = policy.decide(&command.name, &caller("", "app")).is_ok();
            let by_name = matches!(
                command.risk,
                Risk::Destructive | Risk::AppConfig | Risk::AppSecret
            ) || command.name == name("openim/modify_group_msg");
            assert_eq!(is_allowed, !by_name, "{}", command.name);
            refused += usize::from(by_name);
        }
        assert_eq!(refused, 35 + 17 + 2 + 1);
    }
    let named = build(vec![rule(
        commands(&["live_config/get_callback_token"]),
        &[],
    )]);
    let token = name("live_config/get_callback_token");
    assert!(named.decide(&token, &caller("", "app")).is_ok());
    for risk in [Risk::Destructive, Risk::AppConfig, Risk::AppSecret] {
        let found = problems(vec![rule(risks(&[Risk::Read, risk]), &[])]);
        assert_eq!(found, [(0, RuleProblem::NeverAsClass(risk))]);
    }
}

#[test]
fn a_caller_needs_a_role_and_an_issuer_of_the_rule() {
    let mut partner = rule(commands(&["openim/sendmsg"]), &["bot"]);
    partner.issuers = owned(&["partner", "other"]);
    let policy = build(vec![
        partner.clone(),
        rule(commands(&["openim/sendmsg"]), &["member", "support"]),
    ]);
    let decide = |roles, issuer| {
        let command = name("openim/sendmsg");
        let caller = caller(roles, issuer);
        match policy.decide(&command, &caller) {
            Ok(grant) => Ok(1 + grant.others.len()),
            Err(Denial::NotForCaller { nearest, lacks }) => Err((nearest == &partner, lacks)),
            Err(other) => panic!("{other:?}"),
        }
    };
    assert_eq!(decide("bot", "partner"), Ok(1));
    assert_eq!(decide("support", "app"), Ok(1));
    assert_eq!(decide("bot member", "other"), Ok(2));
    assert_eq!(decide("bot", "app"), Err((false, Lack::Role)));
    assert_eq!(decide("guest", "partner"), Err((true, Lack::Role)));
    assert_eq!(decide("", "app"), Err((false, Lack::Role)));
    let policy = build(vec![partner]);
    let denial = policy
        .decide(&name("openim/sendmsg"), &caller("bot", "app"))
        .err();
    assert!(matches!(
        denial,
        Some(Denial::NotForCaller {
            lacks: Lack::Issuer,
            ..
        })
    ));
}

#[test]
fn narrow_rules_are_tried_before_wide_ones() {
    let mut rules = vec![
        rule(risks(&[Risk::Read]), &["a"]),
        rule(services(&["sns"]), &["b"]),
        rule(
            Selector::Class {
                services: owned(&["sns"]),
                risks: vec![Risk::Read],
            },
            &["c"],
        ),
        rule(commands(&["sns/friend_get"]), &["d"]),
        rule(commands(&["sns/friend_get", "sns/friend_add"]), &["e"]),
    ];
    for (index, rule) in rules.iter_mut().enumerate() {
        rule.label = index.to_string().into();
    }
    let policy = build(rules);
    let grant = policy
        .decide(&name("sns/friend_get"), &caller("a b c d e", "app"))
        .unwrap();
    let others: Vec<&str> = grant.others.iter().map(|rule| &*rule.label).collect();
    assert_eq!(
        (&*grant.first.label, others),
        ("3", vec!["4", "2", "1", "0"])
    );
}

#[test]
fn what_is_not_known_or_means_nothing_is_a_fault() {
    let send = name("openim/sendmsg");
    let info = name("group_open_http_svc/get_group_info");
    let acting = |selector| Rule {
        acting: Some(ActingAccount::Any),
        ..rule(selector, &[])
    };
    for (rule, expected) in [
        (
            rule(commands(&["openim/sendmsg", "openim/sendMsg"]), &[]),
            vec![RuleProblem::UnknownCommand(name("openim/sendMsg"))],
        ),
        (
            rule(services(&["sns", "SNS"]), &[]),
            vec![RuleProblem::UnknownService("SNS".to_owned())],
        ),
        (
            rule(
                Selector::Class {
                    services: owned(&["timpush"]),
                    risks: vec![Risk::Read],
                },
                &[],
            ),
            vec![RuleProblem::CoversNothing],
        ),
        (
            acting(commands(&[send.as_str(), info.as_str()])),
            vec![RuleProblem::NoActingField(info.clone())],
        ),
        (
            acting(services(&["group_open_avchatroom_http_svc"])),
            vec![RuleProblem::NoActingFields],
        ),
        (acting(services(&["sns"])), vec![]),
        (acting(commands(&[send.as_str()])), vec![]),
    ] {
        let found: Vec<_> = problems(vec![rule.clone()])
            .into_iter()
            .map(|(_, problem)| problem)
            .collect();
        assert_eq!(found, expected, "{rule:?}");
    }
}

#[test]
fn a_rule_that_cannot_matter_is_a_fault_wherever_it_stands() {
    let send = name("openim/sendmsg");
    let wide = rule(risks(&[Risk::Impersonation, Risk::Read]), &["a", "b"]);
    let named = |roles: &[&str]| rule(commands(&["openim/sendmsg"]), roles);
    let limited = Rule {
        conditions: vec![at_most(5)],
        ..named(&["a"])
    };
    let any = Rule {
        acting: Some(ActingAccount::Any),
        ..named(&["a"])
    };
    let from_one = Rule {
        issuers: owned(&["app"]),
        ..named(&["a"])
    };
    for (narrow, is_shadowed) in [
        (named(&["a"]), true),
        (limited.clone(), true),
        (from_one, true),
        (named(&["a", "c"]), false),
        (named(&[]), false),
        (any, false),
    ] {
        let by_wide = |wide, narrow| {
            let command = Some(send.clone());
            vec![(narrow, RuleProblem::Shadowed { by: wide, command })]
        };
        let expected = |wide, narrow| match is_shadowed {
            true => by_wide(wide, narrow),
            false => Vec::new(),
        };
        assert_eq!(
            problems(vec![wide.clone(), narrow.clone()]),
            expected(0, 1),
            "{narrow:?}"
        );
        assert_eq!(
            problems(vec![narrow.clone(), wide.clone()]),
            expected(1, 0),
            "{narrow:?}"
        );
    }
    // Of two that say the same, the later one.
    let twice = problems(vec![wide.clone(), wide.clone()]);
    assert_eq!(
        twice,
        [(
            1,
            RuleProblem::Shadowed {
                by: 0,
                command: None
            }
        )]
    );
    let part = rule(risks(&[Risk::Read]), &["a"]);
    assert_eq!(
        problems(vec![part, wide]),
        [(
            0,
            RuleProblem::Shadowed {
                by: 1,
                command: None
            }
        )]
    );
}

#[test]
fn two_rules_that_say_different_things_about_the_same_callers_are_a_fault() {
    let plain = rule(commands(&["openim/batchsendmsg"]), &["a", "b"]);
    let limited = |most, roles: &[&str]| Rule {
        conditions: vec![at_most(most)],
        ..rule(commands(&["openim/batchsendmsg", "openim/sendmsg"]), roles)
    };
    let listed = |account| Rule {
        acting: Some(ActingAccount::Listed(vec![
            crate::rest_api::acting::Account::parse(account, &ReservedNames::default()).unwrap(),
        ])),
        ..plain.clone()
    };
    let conflict = |command| {
        let command = name(command);
        vec![(1, RuleProblem::Conflict { with: 0, command })]
    };
    let batch = || conflict("openim/batchsendmsg");
    assert_eq!(
        problems(vec![limited(5, &["a"]), limited(9, &["a"])]),
        batch()
    );
    assert_eq!(problems(vec![listed("x"), listed("y")]), batch());
    assert_eq!(problems(vec![plain.clone(), listed("y")]), batch());
    let mut elsewhere = limited(9, &["a"]);
    elsewhere.issuers = owned(&["partner"]);
    let mut here = limited(5, &["a"]);
    here.issuers = owned(&["app"]);
    assert_eq!(problems(vec![here, elsewhere]), []);
    assert_eq!(problems(vec![limited(5, &["a"]), limited(9, &["c"])]), []);
    assert_eq!(problems(vec![limited(5, &["a"]), limited(9, &[])]), []);
}

fn by_role(names: &[&str], roles: &[&str], group_role: &[GroupRole]) -> Rule {
    Rule {
        group_role: Some(GroupRoles::new(group_role.iter().copied())),
        ..rule(commands(names), roles)
    }
}

const REMOVE: &str = "group_open_http_svc/delete_group_member";
const CHIEFS: [GroupRole; 2] = [GroupRole::Owner, GroupRole::Admin];

#[test]
fn a_role_in_a_group_is_asked_for_only_where_the_body_names_one() {
    for (names, without) in [
        (&[REMOVE, "group_open_http_svc/get_group_info"][..], &[][..]),
        (
            &[
                REMOVE,
                "openim/sendmsg",
                "group_open_http_svc/create_group",
                "group_open_avchatroom_http_svc/modify_admin",
            ],
            &[
                "group_open_avchatroom_http_svc/modify_admin",
                "group_open_http_svc/create_group",
                "openim/sendmsg",
            ],
        ),
    ] {
        let found = problems(vec![by_role(names, &["a"], &CHIEFS)]);
        let fault = |text: &&str| (0, RuleProblem::NoGroupField(name(text)));
        let expected: Vec<_> = without.iter().map(fault).collect();
        assert_eq!(found, expected, "{names:?}");
        assert_eq!(problems(vec![rule(commands(names), &["a"])]), []);
    }
    let whole = |service: &str| Rule {
        selector: services(&[service]),
        ..by_role(&[], &["a"], &CHIEFS)
    };
    assert_eq!(
        problems(vec![whole("sns")]),
        [(0, RuleProblem::NoGroupFields)]
    );
    // Of a class, those that name a group.
    let policy = build(vec![whole("group_open_http_svc")]);
    let decide = |text: &str| policy.decide(&name(text), &caller("a", "app")).is_ok();
    assert!(decide("group_open_http_svc/get_group_member_info"));
    assert!(!decide("group_open_http_svc/get_joined_group_list"));
    assert!(policy.asks_for_roles() && !build(Vec::new()).asks_for_roles());
}

#[test]
fn rules_that_ask_chat_come_last() {
    let policy = build(vec![
        by_role(&[REMOVE], &["a"], &CHIEFS),
        Rule {
            conditions: vec![at_most(1)],
            ..rule(commands(&[REMOVE]), &["a"])
        },
    ]);
    let grant = policy.decide(&name(REMOVE), &caller("a", "app")).unwrap();
    assert!(grant.first.group_role.is_none() && grant.others[0].group_role.is_some());
}

#[test]
fn other_roles_in_the_group_are_other_callers() {
    let roles = |group_role: &[GroupRole]| by_role(&[REMOVE], &["a"], group_role);
    let limited = |rule: Rule| Rule {
        conditions: vec![at_most(1)],
        ..rule
    };
    let plain = || rule(commands(&[REMOVE]), &["a"]);
    let shadowed = |rule, by| {
        let command = Some(name(REMOVE));
        vec![(rule, RuleProblem::Shadowed { by, command })]
    };
    let conflict = || {
        let command = name(REMOVE);
        vec![(1, RuleProblem::Conflict { with: 0, command })]
    };
    let (owner, member) = ([GroupRole::Owner], [GroupRole::Member]);
    for (case, rules, expected) in [
        (
            "everybody may",
            vec![plain(), roles(&CHIEFS)],
            shadowed(1, 0),
        ),
        (
            "more may",
            vec![roles(&owner), roles(&CHIEFS)],
            shadowed(0, 1),
        ),
        (
            "the same",
            vec![roles(&CHIEFS), roles(&CHIEFS)],
            shadowed(1, 0),
        ),
        (
            "less for the owner",
            vec![roles(&CHIEFS), limited(roles(&owner))],
            shadowed(1, 0),
        ),
        (
            "two conditions for the owner",
            vec![
                limited(roles(&CHIEFS)),
                Rule {
                    conditions: vec![at_most(2)],
                    ..roles(&owner)
                },
            ],
            conflict(),
        ),
        (
            "chiefs more",
            vec![limited(plain()), roles(&CHIEFS)],
            vec![],
        ),
        (
            "owners more",
            vec![limited(roles(&member)), roles(&CHIEFS)],
            vec![],
        ),
        (
            "more by role than for all",
            vec![roles(&owner), limited(plain())],
            vec![],
        ),
    ] {
        assert_eq!(problems(rules), expected, "{case}");
    }
}
