//! `run`: the proxy itself.

use std::io;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{CliError, ConfigFile};
use crate::config::{Config, LogFormat, LogLevel, load_watched};
use crate::server::{ConfigFiles, ListenersFrom, Runner};
use crate::telemetry::{self, Format};

/// Run the proxy until a signal ends it
///
/// SIGHUP reads the configuration again; so does a change of its files, unless `runtime.reload_on_change` is false. One with
/// an error changes nothing.
/// SIGTERM and SIGQUIT stop accepting and let running requests finish within `runtime.grace_period`; SIGINT (Ctrl-C) ends
/// at once.
/// With an error in the configuration nothing starts; the exit code is 1, and 2 when the file cannot be read.
#[derive(clap::Args)]
#[command(after_help = "Example:
  CHAT_SECRET_KEY=… usersig-proxy run --config proxy.toml")]
pub(super) struct Run {
    #[command(flatten)]
    file: ConfigFile,

    /// Take the listeners over from the process that runs with the same runtime.upgrade_socket: send it SIGQUIT when this
    /// one says that it waits
    #[arg(long)]
    upgrade: bool,
}

impl Run {
    pub(super) fn run(self) -> Result<(), CliError> {
        let hangups = listen_for_hangups().ok();
        let path = self.file.config;
        let (config, watched) = load_watched(&path, &|name| std::env::var(name).ok());
        let config = config.map_err(CliError::Config)?;
        start_logging(&config)?;
        let listeners_from = match self.upgrade {
            true => ListenersFrom::OldProcess,
            false => ListenersFrom::Configuration,
        };
        let mut runner = Runner::new(&config.runtime, listeners_from);
        let listeners: Vec<_> = config
            .listen
            .listeners
            .iter()
            .map(ToString::to_string)
            .collect();
        let ops = config.ops;
        let files = ConfigFiles {
            path,
            watched,
            hangups,
        };
        runner.add_proxy(config, Some(files))?;
        // The framework listens in a moment; that the addresses can be had was found out above.
        for address in listeners {
            tracing::info!(%address, "starting to listen");
        }
        tracing::info!(address = %ops, "starting to listen for health and metrics");
        runner.run();
        Ok(())
    }
}

/// From here on SIGHUP ends the process no more, and one that comes before the server runs is kept for it: what the handler
/// of tokio notes waits for whatever runtime looks first.
fn listen_for_hangups() -> io::Result<Signal> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    signal(SignalKind::hangup())
}

/// Starts logging and writes the configuration's warnings to it.
pub(super) fn start_logging(config: &Config) -> io::Result<()> {
    let format = match config.log.format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    };
    let level = match config.log.level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Trace => tracing::Level::TRACE,
    };
    telemetry::init(format, level)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(())
}
