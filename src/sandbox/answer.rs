//! The forms of an answer: Chat's JSON shape, plain text for people and health checks, and what breaks on the way.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_LENGTH,
    CONTENT_TYPE, LOCATION,
};
use http::{HeaderValue, Response, StatusCode, Uri};
use serde::Serialize;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::client::Listener;
use super::failure::Failure;

/// What the caller of the sandbox has to do.
#[derive(Debug)]
pub enum Answer {
    /// Send this at once.
    Respond(Response<Bytes>),
    /// Send this after a while.
    RespondAfter(Duration, Response<Bytes>),
    /// Close the connection after a while and send nothing.
    Cut(Duration),
    /// Send this head, and what the listener hears until it ends.
    Listen(Response<()>, Listener),
}

/// A successful answer of a command.
pub(super) struct Reply {
    status: &'static str,
    members: Value,
}

impl Reply {
    /// An answer without members of its own.
    pub(super) fn done() -> Self {
        Self::from(json!({}))
    }

    /// An answer of a command that was carried out for some of the accounts.
    pub(super) fn in_part(members: Value) -> Self {
        Self {
            status: "SomeError",
            members,
        }
    }
}

impl From<Value> for Reply {
    fn from(members: Value) -> Self {
        Self {
            status: "OK",
            members,
        }
    }
}

/// What Chat puts around the members of a successful answer, in its order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<T> {
    action_status: &'static str,
    error_info: String,
    error_code: u32,
    #[serde(flatten)]
    members: Option<T>,
}

/// An answer in Chat's shape: HTTP 200 for success and failure alike.
///
/// The CORS headers are those of Chat's documented sample answer, which lets a browser call the backend directly.
pub(super) fn chat<T: Serialize>(outcome: Result<T, Failure>) -> Response<Bytes> {
    in_shape(match outcome {
        Ok(members) => Envelope {
            action_status: "OK",
            error_info: String::new(),
            error_code: 0,
            members: Some(members),
        },
        Err(failure) => Envelope {
            action_status: "FAIL",
            error_info: failure.to_string(),
            error_code: failure.code(),
            members: None,
        },
    })
}

/// An answer whose body is lines of JSON, as they come.
pub(super) fn lines(listener: Listener) -> Answer {
    let mut head = Response::new(());
    let kind = HeaderValue::from_static("application/x-ndjson");
    head.headers_mut().insert(CONTENT_TYPE, kind);
    let no_store = HeaderValue::from_static("no-store");
    head.headers_mut().insert(CACHE_CONTROL, no_store);
    Answer::Listen(head, listener)
}

/// The answer of a command, in Chat's shape.
pub(super) fn rest(outcome: Result<Reply, Failure>) -> Response<Bytes> {
    match outcome {
        Ok(reply) => in_shape(Envelope {
            action_status: reply.status,
            error_info: String::new(),
            error_code: 0,
            members: Some(reply.members),
        }),
        Err(failure) => chat::<Value>(Err(failure)),
    }
}

/// An answer in Chat's shape that repeats the URL of the request, as it came and decoded.
pub(super) fn echo(uri: &Uri) -> Response<Bytes> {
    let (url, decoded) = (uri.to_string(), decoded(uri));
    in_shape::<Value>(Envelope {
        action_status: "FAIL",
        error_info: format!("HTTP parse error in {url} ({decoded})"),
        error_code: 60002,
        members: None,
    })
}

/// The error page of a gateway, which repeats the URL of the request in three spellings.
pub(super) fn html(uri: &Uri) -> Response<Bytes> {
    let (url, decoded) = (uri.to_string(), decoded(uri));
    let escaped = url.replace('&', "&amp;").replace('<', "&lt;");
    let page = format!(
        "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1>\n\
         <p>While trying to retrieve <a href=\"{escaped}\">{url}</a></p>\n<!-- {decoded} --></body></html>\n"
    );
    let mut response = full(page.into(), "text/html");
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// A redirect that takes the query, and so the UserSig, along.
pub(super) fn redirect(uri: &Uri) -> Response<Bytes> {
    let target = format!("/sandbox/redirected?{}", uri.query().unwrap_or_default());
    let mut response = full(Bytes::new(), "text/html");
    *response.status_mut() = StatusCode::FOUND;
    if let Ok(target) = HeaderValue::try_from(target) {
        response.headers_mut().insert(LOCATION, target);
    }
    response
}

/// What the sandbox says of itself, as JSON; not for the scripts of other origins.
pub(super) fn control(status: StatusCode, members: &Value) -> Response<Bytes> {
    let mut response = full(members.to_string().into(), "application/json");
    *response.status_mut() = status;
    response
}

/// The query with its percent escapes undone.
fn decoded(uri: &Uri) -> String {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn in_shape<T: Serialize>(envelope: Envelope<T>) -> Response<Bytes> {
    let body = serde_json::to_vec(&envelope).unwrap_or_default();
    let mut response = full(body.into(), "application/json");
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST"),
    );
    response
}

/// Plain text with status 200.
pub(super) fn text(text: &'static str) -> Response<Bytes> {
    let body = Bytes::from_static(text.as_bytes());
    full(body, "text/plain; charset=utf-8")
}

fn full(body: Bytes, content_type: &'static str) -> Response<Bytes> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, length);
    response
}
