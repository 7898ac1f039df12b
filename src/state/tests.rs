use std::sync::Barrier;

use proptest::prelude::*;

use super::*;
use crate::identity::ReservedNames;
use crate::token::BearerToken;
use crate::token::keys::trust::{KeyFingerprint, Trust, TrustedKeys};
use crate::usersig::cache::{KeyVersion, Lookup, Signing, UserSigCache};
use crate::usersig::{Issuer, Lifetime, SdkAppId, SecretKey};

const START: UnixTime = UnixTime::from_secs(1_700_000_000);

fn later(seconds: u64) -> UnixTime {
    START.saturating_add(Duration::from_secs(seconds))
}

fn user(name: &str) -> UserId {
    UserId::parse(name, &ReservedNames::default()).unwrap()
}

fn token(text: &str) -> BearerToken {
    BearerToken::parse(text).unwrap()
}

fn session<'a>(token: &'a BearerToken, user: &'a UserId) -> Session<'a> {
    Session {
        issuer: "app",
        user,
        token: Some(token),
        jti: None,
        issued_at: Some(START),
        expires_at: later(600),
    }
}

fn small(tokens: usize, users: usize) -> State {
    State::in_memory(Limits {
        tokens: NonZeroUsize::new(tokens).unwrap(),
        users: NonZeroUsize::new(users).unwrap(),
    })
}

fn state() -> State {
    State::in_memory(Limits::default())
}

#[test]
fn a_logged_out_session_is_denied_by_token_or_jti_and_no_other_is() {
    let state = state();
    let (token_a, ada, bob) = (token("aa.bb.cc"), user("ada"), user("bob"));
    let logged_out = Session {
        jti: Some("7"),
        ..session(&token_a, &ada)
    };
    assert_eq!(state.admit(&logged_out), Ok(()));
    state.log_out(&logged_out, START);
    let other = token("aa.dd.cc");
    let twin = token("aa.bb.ee");
    let denied = Err(Denied::LoggedOut);
    let cases = [
        ("itself", logged_out, denied),
        ("the twin of its signature", session(&twin, &ada), denied),
        ("another token", session(&other, &ada), Ok(())),
        (
            "its jti in another token",
            Session {
                jti: Some("7"),
                ..session(&other, &ada)
            },
            denied,
        ),
        (
            "another jti",
            Session {
                jti: Some("8"),
                ..session(&other, &ada)
            },
            Ok(()),
        ),
        (
            "its jti at another user",
            Session {
                jti: Some("7"),
                ..session(&other, &bob)
            },
            Ok(()),
        ),
        (
            "its jti of another issuer",
            Session {
                jti: Some("7"),
                issuer: "x",
                ..session(&other, &ada)
            },
            Ok(()),
        ),
        (
            "itself after another mapping",
            session(&token_a, &bob),
            denied,
        ),
        (
            "itself of an issuer with another name",
            Session {
                issuer: "x",
                ..session(&token_a, &ada)
            },
            denied,
        ),
    ];
    for (name, session, expected) in cases {
        assert_eq!(state.admit(&session), expected, "{name}");
    }
}

#[test]
fn an_empty_jti_names_no_token() {
    let (state, ada) = (state(), user("ada"));
    let (one, other) = (token("aa.bb.cc"), token("aa.dd.cc"));
    state.log_out(
        &Session {
            jti: Some(""),
            ..session(&one, &ada)
        },
        START,
    );
    assert_eq!(
        state.admit(&Session {
            jti: Some(""),
            ..session(&other, &ada)
        }),
        Ok(())
    );
}

#[test]
fn c4_a_denial_outlives_the_token_and_the_verifier_s_leeway() {
    let (state, ada, token_a) = (state(), user("ada"), token("aa.bb.cc"));
    let session = session(&token_a, &ada);
    state.log_out(&session, START);
    let cases = [
        ("at its end", later(600), 1),
        ("within the longest leeway", later(600 + 600), 1),
        ("an hour after its end", later(600 + 3600), 0),
    ];
    for (name, now, left) in cases {
        state.sweep(now);
        assert_eq!(state.denied_tokens(), left, "{name}");
        assert_eq!(state.admit(&session).is_err(), left == 1, "{name}");
    }
}

#[test]
fn denied_tokens_are_bounded_and_the_one_that_ends_soonest_leaves() {
    let (state, ada) = (small(64, 64), user("ada"));
    let names: Vec<_> = (0..200)
        .map(|number| token(&format!("aa.{number}.cc")))
        .collect();
    for (index, token) in (0..).zip(&names) {
        let expires_at = later(1000 + index);
        state.log_out(
            &Session {
                expires_at,
                ..session(token, &ada)
            },
            START,
        );
    }
    assert!(state.denied_tokens() <= 64);
    assert_eq!(state.evicted_tokens() as usize, 200 - state.denied_tokens());
    assert!(state.admit(&session(&names[199], &ada)).is_err());
}

