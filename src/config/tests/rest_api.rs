//! The REST gateway's section: what it says, and what is wrong with it.

use std::time::Duration;

use super::*;
use crate::identity::UserId;
use crate::json::JsonPointer;
use crate::rest_api::HttpStatus;
use crate::rest_api::acting::ActingAccount;
use crate::rest_api::catalog::{CommandName, Risk};
use crate::rest_api::policy::{Denial, RestCaller, Roles};

/// The base configuration in a region, with `section` from line 21 on.
fn with(section: &str) -> String {
    let base = base_with("admin = \"root\"", "admin = \"root\"\nregion = \"china\"");
    format!("{base}{section}\n")
}

fn allow(rule: &str) -> String {
    with(&format!("[[rest_api.allow]]\n{rule}"))
}

#[test]
fn a_short_section_gets_the_documented_defaults() {
    let world = World::new();
    assert!(world.good(BASE).sites[0].rest_api.is_none());
    let config = world.good(&allow(
        "commands = [\"openim/sendmsg\"]\nroles = [\"member\"]",
    ));
    assert_eq!(world.shown(&config.warnings), Vec::<String>::new());
    let settings = config.sites[0].rest_api.as_ref().unwrap();
    assert_eq!(settings.prefix.as_str(), "/_chat/v4");
    assert_eq!(
        settings.roles_claims,
        [JsonPointer::parse("/roles").unwrap()]
    );
    assert_eq!(settings.http_status, HttpStatus::AsSent);
    assert_eq!(settings.limits, Default::default());
    assert_eq!(settings.group_role_max_age, Duration::from_secs(5));
    let send = CommandName::parse("openim/sendmsg").unwrap();
    let command = settings.policy.catalog().find(send.as_str()).unwrap();
    let rule = settings.policy.rules_of(command).next().unwrap();
    assert_eq!(
        (&*rule.label, rule.acting()),
        ("allow[1]", &ActingAccount::Caller)
    );
}

