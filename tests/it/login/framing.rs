//! A login through every framing of the app's answer, to clients of every version.

use super::bodies::chunked;
use super::*;
use crate::edge::http2::{self, exchange, talk, try_exchange};
use crate::support::tokens::session;

/// The same answer: of a declared length, in chunks, until the connection closes, and as HTTP/1.0 has it.
fn framings(body: &str) -> [(&'static str, &'static str, Vec<u8>); 4] {
    let head = "Content-Type: application/json\r\n\r\n";
    [
        ("declared", "", json("", body)),
        ("chunked", "", chunked("", body.as_bytes())),
        (
            "until the end",
            "X-App-Closes: 1\r\n",
            format!("HTTP/1.1 200 OK\r\n{head}{body}").into(),
        ),
        (
            "1.0",
            "X-App-Closes: 1\r\n",
            format!("HTTP/1.0 200 OK\r\n{head}{body}").into(),
        ),
    ]
}

#[test]
fn p6_every_framing_takes_the_login() {
    let app = echo();
    let proxy = typical(&app);
    let body = body_with(&session("alice"));
    let mut connection = Connection::open(proxy.address);
    for (case, lines, answer) in framings(&body) {
        let response = connection.request(post("/json", lines, answer));
        assert_eq!(
            take_login(&response.text(), ",\"chat\":", "alice"),
            body,
            "{case}"
        );
        assert_eq!(
            response.header("transfer-encoding"),
            Some("chunked"),
            "{case}"
        );
        assert_eq!(response.header("content-length"), None, "{case}");
    }
    // The connection is in step after all of them.
    let response = connection.request(post("/json", "", json("", "{}")));
    assert_eq!(response.text(), "{}");
}

#[test]
fn p6_an_http_1_0_client_reads_to_the_end() {
    let app = echo();
    let proxy = typical(&app);
    let body = body_with(&session("alice"));
    let long = format!("{body}{}", " ".repeat(LIMIT));
    for keep in ["", "Connection: keep-alive\r\n"] {
        for (case, lines, answer) in framings(&body) {
            let request = post("/json", &format!("{lines}{keep}"), answer);
            let text = http_1_0(&proxy, &request);
            assert_eq!(take_login(&text, ",\"chat\":", "alice"), body, "{case}");
        }
        let request = post("/json", keep, chunked("", long.as_bytes()));
        assert!(http_1_0(&proxy, &request) == long);
    }
}

/// The body that such a client reads, which knows nothing of chunks.
fn http_1_0(proxy: &Proxy, request: &[u8]) -> String {
    let request = String::from_utf8(request.to_vec()).unwrap();
    let request = request.replacen("HTTP/1.1", "HTTP/1.0", 1);
    let received = String::from_utf8(read_to_close(proxy.address, request.as_bytes())).unwrap();
    let (head, body) = received.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(!head.contains("transfer-encoding"), "{head}");
    assert!(!head.contains("content-length"), "{head}");
    assert!(!head.contains("connection: keep-alive"), "{head}");
    body.to_owned()
}

#[test]
fn p6_http2_takes_the_login() {
    let app = echo();
    let proxy = typical(&app);
    let body = body_with(&session("alice"));
    talk(&proxy, async |mut client| {
        for (case, lines, answer) in framings(&body) {
            let mut request = http2::post("/json");
            if !lines.is_empty() {
                request = request.header("x-app-closes", "1");
            }
            let answer = String::from_utf8(answer).unwrap();
            let answer = exchange(&mut client, request, &[&answer]).await;
            assert_eq!(answer.status, 200, "{case}");
            assert_eq!(
                take_login(&answer.text, ",\"chat\":", "alice"),
                body,
                "{case}"
            );
            assert_eq!(answer.headers["cache-control"], "no-store");
            for name in ["content-length", "transfer-encoding", "connection"] {
                assert!(!answer.headers.contains_key(name), "{case} {name}");
            }
        }
        let failed = String::from_utf8(json("", "{\"error\":1}")).unwrap();
        let answer = exchange(&mut client, http2::post("/json"), &[&failed]).await;
        assert_eq!(answer.text, "{\"error\":1}");
        let long = format!("{body}{}", " ".repeat(LIMIT));
        let streamed = String::from_utf8(chunked("", long.as_bytes())).unwrap();
        let answer = exchange(&mut client, http2::post("/json"), &[&streamed]).await;
        assert!(answer.text == long);
        let nothing = format!(
            "HTTP/1.1 204 No Content\r\nX-Session: {}\r\n\r\n",
            session("alice")
        );
        let answer = exchange(&mut client, http2::post("/header"), &[&nothing]).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        assert_eq!(answer.headers["x-chat-userid"], "alice");
    });
    assert_eq!(count(&proxy, "too_long"), 1);
}

#[test]
fn p6_http2_logins_of_one_connection_keep_their_users_apart() {
    let app = echo();
    let proxy = typical(&app);
    talk(&proxy, async |client| {
        let all = (0..20).map(|number| {
            let mut client = client.clone();
            async move {
                let user = format!("user{number}");
                let body = body_with(&session(&user));
                let answer = String::from_utf8(json("", &body)).unwrap();
                let answer = exchange(&mut client, http2::post("/json"), &[&answer]).await;
                assert_eq!(take_login(&answer.text, ",\"chat\":", &user), body);
            }
        });
        for task in all.map(tokio::task::spawn_local).collect::<Vec<_>>() {
            task.await.unwrap();
        }
    });
}

#[test]
fn p6_http2_a_cut_answer_resets_its_stream() {
    let app = echo();
    let proxy = typical(&app);
    let whole = String::from_utf8(json("", body_with(&session("alice")))).unwrap();
    let cut = &whole[..whole.len() - 3];
    talk(&proxy, async |mut client| {
        let request = http2::post("/json")
            .header("x-app-closes", "1")
            .body(())
            .unwrap();
        let answer = try_exchange(&mut client, request, &[cut]).await;
        // A refusal is an answer as well, when nothing was sent yet.
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 502));
        let answer = exchange(&mut client, http2::post("/json"), &[&whole]).await;
        take_login(&answer.text, ",\"chat\":", "alice");
    });
}

#[test]
fn p6_head_is_answered_without_a_body_and_untouched() {
    let app = App::with(|request, stream| {
        let lines = "Content-Type: application/json\r\nETag: \"1\"\r\nContent-Length: 99\r\n";
        let token = request.header("x-give").unwrap_or_default();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\n{lines}X-Session: {token}\r\n\r\n"
        )
        .is_ok()
    });
    let proxy = typical(&app);
    let token = session("alice");
    let head =
        |path: &str| format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nX-Give: {token}\r\n\r\n");
    let mut connection = Connection::open(proxy.address);
    let response = connection.request(head("/json"));
    assert_eq!(response.header("content-length"), Some("99"));
    assert_eq!(response.header("etag"), Some("\"1\""));
    // Headers belong to HEAD as well; what they say of the body stays the app's.
    let response = connection.request(head("/header"));
    assert_eq!(response.header("x-chat-userid"), Some("alice"));
    assert_eq!(response.header("content-length"), Some("99"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("etag"), None);
}
