use std::process::Command;

use super::*;

fn with(section: &str) -> String {
    base_with("[routes]", &format!("[audit]\n{section}\n[routes]"))
}

#[test]
fn the_audit_goes_to_the_log_unless_a_file_or_a_stream_is_given() {
    let world = World::new();
    assert_eq!(world.good(BASE).audit, None);
    let file = AuditTarget::File(world.folder.path().join("audit.jsonl"));
    for (section, target, on_failure) in [
        ("file = \"audit.jsonl\"", file.clone(), OnAuditFailure::GoOn),
        (
            "stream = \"stdout\"\non_failure = \"go_on\"",
            AuditTarget::Stdout,
            OnAuditFailure::GoOn,
        ),
        (
            "stream = \"stderr\"\non_failure = \"stop\"",
            AuditTarget::Stderr,
            OnAuditFailure::Stop,
        ),
    ] {
        let expected = Audit { target, on_failure };
        assert_eq!(world.good(&with(section)).audit, Some(expected));
    }
    // A file that is there is left as it is; what is no disk may be full.
    world.file("audit.jsonl", "x");
    assert!(world.good(&with("file = \"audit.jsonl\"")).audit.is_some());
    let content = fs::read_to_string(world.folder.path().join("audit.jsonl"));
    assert_eq!(content.unwrap(), "x");
    assert!(world.good(&with("file = \"/dev/full\"")).audit.is_some());
}

#[test]
fn an_audit_that_could_not_be_written_is_an_error() {
    let world = World::new();
    let fifo = world.folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    let file = "(a file that the proxy may write or make, in a folder that is there)";
    for (section, expected) in [
        (
            "file = \"absent/audit\"",
            format!("15:8: audit.file: is in a folder that is not there {file}"),
        ),
        (
            "file = \".\"",
            format!("15:8: audit.file: is a folder {file}"),
        ),
        (
            "file = \"fifo\"",
            format!("15:8: audit.file: is a named pipe {file}"),
        ),
        (
            "file = \"a\"\nstream = \"stdout\"",
            "16:10: audit.stream: there is file as well (one of the two)".to_owned(),
        ),
        (
            "on_failure = \"stop\"",
            "14:1: audit.file: is required (file = \"audit.jsonl\", or stream = \"stdout\"; without [audit] the lines go \
             to the log)"
                .to_owned(),
        ),
        (
            "stream = \"stdin\"",
            "15:10: audit.stream: must be one of \"stdout\", \"stderr\"".to_owned(),
        ),
        (
            "file = \"a\"\non_failure = \"stopp\"",
            "16:14: audit.on_failure: must be one of \"go_on\", \"stop\" (did you mean \"stop\"?)"
                .to_owned(),
        ),
    ] {
        assert_eq!(world.errors(&with(section)), [expected], "{section}");
    }
    let same = with("file = \"state\"").replace("[audit]", "[store]\nfile = \"state\"\n[audit]");
    assert_eq!(
        world.errors(&same),
        ["17:8: audit.file: is the file of [store] (a file of its own)"]
    );
}
