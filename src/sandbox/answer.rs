//! The forms of an answer: Chat's JSON shape, and plain text for people and health checks.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_LENGTH, CONTENT_TYPE,
};
use http::{HeaderValue, Response};
use serde::Serialize;

use super::failure::Failure;

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
    let envelope = match outcome {
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
    };
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
