//! The messages of all conversations, bounded: the oldest of all goes when there are too many or they are too long.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use crate::identity::UserId;
use crate::time::UnixTime;

/// A conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Talk {
    /// Of two accounts, in the order of their names.
    Pair(UserId, UserId),
    /// Of a group, by its number and not its ID: a group that is made anew under an old ID has no history.
    Group(u64),
}

/// One message.
pub(super) struct Message {
    pub(super) from: UserId,
    /// The receiver of a one-to-one message.
    pub(super) to: Option<UserId>,
    pub(super) seq: u64,
    pub(super) random: u64,
    pub(super) time: UnixTime,
    pub(super) body: Value,
    pub(super) custom: Option<String>,
    pub(super) is_withdrawn: bool,
    /// Whether the sender's own history leaves it out (`SyncOtherMachine` 2).
    pub(super) is_hidden_from_sender: bool,
    /// Its place among all that were ever kept, from 1; the archive sets it.
    pub(super) number: u64,
    /// What it counts for, in bytes.
    pub(super) size: usize,
}

/// All messages, in the order in which they came.
pub(super) struct Archive {
    talks: HashMap<Talk, VecDeque<Message>>,
    /// The conversation of every message, oldest message first.
    order: VecDeque<Talk>,
    bytes: usize,
    pushed: u64,
    max_messages: usize,
    max_bytes: usize,
}

impl Talk {
    /// The conversation of two accounts, whoever writes.
    pub(super) fn of(one: UserId, other: UserId) -> Self {
        match one.as_str() <= other.as_str() {
            true => Self::Pair(one, other),
            false => Self::Pair(other, one),
        }
    }

    /// Whether this account is one of two who talk.
    pub(super) fn has(&self, user: UserId) -> bool {
        matches!(self, Self::Pair(one, other) if *one == user || *other == user)
    }
}

impl Message {
    /// What names a one-to-one message: `MsgSeq`, `MsgRandom` and time.
    pub(super) fn key(&self) -> String {
        format!("{}_{}_{}", self.seq, self.random, self.time)
    }
}

impl Archive {
    /// An archive of at most so many messages that count for at most so many bytes.
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self {
            talks: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            pushed: 0,
            max_messages,
            max_bytes,
        }
    }

    /// Keeps a message, and lets the oldest go.
    pub(super) fn push(&mut self, talk: Talk, mut message: Message) {
        self.pushed += 1;
        message.number = self.pushed;
        self.bytes += message.size;
        self.talks.entry(talk).or_default().push_back(message);
        self.order.push_back(talk);
        while self.order.len() > self.max_messages || self.bytes > self.max_bytes {
            self.drop_oldest();
        }
    }

    /// How many messages were ever kept.
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// The newest one-to-one messages to or from a user that were kept after the `told`-th of all, oldest first.
    pub(super) fn heard_by(&self, user: UserId, told: u64, most: usize) -> Vec<&Message> {
        if told == self.pushed {
            return Vec::new();
        }
        let talks = self.talks.iter().filter(|(talk, _)| talk.has(user));
        let mut messages: Vec<_> = talks
            .flat_map(|(_, messages)| messages.iter().rev())
            .filter(|message| message.number > told)
            .filter(|message| !(message.is_hidden_from_sender && message.from == user))
            .collect();
        messages.sort_unstable_by_key(|message| message.number);
        messages.split_off(messages.len().saturating_sub(most))
    }

    /// The messages of a conversation, oldest first.
    pub(super) fn of(&self, talk: Talk) -> impl DoubleEndedIterator<Item = &Message> {
        self.talks.get(&talk).into_iter().flatten()
    }

    /// The newest messages of a conversation for as long as they are fresh, newest first.
    pub(super) fn fresh(
        &self,
        talk: Talk,
        is_fresh: impl Fn(&Message) -> bool,
    ) -> impl Iterator<Item = &Message> {
        self.of(talk)
            .rev()
            .take_while(move |message| is_fresh(message))
    }

    /// The messages of a conversation, oldest first, to be changed.
    pub(super) fn of_mut(&mut self, talk: Talk) -> impl DoubleEndedIterator<Item = &mut Message> {
        self.talks.get_mut(&talk).into_iter().flatten()
    }

    /// Drops all conversations that are named.
    pub(super) fn forget(&mut self, is_gone: impl Fn(&Talk) -> bool) {
        self.order.retain(|talk| !is_gone(talk));
        self.talks.retain(|talk, _| !is_gone(talk));
        let messages = self.talks.values().flatten();
        self.bytes = messages.map(|message| message.size).sum();
    }

    fn drop_oldest(&mut self) {
        let Some(talk) = self.order.pop_front() else {
            return;
        };
        let Some(messages) = self.talks.get_mut(&talk) else {
            return;
        };
        let size = messages.pop_front().map_or(0, |message| message.size);
        self.bytes = self.bytes.saturating_sub(size);
        if messages.is_empty() {
            self.talks.remove(&talk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ReservedNames;

    #[test]
    fn the_oldest_message_of_all_goes_first() {
        let mut archive = Archive::new(3, 1000);
        for (seq, talk) in [
            pair("a", "b"),
            pair("b", "c"),
            pair("b", "a"),
            pair("c", "b"),
        ]
        .into_iter()
        .enumerate()
        {
            archive.push(talk, message(seq as u64, 1));
        }
        assert_eq!(seqs(&archive, pair("a", "b")), [2]);
        assert_eq!(seqs(&archive, pair("b", "c")), [1, 3]);
    }

    #[test]
    fn long_messages_push_more_out() {
        let mut archive = Archive::new(100, 100);
        for (seq, size) in [40, 40, 20, 70].into_iter().enumerate() {
            archive.push(Talk::Group(1), message(seq as u64, size));
        }
        assert_eq!(seqs(&archive, Talk::Group(1)), [2, 3]);
        archive.push(Talk::Group(2), message(4, 101));
        assert_eq!(seqs(&archive, Talk::Group(1)), [0_u64; 0]);
        assert_eq!(seqs(&archive, Talk::Group(2)), [0_u64; 0]);
        archive.push(Talk::Group(2), message(5, 100));
        assert_eq!(seqs(&archive, Talk::Group(2)), [5]);
    }

    #[test]
    fn what_is_forgotten_takes_no_room() {
        let mut archive = Archive::new(2, 1000);
        archive.push(pair("a", "b"), message(0, 1));
        archive.push(pair("b", "c"), message(1, 1));
        archive.forget(|talk| talk.has(user("a")));
        assert_eq!(seqs(&archive, pair("a", "b")), [0_u64; 0]);
        archive.push(pair("a", "b"), message(2, 1));
        assert_eq!(seqs(&archive, pair("b", "c")), [1]);
        assert_eq!(seqs(&archive, pair("a", "b")), [2]);
        assert_eq!(archive.bytes, 2);
    }

    fn seqs(archive: &Archive, talk: Talk) -> Vec<u64> {
        archive.of(talk).map(|message| message.seq).collect()
    }

    fn pair(one: &str, other: &str) -> Talk {
        Talk::of(user(one), user(other))
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name, &ReservedNames::default()).unwrap()
    }

    fn message(seq: u64, size: usize) -> Message {
        Message {
            from: user("a"),
            to: None,
            seq,
            random: 7,
            time: UnixTime::from_secs(1),
            body: Value::Null,
            custom: None,
            is_withdrawn: false,
            is_hidden_from_sender: false,
            number: 0,
            size,
        }
    }
}
