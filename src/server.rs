//! Joins configuration and proxy: builds the services, listens, and runs until a signal ends it.
//!
//! The only module that knows both. Pingora's own configuration is rendered here in memory and never read from a file.

mod admission;
mod app;
mod audit;
mod certificates;
mod chat;
mod fleet;
mod keys;
mod listeners;
mod live;
mod ops;
mod proxy_protocol;
mod reload;
mod shutdown;
mod sites;
mod store;
mod traces;
mod trial;
mod upgrade;
mod upstreams;
mod versions;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use parking_lot::Mutex;
use pingora::apps::HttpServerOptions;
use pingora::server::configuration::{Opt, ServerConf};
use pingora::server::{RunArgs, Server};
use pingora::services::background::background_service;

use crate::audit::{AuditError, Auditor};
use crate::chat_client::ChatClientError;
use crate::config::{Config, Runtime};
use crate::key_source::KeySourceError;
use crate::metrics::Metrics;
use crate::proxy::{ForwardingRules, MAX_ATTEMPTS, RootsError, UserSigProxy};
use crate::state::local::StoreError;
use crate::state::redis::TlsError;
use crate::traces::ExporterError;
use admission::Admission;
pub use app::{Feed, Piece, Reply};
use certificates::CertificateStore;
use fleet::Connection;
pub use live::{Fault, Live, Published, fetch_key_sets, prove};
use ops::{Ops, Readiness, Sampler};
use proxy_protocol::ProxyProtocol;
pub use reload::ConfigFiles;
use reload::Reloader;
use shutdown::Shutdown;
use sites::Workshop;
use store::{Store, Tending};
use traces::Exporting;
pub use trial::{Arrival, Trial, TrialError, arrive, redacted};
pub use upgrade::UpgradeError;

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
    /// The store of the fleet cannot be reached as it must be.
    #[error("{0}")]
    Fleet(#[from] TlsError),
    /// The audit cannot be written where it belongs.
    #[error("{0}")]
    Audit(#[from] AuditError),
    /// Traces cannot be sent.
    #[error("{0}")]
    Traces(#[from] ExporterError),
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
    /// The listeners cannot be handed over.
    #[error("{0}")]
    Upgrade(#[from] UpgradeError),
    /// The metrics could not be set up.
    #[error("cannot create the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A server with its services, not running yet.
pub struct Runner {
    server: Server,
    threads: usize,
    drain_delay: Duration,
    upgrade_socket: Option<PathBuf>,
    listeners_from: ListenersFrom,
    store: Option<Store>,
    readiness: Readiness,
    audit: Option<Arc<Auditor>>,
}

/// Where a server has its listeners from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenersFrom {
    /// It opens them.
    Configuration,
    /// An old process hands them over at `runtime.upgrade_socket`.
    OldProcess,
}

impl Runner {
    /// A server without services, with the threads and times that `runtime` says.
    pub fn new(runtime: &Runtime, listeners_from: ListenersFrom) -> Self {
        // Before anything speaks TLS. An error means that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        admission::raise_descriptors();
        let threads = match runtime.threads {
            Some(threads) => threads.get(),
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        let mut conf = ServerConf {
            threads,
            max_retries: MAX_ATTEMPTS,
            grace_period_seconds: Some(runtime.grace_period.as_secs()),
            graceful_shutdown_timeout_seconds: Some(runtime.shutdown_timeout.as_secs()),
            ..ServerConf::default()
        };
        if let Some(socket) = &runtime.upgrade_socket {
            conf.upgrade_sock = socket.to_string_lossy().into_owned();
        }
        let options = Opt {
            upgrade: listeners_from == ListenersFrom::OldProcess,
            ..Opt::default()
        };
        let mut server = Server::new_with_opt_and_conf(options, conf);
        if listeners_from == ListenersFrom::Configuration {
            server.bootstrap();
        }
        Self {
            server,
            threads,
            drain_delay: runtime.drain_delay,
            upgrade_socket: runtime.upgrade_socket.clone(),
            listeners_from,
            store: None,
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
        upgrade::check(&config)?;
        match (self.listeners_from, &self.upgrade_socket) {
            (ListenersFrom::OldProcess, None) => return Err(UpgradeError::NoSocket.into()),
            (ListenersFrom::OldProcess, Some(_)) => {}
            (ListenersFrom::Configuration, _) => {
                listeners::check(&config.listen)?;
                check_addresses([&config.ops])?;
            }
        }
        let metrics = Arc::new(Metrics::new()?);
        let certificates = Arc::new(CertificateStore::new(&config.listen, metrics.clone()));
        let fleet = fleet::join(config.store.redis.as_ref(), &metrics)?;
        let store = Store::open(&config.store, fleet)?;
        for site in &config.sites {
            let lifetime = site.authorizer.issuer.lifetime();
            store.share(&site.name, site.chat.sdk_app_id, lifetime);
        }
        fleet::look_at_first(&store);
        self.store = Some(store.clone());
        let audit = audit::open(config.audit.as_ref(), &metrics)?;
        self.audit = Some(audit.clone());
        let traces = traces::open(config.traces.as_ref(), &metrics)?;
        let workshop = Workshop::new(store.clone(), metrics.clone(), &config.runtime);
        let workshop = Arc::new(workshop);
        let (listen, ops_address) = (config.listen.clone(), config.ops);
        let options = server_options(&config.runtime);
        let patience = config.runtime.downstream_read_timeout;
        let admission = Admission::new(
            &config.runtime,
            metrics.connections().clone(),
            ProxyProtocol::new(&listen),
        );
        let reloader = Reloader::start(
            workshop.clone(),
            certificates.clone(),
            metrics.clone(),
            audit.clone(),
            config,
            files,
        )?;
        if self.listeners_from == ListenersFrom::OldProcess
            && let Err(error) = upgrade::load_key_sets(&workshop)
        {
            tracing::warn!(%error, "published key sets are loaded after the hand-over");
        }
        let ops = Ops {
            workshop: workshop.clone(),
            metrics: metrics.clone(),
            configuration: reloader.status(),
            readiness: self.readiness.clone(),
            audit: audit.clone(),
            status: ops::new_page(),
            measuring: Mutex::default(),
            fleet: store.fleet.clone(),
        };
        let ops = Arc::new(ops);
        let forwarding = ForwardingRules {
            trusted: listen.trusted_proxies.clone(),
            family: listen.trusted_headers,
        };
        let proxy = UserSigProxy::new(workshop.sites.clone(), metrics, forwarding, audit)
            .traced(traces.clone().map(|traces| traces as _));
        let conf = &self.server.configuration;
        let options = (options, patience);
        let mut service =
            listeners::service(conf, proxy, options, admission, &listen, &certificates)?;
        service.threads = Some(self.threads);
        self.server.add_service(service);
        self.add_background(reloader, store);
        if let Some(exporter) = traces {
            let service = background_service("traces", Exporting(exporter));
            self.server.add_service(service);
        }
        let sampler = background_service("status", Sampler(ops.clone()));
        self.server.add_service(sampler);
        self.add_app("ops", ops_address, move |request| ops.answer(request));
        Ok(())
    }

    fn add_background(&mut self, reloader: Reloader, store: Store) {
        let server = &mut self.server;
        server.add_service(background_service("sites", reloader));
        server.add_service(background_service("readiness", self.readiness.clone()));
        if let Some(fleet) = store.fleet.clone() {
            server.add_service(background_service("fleet", Connection(fleet)));
        }
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
    /// First it takes over the listeners of an old process if it is to.
    pub fn run(mut self) {
        if let (ListenersFrom::OldProcess, Some(socket)) =
            (self.listeners_from, &self.upgrade_socket)
        {
            upgrade::receive(&mut self.server, socket);
            // The old process has gone on since these were read.
            if let Some(store) = &self.store {
                store.look_again();
            }
        }
        let shutdown = Shutdown {
            readiness: self.readiness,
            drain_delay: self.drain_delay,
            upgrade_socket: self.upgrade_socket,
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

fn list(errors: &[KeySourceError]) -> String {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn server_options(runtime: &Runtime) -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(runtime.downstream_keepalive);
    // Frees what a connection holds from time to time, and lets a balancer spread clients again.
    options.keepalive_request_limit = Some(KEEPALIVE_REQUESTS);
    options
}

const KEEPALIVE_REQUESTS: u32 = 10_000;
