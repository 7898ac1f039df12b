//! Keeps the states of the sites and the store's records alike: in full once on each connection, then change by change.
//!
//! Every record has a number, and the log of a site lists its subjects by it. A node remembers the number up to which it has
//! read. Where the epoch of the numbers is another than it was, the store was emptied or replaced, and all is held against it
//! again.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use redis::pipe;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::Change;
use super::budget::NODES;
use super::link::{Link, Script};
use super::records::Record;
use super::{Fault, Fleet, Operation, Site};
use crate::time::UnixTime;

/// How far this node has read, for each site.
pub(super) struct Replica<'a> {
    fleet: &'a Fleet,
    read: HashMap<String, Position>,
    /// When the other nodes are told again that this one is there.
    next_sign: Instant,
}

struct Position {
    keys: Keys,
    epoch: String,
    number: u64,
}

/// The names of a site's keys.
#[derive(Clone, PartialEq, Eq)]
struct Keys {
    start: String,
}

/// Subjects with their numbers, and what is stored of each.
type Page = (Option<String>, Option<u64>, Vec<(String, u64)>);

impl<'a> Replica<'a> {
    pub(super) fn new(fleet: &'a Fleet) -> Self {
        Self {
            fleet,
            read: HashMap::new(),
            next_sign: Instant::now(),
        }
    }

    /// Holds the sites that are new here against the store.
    pub(super) async fn catch_up(&mut self, link: &Link<'_>) -> Result<(), Fault> {
        self.give_a_sign(link).await?;
        for site in self.fleet.sites() {
            let keys = Keys::of(self.fleet, &site);
            let known = self.read.get(&site.name);
            if known.is_none_or(|position| position.keys != keys) {
                let position = self.compare(link, &site, keys).await?;
                self.read.insert(site.name.clone(), position);
            }
        }
        // Nobody waits for that.
        self.fleet.standing.send_if_modified(|standing| {
            standing.note_read();
            false
        });
        Ok(())
    }

    /// Writes what changes here and reads what changes there, until the connection ends.
    pub(super) async fn follow(mut self, link: &Link<'_>) -> Result<Infallible, Fault> {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.fleet.to_write.notified() => {}
            }
            let asked = self.fleet.asked.load(Ordering::Acquire);
            for site in self.fleet.sites() {
                self.write_changes(link, &site).await?;
            }
            self.fleet.written.send_replace(asked);
            for site in self.fleet.sites() {
                self.read_changes(link, &site).await?;
            }
            self.catch_up(link).await?;
        }
    }

    async fn write_changes(&self, link: &Link<'_>, site: &Site) -> Result<(), Fault> {
        let Some(position) = self.read.get(&site.name) else {
            return Ok(());
        };
        let changes = site.state.take_shared();
        let records = changes.into_iter().map(Record::new).collect();
        self.write(link, site, &position.keys, records).await
    }

    /// Reads the pages behind the position. After a gap of any kind the site has no position any more.
    async fn read_changes(&mut self, link: &Link<'_>, site: &Site) -> Result<(), Fault> {
        let Some(position) = self.read.get_mut(&site.name) else {
            return Ok(());
        };
        loop {
            let (epoch, number, page) = read_page(link, &position.keys, position.number).await?;
            let is_same = epoch.as_ref() == Some(&position.epoch);
            if !is_same || number.unwrap_or(0) < position.number {
                tracing::info!(
                    site = site.name,
                    "the store of the fleet is another or was emptied; all is held against it"
                );
                self.read.remove(&site.name);
                return Ok(());
            }
            let count = page.len();
            if let Some((_, last)) = page.last() {
                position.number = *last;
            }
            for (record, is_echo) in stored(link, self.fleet, &position.keys, page).await? {
                site.state.absorb_shared(record.change, is_echo);
            }
            if count < PAGE {
                return Ok(());
            }
        }
    }

    /// Takes in all that the store has of a site, and gives it what it lacks.
    async fn compare(&self, link: &Link<'_>, site: &Site, keys: Keys) -> Result<Position, Fault> {
        // Changes collect from here on, so that none falls between.
        site.state.share();
        let epoch = self.begin(link, &keys).await?;
        let mut theirs: HashMap<String, Change> = HashMap::new();
        let mut number = 0;
        loop {
            let (_, _, page) = read_page(link, &keys, number).await?;
            let count = page.len();
            number = page.last().map_or(number, |(_, last)| *last);
            for (record, is_echo) in stored(link, self.fleet, &keys, page).await? {
                site.state.absorb_shared(record.change.clone(), is_echo);
                theirs.insert(record.subject, record.change);
            }
            if count < PAGE {
                break;
            }
        }
        let known = site.state.known().into_iter().map(Record::new);
        let lacking = |record: &Record| theirs.get(&record.subject) != Some(&record.change);
        self.write(link, site, &keys, known.filter(lacking).collect())
            .await?;
        Ok(Position {
            keys,
            epoch,
            number,
        })
    }

    /// The epoch of the site's numbers; a new one where there are none.
    async fn begin(&self, link: &Link<'_>, keys: &Keys) -> Result<String, Fault> {
        let arguments = self.first_arguments();
        let keys = keys.first();
        link.run(Operation::Write, WRITE, &keys, &arguments).await
    }

    async fn write(
        &self,
        link: &Link<'_>,
        site: &Site,
        keys: &Keys,
        records: Vec<Record>,
    ) -> Result<(), Fault> {
        let now = now();
        let lifetime = Duration::from_secs(site.lifetime.load(Ordering::Relaxed));
        let ends = |record: Record| {
            let end = record.ends_at(lifetime, now);
            (end > now).then_some((record, end.as_secs().saturating_mul(1000)))
        };
        let records = records.into_iter().map(|record| record.dated_by(now));
        let records: Vec<_> = records.filter_map(ends).collect();
        for batch in records.chunks(BATCH) {
            let (mut names, mut arguments) = (keys.first(), self.first_arguments());
            for (record, end) in batch {
                names.push(keys.of_subject(&record.subject));
                arguments.extend([
                    record.subject.clone().into_bytes(),
                    record.text().into_bytes(),
                    end.to_string().into_bytes(),
                ]);
            }
            let _: String = link
                .run(Operation::Write, WRITE, &names, &arguments)
                .await?;
        }
        Ok(())
    }

    /// A new epoch, if there is none, and who writes.
    fn first_arguments(&self) -> Vec<Vec<u8>> {
        let epoch = format!("{:016x}", rand::random::<u64>());
        vec![epoch.into_bytes(), self.fleet.node.clone().into_bytes()]
    }

    /// Says that this node is there, and counts the others: those of the application that has most.
    async fn give_a_sign(&mut self, link: &Link<'_>) -> Result<(), Fault> {
        if Instant::now() < self.next_sign {
            return Ok(());
        }
        self.next_sign = Instant::now() + SIGN;
        let mut apps: Vec<_> = self.fleet.sites().iter().map(|site| site.app).collect();
        apps.sort_unstable_by_key(|app| app.get());
        apps.dedup();
        let mut nodes = 1;
        for app in apps {
            let start = format!("{}{}:", self.fleet.settings.prefix, app.get());
            let count = NODES.count(link, &start, &self.fleet.node).await?;
            nodes = nodes.max(count);
        }
        let is_new =
            |standing: &mut super::Standing| std::mem::replace(&mut standing.nodes, nodes) != nodes;
        self.fleet.standing.send_if_modified(is_new);
        Ok(())
    }
}

