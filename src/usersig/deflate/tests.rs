use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;

use super::*;

const DOCUMENTS: u64 = 4000;
const SIGNATURE: &str = "LvA7d/Iw7gSsnskvVzBDPOCCDbuNCw4GHwTC0bip+B4=";

fn fields(identifier: &str) -> Fields<'_> {
    Fields {
        identifier,
        sdk_app_id: 1_400_123_456,
        time: 1_790_216_583,
        expire: 604_800,
        userbuf: None,
    }
}

/// The document as every official package writes it, where nothing has to be escaped.
fn document(fields: &Fields<'_>, signature: &str) -> String {
    format!(
        r#"{{"TLS.ver":"2.0","TLS.identifier":"{}","TLS.sdkappid":{},"TLS.expire":{},"TLS.time":{},"TLS.sig":"{signature}"}}"#,
        fields.identifier, fields.sdk_app_id, fields.expire, fields.time
    )
}

/// What zlib's decoder reads; it checks the sum, and that nothing follows.
fn inflated(stream: &[u8]) -> String {
    let mut decoder = ZlibDecoder::new(stream);
    let mut text = String::new();
    decoder.read_to_string(&mut text).unwrap();
    assert_eq!(decoder.total_in(), stream.len() as u64);
    text
}

fn zlib_length(text: &str) -> usize {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap().len()
}

/// The length of the document's stream, if it has one here, which then says the same as zlib's.
fn written_length(fields: &Fields<'_>, signature: &str) -> Option<usize> {
    let mut room = [0; ROOM];
    let stream = compress(fields, signature, &mut room)?;
    assert_eq!(stream[..2], [0x78, 0x9c]);
    assert_eq!(inflated(stream), document(fields, signature));
    Some(stream.len())
}

/// Whether the document has a stream here, which then says the same as zlib's in no more bytes.
fn is_written_here(fields: &Fields<'_>, signature: &str) -> bool {
    let Some(length) = written_length(fields, signature) else {
        return false;
    };
    let text = document(fields, signature);
    assert!(length <= zlib_length(&text), "{text}");
    true
}

#[test]
fn usual_names_are_written_here() {
    for name in [
        "a",
        "42",
        "alice",
        "user-9e3779b97f4a7c15",
        "u_1029384756",
        "3f2504e04f8911d39a0c0305e82c3301",
        "mina.sato@app.example.com",
        "administrator",
    ] {
        assert!(is_written_here(&fields(name), SIGNATURE), "{name}");
    }
}

/// A name by its number, and how many of a hundred are written here at least.
type Kind = (fn(u64) -> String, u64);

#[test]
fn nearly_all_documents_of_usual_names_and_applications_are_written_here() {
    let kinds: [Kind; 6] = [
        (|n| format!("user-{n:016x}"), 99),
        (|n| format!("{n:016x}{:016x}", n.rotate_left(7)), 99),
        (|n| format!("user{:06}", n % 1_000_000), 99),
        (|n| format!("user{:06}", n % 1000), 95),
        (|n| format!("138{:08}", n % 100_000_000), 99),
        (|n| (n % 10_000_000).to_string(), 99),
    ];
    let scattered = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let up_to = |number: u64, end: u64| u32::try_from((number >> 20) % end).unwrap();
    let lives = [604_800, 86_400, 2_592_000, 15_552_000];
    for (name, least) in kinds {
        let is_here = |number: &u64| {
            let (one, other) = (scattered(*number), scattered(*number + DOCUMENTS));
            let name = name(one);
            let fields = Fields {
                sdk_app_id: 1_400_000_000 + up_to(other, 300_000_000),
                time: 1_700_000_000 + up_to(one, 200_000_000),
                expire: lives[up_to(!other, 4) as usize],
                ..fields(&name)
            };
            let signature = [one, other, !one, one ^ other.rotate_left(32)];
            let signature = signature.map(u64::to_le_bytes).concat();
            is_written_here(&fields, &STANDARD.encode(signature))
        };
        let here = (1..=DOCUMENTS).filter(is_here).count() as u64;
        let example = name(scattered(1));
        assert!(here * 100 >= least * DOCUMENTS, "{here}, as of {example}");
    }
}

