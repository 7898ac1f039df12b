//! Whole key sources against a key server on loopback that misbehaves in every way, on real sockets and time.

pub(super) mod recorder;
pub(super) mod server;
pub(super) mod signer;

mod sources;
