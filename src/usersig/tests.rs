use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde::Deserialize;

use super::decode::{DecodeError, Decoded, VerifyError};
use super::encode::BASE64;
use super::*;
use crate::identity::ReservedNames;
use crate::json::JsonError;

/// Made with Tencent's official packages; tests/vectors/README.md tells how.
const VECTORS: &str = include_str!("../../tests/vectors/usersig.json");
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const START: u32 = 1_700_000_000;

#[derive(Deserialize)]
struct Vector {
    id: String,
    generator: String,
    sdkappid: u32,
    key: String,
    identifier: String,
    time: u32,
    expire: u32,
    userbuf: Option<String>,
    sig_field: String,
    usersig: String,
    signed_string: String,
    private_map: Option<PrivateMap>,
}

#[derive(Deserialize)]
struct PrivateMap {
    room_id: u32,
    room_str: Option<String>,
    privilege: u32,
    expires_at: u32,
}

impl Vector {
    fn name(&self) -> String {
        format!("{} by {}", self.id, self.generator)
    }

    fn userbuf(&self) -> Option<Vec<u8>> {
        Some(STANDARD.decode(self.userbuf.as_ref()?).unwrap())
    }
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<Vector> = serde_json::from_str(VECTORS).unwrap();
    assert_eq!(vectors.len(), 82);
    vectors
}

fn key() -> SecretKey {
    SecretKey::parse(KEY).unwrap()
}

fn fields(identifier: &str) -> Fields<'_> {
    Fields {
        identifier,
        sdk_app_id: 1_400_000_000,
        time: START,
        expire: 86_400,
        userbuf: None,
    }
}

fn at(seconds: u32) -> UnixTime {
    UnixTime::from_secs(seconds.into())
}

/// A UserSig around any bytes.
fn wrap(document: &[u8]) -> String {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(document).unwrap();
    BASE64.encode(encoder.finish().unwrap())
}

fn document(identifier: &str) -> String {
    let signature = fields(identifier).signature(&key());
    format!(
        r#"{{"TLS.ver":"2.0","TLS.identifier":"{identifier}","TLS.sdkappid":1400000000,"TLS.expire":86400,"TLS.time":1700000000,"TLS.sig":"{signature}"}}"#
    )
}

#[test]
fn every_official_vector_decodes_and_verifies() {
    for vector in vectors() {
        let decoded = Decoded::parse(&vector.usersig).unwrap();
        assert_eq!(decoded.identifier, vector.identifier, "{}", vector.name());
        assert_eq!(decoded.sdk_app_id, vector.sdkappid, "{}", vector.name());
        assert_eq!(decoded.time, vector.time, "{}", vector.name());
        assert_eq!(decoded.expire, vector.expire, "{}", vector.name());
        assert_eq!(decoded.userbuf, vector.userbuf(), "{}", vector.name());
        let key = SecretKey::parse(&vector.key).unwrap();
        assert_eq!(
            decoded.verify(&key, at(vector.time)),
            Ok(()),
            "{}",
            vector.name()
        );
    }
}

#[test]
fn our_signature_equals_that_of_every_official_vector() {
    for vector in vectors() {
        let userbuf = vector.userbuf();
        let fields = Fields {
            identifier: &vector.identifier,
            sdk_app_id: vector.sdkappid,
            time: vector.time,
            expire: vector.expire,
            userbuf: userbuf.as_deref(),
        };
        let key = SecretKey::parse(&vector.key).unwrap();
        assert_eq!(
            fields.signed_text(),
            vector.signed_string,
            "{}",
            vector.name()
        );
        assert_eq!(
            fields.signature(&key),
            vector.sig_field,
            "{}",
            vector.name()
        );
        let ours = Decoded::parse(fields.encode(&key).expose()).unwrap();
        assert_eq!(
            ours,
            Decoded::parse(&vector.usersig).unwrap(),
            "{}",
            vector.name()
        );
    }
}

