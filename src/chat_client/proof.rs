//! One harmless read that proves application, key, administrator and host: whether the account of the administrator exists.
//!
//! It is sent once and not repeated, since Chat locks the administrator out for a minute after too many wrong signatures.
//! What failed is told by the class of the `ErrorCode`, never in the words of a library or of what answered.

use serde_json::json;

use super::ChatClient;
use super::failure::{Cause, Failure};
use crate::rest_api::outcome::{Answer, AnswerError, Class};

/// Why Chat does not take the calls of an application, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// HTTPS cannot be set up here.
    #[error("cannot set up HTTPS towards Chat: install CA certificates on this machine")]
    NoRoots,
    /// No UserSig can be made at this time.
    #[error("no UserSig can be made at the time that this machine has: set its clock")]
    Clock,
    /// The name does not resolve, or nobody listens there.
    #[error(
        "Chat cannot be reached: does the host of chat.region or chat.endpoint resolve here, and does a firewall let \
         calls out to it?"
    )]
    Unreachable,
    /// No TLS connection that can be trusted.
    #[error(
        "no trusted TLS connection: is that Chat's host, and are this machine's CA certificates and clock right? An \
         inspecting proxy in between would see the administrator's UserSig"
    )]
    Tls,
    /// It took too long.
    #[error("no answer in time: try again, and look at the network between this machine and Chat")]
    Timeout,
    /// The connection ended without an answer.
    #[error(
        "the connection was cut without an answer: try again, and look at what stands in between"
    )]
    Cut,
    /// What answers is not the API.
    #[error("what answers there is not Chat's REST API: set chat.region, or mend chat.endpoint")]
    NotTheApi,
    /// What answers repeats the credential of the call.
    #[error(
        "what answers there is not Chat's REST API and repeats the call: it has now a UserSig of the administrator, good \
         for ten minutes; set chat.region, or mend chat.endpoint"
    )]
    Leak,
    /// Chat refuses the read.
    #[error("ErrorCode {error_code}: {}", advice(*error_code))]
    Refused {
        /// Why.
        error_code: i64,
    },
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(cause) | Failure::NoAnswer(cause) => match cause {
                Cause::Unsigned => Self::Clock,
                Cause::Unreached => Self::Unreachable,
                Cause::Tls => Self::Tls,
                Cause::Timeout => Self::Timeout,
                Cause::Cut => Self::Cut,
            },
            Failure::TooLong => Self::NotTheApi,
        }
    }
}

impl ChatClient {
    /// Asks whether the administrator's account exists; an answer without error proves all that calls need.
    pub async fn prove(&self) -> Result<(), Fault> {
        let admin = self.signer.admin().to_string();
        let body = json!({ "CheckItem": [{ "UserID": admin }] }).to_string();
        let (call, status, answer) = self.send(ACCOUNT_CHECK, body.as_bytes()).await?;
        if status != 200 {
            return Err(Fault::NotTheApi);
        }
        let answer = Answer::read(&answer, call.secrets()).map_err(|error| match error {
            AnswerError::NotTheApi => Fault::NotTheApi,
            AnswerError::Leak => Fault::Leak,
        })?;
        match answer.is_success() {
            true => Ok(()),
            false => Err(Fault::Refused {
                error_code: answer.error_code,
            }),
        }
    }
}

/// What to do about an `ErrorCode`, in the order of Error Codes (34348).
fn advice(error_code: i64) -> &'static str {
    match (error_code, Class::of(error_code)) {
        (70009, _) => {
            "the key is not that of the application: compare chat.secret_key, or the active one of chat.keys, with the \
             console"
        }
        (60006 | 60012 | 70014..=70016 | 70020, _) => {
            "Chat knows no such application there: compare chat.sdk_app_id, and chat.region, with the console"
        }
        (60026, _) => "the application belongs to another region: set chat.region to its own",
        (60010 | 70403 | 70013, _) => {
            "chat.admin is no administrator of the application: name one that the console lists, case counts"
        }
        (70051, _) => "the administrator's account is blocked: see the console",
        (_, Class::Breaker) => {
            "too many signatures were refused, and Chat takes none for a minute: wait, and compare chat.secret_key with \
             the console"
        }
        (_, Class::SignAgain) => {
            "Chat takes a UserSig that was just made for outlived: compare this machine's clock, then try again"
        }
        (_, Class::Auth) => {
            "Chat does not take the signature: compare chat.secret_key with the console"
        }
        (_, Class::Config) => "the configuration is wrong: compare [chat] with the console",
        (_, Class::Console) => {
            "the application's plan or its settings in the console do not allow the call"
        }
        (_, Class::Rate) => "too many calls at the moment: try again",
        (_, Class::Retry | Class::Upstream) => "it failed inside Chat: try again",
        (_, Class::Ok | Class::Caller | Class::Other) => "see Chat's page on error codes",
    }
}

const ACCOUNT_CHECK: &str = "im_open_login_svc/account_check";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_code_has_its_advice() {
        for (codes, word) in [
            (&[70009][..], "chat.secret_key"),
            (&[70014, 70020, 60006], "chat.sdk_app_id"),
            (&[60026], "chat.region"),
            (&[60010, 70403], "chat.admin"),
            (&[70050], "a minute"),
            (&[70001, 70052], "clock"),
            (&[70003, 70005], "chat.secret_key"),
            (&[60021], "[chat]"),
            (&[60020, 71000], "plan"),
            (&[60007, 60008, 60013], "try again"),
            (&[90001, 12345], "error codes"),
        ] {
            for error_code in codes {
                let text = Fault::Refused {
                    error_code: *error_code,
                }
                .to_string();
                assert!(text.starts_with(&format!("ErrorCode {error_code}: ")));
                assert!(text.contains(word), "{text}");
            }
        }
    }
}
