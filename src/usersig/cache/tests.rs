use std::sync::{Barrier, LazyLock};

use proptest::prelude::*;

use super::*;
use crate::identity::ReservedNames;
use crate::token::keys::trust::{KeyFingerprint, TrustedKeys};
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
        session_end: None,
        trust: trust("a", &KEYS),
    }
}

/// The keys of sessions where a test changes none.
static KEYS: LazyLock<TrustedKeys> = LazyLock::new(|| keys(&["a"]));

fn keys(names: &[&str]) -> TrustedKeys {
    TrustedKeys::new(names.iter().map(|name| fingerprint(name)).collect())
}

fn fingerprint(name: &str) -> KeyFingerprint {
    KeyFingerprint::of("test", name.as_bytes())
}

/// That of a session which the key of this name has verified.
fn trust<'a>(name: &str, keys: &'a TrustedKeys) -> Trust<'a> {
    Trust {
        key: fingerprint(name),
        keys,
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
    let last_second = cache.refresh_after(&first, &plain(&issuer), START);
    assert_eq!(last_second, START.saturating_add(6 * DAY));
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
fn c5_the_number_of_users_is_bounded() {
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

/// For a session that ends `seconds` after [`START`].
fn until(issuer: &Issuer, seconds: u64) -> Signing<'_> {
    Signing {
        session_end: Some(later(seconds)),
        ..plain(issuer)
    }
}

#[test]
fn a_usersig_ends_with_its_session_where_that_is_sooner() {
    let issuer = issuer();
    let week = 7 * DAY.as_secs();
    // What the session has left, what the UserSig then lives, and from when on the client asks again.
    for (left, lives, refresh) in [
        (1, 1, 0),
        (2, 2, 1),
        (3, 3, 1),
        (3600, 3600, 1800),
        (2 * 86_400, 2 * 86_400, 86_400),
        (3 * 86_400, 3 * 86_400, 2 * 86_400),
        (week, week, 6 * 86_400),
        (week + 1, week, 6 * 86_400),
        (30 * 86_400, week, 6 * 86_400),
    ] {
        let (cache, signing) = (cache(100), until(&issuer, left));
        let (issued, lookup) = cache.get_or_issue(&user("a"), &signing, START).unwrap();
        assert_eq!(lookup, Lookup::Issued { evicted: false }, "{left}");
        assert_eq!(issued.expires_at, later(lives), "{left}");
        let refresh_after = cache.refresh_after(&issued, &signing, START);
        assert_eq!(refresh_after, later(refresh), "{left}");
    }
    for over in [0, 1, 30] {
        let (cache, now) = (cache(100), later(100 + over));
        let signing = until(&issuer, 100);
        let refused = cache.get_or_issue(&user("a"), &signing, now);
        assert_eq!(refused, Err(LookupError::SessionEnds), "{over}");
        assert!(cache.is_empty());
    }
}

#[test]
fn a_usersig_that_is_dated_ahead_ends_with_its_session_too() {
    let issuer = issuer();
    for (left, expected) in [
        (1, Err(LookupError::SessionEnds)),
        (2, Err(LookupError::SessionEnds)),
        (3, Ok((later(2), later(3)))),
    ] {
        let signing = Signing {
            session_end: Some(later(left)),
            ..under(&issuer, 0, generation(1, later(2)))
        };
        let got = cache(100).get_or_issue(&user("a"), &signing, START);
        let got = got.map(|(issued, _)| (issued.issued_at, issued.expires_at));
        assert_eq!(got, expected, "{left}");
    }
}

#[test]
fn a_capped_usersig_stays_to_the_end_of_its_session_and_tells_later_moments_to_ask_again() {
    let (cache, issuer) = (cache(100), issuer());
    let signing = until(&issuer, 3600);
    let (first, _) = cache.get_or_issue(&user("a"), &signing, START).unwrap();
    let (mut now, mut asked) = (START, 0);
    while now < later(3599) {
        let (same, lookup) = cache.get_or_issue(&user("a"), &signing, now).unwrap();
        assert_eq!((&same, lookup == Lookup::Hit || asked == 0), (&first, true));
        let next = cache.refresh_after(&same, &signing, now);
        assert!(now < next && next < later(3600), "{next} at {now}");
        (now, asked) = (next, asked + 1);
    }
    assert!(asked <= 13, "{asked}");
}

#[test]
fn two_sessions_that_alternate_each_keep_their_usersig() {
    let (cache, issuer) = (cache(100), issuer());
    let (short, long) = (until(&issuer, 3600), until(&issuer, 30 * 86_400));
    let get = |signing, now| cache.get_or_issue(&user("a"), signing, now).unwrap();
    let (of_short, _) = get(&short, START);
    let (of_long, lookup) = get(&long, START);
    // The short one's would starve the long session: it was promised a day.
    assert_eq!(lookup, Lookup::Renewed);
    assert_eq!(of_short.expires_at, later(3600));
    assert_eq!(of_long.expires_at, START.saturating_add(7 * DAY));
    for second in 0..3600 {
        assert_eq!(get(&short, later(second)), (of_short.clone(), Lookup::Hit));
        assert_eq!(get(&long, later(second)), (of_long.clone(), Lookup::Hit));
    }
    assert_eq!(cache.len(), 1);
}

#[test]
fn the_longer_ones_usersig_is_never_handed_to_the_shorter_session() {
    let (cache, issuer) = (cache(100), issuer());
    let get = |end, now| {
        let signing = until(&issuer, end);
        cache.get_or_issue(&user("a"), &signing, now).unwrap()
    };
    let (long, _) = get(100, START);
    let (short, lookup) = get(99, START);
    assert_eq!((short.expires_at, lookup), (later(99), Lookup::Renewed));
    // What ends last in time wins, so the longer session keeps its own.
    assert_eq!(get(100, START), (long, Lookup::Hit));
    assert_eq!(get(99, START), (short.clone(), Lookup::Hit));
    // Others that have less than twice as much left share it, and the first that has more does not.
    assert_eq!(get(198, START).0.expires_at, later(100));
    assert_eq!(get(201, START).0.expires_at, later(201));
}

#[test]
fn alternation_dates_nothing_ahead_and_is_bounded_for_one_user() {
    let (cache, issuer) = (cache(100), issuer());
    let ends: Vec<u64> = (0..17).map(|power| 1 << power).collect();
    let mut issued_anew = 0;
    for round in 0..50 {
        for end in &ends {
            let signing = until(&issuer, *end);
            let (issued, lookup) = cache.get_or_issue(&user("a"), &signing, START).unwrap();
            assert_eq!(issued.issued_at, START);
            issued_anew += usize::from(round > 0 && lookup != Lookup::Hit);
        }
    }
    let shard = cache.shard(&user("a")).unwrap().lock();
    let held = shard.peek(&user("a")).unwrap().len();
    assert_eq!(held, 4);
    // More sessions than are kept: those that end soonest are issued again.
    assert!(issued_anew > 0);
}

#[test]
fn a_later_generation_supersedes_the_usersigs_of_all_sessions() {
    let (cache, issuer) = (cache(100), issuer());
    let get = |end, number, now| {
        let signing = Signing {
            session_end: Some(later(end)),
            ..under(&issuer, 0, generation(number, later(number)))
        };
        cache.get_or_issue(&user("a"), &signing, now).unwrap()
    };
    let old = [get(600, 0, START).0, get(9000, 0, START).0];
    let (short, lookup) = get(600, 1, later(5));
    assert_eq!(lookup, Lookup::Superseded);
    let (long, lookup) = get(9000, 1, later(5));
    assert_eq!(lookup, Lookup::Renewed);
    assert_eq!((short.issued_at, long.issued_at), (later(5), later(5)));
    assert!(!old.contains(&short) && !old.contains(&long));
    assert_eq!(get(600, 0, later(5)).1, Lookup::Late);
}

#[test]
fn k5_c4_what_was_issued_on_the_word_of_a_withdrawn_key_is_superseded() {
    let (cache, issuer) = (cache(100), issuer());
    let [both, new] = [keys(&["old", "new"]), keys(&["new"])];
    let get = |key, keys, now| {
        let signing = Signing {
            trust: trust(key, keys),
            ..plain(&issuer)
        };
        cache.get_or_issue(&user("a"), &signing, now)
    };
    let (of_old, _) = get("old", &both, START).unwrap();
    // In the second of its date there is no later one that a kick of this second would reach.
    let early = get("new", &new, START);
    let retry_after = Duration::from_secs(1);
    assert_eq!(early, Err(LookupError::TooEarly { retry_after }));
    let (of_new, lookup) = get("new", &new, later(1)).unwrap();
    assert_eq!((of_new.issued_at, lookup), (later(1), Lookup::Superseded));
    let again = get("new", &new, later(2)).unwrap();
    assert_eq!(again, (of_new.clone(), Lookup::Hit));
    // A request that was verified before the key went gets one of its own and puts nothing back.
    let (late, lookup) = get("old", &both, later(2)).unwrap();
    assert_eq!(lookup, Lookup::Late);
    assert!(late != of_new && late != of_old);
    assert_eq!(get("new", &new, later(3)).unwrap(), (of_new, Lookup::Hit));
}

#[test]
fn a_change_of_other_keys_supersedes_nothing() {
    let (cache, issuer) = (cache(100), issuer());
    let mut before = None;
    for names in [&["a", "b"][..], &["a"], &["a", "c"], &["c", "a", "d"]] {
        let keys = keys(names);
        let signing = Signing {
            trust: trust("a", &keys),
            ..plain(&issuer)
        };
        let (issued, _) = cache.get_or_issue(&user("a"), &signing, later(9)).unwrap();
        assert_eq!(*before.get_or_insert(issued.clone()), issued, "{names:?}");
    }
}

#[test]
fn k5_what_a_session_of_the_withdrawn_key_was_handed_is_superseded_whoever_it_was_issued_for() {
    let (cache, issuer) = (cache(100), issuer());
    let get = |key, keys, now| {
        let signing = Signing {
            trust: trust(key, keys),
            ..plain(&issuer)
        };
        cache.get_or_issue(&user("a"), &signing, now).unwrap()
    };
    let [both, new] = [keys(&["old", "new"]), keys(&["new"])];
    let (first, _) = get("new", &both, START);
    assert_eq!(get("old", &both, START), (first.clone(), Lookup::Hit));
    let (second, lookup) = get("new", &new, later(1));
    assert_eq!(lookup, Lookup::Superseded);
    assert_ne!(first, second);
}

#[test]
fn k5_every_sessions_usersig_is_reconsidered_under_a_cap() {
    let (cache, issuer) = (cache(100), issuer());
    let [both, new] = [keys(&["old", "new"]), keys(&["new"])];
    let get = |key, keys, end, now| {
        let signing = Signing {
            session_end: Some(later(end)),
            trust: trust(key, keys),
            ..plain(&issuer)
        };
        cache.get_or_issue(&user("a"), &signing, now).unwrap()
    };
    let (long, _) = get("old", &both, 9000, START);
    let (short, _) = get("new", &both, 600, START);
    // The short one's own is of the key that stays.
    assert_eq!(get("new", &new, 600, later(1)), (short, Lookup::Hit));
    let (longer, lookup) = get("new", &new, 9000, later(1));
    assert_eq!((longer.issued_at, lookup), (later(1), Lookup::Superseded));
    assert_ne!(longer, long);
    let again = get("new", &new, 9000, later(1));
    assert_eq!(again, (longer.clone(), Lookup::Hit));
    // Not even when the key comes back.
    let back = keys(&["old", "new"]);
    let again = get("old", &back, 9000, later(2));
    assert_eq!(again, (longer, Lookup::Hit));
}

/// One thing that happens to the sessions of one user.
#[derive(Clone, Debug)]
enum Step {
    Tick(u64),
    SetBack(u64),
    Ask(usize),
    Raise,
    ChangeKey,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..40_u64).prop_map(Step::Tick),
        1 => (1_000..200_000_u64).prop_map(Step::Tick),
        1 => (0..100_u64).prop_map(Step::SetBack),
        9 => (0..6_usize).prop_map(Step::Ask),
        1 => Just(Step::Raise),
        1 => Just(Step::ChangeKey),
    ]
}

