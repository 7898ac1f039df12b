//! Which session an answer begins, and where its login goes.

use super::*;
use crate::edge::{assert_identity, assert_no_identity};
use crate::support::tokens::{bearer, session, sign};

#[test]
fn a_token_in_the_body_puts_the_login_beside_it() {
    let app = echo();
    let proxy = typical(&app);
    let body = body_with(&session("alice"));
    let response = log_in(&proxy, "/json", json("", &body));
    assert_eq!(response.status, 200);
    assert_eq!(take_login(&response.text(), ",\"chat\":", "alice"), body);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("set-cookie"), None);
    assert_eq!(response.header("x-chat-usersig"), None);
    assert_no_identity(&app.next());
    let line = proxy.log_line(|line| line["path"] == "/json");
    assert_eq!(
        (&line["user_id"], &line["status"]),
        (&"alice".into(), &200.into())
    );
    assert_eq!(line["outcome"], "forwarded");
    assert_eq!(count(&proxy, "injected"), 1);
}

#[test]
fn pointers_reach_into_arrays_and_escaped_names() {
    let app = echo();
    let proxy = typical(&app);
    let body = format!(
        "{{ \"data\" : {{ \"tokens\": [{{}}, {{\"a/b\": \"Bearer {}\"}}] }} , \"z\": 0 }}\n",
        session("alice")
    );
    let response = log_in(&proxy, "/nested", json("", &body));
    assert_eq!(
        take_login(&response.text(), ",\"chat/login\":", "alice"),
        body
    );
    let parsed = response.json();
    assert_login(&parsed["data"]["chat/login"], "alice");

    // The place is a member of what is there, or there is no place.
    for body in [
        format!("{{\"data\":[{{}},{{\"a/b\":\"{}\"}}]}}", session("alice")),
        format!("{{\"tokens\":[{{}},{{\"a/b\":\"{}\"}}]}}", session("alice")),
    ] {
        let response = log_in(&proxy, "/nested", json("", &body));
        assert_eq!(response.text(), body);
    }
}

