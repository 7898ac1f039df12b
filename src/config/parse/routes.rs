//! The routes, their defaults, and the path of our own endpoint.

mod answer;
mod webhook;

use crate::authorize::Preflight;
use crate::config::error::Place;
use crate::config::raw::{Table, Value, closest};
use crate::config::{InjectNames, Upstream};
use crate::policy::{
    Access, CanonicalPath, Fallback, HostName, Matching, Methods, Pattern, Route, RouteTable,
    Tolerance,
};

/// What `[routes]` and `[[route]]` say.
pub(super) struct Section {
    pub(super) table: Option<RouteTable>,
    pub(super) tolerance: Tolerance,
    pub(super) preflight: Preflight,
}

/// The path of our own endpoint.
pub(super) struct Endpoint {
    pub(super) text: String,
    pub(super) path: CanonicalPath,
}

pub(super) fn endpoint(root: &Table<'_>) -> Option<Endpoint> {
    let table = root.get("usersig_endpoint")?.table(&["path"])?;
    let written = table.get_or("path", || DEFAULT_ENDPOINT.into());
    let text = match &written {
        Some(value) => value.text()?,
        None => DEFAULT_ENDPOINT,
    };
    let path = CanonicalPath::parse(text.as_bytes(), Tolerance::default());
    match path {
        Ok(path) if text != "/" => Some(Endpoint {
            text: text.to_owned(),
            path,
        }),
        outcome => {
            let problem = outcome.err().map_or_else(
                || "would hide the app's own first page".to_owned(),
                |error| format!("no request can have this path: {error}"),
            );
            written?.error(problem, "a path of its own, as in \"/_chat/usersig\"");
            None
        }
    }
}

/// What routes refer to.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) hosts: &'a [(HostName, Place)],
    pub(super) upstreams: &'a [Option<Upstream>],
    pub(super) endpoint: Option<&'a Endpoint>,
    pub(super) names: Option<&'a InjectNames>,
    /// Whether something says how webhooks are checked.
    pub(super) takes_webhooks: bool,
}

pub(super) fn section(root: &Table<'_>, around: Around<'_>) -> Section {
    let hint = "default_access = \"public\", \"session\" or \"deny\": what an unlisted path gets";
    let settings = root
        .require("routes", &format!("add [routes] with {hint}"))
        .and_then(|value| value.table(SETTINGS_KEYS))
        .unwrap_or_else(|| root.empty("routes"));
    let default_access = root
        .get("routes")
        .and_then(|_| settings.require("default_access", hint))
        .and_then(|value| value.choice(DEFAULT_ACCESSES));
    let matching = Matching {
        ignore_case: settings.boolean_or("ignore_case", false),
        ignore_trailing_slash: settings.boolean_or("ignore_trailing_slash", false),
    };
    let entries = root.items("route");
    let routes: Vec<Option<Route>> = entries.iter().map(|entry| route(entry, around)).collect();
    warn_of_gaps(&settings, default_access, &routes, around.endpoint);
    Section {
        table: build(&entries, routes, default_access, matching),
        tolerance: tolerance(&settings),
        preflight: settings.choice_or("preflight", Preflight::Forward, PREFLIGHTS),
    }
}

