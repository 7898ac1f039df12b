//! Traces: what the app and the collector are told of a request.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::tokens::{authorization, session};
use crate::support::{App, Connection, Proxy, Recorded, config, foreign, get};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// A proxy in front of `app` that sends its spans to `collector`.
fn traced(app: &App, collector: &App, settings: &str) -> Proxy {
    let routes = "default_access = \"public\"\n[[route]]\nmatch = { path = \"/api/{*rest}\" }\n\
                  access = \"session\"\ninject = { request_headers = true }\n";
    let endpoint = format!(
        "[traces]\nendpoint = \"http://{}/v1/traces\"\nfollow = \"anybody\"\n{settings}\n",
        collector.address
    );
    Proxy::start(&config(app.address, &format!("{routes}{endpoint}")))
}

/// The next document that the collector got.
fn document(collector: &App) -> Value {
    serde_json::from_slice(&collector.next().body).unwrap()
}

fn spans(document: &Value) -> &Vec<Value> {
    let spans = &document["resourceSpans"][0]["scopeSpans"][0]["spans"];
    spans.as_array().unwrap()
}

fn attribute<'a>(span: &'a Value, key: &str) -> Option<&'a str> {
    let attributes = span["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|one| one["key"] == key)?;
    let value = found["value"].as_object().unwrap();
    value.values().next().unwrap().as_str()
}

fn traceparent(request: &Recorded) -> [String; 4] {
    let parts: Vec<_> = request.header("traceparent").unwrap().split('-').collect();
    let parts: [&str; 4] = parts.try_into().unwrap();
    parts.map(str::to_owned)
}

