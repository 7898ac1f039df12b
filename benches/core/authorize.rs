//! The whole decision about a request, from its path to the cached UserSig.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;

use criterion::Criterion;
use http::{HeaderMap, Method};
use usersig_proxy::authorize::{
    Authorizer, Caller, ClaimRules, Parts, Permit, Preflight, Refusal, Settings,
};
use usersig_proxy::policy::{
    Access, CanonicalPath, Fallback, Matching, Route, RouteTable, Tolerance,
};
use usersig_proxy::rejection::Rejection;
use usersig_proxy::state::{Limits, State};
use usersig_proxy::token::TokenError;
use usersig_proxy::token::keys::Algorithm;

use crate::fixtures::{App, DAY, NOW, SUBJECT, headers, issuer, route, sources};
use crate::identity::identity_map;

pub(crate) fn bench(criterion: &mut Criterion) {
    bench_sessions(criterion);
    bench_without_user(criterion);
}

/// A signed-in user's next request: the token is known, or verified, and the UserSig is in the cache.
fn bench_sessions(criterion: &mut Criterion) {
    for (name, algorithm, token_memory) in [
        ("authorize/session_known", Algorithm::Es256, 64 << 20),
        ("authorize/session_hs256", Algorithm::Hs256, 0),
        ("authorize/session_rs256", Algorithm::Rs256, 0),
        ("authorize/session_es256", Algorithm::Es256, 0),
    ] {
        let app = App::new(algorithm);
        let authorizer = authorizer(&app, token_memory);
        let headers = headers(Some(&app.token(SUBJECT)));
        let permit = authorize(&authorizer, SESSION_PATH, &headers).unwrap();
        assert!(matches!(permit.caller, Caller::User(user) if user.login.is_some()));
        criterion.bench_function(name, |b| {
            b.iter(|| authorize(&authorizer, SESSION_PATH, black_box(&headers)).unwrap());
        });
    }
}

fn bench_without_user(criterion: &mut Criterion) {
    let app = App::new(Algorithm::Hs256);
    let authorizer = authorizer(&app, 0);
    let good = headers(Some(&app.token(SUBJECT)));
    criterion.bench_function("authorize/public", |b| {
        b.iter(|| authorize(&authorizer, PUBLIC_PATH, black_box(&good)).unwrap());
    });
    for (name, headers, rejection) in [
        (
            "authorize/bad_token",
            headers(Some(&app.forged_token(SUBJECT))),
            Rejection::Token(TokenError::SignatureInvalid),
        ),
        (
            "authorize/token_missing",
            headers(None),
            Rejection::TokenMissing,
        ),
    ] {
        let refusal = authorize(&authorizer, SESSION_PATH, &headers).unwrap_err();
        assert_eq!(refusal.rejection, rejection, "{name}");
        criterion.bench_function(name, |b| {
            b.iter(|| authorize(&authorizer, SESSION_PATH, black_box(&headers)).unwrap_err());
        });
    }
}

fn authorize(
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

fn authorizer(app: &App, token_memory: usize) -> Authorizer {
    let settings = Settings {
        rest_api: None,
        webhooks: None,
        routes: route_table(),
        tolerance: Tolerance::default(),
        preflight: Preflight::Forward,
        endpoint: Some(CanonicalPath::parse(b"/_chat/usersig", Tolerance::default()).unwrap()),
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
        token_memory,
    };
    Authorizer::new(settings, Arc::new(State::in_memory(Limits::default())))
}

fn route_table() -> RouteTable {
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

const SESSION_PATH: &str = "/api/v1/rooms/27149/messages";
const PUBLIC_PATH: &str = "/assets/app.3f9c2b.js";
