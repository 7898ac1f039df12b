//! UserSig: the signed password with which a Chat SDK logs in.
//!
//! [`Issuer`] makes one for a [`UserId`]; the types guard what may go in. [`encode`] and [`decode`] are the raw codec of
//! the format (UserSig version 2 of Tencent's `tls-sig-api-v2` packages) and take any identifier; [`cache`] keeps one
//! UserSig a user until it must be renewed; [`ring`] knows the keys of an application by name; [`room`] builds the buffer of
//! a TRTC PrivateMapKey.
//! Nothing here knows of HTTP, tokens or clocks.

pub mod cache;
pub mod decode;
mod deflate;
pub mod encode;
pub mod ring;
pub mod room;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::identity::UserId;
use crate::time::UnixTime;
use encode::Fields;

/// The number Tencent gives an application (`SDKAppID`); never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SdkAppId(NonZeroU32);

impl SdkAppId {
    /// Takes a positive number; `None` for 0.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The number as it stands in `TLS.sdkappid`.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for SdkAppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The application's secret key, ready to sign.
///
/// The key is the text that the console shows: its ASCII characters are the HMAC key, not the bytes that the hexadecimal
/// digits spell. Only the keyed HMAC state is kept, in one place that clones share; it is wiped with the last of them, and
/// nothing prints it.
#[derive(Clone)]
pub struct SecretKey(Arc<Hmac<Sha256>>);

/// Why a text cannot be the secret key. No variant carries any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretKeyError {
    /// Nothing there.
    #[error("the key is empty")]
    Empty,
    /// A PEM block: the key pair of a UserSig before version 2.
    #[error(
        "this is a PEM key of the older ECDSA signatures; UserSig needs the HMAC key that the console shows under \
         Basic Information, 64 hexadecimal characters"
    )]
    Pem,
    /// Fewer characters than anybody should sign with.
    #[error("the key has fewer than {MIN_KEY_CHARACTERS} characters; the console shows 64")]
    TooShort,
    /// White space or a character outside printable ASCII.
    #[error("the key holds white space or a character outside printable ASCII")]
    BadCharacter,
}

impl SecretKey {
    /// Parses the key as the console shows it.
    pub fn parse(text: &str) -> Result<Self, SecretKeyError> {
        if text.is_empty() {
            return Err(SecretKeyError::Empty);
        }
        if text.contains("-----BEGIN") {
            return Err(SecretKeyError::Pem);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretKeyError::BadCharacter);
        }
        if text.len() < MIN_KEY_CHARACTERS {
            return Err(SecretKeyError::TooShort);
        }
        Hmac::new_from_slice(text.as_bytes())
            .map(|mac| Self(Arc::new(mac)))
            .map_err(|_| SecretKeyError::BadCharacter)
    }

    /// Whether both sign alike; takes the same time for any two keys.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.verifies(PROBE, &other.sign(PROBE))
    }

    /// HMAC-SHA256 of `text` under this key.
    fn sign(&self, text: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::clone(&self.0);
        mac.update(text);
        mac.finalize().into_bytes().0
    }

    /// Whether `mac` is the HMAC-SHA256 of `text`, compared in constant time.
    fn verifies(&self, text: &[u8], mac: &[u8]) -> bool {
        let mut own = Hmac::clone(&self.0);
        own.update(text);
        own.verify_slice(mac).is_ok()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey([redacted])")
    }
}

/// How long a new UserSig is valid: 1 to 4,294,967,295 whole seconds (`TLS.expire`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(NonZeroU32);

/// Why a duration cannot be a lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifetimeError {
    /// Less than a second: such a UserSig is refused by Chat with 70001 from the start.
    #[error("a UserSig must be valid for at least one second")]
    Zero,
    /// More seconds than the 32 bits of the field hold.
    #[error("a UserSig is valid for at most 4294967295 seconds")]
    TooLong,
}

impl Lifetime {
    /// What an administrator's UserSig lives: ten minutes, enough for any call and too short to be worth stealing.
    pub(crate) const ADMIN: Self = match NonZeroU32::new(600) {
        Some(seconds) => Self(seconds),
        None => panic!("not zero"),
    };

    /// Takes whole seconds; a fraction is cut off.
    pub fn new(duration: Duration) -> Result<Self, LifetimeError> {
        let seconds = u32::try_from(duration.as_secs()).map_err(|_| LifetimeError::TooLong)?;
        NonZeroU32::new(seconds)
            .map(Self)
            .ok_or(LifetimeError::Zero)
    }

    /// The lifetime in seconds.
    pub fn as_secs(self) -> u32 {
        self.0.get()
    }

