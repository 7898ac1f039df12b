//! Secret bytes: zeroized on drop, with no way to print them.
//!
//! Every use of the plain bytes goes through [`SecretBytes::expose`], so a reviewer can search for it.

use std::fmt;

use zeroize::Zeroizing;

/// Key material in memory that this program owns.
///
/// There is no `Display`, no `Serialize`, and `Debug` prints a placeholder.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes ownership of the bytes; the caller's own copies are the caller's to wipe.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The plain bytes, for the one computation that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes([redacted])")
    }
}

/// Keeps the memory of this process, which holds keys, out of core dumps, and from other processes of the same user. Where
/// the system has no such thing, nothing happens.
pub fn forbid_dumps() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // It fails for no process that asks for itself.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::{Display, LowerHex, UpperHex};
    use std::ops::Deref;

    use serde::Serialize;
    use static_assertions::{assert_impl_all, assert_not_impl_any};

    use super::*;
    use crate::identity::DigestKey;
    use crate::rest_api::sign::SignedUri;
    use crate::token::BearerToken;
    use crate::usersig::{SecretKey, UserSig};
    use crate::webhook::Tokens;

    /// Whatever would print one of these, or give its bytes away without a name to search for, does not compile. What is
    /// printed of each with `Debug` is tested beside it.
    macro_rules! assert_tells_nothing {
        ($($secret:ty),+ $(,)?) => {$(
            assert_not_impl_any!($secret: Display, LowerHex, UpperHex, Serialize, Deref, Into<String>, Into<Vec<u8>>);
            assert_not_impl_any!($secret: AsRef<[u8]>, AsRef<str>, PartialEq<str>, PartialEq<[u8]>);
        )+};
    }
    assert_tells_nothing!(
        SecretBytes,
        SecretKey,
        UserSig,
        BearerToken,
        SignedUri,
        DigestKey,
        Tokens
    );

    // An HMAC's state is that of its hash.
    assert_impl_all!(sha2::block_api::Sha256VarCore: zeroize::ZeroizeOnDrop);

    #[test]
    fn debug_shows_nothing_of_the_bytes() {
        let secret = SecretBytes::new(b"correct horse".to_vec());
        assert_eq!(format!("{secret:?}"), "SecretBytes([redacted])");
        assert_eq!(secret.expose(), b"correct horse");
    }
}
