//! Joins configuration and proxy: builds the services, listens, and runs until a signal ends it.
//!
//! The only module that knows both. Pingora's own configuration is rendered here in memory and never read from a file.

mod app;
mod audit;
mod certificates;
mod chat;
mod keys;
mod listeners;
mod live;
mod ops;
mod proxy_protocol;
mod reload;
mod shutdown;
mod sites;
mod store;
mod trial;
mod upstreams;
mod versions;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Request;
use pingora::apps::HttpServerOptions;
use pingora::server::configuration::ServerConf;
use pingora::server::{RunArgs, Server};
use pingora::services::background::background_service;

use crate::audit::{AuditError, Auditor};
use crate::chat_client::ChatClientError;
use crate::config::{Config, Runtime};
use crate::key_source::KeySourceError;
use crate::metrics::Metrics;
use crate::proxy::{ForwardingRules, MAX_ATTEMPTS, RootsError, UserSigProxy};
use crate::state::Limits as StateLimits;
use crate::state::local::{LocalStore, Opened, StoreError};
use crate::time::UnixTime;
pub use app::Reply;
use certificates::CertificateStore;
pub use live::{Fault, Live, prove};
use ops::{Ops, Readiness};
pub use reload::ConfigFiles;
use reload::Reloader;
use shutdown::Shutdown;
use sites::Workshop;
use store::{Store, Tending};
pub use trial::{Arrival, Trial, TrialError, arrive, redacted};

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address, as the configuration names it.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set TLS up: {0}")]
    Tls(Box<pingora::Error>),
    /// The store's file cannot be used.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The audit cannot be written where it belongs.
    #[error("{0}")]
    Audit(#[from] AuditError),
    /// A published key set cannot be set up.
    #[error("{}", list(.0))]
    Keys(Vec<KeySourceError>),
    /// Chat cannot be called.
    #[error("{0}")]
    Chat(#[from] ChatClientError),
    /// An upstream cannot be reached as it must be.
    #[error("upstream {upstream:?}: {source}")]
    Roots {
        /// Its name.
        upstream: String,
        /// What is wrong with its ca.
        source: RootsError,
    },
    /// A site cannot be built.
    #[error("site {site}: {source}")]
    Site {
        /// Its name.
        site: String,
        /// Why not.
        source: Box<StartError>,
    },
    /// The metrics could not be set up.
    #[error("cannot create the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A server with its services, not running yet.
pub struct Runner {
    server: Server,
    threads: usize,
    drain_delay: Duration,
    readiness: Readiness,
    audit: Option<Arc<Auditor>>,
}

impl Runner {
    /// A server without services, with the threads and times that `runtime` says.
    pub fn new(runtime: &Runtime) -> Self {
        // Before anything speaks TLS. An error means that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let threads = match runtime.threads {
            Some(threads) => threads.get(),
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        let conf = ServerConf {
            threads,
            max_retries: MAX_ATTEMPTS,
            grace_period_seconds: Some(runtime.grace_period.as_secs()),
            graceful_shutdown_timeout_seconds: Some(runtime.shutdown_timeout.as_secs()),
            ..ServerConf::default()
        };
        let mut server = Server::new_with_opt_and_conf(None, conf);
        server.bootstrap();
        Self {
            server,
            threads,
            drain_delay: runtime.drain_delay,
            readiness: Readiness::default(),
            audit: None,
        }
    }

    /// Adds the proxy and its ops listener. With `files`, the configuration is read again on SIGHUP, and when they change
    /// if it says so.
    pub fn add_proxy(
        &mut self,
        config: Config,
        files: Option<ConfigFiles>,
    ) -> Result<(), StartError> {
        listeners::check(&config.listen)?;
        check_addresses([&config.ops])?;
        let metrics = Arc::new(Metrics::new()?);
        let certificates = Arc::new(CertificateStore::new(&config.listen, metrics.clone()));
        let store = open_store(config.store.as_deref())?;
        let audit = audit::open(config.audit.as_ref(), &metrics)?;
        self.audit = Some(audit.clone());
        let workshop = Workshop::new(store.clone(), metrics.clone(), &config.runtime);
        let workshop = Arc::new(workshop);
        let (listen, ops_address) = (config.listen.clone(), config.ops);
        let options = server_options(&config.runtime);
        let patience = config.runtime.downstream_read_timeout;
        let reloader = Reloader::start(
            workshop.clone(),
            certificates.clone(),
            metrics.clone(),
            audit.clone(),
            config,
            files,
        )?;
        let ops = Ops {
            workshop: workshop.clone(),
            metrics: metrics.clone(),
            configuration: reloader.status(),
            readiness: self.readiness.clone(),
            audit: audit.clone(),
        };
        let forwarding = ForwardingRules {
            trusted: listen.trusted_proxies.clone(),
            family: listen.trusted_headers,
        };
        let proxy = UserSigProxy::new(workshop.sites.clone(), metrics, forwarding, audit);
        let conf = &self.server.configuration;
        let mut service =
            listeners::service(conf, proxy, (options, patience), &listen, &certificates)?;
        service.threads = Some(self.threads);
        self.server.add_service(service);
        self.add_background(reloader, store);
        self.add_app("ops", ops_address, move |request| ops.answer(request));
        Ok(())
    }

    fn add_background(&mut self, reloader: Reloader, store: Store) {
        let server = &mut self.server;
        server.add_service(background_service("sites", reloader));
        server.add_service(background_service("readiness", self.readiness.clone()));
        server.add_service(background_service("store", Tending(store)));
    }

    /// Adds a plain handler of whole requests on one thread.
    pub fn add_app<F, R>(&mut self, name: &str, address: SocketAddr, handler: F)
    where
        F: Fn(&Request<Bytes>) -> R + Send + Sync + 'static,
        R: Into<Reply>,
    {
        let mut service = app::service(name, &address.to_string(), handler);
        service.threads = Some(1);
        self.server.add_service(service);
    }

    /// Runs until SIGTERM (after drain delay and grace period) or SIGINT (at once) ends it. The process is to end then.
    pub fn run(self) {
        let shutdown = Shutdown {
            readiness: self.readiness,
            drain_delay: self.drain_delay,
        };
        self.server.run(RunArgs {
            shutdown_signal: Box::new(shutdown),
        });
        // What was cut has left its line by now.
        if let Some(audit) = self.audit {
            audit.finish();
        }
    }
}

/// The framework would try a used address for half a minute and then panic.
pub fn check_addresses<'a>(
    addresses: impl IntoIterator<Item = &'a SocketAddr>,
) -> Result<(), StartError> {
    for address in addresses {
        listeners::try_bind(*address).map_err(|source| StartError::Bind {
            address: address.to_string(),
            source,
        })?;
    }
    Ok(())
}

fn open_store(path: Option<&Path>) -> Result<Store, StartError> {
    let Some(path) = path else {
        return Ok(Store::memory());
    };
    let now = UnixTime::from(SystemTime::now());
    let (store, opened) = LocalStore::open(path, StateLimits::default(), now)?;
    match opened {
        Opened::Read { records } => tracing::info!(records, "the store was read"),
        Opened::New => {
            tracing::warn!(file = %path.display(), "there was no store; it is new and empty")
        }
        Opened::Torn { records, copy } => {
            tracing::warn!(records, copy = %copy.display(), "the end of the store was half-written");
        }
    }
    Ok(Store::File(Arc::new(store)))
}

fn list(errors: &[KeySourceError]) -> String {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn server_options(runtime: &Runtime) -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    // HTTP/2 with prior knowledge, beside HTTP/1.1 on the same port.
    options.h2c = true;
    options.h2_idle_timeout = Some(runtime.downstream_keepalive);
    // Frees what a connection holds from time to time, and lets a balancer spread clients again.
    options.keepalive_request_limit = Some(KEEPALIVE_REQUESTS);
    options
}

const KEEPALIVE_REQUESTS: u32 = 10_000;
