//! From verified claims to a UserID.

use std::hint::black_box;

use criterion::Criterion;
use usersig_proxy::identity::{DigestKey, Transform};
use usersig_proxy::json::parse_object;
use usersig_proxy::secret::SecretBytes;

use crate::fixtures::{SUBJECT, claims, identity_map};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("identity/map");
    let claims = parse_object(claims(SUBJECT).to_string().as_bytes()).unwrap();
    for (name, transforms) in [
        ("plain", vec![]),
        ("prefix", vec![Transform::Prefix("app_".to_owned())]),
        ("digest", vec![digest()]),
    ] {
        let map = identity_map(transforms);
        group.bench_function(name, |b| {
            b.iter(|| map.map(black_box(&claims)).unwrap());
        });
    }
    group.finish();
}

fn digest() -> Transform {
    Transform::Digest(DigestKey::new(SecretBytes::new(vec![7; 32])).unwrap())
}
