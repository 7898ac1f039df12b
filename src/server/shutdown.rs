//! Which signal ends the process, and how.
//!
//! SIGTERM: first `/readyz` fails, so that a balancer takes the node out; after the drain delay the listeners close, and
//! what runs may finish. SIGINT, also in the meantime: at once.

use std::future::pending;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::ops::Readiness;

/// Waits for the signal that ends the process.
pub(super) struct Shutdown {
    pub(super) readiness: Readiness,
    pub(super) drain_delay: Duration,
}

#[async_trait]
impl ShutdownSignalWatch for Shutdown {
    async fn recv(&self) -> ShutdownSignal {
        let mut interrupts = signal(SignalKind::interrupt()).ok();
        let mut terminations = signal(SignalKind::terminate()).ok();
        let terminated = async {
            next(&mut terminations).await;
            self.readiness.end();
            sleep(self.drain_delay).await;
        };
        tokio::select! {
            () = next(&mut interrupts) => ShutdownSignal::FastShutdown,
            () = terminated => ShutdownSignal::GracefulTerminate,
        }
    }
}

async fn next(signals: &mut Option<Signal>) {
    match signals {
        Some(signals) => drop(signals.recv().await),
        None => pending().await,
    }
}
