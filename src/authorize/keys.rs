//! The keys of issuers while they change: put in place of the old ones, and asked for when a token needs another.

use super::{Authorizer, Parts};
use crate::token::keys::KeySet;
use crate::token::verify::WantedKey;

impl Authorizer {
    /// Verifies the tokens of `issuer` with these keys from now on. Requests that are being judged see the old or the
    /// new ones; an index without an issuer changes nothing.
    pub fn replace_keys(&self, issuer: usize, keys: &KeySet) {
        self.verifier
            .rcu(|verifier| verifier.with_keys(issuer, keys.clone()));
    }

    /// Which key the token of a request asks for, by what it says unverified: for fetching it, no more.
    pub fn wanted_key(&self, parts: &Parts<'_>) -> Option<WantedKey> {
        let extracted = self.extract(parts).ok().flatten()?;
        self.verifier.load().wanted_key(&extracted.token)
    }
}
