use std::path::Path;

use super::*;

/// What `read` makes of the text, with every error as `line:column key: problem (hint)`.
fn reading<T>(
    text: &str,
    keys: &[&str],
    read: impl FnOnce(&Table<'_>) -> Option<T>,
) -> (Option<T>, Vec<String>) {
    let report = Report::new(Path::new("f"), text);
    let outcome = parse(text, &report, keys, read);
    let errors = report.into_diagnostics().errors;
    let shown = errors
        .iter()
        .map(|error| error.to_string().replacen("f:", "", 1))
        .collect();
    (outcome, shown)
}

#[test]
fn durations_carry_their_unit() {
    let read = |value: &str| {
        let text = format!("d = {value}");
        let range = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);
        reading(&text, &["d"], |table| table.get("d")?.duration(range))
    };
    for (text, seconds) in [("30s", 30), ("15m", 900), ("24h", 86_400), ("7d", 604_800)] {
        let (duration, errors) = read(&format!("\"{text}\""));
        assert_eq!(duration, Some(Duration::from_secs(seconds)), "{text}");
        assert!(errors.is_empty(), "{text}");
    }
    for (name, text, problem) in [
        ("no unit", "\"30\"", "is not a duration"),
        (
            "a number",
            "30",
            "expected a duration, in quotes, with its unit",
        ),
        ("milliseconds", "\"500ms\"", "whole seconds"),
        ("a fraction", "\"1.5h\"", "is not a duration"),
        ("a space", "\"30 s\"", "is not a duration"),
        ("a sign", "\"-3s\"", "is not a duration"),
        ("two units", "\"1h30m\"", "is not a duration"),
        ("upper case", "\"3S\"", "is not a duration"),
        (
            "too large to count",
            "\"99999999999999999999d\"",
            "is not a duration",
        ),
        (
            "an overflow",
            "\"999999999999999999d\"",
            "is not a duration",
        ),
        (
            "below the range",
            "\"0s\"",
            "must be from \"1s\" to \"30d\"",
        ),
        (
            "above the range",
            "\"31d\"",
            "must be from \"1s\" to \"30d\"",
        ),
    ] {
        let (duration, errors) = read(text);
        assert_eq!(duration, None, "{name}");
        assert!(errors[0].contains(problem), "{name}: {errors:?}");
    }
}

#[test]
fn short_durations_may_be_below_a_second() {
    let read = |value: &str| {
        let text = format!("d = \"{value}\"");
        let range = Duration::from_millis(100)..=Duration::from_secs(60);
        reading(&text, &["d"], |table| table.get("d")?.short_duration(range))
    };
    for (text, millis) in [
        ("100ms", 100),
        ("1500ms", 1500),
        ("2s", 2000),
        ("1m", 60_000),
    ] {
        let (duration, errors) = read(text);
        assert_eq!(duration, Some(Duration::from_millis(millis)), "{text}");
        assert!(errors.is_empty(), "{text}");
    }
    for (text, problem) in [
        ("99ms", "must be from \"100ms\" to \"1m\""),
        ("60001ms", "must be from \"100ms\" to \"1m\""),
        ("0.5s", "is not a duration"),
        ("500us", "is not a duration"),
        ("500", "is not a duration"),
    ] {
        let (duration, errors) = read(text);
        assert_eq!(duration, None, "{text}");
        assert!(errors[0].contains(problem), "{text}: {errors:?}");
    }
}

#[test]
fn sizes_carry_their_unit() {
    let read = |value: &str| {
        let text = format!("s = {value}");
        reading(&text, &["s"], |table| table.get("s")?.size(1..=1 << 40))
    };
    for (text, bytes) in [
        ("512B", 512),
        ("64KiB", 65_536),
        ("1MiB", 1 << 20),
        ("2GiB", 2 << 30),
    ] {
        assert_eq!(read(&format!("\"{text}\"")).0, Some(bytes), "{text}");
    }
    for text in [
        "\"64KB\"",
        "\"64\"",
        "64",
        "\"\"",
        "\"0B\"",
        "\"9999999GiB\"",
    ] {
        let (size, errors) = read(text);
        assert_eq!(size, None, "{text}");
        assert_eq!(errors.len(), 1, "{text}");
    }
}

#[test]
fn a_secret_in_the_place_of_a_name_is_not_repeated() {
    let key = "0123456789abcdef".repeat(4);
    let text = format!("a = {{ {key} = 1 }}");
    let (_, errors) = reading(&text, &["a"], |table| {
        { table.get("a")?.table(&["file"]) }.map(|_| ())
    });
    assert_eq!(
        errors,
        ["1:7: a.\"[redacted]\": unknown key (known here: file)"]
    );
}

