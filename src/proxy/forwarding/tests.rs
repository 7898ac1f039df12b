use http::HeaderValue;

use super::*;
use crate::policy::TrustedProxy;

fn rules(trusted: &[&str], family: ForwardedFamily) -> ForwardingRules {
    let parse = |text: &&str| TrustedProxy::parse(text).unwrap();
    ForwardingRules {
        trusted: trusted.iter().map(parse).collect(),
        family,
    }
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn at(address: &str) -> Peer {
    Peer::at(address.parse().unwrap())
}

/// What the app is told: client and proxies, scheme, host.
fn told(
    peer: Peer,
    lines: &[(&'static str, &str)],
    rules: &ForwardingRules,
) -> [Option<String>; 3] {
    let found = Provenance::believed(peer, Scheme::Http, &headers(lines), rules);
    let mut request = RequestHeader::build("GET", b"/", None).unwrap();
    found.tell(&mut request, Some("asked.example")).unwrap();
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].map(|name| {
        let mut values = request.headers.get_all(name).iter();
        let first = values
            .next()
            .map(|value| value.to_str().unwrap().to_owned());
        assert!(values.next().is_none(), "{name} is repeated");
        first
    })
}

fn text(values: [&str; 3]) -> [Option<String>; 3] {
    values.map(|value| Some(value.to_owned()).filter(|value| !value.is_empty()))
}

const FORGED: &[(&str, &str)] = &[
    ("x-forwarded-for", "198.51.100.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "forged.example"),
    (
        "forwarded",
        "for=198.51.100.2;proto=https;host=forged.example",
    ),
];

#[test]
fn h9_nobody_else_is_believed() {
    for family in [ForwardedFamily::XForwarded, ForwardedFamily::Forwarded] {
        for trusted in [&[][..], &["10.0.0.0/8", "unix"], &["unix"]] {
            let rules = rules(trusted, family);
            let told_of = told(at("192.0.2.1"), FORGED, &rules);
            assert_eq!(
                told_of,
                text(["192.0.2.1", "http", "asked.example"]),
                "{trusted:?}"
            );
            // Someone whom the PROXY protocol did not name, and whoever is at a Unix socket that is not trusted.
            let told_of = told(Peer::Unknown, FORGED, &rules);
            assert_eq!(told_of, text(["", "http", "asked.example"]), "{trusted:?}");
        }
    }
    let told_of = told(
        Peer::Unix,
        FORGED,
        &rules(&["0.0.0.0/0"], ForwardedFamily::XForwarded),
    );
    assert_eq!(told_of, text(["", "http", "asked.example"]));
}

#[test]
fn h9_a_trusted_proxy_is_believed_in_its_own_family_alone() {
    let one = rules(&["10.0.0.0/8"], ForwardedFamily::XForwarded);
    let told_of = told(at("10.0.0.9"), FORGED, &one);
    assert_eq!(
        told_of,
        text(["198.51.100.1, 10.0.0.9", "https", "forged.example"])
    );
    let other = rules(&["10.0.0.0/8"], ForwardedFamily::Forwarded);
    let told_of = told(at("10.0.0.9"), FORGED, &other);
    assert_eq!(
        told_of,
        text(["198.51.100.2, 10.0.0.9", "https", "forged.example"])
    );
    for (rules, lines) in [(&one, &FORGED[3..]), (&other, &FORGED[..3])] {
        let told_of = told(at("10.0.0.9"), lines, rules);
        assert_eq!(told_of, text(["10.0.0.9", "http", "asked.example"]));
    }
    let unix = rules(&["unix"], ForwardedFamily::XForwarded);
    let told_of = told(Peer::Unix, FORGED, &unix);
    assert_eq!(told_of, text(["198.51.100.1", "https", "forged.example"]));
}

#[test]
fn h9_the_client_is_the_first_one_from_the_right_that_is_not_trusted() {
    let rules = rules(
        &["10.0.0.0/8", "2001:db8::/32"],
        ForwardedFamily::XForwarded,
    );
    for (fields, expected) in [
        (&["192.0.2.1"][..], "192.0.2.1, 10.0.0.9"),
        (&["1.1.1.1, 192.0.2.1"], "192.0.2.1, 10.0.0.9"),
        (
            &["192.0.2.1, 10.1.1.1, 10.2.2.2"],
            "192.0.2.1, 10.1.1.1, 10.2.2.2, 10.0.0.9",
        ),
        (
            &["192.0.2.1, 10.1.1.1", "10.2.2.2"],
            "192.0.2.1, 10.1.1.1, 10.2.2.2, 10.0.0.9",
        ),
        (
            &["192.0.2.1, 2001:db8::1"],
            "192.0.2.1, 2001:db8::1, 10.0.0.9",
        ),
        (&["10.1.1.1"], "10.1.1.1, 10.0.0.9"),
        // What does not parse is dropped, with all that stands before it.
        (&["192.0.2.1, x, 10.1.1.1"], "10.1.1.1, 10.0.0.9"),
        (&["192.0.2.1, x"], "10.0.0.9"),
        (&["192.0.2.1", "\u{e9}"], "10.0.0.9"),
        (&[""], "10.0.0.9"),
        (&[], "10.0.0.9"),
    ] {
        let lines: Vec<_> = fields
            .iter()
            .map(|field| ("x-forwarded-for", *field))
            .collect();
        let [list, ..] = told(at("10.0.0.9"), &lines, &rules);
        assert_eq!(list.as_deref(), Some(expected), "{fields:?}");
    }
    let long = vec!["10.0.0.1"; 1000].join(", ");
    let [list, ..] = told(at("10.0.0.9"), &[("x-forwarded-for", &long)], &rules);
    assert_eq!(list.unwrap().split(", ").count(), 33);
}

#[test]
fn h9_what_is_not_one_scheme_or_host_is_the_connections_own() {
    let rules = rules(&["10.0.0.0/8"], ForwardedFamily::XForwarded);
    for (lines, scheme, host) in [
        (
            &[("x-forwarded-proto", "https, http")][..],
            "http",
            "asked.example",
        ),
        (&[("x-forwarded-proto", "gopher")], "http", "asked.example"),
        (&[("x-forwarded-host", "a\";b")], "http", "asked.example"),
        (
            &[("x-forwarded-host", "a.example, b.example")],
            "http",
            "asked.example",
        ),
        (&[("x-forwarded-host", "a.example")], "http", "a.example"),
    ] {
        let told_of = told(at("10.0.0.9"), lines, &rules);
        assert_eq!(told_of, text(["10.0.0.9", scheme, host]), "{lines:?}");
    }
}

#[test]
fn h9_forwarded_tells_scheme_and_host_of_the_hop_that_names_the_client() {
    let rules = rules(&["10.0.0.0/8"], ForwardedFamily::Forwarded);
    for (field, expected) in [
        (
            "for=1.1.1.1;proto=http;host=evil.example, for=192.0.2.1;proto=https;host=a.example, for=10.0.0.2;proto=http",
            ["192.0.2.1, 10.0.0.2, 10.0.0.9", "https", "a.example"],
        ),
        (
            "for=192.0.2.1, for=unknown;proto=https",
            ["10.0.0.9", "https", "asked.example"],
        ),
        (
            "for=\"evil;proto=https, for=192.0.2.1",
            ["192.0.2.1, 10.0.0.9", "http", "asked.example"],
        ),
    ] {
        let told_of = told(at("10.0.0.9"), &[("forwarded", field)], &rules);
        assert_eq!(told_of, text(expected), "{field}");
    }
}

#[test]
fn addresses_are_written_as_the_standard_library_does() {
    let v4 = (0..=u16::MAX).map(|index| {
        let [high, low] = index.to_be_bytes();
        IpAddr::from([high, low, low.wrapping_mul(7), high ^ low])
    });
    let v6 = ["::1", "2001:db8::1", "::ffff:192.0.2.1"].map(|text| text.parse().unwrap());
    for address in v4.chain(v6) {
        let mut text = String::new();
        write_address(&mut text, address);
        assert_eq!(text, address.to_string());
    }
}
