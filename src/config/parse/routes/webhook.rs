//! A route that takes webhooks.

use super::{Around, Match, upstream};
use crate::config::raw::Table;
use crate::policy::{Access, Inject, Methods, Route};

/// The route of a table whose access is `webhook`. It covers every method, of which only POST passes: an app may take another
/// for a post, and must not get it by the default access.
pub(super) fn route(
    table: &Table<'_>,
    matched: Option<Match>,
    around: Around<'_>,
) -> Option<Route> {
    let mut is_good = true;
    for key in ["session_from_response", "inject", "on_success"] {
        if let Some(value) = table.get(key) {
            value.error("a webhook is of no user's session", "leave it out");
            is_good = false;
        }
    }
    if let Some(value) = table.get("access").filter(|_| !around.takes_webhooks) {
        value.error(
            "nothing says how webhooks are checked",
            "add [webhook] with token = { file = \"..\" }",
        );
        is_good = false;
    }
    let upstream = upstream(table, around);
    let matched = matched?;
    let is_post = matched.methods == Methods::Any
        || Methods::parse(&["POST"]).is_ok_and(|post| post == matched.methods);
    if let Some(value) = table.get("match").filter(|_| !is_post) {
        value.error(
            "a webhook is posted",
            "leave methods out; the route refuses every other method",
        );
        is_good = false;
    }
    is_good.then_some(Route {
        name: matched.label().as_str().into(),
        host: matched.host,
        pattern: matched.pattern,
        methods: Methods::Any,
        access: Access::Webhook,
        inject: Inject::default(),
        answer: None,
        upstream: upstream?,
    })
}
