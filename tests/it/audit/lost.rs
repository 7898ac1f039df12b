//! The file of the audit: rotated, full, gone, and back; the streams; and what a start and a reload make of the section.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::{AUDIT, lines, lines_of, wait_for_lines};
use crate::reload::GENERATION;
use crate::rest_api::{Chat, call, member, refusal, refused, settings};
use crate::support::program::{finish, program};
use crate::support::proxy::{CHAT_KEY, free_address};
use crate::support::tokens::SECRET;
use crate::support::{Proxy, get};

const WRITTEN: &str = "audit_lines_total{result=\"written\"}";
const FAILED: &str = "audit_lines_total{result=\"failed\"}";

/// A path that leads to a disk, which may be full.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn full() -> Self {
        let disk = Self {
            folder: TempDir::new().unwrap(),
        };
        disk.point_to(Path::new("/dev/full"));
        disk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn point_to(&self, target: &Path) {
        symlink(target, self.path("draft")).unwrap();
        fs::rename(self.path("draft"), self.path("audit")).unwrap();
    }

    fn section(&self, on_failure: &str) -> String {
        let path = self.path("audit");
        format!("[audit]\nfile = \"{}\"\n{on_failure}", path.display())
    }
}

fn ready(proxy: &Proxy) -> String {
    get(proxy.ops, "/readyz", "").text()
}

fn count_lines(proxy: &Proxy, wanted: impl Fn(&serde_json::Value) -> bool) -> usize {
    let printed = proxy.printed();
    let lines = printed
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines.filter(wanted).count()
}

#[test]
fn on_a_full_disk_calls_go_on_and_their_lines_go_to_the_log() {
    let (chat, disk) = (Chat::start(), Disk::full());
    let proxy =
        Proxy::start(&settings(&chat.app, &disk.section("")).replace("\"trace\"", "\"error\""));
    assert_eq!((proxy.metric(WRITTEN), proxy.metric(FAILED)), (0, 0));
    assert_eq!(proxy.metric("audit_lost"), 0);
    for _ in 0..3 {
        assert_eq!(call(&proxy, "openim/sendmsg", &member(), "{}").status, 200);
    }
    assert_eq!(chat.app.seen().len(), 3);
    assert_eq!((proxy.metric(WRITTEN), proxy.metric(FAILED)), (0, 3));
    assert_eq!(proxy.metric("audit_lost"), 1);
    let report = ready(&proxy);
    assert!(
        report.contains("No space left on device") && report.contains("calls go on"),
        "{report}"
    );
    // Whatever the level of the log, and one line for the change.
    let in_log = |line: &serde_json::Value| line["target"] == "usersig_proxy::audit";
    assert_eq!(count_lines(&proxy, in_log), 3);
    proxy.log_line(|line| in_log(line) && line["decision"] == "allowed" && line["user_id"] == "42");
    let lost = |line: &serde_json::Value| line["message"].to_string().contains("the audit is lost");
    assert_eq!(count_lines(&proxy, lost), 1);
}

#[test]
fn on_a_full_disk_no_call_reaches_chat_where_that_is_wanted() {
    let (chat, disk) = (Chat::start(), Disk::full());
    let proxy = Proxy::start(&settings(
        &chat.app,
        &disk.section("on_failure = \"stop\"\n"),
    ));
    // That the disk is full shows with the first line.
    assert_eq!(call(&proxy, "openim/sendmsg", &member(), "{}").status, 200);
    assert_eq!(chat.app.seen().len(), 1);
    for _ in 0..3 {
        let response = call(&proxy, "openim/sendmsg", &member(), "{}");
        assert_eq!(refusal(&response), refused(503, "audit_unavailable", 60019));
        assert_eq!(response.header("retry-after"), Some("10"));
    }
    // What would be refused in any case is refused for that.
    let response = call(&proxy, "openim/no_such_command", &member(), "{}");
    assert_eq!(refusal(&response), refused(403, "command_unknown", 60009));
    assert_eq!(chat.app.seen().len(), 0);
    let report = ready(&proxy);
    assert!(report.contains("calls are refused"), "{report}");
    assert_eq!(get(proxy.address, "/_chat/usersig", "").status, 401);

    // Without any call in between.
    disk.point_to(&disk.path("found"));
    proxy.wait_for_metric("audit_lost", 0);
    assert_eq!(call(&proxy, "openim/sendmsg", &member(), "{}").status, 200);
    assert_eq!(chat.app.seen().len(), 1);
    assert!(!ready(&proxy).contains("audit"));
    let found = lines_of(&disk.path("found"));
    let decisions: Vec<_> = found.iter().map(|line| line["decision"].clone()).collect();
    let stopped = "audit_unavailable";
    assert_eq!(
        decisions,
        [
            "allowed",
            stopped,
            stopped,
            stopped,
            "command_unknown",
            "allowed"
        ]
        .map(|word| json!(word))
    );
    let regained = |line: &serde_json::Value| line["message"] == "the audit is written again";
    assert_eq!(count_lines(&proxy, regained), 1);
}

