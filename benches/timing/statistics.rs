//! Welch's t-test on times of two kinds.

use crate::subjects::Guess;

/// Times in nanoseconds.
#[derive(Default)]
pub(crate) struct Times(Vec<(Guess, u32)>);

/// Mean and variance, added up one by one (Welford).
#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Times {
    pub(crate) fn push(&mut self, guess: Guess, nanoseconds: u32) {
        self.0.push((guess, nanoseconds));
    }

    pub(crate) fn median(&self) -> u32 {
        self.percentile(50)
    }

    /// The largest value of |t| when the slowest samples are left out in several measures: what interrupts the machine
    /// hides a difference, and a difference may be in the slow ones only.
    pub(crate) fn largest_t(&self) -> f64 {
        let limits = CROPS.map(|percent| self.percentile(percent));
        limits
            .into_iter()
            .map(|limit| self.t_below(limit).abs())
            .fold(0.0, f64::max)
    }

    fn percentile(&self, percent: usize) -> u32 {
        let mut sorted: Vec<_> = self.0.iter().map(|(_, time)| *time).collect();
        sorted.sort_unstable();
        let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or_default()
    }

    fn t_below(&self, limit: u32) -> f64 {
        let (mut one, mut other) = (Moments::default(), Moments::default());
        for (guess, time) in self.0.iter().filter(|(_, time)| *time <= limit) {
            match guess {
                Guess::WrongAtOnce => one.push(f64::from(*time)),
                Guess::WrongAtTheEnd => other.push(f64::from(*time)),
            }
        }
        let error = (one.variance() / one.count + other.variance() / other.count).sqrt();
        (one.mean - other.mean) / error
    }
}

impl Moments {
    fn push(&mut self, value: f64) {
        self.count += 1.0;
        let before = value - self.mean;
        self.mean += before / self.count;
        self.squares += before * (value - self.mean);
    }

    fn variance(&self) -> f64 {
        self.squares / (self.count - 1.0)
    }
}

const CROPS: [usize; 6] = [50, 75, 90, 95, 99, 100];
