use std::fs;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::*;
use crate::identity::{ReservedNames, UserId};
use crate::state::kick::KickTicket;
use crate::state::revocation::Revocations;
use crate::state::{Denied, Session};
use crate::token::BearerToken;

const START: UnixTime = UnixTime::from_secs(1_700_000_000);

fn later(seconds: u64) -> UnixTime {
    START.saturating_add(Duration::from_secs(seconds))
}

fn open(path: &Path) -> (LocalStore, Opened) {
    LocalStore::open(path, Limits::default(), START).unwrap()
}

fn user(name: &str) -> UserId {
    UserId::parse(name, &ReservedNames::default()).unwrap()
}

fn log_out(state: &State, name: &str, now: UnixTime) -> KickTicket {
    with_session(name, |session| state.log_out(session, now))
}

fn admit(state: &State, name: &str) -> Result<(), Denied> {
    with_session(name, |session| state.admit(session))
}

/// The one session of the user with this name.
fn with_session<T>(name: &str, act: impl FnOnce(&Session<'_>) -> T) -> T {
    let (token, user) = (
        BearerToken::parse(&format!("aa.{name}.cc")).unwrap(),
        user(name),
    );
    act(&Session {
        issuer: "app",
        user: &user,
        token: Some(&token),
        jti: None,
        issued_at: Some(START),
        expires_at: later(600),
    })
}

const DENIED: Result<(), Denied> = Err(Denied::LoggedOut);

#[test]
fn c4_a_restart_keeps_denials_dates_kicks_and_what_was_enforced_each_at_its_site() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let list = || Arc::new(Revocations::parse(b"user app eve\n", &["app"]).unwrap());
    let (store, opened) = open(&path);
    assert_eq!(opened, Opened::New);
    let state = store.state("one");
    let pending = log_out(&state, "ada", START);
    let landed = log_out(&state, "bob", START);
    state.kick_landed(&landed, later(1));
    assert_eq!(state.revoke(list(), START).len(), 1);
    store.flush(START).unwrap();
    drop(store);

    let (store, opened) = open(&path);
    assert_eq!(opened, Opened::Read { records: 6 });
    let (one, two) = (store.state("one"), store.state("two"));
    assert_eq!((admit(&one, "ada"), admit(&two, "ada")), (DENIED, Ok(())));
    assert_eq!(
        one.pending_kicks()
            .iter()
            .filter(|kick| kick.user == pending.user)
            .count(),
        1
    );
    assert!(
        !one.pending_kicks()
            .iter()
            .any(|kick| kick.user == landed.user)
    );
    assert!(one.is_kick_wanted(&one.pending_kicks()[0]));
    let next = with_session("bob2", |other| {
        one.generation(
            &Session {
                user: &landed.user,
                ..*other
            },
            START,
        )
    });
    assert_eq!(next.unwrap().not_before, later(2));
    assert_eq!(one.revoke(list(), later(60)).len(), 0);
    assert!(Arc::ptr_eq(&one, &store.state("one")));
}

#[test]
fn a_change_is_in_the_file_when_flush_returns_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (store, _) = open(&path);
    log_out(&store.state("one"), "ada", START);
    store.flush(START).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3);
    store.flush(START).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_torn_end_loses_no_whole_record_and_the_file_is_kept() {
    let endings: [(&str, &[u8]); 4] = [
        ("a few digits", b"5f0c91"),
        (
            "a record without its end",
            b"5f0c91a7e2d84b36 {\"change\":{\"tok",
        ),
        ("zeros, as after a power cut", &[0; 600]),
        ("not UTF-8", b"\xff\xfe"),
    ];
    for (name, ending) in endings {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (store, _) = open(&path);
        log_out(&store.state("one"), "ada", START);
        store.flush(START).unwrap();
        drop(store);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(ending);
        fs::write(&path, &bytes).unwrap();

        let (store, opened) = open(&path);
        let Opened::Torn { records, copy } = opened else {
            panic!("{name}: {opened:?}");
        };
        assert_eq!(records, 2, "{name}");
        assert_eq!(fs::read(copy).unwrap(), bytes, "{name}");
        assert_eq!(admit(&store.state("one"), "ada"), DENIED, "{name}");
        log_out(&store.state("one"), "bob", START);
        store.flush(START).unwrap();
        let (again, opened) = open(&path);
        assert_eq!(opened, Opened::Read { records: 4 }, "{name}");
        assert_eq!(admit(&again.state("one"), "bob"), DENIED, "{name}");
    }
}

