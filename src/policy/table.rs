//! The route table: one look-up that says which route covers a request.
//!
//! Routes stand in a tree of path segments, one tree per named host and one for all hosts. The most specific pattern
//! that lists the method wins: host before no host, then, segment by segment from the left, exact before parameter
//! before rest. The order in the file is irrelevant. A look-up follows the segments of the path, so its cost does not
//! grow with the number of routes beside the way.

mod near;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use http::Method;

pub use self::near::{Difference, NearMiss};
use super::path::{SEPARATOR, Segments};
use super::pattern::Segment;
use super::{Access, CanonicalPath, HostName, Inject, Methods, Pattern, Route};

/// All routes of a site with their default.
#[derive(Clone, Debug)]
pub struct RouteTable {
    routes: Vec<Route>,
    fallback: Route,
    matching: Matching,
    strictest: Access,
    by_host: HashMap<HostName, Node>,
    any_host: Node,
}

/// What an unlisted path gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Who may pass.
    pub access: Access,
    /// The index of the upstream that the request goes to.
    pub upstream: usize,
}

/// How the app itself compares paths; strictly by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// Upper and lower case are the same.
    pub ignore_case: bool,
    /// A slash at the end makes no difference.
    pub ignore_trailing_slash: bool,
}

/// Two routes of which both could win for some request, as indices into the list that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteConflict {
    /// The route that comes first.
    pub first: usize,
    /// The route that says something else about the same requests.
    pub second: usize,
}

/// The answer of a look-up.
#[derive(Clone, Copy, Debug)]
pub struct Matched<'a> {
    /// The route that covers the request; its name is `default` when none is listed.
    pub route: &'a Route,
    /// Who may pass: the access of the route, or for an ambiguous path the strictest in the table.
    pub access: Access,
    /// Whether some route lists the path, and the method; else the default covers it.
    pub is_listed: bool,
}

/// A pattern matches the path, none lists the method, and the default is to deny.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no route for this path lists the method")]
pub struct MethodNotAllowed {
    /// The value for the `Allow` header: the methods that are listed for the path.
    pub allow: String,
}

impl RouteTable {
    /// Builds the table, or names every pair of routes that both could win.
    pub fn build(
        routes: Vec<Route>,
        fallback: Fallback,
        matching: Matching,
    ) -> Result<Self, Vec<RouteConflict>> {
        let accesses = routes.iter().map(|route| route.access);
        let mut table = Self {
            strictest: accesses.fold(fallback.access, Access::strictest),
            fallback: fallback.into_route(),
            matching,
            by_host: HashMap::new(),
            any_host: Node::default(),
            routes,
        };
        let conflicts = table.fill();
        if conflicts.is_empty() {
            Ok(table)
        } else {
            Err(conflicts)
        }
    }

    /// The route that covers the request, or the default.
    ///
    /// A route that denies is found like any other; making it a 404 is up to the caller.
    pub fn find(
        &self,
        host: Option<&HostName>,
        method: &Method,
        path: &CanonicalPath,
    ) -> Result<Matched<'_>, MethodNotAllowed> {
        let text = self.matching.comparable(path.joined());
        let segments = text.split(SEPARATOR);
        let listed = self.search(host, segments.clone(), |route| {
            route.methods.contains(method)
        });
        let route = match listed {
            Some(route) => route,
            None => self.fallback_for(host, segments)?,
        };
        let access = if path.is_ambiguous() || self.matching.is_ambiguous(path.joined()) {
            self.strictest
        } else {
            route.access
        };
        Ok(Matched {
            route,
            access,
            is_listed: listed.is_some(),
        })
    }

    /// What an ambiguous path gets: the strictest access of all routes and the default, which is denial beside a webhook.
    pub fn strictest(&self) -> Access {
        self.strictest
    }

    /// All routes in the order in which they were given, then the default.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().chain([&self.fallback])
    }

    fn fill(&mut self) -> Vec<RouteConflict> {
        let mut conflicts = Vec::new();
        for (second, route) in self.routes.iter().enumerate() {
            let tree = match &route.host {
                Some(host) => self.by_host.entry(host.clone()).or_default(),
                None => &mut self.any_host,
            };
            let same_shape = tree.entry(&route.pattern, self.matching);
            let overlapping = same_shape.iter().copied().filter(|first| {
                let earlier = self.routes.get(*first);
                earlier.is_some_and(|earlier| earlier.methods.overlaps(&route.methods))
            });
            conflicts.extend(overlapping.map(|first| RouteConflict { first, second }));
            same_shape.push(second);
        }
        conflicts
    }

    /// The first route that `accepts` takes, of those that match host and path, from the most specific on.
    fn search(
        &self,
        host: Option<&HostName>,
        segments: Segments<'_>,
        mut accepts: impl FnMut(&Route) -> bool,
    ) -> Option<&Route> {
        let mut pick = |index: usize| self.routes.get(index).filter(|route| accepts(route));
        self.trees(host)
            .find_map(|tree| tree.search(segments.clone(), &mut pick))
    }

    /// Shows the index of every route that matches host and path, from the most specific on.
    fn visit(&self, host: Option<&HostName>, segments: Segments<'_>, mut show: impl FnMut(usize)) {
        let mut pick = |index: usize| {
            show(index);
            None
        };
        for tree in self.trees(host) {
            tree.search(segments.clone(), &mut pick);
        }
    }

    fn trees(&self, host: Option<&HostName>) -> impl Iterator<Item = &Node> {
        let host_tree = host.and_then(|host| self.by_host.get(host));
        host_tree.into_iter().chain([&self.any_host])
    }

    fn fallback_for(
        &self,
        host: Option<&HostName>,
        segments: Segments<'_>,
    ) -> Result<&Route, MethodNotAllowed> {
        if self.fallback.access != Access::Deny {
            return Ok(&self.fallback);
        }
        let allow = self.listed_methods(host, segments);
        if allow.is_empty() {
            return Ok(&self.fallback);
        }
        Err(MethodNotAllowed { allow })
    }

    /// The methods that some route lists for the path; a route that denies does not show itself.
    fn listed_methods(&self, host: Option<&HostName>, segments: Segments<'_>) -> String {
        let mut names = BTreeSet::new();
        self.search(host, segments, |route| {
            if route.access != Access::Deny {
                names.extend(route.methods.names().map(str::to_owned));
            }
            false
        });
        Vec::from_iter(names).join(", ")
    }
}

