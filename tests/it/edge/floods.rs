//! Floods over HTTP/2, frame by frame: each is cut off or costs no memory, and others are served meanwhile.

use std::iter::once;

use super::typical;
use crate::support::frames::*;
use crate::support::tokens::{bearer, session};
use crate::support::{App, Connection, Proxy, get};

fn get_fields(path: &str) -> Vec<(&str, &str)> {
    vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", path),
    ]
}

fn post_fields(path: &str) -> Vec<(&str, &str)> {
    let mut fields = get_fields(path);
    fields[0].1 = "POST";
    fields
}

/// The numbers that a client gives its streams.
fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

/// Floods the proxy and gives what became of it, after others were served and its memory was looked at.
fn flood_and_look(proxy: &Proxy, frames: impl IntoIterator<Item = Vec<u8>>) -> End {
    let mut other = Connection::open(proxy.address);
    let request = super::get_bytes("/session/", &bearer("alice"));
    assert_eq!(other.request(&request).status, 200);
    let before = super::streaming::peak_memory(proxy);
    let end = flood(proxy.address, frames);
    assert_eq!(other.request(&request).status, 200);
    assert_eq!(get(proxy.address, "/public/after", "").status, 200);
    let grown = super::streaming::peak_memory(proxy).saturating_sub(before);
    assert!(grown < ROOM, "{grown} KiB more after {end:?}");
    end
}

#[test]
fn p3_a_rapid_reset_is_cut_off() {
    let app = App::start();
    let proxy = typical(&app, "");
    let head = block(&get_fields("/public/reset"));
    let cancelled = |stream| {
        [
            frame(HEADERS, END_HEADERS | END_STREAM, stream, &head),
            frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()),
        ]
    };
    let end = flood_and_look(&proxy, streams(STREAMS).flat_map(cancelled));
    assert!(end.is_of_connection(), "{end:?}");
    let reached = app.seen().into_iter();
    let reached = reached.filter(|seen| seen.target == "/public/reset");
    assert!(reached.count() < 200);
    // The twin: a client that gives some of its requests up.
    let end = flood_and_look(&proxy, streams(10).flat_map(cancelled));
    assert_eq!(end, End::Taken);
}

/// MadeYouReset: the peer is made to reset the streams itself.
#[test]
fn p3_streams_that_are_broken_on_purpose_are_cut_off() {
    let app = App::start();
    let proxy = typical(&app, "");
    let head = block(&post_fields("/public/broken"));
    for (case, kind, payload) in [
        ("a window of nothing", WINDOW_UPDATE, &[0; 4][..]),
        (
            "a window that overflows",
            WINDOW_UPDATE,
            &[0x7f, 0xff, 0xff, 0xff],
        ),
        ("a priority that is too short", PRIORITY, &[0]),
    ] {
        let broken = |stream: u32| {
            let breaking = frame(kind, 0, stream, payload);
            [frame(HEADERS, END_HEADERS, stream, &head), breaking]
        };
        let end = flood_and_look(&proxy, streams(STREAMS).flat_map(broken));
        assert!(end.is_of_connection(), "{case}: {end:?}");
    }
    let whole = app.seen().into_iter();
    assert_eq!(
        whole.filter(|seen| seen.target == "/public/broken").count(),
        0
    );
    let window = frame(WINDOW_UPDATE, 0, 1, &[0, 0, 1, 0]);
    let frames = [frame(HEADERS, END_HEADERS, 1, &head), window];
    let end = exchange(
        proxy.address,
        &[&frames[..], &[frame(DATA, END_STREAM, 1, b"hi")]].concat(),
    );
    assert_eq!(end, End::Answered(200));
}

#[test]
fn p3_a_header_without_end_is_cut_off() {
    let app = App::start();
    let proxy = typical(&app, "");
    let start = || {
        once(frame(
            HEADERS,
            END_STREAM,
            1,
            &block(&get_fields("/public/")),
        ))
    };
    let one = block(&[("x", "1")]);
    let page = block(&[("x", &"1".repeat(16_000))]);
    for (case, payload, count) in [
        ("empty", &[][..], FRAMES),
        ("small", &one, FRAMES),
        ("large", &page, 2000),
    ] {
        let more = std::iter::repeat_n(frame(CONTINUATION, 0, 1, payload), count);
        let end = flood_and_look(&proxy, start().chain(more));
        assert!(end.is_of_connection(), "{case}: {end:?}");
    }
    let path = block(&get_fields("/public/")[..2]);
    let rest = block(&get_fields("/public/")[2..]);
    let in_parts = [
        frame(HEADERS, END_STREAM, 1, &path),
        frame(CONTINUATION, 0, 1, &rest),
        frame(CONTINUATION, END_HEADERS, 1, &one),
    ];
    assert_eq!(exchange(proxy.address, &in_parts), End::Answered(200));
}