#[test]
fn a_file_cut_at_any_byte_is_read_without_loss_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (store, _) = open(&path);
    log_out(&store.state("one"), "ada", START);
    log_out(&store.state("one"), "bob", START);
    store.flush(START).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        let cut = folder.path().join(format!("cut{length}"));
        let bytes = &whole[..length];
        fs::write(&cut, bytes).unwrap();
        let newlines = bytes.iter().filter(|byte| **byte == b'\n').count();
        match LocalStore::open(&cut, Limits::default(), START) {
            Ok((_, Opened::Read { records } | Opened::Torn { records, .. })) => {
                assert_eq!(records + 1, newlines, "{length}");
            }
            Ok((_, Opened::New)) => panic!("{length}: taken for a new one"),
            Err(error) => {
                assert!(newlines == 0, "{length}: {error}");
                assert_eq!(fs::read(&cut).unwrap(), bytes, "{length}");
            }
        }
    }
}

#[test]
fn a_damaged_file_is_an_error_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (store, _) = open(&path);
    log_out(&store.state("one"), "ada", START);
    log_out(&store.state("one"), "bob", START);
    store.flush(START).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    let cases = [
        ("empty", String::new(), None),
        ("something else", "[chat]\n".to_owned(), None),
        ("a later version", good.replace("state 1", "state 2"), None),
        (
            "a changed letter",
            good.replacen("\"site\":\"one\"", "\"site\":\"onf\"", 1),
            Some(2),
        ),
        ("a missing line end", good.replacen("}\n", "}", 1), Some(2)),
        (
            "garbage between",
            good.replacen("state 1\n", "state 1\nx\n", 1),
            Some(2),
        ),
        ("an empty line", format!("{good}\n"), Some(6)),
    ];
    for (name, text, line) in cases {
        fs::write(&path, &text).unwrap();
        let error = LocalStore::open(&path, Limits::default(), START).err();
        let found = match error {
            Some(StoreError::Damaged { line, .. }) => Some(line),
            Some(StoreError::NotAStateFile { .. }) => None,
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(found, line, "{name}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "{name}");
    }
    fs::write(&path, &good).unwrap();
    assert_eq!(open(&path).1, Opened::Read { records: 4 });
}

#[test]
fn a_failed_write_is_reported_and_made_good_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("below");
    fs::create_dir(&below).unwrap();
    let path = below.join("state");
    let (store, _) = open(&path);
    log_out(&store.state("one"), "ada", START);
    fs::remove_dir_all(&below).unwrap();
    assert!(matches!(store.flush(START), Err(StoreError::Io { .. })));
    assert!(matches!(store.flush(START), Err(StoreError::Io { .. })));
    fs::create_dir(&below).unwrap();
    store.flush(START).unwrap();
    assert_eq!(admit(&open(&path).0.state("one"), "ada"), DENIED);
}

#[test]
fn a_rewrite_keeps_denials_kicks_and_what_was_enforced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let list = || Arc::new(Revocations::parse(b"user app eve\n", &["app"]).unwrap());
    let (store, _) = open(&path);
    log_out(&store.state("one"), "ada", START);
    store.state("one").revoke(list(), START);
    store.inner.lock().must_rewrite = true;
    store.flush(later(60)).unwrap();
    let one = open(&path).0.state("one");
    assert_eq!(admit(&one, "ada"), DENIED);
    assert_eq!(one.pending_kicks().len(), 2);
    assert_eq!(one.revoke(list(), later(60)).len(), 0);
}

