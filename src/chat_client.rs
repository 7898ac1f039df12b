//! The proxy's own calls to Chat: `kick`, when a session has ended.
//!
//! The URI of such a call carries an administrator's UserSig, and the HTTP library prints URIs in its errors. So no error of
//! it leaves here: an attempt that failed is only that.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use serde_json::json;

use crate::identity::UserId;
use crate::proxy::Kicker;
use crate::rest_api::sign::{Command, Signer};
use crate::state::kick::KickAnswer;
use crate::time::UnixTime;

/// Calls the REST API of one application.
pub struct ChatClient {
    signer: Signer,
    http: Client,
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
            .connect_timeout(CONNECT)
            .timeout(TOTAL);
        // Plain http reaches this machine only and must work where no trust roots are installed.
        let builder = match signer.endpoint().is_encrypted() {
            true => builder,
            false => builder.tls_certs_only([]),
        };
        let http = builder.build().map_err(|_| ChatClientError)?;
        Ok(Self { signer, http })
    }

    async fn call(&self, command: Command, body: String) -> Option<(u16, Vec<u8>)> {
        let now = UnixTime::from(SystemTime::now());
        let uri = self.signer.sign(command, rand::random(), now).ok()?;
        let request = self
            .http
            .post(uri.expose())
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let mut response = request.send().await.ok()?;
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            if answer.len() + chunk.len() > MAX_ANSWER_BYTES {
                return None;
            }
            answer.extend_from_slice(&chunk);
        }
        Some((response.status().as_u16(), answer))
    }
}

#[async_trait]
impl Kicker for ChatClient {
    async fn kick(&self, user: &UserId) -> KickAnswer {
        let body = json!({ "UserID": user.as_str() }).to_string();
        match self.call(Command::Kick, body).await {
            Some((status, answer)) => KickAnswer::parse(status, &answer),
            None => KickAnswer::Unusable,
        }
    }
}

const CONNECT: Duration = Duration::from_secs(2);
/// Chat itself gives up after 3 s.
const TOTAL: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: usize = 64 * 1024;
