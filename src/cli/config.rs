//! `config`: what a configuration comes to.

use std::io::{self, Write};

use clap::{Args, Subcommand};

use crate::cli::{CliError, ConfigFile, variable};
use crate::config::effective;

/// Show what a configuration comes to
#[derive(Args)]
pub(super) struct Inspection {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Show(Show),
}

/// Print the configuration with every default filled in
///
/// Prints TOML that means the same as the file and says what it leaves out; with several sites, a part for each file.
/// Sections that are off are not made up. Secrets are shown as the references that they are, never read out; they are looked
/// up all the same, so run it where the proxy will run. Exit code 0; 1: the configuration has errors; 2: it cannot be read.
#[derive(Args)]
#[command(after_help = "Examples:
  usersig-proxy config show --config proxy.toml --origin
  diff <(usersig-proxy config show -c old.toml) <(usersig-proxy config show -c new.toml)")]
struct Show {
    #[command(flatten)]
    file: ConfigFile,

    /// Say behind each value which file and line it comes from, or that it is a default
    #[arg(long)]
    origin: bool,
}

impl Inspection {
    pub(super) fn run(self) -> Result<(), CliError> {
        match self.what {
            What::Show(show) => show.run(),
        }
    }
}

impl Show {
    fn run(self) -> Result<(), CliError> {
        let files = effective(&self.file.config, &variable).map_err(CliError::Config)?;
        let mut out = io::stdout().lock();
        for (index, file) in files.iter().enumerate() {
            if files.len() > 1 {
                let end = if index == 0 { "" } else { "\n" };
                writeln!(out, "{end}# {}", file.file.display())?;
            }
            let text = match self.origin {
                true => &file.with_origins,
                false => &file.toml,
            };
            out.write_all(text.as_bytes())?;
        }
        Ok(())
    }
}
