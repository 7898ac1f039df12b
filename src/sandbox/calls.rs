//! What arrived at the REST API, so that a test can say what the sandbox saw and what it did not see.
//!
//! Newest last, bounded in number and bytes; the oldest go. Of the query and the headers only names are kept, of the query
//! the value of `identifier` too. A UserSig is never kept: where a body repeats the one of its query, a mark stands instead.

use std::collections::VecDeque;

use bytes::Bytes;
use http::Request;
use serde::Serialize;
use serde_json::Value;

use super::query::Query;
use crate::json;
use crate::time::UnixTime;

/// One request.
#[derive(Serialize)]
pub(super) struct Call {
    number: u64,
    time: u64,
    method: String,
    /// `service/command`, or the whole path when it is none of the API's.
    command: String,
    identifier: Option<String>,
    /// The names of the query's parameters, in their order.
    query: Vec<String>,
    /// The names of the headers, in their order.
    headers: Vec<String>,
    /// JSON when it is strict JSON, else text.
    body: Value,
    /// The `ErrorCode` of the answer, or the fault that took its place.
    answer: Value,
    #[serde(skip)]
    size: usize,
}

/// The calls so far.
pub(super) struct Calls {
    kept: VecDeque<Call>,
    bytes: usize,
    seen: u64,
    max_calls: usize,
    max_bytes: usize,
}

impl Calls {
    /// A record of at most so many calls that count for at most so many bytes.
    pub(super) fn new(max_calls: usize, max_bytes: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            bytes: 0,
            seen: 0,
            max_calls,
            max_bytes,
        }
    }

    /// Keeps a call, and lets the oldest go.
    pub(super) fn push(
        &mut self,
        request: &Request<Bytes>,
        command: &str,
        query: &Query,
        (now, answer): (UnixTime, Value),
    ) {
        self.seen = self.seen.saturating_add(1);
        let target = request.uri().path_and_query();
        let target = target.map_or(0, |target| target.as_str().len());
        let headers = request.headers().keys();
        let headers: usize = headers.map(|name| name.as_str().len()).sum();
        let size = request.body().len() + target + headers + OVERHEAD;
        self.bytes += size;
        self.kept.push_back(Call {
            number: self.seen,
            time: now.as_secs(),
            method: request.method().to_string(),
            command: query.without_user_sig(command),
            identifier: query
                .identifier
                .as_deref()
                .map(|name| query.without_user_sig(name)),
            query: query.names.clone(),
            headers: request.headers().keys().map(ToString::to_string).collect(),
            body: body(request.body(), query),
            answer,
            size,
        });
        while self.kept.len() > self.max_calls || self.bytes > self.max_bytes {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(oldest.size);
        }
    }

    /// The calls that are kept, oldest first.
    pub(super) fn list(&self) -> impl Iterator<Item = &Call> {
        self.kept.iter()
    }

    /// How many arrived, those included that are no longer kept.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Forgets all of them, the count too.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.bytes = 0;
        self.seen = 0;
    }
}

fn body(body: &Bytes, query: &Query) -> Value {
    let value = json::parse_value(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
    // Replaced in what was parsed, because JSON can spell a letter in several ways.
    let text = query.without_user_sig(&value.to_string());
    serde_json::from_str(&text).unwrap_or_default()
}

/// For what a call holds beside target, headers and body.
const OVERHEAD: usize = 1024;
