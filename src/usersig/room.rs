//! The buffer inside a TRTC PrivateMapKey: which room its holder may enter, and what he may do there.
//!
//! Chat does not need it. All numbers are big-endian (`tls-sig-api-v2`, method `genPrivateMapKey`):
//!
//! ```text
//! version 1 | account length 2 | account n | SDKAppID 4 | room number 4 | expiry 4 | privileges 4 | account type 4
//! | room length 2 | room m        <- only in version 1, for a room with a text name
//! ```
//!
//! The expiry here is an absolute time, while `TLS.expire` beside it stays a duration.

/// The room a PrivateMapKey is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Room {
    /// A room with a number.
    Number(u32),
    /// A room with a text name.
    Name(RoomName),
}

/// A room's text name: 1 to 65,535 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomName(String);

impl RoomName {
    /// Takes a name that fits the two length bytes; `None` when it is empty or longer.
    pub fn new(name: String) -> Option<Self> {
        let fits = !name.is_empty() && u16::try_from(name.len()).is_ok();
        fits.then_some(Self(name))
    }
}

/// What the holder may do in the room: a bit mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privileges(u32);

impl Privileges {
    /// Every right.
    pub const ALL: Self = Self(255);

    /// Takes the mask: 1 create room, 2 enter, 4 send audio, 8 receive audio, 16 send video, 32 receive video,
    /// 64 send screen share, 128 receive screen share.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

pub(super) struct RoomBuffer<'a> {
    pub(super) account: &'a str,
    pub(super) sdk_app_id: u32,
    pub(super) room: &'a Room,
    pub(super) expires_at: u32,
    pub(super) privileges: Privileges,
}

impl RoomBuffer<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (version, number) = match self.room {
            Room::Number(number) => (0, *number),
            Room::Name(_) => (1, 0),
        };
        let mut buffer = vec![version];
        push_text(&mut buffer, self.account);
        for field in [
            self.sdk_app_id,
            number,
            self.expires_at,
            self.privileges.0,
            ACCOUNT_TYPE,
        ] {
            buffer.extend_from_slice(&field.to_be_bytes());
        }
        if let Room::Name(name) = self.room {
            push_text(&mut buffer, &name.0);
        }
        buffer
    }
}

/// Both callers hold texts whose types bound them below 65,536 bytes.
fn push_text(buffer: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend(text.bytes().take(length.into()));
}

const ACCOUNT_TYPE: u32 = 0;