proptest! {
    /// No UserSig outlives the session that it is handed to, none has less left than was promised, none begins more than
    /// 2 s ahead of the clock unless that was set back, and a session's own stays while it may.
    #[test]
    fn never_beyond_the_session_and_never_less_than_promised(
        lives in prop::collection::vec(0..1_000_000_u64, 6),
        min_remaining in 1..604_800_u64,
        capped in any::<bool>(),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let (issuer, lifetime) = (issuer(), 7 * DAY.as_secs());
        let cache = UserSigCache::new(NonZeroUsize::MIN, Duration::from_secs(min_remaining));
        let (mut now, mut epoch, mut raised, mut set_back) = (START, 0, START, false);
        let mut ends: Vec<_> = lives.iter().map(|life| later(*life)).collect();
        let mut key = 0;
        for step in steps {
            let which = match step {
                Step::Tick(seconds) => { now = now.saturating_add(Duration::from_secs(seconds)); continue }
                Step::SetBack(seconds) => {
                    (now, set_back) = (UnixTime::from_secs(now.as_secs() - seconds), true);
                    continue
                }
                Step::Raise => { (epoch, raised) = (epoch + 1, raised.max(now)); continue }
                Step::ChangeKey => { key += 1; continue }
                Step::Ask(which) => which,
            };
            let end = ends[which];
            let signing = Signing {
                session_end: capped.then_some(end),
                ..under(&issuer, key, generation(epoch, raised))
            };
            let left = end.saturating_since(now).as_secs();
            let (issued, lookup) = match cache.get_or_issue(&user("a"), &signing, now) {
                Ok(found) => found,
                Err(LookupError::SessionEnds) => {
                    prop_assert!(capped && left <= 2, "{left} left");
                    ends[which] = now.saturating_add(Duration::from_secs(lives[which]));
                    continue
                }
                Err(error) => { prop_assert!(set_back, "{error}"); continue }
            };
            let has = issued.expires_at.saturating_since(now).as_secs();
            let promised = match capped {
                true => min_remaining.min(lifetime.min(left).div_ceil(2)),
                false => min_remaining,
            };
            prop_assert!(has >= promised, "{has} left of {promised}, {lookup:?}");
            prop_assert!(has >= 1 && has <= lifetime + 60);
            prop_assert!(!capped || issued.expires_at <= end, "{} past {end}", issued.expires_at);
            prop_assert!(set_back || issued.issued_at <= now.saturating_add(MAX_ISSUED_AHEAD));
            let refresh_after = cache.refresh_after(&issued, &signing, now);
            prop_assert!(now <= refresh_after && refresh_after < issued.expires_at);
            let again = cache.get_or_issue(&user("a"), &signing, now).unwrap();
            prop_assert_eq!(again, (issued, Lookup::Hit));
        }
    }
}