impl Fallback {
    fn into_route(self) -> Route {
        Route {
            name: "default".into(),
            host: None,
            pattern: Pattern::everything(),
            methods: Methods::Any,
            access: self.access,
            inject: Inject::default(),
            answer: None,
            upstream: self.upstream,
        }
    }
}

impl Matching {
    /// The segments of a path in the spelling that routes are compared in.
    fn comparable(self, joined: &str) -> Cow<'_, str> {
        let trimmed = match joined.strip_suffix(SEPARATOR) {
            Some(trimmed) if self.ignore_trailing_slash => trimmed,
            _ => joined,
        };
        self.fold(trimmed)
    }

    fn fold(self, text: &str) -> Cow<'_, str> {
        if self.ignore_case {
            Cow::Owned(text.to_lowercase())
        } else {
            Cow::Borrowed(text)
        }
    }

    /// Whether apps that ignore case disagree about the text: some fold `ſ` into `s` or `ı` into `i`, others do not.
    fn is_ambiguous(self, text: &str) -> bool {
        self.ignore_case && !text.is_ascii() && text.chars().any(folds_into_ascii)
    }
}

fn folds_into_ascii(character: char) -> bool {
    let mut cases = character.to_lowercase().chain(character.to_uppercase());
    !character.is_ascii() && cases.any(|case| case.is_ascii())
}

/// What may follow a number of segments.
#[derive(Clone, Debug, Default)]
struct Node {
    exact: HashMap<String, Node>,
    parameter: Option<Box<Node>>,
    /// Routes whose pattern ends here, as indices; their methods do not overlap.
    end: Vec<usize>,
    /// Routes whose pattern takes all that follows from here on, likewise.
    rest: Vec<usize>,
}

impl Node {
    /// The place of a pattern in this tree, made when it is not there yet.
    fn entry(&mut self, pattern: &Pattern, matching: Matching) -> &mut Vec<usize> {
        let segments = match pattern.segments() {
            [before @ .., Segment::Exact(last)]
                if matching.ignore_trailing_slash && last.is_empty() && !before.is_empty() =>
            {
                before
            }
            all => all,
        };
        let mut node = self;
        for segment in segments {
            node = match segment {
                Segment::Exact(text) => node
                    .exact
                    .entry(matching.fold(text).into_owned())
                    .or_default(),
                Segment::Parameter => node.parameter.get_or_insert_default(),
                Segment::Rest => return &mut node.rest,
            };
        }
        &mut node.end
    }

    /// What `pick` takes first, going back to the next less specific branch as often as it takes nothing.
    fn search<'r>(
        &self,
        mut segments: Segments<'_>,
        pick: &mut impl FnMut(usize) -> Option<&'r Route>,
    ) -> Option<&'r Route> {
        let exact_or_parameter = match segments.next() {
            None => self.end.iter().copied().find_map(&mut *pick),
            Some(segment) => self
                .child(segment)
                .and_then(|child| child.search(segments.clone(), pick))
                .or_else(|| self.parameter_for(segment)?.search(segments, pick)),
        };
        exact_or_parameter.or_else(|| self.rest.iter().copied().find_map(pick))
    }

    fn child(&self, segment: &str) -> Option<&Self> {
        self.exact.get(segment)
    }

    fn parameter_for(&self, segment: &str) -> Option<&Self> {
        self.parameter.as_deref().filter(|_| !segment.is_empty())
    }
}

#[cfg(test)]
mod tests;