#[test]
fn every_unknown_key_is_reported_with_a_suggestion() {
    let text = "a = { lifetme = 1, other = 2, \"x\\u0007y\" = 3 }\nmin-remaining = 1";
    let (_, errors) = reading(text, &["a", "min_remaining"], |table| {
        { table.get("a")?.table(&["lifetime"]) }.map(|_| ())
    });
    assert_eq!(
        errors,
        [
            "1:7: a.lifetme: unknown key (did you mean `lifetime`?)",
            "1:20: a.other: unknown key (known here: lifetime)",
            "1:31: a.\"[redacted]\": unknown key (known here: lifetime)",
            "2:1: min-remaining: unknown key (did you mean `min_remaining`?)",
        ]
    );
}

#[test]
fn text_that_is_not_toml_is_reported_without_what_stands_there() {
    for (name, text) in [
        ("no quotes", "secret = HUSH\n"),
        ("open string", "secret = \"HUSH\n"),
        ("open multi-line string", "secret = \"\"\"HUSH\n"),
        ("no value", "HUSH\n"),
        ("twice", "HUSH = 1\nHUSH = 2\n"),
        ("bad escape", "secret = \"HUSH\\q\"\n"),
        ("open table", "[HUSH\n"),
        ("open array", "a = [\"HUSH\"\n"),
        ("control byte", "a = \"HUSH\u{1}\"\n"),
        ("extended value", "a = 1\na.HUSH = 2\n"),
    ] {
        let (outcome, errors) = reading(text, &[], |_| Some(()));
        assert_eq!(outcome, None, "{name}");
        assert!(!errors.is_empty(), "{name}");
        assert!(!errors.join("").contains("HUSH"), "{name}: {errors:?}");
    }
}

#[test]
fn all_syntax_errors_are_reported_at_once() {
    let (_, errors) = reading("a = \nb = 1\nb = 2\n", &["a", "b"], |_| Some(()));
    let places: Vec<&str> = errors.iter().map(|error| &error[..4]).collect();
    assert_eq!(places, ["1:5:", "3:1:"], "{errors:?}");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_read() {
    let (value, errors) = reading("\u{feff}a = 1\r\nb = 0x_\r\n", &["a", "b"], |_| Some(()));
    assert_eq!(value, None);
    assert!(errors[0].starts_with("2:7: "), "{errors:?}");
    let (value, errors) = reading("\u{feff}a = 1_000\r\n", &["a"], |table| {
        table.get("a")?.integer(0..=2_000)
    });
    assert_eq!((value, errors), (Some(1_000), vec![]));
}

#[test]
fn wrong_types_and_templates_are_named() {
    let keys = ["a"];
    for (text, problem) in [
        ("a = 1", "1:5: a: expected a string, found a whole number"),
        (
            "a = 1.5",
            "1:5: a: expected a string, found a number with a fraction",
        ),
        ("a = 1979-05-27", "1:5: a: expected a string, found a date"),
        ("a = [\"x\"]", "1:5: a: expected a string, found an array"),
        ("[a]", "1:1: a: expected a string, found a table"),
        ("a = \"\"", "1:5: a: is empty"),
        (
            "a = \"${HOME}\"",
            "1:5: a: looks like a variable that was not expanded",
        ),
        (
            "a = \"{{ home }}\"",
            "1:5: a: looks like a variable that was not expanded",
        ),
    ] {
        let (value, errors) = reading(text, &keys, |table| table.get("a")?.text().map(str::len));
        assert_eq!(value, None, "{text}");
        assert!(errors[0].starts_with(problem), "{text}: {errors:?}");
    }
    let (value, errors) = reading("a = \"$HOME\"", &keys, |table| {
        table.get("a")?.text().map(str::len)
    });
    assert_eq!((value, errors), (Some(5), vec![]));
}

#[test]
fn suggestions_are_made_only_for_near_words() {
    let known = ["lifetime", "cache_capacity", "min_remaining"];
    assert_eq!(closest("Lifetime", &known), Some("lifetime"));
    assert_eq!(closest("cachecapacity", &known), Some("cache_capacity"));
    assert_eq!(closest("min", &known), None);
    assert_eq!(closest("", &known), None);
    assert_eq!(closest(&"l".repeat(100_000), &known), None);
}
