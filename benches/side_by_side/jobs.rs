//! Each job, done by the proxy, by what it is compared with and by peers.

use super::app::BODY_BYTES;
use super::check;
use super::job::Job;
use super::load::Load;
use super::options::Options;
use super::peers;
use super::report::{COLUMNS, Table, cells};
use super::rounds::{self, Figures, Supply};
use super::subjects::{Subject, World};
use super::tokens::TokenFile;

/// Runs the jobs that are wanted, and prints the table.
pub(crate) fn run(options: &Options, world: &World) {
    let wanted = Job::ALL.map(|job| options.wants(&job.name()));
    if !wanted.contains(&true) {
        return;
    }
    let mut table = Table::new(&[["job", "subject"].as_slice(), &COLUMNS].concat());
    for (job, _) in Job::ALL.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
        measure(*job, options, world, &mut table);
    }
    if options.write && !wanted.contains(&false) {
        table.put_into_readme("jobs");
    }
}

fn measure(job: Job, options: &Options, world: &World, table: &mut Table) {
    let mut supply = JobSupply::new(job, options, world);
    let load = job.load(supply.tokens.as_ref());
    let bare = world.bare();
    let mut others = vec![world.proxy(&job.settings())];
    if options.peers {
        others.extend(peers::of(job, options.users, world));
    }
    if job == Job::Pass {
        // How far two of the same are apart is the error of everything here.
        others.push(world.bare().named("bare Pingora again"));
    }
    // It refuses nobody.
    let bare_load = Load {
        status: 200,
        ..load.clone()
    };
    let load_of = |subject: &Subject| match subject.does_the_job {
        true => &load,
        false => &bare_load,
    };
    for subject in others.iter().chain([&bare]) {
        for line in 0..CHECKED {
            let answer = check::fetch(subject, load_of(subject), line, world.folder());
            job.judge(&answer, line as u64, BODY_BYTES, subject.does_the_job);
        }
    }
    let mut bare_figures = warmed(&bare, &bare_load, job, options, &mut supply);
    let mut rows = Vec::new();
    for subject in &others {
        let mut figures = warmed(subject, load_of(subject), job, options, &mut supply);
        let pair = [(&bare, &bare_load), (subject, load_of(subject))];
        rounds::in_pairs(pair, &mut figures, options.length(), &mut supply);
        bare_figures.cpu_us.extend(&figures.bare_cpu_us);
        rows.push((subject.name, figures));
    }
    bare_figures.bare_cpu_us.clone_from(&bare_figures.cpu_us);
    for (name, figures) in std::iter::once((bare.name, bare_figures)).chain(rows) {
        let names = [job.name(), name.to_owned()];
        table.row(names.into_iter().chain(cells(&figures)));
    }
}

/// A round that does not count, and one of the subject alone; with very many users the first goes on until all are known.
fn warmed(
    subject: &Subject,
    load: &Load,
    job: Job,
    options: &Options,
    supply: &mut dyn Supply,
) -> Figures {
    let seconds = match job {
        Job::Hot(_) => (options.users / 10_000).max(options.seconds),
        _ => options.seconds,
    };
    rounds::alone(subject, load, seconds, supply);
    rounds::alone(subject, load, options.seconds, supply)
}

/// The tokens of a job: the same ones, or for a storm always new ones.
struct JobSupply {
    tokens: Option<TokenFile>,
    is_storm: bool,
    used: u64,
    /// Requests a second, so far.
    fastest: u64,
    seconds: u64,
}

impl JobSupply {
    fn new(job: Job, options: &Options, world: &World) -> Self {
        let tokens = job.tokens(options.users);
        let tokens = tokens.map(|tokens| {
            let mut file = world.token_file(&job.name(), tokens);
            file.grow(match tokens.users {
                u64::MAX => CHECKED as u64,
                users => users,
            });
            file
        });
        Self {
            tokens,
            is_storm: matches!(job, Job::Storm(_)),
            used: CHECKED as u64,
            fastest: FIRST_GUESS,
            seconds: 0,
        }
    }
}

impl Supply for JobSupply {
    fn before(&mut self, seconds: u64) -> u64 {
        self.seconds = seconds;
        match &mut self.tokens {
            Some(tokens) if self.is_storm => {
                tokens.grow(self.used + 2 * self.fastest * seconds);
                self.used
            }
            _ => 0,
        }
    }

    fn after(&mut self, requests: u64) {
        if let Some(tokens) = self.tokens.as_ref().filter(|_| self.is_storm) {
            // Some more were under way at its end.
            self.used += requests + 1000;
            assert!(self.used <= tokens.count, "too few tokens for a round");
            self.fastest = self.fastest.max(requests / self.seconds.max(1));
        }
    }
}

/// How many answers of a subject are looked at.
const CHECKED: usize = 3;
/// Half of the requests a second that nobody exceeds in the first round of a storm.
const FIRST_GUESS: u64 = 25_000;
