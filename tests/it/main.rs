//! The integration tests: one binary, because linking Pingora takes long.
//!
//! Every test of the edge starts the real program on free ports with a configuration of its own, at trace level, in
//! front of an app that records what reached it. When a proxy is dropped, all that it printed is searched for secrets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod support;

mod apps;
mod audit;
mod bad_inputs;
mod commands;
mod edge;
mod faults;
mod fleet;
mod foreign;
mod guides;
mod held;
mod keys;
mod layers;
mod leaks;
mod lifetimes;
mod listeners;
mod login;
mod logout;
mod monitoring;
mod packages;
mod profiles;
mod reload;
mod rest_api;
mod sandbox;
mod sites;
mod soak;
mod sources;
mod status_page;
mod traces;
mod trust;
mod upgrade;
mod upstreams;
mod webhook;
mod zlib;