#[test]
fn a_full_section_sets_everything() {
    let world = World::new();
    let text = with(
        r#"[rest_api]
path_prefix = "/_chat/rest"
roles_claim = "/app/roles"
http_status = "from_error_code"
group_role_max_age = "1m"
[rest_api.budget]
app = 500
caller = 20
commands = { "openim/sendmsg" = 100, "new_svc/look" = 3 }
[[rest_api.command]]
name = "new_svc/look"
risk = "destructive"
acting_field = "Item[].From_Account"
group_field = "GroupId"
rate = 5
repeatable = true
[[rest_api.allow]]
name = "bots"
commands = ["openim/sendmsg", "new_svc/look"]
roles = ["bot", "super bot"]
issuers = ["app"]
acting_account = ["bot", "@RBT#1"]
conditions = [
  { field = "/To_Account", max_items = 100 },
  { field = "/GroupId", matches = ["team-*"], optional = true },
  { field = "/Type", one_of = ["Public", 1, true] },
  { field = "/MemberList/*/Member_Account", only = "caller" },
  { field = "/ForceAddFlags", absent = true },
]
[[rest_api.allow]]
services = ["sns"]
risk = ["read"]
roles = "any"
acting_account = "any"
[[rest_api.allow]]
commands = ["new_svc/look"]
roles = ["chief"]
group_role = ["Member", "Owner"]"#,
    )
    .replace(
        "keys = { secret",
        "roles_claim = \"/scope\"\nkeys = { secret",
    );
    let config = world.good(&text);
    assert_eq!(world.shown(&config.warnings), Vec::<String>::new());
    let settings = config.sites[0].rest_api.as_ref().unwrap();
    assert_eq!(settings.prefix.as_str(), "/_chat/rest");
    assert_eq!(
        settings.roles_claims,
        [JsonPointer::parse("/scope").unwrap()]
    );
    assert_eq!(settings.http_status, HttpStatus::FromErrorCode);
    let number = |rate: std::num::NonZeroU32| rate.get();
    assert_eq!(settings.limits.app.map(number), Some(500));
    assert_eq!(settings.limits.caller.map(number), Some(20));
    assert_eq!(settings.limits.commands.len(), 2);
    let catalog = settings.policy.catalog();
    let look = catalog.find("new_svc/look").unwrap();
    assert_eq!((look.risk, look.rate.get()), (Risk::Destructive, 5));
    assert!(look.repeatable && look.acting.is_some());
    let rule = settings.policy.rules_of(look).next().unwrap();
    assert_eq!((&*rule.label, rule.conditions.len()), ("bots", 5));
    assert_eq!(settings.group_role_max_age, Duration::from_secs(60));
    let rule = settings.policy.rules_of(look).last().unwrap();
    let group_role = rule.group_role.as_ref().map(ToString::to_string);
    assert_eq!(group_role.as_deref(), Some("Owner|Member"));

    let claims = crate::json::parse_object(br#"{"scope":"user bot"}"#).unwrap();
    let mut caller = RestCaller {
        user_id: UserId::parse("u7", &config.sites[0].chat.reserved).unwrap(),
        issuer: "app",
        roles: Roles::of(&claims, &settings.roles_claims[0]),
    };
    let decide = |name: &str, caller: &RestCaller<'_>| {
        let name = CommandName::parse(name).unwrap();
        let decided = settings.policy.decide(&name, caller);
        decided
            .map(|grant| grant.first.label.to_string())
            .map_err(|denial| match denial {
                Denial::NotForCaller { nearest, .. } => nearest.label.to_string(),
                Denial::NoRule | Denial::UnknownCommand => String::new(),
            })
    };
    assert_eq!(decide("openim/sendmsg", &caller), Ok("bots".to_owned()));
    assert_eq!(decide("sns/friend_get", &caller), Ok("allow[2]".to_owned()));
    assert_eq!(decide("sns/friend_add", &caller), Err(String::new()));
    caller.issuer = "other";
    assert_eq!(decide("openim/sendmsg", &caller), Err("bots".to_owned()));
}

#[test]
fn each_site_has_a_gateway_of_its_own() {
    let world = World::new();
    let text = "sites = \"*.site\"\n[rest_api]\n".to_owned();
    let errors = world.errors(&text);
    let problem = "2:1: rest_api: belongs into the file of a site, since sites is given (the files of sites hold it; nothing of a site is shared)";
    assert!(errors.iter().any(|error| error == problem), "{errors:?}");
}

#[test]
fn every_fault_of_the_gateway_is_reported_with_its_place_and_a_hint() {
    let world = World::new();
    for (name, section, errors) in ROWS {
        assert_eq!(world.errors(&with(section)), *errors, "{name}");
    }
}

#[test]
fn a_gateway_needs_to_know_where_chat_is() {
    let section = "[[rest_api.allow]]\ncommands = [\"openim/sendmsg\"]\nroles = \"any\"\n";
    let errors = World::new().errors(&format!("{BASE}{section}"));
    assert_eq!(
        errors,
        [
            r#"20:3: rest_api: nothing says where Chat is (in [chat], region = "china", or another in which the application is)"#
        ]
    );
}

#[test]
fn a_gateway_that_allows_nothing_is_warned_about() {
    let warnings = World::new().warnings(&with("[rest_api]"));
    assert_eq!(
        warnings,
        [
            "21:1: rest_api: nobody may call anything (add [[rest_api.allow]] with commands and roles)"
        ]
    );
}

