use proptest::prelude::*;

use super::*;

fn addresses(hops: impl Iterator<Item = Hop<'static>>) -> Vec<Option<String>> {
    hops.map(|hop| hop.address.map(|address| address.to_string()))
        .collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    let parse = |text: &&str| Some((*text).to_owned()).filter(|text| text != "-");
    texts.iter().map(parse).collect()
}

#[test]
fn h9_x_forwarded_for_is_read_from_the_right_entry_by_entry() {
    for (field, expected) in [
        ("192.0.2.1", &["192.0.2.1"][..]),
        ("192.0.2.1, 10.0.0.1", &["10.0.0.1", "192.0.2.1"]),
        ("192.0.2.1,10.0.0.1", &["10.0.0.1", "192.0.2.1"]),
        ("192.0.2.1:4711", &["192.0.2.1"]),
        ("2001:db8::1", &["2001:db8::1"]),
        ("[2001:db8::1]", &["2001:db8::1"]),
        ("[2001:db8::1]:4711", &["2001:db8::1"]),
        ("::ffff:192.0.2.1", &["192.0.2.1"]),
        (" , 192.0.2.1 ,, ", &["192.0.2.1"]),
        ("", &[]),
        ("unknown, 10.0.0.1", &["10.0.0.1", "-"]),
        ("192.0.2.1\u{7f}, 10.0.0.1", &["10.0.0.1", "-"]),
        ("[192.0.2.1]", &["-"]),
        ("192.0.2.01", &["-"]),
        ("192.0.2.1;x", &["-"]),
        ("\"192.0.2.1\"", &["-"]),
        ("192.0.2.1:99999", &["-"]),
        ("fe80::1%eth0", &["-"]),
    ] {
        assert_eq!(addresses(x_forwarded_for(field)), some(expected), "{field}");
    }
}

#[test]
fn h9_forwarded_elements_stand_on_their_own() {
    let long = "for=192.0.2.60;proto=https;by=203.0.113.43;host=\"app.example.com:8443\"";
    let hops: Vec<_> = forwarded(long).collect();
    assert_eq!(
        hops,
        [Hop {
            address: Some(IpAddr::from([192, 0, 2, 60])),
            scheme: Some(Scheme::Https),
            host: Some("app.example.com:8443"),
        }]
    );
    for (field, expected) in [
        (
            "for=192.0.2.1, for=\"[2001:db8::1]:4711\"",
            &["2001:db8::1", "192.0.2.1"][..],
        ),
        ("For=192.0.2.1; Proto=http", &["192.0.2.1"]),
        ("FOR=\"192.0.2.1:80\"", &["192.0.2.1"]),
        ("for=unknown, for=10.0.0.1", &["10.0.0.1", "-"]),
        ("for=_hidden", &["-"]),
        ("proto=https", &["-"]),
        // What a client wrote cannot swallow what the proxy added.
        ("for=\"evil, for=10.0.0.1", &["10.0.0.1", "-"]),
        ("for=\"a\\\", for=10.0.0.1", &["10.0.0.1", "-"]),
        ("for=192.0.2.1;for=192.0.2.2", &["-"]),
        ("for=192.0.2.1;;proto=http", &["-"]),
        ("for = 192.0.2.1", &["-"]),
        ("for=192.0.2.1 proto=http", &["-"]),
        ("for=2001:db8::1", &["-"]),
        ("for=10.0.0.1;host=a:80", &["-"]),
        ("for=", &["-"]),
        ("for=10.0.0.1;by=\"a\"b\"", &["-"]),
        ("for=10.0.0.1;by=\"a\\\"", &["-"]),
        ("192.0.2.1", &["-"]),
    ] {
        assert_eq!(addresses(forwarded(field)), some(expected), "{field}");
    }
}

#[test]
fn h9_a_scheme_or_host_counts_when_all_values_agree() {
    let scheme = |fields: &[&'static str]| x_forwarded_proto(fields.iter().copied());
    assert_eq!(scheme(&["https"]), Some(Scheme::Https));
    assert_eq!(scheme(&["HTTPS, https", "wss"]), Some(Scheme::Https));
    assert_eq!(scheme(&["http"]), Some(Scheme::Http));
    for fields in [
        &["https, http"][..],
        &["https", "http"],
        &["ftp"],
        &[""],
        &[],
        &["https,"],
    ] {
        assert_eq!(scheme(fields), None, "{fields:?}");
    }
    let host = |fields: &[&'static str]| x_forwarded_host(fields.iter().copied());
    for good in ["app.example.com", "app.example.com:8443", "[::1]:80", "APP"] {
        assert_eq!(host(&[good]), Some(good));
    }
    for bad in ["a;b", "a\"b", "a b", "user@a", "a, b", "", "a/b", "a:b"] {
        assert_eq!(host(&[bad]), None, "{bad}");
    }
    let element = |text| forwarded(text).next().and_then(|hop| hop.host);
    assert_eq!(element("host=\"[::1]:80\""), Some("[::1]:80"));
    assert_eq!(element("host=\"a;b\""), None);
    assert_eq!(element("host=\"a b\""), None);
}

proptest! {
    #[test]
    fn no_text_breaks_a_parser_or_passes_through_it(text in ".{0,80}") {
        let hops = forwarded(&text).chain(x_forwarded_for(&text));
        for hop in hops {
            if let Some(host) = hop.host {
                prop_assert!(!host.contains([';', '"', ',', ' ', '\r', '\n']));
            }
        }
        let fields = || [text.as_str()].into_iter();
        x_forwarded_proto(fields());
        if let Some(host) = x_forwarded_host(fields()) {
            prop_assert!(HostName::from_authority(host).is_ok());
        }
    }

    #[test]
    fn h9_nothing_at_the_left_changes_what_stands_at_the_right(left in ".{0,40}") {
        let right = IpAddr::from([10, 0, 0, 1]);
        let nearest = |hop: Option<Hop<'_>>| hop.and_then(|hop| hop.address);
        let text = format!("{left}, 10.0.0.1");
        prop_assert_eq!(nearest(x_forwarded_for(&text).next()), Some(right));
        let text = format!("{left}, for=10.0.0.1");
        prop_assert_eq!(nearest(forwarded(&text).next()), Some(right));
    }
}
