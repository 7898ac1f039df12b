//! The configuration while the process runs: put in force at the start, and again on SIGHUP or when its files change.
//!
//! A reload is a transaction: everything is read, checked and built before anything is swapped. A configuration with an
//! error changes nothing and is reported in the log, the metrics and `/readyz`. What a running process cannot change,
//! such as its listeners (not their certificates), stays as it is, and that is reported too; all else takes effect.
//! What is allowed only by the listeners of the file is judged by those that are served.

mod files;
mod fixed;
mod status;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::StartError;
use super::certificates::CertificateStore;
use super::sites::{Background, Draft, Workshop};
use crate::audit::Auditor;
use crate::config::{Config, Listen, LoadError, Watched, load_watched};
use crate::metrics::Metrics;
use crate::time::UnixTime;
use files::{Files, Step};
use fixed::Fixed;
pub(super) use status::Status;

/// Where a running server finds its configuration again.
#[derive(Debug)]
pub struct ConfigFiles {
    /// The main file.
    pub path: PathBuf,
    /// The files that the configuration in force was read from.
    pub watched: Watched,
    /// SIGHUP, listened for since before they were read: one that comes while the server starts is not lost.
    pub hangups: Option<Signal>,
}

/// Keeps the configuration in force.
pub(super) struct Reloader {
    workshop: Arc<Workshop>,
    certificates: Arc<CertificateStore>,
    metrics: Arc<Metrics>,
    audit: Arc<Auditor>,
    status: Arc<Mutex<Status>>,
    fixed: Fixed,
    /// Where requests are taken, whatever a later file says.
    listeners: Vec<SocketAddr>,
    /// Until it starts.
    files: Mutex<Option<ConfigFiles>>,
    on_change: bool,
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
    /// It would put example keys in force where everybody may ask, or none where they are expected.
    #[error("demo changed: it takes a restart, and nothing of this file takes effect until then")]
    Demo,
    /// Its own listeners have moved, but only in the file.
    #[error(
        "upstream {upstream:?} of site {site:?} has an address that this process listens on until a restart: every request \
         would go around for ever"
    )]
    OwnAddress { site: String, upstream: String },
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
        audit: Arc<Auditor>,
        config: Config,
        files: Option<ConfigFiles>,
    ) -> Result<Self, StartError> {
        let fixed = Fixed::of(&config);
        let listeners = config.listen.addresses().copied().collect();
        let on_change = config.runtime.reload_on_change;
        let began = Instant::now();
        let draft = workshop.build(config.sites, &config.runtime)?;
        let reloader = Self {
            workshop,
            certificates,
            metrics,
            audit,
            status: Arc::default(),
            fixed,
            listeners,
            files: Mutex::new(files),
            on_change,
        };
        reloader.put_in_force(draft, Vec::new(), began);
        Ok(reloader)
    }

    pub(super) fn status(&self) -> Arc<Mutex<Status>> {
        Arc::clone(&self.status)
    }

    /// Reads and builds; nothing is in force yet. The watched files are those of this attempt, whatever came of it.
    async fn prepare(&self, path: &Path) -> (Result<Prepared, ReloadError>, Watched) {
        let (path, workshop) = (path.to_owned(), Arc::clone(&self.workshop));
        let (fixed, listeners) = (self.fixed.clone(), self.listeners.clone());
        let task = spawn_blocking(move || {
            let (config, watched) = load_watched(&path, &|name| std::env::var(name).ok());
            let prepared = config.map_err(ReloadError::from).and_then(|config| {
                check(&config, &fixed, &listeners)?;
                build(&workshop, config)
            });
            (prepared, watched)
        });
        task.await
            .unwrap_or_else(|_| (Err(ReloadError::Cut), Watched::default()))
    }

    /// Puts the configuration of the files in force, or leaves all as it is and says why.
    async fn reload(&self, background: Background, path: &Path, files: &mut Files) -> Background {
        let Some(before) = blocking(files, Files::before_attempt).await else {
            return background;
        };
        let began = Instant::now();
        let (prepared, read) = self.prepare(path).await;
        match prepared {
            Ok(Prepared {
                draft,
                fixed,
                listen,
            }) => {
                files.apply(read);
                self.certificates.replace(&listen);
                self.put_in_force(draft, self.fixed.differences(&fixed), began);
                background.end_soon();
                self.workshop.start_background()
            }
            Err(error) => {
                files.refuse(before, read);
                self.refuse(&error);
                background
            }
        }
    }

    /// Swaps. What `began` then was read, checked and built for it.
    fn put_in_force(&self, draft: Draft, restart_needed: Vec<&'static str>, began: Instant) {
        self.workshop.put_in_force(draft);
        let now = SystemTime::now();
        let mut status = self.status.lock();
        let generation = status.generation + 1;
        self.metrics.config().set_loaded(
            generation,
            UnixTime::from(now),
            !restart_needed.is_empty(),
        );
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(generation, duration_ms, "the configuration is in force");
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
        // First of all, so that whoever has seen the metric sees the status too.
        let mut status = self.status.lock();
        self.metrics.config().count_refused();
        let generation = status.generation;
        tracing::error!(generation, %error, "the configuration was refused; the one before stays in force");
        status.refused = Some((SystemTime::now(), error.to_string()));
    }

    /// The files are those in force again, so what was refused is of no more interest.
    fn settle(&self) {
        let mut status = self.status.lock();
        self.metrics.config().set_settled();
        let generation = status.generation;
        tracing::info!(
            generation,
            "the files are again those of the configuration in force"
        );
        status.refused = None;
    }
}

/// Judges by what is served what the file's own listeners have allowed.
fn check(config: &Config, fixed: &Fixed, listeners: &[SocketAddr]) -> Result<(), ReloadError> {
    if !fixed.is_demo_like(&Fixed::of(config)) {
        return Err(ReloadError::Demo);
    }
    for site in &config.sites {
        let own = site.upstreams.iter().find(|upstream| {
            let mut servers = upstream.servers.iter();
            servers.any(|server| listeners.iter().any(|listener| server.reaches(listener)))
        });
        if let Some(upstream) = own {
            return Err(ReloadError::OwnAddress {
                site: site.name.clone(),
                upstream: upstream.name.clone(),
            });
        }
    }
    Ok(())
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
        let files = self.files.lock().take();
        let Some(files) = files else {
            // An error means that the server is gone, which is a stop as well.
            let _ = shutdown.changed().await;
            return;
        };
        let (path, mut hangups) = (files.path, files.hangups);
        let mut files = Files::new(files.watched);
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                _ = shutdown.changed() => return,
                () = hangup(&mut hangups) => {
                    self.audit.reopen();
                    Step::Try
                }
                _ = ticks.tick(), if self.on_change => match blocking(&files, Files::look).await {
                    Some(look) => files.judge(look),
                    None => Step::Wait,
                },
            };
            match step {
                Step::Wait => {}
                Step::Try => background = self.reload(background, &path, &mut files).await,
                Step::Settle => self.settle(),
            }
        }
    }
}

/// Does what blocks on the disk elsewhere; nothing comes of it when the process is about to end.
async fn blocking<T: Send + 'static>(files: &Files, look: fn(&Files) -> T) -> Option<T> {
    let files = files.clone();
    spawn_blocking(move || look(&files)).await.ok()
}

async fn hangup(hangups: &mut Option<Signal>) {
    match hangups {
        Some(hangups) => drop(hangups.recv().await),
        None => std::future::pending().await,
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
