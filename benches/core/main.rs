//! What the core costs: signing, cache, verification, mapping, routing, and the whole `authorize`.
//!
//! Each bench answers one question; `README.md` in the folder above has the questions and measured figures. A group stands
//! in the file of the module that it measures, and what all of them stand on is in `fixtures` and `site`. Time is a
//! constant, so no fixture ever expires.

#![expect(
    clippy::unwrap_used,
    reason = "a bench whose fixtures are wrong has nothing to measure"
)]

mod authorize;
mod fixtures;
mod identity;
mod json;
mod policy;
mod site;
mod token;
mod usersig;

use criterion::Criterion;

/// The allocator of the program, whose allocations are part of nearly every figure.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    usersig::bench(&mut criterion);
    token::bench(&mut criterion);
    json::bench(&mut criterion);
    identity::bench(&mut criterion);
    policy::bench(&mut criterion);
    authorize::bench(&mut criterion);
    criterion.final_summary();
}
