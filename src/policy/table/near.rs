//! What of a table comes near a request: for whoever asks why it was refused. Nothing here lets anything pass.

use super::{Matching, RouteTable};
use crate::policy::path::SEPARATOR;
use crate::policy::pattern::Segment;
use crate::policy::{CanonicalPath, HostName, Route};

/// The route that comes nearest to a path that none matches, and what would make it match.
#[derive(Clone, Debug)]
pub struct NearMiss<'a> {
    /// The route.
    pub route: &'a Route,
    /// What differs.
    pub difference: Difference,
}

/// What keeps a route from matching a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is for this host.
    Host(HostName),
    /// The slash at the end of the path, or its absence.
    TrailingSlash,
    /// Upper and lower case.
    Case,
    /// The path from this segment on, counted from 1.
    Segment(usize),
}

impl RouteTable {
    /// Every route whose host and path match, whatever its methods and the most specific first: of these,
    /// [`find`](Self::find) takes the first that lists the method.
    pub fn matching(&self, host: Option<&HostName>, path: &CanonicalPath) -> Vec<&Route> {
        let text = self.matching.comparable(path.joined());
        let mut routes = Vec::new();
        self.visit(host, text.split(SEPARATOR), |index| {
            routes.extend(self.routes.get(index));
        });
        routes
    }

    /// The route that comes nearest, where none [matches](Self::matching).
    pub fn nearest(&self, host: Option<&HostName>, path: &CanonicalPath) -> Option<NearMiss<'_>> {
        self.on_another_host(path)
            .or_else(|| self.spelled_otherwise(host, path))
            .or_else(|| self.alike_in_front(host, path))
    }

    fn on_another_host(&self, path: &CanonicalPath) -> Option<NearMiss<'_>> {
        let of_host = |route: &'_ Route| {
            let host = route.host.as_ref()?;
            let found = self.matching(Some(host), path);
            let is_found = found.iter().any(|found| std::ptr::eq(*found, route));
            is_found.then(|| Difference::Host(host.clone()))
        };
        self.routes.iter().find_map(|route| {
            let difference = of_host(route)?;
            Some(NearMiss { route, difference })
        })
    }

    /// A route that would match if the table were less strict.
    fn spelled_otherwise(
        &self,
        host: Option<&HostName>,
        path: &CanonicalPath,
    ) -> Option<NearMiss<'_>> {
        let Matching {
            ignore_case,
            ignore_trailing_slash,
        } = self.matching;
        let slash = Matching {
            ignore_case,
            ignore_trailing_slash: true,
        };
        let case = Matching {
            ignore_case: true,
            ignore_trailing_slash,
        };
        [(slash, Difference::TrailingSlash), (case, Difference::Case)]
            .into_iter()
            .find_map(|(matching, difference)| {
                let index = self.under(matching).first_match(host, path)?;
                let route = self.routes.get(index)?;
                Some(NearMiss { route, difference })
            })
    }

    /// The route that agrees with the path in the most segments from the start, one at least.
    fn alike_in_front(
        &self,
        host: Option<&HostName>,
        path: &CanonicalPath,
    ) -> Option<NearMiss<'_>> {
        let text = self.matching.fold(path.joined());
        let is_for_host = |route: &&Route| route.host.is_none() || route.host.as_ref() == host;
        let agreeing = |route: &Route| {
            let pairs = route.pattern.segments().iter().zip(text.split(SEPARATOR));
            let agree = |(segment, text): &(&Segment, &str)| match segment {
                Segment::Exact(exact) => self.matching.fold(exact) == *text,
                Segment::Parameter => !text.is_empty(),
                Segment::Rest => true,
            };
            pairs.take_while(agree).count()
        };
        // Of several that agree as far, the first in the file.
        let best = self.routes.iter().filter(is_for_host).rev();
        let route = best.max_by_key(|route| agreeing(route))?;
        let agreed = agreeing(route);
        (agreed > 0).then_some(NearMiss {
            route,
            difference: Difference::Segment(agreed + 1),
        })
    }

    /// The same routes compared in another way. Two that both could win then do not matter.
    fn under(&self, matching: Matching) -> Self {
        let mut table = Self {
            routes: self.routes.clone(),
            fallback: self.fallback.clone(),
            matching,
            strictest: self.strictest,
            by_host: Default::default(),
            any_host: Default::default(),
        };
        table.fill();
        table
    }

    fn first_match(&self, host: Option<&HostName>, path: &CanonicalPath) -> Option<usize> {
        let text = self.matching.comparable(path.joined());
        let mut first = None;
        self.visit(host, text.split(SEPARATOR), |index| {
            first = first.or(Some(index));
        });
        first
    }
}
