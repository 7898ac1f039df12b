//! The path of a request, and the route that covers it.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use http::Method;
use usersig_proxy::policy::{
    Access, CanonicalPath, Fallback, HostName, Matching, RouteTable, Tolerance,
};

use crate::fixtures::route;

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
    for (name, path) in [
        ("plain", "/api/v1/rooms/27149/messages"),
        (
            "percent_codes",
            "/files/%E4%BD%A0%E5%A5%BD/report%20(1).pdf",
        ),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| parse(black_box(path)));
        });
    }
    group.finish();
}

/// The paths that are asked for in turn lie evenly over the whole table, and their number stays the same.
fn bench_routes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy/route_lookup");
    let host = HostName::parse("app.example.com").unwrap();
    for count in [1, 100, 10_000] {
        let table = table(count);
        let paths: Vec<_> = (0..ASKED_PATHS)
            .map(|index| index * count / ASKED_PATHS)
            .map(|number| parse(&format!("/api/resource-{number}/27149")))
            .collect();
        let mut asking = paths.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| {
                let path = black_box(asking.next().unwrap());
                let matched = table.find(Some(&host), &Method::GET, path).unwrap();
                assert_eq!(matched.access, Access::Session);
            });
        });
    }
    group.finish();
}

fn table(count: usize) -> RouteTable {
    let routes = (0..count)
        .map(|number| route(&format!("/api/resource-{number}/{{id}}"), Access::Session))
        .collect();
    let fallback = Fallback {
        access: Access::Deny,
        upstream: 0,
    };
    RouteTable::build(routes, fallback, Matching::default()).unwrap()
}

fn parse(path: &str) -> CanonicalPath {
    CanonicalPath::parse(path.as_bytes(), Tolerance::default()).unwrap()
}

const ASKED_PATHS: usize = 100;
