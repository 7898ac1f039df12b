//! What an answer with a login says to caches, and what of a request could make the app give a part or a confirmation.

use super::*;
use crate::support::tokens::session;

#[test]
fn c6_an_answer_with_a_login_is_kept_by_nobody() {
    let app = echo();
    let proxy = typical(&app);
    let lines = "Cache-Control: public, max-age=600\r\nCDN-Cache-Control: max-age=600\r\n\
         Cloudflare-CDN-Cache-Control: max-age=600\r\nSurrogate-Control: max-age=600\r\nEdge-Control: max-age=600\r\n\
         X-Accel-Expires: 600\r\nETag: \"1\"\r\nLast-Modified: Mon, 23 Nov 2026 00:00:00 GMT\r\n\
         Expires: Tue, 24 Nov 2026 00:00:00 GMT\r\nAge: 3\r\nPragma: cache\r\nAccept-Ranges: bytes\r\n\
         Content-MD5: x\r\nDigest: sha-256=x\r\nContent-Digest: x\r\nRepr-Digest: x\r\nVary: Origin\r\nX-Kept: 1\r\n";
    let token = session("alice");
    let with_header = format!("{lines}X-Session: {token}\r\n");
    for (path, answer) in [
        ("/json", json(lines, body_with(&token))),
        ("/header", json(&with_header, "{}")),
    ] {
        let response = log_in(&proxy, path, answer);
        assert!(response.text().contains("userSig"), "{path}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(response.header("x-kept"), Some("1"), "{path}");
        assert_eq!(response.header("vary"), Some("Origin"), "{path}");
        for line in lines.lines() {
            let name = line.split(':').next().unwrap().to_ascii_lowercase();
            let stays = ["cache-control", "x-kept", "vary"].contains(&name.as_str());
            assert!(stays || response.header(&name).is_none(), "{path} {name}");
        }
    }
}

#[test]
fn c6_an_answer_without_a_login_keeps_the_apps_word() {
    let app = echo();
    let proxy = typical(&app);
    let lines = "Cache-Control: public\r\nCDN-Cache-Control: max-age=600\r\nETag: \"1\"\r\n";
    for (path, answer) in [
        ("/json", answer("401 Unauthorized", lines, "{}")),
        ("/header", json(lines, "{}")),
        ("/maybe", json(lines, "{}")),
    ] {
        let response = log_in(&proxy, path, answer);
        assert_eq!(response.header("cache-control"), Some("public"), "{path}");
        assert_eq!(
            response.header("cdn-cache-control"),
            Some("max-age=600"),
            "{path}"
        );
        assert_eq!(response.header("etag"), Some("\"1\""), "{path}");
        assert_eq!(response.header("content-length"), Some("2"), "{path}");
    }
}

#[test]
fn c6_parts_and_confirmations_are_not_asked_for() {
    let app = echo();
    let proxy = typical(&app);
    let conditional = "Range: bytes=0-1\r\nIf-Range: \"1\"\r\nIf-Match: \"1\"\r\nIf-None-Match: \"1\"\r\n\
         If-Modified-Since: Mon, 23 Nov 2026 00:00:00 GMT\r\nIf-Unmodified-Since: Mon, 23 Nov 2026 00:00:00 GMT\r\n\
         Accept-Encoding: gzip\r\nX-Kept: 1\r\n";
    let token = session("alice");
    let with_header = format!("X-Session: {token}\r\n");
    for (path, answer) in [
        ("/json", json("", body_with(&token))),
        ("/header", json(&with_header, "{}")),
        ("/redirect", json("", "{}")),
    ] {
        let request = post(path, conditional, answer);
        assert_eq!(crate::support::send(proxy.address, request).status, 200);
        let seen = app.next();
        assert_eq!(seen.header("x-kept"), Some("1"), "{path}");
        assert_eq!(seen.header("accept-encoding"), Some("identity"), "{path}");
        for name in [
            "range",
            "if-range",
            "if-match",
            "if-none-match",
            "if-modified-since",
            "if-unmodified-since",
        ] {
            assert_eq!(seen.header(name), None, "{path} {name}");
        }
    }
}

#[test]
fn p5_an_informational_answer_before_the_login_carries_nothing() {
    let app = echo();
    let proxy = typical(&app);
    let token = session("alice");
    let hints = format!("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nX-Session: {token}\r\n\r\n");
    let line = format!("X-Session: {token}\r\n");
    for (path, final_answer, body) in [
        ("/json", json("", body_with(&token)), body_with(&token)),
        ("/header", json(&line, "{\"a\":1}"), "{\"a\":1}".to_owned()),
    ] {
        let mut connection = Connection::open(proxy.address);
        connection.write(post(path, "", [hints.as_bytes(), &final_answer].concat()));
        let early = connection.read_response(false).unwrap();
        assert_eq!(
            (early.status, early.header("link")),
            (103, Some("</a.css>"))
        );
        assert_eq!(early.header("x-chat-userid"), None, "{path}");
        assert_eq!(early.header("set-cookie"), None, "{path}");
        let response = connection.read_response(false).unwrap();
        assert_eq!(
            take_login(&response.text(), ",\"chat\":", "alice"),
            body,
            "{path}"
        );
    }
    // A login that comes only with the hints is none.
    let answer = [hints.as_bytes(), &json("", "{}")].concat();
    let mut connection = Connection::open(proxy.address);
    connection.write(post("/header", "", answer));
    assert_eq!(connection.read_response(false).unwrap().status, 103);
    let response = connection.read_response(false).unwrap();
    assert_eq!(response.text(), "{}");
    assert_eq!(response.header("x-chat-userid"), None);
    // Of each request only the last answer was judged.
    assert_eq!(
        (count(&proxy, "no_session"), count(&proxy, "injected")),
        (1, 2)
    );
}

#[test]
fn p5_trailers_bring_nothing_of_our_names() {
    let app = echo();
    let proxy = typical(&app);
    let body = body_with(&session("alice"));
    let trailers = "X-Chat-UserID: root\r\nX-Chat-UserSig: forged\r\nETag: \"1\"\r\n";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTrailer: X-Chat-UserID, ETag\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n{trailers}\r\n",
        body.len()
    );
    let request = post("/json", "TE: trailers\r\nConnection: close\r\n", &answer);
    let received = String::from_utf8(read_to_close(proxy.address, &request)).unwrap();
    assert!(received.ends_with("\r\n0\r\n\r\n"), "{received}");
    for word in ["root", "forged", "etag", "trailer"] {
        assert!(!received.to_ascii_lowercase().contains(word), "{word}");
    }
    let response = log_in(&proxy, "/json", answer);
    assert_eq!(take_login(&response.text(), ",\"chat\":", "alice"), body);
}
