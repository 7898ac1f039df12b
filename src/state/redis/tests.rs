use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::identity::{ReservedNames, UserId};
use crate::secret::SecretBytes;
use crate::state::revocation::Revocations;
use crate::state::{Change, Limits, Session, State};
use crate::time::UnixTime;
use crate::token::BearerToken;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

fn user() -> UserId {
    UserId::parse("ada", &ReservedNames::default()).unwrap()
}

fn session<'a>(user: &'a UserId, token: &'a BearerToken) -> Session<'a> {
    Session {
        issuer: "app",
        user,
        token: Some(token),
        jti: None,
        issued_at: Some(NOW),
        expires_at: NOW.saturating_add(Duration::from_secs(600)),
    }
}

fn node() -> State {
    let state = State::in_memory(Limits::default());
    state.share();
    state
}

/// What one node tells the other reaches it.
fn tell(from: &State, to: &State) {
    for change in from.take_shared() {
        to.absorb_shared(change, false);
    }
}

#[test]
fn a_login_on_another_node_ends_the_retries_of_a_kick_here_and_only_that() {
    let (user, token, fresh) = (
        user(),
        BearerToken::parse("a.b.c").unwrap(),
        BearerToken::parse("d.e.f").unwrap(),
    );
    let later = NOW.saturating_add(Duration::from_secs(5));
    for logs_in in [true, false] {
        let (here, there) = (node(), node());
        let ticket = here.log_out(&session(&user, &token), NOW);
        assert!(here.kick_failed(&ticket));
        tell(&here, &there);
        assert!(there.admit(&session(&user, &token)).is_err());
        // The kick is not that node's to send.
        assert!(there.pending_kicks().is_empty());
        if logs_in {
            there.generation(&session(&user, &fresh), later).unwrap();
        }
        tell(&there, &here);
        assert_eq!(here.is_kick_wanted(&ticket), !logs_in);
    }
}

#[test]
fn what_a_node_wrote_itself_does_not_end_its_newer_kick() {
    let (user, token) = (user(), BearerToken::parse("a.b.c").unwrap());
    let here = node();
    let first = here.log_out(&session(&user, &token), NOW);
    here.kick_landed(&first, NOW);
    let written: Vec<Change> = here.take_shared();
    // Within the same second, so under the same date.
    let second = here.log_out(&session(&user, &token), NOW);
    for change in written.clone() {
        here.absorb_shared(change, true);
    }
    assert!(here.is_kick_wanted(&second));
    // The twin: another node's word of that date does.
    for change in written {
        here.absorb_shared(change, false);
    }
    assert!(!here.is_kick_wanted(&second));
}

#[test]
fn a_generation_never_goes_back_and_the_order_does_not_matter() {
    let (user, token) = (user(), BearerToken::parse("a.b.c").unwrap());
    let fresh = BearerToken::parse("d.e.f").unwrap();
    let here = node();
    here.log_out(&session(&user, &token), NOW);
    let old = here.take_shared();
    let later = NOW.saturating_add(Duration::from_secs(100));
    here.log_out(&session(&user, &token), later);
    let new = here.take_shared();
    let mut dates = Vec::new();
    for changes in [[&old, &new], [&new, &old]] {
        let there = node();
        for change in changes.into_iter().flatten() {
            there.absorb_shared(change.clone(), false);
        }
        let moment = later.saturating_add(Duration::from_secs(1));
        let generation = there.generation(&session(&user, &fresh), moment).unwrap();
        dates.push(generation.not_before);
    }
    assert_eq!(dates, [later.saturating_add(Duration::from_secs(1)); 2]);
}

#[test]
fn nothing_collects_while_nobody_takes_it_and_all_is_known_afterwards() {
    let (user, token) = (user(), BearerToken::parse("a.b.c").unwrap());
    let here = node();
    here.unshare();
    here.log_out(&session(&user, &token), NOW);
    assert!(here.take_shared().is_empty());
    here.share();
    assert!(here.take_shared().is_empty());
    assert_eq!(here.known().len(), 2);
    here.log_out(&session(&user, &token), NOW);
    assert_eq!(here.take_shared().len(), 2);
}