/// A block that says little and means much: one long field, and then its number in the table, again and again.
#[test]
fn p3_a_header_list_is_bounded_however_short_it_is_on_the_wire() {
    let app = App::start();
    let proxy = typical(&app, "");
    let head = block(&get_fields("/public/"));
    let with = |field: &[u8], times: usize| {
        let repeated = vec![LATEST; times];
        [head.as_slice(), field, &repeated].concat()
    };
    let long = remembered("x", &"1".repeat(3000));
    let crumb = remembered("cookie", "a=1");
    let plain = block(&[("x", &"1".repeat(1_000_000))]);
    for (case, block) in [
        ("48 MB in 16 KB", with(&long, 16_000)),
        ("16,000 crumbs of a cookie", with(&crumb, 16_000)),
        ("1 MB", [head.as_slice(), &plain].concat()),
        ("70 KB", with(&long, 22)),
    ] {
        flood_and_look(&proxy, in_frames(&block));
        let end = exchange(proxy.address, &in_frames(&block));
        assert!(
            end.is_refusal() || end == End::Answered(431),
            "{case}: {end:?}"
        );
    }
    assert!(!app.seen().iter().any(|seen| seen.target == "/public/"));
    for (case, block) in [
        ("40 KB", with(&long, 12)),
        ("1,000 crumbs", with(&crumb, 999)),
    ] {
        let end = exchange(proxy.address, &in_frames(&block));
        assert_eq!(end, End::Answered(200), "{case}");
    }
    let [_, crumbs] = &app.seen()[..] else {
        panic!("two requests")
    };
    assert_eq!(
        crumbs.header("cookie"),
        Some(["a=1"; 1000].join("; ").as_str())
    );
}

/// The fields of a header, which the app would get as lines: as many as over HTTP/1 and no more. Crumbs are one field.
#[test]
fn p3_the_number_of_fields_is_bounded_as_over_http1() {
    let app = App::start();
    let proxy = typical(&app, "");
    let ask = |fields: usize, crumbs: usize| {
        let mut list = get_fields("/public/");
        list.extend(std::iter::repeat_n(("x", "1"), fields));
        list.extend(std::iter::repeat_n(("cookie", "a=1"), crumbs));
        exchange(proxy.address, &in_frames(&block(&list)))
    };
    assert_eq!(ask(257, 0), End::Answered(431));
    assert_eq!(ask(256, 1), End::Answered(431));
    assert!(app.seen().is_empty());
    assert_eq!(ask(256, 0), End::Answered(200));
    assert_eq!(ask(255, 500), End::Answered(200));
}

#[test]
fn p3_many_small_frames_are_cut_off_or_cost_no_memory() {
    let app = App::start();
    let proxy = typical(&app, "");
    let head = || {
        once(frame(
            HEADERS,
            END_HEADERS,
            1,
            &block(&post_fields("/public/drip")),
        ))
    };
    let padding = [&[254], [0; 254].as_slice()].concat();
    for (case, piece, is_cut_off) in [
        ("empty data", frame(DATA, 0, 1, b""), true),
        ("bytes of data", frame(DATA, 0, 1, b"x"), true),
        ("padding alone", frame(DATA, PADDED, 1, &padding), true),
        ("acknowledgements", frame(SETTINGS, ACK, 0, b""), true),
        ("pings", frame(PING, 0, 0, b"anything"), false),
        (
            "settings",
            frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]),
            false,
        ),
        ("priorities", frame(PRIORITY, 0, 3, &[0, 0, 0, 1, 7]), false),
        ("windows", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), false),
        ("frames that nobody knows", frame(0xfa, 0, 0, b""), false),
    ] {
        let end = flood_and_look(&proxy, head().chain(std::iter::repeat_n(piece, FRAMES)));
        assert_eq!(end.is_of_connection(), is_cut_off, "{case}: {end:?}");
    }
    // As many as may wait to be read at once.
    let pieces: Vec<_> = (0..64).map(|_| frame(DATA, 0, 1, b"x")).collect();
    let last = frame(DATA, END_STREAM, 1, b"");
    let end = request(
        proxy.address,
        &post_fields("/public/bytes"),
        &[pieces, vec![last]].concat(),
    );
    assert_eq!(end, End::Answered(200));
    let mut seen = app.seen().into_iter();
    let bytes = seen.find(|seen| seen.target == "/public/bytes");
    assert_eq!(bytes.unwrap().body, [b'x'; 64]);
}

/// The framework's parser drops a fragment from `:path` before anybody sees it: what is judged is what is sent.
#[test]
fn u2_a_fragment_over_http2_is_gone_before_the_path_is_judged() {
    let app = App::start();
    let proxy = typical(&app, "");
    let ask = |path| request(proxy.address, &get_fields(path), &[]);
    assert_eq!(ask("/session/#/public/"), End::Answered(401));
    assert_eq!(ask("/deny/?#/public/"), End::Answered(404));
    assert!(app.seen().is_empty());
    assert_eq!(ask("/public/x#/session/"), End::Answered(200));
    assert_eq!(app.next().target, "/public/x");
}

