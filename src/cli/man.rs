//! `man`: the manual's pages.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::{Cli, CliError};

/// Print the manual page, or write a page for each command
///
/// The pages say what --help says, in the form that `man` reads.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  usersig-proxy man | man -l -
  usersig-proxy man --out /usr/local/share/man/man1

Exit code 0; 2 when a page cannot be written.")]
pub(super) struct Manual {
    /// A folder for usersig-proxy.1, usersig-proxy-run.1 and so on; made when it is not there
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Manual {
    pub(super) fn run(self) -> Result<(), CliError> {
        let mut root = Cli::command().disable_help_subcommand(true);
        root.build();
        match self.out {
            Some(folder) => write_all(root, &folder),
            None => Ok(io::stdout().write_all(&page(root)?)?),
        }
    }
}

/// A page of the program and of every command below it.
fn write_all(root: clap::Command, folder: &Path) -> Result<(), CliError> {
    let failed = |path: &Path, error: &io::Error| {
        CliError::Usage(format!("cannot write {}: {error}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let mut waiting = vec![root];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().cloned());
        // Joined with dashes once the definition is built: `usersig-proxy-config-show`.
        let name = command.get_display_name().unwrap_or(command.get_name());
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, page(command)?).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

fn page(command: clap::Command) -> Result<Vec<u8>, CliError> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    // As `man` and groff read them whatever the locale.
    let escape = |letter: char| match letter.is_ascii() {
        true => letter.to_string(),
        false => format!("\\[u{:04X}]", u32::from(letter)),
    };
    let page = String::from_utf8_lossy(&page);
    Ok(page.chars().map(escape).collect::<String>().into_bytes())
}
