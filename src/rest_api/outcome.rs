//! What Chat's answer to a call means.
//!
//! The API answers 200 also when it refuses; `ErrorCode` in the body says how it went. Source: Error Codes (34348) and
//! the tables of the TRTC products for what is no longer listed there. Nothing here repeats a call: the classes say what
//! whoever made it should do.

mod leak;

use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;

pub use self::leak::Secrets;

/// An answer of the API that may be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its `ErrorCode`.
    pub error_code: i64,
    /// What that means.
    pub class: Class,
}

/// Why an answer may not be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It is not a JSON object with an `ErrorCode`, or has that twice.
    #[error("the answer is not one of the API")]
    NotTheApi,
    /// It holds a credential of ours in some spelling.
    #[error("the answer holds a credential")]
    Leak,
}

/// What to do about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Done.
    Ok,
    /// The admin's UserSig ran out or was voided: sign again, once.
    SignAgain,
    /// Chat does not take our signature, and another would not help.
    Auth,
    /// Too many calls.
    Rate,
    /// It failed inside Chat: repeat, once, what may be repeated.
    Retry,
    /// The proxy's configuration is wrong, whoever calls: an alarm.
    Config,
    /// The application's plan or its settings in the console do not allow it.
    Console,
    /// Too many failed verifications: no call at all for a minute.
    Breaker,
    /// What the caller asked for is wrong.
    Caller,
    /// Something between the proxy and the API answered in its place.
    Upstream,
    /// A code that is not known here.
    Other,
}

impl Answer {
    /// Reads an answer, in which none of `secrets` may stand.
    pub fn read(body: &[u8], secrets: &Secrets) -> Result<Self, AnswerError> {
        if secrets.are_in(body) {
            return Err(AnswerError::Leak);
        }
        let text = std::str::from_utf8(body).map_err(|_| AnswerError::NotTheApi)?;
        // A list of values would be taken for an object without names.
        let is_object = text.trim_start().starts_with('{');
        let outline: Outline = match is_object {
            true => serde_json::from_str(text).map_err(|_| AnswerError::NotTheApi)?,
            false => return Err(AnswerError::NotTheApi),
        };
        let is_ok = outline.action_status.is_none_or(|status| status == "OK");
        let class = match Class::of(outline.error_code) {
            Class::Ok if !is_ok => Class::Other,
            class => class,
        };
        Ok(Self {
            error_code: outline.error_code,
            class,
        })
    }

    /// Whether the call did what it was for.
    pub fn is_success(&self) -> bool {
        self.class == Class::Ok
    }
}

/// The members of an answer that say how it went. A repeated one is an error, as is a code that is not a number.
#[derive(Deserialize)]
struct Outline {
    #[serde(rename = "ErrorCode")]
    error_code: i64,
    #[serde(rename = "ActionStatus", default)]
    action_status: Option<String>,
    #[serde(rename = "ErrorInfo", default)]
    _error_info: IgnoredAny,
}

impl Class {
    /// Every class, for counters that exist from the start.
    pub const ALL: [Self; 11] = [
        Self::Ok,
        Self::SignAgain,
        Self::Auth,
        Self::Rate,
        Self::Retry,
        Self::Config,
        Self::Console,
        Self::Breaker,
        Self::Caller,
        Self::Upstream,
        Self::Other,
    ];

    /// The class of an `ErrorCode`.
    pub fn of(error_code: i64) -> Self {
        match error_code {
            0 => Self::Ok,
            70001 | 70052 | 70347 | 20002 => Self::SignAgain,
            60004 | 60005 | 60025 | 70002..=70008 | 70010 | 70013 | 70017 | 70019 | 70346 => {
                Self::Auth
            }
            60007 | 60011 | 60018 | 60019 | 60028 | 70114 | 72010 => Self::Rate,
            60008 | 60014 | 70169 | 70202 | 70348 | 70500 => Self::Retry,
            90992 | 90994 | 90995 | 91000 | 20004 | 20005 | 10002 | 40006 => Self::Retry,
            60006 | 60010 | 60012 | 60016 | 60017 | 60021 | 60026 => Self::Config,
            70009 | 70014..=70016 | 70020 | 70051 => Self::Config,
            60020 | 60027 | 70403 | 71000 | 72000 | 72002 => Self::Console,
            90009 | 40004 | 30004 | 50003 | 2004 => Self::Console,
            70050 => Self::Breaker,
            60013 => Self::Upstream,
            60002 | 60003 | 60009 | 60015 | 70107 | 70398 | 70399 | 70402 => Self::Caller,
            80001..=80004 | 90000..=90055 | 93000 | 10003..=10100 | 40000..=40099 => Self::Caller,
            30000..=30099 | 51000..=51099 => Self::Caller,
            _ => Self::Other,
        }
    }