#[test]
fn our_room_buffers_equal_the_official_ones() {
    let with_room: Vec<_> = vectors()
        .into_iter()
        .filter(|vector| vector.private_map.is_some())
        .collect();
    assert!(with_room.len() >= 10);
    for vector in with_room {
        let map = vector.private_map.as_ref().unwrap();
        let name = map.room_str.clone().filter(|name| !name.is_empty());
        let room = match name {
            Some(name) => room::Room::Name(room::RoomName::new(name).unwrap()),
            None => room::Room::Number(map.room_id),
        };
        let buffer = room::RoomBuffer {
            account: &vector.identifier,
            sdk_app_id: vector.sdkappid,
            room: &room,
            expires_at: map.expires_at,
            privileges: room::Privileges::from_bits(map.privilege),
        };
        assert_eq!(Some(buffer.encode()), vector.userbuf(), "{}", vector.name());

        let lifetime = Lifetime::new(Duration::from_secs(vector.expire.into())).unwrap();
        let app = SdkAppId::new(vector.sdkappid).unwrap();
        let issuer = Issuer::new(app, SecretKey::parse(&vector.key).unwrap(), lifetime);
        let user = UserId::parse(&vector.identifier, &ReservedNames::default()).unwrap();
        let privileges = room::Privileges::from_bits(map.privilege);
        let issued = issuer
            .issue_private_map_key(&user, &room, privileges, at(vector.time))
            .unwrap();
        assert_eq!(
            Decoded::parse(issued.user_sig.expose()),
            Decoded::parse(&vector.usersig),
            "{}",
            vector.name()
        );
    }
}

#[test]
fn a_room_name_fits_its_length_field() {
    assert!(room::RoomName::new(String::new()).is_none());
    assert!(room::RoomName::new("x".repeat(65_536)).is_none());
    assert!(room::RoomName::new("x".repeat(65_535)).is_some());
}

#[test]
fn the_issuer_signs_for_its_app_and_lifetime() {
    let issuer = Issuer::new(
        SdkAppId::new(1_400_000_000).unwrap(),
        key(),
        Lifetime::new(Duration::from_secs(86_400)).unwrap(),
    );
    let user = UserId::parse("xiaojun", &ReservedNames::default()).unwrap();
    let issued = issuer.issue(&user, at(START)).unwrap();
    assert_eq!(issued.issued_at, at(START));
    assert_eq!(issued.expires_at, at(START + 86_400));
    let decoded = Decoded::parse(issued.user_sig.expose()).unwrap();
    assert_eq!(decoded.identifier, "xiaojun");
    assert_eq!(decoded.expires_at(), issued.expires_at);
    assert_eq!(decoded.verify(&key(), at(START)), Ok(()));
    assert!(
        BASE64
            .decode(issued.user_sig.expose())
            .unwrap()
            .starts_with(&[0x78, 0x9c])
    );
}

#[test]
fn a_clock_beyond_the_field_is_refused() {
    let lifetime = Lifetime::new(Duration::from_secs(1)).unwrap();
    let issuer = Issuer::new(SdkAppId::new(1).unwrap(), key(), lifetime);
    let user = UserId::parse("a", &ReservedNames::default()).unwrap();
    let last = UnixTime::from_secs(u32::MAX.into());
    assert!(issuer.issue(&user, last).is_ok());
    assert_eq!(
        issuer.issue(&user, last.saturating_add(Duration::from_secs(1))),
        Err(IssueError::ClockOutOfRange)
    );
}

#[test]
fn keys_that_cannot_be_the_console_key_are_refused_with_a_reason() {
    for (name, text, error) in [
        ("empty", "", SecretKeyError::Empty),
        (
            "PEM",
            "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----",
            SecretKeyError::Pem,
        ),
        ("trailing newline", "abc\n", SecretKeyError::BadCharacter),
        ("inner space", "ab cd", SecretKeyError::BadCharacter),
        ("non-ASCII", "abcé", SecretKeyError::BadCharacter),
        ("31 characters", &KEY[..31], SecretKeyError::TooShort),
    ] {
        assert_eq!(SecretKey::parse(text).err(), Some(error), "{name}");
    }
    assert!(SecretKey::parse(KEY).is_ok());
    assert!(SecretKey::parse(&KEY[..32]).is_ok());
}

#[test]
fn lifetimes_outside_the_field_are_refused() {
    let lifetime = |seconds| Lifetime::new(Duration::from_secs(seconds)).map(Lifetime::as_secs);
    assert_eq!(lifetime(0), Err(LifetimeError::Zero));
    assert_eq!(lifetime(1), Ok(1));
    assert_eq!(lifetime(u64::from(u32::MAX)), Ok(u32::MAX));
    assert_eq!(
        lifetime(u64::from(u32::MAX) + 1),
        Err(LifetimeError::TooLong)
    );
    assert_eq!(SdkAppId::new(0), None);
}

#[test]
fn the_last_valid_second_is_time_plus_expire() {
    let decoded = Decoded::parse(&wrap(document("a").as_bytes())).unwrap();
    for (name, now, expected) in [
        ("61 s early", START - 61, Err(VerifyError::NotYetValid)),
        ("60 s early", START - 60, Ok(())),
        ("on time", START, Ok(())),
        ("last second", START + 86_400, Ok(())),
        ("one later", START + 86_401, Err(VerifyError::Expired)),
    ] {
        assert_eq!(decoded.verify(&key(), at(now)), expected, "{name}");
    }
}

