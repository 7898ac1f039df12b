use proptest::prelude::*;

use super::*;
use crate::identity::ReservedNames;
use crate::rest_api::catalog::Catalog;

const START: Duration = Duration::from_secs(1000);

fn user(name: &str) -> UserId {
    UserId::parse(name, &ReservedNames::default()).unwrap()
}

fn rate(number: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(number)
}

fn command(number: u32) -> Command {
    Command {
        rate: rate(number).unwrap(),
        ..Command::clone(Catalog::builtin().find("openim/sendmsg").unwrap())
    }
}

fn millis(number: u64) -> Duration {
    START + Duration::from_millis(number)
}

/// How many of `calls` calls at one moment pass.
fn pass(
    budgets: &LocalBudgets,
    command: &Command,
    caller: &str,
    calls: usize,
    now: Duration,
) -> usize {
    (0..calls)
        .filter(|_| budgets.take(command, &user(caller), now).is_ok())
        .count()
}

#[test]
fn a_command_takes_its_documented_rate_and_says_when_to_come_again() {
    let budgets = LocalBudgets::new(Limits::default());
    let command = command(200);
    assert_eq!(pass(&budgets, &command, "u7", 300, START), 101);
    let exceeded = budgets.take(&command, &user("u8"), START).unwrap_err();
    assert_eq!(exceeded.scope, Scope::Command);
    assert_eq!(exceeded.retry_after, Duration::from_millis(10));
    let again = START + exceeded.retry_after;
    assert!(
        budgets
            .take(&command, &user("u8"), again - Duration::from_nanos(1))
            .is_err()
    );
    assert!(budgets.take(&command, &user("u8"), again).is_ok());
    let passed: usize = (11..1000)
        .map(|ms| pass(&budgets, &command, "u8", 1, millis(ms)))
        .sum();
    assert_eq!(101 + 1 + passed, 200);
}

#[test]
fn a_rate_of_one_is_one_a_second() {
    let budgets = LocalBudgets::new(Limits::default());
    let command = command(1);
    assert_eq!(pass(&budgets, &command, "u7", 5, START), 1);
    let exceeded = budgets
        .take(&command, &user("u7"), millis(400))
        .unwrap_err();
    assert_eq!(exceeded.retry_after, Duration::from_millis(600));
    assert_eq!(pass(&budgets, &command, "u7", 1, millis(999)), 0);
    assert_eq!(pass(&budgets, &command, "u7", 1, millis(1000)), 1);
}

#[test]
fn what_is_configured_takes_the_place_of_what_is_documented() {
    let command = command(200);
    let limits = Limits {
        commands: HashMap::from([(command.name.clone(), rate(10).unwrap())]),
        ..Limits::default()
    };
    assert_eq!(
        pass(&LocalBudgets::new(limits), &command, "u7", 300, START),
        6
    );
}

#[test]
fn the_app_and_each_caller_have_a_budget_over_all_commands() {
    let limits = Limits {
        app: rate(20),
        caller: rate(8),
        ..Limits::default()
    };
    let budgets = LocalBudgets::new(limits);
    let (one, mut two) = (command(200), command(200));
    two.name = CommandName::parse("openim/batchsendmsg").unwrap();
    assert_eq!(pass(&budgets, &one, "u7", 3, START), 3);
    assert_eq!(pass(&budgets, &two, "u7", 9, START), 2);
    let exceeded = budgets.take(&one, &user("u7"), START).unwrap_err();
    assert_eq!(
        (exceeded.scope, exceeded.retry_after),
        (Scope::Caller, Duration::from_millis(250))
    );
    assert_eq!(pass(&budgets, &two, "u8", 9, START), 5);
    assert_eq!(pass(&budgets, &two, "u9", 9, START), 1);
    let exceeded = budgets.take(&one, &user("u9"), START).unwrap_err();
    assert_eq!(
        (exceeded.scope, exceeded.retry_after),
        (Scope::App, Duration::from_millis(100))
    );
}

#[test]
fn a_refused_call_uses_up_no_other_budget() {
    let limits = Limits {
        caller: rate(2),
        ..Limits::default()
    };
    let budgets = LocalBudgets::new(limits);
    let command = command(10);
    assert_eq!(pass(&budgets, &command, "u7", 100, START), 2);
    assert_eq!(pass(&budgets, &command, "u8", 2, START), 2);
    assert_eq!(pass(&budgets, &command, "u9", 2, START), 2);
}

