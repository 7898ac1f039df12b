//! What an answer's body must be to take a login, and that it is the app's own in every other byte.

use std::io::Write;
use std::sync::{Mutex, mpsc};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::support::tokens::{bearer, session};

#[test]
fn p6_numbers_order_spaces_and_escapes_stay_as_the_app_wrote_them() {
    let app = echo();
    let proxy = typical(&app);
    let body = format!(
        "\r\n{{\t\"z\" : 9007199254740993 ,\"a\":2.50,\"e\":1E+2, \"u\":\"\\u00e9\\/é\",\"access_token\":\"{}\",\"m\":[ ] }}\n\n",
        session("alice")
    );
    let response = log_in(&proxy, "/json", json("", &body));
    assert_eq!(take_login(&response.text(), ",\"chat\":", "alice"), body);
}

#[test]
fn p6_a_body_that_takes_no_member_is_sent_byte_for_byte() {
    let app = echo();
    let proxy = typical(&app);
    let token = session("alice");
    let line = format!("X-Session: {token}\r\n");
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let bodies: [Vec<u8>; 10] = [
        format!("[{{\"access_token\":\"{token}\"}}]").into(),
        format!("{{\"access_token\":\"{token}\",\"a\":1,\"a\":2}}").into(),
        format!("{{\"access_token\":\"{token}\",\"access_token\":\"{token}\"}}").into(),
        format!("{{\"access_token\":\"{token}\"").into(),
        format!("{{\"access_token\":\"{token}\"}}}}").into(),
        format!("\u{feff}{{\"access_token\":\"{token}\"}}").into(),
        format!("{{\"access_token\":\"{token}\",\"deep\":{deep}}}").into(),
        [
            format!("{{\"access_token\":\"{token}\",\"x\":\"").as_bytes(),
            b"\xff\"}",
        ]
        .concat(),
        format!("\"{token}\"").into(),
        b"  ".to_vec(),
    ];
    for body in &bodies {
        for (path, line) in [("/json", ""), ("/header", &*line)] {
            let response = log_in(&proxy, path, json(line, body));
            assert!(response.body == *body, "{path} {:?}", response.text());
        }
    }
    assert_eq!(count(&proxy, "no_room"), 20);
    assert_eq!(count(&proxy, "injected"), 0);
}

#[test]
fn p6_what_is_not_called_json_is_untouched() {
    let app = echo();
    let proxy = typical(&app);
    let body = body_with(&session("alice"));
    for (media_type, is_json) in [
        ("application/json; charset=utf-8", true),
        ("Application/JSON", true),
        ("application/problem+json", true),
        ("text/html", false),
        ("text/plain", false),
        ("application/x-ndjson", false),
        ("application/json; charset=utf-16", false),
        ("text/event-stream", false),
    ] {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nETag: \"1\"\r\n\r\n{body}",
            body.len()
        );
        let response = log_in(&proxy, "/json", answer);
        match is_json {
            true => assert_eq!(take_login(&response.text(), ",\"chat\":", "alice"), body),
            false => {
                assert_eq!(response.text(), body, "{media_type}");
                assert_eq!(response.header("etag"), Some("\"1\""));
            }
        }
    }
    assert_eq!(
        (count(&proxy, "not_json"), count(&proxy, "injected")),
        (5, 3)
    );
}

#[test]
fn p6_gzip_is_decoded_and_sent_plain() {
    let app = echo();
    let proxy = typical(&app);
    let body = body_with(&session("alice"));
    let failed = "{\"error\":\"wrong password\"}";
    for coding in ["gzip", "GZip", "x-gzip"] {
        let line = format!("Content-Encoding: {coding}\r\nVary: Accept-Encoding\r\n");
        let request = post(
            "/json",
            "Accept-Encoding: gzip, br\r\n",
            json(&line, gzip(&body)),
        );
        let response = crate::support::send(proxy.address, request);
        assert_eq!(take_login(&response.text(), ",\"chat\":", "alice"), body);
        assert_eq!(response.header("content-encoding"), None);
        assert_eq!(response.header("vary"), Some("Accept-Encoding"));
        assert_eq!(app.next().header("accept-encoding"), Some("identity"));
        // Decoded also when there is no login for it.
        let response = log_in(&proxy, "/json", json(&line, gzip(failed)));
        assert_eq!(response.text(), failed);
        assert_eq!(response.header("content-encoding"), None);
        app.next();
    }
}

