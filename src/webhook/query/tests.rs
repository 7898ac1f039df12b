use proptest::prelude::*;
use url::form_urlencoded;

use super::*;

const SIGN: &str = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";

/// What Chat sends.
fn good() -> Vec<(&'static str, &'static str)> {
    vec![
        ("SdkAppid", "1400000000"),
        ("CallbackCommand", "C2C.CallbackBeforeSendMsg"),
        ("contenttype", "json"),
        ("ClientIP", "203.0.113.7"),
        ("OptPlatform", "iOS"),
        ("Sign", SIGN),
        ("RequestTime", "1669872112"),
    ]
}

fn text(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

fn with(name: &str, value: &'static str) -> String {
    let mut pairs = good();
    let place = pairs.iter_mut().find(|(one, _)| *one == name).unwrap();
    place.1 = value;
    text(&pairs)
}

fn error(text: &str) -> Option<QueryError> {
    Query::parse(text).err()
}

#[test]
fn what_chat_sends_is_read_in_any_order() {
    let mut pairs = good();
    for _ in 0..pairs.len() {
        pairs.rotate_left(1);
        let query = Query::parse(&text(&pairs)).unwrap();
        assert_eq!(query.sdk_app_id, 1_400_000_000);
        assert_eq!(query.command, "C2C.CallbackBeforeSendMsg");
        assert_eq!(query.request_time, UnixTime::from_secs(1_669_872_112));
    }
    for (case, text) in [
        ("a percent code", with("ClientIP", "2001%3adb8::1")),
        (
            "an encoded dot",
            with("CallbackCommand", "State%2EStateChange"),
        ),
        ("a plus", with("OptPlatform", "a+b")),
        ("empty pairs", format!("&{}&", text(&good()))),
        (
            "a parameter of the console's URL",
            format!("hook=1&{}", text(&good())),
        ),
    ] {
        assert_eq!(error(&text), None, "{case}");
    }
}

#[test]
fn a_parameter_that_is_missing_or_repeated_is_refused() {
    for name in [
        "SdkAppid",
        "CallbackCommand",
        "contenttype",
        "Sign",
        "RequestTime",
    ] {
        let without: Vec<_> = good().into_iter().filter(|(one, _)| *one != name).collect();
        assert_eq!(error(&text(&without)), Some(QueryError::Missing), "{name}");
        let other_case = without.iter().copied().chain([("sdkappid", "1400000000")]);
        assert!(
            error(&text(&other_case.collect::<Vec<_>>())).is_some(),
            "{name}"
        );
        let (_, value) = good().into_iter().find(|(one, _)| *one == name).unwrap();
        for again in [name.to_owned(), name.to_uppercase(), name.to_lowercase()] {
            let repeated = format!("{}&{again}={value}", text(&good()));
            assert_eq!(error(&repeated), Some(QueryError::Repeated), "{again}");
        }
    }
    let other = format!("{}&ClientIP=::1", text(&good()));
    assert_eq!(error(&other), Some(QueryError::Repeated));
    assert_eq!(error(""), Some(QueryError::Missing));
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    let good = text(&good());
    for more in [
        ";CallbackCommand=x",
        "&x=1;Sign=2",
        "&%53ign=x",
        "&+Sign=x",
        "&Sign%20=x",
        "&Sign[]=x",
        "&Sign.x=x",
        "&=x",
        "&x=%",
        "&x=%4",
        "&x=%zz",
        "&x=%ff",
        "&x=%00",
        "&x=%0d%0a",
        "&x=ü",
        "&x=a b",
    ] {
        assert_eq!(
            error(&format!("{good}{more}")),
            Some(QueryError::Spelling),
            "{more}"
        );
    }
    let many = |count: usize| {
        let more = (0..count).map(|number| format!("&x{number}=1"));
        format!("{good}{}", more.collect::<String>())
    };
    assert_eq!(error(&many(MAX_PARAMETERS - 7)), None);
    assert_eq!(error(&many(MAX_PARAMETERS - 6)), Some(QueryError::Spelling));
}

#[test]
fn a_value_has_the_one_form_that_chat_gives_it() {
    let upper = "17773BC39A671D7B9AA835458704D2A6DB81360A5940292B587D6D760D484061";
    for (name, value) in [
        ("SdkAppid", "01400000000"),
        ("SdkAppid", "+1400000000"),
        ("SdkAppid", "-1"),
        ("SdkAppid", "1e9"),
        ("SdkAppid", ""),
        ("SdkAppid", "18446744073709551616"),
        ("CallbackCommand", ""),
        ("CallbackCommand", "a/b"),
        ("CallbackCommand", "a%0"),
        ("contenttype", "xml"),
        ("contenttype", "JSON"),
        ("Sign", ""),
        ("Sign", upper),
        ("Sign", "17773bc3"),
        (
            "Sign",
            "g7773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061",
        ),
        ("RequestTime", "1669872112.0"),
        ("RequestTime", "01669872112"),
        ("RequestTime", "%201669872112"),
        ("RequestTime", "1669872112%20"),
        ("RequestTime", ""),
    ] {
        let found = error(&with(name, value));
        let expected = match value {
            "a%0" => QueryError::Spelling,
            _ => QueryError::Value,
        };
        assert_eq!(found, Some(expected), "{name}={value}");
    }
}

/// Pieces of which queries that nearly are right are made.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(good()).prop_map(|(name, value)| format!("&{name}={value}")),
        prop::sample::select(vec![
            "&Sign=x",
            "&sign=",
            "&",
            "=",
            "%53",
            "%",
            ";",
            "+",
            "&x=1",
            "%26",
            "&RequestTime=0"
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn what_passes_reads_the_same_to_an_ordinary_parser(pieces in prop::collection::vec(piece(), 0..12)) {
        let mut whole = text(&good());
        whole.push_str(&pieces.concat());
        for text in [whole, pieces.concat()] {
            let Ok(query) = Query::parse(&text) else { continue };
            let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
            let all = |wanted: &str| -> Vec<String> {
                let named = pairs.iter().filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
                named.map(|(_, value)| value.to_string()).collect()
            };
            prop_assert_eq!(all("CallbackCommand"), [query.command]);
            prop_assert_eq!(all("SdkAppid"), [query.sdk_app_id.to_string()]);
            prop_assert_eq!(all("RequestTime"), [query.request_time.to_string()]);
            prop_assert_eq!(all("contenttype"), ["json"]);
            prop_assert_eq!(all("Sign").len(), 1);
        }
    }
}
