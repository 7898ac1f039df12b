//! The life of one key set against a scripted fetch, on a clock that stands still until nothing else can happen.

use http::StatusCode;
use tokio::task::{JoinHandle, JoinSet, yield_now};

use super::*;
use crate::key_source::SourceSettings;
use crate::key_source::tests::recorder::Recorder;
use crate::key_source::tests::signer::{Signer, key_set};
use crate::token::TokenError;
use crate::token::keys::Algorithm;
use crate::token::keys::location::KeyUrl;

#[derive(Clone)]
enum Scripted {
    Set(String),
    Fresh(String, Duration),
    Status(u16),
    RetryAfter(u64),
    Hang,
}

struct Script {
    answer: Mutex<Scripted>,
    fetches: Mutex<Vec<Instant>>,
}

impl Fetch for Arc<Script> {
    async fn get(&self, _url: &KeyUrl) -> Result<Document, Failure> {
        self.fetches.lock().push(Instant::now());
        yield_now().await;
        let answer = self.answer.lock().clone();
        let document = |body: String, max_age| {
            let body = body.into_bytes();
            Ok(Document { body, max_age })
        };
        let failure = |status, retry_after| {
            let error = FetchError::Status(StatusCode::from_u16(status).unwrap());
            Err(Failure { error, retry_after })
        };
        match answer {
            Scripted::Set(body) => document(body, None),
            Scripted::Fresh(body, max_age) => document(body, Some(max_age)),
            Scripted::Status(status) => failure(status, None),
            Scripted::RetryAfter(pause) => failure(429, Some(Duration::from_secs(pause))),
            Scripted::Hang => std::future::pending().await,
        }
    }
}

struct World {
    start: Instant,
    script: Arc<Script>,
    recorder: Arc<Recorder>,
    source: Arc<Source<Arc<Script>>>,
    task: Option<JoinHandle<()>>,
}

impl World {
    fn new(answer: Scripted) -> Self {
        let script = Arc::new(Script {
            answer: Mutex::new(answer),
            fetches: Mutex::new(vec![]),
        });
        let recorder = Recorder::new();
        let fetcher = Arc::clone(&script);
        let source = Source::new(settings(), fetcher, Arc::<Recorder>::clone(&recorder));
        Self {
            start: Instant::now(),
            script,
            recorder,
            source: Arc::new(source),
            task: None,
        }
    }

    /// Starts the task that fetches and waits for the end of its first fetch.
    async fn running(answer: Scripted) -> Self {
        let mut world = Self::new(answer);
        world.run();
        world.recorder.event(1).await;
        world
    }

    fn run(&mut self) {
        self.task = Some(tokio::spawn(Arc::clone(&self.source).keep_fresh()));
    }

    fn answer(&self, answer: Scripted) {
        *self.script.answer.lock() = answer;
    }

    fn fetches(&self) -> usize {
        self.script.fetches.lock().len()
    }

    async fn ask(&self, key_id: &str) -> Refreshed {
        self.source.refresh_for_unknown_key(Some(key_id)).await
    }

