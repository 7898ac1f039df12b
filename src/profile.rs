//! What a session token says of its user for Chat: nickname and avatar, read from claims, and what Chat answers when they are
//! imported.
//!
//! Personal, though no credential: `Debug` tells whose profile it is and not what it says. Who imports it and when is the edge's.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::identity::UserId;
use crate::json::{JsonPointer, Object};
use crate::rest_api::outcome::{Answer, AnswerError, Class};
use crate::rest_api::refusal::Refusal;
use crate::usersig::SdkAppId;

/// Where nickname and avatar stand in the claims of a session token; what has no place is not imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfileClaims {
    /// The nickname.
    pub nick: Option<JsonPointer>,
    /// The URL of the avatar.
    pub avatar: Option<JsonPointer>,
}

/// What Chat is to show of a user of an application: a nickname, an avatar, or both.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Profile {
    sdk_app_id: SdkAppId,
    user_id: UserId,
    nick: Option<Box<str>>,
    avatar: Option<Box<str>>,
}

impl ProfileClaims {
    /// The profile that verified claims give a user, unless they have neither part. Only text that is not blank counts. Of a
    /// longer nickname than Chat takes the start is kept, to the end of a character; a longer address of an avatar would be
    /// another one when cut, and is left out.
    pub fn read(&self, sdk_app_id: SdkAppId, user_id: UserId, claims: &Object) -> Option<Profile> {
        let nick = text(self.nick.as_ref(), claims).map(start_of);
        let avatar = text(self.avatar.as_ref(), claims).filter(|url| url.len() <= MAX_BYTES);
        (nick.is_some() || avatar.is_some()).then(|| Profile {
            sdk_app_id,
            user_id,
            nick: nick.map(Box::from),
            avatar: avatar.map(Box::from),
        })
    }
}

impl Profile {
    /// The application that the user's UserSig is for.
    pub fn sdk_app_id(&self) -> SdkAppId {
        self.sdk_app_id
    }

    /// Whose it is.
    pub fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// The body of the [call](IMPORT) that imports it. A part that is not there is not sent.
    pub fn body(&self) -> String {
        let parts = [
            ("UserID", Some(self.user_id.as_str())),
            ("Nick", self.nick.as_deref()),
            ("FaceUrl", self.avatar.as_deref()),
        ];
        let member = |(name, text): (&str, Option<&str>)| Some((name.to_owned(), text?.into()));
        let members: Map<String, Value> = parts.into_iter().filter_map(member).collect();
        Value::Object(members).to_string()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

/// What became of one attempt to import a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportAnswer {
    /// Chat has it.
    Imported,
    /// Chat does not take it, and would not take it later either.
    Refused {
        /// Why; `None` when what answered is not to be called again.
        error_code: Option<i64>,
    },
    /// It may be sent again: what answered said so, or was not the API.
    Again,
    /// It may be sent again: nothing was reached, or it was too slow.
    Unanswered,
    /// It was not sent, because Chat is left alone for a while.
    Paused {
        /// Until it may be sent.
        retry_after: Duration,
    },
}

impl ImportAnswer {
    /// What an answer of Chat, or its absence, means for an import.
    pub fn of(attempt: &Result<Answer, Refusal>) -> Self {
        match attempt {
            Ok(answer) => match answer.class {
                Class::Ok => Self::Imported,
                Class::SignAgain
                | Class::Rate
                | Class::Retry
                | Class::Breaker
                | Class::Upstream => Self::Again,
                Class::Auth | Class::Config | Class::Console | Class::Caller | Class::Other => {
                    Self::Refused {
                        error_code: Some(answer.error_code),
                    }
                }
            },
            Err(Refusal::BreakerOpen { retry_after }) => Self::Paused {
                retry_after: *retry_after,
            },
            Err(Refusal::Unreachable | Refusal::Timeout) => Self::Unanswered,
            Err(Refusal::Answer(AnswerError::NotTheApi)) => Self::Again,
            // What repeats our credential is not given another one.
            Err(_) => Self::Refused { error_code: None },
        }
    }
}

/// The text of a claim, unless it is blank.
fn text<'a>(claim: Option<&JsonPointer>, claims: &'a Object) -> Option<&'a str> {
    let text = claim?.find(claims)?.as_str()?;
    Some(text).filter(|text| !text.trim().is_empty())
}

