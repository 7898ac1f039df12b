//! The decoding half of the codec: from the text of a UserSig to its fields, and their verification.
//!
//! Reads what any of the official packages writes (seven member orders and layouts, any zlib level) and refuses what two
//! readers could take for two things. Serves `inspect`, the sandbox and the tests; the proxy's own path only encodes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::{Decompress, FlushDecompress, Status};
use serde_json::Value;
use zeroize::Zeroizing;

use super::SecretKey;
use super::encode::{BASE64, Fields};
use crate::json::{self, JsonError, Object};
use crate::time::UnixTime;

/// What a UserSig says. Nothing in it is believed until [`Decoded::verify`] has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// `TLS.identifier`.
    pub identifier: String,
    /// `TLS.sdkappid`; 0 when the member is missing.
    pub sdk_app_id: u32,
    /// `TLS.time` in Unix seconds; 0 when the member is missing.
    pub time: u32,
    /// `TLS.expire` in seconds; 0 when the member is missing.
    pub expire: u32,
    /// `TLS.userbuf` after its base64.
    pub userbuf: Option<Vec<u8>>,
    signature: Vec<u8>,
}

/// Why a text is not a UserSig.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than any UserSig.
    #[error("longer than {MAX_ENCODED_BYTES} characters")]
    TooLong,
    /// Not Tencent's base64: other letters, no padding, or stray bits at the end.
    #[error("not in Tencent's base64 (it may have been cut short, or encoded twice)")]
    Base64,
    /// Not one complete zlib stream.
    #[error("not a complete zlib stream")]
    Zlib,
    /// Bytes follow the zlib stream.
    #[error("bytes follow the zlib stream")]
    TrailingBytes,
    /// The document inflates to more than any UserSig holds.
    #[error("inflates to more than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    /// The document is not a JSON object with unique names.
    #[error("the document is wrong: {0}")]
    Json(#[from] JsonError),
    /// A member that is not part of the format.
    #[error("the document has a member that is not part of the format")]
    UnknownMember,
    /// `TLS.ver` is not "2.0".
    #[error("TLS.ver is not \"2.0\"")]
    Version,
    /// `TLS.identifier` is missing, not a string, or holds a control character.
    #[error("TLS.identifier is missing, no string, or holds a control character")]
    Identifier,
    /// A number is not an unsigned 32-bit integer.
    #[error("a number is not an unsigned 32-bit integer")]
    Number,
    /// `TLS.userbuf` is not strict standard base64.
    #[error("TLS.userbuf is not standard base64")]
    Userbuf,
    /// `TLS.sig` is missing or not the base64 of 32 bytes.
    #[error("TLS.sig is missing or not the base64 of 32 bytes")]
    Signature,
}

/// Why a decoded UserSig is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The signature is not this key's.
    #[error("the signature does not match the key")]
    Signature,
    /// The last valid second has passed.
    #[error("expired")]
    Expired,
    /// `TLS.time` lies more than 60 s ahead.
    #[error("its time lies more than {MAX_SECONDS_AHEAD} s in the future")]
    NotYetValid,
}

impl Decoded {
    /// Parses the text of a UserSig without verifying it.
    pub fn parse(text: &str) -> Result<Self, DecodeError> {
        if text.len() > MAX_ENCODED_BYTES {
            return Err(DecodeError::TooLong);
        }
        let compressed = BASE64.decode(text).map_err(|_| DecodeError::Base64)?;
        let document = inflate(&compressed)?;
        Self::from_members(&json::parse_object(&document)?)
    }

    fn from_members(members: &Object) -> Result<Self, DecodeError> {
        if members.keys().any(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(DecodeError::UnknownMember);
        }
        if members.get("TLS.ver").and_then(Value::as_str) != Some("2.0") {
            return Err(DecodeError::Version);
        }
        Ok(Self {
            identifier: identifier(members)?,
            sdk_app_id: number(members, "TLS.sdkappid")?,
            time: number(members, "TLS.time")?,
            expire: number(members, "TLS.expire")?,
            userbuf: userbuf(members)?,
            signature: signature(members)?,
        })
    }

