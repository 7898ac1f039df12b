//! Calls of Chat's REST API, signed with the admin account: the proxy's own kicks, and those of the gateway.
//!
//! The URI of such a call carries an administrator's UserSig, and the HTTP library prints URIs in its errors. So no error of
//! it leaves here, only what it means. Chat's answer leaves only if it is one of the API and holds no credential of ours.

mod failure;
mod proof;
mod standing;

use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::json;

use self::failure::{Cause, Failure};
pub use self::proof::Fault;
use self::standing::Health;
pub use self::standing::Standing;
use crate::identity::UserId;
use crate::profile::{IMPORT, ImportAnswer, Profile};
use crate::proxy::{ChatAnswer, ChatApi, Importer, Kicker};
use crate::rest_api::catalog::Command;
use crate::rest_api::outcome::{Answer, AnswerError, Class};
use crate::rest_api::refusal::Refusal;
use crate::rest_api::sign::{Host, KICK, SignedCall, Signer};
use crate::state::kick::KickAnswer;
use crate::time::UnixTime;

/// Calls the REST API of one application.
pub struct ChatClient {
    signer: Signer,
    http: Client,
    health: Health,
}

/// The HTTP client could not be set up, for want of usable trust roots as a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot set up HTTPS towards Chat: does this machine have CA certificates?")]
pub struct ChatClientError;

impl ChatClient {
    /// A client that follows no redirect and takes no proxy from the environment.
    pub fn new(signer: Signer) -> Result<Self, ChatClientError> {
        let builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            // Shorter than servers keep their side: a POST on a connection that was just closed would be lost.
            .pool_idle_timeout(IDLE)
            .connect_timeout(CONNECT)
            .timeout(TOTAL);
        // Plain http reaches this machine only and must work where no trust roots are installed.
        let builder = match signer.endpoint().is_encrypted() {
            true => builder,
            false => builder.tls_certs_only([]),
        };
        let http = builder.build().map_err(|_| ChatClientError)?;
        Ok(Self {
            signer,
            http,
            health: Health::default(),
        })
    }

    /// A client that goes on from an earlier one, as far as Chat takes them for the same: with what it knows of Chat, and no
    /// sooner with a new signature.
    #[must_use]
    pub fn succeeding(self, earlier: &Self) -> Self {
        let likeness = self.signer.likeness(&earlier.signer);
        Self {
            signer: self.signer.succeeding(&earlier.signer),
            http: self.http,
            health: earlier.health.succeeded_by(likeness),
        }
    }

    /// How Chat takes our calls.
    pub fn standing(&self) -> Standing {
        self.health.standing(Instant::now())
    }

    /// One attempt, at the spare host when the first was not reached.
    async fn send(
        &self,
        command: &str,
        body: &[u8],
    ) -> Result<(SignedCall, u16, Vec<u8>), Failure> {
        match self.send_to(Host::Main, command, body).await {
            Err(Failure::NotSent(_)) if self.signer.endpoint().has_spare() => {
                self.send_to(Host::Spare, command, body).await
            }
            sent => sent,
        }
    }

    async fn send_to(
        &self,
        host: Host,
        command: &str,
        body: &[u8],
    ) -> Result<(SignedCall, u16, Vec<u8>), Failure> {
        let now = UnixTime::from(SystemTime::now());
        let call = self.signer.sign(command, host, rand::random(), now);
        let call = call.map_err(|_| Failure::NotSent(Cause::Unsigned))?;
        let request = self
            .http
            .post(call.uri.expose())
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_vec());
        let response = request.send().await.map_err(|error| Failure::of(&error))?;
        let status = response.status().as_u16();
        Ok((call, status, read(response).await?))
    }

    /// One attempt whose answer was judged.
    async fn attempt(&self, command: &str, body: &[u8]) -> Result<ChatAnswer, Refusal> {
        let sent = self.send(command, body).await;
        let (call, status, body) = sent.map_err(|failure| match failure {
            Failure::NotSent(_) => Refusal::Unreachable,
            Failure::NoAnswer(_) => Refusal::Timeout,
            Failure::TooLong => Refusal::Answer(AnswerError::NotTheApi),
        })?;
        // The API answers 200 to everything; what has another status is not its answer.
        if status != 200 {
            return Err(Refusal::Answer(AnswerError::NotTheApi));
        }
        let answer = Answer::read(&body, call.secrets()).map_err(Refusal::Answer)?;
        self.health.note(&answer, Instant::now());
        Ok(ChatAnswer { answer, body })
    }

    /// Whether another attempt is allowed after this one, and can help.
    fn may_try_again(&self, command: &Command, attempt: &Result<ChatAnswer, Refusal>) -> bool {
        match attempt {
            Ok(ChatAnswer { answer, .. }) => match answer.class {
                Class::SignAgain => self.signer.renew(UnixTime::from(SystemTime::now())),
                Class::Retry => command.repeatable,
                _ => false,
            },
            Err(Refusal::Timeout) => command.repeatable,
            Err(_) => false,
        }
    }
}

#[async_trait]
impl ChatApi for ChatClient {
    async fn call(&self, command: &Command, body: &[u8]) -> Result<ChatAnswer, Refusal> {
        if let Some(retry_after) = self.health.pause(Instant::now()) {
            return Err(Refusal::BreakerOpen { retry_after });
        }
        let name = command.name.as_str();
        let first = self.attempt(name, body).await;
        match self.may_try_again(command, &first) {
            true => self.attempt(name, body).await,
            false => first,
        }
    }
}

#[async_trait]
impl Kicker for ChatClient {
    async fn kick(&self, user: &UserId) -> KickAnswer {
        let body = json!({ "UserID": user.as_str() }).to_string();
        match self.send(KICK, body.as_bytes()).await {
            Ok((_, status, answer)) => KickAnswer::parse(status, &answer),
            Err(_) => KickAnswer::Unusable,
        }
    }
}

#[async_trait]
impl Importer for ChatClient {
    async fn import(&self, profile: &Profile) -> ImportAnswer {
        if let Some(retry_after) = self.health.pause(Instant::now()) {
            return ImportAnswer::Paused { retry_after };
        }
        let attempt = self.attempt(IMPORT, profile.body().as_bytes()).await;
        let answer = attempt.map(|attempt| attempt.answer);
        if answer.is_ok_and(|answer| answer.class == Class::SignAgain) {
            // For the attempt after this one; whether it was time for that is the signer's.
            let _ = self.signer.renew(UnixTime::from(SystemTime::now()));
        }
        ImportAnswer::of(&answer)
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| Failure::NoAnswer(Cause::of(&error)))?
    {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Failure::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

const CONNECT: Duration = Duration::from_secs(2);
/// Chat itself gives up after 3 s.
const TOTAL: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(20);
/// Answers about groups have up to 1 MB.
const MAX_ANSWER_BYTES: usize = 2 << 20;
