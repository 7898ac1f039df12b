//! The document of the protocol: `ExportTraceServiceRequest` of OTLP 1, in its JSON mapping. Ids are hexadecimal and 64-bit
//! numbers text there; names of attributes are those of the semantic conventions for HTTP.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::proxy::Span;

/// The request for a batch.
pub(super) fn document(service_name: &str, spans: &[Span]) -> Vec<u8> {
    let scope = json!({ "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") });
    let resource = [
        text("service.name", service_name),
        text("service.version", env!("CARGO_PKG_VERSION")),
    ];
    let spans: Vec<_> = spans.iter().map(span).collect();
    let document = json!({
        "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{ "scope": scope, "spans": spans }],
        }],
    });
    document.to_string().into_bytes()
}

fn span(span: &Span) -> Value {
    let end = span.start + span.duration;
    let name = match &span.route {
        Some(route) => format!("{} {route}", span.method),
        None => span.method.clone(),
    };
    let is_failure = span.status.is_some_and(|status| status >= 500);
    let parent = span.parent.map(|parent| parent.to_string());
    json!({
        "traceId": span.context.trace_id.to_string(),
        "spanId": span.context.span_id.to_string(),
        "parentSpanId": parent.unwrap_or_default(),
        "name": name,
        "kind": SERVER,
        "startTimeUnixNano": nanoseconds(span.start),
        "endTimeUnixNano": nanoseconds(end),
        "attributes": attributes(span, is_failure),
        "status": if is_failure { json!({ "code": ERROR }) } else { json!({}) },
    })
}

fn attributes(span: &Span, is_failure: bool) -> Vec<Value> {
    let mut attributes = vec![
        text("http.request.method", &span.method),
        text("url.path", &span.path),
        text("network.protocol.version", span.http_version),
        text("usersig_proxy.site", &span.site),
        text("usersig_proxy.outcome", span.outcome),
        text("usersig_proxy.request_id", &span.request_id),
    ];
    let optional = [
        ("http.route", &span.route),
        ("usersig_proxy.upstream", &span.upstream),
    ];
    let given = optional.into_iter();
    attributes.extend(given.filter_map(|(key, value)| Some(text(key, value.as_deref()?))));
    if let Some(status) = span.status {
        let value = json!({ "intValue": status.to_string() });
        attributes.push(json!({ "key": "http.response.status_code", "value": value }));
    }
    if is_failure {
        attributes.push(text("error.type", span.outcome));
    }
    attributes
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn nanoseconds(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().to_string()
}

/// `SPAN_KIND_SERVER`.
const SERVER: u8 = 2;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;
