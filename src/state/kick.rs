//! A kick: the call that makes Chat refuse a user's UserSigs, and what its answer says.
//!
//! Chat answers almost everything with HTTP status 200; only `ErrorCode` tells whether the kick landed. Who sends it and
//! when it is tried again is the edge's; [`State`](super::State) says whether it is still wanted.

use crate::identity::UserId;
use crate::json;
use crate::time::UnixTime;

/// One kick to be sent for one logout or ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KickTicket {
    /// Whom to kick.
    pub user: UserId,
    /// From when on it reaches every UserSig of the user: one may be dated up to 2 s ahead.
    pub send_from: UnixTime,
    /// The generation that was raised for it.
    pub(super) number: u64,
}

/// What became of a kick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KickAnswer {
    /// Everything issued before is void.
    Landed,
    /// Chat refused with this `ErrorCode`.
    Refused {
        /// 70107 for an unknown account, 60007 for too many calls, and so on.
        error_code: i64,
    },
    /// Not an answer of Chat.
    Unusable,
}

impl KickAnswer {
    /// Reads an answer: landed is status 200 and `ErrorCode` 0, with `ActionStatus` `OK` or absent.
    pub fn parse(status: u16, body: &[u8]) -> Self {
        let Ok(answer) = json::parse_object(body) else {
            return Self::Unusable;
        };
        let Some(error_code) = answer.get("ErrorCode").and_then(|code| code.as_i64()) else {
            return Self::Unusable;
        };
        let is_ok = answer.get("ActionStatus").is_none_or(|said| said == "OK");
        match (status, error_code) {
            (200, 0) if is_ok => Self::Landed,
            (_, 0) => Self::Unusable,
            (_, error_code) => Self::Refused { error_code },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a6_only_error_code_0_with_status_200_is_a_kick_that_landed() {
        let refused = |error_code| KickAnswer::Refused { error_code };
        let cases: [(&str, u16, &str, KickAnswer); 12] = [
            (
                "landed",
                200,
                r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#,
                KickAnswer::Landed,
            ),
            (
                "landed, as services without ActionStatus say it",
                200,
                r#"{"ErrorCode":0}"#,
                KickAnswer::Landed,
            ),
            (
                "unknown account",
                200,
                r#"{"ActionStatus":"FAIL","ErrorInfo":"x","ErrorCode":70107}"#,
                refused(70107),
            ),
            (
                "a code beside OK",
                200,
                r#"{"ActionStatus":"OK","ErrorCode":60008}"#,
                refused(60008),
            ),
            (
                "FAIL beside 0",
                200,
                r#"{"ActionStatus":"FAIL","ErrorCode":0}"#,
                KickAnswer::Unusable,
            ),
            (
                "0 beside a gateway's status",
                502,
                r#"{"ActionStatus":"OK","ErrorCode":0}"#,
                KickAnswer::Unusable,
            ),
            (
                "0 beside 204",
                204,
                r#"{"ErrorCode":0}"#,
                KickAnswer::Unusable,
            ),
            (
                "0 as text",
                200,
                r#"{"ErrorCode":"0"}"#,
                KickAnswer::Unusable,
            ),
            (
                "0 as a fraction",
                200,
                r#"{"ErrorCode":0.0}"#,
                KickAnswer::Unusable,
            ),
            (
                "no code",
                200,
                r#"{"ActionStatus":"OK"}"#,
                KickAnswer::Unusable,
            ),
            (
                "two codes",
                200,
                r#"{"ErrorCode":70107,"ErrorCode":0}"#,
                KickAnswer::Unusable,
            ),
            ("a page", 200, "<html>", KickAnswer::Unusable),
        ];
        for (name, status, body, expected) in cases {
            assert_eq!(
                KickAnswer::parse(status, body.as_bytes()),
                expected,
                "{name}"
            );
        }
    }
}
