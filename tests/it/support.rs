//! What the tests stand on: the program as a process, an app that records, a client that speaks bytes.

pub(crate) mod app;
pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod figures;
pub(crate) mod foreign;
pub(crate) mod frames;
pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod stage;
pub(crate) mod tls;
pub(crate) mod tokens;
pub(crate) mod user_sig;

pub(crate) use app::{App, Recorded};
pub(crate) use client::{Connection, Done, Response, get, send};
pub(crate) use proxy::{Proxy, config};
