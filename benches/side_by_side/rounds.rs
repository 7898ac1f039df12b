//! How it is measured: each subject alone for a round, then in pairs with the bare Pingora.
//!
//! The two of a pair work at the same time, on one core, each for a load of its own. Whatever else happens on the machine
//! in a round then happens to both, so the ratio of their processor times stands still where either of them alone does not.

use super::load::{Load, Ran, Span};
use super::subjects::Subject;

/// What was measured of a subject.
#[derive(Default)]
pub(crate) struct Figures {
    /// Processor time of a request in microseconds, a round each.
    pub(crate) cpu_us: Vec<f64>,
    /// That of the bare Pingora in the same round.
    pub(crate) bare_cpu_us: Vec<f64>,
    pub(crate) per_second: f64,
    pub(crate) p99_us: f64,
    pub(crate) resident_bytes: u64,
}

/// How many rounds, and of how many seconds.
#[derive(Clone, Copy)]
pub(crate) struct Length {
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
}

/// Something that may still need tokens before a round, and says how many a run leaves out.
pub(crate) trait Supply {
    /// Makes room for a run of so many seconds and gives how many tokens it leaves out.
    fn before(&mut self, seconds: u64) -> u64;
    /// Takes note of how many requests the run of a subject that does the job made.
    fn after(&mut self, requests: u64);
}

/// One round of a subject that has the core for itself.
pub(crate) fn alone(
    subject: &Subject,
    load: &Load,
    seconds: u64,
    supply: &mut dyn Supply,
) -> Figures {
    let span = Span {
        seconds,
        connections: CONNECTIONS,
        skip: supply.before(seconds),
    };
    let ran = load.run(subject.process.address, span);
    if subject.does_the_job {
        supply.after(ran.requests);
    }
    Figures {
        per_second: ran.per_second,
        p99_us: ran.p99_us,
        resident_bytes: subject.process.resident_bytes(),
        ..Figures::default()
    }
}

/// The rounds of two subjects at the same time; what they took is added to the figures of the second.
pub(crate) fn in_pairs(
    [bare, other]: [(&Subject, &Load); 2],
    figures: &mut Figures,
    length: Length,
    supply: &mut dyn Supply,
) {
    for _ in 0..length.rounds {
        let span = Span {
            seconds: length.seconds,
            connections: CONNECTIONS / 2,
            skip: supply.before(length.seconds),
        };
        let before = [bare, other].map(|(subject, _)| subject.process.cpu_ns());
        let running =
            [bare, other].map(|(subject, load)| load.begin(subject.process.address, span));
        let ran = running.map(|running| running.finish());
        let after = [bare, other].map(|(subject, _)| subject.process.cpu_ns());
        let [bare_cpu_us, cpu_us] = [0, 1].map(|at| cpu_us(after[at] - before[at], &ran[at]));
        figures.bare_cpu_us.push(bare_cpu_us);
        figures.cpu_us.push(cpu_us);
        supply.after(ran[1].requests);
    }
}

fn cpu_us(spent_ns: u64, ran: &Ran) -> f64 {
    spent_ns as f64 / 1000.0 / ran.requests as f64
}

impl Figures {
    /// How many times the bare Pingora's time each round took, in order.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        let pairs = self.cpu_us.iter().zip(&self.bare_cpu_us);
        let mut ratios: Vec<f64> = pairs.map(|(one, bare)| one / bare).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }
}

/// The value below which such a part of the values lies.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = part * last as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * place.fract()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// Of a load alone; those of a pair share them.
pub(crate) const CONNECTIONS: usize = 64;
