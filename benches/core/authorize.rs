//! The whole decision about a request, from its path to the cached UserSig.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use http::HeaderMap;
use usersig_proxy::authorize::Caller;
use usersig_proxy::rejection::Rejection;
use usersig_proxy::token::TokenError;
use usersig_proxy::token::keys::Algorithm;

use crate::fixtures::{App, SUBJECT, headers};
use crate::site::{PUBLIC_PATH, SESSION_PATH, authorize, authorizer};

pub(crate) fn bench(criterion: &mut Criterion) {
    bench_sessions(criterion);
    bench_threads(criterion);
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

/// A thousand users whose tokens are known, by one thread and by two at the same time: do they get in each other's way? With two
/// cores that nobody else uses, both take as long.
fn bench_threads(criterion: &mut Criterion) {
    let app = App::new(Algorithm::Hs256);
    let authorizer = authorizer(&app, 64 << 20);
    let user = |number| headers(Some(&app.token(&format!("user-{number}"))));
    let users: Vec<_> = (0..KNOWN_USERS).map(user).collect();
    let ask =
        |headers: &HeaderMap| authorize(&authorizer, SESSION_PATH, black_box(headers)).unwrap();
    for headers in &users {
        ask(headers);
    }
    for threads in [1, 2] {
        let all = |times: u64| -> Duration {
            let start = Barrier::new(threads);
            let work = |users: &[HeaderMap]| {
                let asked = users.iter().cycle();
                start.wait();
                let started = Instant::now();
                for headers in asked.take(usize::try_from(times).unwrap()) {
                    ask(headers);
                }
                started.elapsed()
            };
            thread::scope(|scope| {
                let shares = users.chunks(KNOWN_USERS / threads);
                let workers: Vec<_> = shares
                    .map(|share| scope.spawn(move || work(share)))
                    .collect();
                let took = workers.into_iter().map(|worker| worker.join().unwrap());
                took.max().unwrap()
            })
        };
        criterion.bench_function(
            &format!("authorize/known_users_by_threads/{threads}"),
            |b| {
                b.iter_custom(all);
            },
        );
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

const KNOWN_USERS: usize = 1_000;
