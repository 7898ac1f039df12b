//! The demo app: what stands behind the proxy when `demo` runs.
//!
//! An ordinary app with users, a login and a session token that it signs and verifies itself. It knows nothing of Chat: it
//! reports which `X-Chat-*` headers reached it, and its page shows them. A pure handler like the sandbox: the caller owns
//! the sockets, the keys and the clock. Its passwords are public, so it must only ever listen on loopback.

mod answer;
mod login;
mod session;
mod users;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;

use crate::page::Page;
use crate::time::UnixTime;
use login::Login;
pub use session::{
    DemoKeyError, DemoKeys, HS256_ISSUER, RS256_ISSUER, SESSION_SECONDS, SessionAlgorithm,
    SignError,
};
pub use users::{ACCOUNTS, DemoAccount, DemoUser};

/// The longest request body in bytes; a longer one is answered with 413.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// The app with its keys; the users are [`ACCOUNTS`].
#[derive(Clone, Debug)]
pub struct DemoApp {
    keys: DemoKeys,
    page: Page,
}

impl DemoApp {
    /// The app, signing its sessions with `keys`.
    pub fn new(keys: DemoKeys) -> Self {
        Self {
            keys,
            page: Page::new(PAGE),
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
        let headers = request.headers();
        match (request.uri().path(), request.method()) {
            ("/", &Method::GET | &Method::HEAD) => self.page.answer(),
            ("/public", &Method::GET | &Method::HEAD) => public(headers),
            ("/api/me", &Method::GET | &Method::HEAD) => self.me(headers, now),
            ("/api/login", &Method::POST) => self.login(request.body(), now),
            ("/api/logout", &Method::POST) => logout(),
            ("/" | "/public" | "/api/me", _) => answer::method_not_allowed("GET, HEAD"),
            ("/api/login" | "/api/logout", _) => answer::method_not_allowed("POST"),
            _ => answer::error(StatusCode::NOT_FOUND, "no such page"),
        }
    }

    fn me(&self, headers: &HeaderMap, now: UnixTime) -> Response<Bytes> {
        let Some(session) = self.keys.session(headers, now) else {
            return answer::unauthorized("log in first");
        };
        answer::json(&json!({
            "user": { "id": session.user_id, "name": session.name, "roles": session.roles },
            "session": {
                "algorithm": session.algorithm.name(),
                "issuer": session.algorithm.issuer(),
                "expires_at": session.expires_at.as_secs(),
            },
            "chat_headers": chat_headers(headers),
        }))
    }

    fn login(&self, body: &[u8], now: UnixTime) -> Response<Bytes> {
        let login = match Login::parse(body) {
            Ok(login) => login,
            Err(refusal) => return answer::error(refusal.status(), refusal.message()),
        };
        let Some(account) = login.account() else {
            return answer::unauthorized("wrong user or password");
        };
        let user = account.user;
        let Ok(token) = self.keys.session_token(&user, login.algorithm, now) else {
            return answer::error(StatusCode::INTERNAL_SERVER_ERROR, "cannot sign a session");
        };
        let answer = answer::json(&json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": SESSION_SECONDS,
            "user": { "id": user.id, "name": user.name, "roles": user.roles },
        }));
        with_cookie(
            answer,
            &format!("session={token}; HttpOnly; SameSite=Lax; Path=/"),
        )
    }
}

fn public(headers: &HeaderMap) -> Response<Bytes> {
    answer::json(&json!({
        "page": "public",
        "chat_headers": chat_headers(headers),
    }))
}

/// The app keeps no sessions: it can only tell the browser to forget the cookie.
fn logout() -> Response<Bytes> {
    with_cookie(
        answer::json(&json!({ "logged_out": true })),
        "session=; Max-Age=0; HttpOnly; SameSite=Lax; Path=/",
    )
}

/// Every header that a careless app could take for one of the proxy's: `_` counts as `-`, repeated values are joined.
fn chat_headers(headers: &HeaderMap) -> BTreeMap<&str, String> {
    headers
        .keys()
        .filter(|name| name.as_str().replace('_', "-").starts_with("x-chat-"))
        .map(|name| {
            let values: Vec<_> = headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            (name.as_str(), values.join(", "))
        })
        .collect()
}

fn with_cookie(mut response: Response<Bytes>, cookie: &str) -> Response<Bytes> {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        response.headers_mut().insert(SET_COOKIE, value);
    }
    response
}

const PAGE: &str = include_str!("demo/page.html");

#[cfg(test)]
mod tests;
