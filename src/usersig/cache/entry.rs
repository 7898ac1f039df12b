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
use crate::usersig::{IssuedUserSig, UserSig};

/// The UserSigs of one user.
pub(super) struct Entry {
    epoch: Epoch,
    last: Kept,
    /// Issued before the last one, for sessions that end at other times. Few users have any.
    others: Option<Box<Others>>,
}

struct Others {
    kept: Vec<Kept>,
}

/// A UserSig and whose word it was issued on. There is one for each user: eight bytes more are eight megabytes more.
struct Kept {
    user_sig: UserSig,
    /// Unix seconds, for which `TLS.time` has 32 bits.
    issued_at: u32,
    /// Seconds.
    lifetime: u32,
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
            others: None,
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
        let last_date = self.all().map(Kept::issued_at).max();
        Standing::Superseded {
            after: last_date.filter(|_| is_same_key),
        }
    }

    /// Of those that may be handed out, the one that ends last.
    pub(super) fn find(&mut self, terms: &Terms, trust: Trust<'_>) -> Option<IssuedUserSig> {
        let others = self.others.iter_mut().flat_map(|others| &mut others.kept);
        let found = iter::once(&mut self.last)
            .chain(others)
            .filter(|kept| terms.admit(kept.issued_at(), kept.expires_at()))
            .filter(|kept| kept.is_trusted(trust))
            .max_by_key(|kept| kept.expires_at())?;
        found.hand_out(trust);
        Some(found.issued())
    }

    /// The last date of those whose key is gone.
    pub(super) fn last_distrusted(&self, trust: Trust<'_>) -> Option<UnixTime> {
        let distrusted = self.all().filter(|kept| !kept.is_trusted(trust));
        distrusted.map(Kept::issued_at).max()
    }

    /// Takes in what was issued for this request. Of a user's earlier UserSigs, that which ends soonest leaves first.
    pub(super) fn add(&mut self, issued: &IssuedUserSig, signing: &Signing<'_>, now: UnixTime) {
        let (epoch, trust) = (Epoch::of(signing), signing.trust);
        let before = std::mem::replace(&mut self.last, Kept::new(issued, trust));
        if epoch != self.epoch || signing.session_end.is_none() {
            self.epoch = epoch;
            self.others = None;
            return;
        }
        let kept = &mut self.others.get_or_insert_with(Others::none).kept;
        kept.push(before);
        kept.retain(|kept| kept.is_trusted(trust) && !is_dated_ahead(kept.issued_at(), now));
        if kept.len() >= MAX_USER_SIGS {
            let ends = kept.iter().enumerate();
            let soonest = ends.min_by_key(|(_, kept)| kept.expires_at());
            let soonest = soonest.map_or(0, |(index, _)| index);
            kept.swap_remove(soonest);
        }
    }

    fn all(&self) -> impl Iterator<Item = &Kept> {
        let others = self.others.iter().flat_map(|others| &others.kept);
        iter::once(&self.last).chain(others)
    }
}

impl Others {
    fn none() -> Box<Self> {
        Box::new(Self { kept: Vec::new() })
    }
}

impl Kept {
    fn new(issued: &IssuedUserSig, trust: Trust<'_>) -> Self {
        let lifetime = issued.expires_at.saturating_since(issued.issued_at);
        // Neither is cut: nothing is issued beyond what a UserSig can hold.
        Self {
            user_sig: issued.user_sig.clone(),
            issued_at: u32::try_from(issued.issued_at.as_secs()).unwrap_or(u32::MAX),
            lifetime: u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX),
            key: Some(trust.key),
            trusted_in: trust.keys.version(),
        }
    }

    fn issued(&self) -> IssuedUserSig {
        IssuedUserSig {
            user_sig: self.user_sig.clone(),
            issued_at: self.issued_at(),
            expires_at: self.expires_at(),
        }
    }

    fn issued_at(&self) -> UnixTime {
        UnixTime::from_secs(u64::from(self.issued_at))
    }

    fn expires_at(&self) -> UnixTime {
        UnixTime::from_secs(u64::from(self.issued_at) + u64::from(self.lifetime))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::UserId;

    /// What the list allocates for a user: the key, the entry and two links, in the allocator's class of 128 bytes.
    #[test]
    fn a_user_takes_128_bytes_beside_the_usersig() {
        let links = 2 * size_of::<usize>();
        assert!(size_of::<UserId>() + size_of::<Entry>() + links <= 128);
    }
}
