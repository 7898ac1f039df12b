//! Where the store of a fleet is and how it is used, as the configuration says it.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::secret::SecretBytes;

/// What the configuration says of the store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is.
    pub server: Server,
    /// The number of the database.
    pub database: u32,
    /// The user's name; the default user without.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<SecretBytes>,
    /// What every key starts with, so that several fleets can use one server.
    pub prefix: String,
    /// How long one answer may take.
    pub timeout: Duration,
    /// How many nodes share a budget while the store cannot tell; more when more were seen.
    pub nodes: NonZeroU32,
}

/// The address of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// In the clear.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// With TLS.
    Tls {
        /// A name or an address; the certificate must have it.
        host: String,
        /// The port.
        port: u16,
        /// Who may have signed the certificate.
        roots: Roots,
    },
    /// A socket of this machine.
    Unix(PathBuf),
}

/// Whose certificates count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those that the system trusts.
    System,
    /// These alone, in DER.
    Only(Vec<Vec<u8>>),
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        let password = |settings: &Self| {
            let password = settings.password.as_ref();
            password.map(|password| password.expose().to_vec())
        };
        let rest = |settings: &Self| {
            let prefix = settings.prefix.clone();
            (
                settings.database,
                prefix,
                settings.timeout,
                settings.nodes,
                settings.username.clone(),
            )
        };
        self.server == other.server
            && rest(self) == rest(other)
            && password(self) == password(other)
    }
}

impl Eq for Settings {}
