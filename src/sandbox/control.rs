//! The endpoints that steer the sandbox: `/sandbox/fail` orders failures, `/sandbox/calls` shows what arrived.
//!
//! They are not Chat's: their answers have plain HTTP statuses and no CORS headers. The sandbox listens on loopback only.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::answer;
use super::state::State;
use crate::json;

/// `GET`, `POST` and `DELETE` of `/sandbox/fail`.
pub(super) fn fail(state: &mut State, request: &Request<Bytes>) -> Option<Response<Bytes>> {
    match *request.method() {
        Method::GET | Method::HEAD => {}
        Method::DELETE => state.faults.clear(),
        Method::POST => {
            let order = json::parse_object(request.body()).map_err(|error| error.to_string());
            let ordered = order.and_then(|order| {
                let ordered = state.faults.order(&order);
                ordered.map_err(|error| error.to_string())
            });
            if let Err(error) = ordered {
                let members = json!({ "error": error });
                return Some(answer::control(StatusCode::BAD_REQUEST, &members));
            }
        }
        _ => return None,
    }
    Some(answer::control(StatusCode::OK, &state.faults.list()))
}

/// `GET` and `DELETE` of `/sandbox/calls`.
pub(super) fn calls(state: &mut State, method: &Method) -> Option<Response<Bytes>> {
    match *method {
        Method::GET | Method::HEAD => {}
        Method::DELETE => state.calls.clear(),
        _ => return None,
    }
    let calls: Vec<_> = state.calls.list().collect();
    let members = json!({ "seen": state.calls.seen(), "calls": calls });
    Some(answer::control(StatusCode::OK, &members))
}
