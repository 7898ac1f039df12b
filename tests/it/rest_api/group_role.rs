//! Rules that ask for the caller's role in a group: in front of the sandbox, and of a Chat that answers what the test says.

use std::thread;

use serde_json::{Value, json};

use super::{Chat, answer, call, code, ok, query, refusal, refused, settings};
use crate::support::program::{Background, program};
use crate::support::proxy::free_address;
use crate::support::tokens::{now, sign};
use crate::support::{App, Proxy, Recorded, Response, get};

const REMOVE: &str = "group_open_http_svc/delete_group_member";
const HAND_OVER: &str = "group_open_http_svc/change_group_owner";
const ROLE: &str = "group_open_http_svc/get_role_in_group";
const CHIEFS: &str = r#"
[[rest_api.allow]]
name = "chiefs"
commands = ["group_open_http_svc/delete_group_member"]
roles = "any"
group_role = ["Owner", "Admin"]
[[rest_api.allow]]
name = "self"
commands = ["group_open_http_svc/delete_group_member"]
roles = "any"
conditions = [{ field = "/MemberToDel_Account", only = "caller" }]
[[rest_api.allow]]
name = "owner"
commands = ["group_open_http_svc/change_group_owner"]
roles = ["user"]
group_role = ["Owner"]
"#;
const SETUP: &str = r#"
[[rest_api.allow]]
commands = ["im_open_login_svc/multiaccount_import"]
roles = ["setup"]
[[rest_api.allow]]
commands = ["group_open_http_svc/create_group"]
roles = ["setup"]
acting_account = "any"
"#;

fn user(name: &str) -> String {
    sign(&json!({ "sub": name, "roles": ["user"], "exp": now() + 600 }))
}

fn remove(proxy: &Proxy, who: &str, group: &str, whom: &str) -> Response {
    let body = json!({ "GroupId": group, "MemberToDel_Account": [whom] });
    call(proxy, REMOVE, &user(who), &body.to_string())
}

fn roles_are(list: &Value) -> Vec<u8> {
    ok(&json!({ "ActionStatus": "OK", "ErrorCode": 0, "UserIdList": list }).to_string())
}

fn role_is(who: &str, role: &str) -> Vec<u8> {
    roles_are(&json!([{ "Member_Account": who, "Role": role }]))
}

fn name_of(request: &Recorded) -> String {
    let path = request.target.split('?').next().unwrap();
    path.trim_start_matches("/v4/").to_owned()
}

fn names_seen(chat: &App) -> Vec<String> {
    chat.seen().iter().map(name_of).collect()
}

/// The calls that the sandbox saw of a command.
fn sandbox_saw(address: std::net::SocketAddr, command: &str) -> usize {
    let calls = get(address, "/sandbox/calls", "").json();
    let calls = calls["calls"].as_array().unwrap().iter();
    calls.filter(|call| call["command"] == command).count()
}