#[test]
fn another_key_and_changed_fields_do_not_verify() {
    let decoded = Decoded::parse(&wrap(document("a").as_bytes())).unwrap();
    assert_eq!(decoded.verify(&key(), at(START)), Ok(()));
    let other_key = SecretKey::parse(&KEY.replace('0', "1")).unwrap();
    assert_eq!(
        decoded.verify(&other_key, at(START)),
        Err(VerifyError::Signature)
    );
    for (from, to) in [
        (r#""a""#, r#""b""#),
        ("1400000000", "1400000001"),
        (":86400", ":86401"),
        ("1700000000", "1700000001"),
        (r#","TLS.sig""#, r#","TLS.userbuf":"YWJj","TLS.sig""#),
    ] {
        let changed = document("a").replace(from, to);
        assert_ne!(changed, document("a"));
        let decoded = Decoded::parse(&wrap(changed.as_bytes())).unwrap();
        assert_eq!(
            decoded.verify(&key(), at(START)),
            Err(VerifyError::Signature),
            "{to}"
        );
    }
}

/// An identifier with line breaks could lend its signature to the administrator: the text signed for the first document
/// is that of the second, whose userbuf carries the rest of the lines.
#[test]
fn a_line_break_in_the_identifier_forges_nobody() {
    let smuggled = "administrator\nTLS.sdkappid:1400000000\nTLS.time:1700000000\nTLS.expire:86400\nTLS.userbuf:X";
    let signature = fields(smuggled).signature(&key());
    let signed_text = fields(smuggled).signed_text();
    let rest = "X\nTLS.sdkappid:1400000000\nTLS.time:1700000000\nTLS.expire:86400";
    assert_eq!(
        signed_text,
        format!(
            "{}TLS.userbuf:{rest}\n",
            fields("administrator").signed_text()
        )
    );
    let forged = serde_json::json!({
        "TLS.ver": "2.0", "TLS.identifier": "administrator", "TLS.sdkappid": 1_400_000_000,
        "TLS.expire": 86_400, "TLS.time": START, "TLS.userbuf": rest, "TLS.sig": signature,
    });
    assert_eq!(
        Decoded::parse(&wrap(forged.to_string().as_bytes())),
        Err(DecodeError::Userbuf)
    );
    let carrier = fields(smuggled).encode(&key());
    assert_eq!(
        Decoded::parse(carrier.expose()),
        Err(DecodeError::Identifier)
    );
    assert!(UserId::parse(smuggled, &ReservedNames::default()).is_err());
}

#[test]
fn documents_outside_the_format_are_refused() {
    let good = document("a");
    let with = |from: &str, to: &str| {
        let changed = good.replace(from, to);
        assert_ne!(changed, good, "{from}");
        wrap(changed.as_bytes())
    };
    for (name, text, error) in [
        (
            "array",
            wrap(b"[]"),
            DecodeError::Json(JsonError::NotAnObject),
        ),
        ("no JSON", wrap(b"{"), DecodeError::Json(JsonError::Syntax)),
        (
            "duplicate member",
            with(r#"{"TLS.ver""#, r#"{"TLS.identifier":"b","TLS.ver""#),
            DecodeError::Json(JsonError::DuplicateMember),
        ),
        (
            "no version",
            with(r#""TLS.ver":"2.0","#, ""),
            DecodeError::Version,
        ),
        ("version 1", with("2.0", "1.0"), DecodeError::Version),
        (
            "numeric version",
            with(r#""2.0""#, "2.0"),
            DecodeError::Version,
        ),
        (
            "unknown member",
            with(r#"{"TLS.ver""#, r#"{"TLS.more":1,"TLS.ver""#),
            DecodeError::UnknownMember,
        ),
        (
            "no identifier",
            with(r#""TLS.identifier":"a","#, ""),
            DecodeError::Identifier,
        ),
        (
            "numeric identifier",
            with(r#""a""#, "1"),
            DecodeError::Identifier,
        ),
        (
            "control character",
            with(r#""a""#, r#""\u0000""#),
            DecodeError::Identifier,
        ),
        (
            "negative number",
            with(":86400", ":-1"),
            DecodeError::Number,
        ),
        (
            "33-bit number",
            with(":86400", ":4294967296"),
            DecodeError::Number,
        ),
        ("fraction", with(":86400", ":86400.0"), DecodeError::Number),
        (
            "number as text",
            with(":86400", r#":"86400""#),
            DecodeError::Number,
        ),
        (
            "userbuf without padding",
            with(r#","TLS.sig""#, r#","TLS.userbuf":"YWI","TLS.sig""#),
            DecodeError::Userbuf,
        ),
        (
            "userbuf with stray bits",
            with(r#","TLS.sig""#, r#","TLS.userbuf":"YWJ=","TLS.sig""#),
            DecodeError::Userbuf,
        ),
        (
            "userbuf null",
            with(r#","TLS.sig""#, r#","TLS.userbuf":null,"TLS.sig""#),
            DecodeError::Userbuf,
        ),
        (
            "short signature",
            with(&fields("a").signature(&key()), "YWJj"),
            DecodeError::Signature,
        ),
        (
            "no signature",
            with(
                &format!(r#","TLS.sig":"{}""#, fields("a").signature(&key())),
                "",
            ),
            DecodeError::Signature,
        ),
        (
            "large document",
            wrap(format!("{good}{}", " ".repeat(4097 - good.len())).as_bytes()),
            DecodeError::TooLarge,
        ),
        ("bomb", wrap(&vec![b' '; 1 << 20]), DecodeError::TooLarge),
    ] {
        assert_eq!(Decoded::parse(&text), Err(error), "{name}");
    }
    let largest = format!("{good}{}", " ".repeat(4096 - good.len()));
    assert!(Decoded::parse(&wrap(largest.as_bytes())).is_ok());
    assert!(Decoded::parse(&wrap(format!("{good}\n").as_bytes())).is_ok());
}

#[test]
fn encodings_outside_the_format_are_refused() {
    let good = wrap(document("a").as_bytes());
    let zlib = BASE64.decode(&good).unwrap();
    let trailing = BASE64.encode([&zlib[..], b"x"].concat());
    let cut = BASE64.encode(&zlib[..zlib.len() - 1]);
    let wrong_sum = BASE64.encode([&zlib[..zlib.len() - 1], &[zlib[zlib.len() - 1] ^ 1]].concat());
    let raw_deflate = BASE64.encode(&zlib[2..zlib.len() - 4]);
    for (name, text, error) in [
        ("empty", String::new(), DecodeError::Zlib),
        (
            "cut short",
            good[..good.len() - 3].to_owned(),
            DecodeError::Base64,
        ),
        ("cut stream", cut, DecodeError::Zlib),
        ("wrong checksum", wrong_sum, DecodeError::Zlib),
        ("raw deflate", raw_deflate, DecodeError::Zlib),
        ("trailing byte", trailing, DecodeError::TrailingBytes),
        (
            "standard base64",
            STANDARD.encode(&zlib),
            DecodeError::Base64,
        ),
        ("white space", format!("{good}\n"), DecodeError::Base64),
        (
            "encoded twice",
            wrap(good.as_bytes()),
            DecodeError::Json(JsonError::Syntax),
        ),
        ("too long", "A".repeat(8193), DecodeError::TooLong),
    ] {
        assert_eq!(Decoded::parse(&text), Err(error), "{name}");
    }
    assert!(Decoded::parse(&good).is_ok());
}

#[test]
fn secrets_do_not_print() {
    let issuer = Issuer::new(
        SdkAppId::new(1).unwrap(),
        key(),
        Lifetime::new(Duration::from_secs(60)).unwrap(),
    );
    let user = UserId::parse("a", &ReservedNames::default()).unwrap();
    let issued = issuer.issue(&user, at(START)).unwrap();
    let printed = format!("{issuer:?} {issued:?} {:?}", key());
    assert!(!printed.contains(issued.user_sig.expose()));
    assert!(!printed.contains("0123456789abcdef"));
    assert!(printed.contains("UserSig([redacted])"));
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(
        identifier in "[^\\p{Cc}]{0,40}",
        sdk_app_id: u32,
        time: u32,
        expire: u32,
        userbuf in proptest::option::of(prop::collection::vec(any::<u8>(), 0..200)),
    ) {
        let fields = Fields {
            identifier: &identifier, sdk_app_id, time, expire, userbuf: userbuf.as_deref(),
        };
        let decoded = Decoded::parse(fields.encode(&key()).expose()).unwrap();
        prop_assert_eq!(&decoded.identifier, &identifier);
        prop_assert_eq!((decoded.sdk_app_id, decoded.time, decoded.expire), (sdk_app_id, time, expire));
        prop_assert_eq!(&decoded.userbuf, &userbuf);
        prop_assert_eq!(decoded.verify(&key(), at(time)), Ok(()));
    }

    #[test]
    fn any_text_decodes_or_is_refused(text in "[A-Za-z0-9*_-]{0,300}", bytes: Vec<u8>) {
        let _ = Decoded::parse(&text);
        let _ = Decoded::parse(&wrap(&bytes));
    }
}
