use super::*;

fn rule(allow_private: bool) -> AddressRule {
    AddressRule { allow_private }
}

fn sockets(addresses: &[&str]) -> Vec<SocketAddr> {
    let socket = |text: &&str| SocketAddr::new(text.parse().unwrap(), 0);
    addresses.iter().map(socket).collect()
}

#[test]
fn k6_addresses_are_told_apart() {
    use AddressRange::{Loopback, Never, Private, Public};
    for (range, addresses) in [
        (
            Loopback,
            &["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"][..],
        ),
        (
            Public,
            &[
                "1.1.1.1",
                "8.8.8.8",
                "172.15.0.1",
                "172.32.0.1",
                "100.63.0.1",
                "100.128.0.1",
            ],
        ),
        (
            Public,
            &[
                "2606:4700::1111",
                "::ffff:8.8.8.8",
                "64:ff9b::8.8.8.8",
                "2002:808:808::1",
            ],
        ),
        (
            Private,
            &[
                "10.1.2.3",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.1.1",
                "100.64.0.1",
            ],
        ),
        (
            Private,
            &[
                "198.18.0.1",
                "198.19.255.1",
                "fc00::1",
                "fdff::1",
                "64:ff9b:1::1",
            ],
        ),
        (
            Private,
            &["::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::1"],
        ),
        (
            Never,
            &[
                "169.254.169.254",
                "169.254.0.1",
                "fe80::1",
                "::ffff:169.254.169.254",
            ],
        ),
        (
            Never,
            &[
                "168.63.129.16",
                "100.100.100.200",
                "fd00:ec2::254",
                "fd20:ce::254",
            ],
        ),
        (
            Never,
            &[
                "64:ff9b::a9fe:a9fe",
                "0.0.0.0",
                "0.1.2.3",
                "::",
                "255.255.255.255",
            ],
        ),
        (
            Never,
            &[
                "224.0.0.1",
                "ff02::1",
                "240.0.0.1",
                "192.0.2.1",
                "198.51.100.1",
                "203.0.113.1",
            ],
        ),
        (
            Never,
            &[
                "192.0.0.192",
                "192.88.99.1",
                "2001:db8::1",
                "2001::1",
                "3fff::1",
                "fec0::1",
            ],
        ),
        (Never, &["::127.0.0.1", "::10.0.0.1", "100::1"]),
    ] {
        for address in addresses {
            assert_eq!(
                AddressRange::of(address.parse().unwrap()),
                range,
                "{address}"
            );
        }
    }
}

#[test]
fn k6_a_name_leads_only_to_addresses_that_the_rule_admits() {
    let mixed = sockets(&["10.0.0.1", "8.8.8.8", "127.0.0.1", "169.254.169.254"]);
    let strict = rule(false).filter("app.example", &mixed);
    assert_eq!(strict.unwrap(), sockets(&["8.8.8.8"]));
    let private = rule(true).filter("app.example", &mixed);
    assert_eq!(private.unwrap(), sockets(&["10.0.0.1", "8.8.8.8"]));
    let local = rule(true).filter("localhost", &mixed);
    assert_eq!(local.unwrap(), sockets(&["127.0.0.1"]));
    assert_eq!(rule(false).filter("app.example", &[]), Ok(vec![]));
}

#[test]
fn k6_a_name_without_an_admitted_address_is_refused_by_its_first_one() {
    for (name, allow_private, addresses, range) in [
        (
            "app.example",
            false,
            ["10.0.0.1", "127.0.0.1"],
            AddressRange::Private,
        ),
        (
            "app.example",
            true,
            ["127.0.0.1", "169.254.1.1"],
            AddressRange::Loopback,
        ),
        (
            "app.example",
            true,
            ["169.254.169.254", "127.0.0.1"],
            AddressRange::Never,
        ),
        (
            "localhost",
            true,
            ["8.8.8.8", "10.0.0.1"],
            AddressRange::Public,
        ),
    ] {
        let refused = rule(allow_private).filter(name, &sockets(&addresses));
        let address = addresses[0].parse().unwrap();
        assert_eq!(
            refused,
            Err(RefusedAddress { address, range }),
            "{addresses:?}"
        );
    }
}

#[test]
fn k6_an_address_in_the_url_is_judged_too() {
    for (url, allow_private, admitted) in [
        ("https://8.8.8.8/keys", false, true),
        ("https://10.0.0.1/keys", false, false),
        ("https://10.0.0.1/keys", true, true),
        ("https://[fd00::1]/keys", false, false),
        ("https://[fd00::1]/keys", true, true),
        ("https://169.254.169.254/keys", true, false),
        ("https://[::ffff:169.254.169.254]/keys", true, false),
        ("https://0x0a.1/keys", false, false),
        ("http://127.0.0.1/keys", false, true),
        ("https://app.example/keys", false, true),
    ] {
        let url = KeyUrl::parse(url).unwrap();
        let verdict = rule(allow_private).check_literal(&url);
        assert_eq!(verdict.is_ok(), admitted, "{url} {allow_private}");
    }
}
