//! `commands`: the catalogue by filters, and who may call what.

use super::Folder;
use crate::support::program::{finish, program};

#[test]
fn every_command_stands_on_a_line_of_its_own() {
    let listed = finish(&mut program(["commands"]));
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""));
    assert_eq!(listed.stdout.lines().count(), 204);
    assert!(
        listed
            .stdout
            .lines()
            .all(|line| line.split('\t').count() == 7)
    );
    for line in [
        "openim/sendmsg\timpersonation\tFrom_Account\t-\t200\tno\tSend a one-to-one message",
        "group_open_http_svc/destroy_group\tdestructive\t-\tGroupId\t200\tno\tDisband a group",
    ] {
        assert!(listed.stdout.contains(&format!("\n{line}")), "{line}");
    }
}

#[test]
fn filters_by_risk_and_service_hold_together() {
    let names = |arguments: &[&str]| {
        let listed = finish(&mut program([&["commands"], arguments].concat()));
        let lines = listed.stdout.lines();
        let names: Vec<String> = lines
            .filter_map(|line| line.split('\t').next().map(str::to_owned))
            .collect();
        names
    };
    assert_eq!(
        names(&["--risk", "app-secret"]),
        [
            "live_config/get_callback_token",
            "live_config/set_callback_token"
        ]
    );
    assert_eq!(
        names(&[
            "--service",
            "follow",
            "--risk",
            "impersonation",
            "--risk",
            "bulk"
        ]),
        ["follow/follow_add", "follow/follow_delete"]
    );
    assert!(names(&["--service", "Follow"]).is_empty());
    let wrong = finish(&mut program(["commands", "--risk", "harmless"]));
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.stderr.contains("known are read, read-sensitive"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn a_configuration_says_who_may_call_what() {
    let folder = Folder::new();
    let config = folder.config("proxy.toml", |text| {
        let text = text.replace("[chat]", "[chat]\nregion = \"china\"");
        format!("{text}{GATEWAY}")
    });
    let listed = finish(&mut program(["commands", "--config", &config]));
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""));
    let allowed: Vec<_> = listed
        .stdout
        .lines()
        .filter_map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            (columns[6] != "-").then(|| format!("{}: {}", columns[0], columns[6]))
        })
        .collect();
    assert_eq!(
        allowed,
        [
            "follow/follow_check: allow[2]: any as itself",
            "follow/follow_get: allow[2]: any as itself",
            "follow/follow_get_info: allow[2]: any as itself",
            "group_open_http_svc/destroy_group: allow[4]: any as Owner|Admin of the group",
            "im_open_login_svc/kick: ops: support|on-call",
            "new_svc/look: ops: support|on-call",
            "openim/sendmsg: allow[3]: member as anybody on conditions",
        ]
    );
    let plain = folder.config("plain.toml", |text| text);
    let without = finish(&mut program(["commands", "--config", &plain]));
    assert_eq!((without.code, without.stdout.as_str()), (Some(1), ""));
    assert!(
        without.stderr.contains("no [rest_api]"),
        "{}",
        without.stderr
    );
}

const GATEWAY: &str = r#"
[[rest_api.command]]
name = "new_svc/look"
risk = "app-config"
[[rest_api.allow]]
name = "ops"
commands = ["im_open_login_svc/kick", "new_svc/look"]
roles = ["support", "on-call"]
[[rest_api.allow]]
services = ["follow"]
risk = ["read"]
roles = "any"
[[rest_api.allow]]
commands = ["openim/sendmsg"]
roles = ["member"]
acting_account = "any"
conditions = [{ field = "/To_Account", max_items = 1 }]
[[rest_api.allow]]
commands = ["group_open_http_svc/destroy_group"]
roles = "any"
group_role = ["Admin", "Owner"]
"#;
