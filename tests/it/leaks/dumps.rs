//! A process that is killed leaves no memory behind.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use tempfile::TempDir;

use crate::support::{foreign, process};

/// Runs a command where it may dump its memory, gives it lines, waits for one that begins with this, and aborts it from outside.
fn abort(folder: &Path, program: &str, arguments: &[&str], begins: &str) -> ExitStatus {
    let mut child = Command::new("sh")
        .args([
            "-c",
            "ulimit -c $(ulimit -Hc) && exec \"$0\" \"$@\"",
            program,
        ])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // More than it gathers before it writes.
    input.write_all("alice\n".repeat(200).as_bytes()).unwrap();
    input.flush().unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert!(line.starts_with(begins), "{line}");
    process::signal(child.id(), "ABRT");
    let status = child.wait().unwrap();
    drop(input);
    assert_eq!(status.signal(), Some(6));
    status
}

/// Where the caller may dump nothing, nobody here may.
fn may_dump(test: &str) -> bool {
    let [_, hard] = process::limits("Max core file size");
    if hard == 0 {
        foreign::say_skipped(test, "the limit of a core file is 0");
    }
    hard > 0
}

#[test]
fn a_process_that_holds_the_key_dumps_no_core() {
    if !may_dump("a_process_that_holds_the_key_dumps_no_core") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let conf = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/quickstart.toml");
    let mint = ["mint", "--config", conf, "--users", "-"];
    let program = env!("CARGO_BIN_EXE_usersig-proxy");
    let status = abort(folder.path(), program, &mint, "alice\t");
    assert!(!status.core_dumped());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

/// What the test above would see if nothing were done, wherever the system writes dumps at all.
#[test]
fn another_process_is_dumped_where_dumps_are_on() {
    if !may_dump("another_process_is_dumped_where_dumps_are_on") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let status = abort(folder.path(), "cat", &[], "alice");
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    if pattern.trim() == "core" {
        assert!(status.core_dumped());
    }
}
