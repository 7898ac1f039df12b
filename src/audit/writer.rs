//! The thread that writes lines, one after the other, and tries again what failed.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::health::Health;
use super::line::Line;
use super::outlet::Outlet;

/// What the writer is asked for.
pub(super) enum Job {
    /// To write a line, and to say when that is over.
    Line(Arc<Line>, oneshot::Sender<()>),
    /// To open the file anew.
    Reopen,
}

/// Writes lines for as long as somebody can hand it one.
pub(super) struct Writer {
    outlet: Outlet,
    health: Arc<Health>,
    /// Lines that stand in the log only, the oldest first.
    backlog: VecDeque<Arc<Line>>,
}

impl Writer {
    /// Starts the thread; it ends with the last sender of jobs.
    pub(super) fn start(
        outlet: Outlet,
        health: Arc<Health>,
        jobs: Receiver<Job>,
    ) -> io::Result<()> {
        let mut writer = Self {
            outlet,
            health,
            backlog: VecDeque::new(),
        };
        let thread = thread::Builder::new().name("audit".to_owned());
        thread.spawn(move || writer.run(&jobs)).map(drop)
    }

    fn run(&mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(RETRY) {
                Ok(Job::Line(line, written)) => {
                    self.keep(line);
                    self.health.end();
                    // A call that was cut short does not wait.
                    let _ = written.send(());
                }
                Ok(Job::Reopen) => self.outlet.close(),
                Err(RecvTimeoutError::Timeout) => self.retry(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn keep(&mut self, line: Arc<Line>) {
        let caught_up = self.catch_up();
        match caught_up.and_then(|()| self.outlet.write(&line.to_json())) {
            Ok(()) => {
                self.health.count_written();
                self.health.regain();
            }
            Err(error) => {
                self.health.lose(&error.to_string());
                self.health.log_instead(&line);
                if self.backlog.len() == MAX_BACKLOG {
                    self.backlog.pop_front();
                }
                self.backlog.push_back(line);
            }
        }
    }

    /// Tries what failed, so that the sink is found again while nobody calls.
    fn retry(&mut self) {
        match self.catch_up() {
            Ok(()) => self.health.regain(),
            Err(error) => self.health.lose(&error.to_string()),
        }
    }

    fn catch_up(&mut self) -> io::Result<()> {
        while let Some(line) = self.backlog.front() {
            self.outlet.write(&line.to_json())?;
            self.health.count_written();
            self.backlog.pop_front();
        }
        Ok(())
    }
}

const RETRY: Duration = Duration::from_secs(1);
/// So many lines are written later; older ones stay in the log only.
const MAX_BACKLOG: usize = 10_000;