#[test]
fn what_a_full_disk_refused_is_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (store, _) = open(&path);
    log_out(&store.state("one"), "ada", START);
    // Refuses every write, as a full disk does, and has left half a record behind.
    let mut text = fs::read(&path).unwrap();
    text.extend_from_slice(b"5f0c91a7e2d8");
    fs::write(&path, text).unwrap();
    store.inner.lock().journal.file = fs::File::open(&path).unwrap();
    assert!(matches!(store.flush(START), Err(StoreError::Io { .. })));
    store.flush(START).unwrap();
    let (again, opened) = open(&path);
    assert_eq!(opened, Opened::Read { records: 2 });
    assert_eq!(admit(&again.state("one"), "ada"), DENIED);
}

#[test]
fn two_processes_during_an_upgrade_know_each_other_s_logouts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (old, _) = open(&path);
    let pending = log_out(&old.state("one"), "ada", START);
    old.flush(START).unwrap();
    let (new, _) = open(&path);
    let before = new.state("one").users.read(&user("bob"), later(60)).0;
    log_out(&old.state("one"), "bob", later(5));
    old.flush(START).unwrap();
    new.follow().unwrap();
    assert_eq!(admit(&new.state("one"), "bob"), DENIED);
    let after = new.state("one").users.read(&user("bob"), later(60)).0;
    assert!(after.number > before.number && after.not_before == later(6));

    // A login there ends the retries here.
    let ada = user("ada");
    with_session("ada2", |other| {
        new.state("one")
            .generation(
                &Session {
                    user: &ada,
                    ..*other
                },
                later(60),
            )
            .unwrap()
    });
    // What was tried before the start is not known, so one attempt is made.
    assert!(new.state("one").hurry_kick(&ada).is_some());
    new.flush(START).unwrap();
    assert!(old.state("one").is_kick_wanted(&pending));
    old.follow().unwrap();
    assert!(!old.state("one").is_kick_wanted(&pending));
}

#[test]
fn a_rewrite_by_one_process_loses_nothing_of_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let ((old, _), (new, _)) = (open(&path), open(&path));
    log_out(&old.state("one"), "ada", START);
    old.flush(START).unwrap();
    new.inner.lock().must_rewrite = true;
    new.flush(START).unwrap();
    // The old process still has the file that was replaced.
    log_out(&old.state("one"), "bob", START);
    let changes = old.inner.lock().take_changes();
    old.inner.lock().journal.append(&changes).unwrap();
    let (third, _) = open(&path);
    for name in ["ada", "bob"] {
        assert_eq!(admit(&third.state("one"), name), DENIED, "{name}");
    }
}

#[test]
fn the_file_becomes_short_again_and_keeps_what_lives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let limits = Limits {
        tokens: NonZeroUsize::new(10_000).unwrap(),
        ..Limits::default()
    };
    let (store, _) = LocalStore::open(&path, limits, START).unwrap();
    for number in 0..2000 {
        log_out(&store.state("one"), &format!("u{number}"), START);
    }
    store.flush(START).unwrap();
    let ticket = log_out(&store.state("one"), "last", later(10_000));
    store.state("one").kick_landed(&ticket, later(10_000));
    for number in 0..2000 {
        let name = format!("x{number}");
        let user = user(&format!("u{number}"));
        with_session(&name, |other| {
            store
                .state("one")
                .generation(
                    &Session {
                        user: &user,
                        ..*other
                    },
                    later(10_000),
                )
                .unwrap()
        });
    }
    store.sweep(later(4000)).unwrap();
    assert!(fs::read_to_string(&path).unwrap().lines().count() > 4000);
    store.sweep(later(10_000)).unwrap();
    // The first line, and the user whose next date lies ahead. Its token has expired long ago.
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    assert_eq!(store.state("one").denied_tokens(), 0);
}

#[test]
fn threads_that_flush_at_once_all_find_their_change_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (store, _) = open(&path);
    let state = store.state("one");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, state, path) = (&store, &state, &path);
            scope.spawn(move || {
                for round in 0..10 {
                    let name = format!("t{thread}r{round}");
                    log_out(state, &name, START);
                    store.flush(START).unwrap();
                    assert!(
                        fs::read_to_string(path)
                            .unwrap()
                            .contains(&format!("\"{name}\""))
                    );
                }
            });
        }
    });
    assert_eq!(open(&path).1, Opened::Read { records: 80 });
}
