//! The ops listener: health for the supervisor, metrics for Prometheus, a page for people. Never on a public address.

mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;

use super::app::Reply;
use super::fleet;
use super::reload::Status;
use super::sites::{Running, Workshop};
use crate::audit::Auditor;
use crate::metrics::Metrics;
use crate::state::redis::Fleet;
use crate::status_page::{self, StatusPage};
pub(super) use status::{Sampler, new_page};

/// Whether the process takes requests: from its start to the first stop signal.
#[derive(Clone, Default)]
pub(super) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// No longer, from now on.
    pub(super) fn end(&self) {
        self.0.store(false, Ordering::Release);
    }
}

#[async_trait]
impl BackgroundService for Readiness {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        self.0.store(true, Ordering::Release);
        // An error means that the server is gone, which is a stop as well.
        let _ = shutdown.changed().await;
        self.end();
    }
}

/// What the ops listener answers from.
pub(super) struct Ops {
    pub(super) workshop: Arc<Workshop>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) configuration: Arc<Mutex<Status>>,
    pub(super) readiness: Readiness,
    pub(super) audit: Arc<Auditor>,
    pub(super) status: Arc<StatusPage>,
    /// Held while series are brought up to date: what has grown since the last time must not be counted twice.
    pub(super) measuring: Mutex<()>,
    pub(super) fleet: Option<Arc<Fleet>>,
}

impl Ops {
    pub(super) fn answer(&self, request: &Request<Bytes>) -> Reply {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
            let allow = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allow);
            return response.into();
        }
        if status_page::is_for(request) {
            return self.status(request);
        }
        self.tell(request.uri().path()).into()
    }

    fn tell(&self, path: &str) -> Response<Bytes> {
        match path {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" if self.readiness.is_ready() => {
                text(StatusCode::OK, format!("ready\n{}", self.report()))
            }
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            "/metrics" => self.metrics(),
            _ => text(StatusCode::NOT_FOUND, "/healthz /readyz /metrics /status\n"),
        }
    }

    /// Lines for people about what is in force and how it stands.
    fn report(&self) -> String {
        let sites = self.workshop.in_force.load();
        let configuration = self.configuration.lock().report(SystemTime::now());
        let keys = sites.iter().map(|site| site.keys.report());
        let upstreams = sites.iter().map(|site| site.upstreams.report());
        let chat = sites.iter().map(Running::report_chat);
        let lines = [configuration].into_iter().chain(keys).chain(upstreams);
        let fleet = self.fleet.as_ref();
        let fleet = fleet.map(|fleet| fleet::report(&fleet.standing()));
        let lines = lines.chain(chat).chain(fleet);
        lines.chain([self.audit.report()]).collect()
    }

    /// Brings those series up to date that nobody counts.
    fn measure(&self) {
        let _measuring = self.measuring.lock();
        let sites = self.workshop.in_force.load();
        for site in sites.iter() {
            let users = site.authorizer.cached_users();
            self.metrics.set_cached_users(&site.name, users);
            let remembered = site.authorizer.remembered_tokens();
            let forgotten = site.authorizer.forgotten_tokens();
            let token_memory = self.metrics.token_memory();
            token_memory.set(&site.name, remembered, forgotten);
            site.keys.measure(&self.metrics);
            let standing = site.chat_standing();
            let rest_calls = self.metrics.rest_calls();
            rest_calls.set(&site.name, standing.alarm, standing.is_paused);
        }
        if let Some(fleet) = &self.fleet {
            fleet::measure(&fleet.standing(), &self.metrics);
        }
    }

    fn metrics(&self) -> Response<Bytes> {
        self.measure();
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
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
