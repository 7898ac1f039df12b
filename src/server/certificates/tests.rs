use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
    SupportedProtocolVersion,
};

use super::*;

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/tls");

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(format!("{KEYS}/{name}.pem")).unwrap()
}

fn certificate(file: &str, names: &[&str], not_after: u64) -> Certificate {
    let chain = CertificateDer::pem_slice_iter(&pem(file))
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_slice(&pem(&format!("{file}.private"))).unwrap();
    Certificate {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        not_after,
        key: Arc::new(CertifiedKey::from_der(chain, key, &default_provider()).unwrap()),
    }
}

fn app() -> Certificate {
    certificate("app", &["app.example.com", "localhost"], 3)
}

fn wildcard() -> Certificate {
    certificate("wildcard", &["*.example.com"], 2)
}

fn rsa() -> Certificate {
    certificate("rsa", &["app.example.com"], 1)
}

fn leaf(file: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(&pem(file)).unwrap()
}

/// A client that trusts the tests' CA and, if told, verifies signatures of these kinds only.
fn client(version: &'static SupportedProtocolVersion, schemes: &[SignatureScheme]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(leaf("ca")).unwrap();
    let mut provider = default_provider();
    if !schemes.is_empty() {
        let mapping = provider.signature_verification_algorithms.mapping;
        let kept = mapping
            .iter()
            .copied()
            .filter(|(scheme, _)| schemes.contains(scheme));
        provider.signature_verification_algorithms.mapping = Vec::leak(kept.collect::<Vec<_>>());
    }
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// The certificate that a client gets and takes for this name.
fn handshake(
    certificates: &Arc<Certificates>,
    config: ClientConfig,
    name: &str,
) -> Result<CertificateDer<'static>, rustls::Error> {
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS12, &TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(certificates.clone());
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    while client.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut sent = bytes.as_slice();
        while !sent.is_empty() {
            server.read_tls(&mut sent).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut sent = bytes.as_slice();
        while !sent.is_empty() {
            client.read_tls(&mut sent).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(client.peer_certificates().unwrap()[0].clone().into_owned())
}

#[test]
fn the_certificate_that_covers_the_name_is_served() {
    let all = Arc::new(Certificates::new(vec![wildcard(), app()]));
    for version in [&TLS12, &TLS13] {
        for (name, expected) in [
            ("app.example.com", "app"),
            ("APP.example.com", "app"),
            ("localhost", "app"),
            ("other.example.com", "wildcard"),
        ] {
            let got = handshake(&all, client(version, &[]), name);
            assert_eq!(got, Ok(leaf(expected)), "{name}");
        }
        // No certificate is for these, so the client refuses the default.
        for name in ["example.com", "a.b.example.com", "elsewhere.test"] {
            assert!(
                handshake(&all, client(version, &[]), name).is_err(),
                "{name}"
            );
        }
        // An address is no name to ask for: the default must do.
        let first = Arc::new(Certificates::new(vec![app(), wildcard()]));
        assert_eq!(
            handshake(&first, client(version, &[]), "127.0.0.1"),
            Ok(leaf("app"))
        );
        assert!(handshake(&all, client(version, &[]), "127.0.0.1").is_err());
    }
}

#[test]
fn the_exact_name_wins_over_the_wildcard_and_the_first_is_the_default() {
    let name = |list: &[Certificate], name: Option<&str>| {
        choose(list, name, |_| true).map(|one| one.not_after)
    };
    let list = [wildcard(), rsa(), app()];
    assert_eq!(name(&list, Some("app.example.com")), Some(1));
    assert_eq!(name(&list, Some("x.example.com")), Some(2));
    assert_eq!(name(&list, Some("localhost")), Some(3));
    assert_eq!(name(&[rsa(), wildcard()], Some("x.example.com")), Some(2));
    for other in [
        None,
        Some("example.com"),
        Some("a.x.example.com"),
        Some(".example.com."),
        Some("*.example.org"),
    ] {
        assert_eq!(name(&list, other), Some(2), "{other:?}");
    }
    assert_eq!(name(&[], Some("app.example.com")), None);
}

#[test]
fn a_certificate_that_the_client_cannot_verify_is_passed_over() {
    let both = Arc::new(Certificates::new(vec![rsa(), app()]));
    let ecdsa = [SignatureScheme::ECDSA_NISTP256_SHA256];
    assert_eq!(
        handshake(&both, client(&TLS13, &[]), "app.example.com"),
        Ok(leaf("rsa"))
    );
    assert_eq!(
        handshake(&both, client(&TLS13, &ecdsa), "app.example.com"),
        Ok(leaf("app"))
    );
    let one = Arc::new(Certificates::new(vec![rsa()]));
    assert!(handshake(&one, client(&TLS13, &ecdsa), "app.example.com").is_err());
}

#[test]
fn a_replaced_certificate_is_served_from_the_next_handshake_on() {
    let certificates = Arc::new(Certificates::new(vec![app()]));
    let get = || handshake(&certificates, client(&TLS13, &[]), "app.example.com");
    assert_eq!(get(), Ok(leaf("app")));
    certificates.replace(vec![certificate("renewed", &["app.example.com"], 9)]);
    assert_eq!(get(), Ok(leaf("renewed")));
}

#[test]
fn a_store_replaces_by_listener_and_its_metrics_follow() {
    let listen = |port: u16, certificates: Vec<Certificate>| Listen {
        listeners: vec![crate::config::Listener {
            address: ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], port))),
            transport: Transport::Tls(certificates),
            proxy_protocol: false,
        }],
        unix_mode: 0,
        trusted_proxies: Default::default(),
        trusted_headers: Default::default(),
    };
    let metrics = Arc::new(Metrics::new().unwrap());
    let shown = || {
        let text = String::from_utf8(metrics.render()).unwrap();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("usersig_proxy_certificate"));
        lines
            .map(|line| line.split_once('{').unwrap().1.to_owned())
            .collect::<Vec<_>>()
    };
    let store = CertificateStore::new(
        &listen(8443, vec![app(), rsa(), wildcard()]),
        metrics.clone(),
    );
    // The sooner end of two certificates for one name.
    assert_eq!(
        shown(),
        [
            r#"listener="127.0.0.1:8443",name="*.example.com"} 2"#,
            r#"listener="127.0.0.1:8443",name="app.example.com"} 1"#,
        ]
    );
    store.replace(&listen(
        8443,
        vec![certificate("renewed", &["app.example.com"], 9)],
    ));
    assert_eq!(
        shown(),
        [r#"listener="127.0.0.1:8443",name="app.example.com"} 9"#]
    );
    let served = store.of(SocketAddr::from(([127, 0, 0, 1], 8443))).unwrap();
    let got = handshake(&served, client(&TLS12, &[]), "app.example.com");
    assert_eq!(got, Ok(leaf("renewed")));
    // Another listener is not there until the restart.
    store.replace(&listen(9443, vec![app()]));
    assert!(store.of(SocketAddr::from(([127, 0, 0, 1], 9443))).is_none());
    assert_eq!(
        handshake(&served, client(&TLS12, &[]), "app.example.com"),
        Ok(leaf("renewed"))
    );
}
