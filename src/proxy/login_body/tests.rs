use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const LIMIT: usize = 64;
const JSON: &str = "application/json";
const BODY: &[u8] = br#"{"access_token":"a.b.c"}"#;

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn judge(method: Method, status: u16, fields: &[(&'static str, &str)]) -> Option<Untouched> {
    let status = StatusCode::from_u16(status).unwrap();
    LoginBody::for_answer(&method, status, &headers(fields), LIMIT).err()
}

fn body(coding: &str, limit: usize) -> LoginBody {
    let headers = headers(&[("content-type", JSON), ("content-encoding", coding)]);
    LoginBody::for_answer(&Method::POST, StatusCode::OK, &headers, limit)
        .unwrap_or_else(|reason| panic!("{reason:?}"))
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// What becomes of a body that comes in these chunks, the last of which ends it: one word per chunk, and what is sent.
fn run(
    body: &mut LoginBody,
    chunks: &[&[u8]],
) -> Result<(Vec<&'static str>, Vec<u8>), Undecodable> {
    let (mut words, mut sent) = (Vec::new(), Vec::new());
    for (index, chunk) in chunks.iter().enumerate() {
        let (word, bytes) = match body.feed(chunk, index + 1 == chunks.len())? {
            Action::Hold => ("hold", Vec::new()),
            Action::Whole(bytes) => ("whole", bytes),
            Action::GiveUp(bytes) => ("give up", bytes),
            Action::Pass(bytes) => ("pass", bytes),
        };
        words.push(word);
        sent.extend(bytes);
    }
    Ok((words, sent))
}

fn sent(words: &[&'static str], bytes: &[u8]) -> Result<(Vec<&'static str>, Vec<u8>), Undecodable> {
    Ok((words.to_vec(), bytes.to_vec()))
}

#[test]
fn p6_answers_that_cannot_take_a_member_stay_untouched() {
    let json = ("content-type", JSON);
    for (name, method, status, fields, expected) in [
        (
            "HEAD",
            Method::HEAD,
            200,
            &[json, ("content-length", "24")][..],
            Untouched::NoBody,
        ),
        ("early hints", Method::POST, 103, &[json], Untouched::NoBody),
        ("204", Method::POST, 204, &[json], Untouched::NoBody),
        ("205", Method::POST, 205, &[json], Untouched::NoBody),
        ("304", Method::GET, 304, &[json], Untouched::NoBody),
        (
            "length zero",
            Method::POST,
            200,
            &[json, ("content-length", "0")],
            Untouched::NoBody,
        ),
        ("206", Method::GET, 206, &[json], Untouched::Partial),
        (
            "range in a 200",
            Method::GET,
            200,
            &[json, ("content-range", "bytes 0-9/20")],
            Untouched::Partial,
        ),
        ("no type", Method::POST, 200, &[], Untouched::NotJson),
        (
            "two types",
            Method::POST,
            200,
            &[json, json],
            Untouched::NotJson,
        ),
        (
            "HTML",
            Method::POST,
            200,
            &[("content-type", "text/html")],
            Untouched::NotJson,
        ),
        (
            "events",
            Method::POST,
            200,
            &[("content-type", "text/event-stream")],
            Untouched::NotJson,
        ),
        (
            "JSON lines",
            Method::POST,
            200,
            &[("content-type", "application/x-ndjson")],
            Untouched::NotJson,
        ),
        (
            "JSON sequence",
            Method::POST,
            200,
            &[("content-type", "application/json-seq")],
            Untouched::NotJson,
        ),
        (
            "other charset",
            Method::POST,
            200,
            &[("content-type", "application/json; charset=utf-16")],
            Untouched::NotJson,
        ),
        (
            "br",
            Method::POST,
            200,
            &[json, ("content-encoding", "br")],
            Untouched::Coding,
        ),
        (
            "deflate",
            Method::POST,
            200,
            &[json, ("content-encoding", "deflate")],
            Untouched::Coding,
        ),
        (
            "a coding of the way",
            Method::POST,
            200,
            &[json, ("transfer-encoding", "gzip, chunked")],
            Untouched::Coding,
        ),
        (
            "gzip in br",
            Method::POST,
            200,
            &[json, ("content-encoding", "gzip, br")],
            Untouched::Coding,
        ),
        (
            "gzip twice",
            Method::POST,
            200,
            &[
                json,
                ("content-encoding", "gzip"),
                ("content-encoding", "gzip"),
            ],
            Untouched::Coding,
        ),
        (
            "too long",
            Method::POST,
            200,
            &[json, ("content-length", "65")],
            Untouched::TooLong,
        ),
        (
            "too long in gzip",
            Method::POST,
            200,
            &[json, ("content-length", "65"), ("content-encoding", "gzip")],
            Untouched::TooLong,
        ),
    ] {
        assert_eq!(judge(method, status, fields), Some(expected), "{name}");
    }
}

#[test]
fn p6_answers_with_plain_or_gzip_json_are_taken() {
    for (name, fields) in [
        (
            "length at the limit",
            &[("content-type", JSON), ("content-length", "64")][..],
        ),
        (
            "chunked",
            &[("content-type", JSON), ("transfer-encoding", "chunked")],
        ),
        (
            "charset",
            &[("content-type", "Application/JSON; charset=\"UTF-8\"")],
        ),
        (
            "other parameter",
            &[("content-type", "application/json;v=1")],
        ),
        ("suffix", &[("content-type", "application/vnd.api+json")]),
        (
            "identity",
            &[("content-type", JSON), ("content-encoding", "identity")],
        ),
        (
            "gzip",
            &[("content-type", JSON), ("content-encoding", "GZip")],
        ),
        (
            "gzip by its old name",
            &[("content-type", JSON), ("content-encoding", "x-gzip")],
        ),
    ] {
        assert_eq!(judge(Method::POST, 201, fields), None, "{name}");
    }
}

#[test]
fn p6_a_body_in_any_chunks_is_whole_at_its_end_only() {
    let zipped = gzip(BODY);
    let two_members = [gzip(&BODY[..9]), gzip(&BODY[9..])].concat();
    for (name, coding, bytes) in [
        ("plain", "identity", BODY),
        ("gzip", "gzip", &zipped),
        ("gzip in two members", "gzip", &two_members),
    ] {
        for cut in 0..=bytes.len() {
            let chunks = [&bytes[..cut], &bytes[cut..], b""];
            let result = run(&mut body(coding, LIMIT), &chunks);
            assert_eq!(
                result,
                sent(&["hold", "hold", "whole"], BODY),
                "{name} {cut}"
            );
        }
        assert_eq!(
            run(&mut body(coding, LIMIT), &[bytes]),
            sent(&["whole"], BODY),
            "{name}"
        );
    }
    for coding in ["identity", "gzip"] {
        assert_eq!(
            run(&mut body(coding, LIMIT), &[b""]),
            sent(&["whole"], b""),
            "{coding}"
        );
    }
}

#[test]
fn p6_a_body_over_the_limit_passes_as_it_is() {
    let at_limit = vec![b' '; LIMIT];
    let over = vec![b' '; LIMIT + 1];
    for (coding, at_limit_sent, over_sent) in [
        ("identity", at_limit.clone(), over.clone()),
        ("gzip", gzip(&at_limit), gzip(&over)),
    ] {
        let whole = run(&mut body(coding, LIMIT), &[&at_limit_sent]);
        assert_eq!(whole, sent(&["whole"], &at_limit), "{coding}");
        let given_up = run(&mut body(coding, LIMIT), &[&over_sent]);
        assert_eq!(given_up, sent(&["give up"], &over), "{coding}");
    }
    let chunks: [&[u8]; 4] = [&at_limit, b"a", b"bc", b""];
    let words = ["hold", "give up", "pass", "pass"];
    let all = [&at_limit[..], b"abc"].concat();
    assert_eq!(
        run(&mut body("identity", LIMIT), &chunks),
        sent(&words, &all)
    );
}

#[test]
fn p6_a_long_gzip_body_is_decoded_to_its_end() {
    let plain: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let zipped = gzip(&plain);
    let chunks: Vec<&[u8]> = zipped.chunks(4096).collect();
    let (words, bytes) = run(&mut body("gzip", LIMIT), &chunks).unwrap();
    assert!(bytes == plain && words.contains(&"give up") && !words.contains(&"whole"));
}

#[test]
fn p6_gzip_without_a_plain_text_is_never_sent_as_whole() {
    let zipped = gzip(BODY);
    let mut wrong_sum = zipped.clone();
    wrong_sum[zipped.len() - 8] ^= 1;
    for (name, bytes) in [
        ("not gzip", BODY),
        ("cut short", &zipped[..zipped.len() - 1]),
        ("cut in the header", &zipped[..3]),
        ("wrong checksum", &wrong_sum),
        ("rubbish behind", &[&zipped[..], b"x"].concat()),
    ] {
        let result = run(&mut body("gzip", LIMIT), &[bytes]);
        assert_eq!(result, Err(Undecodable::Corrupt), "{name}");
    }
}

#[test]
fn p6_a_gzip_bomb_is_stopped_before_it_fills_the_memory() {
    let bomb = gzip(&vec![0; LIMIT + MAX_EXPANSION + 1]);
    assert!(bomb.len() < 100_000);
    let result = run(&mut body("gzip", LIMIT), &[&bomb]);
    assert_eq!(result, Err(Undecodable::Expands));
    let twin = gzip(&vec![0; LIMIT + MAX_EXPANSION]);
    let (words, bytes) = run(&mut body("gzip", LIMIT), &[&twin]).unwrap();
    assert_eq!(
        (words, bytes.len()),
        (vec!["give up"], LIMIT + MAX_EXPANSION)
    );
}

#[test]
fn nothing_is_sent_after_the_end() {
    for limit in [LIMIT, 1] {
        let mut body = body("identity", limit);
        assert!(!matches!(body.feed(BODY, true), Ok(Action::Hold) | Err(_)));
        for (chunk, end) in [(&b"x"[..], false), (b"", true)] {
            assert!(matches!(body.feed(chunk, end), Ok(Action::Hold)));
        }
    }
}

proptest! {
    #[test]
    fn what_is_sent_is_what_came_whatever_the_chunks(
        plain in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(0.0..1.0_f64, 0..6),
        zip in any::<bool>(),
        limit in 0_usize..200,
    ) {
        let bytes = if zip { gzip(&plain) } else { plain.clone() };
        let mut at: Vec<usize> = cuts.iter().map(|cut| (cut * bytes.len() as f64) as usize).collect();
        at.sort_unstable();
        at.push(bytes.len());
        let mut start = 0;
        let chunks: Vec<&[u8]> = at.into_iter().map(|end| &bytes[std::mem::replace(&mut start, end)..end]).collect();
        let (words, all) = run(&mut body(if zip { "gzip" } else { "identity" }, limit), &chunks).unwrap();
        prop_assert_eq!(&all, &plain);
        prop_assert_eq!(words.contains(&"whole"), plain.len() <= limit);
        prop_assert_eq!(words.contains(&"give up"), plain.len() > limit);
    }

    #[test]
    fn arbitrary_gzip_never_panics(
        noise in prop::collection::vec(any::<u8>(), 0..64),
        keep in 0_usize..64,
    ) {
        let mut bytes = gzip(BODY);
        bytes.truncate(keep);
        bytes.extend(noise);
        if let Ok((_, sent)) = run(&mut body("gzip", LIMIT), &[&bytes]) {
            prop_assert!(sent == BODY || bytes.is_empty());
        }
    }
}
