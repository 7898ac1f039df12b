//! What a route does with the app's answer: a session that begins there, and the places that the login goes into.

use std::sync::Arc;

use http::{HeaderName, StatusCode};

use crate::config::InjectNames;
use crate::config::parse::inject::may_carry_a_value;
use crate::config::raw::{Table, Value};
use crate::json::JsonPointer;
use crate::policy::header_name::is_alias;
use crate::policy::{Access, AnswerRule, Inject, SessionFromResponse};
use crate::token::response::{CookieName, ResponseSource};

/// What is written of a new session in the app's answer is wrong, and reported.
pub(super) struct Wrong;

/// Where the app's answer carries a new session token, if it does.
pub(super) fn session(
    table: &Table<'_>,
    names: Option<&InjectNames>,
) -> Result<Option<SessionFromResponse>, Wrong> {
    match table.get("session_from_response") {
        Some(value) => read_session(&value, names).map(Some).ok_or(Wrong),
        None => Ok(None),
    }
}

fn read_session(value: &Value<'_>, names: Option<&InjectNames>) -> Option<SessionFromResponse> {
    let table = value.table(&["json", "set_cookie", "header", "statuses"])?;
    let places = ["json", "set_cookie", "header"].map(|key| table.get(key));
    let source = match places {
        [Some(place), None, None] => place.parsed(JsonPointer::parse).map(ResponseSource::Json),
        [None, Some(place), None] => cookie(&place, names),
        [None, None, Some(place)] => header(&place, names),
        _ => {
            let hint = "{ json = \"/access_token\" }, { set_cookie = \"session\" } or { header = \"X-Session\" }";
            value.error("needs exactly one place for the session token", hint);
            None
        }
    };
    let statuses = match table.get("statuses") {
        Some(value) => value.some_items("leave it out for every 2xx")?,
        None => Vec::new(),
    };
    // All of them are read, so that each that is wrong is reported.
    let statuses: Vec<_> = statuses.iter().map(status).collect();
    Some(SessionFromResponse {
        source: source?,
        statuses: statuses.into_iter().collect::<Option<_>>()?,
    })
}

fn cookie(place: &Value<'_>, names: Option<&InjectNames>) -> Option<ResponseSource> {
    let name = place.parsed(CookieName::parse)?;
    if names.is_some_and(|names| place.text() == Some(&names.cookie_name)) {
        place.error("is the cookie that is injected", OTHER_NAME);
        return None;
    }
    Some(ResponseSource::SetCookie(name))
}

fn header(place: &Value<'_>, names: Option<&InjectNames>) -> Option<ResponseSource> {
    let name = place.parsed(|text| text.parse::<HeaderName>())?;
    if !may_carry_a_value(&name) {
        let hint = "Authorization, a header of your own, or set_cookie";
        place.error("is a header of HTTP itself", hint);
        return None;
    }
    let is_injected = names.is_some_and(|names| {
        let ours = [
            &names.user_id_header,
            &names.user_sig_header,
            &names.sdk_app_id_header,
        ];
        ours.iter().any(|our| is_alias(our.as_str(), name.as_str()))
    });
    if is_injected {
        place.error("is a header that is injected", OTHER_NAME);
        return None;
    }
    Some(ResponseSource::Header(name))
}

fn status(item: &Value<'_>) -> Option<StatusCode> {
    let number = item.integer(200..=399)?;
    let status = StatusCode::from_u16(u16::try_from(number).ok()?).ok()?;
    if status == StatusCode::NOT_MODIFIED {
        item.error("confirms an older answer and begins no session", "");
        return None;
    }
    Some(status)
}

/// Where the login goes: the places in headers and cookie, and the pointer into a JSON body.
pub(super) fn inject(
    table: &Table<'_>,
    access: Option<Access>,
    session: &Result<Option<SessionFromResponse>, Wrong>,
) -> (Inject, Option<JsonPointer>) {
    let flags = &["request_headers", "response_headers", "response_cookie"];
    let Some(value) = table.get("inject") else {
        if let (Some(value), Ok(Some(_))) = (table.get("session_from_response"), session) {
            value.error(GOES_NOWHERE, INTO_ANSWER);
        }
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
    // What a session that is wrong was meant to be is not known.
    if let Ok(session) = session {
        check(&value, access, session.as_ref(), inject, json.as_ref());
    }
    (inject, json)
}

fn check(
    value: &Value<'_>,
    access: Option<Access>,
    session: Option<&SessionFromResponse>,
    inject: Inject,
    json: Option<&JsonPointer>,
) {
    let into_answer = inject.response_headers || inject.response_cookie || json.is_some();
    let is_for_nobody = match access {
        Some(Access::Deny) => inject.request_headers || into_answer,
        Some(Access::Public) => inject.request_headers || (into_answer && session.is_none()),
        // A webhook's route has none of this.
        Some(Access::Session | Access::Optional | Access::Webhook) | None => false,
    };
    if is_for_nobody {
        value.error(
            "nobody is known on a public route, and nothing passes a denied one",
            "access = \"session\" or \"optional\", or session_from_response for a login",
        );
        return;
    }
    match session {
        Some(_) if !into_answer => value.error(GOES_NOWHERE, INTO_ANSWER),
        Some(session) => check_places(value, session, inject, json),
        None => {}
    }
}

fn check_places(
    value: &Value<'_>,
    session: &SessionFromResponse,
    inject: Inject,
    json: Option<&JsonPointer>,
) {
    let ResponseSource::Json(token) = &session.source else {
        return;
    };
    if inject.response_headers || inject.response_cookie {
        value.error(
            "the header of an answer is sent before the token in its body is read",
            "response_json, or a session_from_response in set_cookie or header",
        );
    }
    if json.is_some_and(|json| is_within(token, json) || is_within(json, token)) {
        let problem = "response_json and the session token are in one place";
        value.error(problem, "two places, neither of them in the other");
    }
}

fn is_within(inner: &JsonPointer, outer: &JsonPointer) -> bool {
    format!("{inner}/").starts_with(&format!("{outer}/"))
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

const GOES_NOWHERE: &str = "the login of session_from_response goes nowhere";
const OTHER_NAME: &str = "one of the two under another name: the login would replace the session";
const INTO_ANSWER: &str =
    "inject = { response_json = \"/chat\" }, response_headers or response_cookie";