/// What a server of HTTP/1 would take for something else after the translation (RFC 9113 sections 8.2 and 10.3).
#[test]
fn p2_a_request_that_is_malformed_in_http2_is_not_translated() {
    let app = App::start();
    let proxy = typical(&app, "");
    let token = format!("Bearer {}", session("alice"));
    let with = |more: &[(&'static str, &'static str)]| {
        let mut fields = post_fields("/public/");
        fields.extend(more.iter().copied());
        fields
    };
    let instead = |index: usize, name: &'static str, value: &'static str| {
        let mut fields = post_fields("/public/");
        fields[index] = (name, value);
        fields
    };
    let without = |index: usize| {
        let mut fields = post_fields("/public/");
        fields.remove(index);
        fields
    };
    for (case, fields) in [
        ("chunked", with(&[("transfer-encoding", "chunked")])),
        ("upgrade", with(&[("upgrade", "websocket")])),
        ("connection", with(&[("connection", "x-hop")])),
        ("keep-alive", with(&[("keep-alive", "timeout=5")])),
        ("te", with(&[("te", "gzip")])),
        ("a longer length", with(&[("content-length", "50")])),
        ("a shorter length", with(&[("content-length", "1")])),
        (
            "two lengths",
            with(&[("content-length", "2"), ("content-length", "3")]),
        ),
        ("no length", with(&[("content-length", "2x")])),
        (
            "line end in a value",
            with(&[("x", "a\r\nX-Chat-UserID: root")]),
        ),
        ("line feed in a value", with(&[("x", "a\nx: b")])),
        ("NUL in a value", with(&[("x", "a\0b")])),
        ("line end in a name", with(&[("x\r\ny", "a")])),
        ("colon in a name", with(&[("x:y", "a")])),
        ("space in a name", with(&[("x y", "a")])),
        ("upper case in a name", with(&[("X-Y", "a")])),
        ("no name", with(&[("", "a")])),
        ("late pseudo-header", with(&[(":path", "/deny/")])),
        ("unknown pseudo-header", with(&[(":protocol", "websocket")])),
        ("status", with(&[(":status", "200")])),
        ("another host", with(&[("host", "other.example")])),
        (
            "two hosts",
            with(&[("host", "localhost"), ("host", "localhost")]),
        ),
        (
            "method of two words",
            instead(0, ":method", "GET /deny/ HTTP/1.1\r\nX: y\r\n\r\nPOST"),
        ),
        ("no method", without(0)),
        ("no scheme", without(1)),
        ("no path", without(3)),
        ("empty path", instead(3, ":path", "")),
        ("path without a slash", instead(3, ":path", "public/")),
        (
            "path with a line end",
            instead(3, ":path", "/public/ HTTP/1.1\r\nX: y"),
        ),
        ("path with a space", instead(3, ":path", "/public/ x")),
        (
            "absolute path",
            instead(3, ":path", "http://localhost/public/"),
        ),
        (
            "authority of two",
            instead(2, ":authority", "localhost,other"),
        ),
        (
            "authority with a user",
            instead(2, ":authority", "user@localhost"),
        ),
        (
            "authority with a line end",
            instead(2, ":authority", "localhost\r\nX: y"),
        ),
        ("no authority", without(2)),
    ] {
        let mut fields = fields;
        fields.push(("authorization", &token));
        let body = [frame(DATA, END_STREAM, 1, b"hi")];
        let end = request(proxy.address, &fields, &body);
        assert!(
            end.is_refusal() || matches!(end, End::Answered(400)),
            "{case}: {end:?}"
        );
        let seen = app.seen();
        assert!(seen.is_empty(), "{case}: {seen:?}");
    }
    for more in [
        &[][..],
        &[("content-length", "2")],
        &[("te", "trailers")],
        &[("host", "localhost")],
    ] {
        let body = [frame(DATA, END_STREAM, 1, b"hi")];
        assert_eq!(
            request(proxy.address, &with(more), &body),
            End::Answered(200)
        );
        let seen = app.next();
        assert_eq!(
            (seen.body.as_slice(), seen.header("te")),
            (&b"hi"[..], None)
        );
    }
}

/// A header block in one HEADERS frame and as many CONTINUATION frames as it takes.
fn in_frames(block: &[u8]) -> Vec<Vec<u8>> {
    let pieces: Vec<_> = block.chunks(16 * 1024).collect();
    let last = pieces.len() - 1;
    let frames = pieces.iter().enumerate().map(|(index, piece)| {
        let end = if index == last { END_HEADERS } else { 0 };
        match index {
            0 => frame(HEADERS, END_STREAM | end, 1, piece),
            _ => frame(CONTINUATION, end, 1, piece),
        }
    });
    frames.collect()
}

/// What a flood may leave behind, in KiB, whatever its size.
const ROOM: u64 = 24 << 10;
const FRAMES: usize = 100_000;
const STREAMS: u32 = 10_000;
const CANCEL: u32 = 8;
const PADDED: u8 = 8;
const ACK: u8 = 1;
