//! A connection to the store: the socket, TLS, the password, the database.
//!
//! The password goes into the connection and nowhere else: what the server says of it is not repeated.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::{AbortHandle, spawn};
use tokio_rustls::TlsConnector;

use super::fault::Fault;
use super::{Roots, Server, Settings};

/// Why TLS cannot be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The name cannot stand in a certificate.
    #[error("the store's host is no name for TLS")]
    Name,
    /// A certificate of the ca cannot be read.
    #[error("a certificate of the store's ca cannot be read")]
    Ca,
    /// The system trusts nobody.
    #[error("the system has no certificates to trust; name a ca for the store")]
    NoRoots,
    /// The provider does not take what is asked of it.
    #[error("TLS cannot be set up for the store")]
    Unusable,
}

/// TLS to the store.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// What a server with TLS needs; nothing for the others.
    pub(super) fn new(server: &Server) -> Result<Option<Self>, TlsError> {
        let Server::Tls { host, roots, .. } = server else {
            return Ok(None);
        };
        let name = ServerName::try_from(host.clone()).map_err(|_| TlsError::Name)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| TlsError::Unusable)?
            .with_root_certificates(trusted(roots)?)
            .with_no_client_auth();
        Ok(Some(Self {
            connector: Arc::new(config).into(),
            name,
        }))
    }
}

fn trusted(roots: &Roots) -> Result<RootCertStore, TlsError> {
    let mut trusted = RootCertStore::empty();
    match roots {
        Roots::Only(certificates) => {
            for der in certificates {
                let certificate = CertificateDer::from(der.clone());
                trusted.add(certificate).map_err(|_| TlsError::Ca)?;
            }
        }
        Roots::System => {
            // Some of the many may be unreadable; those that are left count.
            trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    match trusted.is_empty() {
        true => Err(TlsError::NoRoots),
        false => Ok(trusted),
    }
}

/// What carries a connection; it ends with this.
pub(super) struct Driver {
    task: AbortHandle,
    /// How many bytes may still come before the next question.
    allowance: Arc<AtomicUsize>,
}

impl Driver {
    /// A question is asked: this much may be answered.
    pub(super) fn allow_an_answer(&self) {
        self.allowance.store(MAX_ANSWER_BYTES, Ordering::Relaxed);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection on which questions can be asked.
pub(super) async fn connect(
    settings: &Settings,
    tls: Option<&Tls>,
) -> Result<(MultiplexedConnection, Driver), Fault> {
    let unreachable = |error: io::Error| Fault::Unreachable(error.kind());
    let stream: Box<dyn Stream> = match &settings.server {
        Server::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(unreachable)?),
        Server::Tcp { host, port } | Server::Tls { host, port, .. } => {
            let stream = TcpStream::connect((host.as_str(), *port));
            let stream = stream.await.map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            match tls {
                Some(tls) => {
                    let stream = tls.connector.connect(tls.name.clone(), stream);
                    Box::new(stream.await.map_err(|_| Fault::Tls)?)
                }
                None => Box::new(stream),
            }
        }
    };
    let allowance = Arc::new(AtomicUsize::new(MAX_ANSWER_BYTES));
    let stream = Bounded {
        stream,
        allowance: Arc::clone(&allowance),
    };
    let info = RedisConnectionInfo::default().set_skip_set_lib_name();
    // Each answer is waited for with a limit of ours.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let (mut connection, carried) =
        MultiplexedConnection::new_with_config(&info, stream, config).await?;
    let driver = Driver {
        task: spawn(carried).abort_handle(),
        allowance,
    };
    log_in(&mut connection, settings).await?;
    Ok((connection, driver))
}

async fn log_in(connection: &mut MultiplexedConnection, settings: &Settings) -> Result<(), Fault> {
    if let Some(password) = &settings.password {
        let mut command = redis::cmd("AUTH");
        if let Some(username) = &settings.username {
            command.arg(username);
        }
        command.arg(password.expose());
        let said: Result<(), _> = command.query_async(connection).await;
        said.map_err(Fault::from).map_err(|fault| match fault {
            // Also where it has no password, and wants none.
            Fault::Refused => Fault::Password,
            fault => fault,
        })?;
    }
    if settings.database > 0 {
        let mut command = redis::cmd("SELECT");
        let said: Result<(), _> = command.arg(settings.database).query_async(connection).await;
        said.map_err(Fault::from).map_err(|fault| match fault {
            Fault::Refused => Fault::Database,
            fault => fault,
        })?;
    }
    Ok(())
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A stream of which no more is read than is allowed: whoever is at the other end cannot fill the memory.
struct Bounded {
    stream: Box<dyn Stream>,
    allowance: Arc<AtomicUsize>,
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let count = buffer.filled().len() - before;
        let left = self.allowance.load(Ordering::Relaxed);
        match left.checked_sub(count) {
            Some(left) => self.allowance.store(left, Ordering::Relaxed),
            None => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
        }
        read
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// More than a page of records or a batch of leases has.
const MAX_ANSWER_BYTES: usize = 8 << 20;
