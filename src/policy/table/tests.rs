use super::*;
use crate::policy::Tolerance;

mod naive;
mod near;

fn route(pattern: &str, methods: &[&str], access: Access) -> Route {
    Route {
        name: pattern.into(),
        host: None,
        pattern: Pattern::parse(pattern).unwrap(),
        methods: methods_of(methods),
        access,
        inject: Inject::default(),
        answer: None,
        upstream: 0,
    }
}

fn route_on(host: &str, pattern: &str, methods: &[&str], access: Access) -> Route {
    Route {
        name: format!("{host}{pattern}").into(),
        host: Some(HostName::parse(host).unwrap()),
        ..route(pattern, methods, access)
    }
}

fn methods_of(names: &[&str]) -> Methods {
    match names {
        [] => Methods::Any,
        names => Methods::parse(names).unwrap(),
    }
}

fn fallback(access: Access) -> Fallback {
    Fallback {
        access,
        upstream: 7,
    }
}

fn table(routes: Vec<Route>, default: Access) -> RouteTable {
    RouteTable::build(routes, fallback(default), Matching::default()).unwrap()
}

fn path(raw: &str) -> CanonicalPath {
    let all = Tolerance {
        encoded_slash: true,
        semicolon: true,
        double_slash: true,
    };
    CanonicalPath::parse(raw.as_bytes(), all).unwrap()
}

/// The name of the route that is found for a request line such as `GET a.example/x`, or the `Allow` value.
fn find(table: &RouteTable, request: &str) -> String {
    let (method, target) = request.split_once(' ').unwrap();
    let (host, raw) = target.split_at(target.find('/').unwrap());
    let host = (!host.is_empty()).then(|| HostName::from_authority(host).unwrap());
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    match table.find(host.as_ref(), &method, &path(raw)) {
        Ok(matched) => matched.route.name.to_string(),
        Err(MethodNotAllowed { allow }) => format!("405 {allow}"),
    }
}

fn access(table: &RouteTable, raw: &str) -> Access {
    table.find(None, &Method::GET, &path(raw)).unwrap().access
}

#[test]
fn the_most_specific_pattern_wins_whatever_the_order() {
    let patterns = [
        "/{*all}",
        "/api/{*rest}",
        "/api/{id}",
        "/api/login",
        "/api/{id}/photos",
        "/api/login/photos",
        "/",
    ];
    let cases = [
        ("GET /", "/"),
        ("GET /x", "/{*all}"),
        ("GET /api", "/api/{*rest}"),
        ("GET /api/", "/api/{*rest}"),
        ("GET /api/login", "/api/login"),
        ("GET /api/42", "/api/{id}"),
        ("GET /api/42/photos", "/api/{id}/photos"),
        ("GET /api/login/photos", "/api/login/photos"),
        ("GET /api/login/other", "/api/{*rest}"),
        ("GET /api/42/photos/", "/api/{*rest}"),
        ("GET /apix", "/{*all}"),
    ];
    let routes = patterns.map(|pattern| route(pattern, &[], Access::Session));
    let reversed: Vec<_> = routes.iter().rev().cloned().collect();
    for routes in [routes.to_vec(), reversed] {
        let table = table(routes, Access::Deny);
        for (request, expected) in cases {
            assert_eq!(find(&table, request), expected, "{request}");
        }
    }
}

