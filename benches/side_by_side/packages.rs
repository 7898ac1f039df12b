//! Programs of Debian's packages, installed where they are missing and that is allowed.

use std::process::Command;

/// Whether `command` is there, after an attempt to install `packages` if it was not.
pub(crate) fn need(command: &str, packages: &str) -> bool {
    has(command) || install(packages) && has(command)
}

/// Whether Debian's packages could be installed.
pub(crate) fn install(packages: &str) -> bool {
    let line = format!(
        "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends {packages}"
    );
    succeeds(&line)
}

fn has(command: &str) -> bool {
    succeeds(&format!("command -v {command}"))
}

fn succeeds(line: &str) -> bool {
    let output = Command::new("sh").args(["-c", line]).output();
    output.is_ok_and(|output| output.status.success())
}
