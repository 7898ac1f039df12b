//! The route table against a matcher that looks at every route and shares nothing with it but the types.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct World {
    routes: Vec<Route>,
    default: Access,
    matching: Matching,
}

fn naive_find<'a>(
    world: &'a World,
    host: Option<&HostName>,
    method: &Method,
    raw: &str,
) -> Result<Option<&'a Route>, Vec<String>> {
    let fits = |route: &&Route| {
        let same_host = route.host.is_none() || route.host.as_ref() == host;
        let (pattern, path) = (
            naive_split(route.pattern.as_str(), world),
            naive_split(raw, world),
        );
        same_host && naive_matches(&pattern, &path)
    };
    let fitting: Vec<&Route> = world.routes.iter().filter(fits).collect();
    let listed = fitting
        .iter()
        .filter(|route| route.methods.contains(method));
    if let Some(best) = listed.min_by(|a, b| naive_order(a, b, world)) {
        return Ok(Some(best));
    }
    let shown = fitting.iter().filter(|route| route.access != Access::Deny);
    let mut allow: Vec<_> = shown
        .flat_map(|route| route.methods.names().map(str::to_owned))
        .collect();
    allow.sort_unstable();
    allow.dedup();
    if world.default != Access::Deny || allow.is_empty() {
        return Ok(None);
    }
    Err(allow)
}

fn naive_split(text: &str, world: &World) -> Vec<String> {
    let text = match world.matching.ignore_case {
        true => text.to_ascii_lowercase(),
        false => text.to_owned(),
    };
    let mut segments: Vec<_> = text[1..].split('/').map(str::to_owned).collect();
    let ends_empty = segments.last().is_some_and(String::is_empty) && segments.len() > 1;
    if world.matching.ignore_trailing_slash && ends_empty {
        segments.pop();
    }
    segments
}

fn naive_matches(pattern: &[String], path: &[String]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (Some((first, _)), _) if first.starts_with("{*") => true,
        (None, None) => true,
        (Some((first, pattern)), Some((segment, path))) => {
            let parameter = first.starts_with('{') && !segment.is_empty();
            (parameter || first == segment) && naive_matches(pattern, path)
        }
        _ => false,
    }
}

fn naive_order(a: &Route, b: &Route, world: &World) -> Ordering {
    let key = |route: &Route| {
        let kinds: Vec<u8> = naive_split(route.pattern.as_str(), world)
            .iter()
            .map(|segment| match segment {
                rest if rest.starts_with("{*") => 2,
                parameter if parameter.starts_with('{') => 1,
                _ => 0,
            })
            .collect();
        (route.host.is_none(), kinds)
    };
    key(a).cmp(&key(b))
}

fn any_access() -> impl Strategy<Value = Access> {
    prop::sample::select(vec![
        Access::Public,
        Access::Optional,
        Access::Session,
        Access::Deny,
    ])
}

fn any_pattern() -> impl Strategy<Value = String> {
    let inner = prop::collection::vec(prop::sample::select(vec!["a", "A", "b", "{p}"]), 0..4);
    let last = prop::sample::select(vec!["a", "b", "{q}", "{*rest}", ""]);
    (inner, last).prop_map(|(inner, last)| {
        let inner = inner.iter().enumerate().map(|(n, segment)| match *segment {
            "{p}" => format!("/{{p{n}}}"),
            literal => format!("/{literal}"),
        });
        format!("{}/{last}", inner.collect::<String>())
    })
}

fn any_route() -> impl Strategy<Value = Route> {
    let methods = prop::sample::select(vec![
        vec![],
        vec!["GET"],
        vec!["POST"],
        vec!["HEAD"],
        vec!["GET", "PUT"],
    ]);
    let host = prop::sample::select(vec![None, None, Some("h.example"), Some("i.example")]);
    (any_pattern(), methods, host, any_access()).prop_map(|(pattern, methods, host, access)| {
        match host {
            Some(host) => route_on(host, &pattern, &methods, access),
            None => route(&pattern, &methods, access),
        }
    })
}

fn any_world() -> impl Strategy<Value = World> {
    let routes = prop::collection::vec(any_route(), 0..12);
    let matching = (any::<bool>(), any::<bool>());
    (routes, any_access(), matching).prop_map(|(routes, default, (case, slash))| World {
        routes,
        default,
        matching: Matching {
            ignore_case: case,
            ignore_trailing_slash: slash,
        },
    })
}

/// Drops routes until none conflict.
fn build_without_conflicts(world: &mut World) -> RouteTable {
    loop {
        let built = RouteTable::build(
            world.routes.clone(),
            fallback(world.default),
            world.matching,
        );
        match built {
            Ok(table) => return table,
            Err(conflicts) => {
                world.routes.remove(conflicts[0].second);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_look_up_finds_what_a_look_at_every_route_finds(
        mut world in any_world(),
        raw in "(/[aAbc]?){1,5}",
        method in prop::sample::select(vec!["GET", "POST", "HEAD", "PUT", "BREW"]),
        host in prop::sample::select(vec![None, Some("h.example"), Some("j.example")]),
    ) {
        let table = build_without_conflicts(&mut world);
        let host = host.map(|host| HostName::parse(host).unwrap());
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let path = path(&raw);
        let found = table.find(host.as_ref(), &method, &path);
        match (naive_find(&world, host.as_ref(), &method, &raw), found) {
            (Ok(expected), Ok(matched)) => {
                let default = ("default", world.default);
                let (name, access) = expected.map_or(default, |r| (&*r.name, r.access));
                prop_assert_eq!(&*matched.route.name, name);
                let strictest = world.routes.iter().map(|r| r.access).fold(world.default, Access::strictest);
                let access = if path.is_ambiguous() { strictest } else { access };
                prop_assert_eq!(matched.access, access);
            }
            (Err(expected), Err(MethodNotAllowed { allow })) => {
                prop_assert_eq!(allow, expected.join(", "));
            }
            (expected, found) => prop_assert!(false, "{expected:?} against {found:?}"),
        }
    }
}
