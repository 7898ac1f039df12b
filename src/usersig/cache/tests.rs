use std::sync::Barrier;

use super::*;
use crate::identity::ReservedNames;
use crate::usersig::{Lifetime, SdkAppId, SecretKey};

const START: UnixTime = UnixTime::from_secs(1_700_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn issuer() -> Issuer {
    Issuer::new(
        SdkAppId::new(1_400_000_000).unwrap(),
        SecretKey::parse(&"0123456789abcdef".repeat(4)).unwrap(),
        Lifetime::new(7 * DAY).unwrap(),
    )
}

fn plain(issuer: &Issuer) -> Signing<'_> {
    under(issuer, 0, Generation::FIRST)
}

fn under(issuer: &Issuer, key_version: u64, generation: Generation) -> Signing<'_> {
    Signing {
        issuer,
        key_version: KeyVersion(key_version),
        generation,
    }
}

fn generation(number: u64, not_before: UnixTime) -> Generation {
    Generation { number, not_before }
}

fn later(seconds: u64) -> UnixTime {
    START.saturating_add(Duration::from_secs(seconds))
}

fn user(name: &str) -> UserId {
    UserId::parse(name, &ReservedNames::default()).unwrap()
}

fn cache(capacity: usize) -> UserSigCache {
    UserSigCache::new(NonZeroUsize::new(capacity).unwrap(), DAY)
}

#[test]
fn the_value_is_stable_until_less_than_min_remaining_is_left() {
    let (cache, issuer) = (cache(100), issuer());
    let (first, lookup) = cache
        .get_or_issue(&user("a"), &plain(&issuer), START)
        .unwrap();
    assert_eq!(lookup, Lookup::Issued { evicted: false });
    assert_eq!(cache.refresh_after(&first), START.saturating_add(6 * DAY));

    let last_second = cache.refresh_after(&first);
    let (same, lookup) = cache
        .get_or_issue(&user("a"), &plain(&issuer), last_second)
        .unwrap();
    assert_eq!((same, lookup), (first.clone(), Lookup::Hit));

    let one_later = last_second.saturating_add(Duration::from_secs(1));
    let (renewed, lookup) = cache
        .get_or_issue(&user("a"), &plain(&issuer), one_later)
        .unwrap();
    assert_eq!(lookup, Lookup::Renewed);
    assert_eq!(renewed.issued_at, one_later);
    assert_ne!(renewed.user_sig, first.user_sig);
    assert_eq!(cache.len(), 1);
}

#[test]
fn c4_a_clock_that_is_set_back_renews_what_is_dated_ahead() {
    let (cache, issuer) = (cache(100), issuer());
    cache
        .get_or_issue(&user("a"), &plain(&issuer), START)
        .unwrap();
    let slightly_back = UnixTime::from_secs(START.as_secs() - 60);
    let (_, lookup) = cache
        .get_or_issue(&user("a"), &plain(&issuer), slightly_back)
        .unwrap();
    assert_eq!(lookup, Lookup::Hit);
    let far_back = UnixTime::from_secs(START.as_secs() - 61);
    let (issued, lookup) = cache
        .get_or_issue(&user("a"), &plain(&issuer), far_back)
        .unwrap();
    assert_eq!((issued.issued_at, lookup), (far_back, Lookup::Renewed));
}

#[test]
fn the_number_of_users_is_bounded() {
    for capacity in [1, 3, 64, 100, 1000] {
        let (cache, issuer) = (cache(capacity), issuer());
        let mut evictions = 0;
        for number in 0..5 * capacity {
            let (_, lookup) = cache
                .get_or_issue(&user(&format!("u{number}")), &plain(&issuer), START)
                .unwrap();
            evictions += usize::from(lookup == Lookup::Issued { evicted: true });
        }
        assert!(cache.len() <= capacity, "capacity {capacity}");
        assert_eq!(evictions, 5 * capacity - cache.len(), "capacity {capacity}");
    }
}

