//! The PyPI package tencentcloud-sdk-python-im, as published, against the sandbox; `tests/apps/chat-rest` drives it.
//!
//! It takes another base URL as an argument, encodes the query, sends no Content-Type, and uses older member names.

use std::process::Command;

use serde_json::{Value, json};

use super::{Chat, KEY, SDK_APP_ID};
use crate::support::foreign;
use crate::support::program::finish_with_input;

#[test]
fn a_client_from_pypi_uses_accounts_messages_and_groups() {
    let Some(apps) = foreign::apps("a_client_from_pypi") else {
        return;
    };
    let mut chat = Chat::start();
    let mut command = Command::new(apps.join("venv/bin/python"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["-B", "tests/apps/chat-rest/talk.py"])
        .args([
            format!("http://{}/v4", chat.address),
            SDK_APP_ID.to_string(),
        ]);
    let finished = finish_with_input(&mut command, KEY);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let talk: Vec<(String, u16, Value)> = finished
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(talk.len(), 28);
    for (what, status, answer) in &talk {
        let refused = match what.as_str() {
            "say muted" => 10017,
            "not imitated" => 60009,
            "another key" => 70009,
            "no administrator" => 60010,
            _ => 0,
        };
        assert_eq!(
            (*status, &answer["ErrorCode"]),
            (200, &json!(refused)),
            "{what}: {answer}"
        );
    }
    for (what, pointer, value) in [
        ("check", "/ResultItem/0/AccountStatus", json!("Imported")),
        ("check", "/ResultItem/1/AccountStatus", json!("NotImported")),
        ("online", "/QueryResult/0/Status", json!("Offline")),
        ("online", "/ErrorList/0/ErrorCode", json!(70107)),
        ("history", "/MsgCnt", json!(2)),
        (
            "history",
            "/MsgList/0/MsgBody/0/MsgContent/Text",
            json!("hello"),
        ),
        ("say", "/MsgSeq", json!(1)),
        ("roles", "/UserIdList/0/Role", json!("Owner")),
        ("roles", "/UserIdList/2/Role", json!("NotMember")),
        ("info", "/GroupInfo/0/Name", json!("Talks")),
        ("info", "/GroupInfo/0/Owner_Account", json!("ben")),
        ("members", "/MemberNum", json!(3)),
        ("groups", "/TotalCount", json!(1)),
        ("joined", "/TotalCount", json!(1)),
        ("group history", "/RspMsgList/0/From_Account", json!("ben")),
        ("delete", "/ResultItem/1/ResultCode", json!(70107)),
    ] {
        let (_, _, answer) = talk.iter().find(|(name, ..)| name == what).unwrap();
        assert_eq!(answer.pointer(pointer), Some(&value), "{what}: {answer}");
    }
    chat.end();
}
