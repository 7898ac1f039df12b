//! A webhook's query and body. Input: the query, and from the second line on the body. `Sign=@` is replaced by the sign
//! that the query's time needs, as no mutation would find one.
//!
//! What is believed must read the same to other parsers: those that decode everything, that take the first or the last
//! of a repeated name, and that compare names without case.

#![no_main]

use std::num::NonZeroUsize;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use usersig_proxy::secret::SecretBytes;
use usersig_proxy::time::UnixTime;
use usersig_proxy::usersig::SdkAppId;
use usersig_proxy::webhook::{Settings, Tokens, Webhooks};

fuzz_target!(|data: &[u8]| {
    let at = data
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(data.len());
    let (query, body) = (&data[..at], data.get(at + 1..).unwrap_or_default());
    let Ok(query) = std::str::from_utf8(query) else {
        return;
    };
    let query = query.replacen("Sign=@", &format!("Sign={}", sign(&time_of(query))), 1);
    let webhooks = Webhooks::new(settings());
    let Ok(announced) = webhooks.announce(Some(&query), NOW) else {
        return;
    };
    check_query(&query);
    if let Ok(delivery) = webhooks.receive(&announced, body, NOW) {
        check_body(&query, body);
        assert!(
            webhooks.receive(&announced, body, NOW).is_err(),
            "taken twice"
        );
        drop(delivery);
    }
});

/// What another parser finds must be right by itself.
fn check_query(query: &str) {
    assert_eq!(named(query, "sdkappid"), ["1400000000"]);
    assert_eq!(named(query, "contenttype"), ["json"]);
    let [time] = &named(query, "requesttime")[..] else {
        panic!("a time, once");
    };
    let seconds: u64 = time.parse().expect("a number");
    assert!(seconds.abs_diff(NOW.as_secs()) <= MAX_AGE.as_secs());
    assert_eq!(named(query, "sign"), [sign(time)]);
    assert_eq!(named(query, "callbackcommand").len(), 1);
}

/// What another program looks for in a body.
#[derive(Deserialize)]
struct Body {
    #[serde(rename = "CallbackCommand")]
    command: String,
}

/// The body names the command of the query.
fn check_body(query: &str, body: &[u8]) {
    assert!(body.len() <= MAX_BODY);
    let body: Body = serde_json::from_slice(&without_surrogates(body)).expect("a body");
    assert_eq!([body.command], *named(query, "callbackcommand"));
}

/// The texts of chat users may hold halves of surrogate pairs, which serde takes in no name.
fn without_surrogates(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = body;
    while let Some((byte, after)) = rest.split_first() {
        let escape = match (byte, after) {
            (
                b'\\',
                [
                    b'u' | b'U',
                    b'd' | b'D',
                    b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F',
                    _,
                    _,
                    ..,
                ],
            ) => 6,
            (b'\\', [_, ..]) => 2,
            _ => 1,
        };
        let (one, after) = rest.split_at(escape);
        text.extend_from_slice(if escape == 6 { b"\\ufffd" } else { one });
        rest = after;
    }
    text
}

fn named(query: &str, name: &str) -> Vec<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.into_owned())
        .collect()
}

fn time_of(query: &str) -> String {
    let after = query.split("RequestTime=").nth(1).unwrap_or_default();
    after.split('&').next().unwrap_or_default().to_owned()
}

fn sign(time: &str) -> String {
    let digest = Sha256::digest(format!("{TOKEN}{time}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn settings() -> Settings {
    Settings {
        sdk_app_id: SdkAppId::new(1_400_000_000).expect("not zero"),
        tokens: Tokens::new(vec![SecretBytes::new(TOKEN.as_bytes().to_vec())]),
        max_age: MAX_AGE,
        max_body: MAX_BODY,
        replay_capacity: NonZeroUsize::MIN,
    }
}

/// The token and the time of the sample of Tencent's page "Webhook Overview" (34354).
const TOKEN: &str = "xxxxyyyy";
const NOW: UnixTime = UnixTime::from_secs(1_669_872_112);
const MAX_AGE: Duration = Duration::from_secs(120);
const MAX_BODY: usize = 1000;
