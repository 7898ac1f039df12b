//! The configuration while the process runs: put in force at the start, and again on SIGHUP or when its files change.
//!
//! A reload is a transaction: everything is read, checked and built before anything is swapped. A configuration with an
//! error changes nothing and is reported in the log, the metrics and `/readyz`. What a running process cannot change,
//! such as its listeners (not their certificates), stays as it is, and that is reported too; all else takes effect.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::StartError;
use super::certificates::CertificateStore;
use super::sites::{Background, Draft, Workshop};
use crate::config::{
    Config, Fingerprint, Listen, ListenShape, LoadError, Log, Watched, load_watched,
};
use crate::metrics::Metrics;
use crate::time::UnixTime;

/// Where a running server finds its configuration again.
#[derive(Clone, Debug)]
pub struct ConfigFiles {
    /// The main file.
    pub path: PathBuf,
    /// The files that the configuration in force was read from.
    pub watched: Watched,
}

/// Keeps the configuration in force.
pub(super) struct Reloader {
    workshop: Arc<Workshop>,
    certificates: Arc<CertificateStore>,
    metrics: Arc<Metrics>,
    status: Arc<Mutex<Status>>,
    fixed: Fixed,
    files: Option<ConfigFiles>,
    on_change: bool,
}

/// How the configuration stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    /// Which configuration is in force, counted from 1.
    generation: u64,
    loaded_at: Option<SystemTime>,
    /// What only a restart can change.
    restart_needed: Vec<&'static str>,
    /// Why the last reload was refused, and when.
    refused: Option<(SystemTime, String)>,
}

/// A configuration that can be put in force.
struct Prepared {
    draft: Draft,
    fixed: Fixed,
    /// Of which only the certificates can change.
    listen: Listen,
}

/// Why a configuration that was read is not put in force, or was not read.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error("{0}")]
    Load(#[from] LoadError),
    #[error("{0}")]
    Build(#[from] StartError),
    /// The task that reads was ended: the process is about to.
    #[error("the reload was cut short")]
    Cut,
}

impl Reloader {
    /// Puts the first configuration in force. Without files there is nothing to reload from.
    pub(super) fn start(
        workshop: Arc<Workshop>,
        certificates: Arc<CertificateStore>,
        metrics: Arc<Metrics>,
        config: Config,
        files: Option<ConfigFiles>,
    ) -> Result<Self, StartError> {
        let fixed = Fixed::of(&config);
        let on_change = config.runtime.reload_on_change;
        let draft = workshop.build(config.sites, &config.runtime)?;
        let reloader = Self {
            workshop,
            certificates,
            metrics,
            status: Arc::default(),
            fixed,
            files,
            on_change,
        };
        reloader.put_in_force(draft, Vec::new());
        Ok(reloader)
    }

    pub(super) fn status(&self) -> Arc<Mutex<Status>> {
        Arc::clone(&self.status)
    }

    /// Reads and builds; nothing is in force yet. The watched files are those of this attempt, whatever came of it.
    async fn prepare(&self, path: &Path) -> (Result<Prepared, ReloadError>, Watched) {
        let (path, workshop) = (path.to_owned(), Arc::clone(&self.workshop));
        let task = spawn_blocking(move || {
            let (config, watched) = load_watched(&path, &|name| std::env::var(name).ok());
            (
                config
                    .map_err(ReloadError::from)
                    .and_then(|config| build(&workshop, config)),
                watched,
            )
        });
        task.await
            .unwrap_or_else(|_| (Err(ReloadError::Cut), Watched::default()))
    }

    /// Puts the configuration of the files in force, or leaves all as it is and says why.
    async fn reload(&self, background: Background, files: &mut ConfigFiles) -> Background {
        let (prepared, watched) = self.prepare(&files.path).await;
        match prepared {
            Ok(Prepared {
                draft,
                fixed,
                listen,
            }) => {
                files.watched = watched;
                self.certificates.replace(&listen);
                self.put_in_force(draft, self.fixed.differences(&fixed));
                background.end_soon();
                self.workshop.start_background()
            }
            Err(error) => {
                let before = std::mem::take(&mut files.watched);
                files.watched = before.and(watched);
                self.refuse(&error);
                background
            }
        }
    }

    fn put_in_force(&self, draft: Draft, restart_needed: Vec<&'static str>) {
        self.workshop.put_in_force(draft);
        let now = SystemTime::now();
        let mut status = self.status.lock();
        let generation = status.generation + 1;
        self.metrics.config().set_loaded(
            generation,
            UnixTime::from(now),
            !restart_needed.is_empty(),
        );
        tracing::info!(generation, "the configuration is in force");
        for key in &restart_needed {
            tracing::warn!(generation, key, "changed in the file; it takes a restart");
        }
        *status = Status {
            generation,
            loaded_at: Some(now),
            restart_needed,
            refused: None,
        };
    }

    fn refuse(&self, error: &ReloadError) {
        self.metrics.config().count_refused();
        let mut status = self.status.lock();
        let generation = status.generation;
        tracing::error!(generation, %error, "the configuration was refused; the one before stays in force");
        status.refused = Some((SystemTime::now(), error.to_string()));
    }
}

fn build(workshop: &Workshop, config: Config) -> Result<Prepared, ReloadError> {
    let fixed = Fixed::of(&config);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let draft = workshop.build(config.sites, &config.runtime)?;
    Ok(Prepared {
        draft,
        fixed,
        listen: config.listen,
    })
}

#[async_trait]
impl BackgroundService for Reloader {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut background = self.workshop.start_background();
        let Some(mut files) = self.files.clone() else {
            // An error means that the server is gone, which is a stop as well.
            let _ = shutdown.changed().await;
            return;
        };
        let mut hangups = signal(SignalKind::hangup()).ok();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_look = None;
        loop {
            tokio::select! {
                _ = shutdown.changed() => return,
                () = hangup(&mut hangups) => {}
                _ = ticks.tick(), if self.on_change => {
                    let look = look(&files.watched).await;
                    let is_still = last_look.replace(look.clone()) == Some(look.clone());
                    // Nobody wants to read a file that is half-written.
                    if !is_still || look.is_none_or(|look| look == files.watched.as_read()) {
                        continue;
                    }
                }
            }
            background = self.reload(background, &mut files).await;
        }
    }
}

