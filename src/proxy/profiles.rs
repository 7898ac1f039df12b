//! Profiles on their way to Chat: nickname and avatar of users who were issued a UserSig.
//!
//! No request waits for it and none fails by it: what is offered queues, and up to [`WORKERS`] tasks import it, at the pace that
//! the configuration sets. They begin with the first profile and end with the last. One that Chat could not take is sent again
//! by the same task, so a Chat that is down is asked by a few and the rest waits; where Chat answers and takes the others, that is
//! soon given up. Where the queue is full a profile is dropped; the user's next UserSig offers it anew.
//!
//! Of a user one profile waits, the latest, and [`MOST`] are taken in [`PERIOD`], so that nobody takes the pace of all. What Chat
//! has is remembered as 64 bits for each of the last [`REMEMBERED`] users, so that no UserSig sends the same again.
//! Nothing of it survives the process. Log lines tell whose profile it is and not what it says.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use crate::identity::{ReservedNames, UserId};
use crate::metrics::{ImportOutcome, Metrics};
use crate::profile::{ImportAnswer, Profile};
use crate::rest_api::sign::Endpoint;
use crate::usersig::SdkAppId;

/// Imports accounts into Chat.
#[async_trait]
pub trait Importer: Send + Sync {
    /// One attempt, bounded in time.
    async fn import(&self, profile: &Profile) -> ImportAnswer;
}

/// How profiles are imported under one configuration.
pub struct ProfileImports {
    /// Makes the calls.
    pub importer: Arc<dyn Importer>,
    /// The application that they are made for.
    pub sdk_app_id: SdkAppId,
    /// Where its Chat is.
    pub endpoint: Endpoint,
    /// The administrators, whose accounts are not touched.
    pub reserved: Arc<ReservedNames>,
    /// How many calls a second are made at most.
    pub per_second: NonZeroU32,
    /// How many profiles may wait.
    pub queue_capacity: NonZeroUsize,
}

/// The profiles of a site that wait, whatever its configuration is by now.
pub struct Profiles {
    site: Arc<str>,
    metrics: Arc<Metrics>,
    hasher: RandomState,
    queue: Mutex<Queue>,
}

struct Queue {
    /// A reload may bring another key, place or pace while profiles wait; nothing is imported without.
    imports: Option<Arc<ProfileImports>>,
    /// The users whose profiles wait, in turn.
    waiting: VecDeque<UserId>,
    /// What waits, for each of them.
    latest: HashMap<UserId, Arc<Profile>>,
    /// Whose profiles the workers have: of one user no two are under way, so that the last one stays.
    under_way: Vec<UserId>,
    workers: usize,
    /// When the next call may be made.
    next_call: Option<Instant>,
    taken: LruCache<UserId, Taken>,
    /// Whether it was said that the queue is full, since it was empty.
    is_told_full: bool,
}

/// What is remembered of a user whose profiles were taken.
struct Taken {
    since: Instant,
    count: u32,
    /// The profile that Chat has.
    imported: Option<u64>,
}

impl Profiles {
    /// No profiles, and none are imported yet. `site` is the label for logs and metrics.
    pub fn new(site: Arc<str>, metrics: Arc<Metrics>) -> Self {
        let mut taken = LruCache::unbounded();
        // Resizing an unbounded map sets its limit without allocating up to it.
        taken.resize(REMEMBERED);
        let queue = Queue {
            imports: None,
            waiting: VecDeque::new(),
            latest: HashMap::new(),
            under_way: Vec::new(),
            workers: 0,
            next_call: None,
            taken,
            is_told_full: false,
        };
        Self {
            site,
            metrics,
            hasher: RandomState::new(),
            queue: Mutex::new(queue),
        }
    }

    /// Imports like this from the next attempt on. What waits goes on; without imports it is forgotten, and what Chat has is
    /// with another application or place.
    pub fn replace(&self, imports: Option<ProfileImports>) {
        let mut queue = self.queue.lock();
        let before = queue.imports.take();
        let is_same_chat = before
            .zip(imports.as_ref())
            .is_some_and(|(before, now)| before.is_of_same_chat(now));
        if !is_same_chat {
            queue.taken.clear();
        }
        if imports.is_none() {
            queue.waiting = VecDeque::new();
            queue.latest = HashMap::new();
        }
        queue.imports = imports.map(Arc::new);
    }

