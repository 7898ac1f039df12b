//! Where the traces of requests go.

use http::Uri;

use crate::config::Traces;
use crate::config::raw::{Table, Value};
use crate::config::secrets::Secrets;
use crate::trace_context::Follow;

pub(super) fn section(root: &Table<'_>, secrets: &Secrets<'_>) -> Option<Traces> {
    let table = root.get("traces")?.table(KEYS)?;
    let authorization = table.get("authorization");
    let service_name = table.get_or("service_name", || env!("CARGO_PKG_NAME").into());
    let traces = Traces {
        authorization: authorization.and_then(|value| secrets.read(&value)),
        service_name: service_name
            .and_then(|value| value.name())
            .unwrap_or(env!("CARGO_PKG_NAME"))
            .to_owned(),
        one_in: table.integer_or("one_in", 1, 1..=1_000_000),
        follow: table.choice_or("follow", Follow::TrustedProxies, FOLLOW),
        endpoint: endpoint(&table.require("endpoint", ENDPOINT_HINT)?)?,
    };
    Some(traces)
}

fn endpoint(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let parsed = text.parse::<Uri>().ok();
    let fits = parsed.is_some_and(|uri| {
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let is_plain = uri
            .authority()
            .is_some_and(|host| !host.as_str().contains('@'));
        is_http && is_plain && uri.query().is_none()
    });
    if !fits {
        value.error(
            "is no http or https URL, or has a user, a password or a query",
            ENDPOINT_HINT,
        );
    }
    fits.then(|| text.to_owned())
}

const KEYS: &[&str] = &[
    "endpoint",
    "authorization",
    "service_name",
    "one_in",
    "follow",
];
const FOLLOW: &[(&str, Follow)] = &[
    ("anybody", Follow::Anybody),
    ("trusted_proxies", Follow::TrustedProxies),
];
const ENDPOINT_HINT: &str = "endpoint = \"http://127.0.0.1:4318/v1/traces\"";
