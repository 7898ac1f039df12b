//! What the proxy answers itself: refusals as RFC 9457 problems, the login of our endpoint, and its preflight.
//!
//! Answers are written as ordinary responses, because Pingora's own error responses close the connection.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN,
    RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, Method, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{ErrorType, OrErr, Result};
use serde::Serialize;
use tokio::time::timeout;

use super::context::RequestId;
use super::inject::LoginJson;
use crate::authorize::{Login, User};
use crate::policy::AllowedOrigins;
use crate::rejection::Rejection;
use crate::rest_api::refusal::members_for;

/// Answers a request with the reason why it is refused.
pub(super) async fn with_rejection(
    session: &mut Session,
    origins: &AllowedOrigins,
    refused: Refused,
    rejection: &Rejection,
) -> Result<()> {
    let request_id = refused.request_id;
    let mut header = ResponseHeader::build(rejection.status(), Some(12))?;
    header.insert_header(CONTENT_TYPE, "application/problem+json")?;
    header.insert_header(REQUEST_ID, request_id.as_str())?;
    if let Some(challenge) = rejection.challenge() {
        header.insert_header(WWW_AUTHENTICATE, challenge)?;
    }
    if let Rejection::MethodNotAllowed { allow } = rejection {
        header.insert_header(ALLOW, allow.as_str())?;
    }
    if let Some(seconds) = rejection.retry_after() {
        header.insert_header(RETRY_AFTER, seconds)?;
    }
    let body = to_json(&Problem::new(rejection, refused))?;
    send(session, origins, header, body).await
}

/// What a refusal is told with.
#[derive(Clone, Copy)]
pub(super) struct Refused {
    pub(super) request_id: RequestId,
    /// Whether the client may be one of Chat's REST API, which reads `ErrorCode`.
    pub(super) speaks_api: bool,
}

/// Answers a call with what Chat said.
pub(super) async fn with_chat_answer(
    session: &mut Session,
    origins: &AllowedOrigins,
    status: StatusCode,
    body: Vec<u8>,
) -> Result<()> {
    let mut header = ResponseHeader::build(status, Some(10))?;
    header.insert_header(CONTENT_TYPE, "application/json")?;
    send(session, origins, header, body).await
}

/// Answers our endpoint with the caller's login.
pub(super) async fn with_login(
    session: &mut Session,
    origins: &AllowedOrigins,
    user: &User,
    login: &Login,
) -> Result<()> {
    let mut header = ResponseHeader::build(StatusCode::OK, Some(10))?;
    header.insert_header(CONTENT_TYPE, "application/json")?;
    let body = to_json(&LoginJson::new(user, login))?;
    send(session, origins, header, body).await
}

/// Answers a preflight of our own paths: a listed origin may ask with its token, another one learns nothing.
pub(super) async fn with_preflight(
    session: &mut Session,
    origins: &AllowedOrigins,
    methods: &str,
    tokens: impl Iterator<Item = &HeaderName>,
) -> Result<()> {
    let mut header = ResponseHeader::build(StatusCode::NO_CONTENT, Some(10))?;
    let request = session.req_header();
    if is_preflight(request) && origins.find(&request.headers).is_some() {
        let taken: Vec<_> = tokens
            .chain([&CONTENT_TYPE])
            .map(HeaderName::as_str)
            .collect();
        header.insert_header(ACCESS_CONTROL_ALLOW_METHODS, methods)?;
        header.insert_header(ACCESS_CONTROL_ALLOW_HEADERS, taken.join(", "))?;
        header.insert_header(ACCESS_CONTROL_MAX_AGE, "600")?;
    }
    send(session, origins, header, Vec::new()).await
}

/// RFC 9457 with the registered `about:blank`, so that `title` is the status phrase; `code` is what clients act on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'static str,
    request_id: String,
    /// `ActionStatus`, `ErrorCode` and `ErrorInfo` for clients of the REST API.
    #[serde(flatten)]
    api: BTreeMap<&'static str, serde_json::Value>,
}

impl Problem {
    fn new(rejection: &Rejection, refused: Refused) -> Self {
        let status = rejection.status();
        let members = || match rejection {
            Rejection::RestApi(refusal) => refusal.members(),
            other => members_for(status, other.detail()),
        };
        let api = refused.speaks_api.then(members);
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code: rejection.code(),
            detail: rejection.detail(),
            request_id: refused.request_id.to_string(),
            api: api.into_iter().flatten().collect(),
        }
    }
}

fn to_json(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body).or_err(ErrorType::InternalError, "an answer that is no JSON")
}

async fn send(
    session: &mut Session,
    origins: &AllowedOrigins,
    mut header: ResponseHeader,
    body: Vec<u8>,
) -> Result<()> {
    header.insert_header(CACHE_CONTROL, "no-store")?;
    header.insert_header(X_CONTENT_TYPE_OPTIONS, "nosniff")?;
    add_cors(session, origins, &mut header)?;
    if header.status != StatusCode::NO_CONTENT {
        header.insert_header(CONTENT_LENGTH, body.len())?;
    }
    let without_body = session.req_header().method == Method::HEAD || body.is_empty();
    session
        .write_response_header(Box::new(header), without_body)
        .await?;
    match without_body {
        true => session.write_response_body(None, true).await,
        false => {
            session
                .write_response_body(Some(Bytes::from(body)), true)
                .await
        }
    }
}

fn add_cors(
    session: &Session,
    origins: &AllowedOrigins,
    header: &mut ResponseHeader,
) -> Result<()> {
    if origins.is_empty() {
        return Ok(());
    }
    header.insert_header(VARY, "Origin")?;
    // No script reads the refusal of a preflight, and the browser needs no more than its status.
    if is_preflight(session.req_header()) && !header.status.is_success() {
        return Ok(());
    }
    if let Some(origin) = origins.find(&session.req_header().headers) {
        header.insert_header(ACCESS_CONTROL_ALLOW_ORIGIN, origin)?;
        header.insert_header(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true")?;
        header.insert_header(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            "WWW-Authenticate, Retry-After, X-Request-ID",
        )?;
    }
    Ok(())
}

/// Ends an answer that was begun and cannot be finished. A client that takes nothing is not waited for.
pub(super) async fn cut_off(session: &mut Session) {
    let _ = timeout(CUT_OFF, session.as_downstream_mut().shutdown()).await;
}

/// Whether a browser asks on its own what a script may send (Fetch standard, section 3.2.2).
fn is_preflight(request: &RequestHeader) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(ORIGIN)
        && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The header that names a request to the app and to a refused client.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// For what is left of the answer, and the end of TLS.
const CUT_OFF: Duration = Duration::from_secs(1);
