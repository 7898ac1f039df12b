//! The access line: what became of one request.

use std::borrow::Cow;

use http::Method;
use pingora::proxy::Session;

use super::context::{Decision, RequestContext};
use super::trace::Trace;
use super::upstream::is_failure;
use crate::authorize::Target;
use crate::identity::UserId;
use crate::metrics::Outcome;

pub(super) fn outcome(ctx: &RequestContext, failed: bool) -> Outcome {
    match &ctx.decision {
        Decision::Rejected(refusal) => Outcome::Rejected(refusal.rejection.code()),
        Decision::Pending => Outcome::Aborted,
        Decision::Permitted(_) if failed => Outcome::Aborted,
        Decision::Permitted(permit) => match permit.target {
            Target::Upstream { .. } | Target::Webhook { .. } => Outcome::Forwarded,
            Target::UserSigEndpoint
            | Target::UserSigRenewal
            | Target::UserSigPreflight
            | Target::RestCall
            | Target::RestPreflight => Outcome::Answered,
        },
    }
}

/// One line a request: never a query, a body, or a header but the client's address that a trusted proxy names.
pub(super) fn log(
    session: &Session,
    ctx: &RequestContext,
    outcome: Outcome,
    route: &str,
    seconds: f64,
) {
    let request = session.req_header();
    let status = ctx.status(session);
    let reason = match &ctx.decision {
        Decision::Rejected(refusal) if is_failure(&refusal.rejection) => ctx.tries.reason(),
        Decision::Rejected(refusal) => refusal.rejection.reason(),
        Decision::Pending | Decision::Permitted(_) => None,
    };
    tracing::info!(
        target: "usersig_proxy::access",
        request_id = ctx.request_id.as_str(),
        client = ctx.provenance.client(),
        method = method_name(&request.method),
        path = &*printable(request.uri.path()),
        site = ctx.site_name(),
        route,
        status = status.map_or(0, |status| status.as_u16()),
        outcome = outcome.as_str(),
        reason,
        user_id = ctx.known_user().map(UserId::as_str),
        upstream = ctx.upstream.as_deref(),
        server = ctx.tries.server(),
        trace_id = ctx.trace.as_ref().and_then(Trace::id).map(tracing::field::display),
        duration_ms = (seconds * 1e6).round() / 1e3,
        "request"
    );
}

/// The method, if it looks like one: a client may send any word in its place, a credential too.
pub(super) fn method_name(method: &Method) -> &str {
    let name = method.as_str();
    let is_plain = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    match name.len() <= MAX_METHOD_BYTES && name.bytes().all(is_plain) {
        true => name,
        false => "other",
    }
}

/// The path without what could end a line or fill the log, and without credentials that were put into it.
pub(super) fn printable(path: &str) -> Cow<'_, str> {
    let path = redacted(path);
    match path.len() <= MAX_PATH_BYTES && path.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => path,
        false => {
            let shown = path.chars().take(MAX_PATH_BYTES);
            Cow::Owned(shown.flat_map(char::escape_default).collect())
        }
    }
}

/// The text without the parts between slashes that hold a credential.
pub fn redacted(path: &str) -> Cow<'_, str> {
    if path.len() <= MIN_TOKEN_BYTES || !path.split('/').any(holds_credential) {
        return Cow::Borrowed(path);
    }
    let shown = |segment| match holds_credential(segment) {
        true => REDACTED,
        false => segment,
    };
    Cow::Owned(path.split('/').map(shown).collect::<Vec<_>>().join("/"))
}

/// Whether some word of a path segment, however it is encoded, has the shape of a token or a UserSig.
fn holds_credential(segment: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte);
    let decoded = percent_decoded(segment.as_bytes());
    decoded
        .split(|byte| !is_letter(*byte))
        .any(|word| is_token(word) || is_user_sig(word))
}

/// Three parts of base64url; the last one is empty where nothing was signed.
fn is_token(word: &[u8]) -> bool {
    let dots = word.iter().filter(|byte| **byte == b'.').count();
    word.len() > MIN_TOKEN_BYTES && dots == 2 && !word.contains(&b'*')
}

fn is_user_sig(word: &[u8]) -> bool {
    let mut words = word.split(|byte| *byte == b'.');
    words.any(|word| word.starts_with(b"eJ") && word.len() > MIN_USER_SIG_BYTES)
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let (byte, after) = match tail {
            [high, low, after @ ..] if *first == b'%' => match hex_pair(*high, *low) {
                Some(byte) => (byte, after),
                None => (*first, tail),
            },
            _ => (*first, tail),
        };
        decoded.push(byte);
        rest = after;
    }
    decoded
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

pub(super) const REDACTED: &str = "[redacted]";
/// What is not longer is no signed token: the shortest signature alone has 43 letters.
const MIN_TOKEN_BYTES: usize = 40;
const MIN_USER_SIG_BYTES: usize = 100;
const MAX_PATH_BYTES: usize = 1024;
/// The longest registered method, `UPDATEREDIRECTREF`, has 17.
const MAX_METHOD_BYTES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o4_a_credential_in_a_path_is_not_printed() {
        let claims = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9";
        let token = format!("{claims}.c2lnbmF0dXJl-_");
        let sig = format!("eJ{}", "yrVgrxCdYr*-_".repeat(9));
        for (case, path, shown) in [
            ("token", format!("/api/{token}/x"), "/api/[redacted]/x"),
            ("unsigned token", format!("/{claims}."), "/[redacted]"),
            ("named", format!("/api;token={token}"), "/[redacted]"),
            (
                "encoded",
                format!("/a/{}", token.replace('.', "%2E")),
                "/a/[redacted]",
            ),
            ("UserSig", format!("/a/{sig}"), "/a/[redacted]"),
            (
                "UserSig with a suffix",
                format!("/a/{sig}.json"),
                "/a/[redacted]",
            ),
            (
                "encoded UserSig",
                format!("/{}", sig.replace("eJ", "%65J")),
                "/[redacted]",
            ),
            ("two", format!("/{token}/{sig}"), "/[redacted]/[redacted]"),
            (
                "too long",
                format!("/{token}/{}", "a".repeat(2000)),
                "/[redacted]/aaaa",
            ),
        ] {
            assert!(
                printable(&path).starts_with(shown),
                "{case}: {}",
                printable(&path)
            );
            assert!(!printable(&path).contains("yJzdWI"), "{case}");
        }
        let long = format!("/{}", "a".repeat(200));
        for path in ["/", "//", "/a.b.c", "/api/v1.2.3/users%2Fx", "/%/%4", &long] {
            assert_eq!(printable(path), path);
        }
    }
}
