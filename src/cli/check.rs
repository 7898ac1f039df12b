//! `check`: is a configuration good?

use std::io::{self, Write};
use std::path::PathBuf;

use crate::cli::{CliError, load};
use crate::config::LoadError;

/// Check configuration files without starting anything
///
/// Reports every error at once, each with file, line, column, key and a hint, and warnings for what works but is weak.
/// Reads the secrets that the file refers to, so run it where the proxy will run. Exit code 0: good, 1: errors,
/// 2: a file cannot be read.
#[derive(clap::Args)]
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
        let mut first_error = None;
        for file in self.files.iter().chain(&self.config) {
            match load(file) {
                Ok(config) => {
                    for warning in &config.warnings {
                        writeln!(io::stdout(), "warning: {warning}")?;
                    }
                    writeln!(io::stdout(), "{}: good", file.display())?;
                }
                Err(error) => {
                    if let CliError::Config(LoadError::Invalid(found)) = &error {
                        for warning in &found.warnings {
                            writeln!(io::stdout(), "warning: {warning}")?;
                        }
                    }
                    if let Some(earlier) = first_error.replace(error) {
                        writeln!(io::stderr(), "{earlier}")?;
                    }
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }
}
