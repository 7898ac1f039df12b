//! Looks for a credential of ours in what somebody else sent, however it is spelled there.
//!
//! An error page that repeats the URL holds the admin's UserSig as it is, percent-encoded, as base64, or with the escapes of
//! JSON around any of these; a part of it may be cut off. So two pieces of each secret are looked for, one near
//! its start and one at its end, in the text and in what the text decodes to. The first characters do not
//! count: those of every UserSig are alike.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

/// Credentials that leave the process in no answer.
#[derive(Default)]
pub struct Secrets {
    plain: Vec<Zeroizing<String>>,
    base64: Vec<Zeroizing<String>>,
}

impl Secrets {
    /// Takes texts of at least 32 characters; in what is shorter nothing can be found for sure, and it is left out.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Self::default();
        for piece in secrets.into_iter().flat_map(pieces) {
            let piece = like_usersig(piece);
            all.base64.extend(in_base64(&piece));
            all.plain.push(Zeroizing::new(piece));
        }
        all
    }

    /// Whether any of them stands in `text`, in whatever spelling.
    pub fn are_in(&self, text: &[u8]) -> bool {
        if self.plain.is_empty() {
            return false;
        }
        let mut view = String::from_utf8_lossy(text);
        for _ in 0..=MAX_LAYERS {
            if self.stand_in(&view) {
                return true;
            }
            match decoded(&view) {
                Cow::Borrowed(_) => return false,
                Cow::Owned(decoded) => view = Cow::Owned(decoded),
            }
        }
        // Encoded more often than happens by accident: a user's own text, which must not make an answer unreadable.
        false
    }

    fn stand_in(&self, view: &str) -> bool {
        let holds = |text: &str, pieces: &[Zeroizing<String>]| {
            pieces.iter().any(|piece| text.contains(piece.as_str()))
        };
        holds(&like_usersig(view), &self.plain) || holds(&joined(view), &self.base64)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets([redacted])")
    }
}

/// A piece near the start, behind what all have in common, and one at the end.
fn pieces(secret: &str) -> impl Iterator<Item = &str> {
    let common = if secret.len() < COMMON + PIECE {
        PIECE
    } else {
        COMMON
    };
    let start = secret.get(common..common + PIECE);
    let end = secret
        .len()
        .checked_sub(PIECE)
        .and_then(|start| secret.get(start..));
    start.into_iter().chain(end)
}

/// The text in the alphabet in which a UserSig writes its base64, so that the usual alphabet makes no difference.
fn like_usersig(text: &str) -> String {
    let letter = |byte| match byte {
        b'+' => b'*',
        b'/' => b'-',
        b'=' => b'_',
        other => other,
    };
    text_of(text.bytes().map(letter).collect())
}

/// The text in the usual alphabet of base64, and its lines as one.
fn joined(text: &str) -> String {
    let letter = |byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    match text.is_ascii() {
        true => {
            let letters = text
                .bytes()
                .filter(|byte| !char::from(*byte).is_whitespace());
            text_of(letters.map(letter).collect())
        }
        false => {
            let letters: String = text.chars().filter(|one| !one.is_whitespace()).collect();
            text_of(letters.bytes().map(letter).collect())
        }
    }
}

/// Letters of ASCII that took the place of others leave a text one.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}

/// What stands in the base64 of any text that contains the piece, for each of the three places at which it may start.
fn in_base64(piece: &str) -> impl Iterator<Item = Zeroizing<String>> {
    (0..3).filter_map(move |before| {
        let padded = Zeroizing::new(format!("{}{piece}", "x".repeat(before)));
        let encoded = Zeroizing::new(STANDARD_NO_PAD.encode(padded.as_bytes()));
        // The characters at both ends depend on what stands beside the piece. Texts of up to 32 bytes are found fastest.
        let whole = padded.len() / 3 * 4;
        let start = if before == 0 { 0 } else { 4 };
        let inner = encoded.get(start..whole.min(start + PIECE))?;
        Some(Zeroizing::new(inner.to_owned()))
    })
}

/// The text with the escapes of JSON and the percent codes of a URL resolved once; borrowed when there are none.
fn decoded(text: &str) -> Cow<'_, str> {
    if !b"\\%".iter().any(|byte| text.as_bytes().contains(byte)) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_changed = false;
    while let Some(at) = rest.find(['\\', '%']) {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        let (letter, length) = resolve(escape);
        is_changed |= letter.is_some();
        plain.push_str(&letter.map_or_else(
            || escape.get(..length).unwrap_or_default().to_owned(),
            String::from,
        ));
        rest = escape.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    match is_changed {
        true => Cow::Owned(plain),
        false => Cow::Borrowed(text),
    }
}

/// The character that an escape at the start of `text` stands for, and the escape's length; `None` and the length of one
/// character when it is none.
fn resolve(text: &str) -> (Option<char>, usize) {
    let code = |start: usize, end: usize| {
        let digits = text.get(start..end)?;
        let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let code = u32::from_str_radix(digits, 16).ok().filter(|_| all)?;
        Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    };
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some('%'), _) => match code(1, 3) {
            Some(letter) => (Some(letter), 3),
            None => (None, 1),
        },
        (Some('\\'), Some('u')) => match code(2, 6) {
            Some(letter) => (Some(letter), 6),
            None => (None, 1),
        },
        (Some('\\'), Some('n' | 'r' | 't')) => (Some(' '), 2),
        (Some('\\'), Some(letter @ ('/' | '\\' | '"'))) => (Some(letter), 2),
        _ => (None, 1),
    }
}

