//! An observer that does what the server does: swaps the keys of a verifier and counts.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::signer::{NOW, Signer};
use crate::key_source::{Observer, Refresh};
use crate::token::TokenError;
use crate::token::keys::{Algorithm, KeySet};
use crate::token::verify::{Fractions, TokenIssuer, Verifier};

pub(crate) struct Recorder {
    verifier: Mutex<Verifier>,
    published: Mutex<usize>,
    events: watch::Sender<Vec<String>>,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        let issuer = TokenIssuer {
            name: "app".to_owned(),
            issuer: None,
            audience: vec![],
            algorithms: vec![Algorithm::EdDsa],
            keys: KeySet::unavailable(),
            fractions: Fractions::Refuse,
        };
        let day = Duration::from_secs(86_400);
        Arc::new(Self {
            verifier: Mutex::new(Verifier::new(vec![issuer], Duration::ZERO, day).unwrap()),
            published: Mutex::new(0),
            events: watch::Sender::new(vec![]),
        })
    }

    pub(crate) fn verify(&self, signer: &Signer) -> Result<(), TokenError> {
        let verdict = self.verifier.lock().verify(&signer.token(), NOW);
        verdict.map(drop)
    }

    pub(crate) fn published(&self) -> usize {
        *self.published.lock()
    }

    pub(crate) fn events(&self) -> Vec<String> {
        self.events.borrow().clone()
    }

    /// Waits until `count` fetches ended or sets expired, and tells what became of the last of them.
    pub(crate) async fn event(&self, count: usize) -> String {
        let mut events = self.events.subscribe();
        let events = events.wait_for(|events| events.len() >= count).await;
        events.unwrap()[count - 1].clone()
    }
}

impl Observer for Recorder {
    fn publish(&self, issuer: usize, keys: KeySet) {
        *self.published.lock() += 1;
        let mut verifier = self.verifier.lock();
        *verifier = verifier.with_keys(issuer, keys);
    }

    fn refreshed(&self, _issuer: usize, name: &str, refresh: Refresh<'_>) {
        assert_eq!(name, "app");
        let event = match refresh {
            Refresh::Loaded { changed: true, .. } => "changed",
            Refresh::Loaded { changed: false, .. } => "same",
            Refresh::Failed(error) => error.reason(),
            Refresh::Expired => "expired",
        };
        self.events
            .send_modify(|events| events.push(event.to_owned()));
    }
}
