//! Decoding a UserSig against a second decoder. Input: a JSON document, which is packed first; or behind a `~` a zlib
//! stream; or behind a `"` an identifier, of which a UserSig is made; or a UserSig.
//!
//! The second one is written here, on miniz_oxide and a type that serde fills. Both must take the same texts and read the
//! same in them. What we encode must decode to itself and verify, and nothing that differs may.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_COMPUTE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER,
    TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use serde::Deserialize;
use usersig_proxy::time::UnixTime;
use usersig_proxy::usersig::SecretKey;
use usersig_proxy::usersig::decode::Decoded;
use usersig_proxy::usersig::encode::Fields;

fuzz_target!(|data: &[u8]| {
    match data.first() {
        Some(b'{') => check_text(&packed(&compress_to_vec_zlib(data, 6))),
        Some(b'~') => check_text(&packed(&data[1..])),
        Some(b'"') => check_round_trip(&data[1..]),
        _ => check_text(&String::from_utf8_lossy(data)),
    }
});

/// A UserSig as another program reads it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "TLS.ver")]
    version: String,
    #[serde(rename = "TLS.identifier")]
    identifier: String,
    #[serde(rename = "TLS.sdkappid", default)]
    sdk_app_id: u32,
    #[serde(rename = "TLS.time", default)]
    time: u32,
    #[serde(rename = "TLS.expire", default)]
    expire: u32,
    #[serde(rename = "TLS.userbuf", default, deserialize_with = "some")]
    userbuf: Option<String>,
    #[serde(rename = "TLS.sig")]
    signature: String,
}

/// A member that is there must be text.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

fn check_text(text: &str) {
    let ours = Decoded::parse(text);
    let theirs = read(text);
    match (&ours, &theirs) {
        (Err(_), None) => {}
        (Ok(ours), Some(theirs)) => assert_same(ours, theirs),
        (ours, theirs) => panic!("{ours:?}, and by another {}", theirs.is_some()),
    }
}

fn assert_same(ours: &Decoded, theirs: &Document) {
    assert_eq!(ours.identifier, theirs.identifier);
    assert_eq!(
        (ours.sdk_app_id, ours.time, ours.expire),
        (theirs.sdk_app_id, theirs.time, theirs.expire)
    );
    let userbuf = theirs
        .userbuf
        .as_ref()
        .map(|text| STANDARD.decode(text).expect("read"));
    assert_eq!(ours.userbuf, userbuf);
    let expected = fields(ours).signature(&KEY);
    assert_eq!(ours.is_signed_by(&KEY), expected == theirs.signature);
    assert!(!ours.is_signed_by(&OTHER) || expected != theirs.signature);
}

fn read(text: &str) -> Option<Document> {
    if text.len() > 8192 {
        return None;
    }
    let letter = |letter: char| match letter {
        '*' => Some('+'),
        '-' => Some('/'),
        '_' => Some('='),
        '+' | '/' | '=' => None,
        other => Some(other),
    };
    let text: String = text.chars().map(letter).collect::<Option<_>>()?;
    let document = inflate(&STANDARD.decode(text).ok()?)?;
    // The names must be unique for us, whatever they are; serde tells that only of those that it knows.
    serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(&document).ok()?;
    let document: Document = serde_json::from_slice(&document).ok()?;
    let is_sound = document.version == "2.0"
        && !document.identifier.chars().any(char::is_control)
        && STANDARD
            .decode(&document.signature)
            .is_ok_and(|bytes| bytes.len() == 32)
        && document
            .userbuf
            .as_ref()
            .is_none_or(|text| STANDARD.decode(text).is_ok());
    is_sound.then_some(document)
}

/// The content of exactly one zlib stream of at most 4096 bytes.
fn inflate(compressed: &[u8]) -> Option<Vec<u8>> {
    let mut document = vec![0; 4097];
    let flags = TINFL_FLAG_PARSE_ZLIB_HEADER
        | TINFL_FLAG_COMPUTE_ADLER32
        | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut decompressor = DecompressorOxide::new();
    let (status, read, written) =
        decompress(&mut decompressor, compressed, &mut document, 0, flags);
    // miniz_oxide itself compares them only where nobody fuzzes.
    let is_sound = decompressor.adler32() == decompressor.adler32_header();
    let is_whole = status == TINFLStatus::Done && read == compressed.len() && written <= 4096;
    document.truncate(written);
    (is_whole && is_sound).then_some(document)
}

/// Numbers of the UserSig come from the first bytes, if there are so many.
fn check_round_trip(data: &[u8]) {
    let (numbers, text) = data.split_at(data.len().min(12));
    let number = |at: usize| {
        numbers.get(at..at + 4).map_or(7, |bytes| {
            u32::from_le_bytes(bytes.try_into().expect("four bytes"))
        })
    };
    let (identifier, userbuf) = match text.split_first() {
        Some((b'|', rest)) => ("user", Some(rest)),
        _ => (std::str::from_utf8(text).unwrap_or("user"), None),
    };
    if identifier.chars().any(char::is_control) || data.len() > 1500 {
        return;
    }
    let fields = Fields {
        identifier,
        sdk_app_id: number(0),
        time: number(4),
        expire: number(8),
        userbuf,
    };
    let user_sig = fields.encode(&KEY);
    check_text(user_sig.expose());
    let decoded = Decoded::parse(user_sig.expose()).expect("what we encode");
    assert_eq!(decoded.identifier, identifier);
    assert_eq!(decoded.userbuf.as_deref(), userbuf);
    let now = UnixTime::from_secs(fields.time.into());
    assert_eq!(decoded.verify(&KEY, now), Ok(()));
    assert!(!decoded.is_signed_by(&OTHER));
    let mut changed = decoded;
    changed.time = changed.time.wrapping_add(1);
    assert!(!changed.is_signed_by(&KEY));
}

fn fields(decoded: &Decoded) -> Fields<'_> {
    Fields {
        identifier: &decoded.identifier,
        sdk_app_id: decoded.sdk_app_id,
        time: decoded.time,
        expire: decoded.expire,
        userbuf: decoded.userbuf.as_deref(),
    }
}

fn packed(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    text.replace('+', "*").replace('/', "-").replace('=', "_")
}

static KEY: LazyLock<SecretKey> =
    LazyLock::new(|| SecretKey::parse(&"0123456789abcdef".repeat(4)).expect("a key"));
static OTHER: LazyLock<SecretKey> =
    LazyLock::new(|| SecretKey::parse(&"fedcba9876543210".repeat(4)).expect("a key"));
