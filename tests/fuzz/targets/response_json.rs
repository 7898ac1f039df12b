//! A login that is written into the app's answer. Input: a JSON pointer in the first line; in the second the limit, the
//! size of a chunk, and `gzip` for a body to be packed or `packed` for one that is; the body behind it.
//!
//! However an answer is cut into chunks, the client gets the same. A member that is added is all that changes: the other
//! bytes are the app's, and another reader finds the member and everything else.

#![no_main]

/// What of the program's edge knows bytes only, with what feeds it.
#[path = "../../../src/proxy"]
mod proxy {
    #[path = "../../tests/fuzz/targets/response_json/answer.rs"]
    pub(crate) mod answer;
    mod login_body;
}

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use usersig_proxy::json::JsonPointer;
use usersig_proxy::json::insert::{InsertError, insert};
use usersig_proxy::json::parse_object;

use self::proxy::answer::{Sent, send};

fuzz_target!(|data: &[u8]| {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let [Some(pointer), Some(settings), Some(body)] = [lines.next(), lines.next(), lines.next()]
    else {
        return;
    };
    let settings = String::from_utf8_lossy(settings);
    check_chunks(&settings, body);
    let pointer = std::str::from_utf8(pointer).map(JsonPointer::parse);
    if let Ok(Ok(pointer)) = pointer {
        check_insert(body, &pointer);
    }
});

fn check_chunks(settings: &str, body: &[u8]) {
    let mut numbers = settings.split(' ').filter_map(|word| word.parse().ok());
    let limit = numbers.next().unwrap_or(1000_usize).min(1 << 20);
    let size = numbers.next().unwrap_or(1).max(1);
    let (is_gzip, plain) = match settings.rsplit(' ').next() {
        Some("gzip") => (true, Some(body)),
        Some("packed") => (true, None),
        _ => (false, Some(body)),
    };
    let body = match (is_gzip, plain) {
        (true, Some(plain)) => gzip(plain),
        _ => body.to_vec(),
    };
    let whole = send(&[&body], is_gzip, limit);
    let mut chunks: Vec<&[u8]> = body.chunks(size).collect();
    chunks.push(b"");
    match (send(&chunks, is_gzip, limit), whole) {
        // What was sent before the fault depends on the chunks.
        (Sent::Cut(_), Sent::Cut(_)) => assert!(plain.is_none()),
        (chunked, whole) => assert_eq!(chunked, whole),
    }
    if let Some(plain) = plain {
        let expected = match plain.len() <= limit {
            true => Sent::Whole(plain.to_vec()),
            false => Sent::Untouched(plain.to_vec()),
        };
        assert_eq!(send(&chunks, is_gzip, limit), expected);
    }
}

fn check_insert(body: &[u8], pointer: &JsonPointer) {
    let strict = parse_object(body);
    let grown = match insert(body, pointer, MEMBER) {
        Ok(grown) => grown,
        Err(error) => return check_refusal(error, body, pointer),
    };
    let object = strict.expect("only strict JSON takes a member");
    assert!(pointer.find(&object).is_none(), "something was overwritten");
    let again = parse_object(&grown).expect("the result is strict JSON");
    let member: Value = serde_json::from_str(MEMBER).expect("a member");
    assert_eq!(pointer.find(&again), Some(&member));
    assert_eq!(insert(&grown, pointer, MEMBER), Err(InsertError::Occupied));
    assert_eq!(without(&again, pointer), Value::Object(object));
    let head = body
        .iter()
        .zip(&grown)
        .take_while(|(old, new)| old == new)
        .count();
    let tail = &body[head..];
    assert!(grown.ends_with(tail), "bytes of the app were changed");
}

fn check_refusal(error: InsertError, body: &[u8], pointer: &JsonPointer) {
    let value = serde_json::from_slice::<Value>(body);
    let found = value
        .as_ref()
        .ok()
        .and_then(|value| value.pointer(&pointer.to_string()));
    match error {
        InsertError::NotStrict(error) => assert_eq!(parse_object(body), Err(error)),
        InsertError::Occupied => assert!(found.is_some()),
        InsertError::NoParent => assert!(!parent_is_object(value.as_ref().ok(), pointer)),
        InsertError::TooDeep => assert!(found.is_none()),
        InsertError::BadMember(_) => panic!("the member is good"),
    }
}

fn parent_is_object(value: Option<&Value>, pointer: &JsonPointer) -> bool {
    let text = pointer.to_string();
    let (parent, _) = text.rsplit_once('/').expect("a pointer has a slash");
    let parent = value.and_then(|value| value.pointer(parent));
    parent.is_some_and(Value::is_object)
}

/// The document without what the pointer names.
fn without(object: &usersig_proxy::json::Object, pointer: &JsonPointer) -> Value {
    let mut document = Value::Object(object.clone());
    let text = pointer.to_string();
    let (parent, name) = text.rsplit_once('/').expect("a pointer has a slash");
    let name = name.replace("~1", "/").replace("~0", "~");
    let parent = document.pointer_mut(parent).and_then(Value::as_object_mut);
    parent
        .expect("the member stands in an object")
        .remove(&name);
    document
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

const MEMBER: &str = r#"{"sdkAppId":1400000000,"userSig":"eJw*-_"}"#;
