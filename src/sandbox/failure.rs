//! Every refusal of the sandbox and its `ErrorCode`: Chat's Error Codes (34348) and the tables of the command pages.
//!
//! Where noted, a code comes from the TRTC table. The `Display` text becomes `ErrorInfo`. It says more than Chat does,
//! because whoever reads it is testing; it never holds any text of the request. Chat's server is not public, so where its
//! tables leave a choice the variant says what was chosen.

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
    /// Too many wrong signatures for this user: nothing is verified for a minute.
    #[error("UserSig failed verification too often: wait one minute")]
    LockedOut,
    /// The REST API is for administrators.
    #[error("the caller is no administrator of the application")]
    NotAdmin,
    /// No account of that name was imported or has logged in. The text is Chat's own.
    #[error("Err_TLS_PT_Open_Login_Account_Not_Exist")]
    AccountUnknown,
    /// The sandbox holds no more accounts.
    #[error("the sandbox holds no more accounts")]
    AccountsFull,
    /// A member of the body of an account command.
    #[error("{0} is missing or wrong")]
    Account(&'static str),
    /// `Operator_Account` and its kin are missing, or have a wrong type; the message pages name no better code.
    #[error("{0} is missing or wrong")]
    Message(&'static str),
    /// `To_Account` is missing or has the wrong type.
    #[error("To_Account is missing or has the wrong type")]
    ToAccountMissing,
    /// `MsgRandom` is missing or is not an unsigned 32-bit number.
    #[error("MsgRandom is missing or not an unsigned 32-bit number")]
    MsgRandom,
    /// `MsgBody` is missing or no array.
    #[error("MsgBody is missing or no array")]
    MsgBodyNotArray,
    /// An element of `MsgBody` has not the shape of one, or there is none.
    #[error("MsgBody is empty, or an element lacks MsgType or MsgContent")]
    MsgElement,
    /// The sender is named and is no account.
    #[error("From_Account is no account")]
    FromAccountUnknown,
    /// More than 500 receivers.
    #[error("To_Account names more than 500 accounts")]
    TooManyReceivers,
    /// None of the receivers is an account. Chat's table has 20003 for this, too.
    #[error("invalid To_Account")]
    ToAccountUnknown,
    /// Pushes less than a second apart.
    #[error("the last push was less than a second ago")]
    PushTooSoon,
    /// More than 100 pushes in one day.
    #[error("100 pushes were made today")]
    PushesUsedUp,
    /// `MsgLifeTime` is more than seven days.
    #[error("MsgLifeTime is more than seven days")]
    MsgLifeTimeTooLong,
    /// `MsgLifeTime` is not a number.
    #[error("MsgLifeTime is not a number")]
    MsgLifeTime,
    /// `SyncOtherMachine` is not a number.
    #[error("SyncOtherMachine is not a number")]
    SyncOtherMachine,
    /// An account that the question is about does not exist.
    #[error("the account does not exist")]
    PartyUnknown,
    /// `MsgKey` names no message of the two.
    #[error("MsgKey names no message of these two accounts")]
    MsgKey,
    /// One message is at most 12 KB: `MsgBody` and `CloudCustomData` together, as JSON.
    #[error("the message is longer than 12 KB")]
    MessageTooLong,
    /// A member of the body of a profile command.
    #[error("Err_Profile_Comm_Decode_Fail: {0} is missing or wrong")]
    Profile(&'static str),
    /// `To_Account` is missing or empty.
    #[error("To_Account is missing")]
    ProfileOfNobody,
    /// The account whose profile it is does not exist.
    #[error("the account does not exist")]
    ProfileUnknown,
    /// A value of a profile is longer than 500 bytes.
    #[error("a value is longer than 500 bytes")]
    ProfileValueTooLong,
    /// A member of the body of a group command.
    #[error("{0} is missing or wrong")]
    Group(&'static str),
    /// More accounts in one call than the command takes.
    #[error("the call names too many accounts")]
    TooManyMembers,
    /// The group's type, or the role of the one who acts, does not allow it.
    #[error("not permitted: {0}")]
    GroupPermission(&'static str),
    /// No such group, or no longer.
    #[error("the group does not exist, or no longer")]
    GroupUnknown,
    /// The group has as many members as it may have.
    #[error("the group is full")]
    GroupFull,
    /// A text that is no group's ID: 1 to 48 printable ASCII characters, and not of Chat's own prefix for a new group.
    #[error("GroupId is not valid")]
    GroupId,
    /// The sender may not speak.
    #[error("the sender is muted in this group")]
    Muted,
    /// An account that shall be a member does not exist.
    #[error("an account does not exist")]
    MemberUnknown,
    /// The ID of the new group is taken by a group of somebody else.
    #[error("GroupId is taken")]
    GroupIdTaken,
    /// The ID of the new group is taken by a group of the same owner.
    #[error("GroupId is taken by a group of the same owner")]
    GroupIdOwned,
    /// The sandbox holds no more groups.
    #[error("the sandbox holds no more groups")]
    GroupsFull,
    /// What `POST /sandbox/fail` ordered.
    #[error("the sandbox was told to fail with this code")]
    Ordered(u32),
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
            Self::LockedOut => 70050,
            Self::Voided => 70052,
            Self::AccountUnknown => 70107,
            Self::AccountsFull => 70398,
            Self::Ordered(code) => code,
            Self::MessageTooLong => 80002,
            Self::Message(_) => 90001,
            Self::ToAccountMissing => 90003,
            Self::MsgRandom => 90005,
            Self::MsgBodyNotArray => 90007,
            Self::FromAccountUnknown => 90008,
            Self::MsgElement => 90010,
            Self::TooManyReceivers => 90011,
            Self::ToAccountUnknown => 90012,
            Self::PushTooSoon => 90024,
            Self::MsgLifeTimeTooLong => 90026,
            Self::SyncOtherMachine => 90031,
            Self::MsgLifeTime => 90044,
            Self::PushesUsedUp => 90047,
            Self::PartyUnknown => 90048,
            Self::MsgKey => 90054,
            Self::Profile(_) => 40001,
            Self::ProfileOfNobody => 40002,
            Self::ProfileUnknown => 40003,
            Self::ProfileValueTooLong => 40601,
            Self::Group(_) => 10004,
            Self::TooManyMembers => 10005,
            Self::GroupPermission(_) => 10007,
            Self::GroupUnknown => 10010,
            Self::GroupFull => 10014,
            Self::GroupId => 10015,
            Self::Muted => 10017,
            Self::MemberUnknown => 10019,
            Self::GroupIdTaken => 10021,
            Self::GroupIdOwned => 10025,
            Self::GroupsFull => 10037,
            Self::Account(_)
            | Self::BodyTooLong
            | Self::UserIdMissing
            | Self::UserId(_)
            | Self::SdkAppIdNotNumber
            | Self::UserSigNotText => 70402,
        }
    }
}
