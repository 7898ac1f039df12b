//! All on virtual time: a test that waits costs nothing.

use tokio::sync::Semaphore;

use super::*;
use crate::json::{JsonPointer, parse_object};
use crate::profile::ProfileClaims;

/// A Chat that notes who is imported and when, answers what it is told, and then with success.
struct Chat {
    started: Instant,
    calls: Mutex<Vec<(String, Duration)>>,
    answers: Mutex<VecDeque<ImportAnswer>>,
    /// How many calls may be answered.
    gate: Semaphore,
}

#[async_trait]
impl Importer for Chat {
    async fn import(&self, profile: &Profile) -> ImportAnswer {
        let call = (profile.user_id().to_string(), self.started.elapsed());
        self.calls.lock().push(call);
        self.gate.acquire().await.unwrap().forget();
        let answer = self.answers.lock().pop_front();
        answer.unwrap_or(ImportAnswer::Imported)
    }
}

impl Chat {
    fn start() -> Arc<Self> {
        Self::answering([])
    }

    fn answering(answers: impl IntoIterator<Item = ImportAnswer>) -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            calls: Mutex::default(),
            answers: Mutex::new(answers.into_iter().collect()),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    /// One that answers no call until it is let.
    fn silent() -> Arc<Self> {
        let chat = Self::start();
        chat.gate.forget_permits(Semaphore::MAX_PERMITS);
        chat
    }

    fn users(&self) -> Vec<String> {
        let calls = self.calls.lock();
        calls.iter().map(|(user, _)| user.clone()).collect()
    }

    fn times(&self) -> Vec<u64> {
        let calls = self.calls.lock();
        let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap();
        calls.iter().map(|(_, time)| millis(time)).collect()
    }
}

fn app(number: u32) -> SdkAppId {
    SdkAppId::new(number).unwrap()
}

fn imports(chat: &Arc<Chat>) -> ProfileImports {
    ProfileImports {
        importer: chat.clone(),
        sdk_app_id: app(1),
        endpoint: Endpoint::of_region("china").unwrap(),
        reserved: Arc::new(ReservedNames::new(["root"])),
        per_second: NonZeroU32::new(20).unwrap(),
        queue_capacity: NonZeroUsize::new(1000).unwrap(),
    }
}

fn profiles(imports: ProfileImports) -> Arc<Profiles> {
    let profiles = Profiles::new("a".into(), Arc::new(Metrics::new().unwrap()));
    profiles.replace(Some(imports));
    Arc::new(profiles)
}

fn profile(user: &str, nick: &str) -> Arc<Profile> {
    profile_of(app(1), user, nick)
}

