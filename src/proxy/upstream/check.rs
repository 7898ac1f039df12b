//! Checks in the background: every address of every server, over the same TLS, socket and version as requests.
//!
//! A check makes a connection of its own each time, because an old one says nothing of new ones. Without a request it
//! ends when the connection stands, TLS included; with one it reads the header of the answer.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{StatusCode, Uri, Version};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::{Error, Result};
use tokio::task::JoinSet;

use super::failure::connect_reason;
use super::health::Thresholds;
use super::server::{Address, Server};
use super::{UNRESOLVED, Upstream, Wire};

/// How the servers of an upstream are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is asked; a connection is enough without it.
    pub request: Option<CheckRequest>,
    /// From the end of one check to the start of the next, give or take a tenth.
    pub interval: Duration,
    /// How long one may take, the connection included.
    pub timeout: Duration,
    /// How many change the verdict.
    pub thresholds: Thresholds,
}

/// What a check asks for, with GET and without anybody's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRequest {
    /// Path and query.
    pub path: String,
    /// The host that it names; the server's own otherwise.
    pub host: Option<String>,
    /// The statuses that pass; any 2xx or 3xx if there are none.
    pub statuses: Vec<StatusCode>,
}

/// Checks the servers of these upstreams until the tasks are ended.
pub(super) fn start(upstreams: &[Arc<Upstream>]) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let checked = upstreams.iter().filter(|upstream| upstream.check.is_some());
    let checked: Vec<_> = checked.collect();
    if checked.is_empty() {
        return tasks;
    }
    let connector = Arc::new(Connector::new(None));
    for upstream in checked {
        for server in &upstream.servers {
            let checker = Checker {
                upstream: Arc::clone(upstream),
                server: Arc::clone(server),
                connector: connector.clone(),
            };
            tasks.spawn(checker.keep_checking());
        }
    }
    tasks
}

/// Checks one server.
#[derive(Clone)]
struct Checker {
    upstream: Arc<Upstream>,
    server: Arc<Server>,
    connector: Arc<Connector>,
}

impl Checker {
    async fn keep_checking(self) {
        let Some(check) = self.upstream.check.clone() else {
            return;
        };
        loop {
            self.check_all(&check).await;
            // So that many nodes do not ask all at once.
            let factor = 0.9 + 0.2 * rand::random::<f64>();
            tokio::time::sleep(check.interval.mul_f64(factor)).await;
        }
    }

    async fn check_all(&self, check: &Check) {
        if self.server.resolve(check.timeout).await.is_none() {
            let failure = Some(UNRESOLVED);
            self.server.checked(&Address::Name, failure, check);
            return;
        }
        let mut checks = JoinSet::new();
        for address in self.server.addresses() {
            let (checker, check) = (self.clone(), check.clone());
            checks.spawn(async move {
                let failure = checker.check(&address, &check).await.err();
                let failure = failure.as_deref();
                checker.server.checked(&address, failure, &check);
            });
        }
        checks.join_all().await;
    }

    async fn check(&self, address: &Address, check: &Check) -> Result<(), String> {
        let status = tokio::time::timeout(check.timeout, self.ask(address, check)).await;
        let status = match status {
            Ok(asked) => asked.map_err(|error| connect_reason(&error))?,
            Err(_) => return Err("the check takes too long".to_owned()),
        };
        let (Some(status), Some(request)) = (status, &check.request) else {
            return Ok(());
        };
        let passes = match request.statuses.as_slice() {
            [] => status.is_success() || status.is_redirection(),
            statuses => statuses.contains(&status),
        };
        match passes {
            true => Ok(()),
            false => Err(format!("the check is answered with {}", status.as_u16())),
        }
    }

    /// The status of the answer; `None` where nothing is asked.
    async fn ask(&self, address: &Address, check: &Check) -> Result<Option<StatusCode>> {
        let upstream = &self.upstream;
        // A connection for one stream is not kept.
        let peer = upstream.connection(&self.server, address, Wire::Any, check.timeout)?;
        let (mut session, _) = self.connector.get_http_session(&peer).await?;
        let Some(request) = &check.request else {
            return Ok(None);
        };
        let host = request.host.clone().unwrap_or_else(|| self.server.host());
        let header = match session {
            HttpSession::H2(_) => http2_header(&host, &request.path)?,
            HttpSession::H1(_) | HttpSession::Custom(_) => http1_header(&host, &request.path)?,
        };
        session.write_request_header(Box::new(header)).await?;
        session.finish_request_body().await?;
        loop {
            session.read_response_header().await?;
            let status = session.response_header().map(|header| header.status);
            if !status.is_some_and(|status| status.is_informational()) {
                return Ok(status);
            }
        }
    }
}

fn http1_header(host: &str, path: &str) -> Result<RequestHeader> {
    let mut header = RequestHeader::build("GET", path.as_bytes(), Some(3))?;
    header.insert_header(HOST, host)?;
    header.insert_header(USER_AGENT, AGENT)?;
    header.insert_header(CONNECTION, "close")?;
    Ok(header)
}

fn http2_header(host: &str, path: &str) -> Result<RequestHeader> {
    let mut header = RequestHeader::build("GET", path.as_bytes(), Some(1))?;
    let uri = Uri::builder().scheme("https").authority(host);
    match uri.path_and_query(path).build() {
        Ok(uri) => header.set_uri(uri),
        Err(error) => {
            let etype = pingora::ErrorType::InvalidHTTPHeader;
            return Err(Error::because(etype, "the check's host", error));
        }
    }
    header.set_version(Version::HTTP_2);
    header.insert_header(USER_AGENT, AGENT)?;
    Ok(header)
}

const AGENT: &str = concat!(
    "usersig-proxy/",
    env!("CARGO_PKG_VERSION"),
    " (health check)"
);