const PIECE: usize = 32;
/// So many letters at the start of a UserSig say nothing of its user, and may be those of any other.
const COMMON: usize = 64;
const MAX_LAYERS: usize = 4;

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;
    use crate::usersig::SecretKey;
    use crate::usersig::encode::Fields;

    /// A UserSig of the length that Chat's have.
    const USER_SIG: &str = "eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwomJydlQqeKU7MSCgswUJStDEwMDC2NzQ1NLiIKSzNxUoKiZqZGxpbGRpQFENDMFJGpsYWRkbGloZGEKFU2rLAKKGxsZGpoYGZkYwk1JLclJzUtVslIqS0xKLcpJBCoBAPsqKm0_";
    const URL: &str = "https://console.tim.qq.com/v4/openim/sendmsg?sdkappid=1400000000&identifier=administrator&usersig=";

    fn percent(text: &str, upper: bool) -> String {
        let code = |byte: u8| match upper {
            true => format!("%{byte:02X}"),
            false => format!("%{byte:02x}"),
        };
        text.bytes().map(code).collect()
    }

    fn escaped(text: &str) -> String {
        text.encode_utf16()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect()
    }

    #[test]
    fn a5_a_credential_is_found_in_every_spelling() {
        let url = format!("{URL}{USER_SIG}&random=7&contenttype=json");
        let ordinary = USER_SIG
            .replace('*', "+")
            .replace('-', "/")
            .replace('_', "=");
        let lines: Vec<String> = STANDARD
            .encode(&url)
            .as_bytes()
            .chunks(20)
            .map(|line| String::from_utf8(line.to_vec()).unwrap())
            .collect();
        let spellings = [
            ("plain", USER_SIG.to_owned()),
            ("the URL", url.clone()),
            ("upper percent codes", percent(USER_SIG, true)),
            ("lower percent codes", percent(USER_SIG, false)),
            (
                "twice percent-encoded",
                percent(&percent(USER_SIG, true), false),
            ),
            (
                "some percent codes",
                USER_SIG.replace('z', "%7a").replace('_', "%5F"),
            ),
            ("JSON escapes", escaped(USER_SIG)),
            ("some JSON escapes", USER_SIG.replace('p', "\\u0070")),
            ("escaped percent codes", escaped(&percent(USER_SIG, true))),
            ("percent-encoded escapes", percent(&escaped(USER_SIG), true)),
            ("its own bytes in the usual base64", ordinary.clone()),
            ("that, escaped", ordinary.replace('/', "\\/")),
            ("base64", STANDARD.encode(USER_SIG)),
            ("base64 for URLs", URL_SAFE.encode(USER_SIG)),
            ("base64 of the URL", STANDARD.encode(&url)),
            (
                "base64 at another place",
                STANDARD.encode(format!("x{url}")),
            ),
            (
                "base64 at a third place",
                STANDARD.encode(format!("xy{url}")),
            ),
            ("base64 in lines", lines.join("\r\n")),
            ("base64 in escaped lines", lines.join("\\r\\n")),
            (
                "base64, percent-encoded",
                percent(&STANDARD.encode(&url), false),
            ),
            ("cut at its end", USER_SIG[..100].to_owned()),
            ("cut at its start", USER_SIG[90..].to_owned()),
        ];
        let secrets = Secrets::new([USER_SIG]);
        for (name, spelling) in spellings {
            let body = format!(r#"{{"ErrorCode":0,"ErrorInfo":"see {spelling} for more"}}"#);
            assert!(secrets.are_in(body.as_bytes()), "{name}");
            let page = format!("<a href=\"{spelling}\">\u{fffd}</a>");
            assert!(secrets.are_in(page.as_bytes()), "{name}");
        }
        let mut invalid = b"\xff\xfe".to_vec();
        invalid.extend(USER_SIG.bytes());
        assert!(secrets.are_in(&invalid));
    }

    #[test]
    fn other_texts_hold_no_credential() {
        let another = USER_SIG
            .replace(&USER_SIG[COMMON..COMMON + PIECE], "x")
            .replace("PsqKm0_", "Qtr");
        let long = "a%41\\u0041 ".repeat(10_000);
        let secrets = Secrets::new([USER_SIG]);
        for text in [
            "",
            r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#,
            URL,
            &another,
            &USER_SIG[..COMMON],
            "100 % \\ %zz \\u12",
            "%",
            "\\",
            "ü%C3%BC\\u00fc",
            "%25252525252525252541",
            &long,
        ] {
            assert!(!secrets.are_in(text.as_bytes()), "{text}");
        }
        assert!(!Secrets::default().are_in(USER_SIG.as_bytes()));
    }

    /// A user may have written it into what Chat answers with.
    #[test]
    fn a_usersig_of_a_user_is_no_credential_of_ours() {
        let key = SecretKey::parse(&"5e7e".repeat(16)).unwrap();
        let sig = |identifier| {
            let fields = Fields {
                identifier,
                sdk_app_id: 1_400_123_456,
                time: 1_790_216_583,
                expire: 604_800,
                userbuf: None,
            };
            fields.encode(&key).expose().to_owned()
        };
        for admin in ["administrator", "admin", "42", "chat-admin-7"] {
            let secrets = Secrets::new([sig(admin).as_str()]);
            assert!(secrets.are_in(sig(admin).as_bytes()));
            for user in [
                "42x",
                "adm",
                "alice",
                "administrator2",
                "user-9e3779b97f4a7c15",
            ] {
                assert!(!secrets.are_in(sig(user).as_bytes()), "{admin} {user}");
            }
        }
    }

    #[test]
    fn every_secret_counts_and_none_is_printed() {
        let key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let secrets = Secrets::new([USER_SIG, key]);
        assert!(secrets.are_in(format!("x{key}").as_bytes()));
        assert!(secrets.are_in(USER_SIG.as_bytes()));
        assert_eq!(format!("{secrets:?}"), "Secrets([redacted])");
    }
}
