//! The JSON Schema of a configuration file, for editors and other programs.
//!
//! It is not written by hand: the parser reads the reference configuration, which has every key, and what it asks of each
//! value there is the schema. So a key that the parser learns is in the schema as soon as it is in the reference. Reads no
//! file. A schema knows less than `check`: it sees no file, no secret and no two keys together.

pub(super) mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use self::samples::{OTHERS, REFERENCE, SITES, with_both, with_samples};
use super::asked::{Asked, Kind, Notes, Step, steps};
use super::error::Report;
use super::load::Reads;
use super::parse;
use super::raw;

/// The schema, in the words of JSON Schema 2020-12.
pub fn schema() -> Json {
    let mut root = Node::default();
    let written_out = with_both(REFERENCE);
    root.describe(&written_out);
    for text in [&written_out, &with_samples(REFERENCE), OTHERS, SITES] {
        root.learn(notes(text));
    }
    let mut schema = root.schema(true);
    let beside_sites = parse::SITE_KEYS.iter().map(|key| (*key, false.into()));
    let beside_sites: Map<String, Json> = beside_sites
        .map(|(key, never)| (key.to_owned(), never))
        .collect();
    if let Some(members) = schema.as_object_mut() {
        let head = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "usersig-proxy",
            "description": "The configuration of usersig-proxy: the main file, or the file of one of several sites.",
            "if": { "required": ["sites"] },
            "then": { "properties": beside_sites },
            "else": { "required": members.remove("required").unwrap_or_default() },
        });
        members.extend(head.as_object().cloned().unwrap_or_default());
    }
    schema
}

/// What the parser asks of a text, right or wrong. There is no folder, so that no file is read.
fn notes(text: &str) -> Notes {
    let report = Report::new(Path::new("schema"), text).with_notes();
    let env = |_: &str| None;
    raw::parse(text, &report, &parse::main_keys(), |root| {
        Some(parse::main_file(
            root,
            Path::new(NO_FOLDER),
            &env,
            &Reads::default(),
        ))
    });
    report.take_notes().unwrap_or_default()
}

/// What is known of the value of a key.
#[derive(Default)]
struct Node {
    kinds: Vec<Kind>,
    /// Of a table: the keys, those that each such table was asked to have, and what is known of their values.
    keys: BTreeSet<String>,
    required: Option<BTreeSet<String>>,
    within: BTreeMap<Step, Node>,
    default: Option<Json>,
    description: String,
}

impl Node {
    fn learn(&mut self, notes: Notes) {
        let mut required: BTreeMap<Vec<Step>, BTreeSet<String>> = BTreeMap::new();
        let mut opened = BTreeSet::new();
        for (path, asked) in notes.asked {
            let path = steps(&path);
            match asked {
                Asked::Kind(kind) => {
                    if matches!(kind, Kind::Table(_)) {
                        opened.insert(path.clone());
                    }
                    self.at(&path).add(kind);
                }
                Asked::Default(default) => {
                    self.at(&path).default.get_or_insert(default);
                }
                Asked::Required => {
                    if let [above @ .., Step::Key(key)] = path.as_slice() {
                        required
                            .entry(above.to_vec())
                            .or_default()
                            .insert(key.clone());
                    }
                }
            }
        }
        // The main file of several sites needs none of what a site needs.
        let has_sites = notes.tree.has("sites");
        for path in opened.iter().filter(|path| !(path.is_empty() && has_sites)) {
            let asked = required.remove(path).unwrap_or_default();
            let node = self.at(path);
            node.required = Some(match node.required.take() {
                Some(before) => before.intersection(&asked).cloned().collect(),
                None => asked,
            });
        }
    }

    fn add(&mut self, kind: Kind) {
        if let Kind::Table(keys) = &kind {
            self.keys.extend(keys.iter().cloned());
        }
        // Every other kind in quotes is asked for as a text as well, and a table of known keys is no map.
        let is_in_quotes =
            |kind: &Kind| matches!(kind, Kind::Words(_) | Kind::Quantity(_) | Kind::Scalar);
        let is_table = |kind: &Kind| matches!(kind, Kind::Table(_));
        match kind {
            Kind::Table(_) if self.kinds.iter().any(is_table) => return,
            _ if self.kinds.contains(&kind) => return,
            _ => self.kinds.push(kind),
        }
        if self.kinds.iter().any(is_in_quotes) {
            self.kinds.retain(|kind| *kind != Kind::Text);
        }
        if self.kinds.iter().any(is_table) {
            self.kinds.retain(|kind| *kind != Kind::Map);
        }
    }

