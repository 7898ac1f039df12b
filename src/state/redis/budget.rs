//! The budgets of an application, which all nodes have together: lent by the store a few places at a time.
//!
//! A script in the store keeps each budget as one node would (see [`Pace`]), so a fleet may call as often as one node. A call
//! takes a place that this node holds. Only the first of a run waits for the store, which is asked ahead for the next.

use std::collections::HashMap;
use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::lease::{Lease, Look};
use super::link::{Link, Script};
use super::{Fault, Fleet, Operation, Settings, Standing};
use crate::rest_api::budget::Pace;

/// The budgets of one application as this node sees them.
pub struct AppBudget {
    leases: Mutex<HashMap<String, Lease>>,
    /// Counts the answers.
    answered: watch::Sender<u64>,
    standing: watch::Receiver<Standing>,
    to_lease: Arc<Notify>,
    /// How many nodes there are at least.
    nodes: NonZeroU32,
    /// How long a call waits at most; a question ends earlier, with an answer or the connection.
    patience: Duration,
}

/// A budget in which a call needs a place.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// Its name: a command, or what no command is called.
    pub name: &'a str,
    /// Calls a second.
    pub rate: NonZeroU32,
}

/// What became of a call that needs places.
#[derive(Debug)]
pub enum Taken {
    /// It has them; for [`AppBudget::put_back`].
    Places(Vec<(String, Instant)>),
    /// One of the budgets is used up.
    UsedUp {
        /// Which of those that were named.
        index: usize,
        /// When to come again.
        retry_after: Duration,
    },
    /// The store is away: a node may use its even part.
    Away {
        /// Among how many.
        nodes: NonZeroU32,
    },
}

/// What is asked for one budget.
struct Ask {
    name: String,
    pace: Pace,
    places: u32,
}

impl AppBudget {
    pub(super) fn new(
        standing: watch::Receiver<Standing>,
        to_lease: Arc<Notify>,
        settings: &Settings,
    ) -> Self {
        Self {
            leases: Mutex::default(),
            answered: watch::Sender::new(0),
            standing,
            to_lease,
            nodes: settings.nodes,
            patience: 2 * settings.timeout,
        }
    }

    /// A place in each of these budgets or in none. Waits for the store where this node holds none, until that answers or is
    /// found away; in all no longer than twice what one answer may take, however many come too late to be of use.
    pub async fn take(&self, wants: &[Want<'_>]) -> Taken {
        let end = Instant::now() + self.patience;
        let mut answered = self.answered.subscribe();
        let mut standing = self.standing.clone();
        loop {
            if !standing.borrow_and_update().is_up() {
                let nodes = standing.borrow().shares(self.nodes);
                return Taken::Away { nodes };
            }
            answered.borrow_and_update();
            if let Some(taken) = self.look(wants, Instant::now()) {
                return taken;
            }
            let wait = async {
                tokio::select! {
                    _ = answered.changed() => {}
                    _ = standing.changed() => {}
                }
            };
            if timeout_at(end, wait).await.is_err() {
                let nodes = self.standing.borrow().shares(self.nodes);
                return Taken::Away { nodes };
            }
        }
    }

    /// Places that were taken are not used after all.
    pub fn put_back(&self, places: Vec<(String, Instant)>) {
        let mut leases = self.leases.lock();
        for (name, until) in places {
            if let Some(lease) = leases.get_mut(&name) {
                lease.put_back(until);
            }
        }
        drop(leases);
        // Whoever waits may take them.
        self.answered.send_modify(|count| *count += 1);
    }

    fn look(&self, wants: &[Want<'_>], now: Instant) -> Option<Taken> {
        let mut leases = self.leases.lock();
        let (mut is_ready, mut used_up) = (true, None);
        for (index, want) in wants.iter().enumerate() {
            let pace = Pace::of(want.rate);
            let lease = lease_of(&mut leases, want.name, pace, now)?;
            match lease.look(now) {
                Look::Ready => {}
                Look::Empty => {
                    is_ready = false;
                    lease.note_miss();
                }
                Look::Dry(retry_after) if used_up.is_none() => {
                    used_up = Some(Taken::UsedUp { index, retry_after });
                }
                Look::Dry(_) => {}
            }
        }
        if used_up.is_some() {
            return used_up;
        }
        if !is_ready {
            self.to_lease.notify_one();
            return None;
        }
        let mut places = Vec::with_capacity(wants.len());
        for want in wants {
            let lease = leases.get_mut(want.name)?;
            places.push((want.name.to_owned(), lease.take(now)?));
            if lease.is_low(now) {
                self.to_lease.notify_one();
            }
        }
        Some(Taken::Places(places))
    }

    fn asks(&self, now: Instant) -> Vec<Ask> {
        let mut leases = self.leases.lock();
        let ask = |(name, lease): (&String, &mut Lease)| {
            let places = lease.ask(now);
            (places > 0).then(|| Ask {
                name: name.clone(),
                pace: lease.pace(),
                places,
            })
        };
        leases.iter_mut().filter_map(ask).collect()
    }

    fn answer(&self, asks: &[Ask], answers: &[u64], asked: Instant) {
        let now = Instant::now();
        let mut leases = self.leases.lock();
        for (ask, answer) in asks.iter().zip(answers.chunks_exact(2)) {
            let (Some(lease), [places, wait]) = (leases.get_mut(&ask.name), answer) else {
                continue;
            };
            // No more than was asked for, whatever is answered.
            let places = u32::try_from(*places).unwrap_or(u32::MAX).min(ask.places);
            let wait = Duration::from_micros(*wait).clamp(SHORTEST_WAIT, LONGEST_WAIT);
            lease.answer(places, wait, asked, now);
        }
        drop(leases);
        self.answered.send_modify(|count| *count += 1);
    }
}

fn lease_of<'a>(
    leases: &'a mut HashMap<String, Lease>,
    name: &str,
    pace: Pace,
    now: Instant,
) -> Option<&'a mut Lease> {
    if !leases.contains_key(name) {
        leases.insert(name.to_owned(), Lease::new(pace, now));
    }
    let lease = leases.get_mut(name)?;
    lease.set_pace(pace);
    Some(lease)
}

