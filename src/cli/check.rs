//! `check`: is a configuration good?

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::{CliError, load};
use crate::config::{LoadError, Site};

/// Check configuration files without starting anything
///
/// Reports every error at once, each with file, line, column, key and a hint, and warnings for what works but is weak.
/// Reads the secrets that the file refers to, so run it where the proxy will run. Exit code 0: good, 1: errors,
/// 2: a file cannot be read.
#[derive(clap::Args)]
#[command(after_help = "Example:
  CHAT_SECRET_KEY=… usersig-proxy check proxy.toml && systemctl restart usersig-proxy")]
pub(super) struct Check {
    /// Configuration files
    #[arg(value_name = "FILE", required_unless_present = "config")]
    files: Vec<PathBuf>,

    /// A configuration file, as `run` takes it
    #[arg(short, long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

impl Check {
    pub(super) fn run(self) -> Result<(), CliError> {
        let files = self.files.iter().chain(&self.config);
        let mut errors: Vec<_> = files.filter_map(|file| check(file).err()).collect();
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
fn check(file: &Path) -> Result<(), CliError> {
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
    let extent = extent(&loaded?.sites);
    writeln!(out, "{}: good ({extent})", file.display())?;
    Ok(())
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
