//! Which version of HTTP a connection speaks, found out within a bounded time.
//!
//! On a plain connection the framework waits for the 24 bytes of the HTTP/2 preface, without limit: a client that sent
//! fewer would hold its connection for ever, and a request that is shorter would have no answer. Here the first bytes
//! decide.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::{ALPN, Stream};
use pingora::server::ShutdownWatch;
use tokio::time::timeout;

use crate::proxy::{Joined, OpenRequest};

/// An app for connections of every version.
pub(super) struct Versions<A> {
    app: Arc<A>,
    http1: Arc<Http1<A>>,
    http2: Arc<Http2<A>>,
    patience: Duration,
}

impl<A: HttpServerApp + Send + Sync + 'static> Versions<A> {
    /// For an app with these options, which are for connections that do not begin in HTTP/2; a plain connection that does
    /// not begin within `patience` is closed, and so is one of HTTP/1 with a header that takes longer.
    pub(super) fn new(app: A, mut options: HttpServerOptions, patience: Duration) -> Self {
        let app = Arc::new(app);
        // Over TLS it says nothing.
        options.h2c = true;
        let http2 = Http2 {
            app: app.clone(),
            options,
        };
        let http1 = Http1(app.clone());
        Self {
            app,
            http1: Arc::new(http1),
            http2: Arc::new(http2),
            patience,
        }
    }

    pub(super) async fn process(
        &self,
        mut stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        if stream.get_ssl_digest().is_some() {
            // The handshake said it.
            return match stream.selected_alpn_proto() {
                Some(ALPN::H2) => self.http2.process_new(stream, shutdown).await,
                _ => self.process_http1(stream, shutdown).await,
            };
        }
        match timeout(self.patience, speaks_http2(&mut stream)).await {
            Ok(Ok(true)) => self.http2.process_new(stream, shutdown).await,
            Ok(Ok(false)) => self.process_http1(stream, shutdown).await,
            Ok(Err(_)) | Err(_) => None,
        }
    }

    async fn process_http1(&self, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let stream = Joined::over(stream, self.patience);
        self.http1.process_new(stream, shutdown).await
    }

    pub(super) async fn cleanup(&self) {
        self.app.cleanup().await;
    }
}

/// Looks at the first bytes, which stay to be read.
async fn speaks_http2(stream: &mut Stream) -> io::Result<bool> {
    // No request of HTTP/1 is that short.
    let mut start = [0; 4];
    stream.try_peek(&mut start).await?;
    if !PREFACE.starts_with(&start) {
        return Ok(false);
    }
    let mut whole = [0; PREFACE.len()];
    stream.try_peek(&mut whole).await?;
    Ok(whole == *PREFACE)
}

/// The same app for connections of HTTP/1, each of whose requests it announces.
struct Http1<A>(Arc<A>);

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Http1<A> {
    // Of an `async fn` the trait would make a future of its own around that of the app, for each request.
    fn process_new_http<'s, 'w, 'f>(
        self: &'s Arc<Self>,
        session: ServerSession,
        shutdown: &'w ShutdownWatch,
    ) -> Pin<Box<dyn Future<Output = Option<ReusedHttpStream>> + Send + 'f>>
    where
        's: 'f,
        'w: 'f,
        Self: 'f,
    {
        if let Some(stream) = session.stream() {
            Joined::expect_request(stream);
        }
        self.0.process_new_http(session, shutdown)
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.0.server_options()
    }
}

/// The same app for connections of HTTP/2, whose clients get so long for the end of a request. On plain ones the framework would
/// look for the preface of every connection, also of one whose first bytes are known.
struct Http2<A> {
    app: Arc<A>,
    options: HttpServerOptions,
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Http2<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let open = OpenRequest::announce(&mut session);
        let answering = self.app.process_new_http(session, shutdown);
        match open {
            // What is dropped resets its stream.
            Some(open) => tokio::select! {
                stream = answering => stream,
                () = open.overdue() => None,
            },
            None => answering.await,
        }
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}

/// What a client of HTTP/2 sends first (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
