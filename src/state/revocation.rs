//! The operator's list of what is revoked: one line each, read again when the file changes.
//!
//! ```text
//! # comment
//! token <64 hex digits>                     SHA-256 of the token without its last dot and signature
//! jti   <issuer> <jti>                      every token of the issuer with this jti
//! user  <issuer> <UserID>                   every token of the user
//! user  <issuer> <UserID> before <time>     those issued before: Unix seconds; one without iat was
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Denied, Session, TokenId};
use crate::identity::{ReservedNames, UserId};
use crate::time::UnixTime;

/// A parsed list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    tokens: HashSet<TokenId>,
    jtis: HashMap<String, HashSet<String>>,
    /// `None`: whenever issued.
    subjects: HashMap<UserId, BTreeMap<String, Option<UnixTime>>>,
}

/// A line that is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct LineError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: LineProblem,
}

/// What is wrong with a line. None carries its text: a token may have been pasted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// Not UTF-8.
    #[error("is not UTF-8")]
    NotText,
    /// The last line does not end in a line end: its rest, and more, may be missing.
    #[error("has no line end: the list may have been read before it was written to its end")]
    Unfinished,
    /// The first word is none of the kinds.
    #[error("must start with \"token\", \"jti\" or \"user\"")]
    UnknownKind,
    /// Not 64 hexadecimal digits.
    #[error(
        "needs 64 hexadecimal digits: the SHA-256 of the token without its last dot and signature"
    )]
    BadDigest,
    /// No configured issuer has this name.
    #[error("needs the name of a configured issuer")]
    UnknownIssuer,
    /// No `jti` after the issuer.
    #[error("needs a jti after the issuer")]
    NoJti,
    /// Not a UserID.
    #[error("needs a UserID after the issuer, as it is after the mapping")]
    BadUserId,
    /// What follows the UserID is not `before` and a time.
    #[error("may go on with \"before\" and a time in Unix seconds, and nothing else")]
    BadTime,
}

impl Revocations {
    /// Parses a list; `issuers` are the configured names. Every line has a line end. All errors are reported at once.
    pub fn parse(text: &[u8], issuers: &[&str]) -> Result<Self, Vec<LineError>> {
        let mut list = Self::default();
        let mut errors = Vec::new();
        for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let added = finished(line).and_then(|line| list.add(line.trim(), issuers));
            errors.extend(added.err().map(|problem| LineError {
                line: index + 1,
                problem,
            }));
        }
        match errors.is_empty() {
            true => Ok(list),
            false => Err(errors),
        }
    }

    /// How many lines count.
    pub fn len(&self) -> usize {
        self.tokens.len()
            + self.jtis.values().map(HashSet::len).sum::<usize>()
            + self.subjects.values().map(BTreeMap::len).sum::<usize>()
    }

    /// Whether users are revoked, not only single tokens.
    pub fn names_users(&self) -> bool {
        !self.subjects.is_empty()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn admit(&self, session: &Session<'_>) -> Result<(), Denied> {
        let before = self
            .subjects
            .get(session.user)
            .and_then(|issuers| issuers.get(session.issuer));
        match before {
            Some(None) => return Err(Denied::SubjectRevoked),
            Some(Some(time)) if session.is_issued_before(*time) => {
                return Err(Denied::SubjectRevoked);
            }
            Some(Some(_)) | None => {}
        }
        let jtis = self.jtis.get(session.issuer);
        if jtis.is_some_and(|jtis| session.jti.is_some_and(|jti| jtis.contains(jti))) {
            return Err(Denied::TokenRevoked);
        }
        let is_listed = |id: TokenId| self.tokens.contains(&id);
        if !self.tokens.is_empty() && session.token_id().is_some_and(is_listed) {
            return Err(Denied::TokenRevoked);
        }
        Ok(())
    }

    fn add(&mut self, line: &str, issuers: &[&str]) -> Result<(), LineProblem> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (kind, rest) = next_word(line);
        match kind {
            "token" => {
                let id = TokenId::parse(rest).ok_or(LineProblem::BadDigest)?;
                self.tokens.insert(id);
            }
            "jti" => {
                let (issuer, jti) = issuer(rest, issuers)?;
                let jti = Some(jti).filter(|jti| !jti.is_empty());
                let jti = jti.ok_or(LineProblem::NoJti)?;
                let jtis = self.jtis.entry(issuer.to_owned()).or_default();
                jtis.insert(jti.to_owned());
            }
            "user" => {
                let (issuer, rest) = issuer(rest, issuers)?;
                self.add_subject(issuer, rest)?;
            }
            _ => return Err(LineProblem::UnknownKind),
        }
        Ok(())
    }

    fn add_subject(&mut self, issuer: &str, rest: &str) -> Result<(), LineProblem> {
        let (user, rest) = next_word(rest);
        // Reserved names never come out of the mapping; to list one does no harm.
        let user = UserId::parse(user, &ReservedNames::default());
        let user = user.map_err(|_| LineProblem::BadUserId)?;
        let before = match next_word(rest) {
            ("", _) => None,
            ("before", time) if time.bytes().all(|byte| byte.is_ascii_digit()) => {
                let seconds = time.parse().map_err(|_| LineProblem::BadTime)?;
                Some(UnixTime::from_secs(seconds))
            }
            _ => return Err(LineProblem::BadTime),
        };
        let entry = self.subjects.entry(user).or_default();
        let strictest = match entry.get(issuer) {
            Some(known) => known.zip(before).map(|(one, other)| one.max(other)),
            None => before,
        };
        entry.insert(issuer.to_owned(), strictest);
        Ok(())
    }

    fn subjects(&self) -> impl Iterator<Item = EnforcedSubject> {
        let all = self.subjects.iter();
        all.flat_map(|(user, issuers)| {
            issuers.iter().map(|(issuer, before)| EnforcedSubject {
                issuer: issuer.clone(),
                user: *user,
                before: *before,
                listed: true,
            })
        })
    }
}

