//! Where the traces of requests go.

use std::fmt;

use crate::secret::SecretBytes;
use crate::trace_context::Follow;

/// The traces of requests.
#[derive(Clone)]
pub struct Traces {
    /// The collector's URL for traces, http or https.
    pub endpoint: String,
    /// The value of `Authorization`, where it asks for one.
    pub authorization: Option<SecretBytes>,
    /// What the traces call this program.
    pub service_name: String,
    /// Of how many traces that begin here one is recorded.
    pub one_in: u64,
    /// Whose `traceparent` counts.
    pub follow: Follow,
}

impl Traces {
    /// Whether a running process would do the same; the credential is compared as well.
    fn parts(&self) -> (&str, Option<&[u8]>, &str, u64, Follow) {
        let secret = self.authorization.as_ref().map(SecretBytes::expose);
        (
            &self.endpoint,
            secret,
            &self.service_name,
            self.one_in,
            self.follow,
        )
    }
}

impl PartialEq for Traces {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Traces {}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces")
            .field("endpoint", &self.endpoint)
            .field("authorization", &self.authorization)
            .finish_non_exhaustive()
    }
}