proptest! {
    /// Whatever keys come and go: nothing that a session of a key was handed is handed out once that key is gone.
    #[test]
    fn k5_nothing_that_hung_on_a_withdrawn_key_is_handed_out(
        capped in any::<bool>(),
        steps in prop::collection::vec((0..5_u8, 0..3_usize, 60..9000_u64), 1..60),
    ) {
        let (issuer, cache) = (issuer(), cache(1));
        let (mut now, mut next) = (START, 3);
        let mut names: Vec<usize> = (0..3).collect();
        let list = |names: &[usize]| {
            let keys = names.iter().map(|name| fingerprint(&name.to_string()));
            TrustedKeys::new(keys.collect())
        };
        let mut trusted = list(&names);
        let mut handed: Vec<(IssuedUserSig, usize)> = Vec::new();
        for (step, which, life) in steps {
            match step {
                0 => now = now.saturating_add(Duration::from_secs(life / 9)),
                // A key goes and another one comes.
                1 => {
                    names[which] = next;
                    next += 1;
                    trusted = list(&names);
                }
                _ => {
                    let key = names[which].to_string();
                    let signing = Signing {
                        session_end: capped.then(|| now.saturating_add(Duration::from_secs(life))),
                        trust: trust(&key, &trusted),
                        ..plain(&issuer)
                    };
                    let Ok((issued, lookup)) = cache.get_or_issue(&user("a"), &signing, now) else {
                        now = now.saturating_add(SECOND);
                        continue
                    };
                    let gone = |(other, key): &(IssuedUserSig, usize)| *other == issued && !names.contains(key);
                    prop_assert!(!handed.iter().any(gone), "{lookup:?}");
                    handed.push((issued, names[which]));
                }
            }
        }
    }
}

