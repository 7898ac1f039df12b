//! Finds the address of an upstream's name, for one question at a time and no longer than a connection may take.
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
    known: Mutex<Option<(Instant, SocketAddr)>>,
    asking: Arc<tokio::sync::Mutex<Answer>>,
}

/// Asks the system for the first address.
type LookUp = Box<dyn Fn() -> Asked + Send + Sync>;
type Asked = Pin<Box<dyn Future<Output = Option<SocketAddr>> + Send>>;

/// What the last look-up gave, and when.
#[derive(Clone, Copy, Default)]
struct Answer {
    at: Option<Instant>,
    address: Option<SocketAddr>,
}

impl Resolver {
    /// For a host, a name or an address, and a port.
    pub(super) fn new(host: String, port: u16) -> Self {
        Self::asking(Box::new(move || {
            let host = host.clone();
            Box::pin(async move {
                let mut addresses = tokio::net::lookup_host((host, port)).await.ok()?;
                addresses.next()
            })
        }))
    }

    fn asking(look_up: LookUp) -> Self {
        Self {
            look_up,
            known: Mutex::new(None),
            asking: Arc::default(),
        }
    }

    /// The address, asked for anew every few seconds; the last known one serves while the system's resolver fails or
    /// takes longer than `patience`.
    pub(super) async fn find(&self, patience: Duration) -> Option<SocketAddr> {
        let known = *self.known.lock();
        if let Some((_, address)) = known.filter(|(at, _)| at.elapsed() < RESOLVED_FOR) {
            return Some(address);
        }
        let fresh = tokio::time::timeout(patience, self.ask()).await;
        let address = fresh.ok().flatten().or(known.map(|(_, address)| address))?;
        *self.known.lock() = Some((Instant::now(), address));
        Some(address)
    }

    /// The answer of one look-up, which may have been another request's, but not one from before this question.
    async fn ask(&self) -> Option<SocketAddr> {
        let asked_at = Instant::now();
        let mut answer = self.asking.clone().lock_owned().await;
        if answer.at.is_some_and(|at| at >= asked_at) {
            return answer.address;
        }
        let look_up = (self.look_up)();
        let task = tokio::spawn(async move {
            let address = look_up.await;
            *answer = Answer {
                at: Some(Instant::now()),
                address,
            };
            address
        });
        task.await.ok().flatten()
    }
}

const RESOLVED_FOR: Duration = Duration::from_secs(5);

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
                (!flaky || number % 2 == 0).then(address)
            })
        }));
        (Arc::new(resolver), count)
    }

    fn address() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 80))
    }

    async fn find_all(resolver: &Arc<Resolver>, requests: usize) -> Vec<Option<SocketAddr>> {
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
        assert_eq!(find_all(&resolver, 20).await, [Some(address()); 20]);
        assert_eq!(find_all(&resolver, 1).await, [Some(address())]);
        assert_eq!(count.load(Ordering::SeqCst), 1);
        gate.add_permits(1);
        tokio::time::advance(RESOLVED_FOR).await;
        assert_eq!(find_all(&resolver, 20).await, [Some(address()); 20]);
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_that_hangs_is_waited_for_as_long_as_a_connection_and_asked_once() {
        let gate = Arc::new(Semaphore::new(0));
        let (resolver, count) = slow(&gate, false);
        let started = Instant::now();
        assert_eq!(find_all(&resolver, 20).await, [None; 20]);
        assert_eq!(started.elapsed(), PATIENCE);
        assert_eq!(find_all(&resolver, 3).await, [None; 3]);
        assert_eq!(count.load(Ordering::SeqCst), 1);
        // It ends at last; the next question is a new one.
        gate.add_permits(2);
        assert_eq!(find_all(&resolver, 2).await, [Some(address()); 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_address_serves_while_the_name_does_not_resolve() {
        let gate = Arc::new(Semaphore::new(2));
        let (resolver, count) = slow(&gate, true);
        assert_eq!(resolver.find(PATIENCE).await, Some(address()));
        tokio::time::advance(RESOLVED_FOR).await;
        assert_eq!(resolver.find(PATIENCE).await, Some(address()), "fails");
        tokio::time::advance(RESOLVED_FOR).await;
        assert_eq!(resolver.find(PATIENCE).await, Some(address()), "hangs");
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }
}
