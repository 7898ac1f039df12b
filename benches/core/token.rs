//! Finding session tokens, and verifying them with each algorithm.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use usersig_proxy::token::keys::Algorithm;
use usersig_proxy::token::{BearerToken, TokenError};

use crate::fixtures::{ALGORITHMS, App, NOW, SUBJECT, headers, sources};

pub(crate) fn bench(criterion: &mut Criterion) {
    bench_extract(criterion);
    bench_good_tokens(criterion);
    bench_forged_tokens(criterion);
}

fn bench_extract(criterion: &mut Criterion) {
    let headers = headers(Some(&App::new(Algorithm::Hs256).token(SUBJECT)));
    let sources = sources();
    criterion.bench_function("token/extract", |b| {
        b.iter(|| {
            let found = sources.extract(black_box(&headers), None, false);
            found.unwrap().unwrap()
        });
    });
}

fn bench_good_tokens(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("token/verify");
    for algorithm in ALGORITHMS {
        let app = App::new(algorithm);
        let verifier = app.verifier();
        let token = BearerToken::parse(&app.token(SUBJECT)).unwrap();
        group.bench_function(BenchmarkId::from_parameter(algorithm), |b| {
            b.iter(|| verifier.verify(black_box(&token), NOW).unwrap());
        });
    }
    group.finish();
}

fn bench_forged_tokens(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("token/verify_bad_signature");
    for algorithm in ALGORITHMS {
        let app = App::new(algorithm);
        let verifier = app.verifier();
        let token = BearerToken::parse(&app.forged_token(SUBJECT)).unwrap();
        let verdict = verifier.verify(&token, NOW).unwrap_err();
        assert_eq!(verdict, TokenError::SignatureInvalid, "{algorithm}");
        group.bench_function(BenchmarkId::from_parameter(algorithm), |b| {
            b.iter(|| verifier.verify(black_box(&token), NOW).unwrap_err());
        });
    }
    group.finish();
}
