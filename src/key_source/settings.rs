//! What an operator decides about the key set of one issuer, and the limits that hold when nothing is said.

use std::time::Duration;

use reqwest::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::token::keys::address::RefusedAddress;
use crate::token::keys::location::Location;
use crate::token::keys::{Algorithm, KeyKind};

/// One issuer's key set.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// The issuer's index in the [`Verifier`](crate::token::verify::Verifier) that its keys are for.
    pub issuer: usize,
    /// The issuer's name in logs and metrics.
    pub name: String,
    /// Where its keys are.
    pub location: Location,
    /// The algorithms that its tokens may use; a key that serves none of them is ignored.
    pub algorithms: Vec<Algorithm>,
    /// Whether its keys may come from an address inside a network (10.0.0.0/8, fc00::/7 and the like).
    pub allow_private: bool,
    /// The longest time between two fetches while they succeed, and so how long a withdrawn key still counts; at least
    /// [`MIN_REFRESH`].
    pub refresh: Duration,
    /// How long the last good set is used while no fetch succeeds; at least `refresh`.
    pub max_age: Duration,
    /// Certificates that are trusted beside those of the system.
    pub roots: TrustRoots,
    /// The time limits of one fetch.
    pub timeouts: Timeouts,
}

impl SourceSettings {
    /// Settings with every default: refreshed every 10 minutes, used for up to 24 hours, public addresses only.
    pub fn new(
        issuer: usize,
        name: impl Into<String>,
        location: Location,
        algorithms: Vec<Algorithm>,
    ) -> Self {
        Self {
            issuer,
            name: name.into(),
            location,
            algorithms,
            allow_private: false,
            refresh: DEFAULT_REFRESH,
            max_age: DEFAULT_MAX_AGE,
            roots: TrustRoots::default(),
            timeouts: Timeouts::default(),
        }
    }

    /// Whether keys fetched under `earlier` are just as good under these settings.
    pub(super) fn trusts_the_same(&self, earlier: &Self) -> bool {
        self.location == earlier.location
            && self.algorithms == earlier.algorithms
            && self.allow_private == earlier.allow_private
            && self.roots.ders == earlier.roots.ders
    }

    pub(super) fn refuse_contradictions(&self) -> Result<(), SettingsError> {
        if self.algorithms.is_empty() {
            return Err(SettingsError::NoAlgorithm);
        }
        let is_mac = |algorithm: &&Algorithm| algorithm.key_kind() == KeyKind::Secret;
        if let Some(&algorithm) = self.algorithms.iter().find(is_mac) {
            return Err(SettingsError::SecretAlgorithm(algorithm));
        }
        if self.refresh < MIN_REFRESH {
            return Err(SettingsError::RefreshTooShort);
        }
        if self.max_age < self.refresh {
            return Err(SettingsError::MaxAgeBelowRefresh);
        }
        Ok(())
    }
}

/// The time limits of one fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection, TLS included.
    pub connect: Duration,
    /// Between two pieces of the answer.
    pub read: Duration,
    /// For all of it.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            read: Duration::from_secs(5),
            total: Duration::from_secs(10),
        }
    }
}

/// Certificates that an issuer's key server may be signed by, beside those that the system trusts.
#[derive(Clone, Debug, Default)]
pub struct TrustRoots {
    ders: Vec<Vec<u8>>,
    certificates: Vec<Certificate>,
}

impl TrustRoots {
    /// Takes one or more certificates in DER.
    pub fn parse(ders: &[Vec<u8>]) -> Result<Self, SettingsError> {
        if ders.is_empty() {
            return Err(SettingsError::NoCertificate);
        }
        let certificates: Result<_, _> = ders.iter().map(|der| certificate(der)).collect();
        Ok(Self {
            ders: ders.to_vec(),
            certificates: certificates?,
        })
    }

    pub(super) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }
}

/// The client would find a bad one only when it is built.
fn certificate(der: &[u8]) -> Result<Certificate, SettingsError> {
    let check = RootCertStore::empty().add(CertificateDer::from(der));
    check.map_err(|_| SettingsError::NoCertificate)?;
    Certificate::from_der(der).map_err(|_| SettingsError::NoCertificate)
}

/// Why a source cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No algorithm is configured.
    #[error("no algorithm is configured for the keys")]
    NoAlgorithm,
    /// An HMAC algorithm: a key set is public, and with a public secret everybody could sign.
    #[error("{0} needs a secret, and a key set is public")]
    SecretAlgorithm(Algorithm),
    /// `refresh` is below [`MIN_REFRESH`].
    #[error("refresh must be at least {} s", MIN_REFRESH.as_secs())]
    RefreshTooShort,
    /// `max_age` is below `refresh`, so keys would run out between two fetches.
    #[error("max_age must not be shorter than refresh")]
    MaxAgeBelowRefresh,
    /// The URL itself holds an address that is not allowed.
    #[error("the key URL is not allowed: {0}")]
    Address(#[from] RefusedAddress),
    /// There is no extra trust root, or one is no certificate.
    #[error("ca holds no certificate, or one that cannot be read")]
    NoCertificate,
    /// Neither the system nor the settings have a usable trust root.
    #[error("no usable trust root: install the system's CA certificates or configure ca")]
    TrustRoots,
    /// The process has no default provider of cryptography for TLS.
    #[error("no rustls crypto provider is installed in this process")]
    NoCryptoProvider,
}

/// The shortest `refresh`.
pub const MIN_REFRESH: Duration = Duration::from_secs(10);

/// The `refresh` of settings that say nothing.
pub const DEFAULT_REFRESH: Duration = Duration::from_secs(600);

/// The `max_age` of settings that say nothing.
pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(24 * 3600);
