use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::SystemTime;

use serde_json::Value;
use tempfile::TempDir;

use super::*;

/// A folder with the audit's file, and an auditor that writes to it.
struct World {
    folder: TempDir,
    metrics: Arc<Metrics>,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            metrics: Arc::new(Metrics::new().unwrap()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn auditor(&self, on_failure: OnFailure) -> Auditor {
        self.try_auditor(on_failure).unwrap()
    }

    fn try_auditor(&self, on_failure: OnFailure) -> Result<Auditor, AuditError> {
        let target = Target::File(self.path("audit"));
        Auditor::to_target(&target, on_failure, self.metrics.clone())
    }

    /// The ids of the lines of a file, each of which is whole.
    fn ids(&self, name: &str) -> Vec<String> {
        ids(&fs::read(self.path(name)).unwrap())
    }

    fn count(&self, series: &str) -> u64 {
        let text = String::from_utf8(self.metrics.render()).unwrap();
        let start = format!("usersig_proxy_{series} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&start));
        value.unwrap().parse().unwrap()
    }

    fn counts(&self) -> (u64, u64, u64) {
        (
            self.count("audit_lines_total{result=\"written\"}"),
            self.count("audit_lines_total{result=\"failed\"}"),
            self.count("audit_lost"),
        )
    }

    /// Puts another file under the path in one step, as it may happen while lines are written.
    fn point_to(&self, target: &std::path::Path) {
        symlink(target, self.path("draft")).unwrap();
        fs::rename(self.path("draft"), self.path("audit")).unwrap();
    }
}

fn ids(text: &[u8]) -> Vec<String> {
    let Some((b'\n', lines)) = text.split_last() else {
        assert!(text.is_empty(), "the last line has no end");
        return Vec::new();
    };
    let id = |line: &[u8]| {
        let line: Value = serde_json::from_slice(line).expect("a line is torn");
        line["request_id"].as_str().unwrap().to_owned()
    };
    lines.split(|byte| *byte == b'\n').map(id).collect()
}

fn record(id: &str) -> AuditRecord {
    AuditRecord {
        time: SystemTime::now(),
        request_id: id.to_owned(),
        site: "default".to_owned(),
        subject: None,
        issuer: None,
        user_id: None,
        roles: Vec::new(),
        rule: None,
        command: None,
        concerns: Vec::new(),
        acting: Vec::new(),
        decision: crate::proxy::ALLOWED,
        reason: None,
        error_code: Some(0),
        duration: Duration::ZERO,
    }
}

/// Keeps one record and waits for it as a call does.
fn keep(auditor: &Auditor, id: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    runtime.block_on(async { auditor.keep(&record(id)).await });
}

fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::yield_now();
    }
}