#[test]
fn a_span_is_told_to_the_app_and_sent_to_the_collector() {
    let (app, collector) = (App::start(), App::start());
    let proxy = traced(&app, &collector, "service_name = \"chat-edge\"");
    let token = authorization(&session("42"));
    let sent = format!("{token}traceparent: {PARENT}\r\ntracestate: a=1\r\n");
    assert_eq!(get(proxy.address, "/api/me?q=1", &sent).status, 200);
    let request = app.next();
    let [_, trace_id, span_id, flags] = traceparent(&request);
    assert_eq!(request.header("tracestate"), Some("a=1"));
    assert_eq!(flags, "01");

    let asked = collector.next();
    assert_eq!(asked.target, "/v1/traces");
    assert_eq!(asked.header("content-type"), Some("application/json"));
    let document: Value = serde_json::from_slice(&asked.body).unwrap();
    let resource = &document["resourceSpans"][0]["resource"];
    assert_eq!(attribute(resource, "service.name"), Some("chat-edge"));
    let span = &spans(&document)[0];
    assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        (&span["traceId"], &span["spanId"]),
        (&trace_id.into(), &span_id.into())
    );
    assert_eq!(span["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(span["name"], "GET /api/{*rest}");
    assert_eq!(span["kind"], 2);
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/api/{*rest}"),
        ("url.path", "/api/me"),
        ("http.response.status_code", "200"),
        ("network.protocol.version", "1.1"),
        ("usersig_proxy.outcome", "forwarded"),
        ("usersig_proxy.upstream", "app"),
    ] {
        assert_eq!(attribute(span, key), Some(value), "{key}");
    }
    let time = |key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
    assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
    proxy.wait_for_metric(r#"trace_spans_total{result="sent"}"#, 1);
    let line = proxy.log_line(|line| line["path"] == "/api/me");
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[test]
fn no_query_user_or_credential_is_in_a_span() {
    let (app, collector) = (App::start(), App::start());
    let proxy = traced(&app, &collector, "");
    let token = session("subject-42");
    let sent = format!("{}tracestate: v={token}\r\n", authorization(&token));
    for path in [format!("/api/{token}"), format!("/p?token={token}")] {
        get(proxy.address, &path, &sent);
    }
    let mut seen = String::new();
    while seen.matches("\"spanId\"").count() < 2 {
        seen += &String::from_utf8(collector.next().body).unwrap();
    }
    let signature = token.rsplit('.').next().unwrap();
    for secret in [&token, signature, "subject-42", "token=", "tracestate"] {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
    assert!(seen.contains("/api/[redacted]"), "{seen}");
}

#[test]
fn the_clients_flag_decides_and_without_one_every_nth_trace_is_recorded() {
    let (app, collector) = (App::start(), App::start());
    let proxy = traced(&app, &collector, "one_in = 1000000");
    let ask = |header: &str| {
        assert_eq!(get(proxy.address, "/", header).status, 200);
        traceparent(&app.next())
    };
    let [_, trace_id, _, flags] = ask(&format!("traceparent: {UNSAMPLED}\r\n"));
    assert_eq!((trace_id.as_str(), flags.as_str()), (&PARENT[3..35], "00"));
    let [_, mine, _, flags] = ask("tracestate: of=another\r\n");
    assert_eq!(flags, "00");
    let [_, other, ..] = ask("");
    assert_ne!(mine, other);
    let [.., flags] = ask(&format!("traceparent: {PARENT}\r\n"));
    assert_eq!(flags, "01");
    let document = document(&collector);
    assert_eq!(spans(&document).len(), 1);
    assert_eq!(spans(&document)[0]["traceId"], &PARENT[3..35]);
}

#[test]
fn what_is_no_context_begins_a_new_trace() {
    let (app, collector) = (App::start(), App::start());
    let proxy = traced(&app, &collector, "");
    for bad in [
        "traceparent: 00-zz\r\n".to_owned(),
        format!("traceparent: {PARENT}\r\ntraceparent: {UNSAMPLED}\r\n"),
    ] {
        let sent = format!("{bad}tracestate: a=1\r\n");
        assert_eq!(get(proxy.address, "/", &sent).status, 200);
        let request = app.next();
        assert_eq!(request.values("traceparent").len(), 1);
        assert_ne!(traceparent(&request)[1], PARENT[3..35]);
        assert_eq!(request.header("tracestate"), None);
    }
}

#[test]
fn a_stranger_forces_no_trace_where_only_proxies_are_followed() {
    let (app, collector) = (App::start(), App::start());
    for (trusted, is_followed) in [("10.0.0.0/8", false), ("127.0.0.1", true)] {
        let routes = format!(
            "default_access = \"public\"\n[traces]\nendpoint = \"http://{}/\"\nfollow = \"trusted_proxies\"\n",
            collector.address
        );
        let text = config(app.address, &routes);
        let listen = format!("[listen]\ntrusted_proxies = [\"{trusted}\"]");
        let proxy = Proxy::start(&text.replace("[listen]", &listen));
        let sent = format!("traceparent: {PARENT}\r\n");
        assert_eq!(get(proxy.address, "/", &sent).status, 200);
        let id = &traceparent(&app.next())[1];
        assert_eq!(id == &PARENT[3..35], is_followed, "{trusted}");
    }
}

#[test]
fn without_traces_the_headers_pass_as_they_come() {
    let app = App::start();
    let proxy = Proxy::in_front_of(&app, "default_access = \"public\"\n");
    let sent = format!("traceparent: {PARENT}\r\ntracestate: a=1\r\n");
    get(proxy.address, "/", &sent);
    let request = app.next();
    assert_eq!(request.header("traceparent"), Some(PARENT));
    assert_eq!(request.header("tracestate"), Some("a=1"));
    get(proxy.address, "/", "");
    assert_eq!(app.next().header("traceparent"), None);
}

#[test]
fn a_collector_that_is_away_costs_no_request_and_is_counted() {
    let (app, collector) = (
        App::start(),
        App::answering("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    );
    let proxy = traced(&app, &collector, "");
    let mut connection = Connection::open(proxy.address);
    for _ in 0..3 {
        let response = connection.request("GET / HTTP/1.1\r\nHost: app\r\n\r\n");
        assert_eq!(response.status, 200);
    }
    proxy.wait_for_at_least(r#"trace_spans_total{result="failed"}"#, 3);
    assert_eq!(proxy.metric(r#"trace_spans_total{result="sent"}"#), 0);
}

/// The messages of the protocol, as its own package for Python has them, take the document without a field too many.
#[test]
fn the_protocols_own_schema_takes_the_document() {
    let test = "the_protocols_own_schema_takes_the_document";
    let Some(apps) = foreign::apps(test) else {
        return;
    };
    let (app, collector) = (App::start(), App::start());
    let proxy = traced(&app, &collector, "");
    get(
        proxy.address,
        "/api/me",
        &format!("traceparent: {PARENT}\r\n"),
    );
    let body = collector.next().body;
    let mut python = Command::new(apps.join("venv/bin/python"))
        .args(["-c", SCHEMA])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(&body).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let read = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        read.trim(),
        "usersig-proxy GET /api/{*rest} SPAN_KIND_SERVER 4bf92f3577b34da6a3ce929d0e0e4736 token_missing"
    );
}

const SCHEMA: &str = r#"
import base64, json, sys
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
document = json.load(sys.stdin)
# OTLP has ids in hexadecimal where the general mapping has base64.
for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
    for key in ("traceId", "spanId", "parentSpanId"):
        span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
request = ParseDict(document, ExportTraceServiceRequest())
resource = request.resource_spans[0]
span = resource.scope_spans[0].spans[0]
outcome = {one.key: one.value.string_value for one in span.attributes}["usersig_proxy.outcome"]
print(resource.resource.attributes[0].value.string_value, span.name, Span.SpanKind.Name(span.kind), span.trace_id.hex(), outcome)
"#;
