//! Guides as they are written, in front of what they are written for: Django with Simple JWT, Express with jsonwebtoken.

use serde_json::json;

use super::token_in;
use super::world::{Setup, World, bearer, chat_headers, names_like_ours, post, request, tampered};
use crate::support::{get, send, tokens};

const DJANGO: Setup = Setup {
    name: "django",
    ready: "/",
};
const EXPRESS: Setup = Setup {
    name: "express",
    ready: "/",
};

#[test]
fn django_with_simple_jwt_gets_chat_login_by_the_guides_configuration() {
    let Some(world) = World::start(&DJANGO, "django_with_simple_jwt") else {
        return;
    };
    let ann = json!({ "username": "ann", "password": "pw-ann" });
    let answer = send(world.proxy.address, post("/api/token/", "", &ann));
    assert_eq!(names_like_ours(&world.reached_app()), Vec::<String>::new());
    let (access, refresh) = (token_in(&answer, "access"), token_in(&answer, "refresh"));
    let session = bearer(&access);
    let sig = world.assert_logs_in(&session, "2");
    assert_eq!(answer.json()["chat"]["userSig"], sig.as_str());

    let page = world.get("/api/me/", &session);
    assert_eq!(page.json(), json!({ "name": "ann", "chat": "2" }));
    let expected = [Some("2"), Some(sig.as_str()), Some("1400000000")];
    assert_eq!(chat_headers(&world.reached_app()), expected);

    let welcome = world.get("/", &session);
    assert_eq!((welcome.status, welcome.text().as_str()), (200, "welcome"));
    assert_eq!(names_like_ours(&world.reached_app()), Vec::<String>::new());

    let renewal = post("/api/token/refresh/", "", &json!({ "refresh": refresh }));
    let renewed = token_in(&send(world.proxy.address, renewal), "access");
    world.reached_app();
    assert_eq!(world.get("/api/me/", &bearer(&renewed)).status, 200);
}

#[test]
fn django_with_simple_jwt_is_closed_to_all_but_its_sessions() {
    let Some(world) = World::start(&DJANGO, "django_with_simple_jwt") else {
        return;
    };
    let ann = json!({ "username": "ann", "password": "pw-ann" });
    let answer = send(world.proxy.address, post("/api/token/", "", &ann));
    world.relay.seen();
    let (access, refresh) = (token_in(&answer, "access"), token_in(&answer, "refresh"));
    for path in ["/api/me/", "/api/me", "/api/token", "/_chat/usersig"] {
        for (case, lines, status, code) in [
            ("no token", String::new(), 401, "token_missing"),
            ("tampered", bearer(&tampered(&access)), 401, "token_invalid"),
            // It lives for a day, and max_lifetime is an hour.
            ("refresh token", bearer(&refresh), 401, "token_invalid"),
        ] {
            let case = format!("{path}, {case}");
            world.assert_refused(&case, &request(path, &lines), status, code);
        }
    }
    let longer =
        world.proxy_with(|config| config.replace("max_lifetime = \"1h\"", "max_lifetime = \"2d\""));
    for (token, status) in [(&refresh, 403), (&access, 200)] {
        assert_eq!(
            get(longer.address, "/api/me/", &bearer(token)).status,
            status
        );
    }
}

/// Simple JWT wrote numbers up to 5.5.0 and writes strings since: what the guide says of either.
#[test]
fn users_of_simple_jwt_are_strings_or_numbers_and_never_both() {
    let Some(world) = World::start(&DJANGO, "users_of_simple_jwt") else {
        return;
    };
    let token = |user: serde_json::Value| {
        let now = tokens::now();
        world.sign(&json!({ "token_type": "access", "exp": now + 300, "iat": now, "jti": "1", "user_id": user }))
    };
    let numbers =
        world.proxy_with(|config| config.replace("type = \"string\"", "type = \"integer\""));
    for (user, of_strings, of_numbers) in [(json!("2"), 200, 403), (json!(2), 403, 200)] {
        let session = bearer(&token(user.clone()));
        for (proxy, status) in [(&world.proxy, of_strings), (&numbers, of_numbers)] {
            let answer = get(proxy.address, "/_chat/usersig", &session);
            assert_eq!(answer.status, status, "{user}: {answer:?}");
            if status == 200 {
                assert_eq!(answer.json()["userId"], "2");
            }
        }
    }
}

#[test]
fn express_with_jsonwebtoken_gets_chat_login_by_the_guides_configuration() {
    let Some(world) = World::start(&EXPRESS, "express_with_jsonwebtoken") else {
        return;
    };
    let ann = json!({ "name": "ann", "password": "correct horse" });
    let answer = send(world.proxy.address, post("/login", "", &ann));
    assert_eq!(names_like_ours(&world.reached_app()), Vec::<String>::new());
    let token = token_in(&answer, "token");
    let cookie = answer
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    assert_eq!(cookie, format!("token={token}"));
    let sig = world.assert_logs_in(&bearer(&token), "7");
    assert_eq!(answer.json()["chat"]["userSig"], sig.as_str());

    let expected = [Some("7"), Some(sig.as_str()), Some("1400000000")];
    for (path, lines) in [
        ("/api/me", bearer(&token)),
        ("/api/me", format!("Cookie: {cookie}\r\n")),
        ("/API/Me/", bearer(&token)),
    ] {
        let page = world.get(path, &lines);
        assert_eq!(page.json(), json!({ "name": "ann", "chat": "7" }), "{path}");
        assert_eq!(chat_headers(&world.reached_app()), expected, "{path}");
    }
    assert_eq!(world.get("/", "").text(), "welcome");
}

#[test]
fn express_with_jsonwebtoken_is_closed_to_all_but_its_sessions() {
    let Some(world) = World::start(&EXPRESS, "express_with_jsonwebtoken") else {
        return;
    };
    let now = tokens::now();
    let good = world.sign(&json!({ "id": 7, "iat": now, "exp": now + 3600 }));
    let text = world.sign(&json!({ "id": "7", "iat": now, "exp": now + 3600 }));
    let forever = send(world.proxy.address, post("/forever", "", &json!({})));
    world.reached_app();
    let forever = token_in(&forever, "token");
    for path in ["/api/me", "/API/me", "/api/me/", "/_chat/usersig"] {
        for (case, lines, status, code) in [
            ("no token", String::new(), 401, "token_missing"),
            ("tampered", bearer(&tampered(&good)), 401, "token_invalid"),
            ("without an end", bearer(&forever), 401, "token_invalid"),
            ("another type", bearer(&text), 403, "user_not_mapped"),
        ] {
            let case = format!("{path}, {case}");
            world.assert_refused(&case, &request(path, &lines), status, code);
        }
        assert_eq!(world.get(path, &bearer(&good)).status, 200, "{path}");
        world.relay.seen();
    }
    let directly = get(world.app.address, "/api/me", &bearer(&forever));
    assert_eq!(
        directly.status, 200,
        "the app alone takes a token without an end"
    );
}
