//! How long a client of HTTP/2 may leave its request open once it has the answer.
//!
//! Of HTTP/1 the framework bounds the time between two reads of a body; of HTTP/2 it does not, and it waits for the end of the
//! request also after the app has said all. A client that sends nothing would hold a place, and a connection to the app, for
//! ever and with each of its streams.

use std::future::pending;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pingora::protocols::http::ServerSession;
use pingora::proxy::Session;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// A request of HTTP/2 whose end is still to come.
#[derive(Clone, Debug, Default)]
pub struct OpenRequest(Arc<Answer>);

#[derive(Debug, Default)]
struct Answer {
    /// When the request must be over. Set at the end of its answer.
    limit: OnceLock<Instant>,
    has_ended: Notify,
}

impl OpenRequest {
    /// Makes a request known to the filters as open, unless it is at its end.
    pub fn announce(session: &mut ServerSession) -> Option<Self> {
        if session.is_body_done() {
            return None;
        }
        let open = Self::default();
        let header = session.req_header_mut();
        header.extensions_mut().insert(open.clone());
        Some(open)
    }

    /// Waits until the client has had its time.
    pub async fn overdue(&self) {
        self.0.has_ended.notified().await;
        match self.0.limit.get() {
            Some(limit) => sleep_until(*limit).await,
            None => pending().await,
        }
    }

    /// The request, if it is still open.
    pub(super) fn of(session: &mut Session) -> Option<Self> {
        let open = session.req_header().extensions.get::<Self>().cloned();
        open.filter(|_| !session.as_downstream_mut().is_body_done())
    }

    /// Its answer has ended: the client has so long for the rest of its request.
    pub(super) fn answered(&self, rest: Duration) {
        // What has no end in time is not limited.
        if let Some(limit) = Instant::now().checked_add(rest)
            && self.0.limit.set(limit).is_ok()
        {
            self.0.has_ended.notify_one();
        }
    }
}