    /// Takes the comments above each key.
    fn describe(&mut self, text: &str) {
        let lines: Vec<_> = text.lines().collect();
        notes(text).tree.each(&[], &mut |path, offset| {
            let line = text.get(..offset).unwrap_or_default().matches('\n').count();
            let is_comment = |line: &&&str| line.starts_with("# ");
            let above = lines.get(..line).unwrap_or_default().iter().rev();
            let mut comments: Vec<_> = above.take_while(is_comment).collect();
            comments.reverse();
            let comments: Vec<_> = comments.iter().filter_map(|line| line.get(2..)).collect();
            let node = self.at(path);
            // The items of a list have no comment of their own.
            if node.description.is_empty() && !matches!(path.last(), Some(Step::Item(_))) {
                node.description = comments.join("\n");
            }
        });
    }

    /// The node of a path; all items of an array share one, and so do all keys that are data.
    fn at(&mut self, path: &[Step]) -> &mut Node {
        let [step, below @ ..] = path else {
            return self;
        };
        let step = match step {
            Step::Item(_) => ANY_ITEM,
            Step::Key(_) if self.kinds.contains(&Kind::Map) => ANY_KEY,
            Step::Key(_) => step.clone(),
        };
        self.within.entry(step).or_default().at(below)
    }

    fn schema(&self, is_root: bool) -> Json {
        let mut kinds: Vec<_> = self.kinds.iter().map(|kind| self.of_kind(kind)).collect();
        let mut schema = match kinds.len() {
            1 => kinds.remove(0),
            _ => json!({ "anyOf": kinds }),
        };
        if let (Some(members), false) = (schema.as_object_mut(), is_root) {
            if !self.description.is_empty() {
                members.insert("description".to_owned(), self.description.clone().into());
            }
            if let Some(default) = &self.default {
                members.insert("default".to_owned(), default.clone());
            }
        }
        schema
    }

    fn of_kind(&self, kind: &Kind) -> Json {
        let below = |step: Step| self.within.get(&step).map(|node| node.schema(false));
        match kind {
            Kind::Text => json!({ "type": "string", "minLength": 1 }),
            Kind::Words(words) => json!({ "enum": words }),
            Kind::Boolean => json!({ "type": "boolean" }),
            Kind::Integer(range) => {
                json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
            }
            Kind::Quantity(units) => {
                json!({ "type": "string", "pattern": format!("^[0-9]+({})$", units.join("|")) })
            }
            Kind::Scalar => json!({ "type": ["string", "integer", "boolean"] }),
            Kind::Array => {
                json!({ "type": "array", "items": below(ANY_ITEM).unwrap_or(true.into()) })
            }
            Kind::Map => {
                let any = below(ANY_KEY).unwrap_or(true.into());
                json!({ "type": "object", "additionalProperties": any })
            }
            Kind::Table(_) => {
                // A secret names one of its three places at a time.
                let is_secret = self.keys.iter().eq(["credential", "env", "file"]);
                let otherwise = match is_secret {
                    true => self.of_kind(&Kind::Text),
                    false => true.into(),
                };
                let property = |key: &String| {
                    let schema = below(Step::Key(key.clone()));
                    (key.clone(), schema.unwrap_or_else(|| otherwise.clone()))
                };
                let properties: Map<_, _> = self.keys.iter().map(property).collect();
                let mut table = json!({
                    "type": "object",
                    "properties": properties,
                    "additionalProperties": false,
                });
                let required: Vec<_> = self.required.iter().flatten().cloned().collect();
                if let Some(members) = table.as_object_mut() {
                    if !required.is_empty() {
                        members.insert("required".to_owned(), required.into());
                    }
                    if is_secret {
                        members.insert("minProperties".to_owned(), 1.into());
                        members.insert("maxProperties".to_owned(), 1.into());
                    }
                }
                table
            }
        }
    }
}

/// What no file can stand in.
const NO_FOLDER: &str = "/dev/null";
const ANY_ITEM: Step = Step::Item(0);
const ANY_KEY: Step = Step::Key(String::new());

#[cfg(test)]
mod tests;
