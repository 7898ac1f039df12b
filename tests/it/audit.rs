//! The audit of REST calls on the running program: a line for each call, whoever goes away, and whatever becomes of the file.

mod calls;
mod lost;

use serde_json::Value;

use crate::support::Proxy;
use crate::support::proxy::assert_holds_no_secret;

/// A file beside the configuration.
const AUDIT: &str = "[audit]\nfile = \"audit.jsonl\"\n";

/// The members of a line.
const MEMBERS: [&str; 15] = [
    "acting",
    "command",
    "concerns",
    "decision",
    "duration_ms",
    "error_code",
    "issuer",
    "reason",
    "request_id",
    "roles",
    "rule",
    "site",
    "subject",
    "time",
    "user_id",
];

/// The lines of a file as it is now; each is whole and has every member.
fn lines_of(file: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    assert_holds_no_secret(&text);
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let lines = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let members: Vec<_> = line.as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, MEMBERS);
        line
    });
    lines.collect()
}

fn lines(proxy: &Proxy) -> Vec<Value> {
    lines_of(&proxy.path("audit.jsonl"))
}

/// The lines once there are so many.
fn wait_for_lines(proxy: &Proxy, count: usize) -> Vec<Value> {
    proxy.wait_for_metric("audit_lines_total{result=\"written\"}", count as u64);
    lines(proxy)
}
