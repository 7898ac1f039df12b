//! What a user could pick instead, where Debian's packages have it. One worker each, with an access log, as the proxy.

mod haproxy;
mod nginx;

use super::job::Job;
use super::subjects::{Subject, World};
use super::tokens::Signing;

/// The peers that do a job; `users` is how many tokens they may remember.
pub(crate) fn of(job: Job, users: u64, world: &World) -> Vec<Subject> {
    let is_theirs = matches!(
        job,
        Job::Pass | Job::Hot(Signing::Hs256) | Job::Storm(Signing::Hs256)
    );
    if !is_theirs {
        return Vec::new();
    }
    let users = users.max(1000);
    let peers = [nginx::start(users, world), haproxy::start(users, world)];
    peers.into_iter().flatten().collect()
}
