//! Joins configuration and proxy: builds the services, listens, and runs until a signal ends it.
//!
//! The only module that knows both. Pingora's own configuration is rendered here in memory and never read from a file.

mod app;
mod keys;
mod ops;
mod store;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response};
use pingora::apps::HttpServerOptions;
use pingora::proxy::http_proxy_service_with_name;
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::services::background::background_service;
use tokio::net::TcpSocket;

use crate::authorize::{Authorizer, ENDPOINT_ROUTE};
use crate::chat_client::{ChatClient, ChatClientError};
use crate::config::{Chat, Config, Runtime};
use crate::key_source::KeySourceError;
use crate::metrics::Metrics;
use crate::proxy::{
    AllowedOrigins, InjectedNames, Kicker, Limits, Logouts, Settings, Timeouts, Upstream,
    UserSigProxy,
};
use crate::rest_api::sign::{AdminAccount, Signer};
use crate::state::Limits as StateLimits;
use crate::state::local::{LocalStore, Opened, StoreError};
use crate::time::UnixTime;
use keys::Keys;
use ops::{Ops, Readiness};
use store::{Store, Tending};

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The store's file cannot be used.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A published key set cannot be set up.
    #[error("{}", list(.0))]
    Keys(Vec<KeySourceError>),
    /// Chat cannot be called.
    #[error("{0}")]
    Chat(#[from] ChatClientError),
    /// The metrics could not be set up.
    #[error("cannot create the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A server with its services, not running yet.
pub struct Runner {
    server: Server,
    threads: usize,
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
            grace_period_seconds: Some(runtime.grace_period.as_secs()),
            graceful_shutdown_timeout_seconds: Some(runtime.shutdown_timeout.as_secs()),
            ..ServerConf::default()
        };
        let mut server = Server::new_with_opt_and_conf(None, conf);
        server.bootstrap();
        Self { server, threads }
    }

    /// Adds the proxy and its ops listener.
    pub fn add_proxy(&mut self, config: Config) -> Result<(), StartError> {
        check_addresses(config.listen.iter().chain([&config.ops]))?;
        let metrics = Arc::new(metrics(&config)?);
        let store = open_store(config.store.as_deref())?;
        let kicker = kicker(&config.chat)?;
        let logouts = Arc::new(Logouts::new(
            store.state(),
            Arc::new(store.clone()),
            kicker,
            metrics.clone(),
        ));
        let authorizer = Arc::new(Authorizer::new(config.site, store.state()));
        let keys = Keys::new(config.key_sets, authorizer.clone(), metrics.clone())
            .map_err(StartError::Keys)?;
        let readiness = Readiness::default();
        let ops = Ops {
            authorizer: authorizer.clone(),
            metrics: metrics.clone(),
            keys: keys.clone(),
            readiness: readiness.clone(),
        };
        let options = server_options(&config.runtime);
        let proxy = UserSigProxy::new(Settings {
            authorizer,
            keys: Arc::new(keys.clone()),
            upstreams: config.upstreams.iter().map(upstream).collect(),
            names: names(config.inject),
            origins: AllowedOrigins::new(config.cors_origins),
            limits: limits(&config.runtime),
            keepalive: config.runtime.downstream_keepalive,
            read_timeout: config.runtime.downstream_read_timeout,
            logouts: logouts.clone(),
            metrics,
        });
        let conf = &self.server.configuration;
        let mut service = http_proxy_service_with_name(conf, proxy, "proxy");
        if let Some(app) = service.app_logic_mut() {
            app.server_options = Some(options);
        }
        for address in &config.listen {
            service.add_tcp(&address.to_string());
        }
        service.threads = Some(self.threads);
        self.server.add_service(service);
        self.server
            .add_service(background_service("readiness", readiness));
        self.server.add_service(background_service("keys", keys));
        let tending = Tending { store, logouts };
        self.server
            .add_service(background_service("store", tending));
        self.add_app("ops", config.ops, move |request| ops.answer(request));
        Ok(())
    }

    /// Adds a plain handler of whole requests on one thread.
    pub fn add_app<F>(&mut self, name: &str, address: SocketAddr, handler: F)
    where
        F: Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync + 'static,
    {
        let mut service = app::service(name, &address.to_string(), handler);
        service.threads = Some(1);
        self.server.add_service(service);
    }

    /// Runs until SIGTERM (after the grace period) or SIGINT (at once) ends the process.
    pub fn run(self) -> ! {
        self.server.run_forever()
    }
}

/// The framework would try a used address for half a minute and then panic.
pub fn check_addresses<'a>(
    addresses: impl IntoIterator<Item = &'a SocketAddr>,
) -> Result<(), StartError> {
    for address in addresses {
        try_bind(*address).map_err(|source| StartError::Bind {
            address: *address,
            source,
        })?;
    }
    Ok(())
}

/// Binds without listening: nobody's connection is taken and dropped.
fn try_bind(address: SocketAddr) -> io::Result<()> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)
}

/// Counters for the routes and upstreams that the configuration names.
fn metrics(config: &Config) -> Result<Metrics, prometheus::Error> {
    let routes = config.site.routes.routes().map(|route| &*route.name);
    let upstreams = config.upstreams.iter();
    Metrics::new(
        routes.chain([ENDPOINT_ROUTE]),
        upstreams.map(|upstream| upstream.name.as_str()),
    )
}

/// What tells Chat of logouts, where the configuration says how to reach it.
fn kicker(chat: &Chat) -> Result<Option<Arc<dyn Kicker>>, StartError> {
    let Some((endpoint, admin)) = chat
        .endpoint
        .clone()
        .zip(AdminAccount::parse(&chat.admin).ok())
    else {
        return Ok(None);
    };
    let signer = Signer::new(endpoint, chat.sdk_app_id, chat.secret_key.clone(), admin);
    Ok(Some(Arc::new(ChatClient::new(signer)?)))
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

fn upstream(config: &crate::config::Upstream) -> Upstream {
    let timeouts = Timeouts {
        connect: config.connect_timeout,
        read: config.read_timeout,
        write: config.write_timeout,
        idle: config.idle_timeout,
    };
    let host = config.server.host.trim_matches(['[', ']']).to_owned();
    Upstream::new(&config.name, host, config.server.port, timeouts)
}

fn names(config: crate::config::InjectNames) -> InjectedNames {
    InjectedNames {
        user_id: config.user_id_header,
        user_sig: config.user_sig_header,
        sdk_app_id: config.sdk_app_id_header,
        cookie: config.cookie_name,
    }
}

fn limits(runtime: &Runtime) -> Limits {
    Limits {
        max_uri_bytes: runtime.max_uri_bytes,
        max_header_bytes: runtime.max_header_bytes,
        max_body_bytes: runtime.max_body,
        max_login_body_bytes: runtime.max_login_body,
    }
}

const KEEPALIVE_REQUESTS: u32 = 10_000;
