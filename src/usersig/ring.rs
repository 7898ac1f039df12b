//! The keys of one application by name: one signs, the others are known.
//!
//! A key is changed in two steps, so that nothing signed by either is taken for a forgery in between: the new one is listed
//! as `next` wherever UserSigs are looked at, then made `active`, and the old one `retired`. Only [`KeyRing::active`]
//! ever signs.

use std::fmt;

use super::SecretKey;
use super::decode::Decoded;

/// A key with the name that its owner gave it.
#[derive(Clone, Debug)]
pub struct NamedKey {
    /// Its name; none where there is only one key.
    pub id: Option<String>,
    /// The key.
    pub key: SecretKey,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It signs.
    Active,
    /// It will sign, and another node may do so already.
    Next,
    /// It has signed.
    Retired,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Next => "next",
            Self::Retired => "retired",
        })
    }
}

/// The keys of one application; exactly one is active.
#[derive(Clone, Debug)]
pub struct KeyRing {
    active: NamedKey,
    standby: Vec<(NamedKey, KeyState)>,
}

impl KeyRing {
    /// A ring of these keys; `None` unless exactly one is active.
    pub fn new(keys: Vec<(NamedKey, KeyState)>) -> Option<Self> {
        let (mut active, standby): (Vec<_>, Vec<_>) = keys
            .into_iter()
            .partition(|(_, state)| *state == KeyState::Active);
        let (key, _) = active.pop()?;
        active.is_empty().then_some(Self {
            active: key,
            standby,
        })
    }

    /// The key that signs users and the administrator.
    pub fn active(&self) -> &SecretKey {
        &self.active.key
    }

    /// The key that signed this, and what it is for; `None` is a stranger's.
    pub fn signer_of(&self, decoded: &Decoded) -> Option<(&NamedKey, KeyState)> {
        let standby = self.standby.iter().map(|(key, state)| (key, *state));
        [(&self.active, KeyState::Active)]
            .into_iter()
            .chain(standby)
            .find(|(named, _)| decoded.is_signed_by(&named.key))
    }
}

impl From<SecretKey> for KeyRing {
    /// A ring of one key without a name.
    fn from(key: SecretKey) -> Self {
        Self {
            active: NamedKey { id: None, key },
            standby: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::identity::{ReservedNames, UserId};
    use crate::time::UnixTime;
    use crate::usersig::{Issuer, Lifetime, SdkAppId};

    fn named(id: &str) -> NamedKey {
        NamedKey {
            id: Some(id.to_owned()),
            key: key(id),
        }
    }

    fn key(id: &str) -> SecretKey {
        SecretKey::parse(&format!("{id}-{}", "k".repeat(40))).unwrap()
    }

    fn signed_by(id: &str) -> Decoded {
        let lifetime = Lifetime::new(Duration::from_secs(600)).unwrap();
        let issuer = Issuer::new(SdkAppId::new(1_400_000_000).unwrap(), key(id), lifetime);
        let user = UserId::parse("27149", &ReservedNames::default()).unwrap();
        let issued = issuer.issue(&user, UnixTime::from_secs(1_700_000_000));
        Decoded::parse(issued.unwrap().user_sig.expose()).unwrap()
    }

    #[test]
    fn a_ring_tells_which_key_signed_and_what_it_is_for() {
        let ring = KeyRing::new(vec![
            (named("a"), KeyState::Retired),
            (named("b"), KeyState::Active),
            (named("c"), KeyState::Next),
        ]);
        let ring = ring.unwrap();
        for (id, state) in [
            ("a", Some(KeyState::Retired)),
            ("b", Some(KeyState::Active)),
            ("c", Some(KeyState::Next)),
            ("d", None),
        ] {
            let decoded = signed_by(id);
            let found = ring.signer_of(&decoded);
            let found = found.map(|(key, state)| (key.id.as_deref().unwrap(), state));
            assert_eq!(found, state.map(|state| (id, state)));
        }
        assert!(ring.active().is_same_as(&key("b")));
        assert!(!ring.active().is_same_as(&key("c")));
        assert!(!format!("{ring:?}").contains("kkk"));
    }

    #[test]
    fn a_ring_has_exactly_one_active_key() {
        use KeyState::{Active, Next, Retired};
        for (states, good) in [
            (&[][..], false),
            (&[Next, Retired], false),
            (&[Active, Next, Active], false),
            (&[Next, Active], true),
            (&[Active], true),
        ] {
            let ids = ["a", "b", "c"].map(named).into_iter();
            let keys = ids.zip(states.iter().copied()).collect();
            assert_eq!(KeyRing::new(keys).is_some(), good, "{states:?}");
        }
    }
}
