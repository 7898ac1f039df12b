//! Which version of HTTP a connection speaks, found out within a bounded time.
//!
//! On a plain connection the framework waits for the 24 bytes of the HTTP/2 preface, without limit: a client that sent
//! fewer would hold its connection for ever, and a request that is shorter would have no answer. Here the first bytes
//! decide.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use tokio::time::timeout;

/// An app for connections of every version.
pub(super) struct Versions<A> {
    every: Arc<A>,
    http1: Arc<Http1<A>>,
    patience: Duration,
}

impl<A: HttpServerApp + Send + Sync + 'static> Versions<A> {
    /// For an app with these options; a plain connection that does not begin within `patience` is closed.
    pub(super) fn new(app: A, options: &HttpServerOptions, patience: Duration) -> Self {
        let every = Arc::new(app);
        let mut options = options.clone();
        options.h2c = false;
        let http1 = Http1 {
            app: every.clone(),
            options,
        };
        Self {
            every,
            http1: Arc::new(http1),
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
            return self.every.process_new(stream, shutdown).await;
        }
        match timeout(self.patience, speaks_http2(&mut stream)).await {
            Ok(Ok(true)) => self.every.process_new(stream, shutdown).await,
            Ok(Ok(false)) => self.http1.process_new(stream, shutdown).await,
            Ok(Err(_)) | Err(_) => None,
        }
    }

    pub(super) async fn cleanup(&self) {
        self.every.cleanup().await;
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

/// The same app for connections of HTTP/1, whose first bytes are known.
struct Http1<A> {
    app: Arc<A>,
    options: HttpServerOptions,
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> HttpServerApp for Http1<A> {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        self.app.process_new_http(session, shutdown).await
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }
}

/// What a client of HTTP/2 sends first (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
