//! Which signal ends the process, and how.
//!
//! SIGTERM: first `/readyz` fails, so that a balancer takes the node out; after the drain delay the listeners close, and
//! what runs may finish. SIGQUIT does the same; left alone it would cut off all that runs. With an upgrade socket it hands
//! the listeners over instead, if a process waits for them there, and else does nothing. SIGINT, also in the meantime: at once.

use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::ops::Readiness;
use super::upgrade;

/// Waits for the signal that ends the process.
pub(super) struct Shutdown {
    pub(super) readiness: Readiness,
    pub(super) drain_delay: Duration,
    pub(super) upgrade_socket: Option<PathBuf>,
}

#[async_trait]
impl ShutdownSignalWatch for Shutdown {
    async fn recv(&self) -> ShutdownSignal {
        let mut interrupts = signal(SignalKind::interrupt()).ok();
        let mut terminations = signal(SignalKind::terminate()).ok();
        let mut quits = signal(SignalKind::quit()).ok();
        let ended = async {
            tokio::select! {
                () = next(&mut terminations) => {}
                is_upgrade = self.quit(&mut quits) => if is_upgrade {
                    return ShutdownSignal::GracefulUpgrade;
                }
            }
            self.readiness.end();
            sleep(self.drain_delay).await;
            ShutdownSignal::GracefulTerminate
        };
        tokio::select! {
            () = next(&mut interrupts) => ShutdownSignal::FastShutdown,
            end = ended => end,
        }
    }
}

impl Shutdown {
    /// Waits for a SIGQUIT that ends the process; whether another one takes over.
    async fn quit(&self, quits: &mut Option<Signal>) -> bool {
        let Some(socket) = &self.upgrade_socket else {
            next(quits).await;
            return false;
        };
        loop {
            next(quits).await;
            if upgrade::is_awaited(socket) {
                return true;
            }
            // The framework would try for seconds and then end without a successor.
            tracing::error!(
                socket = %socket.display(),
                "SIGQUIT, but no process waits for the listeners; start it first, with run --upgrade"
            );
        }
    }
}

async fn next(signals: &mut Option<Signal>) {
    match signals {
        Some(signals) => drop(signals.recv().await),
        None => pending().await,
    }
}