    /// Takes a profile that Chat does not have yet, if there is room and not too many of the user were taken just now. Waits for nothing.
    /// Call it in a runtime.
    pub(super) fn offer(self: &Arc<Self>, profile: &Arc<Profile>) {
        let is_new_worker = {
            let mut queue = self.queue.lock();
            let Some(capacity) = queue.imports.as_ref().map(|one| one.queue_capacity.get()) else {
                return;
            };
            if let Some(waiting) = queue.latest.get_mut(profile.user_id()) {
                *waiting = Arc::clone(profile);
                return;
            }
            // What is under way may replace what Chat has; it is looked at again before it is sent.
            let is_known =
                !queue.under_way.contains(profile.user_id()) && self.is_known(&mut queue, profile);
            if is_known || queue.took_enough(profile.user_id()) {
                return;
            }
            if queue.waiting.len() >= capacity {
                let is_news = !std::mem::replace(&mut queue.is_told_full, true);
                drop(queue);
                return self.report_full(is_news);
            }
            queue.push(profile);
            let is_new_worker = queue.workers < WORKERS;
            queue.workers += usize::from(is_new_worker);
            is_new_worker
        };
        if is_new_worker {
            let profiles = Arc::clone(self);
            tokio::spawn(async move { profiles.work().await });
        }
    }

    /// Imports one after the other until none waits.
    async fn work(&self) {
        while let Some(profile) = self.take() {
            let _under_way = UnderWay {
                queue: &self.queue,
                user: *profile.user_id(),
            };
            self.import(&profile).await;
        }
    }

    /// The next profile for a worker, or the end of its work.
    fn take(&self) -> Option<Arc<Profile>> {
        let mut guard = self.queue.lock();
        let queue = &mut *guard;
        loop {
            let is_free = |user: &UserId| !queue.under_way.contains(user);
            let place = queue.waiting.iter().position(is_free);
            let user = place.and_then(|place| queue.waiting.remove(place));
            let Some(profile) = user.and_then(|user| queue.latest.remove(&user)) else {
                queue.workers -= 1;
                queue.is_told_full &= !queue.waiting.is_empty();
                return None;
            };
            if !self.is_known(queue, &profile) {
                queue.under_way.push(*profile.user_id());
                return Some(profile);
            }
        }
    }

