//! The audit of REST calls: one line for each, in a file, on a stream of its own, or in the log.
//!
//! ```text
//! a call ─▶ Auditor::keep ─▶ channel ─▶ Writer, a thread of its own ─▶ Outlet: one write(2) a line
//!              │ waits until the line is written, a second at most
//!              └ lost: the line goes to the log at once
//! ```
//!
//! No worker of the proxy ever waits for the disk: one that hangs costs a call a second, once. From then on the sink counts
//! as lost, like one that refuses a write, until a line can be written again; what failed is tried every second. A line that
//! was handed over is in the hands of the system, but not forced onto the disk.

mod health;
mod line;
mod outlet;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use self::health::Health;
use self::line::Line;
use self::outlet::Outlet;
use self::writer::{Job, Writer};
use crate::metrics::Metrics;
use crate::proxy::{Audit, AuditRecord, Keeping};

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the end of a file, which is made when it is not there, for its owner alone.
    File(PathBuf),
    /// To standard output.
    Stdout,
    /// To standard error.
    Stderr,
}

/// What happens to calls while the sink is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// They are made.
    GoOn,
    /// They are refused.
    Stop,
}

/// Why the audit cannot begin.
#[derive(Debug, thiserror::Error)]
#[error("the audit cannot be written to {target}: {source}")]
pub struct AuditError {
    target: String,
    source: std::io::Error,
}

/// Keeps the audit of the process.
pub struct Auditor {
    metrics: Arc<Metrics>,
    /// Without one, lines go to the log.
    sink: Option<Sink>,
}

struct Sink {
    on_failure: OnFailure,
    health: Arc<Health>,
    jobs: SyncSender<Job>,
}

impl Auditor {
    /// One that writes to the log.
    pub fn to_log(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            sink: None,
        }
    }

    /// One that writes to its own target, which is opened now, from a thread that lives as long as this.
    pub fn to_target(
        target: &Target,
        on_failure: OnFailure,
        metrics: Arc<Metrics>,
    ) -> Result<Self, AuditError> {
        let outlet = Outlet::open(target);
        let outlet = outlet.map_err(|source| AuditError {
            target: outlet::name(target),
            source,
        })?;
        let health = Arc::new(Health::new(outlet::name(target), metrics.clone()));
        let (jobs, received) = sync_channel(MAX_WAITING);
        Writer::start(outlet, health.clone(), received).map_err(|source| AuditError {
            target: outlet::name(target),
            source,
        })?;
        Ok(Self {
            metrics,
            sink: Some(Sink {
                on_failure,
                health,
                jobs,
            }),
        })
    }

    /// Opens the file anew before the next line, for whoever has put another one in its place.
    pub fn reopen(&self) {
        if let Some(sink) = &self.sink {
            // When the writer is that far behind, it looks at the file before each line all the same.
            let _ = sink.jobs.try_send(Job::Reopen);
        }
    }

    /// A line for people, while the sink is lost.
    pub fn report(&self) -> String {
        let sink = self.sink.as_ref();
        sink.and_then(|sink| sink.health.report(sink.on_failure))
            .unwrap_or_default()
    }

    /// Waits until the lines that were handed over are written, for 2 seconds at most. Blocks.
    pub fn finish(&self) {
        if let Some(sink) = &self.sink {
            sink.health.wait_until_idle(LAST_WAIT);
        }
    }
}

impl Audit for Auditor {
    fn refuses_calls(&self) -> bool {
        let sink = self.sink.as_ref();
        sink.is_some_and(|sink| sink.on_failure == OnFailure::Stop && sink.health.is_lost())
    }

    fn keep(&self, record: &AuditRecord) -> Keeping {
        let line = Line::of(record);
        match &self.sink {
            Some(sink) => sink.keep(Arc::new(line)),
            None => {
                line.log();
                self.metrics.audit().count_written();
                Box::pin(std::future::ready(()))
            }
        }
    }
}

impl Sink {
    /// Hands the line over. While the sink is lost, nobody waits for it, and the line stands in the log by now.
    fn keep(&self, line: Arc<Line>) -> Keeping {
        let was_lost = self.health.is_lost();
        if was_lost {
            self.health.log_instead(&line);
        }
        let (written, waits) = oneshot::channel();
        self.health.begin();
        let job = Job::Line(line.clone(), written);
        if self.jobs.try_send(job).is_err() {
            self.health.end();
            self.health.lose("it takes lines too slowly");
            self.health.log_instead(&line);
            return Box::pin(std::future::ready(()));
        }
        let health = self.health.clone();
        Box::pin(async move {
            if !was_lost && tokio::time::timeout(PATIENCE, waits).await.is_err() {
                health.lose("a line took longer than a second");
                health.log_instead(&line);
            }
        })
    }
}

/// So many lines wait for a disk that hangs; further ones go to the log only.
const MAX_WAITING: usize = 1024;
/// So long a call waits for its line.
const PATIENCE: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