const ROWS: &[(&str, &str, &[&str])] = &[
    (
        "unknown keys",
        r#"[rest_api]
prefix = "/_chat/v4"
[rest_api.budget]
apps = 1
[[rest_api.command]]
nam = "a/b"
[[rest_api.allow]]
command = ["openim/sendmsg"]
roles = "any""#,
        &[
            r#"22:1: rest_api.prefix: unknown key (known here: path_prefix, roles_claim, http_status, group_role_max_age, allow, command, budget)"#,
            r#"24:1: rest_api.budget.apps: unknown key (did you mean `app`?)"#,
            r#"25:1: rest_api.command[1].name: is required (name = "service/command")"#,
            r#"25:1: rest_api.command[1].risk: is required (what a call of it can do, as in "read")"#,
            r#"26:1: rest_api.command[1].nam: unknown key (did you mean `name`?)"#,
            r#"27:1: rest_api.allow[1]: names no command (commands = ["openim/sendmsg"], or services = ["sns"], risk = ["read"] or both)"#,
            r#"28:1: rest_api.allow[1].command: unknown key (did you mean `commands`?)"#,
        ],
    ),
    (
        "a prefix that is not ours",
        r#"[rest_api]
path_prefix = "/v4"
allow = []"#,
        &[
            r#"22:15: rest_api.path_prefix: must be a path below /_chat/, which is the proxy's own, without a slash at its end"#,
        ],
    ),
    (
        "a prefix that no request can have",
        r#"[rest_api]
path_prefix = "/_chat//v4"
allow = []"#,
        &[r#"22:15: rest_api.path_prefix: no request can have this path: a double slash"#],
    ),
    (
        "a prefix over the other endpoint",
        r#"[usersig_endpoint]
path = "/_chat/v4/usersig"
[rest_api]
allow = []"#,
        &[
            r#"23:1: rest_api.path_prefix: holds the path of [usersig_endpoint] (two paths of which neither starts with the other)"#,
        ],
    ),
    (
        "a prefix over the other endpoint, written",
        r#"[usersig_endpoint]
[rest_api]
path_prefix = "/_chat/usersig"
allow = []"#,
        &[
            r#"23:15: rest_api.path_prefix: holds the path of [usersig_endpoint] (two paths of which neither starts with the other)"#,
        ],
    ),
    (
        "a claim that is no pointer",
        r#"[rest_api]
roles_claim = "roles"
http_status = "200"
allow = []"#,
        &[
            r#"22:15: rest_api.roles_claim: a JSON pointer starts with "/", as in "/sub""#,
            r#"23:15: rest_api.http_status: must be one of "as_sent", "from_error_code""#,
        ],
    ),
    (
        "rates out of range",
        r#"[rest_api]
allow = []
[rest_api.budget]
app = 0
caller = "20"
commands = { "openim/sendmsg" = 0, "openim/sendMsg" = 1, "x" = 1 }"#,
        &[
            r#"24:7: rest_api.budget.app: must be from 1 to 1000000"#,
            r#"25:10: rest_api.budget.caller: expected a whole number, found a string"#,
            r#"26:33: rest_api.budget.commands."openim/sendmsg": must be from 1 to 1000000"#,
            r#"26:55: rest_api.budget.commands."openim/sendMsg": no such command (did you mean "openim/sendmsg"?)"#,
            r#"26:64: rest_api.budget.commands.x: no such command (`usersig-proxy commands` lists them; declare others as [[rest_api.command]])"#,
        ],
    ),
    (
        "declared commands that are wrong",
        r#"[rest_api]
allow = []
[[rest_api.command]]
name = "openim"
risk = "harmless"
[[rest_api.command]]
risk = "read"
[[rest_api.command]]
name = "im_open_login_svc/account_delete"
risk = "read"
[[rest_api.command]]
name = "a/b"
risk = "write"
acting_field = "a.b"
rate = 0"#,
        &[
            r#"24:8: rest_api.command[1].name: a command is service/name, each of letters, digits and "_", as in "openim/sendmsg""#,
            r#"25:8: rest_api.command[1].risk: must be one of "read", "read-sensitive", "write", "impersonation", "import", "bulk", "destructive", "app-config", "app-secret""#,
            r#"26:1: rest_api.command[2].name: is required (name = "service/command")"#,
            r#"29:8: rest_api.command[3].name: this command is known already, and what is known of it stays (leave it out; [rest_api.budget] can lower its rate)"#,
            r#"34:16: rest_api.command[4].acting_field: a field is Name or List[].Name, of letters, digits and "_", as in "From_Account""#,
            r#"35:8: rest_api.command[4].rate: must be from 1 to 1000000"#,
        ],
    ),
    (
        "rules without commands or roles",
        r#"[[rest_api.allow]]
[[rest_api.allow]]
commands = []
roles = []
[[rest_api.allow]]
commands = ["openim/sendmsg"]
risk = ["read"]
roles = "everybody"
[[rest_api.allow]]
commands = ["openim", "openim/sendMsg"]
roles = [1]"#,
        &[
            r#"21:1: rest_api.allow[1]: names no command (commands = ["openim/sendmsg"], or services = ["sns"], risk = ["read"] or both)"#,
            r#"21:1: rest_api.allow[1].roles: is required (roles = ["member"], or "any" for everybody with a session)"#,
            r#"23:12: rest_api.allow[2].commands: is empty (commands = ["openim/sendmsg"], or services = ["sns"], risk = ["read"] or both)"#,
            r#"24:9: rest_api.allow[2].roles: is empty (roles = ["member"], or "any" for everybody with a session)"#,
            r#"25:1: rest_api.allow[3]: names commands beside services or risk (commands = ["openim/sendmsg"], or services = ["sns"], risk = ["read"] or both)"#,
            r#"28:9: rest_api.allow[3].roles: must be one of "any""#,
            r#"30:13: rest_api.allow[4].commands[1]: a command is service/name, each of letters, digits and "_", as in "openim/sendmsg""#,
            r#"31:10: rest_api.allow[4].roles[1]: expected a string, found a whole number"#,
        ],
    ),
    (
        "commands that nobody knows",
        r#"[[rest_api.allow]]
commands = ["openim/sendmsg", "openim/sendMsg", "x/y"]
roles = "any"
[[rest_api.allow]]
services = ["sns", "SNS"]
roles = "any""#,
        &[
            r#"22:31: rest_api.allow[1].commands[2]: no such command (did you mean "openim/sendmsg"?)"#,
            r#"22:49: rest_api.allow[1].commands[3]: no such command (`usersig-proxy commands` lists them; declare others as [[rest_api.command]])"#,
            r#"25:20: rest_api.allow[2].services[2]: no such service (`usersig-proxy commands` lists them)"#,
        ],
    ),
    (
        "whole classes that are only allowed by name",
        r#"[[rest_api.allow]]
risk = ["read", "destructive"]
roles = "any"
[[rest_api.allow]]
services = ["timpush"]
risk = ["read"]
roles = "any"
[[rest_api.allow]]
risk = ["reed"]
roles = "any""#,
        &[
            r#"22:17: rest_api.allow[1].risk[2]: such commands are only allowed by name (commands = [..]; `usersig-proxy commands --risk` lists them)"#,
            r#"24:1: rest_api.allow[2]: covers no command (what cannot be undone or concerns the whole app is allowed by name)"#,
            r#"29:9: rest_api.allow[3].risk[1]: must be one of "read", "read-sensitive", "write", "impersonation", "import", "bulk", "destructive", "app-config", "app-secret" (did you mean "read"?)"#,
        ],
    ),
    (
        "issuers that there are not",
        r#"[[rest_api.allow]]
commands = ["openim/sendmsg"]
roles = "any"
issuers = ["App"]"#,
        &[r#"24:12: rest_api.allow[1].issuers[1]: no issuer has this name (did you mean "app"?)"#],
    ),
    (
        "accounts that nobody acts as",
        r#"[[rest_api.allow]]
commands = ["openim/sendmsg"]
roles = ["a"]
acting_account = ["Root", "a b", "bot"]
[[rest_api.allow]]
commands = ["openim/batchsendmsg"]
roles = ["a"]
acting_account = "all"
[[rest_api.allow]]
commands = ["profile/portrait_set", "profile/portrait_get"]
roles = ["a"]
acting_account = "any"
[[rest_api.allow]]
services = ["group_open_avchatroom_http_svc"]
roles = ["a"]
acting_account = "caller""#,
        &[
            r#"24:19: rest_api.allow[1].acting_account[1]: the name is reserved for an administrator, in whose name nobody acts"#,
            r#"24:27: rest_api.allow[1].acting_account[2]: an account has 1 to 64 visible ASCII characters"#,
            r#"28:18: rest_api.allow[2].acting_account: must be one of "caller", "any""#,
            r#"30:37: rest_api.allow[3].commands[2]: has no field that says who acts (a rule of its own without acting_account)"#,
            r#"33:1: rest_api.allow[4]: no command that it covers has a field that says who acts (leave acting_account out)"#,
        ],
    ),
    (
        "roles in groups that there are not",
        r#"[rest_api]
group_role_max_age = "61s"
[[rest_api.command]]
name = "new_svc/look"
risk = "write"
group_field = "Group.Id"
[[rest_api.allow]]
commands = ["group_open_http_svc/destroy_group"]
roles = ["a"]
group_role = ["Owner", "owner", "NotMember"]
[[rest_api.allow]]
commands = ["group_open_http_svc/change_group_owner"]
roles = ["a"]
group_role = []
[[rest_api.allow]]
commands = ["group_open_http_svc/clear_group_msg"]
roles = ["a"]
group_role = "Owner"
[[rest_api.allow]]
commands = ["group_open_http_svc/delete_group_member", "openim/sendmsg", "group_open_http_svc/create_group"]
roles = ["a"]
group_role = ["Owner"]
[[rest_api.allow]]
services = ["sns"]
roles = ["a"]
group_role = ["Owner"]"#,
        &[
            r#"22:22: rest_api.group_role_max_age: must be from "1s" to "1m""#,
            r#"26:15: rest_api.command[1].group_field: a group's field is Name or Name[], of letters, digits and "_", as in "GroupId""#,
            r#"30:24: rest_api.allow[1].group_role[2]: must be one of "Owner", "Admin", "Member" (did you mean "Owner"?)"#,
            r#"30:33: rest_api.allow[1].group_role[3]: must be one of "Owner", "Admin", "Member""#,
            r#"34:14: rest_api.allow[2].group_role: is empty (group_role = ["Owner", "Admin"])"#,
            r#"38:14: rest_api.allow[3].group_role: expected an array, found a string"#,
            r#"40:56: rest_api.allow[4].commands[2]: names no group of whose members Chat tells the roles (a rule of its own without group_role)"#,
            r#"40:74: rest_api.allow[4].commands[3]: names no group of whose members Chat tells the roles (a rule of its own without group_role)"#,
            r#"43:1: rest_api.allow[5]: no command that it covers names a group of whose members Chat tells the roles (leave group_role out)"#,
        ],
    ),
    (
        "rules that say the same or different things of roles in groups",
        r#"[[rest_api.allow]]
commands = ["group_open_http_svc/delete_group_member"]
roles = ["a"]
group_role = ["Owner", "Admin"]
[[rest_api.allow]]
commands = ["group_open_http_svc/delete_group_member"]
roles = ["a"]
group_role = ["Owner"]
[[rest_api.allow]]
commands = ["group_open_http_svc/delete_group_member"]
roles = ["a"]
group_role = ["Admin", "Member"]
conditions = [{ field = "/MemberToDel_Account", only = "caller" }]
[[rest_api.allow]]
commands = ["group_open_http_svc/delete_group_member"]
roles = ["a"]
conditions = [{ field = "/MemberToDel_Account", max_items = 1 }]"#,
        &[
            r#"26:13: rest_api.allow[2].commands[1]: is allowed by the rule in line 21 already (rules only add; narrow that one, or remove this)"#,
            r#"30:13: rest_api.allow[3].commands[1]: says something else than the rule in line 21 about the same callers of group_open_http_svc/delete_group_member (one rule for them, or other roles or issuers)"#,
        ],
    ),
    (
        "conditions that ask nothing or too much",
        r#"[[rest_api.allow]]
commands = ["openim/sendmsg"]
roles = ["a"]
conditions = [
  { max_items = 1 },
  { field = "To_Account", max_items = 0 },
  { field = "/A" },
  { field = "/A", max_items = 1, absent = true },
  { field = "/A", absent = false },
  { field = "/A", only = "me" },
  { field = "/A", matches = ["a?"] },
  { field = "/A", one_of = [1.5] },
]"#,
        &[
            r#"25:3: rest_api.allow[1].conditions[1].field: is required (field = "/GroupId")"#,
            r#"26:13: rest_api.allow[1].conditions[2].field: a field is written "/GroupId", or with "*" for every item "/MemberList/*/Member_Account""#,
            r#"27:3: rest_api.allow[1].conditions[3]: must ask one thing of the field (matches = ["team-*"], one_of = [1], only = "caller", max_items = 100 or absent = true)"#,
            r#"28:3: rest_api.allow[1].conditions[4]: must ask one thing of the field (matches = ["team-*"], one_of = [1], only = "caller", max_items = 100 or absent = true)"#,
            r#"29:28: rest_api.allow[1].conditions[5].absent: asks nothing (absent = true, or another condition)"#,
            r#"30:26: rest_api.allow[1].conditions[6].only: must be one of "caller""#,
            r#"31:30: rest_api.allow[1].conditions[7].matches[1]: a pattern is not empty, and only "*" stands for any characters; no "?", "[" or "{""#,
            r#"32:29: rest_api.allow[1].conditions[8].one_of[1]: expected a string, a whole number or a boolean, found a number with a fraction"#,
        ],
    ),
    (
        "a rule that allows what is allowed",
        r#"[[rest_api.allow]]
commands = ["openim/batchsendmsg", "openim/sendmsg"]
roles = ["member"]
conditions = [{ field = "/To_Account", max_items = 1 }]
[[rest_api.allow]]
risk = ["impersonation"]
roles = "any"
[[rest_api.allow]]
services = ["openim"]
risk = ["impersonation"]
roles = "any""#,
        &[
            r#"22:13: rest_api.allow[1].commands[1]: is allowed by the rule in line 25 already (rules only add; narrow that one, or remove this)"#,
            r#"22:36: rest_api.allow[1].commands[2]: is allowed by the rule in line 25 already (rules only add; narrow that one, or remove this)"#,
            r#"28:1: rest_api.allow[3]: is allowed by the rule in line 25 already (rules only add; narrow that one, or remove this)"#,
        ],
    ),
    (
        "rules that say different things",
        r#"[[rest_api.allow]]
commands = ["openim/batchsendmsg"]
roles = ["member"]
conditions = [{ field = "/To_Account", max_items = 1 }]
[[rest_api.allow]]
commands = ["openim/sendmsg", "openim/batchsendmsg"]
roles = ["member", "support"]
conditions = [{ field = "/To_Account", max_items = 9 }]
[[rest_api.allow]]
services = ["sns"]
roles = ["member"]
[[rest_api.allow]]
services = ["sns"]
roles = ["member", "support"]
conditions = [{ field = "/To_Account", max_items = 9 }]"#,
        &[
            r#"26:31: rest_api.allow[2].commands[2]: says something else than the rule in line 21 about the same callers of openim/batchsendmsg (one rule for them, or other roles or issuers)"#,
            r#"32:1: rest_api.allow[4]: says something else than the rule in line 29 about the same callers of sns/black_list_add (one rule for them, or other roles or issuers)"#,
        ],
    ),
];