#[test]
fn only_owner_and_admins_act_on_a_group_and_a_change_counts_at_once() {
    let address = free_address();
    let chat = App::start();
    let text = settings(&chat, &format!("{CHIEFS}{SETUP}"))
        .replace(&chat.address.to_string(), &address.to_string())
        .replace("[rest_api]\n", "[rest_api]\ngroup_role_max_age = \"60s\"\n");
    let proxy = Proxy::start(&text);
    let listen = address.to_string();
    let mut sandbox = Background::spawn(&mut program([
        "sandbox",
        "-c",
        &proxy.config_file(),
        "--listen",
        &listen,
    ]));
    assert!(
        sandbox.wait_until_it_listens(address),
        "{}",
        sandbox.stderr()
    );
    let setup = sign(&json!({ "sub": "setup", "roles": ["setup"], "exp": now() + 600 }));
    let names = ["42", "43", "44", "45", "46", "47", "48"];
    let accounts: Vec<_> = names.iter().map(|name| json!({ "UserID": name })).collect();
    let members: Vec<_> = ["44", "46", "47", "48"]
        .iter()
        .map(|name| json!({ "Member_Account": name }))
        .chain([json!({ "Member_Account": "43", "Role": "Admin" })])
        .collect();
    for (command, body) in [
        (
            "im_open_login_svc/multiaccount_import",
            json!({ "AccountList": accounts }),
        ),
        (
            "group_open_http_svc/create_group",
            json!({ "Owner_Account": "42", "Type": "Public", "Name": "g", "GroupId": "g1", "MemberList": members }),
        ),
    ] {
        let done = call(&proxy, command, &setup, &body.to_string());
        assert_eq!(done.json()["ErrorCode"], 0, "{}", done.text());
    }
    let not_role = || refused(403, "group_role_not_allowed", 60010);
    for (who, group) in [("44", "g1"), ("45", "g1"), ("42", "g2")] {
        let response = remove(&proxy, who, group, "46");
        assert_eq!(refusal(&response), not_role(), "{who}");
    }
    assert_eq!(sandbox_saw(address, REMOVE), 0);
    assert_eq!(sandbox_saw(address, ROLE), 3);
    // Still known.
    assert_eq!(refusal(&remove(&proxy, "44", "g1", "46")), not_role());
    assert_eq!(sandbox_saw(address, ROLE), 3);
    for (who, whom) in [("42", "46"), ("43", "47")] {
        assert_eq!(remove(&proxy, who, "g1", whom).json()["ErrorCode"], 0);
    }
    assert_eq!(sandbox_saw(address, REMOVE), 2);
    // Whoever may not act on others may go himself, and nobody is asked for that.
    let asked = sandbox_saw(address, ROLE);
    assert_eq!(remove(&proxy, "48", "g1", "48").json()["ErrorCode"], 0);
    assert_eq!(sandbox_saw(address, ROLE), asked);

    let hand_over = |who: &str| {
        let body = json!({ "GroupId": "g1", "NewOwner_Account": "44" }).to_string();
        call(&proxy, HAND_OVER, &user(who), &body)
    };
    assert_eq!(refusal(&remove(&proxy, "44", "g1", "43")), not_role());
    assert_eq!(refusal(&hand_over("43")), not_role());
    assert_eq!(hand_over("42").json()["ErrorCode"], 0);
    assert_eq!(refusal(&hand_over("42")), not_role());
    assert_eq!(remove(&proxy, "44", "g1", "43").json()["ErrorCode"], 0);

    let line = proxy.log_line(|line| line["reason"] == "other_role");
    assert_eq!(
        ["user_id", "rule", "command", "decision", "concerns"].map(|name| line[name].clone()),
        ["44", "chiefs", REMOVE, "group_role_not_allowed", "g1 46"].map(Value::from)
    );
    proxy.log_line(|line| line["reason"] == "not_a_member" && line["user_id"] == "45");
    proxy.log_line(|line| line["reason"] == "no_such_group" && line["error_code"].is_null());
    proxy.log_line(|line| line["rule"] == "self" && line["decision"] == "allowed");
    let asked = "rest_calls_total{class=\"ok\",command=\"group_open_http_svc/get_role_in_group\",site=\"default\"}";
    assert!(proxy.metric(asked) >= 4);
    assert_eq!(sandbox.interrupt(), Some(0));
}

#[test]
fn the_question_is_a_signed_call_about_the_caller_alone() {
    let chat = Chat::start();
    chat.will_answer([role_is("42", "Admin")]);
    let proxy = Proxy::start(&settings(&chat.app, CHIEFS));
    assert_eq!(remove(&proxy, "42", "g1", "46").status, 200);
    let (question, removal) = (chat.app.next(), chat.app.next());
    assert_eq!(
        (name_of(&question), name_of(&removal)),
        (ROLE.into(), REMOVE.into())
    );
    let body: Value = serde_json::from_slice(&question.body).unwrap();
    assert_eq!(body, json!({ "GroupId": "g1", "User_Account": ["42"] }));
    let names: Vec<_> = query(&question).into_iter().map(|(name, _)| name).collect();
    let expected = ["sdkappid", "identifier", "usersig", "random", "contenttype"];
    assert_eq!(names, expected);
}

