//! Instructions and system calls of a request, in `counts/…`: what does not depend on how busy the machine is.
//!
//! Two runs of one process each, with so many requests and with more, under `valgrind --tool=callgrind` and under
//! `strace -c`; the difference, by the difference of the requests, is what one takes. Start and end are in both runs.

mod client;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use self::client::Clients;
use super::job::Job;
use super::options::Options;
use super::packages;
use super::report::Table;
use super::subjects::World;
use super::tokens::{Signing, TokenFile};

/// What counts.
#[derive(Clone, Copy)]
enum Counter {
    Callgrind,
    Strace,
}

/// Counted by name.
type Counts = BTreeMap<String, f64>;

/// Prints a row for each subject of the jobs that are wanted.
pub(crate) fn run(options: &Options, world: &World) {
    let wanted: Vec<Job> = JOBS
        .into_iter()
        .filter(|job| options.wants(&format!("counts/{}", job.name())))
        .collect();
    if wanted.is_empty() {
        return;
    }
    let found = packages::need("valgrind", "valgrind") && packages::need("strace", "strace");
    assert!(
        found,
        "needs valgrind and strace: apt-get install valgrind strace"
    );
    let mut table = Table::new(&COLUMNS);
    for job in &wanted {
        let mut tokens = job
            .tokens(USERS)
            .map(|kind| world.token_file("counts", kind));
        if let Some(file) = &mut tokens {
            file.grow(USERS);
        }
        for is_proxy in [false, true] {
            let of = |counter| counted(counter, *job, is_proxy, tokens.as_ref(), world);
            let (name, instructions) = of(Counter::Callgrind);
            let (_, calls) = of(Counter::Strace);
            let instructions = instructions.values().sum::<f64>();
            let all = calls.values().sum::<f64>();
            let cells = [
                format!("{instructions:.0}"),
                format!("{all:.1}"),
                named(&calls),
            ];
            let names = [job.name(), name.to_owned()];
            table.row(names.into_iter().chain(cells));
        }
    }
    if options.write && wanted.len() == JOBS.len() {
        table.put_into_readme("counts");
    }
}

/// The name of the subject, and what a request takes.
fn counted(
    counter: Counter,
    job: Job,
    is_proxy: bool,
    tokens: Option<&TokenFile>,
    world: &World,
) -> (&'static str, Counts) {
    let output = world.folder().join("counted");
    let launcher = counter.launcher(&output.display().to_string());
    let [(name, few), (_, many)] = REQUESTS.map(|requests| {
        let _ = fs::remove_file(&output);
        let subject = match is_proxy {
            true => world.proxy_in(&launcher, &job.settings()),
            false => world.bare_in(&launcher),
        };
        let name = subject.name;
        Clients::connect(subject.process.address, job, tokens).send(requests);
        subject.process.interrupt();
        (name, counter.wait_for(&output))
    });
    let more = (REQUESTS[1] - REQUESTS[0]) as f64;
    let one = |(name, count): (String, f64)| {
        let before = few.get(&name).copied().unwrap_or(0.0);
        (name, (count - before) / more)
    };
    (name, many.into_iter().map(one).collect())
}

impl Counter {
    /// The words before a program under which it is counted.
    fn launcher(self, output: &str) -> Vec<String> {
        let line = match self {
            Self::Callgrind => format!(
                "env GLIBC_TUNABLES={NO_REPEATED_INSTRUCTION} valgrind --tool=callgrind --callgrind-out-file={output}"
            ),
            // With -D the program is the process that was started, and ends when it is told to.
            Self::Strace => format!("strace -D -f -c -U calls,name -o {output}"),
        };
        line.split(' ').map(str::to_owned).collect()
    }

    /// What was written into a file, once it is complete.
    fn wait_for(self, output: &Path) -> Counts {
        loop {
            let text = fs::read_to_string(output).unwrap_or_default();
            match self.read(&text) {
                Some(counts) => return counts,
                None => thread::sleep(WAIT),
            }
        }
    }

    fn read(self, text: &str) -> Option<Counts> {
        match self {
            Self::Callgrind => {
                let total = text
                    .lines()
                    .find_map(|line| line.strip_prefix("totals: "))?;
                let total = total.trim().parse().ok()?;
                Some(Counts::from([("instructions".to_owned(), total)]))
            }
            Self::Strace => {
                let mut lines = text.lines().filter_map(|line| {
                    let (count, name) = line.trim().split_once(char::is_whitespace)?;
                    Some((name.trim().to_owned(), count.parse().ok()?))
                });
                let mut counts: Counts = lines.by_ref().collect();
                counts.remove("total").map(|_| counts)
            }
        }
    }
}

/// The system calls that come once in so many requests or more often.
fn named(calls: &Counts) -> String {
    let mut calls: Vec<_> = calls.iter().filter(|(_, count)| **count >= 0.05).collect();
    calls.sort_by(|one, other| other.1.total_cmp(one.1));
    let calls = calls
        .iter()
        .map(|(name, count)| format!("{name} {count:.1}"));
    calls.collect::<Vec<_>>().join(", ")
}

const JOBS: [Job; 4] = [
    Job::Pass,
    Job::Hot(Signing::Hs256),
    Job::LoginAnswer,
    Job::Rest,
];
const COLUMNS: [&str; 5] = [
    "job",
    "subject",
    "instructions a request",
    "system calls",
    "of which",
];
/// As many as there are clients; all are known after the first requests.
const USERS: u64 = client::CLIENTS as u64;
/// Of the two runs, for all clients together.
const REQUESTS: [usize; 2] = [320, 1920];
/// One that fills or copies as much as it is told counts as often as it repeats itself; there are others for the same.
const NO_REPEATED_INSTRUCTION: &str =
    "glibc.cpu.x86_rep_stosb_threshold=1000000000:glibc.cpu.x86_rep_movsb_threshold=1000000000";
const WAIT: Duration = Duration::from_millis(20);