#[test]
fn what_others_did_goes_to_the_file_and_not_back_to_them() {
    let (user, token) = (user(), BearerToken::parse("a.b.c").unwrap());
    let there = node();
    there.log_out(&session(&user, &token), NOW);
    let here = State::kept(Limits::default());
    here.share();
    tell(&there, &here);
    assert!(here.take_shared().is_empty());
    assert_eq!(here.take_changes().len(), 2);
}

fn settings() -> Settings {
    Settings {
        server: Server::Unix("/run/redis.sock".into()),
        database: 0,
        username: Some("proxy".to_owned()),
        password: Some(SecretBytes::new(b"correct horse".to_vec())),
        prefix: "usersig-proxy:".to_owned(),
        timeout: Duration::from_millis(500),
        nodes: std::num::NonZeroU32::MIN,
    }
}

/// A store that was away, or an older node, still says that they are on the list.
#[test]
fn who_left_the_list_is_new_when_he_comes_back() {
    let list = |text: &str| Arc::new(Revocations::parse(text.as_bytes(), &["app"]).unwrap());
    let node = node();
    let kicked = |text: &str| node.revoke(list(text), NOW).len();
    assert_eq!(kicked("user app ada\n"), 1);
    let written = node.take_shared();
    assert_eq!(kicked(""), 0);
    node.unshare();
    node.share();
    for change in written {
        node.absorb_shared(change, false);
    }
    let left = |change: &Change| matches!(change, Change::Enforced(subject) if !subject.listed);
    assert!(node.known().iter().any(left));
    assert_eq!(kicked("user app ada\n"), 1);
    assert!(!node.known().iter().any(left));
    // The twin: who is on the list of another node and was never on this one's is known as kicked.
    let other = self::node();
    for change in node.known() {
        other.absorb_shared(change, false);
    }
    assert_eq!(other.revoke(list("user app ada\n"), NOW).len(), 0);
}

/// Each answer wakes the call, and none brings a place in time.
#[tokio::test(start_paused = true)]
async fn a_call_waits_in_all_no_longer_than_it_may_for_one_answer() {
    let mut standing = Standing::at_start();
    standing.rise();
    let (_standing, standing) = watch::channel(standing);
    let budget = Arc::new(AppBudget::new(standing, Arc::default(), &settings()));
    let late = Arc::clone(&budget);
    let answers = tokio::spawn(async move {
        loop {
            sleep(Duration::from_millis(150)).await;
            late.put_back(Vec::new());
        }
    });
    let wants = [Want {
        name: "openim/sendmsg",
        rate: std::num::NonZeroU32::MIN,
    }];
    let taken = timeout(Duration::from_secs(60), budget.take(&wants)).await;
    assert!(matches!(taken, Ok(Taken::Away { .. })));
    answers.abort();
}

#[test]
fn debug_shows_no_password() {
    let settings = settings();
    assert!(!format!("{settings:?}").contains("horse"));
    assert_eq!(settings, settings.clone());
    let other = Settings {
        password: Some(SecretBytes::new(b"battery staple".to_vec())),
        ..settings.clone()
    };
    assert_ne!(settings, other);
}

/// Tells nobody.
struct Nobody;

impl Watcher for Nobody {
    fn asked(&self, _: Operation, _: &'static str) {}
    fn reconnected(&self) {}
    fn ignored_record(&self) {}
}

#[tokio::test]
async fn while_the_store_is_away_nobody_waits_and_the_budgets_are_shared_evenly() {
    let settings = Settings {
        server: Server::Unix("/nowhere/redis.sock".into()),
        database: 0,
        username: None,
        password: None,
        prefix: String::new(),
        timeout: Duration::from_secs(3600),
        nodes: std::num::NonZeroU32::new(4).unwrap(),
    };
    let fleet = Fleet::new(settings, Box::new(Nobody)).unwrap();
    let app = SdkAppId::new(7).unwrap();
    fleet.share("app", app, Duration::from_secs(60), &Arc::new(node()));
    fleet.first_look().await;
    assert_eq!(
        fleet.standing().fault(),
        Some(Fault::Unreachable(std::io::ErrorKind::NotFound))
    );
    // An hour, if it were waited for.
    fleet.keep().await;
    let rate = std::num::NonZeroU32::new(200).unwrap();
    let taken = fleet.budget(app).take(&[Want { name: "a/b", rate }]).await;
    assert!(
        matches!(taken, Taken::Away { nodes } if nodes.get() == 4),
        "{taken:?}"
    );
}
