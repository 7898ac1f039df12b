//! Why the store cannot be used, in words of ours: a server repeats what it was sent in its errors, and that may be the password.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What went wrong with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No connection.
    #[error("it cannot be reached ({0})")]
    Unreachable(std::io::ErrorKind),
    /// No handshake, or another certificate than it must have.
    #[error("its TLS or its certificate is not accepted")]
    Tls,
    /// No answer.
    #[error("it does not answer in time")]
    Timeout,
    /// Wrong password, unknown user, or a password is missing.
    #[error("it does not accept the user name and password")]
    Password,
    /// The user may not do what is needed.
    #[error("its user may not use a command or key that is needed")]
    Permission,
    /// The database number is not there.
    #[error("it does not have that database")]
    Database,
    /// A replica.
    #[error("it takes no writes: it is a replica, or its disk or replicas are gone")]
    ReadOnly,
    /// It starts.
    #[error("it is still loading its data")]
    Loading,
    /// A cluster shares the keys among its servers.
    #[error("it is a server of a cluster, which is not supported")]
    Cluster,
    /// Its memory is used up.
    #[error("its memory is used up")]
    Full,
    /// An error of another kind.
    #[error("it answers with an error")]
    Refused,
    /// Not what such a server answers.
    #[error("its answer is not understood")]
    Unexpected,
    /// It went away.
    #[error("the connection ended")]
    Closed,
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        match error.kind() {
            ErrorKind::Io => Self::Closed,
            ErrorKind::AuthenticationFailed => Self::Password,
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Unexpected,
            ErrorKind::Server(kind) => Self::of_server(kind),
            _ => Self::of_code(error.code()),
        }
    }
}

impl Fault {
    /// Whether it does not end by itself.
    pub(super) fn needs_operator(self) -> bool {
        match self {
            Self::Tls
            | Self::Password
            | Self::Permission
            | Self::Database
            | Self::Cluster
            | Self::Full => true,
            Self::Unreachable(_)
            | Self::Timeout
            | Self::ReadOnly
            | Self::Loading
            | Self::Refused
            | Self::Unexpected
            | Self::Closed => false,
        }
    }

    fn of_server(kind: ServerErrorKind) -> Self {
        match kind {
            ServerErrorKind::BusyLoading => Self::Loading,
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown => Self::ReadOnly,
            ServerErrorKind::NoPerm => Self::Permission,
            ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::CrossSlot => Self::Cluster,
            _ => Self::Refused,
        }
    }

    fn of_code(code: Option<&str>) -> Self {
        match code {
            Some("NOAUTH" | "WRONGPASS") => Self::Password,
            Some("OOM") => Self::Full,
            Some("MISCONF" | "NOREPLICAS") => Self::ReadOnly,
            Some(_) => Self::Refused,
            None => Self::Unexpected,
        }
    }
}
