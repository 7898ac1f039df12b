//! What a client connection needs before anything is read of its requests: a place among all, and the header of a balancer where
//! one is asked for. Over TLS both come before the handshake.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::listeners::PreTlsProcess;
use pingora::protocols::l4::stream::Stream;
use pingora::upstreams::peer::{Tracer, Tracing};
use pingora::{Error, ErrorType, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::proxy_protocol::{self, ProxyProtocol};
use crate::config::Runtime;
use crate::metrics::ConnectionMetrics;

/// Lets connections in.
pub(super) struct Admission {
    connections: ConnectionMetrics,
    most: usize,
    proxy_protocol: Option<ProxyProtocol>,
    /// When it was last said that there are too many.
    said: Mutex<Option<Instant>>,
}

/// Why a connection is closed at once.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// `runtime.max_connections` are open.
    #[error("there are too many connections")]
    TooMany,
    /// It does not say whose it is.
    #[error("{0}")]
    ProxyProtocol(#[from] proxy_protocol::Refusal),
}

impl Admission {
    /// With as many places as `runtime` says.
    pub(super) fn new(
        runtime: &Runtime,
        connections: ConnectionMetrics,
        proxy_protocol: Option<ProxyProtocol>,
    ) -> Self {
        let most = match runtime.max_connections {
            Some(most) => most.get(),
            None => most_with(getrlimit(Resource::Nofile).current),
        };
        connections.set_most(most);
        Self {
            connections,
            most,
            proxy_protocol,
            said: Mutex::default(),
        }
    }

    /// Gives a new connection its place, which it keeps until it is dropped, and takes the balancer's header from it. The caller
    /// closes what is refused.
    pub(super) async fn admit(&self, stream: &mut Stream) -> Result<(), Refusal> {
        if !self.connections.open() {
            self.say_full();
            return Err(Refusal::TooMany);
        }
        stream.tracer = Some(Tracer(Box::new(Place(self.connections.clone()))));
        if let Some(protocol) = &self.proxy_protocol {
            protocol.admit(stream).await?;
        }
        Ok(())
    }

    /// Once in a while, however many come.
    fn say_full(&self) {
        let mut said = self.said.lock();
        if said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
            *said = Some(Instant::now());
            tracing::warn!(
                max_connections = self.most,
                "connections are closed at once: there are too many"
            );
        }
    }
}

#[async_trait]
impl PreTlsProcess for Admission {
    async fn process(&self, stream: &mut Stream) -> Result<()> {
        self.admit(stream).await.map_err(|refusal| {
            Error::because(ErrorType::ReadError, "before the TLS handshake", refusal)
        })
    }
}

/// The place of one connection. The framework tells it when the connection is gone.
#[derive(Debug)]
struct Place(ConnectionMetrics);

impl Tracing for Place {
    fn on_connected(&self) {}

    fn on_disconnected(&self) {
        self.0.close();
    }

    // Of a client's connection the framework makes no other.
    fn boxed_clone(&self) -> Box<dyn Tracing> {
        Box::new(Self(self.0.clone()))
    }
}

/// Lets this process open as many files as its caller allows at most: a shell's own limit is for programs that may not have more
/// than 1,024. An error leaves it as it is.
pub(super) fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the number of open files stays as it is");
    }
}

/// How many connections of clients fit into so many descriptors, `None` being any number: each may need another one to its app.
fn most_with(descriptors: Option<u64>) -> usize {
    let descriptors = descriptors.unwrap_or(u64::MAX);
    let most = descriptors.saturating_sub(OF_THE_PROCESS) / 2;
    usize::try_from(most.clamp(1, MOST)).unwrap_or(1)
}

/// Descriptors for listeners, logs and what else the process itself has open.
const OF_THE_PROCESS: u64 = 64;
/// Without a limit of descriptors.
const MOST: u64 = 1 << 20;
const SAY_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_those_to_the_apps() {
        for (descriptors, most) in [
            (Some(1024), 480),
            (Some(65_536), 32_736),
            (Some(64), 1),
            (Some(0), 1),
            (None, 1 << 20),
        ] {
            assert_eq!(most_with(descriptors), most, "{descriptors:?}");
        }
    }
}