#[test]
fn callers_share_a_command_fairly_and_a_lone_one_may_use_it_all() {
    let budgets = LocalBudgets::new(Limits::default());
    let command = command(100);
    let mut passed = [0; 3];
    // The greedy one asks fifty times as often as the others and comes first each time.
    for ms in 0..10_000 {
        passed[0] += pass(&budgets, &command, "greedy", 5, millis(ms));
        if ms % 10 == 0 {
            passed[1] += pass(&budgets, &command, "u1", 1, millis(ms));
            passed[2] += pass(&budgets, &command, "u2", 1, millis(ms));
        }
    }
    let total: usize = passed.iter().sum();
    assert!((500..=551).contains(&total), "{passed:?}");
    assert!(
        passed[1..].iter().all(|calls| *calls > total / 5),
        "{passed:?}"
    );
    assert!(passed[0] < total / 2, "{passed:?}");

    let lone = LocalBudgets::new(Limits::default());
    let alone: usize = (0..10_000)
        .map(|ms| pass(&lone, &command, "u1", 1, millis(ms)))
        .sum();
    assert!((545..=551).contains(&alone), "{alone}");
}

#[test]
fn memory_does_not_grow_with_those_who_called_once() {
    let limits = Limits {
        caller: rate(5),
        ..Limits::default()
    };
    let budgets = LocalBudgets::new(limits);
    let command = command(200);
    for number in 0..50_000_u64 {
        let name = format!("u{number}");
        assert_eq!(pass(&budgets, &command, &name, 1, millis(number * 10)), 1);
        assert!(
            budgets.remembered() < 1024 + 250,
            "{}",
            budgets.remembered()
        );
    }
}

proptest! {
    #[test]
    fn no_second_takes_more_than_the_rate(
        number in 1_u32..60,
        steps in prop::collection::vec((0_u64..400, 1_usize..40, 0_usize..4), 1..60),
    ) {
        let budgets = LocalBudgets::new(Limits::default());
        let command = command(number);
        let (mut now, mut taken) = (0, Vec::new());
        for (step, calls, caller) in steps {
            now += step;
            let passed = pass(&budgets, &command, &format!("u{caller}"), calls, millis(now));
            taken.extend(std::iter::repeat_n(now, passed));
            let in_last_second = taken.iter().filter(|moment| **moment + 1000 > now).count();
            prop_assert!(in_last_second <= number as usize, "{} of {}", in_last_second, number);
        }
        prop_assert!(!taken.is_empty());
    }

    #[test]
    fn whoever_waits_as_long_as_told_gets_a_place(number in 1_u32..300, calls in 1_usize..300) {
        let budgets = LocalBudgets::new(Limits::default());
        let command = command(number);
        pass(&budgets, &command, "u7", calls, START);
        if let Err(exceeded) = budgets.take(&command, &user("u7"), START) {
            prop_assert!(!exceeded.retry_after.is_zero());
            prop_assert!(budgets.take(&command, &user("u7"), START + exceeded.retry_after).is_ok());
        }
    }
}

#[test]
fn new_limits_give_nobody_a_second_go() {
    let limits = |app| Limits {
        app: rate(app),
        ..Limits::default()
    };
    let command = command(100);
    let mut budgets = LocalBudgets::new(limits(10));
    let passed = |budgets: &LocalBudgets| pass(budgets, &command, "u7", 300, START);
    let first = passed(&budgets);
    assert!((1..=10).contains(&first), "{first}");
    for _ in 0..50 {
        let after = budgets.succeeded_by(limits(10));
        // A call that came under the earlier ones counts for both.
        assert_eq!((passed(&after), passed(&budgets)), (0, 0));
        budgets = after;
    }
    let fresh = LocalBudgets::new(limits(10));
    assert_eq!(passed(&fresh), first);
    // Other rates hold from now on, for what was used before as well.
    let later = START + Duration::from_secs(2);
    let more = budgets.succeeded_by(limits(1000));
    assert!(pass(&more, &command, "u7", 300, later) > 10);
    assert_eq!(passed(&more.succeeded_by(limits(1))), 0);
}

#[test]
fn an_even_share_is_the_budget_divided() {
    let command = command(200);
    let sharers = NonZeroU32::new(4).unwrap();
    let (whole, part) = (
        LocalBudgets::new(Limits::default()),
        LocalBudgets::new(Limits::default()),
    );
    let (mut of_whole, mut of_part) = (0, 0);
    for ms in 0..10_000 {
        let (now, caller) = (millis(ms), user("u7"));
        of_whole += usize::from(whole.take(&command, &caller, now).is_ok());
        let taken = part.take_share(&command, &caller, now, sharers);
        of_part += usize::from(taken.is_ok());
    }
    assert_eq!(of_whole, 101 + 999);
    // The first is free, of the hundred others each has its part.
    assert_eq!(of_part, 26 + 249);
    // A share of one is all of it.
    let one = LocalBudgets::new(Limits::default());
    let at_once = |_: &i32| {
        let taken = one.take_share(&command, &user("u7"), START, NonZeroU32::MIN);
        taken.is_ok()
    };
    assert_eq!((0..300).filter(at_once).count(), 101);
}
