//! What the cache knows of one user: the UserSigs that count, and under what they were issued.
//!
//! One UserSig is enough while it may outlive its session. Otherwise sessions that end at different times each need one
//! that ends in time, and alternating between them must not make a new one each time: so a few are kept. Within a factor
//! of two in what they have left, sessions share one.
//!
//! Each remembers the key that verified the session it was issued for. When the trusted keys change it counts on only if
//! that key is still one of them. One that sessions of several keys were given counts until the next change.

use std::iter;

use super::{KeyVersion, Signing, Terms, is_dated_ahead};
use crate::time::UnixTime;
use crate::token::keys::trust::{KeyFingerprint, Trust};
use crate::usersig::IssuedUserSig;

/// The UserSigs of one user.
pub(super) struct Entry {
    epoch: Epoch,
    last: Kept,
    /// Issued before the last one, for sessions that end at other times.
    others: Vec<Kept>,
}

/// A UserSig and whose word it was issued on.
struct Kept {
    issued: IssuedUserSig,
    /// `None`: of more than one.
    key: Option<KeyFingerprint>,
    /// The trusted keys under which it counted last.
    trusted_in: u64,
}

/// Under what a UserSig was issued; a later one is greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Epoch {
    key_version: KeyVersion,
    generation: u64,
}

/// How an entry stands to a request.
pub(super) enum Standing {
    /// It is of a later generation, or of later keys, than the request knows of.
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
            last: Kept::new(issued, signing.trust),
            others: Vec::new(),
        }
    }

    pub(super) fn standing(&self, signing: &Signing<'_>) -> Standing {
        let epoch = Epoch::of(signing);
        let version = signing.trust.keys.version();
        if self.epoch > epoch || self.all().any(|kept| kept.trusted_in > version) {
            return Standing::Late;
        }
        if self.epoch == epoch {
            return Standing::Current;
        }
        // Another key makes another text, whatever the date.
        let is_same_key = self.epoch.key_version == epoch.key_version;
        let last_date = self.all().map(|kept| kept.issued.issued_at).max();
        Standing::Superseded {
            after: last_date.filter(|_| is_same_key),
        }
    }

    /// Of those that may be handed out, the one that ends last.
    pub(super) fn find(&mut self, terms: &Terms, trust: Trust<'_>) -> Option<IssuedUserSig> {
        let found = iter::once(&mut self.last)
            .chain(&mut self.others)
            .filter(|kept| terms.admit(&kept.issued) && kept.is_trusted(trust))
            .max_by_key(|kept| kept.issued.expires_at)?;
        found.hand_out(trust);
        Some(found.issued.clone())
    }

    /// The last date of those whose key is gone.
    pub(super) fn last_distrusted(&self, trust: Trust<'_>) -> Option<UnixTime> {
        let distrusted = self.all().filter(|kept| !kept.is_trusted(trust));
        distrusted.map(|kept| kept.issued.issued_at).max()
    }

    /// Takes in what was issued for this request. Of a user's earlier UserSigs, that which ends soonest leaves first.
    pub(super) fn add(&mut self, issued: &IssuedUserSig, signing: &Signing<'_>, now: UnixTime) {
        let (epoch, trust) = (Epoch::of(signing), signing.trust);
        let before = std::mem::replace(&mut self.last, Kept::new(issued, trust));
        if epoch != self.epoch || signing.session_end.is_none() {
            self.epoch = epoch;
            self.others = Vec::new();
            return;
        }
        self.others.push(before);
        self.others
            .retain(|kept| kept.is_trusted(trust) && !is_dated_ahead(&kept.issued, now));
        if self.others.len() >= MAX_USER_SIGS {
            let others = self.others.iter().enumerate();
            let soonest = others.min_by_key(|(_, kept)| kept.issued.expires_at);
            let soonest = soonest.map_or(0, |(index, _)| index);
            self.others.swap_remove(soonest);
        }
    }

    fn all(&self) -> impl Iterator<Item = &Kept> {
        iter::once(&self.last).chain(&self.others)
    }
}

impl Kept {
    fn new(issued: &IssuedUserSig, trust: Trust<'_>) -> Self {
        Self {
            issued: issued.clone(),
            key: Some(trust.key),
            trusted_in: trust.keys.version(),
        }
    }

    fn is_trusted(&self, trust: Trust<'_>) -> bool {
        self.trusted_in == trust.keys.version()
            || self.key.is_some_and(|key| trust.keys.contains(key))
    }

    fn hand_out(&mut self, trust: Trust<'_>) {
        self.key = self.key.filter(|key| *key == trust.key);
        self.trusted_in = trust.keys.version();
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

#[cfg(test)]
impl Entry {
    pub(super) fn len(&self) -> usize {
        self.all().count()
    }
}
