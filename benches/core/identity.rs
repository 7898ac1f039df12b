//! From verified claims to a UserID.

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use usersig_proxy::identity::{DigestKey, IdentityMap, ReservedNames, SubjectType, Transform};
use usersig_proxy::json::{JsonPointer, parse_object};
use usersig_proxy::secret::SecretBytes;

use crate::fixtures::{SUBJECT, claims};

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

/// A map of `sub` with the usual two reserved names.
pub(crate) fn identity_map(transforms: Vec<Transform>) -> IdentityMap {
    IdentityMap::new(
        JsonPointer::parse("/sub").unwrap(),
        SubjectType::Text,
        transforms,
        Arc::new(ReservedNames::new(["administrator", "admin"])),
    )
}

fn digest() -> Transform {
    Transform::Digest(DigestKey::new(SecretBytes::new(vec![7; 32])).unwrap())
}
