//! The hand-over of the listeners to a new process: no connection is refused, and none waits unanswered in a queue.
//!
//! ```text
//! new: run --upgrade       reads everything, loads key sets, waits at the Unix socket
//! old: SIGQUIT             sends its listeners there; both accept for five seconds
//! old:                     stops accepting, drains as after SIGTERM, ends
//! ```
//!
//! Whoever reaches the socket could give the new process listeners of his own, so its folder has to be closed to others.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use pingora::server::Server;
use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};

use super::sites::Workshop;
use crate::config::Config;

/// Why the listeners of another process cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The configuration names no place for it.
    #[error(
        "there is no runtime.upgrade_socket, where the old process would hand its listeners over"
    )]
    NoSocket,
    /// Others could hand over listeners of theirs.
    #[error(
        "{}: others may reach the upgrade socket; give it a folder of its own, of this user and with mode 0700", folder.display()
    )]
    Open {
        /// The folder of the socket.
        folder: PathBuf,
    },
    /// The folder is not there or cannot be looked at.
    #[error("{}: {source}", folder.display())]
    Unreadable {
        /// The folder of the socket.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The framework puts a space between the names.
    #[error("a listener whose path holds a space cannot be handed over")]
    Space,
    /// What the framework sends in one message holds no more.
    #[error(
        "at most {MAX_LISTENERS} listeners with names of {MAX_NAMES} bytes in all can be handed over"
    )]
    TooMany,
}

/// Whether the listeners of `config` can be handed over at its upgrade socket, if it has one.
pub(super) fn check(config: &Config) -> Result<(), UpgradeError> {
    let Some(socket) = &config.runtime.upgrade_socket else {
        return Ok(());
    };
    let listeners = config.listen.listeners.iter();
    let mut names: HashSet<_> = listeners.map(|one| one.address.to_string()).collect();
    names.insert(config.ops.to_string());
    if names.iter().any(|name| name.contains(char::is_whitespace)) {
        return Err(UpgradeError::Space);
    }
    let bytes: usize = names.iter().map(|name| name.len() + 1).sum();
    if names.len() > MAX_LISTENERS || bytes > MAX_NAMES {
        return Err(UpgradeError::TooMany);
    }
    let folder = socket.parent().unwrap_or(Path::new("."));
    let found = fs::metadata(folder).map_err(|source| UpgradeError::Unreadable {
        folder: folder.to_owned(),
        source,
    })?;
    let is_ours = found.uid() == rustix::process::geteuid().as_raw();
    if !is_ours || found.mode() & 0o077 != 0 {
        let folder = folder.to_owned();
        return Err(UpgradeError::Open { folder });
    }
    Ok(())
}

/// Whether a process waits at this socket. To connect to it would be taken for the hand-over.
pub(super) fn is_awaited(socket: &Path) -> bool {
    table_of_sockets().is_ok_and(|table| listens(&table, socket))
}

/// Of this process's own network, which a `/proc` without the system's files (`ProcSubset=pid`) shows, too.
/// Names in it are of anybody, in any bytes.
fn table_of_sockets() -> io::Result<String> {
    let table = fs::read("/proc/self/net/unix")?;
    Ok(String::from_utf8_lossy(&table).into_owned())
}

/// Reads the kernel's table of Unix sockets: `num refs protocol flags type state inode path`.
fn listens(table: &str, socket: &Path) -> bool {
    let name = format!(" {}", socket.display());
    let mut sockets = table.lines().filter(|line| line.ends_with(&name));
    sockets.any(|line| line.split_ascii_whitespace().nth(3) == Some(LISTENING))
}

/// Loads the key sets that issuers publish, so that the first requests find them; gives up on those that do not come.
pub(super) fn load_key_sets(workshop: &Workshop) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let loading = workshop.start_key_sets();
        let loaded = async {
            while !workshop.has_key_sets() {
                sleep(LOOK_EVERY).await;
            }
        };
        if timeout(PATIENCE, loaded).await.is_err() {
            tracing::warn!("not every published key set could be loaded before the hand-over");
        }
        drop(loading);
    });
    Ok(())
}

/// Waits for the listeners of the old process; ends this one when they do not come within seconds. Says so as soon as the old one
/// can see that it waits: whom the signal reaches before that hands nothing over.
pub(super) fn receive(server: &mut Server, socket: &Path) {
    let have_come = Arc::new(AtomicBool::new(false));
    let (ended, path) = (have_come.clone(), socket.to_owned());
    thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            match table_of_sockets() {
                Ok(table) if listens(&table, &path) => {
                    tracing::info!(socket = %path.display(), "waiting for the listeners: send SIGQUIT to the old process");
                    return;
                }
                Ok(_) => thread::sleep(LOOK_EVERY),
                Err(error) => {
                    tracing::warn!(%error, "the old process cannot see that this one waits: /proc/self/net/unix");
                    return;
                }
            }
        }
    });
    server.bootstrap();
    have_come.store(true, Ordering::Relaxed);
    tracing::info!("the listeners were taken over");
}

/// `__SO_ACCEPTCON` of the kernel.
const LISTENING: &str = "00010000";
/// What the framework reads at once.
const MAX_LISTENERS: usize = 32;
const MAX_NAMES: usize = 2048;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_socket_that_is_listened_at_is_awaited() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("upgrade.sock");
        assert!(!is_awaited(&socket));
        let listener = UnixListener::bind(&socket).unwrap();
        assert!(is_awaited(&socket));
        assert!(!is_awaited(&folder.path().join("grade.sock")));
        drop(listener);
        assert!(!is_awaited(&socket));
    }
}
