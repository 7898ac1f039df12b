//! A way to an app: over plain TCP, TLS or a Unix socket. It ends, with its connections, when it is dropped.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};
use tokio_rustls::server::TlsStream;

/// The certificates under `tests/keys/upstreams`, by what they are for; all of one key, signed by `ca.pem`.
#[derive(Clone, Copy)]
pub(super) enum Certificate {
    /// The name `app.internal`.
    App,
    /// The address 127.0.0.1.
    Address,
    /// The name `app.internal`, until 2021.
    Expired,
}

pub(super) struct Front {
    pub(super) address: SocketAddr,
    /// The protocol of each connection, as it was agreed on in the TLS handshake, with the name that was asked for.
    handshakes: Arc<Mutex<Vec<Handshake>>>,
    /// Ends the listener and its connections before the drop is over.
    runtime: Runtime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Handshake {
    pub(super) protocol: Option<String>,
    pub(super) name: Option<String>,
}

impl Front {
    /// Plain TCP at an address that is free.
    pub(super) fn tcp(address: SocketAddr, app: SocketAddr) -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(relay(stream, app));
            }
        });
        Self::on(address, runtime)
    }

    /// TLS with this certificate and these protocols.
    pub(super) fn tls(certificate: Certificate, protocols: &[&str], app: SocketAddr) -> Self {
        let serve = move |stream| relay(stream, app);
        Self::tls_with(certificate, protocols, serve)
    }

    /// The same with something else than an app behind it.
    pub(super) fn tls_with<F: Future<Output = ()> + Send + 'static>(
        certificate: Certificate,
        protocols: &[&str],
        serve: impl Fn(TlsStream<TcpStream>) -> F + Send + Sync + 'static,
    ) -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let front = Self::on(address, runtime);
        let acceptor = acceptor(certificate, protocols);
        let handshakes = front.handshakes.clone();
        let serve = Arc::new(serve);
        front.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, handshakes) = (acceptor.clone(), handshakes.clone());
                let serve = serve.clone();
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let (_, session) = stream.get_ref();
                        let protocol = session.alpn_protocol().map(<[u8]>::to_vec);
                        handshakes.lock().unwrap().push(Handshake {
                            protocol: protocol.map(|name| String::from_utf8(name).unwrap()),
                            name: session.server_name().map(str::to_owned),
                        });
                        serve(stream).await;
                    }
                });
            }
        });
        front
    }

    /// A Unix socket.
    pub(super) fn unix(path: &Path, app: SocketAddr) -> Self {
        let runtime = runtime();
        let listener = {
            let _context = runtime.enter();
            UnixListener::bind(path).unwrap()
        };
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(relay(stream, app));
            }
        });
        Self::on(app, runtime)
    }

    /// Takes connections and says nothing, ever.
    pub(super) fn silent() -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        });
        Self::on(address, runtime)
    }

    /// Takes connections, reads what comes first, and closes.
    pub(super) fn hanging_up() -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let front = Self::on(address, runtime);
        let handshakes = front.handshakes.clone();
        front.runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                handshakes.lock().unwrap().push(Handshake {
                    protocol: None,
                    name: None,
                });
            }
        });
        front
    }

    pub(super) fn connections(&self) -> usize {
        self.handshakes.lock().unwrap().len()
    }

    pub(super) fn handshakes(&self) -> Vec<Handshake> {
        self.handshakes.lock().unwrap().clone()
    }

    fn on(address: SocketAddr, runtime: Runtime) -> Self {
        Self {
            address,
            handshakes: Arc::default(),
            runtime,
        }
    }
}

/// The path of a file beside the certificates.
pub(super) fn key_file(name: &str) -> String {
    format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))
}

async fn relay(mut stream: impl AsyncRead + AsyncWrite + Unpin, app: SocketAddr) {
    if let Ok(mut app) = TcpStream::connect(app).await {
        let _ = copy_bidirectional(&mut stream, &mut app).await;
    }
}

fn runtime() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1).enable_all().build().unwrap()
}

fn acceptor(certificate: Certificate, protocols: &[&str]) -> TlsAcceptor {
    let name = match certificate {
        Certificate::App => "app",
        Certificate::Address => "address",
        Certificate::Expired => "expired",
    };
    let file = |name: &str| key_file(&format!("upstreams/{name}.pem"));
    let certificate = CertificateDer::from_pem_file(file(name)).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.private")).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let mut config = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let protocols = protocols.iter();
    config.alpn_protocols = protocols.map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}