    /// Its label in metrics and the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::SignAgain => "sign_again",
            Self::Auth => "auth",
            Self::Rate => "rate",
            Self::Retry => "retry",
            Self::Config => "config",
            Self::Console => "console",
            Self::Breaker => "breaker",
            Self::Caller => "caller",
            Self::Upstream => "upstream",
            Self::Other => "other",
        }
    }

    /// Whether operators must look at it: no call works until they do. No caller can bring it about.
    pub fn is_alarm(self) -> bool {
        match self {
            Self::Config => true,
            Self::Ok
            | Self::SignAgain
            | Self::Auth
            | Self::Rate
            | Self::Retry
            | Self::Console
            | Self::Breaker
            | Self::Caller
            | Self::Upstream
            | Self::Other => false,
        }
    }

    /// The HTTP status of such an answer where clients want the status to say how it went.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Ok => StatusCode::OK,
            Self::Rate => StatusCode::TOO_MANY_REQUESTS,
            Self::Caller => StatusCode::BAD_REQUEST,
            Self::Console => StatusCode::FORBIDDEN,
            Self::Breaker => StatusCode::SERVICE_UNAVAILABLE,
            Self::SignAgain
            | Self::Auth
            | Self::Retry
            | Self::Config
            | Self::Upstream
            | Self::Other => StatusCode::BAD_GATEWAY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Class, AnswerError> {
        Answer::read(body.as_bytes(), &Secrets::default()).map(|answer| answer.class)
    }

    #[test]
    fn a3_an_answer_is_a_success_by_its_body_alone() {
        for (body, class) in [
            (
                r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#,
                Class::Ok,
            ),
            (r#"{"ErrorCode":0,"ErrorInfo":["x"]}"#, Class::Ok),
            (r#"{"ErrorCode":0,"ActionStatus":null}"#, Class::Ok),
            (
                " {\"ErrorCode\":0,\"List\":[{\"ErrorCode\":70001}]}\n",
                Class::Ok,
            ),
            (r#"{"ActionStatus":"FAIL","ErrorCode":0}"#, Class::Other),
            (r#"{"ActionStatus":"ok","ErrorCode":0}"#, Class::Other),
            (r#"{"ActionStatus":"OK","ErrorCode":70169}"#, Class::Retry),
            (
                r#"{"ActionStatus":"FAIL","ErrorCode":70402}"#,
                Class::Caller,
            ),
            (
                r#"{"ActionStatus":"FAIL","ErrorCode":70403}"#,
                Class::Console,
            ),
            (r#"{"ActionStatus":"FAIL","ErrorCode":70500}"#, Class::Retry),
            (r#"{"ActionStatus":"FAIL","ErrorCode":60007}"#, Class::Rate),
            (r#"{"ActionStatus":"FAIL","ErrorCode":-1}"#, Class::Other),
            (
                r#"{"ActionStatus":"FAIL","ErrorCode":123456}"#,
                Class::Other,
            ),
        ] {
            assert_eq!(read(body), Ok(class), "{body}");
            let answer = Answer::read(body.as_bytes(), &Secrets::default()).unwrap();
            assert_eq!(answer.is_success(), class == Class::Ok, "{body}");
        }
    }

    #[test]
    fn what_is_not_an_answer_of_the_api_is_not_passed_on() {
        for body in [
            "",
            "<html>502</html>",
            "[]",
            r#"[0,"OK",""]"#,
            "0",
            "{}",
            r#"{"ActionStatus":"OK"}"#,
            r#"{"errorcode":0}"#,
            r#"{"ErrorCode":"0"}"#,
            r#"{"ErrorCode":null}"#,
            r#"{"ErrorCode":0.0}"#,
            r#"{"ErrorCode":70001,"ErrorCode":0}"#,
            r#"{"ErrorCode":70001,"Error\u0043ode":0}"#,
            r#"{"ErrorCode":0} {}"#,
            r#"{"ErrorCode":0,"ActionStatus":"FAIL","ActionStatus":"OK"}"#,
            r#"{"ErrorCode":0"#,
        ] {
            assert_eq!(read(body), Err(AnswerError::NotTheApi), "{body}");
        }
        let latin = Answer::read(b"{\"ErrorCode\":0,\"a\":\"\xe9\"}", &Secrets::default());
        assert_eq!(latin, Err(AnswerError::NotTheApi));
    }

    #[test]
    fn a5_an_answer_that_holds_a_credential_is_not_passed_on() {
        let secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let body = format!(r#"{{"ErrorCode":0,"ErrorInfo":"usersig={secret}"}}"#);
        let with = |secrets| Answer::read(body.as_bytes(), &secrets).map(|answer| answer.class);
        assert_eq!(with(Secrets::new([secret])), Err(AnswerError::Leak));
        assert_eq!(with(Secrets::default()), Ok(Class::Ok));
    }

    #[test]
    fn a4_codes_say_what_to_do() {
        for (class, codes) in [
            (Class::SignAgain, &[70001, 70052, 70347][..]),
            (
                Class::Auth,
                &[60004, 60025, 70003, 70005, 70010, 70013, 70346],
            ),
            (Class::Rate, &[60007, 60011, 60018, 60019, 60028]),
            (
                Class::Retry,
                &[60008, 60014, 70169, 70500, 90994, 91000, 10002, 40006],
            ),
            (
                Class::Config,
                &[
                    60006, 60010, 60021, 60026, 70009, 70014, 70015, 70016, 70020,
                ],
            ),
            (
                Class::Console,
                &[60020, 60027, 70403, 71000, 72000, 90009, 40004],
            ),
            (Class::Breaker, &[70050]),
            (
                Class::Caller,
                &[
                    60002, 60003, 60009, 70107, 70402, 80001, 90001, 90012, 10007,
                ],
            ),
            (Class::Upstream, &[60013]),
            (Class::Other, &[1, 60022, 99999]),
        ] {
            for code in codes {
                assert_eq!(Class::of(*code), class, "{code}");
            }
        }
    }

    #[test]
    fn only_what_no_caller_brings_about_is_an_alarm() {
        for code in [70009, 70014, 70020, 60026] {
            assert!(Class::of(code).is_alarm(), "{code}");
        }
        for code in [0, 10007, 70403, 60009, 60020, 60027, 71000, 60003, 70050] {
            assert!(!Class::of(code).is_alarm(), "{code}");
        }
    }

    #[test]
    fn only_a_success_has_a_status_of_success() {
        let mut labels = std::collections::BTreeSet::new();
        for class in Class::ALL {
            assert_eq!(class.status().is_success(), class == Class::Ok);
            labels.insert(class.as_str());
        }
        assert_eq!(labels.len(), Class::ALL.len());
    }
}
