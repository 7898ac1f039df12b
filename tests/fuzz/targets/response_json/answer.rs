//! An app's answer, fed chunk by chunk to what holds it back in the program.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::login_body::{Action, LoginBody, Undecodable};

/// What reaches the client of an answer's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// All of it at once, so that a login can be written into it.
    Whole(Vec<u8>),
    /// All of it, as it is.
    Untouched(Vec<u8>),
    /// What there was until it could not be decoded.
    Cut(Vec<u8>),
}

/// Sends the chunks of a JSON answer, packed by gzip or not, through what holds at most `limit` bytes of plain text.
pub(crate) fn send(chunks: &[&[u8]], is_gzip: bool, limit: usize) -> Sent {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let body = LoginBody::for_answer(&Method::POST, StatusCode::OK, &headers, limit);
    let mut body = body.expect("an answer that can take a login");
    let mut sent = Vec::new();
    for (index, chunk) in chunks.iter().enumerate() {
        let end = index + 1 == chunks.len();
        match body.feed(chunk, end) {
            Ok(Action::Hold) => assert!(!end, "held for ever"),
            Ok(Action::Whole(whole)) => {
                assert!(end && sent.is_empty() && whole.len() <= limit);
                return Sent::Whole(whole);
            }
            Ok(Action::GiveUp(bytes)) => {
                assert!(sent.is_empty() && bytes.len() > limit);
                sent = bytes;
            }
            Ok(Action::Pass(bytes)) => sent.extend(bytes),
            Err(Undecodable::Corrupt | Undecodable::Expands) => return Sent::Cut(sent),
        }
    }
    Sent::Untouched(sent)
}