/// Many threads ask for few users while the clock runs for weeks, forwards by jumps: whatever is handed out has what was
/// promised at the moment of the request, and one epoch's value is the same for all who ask at that moment.
#[test]
fn min_remaining_is_kept_under_load_while_time_moves() {
    let (issuer, cache) = (issuer(), cache(6));
    let clock = std::sync::atomic::AtomicU64::new(START.as_secs());
    let moment = || UnixTime::from_secs(clock.load(std::sync::atomic::Ordering::SeqCst));
    let ask = |thread: u64, round: u64| {
        let now = moment();
        let life = [None, Some(30), Some(3600), Some(40 * 86_400)][(thread % 4) as usize];
        let end = life.map(|life| now.saturating_add(Duration::from_secs(life + round % 60)));
        let signing = Signing {
            session_end: end,
            ..plain(&issuer)
        };
        // Half of the threads ask as capped sessions do, for users of their own.
        let name = format!("{}{}", if end.is_some() { "c" } else { "u" }, round % 3);
        let (issued, lookup) = cache.get_or_issue(&user(&name), &signing, now).unwrap();
        let left = issued.expires_at.saturating_since(now);
        let longest = end.map_or(7 * DAY, |end| end.saturating_since(now).min(7 * DAY));
        let promised = match end {
            None => DAY,
            Some(_) => DAY.min(Duration::from_secs(longest.as_secs().div_ceil(2))),
        };
        assert!(left >= promised, "{left:?} of {promised:?}: {lookup:?}");
        assert!(end.is_none_or(|end| issued.expires_at <= end), "{lookup:?}");
        assert!(cache.refresh_after(&issued, &signing, now) >= now);
        if thread == 0 {
            let ahead = [1, 59, 3600, 86_400, 500_000][(round % 5) as usize];
            clock.fetch_add(ahead, std::sync::atomic::Ordering::SeqCst);
        }
        lookup
    };
    let lookups: Vec<Lookup> = std::thread::scope(|scope| {
        let run = |thread| {
            (0..2_000)
                .map(|round| ask(thread, round))
                .collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..8)
            .map(|thread| scope.spawn(move || run(thread)))
            .collect();
        let joined = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        joined.collect()
    });
    for wanted in [Lookup::Hit, Lookup::Renewed] {
        assert!(lookups.contains(&wanted), "{wanted:?}");
    }
}