#[test]
fn very_many_logouts_of_one_user_deny_all_that_was_issued_to_him_before() {
    let (state, ada, bob) = (state(), user("ada"), user("bob"));
    for number in 0..1100 {
        state.log_out(
            &session(&token(&format!("aa.{number}.cc")), &ada),
            later(10),
        );
    }
    assert_eq!(state.denied_tokens(), 1024);
    let fresh = token("aa.new.cc");
    let at = |issued_at, user| {
        state.admit(&Session {
            issued_at,
            ..session(&fresh, user)
        })
    };
    let denied = Err(Denied::LoggedOut);
    assert_eq!(at(Some(later(10)), &ada), denied);
    assert_eq!(at(None, &ada), denied);
    assert_eq!(at(Some(later(11)), &ada), Ok(()));
    assert_eq!(at(Some(later(10)), &bob), Ok(()));
    state.sweep(later(600 + 3600));
    assert_eq!(at(Some(later(10)), &ada), Ok(()));
}

#[test]
fn a6_the_next_date_is_after_the_logout_and_after_the_kick() {
    let (state, ada, token_a) = (state(), user("ada"), token("aa.bb.cc"));
    let ticket = state.log_out(&session(&token_a, &ada), START);
    assert_eq!(ticket.send_from, START);
    let first = state.users.read(&ada, later(1)).0;
    assert_eq!(first.not_before, later(1));
    let landed = state.kick_landed(&ticket, later(3));
    assert_eq!(landed.not_before, later(4));
    assert!(landed.number > first.number);
}

#[test]
fn a6_a_kick_that_lands_within_the_same_second_leaves_one_second() {
    let (state, ada, token_a) = (state(), user("ada"), token("aa.bb.cc"));
    let ticket = state.log_out(&session(&token_a, &ada), START);
    assert_eq!(state.kick_landed(&ticket, START).not_before, later(1));
}

#[test]
fn a_generation_that_was_handed_out_ahead_of_the_clock_is_followed_by_a_later_date() {
    let (state, ada) = (state(), user("ada"));
    let (old, new) = (token("aa.bb.cc"), token("aa.dd.cc"));
    state.log_out(&session(&old, &ada), START);
    let handed = state.generation(&session(&new, &ada), START).unwrap();
    assert_eq!(handed.not_before, later(1));
    let ticket = state.log_out(&session(&new, &ada), START);
    // Before this second a kick would not reach what is dated ahead.
    assert_eq!(ticket.send_from, later(1));
    assert_eq!(state.users.read(&ada, START).0.not_before, later(2));
}

#[test]
fn c7_a_login_that_cannot_wait_is_dated_past_the_kick_and_followed_by_later_dates() {
    let (state, ada) = (state(), user("ada"));
    let (one, two) = (token("aa.bb.cc"), token("aa.dd.cc"));
    let (old, new) = (session(&one, &ada), session(&two, &ada));
    let usual = state.generation_past_kick(&new, START).unwrap();
    assert_eq!(usual, Generation::FIRST, "no kick is under way");

    let ticket = state.log_out(&old, START);
    assert_eq!(
        state.generation_past_kick(&old, START),
        Err(Denied::LoggedOut)
    );
    let logout = state.generation(&new, START).unwrap();
    let past = state.generation_past_kick(&new, START).unwrap();
    assert!(past.number > logout.number);
    assert_eq!(past.not_before, START.saturating_add(MAX_AHEAD));
    // What was issued that far ahead is voided by no kick but a later one, and followed by later dates only.
    let landed = state.kick_landed(&ticket, later(1));
    assert!(landed.not_before > past.not_before);
    let second = state.log_out(&new, later(1));
    assert!(second.send_from >= past.not_before);
}

#[test]
fn c7_a_raise_is_dated_after_the_clock_of_another_thread() {
    let (state, ada, bob) = (state(), user("ada"), user("bob"));
    let (one, other) = (token("aa.bb.cc"), token("aa.dd.cc"));
    state.generation(&session(&other, &bob), later(1)).unwrap();
    let ticket = state.log_out(&session(&one, &ada), START);
    assert_eq!(ticket.send_from, later(1));
    // A clock that was set back does not count.
    state
        .generation(&session(&other, &bob), later(100))
        .unwrap();
    assert_eq!(
        state.log_out(&session(&one, &ada), later(10)).send_from,
        later(10)
    );
}

