//! The main job with apps that nobody here wrote, unmodified, from PyPI and npm, which sign their own session tokens.
//!
//! Each test logs in through the proxy, calls a protected page, takes the UserSig and logs in to the sandbox with it;
//! then come the refusals. `tests/apps` installs and starts the apps and holds a configuration for each.

mod guides;
mod oidc;
pub(crate) mod relay;
mod world;

use serde_json::{Value, json};

use crate::support::{Response, get, send, tokens};
use world::{Setup, World, bearer, chat_headers, names_like_ours, post, request, tampered};

const FLASK: Setup = Setup {
    name: "flask",
    ready: "/api/v1/greeting/",
};
const COOKIES: Setup = Setup {
    name: "cookies",
    ready: "/cookie_login",
};
const COOKIE_LOGOUT: Setup = Setup {
    name: "cookie-logout",
    ready: "/access_token",
};
const JSON_SERVER: Setup = Setup {
    name: "json-server-auth",
    ready: "/db",
};

const OURS: [&str; 3] = ["x-chat-sdkappid", "x-chat-userid", "x-chat-usersig"];

#[test]
fn flask_appbuilder_gets_chat_login_and_keeps_its_own() {
    let Some(world) = World::start(&FLASK, "flask_appbuilder") else {
        return;
    };
    let login = flask_login(&world, world.proxy.address);
    let session = bearer(&login.access);
    let sig = world.assert_logs_in(&session, "u_2");

    let cookie = format!("Cookie: other=1; access_token_cookie={}\r\n", login.access);
    for (case, carrier) in [("header", &session), ("cookie", &cookie)] {
        let response = world.get("/api/v1/contact/", carrier);
        assert_eq!(response.status, 200, "{case}: {response:?}");
        assert!(response.json()["result"].is_array(), "{case}");
        let seen = world.reached_app();
        let expected = [Some("u_2"), Some(sig.as_str()), Some("1400000000")];
        assert_eq!(chat_headers(&seen), expected, "{case}");
    }
    let wrong = json!({ "username": "ann", "password": "wrong", "provider": "db" });
    let response = send(world.proxy.address, post(FLASK_LOGIN, "", &wrong));
    assert_eq!(
        (response.status, response.json()),
        (401, json!({ "message": "Not authorized" }))
    );
    assert_eq!(names_like_ours(&world.reached_app()), Vec::<String>::new());
}

