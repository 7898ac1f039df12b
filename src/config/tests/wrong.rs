//! Configurations that are wrong in one thing each, with every line that an operator then sees.

use super::*;

#[test]
fn every_fault_is_reported_with_its_place_and_a_hint() {
    let world = World::new();
    for row in ROWS {
        let errors = world.errors(&base_with(row.from, row.to));
        assert_eq!(errors, row.errors, "{}", row.name);
    }
}

#[test]
fn every_warning_has_its_place_and_leaves_the_configuration_usable() {
    let mut world = World::new();
    world.env.insert("SHORT", "not64hex".to_owned());
    world
        .env
        .insert("ODD", "not-64-hexadecimal-characters-but-long".to_owned());
    world.file(
        "mixed.jwks",
        JWKS.replace("[", r#"[{"kty":"oct","k":"AAAA"},"#),
    );
    for row in WARNINGS {
        let warnings = world.warnings(&base_with(row.from, row.to));
        assert_eq!(warnings, row.errors, "{}", row.name);
    }
}

#[test]
fn all_faults_of_a_file_are_reported_at_once_in_the_order_of_its_lines() {
    let spoilt = FULL
        .replace("threads = 4", "threads = \"4\"")
        .replace("http://app.internal:3000", "ftp://app.internal")
        .replace("20_001_234", "0")
        .replace("\"SESSION\"", "\"ABSENT\"")
        .replace("claim = \"/user/id\"", "clam = \"/user/id\"")
        .replace("preflight = \"deny\"", "preflight = \"no\"")
        .replace("/api/login", "/api/*")
        .replace("cookie_name = \"sig\"", "cookie_name = \"s g\"");
    let errors = World::new().errors(&spoilt);
    let keys: Vec<&str> = errors
        .iter()
        .filter_map(|error| error.splitn(3, ':').nth(2)?.trim_start().split(": ").next())
        .collect();
    assert_eq!(
        keys,
        [
            "runtime.threads",
            "upstream[1].servers[1]",
            "chat.sdk_app_id",
            "session.issuer[1].keys.secret",
            "session.issuer[3].identity.transform[1].digest.key",
            "identity.clam",
            "routes.preflight",
            "route[1].match.path",
            "inject.cookie_name",
        ]
    );
}

#[test]
fn o2_an_empty_file_names_every_section_that_is_required() {
    let errors = World::new().errors("# nothing yet\n");
    let sections: Vec<&str> = errors
        .iter()
        .filter_map(|error| error.strip_prefix("1:1: ")?.split(": is required").next())
        .collect();
    assert_eq!(
        sections,
        ["upstream", "chat", "identity", "session", "routes"]
    );
}

#[test]
fn no_value_of_the_file_is_repeated_in_an_error() {
    let world = World::new();
    let quoted: Vec<&str> = FULL.split('"').skip(1).step_by(2).collect();
    for (index, value) in quoted.iter().enumerate() {
        let mut parts: Vec<&str> = FULL.split('"').collect();
        parts[index * 2 + 1] = "HUSH HUSH";
        let text = parts.join("\"");
        for error in world.errors(&text) {
            let is_named = [".match.", "public_key", "jwks_file", ".require.", ".ca: "];
            let may_be_repeated = is_named.iter().any(|key| error.contains(key));
            assert!(
                may_be_repeated || !error.contains("HUSH"),
                "{value}: {error}"
            );
        }
    }
}

#[test]
fn whatever_is_left_out_a_refusal_has_a_reason() {
    let world = World::new();
    let lines: Vec<&str> = FULL.lines().collect();
    for index in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(index);
        world.errors(&fewer.join("\n"));
        world.errors(&lines[..index].join("\n"));
    }
    for (index, _) in FULL.char_indices().step_by(3) {
        let (before, after) = FULL.split_at(index);
        world.errors(&format!("{before}{}", after.get(1..).unwrap_or_default()));
        world.errors(&format!("{before}[{after}"));
    }
}

#[test]
fn several_issuers_need_names_that_never_meet_unless_they_share_them() {
    let world = World::new();
    let two = |transform: &str, shared: &str| {
        let issuer = format!(
            "[[session.issuer]]\nname = \"two\"\nissuer = \"x\"\nalgorithms = [\"RS256\"]\n\
             keys = {{ public_key = \"rsa.pem\" }}\nidentity = {{ transform = [{transform}] }}\n{shared}[identity]"
        );
        let first = "algorithms = [\"HS256\"]\nidentity = { transform = [{ prefix = \"a_\" }] }";
        let text = base_with("algorithms = [\"HS256\"]", first).replace("[identity]", &issuer);
        world.errors(&text).len()
    };
    let shared = "[session]\nshared_identity = true\n";
    assert_eq!(two("{ prefix = \"b_\" }", ""), 0);
    assert_eq!(two("{ prefix = \"a_\" }", ""), 1);
    assert_eq!(two("{ prefix = \"a_b\" }", ""), 1);
    assert_eq!(two("", ""), 1);
    assert_eq!(two("", shared), 0);
}

#[test]
fn logins_in_the_answer_that_make_sense_are_accepted() {
    let world = World::new();
    for (access, session, inject) in [
        (
            "public",
            r#"{ json = "/a/b" }"#,
            r#"response_json = "/a/bc""#,
        ),
        (
            "public",
            r#"{ json = "/a/b" }"#,
            r#"response_json = "/a/c""#,
        ),
        (
            "optional",
            r#"{ json = "/a" }"#,
            r#"request_headers = true, response_json = "/b""#,
        ),
        (
            "public",
            r#"{ set_cookie = "s" }"#,
            "response_cookie = true",
        ),
        (
            "public",
            r#"{ set_cookie = "s", statuses = [302, 303] }"#,
            "response_headers = true",
        ),
        (
            "public",
            r#"{ header = "Authorization" }"#,
            r#"response_json = "/chat""#,
        ),
        (
            "session",
            r#"{ header = "X-Session" }"#,
            "response_headers = true, response_cookie = true",
        ),
    ] {
        let text = format!(
            "access = \"{access}\"\nsession_from_response = {session}\ninject = {{ {inject} }}"
        );
        let from = "access = \"session\"\ninject = { request_headers = true }";
        assert_eq!(world.errors(&base_with(from, &text)), [""; 0], "{text}");
        assert_eq!(world.warnings(&base_with(from, &text)), [""; 0], "{text}");
    }
}

struct Row {
    name: &'static str,
    from: &'static str,
    to: &'static str,
    errors: &'static [&'static str],
}