#[test]
fn a_kick_is_tried_again_until_a_login_a_later_logout_or_success() {
    type Act = fn(&State, &Session<'_>, &Session<'_>, &KickTicket);
    let cases: [(&str, Act, bool); 6] = [
        ("nothing", |_, _, _, _| {}, true),
        (
            "a login",
            |state, _, new, _| _ = state.generation(new, later(5)),
            false,
        ),
        (
            "a renewal",
            |state, _, new, _| _ = state.renew(new, later(5)),
            false,
        ),
        (
            "a request of the denied session",
            |state, old, _, _| _ = state.generation(old, later(5)),
            true,
        ),
        (
            "a later logout",
            |state, _, new, _| _ = state.log_out(new, later(5)),
            false,
        ),
        (
            "success",
            |state, _, _, ticket| _ = state.kick_landed(ticket, later(5)),
            false,
        ),
    ];
    for (name, act, wanted) in cases {
        let (state, ada) = (state(), user("ada"));
        let (old, new) = (token("aa.bb.cc"), token("aa.dd.cc"));
        let (old, new) = (session(&old, &ada), session(&new, &ada));
        let ticket = state.log_out(&old, START);
        assert!(state.is_kick_under_way(&ada), "{name}");
        assert!(state.kick_failed(&ticket), "{name}");
        assert!(!state.is_kick_under_way(&ada), "{name}");
        act(&state, &old, &new, &ticket);
        assert_eq!(state.is_kick_wanted(&ticket), wanted, "{name}");
    }
}

#[test]
fn a_kick_that_lands_late_does_not_end_the_one_of_a_later_logout() {
    let (state, ada) = (state(), user("ada"));
    let (one, two) = (token("aa.bb.cc"), token("aa.dd.cc"));
    let first = state.log_out(&session(&one, &ada), START);
    let second = state.log_out(&session(&two, &ada), later(5));
    state.kick_landed(&first, later(6));
    assert!(state.is_kick_wanted(&second));
    state.kick_landed(&second, later(7));
    assert!(!state.is_kick_wanted(&second));
}

#[test]
fn a_user_may_renew_once_in_10_s() {
    let (ada, token_a) = (user("ada"), token("aa.bb.cc"));
    let session = session(&token_a, &ada);
    let too_soon = |seconds| RenewError::TooSoon {
        retry_after: Duration::from_secs(seconds),
    };
    let too_early = RenewError::TooEarly {
        retry_after: Duration::from_secs(100),
    };
    let cases = [
        ("the same second", 100, Some(too_soon(10))),
        ("9 s later", 109, Some(too_soon(1))),
        ("10 s later", 110, None),
        ("a clock set back by 2 s", 98, Some(too_soon(10))),
        // Nothing dates before what was handed out.
        ("a clock set back by 100 s", 0, Some(too_early)),
    ];
    for (name, now, expected) in cases {
        let state = state();
        let first = state.renew(&session, later(100)).unwrap();
        let second = state.renew(&session, later(now));
        assert_eq!(second.err(), expected, "{name}");
        if let Ok(second) = second {
            assert!(second.number > first.number, "{name}");
        }
        let bob = user("bob");
        let other = Session {
            user: &bob,
            ..session
        };
        assert!(state.renew(&other, later(now)).is_ok(), "{name}");
    }
}

#[test]
fn a_denied_session_renews_nothing() {
    let (state, ada, token_a) = (state(), user("ada"), token("aa.bb.cc"));
    let session = session(&token_a, &ada);
    state.log_out(&session, START);
    let before = state.users.read(&ada, START).0;
    assert_eq!(
        state.renew(&session, START),
        Err(RenewError::Denied(Denied::LoggedOut))
    );
    assert_eq!(state.generation(&session, START), Err(Denied::LoggedOut));
    assert_eq!(state.users.read(&ada, START).0, before);
}

#[test]
fn a_user_who_is_forgotten_counts_as_raised() {
    let (state, token_a) = (small(64, 64), token("aa.bb.cc"));
    let mut raised = Vec::new();
    for number in 0..1000 {
        let user = user(&format!("u{number}"));
        let generation = state.renew(&session(&token_a, &user), START).unwrap();
        raised.push((user, generation.number));
    }
    assert!(state.raised_users() <= 64);
    for (user, number) in raised {
        assert!(
            state.users.read(&user, later(60)).0.number >= number,
            "{user}"
        );
    }
}

