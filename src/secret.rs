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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_bytes() {
        let secret = SecretBytes::new(b"correct horse".to_vec());
        assert_eq!(format!("{secret:?}"), "SecretBytes([redacted])");
        assert_eq!(secret.expose(), b"correct horse");
    }
}