#[test]
fn p6_other_codings_are_untouched() {
    let app = echo();
    let proxy = typical(&app);
    let plain = body_with(&session("alice"));
    let twice = gzip(gzip(&plain));
    for (coding, body) in [
        ("br", b"\x0b\x02\x80{}\x03".to_vec()),
        ("deflate", b"\x78\x9c\xab\xae\x05\x00".to_vec()),
        ("zstd", b"\x28\xb5\x2f\xfd".to_vec()),
        ("gzip, gzip", twice),
        ("made-up", plain.clone().into_bytes()),
    ] {
        let line = format!("Content-Encoding: {coding}\r\n");
        let response = log_in(&proxy, "/json", json(&line, &body));
        assert!(response.body == body, "{coding}");
        assert_eq!(response.header("content-encoding"), Some(coding));
        assert_eq!(
            response.header("content-length"),
            Some(&*body.len().to_string())
        );
    }
    // A coding of the way, which the framework leaves on.
    let answer = String::from_utf8(chunked("", plain.as_bytes())).unwrap();
    let answer = answer.replacen(": chunked", ": gzip, chunked", 1);
    let request = post("/json", "Connection: close\r\n", answer);
    let received = String::from_utf8(read_to_close(proxy.address, &request)).unwrap();
    assert!(
        received
            .to_ascii_lowercase()
            .contains("transfer-encoding: gzip, chunked")
    );
    assert!(!received.contains("userSig"));
    assert_eq!(count(&proxy, "coding"), 6);
}

/// Each of its chunks goes out as the app sends it.
#[test]
fn p6_a_body_over_the_limit_is_held_no_longer() {
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Mutex::new(goes_on);
    let app = App::with(move |request, stream| {
        let _ = stream.write_all(&request.body);
        let _ = goes_on.lock().unwrap().recv();
        let _ = stream.write_all(b"3\r\nend\r\n0\r\n\r\n");
        true
    });
    let proxy = typical(&app);
    let answer = chunked("", &[b' '; LIMIT + 1]);
    let answer = answer.strip_suffix(b"0\r\n\r\n").unwrap();
    let mut stream = TcpStream::connect(proxy.address).unwrap();
    let limit = std::time::Duration::from_secs(60);
    stream.set_read_timeout(Some(limit)).unwrap();
    stream.write_all(&post("/json", "", answer)).unwrap();
    let mut received = Vec::new();
    let mut read_until = |end: &[u8]| {
        let mut byte = [0];
        while !received.ends_with(end) {
            stream.read_exact(&mut byte).unwrap();
            received.extend(byte);
        }
    };
    read_until(b"  \r\n");
    go_on.send(()).unwrap();
    read_until(b"end\r\n0\r\n\r\n");
}

#[test]
fn p6_a_body_over_the_limit_passes_as_it_is() {
    let app = echo();
    let proxy = typical(&app);
    let token = session("alice");
    let body = |length: usize| {
        let start = body_with(&token);
        format!("{start}{}", " ".repeat(length - start.len()))
    };
    for (length, fits) in [(LIMIT, true), (LIMIT + 1, false), (20 * LIMIT, false)] {
        let body = body(length);
        for (framing, answer) in [
            ("declared", json("", &body)),
            ("streamed", chunked("", body.as_bytes())),
            ("gzip", chunked("Content-Encoding: gzip\r\n", &gzip(&body))),
        ] {
            let text = log_in(&proxy, "/json", answer).text();
            match fits {
                true => assert_eq!(take_login(&text, ",\"chat\":", "alice"), body),
                false => assert!(text == body, "{framing} {length}: {}", text.len()),
            }
        }
    }
    assert_eq!(
        (count(&proxy, "too_long"), count(&proxy, "injected")),
        (6, 3)
    );
    // Its header says whose session it is; headers and cookie do not wait for the body.
    let line = format!("X-Session: {token}\r\n");
    let response = log_in(&proxy, "/header", json(&line, body(LIMIT + 1)));
    assert_eq!(response.text(), body(LIMIT + 1));
    assert_eq!(response.header("x-chat-userid"), Some("alice"));
}