#[test]
fn a_rotation_takes_effect_with_the_next_line_and_with_sighup() {
    let chat = Chat::start();
    let proxy = Proxy::start(&settings(&chat.app, AUDIT));
    let call = || assert_eq!(call(&proxy, "openim/sendmsg", &member(), "{}").status, 200);
    let count = |name: &str| lines_of(&proxy.path(name)).len();
    call();
    proxy.rename("audit.jsonl", "audit.1");
    call();
    assert_eq!((count("audit.1"), count("audit.jsonl")), (1, 1));
    // copytruncate
    fs::copy(proxy.path("audit.jsonl"), proxy.path("audit.2")).unwrap();
    fs::write(proxy.path("audit.jsonl"), "").unwrap();
    call();
    assert_eq!((count("audit.2"), count("audit.jsonl")), (1, 1));
    proxy.rename("audit.jsonl", "audit.3");
    let holds = |name: &str| {
        let files = fs::read_dir(format!("/proc/{}/fd", proxy.id())).unwrap();
        let mut files = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        files.any(|file| file == proxy.path(name))
    };
    assert!(holds("audit.3"));
    proxy.signal("HUP");
    while holds("audit.3") {
        std::thread::yield_now();
    }
    call();
    assert_eq!((count("audit.3"), count("audit.jsonl")), (1, 1));
    assert_eq!((proxy.metric(WRITTEN), proxy.metric(FAILED)), (4, 0));
}

#[test]
fn lines_go_to_a_stream_where_that_is_said() {
    let chat = Chat::start();
    for stream in ["stdout", "stderr"] {
        let proxy = Proxy::start(&settings(
            &chat.app,
            &format!("[audit]\nstream = \"{stream}\"\n"),
        ));
        let response = call(&proxy, "openim/sendmsg", &member(), "{}");
        assert_eq!(response.status, 200);
        let printed = fs::read_to_string(proxy.path(stream)).unwrap();
        let lines = printed
            .lines()
            .filter(|line| line.starts_with("{\"time\":"));
        assert_eq!(lines.count(), 1, "{printed}");
        assert!(!printed.contains("usersig_proxy::audit"), "{printed}");
        assert_eq!(proxy.metric(WRITTEN), 1);
    }
}

#[test]
fn another_section_takes_a_restart_and_lines_go_where_they_went() {
    let chat = Chat::start();
    let quiet = "[runtime]\nreload_on_change = false\n";
    let proxy = Proxy::start(&settings(&chat.app, &format!("{AUDIT}{quiet}")));
    let elsewhere = AUDIT.replace("audit.jsonl", "elsewhere");
    proxy.write(
        "proxy.toml",
        &settings(&chat.app, &format!("{elsewhere}{quiet}")),
    );
    proxy.signal("HUP");
    proxy.wait_for_metric(GENERATION, 2);
    assert!(ready(&proxy).contains("audit changed; it takes a restart\n"));
    assert_eq!(call(&proxy, "openim/sendmsg", &member(), "{}").status, 200);
    assert_eq!(wait_for_lines(&proxy, 1).len(), 1);
    assert!(!proxy.path("elsewhere").exists());
    assert_eq!(lines(&proxy)[0]["decision"], "allowed");
}

#[test]
fn a_file_that_cannot_be_made_ends_the_start() {
    let chat = Chat::start();
    let folder = TempDir::new().unwrap();
    // The folder is there, but nobody makes a file in it.
    let text = settings(&chat.app, "[audit]\nfile = \"/proc/audit\"\n")
        .replace("@PROXY@", &free_address().to_string())
        .replace("@OPS@", &free_address().to_string());
    let file = folder.path().join("proxy.toml");
    for (name, content) in [
        ("proxy.toml", text.as_str()),
        ("chat-key", CHAT_KEY),
        ("session-secret", SECRET),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let finished = finish(&mut program(["run", "--config", file.to_str().unwrap()]));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished
            .stderr
            .contains("the audit cannot be written to /proc/audit: "),
        "{finished:?}"
    );
}