#[test]
fn concurrent_requests_for_one_user_issue_one() {
    let (cache, issuer) = (cache(100), issuer());
    let barrier = Barrier::new(8);
    let lookups: Vec<_> = std::thread::scope(|scope| {
        let ask = |second| {
            barrier.wait();
            let now = UnixTime::from_secs(START.as_secs() + second);
            cache
                .get_or_issue(&user("a"), &plain(&issuer), now)
                .unwrap()
        };
        let threads: Vec<_> = (0..8)
            .map(|second| scope.spawn(move || ask(second)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let issued = lookups.iter().filter(|(_, lookup)| *lookup != Lookup::Hit);
    assert_eq!(issued.count(), 1);
    assert!(lookups.iter().all(|(value, _)| value == &lookups[0].0));
}

#[test]
fn a6_a_later_generation_gets_a_usersig_dated_after_the_kick_also_in_the_same_second() {
    let (cache, issuer) = (cache(100), issuer());
    let get = |number, not_before, now| {
        let signing = under(&issuer, 0, generation(number, not_before));
        cache.get_or_issue(&user("a"), &signing, now)
    };
    let (old, _) = get(0, UnixTime::from_secs(0), START).unwrap();
    let (new, lookup) = get(1, later(1), START).unwrap();
    assert_eq!((new.issued_at, lookup), (later(1), Lookup::Superseded));
    assert_ne!(new.user_sig, old.user_sig);
    let (same, lookup) = get(1, later(1), START).unwrap();
    assert_eq!((same, lookup), (new, Lookup::Hit));
}

#[test]
fn the_date_is_at_most_2_s_ahead() {
    let cases = [
        ("not ahead", 0, Ok(0)),
        ("1 s", 1, Ok(1)),
        ("2 s", 2, Ok(2)),
        ("3 s", 3, Err(1)),
        ("a minute", 60, Err(58)),
    ];
    for (name, ahead, expected) in cases {
        let (cache, issuer) = (cache(100), issuer());
        let signing = under(&issuer, 0, generation(1, later(ahead)));
        let got = cache.get_or_issue(&user("a"), &signing, START);
        let expected = expected
            .map(later)
            .map_err(|seconds| LookupError::TooEarly {
                retry_after: Duration::from_secs(seconds),
            });
        assert_eq!(got.map(|(issued, _)| issued.issued_at), expected, "{name}");
        assert_eq!(cache.len(), usize::from(expected.is_ok()), "{name}");
    }
}

#[test]
fn a_superseded_text_is_not_issued_again_when_the_clock_is_set_back() {
    let issuer = issuer();
    let cases = [
        ("the same second", 100, 100, 101),
        ("1 s back", 100, 99, 101),
        ("2 s back: out of reach, and another text", 100, 98, 99),
        ("an hour back", 4000, 400, 401),
    ];
    for (name, first_at, now, expected) in cases {
        let cache = cache(100);
        cache
            .get_or_issue(&user("a"), &plain(&issuer), later(first_at))
            .unwrap();
        let signing = under(
            &issuer,
            0,
            generation(1, later(now + 1).min(later(expected))),
        );
        let (issued, _) = cache
            .get_or_issue(&user("a"), &signing, later(now))
            .unwrap();
        assert_eq!(issued.issued_at, later(expected), "{name}");
    }
}

#[test]
fn c7_a_late_issue_never_takes_the_place_of_a_later_generation_or_key() {
    let issuer = issuer();
    let cases = [
        ("generation", (0, 2), (0, 1)),
        ("key", (2, 0), (1, 0)),
        ("key before generation", (2, 1), (1, 9)),
    ];
    for (name, current, late) in cases {
        let cache = cache(100);
        let get = |(key, number), not_before| {
            let signing = under(&issuer, key, generation(number, not_before));
            cache.get_or_issue(&user("a"), &signing, START).unwrap()
        };
        let (new, _) = get(current, later(1));
        let (old, lookup) = get(late, START);
        assert_eq!((old.issued_at, lookup), (START, Lookup::Late), "{name}");
        assert_eq!(get(current, later(1)), (new, Lookup::Hit), "{name}");
    }
}

#[test]
fn another_key_supersedes_what_the_old_one_signed() {
    let (cache, issuer) = (cache(100), issuer());
    let get = |key| {
        let signing = under(&issuer, key, Generation::FIRST);
        cache
            .get_or_issue(&user("a"), &signing, later(5))
            .unwrap()
            .1
    };
    assert_eq!(get(1), Lookup::Issued { evicted: false });
    assert_eq!(get(1), Lookup::Hit);
    assert_eq!(get(2), Lookup::Superseded);
    assert_eq!(get(2), Lookup::Hit);
}
