//! The body of an answer to a login: held back until its end, so that the login can be written into it.
//!
//! ```text
//! for_answer ──► holding ── end ──────────────► Whole     judge it, then send it with or without the login
//!     │             └────── over the limit ───► GiveUp, then Pass for each chunk until the end
//!     └► Untouched: the answer goes to the client as it came, headers and all
//! ```
//!
//! Once this has taken an answer, its header goes out before the body is known: without what would be [`STALE`], and
//! without a content coding. So what leaves here is the plain text in every case, whole or not at all. It knows bytes
//! only: neither tokens nor logins, nor who calls it.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    LAST_MODIFIED, TRAILER, TRANSFER_ENCODING,
};
use http::{HeaderMap, Method, StatusCode};

/// The headers of an answer that are no longer true when its body is rewritten.
pub(super) static STALE: [HeaderName; 10] = [
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    ETAG,
    LAST_MODIFIED,
    ACCEPT_RANGES,
    TRAILER,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Why an answer goes to the client as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Untouched {
    /// There is no body: HEAD, an informational answer, 204, 205, 304, or a length of zero.
    NoBody,
    /// A part of something: 206 or a `Content-Range`.
    Partial,
    /// Not called JSON in UTF-8.
    NotJson,
    /// Encoded in another way than gzip, several times, or on the way.
    Coding,
    /// Longer than the limit by its own word.
    TooLong,
}

/// What the edge does after a chunk. It has no `Debug`: the bytes hold a session token.
pub(super) enum Action {
    /// Sends nothing yet.
    Hold,
    /// Sends the whole body, in which the login may be written first.
    Whole(Vec<u8>),
    /// Sends these bytes: the body is over the limit and stays as it is.
    GiveUp(Vec<u8>),
    /// Sends these bytes, which follow what was given up.
    Pass(Vec<u8>),
}

/// A gzip body that has no plain text. The answer is then cut off, as a client would have found it unreadable too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Undecodable {
    /// Not gzip, damaged, or cut short.
    #[error("the app's answer is not valid gzip")]
    Corrupt,
    /// One chunk holds more plain text than [`MAX_EXPANSION`] allows.
    #[error("the app's answer expands too much")]
    Expands,
}

/// The state of one answer's body.
pub(super) struct LoginBody {
    decoder: Decoder,
    limit: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Holding,
    Passing,
    Done,
}

impl LoginBody {
    /// Takes an answer to a request of this method, if a member can be added to its body at all.
    ///
    /// `limit` is the most bytes of plain text that are held. Which statuses mean a login is the caller's to say.
    pub(super) fn for_answer(
        method: &Method,
        status: StatusCode,
        headers: &HeaderMap,
        limit: usize,
    ) -> Result<Self, Untouched> {
        let length = content_length(headers);
        if has_no_body(method, status, headers) {
            return Err(Untouched::NoBody);
        }
        if status == StatusCode::PARTIAL_CONTENT || headers.contains_key(CONTENT_RANGE) {
            return Err(Untouched::Partial);
        }
        if !is_json(headers) {
            return Err(Untouched::NotJson);
        }
        if has_transfer_coding(headers) {
            return Err(Untouched::Coding);
        }
        let decoder = Decoder::for_coding(headers, limit).ok_or(Untouched::Coding)?;
        if length.is_some_and(|length| length > limit) {
            return Err(Untouched::TooLong);
        }
        Ok(Self {
            decoder,
            limit,
            state: State::Holding,
        })
    }

    /// Takes the next chunk, which may be empty, and whether it is the last.
    ///
    /// After the last one, nothing more is sent. A body whose end never comes was cut short, and is not sent either.
    pub(super) fn feed(&mut self, chunk: &[u8], end: bool) -> Result<Action, Undecodable> {
        if self.state == State::Done {
            return Ok(Action::Hold);
        }
        self.decoder.write(chunk)?;
        if end {
            self.decoder.finish()?;
        }
        let is_over = self.decoder.plain().len() > self.limit;
        match (self.state, is_over, end) {
            (State::Holding, false, false) => Ok(Action::Hold),
            (State::Holding, false, true) => Ok(Action::Whole(self.send(State::Done))),
            (State::Holding, true, _) => Ok(Action::GiveUp(self.send(State::passing(end)))),
            (State::Passing | State::Done, _, _) => {
                Ok(Action::Pass(self.send(State::passing(end))))
            }
        }
    }