fn build(
    entries: &[Value<'_>],
    routes: Vec<Option<Route>>,
    default_access: Option<Access>,
    matching: Matching,
) -> Option<RouteTable> {
    // Conflicts are looked for among the routes that can be read, whatever is wrong with the others.
    let (entries, routes): (Vec<_>, Vec<_>) = entries
        .iter()
        .zip(routes)
        .filter_map(|(entry, route)| Some((entry, route?)))
        .unzip();
    let fallback = Fallback {
        access: default_access.unwrap_or(Access::Deny),
        upstream: 0,
    };
    let conflicts = match RouteTable::build(routes, fallback, matching) {
        Ok(table) => return default_access.map(|_| table),
        Err(conflicts) => conflicts,
    };
    for conflict in conflicts {
        let places = entries
            .get(conflict.first)
            .zip(entries.get(conflict.second));
        if let Some((first, second)) = places {
            let line = first.report().line(first.place());
            let problem = format!("covers requests of the route in line {line} as well");
            second.error(problem, "give the two different paths, methods or hosts");
        }
    }
    None
}

fn route(entry: &Value<'_>, around: Around<'_>) -> Option<Route> {
    let table = entry.table(ROUTE_KEYS)?;
    let matched = table
        .require("match", "match = { path = \"/api/{*rest}\" }")
        .and_then(|value| Match::read(&value, around));
    let access = table
        .require(
            "access",
            "\"session\", \"optional\", \"public\", \"webhook\" or \"deny\"",
        )
        .and_then(|value| value.choice(ACCESSES));
    if access == Some(Access::Webhook) {
        return webhook::route(&table, matched, around);
    }
    let session = answer::session(&table, around.names);
    let (inject, json) = answer::inject(&table, access, &session);
    let upstream = upstream(&table, around);
    let matched = matched?;
    Some(Route {
        name: matched.label().as_str().into(),
        host: matched.host,
        pattern: matched.pattern,
        methods: matched.methods,
        access: access?,
        inject,
        answer: answer::rule(session.ok()?, json, answer::ends_session(&table, access)),
        upstream: upstream?,
    })
}

fn upstream(table: &Table<'_>, around: Around<'_>) -> Option<usize> {
    match table.get("upstream") {
        Some(value) => upstream_index(&value, around.upstreams),
        None => Some(0),
    }
}

struct Match {
    host: Option<HostName>,
    pattern: Pattern,
    methods: Methods,
}

impl Match {
    fn read(value: &Value<'_>, around: Around<'_>) -> Option<Self> {
        let table = value.table(&["host", "path", "methods"])?;
        let pattern = table
            .require("path", "path = \"/{*rest}\" for every path")
            .and_then(|value| pattern(&value, around.endpoint));
        let host = match table.get("host") {
            Some(value) => host(&value, around.hosts).map(Some),
            None => Some(None),
        };
        let methods = match table.get("methods") {
            Some(value) => methods(&value),
            None => Some(Methods::Any),
        };
        Some(Self {
            pattern: pattern?,
            host: host?,
            methods: methods?,
        })
    }

    fn label(&self) -> String {
        match &self.host {
            Some(host) => format!("{host}{}", self.pattern),
            None => self.pattern.to_string(),
        }
    }
}

/// A route for a host that its site does not answer for would never be used.
fn host(value: &Value<'_>, hosts: &[(HostName, Place)]) -> Option<HostName> {
    let host = value.parsed(HostName::parse)?;
    if !hosts.is_empty() && hosts.iter().all(|(one, _)| *one != host) {
        value.error("is none of the hosts of this site", "add it to hosts");
        return None;
    }
    Some(host)
}

fn pattern(value: &Value<'_>, endpoint: Option<&Endpoint>) -> Option<Pattern> {
    let pattern = value.parsed(Pattern::parse)?;
    let text = pattern.as_str();
    let first = text.split('/').find(|segment| !segment.is_empty());
    let is_ours = first.is_some_and(|first| first.eq_ignore_ascii_case("_chat"))
        || endpoint.is_some_and(|endpoint| endpoint.text.eq_ignore_ascii_case(text));
    if is_ours {
        value.error(
            "is a path of the proxy itself and never reaches the app",
            "/_chat/ and the path of [usersig_endpoint] are the proxy's own",
        );
        return None;
    }
    Some(pattern)
}

fn methods(value: &Value<'_>) -> Option<Methods> {
    let items = value.some_items("leave it out for every method")?;
    let names: Vec<_> = items
        .iter()
        .map(|item| {
            item.parsed_word(Methods::known(), "", |name| Methods::parse(&[name]))?;
            item.text()
        })
        .collect();
    Methods::parse(&names.into_iter().collect::<Option<Vec<_>>>()?).ok()
}

fn upstream_index(value: &Value<'_>, upstreams: &[Option<Upstream>]) -> Option<usize> {
    let name = value.text()?;
    let is_named = |upstream: &Option<Upstream>| {
        upstream
            .as_ref()
            .is_some_and(|upstream| upstream.name == name)
    };
    let index = upstreams.iter().position(is_named);
    // An upstream with an error may be the one that is meant.
    if index.is_none() && upstreams.iter().all(Option::is_some) {
        let names: Vec<&str> = upstreams
            .iter()
            .flatten()
            .map(|upstream| upstream.name.as_str())
            .collect();
        let hint = closest(name, &names)
            .map(|name| format!("did you mean \"{name}\"?"))
            .unwrap_or_else(|| "the name of an [[upstream]]".to_owned());
        value.error("no upstream has this name", hint);
    }
    index
}

fn tolerance(settings: &Table<'_>) -> Tolerance {
    let mut tolerance = Tolerance::default();
    for item in settings.items("allow") {
        match item.choice(SPELLINGS) {
            Some(Spelling::EncodedSlash) => tolerance.encoded_slash = true,
            Some(Spelling::Semicolon) => tolerance.semicolon = true,
            Some(Spelling::DoubleSlash) => tolerance.double_slash = true,
            None => {}
        }
    }
    tolerance
}

fn warn_of_gaps(
    settings: &Table<'_>,
    default_access: Option<Access>,
    routes: &[Option<Route>],
    endpoint: Option<&Endpoint>,
) {
    let listed = || routes.iter().flatten();
    if let (Some(Access::Public), Some(value)) = (default_access, settings.get("default_access"))
        && listed().any(|route| route.access == Access::Session)
    {
        value.warn(
            "a path that no route lists needs no session, also one that is mistyped here",
            "\"session\" or \"deny\", and public routes by name",
        );
    }
    if let (Some(Access::Public), Some(value)) = (default_access, settings.get("default_access"))
        && listed().any(|route| route.access == Access::Webhook)
    {
        value.warn(
            "a path that no route lists is not checked, also one that the app takes for a webhook's",
            "\"session\" or \"deny\", and public routes by name",
        );
    }
    let is_handed_out = endpoint.is_some()
        || listed().any(|route| !route.inject.is_none() || route.answer.is_some());
    if !is_handed_out && routes.iter().all(Option::is_some) {
        settings.report().warn(
            settings.place(),
            "no UserSig is ever handed out",
            "inject on a route, or add [usersig_endpoint]",
        );
    }
}

#[derive(Clone, Copy)]
enum Spelling {
    EncodedSlash,
    Semicolon,
    DoubleSlash,
}

const ROUTE_KEYS: &[&str] = &[
    "match",
    "access",
    "session_from_response",
    "inject",
    "on_success",
    "upstream",
];
const DEFAULT_ENDPOINT: &str = "/_chat/usersig";
const SETTINGS_KEYS: &[&str] = &[
    "default_access",
    "ignore_case",
    "ignore_trailing_slash",
    "preflight",
    "allow",
];
const DEFAULT_ACCESSES: &[(&str, Access)] = &[
    ("public", Access::Public),
    ("session", Access::Session),
    ("deny", Access::Deny),
];
const ACCESSES: &[(&str, Access)] = &[
    ("session", Access::Session),
    ("optional", Access::Optional),
    ("public", Access::Public),
    ("webhook", Access::Webhook),
    ("deny", Access::Deny),
];
const PREFLIGHTS: &[(&str, Preflight)] =
    &[("forward", Preflight::Forward), ("deny", Preflight::Deny)];
const SPELLINGS: &[(&str, Spelling)] = &[
    ("encoded_slash", Spelling::EncodedSlash),
    ("semicolon", Spelling::Semicolon),
    ("double_slash", Spelling::DoubleSlash),
];
