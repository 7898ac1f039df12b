//! Plain request handlers as Pingora services: the ops listener, the sandbox and the demo app.
//!
//! Not on Pingora's `ServeHttp`: it cannot leave a request unanswered, and when a client has gone it logs the request's whole
//! target, in which a REST call has its UserSig.

mod feed;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use pingora::services::listening::Service;
use tokio::time::sleep;

pub use feed::{Feed, Piece};

/// What a handler wants done.
#[derive(Debug)]
pub enum Reply {
    /// Send this at once.
    Respond(Response<Bytes>),
    /// Send this after a while.
    RespondAfter(Duration, Response<Bytes>),
    /// Close the connection after a while and send nothing.
    Cut(Duration),
    /// Send this head, and a body piece by piece.
    Stream(Response<()>, Feed),
}

impl From<Response<Bytes>> for Reply {
    fn from(response: Response<Bytes>) -> Self {
        Self::Respond(response)
    }
}

/// A function from a whole request to a whole response, as a service.
pub(super) struct App<F>(F);

/// A service with a name for its threads and log lines that listens at `address`.
pub(super) fn service<F, R>(name: &str, address: &str, handler: F) -> Service<App<F>>
where
    F: Fn(&Request<Bytes>) -> R + Send + Sync + 'static,
    R: Into<Reply>,
{
    let mut service = Service::new(name.to_owned(), App(handler));
    service.add_tcp(address);
    service
}

#[async_trait]
impl<F, R> HttpServerApp for App<F>
where
    F: Fn(&Request<Bytes>) -> R + Send + Sync + 'static,
    R: Into<Reply>,
{
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !session.read_request().await.ok()? {
            return None;
        }
        let is_stopping = *shutdown.borrow();
        session.set_keepalive((!is_stopping).then_some(KEEPALIVE_SECONDS));
        let reply = match read_body(&mut session).await {
            Some(body) => {
                let head = session.req_header().as_owned_parts();
                (self.0)(&Request::from_parts(head, body)).into()
            }
            None => empty(StatusCode::PAYLOAD_TOO_LARGE).into(),
        };
        let response = match reply {
            Reply::Respond(response) => response,
            Reply::RespondAfter(delay, response) => {
                sleep(delay).await;
                response
            }
            Reply::Cut(delay) => {
                sleep(delay).await;
                return None;
            }
            Reply::Stream(head, feed) => {
                feed::send(session, head, feed, shutdown).await;
                return None;
            }
        };
        send(session, response).await
    }
}

/// Sends a response, without its body to HEAD; returns the connection when it can take another request.
async fn send(mut session: ServerSession, response: Response<Bytes>) -> Option<ReusedHttpStream> {
    let is_head = session.req_header().method == Method::HEAD;
    let (mut parts, body) = response.into_parts();
    parts
        .headers
        .entry(CONTENT_LENGTH)
        .or_insert_with(|| HeaderValue::from(body.len()));
    let head = Box::new(ResponseHeader::from(parts));
    session.write_response_header(head).await.ok()?;
    if !is_head && !body.is_empty() {
        session.write_response_body(body, true).await.ok()?;
    }
    let settings = HttpPersistentSettings::for_session(&session);
    let stream = session.finish().await.ok()??;
    Some(ReusedHttpStream::from_reusable_stream(stream, settings))
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

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

const KEEPALIVE_SECONDS: u64 = 60;
const MAX_BODY_BYTES: usize = 1 << 20;
