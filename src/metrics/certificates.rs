//! When the certificates of the TLS listeners end, labelled by listener and the first name of each.

use std::collections::BTreeMap;

use prometheus::{IntGaugeVec, Opts, Registry};

use super::{Metrics, name};

/// The ends of certificates.
pub(super) struct CertificateMetrics(IntGaugeVec);

impl CertificateMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = "Unix time at which a TLS listener's certificate expires";
        let opts = Opts::new(name("certificate_expiry_seconds"), help);
        let expiry = IntGaugeVec::new(opts, &["listener", "name"])?;
        registry.register(Box::new(expiry.clone()))?;
        Ok(Self(expiry))
    }
}

impl Metrics {
    /// Notes listener, name and end (in Unix time) of every certificate in use, and forgets all others. Of several with
    /// the same labels, the first to end counts.
    pub fn set_certificates<'a>(&self, expiries: impl Iterator<Item = (String, &'a str, u64)>) {
        let mut ends = BTreeMap::new();
        for (listener, name, end) in expiries {
            let first = ends.entry((listener, name)).or_insert(end);
            *first = end.min(*first);
        }
        let gauge = &self.certificates.0;
        gauge.reset();
        for ((listener, name), end) in ends {
            let end = i64::try_from(end).unwrap_or(i64::MAX);
            gauge.with_label_values(&[&listener, name]).set(end);
        }
    }
}
