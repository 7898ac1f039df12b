//! Finds the addresses of an upstream's name, for one question at a time and no longer than a connection may take.
//!
//! A look-up cannot be called off: it sits in a thread of the system's resolver until that gives up. So one is asked for
//! all requests that wait, and it goes on when they no longer do.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The addresses of one name.
pub(super) struct Resolver {
    look_up: LookUp,
    known: Mutex<Option<(Instant, Addresses)>>,
    asking: Arc<tokio::sync::Mutex<Answer>>,
}

/// At least one, each once, in the order of the answer.
pub(super) type Addresses = Arc<[SocketAddr]>;

/// Asks the system.
type LookUp = Box<dyn Fn() -> Asked + Send + Sync>;
type Asked = Pin<Box<dyn Future<Output = Option<Addresses>> + Send>>;

/// What the last look-up gave, and when.
#[derive(Clone, Default)]
struct Answer {
    at: Option<Instant>,
    addresses: Option<Addresses>,
}

impl Resolver {
    /// For a name and a port.
    pub(super) fn new(host: String, port: u16) -> Self {
        Self::asking(Box::new(move || {
            let host = host.clone();
            Box::pin(async move { distinct(tokio::net::lookup_host((host, port)).await.ok()?) })
        }))
    }

    fn asking(look_up: LookUp) -> Self {
        Self {
            look_up,
            known: Mutex::new(None),
            asking: Arc::default(),
        }
    }

    /// The addresses, asked for anew every few seconds; the last known ones serve while the system's resolver fails or
    /// takes longer than `patience`.
    pub(super) async fn find(&self, patience: Duration) -> Option<Addresses> {
        let known = match &*self.known.lock() {
            Some((at, addresses)) if at.elapsed() < RESOLVED_FOR => return Some(addresses.clone()),
            known => known.as_ref().map(|(_, addresses)| addresses.clone()),
        };
        let fresh = tokio::time::timeout(patience, self.ask()).await;
        let addresses = fresh.ok().flatten().or(known)?;
        *self.known.lock() = Some((Instant::now(), addresses.clone()));
        Some(addresses)
    }

    /// The answer of one look-up, which may have been another request's, but not one from before this question.
    async fn ask(&self) -> Option<Addresses> {
        let asked_at = Instant::now();
        let mut answer = self.asking.clone().lock_owned().await;
        if answer.at.is_some_and(|at| at >= asked_at) {
            return answer.addresses.clone();
        }
        let look_up = (self.look_up)();
        let task = tokio::spawn(async move {
            let addresses = look_up.await;
            *answer = Answer {
                at: Some(Instant::now()),
                addresses: addresses.clone(),
            };
            addresses
        });
        task.await.ok().flatten()
    }
}

fn distinct(found: impl Iterator<Item = SocketAddr>) -> Option<Addresses> {
    let mut addresses = Vec::new();
    for address in found.take(MAX_ADDRESSES) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    (!addresses.is_empty()).then(|| addresses.into())
}

const RESOLVED_FOR: Duration = Duration::from_secs(5);
/// More than an app has; an answer of the DNS must not make a node check thousands.
const MAX_ADDRESSES: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    /// A resolver whose look-ups wait for a permit each, and how many there were. Odd ones fail if `flaky`.
    fn slow(gate: &Arc<Semaphore>, flaky: bool) -> (Arc<Resolver>, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let (gate, counter) = (gate.clone(), count.clone());
        let resolver = Resolver::asking(Box::new(move || {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            let gate = gate.clone();
            Box::pin(async move {
                gate.acquire().await.unwrap().forget();
                (!flaky || number % 2 == 0).then(addresses)
            })
        }));
        (Arc::new(resolver), count)
    }

    fn addresses() -> Addresses {
        [1, 2]
            .map(|last| SocketAddr::from(([192, 0, 2, last], 80)))
            .into()
    }

    async fn find_all(resolver: &Arc<Resolver>, requests: usize) -> Vec<Option<Addresses>> {
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..requests {
            let resolver = resolver.clone();
            waiting.spawn(async move { resolver.find(PATIENCE).await });
        }
        waiting.join_all().await
    }

    #[tokio::test(start_paused = true)]
    async fn requests_at_the_same_time_share_one_look_up() {
        let gate = Arc::new(Semaphore::new(1));
        let (resolver, count) = slow(&gate, false);
        assert_eq!(find_all(&resolver, 20).await, vec![Some(addresses()); 20]);
        assert_eq!(find_all(&resolver, 1).await, [Some(addresses())]);
        assert_eq!(count.load(Ordering::SeqCst), 1);
        gate.add_permits(1);
        tokio::time::advance(RESOLVED_FOR).await;
        assert_eq!(find_all(&resolver, 20).await, vec![Some(addresses()); 20]);
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_that_hangs_is_waited_for_as_long_as_a_connection_and_asked_once() {
        let gate = Arc::new(Semaphore::new(0));
        let (resolver, count) = slow(&gate, false);
        let started = Instant::now();
        assert_eq!(find_all(&resolver, 20).await, vec![None; 20]);
        assert_eq!(started.elapsed(), PATIENCE);
        assert_eq!(find_all(&resolver, 3).await, vec![None; 3]);
        assert_eq!(count.load(Ordering::SeqCst), 1);
        // It ends at last; the next question is a new one.
        gate.add_permits(2);
        assert_eq!(find_all(&resolver, 2).await, vec![Some(addresses()); 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_address_serves_while_the_name_does_not_resolve() {
        let gate = Arc::new(Semaphore::new(2));
        let (resolver, count) = slow(&gate, true);
        assert_eq!(resolver.find(PATIENCE).await, Some(addresses()));
        tokio::time::advance(RESOLVED_FOR).await;
        assert_eq!(resolver.find(PATIENCE).await, Some(addresses()), "fails");
        tokio::time::advance(RESOLVED_FOR).await;
        assert_eq!(resolver.find(PATIENCE).await, Some(addresses()), "hangs");
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn every_address_counts_once_and_an_empty_answer_is_none() {
        let all = addresses();
        let repeated = all.iter().chain(all.iter()).copied();
        assert_eq!(distinct(repeated), Some(all));
        assert_eq!(distinct(std::iter::empty()), None);
    }
}
