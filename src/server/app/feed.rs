//! Answers without an end: their body is written piece by piece, for as long as there is somebody to read it.
//!
//! A handler says what comes next whenever it is asked, at its own pace. The stream ends when the handler has no more, when the
//! client is gone or does not read, and at the first sign of a stop, which waits for nobody.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::TRANSFER_ENCODING;
use http::{HeaderValue, Method, Response, Version};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use tokio::time::{sleep, timeout};

/// A body that comes in pieces.
pub struct Feed {
    /// How long to wait before the next piece is asked for.
    pub pause: Duration,
    /// Says what comes next; what it owns is dropped with the stream.
    pub next: Box<dyn FnMut() -> Piece + Send>,
}

/// What a feed says when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Write this.
    Data(Bytes),
    /// There is nothing new.
    Nothing,
    /// Write this and end the body.
    Last(Bytes),
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

/// Sends the head and then what the feed says. The connection takes no other request.
pub(super) async fn send(
    mut session: ServerSession,
    head: Response<()>,
    feed: Feed,
    shutdown: &ShutdownWatch,
) {
    session.set_keepalive(None);
    let (mut parts, ()) = head.into_parts();
    // Where there are no chunks the body ends with the connection.
    if session.req_header().version == Version::HTTP_11 {
        let chunked = HeaderValue::from_static("chunked");
        parts.headers.insert(TRANSFER_ENCODING, chunked);
    }
    let is_head = session.req_header().method == Method::HEAD;
    let head = Box::new(ResponseHeader::from(parts));
    if session.write_response_header(head).await.is_err() {
        return;
    }
    if is_head || write(&mut session, feed, shutdown.clone()).await.is_some() {
        // An error means that the client is gone.
        let _ = session.finish().await;
    }
}

/// Nothing when the body cannot be brought to a proper end.
async fn write(
    session: &mut ServerSession,
    mut feed: Feed,
    mut shutdown: ShutdownWatch,
) -> Option<()> {
    // The stop may have come before this stream.
    while !*shutdown.borrow_and_update() {
        let (data, is_last) = match (feed.next)() {
            Piece::Data(data) => (data, false),
            Piece::Nothing => (Bytes::new(), false),
            Piece::Last(data) => (data, true),
        };
        let written = timeout(WRITE_TIMEOUT, session.write_response_body(data, false));
        tokio::select! {
            written = written => written.ok()?.ok()?,
            _ = shutdown.changed() => return None,
        }
        if is_last {
            break;
        }
        tokio::select! {
            () = sleep(feed.pause) => {}
            // An error means that the server is gone, which is a stop as well.
            _ = shutdown.changed() => break,
        }
    }
    Some(())
}

/// A client that takes nothing for so long holds a place that another one may want.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
