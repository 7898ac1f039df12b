//! The sign of a webhook: SHA-256 of a token followed by the time as text, without a separator and without a MAC.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sha2::{Digest, Sha256};

use crate::secret::SecretBytes;
use crate::time::UnixTime;

/// The tokens of which one has signed: several while one takes the place of another.
#[derive(Clone, Debug)]
pub struct Tokens(Vec<SecretBytes>);

/// The digest that a query gives as its sign.
pub(super) struct Sign([u8; 32]);

impl Tokens {
    /// The tokens as they stand in the console; without any, nothing is signed.
    pub fn new(tokens: Vec<SecretBytes>) -> Self {
        Self(tokens)
    }

    /// Whether one of the tokens gives this sign. All are tried, and each is compared in constant time.
    pub(super) fn signed(&self, sign: &Sign, time: UnixTime) -> bool {
        let matches = |token| verify_slices_are_equal(&sign_with(token, time), &sign.0).is_ok();
        self.0
            .iter()
            .fold(false, |found, token| found | matches(token))
    }
}

impl Sign {
    /// Reads 64 lower-case hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        if text.len() != 2 * digest.len() {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = 16 * digit(*high)? + digit(*low)?;
        }
        Some(Self(digest))
    }
}

fn sign_with(token: &SecretBytes, time: UnixTime) -> [u8; 32] {
    Sha256::new()
        .chain_update(token.expose())
        .chain_update(time.to_string())
        .finalize()
        .into()
}

fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    }
}
