//! The path of a request, and the route that covers it.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use usersig_proxy::policy::HostName;

use crate::site::{asked_paths, find, many_routes, path};

pub(crate) fn bench(criterion: &mut Criterion) {
    bench_hosts(criterion);
    bench_paths(criterion);
    bench_routes(criterion);
}

fn bench_hosts(criterion: &mut Criterion) {
    criterion.bench_function("policy/host_parse", |b| {
        b.iter(|| HostName::from_authority(black_box("app.example.com:8443")).unwrap());
    });
}

fn bench_paths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy/path_parse");
    for (name, text) in [
        ("plain", "/api/v1/rooms/27149/messages"),
        (
            "percent_codes",
            "/files/%E4%BD%A0%E5%A5%BD/report%20(1).pdf",
        ),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| path(black_box(text)));
        });
    }
    group.finish();
}

fn bench_routes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy/route_lookup");
    let host = HostName::parse("app.example.com").unwrap();
    for count in [1, 100, 10_000] {
        let (table, paths) = (many_routes(count), asked_paths(count));
        let mut asking = paths.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| find(&table, &host, asking.next().unwrap()));
        });
    }
    group.finish();
}
