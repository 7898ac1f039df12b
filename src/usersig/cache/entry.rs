//! What the cache knows of one user: the UserSigs that count, and under what they were issued.
//!
//! One UserSig is enough while it may outlive its session. Otherwise sessions that end at different times each need one
//! that ends in time, and alternating between them must not make a new one each time: so a few are kept. Within a factor
//! of two in what they have left, sessions share one.

use std::iter;

use super::{KeyVersion, Signing, Terms, is_dated_ahead};
use crate::time::UnixTime;
use crate::usersig::IssuedUserSig;

/// The UserSigs of one user.
pub(super) struct Entry {
    epoch: Epoch,
    last: IssuedUserSig,
    /// Issued before the last one, for sessions that end at other times.
    others: Vec<IssuedUserSig>,
}

/// Under what a UserSig was issued; a later one is greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Epoch {
    key_version: KeyVersion,
    generation: u64,
}

/// How an entry stands to a request.
pub(super) enum Standing {
    /// It is of a later generation or key than the request knows of.
    Late,
    /// It is of an earlier one; where the key is the same, the next UserSig is dated after this moment.
    Superseded {
        /// The last date that was given.
        after: Option<UnixTime>,
    },
    /// It is of the same.
    Current,
}

impl Entry {
    pub(super) fn new(issued: &IssuedUserSig, signing: &Signing<'_>) -> Self {
        Self {
            epoch: Epoch::of(signing),
            last: issued.clone(),
            others: Vec::new(),
        }
    }

    pub(super) fn standing(&self, signing: &Signing<'_>) -> Standing {
        let epoch = Epoch::of(signing);
        if self.epoch > epoch {
            return Standing::Late;
        }
        if self.epoch == epoch {
            return Standing::Current;
        }
        // Another key makes another text, whatever the date.
        let is_same_key = self.epoch.key_version == epoch.key_version;
        let last_date = self.all().map(|issued| issued.issued_at).max();
        Standing::Superseded {
            after: last_date.filter(|_| is_same_key),
        }
    }

    /// Of those that may be handed out, the one that ends last.
    pub(super) fn find(&self, terms: &Terms) -> Option<&IssuedUserSig> {
        self.all()
            .filter(|issued| terms.admit(issued))
            .max_by_key(|issued| issued.expires_at)
    }

    /// Takes in what was issued for this request. Of a session's earlier UserSigs, those that end soonest leave first.
    pub(super) fn add(&mut self, issued: &IssuedUserSig, signing: &Signing<'_>, now: UnixTime) {
        let epoch = Epoch::of(signing);
        let before = std::mem::replace(&mut self.last, issued.clone());
        if epoch != self.epoch || signing.session_end.is_none() {
            self.epoch = epoch;
            self.others = Vec::new();
            return;
        }
        self.others.push(before);
        self.others.retain(|other| !is_dated_ahead(other, now));
        if self.others.len() >= MAX_USER_SIGS {
            let soonest = self.others.iter().enumerate();
            let soonest = soonest.min_by_key(|(_, other)| other.expires_at);
            soonest
                .map(|(index, _)| index)
                .map(|index| self.others.swap_remove(index));
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &IssuedUserSig> {
        iter::once(&self.last).chain(&self.others)
    }
}

impl Epoch {
    fn of(signing: &Signing<'_>) -> Self {
        Self {
            key_version: signing.key_version,
            generation: signing.generation.number,
        }
    }
}

/// With this many, a user's sessions may differ by a factor of 16 in what they have left and still share.
const MAX_USER_SIGS: usize = 4;
