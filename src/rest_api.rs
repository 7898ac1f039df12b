//! Calls of Chat's server REST API, signed with the admin account.
//!
//! The only caller so far is the proxy itself, which kicks a user at logout. Whoever holds an administrator's UserSig owns
//! the Chat app, so it exists only inside a [`SignedUri`](sign::SignedUri), which cannot be printed.

pub mod sign;
