//! Sends the spans of requests to an OpenTelemetry collector: OTLP over HTTP, in JSON.
//!
//! Spans wait in a bounded queue and go out together. A request never waits for them: what finds the queue full is counted
//! and dropped, and so is what the collector does not take in three attempts. The official exporter would bring a gRPC stack
//! beside the key; the part of the protocol that is needed is one document.

mod otlp;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{sleep, timeout};

use crate::metrics::Metrics;
use crate::proxy::{Span, Traces};
use crate::secret::SecretBytes;
use crate::trace_context::{Follow, TraceId};

/// What is traced and where it goes.
pub struct Settings {
    /// The collector's URL for traces.
    pub endpoint: String,
    /// The value of `Authorization`, where the collector asks for one.
    pub authorization: Option<SecretBytes>,
    /// What the traces call this program.
    pub service_name: String,
    /// Of how many traces that begin here one is recorded.
    pub one_in: u64,
    /// Whose `traceparent` counts.
    pub follow: Follow,
}

/// The exporter cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// No HTTP client, for want of usable trust roots as a rule.
    #[error("traces: cannot set up HTTP towards the collector")]
    Client,
    /// The secret is no value of a header.
    #[error("traces: authorization holds what no header may hold")]
    Authorization,
}

/// Takes spans and sends them.
pub struct Exporter {
    spans: Sender<Span>,
    /// Until somebody sends them.
    waiting: Mutex<Option<Receiver<Span>>>,
    settings: Settings,
    authorization: Option<HeaderValue>,
    http: Client,
    metrics: Arc<Metrics>,
}

impl Exporter {
    /// An exporter that sends nothing before it runs.
    pub fn new(settings: Settings, metrics: Arc<Metrics>) -> Result<Self, ExporterError> {
        let authorization = settings.authorization.as_ref().map(|secret| {
            let mut value = HeaderValue::from_bytes(secret.expose())
                .map_err(|_| ExporterError::Authorization)?;
            value.set_sensitive(true);
            Ok(value)
        });
        let builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(ATTEMPT)
            .timeout(ATTEMPT);
        // Plain http must work where no trust roots are installed.
        let builder = match settings.endpoint.to_ascii_lowercase().starts_with("https:") {
            true => builder,
            false => builder.tls_certs_only([]),
        };
        let (spans, waiting) = channel(QUEUE);
        Ok(Self {
            spans,
            waiting: Mutex::new(Some(waiting)),
            authorization: authorization.transpose()?,
            http: builder.build().map_err(|_| ExporterError::Client)?,
            settings,
            metrics,
        })
    }

    /// Sends what comes until it is dropped: at once when there are many, else every second.
    pub async fn run(&self) {
        let Some(mut waiting) = self.waiting.lock().take() else {
            return;
        };
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, BATCH).await > 0 {
            let more = async {
                while batch.len() < BATCH {
                    let room = BATCH - batch.len();
                    waiting.recv_many(&mut batch, room).await;
                }
            };
            // The time is over.
            let _ = timeout(GATHER, more).await;
            self.send(&batch).await;
            batch.clear();
        }
    }

    async fn send(&self, spans: &[Span]) {
        let document = otlp::document(&self.settings.service_name, spans);
        for pause in PAUSES {
            sleep(pause).await;
            match self.attempt(&document).await {
                Sent::Taken => return self.metrics.traces().count_sent(spans.len()),
                Sent::Refused => break,
                Sent::Later => {}
            }
        }
        tracing::warn!(
            spans = spans.len(),
            "the collector does not take the traces"
        );
        self.metrics.traces().count_failed(spans.len());
    }

    async fn attempt(&self, document: &[u8]) -> Sent {
        let mut request = self.http.post(&self.settings.endpoint);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .body(document.to_vec());
        match request.send().await.map(|response| response.status()) {
            Ok(status) if status.is_success() => Sent::Taken,
            Ok(
                StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT,
            )
            | Err(_) => Sent::Later,
            Ok(_) => Sent::Refused,
        }
    }
}

impl Traces for Exporter {
    fn follows(&self, is_trusted: bool) -> bool {
        match self.settings.follow {
            Follow::Anybody => true,
            Follow::TrustedProxies => is_trusted,
        }
    }

    fn samples(&self, trace_id: TraceId) -> bool {
        let TraceId([.., a, b, c, d, e, f, g, h]) = trace_id;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]).is_multiple_of(self.settings.one_in)
    }

    fn record(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            self.metrics.traces().count_dropped();
        }
    }
}

/// What came of one attempt.
enum Sent {
    Taken,
    /// For good.
    Refused,
    /// As OTLP says: what may be sent again.
    Later,
}

/// Some megabytes at most.
const QUEUE: usize = 4096;
const BATCH: usize = 512;
const GATHER: Duration = Duration::from_secs(1);
const ATTEMPT: Duration = Duration::from_secs(10);
/// Before each attempt.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(4),
];