async fn look(watched: &Watched) -> Option<Fingerprint> {
    let watched = watched.clone();
    spawn_blocking(move || watched.as_it_is()).await.ok()
}

async fn hangup(hangups: &mut Option<Signal>) {
    match hangups {
        Some(hangups) => drop(hangups.recv().await),
        None => std::future::pending().await,
    }
}

/// What a running process cannot change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fixed {
    demo: bool,
    listen: ListenShape,
    ops: SocketAddr,
    threads: Option<NonZeroUsize>,
    drain_delay: Duration,
    grace_period: Duration,
    shutdown_timeout: Duration,
    log: Log,
    store: Option<PathBuf>,
    on_change: bool,
}

impl Fixed {
    fn of(config: &Config) -> Self {
        let runtime = &config.runtime;
        Self {
            demo: config.demo,
            listen: config.listen.shape(),
            ops: config.ops,
            threads: runtime.threads,
            drain_delay: runtime.drain_delay,
            grace_period: runtime.grace_period,
            shutdown_timeout: runtime.shutdown_timeout,
            log: config.log,
            store: config.store.clone(),
            on_change: runtime.reload_on_change,
        }
    }

    /// The keys of the file in which the two differ.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let all = [
            ("demo", self.demo == other.demo),
            ("listen", self.listen == other.listen),
            ("ops.listen", self.ops == other.ops),
            ("runtime.threads", self.threads == other.threads),
            ("runtime.drain_delay", self.drain_delay == other.drain_delay),
            (
                "runtime.grace_period",
                self.grace_period == other.grace_period,
            ),
            (
                "runtime.shutdown_timeout",
                self.shutdown_timeout == other.shutdown_timeout,
            ),
            (
                "runtime.reload_on_change",
                self.on_change == other.on_change,
            ),
            ("log", self.log == other.log),
            ("store.file", self.store == other.store),
        ];
        let differing = all.into_iter().filter(|(_, is_same)| !is_same);
        differing.map(|(key, _)| key).collect()
    }
}

impl Status {
    /// Lines for people: what is in force since when, and what is not.
    pub(super) fn report(&self, now: SystemTime) -> String {
        let age = |at: SystemTime| {
            let seconds = now.duration_since(at).unwrap_or_default().as_secs();
            humantime::format_duration(Duration::from_secs(seconds)).to_string()
        };
        let loaded = self.loaded_at.map(age).unwrap_or_default();
        let mut report = format!(
            "configuration: generation {}, loaded {loaded} ago\n",
            self.generation
        );
        for key in &self.restart_needed {
            report.push_str(&format!(
                "configuration: {key} changed; it takes a restart\n"
            ));
        }
        if let Some((at, why)) = &self.refused {
            let ago = age(*at);
            report.push_str(&format!(
                "configuration: the reload {ago} ago was refused\n"
            ));
            for line in why.lines() {
                report.push_str(&format!("  {line}\n"));
            }
        }
        report
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
