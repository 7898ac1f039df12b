//! Every refusal of the sandbox and its `ErrorCode`, taken from Chat's tables and, where noted, from the TRTC table.
//!
//! The `Display` text becomes `ErrorInfo`. It says more than Chat does, because whoever reads it is testing; it never holds
//! any text of the request. Chat's server is not public, so where its tables leave a choice the variant says what was chosen.

use crate::identity::UserIdError;
use crate::json::JsonError;
use crate::usersig::decode::DecodeError;

/// Why a request to the sandbox fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// No such path, or another method than the path has.
    #[error("no such resource: check the path and the method")]
    NoSuchResource,
    /// Chat documents no limit of the whole body; this one is ours.
    #[error("the body is longer than {} bytes", super::MAX_BODY_BYTES)]
    BodyTooLong,
    /// The body is not one JSON object with unique member names.
    #[error("the body cannot be parsed: {0}")]
    Body(#[from] JsonError),
    /// `UserID` is absent.
    #[error("UserID is missing")]
    UserIdMissing,
    /// `UserID` is there and not a string.
    #[error("UserID is not a string")]
    UserIdNotText,
    /// `UserID` is a string that no account can have.
    #[error("UserID is wrong: {0}")]
    UserId(UserIdError),
    /// `SDKAppID` is absent.
    #[error("SDKAppID is missing")]
    SdkAppIdMissing,
    /// `SDKAppID` is not a JSON number that fits 32 bits.
    #[error("SDKAppID is not an unsigned 32-bit number")]
    SdkAppIdNotNumber,
    /// `SDKAppID` is that of another application.
    #[error("SDKAppID does not exist here: the sandbox serves another application")]
    SdkAppIdUnknown,
    /// `UserSig` is absent or the empty string.
    #[error("UserSig is empty")]
    UserSigEmpty,
    /// `UserSig` is there and not a string.
    #[error("UserSig is not a string")]
    UserSigNotText,
    /// `UserSig` does not decode.
    #[error("UserSig is illegal: {0}")]
    UserSigIllegal(DecodeError),
    /// A PrivateMapKey, which opens a TRTC room and is no login; the official verifier refuses it too.
    #[error("UserSig is illegal: it carries a userbuf, so it is a PrivateMapKey and no login")]
    UserSigHasUserbuf,
    /// `UserSig` was signed for another application.
    #[error("SDKAppID differs from the one in the UserSig")]
    SdkAppIdMismatch,
    /// `UserSig` was signed for another user; case counts.
    #[error("UserID differs from the one in the UserSig")]
    UserIdMismatch,
    /// Signed with another key, or changed after it was signed.
    #[error("UserSig fails verification: it was signed with another key, or changed after signing")]
    WrongKey,
    /// Signed with a key that the operator has retired. No page of Chat says what becomes of a key that was replaced.
    #[error("UserSig fails verification: it was signed with a key that is retired")]
    RetiredKey,
    /// `TLS.time` lies ahead. The official verifiers let it pass and no table names it: a general failure of verification.
    #[error("UserSig fails verification: its time lies in the future")]
    NotYetValid,
    /// The last valid second has passed.
    #[error("UserSig expired")]
    Expired,
    /// It was issued before its user was kicked, or in that second.
    #[error("UserSig is void: its user was kicked since. Generate a new one")]
    Voided,
    /// The REST API is for administrators.
    #[error("the caller is no administrator of the application")]
    NotAdmin,
}

impl Failure {
    /// The `ErrorCode`.
    pub(super) fn code(self) -> u32 {
        match self {
            Self::Body(_) => 60003,
            Self::NoSuchResource => 60009,
            Self::SdkAppIdMissing => 60012,
            Self::NotAdmin => 60010,
            Self::UserIdNotText => 60015,
            Self::Expired => 70001,
            // The TRTC table alone has 70002 and 70005.
            Self::UserSigEmpty => 70002,
            Self::UserSigIllegal(_) | Self::UserSigHasUserbuf => 70003,
            Self::NotYetValid => 70005,
            Self::WrongKey | Self::RetiredKey => 70009,
            Self::UserIdMismatch => 70013,
            Self::SdkAppIdMismatch => 70014,
            Self::SdkAppIdUnknown => 70020,
            Self::Voided => 70052,
            Self::BodyTooLong
            | Self::UserIdMissing
            | Self::UserId(_)
            | Self::SdkAppIdNotNumber
            | Self::UserSigNotText => 70402,
        }
    }
}