#[test]
fn a_prospect_is_what_a_user_who_is_not_in_the_cache_gets() {
    let issuer = issuer();
    for (case, generation, session_end) in [
        ("plain", Generation::FIRST, None),
        ("dated ahead", generation(1, later(2)), None),
        ("too far ahead", generation(1, later(3)), None),
        ("capped", Generation::FIRST, Some(later(100))),
        (
            "dated ahead and capped",
            generation(1, later(2)),
            Some(later(100)),
        ),
        ("no second left", generation(1, later(2)), Some(later(2))),
        ("ended", Generation::FIRST, Some(START)),
    ] {
        let (cache, signing) = (
            cache(100),
            Signing {
                session_end,
                ..under(&issuer, 0, generation)
            },
        );
        let prospect = cache.prospect(issuer.lifetime(), generation, session_end, START);
        assert!(cache.is_empty(), "{case}");
        let got = cache.get_or_issue(&user("a"), &signing, START);
        let got = got.map(|(issued, _)| {
            let refresh = cache.refresh_after(&issued, &signing, START);
            (issued.issued_at, issued.expires_at, refresh)
        });
        let foretold = prospect.map(|prospect| {
            let life = Duration::from_secs(prospect.lifetime.as_secs().into());
            let end = prospect.issued_at.saturating_add(life);
            let refresh = end.as_secs() - prospect.promise.as_secs();
            (prospect.issued_at, end, UnixTime::from_secs(refresh))
        });
        assert_eq!(foretold, got, "{case}");
    }
}