#[test]
fn a_less_specific_pattern_wins_when_only_it_lists_the_method() {
    let table = table(
        vec![
            route("/api/login", &["POST"], Access::Public),
            route("/api/{id}", &["GET"], Access::Session),
            route("/api/{*rest}", &["DELETE"], Access::Session),
            route("/{any}/login", &["PUT"], Access::Session),
            route("/{*rest}", &["PATCH"], Access::Session),
        ],
        Access::Deny,
    );
    let cases = [
        ("POST /api/login", "/api/login"),
        ("GET /api/login", "/api/{id}"),
        ("HEAD /api/login", "/api/{id}"),
        ("DELETE /api/login", "/api/{*rest}"),
        ("PUT /api/login", "/{any}/login"),
        ("PATCH /api/login", "/{*rest}"),
        (
            "OPTIONS /api/login",
            "405 DELETE, GET, HEAD, PATCH, POST, PUT",
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(find(&table, request), expected, "{request}");
    }
}

#[test]
fn u8_whole_segments_decide() {
    let table = table(
        vec![
            route("/v4/openim/sendmsg", &["POST"], Access::Session),
            route("/admin/{*rest}", &[], Access::Session),
        ],
        Access::Deny,
    );
    let cases = [
        ("exact", "POST /v4/openim/sendmsg", "/v4/openim/sendmsg"),
        ("extra segment", "POST /v4/openim/sendmsg/x", "default"),
        ("slash at the end", "POST /v4/openim/sendmsg/", "default"),
        ("upper case", "POST /v4/OpenIM/sendmsg", "default"),
        ("longer word", "POST /v4/openim/sendmsgs", "default"),
        ("dot at the end", "POST /v4/openim/sendmsg.", "default"),
        ("below rest", "GET /admin/users/1", "/admin/{*rest}"),
        ("word that starts like it", "GET /administrator", "default"),
        ("dots at the end", "GET /admin../users", "default"),
        ("encoded question mark", "GET /admin%3Fx", "default"),
    ];
    for (case, request, expected) in cases {
        assert_eq!(find(&table, request), expected, "{case}");
    }
}

#[test]
fn a_parameter_takes_one_segment_that_is_not_empty() {
    let table = table(
        vec![route("/users/{id}", &[], Access::Session)],
        Access::Deny,
    );
    assert_eq!(find(&table, "GET /users/1"), "/users/{id}");
    assert_eq!(find(&table, "GET /users/"), "default");
    assert_eq!(find(&table, "GET /users"), "default");
    assert_eq!(find(&table, "GET /users/1/2"), "default");
}

#[test]
fn literals_are_compared_decoded() {
    let routes = vec![
        route("/caf%C3%A9", &[], Access::Session),
        route("/@me", &[], Access::Session),
    ];
    let table = table(routes, Access::Deny);
    assert_eq!(find(&table, "GET /caf%c3%a9"), "/caf%C3%A9");
    assert_eq!(find(&table, "GET /%40me"), "/@me");
    assert_eq!(find(&table, "GET /cafe"), "default");
}

#[test]
fn u4_a_route_with_a_host_wins_on_that_host_only() {
    let table = table(
        vec![
            route("/api/{*rest}", &[], Access::Session),
            route("/api/login", &["POST"], Access::Public),
            route_on("A.example", "/{*rest}", &["GET"], Access::Deny),
        ],
        Access::Public,
    );
    let cases = [
        ("GET a.example/api/login", "A.example/{*rest}"),
        ("GET A.EXAMPLE.:443/api/login", "A.example/{*rest}"),
        ("POST a.example/api/login", "/api/login"),
        ("GET b.example/api/login", "/api/{*rest}"),
        ("GET sub.a.example/api/x", "/api/{*rest}"),
        ("GET /api/x", "/api/{*rest}"),
        ("GET b.example/x", "default"),
    ];
    for (request, expected) in cases {
        assert_eq!(find(&table, request), expected, "{request}");
    }
}

#[test]
fn u6_a_method_that_no_route_lists_gets_405_only_where_the_default_denies() {
    let routes = || {
        vec![
            route("/api/login", &["POST"], Access::Public),
            route("/api/user", &["GET"], Access::Session),
        ]
    };
    let closed = table(routes(), Access::Deny);
    let open = table(routes(), Access::Public);
    let cases = [
        ("listed", "POST /api/login", "/api/login", "/api/login"),
        ("head of get", "HEAD /api/user", "/api/user", "/api/user"),
        ("unlisted", "GET /api/login", "405 POST", "default"),
        ("lower case", "post /api/login", "405 POST", "default"),
        ("unknown", "BREW /api/login", "405 POST", "default"),
        ("trace", "TRACE /api/user", "405 GET, HEAD", "default"),
        ("preflight", "OPTIONS /api/user", "405 GET, HEAD", "default"),
        ("no pattern", "GET /other", "default", "default"),
    ];
    for (case, request, when_closed, when_open) in cases {
        assert_eq!(find(&closed, request), when_closed, "{case}, closed");
        assert_eq!(find(&open, request), when_open, "{case}, open");
    }
}

#[test]
fn a_denied_route_is_found_but_does_not_show_its_methods() {
    let table = table(
        vec![
            route("/internal", &["POST"], Access::Deny),
            route("/mixed", &["POST"], Access::Deny),
            route("/mixed", &["GET"], Access::Session),
        ],
        Access::Deny,
    );
    assert_eq!(find(&table, "POST /internal"), "/internal");
    assert_eq!(find(&table, "GET /internal"), "default");
    assert_eq!(find(&table, "PUT /mixed"), "405 GET, HEAD");
}

#[test]
fn u9_what_no_route_lists_gets_the_default() {
    let table = table(vec![route("/a", &[], Access::Public)], Access::Session);
    let matched = table.find(None, &Method::GET, &path("/b")).unwrap();
    assert_eq!(matched.access, Access::Session);
    assert_eq!(&*matched.route.name, "default");
    assert_eq!(matched.route.upstream, 7);
    assert!(matched.route.inject.is_none());
}

#[test]
fn u9_two_routes_that_could_both_win_are_a_conflict() {
    type Spec<'a> = (&'a str, &'a str, &'a [&'a str]);
    let cases: [(&str, Spec<'_>, Spec<'_>, bool); 13] = [
        ("same", ("", "/a", &[]), ("", "/a", &[]), true),
        (
            "any and a list",
            ("", "/a", &[]),
            ("", "/a", &["GET"]),
            true,
        ),
        (
            "head and get",
            ("", "/a", &["GET"]),
            ("", "/a", &["HEAD"]),
            true,
        ),
        (
            "other methods",
            ("", "/a", &["GET"]),
            ("", "/a", &["POST"]),
            false,
        ),
        (
            "parameter names",
            ("", "/{a}", &[]),
            ("", "/{b}", &[]),
            true,
        ),
        (
            "rest names",
            ("", "/a/{*b}", &[]),
            ("", "/a/{*c}", &[]),
            true,
        ),
        ("percent code", ("", "/%40", &[]), ("", "/@", &[]), true),
        (
            "exact and parameter",
            ("", "/a", &[]),
            ("", "/{a}", &[]),
            false,
        ),
        (
            "exact and rest",
            ("", "/a", &[]),
            ("", "/a/{*b}", &[]),
            false,
        ),
        ("crossed", ("", "/{a}/b", &[]), ("", "/a/{b}", &[]), false),
        (
            "host and none",
            ("h.example", "/a", &[]),
            ("", "/a", &[]),
            false,
        ),
        (
            "same host",
            ("h.example", "/a", &[]),
            ("H.Example.", "/a", &[]),
            true,
        ),
        ("case", ("", "/A", &[]), ("", "/a", &[]), false),
    ];
    for (case, first, second, expected) in cases {
        let routes = [first, second].map(|(host, pattern, methods)| match host {
            "" => route(pattern, methods, Access::Session),
            host => route_on(host, pattern, methods, Access::Session),
        });
        let built = RouteTable::build(routes.to_vec(), fallback(Access::Deny), Matching::default());
        let conflict = RouteConflict {
            first: 0,
            second: 1,
        };
        assert_eq!(built.err(), expected.then(|| vec![conflict]), "{case}");
    }
}

#[test]
fn u9_all_conflicts_are_reported_together() {
    let routes =
        ["/a", "/b", "/a", "/{x}", "/b", "/a"].map(|pattern| route(pattern, &[], Access::Session));
    let built = RouteTable::build(routes.to_vec(), fallback(Access::Deny), Matching::default());
    let pairs = [(0, 2), (1, 4), (0, 5), (2, 5)];
    let expected = pairs.map(|(first, second)| RouteConflict { first, second });
    assert_eq!(built.unwrap_err(), expected);
}

#[test]
fn u1_an_ambiguous_path_gets_the_strictest_access_of_any_route() {
    let login = || route("/login/{*rest}", &[], Access::Public);
    let session = || route("/api/{*rest}", &[], Access::Session);
    let webhook = || route("/hook", &[], Access::Webhook);
    let cases = [
        ("only public", vec![login()], Access::Public, Access::Public),
        (
            "a session route",
            vec![login(), session()],
            Access::Public,
            Access::Session,
        ),
        (
            "the default",
            vec![login()],
            Access::Session,
            Access::Session,
        ),
        (
            "a denying default",
            vec![login()],
            Access::Deny,
            Access::Deny,
        ),
        // Neither a session nor a webhook's sign is as good as both.
        (
            "a webhook beside a session",
            vec![login(), session(), webhook()],
            Access::Public,
            Access::Deny,
        ),
        (
            "a webhook",
            vec![login(), webhook()],
            Access::Public,
            Access::Deny,
        ),
    ];
    for (case, routes, default, strictest) in cases {
        let table = table(routes, default);
        assert_eq!(table.strictest(), strictest, "{case}");
        assert_eq!(access(&table, "/login/x"), Access::Public, "{case}");
        for raw in ["/login/..a%2Fx", "/login;a=1/x", "/login//x"] {
            assert_eq!(access(&table, raw), strictest, "{case}: {raw}");
        }
    }
}

#[test]
fn case_matters_unless_it_is_ignored() {
    let build = |ignore_case| {
        let matching = Matching {
            ignore_case,
            ..Matching::default()
        };
        let routes = vec![
            route("/Admin/{*rest}", &[], Access::Session),
            route("/%C3%89t%C3%A9", &[], Access::Session),
        ];
        RouteTable::build(routes, fallback(Access::Public), matching).unwrap()
    };
    let cases = [
        ("same case", "/Admin/x", Access::Session, Access::Session),
        ("other case", "/aDMIN/x", Access::Public, Access::Session),
        (
            "other case outside ASCII",
            "/%C3%A9T%C3%89",
            Access::Public,
            Access::Session,
        ),
        ("other word", "/Admins/x", Access::Public, Access::Public),
        (
            "letter without case",
            "/%E4%B8%AD",
            Access::Public,
            Access::Public,
        ),
        ("long s", "/%C5%BFtatic", Access::Public, Access::Session),
        (
            "dotless i",
            "/adm%C4%B1n/x",
            Access::Public,
            Access::Session,
        ),
        ("Kelvin sign", "/%E2%84%AA", Access::Public, Access::Session),
    ];
    for (case, raw, strict, ignoring) in cases {
        assert_eq!(access(&build(false), raw), strict, "{case}, compared");
        assert_eq!(access(&build(true), raw), ignoring, "{case}, ignored");
    }
}

#[test]
fn a_slash_at_the_end_matters_unless_it_is_ignored() {
    let build = |ignore_trailing_slash| {
        let matching = Matching {
            ignore_trailing_slash,
            ..Matching::default()
        };
        let routes = vec![
            route("/a", &[], Access::Session),
            route("/b/", &[], Access::Session),
            route("/c/{id}", &[], Access::Session),
            route("/", &[], Access::Session),
        ];
        RouteTable::build(routes, fallback(Access::Public), matching).unwrap()
    };
    let cases = [
        ("/a", true),
        ("/a/", false),
        ("/b", false),
        ("/b/", true),
        ("/c/1", true),
        ("/c/1/", false),
        ("/", true),
    ];
    for (raw, strict) in cases {
        let found = access(&build(false), raw) == Access::Session;
        assert_eq!(found, strict, "{raw}, compared");
        assert_eq!(access(&build(true), raw), Access::Session, "{raw}, ignored");
    }
    for raw in ["/c", "/c/", "/x/"] {
        assert_eq!(access(&build(true), raw), Access::Public, "{raw}");
    }
}

#[test]
fn what_matching_ignores_makes_conflicts() {
    let conflicts = |matching, patterns: [&str; 2]| {
        let routes = patterns.map(|pattern| route(pattern, &[], Access::Session));
        RouteTable::build(routes.to_vec(), fallback(Access::Deny), matching).is_err()
    };
    let ignore_case = Matching {
        ignore_case: true,
        ..Matching::default()
    };
    let ignore_slash = Matching {
        ignore_trailing_slash: true,
        ..Matching::default()
    };
    assert!(conflicts(ignore_case, ["/a", "/A"]));
    assert!(!conflicts(ignore_slash, ["/a", "/A"]));
    assert!(conflicts(ignore_slash, ["/a", "/a/"]));
    assert!(!conflicts(ignore_case, ["/a", "/a/"]));
}

#[test]
fn routes_are_listed_in_order_with_the_default_at_the_end() {
    let table = table(
        vec![
            route("/b", &[], Access::Session),
            route("/a", &[], Access::Public),
        ],
        Access::Deny,
    );
    let names: Vec<_> = table.routes().map(|route| &*route.name).collect();
    assert_eq!(names, ["/b", "/a", "default"]);
}

#[test]
fn a_look_up_visits_only_routes_on_its_way() {
    let mut routes: Vec<_> = (0..2000)
        .map(|n| route(&format!("/api/r{n}/{{id}}"), &[], Access::Session))
        .collect();
    routes.push(route("/{*rest}", &["POST"], Access::Public));
    let table = table(routes, Access::Deny);
    let mut visited = 0;
    let path = path("/api/r1234/x");
    table.search(None, path.segments(), |_| {
        visited += 1;
        false
    });
    assert_eq!(visited, 2);
}
