//! Plain request handlers as Pingora services: the ops listener, the sandbox and the demo app.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use pingora::services::listening::Service;

/// A function from a whole request to a whole response, as a service.
pub(super) struct App<F>(F);

/// A service with a name for its threads and log lines that listens at `address`.
pub(super) fn service<F>(name: &str, address: &str, handler: F) -> Service<App<F>>
where
    F: Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
{
    let mut service = Service::new(name.to_owned(), App(handler));
    service.add_tcp(address);
    service
}

#[async_trait]
impl<F> ServeHttp for App<F>
where
    F: Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync,
{
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let Some(body) = read_body(session).await else {
            return empty(StatusCode::PAYLOAD_TOO_LARGE);
        };
        let head = session.req_header().as_owned_parts();
        let is_head = head.method == Method::HEAD;
        let (mut parts, body) = (self.0)(&Request::from_parts(head, body)).into_parts();
        parts
            .headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| HeaderValue::from(body.len()));
        let body = if is_head { Vec::new() } else { body.to_vec() };
        Response::from_parts(parts, body)
    }
}

/// The body, unless it is larger than any that these handlers take or breaks off.
async fn read_body(session: &mut ServerSession) -> Option<Bytes> {
    let mut body = BytesMut::new();
    while let Some(chunk) = session.read_request_body().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY_BYTES {
            return None;
        }
    }
    Some(body.freeze())
}

fn empty(status: StatusCode) -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    let zero = HeaderValue::from_static("0");
    response.headers_mut().insert(CONTENT_LENGTH, zero);
    response
}

const MAX_BODY_BYTES: usize = 1 << 20;