#[test]
fn what_json_writes_otherwise_or_has_no_code_is_left_to_zlib() {
    for name in ["a\"b", "a\\b", "a\u{1}b", "a b", "\u{e9}", "a\nb", "a~b"] {
        assert!(!is_written_here(&fields(name), SIGNATURE), "{name:?}");
    }
    let with_userbuf = Fields {
        userbuf: Some(b"x"),
        ..fields("alice")
    };
    assert!(!is_written_here(&with_userbuf, SIGNATURE));
}

/// zlib refers back to numbers that repeat each other, and has less to say of short ones.
#[test]
fn unusual_numbers_are_left_to_zlib() {
    let usual = fields("alice");
    assert!(is_written_here(&usual, SIGNATURE));
    for unusual in [
        Fields {
            sdk_app_id: 9_876_543,
            ..usual
        },
        Fields {
            time: 987_654_321,
            ..usual
        },
        Fields {
            expire: 135_792_468,
            ..usual
        },
    ] {
        assert!(!is_written_here(&unusual, SIGNATURE), "{unusual:?}");
    }
}

/// zlib refers back within these, and is the shorter one.
#[test]
fn what_repeats_itself_is_left_to_zlib() {
    for name in [
        "identifieridentifieridentifier12",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabcabcabcabcabc12",
        "TLS.sdkappidTLS.expireTLS.time12",
    ] {
        assert!(!is_written_here(&fields(name), SIGNATURE), "{name}");
    }
}

/// Names of many kinds: of one alphabet, of few characters, of pieces that repeat each other or the constant text.
fn names() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "TLS.",
        "user",
        "time",
        "expire",
        "identifier",
        "ver",
        "1400",
        "179",
        "_",
        "-",
        "a",
        "0",
        "Z",
    ]);
    let pieces = prop::collection::vec(pieces, 1..9).prop_map(|pieces| pieces.concat());
    prop_oneof![
        "[a-z0-9_-]{1,32}",
        "[0-9a-f]{32}",
        "[0-9]{1,20}",
        "[A-Z]{1,32}",
        "[A-Za-z0-9.@_-]{1,32}",
        "[ab]{1,32}",
        "[a-e0-3]{1,32}",
        "[!-~]{1,32}",
        "([a-z]{2}){1,16}",
        pieces.prop_map(|mut name: String| {
            name.truncate(32);
            name
        }),
    ]
}

/// SDKAppID, life and moment: usual ones, and some of any length.
fn numbers() -> impl Strategy<Value = (u32, u32, u32)> {
    let any_length =
        || (any::<u32>(), 0..10_u32).prop_map(|(number, digits)| number % 10_u32.pow(digits));
    (
        prop_oneof![
            1_400_000_000..1_700_000_000_u32,
            20_000_000..20_100_000_u32,
            any_length()
        ],
        prop_oneof![
            Just(604_800),
            Just(86_400),
            60..100_000_000_u32,
            any_length()
        ],
        prop_oneof![1_700_000_000..2_000_000_000_u32, any_length()],
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8000))]

    /// The signature is an HMAC, so its bytes are as good as random: nobody chooses them.
    #[test]
    fn whatever_is_written_here_is_the_document_and_no_longer_than_zlibs(
        name in names(),
        signature in any::<[u8; 32]>(),
        (sdk_app_id, expire, time) in numbers(),
        piece in prop::option::of((0..3_usize, 0..8_usize, 0..32_usize)),
    ) {
        let mut name = name;
        if let Some((which, from, at)) = piece {
            let number = [sdk_app_id, expire, time][which].to_string();
            let at = at.min(name.len());
            name.insert_str(at, number.get(from..).unwrap_or_default());
            name.truncate(32);
        }
        let fields = Fields { identifier: &name, sdk_app_id, time, expire, userbuf: None };
        is_written_here(&fields, &STANDARD.encode(signature));
    }

    #[test]
    fn whatever_is_written_here_is_the_document_whoever_signed_it(
        name in names(),
        signature in "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=",
        (sdk_app_id, expire, time) in numbers(),
    ) {
        let fields = Fields { identifier: &name, sdk_app_id, time, expire, userbuf: None };
        written_length(&fields, &signature);
    }
}
