//! What the proxy remembers of one request between Pingora's phases.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::StatusCode;
use pingora::Result;
use pingora::proxy::Session;

use super::answer::HeldBody;
use super::forwarding::Provenance;
use super::respond::Refused;
use super::site::Site;
use super::trace::Trace;
use super::upstream::Tries;
use super::webhook::Received;
use super::{internal, request};
use crate::authorize::{
    Authorizer, Caller, Inject, Login, Permit, REST_ROUTE, Refusal, Target, User,
};
use crate::identity::UserId;
use crate::metrics::{NO_SITE, Place};
use crate::rejection::Rejection;
use crate::time::UnixTime;

/// The state of one request. The clock is read once, when the request is.
pub struct RequestContext {
    pub(super) request_id: RequestId,
    pub(super) now: UnixTime,
    pub(super) started: Instant,
    pub(super) decision: Decision,
    /// The site that it is for, under the configuration that was current when it came.
    pub(super) site: Option<Arc<Site>>,
    /// Its place among all that are under way.
    pub(super) place: Option<Place>,
    /// Where the request came from; noted before the request is stripped.
    pub(super) provenance: Provenance,
    /// Whether a cookie can go without `Secure`; noted before the request is stripped.
    pub(super) plain_loopback: bool,
    /// The trace that it belongs to, where requests are traced.
    pub(super) trace: Option<Trace>,
    pub(super) upstream: Option<Arc<str>>,
    pub(super) tries: Tries,
    pub(super) body_bytes: u64,
    /// Whether it was refused and its path is below the gateway's prefix, whatever route it found.
    pub(super) is_call: bool,
    pub(super) held_body: Option<HeldBody>,
    /// The webhook that it is, once its body was judged.
    pub(super) webhook: Option<Received>,
    /// The user whose session the app's answer began, or whose login it carries.
    pub(super) logged_in: Option<User>,
    /// The status of the app's answer.
    pub(super) answered: Option<StatusCode>,
    /// Whether its line is written, before it has ended.
    pub(super) is_told: bool,
    /// Whose request it was that was permitted and then turned away.
    turned_away: Option<UserId>,
}

/// How far the decision about a request has come.
pub(super) enum Decision {
    Pending,
    Permitted(Permit),
    Rejected(Refusal),
}

impl RequestContext {
    pub(super) fn new() -> Self {
        Self {
            request_id: RequestId::random(),
            now: UnixTime::from(SystemTime::now()),
            started: Instant::now(),
            decision: Decision::Pending,
            site: None,
            place: None,
            provenance: Provenance::unknown(),
            plain_loopback: false,
            trace: None,
            upstream: None,
            tries: Tries::default(),
            body_bytes: 0,
            is_call: false,
            held_body: None,
            webhook: None,
            logged_in: None,
            answered: None,
            is_told: false,
            turned_away: None,
        }
    }

    /// Starts the clocks again: a kept-alive connection makes the context before the request arrives.
    pub(super) fn start(&mut self) {
        self.now = UnixTime::from(SystemTime::now());
        self.started = Instant::now();
    }

    /// The site, without which nothing comes after the decision.
    pub(super) fn site(&self) -> Result<&Arc<Site>> {
        self.site.as_ref().ok_or_else(internal)
    }

    /// The site's label for logs and metrics.
    pub(super) fn site_name(&self) -> &str {
        let site = self.site.as_ref();
        site.map_or(NO_SITE, |site| &site.settings.name)
    }

    /// The status that went to the client, or is on its way to one that was told of early.
    pub(super) fn status(&self, session: &Session) -> Option<StatusCode> {
        let written = session.response_written().map(|header| header.status);
        written.or(self.answered.filter(|_| self.is_told))
    }

    pub(super) fn permit(&self) -> Option<&Permit> {
        match &self.decision {
            Decision::Permitted(permit) => Some(permit),
            Decision::Pending | Decision::Rejected(_) => None,
        }
    }

    pub(super) fn route(&self) -> Option<&Arc<str>> {
        match &self.decision {
            Decision::Permitted(permit) => Some(&permit.route),
            Decision::Rejected(refusal) => refusal.route.as_ref(),
            Decision::Pending => None,
        }
    }

    pub(super) fn user(&self) -> Option<&User> {
        match &self.permit()?.caller {
            Caller::User(user) => Some(user),
            Caller::Anonymous => None,
        }
    }

    /// The login and the places of the app's traffic it goes into.
    pub(super) fn injection(&self) -> Option<(Inject, &User, &Login)> {
        let Target::Upstream { inject, .. } = self.permit()?.target else {
            return None;
        };
        let user = self.user()?;
        Some((inject, user, user.login.as_ref()?))
    }

    /// Whether it is a webhook or was to be one: Chat reads `ErrorCode` there.
    fn is_webhook(&self) -> bool {
        match &self.decision {
            Decision::Permitted(permit) => permit.webhook.is_some(),
            Decision::Rejected(refusal) => matches!(refusal.rejection, Rejection::Webhook(_)),
            Decision::Pending => false,
        }
    }

    /// Whether the path is below the gateway's prefix, of a command or not.
    pub(super) fn asks_gateway(&self, session: &Session) -> bool {
        let target = request::target(session.req_header());
        let site = self.site.as_ref().map(|site| &site.settings.authorizer);
        let call = |(site, (path, _)): (&Arc<Authorizer>, (&[u8], _))| site.call_path(path);
        site.zip(target.ok()).and_then(call).is_some()
    }

    /// How a refusal of it is told.
    pub(super) fn refused(&self) -> Refused {
        Refused {
            request_id: self.request_id,
            speaks_api: self.is_call
                || self.is_webhook()
                || self.route().is_some_and(|route| **route == *REST_ROUTE),
        }
    }

    /// Whom the access line names.
    pub(super) fn known_user(&self) -> Option<&UserId> {
        let user = self.logged_in.as_ref().or(self.user());
        user.map(|user| &user.user_id).or(self.turned_away.as_ref())
    }

    /// Turns away a request that had a permit, or never came to be judged.
    pub(super) fn reject(&mut self, rejection: Rejection) {
        self.turned_away = self.user().map(|user| user.user_id).or(self.turned_away);
        let route = self.route().cloned();
        self.decision = Decision::Rejected(Refusal {
            route,
            rejection,
            rest_call: None,
        });
    }
}

/// A name for one request, for logs and the error body: 128 random bits in hexadecimal.
#[derive(Clone, Copy)]
pub(super) struct RequestId([u8; 32]);

impl RequestId {
    fn random() -> Self {
        let mut text = [0; 32];
        let bytes: [u8; 16] = rand::random();
        for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
            digits.copy_from_slice(&[byte >> 4, byte & 15].map(hex_digit));
        }
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn hex_digit(value: u8) -> u8 {
    match value {
        0..10 => b'0' + value,
        _ => b'a' - 10 + value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_128_bits_in_hexadecimal_and_no_two_are_alike() {
        let ids: Vec<_> = (0..1000).map(|_| RequestId::random().to_string()).collect();
        for id in &ids {
            let is_hex = id
                .bytes()
                .all(|letter| b"0123456789abcdef".contains(&letter));
            assert!(id.len() == 32 && is_hex, "{id}");
        }
        let digits: std::collections::BTreeSet<char> =
            ids.iter().flat_map(|id| id.chars()).collect();
        assert_eq!(digits.len(), 16);
        let different: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len());
    }
}
