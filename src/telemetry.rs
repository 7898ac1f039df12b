//! Log output: JSON lines or text on standard error, for this program's own events and a chosen few of the framework's.
//!
//! Pingora prints whole requests, headers and queries at its finer levels and in its error lines. None of that is let
//! through at any level: of the framework only start, stop and listener messages are, and everything about a request
//! is logged by the proxy itself.

mod json;
mod lines;

use std::io;
use std::sync::OnceLock;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::json::JsonLine;
use self::lines::Lines;

/// The shape of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For a person at a terminal.
    Text,
}

/// Starts logging for the process; a second call changes nothing. Lines of the audit are written at every level. Fails when
/// the thread that writes cannot be started.
pub fn init(format: Format, level: Level) -> io::Result<()> {
    let level = LevelFilter::from_level(level);
    let own = Targets::new()
        .with_target(OWN_TARGET, level)
        .with_target(AUDIT_TARGET, level.max(LevelFilter::INFO));
    let registry = tracing_subscriber::registry().with(own);
    // Whoever looks for a fault wants to see each line when it comes.
    let lines = Lines::new(io::stderr(), level <= LevelFilter::INFO)?;
    let output = tracing_subscriber::fmt::layer().with_writer(lines.clone());
    let started = match format {
        Format::Json => registry.with(output.event_format(JsonLine)).try_init(),
        Format::Text => registry.with(output.with_ansi(false)).try_init(),
    };
    if started.is_ok() && log::set_logger(&FRAMEWORK).is_ok() {
        log::set_max_level(log::LevelFilter::Info);
    }
    // The first ones are those that events go to.
    let _ = LINES.set(lines);
    Ok(())
}

/// Writes what was logged so far; to be called before the process ends.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush();
    }
}

static LINES: OnceLock<Lines> = OnceLock::new();

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
const AUDIT_TARGET: &str = "usersig_proxy::audit";
const FRAMEWORK_EVENT: &str = "usersig_proxy::framework";
/// Modules of Pingora whose messages name services, addresses and signals, never a request.
const FRAMEWORK_TARGETS: [&str; 3] = [
    "pingora_core::server",
    "pingora_core::services::listening",
    "pingora_core::listeners::l4",
];
