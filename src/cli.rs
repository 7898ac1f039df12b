//! The commands. Each lives in a file of its own, prints what it found and gives an exit code.
//!
//! Exit codes, everywhere: 0 good, 1 what was asked for is wrong (configuration, user, UserSig), 2 usage or unreadable.

mod check;
mod commands;
mod completions;
mod config;
mod demo;
mod explain;
mod fixtures;
mod health;
mod inspect;
mod man;
mod mint;
mod run;
mod sandbox;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, LoadError, Site};
use crate::secret;
use crate::telemetry;

/// Gives an existing app Tencent Cloud Chat login without a change in the app.
///
/// The proxy stands in front of the app. It verifies the app's own session token (a JWT), maps its subject to a Chat
/// UserID, issues a UserSig and hands it to the app or to the client. The secret key never leaves the proxy.
#[derive(Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "New here? Run `usersig-proxy demo` and try the lines that it prints.
For your own app: copy conf/start.toml, then `check` and `run` it.

Exit codes: 0 good; 1 what was asked for is wrong (configuration, user, UserSig, address);
2 wrong usage, or a file that cannot be read."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Check(check::Check),
    Explain(explain::Explain),
    Demo(demo::Demo),
    Sandbox(sandbox::Serve),
    Mint(mint::Mint),
    Inspect(inspect::Inspect),
    Commands(commands::Commands),
    Fixtures(fixtures::Fixtures),
    Health(health::Health),
    Config(config::Inspection),
    Completions(completions::Completions),
    Man(man::Manual),
}

/// What a command failed with, beyond what it has printed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    /// The configuration has errors.
    #[error("{0}")]
    Config(LoadError),
    /// Something that was asked for is wrong.
    #[error("{0}")]
    Refused(String),
    /// The answer was printed, and this is its exit code.
    #[error("refused")]
    Told(u8),
    /// Arguments that mean nothing together.
    #[error("{0}")]
    Usage(String),
    /// Input that cannot be read.
    #[error("cannot read {name}: {source}")]
    Unreadable { name: String, source: io::Error },
    /// The server does not start.
    #[error("{0}")]
    Start(#[from] crate::server::StartError),
    /// Output that cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl CliError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Config(LoadError::Invalid(_)) | Self::Refused(_) | Self::Start(_) => 1,
            Self::Told(code) => *code,
            Self::Config(LoadError::Unreadable { .. } | LoadError::Unsettled { .. })
            | Self::Usage(_)
            | Self::Unreadable { .. }
            | Self::Output(_) => 2,
        }
    }
}

/// Parses the command line, runs the command and gives the process's exit code.
pub fn main() -> ExitCode {
    secret::forbid_dumps();
    let result = match Cli::parse().command {
        Command::Run(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::Sandbox(command) => command.run(),
        Command::Mint(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Commands(command) => command.run(),
        Command::Fixtures(command) => command.run(),
        Command::Health(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Completions(command) => command.run(),
        Command::Man(command) => command.run(),
    };
    telemetry::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has what it wanted: `usersig-proxy mint … | head -1`.
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error @ CliError::Told(_)) => ExitCode::from(error.exit_code()),
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Where the configuration is.
#[derive(clap::Args)]
struct ConfigFile {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", env = CONFIG_VARIABLE)]
    config: PathBuf,
}

/// One site of a configuration.
#[derive(clap::Args)]
struct SiteOfFile {
    #[command(flatten)]
    file: ConfigFile,

    /// With several sites: which one, by the name of its file without .toml
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
}

impl SiteOfFile {
    fn load(&self) -> Result<Site, CliError> {
        choose_site(load(&self.file.config)?, self.site.as_deref())
    }
}

/// The one site of a configuration, or the one that is named.
fn choose_site(config: Config, name: Option<&str>) -> Result<Site, CliError> {
    let names: Vec<_> = config.sites.iter().map(|site| site.name.clone()).collect();
    let mut sites = config.sites.into_iter();
    let found = match name {
        Some(name) => sites.find(|site| site.name == name),
        None => sites.next().filter(|_| names.len() == 1),
    };
    found.ok_or_else(|| {
        let problem = match name {
            Some(name) => format!("there is no site {name}"),
            None => "which site?".to_owned(),
        };
        CliError::Refused(format!("{problem}: --site {}", names.join(" | ")))
    })
}

fn load(path: &Path) -> Result<Config, CliError> {
    read(path).map_err(CliError::Config)
}

fn read(path: &Path) -> Result<Config, LoadError> {
    crate::config::load(path, &variable)
}

/// A variable of the environment.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

const PROGRAM: &str = env!("CARGO_PKG_NAME");
const CONFIG_VARIABLE: &str = "USERSIG_PROXY_CONFIG";
