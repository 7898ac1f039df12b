//! `usersig-proxy` gives an existing app Tencent Cloud Chat login without a change in the app.
//!
//! # The job
//!
//! The app has users, a login and a session token (a JWT that it signs itself) and knows nothing of Chat. The proxy stands
//! in front of it, verifies the session token, maps its subject to a Chat UserID, issues a UserSig from a cache and injects
//! it: into the request that goes to the app, into the response that goes to the client, or on an endpoint of its own.
//! Chat trusts a UserSig completely, so neither the key nor an administrator's UserSig ever leaves the process.

pub mod identity;
pub mod json;
pub mod secret;
pub mod time;
pub mod usersig;