/// The app's own login answer, with the login in it and nothing else changed.
#[test]
fn flask_appbuilder_logs_in_to_chat_with_its_own_login_answer() {
    let Some(world) = World::start(&FLASK, "flask_appbuilder_logs_in") else {
        return;
    };
    let log_in = |address, password: &str| {
        let ann =
            json!({ "username": "ann", "password": password, "provider": "db", "refresh": true });
        send(address, post(FLASK_LOGIN, "", &ann))
    };
    let directly = log_in(world.app.address, "pw-ann").json();
    let members = |answer: &Value| {
        answer
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let answer = log_in(world.proxy.address, "pw-ann");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let (token, login) = (
        token_in(&answer, "access_token"),
        answer.json()["chat"].clone(),
    );
    let mut expected = members(&directly);
    expected.push("chat".to_owned());
    expected.sort();
    assert_eq!(members(&answer.json()), expected);
    world.relay.seen();
    let sig = world.assert_logs_in(&bearer(&token), "u_2");
    assert_eq!(
        (&login["userId"], &login["userSig"]),
        (&json!("u_2"), &json!(sig))
    );
    let refused = log_in(world.proxy.address, "wrong");
    assert_eq!(
        (refused.status, refused.json()),
        (401, json!({ "message": "Not authorized" }))
    );
}

#[test]
fn flask_jwt_extended_sets_a_cookie_and_its_answer_brings_the_login_along() {
    let Some(world) = World::start(&COOKIE_LOGOUT, "flask_jwt_extended_sets_a_cookie") else {
        return;
    };
    let (session, sig) = cookie_session(&world);
    assert_eq!(world.chat_login("username", &sig), 0);
    let response = world.get("/protected", &session);
    assert_eq!(
        (response.status, response.json()),
        (200, json!({ "foo": "bar" }))
    );
    let expected = [Some("username"), Some(sig.as_str()), Some("1400000000")];
    assert_eq!(chat_headers(&world.reached_app()), expected);
}

/// The app takes its cookie back and knows of no other end of a session: the proxy ends what the app only forgets.
#[test]
fn flask_jwt_extended_logs_out_and_chat_drops_the_login() {
    let Some(world) = World::start(&COOKIE_LOGOUT, "flask_jwt_extended_logs_out") else {
        return;
    };
    let (session, sig) = cookie_session(&world);
    // Chat kicks only who has an account, and a first login makes one.
    assert_eq!(world.chat_login("username", &sig), 0);
    let response = world.get("/delete_tokens", &session);
    assert_eq!(
        (response.status, response.json()),
        (200, json!({ "logout": true }))
    );
    world.reached_app();
    for page in ["/protected", "/delete_tokens", "/_chat/usersig"] {
        world.assert_refused(page, &request(page, &session), 401, "token_invalid");
    }
    let directly = get(world.app.address, "/protected", &session);
    assert_eq!(
        directly.status, 200,
        "the app alone goes on believing the token"
    );

    world
        .proxy
        .wait_for_metric("kicks_total{result=\"landed\",site=\"default\"}", 1);
    assert_eq!(world.chat_login("username", &sig), 70052);
    let (session, new_sig) = cookie_session(&world);
    assert_eq!(world.chat_login("username", &new_sig), 0);
    assert_eq!(world.chat_login("username", &sig), 70052);
    assert_eq!(world.get("/protected", &session).status, 200);
}

#[test]
fn flask_appbuilder_is_closed_to_all_but_its_sessions() {
    let Some(world) = World::start(&FLASK, "flask_appbuilder") else {
        return;
    };
    let login = flask_login(&world, world.proxy.address);
    let expired = flask_expired_token(&world);
    let others = tokens::sign_with(
        "the secret of another app that signs the same",
        &json!({ "sub": "2", "type": "access", "iat": tokens::now(), "exp": tokens::now() + 900 }),
    );
    for page in ["/api/v1/contact/", "/_chat/usersig"] {
        for (case, header_lines, status, code) in [
            ("no token", String::new(), 401, "token_missing"),
            ("expired", bearer(&expired), 401, "token_expired"),
            (
                "tampered",
                bearer(&tampered(&login.access)),
                401,
                "token_invalid",
            ),
            ("another issuer's", bearer(&others), 401, "token_invalid"),
            (
                "refresh token",
                bearer(&login.refresh),
                401,
                "token_invalid",
            ),
            (
                "two tokens",
                bearer(&login.access) + &format!("Cookie: access_token_cookie={expired}\r\n"),
                400,
                "token_conflict",
            ),
        ] {
            let case = format!("{page}, {case}");
            world.assert_refused(&case, &request(page, &header_lines), status, code);
        }
    }
    assert_eq!(
        world.get("/api/v1/contact/", &bearer(&login.access)).status,
        200
    );
}

/// A refresh token lives 30 days. Where the configuration allows that long, its type still keeps it out.
#[test]
fn flask_appbuilders_refresh_token_is_no_session_and_still_refreshes() {
    let Some(world) = World::start(&FLASK, "flask_appbuilder") else {
        return;
    };
    let proxy = world
        .proxy_with(|config| config.replace(r#"max_lifetime = "1h""#, r#"max_lifetime = "30d""#));
    let login = flask_login(&world, proxy.address);
    for page in ["/api/v1/contact/", "/_chat/usersig"] {
        let response = get(proxy.address, page, &bearer(&login.refresh));
        assert_eq!(
            (response.status, response.code().as_str()),
            (403, "access_denied"),
            "{page}"
        );
        assert!(world.relay.seen().is_empty());
        assert_eq!(
            get(proxy.address, page, &bearer(&login.access)).status,
            200,
            "{page}"
        );
        world.relay.seen();
    }
    let refresh = post(
        "/api/v1/security/refresh",
        &bearer(&login.refresh),
        &json!({}),
    );
    let response = send(proxy.address, refresh);
    assert_eq!(names_like_ours(&world.reached_app()), Vec::<String>::new());
    let renewed = token_in(&response, "access_token");
    assert_eq!(
        get(proxy.address, "/_chat/usersig", &bearer(&renewed)).status,
        200
    );
}

#[test]
fn h1_headers_that_only_the_proxy_may_set_do_not_reach_flask() {
    let Some(world) = World::start(&FLASK, "flask_appbuilder") else {
        return;
    };
    let spoofed = "X-Chat-UserID: administrator\r\nx_chat_userid: administrator\r\nX-Chat-UserSig: eJx\r\n\
                   X-CHAT-USERID: u_1\r\nX-Chat_SDKAppID: 1\r\n";
    let response = world.get("/api/v1/greeting/", spoofed);
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(names_like_ours(&world.reached_app()), Vec::<String>::new());

    let login = flask_login(&world, world.proxy.address);
    let response = world.get("/api/v1/contact/", &(bearer(&login.access) + spoofed));
    assert_eq!(response.status, 200, "{response:?}");
    let seen = world.reached_app();
    assert_eq!(names_like_ours(&seen), OURS);
    assert_eq!(seen.header("x-chat-userid"), Some("u_2"));
}

#[test]
fn flask_jwt_extended_with_its_token_in_a_cookie_gets_chat_login() {
    let Some(world) = World::start(&COOKIES, "flask_jwt_extended") else {
        return;
    };
    let (token, csrf) = cookie_login(&world);
    let cookies = format!("Cookie: access_token_cookie={token}; csrf_access_token={csrf}\r\n");
    let sig = world.assert_logs_in(&cookies, "username");
    let expected = [Some("username"), Some(sig.as_str()), Some("1400000000")];

    for (place, carrier) in [("cookies", cookies.clone()), ("headers", bearer(&token))] {
        let response = world.get("/protected", &carrier);
        assert_eq!(response.status, 200, "{place}: {response:?}");
        assert_eq!(
            response.json()["location"],
            place,
            "where the app found its token"
        );
        assert_eq!(chat_headers(&world.reached_app()), expected, "{place}");
    }
    let form = |more: &str| post("/protected", &format!("{cookies}{more}"), &json!({}));
    let response = send(world.proxy.address, form(""));
    assert_eq!(
        response.status, 401,
        "the app's own check against forged requests"
    );
    let response = send(
        world.proxy.address,
        form(&format!("X-CSRF-TOKEN: {csrf}\r\n")),
    );
    assert_eq!(response.status, 200, "{response:?}");
}

#[test]
fn flask_jwt_extended_is_closed_to_all_but_its_sessions() {
    let Some(world) = World::start(&COOKIES, "flask_jwt_extended") else {
        return;
    };
    let (token, _) = cookie_login(&world);
    let claims = |lifetime: i64, kind: &str| {
        let exp = tokens::now().checked_add_signed(lifetime).unwrap();
        json!({ "sub": "username", "type": kind, "iat": exp - 900, "exp": exp })
    };
    let cookie = |token: &str| format!("Cookie: access_token_cookie={token}\r\n");
    let others = tokens::sign_with("a secret of another app", &claims(600, "access"));
    for page in ["/protected", "/_chat/usersig"] {
        for (case, header_lines, status, code) in [
            ("no token", String::new(), 401, "token_missing"),
            (
                "expired",
                cookie(&world.sign(&claims(-600, "access"))),
                401,
                "token_expired",
            ),
            ("tampered", cookie(&tampered(&token)), 401, "token_invalid"),
            ("another issuer's", cookie(&others), 401, "token_invalid"),
            (
                "refresh token",
                cookie(&world.sign(&claims(600, "refresh"))),
                403,
                "access_denied",
            ),
            (
                "cookie of another name",
                cookie(&token).replace("access_", "Access_"),
                401,
                "token_missing",
            ),
        ] {
            let case = format!("{page}, {case}");
            world.assert_refused(&case, &request(page, &header_lines), status, code);
        }
    }
    let in_query = format!("/protected?jwt={token}");
    let directly = get(world.app.address, &in_query, "");
    assert_eq!(
        directly.status, 200,
        "the app alone takes a token from the query"
    );
    world.assert_refused("query", &request(&in_query, ""), 401, "token_missing");

    let good = world.sign(&claims(600, "access"));
    assert_eq!(world.get("/protected", &cookie(&good)).status, 200);
}

#[test]
fn json_server_auth_gets_chat_login() {
    let Some(world) = World::start(&JSON_SERVER, "json_server_auth") else {
        return;
    };
    let ann = json!({ "email": "ann@example.com", "password": "correct horse" });
    let registered = send(world.proxy.address, post("/register", "", &ann));
    assert_eq!(registered.status, 201, "{registered:?}");
    let response = send(world.proxy.address, post("/login", "", &ann));
    let token = token_in(&response, "accessToken");
    world.relay.seen();
    let session = bearer(&token);
    let sig = world.assert_logs_in(&session, "1");
    let user = &response.json()["user"];
    assert_eq!(user["email"], "ann@example.com");
    assert_eq!(user["chat"]["userSig"], sig.as_str());

    let response = world.get("/notes", &session);
    assert_eq!((response.status, response.json()), (200, json!([])));
    let expected = [Some("1"), Some(sig.as_str()), Some("1400000000")];
    assert_eq!(chat_headers(&world.reached_app()), expected);
    assert_eq!(response.header("x-chat-usersig"), Some(sig.as_str()));
    assert_eq!(response.header("x-chat-userid"), Some("1"));
    assert_eq!(response.header("cache-control"), Some("no-store"));

    let note = json!({ "text": "hello", "userId": 1 });
    let response = send(world.proxy.address, post("/NOTES/", &session, &note));
    assert_eq!(response.status, 201, "{response:?}");
    assert_eq!(chat_headers(&world.reached_app()), expected);
}

#[test]
fn json_server_auth_is_closed_to_all_but_its_sessions() {
    let Some(world) = World::start(&JSON_SERVER, "json_server_auth") else {
        return;
    };
    let now = tokens::now();
    let claims =
        json!({ "email": "ann@example.com", "iat": now - 7200, "exp": now - 3600, "sub": "1" });
    let good = json!({ "email": "ann@example.com", "iat": now, "exp": now + 3600, "sub": "1" });
    let good = world.sign(&good);
    let others = tokens::sign_with(
        "a secret of another app",
        &json!({ "exp": now + 3600, "sub": "1" }),
    );
    for page in ["/notes", "/NOTES/", "/users", "/_chat/usersig"] {
        for (case, header_lines, code) in [
            ("no token", String::new(), "token_missing"),
            ("expired", bearer(&world.sign(&claims)), "token_expired"),
            ("tampered", bearer(&tampered(&good)), "token_invalid"),
            ("another issuer's", bearer(&others), "token_invalid"),
        ] {
            let case = format!("{page}, {case}");
            world.assert_refused(&case, &request(page, &header_lines), 401, code);
        }
    }
    assert_eq!(world.get("/notes", &bearer(&good)).status, 200);
    world.relay.seen();
    let ann = json!({ "email": "bob@example.com", "password": "correct horse" });
    world.assert_refused(
        "the app's sloppy route",
        &post("/xregister", "", &ann),
        401,
        "token_missing",
    );
    for path in ["/db", "/DB", "/db/"] {
        let asked = request(path, &bearer(&good));
        world.assert_refused(path, &asked, 404, "route_not_found");
    }
    let head = send(
        world.proxy.address,
        "HEAD /notes HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    assert_eq!(head.status, 401, "the app alone does not guard HEAD");
    assert!(world.relay.seen().is_empty());
}

/// The app lets whoever registers choose the id that its tokens name.
#[test]
fn a7_who_registers_as_administrator_gets_no_usersig() {
    let Some(world) = World::start(&JSON_SERVER, "json_server_auth") else {
        return;
    };
    for (id, code) in [
        ("administrator", Some("user_not_mapped")),
        ("Administrator", Some("user_not_mapped")),
        ("administrator2", None),
    ] {
        let account =
            json!({ "email": format!("{id}@example.com"), "password": "correct horse", "id": id });
        let response = send(world.proxy.address, post("/register", "", &account));
        let session = bearer(&token_in(&response, "accessToken"));
        world.relay.seen();
        match code {
            Some(code) => {
                for page in ["/notes", "/_chat/usersig"] {
                    world.assert_refused(id, &request(page, &session), 403, code);
                }
            }
            None => drop(world.assert_logs_in(&session, id)),
        }
    }
}

struct FlaskLogin {
    access: String,
    refresh: String,
}

/// Logs ann in at the proxy or at the app.
fn flask_login(world: &World, address: std::net::SocketAddr) -> FlaskLogin {
    let ann = json!({ "username": "ann", "password": "pw-ann", "provider": "db", "refresh": true });
    let response = send(address, post(FLASK_LOGIN, "", &ann));
    world.relay.seen();
    FlaskLogin {
        access: token_in(&response, "access_token"),
        refresh: token_in(&response, "refresh_token"),
    }
}

/// Signed by an app whose clock for lifetimes runs backwards, so that no test waits for a token to expire.
fn flask_expired_token(world: &World) -> String {
    let app = world.another_app(&FLASK, &[("ACCESS_TOKEN_SECONDS", "-3600")]);
    flask_login(world, app.address).access
}

/// The token and the word against forged requests, from the two cookies that the app sets.
fn cookie_login(world: &World) -> (String, String) {
    let response = world.get("/cookie_login", "");
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(names_like_ours(&world.reached_app()), Vec::<String>::new());
    let cookie = |name: &str| {
        let mut set = response
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie");
        let found = set.find_map(|(_, value)| value.strip_prefix(name)?.strip_prefix('='));
        found.unwrap().split(';').next().unwrap().to_owned()
    };
    let token = cookie("access_token_cookie");
    tokens::note(&token);
    (token, cookie("csrf_access_token"))
}

/// A session of the app that keeps its token in cookies only: the header line for it, and the UserSig that came along.
fn cookie_session(world: &World) -> (String, String) {
    let response = world.get("/access_token", "");
    world.reached_app();
    let set: Vec<_> = response
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .filter_map(|(_, value)| value.split(';').next())
        .collect();
    let token = set
        .iter()
        .find_map(|cookie| cookie.strip_prefix("access_token_cookie="));
    tokens::note(token.unwrap());
    let answer = response.json();
    assert_eq!(answer["login"], true);
    assert_eq!(answer["chat"]["userId"], "username");
    let sig = answer["chat"]["userSig"].as_str().unwrap().to_owned();
    assert!(
        set.contains(&format!("chat_usersig={sig}").as_str()),
        "{set:?}"
    );
    assert_eq!(response.header("x-chat-usersig"), Some(sig.as_str()));
    (format!("Cookie: {}\r\n", set.join("; ")), sig)
}

pub(crate) fn token_in(response: &Response, member: &str) -> String {
    let answer: Value = response.json();
    let token = answer[member].as_str();
    let token = token
        .unwrap_or_else(|| panic!("no {member}: {response:?}"))
        .to_owned();
    tokens::note(&token);
    token
}

const FLASK_LOGIN: &str = "/api/v1/security/login";