/// A listed subject that was kicked, so that a restart does not kick it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnforcedSubject {
    pub(super) issuer: String,
    pub(super) user: UserId,
    pub(super) before: Option<UnixTime>,
    /// `false`: it left the list.
    pub(in crate::state) listed: bool,
}

/// The listed subjects that were kicked.
#[derive(Default)]
pub(super) struct Enforced {
    kicked: HashSet<EnforcedSubject>,
    /// Who left the list here: what other nodes say of them, and what they wrote before, does not count.
    left: HashSet<EnforcedSubject>,
}

/// What a new list changed.
pub(super) struct Difference {
    pub(super) changed: Vec<EnforcedSubject>,
    /// Who is to be kicked, each once.
    pub(super) users: HashSet<UserId>,
}

impl Enforced {
    pub(super) fn follow(&mut self, list: &Revocations) -> Difference {
        let listed: HashSet<_> = list.subjects().collect();
        self.left.extend(self.kicked.difference(&listed).cloned());
        self.left.retain(|subject| !listed.contains(subject));
        let left = self.kicked.difference(&listed).map(not_listed);
        let new: Vec<_> = listed.difference(&self.kicked).cloned().collect();
        let difference = Difference {
            users: new.iter().map(|subject| subject.user).collect(),
            changed: left.chain(new).collect(),
        };
        self.kicked = listed;
        difference
    }

    pub(super) fn take_in(&mut self, subject: EnforcedSubject) {
        match subject.listed {
            true if self.left.contains(&subject) => {}
            true => drop(self.kicked.insert(subject)),
            false => {
                let listed = EnforcedSubject {
                    listed: true,
                    ..subject
                };
                self.kicked.remove(&listed);
            }
        }
    }

    pub(super) fn snapshot(&self) -> impl Iterator<Item = super::Change> {
        self.kicked.iter().cloned().map(super::Change::Enforced)
    }

    /// The same, and who left the list.
    pub(super) fn known(&self) -> impl Iterator<Item = super::Change> {
        let left = self.left.iter().map(not_listed);
        self.snapshot().chain(left.map(super::Change::Enforced))
    }
}

fn not_listed(subject: &EnforcedSubject) -> EnforcedSubject {
    EnforcedSubject {
        listed: false,
        ..subject.clone()
    }
}

fn finished(line: &[u8]) -> Result<&str, LineProblem> {
    let line = line.strip_suffix(b"\n").ok_or(LineProblem::Unfinished)?;
    std::str::from_utf8(line).map_err(|_| LineProblem::NotText)
}

fn issuer<'a>(text: &'a str, issuers: &[&str]) -> Result<(&'a str, &'a str), LineProblem> {
    let (issuer, rest) = next_word(text);
    match issuers.contains(&issuer) {
        true => Ok((issuer, rest)),
        false => Err(LineProblem::UnknownIssuer),
    }
}

fn next_word(text: &str) -> (&str, &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (word, rest.trim_start())
}

#[cfg(test)]
mod tests;