const WARNINGS: &[Row] = &[
    Row {
        name: "a public default beside session routes",
        from: r#"default_access = "session""#,
        to: r#"default_access = "public""#,
        errors: &[
            r#"15:18: routes.default_access: a path that no route lists needs no session, also one that is mistyped here ("session" or "deny", and public routes by name)"#,
        ],
    },
    Row {
        name: "a store in the clear over a network",
        from: "[routes]",
        to: r#"[store.redis]
url = "redis://10.0.0.5"
[routes]"#,
        errors: &[
            r#"15:7: store.redis.url: what is said to the store, the password too, can be read and changed on its way (rediss:// where the server speaks TLS)"#,
        ],
    },
    Row {
        name: "a token in the query",
        from: "[[session",
        to: r#"[session]
from = [{ query = "token" }]
[[session"#,
        errors: &[
            "9:19: session.from[1].query: a token in the query ends in logs and histories; it counts on a WebSocket upgrade only (a cookie serves browsers there as well)",
        ],
    },
    Row {
        name: "a short secret that is allowed",
        from: r#"{ env = "SESSION" } }"#,
        to: r#"{ env = "SHORT" } }
allow_short_secret = true"#,
        errors: &[
            "12:22: session.issuer[1].allow_short_secret: whoever guesses the short secret can be any user (a secret of 32 random bytes, as soon as the app can have one)",
        ],
    },
    Row {
        name: "a Chat key of another form",
        from: r#"{ env = "CHAT" }"#,
        to: r#"{ env = "ODD" }"#,
        errors: &[
            "6:14: chat.secret_key: the key is not 64 hexadecimal characters (the console shows it under Basic Information; it is used as it stands there)",
        ],
    },
    Row {
        name: "a key of a set that is ignored",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { jwks_file = "mixed.jwks" }"#,
        errors: &[
            "11:22: session.issuer[1].keys.jwks_file: key 1 of the set is ignored: a shared secret in a key set",
        ],
    },
    Row {
        name: "nothing that hands a UserSig out",
        from: "inject = { request_headers = true }",
        to: "",
        errors: &[
            "14:1: routes: no UserSig is ever handed out (inject on a route, or add [usersig_endpoint])",
        ],
    },
    Row {
        name: "an endpoint that hands it out",
        from: "inject = { request_headers = true }",
        to: "[usersig_endpoint]",
        errors: &[],
    },
    Row {
        name: "keys from inside a network",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { jwks_url = "https://10.0.0.1/keys" }
allow_private = true"#,
        errors: &[
            "12:17: session.issuer[1].allow_private: whoever can answer for the key server's name inside the network can be any user (an address that the internet sees, if there is one)",
        ],
    },
];

const ROWS: &[Row] = &[
    Row {
        name: "a list begun as a table",
        from: "[routes]",
        to: r#"[route]
[routes]"#,
        errors: &[
            "17:3: duplicate key (a key is written once; entries of a list are written [[name]])",
        ],
    },
    Row {
        name: "an unknown key at the top",
        from: "[[upstream]]",
        to: r#"demoo = true
[[upstream]]"#,
        errors: &["1:1: demoo: unknown key (did you mean `demo`?)"],
    },
    Row {
        name: "a section that does not exist",
        from: "[routes]",
        to: r#"[gateway]
path_prefix = "/x"
[routes]"#,
        errors: &[
            "14:2: gateway: unknown key (known here: demo, secret_files, listen, ops, runtime, log, store, audit, traces, sites, hosts, cors, upstream, chat, session, identity, routes, route, inject, usersig_endpoint, rest_api, webhook)",
        ],
    },
    Row {
        name: "an issuer's roles at no pointer",
        from: "keys = {",
        to: "roles_claim = \"roles\"\nkeys = {",
        errors: &[
            r#"11:15: session.issuer[1].roles_claim: a JSON pointer starts with "/", as in "/sub""#,
        ],
    },
    Row {
        name: "a misspelt key",
        from: "sdk_app_id",
        to: "sdk_appid",
        errors: &[
            "4:1: chat.sdk_app_id: is required (the SDKAppID of the console)",
            "5:1: chat.sdk_appid: unknown key (did you mean `sdk_app_id`?)",
        ],
    },
    Row {
        name: "a table written as an array",
        from: "[chat]",
        to: "[[chat]]",
        errors: &["4:1: chat: expected a table, found an array"],
    },
    Row {
        name: "an array written as a table",
        from: "[[upstream]]",
        to: "[upstream]",
        errors: &[
            "1:1: upstream: expected an array, found a table (write [[upstream]] for each entry, or [..] around a list)",
        ],
    },
    Row {
        name: "a section that is a string",
        from: "[[upstream]]",
        to: r#"log = "debug"
[[upstream]]"#,
        errors: &["1:7: log: expected a table, found a string"],
    },
    Row {
        name: "demo as a string",
        from: "[[upstream]]",
        to: r#"demo = "yes"
[[upstream]]"#,
        errors: &["1:8: demo: expected true or false, found a string"],
    },
    Row {
        name: "an unknown word",
        from: "[[upstream]]",
        to: r#"secret_files = "strickt"
[[upstream]]"#,
        errors: &[
            r#"1:16: secret_files: must be one of "warn", "strict" (did you mean "strict"?)"#,
        ],
    },
    Row {
        name: "a listener without port",
        from: "[routes]",
        to: r#"[listen]
http = ["0.0.0.0"]
[routes]"#,
        errors: &[
            r#"15:9: listen.http[1]: is not an address to listen on (an IP address and a port, as in "127.0.0.1:8080" or "[::1]:8080")"#,
        ],
    },
    Row {
        name: "a listener by name",
        from: "[routes]",
        to: r#"[listen]
http = ["localhost:8080"]
[routes]"#,
        errors: &[
            r#"15:9: listen.http[1]: is not an address to listen on (an IP address and a port, as in "127.0.0.1:8080" or "[::1]:8080")"#,
        ],
    },
    Row {
        name: "no listener",
        from: "[routes]",
        to: r#"[listen]
http = []
[routes]"#,
        errors: &[
            r#"15:8: listen.http: is empty (name at least one address, as in ["0.0.0.0:8080"])"#,
        ],
    },
    Row {
        name: "a listener that is no list",
        from: "[routes]",
        to: r#"[listen]
http = "0.0.0.0:8080"
[routes]"#,
        errors: &["15:8: listen.http: expected an array, found a string"],
    },
    Row {
        name: "port zero",
        from: "[routes]",
        to: r#"[ops]
listen = "127.0.0.1:0"
[routes]"#,
        errors: &[
            "15:10: ops.listen: has no port that a client could know (a port from 1 to 65535)",
        ],
    },
    Row {
        name: "one address twice",
        from: "[routes]",
        to: r#"[listen]
http = ["127.0.0.1:80", "0.0.0.0:80"]
[routes]"#,
        errors: &[
            "15:25: listen.http[2]: is taken by listen.http[1] already (give each its own port)",
        ],
    },
    Row {
        name: "ops on a public listener",
        from: "[routes]",
        to: r#"[ops]
listen = "127.0.0.1:8080"
[routes]"#,
        errors: &["15:10: ops.listen: is taken by listen.http already (give each its own port)"],
    },
    Row {
        name: "a listener on the port of ops",
        from: "[routes]",
        to: r#"[listen]
http = ["0.0.0.0:9090"]
[routes]"#,
        errors: &["15:9: listen.http[1]: is taken by ops.listen already (give each its own port)"],
    },
    Row {
        name: "a demo for everybody",
        from: "[[upstream]]",
        to: r#"demo = true
listen.http = ["0.0.0.0:8080"]
ops.listen = "10.0.0.1:9090"
[[upstream]]"#,
        errors: &[
            "2:16: listen.http[1]: is not on loopback, which demo = true asks for (127.0.0.1, or keys of your own and no demo)",
            "3:14: ops.listen: is not on loopback, which demo = true asks for (127.0.0.1, or keys of your own and no demo)",
        ],
    },
    Row {
        name: "more connections than there can be",
        from: "[routes]",
        to: r#"[runtime]
max_connections = 2000000
[routes]"#,
        errors: &["15:19: runtime.max_connections: must be from 0 to 1048576"],
    },
    Row {
        name: "a negative number of threads",
        from: "[routes]",
        to: r#"[runtime]
threads = -1
[routes]"#,
        errors: &["15:11: runtime.threads: must be from 0 to 1024"],
    },
    Row {
        name: "a size with a decimal unit",
        from: "[routes]",
        to: r#"[runtime]
max_body = "64MB"
[routes]"#,
        errors: &[r#"15:12: runtime.max_body: is not a size (as in "64KiB", "1MiB", "512B")"#],
    },
    Row {
        name: "a size without unit",
        from: "[routes]",
        to: r#"[runtime]
max_uri_bytes = 8192
[routes]"#,
        errors: &[
            r#"15:17: runtime.max_uri_bytes: expected a size, in quotes, with its unit (as in "64KiB", "1MiB", "512B")"#,
        ],
    },
    Row {
        name: "a header limit beyond the server's",
        from: "[routes]",
        to: r#"[runtime]
max_header_bytes = "2MiB"
[routes]"#,
        errors: &[r#"15:20: runtime.max_header_bytes: must be from "1KiB" to "512KiB""#],
    },
    Row {
        name: "a duration without unit",
        from: "[routes]",
        to: r#"[runtime]
grace_period = "10"
[routes]"#,
        errors: &[
            r#"15:16: runtime.grace_period: is not a duration (whole seconds, as in "30s", "15m", "24h", "7d")"#,
        ],
    },
    Row {
        name: "milliseconds where whole seconds count, and times of an upstream that are too short",
        from: "servers = [\"http://127.0.0.1:3000\"]",
        to: r#"servers = ["http://127.0.0.1:3000"]
connect_timeout = "99ms"
read_timeout = "1500"
health = { timeout = "0ms" }
[runtime]
grace_period = "1500ms""#,
        errors: &[
            r#"4:19: upstream[1].connect_timeout: must be from "100ms" to "1d""#,
            r#"5:16: upstream[1].read_timeout: is not a duration (as in "500ms", "30s", "15m", "24h")"#,
            r#"6:22: upstream[1].health.timeout: must be from "100ms" to "1m""#,
            r#"8:16: runtime.grace_period: is not a duration (whole seconds, as in "30s", "15m", "24h", "7d")"#,
        ],
    },
    Row {
        name: "a store in a folder that is not there",
        from: "[routes]",
        to: r#"[store]
file = "absent/state"
[routes]"#,
        errors: &[
            "15:8: store.file: is a folder, or in one that is not there (a file that the proxy may make, in a folder that is there)",
        ],
    },
    Row {
        name: "a store that names nothing",
        from: "[routes]",
        to: r#"[store]
[routes]"#,
        errors: &[r#"14:1: store.file: is required (file = "state", in a folder that is there)"#],
    },
    Row {
        name: "a store of a fleet without an address",
        from: "[routes]",
        to: r#"[store.redis]
database = 1
[routes]"#,
        errors: &[
            r#"14:1: store.redis.url: is required ("redis://host:6379", "rediss://host:6379" with TLS, or "unix:/run/redis/redis.sock")"#,
        ],
    },
    Row {
        name: "a store with a password in its address",
        from: "[routes]",
        to: r#"[store.redis]
url = "rediss://:hunter2@redis.internal"
[routes]"#,
        errors: &[
            r#"15:7: store.redis.url: a secret does not stand in this file (username = ".." and password = { file = ".." } have keys of their own)"#,
        ],
    },
    Row {
        name: "a store with a user in its address",
        from: "[routes]",
        to: r#"[store.redis]
url = "rediss://hunter2@redis.internal"
[routes]"#,
        errors: &[
            r#"15:7: store.redis.url: a secret does not stand in this file (username = ".." and password = { file = ".." } have keys of their own)"#,
        ],
    },
    Row {
        name: "a store with a database in its address",
        from: "[routes]",
        to: r#"[store.redis]
url = "rediss://redis.internal/1"
[routes]"#,
        errors: &[
            r#"15:7: store.redis.url: has more than a host and a port (database = 1 has a key of its own)"#,
        ],
    },
    Row {
        name: "a store over another protocol",
        from: "[routes]",
        to: r#"[store.redis]
url = "http://redis.internal"
[routes]"#,
        errors: &[
            r#"15:7: store.redis.url: is no address of a store ("redis://host:6379", "rediss://host:6379" with TLS, or "unix:/run/redis/redis.sock")"#,
        ],
    },
    Row {
        name: "a store at no address",
        from: "[routes]",
        to: r#"[store.redis]
url = "redis.internal"
[routes]"#,
        errors: &[
            r#"15:7: store.redis.url: is no address of a store ("redis://host:6379", "rediss://host:6379" with TLS, or "unix:/run/redis/redis.sock")"#,
        ],
    },
    Row {
        name: "a store at a relative socket",
        from: "[routes]",
        to: r#"[store.redis]
url = "unix:redis.sock"
[routes]"#,
        errors: &[r#"15:7: store.redis.url: names no socket (unix:/run/redis/redis.sock)"#],
    },
    Row {
        name: "a password of a store in the file",
        from: "[routes]",
        to: r#"[store.redis]
url = "redis://127.0.0.1"
password = "hunter2"
[routes]"#,
        errors: &[
            r#"16:12: store.redis.password: a secret does not stand in this file (write { file = ".." }, { env = "NAME" } or { credential = "name" })"#,
        ],
    },
    Row {
        name: "a user of a store without a password",
        from: "[routes]",
        to: r#"[store.redis]
url = "redis://127.0.0.1"
username = "proxy"
[routes]"#,
        errors: &[
            r#"16:12: store.redis.username: there is no password (password = { file = ".." })"#,
        ],
    },
    Row {
        name: "a ca of a store without TLS",
        from: "[routes]",
        to: r#"[store.redis]
url = "redis://127.0.0.1"
ca = "ca.pem"
[routes]"#,
        errors: &[r#"16:6: store.redis.ca: has a meaning only with rediss:// (leave it out)"#],
    },
    Row {
        name: "numbers of a store out of range",
        from: "[routes]",
        to: r#"[store.redis]
url = "unix:/run/redis.sock"
prefix = "a b"
timeout = "5ms"
nodes = 0
database = -1
[routes]"#,
        errors: &[
            r#"16:10: store.redis.prefix: is no prefix for keys (up to 64 letters, digits, and . _ - : /)"#,
            r#"17:11: store.redis.timeout: must be from "10ms" to "10s""#,
            r#"18:9: store.redis.nodes: must be from 1 to 10000"#,
            r#"19:12: store.redis.database: must be from 0 to 1000000"#,
        ],
    },
    Row {
        name: "a store that is a folder",
        from: "[routes]",
        to: r#"[store]
file = "."
[routes]"#,
        errors: &[
            "15:8: store.file: is a folder, or in one that is not there (a file that the proxy may make, in a folder that is there)",
        ],
    },
    Row {
        name: "a duration of nothing",
        from: "[routes]",
        to: r#"[runtime]
downstream_keepalive = "0s"
[routes]"#,
        errors: &[r#"15:24: runtime.downstream_keepalive: must be from "1s" to "1d""#],
    },
    Row {
        name: "an unknown log level",
        from: "[routes]",
        to: r#"[log]
level = "inf"
format = "xml"
[routes]"#,
        errors: &[
            r#"15:9: log.level: must be one of "error", "warn", "info", "debug", "trace" (did you mean "info"?)"#,
            r#"16:10: log.format: must be one of "json", "text""#,
        ],
    },
    Row {
        name: "origins that are none",
        from: "[routes]",
        to: r#"[cors]
origins = ["*", "null", "https://*.example.com", "https://a.example/", "app.example", "https://a.example:443", "https://"]
[routes]"#,
        errors: &[
            r#"15:12: cors.origins[1]: a wildcard would let every site read a UserSig (scheme, host and port, as in "https://app.example.com")"#,
            r#"15:17: cors.origins[2]: "null" is what any sandboxed page sends (scheme, host and port, as in "https://app.example.com")"#,
            r#"15:25: cors.origins[3]: a wildcard would let every site read a UserSig (scheme, host and port, as in "https://app.example.com")"#,
            r#"15:50: cors.origins[4]: an origin has no path (scheme, host and port, as in "https://app.example.com")"#,
            r#"15:72: cors.origins[5]: is not an origin (scheme, host and port, as in "https://app.example.com")"#,
            r#"15:87: cors.origins[6]: a browser leaves the default port out, so this never matches (scheme, host and port, as in "https://app.example.com")"#,
            r#"15:112: cors.origins[7]: is not an origin (scheme, host and port, as in "https://app.example.com")"#,
        ],
    },
    Row {
        name: "no upstream",
        from: r#"[[upstream]]
name = "app"
servers = ["http://127.0.0.1:3000"]"#,
        to: "",
        errors: &[
            r#"1:1: upstream: is required (add [[upstream]] with name = "app" and servers = ["http://127.0.0.1:3000"])"#,
        ],
    },
    Row {
        name: "an empty list of upstreams",
        from: r#"[[upstream]]
name = "app"
servers = ["http://127.0.0.1:3000"]"#,
        to: "upstream = []",
        errors: &[
            r#"1:12: upstream: is empty (add [[upstream]] with name = "app" and servers = ["http://127.0.0.1:3000"])"#,
        ],
    },
    Row {
        name: r#"no server"#,
        from: r#""http://127.0.0.1:3000""#,
        to: r#""#,
        errors: &[r#"3:11: upstream[1].servers: is empty (servers = ["http://127.0.0.1:3000"])"#],
    },
    Row {
        name: r#"a server twice"#,
        from: r#""http://127.0.0.1:3000""#,
        to: r#""http://127.0.0.1", "http://localhost:80", "HTTP://127.0.0.1:80""#,
        errors: &[r#"3:55: upstream[1].servers[3]: stands here twice (list each server once)"#],
    },
    Row {
        name: r#"a server of another protocol"#,
        from: r#"http://127.0.0.1:3000"#,
        to: r#"ftp://127.0.0.1:3000"#,
        errors: &[
            r#"3:12: upstream[1].servers[1]: must be http://, https:// or unix: (scheme, host and port, as in "http://127.0.0.1:3000")"#,
        ],
    },
    Row {
        name: r#"sockets without a path, as a URL, and with too long a path"#,
        from: r#""http://127.0.0.1:3000""#,
        to: r#""unix:", "unix:///run/app.sock", "unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa""#,
        errors: &[
            r#"3:12: upstream[1].servers[1]: does not name the file of a socket ("unix:/run/app.sock")"#,
            r#"3:21: upstream[1].servers[2]: is written like a URL ("unix:/run/app.sock", without //)"#,
            r#"3:45: upstream[1].servers[3]: is too long for the path of a socket (the system allows 107 bytes, with the folder of this file where the path is relative)"#,
        ],
    },
    Row {
        name: r#"TLS settings without TLS"#,
        from: r#"servers = ["http://127.0.0.1:3000"]"#,
        to: r#"servers = ["http://127.0.0.1:3000"]
ca = "ca.pem"
server_name = "app.internal"
http2 = "auto""#,
        errors: &[
            r#"4:6: upstream[1].ca: has a meaning only with https:// servers (leave it out)"#,
            r#"5:15: upstream[1].server_name: has a meaning only with https:// servers (leave it out)"#,
            r#"6:9: upstream[1].http2: has a meaning only with https:// servers (leave it out)"#,
        ],
    },
    Row {
        name: r#"a CA that is none"#,
        from: r#"servers = ["http://127.0.0.1:3000"]"#,
        to: r#"servers = ["https://app.internal"]
ca = "rsa.pem""#,
        errors: &[
            r#"4:6: upstream[1].ca: is not a file of certificates in PEM (blocks that start with -----BEGIN CERTIFICATE-----)"#,
        ],
    },
    Row {
        name: r#"a CA that is not there"#,
        from: r#"servers = ["http://127.0.0.1:3000"]"#,
        to: r#"servers = ["https://app.internal"]
ca = "absent.pem""#,
        errors: &[
            r#"4:6: upstream[1].ca: the file absent.pem cannot be read: No such file or directory (os error 2) (a path is relative to the folder of this file)"#,
        ],
    },
    Row {
        name: r#"a server whose certificate cannot name it"#,
        from: r#"servers = ["http://127.0.0.1:3000"]"#,
        to: r#"servers = ["https://app_1.internal", "https://app.internal"]"#,
        errors: &[
            r#"3:12: upstream[1].servers[1]: is no name that a certificate can be for (server_name = "app.internal", as it stands in the certificate)"#,
        ],
    },
    Row {
        name: r#"an address as server_name"#,
        from: r#"servers = ["http://127.0.0.1:3000"]"#,
        to: r#"servers = ["https://10.0.0.1"]
server_name = "10.0.0.1""#,
        errors: &[
            r#"4:15: upstream[1].server_name: is no name that a certificate can be for (server_name = "app.internal", as it stands in the certificate)"#,
        ],
    },
    Row {
        name: r#"a wildcard as server_name"#,
        from: r#"servers = ["http://127.0.0.1:3000"]"#,
        to: r#"servers = ["https://10.0.0.1"]
server_name = "*.internal""#,
        errors: &[
            r#"4:15: upstream[1].server_name: is no name that a certificate can be for (server_name = "app.internal", as it stands in the certificate)"#,
        ],
    },
    Row {
        name: r#"an underscore in server_name"#,
        from: r#"servers = ["http://127.0.0.1:3000"]"#,
        to: r#"servers = ["https://10.0.0.1"]
server_name = "a_b.internal""#,
        errors: &[
            r#"4:15: upstream[1].server_name: is no name that a certificate can be for (server_name = "app.internal", as it stands in the certificate)"#,
        ],
    },
    Row {
        name: r#"a server_name with a port"#,
        from: r#"servers = ["http://127.0.0.1:3000"]"#,
        to: r#"servers = ["https://10.0.0.1"]
server_name = "app.internal:443""#,
        errors: &[
            r#"4:15: upstream[1].server_name: is no name that a certificate can be for (server_name = "app.internal", as it stands in the certificate)"#,
        ],
    },
    Row {
        name: r#"words that are none of upstream"#,
        from: r#"servers = ["http://127.0.0.1:3000"]"#,
        to: r#"servers = ["https://10.0.0.1"]
balance = "random"
http2 = "on""#,
        errors: &[
            r#"4:11: upstream[1].balance: must be one of "round_robin", "least_requests""#,
            r#"5:9: upstream[1].http2: must be one of "off", "auto""#,
        ],
    },
    Row {
        name: r#"certificates that are not to be checked"#,
        from: r#"servers = ["http://127.0.0.1:3000"]"#,
        to: r#"servers = ["https://10.0.0.1"]
verify = false"#,
        errors: &[
            r#"4:1: upstream[1].verify: unknown key (known here: name, servers, balance, server_name, ca, http2, health, connect_timeout, read_timeout, write_timeout, idle_timeout)"#,
        ],
    },
    Row {
        name: r#"checks that ask for nothing"#,
        from: r#"servers = ["http://127.0.0.1:3000"]"#,
        to: r#"servers = ["http://127.0.0.1:3000"]
health = { host = "app.example", statuses = [200] }"#,
        errors: &[
            r#"4:19: upstream[1].health.host: has a meaning only with path (path = "/healthz")"#,
            r#"4:45: upstream[1].health.statuses: has a meaning only with path (path = "/healthz")"#,
        ],
    },
    Row {
        name: r#"checks out of range"#,
        from: r#"servers = ["http://127.0.0.1:3000"]"#,
        to: r#"servers = ["http://127.0.0.1:3000"]
health = { path = "healthz", host = "a b", statuses = [100], interval = "0s", timeout = "61s", unhealthy_after = 0, healthy_after = 101 }"#,
        errors: &[
            r#"4:19: upstream[1].health.path: is not a path that starts with "/""#,
            r#"4:37: upstream[1].health.host: is not a host"#,
            r#"4:56: upstream[1].health.statuses[1]: must be from 200 to 599"#,
            r#"4:73: upstream[1].health.interval: must be from "100ms" to "1h""#,
            r#"4:89: upstream[1].health.timeout: must be from "100ms" to "1m""#,
            r#"4:114: upstream[1].health.unhealthy_after: must be from 1 to 100"#,
            r#"4:133: upstream[1].health.healthy_after: must be from 1 to 100"#,
        ],
    },
    Row {
        name: "a server without scheme",
        from: "http://127.0.0.1:3000",
        to: "127.0.0.1:3000",
        errors: &[
            r#"3:12: upstream[1].servers[1]: is not a URL (scheme, host and port, as in "http://127.0.0.1:3000")"#,
        ],
    },
    Row {
        name: "a server with a path",
        from: "http://127.0.0.1:3000",
        to: "http://127.0.0.1:3000/",
        errors: &[
            r#"3:12: upstream[1].servers[1]: must have no path, not even "/": paths are forwarded as they come (scheme, host and port, as in "http://127.0.0.1:3000")"#,
        ],
    },
    Row {
        name: "a server with a password",
        from: "http://127.0.0.1:3000",
        to: "http://u:HUSH@127.0.0.1:3000",
        errors: &[
            r#"3:12: upstream[1].servers[1]: must have no user name or password (scheme, host and port, as in "http://127.0.0.1:3000")"#,
        ],
    },
    Row {
        name: "a server with a bad port",
        from: "http://127.0.0.1:3000",
        to: "http://127.0.0.1:70000",
        errors: &[
            r#"3:12: upstream[1].servers[1]: has no usable host or port (scheme, host and port, as in "http://127.0.0.1:3000")"#,
        ],
    },
    Row {
        name: "the proxy itself",
        from: "http://127.0.0.1:3000",
        to: "http://localhost:8080",
        errors: &[
            "3:12: upstream[1].servers[1]: is this proxy itself: every request would go around for ever (the address that the app listens on)",
        ],
    },
    Row {
        name: "an upstream without name",
        from: r#"name = "app"
servers"#,
        to: "servers",
        errors: &[r#"1:1: upstream[1].name: is required (name = "app")"#],
    },
    Row {
        name: "a name with a space",
        from: r#"name = "app"
servers"#,
        to: r#"name = "my app"
servers"#,
        errors: &[
            "2:8: upstream[1].name: is not a name (up to 64 letters, digits, dots, dashes or underscores)",
        ],
    },
    Row {
        name: "two upstreams of one name",
        from: "[chat]",
        to: r#"[[upstream]]
name = "app"
servers = ["http://b"]
[chat]"#,
        errors: &["4:1: upstream[2]: has the name of an earlier upstream (give each its own name)"],
    },
    Row {
        name: "no chat",
        from: r#"[chat]
sdk_app_id = 1400000000
secret_key = { env = "CHAT" }
admin = "root""#,
        to: "",
        errors: &["1:1: chat: is required (add [chat] with sdk_app_id, secret_key and admin)"],
    },
    Row {
        name: "no key of chat",
        from: r#"sdk_app_id = 1400000000
secret_key = { env = "CHAT" }
admin = "root""#,
        to: "",
        errors: &[
            "4:1: chat.sdk_app_id: is required (the SDKAppID of the console)",
            r#"4:1: chat.secret_key: is required (secret_key = { env = "CHAT_SECRET_KEY" })"#,
            r#"4:1: chat.admin: is required (an administrator of the console, as in "administrator")"#,
        ],
    },
    Row {
        name: "keys beside secret_key",
        from: r#"admin = "root""#,
        to: r#"keys = [{ id = "a", key = { env = "CHAT" }, state = "active" }]
admin = "root""#,
        errors: &["7:8: chat.keys: stands beside secret_key (one of the two)"],
    },
    Row {
        name: "keys without an active one",
        from: r#"secret_key = { env = "CHAT" }"#,
        to: r#"keys = [{ id = "a", key = { env = "CHAT" }, state = "next" }]"#,
        errors: &[
            r#"6:8: chat.keys: has no active key (exactly one has state = "active"; it signs)"#,
        ],
    },
    Row {
        name: "no keys at all",
        from: r#"secret_key = { env = "CHAT" }"#,
        to: "keys = []",
        errors: &[r#"6:8: chat.keys: is empty (exactly one has state = "active"; it signs)"#],
    },
    Row {
        name: "one key twice, with one name, both active",
        from: r#"secret_key = { env = "CHAT" }"#,
        to: r#"keys = [
{ id = "a", key = { env = "CHAT" }, state = "active" },
{ id = "a", key = { env = "CHAT" }, state = "active" }]"#,
        errors: &[
            "8:1: chat.keys[2]: has the id of the key in line 7 (give each its own)",
            "8:1: chat.keys[2]: is the same key as that in line 7 (each key is listed once)",
            r#"8:1: chat.keys[2]: is active, and so is the key in line 7 (exactly one has state = "active"; it signs)"#,
        ],
    },
    Row {
        name: "a key without anything",
        from: r#"secret_key = { env = "CHAT" }"#,
        to: r#"keys = [{ }, { id = "a", key = { env = "CHAT" }, state = "old" }]"#,
        errors: &[
            r#"6:9: chat.keys[1].id: is required (id = "2026-11", a name of your own)"#,
            r#"6:9: chat.keys[1].key: is required (key = { env = "CHAT_SECRET_KEY" })"#,
            r#"6:9: chat.keys[1].state: is required (state = "active", "next" or "retired")"#,
            r#"6:58: chat.keys[2].state: must be one of "active", "next", "retired""#,
        ],
    },
    Row {
        name: "a key in the file",
        from: r#"secret_key = { env = "CHAT" }"#,
        to: r#"keys = [{ id = "a", key = "f00d", state = "active" }]"#,
        errors: &[
            r#"6:27: chat.keys[1].key: a secret does not stand in this file (write { file = ".." }, { env = "NAME" } or { credential = "name" })"#,
        ],
    },
    Row {
        name: "an SDKAppID of zero",
        from: "1400000000",
        to: "0",
        errors: &["5:14: chat.sdk_app_id: must be from 1 to 4294967295"],
    },
    Row {
        name: "an SDKAppID beyond 32 bits",
        from: "1400000000",
        to: "5000000000",
        errors: &["5:14: chat.sdk_app_id: must be from 1 to 4294967295"],
    },
    Row {
        name: "an SDKAppID as text",
        from: "1400000000",
        to: r#""1400000000""#,
        errors: &["5:14: chat.sdk_app_id: expected a whole number, found a string"],
    },
    Row {
        name: "an admin that is no account",
        from: r#""root""#,
        to: r#""root@example""#,
        errors: &[r#"7:9: chat.admin: a UserID has only the letters A-Z a-z, digits, "_" and "-""#],
    },
    Row {
        name: "min_remaining above lifetime",
        from: "[[session",
        to: r#"[chat.usersig]
lifetime = "7d"
min_remaining = "7d"
[[session"#,
        errors: &[
            r#"10:17: chat.usersig.min_remaining: must be below lifetime (half the lifetime is a good start; the default is that, or "24h" where that is less)"#,
        ],
    },
    Row {
        name: "cap_to_session as text",
        from: "[[session",
        to: r#"[chat.usersig]
cap_to_session = "true"
[[session"#,
        errors: &["9:18: chat.usersig.cap_to_session: expected true or false, found a string"],
    },
    Row {
        name: "a lifetime beyond 32 bits",
        from: "[[session",
        to: r#"[chat.usersig]
lifetime = "50000d"
[[session"#,
        errors: &[r#"9:12: chat.usersig.lifetime: must be from "1m" to "49710d""#],
    },
    Row {
        name: "a cache of nothing",
        from: "[[session",
        to: r#"[chat.usersig]
cache_capacity = 0
[[session"#,
        errors: &["9:18: chat.usersig.cache_capacity: must be from 1 to 100000000"],
    },
    Row {
        name: "no issuer",
        from: r#"[[session.issuer]]
name = "app"
algorithms = ["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: "[session]",
        errors: &[
            "8:1: session.issuer: is required (add [[session.issuer]] with name, algorithms and keys)",
        ],
    },
    Row {
        name: "no place of the token",
        from: "[[session",
        to: r#"[session]
from = []
[[session"#,
        errors: &[
            r#"9:8: session.from: is empty ({ header = "Authorization", scheme = "Bearer" }, { cookie = ".." } or { query = ".." })"#,
        ],
    },
    Row {
        name: "two places in one",
        from: "[[session",
        to: r#"[session]
from = [{ header = "X-T", cookie = "t" }, {}]
[[session"#,
        errors: &[
            r#"9:9: session.from[1]: must name one place of the token ({ header = "Authorization", scheme = "Bearer" }, { cookie = ".." } or { query = ".." })"#,
            r#"9:43: session.from[2]: must name one place of the token ({ header = "Authorization", scheme = "Bearer" }, { cookie = ".." } or { query = ".." })"#,
        ],
    },
    Row {
        name: "a place twice",
        from: "[[session",
        to: r#"[session]
from = [{ cookie = "t" }, { cookie = "t" }]
[[session"#,
        errors: &["9:8: session.from: a place for the session token is listed twice"],
    },
    Row {
        name: "Authorization without scheme",
        from: "[[session",
        to: r#"[session]
from = [{ header = "Authorization" }]
[[session"#,
        errors: &[
            r#"9:20: session.from[1].header: needs the scheme that precedes the token (scheme = "Bearer")"#,
        ],
    },
    Row {
        name: "a scheme for a cookie",
        from: "[[session",
        to: r#"[session]
from = [{ cookie = "t", scheme = "Bearer" }]
[[session"#,
        errors: &[
            r#"9:9: session.from[1]: must name one place of the token ({ header = "Authorization", scheme = "Bearer" }, { cookie = ".." } or { query = ".." })"#,
        ],
    },
    Row {
        name: "a header of HTTP",
        from: "[[session",
        to: r#"[session]
from = [{ header = "Cookie" }, { header = "a b" }]
[[session"#,
        errors: &[
            "9:20: session.from[1].header: is a header of HTTP itself (Authorization, or a header of your own)",
            "9:43: session.from[2].header: invalid HTTP header name",
        ],
    },
    Row {
        name: "too much leeway",
        from: "[[session",
        to: r#"[session]
leeway = "1h"
[[session"#,
        errors: &[r#"9:10: session.leeway: must be from "0s" to "10m""#],
    },
    Row {
        name: "the algorithm none",
        from: r#""HS256""#,
        to: r#""none""#,
        errors: &[
            r#"10:15: session.issuer[1].algorithms[1]: "none" is no signature: anybody could write such a token"#,
        ],
    },
    Row {
        name: "an unknown algorithm",
        from: r#""HS256""#,
        to: r#""HS256", "hs256", "ES256K""#,
        errors: &[
            "10:24: session.issuer[1].algorithms[2]: not one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA (did you mean \"HS256\"?)",
            "10:33: session.issuer[1].algorithms[3]: not one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA (did you mean \"ES256\"?)",
        ],
    },
    Row {
        name: "no algorithm",
        from: r#"["HS256"]"#,
        to: "[]",
        errors: &[
            r#"10:14: session.issuer[1].algorithms: is empty (the algorithm that the app signs with, as in ["RS256"])"#,
        ],
    },
    Row {
        name: "a secret that is shorter than its hash",
        from: r#""HS256""#,
        to: r#""HS512""#,
        errors: &[
            "11:19: session.issuer[1].keys.secret: HS512 needs a secret of at least 64 bytes; this one has 50 (openssl rand -base64 48; or allow_short_secret = true where the app cannot change)",
        ],
    },
    Row {
        name: "a signature with a secret",
        from: r#""HS256""#,
        to: r#""RS256""#,
        errors: &[
            "10:14: session.issuer[1].algorithms: RS256 verifies with a public key, not with a secret (HS256, HS384 or HS512)",
        ],
    },
    Row {
        name: "a MAC with a public key",
        from: r#"{ secret = { env = "SESSION" } }"#,
        to: r#"{ public_key = "rsa.pem" }"#,
        errors: &[
            "10:14: session.issuer[1].algorithms: HS256 needs a secret; with a public key everybody could sign (RS256, PS256, ES256 or their kin)",
        ],
    },
    Row {
        name: "an algorithm of another key type",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["RS256"]
keys = { public_key = "ed.pem" }"#,
        errors: &[
            "10:14: session.issuer[1].algorithms: RS256 needs a key of type RSA, and this one is Ed25519",
        ],
    },
    Row {
        name: "a key set that fits nothing",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["RS256"]
keys = { jwks_file = "app.jwks" }"#,
        errors: &[
            "11:22: session.issuer[1].keys.jwks_file: the key set has no usable key; 1 ignored",
            "11:22: session.issuer[1].keys.jwks_file: key 1 of the set: it fits no configured algorithm",
        ],
    },
    Row {
        name: "a public key that is not there",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["RS256"]
keys = { public_key = "absent.pem" }"#,
        errors: &[
            "11:23: session.issuer[1].keys.public_key: the file absent.pem cannot be read: No such file or directory (os error 2) (a path is relative to the folder of this file)",
        ],
    },
    Row {
        name: "two sources of keys",
        from: r#"{ secret = { env = "SESSION" } }"#,
        to: r#"{ secret = { env = "SESSION" }, public_key = "rsa.pem" }"#,
        errors: &[
            r#"11:8: session.issuer[1].keys: must name one source of keys ({ secret = { env = "SESSION_SECRET" } }, { public_key = "key.pem" }, { jwks_file = "keys.json" }, { jwks_url = "https://.." } or { oidc = true })"#,
        ],
    },
    Row {
        name: "no source of keys",
        from: r#"{ secret = { env = "SESSION" } }"#,
        to: "{}",
        errors: &[
            r#"11:8: session.issuer[1].keys: must name one source of keys ({ secret = { env = "SESSION_SECRET" } }, { public_key = "key.pem" }, { jwks_file = "keys.json" }, { jwks_url = "https://.." } or { oidc = true })"#,
        ],
    },
    Row {
        name: "an encoding beside a public key",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["RS256"]
keys = { public_key = "rsa.pem", encoding = "hex" }"#,
        errors: &[
            "11:45: session.issuer[1].keys.encoding: has a meaning only beside secret (leave it out)",
        ],
    },
    Row {
        name: "a secret that is not hexadecimal",
        from: r#"{ env = "SESSION" } }"#,
        to: r#"{ env = "SESSION" }, encoding = "hex" }"#,
        errors: &[
            r#"11:19: session.issuer[1].keys.secret: is not hexadecimal (encoding = "utf8", "base64" or "hex", as the app reads it)"#,
        ],
    },
    Row {
        name: "a secret that is not base64",
        from: r#"{ env = "SESSION" } }"#,
        to: r#"{ env = "SESSION" }, encoding = "base64" }"#,
        errors: &[
            r#"11:19: session.issuer[1].keys.secret: is not base64 (encoding = "utf8", "base64" or "hex", as the app reads it)"#,
        ],
    },
    Row {
        name: "allow_short_secret beside a public key",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["RS256"]
allow_short_secret = true
keys = { public_key = "rsa.pem" }"#,
        errors: &[
            "11:22: session.issuer[1].allow_short_secret: has a meaning only with keys.secret (leave it out)",
        ],
    },
    Row {
        name: "a claim without slash",
        from: "[identity]",
        to: r#"require = { token_type = "access" }
[identity]"#,
        errors: &[
            r#"12:26: session.issuer[1].require.token_type: a JSON pointer starts with "/", as in "/sub" ({ "/token_type" = "access" })"#,
        ],
    },
    Row {
        name: "a claim that is a list",
        from: "[identity]",
        to: r#"require = { "/roles" = ["a"] }
[identity]"#,
        errors: &[
            r#"12:24: session.issuer[1].require."/roles": expected a string, a whole number or a boolean, found an array"#,
        ],
    },
    Row {
        name: "two issuers without iss",
        from: "[identity]",
        to: r#"[[session.issuer]]
name = "two"
algorithms = ["RS256"]
keys = { public_key = "rsa.pem" }
[session]
shared_identity = true
[identity]"#,
        errors: &[
            "12:1: session.issuer[2]: leaves issuer out, and so does the entry in line 8 (only one entry may take the tokens without iss)",
        ],
    },
    Row {
        name: "two issuers of one iss and name",
        from: r#"algorithms = ["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"issuer = "x"
algorithms = ["HS256"]
keys = { secret = { env = "SESSION" } }
[[session.issuer]]
name = "app"
issuer = "x"
algorithms = ["RS256"]
keys = { public_key = "rsa.pem" }
[session]
shared_identity = true"#,
        errors: &[
            "13:1: session.issuer[2]: has the name of the issuer in line 8 (give each its own name)",
            "13:1: session.issuer[2]: has the same issuer as the entry in line 8 (one entry for each iss)",
        ],
    },
    Row {
        name: "two issuers whose subjects meet",
        from: "[identity]",
        to: r#"[[session.issuer]]
name = "two"
issuer = "x"
algorithms = ["RS256"]
keys = { public_key = "rsa.pem" }
identity = { transform = [{ prefix = "b_" }] }
[identity]"#,
        errors: &[
            "12:1: session.issuer[2]: may give a subject the UserID of another subject of the issuer in line 8 (end identity.transform of each issuer in a prefix of its own, or say session.shared_identity = true if a subject is the same person everywhere)",
        ],
    },
    Row {
        name: "no identity",
        from: r#"[identity]
reserved = ["admin"]"#,
        to: "",
        errors: &[
            r#"1:1: identity: is required (add [identity] with reserved = ["administrator"]: every administrator that the console lists)"#,
        ],
    },
    Row {
        name: "no reserved names",
        from: r#"reserved = ["admin"]"#,
        to: "",
        errors: &[
            r#"12:1: identity.reserved: is required (reserved = ["administrator"]: every administrator that the console lists)"#,
        ],
    },
    Row {
        name: "reserved names per issuer",
        from: "[identity]",
        to: r#"identity = { reserved = ["admin"] }
[identity]"#,
        errors: &[
            "12:14: session.issuer[1].identity.reserved: unknown key (known here: claim, type, transform)",
        ],
    },
    Row {
        name: "a claim that is no pointer",
        from: "reserved",
        to: r#"claim = "sub"
reserved"#,
        errors: &[r#"13:9: identity.claim: a JSON pointer starts with "/", as in "/sub""#],
    },
    Row {
        name: "an unknown type",
        from: "reserved",
        to: r#"type = "number"
reserved"#,
        errors: &[r#"13:8: identity.type: must be one of "string", "integer""#],
    },
    Row {
        name: "an unknown transform",
        from: "reserved",
        to: r#"transform = ["remove_dash", "upper", {}, { prefix = "a", digest = 1 }]
reserved"#,
        errors: &[
            r#"13:14: identity.transform[1]: is not a transform (did you mean "remove_dashes"?)"#,
            r#"13:29: identity.transform[2]: is not a transform ("remove_dashes", { strip_prefix = ".." }, { prefix = ".." } or { digest = { key = {..} } })"#,
            r#"13:38: identity.transform[3]: must be one transform ("remove_dashes", { strip_prefix = ".." }, { prefix = ".." } or { digest = { key = {..} } })"#,
            r#"13:42: identity.transform[4]: must be one transform ("remove_dashes", { strip_prefix = ".." }, { prefix = ".." } or { digest = { key = {..} } })"#,
        ],
    },
    Row {
        name: "a prefix of other letters",
        from: "reserved",
        to: r#"transform = [{ prefix = "u:" }]
reserved"#,
        errors: &[
            "13:13: identity.transform: can never give a UserID (a UserID has at most 32 of A-Z a-z 0-9 _ -; a digest has 27, a UUID without dashes 32)",
        ],
    },
    Row {
        name: "a chain that is too long",
        from: "reserved",
        to: r#"transform = ["remove_dashes", { prefix = "u_" }]
reserved"#,
        errors: &[
            "13:13: identity.transform: can never give a UserID (a UserID has at most 32 of A-Z a-z 0-9 _ -; a digest has 27, a UUID without dashes 32)",
        ],
    },
    Row {
        name: "dashes of a number",
        from: "reserved",
        to: r#"type = "integer"
transform = ["remove_dashes"]
reserved"#,
        errors: &[r#"14:13: identity.transform: an integer is never a UUID (type = "string")"#],
    },
    Row {
        name: "a digest without key",
        from: "reserved",
        to: r#"transform = [{ digest = {} }]
reserved"#,
        errors: &[
            r#"13:25: identity.transform[1].digest.key: is required ({ digest = { key = { file = ".." } } })"#,
        ],
    },
    Row {
        name: "no routes",
        from: r#"[routes]
default_access = "session""#,
        to: "",
        errors: &[
            r#"1:1: routes: is required (add [routes] with default_access = "public", "session" or "deny": what an unlisted path gets)"#,
        ],
    },
    Row {
        name: "no default access",
        from: r#"default_access = "session""#,
        to: "",
        errors: &[
            r#"14:1: routes.default_access: is required (default_access = "public", "session" or "deny": what an unlisted path gets)"#,
        ],
    },
    Row {
        name: "optional by default",
        from: r#"default_access = "session""#,
        to: r#"default_access = "optional""#,
        errors: &[r#"15:18: routes.default_access: must be one of "public", "session", "deny""#],
    },
    Row {
        name: "an unknown spelling",
        from: "default_access",
        to: r#"allow = ["encoded_slashes", "all"]
default_access"#,
        errors: &[
            r#"15:10: routes.allow[1]: must be one of "encoded_slash", "semicolon", "double_slash" (did you mean "encoded_slash"?)"#,
            r#"15:29: routes.allow[2]: must be one of "encoded_slash", "semicolon", "double_slash""#,
        ],
    },
    Row {
        name: "an unknown access",
        from: r#"access = "session"
inject"#,
        to: r#"access = "privat"
inject"#,
        errors: &[
            r#"18:10: route[1].access: must be one of "session", "optional", "public", "webhook", "deny""#,
        ],
    },
    Row {
        name: "a route without path",
        from: r#"{ path = "/api/{*rest}" }"#,
        to: r#"{ host = "a.example" }"#,
        errors: &[r#"17:9: route[1].match.path: is required (path = "/{*rest}" for every path)"#],
    },
    Row {
        name: "a route without match and access",
        from: r#"match = { path = "/api/{*rest}" }
access = "session"
inject = { request_headers = true }"#,
        to: "",
        errors: &[
            r#"16:1: route[1].match: is required (match = { path = "/api/{*rest}" })"#,
            r#"16:1: route[1].access: is required ("session", "optional", "public", "webhook" or "deny")"#,
        ],
    },
    Row {
        name: "a glob",
        from: "/api/{*rest}",
        to: "/api/*",
        errors: &[
            r#"17:18: route[1].match.path: "*" looks like a wildcard, but is not: write {name} for one segment, {*rest} for all that follow, or the character as a percent code"#,
        ],
    },
    Row {
        name: "a relative path",
        from: "/api/{*rest}",
        to: "api",
        errors: &[
            r#"17:18: route[1].match.path: a path pattern starts with "/" and covers the whole path"#,
        ],
    },
    Row {
        name: "a host with a port",
        from: r#"path = "/api/{*rest}""#,
        to: r#"path = "/", host = "a.example:80""#,
        errors: &[
            "17:30: route[1].match.host: a host is an exact name without wildcard, scheme, port or path; a name outside ASCII is written as xn--",
        ],
    },
    Row {
        name: "an unknown method",
        from: r#"path = "/api/{*rest}""#,
        to: r#"path = "/", methods = ["GET", "post"]"#,
        errors: &[
            r#"17:41: route[1].match.methods[2]: "post" is not a method that a route can list; methods are written in upper case, as in "POST" (did you mean "POST"?)"#,
        ],
    },
    Row {
        name: "a method that nothing is like",
        from: r#"path = "/api/{*rest}""#,
        to: r#"path = "/", methods = ["FETCH-ALL"]"#,
        errors: &[
            r#"17:34: route[1].match.methods[1]: "FETCH-ALL" is not a method that a route can list; methods are written in upper case, as in "POST""#,
        ],
    },
    Row {
        name: "no method",
        from: r#"path = "/api/{*rest}""#,
        to: r#"path = "/", methods = []"#,
        errors: &["17:33: route[1].match.methods: is empty (leave it out for every method)"],
    },
    Row {
        name: "injection for nobody",
        from: r#"access = "session"
inject"#,
        to: r#"access = "public"
inject"#,
        errors: &[
            r#"19:10: route[1].inject: nobody is known on a public route, and nothing passes a denied one (access = "session" or "optional", or session_from_response for a login)"#,
        ],
    },
    Row {
        name: "injection in unknown places",
        from: "request_headers",
        to: "request_header",
        errors: &[
            "19:12: route[1].inject.request_header: unknown key (did you mean `request_headers`?)",
        ],
    },
    Row {
        name: "a session from nowhere",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { }
inject = { response_json = "/chat" }"#,
        errors: &[
            r#"19:25: route[1].session_from_response: needs exactly one place for the session token ({ json = "/access_token" }, { set_cookie = "session" } or { header = "X-Session" })"#,
        ],
    },
    Row {
        name: "a session from two places",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { json = "/a", set_cookie = "a" }
inject = { response_json = "/chat" }"#,
        errors: &[
            r#"19:25: route[1].session_from_response: needs exactly one place for the session token ({ json = "/access_token" }, { set_cookie = "session" } or { header = "X-Session" })"#,
        ],
    },
    Row {
        name: "a session from an unknown place",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { cookie = "a" }
inject = { response_json = "/chat" }"#,
        errors: &[
            r#"19:25: route[1].session_from_response: needs exactly one place for the session token ({ json = "/access_token" }, { set_cookie = "session" } or { header = "X-Session" })"#,
            r#"19:27: route[1].session_from_response.cookie: unknown key (known here: json, set_cookie, header, statuses)"#,
        ],
    },
    Row {
        name: "a session by a pointer that is none",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { json = "access_token" }
inject = { response_json = "/chat" }"#,
        errors: &[
            r#"19:34: route[1].session_from_response.json: a JSON pointer starts with "/", as in "/sub""#,
        ],
    },
    Row {
        name: "a session in a cookie without a name",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { set_cookie = "a b" }
inject = { response_json = "/chat" }"#,
        errors: &[
            r#"19:40: route[1].session_from_response.set_cookie: a cookie name holds no spaces, separators or control characters"#,
        ],
    },
    Row {
        name: "a session in the injected cookie",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { set_cookie = "chat_usersig" }
inject = { response_json = "/chat" }"#,
        errors: &[
            r#"19:40: route[1].session_from_response.set_cookie: is the cookie that is injected (one of the two under another name: the login would replace the session)"#,
        ],
    },
    Row {
        name: "a session in a header of HTTP",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { header = "Set-Cookie" }
inject = { response_json = "/chat" }"#,
        errors: &[
            r#"19:36: route[1].session_from_response.header: is a header of HTTP itself (Authorization, a header of your own, or set_cookie)"#,
        ],
    },
    Row {
        name: "a session in a header that is none",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { header = "X Session" }
inject = { response_json = "/chat" }"#,
        errors: &[r#"19:36: route[1].session_from_response.header: invalid HTTP header name"#],
    },
    Row {
        name: "a session in an injected header",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { header = "x-chat-usersig" }
inject = { response_json = "/chat" }"#,
        errors: &[
            r#"19:36: route[1].session_from_response.header: is a header that is injected (one of the two under another name: the login would replace the session)"#,
        ],
    },
    Row {
        name: "statuses that are no login",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { json = "/a", statuses = [200, 304, 401, "201"] }
inject = { response_json = "/chat" }"#,
        errors: &[
            r#"19:57: route[1].session_from_response.statuses[2]: confirms an older answer and begins no session"#,
            r#"19:62: route[1].session_from_response.statuses[3]: must be from 200 to 399"#,
            r#"19:67: route[1].session_from_response.statuses[4]: expected a whole number, found a string"#,
        ],
    },
    Row {
        name: "no statuses",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { json = "/a", statuses = [] }
inject = { response_json = "/chat" }"#,
        errors: &[
            r#"19:51: route[1].session_from_response.statuses: is empty (leave it out for every 2xx)"#,
        ],
    },
    Row {
        name: "a login that goes nowhere",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { json = "/a" }
upstream = "app""#,
        errors: &[
            r#"19:25: route[1].session_from_response: the login of session_from_response goes nowhere (inject = { response_json = "/chat" }, response_headers or response_cookie)"#,
        ],
    },
    Row {
        name: "a login that goes to the app",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "session"
session_from_response = { json = "/a" }
inject = { request_headers = true }"#,
        errors: &[
            r#"20:10: route[1].inject: the login of session_from_response goes nowhere (inject = { response_json = "/chat" }, response_headers or response_cookie)"#,
        ],
    },
    Row {
        name: "a login in the header before the body",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { json = "/a" }
inject = { response_headers = true }"#,
        errors: &[
            r#"20:10: route[1].inject: the header of an answer is sent before the token in its body is read (response_json, or a session_from_response in set_cookie or header)"#,
        ],
    },
    Row {
        name: "a login cookie before the body",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { json = "/a" }
inject = { response_cookie = true }"#,
        errors: &[
            r#"20:10: route[1].inject: the header of an answer is sent before the token in its body is read (response_json, or a session_from_response in set_cookie or header)"#,
        ],
    },
    Row {
        name: "a login in the place of the token",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { json = "/a/b" }
inject = { response_json = "/a/b" }"#,
        errors: &[
            r#"20:10: route[1].inject: response_json and the session token are in one place (two places, neither of them in the other)"#,
        ],
    },
    Row {
        name: "a login below the token",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { json = "/a/b" }
inject = { response_json = "/a/b/chat" }"#,
        errors: &[
            r#"20:10: route[1].inject: response_json and the session token are in one place (two places, neither of them in the other)"#,
        ],
    },
    Row {
        name: "a login above the token",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { json = "/a/b" }
inject = { response_json = "/a" }"#,
        errors: &[
            r#"20:10: route[1].inject: response_json and the session token are in one place (two places, neither of them in the other)"#,
        ],
    },
    Row {
        name: "a login into the request of nobody",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { json = "/a" }
inject = { request_headers = true, response_json = "/chat" }"#,
        errors: &[
            r#"20:10: route[1].inject: nobody is known on a public route, and nothing passes a denied one (access = "session" or "optional", or session_from_response for a login)"#,
        ],
    },
    Row {
        name: "a wrong session beside other faults",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
session_from_response = { json = "a" }
inject = { response_jsn = "/chat" }
upstream = "aap""#,
        errors: &[
            r#"19:34: route[1].session_from_response.json: a JSON pointer starts with "/", as in "/sub""#,
            r#"20:12: route[1].inject.response_jsn: unknown key (did you mean `response_json`?)"#,
            r#"21:12: route[1].upstream: no upstream has this name (did you mean "app"?)"#,
        ],
    },
    Row {
        name: "response_json that is no pointer",
        from: r#"{ request_headers = true }"#,
        to: r#"{ response_json = "chat" }"#,
        errors: &[
            r#"19:28: route[1].inject.response_json: a JSON pointer starts with "/", as in "/sub""#,
        ],
    },
    Row {
        name: "response_json without a name",
        from: r#"{ request_headers = true }"#,
        to: r#"{ response_json = "" }"#,
        errors: &[
            r#"19:28: route[1].inject.response_json: is empty (leave the key out for its default)"#,
        ],
    },
    Row {
        name: "response_json for nobody",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "public"
inject = { response_json = "/chat" }"#,
        errors: &[
            r#"19:10: route[1].inject: nobody is known on a public route, and nothing passes a denied one (access = "session" or "optional", or session_from_response for a login)"#,
        ],
    },
    Row {
        name: "response_json on a denied route",
        from: r#"access = "session"
inject = { request_headers = true }"#,
        to: r#"access = "deny"
inject = { response_json = "/chat" }"#,
        errors: &[
            r#"19:10: route[1].inject: nobody is known on a public route, and nothing passes a denied one (access = "session" or "optional", or session_from_response for a login)"#,
        ],
    },
    Row {
        name: "a body to hold that is too large",
        from: r#"[routes]"#,
        to: r#"[runtime]
max_login_body = "65MiB"
[routes]"#,
        errors: &[r#"15:18: runtime.max_login_body: must be from "1KiB" to "64MiB""#],
    },
    Row {
        name: "an unknown upstream",
        from: "inject",
        to: r#"upstream = "aap"
inject"#,
        errors: &[r#"19:12: route[1].upstream: no upstream has this name (did you mean "app"?)"#],
    },
    Row {
        name: "a path of the proxy",
        from: "/api/{*rest}",
        to: "/_chat/x",
        errors: &[
            "17:18: route[1].match.path: is a path of the proxy itself and never reaches the app (/_chat/ and the path of [usersig_endpoint] are the proxy's own)",
        ],
    },
    Row {
        name: "the path of the endpoint",
        from: "[[route]]",
        to: r#"[usersig_endpoint]
path = "/API/x"
[[route]]
match = { path = "/api/x" }
access = "session"
[[route]]"#,
        errors: &[
            "19:18: route[1].match.path: is a path of the proxy itself and never reaches the app (/_chat/ and the path of [usersig_endpoint] are the proxy's own)",
        ],
    },
    Row {
        name: "an endpoint with a bad path",
        from: "[[route]]",
        to: r#"[usersig_endpoint]
path = "/a/../b"
[[route]]"#,
        errors: &[
            r#"17:8: usersig_endpoint.path: no request can have this path: a dot segment (a path of its own, as in "/_chat/usersig")"#,
        ],
    },
    Row {
        name: "an endpoint in place of the first page",
        from: "[[route]]",
        to: r#"[usersig_endpoint]
path = "/"
[[route]]"#,
        errors: &[
            r#"17:8: usersig_endpoint.path: would hide the app's own first page (a path of its own, as in "/_chat/usersig")"#,
        ],
    },
    Row {
        name: "routes that cover the same",
        from: "[[route]]",
        to: r#"[[route]]
match = { path = "/a/{x}", methods = ["GET"] }
access = "session"
[[route]]
match = { path = "/a/{y}" }
access = "public"
[[route]]"#,
        errors: &[
            "19:1: route[2]: covers requests of the route in line 16 as well (give the two different paths, methods or hosts)",
        ],
    },
    Row {
        name: "an endpoint with a query",
        from: "[[route]]",
        to: r#"[usersig_endpoint]
path = "/a?b"
[[route]]"#,
        errors: &[
            r#"17:8: usersig_endpoint.path: no request can have this path: a character that a path holds only as a percent code (a path of its own, as in "/_chat/usersig")"#,
        ],
    },
    Row {
        name: "injected headers of one name",
        from: "[routes]",
        to: r#"[inject]
user_id_header = "X_A"
user_sig_header = "X-A"
[routes]"#,
        errors: &[
            r#"16:19: inject.user_sig_header: is the name of another injected header ("-" and "_" count as the same)"#,
        ],
    },
    Row {
        name: "an injected header of HTTP",
        from: "[routes]",
        to: r#"[inject]
user_id_header = "Authorization"
user_sig_header = "Content-Length"
[routes]"#,
        errors: &[
            "15:18: inject.user_id_header: is a header of HTTP itself (a name of your own, as in X-Chat-UserID)",
            "16:19: inject.user_sig_header: is a header of HTTP itself (a name of your own, as in X-Chat-UserID)",
        ],
    },
    Row {
        name: "injection over the session token",
        from: "[[session",
        to: r#"[session]
from = [{ header = "X-T" }, { cookie = "t" }]
[inject]
user_id_header = "x_t"
cookie_name = "t"
[[session"#,
        errors: &[
            "11:18: inject.user_id_header: is where the session token stands (clients may not send what is injected, so it would be removed)",
            "12:15: inject.cookie_name: is where the session token stands (another name)",
        ],
    },
    Row {
        name: "a cookie name with a space",
        from: "[routes]",
        to: r#"[inject]
cookie_name = "a b"
[routes]"#,
        errors: &[
            "15:15: inject.cookie_name: a cookie name holds no spaces, separators or control characters",
        ],
    },
    Row {
        name: "a key URL without TLS",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { jwks_url = "http://app.example/keys" }"#,
        errors: &[
            "11:21: session.issuer[1].keys.jwks_url: keys are fetched with https; plain http is for this machine only, by 127.0.0.1, [::1] or localhost",
        ],
    },
    Row {
        name: "a key URL of another scheme",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { jwks_url = "file:///etc/passwd" }"#,
        errors: &["11:21: session.issuer[1].keys.jwks_url: keys are fetched with https only"],
    },
    Row {
        name: "a key URL inside a network",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { jwks_url = "https://10.0.0.1/keys" }"#,
        errors: &[
            "11:21: session.issuer[1].keys.jwks_url: 10.0.0.1 is a private address, which the issuer needs allow_private for",
        ],
    },
    Row {
        name: "a key URL of a metadata service",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { jwks_url = "https://169.254.169.254/" }
allow_private = true"#,
        errors: &[
            "11:21: session.issuer[1].keys.jwks_url: 169.254.169.254 is link-local, a metadata service or reserved, and never fetched from",
        ],
    },
    Row {
        name: "a shared secret for a published key set",
        from: r#"{ secret = { env = "SESSION" } }"#,
        to: r#"{ jwks_url = "https://app.example/keys" }"#,
        errors: &[
            "10:14: session.issuer[1].algorithms: HS256 needs a secret; with a public key everybody could sign (RS256, PS256, ES256 or their kin)",
        ],
    },
    Row {
        name: "discovery without an issuer",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { oidc = true }"#,
        errors: &[
            r#"11:17: session.issuer[1].keys.oidc: needs the issuer of this entry (issuer = "https://id.example.com", exactly as in iss)"#,
        ],
    },
    Row {
        name: "discovery from an issuer that is no URL",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { oidc = true }
issuer = "app""#,
        errors: &[
            "12:10: session.issuer[1].issuer: not an absolute URL such as https://app.example.com/.well-known/jwks.json",
        ],
    },
    Row {
        name: "discovery that is off",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { oidc = false }"#,
        errors: &[
            "11:17: session.issuer[1].keys.oidc: says nothing when false (true, or another source of keys)",
        ],
    },
    Row {
        name: "times of a key set that contradict each other",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { jwks_url = "https://app.example/keys", refresh = "1h", max_age = "59m" }"#,
        errors: &[
            "11:75: session.issuer[1].keys.max_age: is shorter than refresh (keys would run out in between)",
        ],
    },
    Row {
        name: "times of a key set that are out of range",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { jwks_url = "https://app.example/keys", refresh = "9s", max_age = "31d" }"#,
        errors: &[
            r#"11:59: session.issuer[1].keys.refresh: must be from "10s" to "1d""#,
            r#"11:75: session.issuer[1].keys.max_age: must be from "10s" to "30d""#,
        ],
    },
    Row {
        name: "times and places of a key set beside a secret",
        from: r#"{ secret = { env = "SESSION" } }"#,
        to: r#"{ secret = { env = "SESSION" }, refresh = "10m", max_age = "24h", ca = "rsa.pem" }
allow_private = true"#,
        errors: &[
            "11:50: session.issuer[1].keys.refresh: has a meaning only with jwks_url or oidc (leave it out)",
            "11:67: session.issuer[1].keys.max_age: has a meaning only with jwks_url or oidc (leave it out)",
            "11:79: session.issuer[1].keys.ca: has a meaning only with jwks_url or oidc (leave it out)",
            "12:17: session.issuer[1].allow_private: has a meaning only with jwks_url or oidc (leave it out)",
        ],
    },
    Row {
        name: "a certificate file with a key",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { jwks_url = "https://app.example/keys", ca = "rsa.pem" }"#,
        errors: &[
            "11:54: session.issuer[1].keys.ca: is not a file of certificates in PEM (blocks that start with -----BEGIN CERTIFICATE-----)",
        ],
    },
    Row {
        name: "a certificate file without one",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { jwks_url = "https://app.example/keys", ca = "app.jwks" }"#,
        errors: &[
            "11:54: session.issuer[1].keys.ca: is not a file of certificates in PEM (blocks that start with -----BEGIN CERTIFICATE-----)",
        ],
    },
    Row {
        name: "a certificate that is none",
        from: r#"["HS256"]
keys = { secret = { env = "SESSION" } }"#,
        to: r#"["ES256"]
keys = { jwks_url = "https://app.example/keys", ca = "bad-ca.pem" }"#,
        errors: &[
            "11:54: session.issuer[1].keys.ca: certificate 1 cannot be read (blocks that start with -----BEGIN CERTIFICATE-----)",
        ],
    },
    Row {
        name: "a logout where nobody is known",
        from: "access = \"session\"\ninject = { request_headers = true }",
        to: "access = \"public\"\non_success = \"kick\"",
        errors: &[
            r#"4:1: chat: a route has on_success = "kick", and nothing says where Chat is (region = "china", or another in which the application is)"#,
            r#"19:14: route[1].on_success: no session is known here that could end (access = "session")"#,
        ],
    },
    Row {
        name: "a logout on a denied route",
        from: "access = \"session\"\ninject = { request_headers = true }",
        to: "access = \"deny\"\non_success = \"kick\"",
        errors: &[
            r#"4:1: chat: a route has on_success = "kick", and nothing says where Chat is (region = "china", or another in which the application is)"#,
            r#"19:14: route[1].on_success: no session is known here that could end (access = "session")"#,
        ],
    },
    Row {
        name: "a logout that nobody hears of",
        from: "access = \"session\"\ninject",
        to: "access = \"session\"\non_success = \"kick\"\ninject",
        errors: &[
            r#"4:1: chat: a route has on_success = "kick", and nothing says where Chat is (region = "china", or another in which the application is)"#,
        ],
    },
    Row {
        name: "another thing to do on success",
        from: "access = \"session\"\ninject",
        to: "access = \"session\"\non_success = \"ban\"\ninject",
        errors: &[r#"19:14: route[1].on_success: must be one of "kick""#],
    },
    Row {
        name: "an endpoint beside a region",
        from: "admin = \"root\"",
        to: "admin = \"root\"\nregion = \"china\"\nendpoint = \"https://chat.example\"",
        errors: &["9:12: chat.endpoint: stands beside region (one of the two)"],
    },
    Row {
        name: "profiles, and nothing says where Chat is",
        from: "admin = \"root\"",
        to: "admin = \"root\"\n[chat.profile]\nnick = \"/name\"",
        errors: &[
            r#"8:1: chat.profile: profiles are imported into Chat, and nothing says where that is (in [chat], region = "china", or another in which the application is)"#,
        ],
    },
    Row {
        name: "profiles without a claim",
        from: "admin = \"root\"",
        to: "admin = \"root\"\nregion = \"china\"\n[chat.profile]\nqueue_capacity = 5",
        errors: &[
            r#"9:1: chat.profile: names no claim, so that nothing is imported (nick = "/name", avatar = "/picture", or both)"#,
        ],
    },
    Row {
        name: "profiles with claims that are no pointers",
        from: "admin = \"root\"",
        to: "admin = \"root\"\nregion = \"china\"\n[chat.profile]\nnick = \"name\"\navatar = 7",
        errors: &[
            r#"10:8: chat.profile.nick: a JSON pointer starts with "/", as in "/sub""#,
            "11:10: chat.profile.avatar: expected a string, found a whole number",
        ],
    },
    Row {
        name: "profiles with a key that does not exist",
        from: "admin = \"root\"",
        to: "admin = \"root\"\nregion = \"china\"\n[chat.profile]\nnick = \"/name\"\nface = \"/picture\"",
        errors: &[
            "11:1: chat.profile.face: unknown key (known here: nick, avatar, imports_per_second, queue_capacity)",
        ],
    },
    Row {
        name: "profiles faster than is good, and no queue",
        from: "admin = \"root\"",
        to: "admin = \"root\"\nregion = \"china\"\n[chat.profile]\nnick = \"/name\"\nimports_per_second = 101\nqueue_capacity = 0",
        errors: &[
            "11:22: chat.profile.imports_per_second: must be from 1 to 100",
            "12:18: chat.profile.queue_capacity: must be from 1 to 1000000",
        ],
    },
    Row {
        name: "a region that is mistyped",
        from: "admin = \"root\"",
        to: "admin = \"root\"\nregion = \"singapor\"",
        errors: &[
            "8:10: chat.region: no such region; known are china, singapore, seoul, tokyo, frankfurt, silicon_valley and jakarta (did you mean \"singapore\"?)",
        ],
    },
    Row {
        name: "a region that does not exist",
        from: "admin = \"root\"",
        to: "admin = \"root\"\nregion = \"atlantis\"",
        errors: &[
            "8:10: chat.region: no such region; known are china, singapore, seoul, tokyo, frankfurt, silicon_valley and jakarta",
        ],
    },
    Row {
        name: "an endpoint without TLS",
        from: "admin = \"root\"",
        to: "admin = \"root\"\nendpoint = \"http://chat.example\"",
        errors: &[
            "8:12: chat.endpoint: an endpoint is https://host, and http:// only with an address of loopback; no path, query or user",
        ],
    },
    Row {
        name: "a region in a demo",
        from: "[[upstream]]\nname = \"app\"\nservers = [\"http://127.0.0.1:3000\"]\n[chat]",
        to: "demo = true\n[[upstream]]\nname = \"app\"\nservers = [\"http://127.0.0.1:3000\"]\n[chat]\nregion = \"china\"",
        errors: &[
            r#"6:10: chat.region: a demo reaches nothing outside this machine (endpoint = "http://127.0.0.1:8090")"#,
        ],
    },
    Row {
        name: "an endpoint elsewhere in a demo",
        from: "[[upstream]]\nname = \"app\"\nservers = [\"http://127.0.0.1:3000\"]\n[chat]",
        to: "demo = true\n[[upstream]]\nname = \"app\"\nservers = [\"http://127.0.0.1:3000\"]\n[chat]\nendpoint = \"https://chat.example\"",
        errors: &[
            "6:12: chat.endpoint: a demo reaches nothing outside this machine (an address of loopback)",
        ],
    },
    Row {
        name: "token headers that would be stripped",
        from: "[[session",
        to: r#"[session]
from = [{ header = "X-Forwarded-Access-Token" }, { header = "x_request_id" }]
[[session"#,
        errors: &[
            "9:20: session.from[1].header: is removed from every request, because clients may not say where one comes from (Authorization, or a header of your own that is not X-Forwarded-.. or the like)",
            "9:61: session.from[2].header: is a header of HTTP itself (Authorization, or a header of your own)",
        ],
    },
    Row {
        name: "an injected header under another spelling of one of HTTP",
        from: "[routes]",
        to: r#"[inject]
user_id_header = "X_Forwarded_For"
[routes]"#,
        errors: &[
            "15:18: inject.user_id_header: is a header of HTTP itself (a name of your own, as in X-Chat-UserID)",
        ],
    },
];