#[test]
fn a_role_that_cannot_be_learnt_is_none() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, CHIEFS));
    let unknown = |status, error_code| refused(status, "group_role_unknown", error_code);
    let not_role = || refused(403, "group_role_not_allowed", 60010);
    let leak =
        r#"{"ErrorCode":0,"UserIdList":[{"Member_Account":"42","Role":"Owner"}],"x":"@URL@"}"#;
    let twice = json!([{ "Member_Account": "42", "Role": "Member" }, { "Member_Account": "42", "Role": "Owner" }]);
    let echo = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{leak}").into_bytes();
    // Two cuts: the question may be repeated once.
    let cut = || b"Connection: close".to_vec();
    for (case, answers, expected, reason) in [
        (
            "no such group",
            vec![ok(&code(10010))],
            not_role(),
            "no_such_group",
        ),
        (
            "a wrong group",
            vec![ok(&code(10015))],
            not_role(),
            "no_such_group",
        ),
        (
            "not told",
            vec![ok(&code(10007))],
            unknown(502, 60013),
            "refused",
        ),
        (
            "too many calls",
            vec![ok(&code(60007))],
            unknown(503, 60008),
            "refused",
        ),
        (
            "a page",
            vec![answer("502 Bad Gateway", "", "<html></html>")],
            unknown(502, 60013),
            "not_the_api",
        ),
        ("an echo", vec![echo], unknown(502, 60013), "leak"),
        (
            "no list",
            vec![ok(&code(0))],
            unknown(502, 60013),
            "not_told",
        ),
        (
            "another's",
            vec![role_is("43", "Owner")],
            unknown(502, 60013),
            "not_told",
        ),
        (
            "two roles",
            vec![roles_are(&twice)],
            unknown(502, 60013),
            "not_told",
        ),
        (
            "a new role",
            vec![role_is("42", "Chief")],
            unknown(502, 60013),
            "not_told",
        ),
        ("cut", vec![cut(), cut()], unknown(504, 60008), "timeout"),
        (
            "a member",
            vec![role_is("42", "Member")],
            not_role(),
            "other_role",
        ),
        (
            "locked out",
            vec![ok(&code(70050))],
            unknown(503, 60013),
            "refused",
        ),
        ("paused", vec![], refused(503, "chat_paused", 60019), "null"),
    ] {
        chat.will_answer(answers);
        // A group of its own: an answer that tells a role is remembered.
        let response = remove(&proxy, "42", case, "46");
        assert_eq!(refusal(&response), expected, "{case}");
        let may_repeat = matches!(expected.2, 60008 | 60019);
        assert_eq!(
            response.header("retry-after").is_some(),
            may_repeat,
            "{case}"
        );
        let seen = names_seen(&chat.app);
        assert!(seen.iter().all(|name| name == ROLE), "{case}: {seen:?}");
        let (rule, code) = ("chiefs", expected.1.as_str());
        proxy.log_line(|line| {
            let reason_of_line = line["reason"].as_str().unwrap_or("null");
            line["decision"] == code && line["rule"] == rule && reason_of_line == reason
        });
    }
}

#[test]
fn the_question_takes_its_place_in_the_budget() {
    let chat = Chat::start();
    chat.will_answer([role_is("42", "Owner")]);
    let budget = format!("{CHIEFS}[rest_api.budget]\ncommands = {{ \"{ROLE}\" = 1 }}\n");
    let proxy = Proxy::start(&settings(&chat.app, &budget));
    let start = std::time::Instant::now();
    assert_eq!(remove(&proxy, "42", "g1", "46").status, 200);
    // Groups that are not known yet, and no answer that would tell a role.
    let mut refused = 0;
    for group in 2..22 {
        let response = remove(&proxy, "42", &format!("g{group}"), "46");
        refused += u64::from(response.status == 429);
    }
    let asked = names_seen(&chat.app);
    let asked = asked.iter().filter(|name| *name == ROLE).count() as u64;
    assert_eq!(asked + refused, 21);
    let most = start.elapsed().as_secs() + 1;
    assert!(asked <= most, "{asked} questions in {most} s");
}

