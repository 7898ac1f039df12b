//! UserSigs as Chat would judge them.

use usersig_proxy::time::UnixTime;
use usersig_proxy::usersig::SecretKey;
use usersig_proxy::usersig::decode::Decoded;

use super::tokens::now;

/// Whether the UserSig is signed with this key; one that is must also be good at this moment.
pub(crate) fn is_signed_with(key: &str, user_sig: &str) -> bool {
    let key = SecretKey::parse(key).unwrap();
    let decoded = Decoded::parse(user_sig).unwrap();
    let is_signed = decoded.is_signed_by(&key);
    let verified = decoded.verify(&key, UnixTime::from_secs(now()));
    assert_eq!(verified.is_ok(), is_signed, "{decoded:?}");
    is_signed
}
