//! Certificates that a server's own may be signed by, in a PEM file that holds nothing else.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::config::raw::Value;
use crate::config::secrets::Secrets;

/// The certificates (DER) of the file that a `ca` names; each can be a trust root.
pub(super) fn bundle(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<Vec<Vec<u8>>> {
    let content = secrets.read_public(value)?;
    let blocks = pem::parse_many(&content).unwrap_or_default();
    if blocks.is_empty() || blocks.iter().any(|block| block.tag() != "CERTIFICATE") {
        value.error("is not a file of certificates in PEM", HINT);
        return None;
    }
    let certificates: Vec<_> = blocks.into_iter().map(pem::Pem::into_contents).collect();
    for (number, der) in (1..).zip(&certificates) {
        let certificate = CertificateDer::from(der.as_slice());
        if RootCertStore::empty().add(certificate).is_err() {
            value.error(format!("certificate {number} cannot be read"), HINT);
            return None;
        }
    }
    Some(certificates)
}

const HINT: &str = "blocks that start with -----BEGIN CERTIFICATE-----";