#[test]
fn p6_gzip_that_is_damaged_is_never_sent_as_whole() {
    let app = echo();
    let proxy = typical(&app);
    let good = gzip(body_with(&session("alice")));
    let cut = good[..good.len() - 9].to_vec();
    let mut flipped = good.clone();
    flipped[20] ^= 0xff;
    let bomb = gzip(vec![b' '; 64 << 20]);
    for (case, body) in [
        ("cut", cut),
        ("flipped", flipped),
        ("plain", b"{}".to_vec()),
        ("bomb", bomb),
    ] {
        let request = post("/json", "", chunked("Content-Encoding: gzip\r\n", &body));
        let received = read_to_close(proxy.address, &request);
        let text = String::from_utf8_lossy(&received);
        let is_refused = text.starts_with("HTTP/1.1 502 ") && text.contains("upstream_invalid");
        let is_cut = text.starts_with("HTTP/1.1 200 ") && text.ends_with("\r\n\r\n");
        let is_whole = text.ends_with("0\r\n\r\n");
        assert!(is_refused || (is_cut && !is_whole), "{case}: {text}");
        assert!(!text.contains("userSig"), "{case}");
    }
    assert_eq!(count(&proxy, "coding"), 4);
    // An app that says gzip of nothing.
    let empty = log_in(&proxy, "/json", chunked("Content-Encoding: gzip\r\n", b""));
    assert_eq!((empty.status, empty.text().as_str()), (200, ""));
}

#[test]
fn p6_an_answer_without_a_body_of_its_own_is_untouched() {
    let app = echo();
    let proxy = typical(&app);
    let line = format!(
        "X-Session: {}\r\nContent-Type: application/json\r\nETag: \"1\"\r\n",
        session("alice")
    );
    for (path, status, more, body) in [
        ("/json", "204 No Content", "", ""),
        ("/json", "205 Reset Content", "Content-Length: 0\r\n", ""),
        ("/json", "200 OK", "Content-Length: 0\r\n", ""),
        (
            "/json",
            "206 Partial Content",
            "Content-Range: bytes 0-1/9\r\nContent-Length: 2\r\n",
            "{}",
        ),
        (
            "/json",
            "200 OK",
            "Content-Range: bytes 0-1/9\r\nContent-Length: 2\r\n",
            "{}",
        ),
        ("/json", "304 Not Modified", "", ""),
        ("/header", "304 Not Modified", "", ""),
    ] {
        let response = log_in(
            &proxy,
            path,
            format!("HTTP/1.1 {status}\r\n{line}{more}\r\n{body}"),
        );
        assert!(status.starts_with(&response.status.to_string()), "{status}");
        assert_eq!(response.text(), body, "{status}");
        assert_eq!(response.header("etag"), Some("\"1\""), "{status}");
        assert_eq!(response.header("x-chat-userid"), None, "{status}");
        assert_eq!(response.header("transfer-encoding"), None, "{status}");
    }
    assert_eq!(count(&proxy, "injected"), 0);
}

#[test]
fn p6_events_are_neither_held_nor_changed() {
    use std::sync::{Mutex, mpsc};
    let (next, wanted) = mpsc::channel::<()>();
    let wanted = Mutex::new(wanted);
    let app = App::with(move |_, stream| {
        let _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"access_token\":1}\n\n",
        );
        wanted.lock().unwrap().recv().unwrap();
        let _ = stream.write_all(b"data: 2\n\n");
        false
    });
    let proxy = typical(&app);
    for (path, lines) in [("/json", String::new()), ("/mine", bearer("alice"))] {
        let mut client = Connection::open(proxy.address);
        client.write(post(path, &lines, ""));
        let mut received = Vec::new();
        while !received.ends_with(b"1}\n\n\r\n") {
            received.extend(client.read_bytes(1));
        }
        next.send(()).unwrap();
        while !received.ends_with(b"data: 2\n\n\r\n0\r\n\r\n") {
            received.extend(client.read_bytes(1));
        }
        assert!(!String::from_utf8_lossy(&received).contains("userSig"));
    }
}

pub(super) fn gzip(plain: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// A JSON answer in chunks of uneven length.
pub(super) fn chunked(header_lines: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n{header_lines}\r\n"
    )
    .into_bytes();
    for chunk in body.chunks((body.len() / 7).max(5)) {
        answer.extend(format!("{:x}\r\n", chunk.len()).bytes());
        answer.extend(chunk);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n\r\n");
    answer
}
