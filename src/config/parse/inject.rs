//! The names under which UserID and UserSig are injected.

use http::HeaderName;

use crate::config::InjectNames;
use crate::config::raw::{Table, Value};
use crate::policy::header_name::is_alias;
use crate::token::extract::{TokenSource, TokenSources};

pub(super) fn names(root: &Table<'_>, sources: &[TokenSource]) -> Option<InjectNames> {
    let table = root.section("inject", KEYS);
    let [user_id, user_sig, sdk_app_id] =
        HEADERS.map(
            |(key, default)| match table.get_or(key, || default.into()) {
                Some(value) => header(&value, sources),
                None => Some(HeaderName::from_static(default)),
            },
        );
    let cookie_name = match table.get_or("cookie_name", || DEFAULT_COOKIE.into()) {
        Some(value) => cookie(&value, sources),
        None => Some(DEFAULT_COOKIE.to_owned()),
    };
    let names = InjectNames {
        user_id_header: user_id?,
        user_sig_header: user_sig?,
        sdk_app_id_header: sdk_app_id?,
        cookie_name: cookie_name?,
    };
    check_distinct(&table, &names).then_some(names)
}

/// Whether a header may carry a value of the app or of ours, because HTTP does not need it itself.
pub(super) fn may_carry_a_value(name: &HeaderName) -> bool {
    let is_reserved = RESERVED
        .iter()
        .any(|reserved| is_alias(name.as_str(), reserved));
    !is_reserved && !name.as_str().starts_with("sec-")
}

fn header(value: &Value<'_>, sources: &[TokenSource]) -> Option<HeaderName> {
    let name = value.parsed(|text| text.parse::<HeaderName>())?;
    if !may_carry_a_value(&name) || name == http::header::AUTHORIZATION {
        value.error(
            "is a header of HTTP itself",
            "a name of your own, as in X-Chat-UserID",
        );
        return None;
    }
    let is_token = sources.iter().any(|source| match source {
        TokenSource::Header { name: token, .. } => is_alias(token.as_str(), name.as_str()),
        TokenSource::Cookie { .. } | TokenSource::Query { .. } => false,
    });
    if is_token {
        value.error(
            "is where the session token stands",
            "clients may not send what is injected, so it would be removed",
        );
        return None;
    }
    Some(name)
}

fn cookie(value: &Value<'_>, sources: &[TokenSource]) -> Option<String> {
    let name = value.text()?.to_owned();
    let source = TokenSource::Cookie { name };
    if sources.contains(&source) {
        value.error("is where the session token stands", "another name");
        return None;
    }
    if let Err(error) = TokenSources::new(vec![source.clone()]) {
        value.error(error.to_string(), "");
        return None;
    }
    match source {
        TokenSource::Cookie { name } => Some(name),
        TokenSource::Header { .. } | TokenSource::Query { .. } => None,
    }
}

fn check_distinct(table: &Table<'_>, names: &InjectNames) -> bool {
    let headers = [
        &names.user_id_header,
        &names.user_sig_header,
        &names.sdk_app_id_header,
    ];
    let mut distinct = true;
    for (index, (name, (key, _))) in headers.iter().zip(HEADERS).enumerate() {
        let mut earlier = headers.iter().take(index);
        if earlier.any(|one| is_alias(one.as_str(), name.as_str())) {
            let place = table
                .get(key)
                .map_or_else(|| table.place_of(key), |value| value.place().clone());
            let problem = "is the name of another injected header";
            table
                .report()
                .error(&place, problem, "\"-\" and \"_\" count as the same");
            distinct = false;
        }
    }
    distinct
}

const HEADERS: [(&str, &str); 3] = [
    ("user_id_header", "x-chat-userid"),
    ("user_sig_header", "x-chat-usersig"),
    ("sdk_app_id_header", "x-chat-sdkappid"),
];
const DEFAULT_COOKIE: &str = "chat_usersig";
const KEYS: &[&str] = &[
    "user_id_header",
    "user_sig_header",
    "sdk_app_id_header",
    "cookie_name",
];
/// Fields that frame, route or negotiate a message, or that the proxy sets by its own rules.
const RESERVED: &[&str] = &[
    "accept",
    "accept-encoding",
    "age",
    "allow",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "location",
    "origin",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "retry-after",
    "server",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];
