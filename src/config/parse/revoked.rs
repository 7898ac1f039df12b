//! The operator's list of revoked sessions, in a file of its own.

use std::sync::Arc;

use crate::config::raw::{Table, Value};
use crate::config::secrets::Secrets;
use crate::state::revocation::Revocations;

/// What `session.revoked` names: the list; nothing is revoked without it. `issuers` are the configured names, `None`
/// when one has an error.
pub(super) fn list(
    session: &Table<'_>,
    issuers: Option<Vec<&str>>,
    secrets: &Secrets<'_>,
) -> Option<Arc<Revocations>> {
    let Some(value) = session.get("revoked") else {
        return Some(Arc::default());
    };
    let (text, name) = secrets.read_list(&value)?;
    if text.is_empty() {
        // As a list looks whose writer has only begun.
        value.warn(
            format!("{name} is empty: nothing is revoked"),
            "a comment in it says that this is meant",
        );
    }
    let errors = match Revocations::parse(&text, &issuers?) {
        Ok(list) => return Some(Arc::new(list)),
        Err(errors) => errors,
    };
    for error in errors {
        let problem = format!("line {} of {name} {}", error.line, error.problem);
        value.error(problem, "");
    }
    None
}

/// Without the address of Chat, nobody is told to drop the logins of a revoked user.
pub(super) fn check_reach(list: &Revocations, revoked: &Value<'_>, knows_chat: bool) {
    if list.names_users() && !knows_chat {
        revoked.warn(
            "a revoked user stays logged in to Chat until the UserSig ends: nothing says where Chat is",
            "chat.region = \"china\", or another in which the application is",
        );
    }
}