    fn ask_many(&self, key_ids: impl Iterator<Item = String>) -> JoinSet<Refreshed> {
        let mut asking = JoinSet::new();
        for id in key_ids {
            let source = Arc::clone(&self.source);
            asking.spawn(async move { source.refresh_for_unknown_key(Some(&id)).await });
        }
        asking
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn settings() -> SourceSettings {
    let location = Location::jwks("https://app.example/keys").unwrap();
    SourceSettings::new(0, "app", location, vec![Algorithm::EdDsa])
}

fn set(signers: &[&Signer]) -> Scripted {
    Scripted::Set(key_set(signers))
}

/// Lets the stopped clock run through every timer up to `seconds` from now.
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn k2_a_thousand_callers_at_cold_start_are_one_fetch() {
    let signer = Signer::new("a");
    let mut world = World::new(set(&[&signer]));
    let asking = world.ask_many((0..1000).map(|_| "a".to_owned()));
    yield_now().await;
    assert_eq!(
        world.recorder.verify(&signer),
        Err(TokenError::KeysUnavailable)
    );
    world.run();
    let answers = asking.join_all().await;
    assert!(answers.iter().all(|answer| *answer == Refreshed::Fresh));
    assert_eq!(world.fetches(), 1);
    assert_eq!(world.recorder.verify(&signer), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_waits_sees_what_was_published_for_it() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::running(set(&[&old])).await;
    assert_eq!(world.recorder.verify(&new), Err(TokenError::KeyUnknown));
    world.answer(set(&[&old, &new]));
    assert_eq!(world.ask("new").await, Refreshed::Fresh);
    assert_eq!(world.recorder.verify(&new), Ok(()));
    assert_eq!(world.recorder.verify(&old), Ok(()));
    assert_eq!(world.fetches(), 2);
    assert_eq!(
        world.start.elapsed(),
        Duration::ZERO,
        "nobody waited for a timer"
    );
}

#[tokio::test(start_paused = true)]
async fn k1_ten_thousand_unknown_keys_a_second_are_one_fetch_in_ten() {
    let signer = Signer::new("a");
    let world = World::running(set(&[&signer])).await;
    let mut fresh = 0;
    for second in 0..60 {
        let ids = (0..10_000).map(|number| format!("{second}-{number}"));
        let asking = world.ask_many(ids);
        assert_eq!(
            world.recorder.verify(&signer),
            Ok(()),
            "a known key waits for nothing"
        );
        let answers = asking.join_all().await;
        fresh += answers
            .iter()
            .filter(|one| **one == Refreshed::Fresh)
            .count();
        pass(1).await;
    }
    assert_eq!(world.fetches(), 1 + 6);
    assert!((6..=6 * MAX_WAITING).contains(&fresh), "{fresh}");
    assert_eq!(world.recorder.published(), 1);
    assert_eq!(world.recorder.verify(&signer), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn k2_a_key_that_came_while_its_token_was_judged_needs_no_fetch() {
    let signer = Signer::new("a");
    let world = World::running(set(&[&signer])).await;
    assert_eq!(world.ask("a").await, Refreshed::Fresh);
    assert_eq!(world.fetches(), 1);
    assert_eq!(world.ask("b").await, Refreshed::Fresh);
    assert_eq!(world.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn k1_one_unknown_key_does_not_spend_the_budget_of_another() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::running(set(&[&old])).await;
    assert_eq!(world.ask("forged").await, Refreshed::Fresh);
    assert_eq!(
        world.ask("other").await,
        Refreshed::NotNow,
        "the budget is spent"
    );
    pass(10).await;
    assert_eq!(
        world.ask("forged").await,
        Refreshed::NotNow,
        "it was asked for"
    );
    world.answer(set(&[&new]));
    assert_eq!(world.ask("new").await, Refreshed::Fresh);
    assert_eq!(world.fetches(), 3);
    pass(10).await;
    assert_eq!(
        world.ask("forged").await,
        Refreshed::Fresh,
        "the set changed since"
    );
    pass(20).await;
    assert_eq!(world.ask("forged").await, Refreshed::NotNow);
    pass(10).await;
    assert_eq!(
        world.ask("forged").await,
        Refreshed::Fresh,
        "thirty seconds passed"
    );
}

#[tokio::test(start_paused = true)]
async fn k1_a_token_without_a_key_id_spends_the_budget_too() {
    let world = World::running(set(&[&Signer::new("a")])).await;
    let ask = || world.source.refresh_for_unknown_key(None);
    assert_eq!(ask().await, Refreshed::Fresh);
    assert_eq!(ask().await, Refreshed::NotNow);
    pass(10).await;
    assert_eq!(ask().await, Refreshed::Fresh);
}

#[tokio::test(start_paused = true)]
async fn k1_those_who_wait_are_bounded_in_number_and_time() {
    let signer = Signer::new("a");
    let world = World::running(set(&[&signer])).await;
    world.answer(Scripted::Hang);
    let asking = world.ask_many((0..10_000).map(|number| number.to_string()));
    yield_now().await;
    assert_eq!(world.recorder.verify(&signer), Ok(()));
    let answers = asking.join_all().await;
    let waited = answers
        .iter()
        .filter(|one| **one == Refreshed::Failed)
        .count();
    assert_eq!(waited, MAX_WAITING);
    assert_eq!(world.start.elapsed(), MAX_WAIT);
    assert_eq!(world.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_takes_no_fetch_with_it() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::running(set(&[&old])).await;
    world.answer(set(&[&new]));
    let mut asking = world.ask_many(["new".to_owned()].into_iter());
    while world.fetches() < 2 {
        yield_now().await;
    }
    asking.abort_all();
    while asking.join_next().await.is_some() {}
    assert_eq!(world.recorder.event(2).await, "changed");
    assert_eq!(world.recorder.verify(&new), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn k3_the_last_good_set_is_kept_until_its_age_and_comes_back() {
    let signer = Signer::new("a");
    let world = World::running(set(&[&signer])).await;
    let unusable = [
        Scripted::Status(500),
        Scripted::RetryAfter(30),
        Scripted::Set("<html></html>".to_owned()),
        Scripted::Set(r#"{"keys":[]}"#.to_owned()),
        Scripted::Set(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#.to_owned()),
        set(&[&signer, &signer]),
        Scripted::Hang,
    ];
    for answer in unusable {
        world.answer(answer);
        pass(3 * 3600).await;
        assert_eq!(world.recorder.verify(&signer), Ok(()));
    }
    pass(3 * 3600 - 1).await;
    assert_eq!(world.recorder.verify(&signer), Ok(()));
    assert_eq!(world.recorder.published(), 1);
    assert!(world.source.status().failures > 1000);
}

#[tokio::test(start_paused = true)]
async fn k3_a_set_older_than_its_bound_is_withdrawn() {
    let signer = Signer::new("a");
    let world = World::running(set(&[&signer])).await;
    world.answer(Scripted::Status(503));
    pass(86_399).await;
    assert_eq!(world.recorder.verify(&signer), Ok(()));
    pass(2).await;
    assert_eq!(
        world.recorder.verify(&signer),
        Err(TokenError::KeysUnavailable)
    );
    assert!(world.recorder.events().contains(&"expired".to_owned()));
    let status = world.source.status();
    assert_eq!((status.age, status.keys), (None, 0));
    world.answer(set(&[&signer]));
    pass(60).await;
    assert_eq!(
        world.recorder.verify(&signer),
        Ok(()),
        "the same set counts again"
    );
    assert_eq!(world.recorder.published(), 3);
}

#[tokio::test(start_paused = true)]
async fn k3_a_fetch_that_never_ends_is_given_up_and_stops_no_expiry() {
    let signer = Signer::new("a");
    let world = World::running(set(&[&signer])).await;
    world.answer(Scripted::Hang);
    assert_eq!(world.ask("b").await, Refreshed::Failed);
    assert_eq!(world.recorder.event(2).await, "timeout");
    pass(86_400 + 60).await;
    assert_eq!(
        world.recorder.verify(&signer),
        Err(TokenError::KeysUnavailable)
    );
    world.answer(set(&[&signer]));
    pass(60 + 20).await;
    assert_eq!(world.recorder.verify(&signer), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn k4_before_the_first_success_there_are_no_keys() {
    let signer = Signer::new("a");
    let world = World::running(Scripted::Status(404)).await;
    assert_eq!(
        world.ask("a").await,
        Refreshed::NotNow,
        "a pause after a failure binds all"
    );
    pass(3600).await;
    assert_eq!(world.recorder.published(), 0);
    assert_eq!(
        world.recorder.verify(&signer),
        Err(TokenError::KeysUnavailable)
    );
    let status = world.source.status();
    assert_eq!((status.age, status.keys), (None, 0));
    assert_eq!(status.last_error.unwrap().reason(), "status");
    world.answer(set(&[&signer]));
    pass(60).await;
    assert_eq!(world.recorder.verify(&signer), Ok(()));
    assert_eq!(world.source.status().failures, 0);
    assert_eq!(world.ask("b").await, Refreshed::Fresh, "the pause is over");
}

#[tokio::test(start_paused = true)]
async fn k5_a_key_that_leaves_the_set_stops_within_the_refresh_time() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let body = key_set(&[&old, &new]);
    let world = World::running(Scripted::Fresh(body, Duration::from_secs(86_400))).await;
    assert_eq!(world.recorder.verify(&old), Ok(()));
    world.answer(set(&[&new]));
    pass(600).await;
    assert_eq!(world.recorder.verify(&old), Err(TokenError::KeyUnknown));
    assert_eq!(world.recorder.verify(&new), Ok(()));
    assert_eq!(world.recorder.published(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_set_is_fetched_but_not_published_again() {
    let signer = Signer::new("a");
    let world = World::running(set(&[&signer])).await;
    pass(3600).await;
    let events = world.recorder.events();
    assert!((6..=7).contains(&(events.len() - 1)), "{events:?}");
    assert!(events.iter().skip(1).all(|event| event == "same"));
    assert_eq!(world.recorder.published(), 1);
    let status = world.source.status();
    assert!(status.age.unwrap() <= Duration::from_secs(600));
    assert!(status.next_refresh <= Duration::from_secs(600));
    assert_eq!((status.keys, status.failures), (1, 0));
    assert!(status.last_error.is_none() && status.ignored.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_may_shorten_the_pause_down_to_a_minute() {
    let body = key_set(&[&Signer::new("a")]);
    for (fresh, most) in [(0, 66), (120, 33), (100_000, 7)] {
        let answer = Scripted::Fresh(body.clone(), Duration::from_secs(fresh));
        let world = World::running(answer).await;
        pass(3600).await;
        let count = world.fetches() - 1;
        assert!(
            (most * 9 / 10 - 1..=most + 1).contains(&count),
            "{fresh}: {count}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn k3_failures_are_followed_by_growing_pauses() {
    let world = World::running(Scripted::Status(500)).await;
    pass(600).await;
    let fetches = world.script.fetches.lock().clone();
    let pauses: Vec<_> = fetches
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64())
        .collect();
    for (number, pause) in pauses.iter().enumerate() {
        let full = f64::from(1 << number.min(6)).min(60.0);
        assert!(
            (full / 2.0..=full + 0.01).contains(pause),
            "{number}: {pause}"
        );
    }
    assert!((14..=28).contains(&pauses.len()), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn k3_a_server_that_asks_for_a_pause_gets_it_from_everybody() {
    let world = World::running(Scripted::RetryAfter(300)).await;
    for _ in 0..29 {
        pass(10).await;
        assert_eq!(world.ask("a").await, Refreshed::NotNow);
    }
    assert_eq!(world.fetches(), 1);
    pass(41).await;
    assert_eq!(world.fetches(), 2);
}

#[test]
fn no_pause_is_beyond_the_clock() {
    let now = Instant::now();
    assert!(later(now, Duration::MAX) > now + Duration::from_secs(365 * 86_400));
    assert_eq!(later(now, MAX_WAIT), now + MAX_WAIT);
}

#[tokio::test(start_paused = true)]
async fn a_status_counts_used_and_ignored_keys() {
    let (used, other) = (Signer::new("a"), Signer::new("b"));
    let mut foreign = other.jwk();
    foreign["use"] = "enc".into();
    let body = serde_json::json!({ "keys": [used.jwk(), foreign] }).to_string();
    let world = World::running(Scripted::Set(body)).await;
    let status = world.source.status();
    assert_eq!((status.keys, status.ignored.len()), (1, 1));
    assert_eq!(status.ignored[0].id.as_deref(), other.id());
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_the_keys_and_the_pace() {
    let signer = Signer::new("a");
    let old = World::running(set(&[&signer])).await;
    pass(100).await;
    let mut new = World::new(Scripted::Status(500));
    assert!(new.source.inherit(&old.source));
    assert_eq!(new.recorder.verify(&signer), Ok(()));
    new.run();
    pass(400).await;
    assert_eq!(new.fetches(), 0);
    assert_eq!(new.source.status().age, Some(Duration::from_secs(500)));
    pass(100).await;
    assert!(new.fetches() > 0);
    assert_eq!(new.recorder.verify(&signer), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_trusts_something_else_starts_anew() {
    let signer = Signer::new("a");
    let old = World::running(set(&[&signer])).await;
    type Change = fn(&mut SourceSettings);
    let changes: [(&str, Change); 3] = [
        ("location", |s| {
            s.location = Location::jwks("https://b.example/").unwrap()
        }),
        ("algorithms", |s| {
            s.algorithms = vec![Algorithm::Es256, Algorithm::EdDsa]
        }),
        ("allow_private", |s| s.allow_private = true),
    ];
    for (name, change) in changes {
        let mut changed = settings();
        change(&mut changed);
        let recorder = Recorder::new();
        let fetcher = Arc::clone(&old.script);
        let source = Source::new(changed, fetcher, Arc::<Recorder>::clone(&recorder));
        assert!(!source.inherit(&old.source), "{name}");
        assert_eq!(recorder.published(), 0, "{name}");
    }
}