impl Fleet {
    /// Asks for places when calls need them, until the connection ends.
    pub(super) async fn lend(&self, link: &Link<'_>) -> Result<Infallible, Fault> {
        loop {
            self.to_lease.notified().await;
            let budgets: Vec<_> = {
                let budgets = self.budgets.lock();
                let all = budgets.iter();
                all.map(|(app, budget)| (*app, Arc::clone(budget)))
                    .collect()
            };
            for (app, budget) in budgets {
                let asked = Instant::now();
                let asks = budget.asks(asked);
                if !asks.is_empty() {
                    let start = format!("{}{app}:", self.settings.prefix);
                    let answer = NODES.lease(link, &start, &self.node, &asks).await?;
                    let lent = answer.get(1..).unwrap_or_default();
                    budget.answer(&asks, lent, asked);
                }
            }
            // What comes in between is asked together.
            sleep(PAUSE).await;
        }
    }
}

/// The script that lends places and counts the nodes.
pub(super) struct Nodes(Script);

impl Nodes {
    /// The number of nodes, this one with them.
    pub(super) async fn count(
        &self,
        link: &Link<'_>,
        start: &str,
        node: &str,
    ) -> Result<u32, Fault> {
        let answer = self.lease(link, start, node, &[]).await?;
        let count = answer.first().ok_or(Fault::Unexpected)?;
        u32::try_from(*count).map_err(|_| Fault::Unexpected)
    }

    async fn lease(
        &self,
        link: &Link<'_>,
        start: &str,
        node: &str,
        asks: &[Ask],
    ) -> Result<Vec<u64>, Fault> {
        let names = asks.iter().map(|ask| format!("{start}b:{}", ask.name));
        let keys: Vec<_> = [format!("{start}nodes")].into_iter().chain(names).collect();
        let mut arguments = vec![node.as_bytes().to_vec()];
        for ask in asks {
            let numbers = [
                ask.pace.interval.as_nanos().div_ceil(1000),
                ask.pace.burst.as_nanos().div_ceil(1000),
                u128::from(ask.places),
            ];
            arguments.extend(numbers.map(|number| number.to_string().into_bytes()));
        }
        let answer: Vec<u64> = link
            .run(Operation::Lease, self.0, &keys, &arguments)
            .await?;
        match answer.len() == 1 + 2 * asks.len() {
            true => Ok(answer),
            false => Err(Fault::Unexpected),
        }
    }
}

pub(super) const NODES: Nodes = Nodes(Script {
    text: include_str!("lease.lua"),
});
const PAUSE: Duration = Duration::from_millis(5);
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
