//! The app's servers: where they are, how long they may take, and what their failures mean to a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};

use super::resolver::Resolver;
use crate::rejection::Rejection;

/// How long an upstream may take. The framework waits for ever where nothing is set.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until a new connection stands.
    pub connect: Duration,
    /// Between two reads of an answer.
    pub read: Duration,
    /// For one write of a request.
    pub write: Duration,
    /// How long an unused connection is kept. Shorter than the app keeps its own, or a request meets a closed one.
    pub idle: Duration,
}

/// A server of the app, reached by plain HTTP/1.1.
pub struct Upstream {
    /// The name in configuration, logs and metrics.
    pub name: Arc<str>,
    host: String,
    port: u16,
    timeouts: Timeouts,
    resolver: Resolver,
}

impl Upstream {
    /// An upstream at `host`, a name or an address, and `port`.
    pub fn new(name: &str, host: String, port: u16, timeouts: Timeouts) -> Self {
        Self {
            name: Arc::from(name),
            resolver: Resolver::new(host.clone(), port),
            host,
            port,
            timeouts,
        }
    }

    /// The peer for one request. A tunnel may stay silent for longer than an answer.
    pub(super) async fn peer(&self, websocket: bool) -> Result<Box<HttpPeer>> {
        let address = self.resolve().await?;
        let mut peer = HttpPeer::new(address, false, String::new());
        let (read, write) = match websocket {
            true => (WEBSOCKET_IDLE, WEBSOCKET_IDLE),
            false => (self.timeouts.read, self.timeouts.write),
        };
        peer.options.connection_timeout = Some(self.timeouts.connect);
        peer.options.total_connection_timeout = Some(self.timeouts.connect);
        peer.options.read_timeout = Some(read);
        peer.options.write_timeout = Some(write);
        peer.options.idle_timeout = Some(self.timeouts.idle);
        Ok(Box::new(peer))
    }

    async fn resolve(&self) -> Result<SocketAddr> {
        if let Ok(address) = self.host.parse() {
            return Ok(SocketAddr::new(address, self.port));
        }
        let address = self.resolver.find(self.timeouts.connect).await;
        address.ok_or_else(|| {
            let problem = "the upstream's name does not resolve";
            Error::explain(ErrorType::ConnectNoRoute, problem).into_up()
        })
    }
}

/// What a failed request is to the client; `None` when the client itself has gone.
pub(super) fn rejection_for(error: &Error) -> Option<Rejection> {
    match (error.esource(), error.etype()) {
        (_, ErrorType::HTTPStatus(413)) => Some(Rejection::BodyTooLarge),
        (ErrorSource::Upstream, etype) => Some(upstream_rejection(etype)),
        (
            ErrorSource::Downstream,
            ErrorType::ReadError
            | ErrorType::WriteError
            | ErrorType::ReadTimedout
            | ErrorType::WriteTimedout
            | ErrorType::ConnectionClosed,
        ) => None,
        (ErrorSource::Downstream, _) => Some(Rejection::RequestInvalid),
        (ErrorSource::Internal | ErrorSource::Unset, _) => Some(Rejection::Internal),
    }
}

fn upstream_rejection(etype: &ErrorType) -> Rejection {
    match etype {
        ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout => {
            Rejection::UpstreamTimeout
        }
        ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::SocketError
        | ErrorType::BindError => Rejection::UpstreamUnreachable,
        _ => Rejection::UpstreamInvalid,
    }
}

/// Whether a refusal is the app's failure.
pub(super) fn is_failure(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::UpstreamUnreachable | Rejection::UpstreamTimeout | Rejection::UpstreamInvalid
    )
}

/// A tunnel without a frame or ping in either direction for this long is taken for dead.
pub(super) const WEBSOCKET_IDLE: Duration = Duration::from_secs(3600);
