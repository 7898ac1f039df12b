//! Whom a call concerns, for the audit: the accounts, groups and rooms that its body names, in whatever spelling.
//!
//! Whoever sends a body may fill it with names, and only the first are shown. So the fields by which the command is judged come
//! first, what stands higher in the body comes before what stands deeper, and lists beside each other take turns.

use std::collections::HashSet;

use serde_json::Value;

use crate::json::Object;
use crate::rest_api::catalog::Command;
use crate::rest_api::loose::{self, Loose};
use crate::rest_api::target;

/// Each name once.
pub(super) fn concerns<'b>(command: &Command, body: &'b Object) -> Vec<&'b str> {
    let group = command.group.as_ref().map(|field| field.name());
    let acting = command.acting.as_ref().map(|field| field.member());
    let own: Vec<_> = group.into_iter().chain(acting).map(Loose::new).collect();
    let mut found = Found::default();
    found.gather(body, |name| own.iter().any(|field| field.is(name)));
    found.gather(body, is_concerned);
    found.names
}

fn is_concerned(name: &str) -> bool {
    let folded = loose::folded(name);
    target::holds_accounts_folded(&folded) || PLACES.iter().any(|ending| folded.ends_with(ending))
}

#[derive(Default)]
struct Found<'b> {
    names: Vec<&'b str>,
    seen: HashSet<&'b str>,
}

/// A value, its place in the list that it stands in, and whether a text there is a name.
type Placed<'b> = (usize, &'b Value, bool);

impl<'b> Found<'b> {
    /// Adds the texts in members that are of this kind, one level after the other.
    fn gather(&mut self, body: &'b Object, is_of_kind: impl Fn(&str) -> bool) {
        let mut level = members(body, &is_of_kind);
        while !level.is_empty() {
            level.sort_by_key(|(place, ..)| *place);
            let mut below = Vec::new();
            for (_, value, is_name) in level {
                match value {
                    Value::String(text) if is_name => self.add(text),
                    Value::Array(items) => {
                        let places = items.iter().enumerate();
                        below.extend(places.map(|(place, item)| (place, item, is_name)));
                    }
                    Value::Object(object) => below.extend(members(object, &is_of_kind)),
                    _ => {}
                }
            }
            level = below;
        }
    }

    fn add(&mut self, name: &'b str) {
        if self.seen.insert(name) {
            self.names.push(name);
        }
    }
}

fn members<'b>(object: &'b Object, is_of_kind: impl Fn(&str) -> bool) -> Vec<Placed<'b>> {
    let members = object.iter();
    members
        .map(|(name, value)| (0, value, is_of_kind(name)))
        .collect()
}

/// How the names of members end that hold a group, a topic or a room, as letters without case.
const PLACES: [&str; 9] = [
    "groupid",
    "groupidlist",
    "groupids",
    "roomid",
    "roomidlist",
    "roomids",
    "topicid",
    "topicidlist",
    "topicids",
];
