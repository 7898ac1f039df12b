//! The certificates that an upstream's own may be signed by.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use pingora::protocols::tls::CaType;
use pingora::utils::tls::WrappedX509;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Roots in place of those that the system trusts.
#[derive(Clone)]
pub struct Roots(Arc<CaType>);

/// One of them is no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("certificate {number} of its ca cannot be read")]
pub struct RootsError {
    /// Which one, from 1.
    pub number: usize,
}

impl Roots {
    /// Takes certificates in DER.
    pub fn parse(certificates: &[Vec<u8>]) -> Result<Self, RootsError> {
        let parse = |(number, der): (usize, &Vec<u8>)| {
            WrappedX509::try_new(der.clone(), |der| match X509Certificate::from_der(der) {
                Ok((_, certificate)) => Ok(certificate),
                Err(_) => Err(RootsError { number }),
            })
        };
        let numbered = (1..).zip(certificates);
        let parsed: Result<Vec<_>, _> = numbered.map(parse).collect();
        Ok(Self(Arc::from(parsed?)))
    }

    pub(super) fn shared(&self) -> Arc<CaType> {
        self.0.clone()
    }

    fn ders(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|root| root.borrow_raw_cert().as_slice())
    }
}

impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        self.ders().eq(other.ders())
    }
}

impl Eq for Roots {}

impl Hash for Roots {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ders().for_each(|der| der.hash(state));
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.0.len())
    }
}