#[test]
fn a_token_in_a_header_or_cookie_reaches_every_place() {
    let app = echo();
    let proxy = typical(&app);
    let token = session("alice");
    for (path, line) in [
        ("/header", format!("X-Session: {token}\r\n")),
        (
            "/header",
            format!("x-session: Bearer {token}\r\nX-Session: {token}\r\n"),
        ),
        (
            "/cookie",
            format!("Set-Cookie: session={token}; HttpOnly\r\n"),
        ),
        (
            "/cookie",
            format!(
                "Set-Cookie: session=old; Max-Age=0\r\nSet-Cookie: a=b\r\nSet-Cookie: session={token}\r\n"
            ),
        ),
    ] {
        let response = log_in(&proxy, path, json(&line, "{\"ok\":true}"));
        assert_eq!(
            take_login(&response.text(), ",\"chat\":", "alice"),
            "{\"ok\":true}"
        );
        assert_eq!(response.header("x-chat-userid"), Some("alice"), "{line}");
        assert_eq!(response.header("x-chat-sdkappid"), Some("1400007357"));
        assert_eq!(
            signed_for(response.header("x-chat-usersig").unwrap()),
            "alice"
        );
        let cookies = cookies(&response);
        let login = cookies
            .last()
            .unwrap()
            .strip_prefix("chat_usersig=")
            .unwrap();
        assert_eq!(signed_for(login.split(';').next().unwrap()), "alice");
        assert_eq!(cookies.len(), line.matches("Set-Cookie").count() + 1);
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    assert_eq!(count(&proxy, "injected"), 4);
}

#[test]
fn headers_and_cookie_do_not_need_a_body() {
    let app = echo();
    let proxy = typical(&app);
    let line = format!("Set-Cookie: session={}\r\n", session("alice"));
    for answer in [
        format!("HTTP/1.1 204 No Content\r\n{line}\r\n"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n{line}\r\nhi"),
        format!("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n{line}\r\n"),
    ] {
        let response = log_in(&proxy, "/cookie", &answer);
        assert_eq!(response.header("x-chat-userid"), Some("alice"), "{answer}");
        assert_eq!(cookies(&response).len(), 2, "{answer}");
        assert!(answer.ends_with(&response.text()), "{answer}");
    }
    let reasons = ["no_body", "not_json", "injected"].map(|result| count(&proxy, result));
    assert_eq!(reasons, [2, 1, 0]);
    // Where only they take the login, that is all of it.
    let response = log_in(&proxy, "/headers", json(&line, "{}"));
    assert_eq!(response.text(), "{}");
    assert_eq!(response.header("x-chat-userid"), Some("alice"));
    assert_eq!(response.header("content-length"), Some("2"));
    assert_eq!(count(&proxy, "injected"), 1);
}

#[test]
fn a_redirect_is_a_login_where_it_is_listed() {
    let app = echo();
    let proxy = typical(&app);
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: /home\r\nSet-Cookie: session={}\r\nContent-Length: 0\r\n\r\n",
        session("alice")
    );
    let response = log_in(&proxy, "/redirect", &redirect);
    assert_eq!(response.status, 302);
    assert_eq!(response.header("location"), Some("/home"));
    assert_eq!(response.header("x-chat-userid"), Some("alice"));
    assert_eq!(cookies(&response).len(), 2);
    assert_eq!(
        proxy.log_line(|line| line["path"] == "/redirect")["user_id"],
        "alice"
    );

    // There only that counts, and elsewhere it does not.
    let ok = json(
        &format!("Set-Cookie: session={}\r\n", session("alice")),
        "{}",
    );
    for (path, answer) in [("/redirect", ok), ("/cookie", redirect.into_bytes())] {
        let response = log_in(&proxy, path, answer);
        assert_eq!(cookies(&response).len(), 1, "{path}");
        assert_eq!(response.header("x-chat-userid"), None, "{path}");
    }
    assert_eq!(count(&proxy, "no_session"), 2);
}

#[test]
fn statuses_say_which_answers_are_logins() {
    let app = echo();
    let proxy = typical(&app);
    let body = body_with(&session("alice"));
    for (path, status, is_login) in [
        ("/json", "200 OK", true),
        ("/json", "201 Created", true),
        ("/json", "202 Accepted", true),
        ("/json", "300 Multiple Choices", false),
        ("/json", "400 Bad Request", false),
        ("/json", "401 Unauthorized", false),
        ("/json", "500 Internal Server Error", false),
        ("/only-201", "201 Created", true),
        ("/only-201", "200 OK", false),
    ] {
        let response = log_in(&proxy, path, answer(status, "ETag: \"1\"\r\n", &body));
        assert!(status.starts_with(&response.status.to_string()));
        match is_login {
            true => {
                assert_eq!(take_login(&response.text(), ",\"chat\":", "alice"), body);
            }
            false => {
                assert_eq!(response.text(), body, "{path} {status}");
                assert_eq!(response.header("etag"), Some("\"1\""), "{path} {status}");
                assert_eq!(
                    response.header("content-length"),
                    Some(&*body.len().to_string())
                );
            }
        }
    }
    assert_eq!(
        (count(&proxy, "injected"), count(&proxy, "no_session")),
        (4, 5)
    );
}

#[test]
fn a_member_of_the_app_is_never_overwritten() {
    let app = echo();
    let proxy = typical(&app);
    let token = session("alice");
    for taken in [
        "\"chat\":null",
        "\"chat\":{\"userSig\":\"own\"}",
        "\"\\u0063hat\":1",
    ] {
        let body = format!("{{\"access_token\":\"{token}\",{taken}}}");
        assert_eq!(log_in(&proxy, "/json", json("", &body)).text(), body);
    }
    assert_eq!(
        (count(&proxy, "no_room"), count(&proxy, "injected")),
        (3, 0)
    );
    let body = format!("{{\"access_token\":\"{token}\",\"Chat\":1,\"x\":{{\"chat\":2}}}}");
    let response = log_in(&proxy, "/json", json("", &body));
    assert_eq!(take_login(&response.text(), ",\"chat\":", "alice"), body);
}

#[test]
fn the_callers_own_login_goes_into_the_body_of_a_session_route() {
    let app = echo();
    let proxy = typical(&app);
    let own = |path: &str, lines: &str, answer: Vec<u8>| {
        crate::support::send(proxy.address, post(path, lines, answer))
    };
    let response = own("/mine", &bearer("alice"), json("", "{\"a\":[]}"));
    assert_eq!(
        take_login(&response.text(), ",\"chat\":", "alice"),
        "{\"a\":[]}"
    );
    assert_identity(&app.next(), "alice");
    let response = own("/mine", &bearer("bob"), json("", "{}"));
    assert_eq!(take_login(&response.text(), "\"chat\":", "bob"), "{}");

    // A refusal of the app carries no login, and nobody has none.
    let failed = own("/mine", &bearer("alice"), answer("403 Forbidden", "", "{}"));
    assert_eq!(failed.text(), "{}");
    let nobody = own("/maybe", "", json("", "{}"));
    assert_eq!(nobody.text(), "{}");
    assert_eq!(own("/mine", "", json("", "{}")).status, 401);

    // What goes into headers does so whatever the body is.
    let redirect = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n";
    let response = own("/own", &bearer("alice"), redirect.into());
    assert_eq!(response.header("x-chat-userid"), Some("alice"));
    assert_eq!(cookies(&response).len(), 1);
}

#[test]
fn c8_a_login_with_anothers_session_gets_the_new_one_and_nothing_of_the_old() {
    let app = echo();
    let proxy = typical(&app);
    let old = format!("Cookie: session={}; chat_usersig=old\r\n", session("alice"));
    for path in ["/json", "/again"] {
        let body = body_with(&session("bob"));
        let response = crate::support::send(proxy.address, post(path, &old, json("", &body)));
        assert_eq!(
            take_login(&response.text(), ",\"chat\":", "bob"),
            body,
            "{path}"
        );
        assert!(
            !format!("{:?}", response.headers).contains("alice"),
            "{path}"
        );
        let line = proxy.log_line(|line| line["path"] == path);
        assert_eq!(line["user_id"], "bob", "{path}");
    }
    // The app is told about the caller where the route says so, and only about the caller.
    assert_no_identity(&app.next());
    assert_identity(&app.next(), "alice");

    // A login of nobody gets nothing of the old session either.
    for body in [
        "{\"error\":\"wrong password\"}",
        "{\"access_token\":\"x.y.z\"}",
    ] {
        let response = crate::support::send(proxy.address, post("/again", &old, json("", body)));
        assert_eq!(response.text(), body);
        assert_no_login(&response);
    }
    for path in ["/cookie", "/header"] {
        let response = crate::support::send(proxy.address, post(path, &old, json("", "{}")));
        assert_eq!(response.text(), "{}");
        assert_no_login(&response);
    }
}

#[test]
fn a_client_that_has_the_cookie_is_not_given_it_again_but_anothers_is_replaced() {
    let app = echo();
    let proxy = typical(&app);
    let answer = |user: &str| {
        let line = format!("Set-Cookie: session={}\r\n", session(user));
        json(&line, "{}")
    };
    let first = log_in(&proxy, "/cookie", answer("alice"));
    let cookie = cookies(&first)[1].split(';').next().unwrap().to_owned();
    let has_it = format!("Cookie: {cookie}\r\n");
    let send = |user| crate::support::send(proxy.address, post("/cookie", &has_it, answer(user)));
    assert_eq!(cookies(&send("alice")).len(), 1);
    let bobs = send("bob");
    let user_sig = cookies(&bobs)[1].split(['=', ';']).nth(1).unwrap();
    assert_eq!(signed_for(user_sig), "bob");
}

#[test]
fn logins_at_the_same_time_keep_their_users_apart() {
    const USERS: usize = 24;
    let barrier = std::sync::Barrier::new(USERS);
    let app = App::with(move |request, stream| {
        let (head, tail) = request.body.split_at(request.body.len() - 40);
        let is_written = stream.write_all(head).is_ok();
        // No answer ends before all have begun.
        barrier.wait();
        is_written && stream.write_all(tail).is_ok()
    });
    let proxy = typical(&app);
    std::thread::scope(|scope| {
        for number in 0..USERS {
            let proxy = &proxy;
            scope.spawn(move || {
                let user = format!("user{number}");
                let body = body_with(&session(&user));
                let padded = format!("{body}{}", " ".repeat(80));
                let response = log_in(proxy, "/json", json("", &padded));
                assert_eq!(take_login(&response.text(), ",\"chat\":", &user), padded);
            });
        }
    });
    assert_eq!(count(&proxy, "injected"), USERS as u64);
}

#[test]
fn a_users_login_is_the_same_wherever_it_is_handed_out() {
    let app = echo();
    let proxy = typical(&app);
    let response = log_in(&proxy, "/json", json("", body_with(&session("alice"))));
    let at_login = response.json()["chat"].clone();
    let asked = get(proxy.address, "/_chat/usersig", &bearer("alice")).json();
    assert_eq!(at_login, asked);
    let token = sign(&serde_json::json!({ "sub": "alice", "exp": now() + 60 }));
    let again = log_in(
        &proxy,
        "/header",
        json(&format!("X-Session: {token}\r\n"), "{}"),
    );
    assert_eq!(again.json()["chat"], asked);
}