#[test]
fn a_list_denies_and_kicks_each_new_user_once() {
    let (state, ada, token_a) = (state(), user("ada"), token("aa.bb.cc"));
    let list = |text: &str| {
        let text = format!("{text}\n");
        Arc::new(Revocations::parse(text.as_bytes(), &["app"]).unwrap())
    };
    let kicked = |text, now| state.revoke(list(text), now).len();
    let before = state.generation(&session(&token_a, &ada), START).unwrap();
    assert_eq!(kicked("user app ada", later(5)), 1);
    let denied = Err(Denied::SubjectRevoked);
    assert_eq!(state.admit(&session(&token_a, &ada)), denied);
    let after = state.users.read(&ada, later(9)).0;
    assert!(after.number > before.number && after.not_before == later(6));
    assert_eq!(kicked("user app ada\nuser app bob", later(7)), 1);
    assert_eq!(kicked("", later(8)), 0);
    assert_eq!(state.admit(&session(&token_a, &ada)), Ok(()));
    assert_eq!(kicked("user app ada", later(9)), 1);
}

/// A state with a list under which ada must log in anew, the kick for it, and a session that is new enough.
fn listed() -> (State, KickTicket) {
    let (state, list) = (state(), b"user app ada before 1700000000\n");
    let list = Revocations::parse(list, &["app"]).unwrap();
    let ticket = state.revoke(Arc::new(list), START);
    (state, ticket[0])
}

#[test]
fn a_kick_for_a_list_is_under_way_from_its_turn_on_and_has_one() {
    let (state, ticket) = listed();
    assert!(state.is_kick_wanted(&ticket) && !state.is_kick_under_way(&ticket.user));
    assert!(state.begin_kick(&ticket));
    assert!(state.is_kick_under_way(&ticket.user));
    assert_eq!(state.hurry_kick(&ticket.user), None);
    assert!(!state.begin_kick(&ticket));
    assert!(state.kick_failed(&ticket), "no login came");
}

#[test]
fn a_login_hurries_a_queued_kick_and_ends_its_retries() {
    let (state, ticket) = listed();
    let token_a = token("aa.bb.cc");
    let new = session(&token_a, &ticket.user);
    state.generation(&new, later(5)).unwrap();
    assert!(state.is_kick_wanted(&ticket), "the old UserSig still works");
    assert_eq!(state.hurry_kick(&ticket.user), Some(ticket));
    assert!(state.is_kick_under_way(&ticket.user));
    assert!(!state.begin_kick(&ticket), "its turn is over");
    assert_eq!(state.hurry_kick(&ticket.user), None);
    assert!(!state.kick_failed(&ticket));
    assert!(!state.begin_kick(&ticket));
}

#[test]
fn a_later_logout_takes_the_place_of_a_queued_kick() {
    let (state, ticket) = listed();
    let token_a = token("aa.bb.cc");
    let logout = state.log_out(&session(&token_a, &ticket.user), later(5));
    assert!(!state.begin_kick(&ticket));
    assert!(state.is_kick_under_way(&ticket.user) && state.is_kick_wanted(&logout));
}

#[test]
fn c7_a_login_that_cannot_wait_is_dated_past_a_queued_kick_too() {
    let (state, ticket) = listed();
    let token_a = token("aa.bb.cc");
    let new = session(&token_a, &ticket.user);
    let past = state.generation_past_kick(&new, later(5)).unwrap();
    assert_eq!(past.not_before, later(5).saturating_add(MAX_AHEAD));
    assert!(state.hurry_kick(&ticket.user).is_some());
    state.kick_landed(&ticket, later(6));
    let usual = state.generation_past_kick(&new, later(20)).unwrap();
    assert!(usual.not_before < later(20), "no kick is to come");
}

