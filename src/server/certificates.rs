//! The certificates of the TLS listeners: chosen for each handshake by the name that the client asks for, and
//! replaceable while connections are taken.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::{Certificate, Listen, ListenAddress, Transport};
use crate::metrics::Metrics;

/// The certificates of one listener.
#[derive(Debug)]
pub(super) struct Certificates(ArcSwap<Vec<Certificate>>);

impl Certificates {
    /// These certificates; the first is the default.
    fn new(certificates: Vec<Certificate>) -> Self {
        Self(ArcSwap::from_pointee(certificates))
    }

    /// Uses others from the next handshake on. Connections that stand are not touched.
    fn replace(&self, certificates: Vec<Certificate>) {
        self.0.store(Arc::new(certificates));
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.0.load();
        let schemes = hello.signature_schemes();
        let is_usable = |one: &Certificate| one.key.key.choose_scheme(schemes).is_some();
        let chosen = choose(&certificates, hello.server_name(), is_usable)?;
        Some(chosen.key.clone())
    }
}

/// The exact name before a wildcard, and the earlier certificate before the later. One that the client cannot verify,
/// such as RSA where it knows ECDSA only, is passed over while there is another.
fn choose<'c>(
    certificates: &'c [Certificate],
    name: Option<&str>,
    is_usable: impl Fn(&Certificate) -> bool,
) -> Option<&'c Certificate> {
    let name = name.map(str::to_ascii_lowercase);
    let parent = name.as_deref().and_then(|name| name.split_once('.'));
    let wildcard = parent.map(|(_, parent)| format!("*.{parent}"));
    let covering = |wanted: Option<&String>| {
        let has = |one: &&Certificate| wanted.is_some_and(|name| one.names.contains(name));
        certificates.iter().find(|one| has(one) && is_usable(one))
    };
    covering(name.as_ref())
        .or_else(|| covering(wildcard.as_ref()))
        .or_else(|| certificates.iter().find(|one| is_usable(one)))
        .or_else(|| certificates.first())
}

/// The certificates of all listeners.
pub(super) struct CertificateStore {
    by_address: Vec<(SocketAddr, Arc<Certificates>)>,
    metrics: Arc<Metrics>,
}

impl CertificateStore {
    /// What the configuration says, with its metrics.
    pub(super) fn new(listen: &Listen, metrics: Arc<Metrics>) -> Self {
        let listed = configured(listen);
        let store = Self {
            by_address: listed
                .map(|(address, list)| (address, Arc::new(Certificates::new(list.to_vec()))))
                .collect(),
            metrics,
        };
        store.note_expiry(listen);
        store
    }

    /// Takes the certificates of a configuration that was read anew. A listener that it does not name keeps what it has:
    /// listeners themselves change with a restart only.
    pub(super) fn replace(&self, listen: &Listen) {
        for (address, certificates) in configured(listen) {
            if let Some(served) = self.of(address) {
                served.replace(certificates.to_vec());
            }
        }
        self.note_expiry(listen);
    }

    /// The certificates of the listener at an address.
    pub(super) fn of(&self, address: SocketAddr) -> Option<Arc<Certificates>> {
        let mut all = self.by_address.iter();
        let found = all.find(|(listener, _)| *listener == address);
        found.map(|(_, certificates)| certificates.clone())
    }

    fn note_expiry(&self, listen: &Listen) {
        let served = configured(listen).filter(|(address, _)| self.of(*address).is_some());
        let expiries = served.flat_map(|(address, certificates)| {
            certificates.iter().map(move |one| {
                let name = one.names.first().map_or("", String::as_str);
                (address.to_string(), name, one.not_after)
            })
        });
        self.metrics.set_certificates(expiries);
    }
}

fn configured(listen: &Listen) -> impl Iterator<Item = (SocketAddr, &[Certificate])> {
    listen
        .listeners
        .iter()
        .filter_map(|listener| match (&listener.address, &listener.transport) {
            (ListenAddress::Tcp(address), Transport::Tls(certificates)) => {
                Some((*address, certificates.as_slice()))
            }
            _ => None,
        })
}

#[cfg(test)]
mod tests;
