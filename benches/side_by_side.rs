//! The proxy beside a bare Pingora that passes everything through: the same allocator, profile and run, alternating rounds.
//!
//! ```sh
//! cargo bench --bench side_by_side                       # every job
//! cargo bench --bench side_by_side -- hot/ storm/        # those whose name contains one of these
//! cargo bench --bench side_by_side -- --rounds 9 --seconds 3 --users 1000000
//! ```
//!
//! Needs wrk (installed from Debian's packages where that is allowed) and two cores: the proxy under test has the last
//! one for itself, the load and the app share the first. What is compared is the processor time a request takes, user and
//! system, of all threads of the proxy: on a shared machine it is steadier than throughput. Each job's answers are
//! checked before they are timed. `README.md` beside this file has the table that it prints.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a bench that cannot measure ends with what was wrong"
)]

#[path = "side_by_side/app.rs"]
mod app;
#[path = "side_by_side/bare.rs"]
mod bare;
#[path = "side_by_side/jobs.rs"]
mod jobs;
#[path = "side_by_side/load.rs"]
mod load;
#[path = "side_by_side/peers.rs"]
mod peers;
#[path = "side_by_side/process.rs"]
mod process;
#[path = "side_by_side/tokens.rs"]
mod tokens;

use std::env;

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
        ["app", listen] => app::run(listen),
        // What cargo test passes on.
        ["--test", ..] => {}
        _ => jobs::run(&jobs::Options::parse(&arguments)),
    }
}
