//! Answers that the app does not finish, or whose length is not what it says: never a false end.

use std::sync::{Mutex, mpsc};

use super::bodies::chunked;
use super::*;
use crate::support::tokens::session;

#[test]
fn p6_an_answer_that_is_cut_has_no_end() {
    let app = echo();
    let proxy = typical(&app);
    let body = body_with(&session("alice"));
    let (declared, streamed) = (json("", &body), chunked("", body.as_bytes()));
    let until = |answer: &[u8], less: usize| answer[..answer.len() - less].to_vec();
    for (case, answer) in [
        ("in a declared body", until(&declared, 1)),
        (
            "at the start of a declared body",
            until(&declared, body.len()),
        ),
        ("in a chunk", until(&streamed, 12)),
        ("before the last chunk", until(&streamed, 5)),
        ("in the last chunk", until(&streamed, 2)),
    ] {
        let request = post("/json", "X-App-Closes: 1\r\n", answer);
        let received = read_to_close(proxy.address, &request);
        assert_is_cut(case, &received);
    }
    assert_eq!(count(&proxy, "injected"), 0);
}

/// The same when the proxy has read the header before the app leaves. Of an answer that is held nothing goes out before its end.
#[test]
fn p6_an_answer_that_is_cut_after_its_header_was_read_has_no_end() {
    let (leave, left) = mpsc::channel::<()>();
    let (tell, written) = mpsc::channel();
    let left = Mutex::new(left);
    let app = App::with(move |request, stream| {
        let _ = stream.write_all(&request.body);
        if request.header("x-app-stays").is_some() {
            return true;
        }
        let _ = tell.send(());
        left.lock().unwrap().recv().is_err()
    });
    let config = typical_config(&app);
    let proxy = Proxy::start(&config.replace("[runtime]", "[runtime]\nthreads = 1"));
    let body = body_with(&session("alice"));
    let (declared, streamed) = (json("", &body), chunked("", body.as_bytes()));
    for (case, answer) in [
        ("declared", &declared[..declared.len() - 1]),
        ("streamed", &streamed[..streamed.len() - 5]),
    ] {
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.write_all(&post("/json", "", answer)).unwrap();
        written.recv().unwrap();
        // By the time of the second of these, the one thread of the proxy has been at the answer that came first.
        for _ in 0..2 {
            let request = post("/json", "X-App-Stays: 1\r\n", &declared);
            assert_eq!(crate::support::send(proxy.address, request).status, 200);
        }
        stream.set_nonblocking(true).unwrap();
        let early = stream.read(&mut [0; 64]).map_err(|error| error.kind());
        assert_eq!(early, Err(std::io::ErrorKind::WouldBlock), "{case}");
        stream.set_nonblocking(false).unwrap();
        leave.send(()).unwrap();
        let received = read_rest(&mut stream);
        assert!(received.starts_with(b"HTTP/1.1 200"), "{case}");
        assert_is_cut(case, &received);
        let line = proxy.log_line(|line| line["outcome"] == "upstream_invalid");
        assert_eq!(line["path"], "/json", "{case}: {line}");
    }
}

/// HTTP/1.0 has no other end than the closed connection, so such a client gets nothing rather than a half.
#[test]
fn p6_an_http_1_0_client_gets_nothing_of_a_cut_answer() {
    let app = echo();
    let proxy = typical(&app);
    let whole = json("", body_with(&session("alice")));
    let request = post("/json", "X-App-Closes: 1\r\n", &whole[..whole.len() - 1]);
    let request = String::from_utf8(request).unwrap();
    let request = request.replacen("HTTP/1.1", "HTTP/1.0", 1);
    let received = read_to_close(proxy.address, request.as_bytes());
    let text = String::from_utf8(received).unwrap();
    assert!(
        text.contains(" 502 ") || text.ends_with("\r\n\r\n"),
        "{text}"
    );
}

#[test]
fn p6_a_length_that_is_too_short_or_too_long_gives_no_login() {
    let app = echo();
    let proxy = typical(&app);
    let body = body_with(&session("alice"));
    let with_length = |length: usize| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let response = crate::support::send(
        proxy.address,
        post("/json", "X-App-Closes: 1\r\n", with_length(body.len() - 1)),
    );
    assert_eq!(response.text(), body[..body.len() - 1]);
    let request = post("/json", "X-App-Closes: 1\r\n", with_length(body.len() + 1));
    assert_is_cut("too long", &read_to_close(proxy.address, &request));
    assert_eq!(count(&proxy, "injected"), 0);

    // What the app said too much is not the start of anybody's answer.
    let bobs = body_with(&session("bob"));
    let response = log_in(&proxy, "/json", json("", &bobs));
    assert_eq!(take_login(&response.text(), ",\"chat\":", "bob"), bobs);
}

#[test]
fn p6_an_app_that_answers_nothing_or_nonsense_is_a_502() {
    let app = echo();
    let proxy = typical(&app);
    for answer in [
        "x",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n{}",
    ] {
        let request = post("/json", "X-App-Closes: 1\r\n", answer);
        let response = crate::support::send(proxy.address, request);
        assert_eq!(response.status, 502, "{answer}");
    }
}

/// Either a refusal instead, or an answer that every client sees to be cut.
fn assert_is_cut(case: &str, received: &[u8]) {
    let text = String::from_utf8_lossy(received);
    if text.starts_with("HTTP/1.1 502") {
        return;
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        head.to_ascii_lowercase()
            .contains("transfer-encoding: chunked"),
        "{case}: {text}"
    );
    assert_eq!(body, "", "{case}");
}
