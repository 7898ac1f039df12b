//! Which keys are trusted at a moment: what was handed out on the strength of a key is reconsidered when it is gone.
//!
//! A fingerprint names a key of one issuer, not its place in a key set: the same key under another `kid` is the same. It is
//! never printed, since one of a short secret could be used to guess it.

use std::fmt;
use std::ops::BitXor;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

/// The name of a key: the first half of a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyFingerprint([u8; 16]);

impl KeyFingerprint {
    /// The fingerprint of these bytes as something of this kind; a kind has no zero byte.
    pub fn of(kind: &str, bytes: &[u8]) -> Self {
        let digest = Sha256::new()
            .chain_update(kind)
            .chain_update([0])
            .chain_update(bytes);
        let digest: [u8; 32] = digest.finalize().into();
        Self(digest.first_chunk().copied().unwrap_or_default())
    }
}

impl BitXor for KeyFingerprint {
    type Output = Self;

    /// A key as the key of an issuer. Nobody can choose two pairs that meet.
    fn bitxor(self, issuer: Self) -> Self {
        let (key, issuer) = (u128::from_ne_bytes(self.0), u128::from_ne_bytes(issuer.0));
        Self((key ^ issuer).to_ne_bytes())
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyFingerprint([redacted])")
    }
}

/// All keys that tokens are verified with, numbered anew whenever they change.
#[derive(Clone)]
pub struct TrustedKeys {
    version: u64,
    keys: Vec<KeyFingerprint>,
}

impl TrustedKeys {
    /// These keys, under a number that is greater than any before.
    pub fn new(keys: Vec<KeyFingerprint>) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self {
            version: LAST.fetch_add(1, Ordering::Relaxed) + 1,
            keys,
        }
    }

    /// These keys in place of those before: under the same number when nothing has changed.
    pub fn succeeding(self, before: &Self) -> Self {
        let has_all = |one: &Self, other: &Self| other.keys.iter().all(|key| one.contains(*key));
        match has_all(&self, before) && has_all(before, &self) {
            true => before.clone(),
            false => self,
        }
    }

    /// A later list has a greater number; the same list always has the same.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether the key is one of them.
    pub fn contains(&self, key: KeyFingerprint) -> bool {
        self.keys.contains(&key)
    }
}

impl fmt::Debug for TrustedKeys {
    /// How many there are: two processes with the same keys number them differently.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedKeys({})", self.keys.len())
    }
}

/// What a session is believed by: its key, and the keys that were trusted when it was verified.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    /// The key that verified its token.
    pub key: KeyFingerprint,
    /// The list that it was found in.
    pub keys: &'a TrustedKeys,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> KeyFingerprint {
        KeyFingerprint::of("key", name.as_bytes())
    }

    fn keys(names: &[&str]) -> TrustedKeys {
        TrustedKeys::new(names.iter().map(|name| key(name)).collect())
    }

    #[test]
    fn only_a_change_gets_a_new_number() {
        let first = keys(&["a", "b"]);
        for (names, is_same) in [
            (&["a", "b"][..], true),
            (&["b", "a", "a"], true),
            (&["a"], false),
            (&["a", "b", "c"], false),
            (&["a", "c"], false),
            (&[], false),
        ] {
            let next = keys(names).succeeding(&first);
            assert_eq!(next.version() == first.version(), is_same, "{names:?}");
            assert!(is_same || next.version() > first.version(), "{names:?}");
        }
    }

    #[test]
    fn a_key_of_one_issuer_is_not_that_of_another_and_none_is_printed() {
        let [one, other] = ["one", "other"].map(key);
        assert_ne!(key("a") ^ one, key("a") ^ other);
        assert_ne!(key("a") ^ one, key("b") ^ one);
        assert_eq!(key("a") ^ one, key("a") ^ one);
        let shown = format!("{:?} {:?}", key("a"), keys(&["a"]));
        assert!(!shown.contains(&format!("{:?}", key("a").0)), "{shown}");
    }
}
