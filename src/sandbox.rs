//! The sandbox: a stand-in for the Chat backend, for demos, tests and load tests.
//!
//! It verifies UserSigs as strictly as we know how, and answers in Chat's shape with Chat's error codes: HTTP 200 whatever
//! the outcome, `ActionStatus`, `ErrorInfo`, `ErrorCode`. A pure handler: the caller owns the sockets and the clock and reads
//! a little more than [`MAX_BODY_BYTES`] of a body at most. The proxy treats it like any other Chat endpoint.

mod answer;
mod archive;
mod attempts;
mod calls;
mod client;
mod control;
mod credentials;
mod failure;
mod fault;
mod group;
mod login;
mod query;
mod rest;
mod state;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use parking_lot::Mutex;

use crate::identity::{ReservedNames, UserId};
use crate::time::UnixTime;
use crate::usersig::SdkAppId;
use crate::usersig::ring::KeyRing;
pub use answer::Answer;
pub use client::{Heard, Listener};
use failure::Failure;
use state::State;

/// The longest request body in bytes; a longer one is answered with `ErrorCode` 70402.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The Chat backend of one application, as far as this program imitates it.
#[derive(Clone, Debug)]
pub struct Sandbox {
    sdk_app_id: SdkAppId,
    keys: KeyRing,
    admin: Option<String>,
    /// Clones share it.
    state: Arc<Mutex<State>>,
}

impl Sandbox {
    /// A sandbox for the application that owns these keys. It takes what the active and the next one have signed.
    pub fn new(sdk_app_id: SdkAppId, keys: impl Into<KeyRing>) -> Self {
        Self {
            sdk_app_id,
            keys: keys.into(),
            admin: None,
            state: Arc::default(),
        }
    }

    /// The same with an administrator, who may call the REST API and is an account.
    pub fn with_admin(self, name: &str) -> Self {
        Self {
            admin: Some(name.to_owned()),
            ..self.with_account(name)
        }
    }

    /// The same with an account of this name, if one can have it.
    pub fn with_account(self, name: &str) -> Self {
        if let Ok(user) = UserId::parse(name, &ReservedNames::default()) {
            // An error means that there is no room for it, and then nothing else works either.
            let _ = self.state.lock().chat.import(user);
        }
        self
    }

    /// Answers one request. A HEAD request is answered like GET without the body.
    pub fn answer(&self, request: &Request<Bytes>, now: UnixTime) -> Answer {
        let mut answer = self.dispatch(request, now);
        if let (&Method::HEAD, Answer::Respond(response) | Answer::RespondAfter(_, response)) =
            (request.method(), &mut answer)
        {
            response.body_mut().clear();
        }
        answer
    }

    fn dispatch(&self, request: &Request<Bytes>, now: UnixTime) -> Answer {
        let mut state = self.state.lock();
        let response = match (request.uri().path(), request.method()) {
            ("/sandbox/", &Method::GET | &Method::HEAD) => Some(answer::text(ABOUT)),
            ("/healthz", &Method::GET | &Method::HEAD) => Some(answer::text("ok\n")),
            ("/sandbox/login", &Method::POST) => {
                let logged_in = self.login(&mut state, request.body(), now);
                Some(answer::chat(logged_in))
            }
            ("/sandbox/send", &Method::POST) => {
                Some(answer::rest(self.send(&mut state, request.body(), now)))
            }
            ("/sandbox/events", &Method::POST) => {
                match self.listen(&mut state, request.body(), now) {
                    Ok(listener) => return answer::lines(listener),
                    Err(failure) => Some(answer::chat::<()>(Err(failure))),
                }
            }
            ("/sandbox/fail", _) => control::fail(&mut state, request),
            ("/sandbox/calls", method) => control::calls(&mut state, method),
            ("/sandbox/" | "/healthz", _) => None,
            ("/sandbox/login" | "/sandbox/send" | "/sandbox/events", _) => None,
            _ => return self.rest(&mut state, request, now),
        };
        Answer::Respond(response.unwrap_or_else(no_such_resource))
    }
}

fn no_such_resource() -> Response<Bytes> {
    answer::chat::<()>(Err(Failure::NoSuchResource))
}

const ABOUT: &str = "\
This is the sandbox of usersig-proxy: a stand-in for the Tencent Cloud Chat backend,
made for demos, tests and load tests. It is not Chat: nothing here reaches Tencent, nobody receives
the messages, and it forgets when it ends. It holds 1000000 accounts, 1000 groups of 2000 members, the newest
100000 messages (64 MiB) and the newest 1000 calls (8 MiB).

POST   /sandbox/login  {\"UserID\": \"...\", \"UserSig\": \"...\", \"SDKAppID\": 1400000000}
POST   /sandbox/send   the same with To_Account, MsgRandom and MsgBody: a message of that user
POST   /sandbox/events the same: what the user hears, one line of JSON each, until the login ends
POST   /v4/<service>/<command>?sdkappid=&identifier=&usersig=&random=&contenttype=json  {...}
         im_open_login_svc    account_import multiaccount_import account_check account_delete kick
         openim               query_online_status sendmsg batchsendmsg admin_getroammsg admin_msgwithdraw
         profile              portrait_get portrait_set
         group_open_http_svc  create_group get_group_info get_group_member_info get_joined_group_list
                              add_group_member delete_group_member send_group_msg group_msg_get_simple
                              change_group_owner destroy_group forbid_send_msg get_role_in_group
                              get_appid_group_list modify_group_base_info
         all_member_push      im_push (checked and counted, delivered to nobody)
POST   /sandbox/fail   {\"as\": \"60007\", \"next\": 3, \"command\": \"openim/sendmsg\", \"delay_ms\": 0}
         as: any ErrorCode, slow, cut, cut_after, html, echo or redirect
GET    /sandbox/fail   the open orders        DELETE  takes them back
GET    /sandbox/calls  what arrived           DELETE  forgets it
GET    /healthz

Answers of Chat have HTTP status 200 and Chat's own shape; read ActionStatus and ErrorCode.
";

#[cfg(test)]
mod tests;