    /// Sends a profile until Chat has it, does not take it, or it was sent often enough.
    async fn import(&self, profile: &Profile) {
        let mut pause = FIRST_PAUSE;
        let mut attempts = 0;
        while let Some(at) = self.next_call() {
            sleep_until(at).await;
            let Some(imports) = self.queue.lock().imports.clone() else {
                return;
            };
            if !imports.are_for(profile) {
                return self.count(ImportOutcome::Dropped);
            }
            match imports.importer.import(profile).await {
                ImportAnswer::Imported => return self.note_imported(&imports, profile),
                ImportAnswer::Refused { error_code } => {
                    return self.report_refused(profile, error_code);
                }
                ImportAnswer::Paused { retry_after } => sleep(retry_after).await,
                answer @ (ImportAnswer::Again | ImportAnswer::Unanswered) => {
                    attempts += 1;
                    let most = match answer {
                        ImportAnswer::Unanswered => ATTEMPTS,
                        _ => ANSWERED_ATTEMPTS,
                    };
                    if attempts >= most {
                        return self.report_failed(profile);
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// When this worker may make a call; each has a moment of its own. `None` when nothing is imported any more.
    fn next_call(&self) -> Option<Instant> {
        let mut queue = self.queue.lock();
        let per_second = queue.imports.as_ref()?.per_second.get();
        let now = Instant::now();
        let at = queue.next_call.map_or(now, |next| next.max(now));
        queue.next_call = Some(at + Duration::from_secs(1) / per_second);
        Some(at)
    }

    fn note_imported(&self, imports: &ProfileImports, profile: &Profile) {
        let (site, user_id) = (&*self.site, profile.user_id().as_str());
        tracing::debug!(site, user_id, "a profile was imported");
        {
            let mut queue = self.queue.lock();
            let now = queue.imports.as_ref();
            if now.is_some_and(|now| now.is_of_same_chat(imports)) {
                let hash = self.hasher.hash_one(profile);
                queue.taken_of(*profile.user_id()).imported = Some(hash);
            }
        }
        self.count(ImportOutcome::Imported);
    }

    fn report_refused(&self, profile: &Profile, error_code: Option<i64>) {
        let (site, user_id) = (&*self.site, profile.user_id().as_str());
        tracing::warn!(site, user_id, error_code, "Chat refused a profile");
        self.count(ImportOutcome::Refused);
    }

    fn report_failed(&self, profile: &Profile) {
        let (site, user_id) = (&*self.site, profile.user_id().as_str());
        tracing::warn!(
            site,
            user_id,
            "a profile was not imported: Chat was not reached, or could not take it"
        );
        self.count(ImportOutcome::Failed);
    }

    fn report_full(&self, is_news: bool) {
        if is_news {
            let site = &*self.site;
            tracing::warn!(site, "too many profiles wait for Chat; more are dropped");
        }
        self.count(ImportOutcome::Dropped);
    }

    /// Once its site is gone, nothing is counted any more.
    fn count(&self, outcome: ImportOutcome) {
        if self.queue.lock().imports.is_some() {
            self.metrics.profiles().count(&self.site, outcome);
        }
    }

    /// Whether Chat has exactly this profile of the user.
    fn is_known(&self, queue: &mut Queue, profile: &Profile) -> bool {
        let known = queue.taken.get(profile.user_id());
        let known = known.and_then(|taken| taken.imported);
        known.is_some_and(|hash| hash == self.hasher.hash_one(profile))
    }
}

/// A profile that a worker has.
struct UnderWay<'a> {
    queue: &'a Mutex<Queue>,
    user: UserId,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut queue = self.queue.lock();
        queue.under_way.retain(|user| *user != self.user);
        // The worker ends with it; another one begins with the next profile.
        queue.workers -= usize::from(thread::panicking());
    }
}

impl Queue {
    fn push(&mut self, profile: &Arc<Profile>) {
        let user = *profile.user_id();
        let taken = self.taken_of(user);
        if taken.since.elapsed() >= PERIOD {
            (taken.since, taken.count) = (Instant::now(), 0);
        }
        taken.count += 1;
        self.waiting.push_back(user);
        self.latest.insert(user, Arc::clone(profile));
    }

    fn took_enough(&mut self, user: &UserId) -> bool {
        let taken = self.taken.get(user);
        taken.is_some_and(|taken| taken.count >= MOST && taken.since.elapsed() < PERIOD)
    }

    fn taken_of(&mut self, user: UserId) -> &mut Taken {
        self.taken.get_or_insert_mut(user, || Taken {
            since: Instant::now(),
            count: 0,
            imported: None,
        })
    }
}

impl ProfileImports {
    fn is_of_same_chat(&self, other: &Self) -> bool {
        (self.sdk_app_id, &self.endpoint) == (other.sdk_app_id, &other.endpoint)
    }

    /// Whether they import this profile. It may have waited while the configuration changed: its user may be an administrator
    /// by now, or of the application that was.
    fn are_for(&self, profile: &Profile) -> bool {
        let is_admin = self.reserved.contains(profile.user_id().as_str());
        profile.sdk_app_id() == self.sdk_app_id && !is_admin
    }
}

/// How many profiles are under way at most: enough for the pace while Chat answers within some 100 ms.
const WORKERS: usize = 4;
/// About 8 MB when all are there.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(65_535);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Where nothing answers: over two minutes, and more where attempts take their time.
const ATTEMPTS: u32 = 8;
/// Where something answers, and others may be waiting whom it would take: over 7 s.
const ANSWERED_ATTEMPTS: u32 = 4;
/// So many profiles of one user are taken in a period.
const MOST: u32 = 3;
const PERIOD: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
