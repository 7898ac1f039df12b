//! Where the audit of REST calls goes, and what happens when it cannot go there.

use std::fmt;
use std::path::PathBuf;

/// The audit of REST calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Where its lines go.
    pub target: AuditTarget,
    /// What happens while they cannot go there.
    pub on_failure: OnAuditFailure,
}

/// Where lines of the audit go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTarget {
    /// To the end of this file.
    File(PathBuf),
    /// To standard output.
    Stdout,
    /// To standard error, beside the log.
    Stderr,
}

impl fmt::Display for AuditTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdout => f.write_str("standard output"),
            Self::Stderr => f.write_str("standard error"),
        }
    }
}

/// What happens to calls while no line of the audit can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnAuditFailure {
    /// They are made; the lines go to the log.
    GoOn,
    /// They are refused.
    Stop,
}
