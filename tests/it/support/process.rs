//! What the system tells of a process, and tells it.

use std::fs;
use std::process::Command;

/// Sends a process a signal, by the signal's name without SIG.
pub(crate) fn signal(id: u32, name: &str) {
    // The shell's own kill: the program of that name is not installed everywhere.
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{name} {id}")])
        .status();
    assert!(status.unwrap().success());
}

/// Kilobytes of memory that it has now.
pub(crate) fn memory(id: u32) -> u64 {
    status(id, "VmRSS:")
}

/// How many threads it has.
pub(crate) fn threads(id: u32) -> u64 {
    status(id, "Threads:")
}

/// How many files and sockets it has open.
pub(crate) fn files(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}

/// How much time of the processor it used, in hundredths of a second.
pub(crate) fn cpu(id: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // After the name, which may hold anything.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields: Vec<_> = rest.split_whitespace().collect();
    fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum()
}

/// What this process may have at most, soft and hard, by the name in `/proc/self/limits`.
pub(crate) fn limits(name: &str) -> [u64; 2] {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix(name));
    let mut values = line.unwrap().split_whitespace();
    [(); 2].map(|()| match values.next().unwrap() {
        "unlimited" => u64::MAX,
        value => value.parse().unwrap(),
    })
}

fn status(id: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
