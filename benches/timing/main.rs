//! Does a comparison with a secret take longer the more of a guess is right?
//!
//! After "Dude, is my code constant time?" (Reparaz, Balasch, Verbauwhede, 2017): guesses of two kinds, wrong from their first
//! byte or in the last one only, come in random order, and Welch's t-test says whether the times of the two kinds differ.
//! Beyond 4.5 that is likely, beyond 10 it is certain. A comparison that stops at the first difference runs beside ours, to
//! show that the measurement would see one. Nothing here passes or fails.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "prints what it measured, and has nothing to measure when its fixtures are wrong"
)]

mod statistics;
mod subjects;

use std::hint::black_box;
use std::time::Instant;

use statistics::Times;
use subjects::{Guess, Subject};

fn main() {
    let samples = std::env::args().find_map(|argument| argument.parse().ok());
    let samples: usize = samples.unwrap_or(1_000_000);
    println!(
        "{:<44} {:>9} {:>10} {:>8}",
        "", "samples", "median ns", "max |t|"
    );
    for subject in subjects::all() {
        let times = measure(&subject, samples);
        let (median, t) = (times.median(), times.largest_t());
        println!("{:<44} {samples:>9} {median:>10} {t:>8.1}", subject.name);
    }
}

/// The times of so many guesses of either kind in random order.
fn measure(subject: &Subject, samples: usize) -> Times {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut times = Times::default();
    for sample in 0..samples + WARM_UP {
        let guess = match random.next() & 1 {
            0 => Guess::WrongAtOnce,
            _ => Guess::WrongAtTheEnd,
        };
        let message = usize::try_from(random.next() >> 32).unwrap() % subjects::MESSAGES;
        // Made anew for each, at the same place in memory for both kinds.
        let compare = (subject.prepare)(message, guess);
        let start = Instant::now();
        let is_right = black_box(compare)();
        let elapsed = start.elapsed();
        assert!(!black_box(is_right), "a wrong guess is taken");
        if sample >= WARM_UP {
            times.push(guess, u32::try_from(elapsed.as_nanos()).unwrap_or(u32::MAX));
        }
    }
    times
}

/// Xorshift; its numbers need only not follow the machine's rhythm.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

const WARM_UP: usize = 10_000;
