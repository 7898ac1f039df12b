//! Words and quantities of the configuration: units, spelling suggestions, placeholders.

/// Whether a whole text is a placeholder of a shell, of a container file or of a template.
pub(in crate::config) fn is_unexpanded(text: &str) -> bool {
    [("${", "}"), ("$(", ")"), ("{{", "}}"), ("<%", "%>")]
        .iter()
        .any(|(open, close)| text.starts_with(open) && text.ends_with(close))
}

/// The word nearest to a mistyped one, if one is near enough to be meant.
pub(in crate::config) fn closest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word: String = word.chars().take(MAX_WORD).collect();
    let word = word.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|candidate| {
            let plain = candidate.to_lowercase().replace('-', "_");
            (edit_distance(&word, &plain), *candidate)
        })
        .min()
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .map(|(_, candidate)| candidate)
}

/// The number of letters to insert, remove or replace (Levenshtein).
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut behind = line + 1;
        let mut next = vec![behind];
        for (to, pair) in right.iter().zip(row.windows(2)) {
            let &[diagonal, above] = pair else { continue };
            behind = (diagonal + usize::from(from != *to))
                .min(above + 1)
                .min(behind + 1);
            next.push(behind);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

pub(super) fn quoted(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    quoted.join(", ")
}

pub(super) fn with_unit(amount: u64, units: &[(&str, u64)]) -> String {
    units
        .iter()
        .rev()
        .find(|(_, factor)| amount != 0 && amount.is_multiple_of(*factor))
        .map_or_else(
            || format!("{amount}{}", units.first().map_or("", |(unit, _)| unit)),
            |(unit, factor)| format!("{}{unit}", amount / factor),
        )
}

pub(super) const MAX_WORD: usize = 64;
/// In milliseconds.
pub(super) const DURATION_UNITS: [(&str, u64); 4] = [
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
pub(super) const SHORT_DURATION_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
pub(super) const SIZE_UNITS: [(&str, u64); 4] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];
