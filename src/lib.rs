//! `usersig-proxy` gives an existing app Tencent Cloud Chat login without a change in the app.
//!
//! # The job
//!
//! The app has users, a login and a session token (a JWT that it signs itself) and knows nothing of Chat. The proxy stands
//! in front of it, verifies the session token, maps its subject to a Chat UserID, issues a UserSig from a cache and injects
//! it: into the request that goes to the app, into the response that goes to the client, or on an endpoint of its own.
//! Chat trusts a UserSig completely, so neither the key nor an administrator's UserSig ever leaves the process.
//!
//! # The request walk
//!
//! ```text
//! client ─▶ proxy::request_filter      request id, one `now`
//!             find the site            ✗ 421 unknown_host · 400 host_invalid
//!             size limits              ✗ 413 · 414 · 431
//!             headers::Stripper        every header that only we may set, in any spelling, on every route
//!             authorize(parts, now)    ← pure, the page to read first
//!               1 canonical path        ✗ 400 path_ambiguous
//!               2 route and method      ✗ 404 route_not_found · 405 method_not_allowed
//!               3 extract token         ✗ 401 token_missing · 400 token_conflict
//!                 or check the query    ✗ 400 · 403, on a webhook's route, which ends here
//!               4 verify token          ✗ 401 token_invalid · token_expired · 503 keys_unavailable
//!               5 admit its claims      ✗ 403 access_denied
//!               6 map subject → UserId  ✗ 403 user_not_mapped
//!               7 get or issue UserSig  ✗ 429 renewed_too_soon · 503 usersig_too_early
//!               = Permit
//!             authorize once more      after a wait, seconds at most: for a key that the token names and nobody knows yet,
//!                                      for a kick of the user that is under way
//!             profiles::offer          nickname and avatar of a user who was issued a UserSig: to Chat, in the background
//!           proxy::rest_call           (REST calls only) read the body, rest_api::{policy, admit, group_role, budget},
//!                                      chat_client; one record in the audit, also of calls that were refused above
//!   ─▶ Chat                            ✗ 400 · 403 · 413 · 429 · 502 · 503 · 504
//!           proxy::webhook             (webhooks only) read the body, webhook::Webhooks::receive
//!                                      ✗ 400 · 403 · 409 · 413 · 503
//!           proxy::upstream_peer       a healthy server; a connection that fails is tried at another one
//!           proxy::upstream_request_filter   inject into the request: here, nowhere earlier
//!   ─▶ app                             ✗ proxy::fail_to_proxy: 502 · 504
//!           proxy::response_filter · response_body_filter     inject into the answer, `no-store` whenever a UserSig
//!                                      leaves; a logout that the app grants ends the session
//!           proxy::logging             one access line, one counter
//!   any ✗   proxy::respond             one `Rejection` → status, code, body, WWW-Authenticate
//! ```
//!
//! A later stage takes what the earlier one made, so a stage cannot be skipped:
//! [`BearerToken`](token::BearerToken) → [`SessionClaims`](token::verify::SessionClaims) →
//! [`UserId`](identity::UserId) → [`UserSig`](usersig::UserSig) → [`Permit`](authorize::Permit).
//!
//! # Layers
//!
//! | layer | modules | may use |
//! |---|---|---|
//! | core | `time` `secret` `json` `page` `profile` `token` `identity` `usersig` `policy` `rest_api` `webhook` `state` `rejection` `authorize` `trace_context` | no framework, file, environment, socket or clock: time is an argument |
//! | config | `config` | core, files, environment |
//! | metrics | `metrics` | core |
//! | edge | `proxy` | core, `metrics`, Pingora |
//! | around | `state::local` `state::redis` | core, files or network: they keep and share what `state` knows |
//! | around | `key_source` | core, network |
//! | around | `chat_client` | core, `proxy` (whose `Kicker`, `Importer` and `ChatApi` it is), network |
//! | around | `audit` | core, `metrics`, `proxy` (whose `Audit` it is), files |
//! | around | `traces` | core, `metrics`, `proxy` (whose `Traces` it is), network |
//! | around | `status_page` | core, `metrics` |
//! | around | `telemetry` `sandbox` `demo` | core |
//! | joint | `server` | all of the above |
//! | commands | `cli` | all of the above |
//! | text | `guide` | nothing |
//!
//! A test reads the sources and fails when an import breaks this. What is above config is left out under `cfg(fuzzing)`: the fuzz
//! targets (`tests/fuzz`) need no framework.
//!
//! # The words
//!
//! *session token, claims, subject* · `UserId`, `UserSig`, `SdkAppId`, `SecretKey` · *site, route, access, inject* ·
//! *permit, rejection* · *downstream, upstream* (an app), *server* (one address of it), *peer* · *key set* (that an issuer
//! publishes), *revoke* (by the operator's list), *kick* (Chat drops a user's logins). Parse, find, extract, verify,
//! admit, map, issue, inject, reject, respond.

pub mod authorize;
pub mod guide;
pub mod identity;
pub mod json;
#[cfg(not(fuzzing))]
pub mod page;
pub mod policy;
pub mod profile;
pub mod rejection;
pub mod rest_api;
pub mod secret;
pub mod state;
pub mod time;
pub mod token;
pub mod trace_context;
pub mod usersig;
pub mod webhook;

#[cfg(not(fuzzing))]
pub mod cli;
pub mod config;
#[cfg(not(fuzzing))]
pub mod metrics;

#[cfg(not(fuzzing))]
pub mod audit;
#[cfg(not(fuzzing))]
pub mod chat_client;
#[cfg(not(fuzzing))]
pub mod key_source;
#[cfg(not(fuzzing))]
pub mod proxy;

#[cfg(not(fuzzing))]
pub mod demo;
#[cfg(not(fuzzing))]
pub mod sandbox;
#[cfg(not(fuzzing))]
pub mod server;
#[cfg(not(fuzzing))]
pub mod status_page;
#[cfg(not(fuzzing))]
pub mod telemetry;
#[cfg(not(fuzzing))]
pub mod traces;
