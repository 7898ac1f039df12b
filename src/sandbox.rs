//! The sandbox: a stand-in for the Chat backend, for demos, tests and load tests.
//!
//! It verifies UserSigs as strictly as we know how, and answers in Chat's shape with Chat's error codes: HTTP 200 whatever
//! the outcome, `ActionStatus`, `ErrorInfo`, `ErrorCode`. A pure handler: the caller owns the sockets and the clock and reads
//! a little more than [`MAX_BODY_BYTES`] of a body at most. The proxy treats it like any other Chat endpoint.

mod answer;
mod credentials;
mod failure;
mod login;
mod rest;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use parking_lot::Mutex;

use crate::identity::UserId;
use crate::time::UnixTime;
use crate::usersig::SdkAppId;
use crate::usersig::ring::KeyRing;
use failure::Failure;

/// The longest request body in bytes; a longer one is answered with `ErrorCode` 70402.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The Chat backend of one application, as far as this program imitates it.
#[derive(Clone, Debug)]
pub struct Sandbox {
    sdk_app_id: SdkAppId,
    keys: KeyRing,
    admin: Option<String>,
    /// When a user was kicked last. Clones share it.
    kicked: Arc<Mutex<HashMap<UserId, UnixTime>>>,
}

impl Sandbox {
    /// A sandbox for the application that owns these keys. It takes what the active and the next one have signed.
    pub fn new(sdk_app_id: SdkAppId, keys: impl Into<KeyRing>) -> Self {
        Self {
            sdk_app_id,
            keys: keys.into(),
            admin: None,
            kicked: Arc::default(),
        }
    }

    /// The same with an administrator, who may call the REST API.
    pub fn with_admin(self, name: &str) -> Self {
        Self {
            admin: Some(name.to_owned()),
            ..self
        }
    }

    /// Answers one request. A HEAD request is answered like GET without the body.
    pub fn answer(&self, request: &Request<Bytes>, now: UnixTime) -> Response<Bytes> {
        let mut response = self.dispatch(request, now);
        if request.method() == Method::HEAD {
            response.body_mut().clear();
        }
        response
    }

    fn dispatch(&self, request: &Request<Bytes>, now: UnixTime) -> Response<Bytes> {
        match (request.uri().path(), request.method()) {
            ("/sandbox/", &Method::GET | &Method::HEAD) => answer::text(ABOUT),
            ("/healthz", &Method::GET | &Method::HEAD) => answer::text("ok\n"),
            ("/v4/im_open_login_svc/kick", &Method::POST) => answer::chat(self.kick(request, now)),
            ("/sandbox/login", &Method::POST) => answer::chat(self.login(request.body(), now)),
            _ => answer::chat::<()>(Err(Failure::NoSuchResource)),
        }
    }
}

const ABOUT: &str = "\
This is the sandbox of usersig-proxy: a stand-in for the Tencent Cloud Chat backend,
made for demos and tests. It is not Chat: nothing here reaches Tencent, and it forgets when it ends.

POST /sandbox/login  {\"UserID\": \"...\", \"UserSig\": \"...\", \"SDKAppID\": 1400000000}
POST /v4/im_open_login_svc/kick?sdkappid=&identifier=&usersig=&random=&contenttype=json  {\"UserID\": \"...\"}
GET  /healthz

Answers have HTTP status 200 and Chat's own shape; read ActionStatus and ErrorCode.
";

#[cfg(test)]
mod tests;
