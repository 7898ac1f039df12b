//! What the parser is watched at: the reference, which has every key, and what cannot stand beside that.

/// The reference configuration.
pub(in crate::config) const REFERENCE: &str = include_str!("../../../conf/usersig-proxy.toml");

/// Forms that the reference describes and has no place for.
pub(super) const OTHERS: &str = include_str!("others.toml");

/// Several sites, and the other half of what is one or the other.
pub(super) const SITES: &str = "sites = \"sites.d/*.toml\"\n[audit]\nstream = \"stdout\"\n";

/// The text with its samples in force and every other default written out: one key has both.
pub(in crate::config) fn with_both(text: &str) -> String {
    let text = with_samples(text);
    let lines = text.lines().filter(|line| !line.starts_with("#health = "));
    with_defaults(&lines.collect::<Vec<_>>().join("\n"))
}

/// The text with the defaults that it shows written out.
pub(in crate::config) fn with_defaults(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.is_empty() && !key.starts_with(' ') => format!("{key}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// The text with its samples in force, but for that of several sites, which leaves no place for the others.
pub(in crate::config) fn with_samples(text: &str) -> String {
    let is_name = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let is_key = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| is_name(key));
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(sample) if sample.starts_with("sites = ") => format!("{line}\n"),
        Some(sample) if is_key(sample) || sample.starts_with('[') => format!("{sample}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}
