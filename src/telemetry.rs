//! Log output: JSON lines or text on standard error, for this program's own events and a chosen few of the framework's.
//!
//! Pingora prints whole requests, headers and queries at its finer levels and in its error lines. None of that is let
//! through at any level: of the framework only start, stop and listener messages are, and everything about a request
//! is logged by the proxy itself.

use std::io;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For a person at a terminal.
    Text,
}

/// Starts logging for the process; a second call changes nothing.
pub fn init(format: Format, level: Level) {
    let own = Targets::new().with_target(OWN_TARGET, LevelFilter::from_level(level));
    let registry = tracing_subscriber::registry().with(own);
    let output = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let started = match format {
        Format::Json => registry
            .with(output.json().flatten_event(true).with_current_span(false))
            .try_init(),
        Format::Text => registry.with(output.with_ansi(false)).try_init(),
    };
    if started.is_ok() && log::set_logger(&FRAMEWORK).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
}

static FRAMEWORK: FrameworkLog = FrameworkLog;

/// Takes what the framework logs through the `log` crate.
struct FrameworkLog;

impl log::Log for FrameworkLog {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        FRAMEWORK_TARGETS.contains(&metadata.target())
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = record.args().to_string();
        match record.level() {
            // Scanners and probes of the port, on every listener with TLS.
            log::Level::Error if text.starts_with("Downstream handshake") => {
                tracing::debug!(target: FRAMEWORK_EVENT, "{text}");
            }
            log::Level::Error => tracing::error!(target: FRAMEWORK_EVENT, "{text}"),
            log::Level::Warn => tracing::warn!(target: FRAMEWORK_EVENT, "{text}"),
            log::Level::Info => tracing::debug!(target: FRAMEWORK_EVENT, "{text}"),
            log::Level::Debug | log::Level::Trace => {}
        }
    }

    fn flush(&self) {}
}

const OWN_TARGET: &str = "usersig_proxy";
const FRAMEWORK_EVENT: &str = "usersig_proxy::framework";
/// Modules of Pingora whose messages name services, addresses and signals, never a request.
const FRAMEWORK_TARGETS: [&str; 3] = [
    "pingora_core::server",
    "pingora_core::services::listening",
    "pingora_core::listeners::l4",
];
