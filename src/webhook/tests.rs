use proptest::prelude::*;

use super::*;
use crate::json::JsonError;
use crate::secret::SecretBytes;

/// The sample of Tencent's page "Webhook Overview" (34354).
const TOKEN: &str = "xxxxyyyy";
const TIME: u64 = 1_669_872_112;
const SIGN: &str = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";
const BODY: &[u8] = br#"{"CallbackCommand":"State.StateChange","Info":{"Action":"Login"}}"#;

fn settings(tokens: &[&str]) -> Settings {
    let tokens = tokens
        .iter()
        .map(|token| SecretBytes::new(token.as_bytes().to_vec()));
    Settings {
        sdk_app_id: SdkAppId::new(1_400_000_000).unwrap(),
        tokens: Tokens::new(tokens.collect()),
        max_age: Duration::from_secs(120),
        max_body: 1000,
        replay_capacity: NonZeroUsize::new(3).unwrap(),
    }
}

fn webhooks() -> Webhooks {
    Webhooks::new(settings(&[TOKEN]))
}

fn query() -> String {
    format!(
        "SdkAppid=1400000000&CallbackCommand=State.StateChange&contenttype=json&ClientIP=::1&OptPlatform=IOS&Sign={SIGN}&RequestTime={TIME}"
    )
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

/// The same webhook as at [`TIME`] with another client, so that it is not a repetition.
fn deliver(webhooks: &Webhooks, client: &str, now: u64) -> Result<Delivery, WebhookError> {
    let query = query().replace("::1", client);
    let announced = webhooks.announce(Some(&query), at(now))?;
    webhooks.receive(&announced, BODY, at(now))
}

#[test]
fn the_documented_sample_is_signed() {
    assert!(webhooks().announce(Some(&query()), at(TIME)).is_ok());
    let other = webhooks().announce(Some(&query().replace("=177", "=077")), at(TIME));
    assert_eq!(other.unwrap_err(), WebhookError::SignInvalid);
    let later = query().replace("1669872112", "1669872113");
    let later = webhooks().announce(Some(&later), at(TIME));
    assert_eq!(later.unwrap_err(), WebhookError::SignInvalid);
}

#[test]
fn any_of_the_tokens_may_have_signed_and_no_other() {
    let announce = |tokens: &[&str]| {
        let announced = Webhooks::new(settings(tokens)).announce(Some(&query()), at(TIME));
        announced.map(|_| ())
    };
    assert_eq!(announce(&["other", TOKEN]), Ok(()));
    assert_eq!(announce(&[TOKEN, "other"]), Ok(()));
    for tokens in [&["other", "xxxxyyy"][..], &["xxxxyyyyy"], &[""], &[]] {
        assert_eq!(
            announce(tokens),
            Err(WebhookError::SignInvalid),
            "{tokens:?}"
        );
    }
}

#[test]
fn a_webhook_of_another_application_is_refused() {
    for app in ["1400000001", "1", "0", "5694967296"] {
        let query = query().replace("1400000000", app);
        let announced = webhooks().announce(Some(&query), at(TIME));
        assert_eq!(announced.unwrap_err(), WebhookError::OtherApp, "{app}");
    }
    let none = webhooks().announce(None, at(TIME));
    assert_eq!(none.unwrap_err(), QueryError::Missing.into());
}

#[test]
fn the_time_counts_to_the_second_in_both_directions() {
    let announce = |now| webhooks().announce(Some(&query()), at(now)).map(|_| ());
    for now in [TIME - 120, TIME - 1, TIME, TIME + 120] {
        assert_eq!(announce(now), Ok(()), "{now}");
    }
    assert_eq!(announce(TIME + 121), Err(WebhookError::Stale));
    assert_eq!(announce(TIME - 121), Err(WebhookError::Ahead));
    assert_eq!(announce(u64::MAX), Err(WebhookError::Stale));
    assert_eq!(announce(0), Err(WebhookError::Ahead));
}

/// Else a body that drips would make a webhook good whose place in the memory is gone.
#[test]
fn the_time_must_count_still_when_the_body_is_there() {
    let webhooks = webhooks();
    let announced = webhooks.announce(Some(&query()), at(TIME)).unwrap();
    let late = webhooks.receive(&announced, BODY, at(TIME + 121));
    assert_eq!(late.unwrap_err(), WebhookError::Stale);
    assert!(webhooks.receive(&announced, BODY, at(TIME + 120)).is_ok());
}

#[test]
fn the_body_is_one_object_that_names_the_command_of_the_query() {
    let webhooks = webhooks();
    let announced = webhooks.announce(Some(&query()), at(TIME)).unwrap();
    let receive = |body: &[u8]| webhooks.receive(&announced, body, at(TIME)).map(|_| ());
    let padded = |length: usize| {
        let text = std::str::from_utf8(BODY).unwrap();
        format!("{text}{}", " ".repeat(length - text.len())).into_bytes()
    };
    let (command, command_is) = (WebhookError::CommandDiffers, r#"{"CallbackCommand":"#);
    for (body, expected) in [
        (BODY.to_vec(), Ok(())),
        (padded(1000), Ok(())),
        (padded(1001), Err(WebhookError::BodyTooLarge)),
        (b"".to_vec(), Err(WebhookError::Body(JsonError::Syntax))),
        (
            b"[]".to_vec(),
            Err(WebhookError::Body(JsonError::NotAnObject)),
        ),
        (b"a=1".to_vec(), Err(WebhookError::Body(JsonError::Syntax))),
        (b"{}".to_vec(), Err(command)),
        (
            format!("{command_is}\"C2C.CallbackAfterSendMsg\"}}").into(),
            Err(command),
        ),
        (
            format!("{command_is}\"state.statechange\"}}").into(),
            Err(command),
        ),
        (
            format!("{command_is}[\"State.StateChange\"]}}").into(),
            Err(WebhookError::Body(JsonError::Syntax)),
        ),
        (
            format!("{command_is}\"x\",\"CallbackCommand\":\"State.StateChange\"}}").into(),
            Err(WebhookError::Body(JsonError::DuplicateMember)),
        ),
    ] {
        assert_eq!(
            receive(&body),
            expected,
            "{}",
            String::from_utf8_lossy(&body)
        );
    }
}

#[test]
fn an_identical_webhook_is_refused_while_the_first_is_under_way_and_once_it_was_taken() {
    let webhooks = webhooks();
    let repeated = WebhookError::Repeated;
    let mut first = deliver(&webhooks, "::1", TIME).unwrap();
    assert_eq!(deliver(&webhooks, "::1", TIME).unwrap_err(), repeated);
    first.taken();
    first.failed();
    drop(first);
    for now in [TIME, TIME + 1, TIME + 120] {
        assert_eq!(
            deliver(&webhooks, "::1", now).unwrap_err(),
            repeated,
            "{now}"
        );
    }
    assert_eq!(
        deliver(&webhooks, "::1", TIME + 121).unwrap_err(),
        WebhookError::Stale
    );
}

#[test]
fn several_webhooks_of_one_second_differ_in_query_or_body() {
    let webhooks = webhooks();
    let announced = webhooks.announce(Some(&query()), at(TIME)).unwrap();
    let spaced = [BODY, b" "].concat();
    let mut held = [
        webhooks.receive(&announced, BODY, at(TIME)).unwrap(),
        webhooks.receive(&announced, &spaced, at(TIME)).unwrap(),
        deliver(&webhooks, "::2", TIME).unwrap(),
    ];
    held.iter_mut().for_each(Delivery::taken);
    assert!(held.iter().all(Delivery::is_taken));
    assert_eq!(
        deliver(&webhooks, "::2", TIME).unwrap_err(),
        WebhookError::Repeated
    );
}

#[test]
fn what_the_app_did_not_take_may_come_again() {
    let webhooks = webhooks();
    drop(deliver(&webhooks, "::1", TIME).unwrap());
    let mut second = deliver(&webhooks, "::1", TIME).unwrap();
    second.failed();
    let mut third = deliver(&webhooks, "::1", TIME).unwrap();
    // The second is over: it neither forgets the third nor takes its place.
    second.taken();
    drop(second);
    assert_eq!(
        deliver(&webhooks, "::1", TIME).unwrap_err(),
        WebhookError::Repeated
    );
    third.taken();
    drop(third);
    assert_eq!(
        deliver(&webhooks, "::1", TIME).unwrap_err(),
        WebhookError::Repeated
    );
}

#[test]
fn a_full_memory_takes_no_webhook_until_time_makes_room() {
    let webhooks = webhooks();
    for client in ["::1", "::2", "::3"] {
        deliver(&webhooks, client, TIME).unwrap().taken();
    }
    assert_eq!(
        deliver(&webhooks, "::4", TIME).unwrap_err(),
        WebhookError::MemoryFull
    );
    assert_eq!(
        deliver(&webhooks, "::1", TIME).unwrap_err(),
        WebhookError::Repeated
    );
    let later = query()
        .replace(SIGN, LATER)
        .replace("1669872112", "1669872233");
    let announced = webhooks.announce(Some(&later), at(TIME + 120)).unwrap();
    let full = webhooks.receive(&announced, BODY, at(TIME + 120));
    assert_eq!(full.unwrap_err(), WebhookError::MemoryFull);
    assert!(webhooks.receive(&announced, BODY, at(TIME + 121)).is_ok());
}

#[test]
fn a_reload_keeps_the_memory_of_the_same_application() {
    let before = webhooks();
    deliver(&before, "::1", TIME).unwrap().taken();
    let mut under_way = deliver(&before, "::2", TIME).unwrap();
    let after = before.succeeded_by(settings(&["new", TOKEN]));
    assert_eq!(
        deliver(&after, "::1", TIME).unwrap_err(),
        WebhookError::Repeated
    );
    under_way.taken();
    drop(under_way);
    assert_eq!(
        deliver(&after, "::2", TIME).unwrap_err(),
        WebhookError::Repeated
    );
    assert!(deliver(&after, "::3", TIME).is_ok());
    let other = Settings {
        sdk_app_id: SdkAppId::new(1_400_000_001).unwrap(),
        ..settings(&[TOKEN])
    };
    let other = after.succeeded_by(other);
    let query = query().replace("1400000000", "1400000001");
    let announced = other.announce(Some(&query), at(TIME)).unwrap();
    assert!(other.receive(&announced, BODY, at(TIME)).is_ok());
}

#[test]
fn neither_token_nor_sign_is_ever_printed() {
    let webhooks = webhooks();
    let announced = webhooks.announce(Some(&query()), at(TIME)).unwrap();
    let delivery = webhooks.receive(&announced, BODY, at(TIME)).unwrap();
    let printed = format!("{webhooks:?} {announced:?} {delivery:?}");
    assert!(
        !printed.contains(TOKEN) && !printed.contains(SIGN),
        "{printed}"
    );
}

/// As [`REASONS`](WebhookError::REASONS) has them.
#[test]
fn each_refusal_has_its_status_code_and_reason() {
    let body = WebhookError::Body;
    let all = [
        QueryError::Missing.into(),
        QueryError::Repeated.into(),
        QueryError::Spelling.into(),
        QueryError::Value.into(),
        WebhookError::OtherApp,
        WebhookError::Stale,
        WebhookError::Ahead,
        WebhookError::SignInvalid,
        WebhookError::BodyTooLarge,
        body(JsonError::Syntax),
        body(JsonError::DuplicateMember),
        body(JsonError::NotAnObject),
        WebhookError::CommandDiffers,
        WebhookError::Repeated,
        WebhookError::MemoryFull,
    ];
    assert_eq!(
        all.map(|error: WebhookError| error.reason()),
        WebhookError::REASONS
    );
    let lines = all.map(|error| format!("{} {}", error.status().as_u16(), error.code()));
    let query = "400 webhook_query_invalid";
    let invalid = "400 webhook_body_invalid";
    assert_eq!(
        lines,
        [
            query,
            query,
            query,
            query,
            "403 webhook_other_app",
            "403 webhook_time_invalid",
            "403 webhook_time_invalid",
            "403 webhook_sign_invalid",
            "413 body_too_large",
            invalid,
            invalid,
            invalid,
            invalid,
            "409 webhook_repeated",
            "503 webhook_memory_full",
        ]
    );
}

proptest! {
    /// Whoever does not know the token makes no sign, and no text makes the walk fail.
    #[test]
    fn nothing_but_the_sign_is_a_sign(sign in "[0-9a-f]{64}", text in any::<String>()) {
        let forged = query().replace(SIGN, &sign);
        prop_assert!(sign == SIGN || webhooks().announce(Some(&forged), at(TIME)).is_err());
        prop_assert!(webhooks().announce(Some(&text), at(TIME)).is_err());
    }
}

/// Of the token at 1669872233.
const LATER: &str = "259e5a24c86c4e10d2dbd9fd50d964faf4ee3b68acbdaaf72e5127a05e66725a";
