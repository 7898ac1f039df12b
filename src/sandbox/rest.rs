//! `POST /v4/<service>/<command>`: the commands of Chat's REST API that are imitated, for administrators only.
//!
//! A call meets, in this order: an ordered fault, the path (60009), the credentials in the query, the body (60003), and then
//! its command, which names the public pages that its answer and its refusals were taken from. Every call is recorded.

mod account;
mod body;
mod group;
mod group_message;
mod member;
mod message;
mod profile;
pub(super) mod push;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::answer::{self, Answer, Reply};
use super::failure::Failure;
use super::fault::Fault;
use super::query::Query;
use super::state::{Chat, State};
use super::{MAX_BODY_BYTES, Sandbox};
use crate::identity::UserId;
use crate::json::{self, Object};
use crate::time::UnixTime;

pub(super) use message::one_to_one;

/// A call whose body is JSON, of an administrator or of a client that sends in its own name.
struct Call<'a> {
    body: &'a Object,
    caller: UserId,
    sdk_app_id: u32,
    now: UnixTime,
}

type Command = fn(&mut Chat, &Call<'_>) -> Result<Reply, Failure>;

impl Sandbox {
    /// Answers and records a call of the REST API, or of a path that is nobody's.
    pub(super) fn rest(
        &self,
        state: &mut State,
        request: &Request<Bytes>,
        now: UnixTime,
    ) -> Answer {
        let path = request.uri().path();
        let command = path.strip_prefix("/v4/").unwrap_or(path);
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let met = state.faults.take(command);
        let (fault, delay) = met.unwrap_or((Fault::Slow, Duration::ZERO));
        let (answer, noted) = match fault {
            Fault::Slow => self.carry_out(state, request, &query, now),
            Fault::CutAfter => {
                self.carry_out(state, request, &query, now);
                (None, json!(fault.name()))
            }
            Fault::Code(code) => {
                let response = answer::chat::<()>(Err(Failure::Ordered(code)));
                (Some(response), json!(code))
            }
            Fault::Cut => (None, json!(fault.name())),
            Fault::Html => (Some(answer::html(request.uri())), json!(fault.name())),
            Fault::Echo => (Some(answer::echo(request.uri())), json!(fault.name())),
            Fault::Redirect => (Some(answer::redirect(request.uri())), json!(fault.name())),
        };
        state.calls.push(request, command, &query, (now, noted));
        match answer {
            Some(response) if delay.is_zero() => Answer::Respond(response),
            Some(response) => Answer::RespondAfter(delay, response),
            None => Answer::Cut(delay),
        }
    }

    fn carry_out(
        &self,
        state: &mut State,
        request: &Request<Bytes>,
        query: &Query,
        now: UnixTime,
    ) -> (Option<Response<Bytes>>, Value) {
        let outcome = self.call(state, request, query, now);
        let code = outcome.as_ref().err().map_or(0, |failure| failure.code());
        (Some(answer::rest(outcome)), json!(code))
    }

    fn call(
        &self,
        state: &mut State,
        request: &Request<Bytes>,
        query: &Query,
        now: UnixTime,
    ) -> Result<Reply, Failure> {
        let command = command(request).ok_or(Failure::NoSuchResource)?;
        let caller = self.admit_admin(state, query, now)?;
        if request.body().len() > MAX_BODY_BYTES {
            return Err(Failure::BodyTooLong);
        }
        let call = Call {
            body: &json::parse_object(request.body())?,
            caller,
            sdk_app_id: self.sdk_app_id.get(),
            now,
        };
        command(&mut state.chat, &call)
    }
}

/// A one-to-one message that a client sends as the user who it is.
pub(super) fn send_in_own_name(
    chat: &mut Chat,
    body: &Object,
    (caller, sdk_app_id): (UserId, u32),
    now: UnixTime,
) -> Result<Reply, Failure> {
    if body.contains_key("From_Account") {
        return Err(Failure::FromAccountUnknown);
    }
    let call = Call {
        body,
        caller,
        sdk_app_id,
        now,
    };
    message::send(chat, &call)
}

/// The command of a request; names are compared with regard to case, and other methods than POST have none.
fn command(request: &Request<Bytes>) -> Option<Command> {
    if *request.method() != Method::POST {
        return None;
    }
    let name = request.uri().path().strip_prefix("/v4/")?;
    let found = COMMANDS.iter().find(|(known, _)| *known == name);
    found.map(|(_, command)| *command)
}

const COMMANDS: [(&str, Command); 27] = [
    ("im_open_login_svc/account_import", account::import),
    (
        "im_open_login_svc/multiaccount_import",
        account::import_many,
    ),
    ("im_open_login_svc/account_check", account::check),
    ("im_open_login_svc/account_delete", account::delete),
    ("im_open_login_svc/kick", account::kick),
    ("openim/query_online_status", account::query_online_status),
    ("openim/sendmsg", message::send),
    ("openim/batchsendmsg", message::send_batch),
    ("openim/admin_getroammsg", message::history),
    ("openim/admin_msgwithdraw", message::withdraw),
    ("profile/portrait_get", profile::get),
    ("profile/portrait_set", profile::set),
    ("group_open_http_svc/create_group", group::create),
    ("group_open_http_svc/get_group_info", group::info),
    ("group_open_http_svc/get_appid_group_list", group::list),
    ("group_open_http_svc/modify_group_base_info", group::modify),
    ("group_open_http_svc/destroy_group", group::destroy),
    ("group_open_http_svc/send_group_msg", group_message::send),
    (
        "group_open_http_svc/group_msg_get_simple",
        group_message::history,
    ),
    ("group_open_http_svc/get_group_member_info", member::info),
    ("group_open_http_svc/get_joined_group_list", member::joined),
    ("group_open_http_svc/add_group_member", member::add),
    ("group_open_http_svc/delete_group_member", member::delete),
    (
        "group_open_http_svc/change_group_owner",
        member::change_owner,
    ),
    ("group_open_http_svc/forbid_send_msg", member::forbid),
    ("group_open_http_svc/get_role_in_group", member::roles),
    ("all_member_push/im_push", push::push),
];

#[cfg(test)]
mod tests;
