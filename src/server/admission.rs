//! What a client connection needs before anything is read of its requests: a place among all, and the header of a balancer where
//! one is asked for. Over TLS both come before the handshake.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    places: Arc<Places>,
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
        metrics: ConnectionMetrics,
        proxy_protocol: Option<ProxyProtocol>,
    ) -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let most = match runtime.max_connections {
            Some(most) => most.get(),
            None => most_with(files),
        };
        if most as u64 > for_clients(files) {
            tracing::warn!(
                max_connections = most,
                files,
                "the process may open too few files for so many connections, each with another one to its app"
            );
        }
        metrics.set_most(most);
        Self {
            places: Arc::new(Places {
                most,
                taken: AtomicUsize::new(0),
                metrics,
            }),
            proxy_protocol,
            said: Mutex::default(),
        }
    }

    /// Gives a new connection its place, which it keeps until it is dropped, and takes the balancer's header from it. The caller
    /// closes what is refused.
    pub(super) async fn admit(&self, stream: &mut Stream) -> Result<(), Refusal> {
        let Some(place) = Place::among(&self.places) else {
            self.say_full();
            return Err(Refusal::TooMany);
        };
        stream.tracer = Some(Tracer(Box::new(place)));
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
                max_connections = self.places.most,
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

/// The places for connections, on all listeners together.
#[derive(Debug)]
struct Places {
    most: usize,
    taken: AtomicUsize,
    metrics: ConnectionMetrics,
}

/// The place of one connection. The framework tells it when the connection is gone.
#[derive(Debug)]
struct Place(Arc<Places>);

impl Place {
    fn among(places: &Arc<Places>) -> Option<Self> {
        let next = |taken| (taken < places.most).then_some(taken + 1);
        let order = Ordering::Relaxed;
        if places.taken.fetch_update(order, order, next).is_err() {
            places.metrics.count_refused();
            return None;
        }
        places.metrics.count_opened();
        Some(Self(places.clone()))
    }
}

impl Tracing for Place {
    fn on_connected(&self) {}

    fn on_disconnected(&self) {
        self.0.metrics.count_closed();
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }

    // Of a client's connection the framework makes no other.
    fn boxed_clone(&self) -> Box<dyn Tracing> {
        Box::new(Self(self.0.clone()))
    }
}

/// Lets this process open as many files as its caller allows at most: a shell's own limit is for programs that may not have more
/// than 1,024.
pub(super) fn raise_descriptors() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, files = current, "the number of open files stays as it is");
    }
}

/// How many connections there may be where nobody says so and so many files may be open; each may need another one, to its app.
fn most_with(files: u64) -> usize {
    usize::try_from(for_clients(files).min(MOST_BY_ITSELF)).unwrap_or(1)
}

fn for_clients(files: u64) -> u64 {
    (files.saturating_sub(OF_THE_PROCESS) / 2).max(1)
}

/// Descriptors for listeners, logs and what else the process itself has open.
const OF_THE_PROCESS: u64 = 64;
/// As many as there may be requests. An idle connection takes some 48 KiB, so these may take 490 MB.
const MOST_BY_ITSELF: u64 = 10_000;
const SAY_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn connections_leave_files_for_those_to_the_apps_and_are_not_without_end() {
        for (files, most) in [
            (0, 1),
            (64, 1),
            (1024, 480),
            (20_000, 9968),
            (65_536, 10_000),
            (u64::MAX, 10_000),
        ] {
            assert_eq!(most_with(files), most, "{files}");
        }
    }

    #[test]
    fn as_many_as_there_are_places_have_one_whoever_comes_at_the_same_time() {
        let places = Arc::new(Places {
            most: 3,
            taken: AtomicUsize::new(0),
            metrics: Metrics::new().unwrap().connections().clone(),
        });
        let all = Barrier::new(4);
        let (got, rounds) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let come_and_go = || {
            for _ in 0..500 {
                all.wait();
                let place = Place::among(&places);
                got.fetch_add(usize::from(place.is_some()), Ordering::SeqCst);
                if all.wait().is_leader() {
                    rounds.lock().push(got.swap(0, Ordering::SeqCst));
                }
                all.wait();
                place.iter().for_each(Place::on_disconnected);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(come_and_go);
            }
        });
        assert_eq!(rounds.into_inner(), [3; 500]);
        assert_eq!(places.taken.load(Ordering::SeqCst), 0);
    }
}