    /// The same, cut to `duration` where that is shorter; `None` when that is less than a second.
    pub fn cut_to(self, duration: Duration) -> Option<Self> {
        match Self::new(duration) {
            Ok(shorter) => Some(Self(self.0.min(shorter.0))),
            Err(LifetimeError::TooLong) => Some(self),
            Err(LifetimeError::Zero) => None,
        }
    }
}

/// An encoded UserSig. Whoever holds one can log in as its user.
///
/// Letters, digits, `*`, `-` and `_` only, so it needs no quoting in a header, cookie or JSON string. `Debug` prints a
/// placeholder; the text is shared between clones and wiped with the last one.
#[derive(Clone, PartialEq, Eq)]
pub struct UserSig(Arc<Zeroizing<Box<str>>>);

impl UserSig {
    fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text.into_boxed_str())))
    }

    /// The text, for the one place that hands it to its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserSig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserSig([redacted])")
    }
}

/// A UserSig with the moments between which Chat accepts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedUserSig {
    /// What the SDK logs in with.
    pub user_sig: UserSig,
    /// `TLS.time`.
    pub issued_at: UnixTime,
    /// The last second in which it is valid: `TLS.time + TLS.expire`.
    pub expires_at: UnixTime,
}

/// Why nothing was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The clock stands beyond 2106-02-07, which the 32 bits of `TLS.time` do not hold.
    #[error("the clock is beyond what a UserSig can hold")]
    ClockOutOfRange,
}

/// Signs UserSigs for one application with one key and one lifetime.
#[derive(Clone, Debug)]
pub struct Issuer {
    sdk_app_id: SdkAppId,
    key: SecretKey,
    lifetime: Lifetime,
}

impl Issuer {
    /// An issuer for the application that owns `key`.
    pub fn new(sdk_app_id: SdkAppId, key: SecretKey, lifetime: Lifetime) -> Self {
        Self {
            sdk_app_id,
            key,
            lifetime,
        }
    }

    /// The application.
    pub fn sdk_app_id(&self) -> SdkAppId {
        self.sdk_app_id
    }

    /// Whether both sign for the same application with the same key.
    pub fn signs_like(&self, other: &Self) -> bool {
        self.sdk_app_id == other.sdk_app_id && self.key.is_same_as(&other.key)
    }

    /// How long a new UserSig is valid.
    pub fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// Signs a UserSig for `user` that is valid from `now`.
    pub fn issue(&self, user: &UserId, now: UnixTime) -> Result<IssuedUserSig, IssueError> {
        self.sign(user, None, now, self.lifetime)
    }

    /// The same with another lifetime.
    pub fn issue_for(
        &self,
        user: &UserId,
        now: UnixTime,
        lifetime: Lifetime,
    ) -> Result<IssuedUserSig, IssueError> {
        self.sign(user, None, now, lifetime)
    }

    /// Signs a TRTC PrivateMapKey: a UserSig that also carries the right to enter `room`.
    pub fn issue_private_map_key(
        &self,
        user: &UserId,
        room: &room::Room,
        privileges: room::Privileges,
        now: UnixTime,
    ) -> Result<IssuedUserSig, IssueError> {
        let time = tls_time(now)?;
        let buffer = room::RoomBuffer {
            account: user.as_str(),
            sdk_app_id: self.sdk_app_id.get(),
            room,
            expires_at: time.saturating_add(self.lifetime.as_secs()),
            privileges,
        };
        self.sign(user, Some(&buffer.encode()), now, self.lifetime)
    }

    fn sign(
        &self,
        user: &UserId,
        userbuf: Option<&[u8]>,
        now: UnixTime,
        lifetime: Lifetime,
    ) -> Result<IssuedUserSig, IssueError> {
        let fields = Fields {
            identifier: user.as_str(),
            sdk_app_id: self.sdk_app_id.get(),
            time: tls_time(now)?,
            expire: lifetime.as_secs(),
            userbuf,
        };
        Ok(IssuedUserSig {
            user_sig: fields.encode(&self.key),
            issued_at: now,
            expires_at: now.saturating_add(Duration::from_secs(lifetime.as_secs().into())),
        })
    }
}

/// Any text will do: keys that sign it alike are the same.
const PROBE: &[u8] = b"usersig-proxy: is this the same key?";
/// Half of what the console shows: no real key is shorter, and a mistaken file or variable often is.
const MIN_KEY_CHARACTERS: usize = 32;

fn tls_time(now: UnixTime) -> Result<u32, IssueError> {
    u32::try_from(now.as_secs()).map_err(|_| IssueError::ClockOutOfRange)
}

#[cfg(test)]
mod tests;
