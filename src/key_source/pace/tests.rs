use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_success_is_followed_by_the_configured_pause_or_the_servers_shorter_one() {
    let secs = Duration::from_secs;
    for (name, refresh, fresh, pause) in [
        ("the server says nothing", 600, None, 600),
        ("shorter", 600, Some(300), 300),
        (
            "longer counts as configured, so a lost key stops in time",
            600,
            Some(86_400),
            600,
        ),
        ("zero and no-store are bounded", 600, Some(0), 60),
        ("the configured pause is below the bound", 30, Some(0), 30),
        ("beyond every clock", 600, Some(u64::MAX), 600),
    ] {
        let pause_without_jitter = after_success(secs(refresh), fresh.map(secs), 0.0);
        assert_eq!(pause_without_jitter, secs(pause), "{name}");
        let with_most = after_success(secs(refresh), fresh.map(secs), 1.0);
        assert_eq!(with_most, secs(pause).mul_f64(0.9), "{name}");
    }
}

#[test]
fn pauses_after_failures_double_up_to_a_minute() {
    let pauses = [1, 2, 3, 6, 7, 8, 40, u32::MAX].map(|n| after_failure(n, None, 0.0).as_secs());
    assert_eq!(pauses, [1, 2, 4, 32, 60, 60, 60, 60]);
    assert_eq!(after_failure(7, None, 1.0), 30 * SECOND);
}

#[test]
fn k3_retry_after_is_respected_within_a_bound() {
    for (name, failures, asked, least, most) in [
        ("longer than the backoff", 1, 120, 120.0, 132.0),
        ("shorter than the backoff", 7, 3, 30.0, 60.0),
        ("absurd", 1, u64::MAX, 600.0, 660.0),
    ] {
        for jitter in [0.0, 0.5, 1.0] {
            let asked = Some(Duration::from_secs(asked));
            let pause = after_failure(failures, asked, jitter).as_secs_f64();
            assert!((least..=most).contains(&pause), "{name}: {pause}");
        }
    }
}

#[test]
fn k1_the_budget_is_one_in_ten_seconds_and_saves_nothing_up() {
    let start = Instant::now();
    let mut budget = Budget::default();
    let mut taken = |seconds: f64| budget.take(start + SECOND.mul_f64(seconds));
    assert!(taken(0.0));
    assert!(!taken(0.0));
    assert!(!taken(9.99));
    assert!(taken(10.0));
    assert!(taken(1000.0));
    assert!(!taken(1009.99));
    assert!(taken(1010.0));
}

#[test]
fn k1_an_asked_key_is_remembered_for_thirty_seconds() {
    let start = Instant::now();
    let mut asked = AskedKeys::default();
    asked.insert("a", start);
    asked.insert("a", start + 20 * SECOND);
    assert!(asked.contains("a", start + SECOND.mul_f64(29.99)));
    assert!(!asked.contains("b", start));
    assert!(!asked.contains("a", start + 30 * SECOND));
    assert!(asked.ids.is_empty() && asked.order.is_empty());
    asked.insert("a", start + 31 * SECOND);
    assert!(asked.contains("a", start + 32 * SECOND));
    asked.clear();
    assert!(!asked.contains("a", start + 32 * SECOND));
}

#[test]
fn k1_remembered_keys_are_bounded_in_number_and_length() {
    let start = Instant::now();
    let mut asked = AskedKeys::default();
    for number in 0..10_000 {
        asked.insert(&number.to_string(), start);
    }
    assert_eq!(asked.ids.len(), MAX_ASKED);
    assert_eq!(asked.order.len(), MAX_ASKED);
    assert!(asked.contains("9999", start));
    assert!(!asked.contains("0", start));
    let longest = "k".repeat(MAX_KEY_ID_BYTES);
    assert!(!asked.contains(&longest, start));
    let too_long = "k".repeat(MAX_KEY_ID_BYTES + 1);
    assert!(
        asked.contains(&too_long, start),
        "no key has such an id, so none is asked for"
    );
    asked.insert(&too_long, start);
    assert!(!asked.ids.contains(&too_long));
}
