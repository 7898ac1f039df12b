//! A request that nobody sent, read as the edge reads one of HTTP/1.1.
//!
//! What is done to it before the walk is the edge's own: the site by its host, the limits, the headers that are stripped.

use http::Version;
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use pingora::http::RequestHeader;

use super::headers::{InjectedNames, Stripper};
use super::hosts::Hosts;
use super::limits::{self, Limits};
use super::request;
use crate::authorize::Parts;
use crate::rejection::Rejection;

/// A request that nobody sent.
#[derive(Debug)]
pub struct Trial {
    header: RequestHeader,
    target: Vec<u8>,
}

/// Why words are no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrialError {
    /// The method is not one word.
    #[error("the method is one word, as in GET")]
    Method,
    /// The target cannot stand in a request line.
    #[error("the URL holds a space or a control character, which no request can")]
    Target,
}

impl Trial {
    /// A request for a target as it stands in the request line: `/path?query`.
    pub fn new(method: &str, target: &[u8]) -> Result<Self, TrialError> {
        let method = method.parse::<http::Method>();
        let method = method.map_err(|_| TrialError::Method)?;
        if target.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            return Err(TrialError::Target);
        }
        let header = RequestHeader::build(method, target, None).map_err(|_| TrialError::Target)?;
        let mut trial = Self {
            header,
            target: target.to_vec(),
        };
        trial.header.set_version(Version::HTTP_11);
        Ok(trial)
    }

    /// The host that it names, with or without a port, if its header has none yet.
    pub fn name_host(&mut self, host: HeaderValue) {
        if !self.header.headers.contains_key(HOST) {
            self.add(HOST, host);
        }
    }

    /// Announces a body of so many bytes, if its header does not yet.
    pub fn announce_body(&mut self, length: usize) {
        let headers = &self.header.headers;
        if !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING) {
            self.add(CONTENT_LENGTH, HeaderValue::from(length));
        }
    }

    /// Adds a field to its header.
    pub fn add(&mut self, name: HeaderName, value: HeaderValue) {
        // Cannot fail: both are parsed.
        let _ = self.header.append_header(name, value);
    }

    /// Adds a pair to its query.
    pub fn add_to_query(&mut self, pair: &str) -> Result<(), TrialError> {
        let mark = if self.target.contains(&b'?') {
            "&"
        } else {
            "?"
        };
        self.target.extend(mark.bytes().chain(pair.bytes()));
        let set = self.header.set_raw_path(&self.target);
        set.map_err(|_| TrialError::Target)
    }

    /// Whether it asks for a WebSocket.
    pub fn is_websocket(&self) -> bool {
        request::asks_for_websocket(&self.header)
    }

    /// What is refused whichever site it is for, and then the one that answers for its host.
    pub fn find<'h, T: Clone>(
        &self,
        hosts: &'h Hosts<T>,
        limits: &Limits,
    ) -> Result<&'h T, Rejection> {
        let found = request::host(&self.header).and_then(|host| hosts.find(host));
        limits::check_header(&self.header, &self.target, limits)?;
        found
    }

    /// Takes what a client may not send out of it, and gives the names. `names` are injected by its own site, `of_others` by
    /// any, and `tokens` are the headers that may carry a session token.
    pub fn strip<'t>(
        &mut self,
        names: &InjectedNames,
        of_others: &[InjectedNames],
        tokens: impl Iterator<Item = &'t HeaderName>,
    ) -> Result<Vec<HeaderName>, Rejection> {
        Stripper::new(names, of_others, tokens).strip(&mut self.header)
    }

    /// What the walk judges of it.
    pub fn parts(&self) -> Result<Parts<'_>, Rejection> {
        let has_body = request::announces_body(&self.header.headers);
        request::parts_of(&self.header, has_body)
    }
}