#[test]
fn a_kept_line_stands_in_a_file_of_the_owner() {
    let world = World::new();
    let auditor = world.auditor(OnFailure::GoOn);
    assert_eq!(world.counts(), (0, 0, 0));
    keep(&auditor, "one");
    assert_eq!(world.ids("audit"), ["one"]);
    keep(&auditor, "two");
    assert_eq!(world.ids("audit"), ["one", "two"]);
    let mode = fs::metadata(world.path("audit")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    assert_eq!(
        (world.counts(), auditor.report()),
        ((2, 0, 0), String::new())
    );
}

#[test]
fn a_line_that_nobody_waits_for_is_written_before_the_end() {
    let world = World::new();
    let auditor = world.auditor(OnFailure::GoOn);
    for number in 0..100 {
        drop(auditor.keep(&record(&number.to_string())));
    }
    auditor.finish();
    assert_eq!(world.ids("audit").len(), 100);
}

#[test]
fn a_file_that_ends_within_a_line_is_gone_on_with_on_a_new_one() {
    let world = World::new();
    fs::write(world.path("audit"), "{\"request_id\":\"ha").unwrap();
    let auditor = world.auditor(OnFailure::GoOn);
    keep(&auditor, "one");
    keep(&auditor, "two");
    let text = fs::read_to_string(world.path("audit")).unwrap();
    let (torn, rest) = text.split_once('\n').unwrap();
    assert_eq!(torn, "{\"request_id\":\"ha");
    assert_eq!(ids(rest.as_bytes()), ["one", "two"]);
}

#[test]
fn what_is_no_file_is_refused_and_nobody_waits_for_it() {
    let world = World::new();
    fs::create_dir(world.path("audit")).unwrap();
    let error = world.try_auditor(OnFailure::GoOn).err().unwrap();
    assert!(error.to_string().contains("Is a directory"), "{error}");
    fs::remove_dir(world.path("audit")).unwrap();
    let made = Command::new("mkfifo").arg(world.path("audit")).status();
    assert!(made.unwrap().success());
    let error = world.try_auditor(OnFailure::GoOn).err().unwrap();
    assert!(error.to_string().ends_with("it is no file"), "{error}");
    fs::remove_file(world.path("audit")).unwrap();
    assert!(world.try_auditor(OnFailure::GoOn).is_ok());
}

/// `logrotate` with `create`, and with `nocreate`: the file is renamed at any moment, also between two lines that wait.
#[test]
fn a_rotation_by_renaming_loses_and_tears_no_line() {
    let world = World::new();
    let auditor = world.auditor(OnFailure::GoOn);
    let is_over = AtomicBool::new(false);
    let turns = thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let auditor = &auditor;
                scope.spawn(move || {
                    (0..500).for_each(|call| keep(auditor, &format!("{caller}-{call}")));
                })
            })
            .collect();
        let (world, is_over) = (&world, &is_over);
        let rotation = scope.spawn(move || {
            let mut turns = 0;
            while !is_over.load(Ordering::SeqCst) {
                let renamed = fs::rename(world.path("audit"), world.path(&turns.to_string()));
                if renamed.is_ok() && turns % 2 == 0 {
                    drop(
                        OpenOptions::new()
                            .append(true)
                            .create(true)
                            .open(world.path("audit")),
                    );
                }
                turns += usize::from(renamed.is_ok());
                thread::yield_now();
            }
            turns
        });
        callers
            .into_iter()
            .for_each(|caller| caller.join().unwrap());
        is_over.store(true, Ordering::SeqCst);
        rotation.join().unwrap()
    });
    assert!(turns > 10, "{turns}");
    let kept: Vec<_> = fs::read_dir(world.folder.path())
        .unwrap()
        .flat_map(|file| ids(&fs::read(file.unwrap().path()).unwrap()))
        .collect();
    assert_eq!(kept.len(), 2000);
    assert_eq!(kept.iter().collect::<BTreeSet<_>>().len(), 2000);
    assert_eq!(world.counts(), (2000, 0, 0));
}

#[test]
fn a_rotation_by_copying_goes_on_at_the_start_of_the_file() {
    let world = World::new();
    let auditor = world.auditor(OnFailure::GoOn);
    keep(&auditor, "one");
    fs::copy(world.path("audit"), world.path("copy")).unwrap();
    let file = OpenOptions::new().write(true).open(world.path("audit"));
    file.unwrap().set_len(0).unwrap();
    keep(&auditor, "two");
    assert_eq!(
        (world.ids("copy"), world.ids("audit")),
        (vec!["one".to_owned()], vec!["two".to_owned()])
    );
}

#[test]
fn a_reopened_file_is_let_go_of_and_gone_on_with() {
    let world = World::new();
    let auditor = world.auditor(OnFailure::GoOn);
    keep(&auditor, "one");
    let holds = || {
        let links = fs::read_dir("/proc/self/fd").unwrap();
        let mut targets = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
        targets.any(|target| target.starts_with(world.folder.path()))
    };
    assert!(holds());
    auditor.reopen();
    wait_until(|| !holds());
    keep(&auditor, "two");
    assert_eq!(world.ids("audit"), ["one", "two"]);
}

