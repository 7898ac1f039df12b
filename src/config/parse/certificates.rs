//! The certificates of a TLS listener: read, matched with their keys, and looked at for what clients will refuse.
//!
//! What would keep TLS from working is an error. A certificate that is out of date is a warning: a reload that brings
//! something else must not fail for it, and a start with one dead name of several is better than none.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::config::Certificate;
use crate::config::raw::{Table, Value};
use crate::config::secrets::Secrets;
use crate::policy::HostName;

/// The certificate of the listener's own two keys first, then those of its list.
pub(super) fn of_listener(table: &Table<'_>, secrets: &Secrets<'_>) -> Vec<Certificate> {
    let has_own = PAIR.iter().any(|key| table.get(key).is_some());
    let list = table.items("certificates");
    if !has_own && list.is_empty() {
        let place = table.place_of("certificate");
        table.report().error(&place, "is required", PAIR_HINT);
    }
    let own = has_own.then(|| pair(table, secrets)).flatten();
    let others = list
        .iter()
        .filter_map(|item| pair(&item.table(PAIR)?, secrets));
    own.into_iter().chain(others).collect()
}

fn pair(table: &Table<'_>, secrets: &Secrets<'_>) -> Option<Certificate> {
    let certificate = table.require("certificate", PAIR_HINT);
    let key = table.require("key", PAIR_HINT);
    let chain = certificate.as_ref().and_then(|value| chain(value, secrets));
    let private = key.as_ref().and_then(|value| private_key(value, secrets));
    let (certificate, key, chain) = (certificate?, key?, chain?);
    let facts = Facts::read(chain.first()?, &certificate)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    facts.check_dates(now.map_or(0, |now| now.as_secs()), &certificate);
    let key = certified(chain, private?, &key)?;
    Some(Certificate {
        names: facts.names,
        not_after: facts.not_after,
        key: Arc::new(key),
    })
}

fn chain(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<Vec<CertificateDer<'static>>> {
    let pem = secrets.read_public(value)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Some(chain),
        Ok(_) => {
            value.error("holds no certificate", CHAIN_HINT);
            None
        }
        Err(_) => {
            value.error("is not PEM that can be read", CHAIN_HINT);
            None
        }
    }
}

fn private_key(value: &Value<'_>, secrets: &Secrets<'_>) -> Option<PrivateKeyDer<'static>> {
    let pem = secrets.read_private_key(value)?;
    let Ok(key) = PrivateKeyDer::from_pem_slice(&pem) else {
        let is_encrypted = pem.windows(ENCRYPTED.len()).any(|bytes| bytes == ENCRYPTED);
        match is_encrypted {
            true => value.error(
                "is encrypted: there is nobody to ask for its password",
                "openssl pkey -in encrypted.pem -out key.pem, then chmod 600 key.pem",
            ),
            false => value.error("holds no private key that can be read", "PEM: PRIVATE KEY"),
        }
        return None;
    };
    Some(key)
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    value: &Value<'_>,
) -> Option<CertifiedKey> {
    match CertifiedKey::from_der(chain, key, &default_provider()) {
        Ok(key) => Some(key),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            value.error(
                "is not the key of the certificate",
                "in the certificate's file the server's own comes first, then those that sign it",
            );
            None
        }
        Err(_) => {
            value.error(
                "is a key of a kind that TLS cannot use here",
                "ECDSA on P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits",
            );
            None
        }
    }
}

/// What a certificate says of itself.
struct Facts {
    names: Vec<String>,
    not_before: u64,
    not_after: u64,
}

impl Facts {
    fn read(der: &CertificateDer<'_>, value: &Value<'_>) -> Option<Self> {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            value.error("holds a certificate that cannot be read", CHAIN_HINT);
            return None;
        };
        let names = host_names(&certificate);
        if names.is_none() {
            value.warn(
                "names no host and no address: clients will refuse it",
                "one with a subjectAltName; the common name does not count",
            );
        }
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        Some(Self {
            names: names.unwrap_or_default(),
            not_before: seconds(certificate.validity().not_before.timestamp()),
            not_after: seconds(certificate.validity().not_after.timestamp()),
        })
    }

    fn check_dates(&self, now: u64, value: &Value<'_>) {
        if now > self.not_after {
            value.warn("has expired: clients will refuse it", "renew it");
        }
        if now < self.not_before {
            value.warn(
                "is not valid yet: clients will refuse it",
                "look at the clock of this machine",
            );
        }
    }
}

/// The DNS names that can match, in lower case; `None` when it names neither a host nor an address.
fn host_names(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    let extension = certificate.subject_alternative_name().ok().flatten()?;
    let named = &extension.value.general_names;
    let has_address = named
        .iter()
        .any(|name| matches!(name, GeneralName::IPAddress(_)));
    let names: Vec<_> = named
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => host_name(name),
            _ => None,
        })
        .collect();
    (has_address || !names.is_empty()).then_some(names)
}

fn host_name(name: &str) -> Option<String> {
    match name.strip_prefix("*.") {
        Some(parent) => Some(format!("*.{}", HostName::parse(parent).ok()?)),
        None => Some(HostName::parse(name).ok()?.to_string()),
    }
}

/// What an entry of `certificates` is made of.
pub(super) const PAIR: &[&str] = &["certificate", "key"];
const PAIR_HINT: &str = "certificate = \"chain.pem\", key = { file = \"key.pem\" }";
const CHAIN_HINT: &str = "PEM: CERTIFICATE, the server's own first, then those that sign it";
const ENCRYPTED: &[u8] = b"ENCRYPTED";
