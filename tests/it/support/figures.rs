//! Figures for whoever measures.

use std::io::Write;

/// Prints a line where figures are asked for, with `USERSIG_PROXY_TEST_FIGURES=1`.
pub(crate) fn say(line: &str) {
    if are_asked_for() {
        // Not with `eprintln!`, which the test harness keeps to itself.
        let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
    }
}

/// Whether somebody measures, on a machine that does nothing else.
pub(crate) fn are_asked_for() -> bool {
    std::env::var_os("USERSIG_PROXY_TEST_FIGURES").is_some()
}

/// A number that whoever measures may choose.
pub(crate) fn chosen(name: &str, usual: usize) -> usize {
    let text = std::env::var(name).ok();
    text.map_or(usual, |text| text.parse().expect(name))
}
