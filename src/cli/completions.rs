//! `completions`: what a shell needs to complete the commands and their options.

use std::io::{self, Write};

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::cli::{Cli, CliError, PROGRAM};

/// Print a script that completes commands and options in a shell
///
/// It is made from the program's own definition of its commands: print it again after an upgrade.
#[derive(clap::Args)]
#[command(after_help = "Where each shell looks for it:
  usersig-proxy completions bash > /etc/bash_completion.d/usersig-proxy
  usersig-proxy completions zsh > /usr/local/share/zsh/site-functions/_usersig-proxy
  usersig-proxy completions fish > ~/.config/fish/completions/usersig-proxy.fish

Exit code 0; 2 when the output cannot be written.")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Completed,
}

/// The shells that are known here.
#[derive(Clone, Copy, ValueEnum)]
enum Completed {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    pub(super) fn run(self) -> Result<(), CliError> {
        let shell = match self.shell {
            Completed::Bash => Shell::Bash,
            Completed::Zsh => Shell::Zsh,
            Completed::Fish => Shell::Fish,
        };
        // In memory first: the generator panics where its output cannot be written, as into a closed pipe.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut script);
        let script = String::from_utf8_lossy(&script);
        // The generator for bash spells the dash of a program's name in two ways, and then completes nothing below it.
        let script = script.replace("usersig__subcmd__proxy", "usersig__proxy");
        Ok(io::stdout().write_all(script.as_bytes())?)
    }
}