    fn send(&mut self, next: State) -> Vec<u8> {
        self.state = next;
        std::mem::take(self.decoder.plain())
    }
}

impl State {
    fn passing(end: bool) -> Self {
        if end { Self::Done } else { Self::Passing }
    }
}

enum Decoder {
    Identity(Vec<u8>),
    Gzip {
        decoder: Box<MultiGzDecoder<Sink>>,
        has_begun: bool,
    },
}

impl Decoder {
    fn for_coding(headers: &HeaderMap, limit: usize) -> Option<Self> {
        let mut codings = headers.get_all(CONTENT_ENCODING).iter();
        let coding = codings.next().map(|value| value.as_bytes());
        if codings.next().is_some() {
            return None;
        }
        let is = |name: &[u8]| coding.is_some_and(|coding| coding.eq_ignore_ascii_case(name));
        if is(b"gzip") || is(b"x-gzip") {
            let sink = Sink {
                bytes: Vec::new(),
                room: limit.saturating_add(MAX_EXPANSION),
            };
            return Some(Self::Gzip {
                decoder: Box::new(MultiGzDecoder::new(sink)),
                has_begun: false,
            });
        }
        (coding.is_none() || is(b"identity")).then(|| Self::Identity(Vec::new()))
    }

    fn write(&mut self, chunk: &[u8]) -> Result<(), Undecodable> {
        match self {
            Self::Identity(bytes) => bytes.extend_from_slice(chunk),
            Self::Gzip { decoder, has_begun } => {
                *has_begun |= !chunk.is_empty();
                decoder.write_all(chunk).map_err(undecodable)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Undecodable> {
        match self {
            // Apps that compress everything say gzip of an empty body too.
            Self::Identity(_)
            | Self::Gzip {
                has_begun: false, ..
            } => Ok(()),
            Self::Gzip { decoder, .. } => decoder.try_finish().map_err(undecodable),
        }
    }

    fn plain(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Identity(bytes) => bytes,
            Self::Gzip { decoder, .. } => &mut decoder.get_mut().bytes,
        }
    }
}

/// Takes so many bytes between two emptyings and then fails.
struct Sink {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > self.room {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn undecodable(error: io::Error) -> Undecodable {
    match error.kind() {
        io::ErrorKind::OutOfMemory => Undecodable::Expands,
        _ => Undecodable::Corrupt,
    }
}

/// Whether an answer ends with its header (RFC 9110 section 6.4.1), as far as that shows.
pub(super) fn has_no_body(method: &Method, status: StatusCode, headers: &HeaderMap) -> bool {
    let is_empty_by_rule = [
        StatusCode::NO_CONTENT,
        StatusCode::RESET_CONTENT,
        StatusCode::NOT_MODIFIED,
    ];
    method == Method::HEAD
        || status.is_informational()
        || is_empty_by_rule.contains(&status)
        || content_length(headers) == Some(0)
}

/// Whether the transport has left a coding on the body: it undoes `chunked` only.
fn has_transfer_coding(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(TRANSFER_ENCODING).iter();
    values.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"chunked"))
}

/// The length that the answer names; the transport has judged its framing before.
fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// `application/json` or a type built on it (RFC 6839), in the one charset that JSON has.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return false;
    };
    let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let subtype = media_type.strip_prefix("application/").unwrap_or_default();
    let is_utf8 = |charset: &str| matches!(charset.trim_matches('"'), "utf-8" | "utf8");
    (subtype == "json" || subtype.ends_with("+json"))
        && parts.all(|part| part.strip_prefix("charset=").is_none_or(is_utf8))
}

/// The most plain bytes beyond the limit that are in memory at once; a chunk of JSON is far from it.
const MAX_EXPANSION: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests;
