//! What a call of a command can do.

use std::fmt;

/// The classes of commands, from the least to the greatest harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Risk {
    /// An ordinary look-up.
    Read,
    /// Reads message history, lists of the whole app, figures or file signatures.
    ReadSensitive,
    /// Changes state in a way that can be undone.
    Write,
    /// Acts as the account in the acting field.
    Impersonation,
    /// Writes history with chosen sender and time.
    Import,
    /// Reaches many users.
    Bulk,
    /// Deletes, recalls, kicks, mutes or changes ownership.
    Destructive,
    /// Changes settings of the whole app.
    AppConfig,
    /// Returns or sets a secret.
    AppSecret,
}

/// The text names no risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such risk")]
pub struct RiskError;

impl Risk {
    /// Every risk.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::ReadSensitive,
        Self::Write,
        Self::Impersonation,
        Self::Import,
        Self::Bulk,
        Self::Destructive,
        Self::AppConfig,
        Self::AppSecret,
    ];

    /// Its word in the catalogue and in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadSensitive => "read-sensitive",
            Self::Write => "write",
            Self::Impersonation => "impersonation",
            Self::Import => "import",
            Self::Bulk => "bulk",
            Self::Destructive => "destructive",
            Self::AppConfig => "app-config",
            Self::AppSecret => "app-secret",
        }
    }

    /// The risk of that word.
    pub fn parse(text: &str) -> Result<Self, RiskError> {
        let found = Self::ALL.into_iter().find(|risk| risk.as_str() == text);
        found.ok_or(RiskError)
    }

    /// Whether a rule may allow the whole class; the others are allowed command by command.
    pub fn is_allowed_as_class(self) -> bool {
        match self {
            Self::Read
            | Self::ReadSensitive
            | Self::Write
            | Self::Impersonation
            | Self::Import
            | Self::Bulk => true,
            Self::Destructive | Self::AppConfig | Self::AppSecret => false,
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
