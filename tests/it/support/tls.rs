//! A TLS client with rustls, and the certificates of `tests/keys/tls`.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::client::HANG;

pub(crate) const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/tls");

pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// `certificate` and `key` of a listener.
pub(crate) fn pair(name: &str) -> String {
    format!("certificate = \"{KEYS}/{name}.pem\", key = \"{KEYS}/{name}.private.pem\"")
}

/// Puts a certificate of [`KEYS`] and its key into a folder, as `chain.pem` and `key.pem`, in the place of others.
pub(crate) fn put_certificate(name: &str, folder: &Path) {
    for (from, to) in [
        (format!("{name}.pem"), "chain.pem"),
        (format!("{name}.private.pem"), "key.pem"),
    ] {
        let draft = folder.join("draft");
        fs::copy(format!("{KEYS}/{from}"), &draft).unwrap();
        fs::rename(draft, folder.join(to)).unwrap();
    }
}

pub(crate) fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(format!("{KEYS}/{name}.pem")).unwrap()
}

/// A client that trusts the CA of the tests.
pub(crate) fn client(
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca")).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// A handshake with the name of the server; the error is what TLS says.
pub(crate) fn connect(
    address: SocketAddr,
    name: &str,
    config: ClientConfig,
) -> io::Result<TlsStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(HANG))?;
    stream.set_nodelay(true)?;
    handshake(stream, name, config)
}

/// The same on a connection that stands.
pub(crate) fn handshake(
    stream: TcpStream,
    name: &str,
    config: ClientConfig,
) -> io::Result<TlsStream> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}
