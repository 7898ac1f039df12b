//! How many instructions the pure parts take, against the counts that are stored: a guard that no busy machine disturbs.
//!
//! ```sh
//! cargo run --release -p usersig-proxy-instructions               # counts and compares
//! cargo run --release -p usersig-proxy-instructions -- --write    # counts and stores, in counts.tsv
//! ```
//!
//! Each part is done so many times in one process under `valgrind --tool=callgrind`, and more times in another: the
//! difference of their totals, by the difference of the times, is what one takes. Nothing has to be switched on and off, and
//! no symbols are needed. Counts are those of the release build; valgrind has no SHA instructions, so SHA-256 is the one in
//! software. A part that takes more than its stored count by [`TOLERANCE`] fails, and so does one that takes less by as much: a
//! count that is too high would let the next loss pass.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool that cannot count ends with what was wrong"
)]

#[expect(dead_code, reason = "the timed benches use more of it")]
#[path = "../core/fixtures.rs"]
mod fixtures;
mod parts;
#[path = "../core/site.rs"]
mod site;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use parts::PARTS;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        // What it starts of itself, under valgrind.
        ["part", name, times] => {
            parts::run(name, times.parse().unwrap());
            ExitCode::SUCCESS
        }
        [] => compare(&count_all()),
        ["--write"] => {
            store(&count_all());
            ExitCode::SUCCESS
        }
        _ => panic!("unknown arguments: {arguments:?}"),
    }
}

/// The instructions of each part, in the order of [`PARTS`].
fn count_all() -> Vec<(&'static str, u64)> {
    let count = |part: &parts::Part| {
        let [few, many] = [FEW, FEW + part.more].map(|times| total(part.name, times));
        (part.name, many.saturating_sub(few) / part.more)
    };
    PARTS.iter().map(count).collect()
}

/// The instructions of a process that does a part so many times.
fn total(part: &str, times: u64) -> u64 {
    let output = env::temp_dir().join(format!("instructions-{}", std::process::id()));
    let mut valgrind = Command::new("valgrind");
    valgrind
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(env::current_exe().unwrap())
        .args(["part", part, &times.to_string()])
        .env("GLIBC_TUNABLES", NO_REPEATED_INSTRUCTION);
    let ran = valgrind.output();
    let ran = ran.unwrap_or_else(|_| panic!("needs valgrind: apt-get install valgrind"));
    let printed = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{part}: {printed}");
    let text = fs::read_to_string(&output).unwrap();
    fs::remove_file(&output).unwrap();
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.unwrap().trim().parse().unwrap()
}

/// Prints the counts beside those that are stored, and fails when they are too far apart.
fn compare(counts: &[(&str, u64)]) -> ExitCode {
    let (compiler, stored) = stored();
    let mut is_good = stored.len() == counts.len();
    println!(
        "{:<30} {:>10} {:>10} {:>8}",
        "part", "stored", "now", "change"
    );
    for (name, now) in counts {
        let before = stored.get(*name).copied();
        let change = before.map(|before| *now as f64 / before as f64 - 1.0);
        let is_close = change.is_some_and(|change| change.abs() <= TOLERANCE);
        is_good &= is_close;
        println!(
            "{name:<30} {:>10} {now:>10} {:>8} {}",
            before.map_or_else(|| "-".to_owned(), |before| before.to_string()),
            change.map_or_else(String::new, |change| format!("{:+.1} %", 100.0 * change)),
            if is_close { "" } else { "<--" },
        );
    }
    if is_good {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "what is marked is not within {:.0} % of what is stored, or not stored at all.",
        100.0 * TOLERANCE
    );
    eprintln!(
        "If it is meant, store it: cargo run --release -p usersig-proxy-instructions -- --write"
    );
    if compiler != self::compiler() {
        eprintln!(
            "The stored counts are of {compiler}, these of {}.",
            self::compiler()
        );
    }
    ExitCode::FAILURE
}

/// The compiler that the stored counts are of, and the counts.
fn stored() -> (String, BTreeMap<String, u64>) {
    let text = fs::read_to_string(path()).unwrap();
    let mut lines = text.lines();
    let compiler = lines.next().unwrap_or_default().trim_start_matches("# ");
    let counts = lines.map(|line| {
        let (name, count) = line.split_once('\t').unwrap();
        (name.to_owned(), count.parse().unwrap())
    });
    (compiler.to_owned(), counts.collect())
}

fn store(counts: &[(&str, u64)]) {
    let mut text = format!("# {}\n", compiler());
    for (name, count) in counts {
        println!("{name:<30} {count:>10}");
        text.push_str(&format!("{name}\t{count}\n"));
    }
    fs::write(path(), text).unwrap();
}

/// Its version and what it compiles for.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&output.stdout);
    format!("{}, {}", version.trim(), env::consts::ARCH)
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.tsv")
}

/// How often a part is done in the first process.
const FEW: u64 = 200;
/// An instruction that fills or copies as much as it is told counts as often as it repeats itself, and not at all by what it
/// costs; there are others for the same.
const NO_REPEATED_INSTRUCTION: &str =
    "glibc.cpu.x86_rep_stosb_threshold=1000000000:glibc.cpu.x86_rep_movsb_threshold=1000000000";
/// How far a count may be from the one that is stored.
const TOLERANCE: f64 = 0.05;
