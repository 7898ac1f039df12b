//! Making, reading and caching UserSigs.

use std::cell::LazyCell;
use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion};
use flate2::{Compress, Compression, FlushCompress};
use usersig_proxy::identity::UserId;
use usersig_proxy::usersig::cache::Lookup;
use usersig_proxy::usersig::decode::Decoded;
use usersig_proxy::usersig::encode::Fields;

use crate::fixtures::{NOW, filled, issuer, repetitive_user, secret_key, signing, user_id, users};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("usersig");
    bench_codec(&mut group);
    bench_signature_alone(&mut group);
    bench_zlib_alone(&mut group);
    bench_hits(&mut group);
    bench_uniform_hits(&mut group);
    bench_misses(&mut group);
    group.finish();
}

fn bench_codec(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (user, key) = (user_id(0), secret_key());
    let issuer = issuer();
    for (name, users) in [
        ("issue", users(HOT_USERS)),
        ("issue_by_zlib", vec![repetitive_user()]),
    ] {
        let mut asking = users.iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| {
                let user = asking.next().unwrap();
                issuer.issue(black_box(user), NOW).unwrap()
            });
        });
    }
    let issued = issuer.issue(&user, NOW).unwrap();
    group.bench_function("decode_and_verify", |b| {
        b.iter(|| {
            let decoded = Decoded::parse(black_box(issued.user_sig.expose())).unwrap();
            decoded.verify(&key, NOW).unwrap();
        });
    });
}

fn bench_signature_alone(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (user, key) = (user_id(0), secret_key());
    let fields = fields(&user);
    group.bench_function("signature_alone", |b| {
        b.iter(|| black_box(&fields).signature(&key));
    });
}

/// The same library and level on the document of `issue_by_zlib`.
fn bench_zlib_alone(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (user, key) = (repetitive_user(), secret_key());
    let fields = fields(&user);
    let document = format!(
        r#"{{"TLS.ver":"2.0","TLS.identifier":"{}","TLS.sdkappid":{},"TLS.expire":{},"TLS.time":{},"TLS.sig":"{}"}}"#,
        fields.identifier,
        fields.sdk_app_id,
        fields.expire,
        fields.time,
        fields.signature(&key)
    );
    let mut compressor = Compress::new(Compression::default(), true);
    let mut output = Vec::with_capacity(256);
    group.bench_function("zlib_alone", |b| {
        b.iter(|| {
            compressor.reset();
            output.clear();
            compressor
                .compress_vec(
                    black_box(document.as_bytes()),
                    &mut output,
                    FlushCompress::Finish,
                )
                .unwrap()
        });
    });
}

fn bench_hits(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (issuer, users) = (issuer(), users(HOT_USERS));
    let cache = filled(&users, ROOMY * HOT_USERS);
    let mut asking = users.iter().cycle();
    group.bench_function("cache_hit", |b| {
        b.iter(|| {
            let user = asking.next().unwrap();
            cache
                .get_or_issue(black_box(user), &signing(&issuer), NOW)
                .unwrap()
        });
    });
}

/// Users ask in an order that no cache of the processor foresees; making their names is not timed.
fn bench_uniform_hits(group: &mut BenchmarkGroup<'_, WallTime>) {
    let issuer = issuer();
    let cache = LazyCell::new(|| filled(&users(MANY_USERS), ROOMY * MANY_USERS));
    let mut asking = (0..).map(|step| user_id(step * STRIDE % MANY_USERS));
    group.bench_function("cache_hit_uniform_1m", |b| {
        let cache = &*cache;
        b.iter_batched(
            || asking.next().unwrap(),
            |user| drop(cache.get_or_issue(&user, &signing(&issuer), NOW).unwrap()),
            BatchSize::SmallInput,
        );
    });
}

/// Many times more users than fit, in turn: each finds the cache full, and is no longer in it.
fn bench_misses(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (issuer, users) = (issuer(), users(8 * HOT_USERS));
    let cache = filled(&users, HOT_USERS);
    let mut asking = users.iter().cycle();
    group.bench_function("cache_miss_issue_insert", |b| {
        b.iter(|| {
            let user = asking.next().unwrap();
            let (issued, lookup) = cache
                .get_or_issue(black_box(user), &signing(&issuer), NOW)
                .unwrap();
            assert_eq!(lookup, Lookup::Issued { evicted: true });
            issued
        });
    });
}

fn fields(user: &UserId) -> Fields<'_> {
    Fields {
        identifier: user.as_str(),
        sdk_app_id: issuer().sdk_app_id().get(),
        time: u32::try_from(NOW.as_secs()).unwrap(),
        expire: issuer().lifetime().as_secs(),
        userbuf: None,
    }
}

const HOT_USERS: u64 = 1_000;
/// A debug build only shows that the bench runs.
const MANY_USERS: u64 = if cfg!(debug_assertions) {
    1_000
} else {
    1_000_000
};
/// Shards do not fill evenly; with so many places a user, nobody has to leave.
const ROOMY: u64 = 4;
/// Shares no factor with either number of users, so that every user has its turn.
const STRIDE: u64 = 618_033;
