//! The proxy beside a bare Pingora that passes everything through: the same allocator, profile and run, at the same time.
//!
//! ```sh
//! cargo bench --bench side_by_side                       # everything
//! cargo bench --bench side_by_side -- hot/ storm/        # what has one of these in its name
//! cargo bench --bench side_by_side -- --rounds 20 --seconds 3 --users 1000000 hot/ES256
//! cargo bench --bench side_by_side -- --jobs             # all jobs, and neither counts nor memory nor curves
//! cargo bench --bench side_by_side -- --write            # keeps the tables and plots that README.md shows
//! ```
//!
//! Needs wrk (installed from Debian's packages where that is allowed) and two cores: what is measured has the last one for
//! itself, the load and the app share the first. What is compared is the processor time a request takes, user and system,
//! of all threads. Each job's answers are checked before they are timed. `README.md` in the folder above has what it prints.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a bench that cannot measure ends with what was wrong"
)]

mod app;
mod bare;
mod check;
mod counts;
mod curves;
mod job;
mod jobs;
mod load;
mod memory;
mod options;
mod packages;
mod peers;
mod plot;
mod process;
mod report;
mod rounds;
mod subjects;
mod tokens;

use std::env;

use options::Options;
use subjects::World;

/// The allocator of the program, also for what it is compared with.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        // The roles of the processes that it starts of itself.
        ["bare", listen, upstream] => bare::run(listen, upstream),
        ["app", listen, tokens] => app::run(listen, tokens),
        // What cargo test passes on.
        ["--test", ..] => {}
        _ => measure(&Options::parse(&arguments)),
    }
}

fn measure(options: &Options) {
    load::need_wrk();
    let world = World::new(options.users);
    jobs::run(options, &world);
    if options.only_jobs {
        return;
    }
    counts::run(options, &world);
    memory::run(options, &world);
    curves::run(options, &world);
}