/// As much of a text as Chat takes, in whole characters.
fn start_of(text: &str) -> &str {
    let mut ends = (0..=MAX_BYTES.min(text.len())).rev();
    let end = ends.find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// The command that creates an account, or sets nickname and avatar of one.
pub const IMPORT: &str = "im_open_login_svc/account_import";
/// Of each field of a profile: Profile Management (33520), and 40601 on the page of the command (34953).
const MAX_BYTES: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ReservedNames;
    use crate::json::parse_object;
    use crate::rest_api::outcome::Secrets;

    fn claims(nick: Option<&str>, avatar: Option<&str>) -> ProfileClaims {
        let pointer = |text: &str| JsonPointer::parse(text).unwrap();
        ProfileClaims {
            nick: nick.map(pointer),
            avatar: avatar.map(pointer),
        }
    }

    fn read(rules: &ProfileClaims, text: &str) -> Option<Profile> {
        let app = SdkAppId::new(1_400_000_000).unwrap();
        let user = UserId::parse("u7", &ReservedNames::default()).unwrap();
        rules.read(app, user, &parse_object(text.as_bytes()).unwrap())
    }

    #[test]
    fn only_text_that_says_something_is_taken_and_what_is_absent_is_not_sent() {
        let both = claims(Some("/name"), Some("/user/picture"));
        for (text, body) in [
            (
                r#"{"name":"Zoë \"Z\"","user":{"picture":"https://a/1.png"}}"#,
                Some(r#"{"FaceUrl":"https://a/1.png","Nick":"Zoë \"Z\"","UserID":"u7"}"#),
            ),
            (r#"{"name":"Zoë"}"#, Some(r#"{"Nick":"Zoë","UserID":"u7"}"#)),
            (
                r#"{"name":7,"user":{"picture":"https://a/1.png"}}"#,
                Some(r#"{"FaceUrl":"https://a/1.png","UserID":"u7"}"#),
            ),
            (
                r#"{"name":" Zoë ","user":{"picture":" "}}"#,
                Some(r#"{"Nick":" Zoë ","UserID":"u7"}"#),
            ),
            (r#"{"name":"","user":{"picture":["https://a"]}}"#, None),
            (r#"{"name":null,"user":"https://a"}"#, None),
            ("{}", None),
        ] {
            let found = read(&both, text).map(|profile| profile.body());
            assert_eq!(found.as_deref(), body, "{text}");
        }
        let text = r#"{"name":"Zoë","user":{"picture":"https://a/1.png"}}"#;
        let nick = read(&claims(Some("/name"), None), text).unwrap();
        assert_eq!(nick.body(), r#"{"Nick":"Zoë","UserID":"u7"}"#);
        assert_eq!(read(&claims(None, None), text), None);
    }

    #[test]
    fn a_long_nickname_is_cut_between_characters_and_a_long_address_is_left_out() {
        let both = claims(Some("/n"), Some("/a"));
        let url = |bytes: usize| format!("https://{}", "a".repeat(bytes - 8));
        for (nick, kept) in [
            ("n".repeat(500), 500),
            ("n".repeat(501), 500),
            (format!("{}ë", "n".repeat(498)), 500),
            (format!("{}ë", "n".repeat(499)), 499),
            ("語".repeat(200), 498),
            ("😀".repeat(5000), 500),
        ] {
            let text = format!(r#"{{"n":"{nick}","a":"{}"}}"#, url(500));
            let profile = read(&both, &text).unwrap();
            assert_eq!(profile.nick.as_deref(), Some(&nick[..kept]));
            assert_eq!(profile.avatar.as_deref(), Some(&*url(500)));
        }
        let profile = read(&both, &format!(r#"{{"n":"n","a":"{}"}}"#, url(501))).unwrap();
        assert_eq!(profile.avatar, None);
        assert_eq!(read(&both, &format!(r#"{{"a":"{}"}}"#, url(501))), None);
    }

    #[test]
    fn debug_tells_whose_profile_it_is_and_not_what_it_says() {
        let both = claims(Some("/n"), Some("/a"));
        let shown = format!("{:?}", read(&both, r#"{"n":"Zoe","a":"https://a"}"#));
        assert!(shown.contains("u7"), "{shown}");
        assert!(
            !shown.contains("Zoe") && !shown.contains("https"),
            "{shown}"
        );
    }

    #[test]
    fn an_answer_says_whether_an_import_is_sent_again() {
        let answer = |code: i64| {
            let body = format!("{{\"ErrorCode\":{code}}}");
            Answer::read(body.as_bytes(), &Secrets::default()).map_err(Refusal::Answer)
        };
        assert_eq!(ImportAnswer::of(&answer(0)), ImportAnswer::Imported);
        for code in [60007, 60008, 60013, 70001, 70050, 70169, 70500, 40006] {
            assert_eq!(
                ImportAnswer::of(&answer(code)),
                ImportAnswer::Again,
                "{code}"
            );
        }
        for code in [70402, 70398, 70399, 40601, 70403, 70009, 60006, 70003, 1] {
            let refused = ImportAnswer::Refused {
                error_code: Some(code),
            };
            assert_eq!(ImportAnswer::of(&answer(code)), refused, "{code}");
        }
        for (refusal, expected) in [
            (Refusal::Unreachable, ImportAnswer::Unanswered),
            (Refusal::Timeout, ImportAnswer::Unanswered),
            (Refusal::Answer(AnswerError::NotTheApi), ImportAnswer::Again),
        ] {
            assert_eq!(ImportAnswer::of(&Err(refusal)), expected);
        }
        let leak = Refusal::Answer(AnswerError::Leak);
        assert_eq!(
            ImportAnswer::of(&Err(leak)),
            ImportAnswer::Refused { error_code: None }
        );
        let retry_after = Duration::from_secs(9);
        assert_eq!(
            ImportAnswer::of(&Err(Refusal::BreakerOpen { retry_after })),
            ImportAnswer::Paused { retry_after }
        );
    }
}
