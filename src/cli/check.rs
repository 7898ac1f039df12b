//! `check`: is a configuration good?

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::{CliError, load};
use crate::config::{LoadError, Site};
use crate::server::{Live, prove};

/// Check configuration files without starting anything
///
/// Reports every error at once, each with file, line, column, key and a hint, and warnings for what works but is weak.
/// Reads the secrets that the file refers to, so run it where the proxy will run. Exit code 0: good, 1: errors,
/// 2: a file cannot be read.
///
/// With --live it then asks Chat, for each site whose [chat] has a region or endpoint: one harmless read, whether the
/// admin's own account exists, sent once. It proves SDKAppID, key, admin and host, or says what is wrong with them.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  CHAT_SECRET_KEY=… usersig-proxy check proxy.toml && systemctl restart usersig-proxy
  CHAT_SECRET_KEY=… usersig-proxy check --live proxy.toml")]
pub(super) struct Check {
    /// Configuration files
    #[arg(value_name = "FILE", required_unless_present = "config")]
    files: Vec<PathBuf>,

    /// A configuration file, as `run` takes it
    #[arg(short, long, value_name = "FILE")]
    config: Vec<PathBuf>,

    /// Also ask Chat whether it takes our calls
    #[arg(long)]
    live: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<(), CliError> {
        let files = self.files.iter().chain(&self.config);
        let mut errors: Vec<_> = files
            .filter_map(|file| check(file, self.live).err())
            .collect();
        // The worst comes last and gives the exit code.
        errors.sort_by_key(CliError::exit_code);
        let worst = errors.pop();
        for error in errors {
            writeln!(io::stderr(), "{error}")?;
        }
        worst.map_or(Ok(()), Err)
    }
}

/// Prints what is to be said of a good file, and the warnings of a bad one.
fn check(file: &Path, is_live: bool) -> Result<(), CliError> {
    let loaded = load(file);
    let warnings = match &loaded {
        Ok(config) => &config.warnings,
        Err(CliError::Config(LoadError::Invalid(found))) => &found.warnings,
        Err(_) => &Vec::new(),
    };
    let mut out = io::stdout().lock();
    for warning in warnings {
        writeln!(out, "warning: {warning}")?;
    }
    let sites = loaded?.sites;
    writeln!(out, "{}: good ({})", file.display(), extent(&sites))?;
    match is_live {
        true => ask_chat(file, &sites, &mut out),
        false => Ok(()),
    }
}

/// Prints a line for each site: what Chat itself says of it.
fn ask_chat(file: &Path, sites: &[Site], out: &mut impl Write) -> Result<(), CliError> {
    let unable = |error| CliError::Refused(format!("cannot call Chat: {error}"));
    let mut failed = Vec::new();
    for (site, live) in sites.iter().zip(prove(sites).map_err(unable)?) {
        let line = format!("{}: site {}: ", file.display(), site.name);
        let (app, admin) = (site.chat.sdk_app_id, &site.chat.admin);
        match live {
            Live::Proven => writeln!(
                out,
                "{line}Chat takes its calls: SDKAppID {app}, key, admin {admin:?} and host are right"
            )?,
            Live::NothingToTry => writeln!(
                out,
                "{line}nothing to try: [chat] has neither region nor endpoint"
            )?,
            Live::Failed(fault) => failed.push(format!("{line}{fault}")),
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(CliError::Refused(failed.join("\n"))),
    }
}

/// The number of sites and of the hosts that they answer for.
fn extent(sites: &[Site]) -> String {
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    };
    let hosts = match sites.iter().map(|site| site.hosts.len()).sum() {
        0 => "any host".to_owned(),
        number => count(number, "host"),
    };
    format!("{}, {hosts}", count(sites.len(), "site"))
}
