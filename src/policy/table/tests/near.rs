//! What is told of the routes around a request.

use super::*;

fn near(table: &RouteTable, target: &str) -> String {
    let (host, raw) = target.split_at(target.find('/').unwrap());
    let host = (!host.is_empty()).then(|| HostName::parse(host).unwrap());
    match table.nearest(host.as_ref(), &path(raw)) {
        Some(near) => format!("{}: {:?}", near.route.name, near.difference),
        None => "none".to_owned(),
    }
}

#[test]
fn all_that_match_are_told_from_the_most_specific_on() {
    let table = table(
        vec![
            route("/{*rest}", &[], Access::Public),
            route("/api/{*rest}", &["GET"], Access::Session),
            route("/api/{name}", &["POST"], Access::Session),
            route("/api/me", &["PUT"], Access::Session),
            route_on("a.example", "/api/{*rest}", &[], Access::Deny),
        ],
        Access::Deny,
    );
    for (host, expected) in [
        (
            None,
            &["/api/me", "/api/{name}", "/api/{*rest}", "/{*rest}"][..],
        ),
        (
            Some("a.example"),
            &[
                "a.example/api/{*rest}",
                "/api/me",
                "/api/{name}",
                "/api/{*rest}",
                "/{*rest}",
            ],
        ),
    ] {
        let host = host.map(|host| HostName::parse(host).unwrap());
        let found = table.matching(host.as_ref(), &path("/api/me"));
        let names: Vec<_> = found.iter().map(|route| &*route.name).collect();
        assert_eq!(names, expected);
        // The first of them that lists the method is the one that is found.
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            let first = found.iter().find(|route| route.methods.contains(&method));
            let winner = table
                .find(host.as_ref(), &method, &path("/api/me"))
                .unwrap();
            assert!(std::ptr::eq(*first.unwrap(), winner.route), "{method}");
        }
    }
}

#[test]
fn the_nearest_is_on_another_host_or_spelled_otherwise_or_alike_in_front() {
    let table = table(
        vec![
            route("/api/me", &[], Access::Session),
            route("/api/users/{id}/pictures", &[], Access::Session),
            route("/docs/", &[], Access::Public),
            route_on("a.example", "/admin", &[], Access::Session),
            route_on("b.example", "/admin/x/y", &[], Access::Session),
        ],
        Access::Deny,
    );
    for (target, expected) in [
        ("/admin", "a.example/admin: Host(HostName(\"a.example\"))"),
        (
            "b.example/admin",
            "a.example/admin: Host(HostName(\"a.example\"))",
        ),
        ("/api/me/", "/api/me: TrailingSlash"),
        ("/docs", "/docs/: TrailingSlash"),
        ("/API/me", "/api/me: Case"),
        ("/api/meme", "/api/me: Segment(2)"),
        ("/api/me/x", "/api/me: Segment(3)"),
        ("/api/users/7", "/api/users/{id}/pictures: Segment(4)"),
        ("/api/users/7/films", "/api/users/{id}/pictures: Segment(4)"),
        ("b.example/admin/x", "b.example/admin/x/y: Segment(3)"),
        ("/admin/x", "none"),
        ("/other", "none"),
        ("/", "none"),
    ] {
        assert_eq!(near(&table, target), expected, "{target}");
    }
}