#[test]
fn a_full_disk_is_an_alarm_until_a_line_can_be_written_again() {
    let world = World::new();
    world.point_to("/dev/full".as_ref());
    let (going, stopping) = (
        world.auditor(OnFailure::GoOn),
        world.auditor(OnFailure::Stop),
    );
    assert!(!stopping.refuses_calls());
    keep(&going, "one");
    keep(&stopping, "two");
    assert_eq!(world.counts(), (0, 2, 1));
    assert!(!going.refuses_calls() && stopping.refuses_calls());
    let report = going.report();
    assert!(
        report.starts_with("audit: nothing can be written to /")
            && report.contains("No space left on device"),
        "{report}"
    );
    assert!(
        report.ends_with("calls go on, and their lines go to the log\n"),
        "{report}"
    );
    assert!(stopping.report().ends_with("calls are refused\n"));
    // Nobody calls: it is found out all the same, and what failed is written.
    world.point_to(&world.path("found"));
    wait_until(|| going.report().is_empty() && stopping.report().is_empty());
    assert!(!stopping.refuses_calls());
    let mut found = world.ids("found");
    found.sort();
    assert_eq!(found, ["one", "two"]);
    assert_eq!(world.counts(), (2, 2, 0));
    keep(&stopping, "three");
    assert_eq!(world.ids("found").len(), 3);
}

#[test]
fn a_folder_that_is_gone_is_an_alarm_until_it_is_back() {
    let world = World::new();
    fs::create_dir(world.path("logs")).unwrap();
    let target = Target::File(world.path("logs/audit"));
    let auditor = Auditor::to_target(&target, OnFailure::Stop, world.metrics.clone()).unwrap();
    fs::remove_dir_all(world.path("logs")).unwrap();
    keep(&auditor, "one");
    assert!(auditor.refuses_calls());
    assert!(auditor.report().contains("No such file or directory"));
    fs::create_dir(world.path("logs")).unwrap();
    wait_until(|| !auditor.refuses_calls());
    assert_eq!(world.ids("logs/audit"), ["one"]);
}

/// A sink whose writer hangs, with room for so many lines.
fn hanging(world: &World, room: usize) -> (Sink, std::sync::mpsc::Receiver<Job>) {
    let (jobs, received) = sync_channel(room);
    let sink = Sink {
        on_failure: OnFailure::Stop,
        health: Arc::new(Health::new("the disk".to_owned(), world.metrics.clone())),
        jobs,
    };
    (sink, received)
}

fn line(id: &str) -> Arc<Line> {
    Arc::new(Line::of(&record(id)))
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_costs_a_call_a_second_once() {
    let world = World::new();
    let (sink, jobs) = hanging(&world, 8);
    let started = tokio::time::Instant::now();
    sink.keep(line("one")).await;
    assert_eq!(started.elapsed().as_secs(), 1);
    assert_eq!((sink.health.is_lost(), world.counts()), (true, (0, 1, 1)));
    sink.keep(line("two")).await;
    assert_eq!(started.elapsed().as_secs(), 1);
    assert_eq!(world.counts(), (0, 2, 1));
    // Both wait for the disk, and are written when it goes on.
    assert_eq!(jobs.try_iter().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn lines_beyond_the_room_for_them_go_to_the_log() {
    let world = World::new();
    let (sink, jobs) = hanging(&world, 1);
    drop(sink.keep(line("one")));
    assert!(!sink.health.is_lost());
    sink.keep(line("two")).await;
    assert_eq!((sink.health.is_lost(), world.counts()), (true, (0, 1, 1)));
    assert_eq!(jobs.try_iter().count(), 1);
    // Nobody waits for the one that was turned away.
    sink.health.end();
    sink.health.wait_until_idle(Duration::from_secs(3600));
}

#[test]
fn without_a_target_lines_go_to_the_log_and_none_is_lost() {
    let world = World::new();
    let auditor = Auditor::to_log(world.metrics.clone());
    keep(&auditor, "one");
    assert_eq!(world.counts(), (1, 0, 0));
    assert_eq!(
        (auditor.refuses_calls(), auditor.report()),
        (false, String::new())
    );
}
