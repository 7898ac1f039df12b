//! The memory of webhooks that the app is asked or has answered, so that none is delivered twice.
//!
//! Several webhooks of one second share their sign, so one is known by its whole query and body. It is remembered from the
//! moment that it goes to the app, and forgotten when the app does not answer with success: Chat may send it again, and
//! nothing is lost. A second of `RequestTime` is forgotten as a whole once it does not count any more.
//!
//! The memory is that of one process: another node, or the same one after a restart, does not know what was delivered.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::WebhookError;
use crate::time::UnixTime;

/// A digest of the query, from which its sign cannot be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueryDigest([u8; 32]);

/// What an identical repetition has in common with the first: a digest of query and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

/// The webhooks of the seconds that still count.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Seconds>);

#[derive(Debug, Default)]
struct Seconds {
    known: BTreeMap<UnixTime, HashSet<Fingerprint>>,
    count: usize,
}

/// A webhook that may go to the app, once. It is remembered until this is dropped, and for good once it was
/// [`taken`](Self::taken).
#[derive(Debug)]
pub struct Delivery {
    memory: Arc<Memory>,
    time: UnixTime,
    fingerprint: Fingerprint,
    end: End,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Taken,
    Failed,
}

impl QueryDigest {
    pub(super) fn of(query: &str) -> Self {
        Self(Sha256::digest(query).into())
    }
}

impl Fingerprint {
    pub(super) fn of(query: &QueryDigest, body: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(query.0).chain_update(body);
        Self(digest.finalize().into())
    }
}

impl Memory {
    /// Remembers a webhook that goes to the app now, unless an identical one has done so. What is older than `forgotten`
    /// makes room first.
    pub(super) fn begin(
        self: &Arc<Self>,
        (time, fingerprint): (UnixTime, Fingerprint),
        forgotten: UnixTime,
        capacity: NonZeroUsize,
    ) -> Result<Delivery, WebhookError> {
        let mut seconds = self.0.lock();
        seconds.forget(forgotten);
        if seconds.knows(time, &fingerprint) {
            return Err(WebhookError::Repeated);
        }
        if seconds.count >= capacity.get() {
            return Err(WebhookError::MemoryFull);
        }
        seconds.known.entry(time).or_default().insert(fingerprint);
        seconds.count += 1;
        Ok(Delivery {
            memory: Arc::clone(self),
            time,
            fingerprint,
            end: End::Open,
        })
    }
}

impl Seconds {
    fn forget(&mut self, before: UnixTime) {
        while let Some(oldest) = self.known.first_entry() {
            if *oldest.key() >= before {
                return;
            }
            self.count -= oldest.remove().len();
        }
    }

    fn knows(&self, time: UnixTime, fingerprint: &Fingerprint) -> bool {
        self.known
            .get(&time)
            .is_some_and(|known| known.contains(fingerprint))
    }

    fn remove(&mut self, time: UnixTime, fingerprint: &Fingerprint) {
        let Some(known) = self.known.get_mut(&time) else {
            return;
        };
        if known.remove(fingerprint) {
            self.count -= 1;
        }
        if known.is_empty() {
            self.known.remove(&time);
        }
    }
}

impl Delivery {
    /// The app has answered with success: an identical webhook is refused while its time counts.
    pub fn taken(&mut self) {
        if self.end == End::Open {
            self.end = End::Taken;
        }
    }

    /// The app has not answered with success: from now on an identical webhook may try again. What was taken stays so.
    pub fn failed(&mut self) {
        if self.end == End::Open {
            self.end = End::Failed;
            self.memory.0.lock().remove(self.time, &self.fingerprint);
        }
    }

    /// Whether the app has answered with success.
    pub fn is_taken(&self) -> bool {
        self.end == End::Taken
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.failed();
    }
}