async fn read_page(link: &Link<'_>, keys: &Keys, after: u64) -> Result<Page, Fault> {
    let mut commands = pipe();
    commands
        .cmd("HMGET")
        .arg(keys.name("meta"))
        .arg(&["epoch", "number"])
        .cmd("ZRANGEBYSCORE")
        .arg(keys.name("log"))
        .arg(format!("({after}"))
        .arg("+inf")
        .arg(&["WITHSCORES", "LIMIT", "0"])
        .arg(PAGE);
    let ((epoch, number), page) = link.ask(Operation::Read, &commands).await?;
    Ok((epoch, number, page))
}

/// The records of a page; what has ended meanwhile is not there.
async fn stored(
    link: &Link<'_>,
    fleet: &Fleet,
    keys: &Keys,
    page: Vec<(String, u64)>,
) -> Result<Vec<(Record, bool)>, Fault> {
    if page.is_empty() {
        return Ok(Vec::new());
    }
    let mut commands = pipe();
    commands.cmd("MGET");
    for (subject, _) in &page {
        commands.arg(keys.of_subject(subject));
    }
    let (values,): (Vec<Option<Vec<u8>>>,) = link.ask(Operation::Read, &commands).await?;
    let now = now();
    let parse = |((subject, _), value): (&(String, u64), Option<Vec<u8>>)| {
        let record = Record::parse(subject, &value?, &fleet.node, now);
        if record.is_none() {
            fleet.watcher.ignored_record();
        }
        record
    };
    Ok(page.iter().zip(values).filter_map(parse).collect())
}

impl Keys {
    fn of(fleet: &Fleet, site: &Arc<Site>) -> Self {
        let (prefix, app) = (&fleet.settings.prefix, site.app.get());
        Self {
            start: format!("{prefix}{app}:{}:", site.name),
        }
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.start)
    }

    fn of_subject(&self, subject: &str) -> String {
        self.name(subject)
    }

    fn first(&self) -> Vec<String> {
        ["meta", "log", "ends"].map(|name| self.name(name)).to_vec()
    }
}

fn now() -> UnixTime {
    UnixTime::from(SystemTime::now())
}

const WRITE: Script = Script {
    text: include_str!("write.lua"),
};
const POLL: Duration = Duration::from_millis(200);
const SIGN: Duration = Duration::from_secs(1);
const PAGE: usize = 500;
const BATCH: usize = 100;