    /// The last second in which it is valid. Beyond 32 bits it does not wrap.
    pub fn expires_at(&self) -> UnixTime {
        UnixTime::from_secs(u64::from(self.time) + u64::from(self.expire))
    }

    /// Checks the signature in constant time, then that `now` lies in the UserSig's life.
    pub fn verify(&self, key: &SecretKey, now: UnixTime) -> Result<(), VerifyError> {
        if !self.is_signed_by(key) {
            return Err(VerifyError::Signature);
        }
        self.check_life(now)
    }

    /// Whether the signature is this key's, compared in constant time.
    pub fn is_signed_by(&self, key: &SecretKey) -> bool {
        let fields = Fields {
            identifier: &self.identifier,
            sdk_app_id: self.sdk_app_id,
            time: self.time,
            expire: self.expire,
            userbuf: self.userbuf.as_deref(),
        };
        key.verifies(fields.signed_text().as_bytes(), &self.signature)
    }

    /// Whether `now` lies in the UserSig's life; says nothing about who signed it.
    pub fn check_life(&self, now: UnixTime) -> Result<(), VerifyError> {
        if u64::from(self.time) > now.as_secs().saturating_add(MAX_SECONDS_AHEAD) {
            return Err(VerifyError::NotYetValid);
        }
        if now > self.expires_at() {
            return Err(VerifyError::Expired);
        }
        Ok(())
    }
}

/// A line break in an identifier would let one signed text be read as that of another identifier.
fn identifier(members: &Object) -> Result<String, DecodeError> {
    members
        .get("TLS.identifier")
        .and_then(Value::as_str)
        .filter(|text| !text.chars().any(char::is_control))
        .map(str::to_owned)
        .ok_or(DecodeError::Identifier)
}

/// The Go package leaves out members that are 0.
fn number(members: &Object, name: &str) -> Result<u32, DecodeError> {
    let Some(value) = members.get(name) else {
        return Ok(0);
    };
    value
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .ok_or(DecodeError::Number)
}

fn userbuf(members: &Object) -> Result<Option<Vec<u8>>, DecodeError> {
    let Some(value) = members.get("TLS.userbuf") else {
        return Ok(None);
    };
    let text = value.as_str().ok_or(DecodeError::Userbuf)?;
    STANDARD
        .decode(text)
        .map(Some)
        .map_err(|_| DecodeError::Userbuf)
}

fn signature(members: &Object) -> Result<Vec<u8>, DecodeError> {
    members
        .get("TLS.sig")
        .and_then(Value::as_str)
        .and_then(|text| STANDARD.decode(text).ok())
        .filter(|bytes| bytes.len() == 32)
        .ok_or(DecodeError::Signature)
}

fn inflate(compressed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecodeError> {
    // One byte more than allowed tells a document at the limit from a larger one.
    let mut document = Zeroizing::new(Vec::with_capacity(MAX_DOCUMENT_BYTES + 1));
    let mut inflater = Decompress::new(true);
    let status = inflater
        .decompress_vec(compressed, &mut document, FlushDecompress::Finish)
        .map_err(|_| DecodeError::Zlib)?;
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(DecodeError::TooLarge);
    }
    if status != Status::StreamEnd {
        return Err(DecodeError::Zlib);
    }
    if inflater.total_in() != compressed.len() as u64 {
        return Err(DecodeError::TrailingBytes);
    }
    Ok(document)
}

const MEMBERS: [&str; 7] = [
    "TLS.ver",
    "TLS.identifier",
    "TLS.sdkappid",
    "TLS.expire",
    "TLS.time",
    "TLS.userbuf",
    "TLS.sig",
];

/// A PrivateMapKey for a long room name is the longest of them.
const MAX_ENCODED_BYTES: usize = 8192;
const MAX_DOCUMENT_BYTES: usize = 4096;
const MAX_SECONDS_AHEAD: u64 = 60;
