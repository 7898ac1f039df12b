//! The forms of the demo app's answers: JSON, and errors as JSON.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

pub(super) fn json(value: &Value) -> Response<Bytes> {
    status(StatusCode::OK, value)
}

pub(super) fn error(code: StatusCode, message: &'static str) -> Response<Bytes> {
    status(code, &json!({ "error": message }))
}

pub(super) fn unauthorized(message: &'static str) -> Response<Bytes> {
    with(
        error(StatusCode::UNAUTHORIZED, message),
        WWW_AUTHENTICATE,
        "Bearer",
    )
}

pub(super) fn method_not_allowed(allow: &'static str) -> Response<Bytes> {
    with(
        error(StatusCode::METHOD_NOT_ALLOWED, "not with this method"),
        ALLOW,
        allow,
    )
}

fn status(code: StatusCode, value: &Value) -> Response<Bytes> {
    let response = full(code, value.to_string().into(), "application/json");
    with(response, CACHE_CONTROL, "no-store")
}

fn full(code: StatusCode, body: Bytes, content_type: &'static str) -> Response<Bytes> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_LENGTH, length);
    with(response, CONTENT_TYPE, content_type)
}

fn with(mut response: Response<Bytes>, name: HeaderName, value: &'static str) -> Response<Bytes> {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    response
}
