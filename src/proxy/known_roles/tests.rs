use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::oneshot;

use super::*;
use crate::identity::ReservedNames;
use crate::rest_api::group_role::GroupRole;

const AGE: Duration = Duration::from_secs(5);
const OWNER: Result<Told, Refusal> = Ok(Some(GroupRole::Owner));
const NOBODY: Result<Told, Refusal> = Ok(None);
const FAILED: Result<Told, Refusal> = Err(Refusal::Unreachable);

fn user(name: &str) -> UserId {
    UserId::parse(name, &ReservedNames::default()).unwrap()
}

fn roles(capacity: usize) -> KnownRoles {
    KnownRoles {
        capacity,
        ..KnownRoles::new(AGE)
    }
}

/// Asks at a moment in milliseconds; tells the role and whether Chat was asked.
async fn ask(
    roles: &KnownRoles,
    group: &str,
    name: &str,
    at: u64,
    answer: Result<Told, Refusal>,
) -> (Result<Told, Refusal>, bool) {
    let asked = Cell::new(false);
    let question = async {
        asked.set(true);
        answer
    };
    let clock = || Duration::from_millis(at);
    let role = roles.role(group, user(name), clock, question).await;
    (role, asked.get())
}

#[tokio::test]
async fn a_role_is_believed_for_its_age_whether_there_is_one_or_not() {
    for answer in [OWNER, NOBODY] {
        let roles = roles(9);
        assert_eq!(ask(&roles, "g", "u7", 1000, answer).await, (answer, true));
        let other = Ok(Some(GroupRole::Member));
        assert_eq!(ask(&roles, "g", "u7", 5999, other).await, (answer, false));
        assert_eq!(ask(&roles, "g", "u7", 6000, other).await, (other, true));
    }
}

#[tokio::test]
async fn a_role_is_that_of_one_account_in_one_group() {
    let roles = roles(9);
    assert_eq!(ask(&roles, "g", "u7", 0, OWNER).await, (OWNER, true));
    assert_eq!(ask(&roles, "g", "u8", 0, NOBODY).await, (NOBODY, true));
    assert_eq!(ask(&roles, "G", "u7", 0, NOBODY).await, (NOBODY, true));
    assert_eq!(ask(&roles, "g", "u7", 0, NOBODY).await, (OWNER, false));
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let roles = roles(9);
    assert_eq!(ask(&roles, "g", "u7", 0, FAILED).await, (FAILED, true));
    assert_eq!(ask(&roles, "g", "u7", 0, OWNER).await, (OWNER, true));
}

/// Two who need one role at once: how often Chat is asked when the first question ends in this way.
async fn together(first: Option<Result<Told, Refusal>>) -> (Vec<Result<Told, Refusal>>, u32) {
    let (roles, asked) = (Rc::new(roles(9)), Rc::new(Cell::new(0)));
    let (answer, answered) = oneshot::channel();
    let (begin, begun) = oneshot::channel();
    let local = tokio::task::LocalSet::new();
    let task = |wait: Option<(oneshot::Sender<()>, oneshot::Receiver<_>)>| {
        let (roles, asked) = (Rc::clone(&roles), Rc::clone(&asked));
        async move {
            let question = async move {
                asked.set(asked.get() + 1);
                match wait {
                    Some((begin, answered)) => {
                        begin.send(()).unwrap();
                        answered.await.unwrap()
                    }
                    None => NOBODY,
                }
            };
            roles
                .role("g", user("u7"), Duration::default, question)
                .await
        }
    };
    local
        .run_until(async {
            let leader = tokio::task::spawn_local(task(Some((begin, answered))));
            begun.await.unwrap();
            let mut follower = std::pin::pin!(task(None));
            let waits = futures_now(follower.as_mut()).await;
            assert!(waits, "it did not wait for the answer under way");
            let mut ended = Vec::new();
            match first {
                Some(role) => {
                    answer.send(role).unwrap();
                    ended.push(leader.await.unwrap());
                }
                None => {
                    leader.abort();
                    assert!(leader.await.unwrap_err().is_cancelled());
                }
            }
            ended.push(follower.await);
            (ended, asked.get())
        })
        .await
}

/// Polls once; whether it is still not done.
async fn futures_now(mut future: std::pin::Pin<&mut impl Future>) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(future.as_mut().poll(context).is_pending())
    })
    .await
}

#[tokio::test]
async fn who_needs_a_role_that_is_asked_for_waits_for_the_answer() {
    assert_eq!(together(Some(OWNER)).await, (vec![OWNER, OWNER], 1));
    assert_eq!(together(Some(FAILED)).await, (vec![FAILED, FAILED], 1));
    // The client of the first has gone away: the next one asks for itself.
    assert_eq!(together(None).await, (vec![NOBODY], 2));
}

#[tokio::test]
async fn a_change_of_the_group_is_not_hidden_by_what_was_known_or_asked_before() {
    let roles = roles(9);
    assert!(ask(&roles, "g", "u7", 0, OWNER).await.1);
    assert!(ask(&roles, "other", "u7", 0, OWNER).await.1);
    roles.forget("g");
    assert_eq!(ask(&roles, "other", "u7", 0, NOBODY).await, (OWNER, false));
    assert_eq!(ask(&roles, "g", "u7", 0, NOBODY).await, (NOBODY, true));
    roles.forget("g");
    // The answer to a question from before the change is for those who asked it, and nobody else.
    let question = async {
        roles.forget("g");
        OWNER
    };
    let role = roles.role("g", user("u7"), Duration::default, question);
    assert_eq!(role.await, OWNER);
    assert_eq!(ask(&roles, "g", "u7", 0, NOBODY).await, (NOBODY, true));
    roles.forget_all();
    assert_eq!(ask(&roles, "other", "u7", 0, NOBODY).await, (NOBODY, true));
}

#[tokio::test]
async fn no_more_roles_are_kept_than_there_is_room_for() {
    let roles = roles(3);
    for (at, name) in [(0, "a"), (4000, "b"), (4000, "c"), (6000, "d")] {
        assert!(ask(&roles, "g", name, at, OWNER).await.1);
    }
    // The old one went.
    assert_eq!(roles.entries.lock().len(), 3);
    assert_eq!(ask(&roles, "g", "b", 6000, NOBODY).await, (OWNER, false));
    assert!(ask(&roles, "g", "e", 6000, OWNER).await.1);
    assert_eq!(roles.entries.lock().len(), 1);
    // Questions that were given up do not stay, either.
    for name in ["f", "g"] {
        let never = std::future::pending();
        let clock = || Duration::from_secs(6);
        let mut given_up = Box::pin(roles.role("g", user(name), clock, never));
        assert!(futures_now(given_up.as_mut()).await);
    }
    assert_eq!(roles.entries.lock().len(), 3);
    assert!(ask(&roles, "g", "h", 6000, OWNER).await.1);
    assert_eq!(roles.entries.lock().len(), 2);
}
