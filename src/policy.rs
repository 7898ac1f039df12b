//! What a request may do, by its host, method and path alone.
//!
//! A raw path becomes a [`CanonicalPath`] or is refused; a [`RouteTable`] then names the one [`Route`] that applies.
//! Routes match the decoded segments of the very path that is forwarded, so the app cannot be asked for something else
//! than was judged here. Nothing here reads tokens or the query. `authorize` calls it; `config` builds it. Beside that
//! stand whom to believe about where a request came from, and the browser origins beside our own.

pub mod forwarded;
pub mod header_name;
mod host;
mod methods;
mod origins;
mod path;
mod pattern;
mod route;
mod table;
mod trusted;

pub use host::{HostError, HostName};
pub use methods::{MethodList, Methods, MethodsError};
pub use origins::AllowedOrigins;
pub use path::{CanonicalPath, PathError, Segments, Tolerance};
pub use pattern::{Pattern, PatternError};
pub use route::{Access, AnswerRule, Inject, Route, SessionFromResponse};
pub use table::{
    Difference, Fallback, Matched, Matching, MethodNotAllowed, NearMiss, RouteConflict, RouteTable,
};
pub use trusted::{Peer, TrustedProxies, TrustedProxy, TrustedProxyError};
