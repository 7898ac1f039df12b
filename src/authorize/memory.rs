//! The memory of stages 4 to 6: a token that was judged once is known again by its digest.
//!
//! ```text
//! SHA-256( whole token ) ─▶ what was verified, whose UserID it is      only of tokens that passed, never a claim or credential
//! ```
//!
//! The whole digest is the key and is compared, so no two tokens can be confused. What depends on the time or on logouts is
//! asked again for each request; what depends on the configuration and the issuers' keys counts as long as both are those
//! under which the token was judged ([`Edition`]). Bounded in bytes, grows as it fills, and is split into shards whose locks
//! are held for a look-up or an insertion only: what must leave does so one at a time.

use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lru::LruCache;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::Authorizer;
use crate::identity::UserId;
use crate::token::BearerToken;
use crate::token::verify::VerifiedToken;

/// Tokens that were judged, by their digest.
pub(super) struct TokenMemory {
    shards: Box<[Mutex<Shard>]>,
    /// How many bytes a shard may take.
    share: usize,
    evicted: AtomicU64,
}

/// The SHA-256 of a whole token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TokenDigest([u8; 32]);

/// What was found out about a token.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) verified: Arc<VerifiedToken>,
    pub(super) user_id: UserId,
    /// Under what it was found out.
    pub(super) edition: Edition,
}

/// Under which configuration, and which keys of the issuers, a token was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edition {
    /// One for each authorizer of the process.
    pub(super) authorizer: u64,
    /// The version of its verifier.
    pub(super) verifier: u64,
}

#[derive(Default)]
struct Shard {
    tokens: Option<Tokens>,
    bytes: usize,
}

type Tokens = LruCache<TokenDigest, Known, BuildHasherDefault<FirstBytes>>;

impl TokenDigest {
    pub(super) fn of(token: &BearerToken) -> Self {
        Self(Sha256::digest(token.expose()).into())
    }

    /// A digest that no token is known for.
    #[cfg(test)]
    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::hash::Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest([redacted])")
    }
}

/// Takes the first bytes of a digest for its hash. They are as good as random, and only the digests of verified tokens are
/// kept: nobody can fill a bucket.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl TokenMemory {
    /// A memory that takes about so many bytes when it is full; with 0 it remembers nothing.
    pub(super) fn new(bytes: usize) -> Self {
        let shards = if bytes == 0 { 0 } else { SHARDS };
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            share: bytes / SHARDS,
            evicted: AtomicU64::new(0),
        }
    }

    /// An empty one of another size that goes on counting what has left.
    pub(super) fn succeeded_by(&self, bytes: usize) -> Self {
        Self {
            evicted: AtomicU64::new(self.evicted()),
            ..Self::new(bytes)
        }
    }

    /// What is known of a token, if it was found out under this edition.
    pub(super) fn find(&self, digest: &TokenDigest, edition: Edition) -> Option<Known> {
        let mut shard = self.shard(digest)?.lock();
        let known = shard.tokens.as_mut()?.get(digest)?;
        (known.edition == edition).then(|| known.clone())
    }

    /// Remembers a token in place of what was known of it. What was not asked for longest leaves.
    pub(super) fn insert(&self, digest: TokenDigest, known: Known) {
        let Some(shard) = self.shard(&digest) else {
            return;
        };
        let bytes = known.bytes();
        if bytes > self.share {
            return;
        }
        // Freed once the lock is.
        let mut gone = Vec::new();
        let mut guard = shard.lock();
        let Shard {
            tokens,
            bytes: used,
        } = &mut *guard;
        let tokens =
            tokens.get_or_insert_with(|| LruCache::unbounded_with_hasher(Default::default()));
        *used += bytes;
        if let Some(before) = tokens.put(digest, known) {
            *used = used.saturating_sub(before.bytes());
            gone.push(before);
        }
        while *used > self.share {
            let Some((_, oldest)) = tokens.pop_lru() else {
                break;
            };
            *used = used.saturating_sub(oldest.bytes());
            self.evicted.fetch_add(1, Ordering::Relaxed);
            gone.push(oldest);
        }
        drop(guard);
    }

    /// How many tokens are remembered, and about how many bytes they take.
    pub(super) fn size(&self) -> (usize, usize) {
        let sizes = self.shards.iter().map(|shard| {
            let shard = shard.lock();
            (shard.tokens.as_ref().map_or(0, LruCache::len), shard.bytes)
        });
        sizes.fold((0, 0), |(tokens, bytes), (more, their)| {
            (tokens + more, bytes + their)
        })
    }

    /// How many left before their time.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    fn shard(&self, digest: &TokenDigest) -> Option<&Mutex<Shard>> {
        let last = digest.0.last().copied().unwrap_or(0);
        self.shards.get(usize::from(last) % SHARDS)
    }
}

impl Authorizer {
    /// The tokens that are in the memory of verified tokens now, and about how many bytes they take.
    pub fn remembered_tokens(&self) -> (usize, usize) {
        self.memory.size()
    }

    /// How many tokens left that memory, since it was made, for others.
    pub fn forgotten_tokens(&self) -> u64 {
        self.memory.evicted()
    }
}

impl Known {
    /// What an entry takes: itself, the node of the list with its place in the table, and the allocations of both.
    fn bytes(&self) -> usize {
        let jti = self.verified.jti().map_or(0, |jti| jti.len() + ALLOCATION);
        ENTRY + jti
    }
}

impl Edition {
    /// The next number for an authorizer.
    pub(super) fn next_authorizer() -> u64 {
        static LAST: AtomicU64 = AtomicU64::new(0);
        LAST.fetch_add(1, Ordering::Relaxed) + 1
    }
}

const SHARDS: usize = 64;
/// What an allocator rounds up, on average.
const ALLOCATION: usize = 16;
/// A slot of the hash table, which is seven eighths full at most, with its control byte.
const SLOT: usize = 32;
const ENTRY: usize = size_of::<TokenDigest>()
    + size_of::<Known>()
    + 2 * size_of::<usize>()
    + size_of::<VerifiedToken>()
    + 2 * size_of::<usize>()
    + 2 * ALLOCATION
    + SLOT;
