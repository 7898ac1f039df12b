//! Whom a call acts on. Whatever a rule allows, no administrator is deleted, kicked, muted or overwritten.
//!
//! Who could do that to the admin account would stop the proxy's own calls, or pass for it. To read about an administrator, to
//! write to one and to invite one are everybody's business.

use serde_json::Value;

use super::catalog::{Command, Risk};
use super::loose;
use crate::identity::ReservedNames;
use crate::json::Object;

/// Whether the call names an administrator and could do harm to the accounts that it names.
pub(super) fn harms_an_administrator(
    command: &Command,
    body: &Object,
    reserved: &ReservedNames,
) -> bool {
    can_harm(command) && names_reserved(body, reserved)
}

fn can_harm(command: &Command) -> bool {
    match command.risk {
        Risk::Destructive | Risk::Import | Risk::AppConfig | Risk::AppSecret => true,
        Risk::Write => !INVITES.contains(&command.name.as_str()),
        Risk::Read | Risk::ReadSensitive | Risk::Impersonation | Risk::Bulk => false,
    }
}

fn names_reserved(object: &Object, reserved: &ReservedNames) -> bool {
    object
        .iter()
        .any(|(name, value)| holds_reserved(value, holds_accounts(name), reserved))
}

/// Whether an account in it is reserved; a text counts where accounts stand, members of objects by their own names.
fn holds_reserved(value: &Value, is_account: bool, reserved: &ReservedNames) -> bool {
    match value {
        Value::String(text) => is_account && is_reserved(text, reserved),
        Value::Array(items) => items
            .iter()
            .any(|item| holds_reserved(item, is_account, reserved)),
        Value::Object(object) => names_reserved(object, reserved),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Also as a reader takes it that cuts a text at a NUL or trims it.
fn is_reserved(text: &str, reserved: &ReservedNames) -> bool {
    let whole = text.split('\0').next().unwrap_or_default();
    let is_margin = |letter: char| letter.is_whitespace() || letter.is_control();
    reserved.contains(whole.trim_matches(is_margin))
}

/// Whether accounts stand in a member of that name, in whatever spelling.
fn holds_accounts(name: &str) -> bool {
    holds_accounts_folded(&loose::folded(name))
}

/// The same of a name that was [folded](loose::folded).
pub(super) fn holds_accounts_folded(folded: &str) -> bool {
    ACCOUNTS.iter().any(|ending| folded.ends_with(ending))
}

/// Put somebody somewhere who may leave again.
const INVITES: [&str; 2] = [
    "group_open_http_svc/add_group_member",
    "official_account_open_http_svc/add_subscriber",
];
/// How the names of members end that hold accounts, as letters without case: `MemberToDel_Account`, `UserID`, and the older
/// `Identifier` and `Accounts`.
const ACCOUNTS: [&str; 10] = [
    "account",
    "accounts",
    "accountlist",
    "identifier",
    "memberlist",
    "members",
    "subscriberlist",
    "userid",
    "useridlist",
    "userids",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rest_api::catalog::Catalog;

    fn harms(command: &str, body: &Value) -> bool {
        let reserved = ReservedNames::new(["administrator", "Root"]);
        let catalog = Catalog::builtin();
        let command = catalog.find(command).unwrap();
        harms_an_administrator(command, body.as_object().unwrap(), &reserved)
    }

    #[test]
    fn an_administrator_is_not_acted_on_in_any_spelling_or_place() {
        for (command, body) in [
            ("im_open_login_svc/kick", json!({"UserID": "administrator"})),
            ("im_open_login_svc/kick", json!({"UserID": "ADMINistrator"})),
            ("im_open_login_svc/kick", json!({"UserID": " root\n"})),
            ("im_open_login_svc/kick", json!({"UserID": "root\0x"})),
            ("im_open_login_svc/kick", json!({"userid": "root"})),
            ("im_open_login_svc/kick", json!({"User_ID\0": "root"})),
            ("im_open_login_svc/kick", json!({"UserID": ["bob", "root"]})),
            (
                "im_open_login_svc/kick",
                json!({"X": [[{"UserID": "root"}]]}),
            ),
            (
                "im_open_login_svc/account_delete",
                json!({"DeleteItem": [{"UserID": "bob"}, {"UserID": "Administrator"}]}),
            ),
            (
                "im_open_login_svc/account_import",
                json!({"UserID": "root"}),
            ),
            (
                "im_open_login_svc/account_import",
                json!({"Identifier": "root"}),
            ),
            (
                "im_open_login_svc/multiaccount_import",
                json!({"AccountList": [{"UserID": "root"}]}),
            ),
            (
                "im_open_login_svc/multiaccount_import",
                json!({"Accounts": ["root"]}),
            ),
            (
                "group_open_http_svc/delete_group_member",
                json!({"GroupId": "g", "MemberToDel_Account": ["root"]}),
            ),
            (
                "group_open_http_svc/modify_group_member_info",
                json!({"GroupId": "g", "Member_Account": "root", "Role": "Member"}),
            ),
            (
                "group_open_http_svc/forbid_send_msg",
                json!({"GroupId": "g", "Members_Account": ["root"], "MuteTime": 60}),
            ),
            (
                "openconfigsvr/setnospeaking",
                json!({"Set_Account": "root"}),
            ),
            (
                "group_open_http_svc/import_group_member",
                json!({"MemberList": [{"Member_Account": "root"}]}),
            ),
            (
                "room_engine_http_srv/kick_user_out",
                json!({"MemberList": ["root"]}),
            ),
        ] {
            assert!(harms(command, &body), "{command} {body}");
            let other = body.to_string().to_lowercase();
            let other = other.replace("administrator", "bob").replace("root", "bob");
            let other = serde_json::from_str(&other).unwrap();
            assert!(!harms(command, &other), "{command} {other}");
        }
    }

    #[test]
    fn one_may_read_about_an_administrator_write_to_one_and_invite_one() {
        let to = json!({"To_Account": ["root"], "From_Account": "bob"});
        for (command, body) in [
            ("openim/sendmsg", json!({"To_Account": "administrator"})),
            ("openim/batchsendmsg", to.clone()),
            ("openim/admin_getroammsg", json!({"Peer_Account": "root"})),
            ("openim/query_online_status", to.clone()),
            (
                "sns/friend_add",
                json!({"AddFriendItem": [{"To_Account": "root"}]}),
            ),
            (
                "im_open_login_svc/account_check",
                json!({"CheckItem": [{"UserID": "root"}]}),
            ),
            (
                "group_open_http_svc/add_group_member",
                json!({"MemberList": [{"Member_Account": "root"}]}),
            ),
            (
                "group_open_http_svc/send_group_system_notification",
                json!({"ToMembers_Account": ["root"]}),
            ),
            // What is said is not whom it is done to.
            (
                "group_open_http_svc/modify_group_member_info",
                json!({"Member_Account": "bob", "NameCard": "root"}),
            ),
            (
                "group_open_http_svc/destroy_group",
                json!({"GroupId": "root"}),
            ),
            (
                "im_open_login_svc/kick",
                json!({"UserID": "administrators"}),
            ),
        ] {
            assert!(!harms(command, &body), "{command} {body}");
        }
    }
}
