//! The encoding half of the codec: from field values to the text of a UserSig.
//!
//! Source: Tencent's `tls-sig-api-v2` packages (Go, Python, Node, Java, PHP and C++ agree on the signature).
//!
//! ```text
//! UserSig = swap(base64(zlib(json)))       swap: + -> *   / -> -   = -> _     (not base64url)
//!
//! json    = {"TLS.ver":"2.0","TLS.identifier":"…","TLS.sdkappid":N,"TLS.expire":N,"TLS.time":N,
//!            "TLS.userbuf":"base64","TLS.sig":"base64"}          TLS.userbuf only when there is one
//!
//! TLS.sig = base64(HMAC-SHA256(key, text)), every line of the text ended by LF, the last one too:
//!           TLS.identifier:…
//!           TLS.sdkappid:N
//!           TLS.time:N
//!           TLS.expire:N
//!           TLS.userbuf:base64                                   only when there is one
//! ```

use std::cell::RefCell;
use std::fmt::Write;

use base64::Engine;
use base64::alphabet::{Alphabet, Symbol};
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use flate2::{Compress, Compression, FlushCompress};
use zeroize::{Zeroize, Zeroizing};

use super::{SecretKey, UserSig, deflate};

/// What a UserSig says, unguarded: any identifier, any 32-bit numbers.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// `TLS.identifier`.
    pub identifier: &'a str,
    /// `TLS.sdkappid`.
    pub sdk_app_id: u32,
    /// `TLS.time`: Unix seconds.
    pub time: u32,
    /// `TLS.expire`: a duration in seconds.
    pub expire: u32,
    /// `TLS.userbuf` before its base64.
    pub userbuf: Option<&'a [u8]>,
}

impl Fields<'_> {
    /// The text that is signed.
    pub fn signed_text(&self) -> String {
        let mut text = String::with_capacity(160);
        let _ = write!(
            text,
            "TLS.identifier:{}\nTLS.sdkappid:{}\nTLS.time:{}\nTLS.expire:{}\n",
            self.identifier, self.sdk_app_id, self.time, self.expire
        );
        if let Some(userbuf) = self.userbuf {
            let _ = writeln!(text, "TLS.userbuf:{}", STANDARD.encode(userbuf));
        }
        text
    }

    /// `TLS.sig`: 44 characters of standard base64.
    pub fn signature(&self, key: &SecretKey) -> String {
        STANDARD.encode(key.sign(self.signed_text().as_bytes()))
    }

    /// Signs, compresses and encodes.
    pub fn encode(&self, key: &SecretKey) -> UserSig {
        let signature = self.signature(key);
        let mut room = Zeroizing::new([0; deflate::ROOM]);
        if let Some(stream) = deflate::compress(self, &signature, &mut room) {
            return UserSig::new(BASE64.encode(stream));
        }
        let json = Zeroizing::new(self.json(&signature));
        UserSig::new(BASE64.encode(&*zlib(json.as_bytes())))
    }

    fn json(&self, signature: &str) -> String {
        let mut json = String::with_capacity(256);
        json.push_str(r#"{"TLS.ver":"2.0","TLS.identifier":"#);
        push_json_string(&mut json, self.identifier);
        let _ = write!(
            json,
            r#","TLS.sdkappid":{},"TLS.expire":{},"TLS.time":{}"#,
            self.sdk_app_id, self.expire, self.time
        );
        if let Some(userbuf) = self.userbuf {
            let _ = write!(json, r#","TLS.userbuf":"{}""#, STANDARD.encode(userbuf));
        }
        let _ = write!(json, r#","TLS.sig":"{signature}"}}"#);
        json
    }
}

/// Standard base64 with Tencent's three letters.
pub(super) static BASE64: GeneralPurpose = GeneralPurpose::new(&TENCENT_ALPHABET, PAD);

const TENCENT_ALPHABET: Alphabet = {
    const SYMBOLS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-";
    let Some(padding) = Symbol::new(b'_') else {
        panic!("an ASCII symbol")
    };
    match Alphabet::new_with_padding(SYMBOLS, padding) {
        Ok(alphabet) => alphabet,
        Err(_) => panic!("64 distinct ASCII symbols"),
    }
};

fn push_json_string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '\u{0}'..='\u{1f}' => {
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}

thread_local! {
    /// The compressor's state is a few hundred KiB, and clearing it costs less than making it anew.
    static DEFLATER: RefCell<Compress> = RefCell::new(Compress::new(Compression::default(), true));
}

/// The zlib form of any `input`, header 78 9C as in most of the official packages.
fn zlib(input: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut output = Zeroizing::new(Vec::with_capacity(256));
    DEFLATER.with_borrow_mut(|deflater| {
        deflater.reset();
        loop {
            let consumed = usize::try_from(deflater.total_in()).unwrap_or(usize::MAX);
            let rest = input.get(consumed..).unwrap_or_default();
            let status = deflater.compress_vec(rest, &mut output, FlushCompress::Finish);
            if !matches!(status, Ok(flate2::Status::Ok | flate2::Status::BufError)) {
                break;
            }
            grow(&mut output);
        }
    });
    output
}

/// Doubles the room without leaving a copy of the old content behind.
fn grow(output: &mut Vec<u8>) {
    let mut larger = Vec::with_capacity(output.capacity().max(64) * 2);
    larger.extend_from_slice(output);
    output.zeroize();
    *output = larger;
}
