//! A site as a small app has it, and route tables of any size.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;

use http::{HeaderMap, Method};
use usersig_proxy::authorize::{
    Authorizer, ClaimRules, Parts, Permit, Preflight, Refusal, Settings,
};
use usersig_proxy::policy::{
    Access, AllowedOrigins, CanonicalPath, Fallback, HostName, Inject, Matching, Methods, Pattern,
    Route, RouteTable, Tolerance,
};
use usersig_proxy::state::{Limits, State};

use crate::fixtures::{App, DAY, NOW, identity_map, issuer, sources};

/// The whole decision about a request without a body.
pub(crate) fn authorize(
    authorizer: &Authorizer,
    path: &'static str,
    headers: &HeaderMap,
) -> Result<Permit, Refusal> {
    let parts = Parts {
        method: &Method::GET,
        host: Some("app.example.com"),
        path: black_box(path).as_bytes(),
        query: Some("page=2"),
        headers,
        websocket: false,
        has_body: false,
    };
    authorizer.authorize(&parts, NOW)
}

/// Seven routes, and what was found out about so many bytes of tokens is remembered.
pub(crate) fn authorizer(app: &App, token_memory: usize) -> Authorizer {
    let settings = Settings {
        rest_api: None,
        webhooks: None,
        routes: few_routes(),
        tolerance: Tolerance::default(),
        preflight: Preflight::Forward,
        origins: AllowedOrigins::default(),
        endpoint: Some(path("/_chat/usersig")),
        sources: sources(),
        verifier: app.verifier(),
        claim_rules: vec![ClaimRules {
            require: vec![],
            identity: identity_map(vec![]),
        }],
        issuer: issuer(),
        min_remaining: DAY,
        cap_to_session: false,
        cache_capacity: NonZeroUsize::new(10_000).unwrap(),
        profile: None,
        token_memory,
    };
    Authorizer::new(settings, Arc::new(State::in_memory(Limits::default())))
}

fn few_routes() -> RouteTable {
    let routes: Vec<Route> = [
        ("/", Access::Public),
        ("/login", Access::Public),
        ("/assets/{*rest}", Access::Public),
        ("/api/{*rest}", Access::Session),
        ("/api/v1/status", Access::Public),
        ("/api/v1/rooms/{room}/messages", Access::Session),
        ("/internal/{*rest}", Access::Deny),
    ]
    .map(|(pattern, access)| route(pattern, access))
    .into();
    let fallback = Fallback {
        access: Access::Deny,
        upstream: 0,
    };
    RouteTable::build(routes, fallback, Matching::default()).unwrap()
}

/// So many routes of one kind.
pub(crate) fn many_routes(count: usize) -> RouteTable {
    let routes = (0..count)
        .map(|number| route(&format!("/api/resource-{number}/{{id}}"), Access::Session))
        .collect();
    let fallback = Fallback {
        access: Access::Deny,
        upstream: 0,
    };
    RouteTable::build(routes, fallback, Matching::default()).unwrap()
}

/// Paths of as many routes, which lie evenly over the whole table whatever its size.
pub(crate) fn asked_paths(count: usize) -> Vec<CanonicalPath> {
    (0..ASKED_PATHS)
        .map(|index| index * count / ASKED_PATHS)
        .map(|number| path(&format!("/api/resource-{number}/27149")))
        .collect()
}

/// Looks one of them up.
pub(crate) fn find(table: &RouteTable, host: &HostName, path: &CanonicalPath) {
    let matched = table
        .find(Some(host), &Method::GET, black_box(path))
        .unwrap();
    assert_eq!(matched.access, Access::Session);
}

pub(crate) fn path(text: &str) -> CanonicalPath {
    CanonicalPath::parse(text.as_bytes(), Tolerance::default()).unwrap()
}

fn route(pattern: &str, access: Access) -> Route {
    Route {
        name: pattern.into(),
        host: None,
        pattern: Pattern::parse(pattern).unwrap(),
        methods: Methods::Any,
        access,
        inject: Inject {
            request_headers: access == Access::Session,
            ..Inject::default()
        },
        answer: None,
        upstream: 0,
    }
}

pub(crate) const SESSION_PATH: &str = "/api/v1/rooms/27149/messages";
pub(crate) const PUBLIC_PATH: &str = "/assets/app.3f9c2b.js";
const ASKED_PATHS: usize = 100;
