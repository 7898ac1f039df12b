//! What a route does with the app's answer: a session that begins there, and the places that the login goes into.

use std::sync::Arc;

use http::{HeaderName, StatusCode};

use crate::config::raw::{Table, Value};
use crate::json::JsonPointer;
use crate::policy::{Access, AnswerRule, Inject, SessionFromResponse};
use crate::token::response::{CookieName, ResponseSource};

/// Where the app's answer carries a new session token; `None` when what is written is wrong.
pub(super) fn session(value: &Value<'_>) -> Option<SessionFromResponse> {
    let table = value.table(&["json", "set_cookie", "header", "statuses"])?;
    let places = ["json", "set_cookie", "header"].map(|key| table.get(key));
    let source = match places {
        [Some(place), None, None] => place.parsed(JsonPointer::parse).map(ResponseSource::Json),
        [None, Some(place), None] => place
            .parsed(CookieName::parse)
            .map(ResponseSource::SetCookie),
        [None, None, Some(place)] => place
            .parsed(|text| text.parse::<HeaderName>())
            .map(ResponseSource::Header),
        _ => {
            let hint = "{ json = \"/access_token\" }, { set_cookie = \"session\" } or { header = \"X-Session\" }";
            value.error("needs exactly one place for the session token", hint);
            None
        }
    };
    let statuses: Option<Vec<_>> = table.items("statuses").iter().map(status).collect();
    Some(SessionFromResponse {
        source: source?,
        statuses: statuses?,
    })
}

fn status(item: &Value<'_>) -> Option<StatusCode> {
    let number = item.integer(200..=399)?;
    let code = u16::try_from(number).ok()?;
    StatusCode::from_u16(code).ok()
}

/// Where the login goes: the places in headers and cookie, and the pointer into a JSON body.
pub(super) fn inject(
    table: &Table<'_>,
    access: Option<Access>,
    session: Option<&SessionFromResponse>,
    begins_session: bool,
) -> (Inject, Option<JsonPointer>) {
    let flags = &["request_headers", "response_headers", "response_cookie"];
    let Some(value) = table.get("inject") else {
        return (Inject::default(), None);
    };
    let keys = [flags.as_slice(), &["response_json"]].concat();
    let Some(places) = value.table(&keys) else {
        return (Inject::default(), None);
    };
    let [request_headers, response_headers, response_cookie] =
        flags.map(|key| places.boolean_or(key, false));
    let inject = Inject {
        request_headers,
        response_headers,
        response_cookie,
    };
    let json = places
        .get("response_json")
        .and_then(|value| value.parsed(JsonPointer::parse));
    let into_answer = inject.response_headers || inject.response_cookie || json.is_some();
    let is_for_nobody = match access {
        Some(Access::Deny) => inject.request_headers || into_answer,
        Some(Access::Public) => inject.request_headers || (into_answer && !begins_session),
        Some(Access::Session | Access::Optional) | None => false,
    };
    check(&value, session, inject, is_for_nobody);
    (inject, json)
}

fn check(
    value: &Value<'_>,
    session: Option<&SessionFromResponse>,
    inject: Inject,
    is_for_nobody: bool,
) {
    if is_for_nobody {
        value.error(
            "nobody is known on a public route, and nothing passes a denied one",
            "access = \"session\" or \"optional\", or session_from_response for a login",
        );
    }
    let before_body = inject.response_headers || inject.response_cookie;
    if before_body && session.is_some_and(|session| session.source.is_in_body()) {
        value.error(
            "the header of an answer is sent before the token in its body is read",
            "response_json, or a session_from_response in set_cookie or header",
        );
    }
}

/// One rule for the answer, if there is anything to do with it.
pub(super) fn rule(
    session: Option<SessionFromResponse>,
    json: Option<JsonPointer>,
    ends_session: bool,
) -> Option<Arc<AnswerRule>> {
    let rule = AnswerRule {
        session,
        json,
        ends_session,
    };
    let is_needed = rule.session.is_some() || rule.json.is_some() || ends_session;
    is_needed.then(|| Arc::new(rule))
}

/// Whether the route's success ends the caller's session, which only a route with a session can.
pub(super) fn ends_session(table: &Table<'_>, access: Option<Access>) -> bool {
    let Some(value) = table.get("on_success") else {
        return false;
    };
    let chosen = value.choice(&[("kick", true)]).unwrap_or(false);
    if chosen && !matches!(access, Some(Access::Session | Access::Optional) | None) {
        value.error(
            "no session is known here that could end",
            "access = \"session\"",
        );
    }
    chosen
}
