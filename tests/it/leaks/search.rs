//! Searches bytes for a credential in every spelling that a program is likely to give it, whole or in part.
//!
//! The bytes are looked at as they are and with percent codes and `\u` escapes resolved, up to four times. In each of these
//! views pieces of the credential are looked for as they are, in hexadecimal, and as what stands in the base64 of any text
//! around them, in both alphabets. It shares no code with the program.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What must not be found.
pub(super) struct Needles(Vec<Needle>);

struct Needle {
    form: &'static str,
    bytes: Vec<u8>,
}

impl Needles {
    /// Of secrets of at least 64 characters; `skipped` at the start of each are not its own.
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, usize)>) -> Self {
        let mut pieces = BTreeSet::new();
        for (secret, skipped) in secrets {
            assert!(secret.len() >= 64 && secret.is_ascii(), "{}", secret.len());
            let own = &secret.as_bytes()[skipped..];
            pieces.extend(own.windows(PIECE).step_by(STEP));
            pieces.extend(own.windows(PIECE).last());
        }
        Self(pieces.into_iter().flat_map(forms).collect())
    }

    /// The form of the first one that stands in the bytes, and where.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<String> {
        let mut view = bytes.to_vec();
        for layer in 0..LAYERS {
            for needle in &self.0 {
                if let Some(at) = position(&view, &needle.bytes) {
                    let around = &view[at.saturating_sub(80)..at];
                    let around = String::from_utf8_lossy(around);
                    return Some(format!(
                        "{} in layer {layer}, after {around:?}",
                        needle.form
                    ));
                }
            }
            let decoded = decode(&view);
            if decoded == view {
                return None;
            }
            view = decoded;
        }
        None
    }
}

fn forms(piece: &[u8]) -> Vec<Needle> {
    let hex: String = piece.iter().map(|byte| format!("{byte:02x}")).collect();
    let as_base64 = String::from_utf8_lossy(piece)
        .replace('*', "+")
        .replace('-', "/")
        .replace('_', "=");
    let mut all = vec![
        ("as it is", piece.to_vec()),
        ("in the usual alphabet of base64", as_base64.into_bytes()),
        ("in hexadecimal", hex.clone().into_bytes()),
        ("in upper hexadecimal", hex.to_uppercase().into_bytes()),
    ];
    for before in 0..3 {
        let text = [&b"xx"[..before], piece].concat();
        // What stands beside the piece changes the letters at both ends.
        let inner = |encoded: String| {
            let whole = text.len() / 3 * 4;
            encoded.as_bytes()[if before == 0 { 0 } else { 4 }..whole].to_vec()
        };
        all.push(("in base64", inner(STANDARD_NO_PAD.encode(&text))));
        all.push(("in base64 for URLs", inner(URL_SAFE_NO_PAD.encode(&text))));
    }
    all.into_iter()
        .map(|(form, bytes)| Needle { form, bytes })
        .collect()
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    let first = *part.first()?;
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|byte| *byte == first) {
        let at = from + at;
        if text[at..].starts_with(part) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// Percent codes and `\u00xx` escapes resolved once, line ends within base64 and escaped ones left out.
fn decode(text: &[u8]) -> Vec<u8> {
    let code = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits).ok()?;
        u8::from_str_radix(digits, 16).ok()
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let (byte, length) = match rest {
            [b'%', ..] => (rest.get(1..3).and_then(code), 3),
            [b'\\', b'u', b'0', b'0', ..] => (rest.get(4..6).and_then(code), 6),
            [b'\\', b'/' | b'\\' | b'"', ..] => (Some(rest[1]), 2),
            [b'\r' | b'\n', ..] => {
                rest = tail;
                continue;
            }
            [b'\\', b'r' | b'n', ..] => {
                rest = &tail[1..];
                continue;
            }
            _ => (None, 1),
        };
        decoded.push(byte.unwrap_or(*first));
        rest = &rest[if byte.is_some() { length } else { 1 }..];
    }
    decoded
}

const PIECE: usize = 24;
const STEP: usize = 8;
const LAYERS: usize = 5;

#[test]
fn a_planted_credential_is_found_in_every_form_and_place() {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    let (sig, other) = (letters(7), letters(8));
    let key = "0123456789abcdef".repeat(4);
    let needles = Needles::new([(sig.as_str(), 32), (key.as_str(), 0)]);
    let url = format!("http://chat/v4/x/y?identifier=administrator&usersig={sig}&random=7");
    let percent =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let escaped =
        |text: &str| -> String { text.bytes().map(|byte| format!("\\u{byte:04x}")).collect() };
    let lines = |text: &str, end: &str| -> String {
        let lines = text
            .as_bytes()
            .chunks(19)
            .map(|line| String::from_utf8_lossy(line));
        lines.collect::<Vec<_>>().join(end)
    };
    let mut planted = vec![
        ("plain", sig.clone()),
        ("the key", key.clone()),
        ("the key in base64", STANDARD.encode(&key)),
        ("a URL", url.clone()),
        ("percent-encoded", percent(&sig)),
        ("in lower case", percent(&sig).to_lowercase()),
        ("twice", percent(&percent(&sig))),
        ("three times", percent(&percent(&percent(&sig)))),
        ("what must be encoded", sig.replace('*', "%2A")),
        ("escaped", escaped(&sig)),
        ("escaped percent codes", escaped(&percent(&sig))),
        ("some escapes", sig.replace('a', "\\u0061")),
        (
            "its usual alphabet",
            sig.replace('*', "+").replace('-', "\\/").replace('_', "="),
        ),
        (
            "hexadecimal",
            sig.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ),
        (
            "upper hexadecimal",
            sig.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ),
        ("base64 in lines", lines(&STANDARD.encode(&url), "\r\n")),
        (
            "base64 in escaped lines",
            lines(&STANDARD.encode(&url), "\\n"),
        ),
        ("base64, percent-encoded", percent(&STANDARD.encode(&url))),
        ("its start", sig[..60].to_owned()),
        ("its middle", sig[60..100].to_owned()),
        ("its end", sig[130..].to_owned()),
    ];
    for before in ["", "x", "xy"] {
        planted.push(("base64", STANDARD.encode(format!("{before}{sig}"))));
        planted.push(("base64 for URLs", URL_SAFE.encode(format!("{before}{sig}"))));
        planted.push((
            "base64 of the URL",
            URL_SAFE.encode(format!("{before}{url}")),
        ));
    }
    for (form, text) in planted {
        let text = format!("{{\"a\":1}}\n{{\"b\":\"{text}\"}}\n");
        assert!(needles.find(text.as_bytes()).is_some(), "{form}");
        let mut bytes = b"\xff\x00".to_vec();
        bytes.extend(text.bytes());
        assert!(needles.find(&bytes).is_some(), "{form}");
    }
    for clean in [
        "",
        "%",
        "\\",
        "\\u00",
        &sig[..55],
        &other,
        &percent(&other),
        &STANDARD.encode(&other),
    ] {
        assert_eq!(needles.find(clean.as_bytes()), None, "{clean}");
    }
}

/// 160 letters of those that a UserSig has.
#[cfg(test)]
fn letters(seed: u32) -> String {
    let alphabet = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789*-_";
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        char::from(alphabet[(state >> 16) as usize % alphabet.len()])
    };
    std::iter::repeat_with(next).take(160).collect()
}