fn profile_of(app: SdkAppId, user: &str, nick: &str) -> Arc<Profile> {
    let places = ProfileClaims {
        nick: Some(JsonPointer::parse("/n").unwrap()),
        avatar: None,
    };
    let claims = parse_object(format!(r#"{{"n":"{nick}"}}"#).as_bytes()).unwrap();
    let user = UserId::parse(user, &ReservedNames::default()).unwrap();
    Arc::new(places.read(app, user, &claims).unwrap())
}

impl Profiles {
    /// Lets everything happen until no worker is left.
    async fn finish(&self) {
        for _ in 0..100_000 {
            if self.queue.lock().workers == 0 {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("a worker does not end");
    }

    /// Lets everything happen that takes no longer than this.
    async fn go_on(&self, millis: u64) {
        sleep(Duration::from_millis(millis)).await;
    }

    /// Imported, refused, failed, dropped.
    fn counted(&self) -> [u64; 4] {
        self.metrics.profiles().create("a");
        let text = String::from_utf8(self.metrics.render()).unwrap();
        ["imported", "refused", "failed", "dropped"].map(|outcome| {
            let series =
                format!("usersig_proxy_profile_imports_total{{outcome=\"{outcome}\",site=\"a\"}} ");
            let mut values = text.lines().filter_map(|line| line.strip_prefix(&series));
            values.next().unwrap().parse().unwrap()
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_sent_once_and_again_when_it_changes() {
    let chat = Chat::start();
    let profiles = profiles(imports(&chat));
    for (nick, calls) in [("Ann", 1), ("Ann", 1), ("Anna", 2), ("Anna", 2), ("Ann", 3)] {
        profiles.offer(&profile("u1", nick));
        profiles.finish().await;
        profiles.go_on(10_000).await;
        assert_eq!(chat.users().len(), calls, "{nick}");
    }
    profiles.offer(&profile("u2", "Ann"));
    profiles.finish().await;
    assert_eq!(chat.users(), ["u1", "u1", "u1", "u2"]);
    assert_eq!(profiles.counted(), [4, 0, 0, 0]);
}

/// As when a user's sessions are given a UserSig each before Chat has answered the first import.
#[tokio::test(start_paused = true)]
async fn what_waits_twice_is_sent_once() {
    let chat = Chat::silent();
    let profiles = profiles(imports(&chat));
    for _ in 0..3 {
        profiles.offer(&profile("u1", "Ann"));
    }
    profiles.go_on(1000).await;
    chat.gate.add_permits(3);
    profiles.finish().await;
    assert_eq!(chat.users(), ["u1"]);
    assert_eq!(profiles.counted(), [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_users_later_profile_waits_for_his_earlier_one_and_nobody_else_does() {
    let chat = Chat::silent();
    let profiles = profiles(imports(&chat));
    for (user, nick, millis) in [
        ("u1", "Ann", 0),
        ("u2", "Ben", 10_000),
        ("u1", "Anna", 1000),
    ] {
        profiles.offer(&profile(user, nick));
        profiles.go_on(millis).await;
    }
    assert_eq!(chat.users(), ["u1", "u2"]);
    chat.gate.add_permits(3);
    profiles.finish().await;
    assert_eq!(chat.users(), ["u1", "u2", "u1"]);
    profiles.offer(&profile("u1", "Anna"));
    assert_eq!(profiles.queue.lock().waiting.len(), 0, "Chat has the later");
}

#[tokio::test(start_paused = true)]
async fn calls_keep_the_pace_whoever_makes_them() {
    for (per_second, gap) in [(20, 50), (1, 1000)] {
        let chat = Chat::start();
        let profiles = profiles(ProfileImports {
            per_second: NonZeroU32::new(per_second).unwrap(),
            ..imports(&chat)
        });
        for number in 0..50 {
            profiles.offer(&profile(&format!("u{number}"), "Ann"));
        }
        profiles.finish().await;
        let expected: Vec<u64> = (0..50).map(|number| number * gap).collect();
        assert_eq!(chat.times(), expected);
        // After a rest there is no burst.
        profiles.go_on(60_000).await;
        let rested = u64::try_from(chat.started.elapsed().as_millis()).unwrap();
        for number in 50..53 {
            profiles.offer(&profile(&format!("u{number}"), "Ann"));
        }
        profiles.finish().await;
        let late: Vec<u64> = (0..3).map(|number| rested + number * gap).collect();
        assert_eq!(chat.times()[50..], late);
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_sent_again_with_growing_pauses_until_chat_has_it() {
    let chat = Chat::answering([ImportAnswer::Unanswered; 4]);
    let profiles = profiles(imports(&chat));
    profiles.offer(&profile("u1", "Ann"));
    profiles.finish().await;
    assert_eq!(chat.times(), [0, 1000, 3000, 7000, 15_000]);
    assert_eq!(profiles.counted(), [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_profile_that_never_arrives_is_given_up_and_offered_anew_by_the_next_user_sig() {
    let chat = Chat::answering([ImportAnswer::Unanswered; 8]);
    let profiles = profiles(imports(&chat));
    profiles.offer(&profile("u1", "Ann"));
    profiles.finish().await;
    assert_eq!(chat.users().len(), 8);
    assert_eq!(chat.times().last(), Some(&123_000));
    assert_eq!(profiles.counted(), [0, 0, 1, 0]);
    profiles.offer(&profile("u1", "Ann"));
    profiles.finish().await;
    assert_eq!(profiles.counted(), [1, 0, 1, 0]);
}

/// Whatever it is about four users that Chat cannot take, others do not wait for them as for a Chat that is down.
#[tokio::test(start_paused = true)]
async fn what_chat_answers_and_cannot_take_is_soon_given_up() {
    let chat = Chat::answering([ImportAnswer::Again; 20]);
    let profiles = profiles(imports(&chat));
    for number in 0..5 {
        profiles.offer(&profile(&format!("u{number}"), "Ann"));
    }
    profiles.finish().await;
    assert_eq!(profiles.counted(), [0, 0, 5, 0]);
    let times = chat.times();
    assert_eq!(times.len(), 20);
    assert!(times.iter().all(|millis| *millis < 16_000), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn one_user_is_imported_three_times_in_ten_seconds_at_most() {
    let chat = Chat::start();
    let profiles = profiles(imports(&chat));
    for number in 0..25 {
        profiles.offer(&profile("u1", &format!("Ann {number}")));
        profiles.offer(&profile("u2", "Ben"));
        profiles.go_on(1000).await;
    }
    let of_one: Vec<_> = chat.users().into_iter().zip(chat.times()).collect();
    let times = of_one.iter().filter(|(user, _)| user == "u1");
    let seconds: Vec<_> = times.map(|(_, millis)| millis / 1000).collect();
    assert_eq!(seconds, [0, 1, 2, 10, 11, 12, 20, 21, 22]);
    assert_eq!(chat.users().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn of_one_user_the_latest_profile_waits() {
    let chat = Chat::silent();
    let profiles = profiles(ProfileImports {
        queue_capacity: NonZeroUsize::new(1).unwrap(),
        ..imports(&chat)
    });
    for nick in ["Ann", "Anna", "Annie"] {
        profiles.offer(&profile("u1", nick));
    }
    let latest = |user: &str| {
        let queue = profiles.queue.lock();
        let mut profiles = queue.latest.values();
        let found = profiles.find(|one| one.user_id().as_str() == user);
        found.map(|profile| profile.body())
    };
    assert!(latest("u1").unwrap().contains("Annie"));
    assert_eq!(profiles.counted(), [0, 0, 0, 0]);
    profiles.go_on(10).await;
    assert_eq!(latest("u1"), None);
    chat.gate.add_permits(1);
    profiles.finish().await;
    assert_eq!(profiles.counted(), [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_chat_refuses_is_not_sent_again() {
    let refused = |error_code| ImportAnswer::Refused { error_code };
    let chat = Chat::answering([refused(Some(70_402)), refused(None)]);
    let profiles = profiles(imports(&chat));
    for user in ["u1", "u2", "u3"] {
        profiles.offer(&profile(user, "Ann"));
    }
    profiles.finish().await;
    assert_eq!(chat.users(), ["u1", "u2", "u3"]);
    assert_eq!(profiles.counted(), [1, 2, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_chat_is_kept_and_is_no_attempt() {
    let retry_after = Duration::from_secs(60);
    let chat = Chat::answering([ImportAnswer::Paused { retry_after }; 10]);
    let profiles = profiles(imports(&chat));
    profiles.offer(&profile("u1", "Ann"));
    profiles.finish().await;
    let expected: Vec<u64> = (0..=10).map(|number| number * 60_000).collect();
    assert_eq!(chat.times(), expected);
    assert_eq!(profiles.counted(), [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_is_down_is_asked_by_a_few_and_the_rest_waits() {
    let chat = Chat::answering([ImportAnswer::Unanswered; 4]);
    let profiles = profiles(imports(&chat));
    let users: Vec<_> = (0..9).map(|number| format!("u{number}")).collect();
    for user in &users {
        profiles.offer(&profile(user, "Ann"));
    }
    profiles.go_on(900).await;
    assert_eq!(chat.users(), users[..4]);
    profiles.finish().await;
    assert_eq!(chat.users().len(), 13);
    assert_eq!(profiles.counted(), [9, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_dropped_and_counted() {
    let chat = Chat::silent();
    let profiles = profiles(ProfileImports {
        queue_capacity: NonZeroUsize::new(2).unwrap(),
        ..imports(&chat)
    });
    let offer = |from, to| {
        for number in from..to {
            profiles.offer(&profile(&format!("u{number}"), "Ann"));
        }
    };
    // Before a worker has taken any, and once each has one.
    offer(0, 3);
    assert_eq!(profiles.counted(), [0, 0, 0, 1]);
    profiles.go_on(1000).await;
    offer(3, 5);
    profiles.go_on(1000).await;
    assert_eq!(profiles.counted(), [0, 0, 0, 1]);
    offer(5, 9);
    assert_eq!(profiles.counted(), [0, 0, 0, 3]);
    chat.gate.add_permits(100);
    profiles.finish().await;
    assert_eq!(chat.users(), ["u0", "u1", "u3", "u4", "u5", "u6"]);
    assert_eq!(profiles.counted(), [6, 0, 0, 3]);
    assert!(!profiles.queue.lock().is_told_full);
}

#[tokio::test(start_paused = true)]
async fn an_administrator_is_never_imported() {
    let chat = Chat::start();
    let profiles = profiles(imports(&chat));
    for user in ["root", "Root", "u1"] {
        profiles.offer(&profile(user, "Ann"));
    }
    profiles.finish().await;
    assert_eq!(chat.users(), ["u1"]);
    assert_eq!(profiles.counted(), [1, 0, 0, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_goes_on_under_another_configuration_of_the_same_application() {
    let (old, new) = (Chat::silent(), Chat::start());
    let profiles = profiles(imports(&old));
    old.gate.add_permits(1);
    profiles.offer(&profile("known", "Ann"));
    profiles.finish().await;
    let users: Vec<_> = (0..8).map(|number| format!("u{number}")).collect();
    for user in &users {
        profiles.offer(&profile(user, "Ann"));
    }
    profiles.go_on(1000).await;
    let region = Endpoint::of_region("singapore").unwrap();
    profiles.replace(Some(ProfileImports {
        endpoint: region.clone(),
        ..imports(&new)
    }));
    old.answers.lock().push_back(ImportAnswer::Again);
    old.gate.add_permits(4);
    profiles.finish().await;
    assert_eq!(old.users()[1..], users[..4]);
    // With the one that the old one could not take.
    let mut taken = new.users();
    assert_eq!(taken.pop().as_deref(), Some("u0"));
    assert_eq!(taken, users[4..]);
    assert_eq!(profiles.counted(), [9, 0, 0, 0]);

    // What the old place has is not known of the new one, and stays known where nothing has changed.
    profiles.replace(Some(ProfileImports {
        endpoint: region,
        ..imports(&new)
    }));
    for user in ["known"]
        .into_iter()
        .chain(users.iter().map(String::as_str))
    {
        profiles.offer(&profile(user, "Ann"));
    }
    profiles.finish().await;
    assert_eq!(new.users()[5..], ["known", "u1", "u2", "u3"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_of_another_application_is_dropped() {
    let (old, new) = (Chat::start(), Chat::start());
    let profiles = profiles(imports(&old));
    profiles.offer(&profile("u1", "Ann"));
    profiles.replace(Some(ProfileImports {
        sdk_app_id: app(2),
        ..imports(&new)
    }));
    profiles.offer(&profile("u3", "Ann"));
    profiles.offer(&profile_of(app(2), "u2", "Ann"));
    profiles.finish().await;
    assert_eq!((old.users(), new.users()), (vec![], vec!["u2".to_owned()]));
    assert_eq!(profiles.counted(), [1, 0, 0, 2]);
}

#[tokio::test(start_paused = true)]
async fn without_imports_nothing_is_taken_and_what_waits_is_forgotten() {
    let chat = Chat::silent();
    let profiles = profiles(imports(&chat));
    let users: Vec<_> = (0..8).map(|number| format!("u{number}")).collect();
    for user in &users {
        profiles.offer(&profile(user, "Ann"));
    }
    profiles.go_on(1000).await;
    chat.answers.lock().extend([ImportAnswer::Again; 3]);
    profiles.replace(None);
    assert!(profiles.queue.lock().waiting.is_empty());
    chat.gate.add_permits(100);
    profiles.offer(&profile("u9", "Ann"));
    profiles.finish().await;
    assert_eq!(chat.users(), users[..4]);
    assert_eq!(profiles.counted(), [0, 0, 0, 0]);
    // It can begin again.
    profiles.replace(Some(imports(&chat)));
    profiles.offer(&profile("u9", "Ann"));
    profiles.finish().await;
    assert_eq!(chat.users()[4..], ["u9"]);
}

#[tokio::test(start_paused = true)]
async fn the_memory_of_what_chat_has_is_bounded() {
    let chat = Chat::start();
    let profiles = profiles(imports(&chat));
    let now = imports(&chat);
    for number in 0..=REMEMBERED.get() {
        profiles.note_imported(&now, &profile(&format!("u{number}"), "Ann"));
    }
    assert_eq!(profiles.queue.lock().taken.len(), REMEMBERED.get());
    let last = format!("u{REMEMBERED}");
    profiles.offer(&profile(&last, "Ann"));
    profiles.offer(&profile("u0", "Ann"));
    profiles.finish().await;
    assert_eq!(chat.users(), ["u0"]);
}

#[tokio::test(start_paused = true)]
async fn what_chat_has_is_sent_again_after_another_that_is_under_way() {
    let chat = Chat::start();
    let profiles = profiles(imports(&chat));
    profiles.offer(&profile("u1", "Ann"));
    profiles.finish().await;
    chat.gate.forget_permits(Semaphore::MAX_PERMITS);
    profiles.offer(&profile("u1", "Anna"));
    profiles.go_on(1000).await;
    assert_eq!(chat.users().len(), 2, "one is under way");
    profiles.offer(&profile("u1", "Ann"));
    chat.gate.add_permits(10);
    profiles.finish().await;
    assert_eq!(chat.users().len(), 3);
    // Now it has that one.
    profiles.offer(&profile("u1", "Ann"));
    profiles.finish().await;
    assert_eq!(chat.users().len(), 3);
}

/// A mistake of ours in one import must not be the end of all.
#[tokio::test(start_paused = true)]
async fn an_import_that_panics_costs_that_profile_only() {
    struct Broken(Arc<Chat>);
    #[async_trait]
    impl Importer for Broken {
        async fn import(&self, profile: &Profile) -> ImportAnswer {
            let answer = self.0.import(profile).await;
            assert!(!profile.user_id().as_str().starts_with("odd"));
            answer
        }
    }
    let chat = Chat::start();
    let profiles = profiles(ProfileImports {
        importer: Arc::new(Broken(chat.clone())),
        ..imports(&chat)
    });
    let odd: Vec<_> = (0..=WORKERS).map(|number| format!("odd{number}")).collect();
    for user in &odd {
        profiles.offer(&profile(user, "Ann"));
        profiles.finish().await;
    }
    profiles.offer(&profile("u1", "Ann"));
    profiles.offer(&profile(&odd[0], "Ann"));
    profiles.finish().await;
    let users = chat.users();
    assert_eq!(users.len(), odd.len() + 2, "{users:?}");
    assert!(users.contains(&"u1".to_owned()));
    assert_eq!(profiles.counted(), [1, 0, 0, 0]);
}
