//! A sandbox with an administrator and some accounts, called like Chat.

use super::*;
use crate::sandbox::answer::Answer;

/// A sandbox and the time.
pub(in crate::sandbox) struct World {
    pub(in crate::sandbox) sandbox: Sandbox,
    pub(in crate::sandbox) now: u64,
}

impl World {
    /// With the administrator `administrator` and the accounts `ann`, `ben`, `cid` and `dan`.
    pub(in crate::sandbox) fn new() -> Self {
        let world = Self {
            sandbox: sandbox().with_admin("administrator"),
            now: NOW,
        };
        let names = ["ann", "ben", "cid", "dan"];
        let imported = world.call(
            "im_open_login_svc/multiaccount_import",
            json!({ "Accounts": names }),
        );
        assert_eq!(imported["FailAccounts"], json!([]));
        world
    }

    /// With a group `g` of `ann` (owner), `ben` (admin) and `cid`.
    pub(in crate::sandbox) fn with_group() -> Self {
        let world = Self::new();
        let members = [
            json!({ "Member_Account": "ben", "Role": "Admin" }),
            json!({ "Member_Account": "cid" }),
        ];
        let body = json!({
            "GroupId": "g", "Type": "Public", "Name": "G", "Owner_Account": "ann", "MemberList": members
        });
        world.done("group_open_http_svc/create_group", body);
        world
    }

    /// The query of the administrator.
    pub(in crate::sandbox) fn query(&self) -> String {
        let user_sig = signed(&Fields {
            identifier: "administrator",
            time: u32::try_from(self.now).unwrap(),
            ..fields()
        });
        format!(
            "sdkappid={APP}&identifier=administrator&usersig={user_sig}&random=7&contenttype=json"
        )
    }

    /// The answer to a body of any kind.
    pub(in crate::sandbox) fn answer(&self, command: &str, body: impl Into<Bytes>) -> Answer {
        let request = Request::post(format!("/v4/{command}?{}", self.query()))
            .body(body.into())
            .unwrap();
        self.sandbox.answer(&request, UnixTime::from_secs(self.now))
    }

    /// The answer of a command, whatever its outcome.
    pub(in crate::sandbox) fn call(&self, command: &str, body: Value) -> Value {
        let response = response(self.answer(command, body.to_string()));
        assert_eq!(response.status(), 200);
        let answer: Value = serde_json::from_slice(response.body()).unwrap();
        if answer["ActionStatus"] != "SomeError" {
            code_of(&response);
        }
        answer
    }

    /// The answer of a command that succeeds for some.
    pub(in crate::sandbox) fn done_in_part(&self, command: &str, body: Value) -> Value {
        let answer = self.done(command, body);
        assert_eq!(answer["ActionStatus"], "SomeError");
        answer
    }

    /// The answer of a command that succeeds.
    pub(in crate::sandbox) fn done(&self, command: &str, body: Value) -> Value {
        let answer = self.call(command, body.clone());
        assert_eq!(answer["ErrorCode"], 0, "{command} {body}: {answer}");
        answer
    }

    /// Succeeds with `good`; gives each row's code for `good` with one member replaced, or taken out by null.
    pub(in crate::sandbox) fn judges(
        &self,
        command: &str,
        good: &Value,
        rows: &[(&str, u64, &str, Value)],
    ) {
        let mut wrong = Vec::new();
        for (name, code, member, value) in rows {
            let mut body = good.clone();
            let members = body.as_object_mut().unwrap();
            match value {
                Value::Null => members.remove(*member),
                value => members.insert((*member).to_owned(), value.clone()),
            };
            let answer = self.call(command, body);
            if answer["ErrorCode"] != *code {
                wrong.push(format!("{command}, {name}: {code} and not {answer}"));
            }
        }
        let answer = self.call(command, good.clone());
        if answer["ErrorCode"] != 0 {
            wrong.push(format!("{command}, good: {answer}"));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// A MsgBody with one text.
pub(in crate::sandbox) fn text(text: &str) -> Value {
    json!([{ "MsgType": "TIMTextElem", "MsgContent": { "Text": text } }])
}

/// A MsgBody whose JSON has so many bytes.
pub(in crate::sandbox) fn text_of(bytes: usize) -> Value {
    let empty = text("").to_string().len();
    text(&"x".repeat(bytes - empty))
}

/// The strings in one member of each item of a list.
pub(in crate::sandbox) fn column(list: &Value, member: &str) -> Vec<String> {
    let items = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    let column = items.iter().map(|item| match &item[member] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    column.collect()
}

/// A list of so many accounts that do not exist.
pub(in crate::sandbox) fn strangers(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("s{number}")).collect()
}