/// Logouts and hand-outs of one user on many threads: whoever was handed out a generation after a raise was done has
/// the new one, and nobody gets one with a session whose logout is done.
#[test]
fn c7_threads_that_hand_out_while_others_log_out_see_each_raise() {
    let (state, ada) = (&state(), user("ada"));
    let barrier = &Barrier::new(8);
    let count: usize = std::thread::scope(|scope| {
        let work = |thread: usize| {
            barrier.wait();
            let mut denied = 0;
            for round in 0..100 {
                let token = token(&format!("a{thread}.b{round}.cc"));
                let session = session(&token, &ada);
                let before = state.generation(&session, START).unwrap();
                let ticket = state.log_out(&session, START);
                assert!(ticket.number > before.number);
                assert!(state.users.read(&ada, START).0.number >= ticket.number);
                denied += usize::from(state.generation(&session, START).is_err());
            }
            denied
        };
        let threads: Vec<_> = (0..8)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(count, 800);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Tick(i8),
    Issue,
    StaleIssue,
    LogOut,
    KickLands,
    Renew,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (-1..4_i8).prop_map(Step::Tick),
        Just(Step::Issue),
        Just(Step::StaleIssue),
        Just(Step::LogOut),
        Just(Step::KickLands),
        Just(Step::Renew),
    ]
}

proptest! {
    /// Whatever happens: nothing that was issued before the last raise is handed out, nor dated before it, nor more
    /// than 2 s ahead, and what late requests put into the cache changes nothing.
    #[test]
    fn c7_nothing_issued_before_the_last_raise_is_handed_out(steps in prop::collection::vec(step(), 1..60)) {
        let issuer = Issuer::new(
            SdkAppId::new(1_400_000_000).unwrap(),
            SecretKey::parse(&"0123456789abcdef".repeat(4)).unwrap(),
            Lifetime::new(Duration::from_secs(86_400)).unwrap(),
        );
        let cache = UserSigCache::new(NonZeroUsize::MIN, Duration::from_secs(3600));
        let key = KeyFingerprint::of("test", b"the only one");
        let trust = Trust { key, keys: &TrustedKeys::new(vec![key]) };
        let (state, ada, live) = (state(), user("ada"), token("aa.live.cc"));
        let session = session(&live, &ada);
        let (mut now, mut superseded, mut since) = (START, Vec::new(), Vec::new());
        // Requests that read their generation and then were slow, once it was raised.
        let (mut last_read, mut late) = (None, None);
        let mut ticket = None;
        let mut raised_at = UnixTime::from_secs(0);
        for (index, step) in steps.into_iter().enumerate() {
            let get = |(generation, now)| {
                let signing = Signing { issuer: &issuer, key_version: KeyVersion(1), generation, session_end: None, trust };
                cache.get_or_issue(&ada, &signing, now)
            };
            match step {
                Step::Tick(seconds) => {
                    now = UnixTime::from_secs(now.as_secs().saturating_add_signed(seconds.into()));
                    continue;
                }
                Step::Issue => {
                    let current = (state.generation(&session, now).unwrap(), now);
                    last_read = Some(current);
                    if let Ok((issued, lookup)) = get(current) {
                        prop_assert!(!superseded.contains(&issued.user_sig), "step {index}");
                        prop_assert!(issued.issued_at > raised_at, "step {index}");
                        let ahead = issued.issued_at.saturating_since(now);
                        prop_assert!(lookup == Lookup::Hit || ahead <= MAX_AHEAD, "step {index}");
                        since.push(issued.user_sig);
                    }
                    continue;
                }
                Step::StaleIssue => {
                    if let Some(Ok((issued, _))) = late.map(get) {
                        superseded.push(issued.user_sig);
                    }
                    continue;
                }
                Step::LogOut => {
                    let old = token(&format!("aa.{index}.cc"));
                    ticket = Some(state.log_out(&Session { token: Some(&old), ..session }, now));
                }
                Step::KickLands => match ticket {
                    Some(ticket) => _ = state.kick_landed(&ticket, now),
                    None => continue,
                },
                Step::Renew => {
                    if state.renew(&session, now).is_err() {
                        continue;
                    }
                }
            }
            raised_at = now;
            superseded.append(&mut since);
            late = last_read.take().or(late);
        }
    }
}

#[test]
fn a_renewal_that_cannot_be_dated_does_not_count() {
    let (state, ada, live) = (state(), user("ada"), token("aa.live.cc"));
    let session = session(&live, &ada);
    // Logouts within one second, each with a login after it, push the next date ahead.
    let log_out = |index: u32| {
        let old = token(&format!("aa.{index}.cc"));
        state.log_out(
            &Session {
                token: Some(&old),
                ..session
            },
            START,
        );
        state.generation(&session, START).unwrap()
    };
    assert_eq!(
        [0, 1].map(|index| log_out(index).not_before),
        [later(1), later(2)]
    );
    let retry_after = Duration::from_secs(1);
    for _ in 0..2 {
        let early = state.renew(&session, START);
        assert_eq!(early, Err(RenewError::TooEarly { retry_after }));
    }
    let before = state.generation(&session, START).unwrap();
    assert_eq!(before.not_before, later(2), "a refused renewal raised");
    let renewed = state.renew(&session, later(1)).unwrap();
    assert_eq!(renewed.not_before, later(3));
    let retry_after = Duration::from_secs(9);
    let again = state.renew(&session, later(2));
    assert_eq!(again, Err(RenewError::TooSoon { retry_after }));
}
