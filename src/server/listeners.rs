//! The proxy as a service on all its listeners: TCP, TLS and Unix sockets.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ServerApp};
use pingora::listeners::ListenerConfig;
use pingora::listeners::tls::TlsSettings;
use pingora::protocols::Stream;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use pingora::services::listening::Service;
use tokio::net::TcpSocket;

use super::StartError;
use super::admission::Admission;
use super::certificates::CertificateStore;
use super::versions::Versions;
use crate::config::{Listen, ListenAddress, Listener, Transport};
use crate::proxy::UserSigProxy;

/// What handles a connection: first its admission, then the proxy.
pub(super) struct Connections<A> {
    app: Versions<A>,
    admission: Arc<Admission>,
}

#[async_trait]
impl<A: HttpServerApp + Send + Sync + 'static> ServerApp for Connections<A> {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let stream = self.admit(stream).await?;
        self.app.process(stream, shutdown).await
    }

    async fn cleanup(&self) {
        self.app.cleanup().await;
    }
}

impl<A> Connections<A> {
    async fn admit(&self, stream: Stream) -> Option<Stream> {
        // Over TLS it was admitted before the handshake.
        if stream.get_ssl_digest().is_some() {
            return Some(stream);
        }
        let mut plain = stream.into_any().downcast::<L4Stream>().ok()?;
        self.admission.admit(&mut plain).await.ok()?;
        Some(plain)
    }
}

/// The service of the proxy; `patience` is for the first bytes of a connection and for each header.
pub(super) fn service(
    conf: &Arc<ServerConf>,
    proxy: UserSigProxy,
    (options, patience): (HttpServerOptions, Duration),
    admission: Admission,
    listen: &Listen,
    certificates: &CertificateStore,
) -> Result<Service<Connections<HttpProxy<UserSigProxy>>>, StartError> {
    let mut app = http_proxy(conf, proxy);
    app.server_options = Some(options.clone());
    let admission = Arc::new(admission);
    let connections = Connections {
        app: Versions::new(app, options, patience),
        admission: admission.clone(),
    };
    let mut service = Service::new("proxy".to_owned(), connections);
    for listener in &listen.listeners {
        service.add_listener(endpoint(listener, listen.unix_mode, certificates)?);
    }
    service.endpoints().set_pre_tls_callback(admission);
    Ok(service)
}

fn endpoint(
    listener: &Listener,
    unix_mode: u32,
    certificates: &CertificateStore,
) -> Result<ListenerConfig, StartError> {
    match (&listener.address, &listener.transport) {
        (ListenAddress::Unix(path), _) => {
            let endpoint = ListenerConfig::uds(path.to_string_lossy());
            Ok(endpoint.permissions(Permissions::from_mode(unix_mode)))
        }
        (ListenAddress::Tcp(address), Transport::Plain) => {
            Ok(ListenerConfig::tcp(address.to_string()))
        }
        (ListenAddress::Tcp(address), Transport::Tls(_)) => {
            // The files are not named to the framework: it would read them once and for all.
            let mut settings = TlsSettings::intermediate("", "").map_err(StartError::Tls)?;
            settings.enable_h2();
            if let Some(served) = certificates.of(*address) {
                settings.set_cert_resolver(served);
            }
            Ok(ListenerConfig::tcp(address.to_string()).tls(settings))
        }
    }
}

/// Whether all listeners can be had: the framework would try a used one for half a minute and then panic.
pub(super) fn check(listen: &Listen) -> Result<(), StartError> {
    for listener in &listen.listeners {
        let checked = match &listener.address {
            ListenAddress::Tcp(address) => try_bind(*address),
            ListenAddress::Unix(path) => make_room(path),
        };
        checked.map_err(|source| StartError::Bind {
            address: listener.address.to_string(),
            source,
        })?;
    }
    Ok(())
}

/// Binds without listening: nobody's connection is taken and dropped.
pub(super) fn try_bind(address: SocketAddr) -> io::Result<()> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)
}

/// Removes the socket that a process left behind when it ended. Nothing else is touched: the framework would remove
/// whatever has the name, also the socket of a process that serves it.
fn make_room(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::other(
                "there is a file of that name, and it is no socket",
            ));
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => return Err(io::Error::other("another process listens there")),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path)?;
            }
            Err(error) => return Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    try_create(path.parent().unwrap_or(Path::new("/")))
}

/// Whether a file can be made in a folder.
fn try_create(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".usersig-proxy-{:032x}", rand::random::<u128>()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)?;
    fs::remove_file(&probe)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_socket_that_nobody_serves_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.sock");
        make_room(&path).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);

        let live = UnixListener::bind(&path).unwrap();
        let error = make_room(&path).unwrap_err();
        assert_eq!(error.to_string(), "another process listens there");
        assert!(path.exists());
        drop(live);
        make_room(&path).unwrap();
        assert!(!path.exists());

        fs::write(&path, "precious").unwrap();
        let error = make_room(&path).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is a file of that name, and it is no socket"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

        let link = folder.path().join("link.sock");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        make_room(&link).unwrap_err();
        assert!(link.exists());

        let nowhere = folder.path().join("absent/http.sock");
        let error = make_room(&nowhere).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
