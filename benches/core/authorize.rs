//! The whole decision about a request, from its path to the cached UserSig.

use std::hint::black_box;

use criterion::Criterion;
use usersig_proxy::authorize::Caller;
use usersig_proxy::rejection::Rejection;
use usersig_proxy::token::TokenError;
use usersig_proxy::token::keys::Algorithm;

use crate::fixtures::{App, SUBJECT, headers};
use crate::site::{PUBLIC_PATH, SESSION_PATH, authorize, authorizer};

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
