//! Nothing of users, tokens or secrets is in the page or its stream, whatever the requests were full of.

use serde_json::json;

use super::World;
use crate::rest_api::{call, code, ok};
use crate::support::proxy::{CHAT_KEY, assert_holds_no_secret};
use crate::support::tokens::{SECRET, authorization, now, sign};
use crate::support::{get, send};

/// No part of any name that the program or the test's configuration has.
const USER: &str = "quintessa-8d1f";

#[test]
fn the_stream_holds_no_user_token_path_or_secret() {
    let world = World::start("");
    let address = world.proxy.address;
    let token = sign(&json!({ "sub": USER, "roles": ["member"], "exp": now() + 600 }));
    let bearer = authorization(&token);
    let login = get(address, "/_chat/usersig", &bearer).json();
    let user_sig = login["userSig"].as_str().unwrap().to_owned();
    assert_eq!(login["userId"], USER);
    let bad = authorization(&format!("{token}x"));
    for (path, lines) in [
        (format!("/api/{USER}"), &*bearer),
        (format!("/api/{token}?user={USER}"), &bearer),
        (format!("/public/{user_sig}"), ""),
        (format!("/{USER}"), ""),
        (format!("/api//{USER}"), &bearer),
        ("/api/x".to_owned(), &bad),
        (
            "/api/x".to_owned(),
            &format!("X-Request-ID: {USER}\r\nUser-Agent: {USER}\r\n{bearer}"),
        ),
    ] {
        get(address, &path, lines);
    }
    send(
        address,
        format!("{USER} /{USER} HTTP/1.1\r\nHost: {USER}\r\n\r\n"),
    );
    let info = json!({ "ActionStatus": "FAIL", "ErrorCode": 70009, "ErrorInfo": USER });
    world
        .chat
        .will_answer([ok(&code(0)), ok(&info.to_string())]);
    let body = json!({ "To_Account": USER, "Text": USER }).to_string();
    for command in [
        "openim/sendmsg",
        "openim/sendmsg",
        "im_open_login_svc/kick",
        USER,
    ] {
        call(&world.proxy, command, &token, &body);
    }
    let site = "calls, refusals and an alarm";
    let mut stream = world.stream();
    let event = stream.wait_for(|sample| {
        sample["rest_calls"]["config"] == 1
            && sample["requests"]["command_not_allowed"] == 1
            && sample["refused_tokens"]
                .as_object()
                .is_some_and(|counts| !counts.is_empty())
    });
    let page = send(
        world.proxy.ops,
        format!("GET /status HTTP/1.1\r\nHost: {}\r\n\r\n", world.proxy.ops),
    );
    let told = format!("{event}\n{:?}\n{}", page.headers, page.text());
    assert!(told.contains("\"alarm\":70009"), "{site} are not in {told}");
    let needles = [USER, CHAT_KEY, SECRET, &token, &user_sig];
    assert_eq!(found(&told, &needles), None);
    assert_holds_no_secret(&told);
    // The search finds what it looks for where it would stand.
    for needle in needles {
        let planted = told.replacen(
            "\"requests\":{",
            &format!("\"requests\":{{\"{needle}\":1,"),
            1,
        );
        assert_eq!(found(&planted, &needles), Some(needle));
    }
}

fn found<'a>(text: &str, needles: &[&'a str]) -> Option<&'a str> {
    let text = text.to_ascii_lowercase();
    let mut needles = needles.iter().copied();
    needles.find(|needle| text.contains(&needle.to_ascii_lowercase()))
}