#[test]
fn a_body_that_names_no_single_group_is_refused_unasked() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, CHIEFS));
    for (body, reason) in [
        (r#"{"MemberToDel_Account":["46"]}"#, "group_missing"),
        (
            r#"{"GroupId":7,"MemberToDel_Account":["46"]}"#,
            "group_wrong_type",
        ),
        (
            r#"{"GroupId":["g1","g2"],"MemberToDel_Account":["46"]}"#,
            "group_several",
        ),
        (
            r#"{"groupid":"g1","MemberToDel_Account":["46"]}"#,
            "group_misspelled",
        ),
        (
            r#"{"GroupId":"g1","Groupid":"g2","MemberToDel_Account":["46"]}"#,
            "group_misspelled",
        ),
        (
            r#"{"GroupId":" g1","MemberToDel_Account":["46"]}"#,
            "group_form",
        ),
    ] {
        let response = call(&proxy, REMOVE, &user("42"), body);
        assert_eq!(
            refusal(&response),
            refused(403, "body_not_allowed", 60010),
            "{body}"
        );
        proxy.log_line(|line| line["message"] == "call" && line["reason"] == "condition_value");
        assert_eq!(chat.app.seen().len(), 0, "{body}");
        let body = body.replace(
            "MemberToDel_Account\":[\"46\"]",
            "NewOwner_Account\":\"46\"",
        );
        let response = call(&proxy, HAND_OVER, &user("42"), &body);
        assert_eq!(
            refusal(&response),
            refused(403, "body_not_allowed", 60010),
            "{body}"
        );
        proxy.log_line(|line| line["message"] == "call" && line["reason"] == reason);
        assert_eq!(chat.app.seen().len(), 0, "{body}");
    }
}

#[test]
fn callers_of_one_moment_ask_once() {
    let chat = Chat::start();
    chat.will_answer([role_is("42", "Owner")]);
    let rules = CHIEFS.replace(HAND_OVER, "group_open_http_svc/send_group_msg");
    let proxy = Proxy::start(&settings(&chat.app, &rules));
    let body = json!({ "GroupId": "g1", "Random": 7 }).to_string();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let token = user("42");
                let sent = call(&proxy, "group_open_http_svc/send_group_msg", &token, &body);
                assert_eq!(sent.status, 200, "{}", sent.text());
            });
        }
    });
    let seen = names_seen(&chat.app);
    let asked = seen.iter().filter(|name| *name == ROLE).count();
    assert_eq!((asked, seen.len()), (1, 17));
}

#[test]
fn nobody_acts_on_an_administrator_whatever_a_rule_allows() {
    let chat = Chat::start();
    let more = r#"
[[rest_api.allow]]
name = "ops"
commands = ["im_open_login_svc/account_delete", "im_open_login_svc/account_import", "openim/admin_getroammsg"]
roles = ["support"]
"#;
    let proxy = Proxy::start(&settings(&chat.app, more));
    let token = sign(&json!({ "sub": "42", "roles": ["support", "member"], "exp": now() + 600 }));
    for (command, body) in [
        ("im_open_login_svc/kick", r#"{"UserID":"@"}"#),
        (
            "im_open_login_svc/account_delete",
            r#"{"DeleteItem":[{"UserID":"bob"},{"UserID":"@"}]}"#,
        ),
        (
            "im_open_login_svc/account_import",
            r#"{"UserID":"@","Nick":"me"}"#,
        ),
    ] {
        for name in ["administrator", "Administrator", " administrator"] {
            let response = call(&proxy, command, &token, &body.replace('@', name));
            assert_eq!(
                refusal(&response),
                refused(403, "body_not_allowed", 60010),
                "{name}"
            );
        }
        assert_eq!(chat.app.seen().len(), 0, "{command}");
        let response = call(&proxy, command, &token, &body.replace('@', "bob2"));
        assert_eq!(response.status, 200, "{command}");
        assert_eq!(names_seen(&chat.app), [command]);
    }
    proxy.log_line(|line| line["reason"] == "reserved_target" && line["rule"] == "support");
    for (command, body) in [
        ("openim/sendmsg", r#"{"To_Account":"administrator"}"#),
        (
            "openim/admin_getroammsg",
            r#"{"Peer_Account":"administrator"}"#,
        ),
        (
            "profile/portrait_get",
            r#"{"To_Account":["administrator"]}"#,
        ),
    ] {
        assert_eq!(call(&proxy, command, &token, body).status, 200, "{command}");
        assert_eq!(names_seen(&chat.app), [command]);
    }
}
