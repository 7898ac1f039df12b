//! Strict JSON, as it reads the two documents of a token.

use std::hint::black_box;

use criterion::Criterion;
use usersig_proxy::json::parse_object;

use crate::fixtures::{SUBJECT, claims};

pub(crate) fn bench(criterion: &mut Criterion) {
    let claims = claims(SUBJECT).to_string();
    for (name, text) in [
        ("json/parse_claims", claims.as_str()),
        ("json/parse_header", r#"{"typ":"JWT","alg":"HS256"}"#),
    ] {
        criterion.bench_function(name, |b| {
            b.iter(|| parse_object(black_box(text.as_bytes())).unwrap());
        });
    }
}
