//! The ops listener: health for the supervisor, metrics for Prometheus. Never on a public address.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use super::keys::Keys;
use crate::authorize::Authorizer;
use crate::metrics::Metrics;

/// Whether the process takes requests: from its start to the first stop signal.
#[derive(Clone, Default)]
pub(super) struct Readiness(Arc<AtomicBool>);

#[async_trait]
impl BackgroundService for Readiness {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        self.0.store(true, Ordering::Release);
        // An error means that the server is gone, which is a stop as well.
        let _ = shutdown.changed().await;
        self.0.store(false, Ordering::Release);
    }
}

/// What the ops listener answers from.
pub(super) struct Ops {
    pub(super) authorizer: Arc<Authorizer>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) keys: Keys,
    pub(super) readiness: Readiness,
}

impl Ops {
    pub(super) fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allow);
            return response;
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" if self.readiness.0.load(Ordering::Acquire) => {
                text(StatusCode::OK, format!("ready\n{}", self.keys.report()))
            }
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            "/metrics" => self.metrics(),
            _ => text(StatusCode::NOT_FOUND, "/healthz /readyz /metrics\n"),
        }
    }

    fn metrics(&self) -> Response<Bytes> {
        self.metrics
            .set_cached_users(self.authorizer.cached_users());
        self.keys.measure(&self.metrics);
        let mut response = text(StatusCode::OK, self.metrics.render());
        let prometheus = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, prometheus);
        response
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
