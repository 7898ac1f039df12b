//! The path that is judged against the one that is forwarded. Input: the path of a request target.
//!
//! A path that is accepted must have the same segments for every reader: one that takes it as it stands, one that
//! decodes it twice, the URL parser of browsers, and `http::Uri`, in which the framework forwards it.

#![no_main]

use http::Uri;
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode;
use url::Url;
use usersig_proxy::policy::{CanonicalPath, Tolerance};

fuzz_target!(|raw: &[u8]| {
    let strict = CanonicalPath::parse(raw, Tolerance::default());
    let tolerant = CanonicalPath::parse(raw, TOLERANT);
    let Ok(path) = strict else {
        assert!(tolerant.is_err() || tolerant.is_ok_and(|path| path.is_ambiguous()));
        return;
    };
    assert!(!path.is_ambiguous());
    assert_eq!(tolerant.as_ref(), Ok(&path));
    let segments: Vec<&str> = path.segments().collect();
    let text = std::str::from_utf8(raw).expect("an accepted path is ASCII");
    assert_eq!(segments, as_it_stands(text));
    assert_eq!(segments, as_a_browser_reads(text));
    assert_eq!(as_it_is_forwarded(text), text);
    for segment in &segments {
        let again = percent_decode(segment.as_bytes()).collect::<Vec<u8>>();
        assert_eq!(again, segment.as_bytes(), "another path when decoded twice");
        assert!(![".", ".."].contains(&segment.trim()));
    }
    assert!(!segments[..segments.len() - 1].contains(&""));
    assert_eq!(
        CanonicalPath::parse(&encoded(&segments), Tolerance::default()),
        Ok(path)
    );
});

fn as_it_stands(text: &str) -> Vec<String> {
    text[1..].split('/').map(decoded).collect()
}

fn as_a_browser_reads(text: &str) -> Vec<String> {
    let url = Url::parse(&format!("http://app.example{text}")).expect("a path of a URL");
    assert_eq!((url.query(), url.fragment()), (None, None));
    let segments = url.path_segments().expect("a path with segments");
    segments.map(decoded).collect()
}

fn as_it_is_forwarded(text: &str) -> String {
    let uri: Uri = text.parse().expect("a path that the framework forwards");
    assert_eq!(uri.query(), None);
    uri.path().to_owned()
}

fn decoded(segment: &str) -> String {
    let bytes = percent_decode(segment.as_bytes());
    bytes
        .decode_utf8()
        .expect("an accepted path is UTF-8")
        .into_owned()
}

/// The same path with every character that need not stand as it is as a percent code.
fn encoded(segments: &[&str]) -> Vec<u8> {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut text = Vec::new();
    for segment in segments {
        text.push(b'/');
        for byte in segment.bytes() {
            match is_unreserved(byte) {
                true => text.push(byte),
                false => text.extend(format!("%{byte:02X}").into_bytes()),
            }
        }
    }
    text
}

const TOLERANT: Tolerance = Tolerance {
    encoded_slash: true,
    semicolon: true,
    double_slash: true,
};
