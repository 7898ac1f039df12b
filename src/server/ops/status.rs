//! `/status`: the page for people, and the stream that keeps it up to date.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::time::sleep;

use super::{Ops, text};
use crate::server::app::{Feed, Piece, Reply};
use crate::status_page::{self, Beside, Readiness, StatusPage, Stranger, pause_after};

/// Looks at the metrics from time to time, so that a page that is opened shows what was before.
pub(in crate::server) struct Sampler(pub(in crate::server) Arc<Ops>);

#[async_trait]
impl BackgroundService for Sampler {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        loop {
            let began = Instant::now();
            self.0.sample();
            tokio::select! {
                () = sleep(pause_after(began.elapsed())) => {}
                // An error means that the server is gone, which is a stop as well.
                _ = shutdown.changed() => return,
            }
        }
    }
}

impl Ops {
    fn sample(&self) {
        self.measure();
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let at_ms = since.unwrap_or_default().as_millis();
        let sites = self.workshop.in_force.load();
        let key_sets = sites.iter().flat_map(|site| site.keys.standing());
        let beside = Beside {
            at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX),
            readiness: match self.readiness.is_ready() {
                true => Readiness::Ready,
                false => Readiness::NotReady,
            },
            key_sets: key_sets.collect(),
        };
        self.status.record(&self.metrics.gather(), beside);
    }

    /// The answer to a request for the page or for its stream.
    pub(super) fn status(&self, request: &Request<Bytes>) -> Reply {
        match status_page::admit(request) {
            Err(Stranger::Host) => return refuse(StatusCode::MISDIRECTED_REQUEST, BY_ADDRESS),
            Err(Stranger::Origin) => return refuse(StatusCode::FORBIDDEN, OWN_ORIGIN),
            Ok(()) => {}
        }
        if request.uri().path() == status_page::PATH {
            return self.status.answer().into();
        }
        match self.status.open() {
            Some(stream) => Reply::Stream(head(), feed(stream)),
            None => {
                let mut response = text(StatusCode::SERVICE_UNAVAILABLE, TOO_MANY);
                let seconds = HeaderValue::from_static("10");
                response.headers_mut().insert(RETRY_AFTER, seconds);
                response.into()
            }
        }
    }
}

/// The page of a server that has just begun.
pub(in crate::server) fn new_page() -> Arc<StatusPage> {
    Arc::new(StatusPage::new())
}

fn feed(mut stream: status_page::Stream) -> Feed {
    Feed {
        pause: LOOK_EVERY,
        next: Box::new(move || match stream.next_event() {
            Some(event) => Piece::Data(event),
            None => Piece::Nothing,
        }),
    }
}

fn head() -> Response<()> {
    let mut head = Response::new(());
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        let value = HeaderValue::from_static(value);
        head.headers_mut().insert(name, value);
    }
    head
}

fn refuse(status: StatusCode, why: &'static str) -> Reply {
    text(status, why).into()
}

const LOOK_EVERY: Duration = Duration::from_millis(500);
const BY_ADDRESS: &str = "open the status page by address, as in http://127.0.0.1:9090/status, or by the name localhost\n";
const OWN_ORIGIN: &str = "not for pages of another origin\n";
const TOO_MANY: &str = "too many status pages are open\n";
