//! Why a call brought no answer, told from the HTTP library's error, which itself is shown to nobody: it holds the URI.

use std::error::Error;
use std::io;

/// Why an attempt brought no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing was sent.
    NotSent(Cause),
    /// It may have been received.
    NoAnswer(Cause),
    /// What came is longer than any answer.
    TooLong,
}

/// What went wrong underneath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// No UserSig can be made at this time.
    Unsigned,
    /// The name does not resolve, or nobody listens there.
    Unreached,
    /// No TLS connection that can be trusted.
    Tls,
    /// It took too long.
    Timeout,
    /// The connection ended.
    Cut,
}

impl Failure {
    /// What an error of sending means.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        match error.is_connect() {
            true => Self::NotSent(Cause::of(error)),
            false => Self::NoAnswer(Cause::of(error)),
        }
    }
}

impl Cause {
    /// What lies under an error.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        match (error.is_timeout(), error.is_connect()) {
            (true, _) => Self::Timeout,
            (false, true) if is_of_tls(error) => Self::Tls,
            (false, true) => Self::Unreached,
            (false, false) => Self::Cut,
        }
    }
}

/// Whether TLS is what failed, however deep it lies. An error of I/O does not name what it wraps as its source.
fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
        .map(|wrapped| wrapped as &(dyn Error + 'static));
    error.is::<rustls::Error>() || wrapped.or(error.source()).is_some_and(is_of_tls)
}
