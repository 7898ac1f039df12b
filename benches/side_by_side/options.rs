//! What is measured, and how long.

use super::rounds::Length;

/// What the command line asks for.
pub(crate) struct Options {
    names: Vec<String>,
    rounds: usize,
    pub(crate) seconds: u64,
    pub(crate) users: u64,
    pub(crate) most_users: u64,
    pub(crate) peers: bool,
    /// Only jobs: neither counts nor memory nor curves.
    pub(crate) only_jobs: bool,
    pub(crate) write: bool,
}

impl Options {
    /// Reads the words after the program's name.
    pub(crate) fn parse(arguments: &[&str]) -> Self {
        let mut options = Self {
            names: Vec::new(),
            rounds: 10,
            seconds: 2,
            users: 1000,
            most_users: 1_000_000,
            peers: true,
            only_jobs: false,
            write: false,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let value = arguments.next().and_then(|value| value.parse().ok());
                value.unwrap_or_else(|| panic!("{argument} needs a number"))
            };
            match *argument {
                "--bench" => {}
                "--rounds" => options.rounds = usize::try_from(number()).unwrap(),
                "--seconds" => options.seconds = number(),
                "--users" => options.users = number(),
                "--most-users" => options.most_users = number(),
                "--jobs" => options.only_jobs = true,
                "--no-peers" => options.peers = false,
                "--write" => options.write = true,
                name if name.starts_with('-') => panic!("unknown option {name}"),
                name => options.names.push(name.to_owned()),
            }
        }
        assert!(options.rounds > 0 && options.seconds > 0 && options.users > 0);
        options
    }

    /// The rounds of a pair.
    pub(crate) fn length(&self) -> Length {
        Length {
            rounds: self.rounds,
            seconds: self.seconds,
        }
    }

    /// Whether something of this name is to be measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|part| name.contains(part.as_str()))
    }
}
