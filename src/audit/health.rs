//! Whether lines can be written: known to the writer, to the calls that wait for it, and to the operator.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::OnFailure;
use super::line::Line;
use crate::metrics::Metrics;

/// How the sink stands.
pub(super) struct Health {
    sink: String,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    idle: Condvar,
}

#[derive(Default)]
struct State {
    loss: Option<Loss>,
    /// Lines that were handed over and are neither written nor given up.
    waiting: usize,
}

struct Loss {
    since: Instant,
    why: String,
}

impl Health {
    pub(super) fn new(sink: String, metrics: Arc<Metrics>) -> Self {
        Self {
            sink,
            metrics,
            state: Mutex::default(),
            idle: Condvar::new(),
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.state.lock().loss.is_some()
    }

    /// Notes that a line was not written. The log tells of the first.
    pub(super) fn lose(&self, why: &str) {
        let mut state = self.state.lock();
        let is_new = state.loss.is_none();
        let since = state
            .loss
            .take()
            .map_or_else(Instant::now, |loss| loss.since);
        state.loss = Some(Loss {
            since,
            why: why.to_owned(),
        });
        drop(state);
        if is_new {
            self.metrics.audit().set_lost(true);
            tracing::error!(
                sink = self.sink,
                error = why,
                "the audit is lost: its lines go to the log"
            );
        }
    }

    /// Notes that lines can be written, which the log tells when they could not before.
    pub(super) fn regain(&self) {
        let loss = self.state.lock().loss.take();
        if let Some(loss) = loss {
            self.metrics.audit().set_lost(false);
            let lost_s = loss.since.elapsed().as_secs();
            tracing::warn!(sink = self.sink, lost_s, "the audit is written again");
        }
    }

    pub(super) fn count_written(&self) {
        self.metrics.audit().count_written();
    }

    /// Writes a line to the log that is not, or not yet, where it belongs; once.
    pub(super) fn log_instead(&self, line: &Line) {
        if line.log_once() {
            self.metrics.audit().count_failed();
        }
    }

    /// A line is on its way.
    pub(super) fn begin(&self) {
        self.state.lock().waiting += 1;
    }

    /// A line is written, or given up.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.waiting = state.waiting.saturating_sub(1);
        if state.waiting == 0 {
            self.idle.notify_all();
        }
    }

    pub(super) fn wait_until_idle(&self, most: Duration) {
        let mut state = self.state.lock();
        let is_busy = |state: &mut State| state.waiting > 0;
        self.idle.wait_while_for(&mut state, is_busy, most);
    }

    pub(super) fn report(&self, on_failure: OnFailure) -> Option<String> {
        let state = self.state.lock();
        let Loss { since, why } = state.loss.as_ref()?;
        let for_seconds = Duration::from_secs(since.elapsed().as_secs());
        let calls = match on_failure {
            OnFailure::GoOn => "calls go on, and their lines go to the log",
            OnFailure::Stop => "calls are refused",
        };
        Some(format!(
            "audit: nothing can be written to {} for {}: {why}; {calls}\n",
            self.sink,
            humantime::format_duration(for_seconds),
        ))
    }
}
