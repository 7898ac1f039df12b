use proptest::prelude::*;

use super::*;

/// Feeds the parser as the reader does, and gives its verdict and how many bytes it took.
fn read(mut bytes: &[u8]) -> (Option<Result<Source, Malformed>>, usize) {
    let mut taken = Vec::new();
    loop {
        match parse(&taken) {
            Err(error) => return (Some(Err(error)), taken.len()),
            Ok(Progress::Done(source)) => return (Some(Ok(source)), taken.len()),
            Ok(Progress::Needs(more)) => {
                assert_ne!(more, 0);
                let Some((next, rest)) = bytes.split_at_checked(more) else {
                    return (None, taken.len());
                };
                taken.extend_from_slice(next);
                bytes = rest;
            }
        }
    }
}

fn client(address: &str, port: u16) -> Source {
    Source::Client(address.parse().unwrap(), port)
}

fn v2(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, content].concat()
}

fn tcp4() -> Vec<u8> {
    vec![192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb]
}

fn tcp6() -> Vec<u8> {
    let source = "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets();
    [&source[..], &[0; 16], &[0xdc, 0x04, 0x01, 0xbb]].concat()
}

#[test]
fn a_good_header_names_its_source_and_nothing_behind_it_is_taken() {
    let tlvs = [&tcp4()[..], &[0x04, 0, 3, 1, 2, 3, 0xe0, 0xff, 0xff]].concat();
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(107 - 16));
    let mut full = tcp4();
    full.resize(MAX_V2_CONTENT, 0);
    for (name, header, source) in [
        (
            "v1 IPv4",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec(),
            client("192.0.2.1", 56324),
        ),
        (
            "v1 IPv6",
            b"PROXY TCP6 2001:db8::1 ::1 0 65535\r\n".to_vec(),
            client("2001:db8::1", 0),
        ),
        ("v1 unknown", b"PROXY UNKNOWN\r\n".to_vec(), Source::Unknown),
        (
            "v1 unknown with more",
            b"PROXY UNKNOWN x y\rz\r\n".to_vec(),
            Source::Unknown,
        ),
        ("v1 longest", longest.into_bytes(), Source::Unknown),
        (
            "v2 IPv4",
            v2(0x21, 0x11, &tcp4()),
            client("192.0.2.1", 56324),
        ),
        (
            "v2 IPv6",
            v2(0x21, 0x21, &tcp6()),
            client("2001:db8::1", 56324),
        ),
        (
            "v2 with TLVs",
            v2(0x21, 0x11, &tlvs),
            client("192.0.2.1", 56324),
        ),
        (
            "v2 longest",
            v2(0x21, 0x11, &full),
            client("192.0.2.1", 56324),
        ),
        ("v2 unix", v2(0x21, 0x31, &[0; 216]), Source::Unknown),
        ("v2 unspecified", v2(0x21, 0x00, &[]), Source::Unknown),
        (
            "v2 unspecified with bytes",
            v2(0x21, 0x00, &[1, 2, 3]),
            Source::Unknown,
        ),
        ("v2 local", v2(0x20, 0x00, &[]), Source::Balancer),
        (
            "v2 local with addresses",
            v2(0x20, 0x11, &tcp4()),
            Source::Balancer,
        ),
        (
            "v2 local datagram",
            v2(0x20, 0x12, &tcp4()),
            Source::Balancer,
        ),
    ] {
        let stream = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(read(&stream), (Some(Ok(source)), header.len()), "{name}");
        for length in 0..header.len() {
            assert_eq!(read(&header[..length]).0, None, "{name} cut at {length}");
        }
    }
}

#[test]
fn what_is_not_exactly_a_header_is_malformed() {
    let mut long = tcp4();
    long.resize(MAX_V2_CONTENT + 1, 0);
    let too_long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(108 - 16));
    for (name, bytes) in [
        ("a request", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        (
            "a TLS hello",
            [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[0; 20]].concat(),
        ),
        ("h2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        (
            "lower case",
            b"proxy TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec(),
        ),
        (
            "no family",
            b"PROXY  192.0.2.1 198.51.100.1 56324 443\r\n".to_vec(),
        ),
        (
            "another family",
            b"PROXY UDP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec(),
        ),
        ("a longer word", b"PROXY UNKNOWNX\r\n".to_vec()),
        (
            "a family without addresses",
            b"PROXY TCP4\r\n      ".to_vec(),
        ),
        (
            "IPv6 as TCP4",
            b"PROXY TCP4 2001:db8::1 ::1 1 2\r\n".to_vec(),
        ),
        (
            "IPv4 as TCP6",
            b"PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n".to_vec(),
        ),
        (
            "an address of three",
            b"PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n".to_vec(),
        ),
        (
            "a leading zero",
            b"PROXY TCP4 192.0.2.01 198.51.100.1 1 2\r\n".to_vec(),
        ),
        (
            "a port with a leading zero",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n".to_vec(),
        ),
        (
            "a port with a sign",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n".to_vec(),
        ),
        (
            "a port too large",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n".to_vec(),
        ),
        (
            "one port",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n".to_vec(),
        ),
        (
            "one field more",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n".to_vec(),
        ),
        (
            "two spaces",
            b"PROXY TCP4 192.0.2.1  198.51.100.1 1 2\r\n".to_vec(),
        ),
        (
            "a tab",
            b"PROXY TCP4\t192.0.2.1 198.51.100.1 1 2\r\n".to_vec(),
        ),
        (
            "a space at the end",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n".to_vec(),
        ),
        (
            "a bare line feed",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n".to_vec(),
        ),
        (
            "a bare line feed after unknown",
            b"PROXY UNKNOWN\nGET".to_vec(),
        ),
        (
            "a carriage return within",
            b"PROXY TCP4 192.0.2.1\r198.51.100.1 1 2\r\n".to_vec(),
        ),
        ("too long", too_long.into_bytes()),
        ("never ending", [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat()),
        (
            "not UTF-8",
            b"PROXY TCP4 \xff\xfe 198.51.100.1 1 2\r\n".to_vec(),
        ),
        ("version 1 in binary", v2(0x11, 0x11, &tcp4())),
        ("version 3", v2(0x31, 0x11, &tcp4())),
        ("another command", v2(0x22, 0x11, &tcp4())),
        ("a family that does not exist", v2(0x21, 0x41, &tcp4())),
        ("a protocol that does not exist", v2(0x21, 0x13, &tcp4())),
        ("a local family that does not exist", v2(0x20, 0x41, &[])),
        ("a local protocol that does not exist", v2(0x20, 0x13, &[])),
        ("a datagram", v2(0x21, 0x12, &tcp4())),
        ("unspecified over TCP", v2(0x21, 0x01, &[])),
        ("IPv4 of no protocol", v2(0x21, 0x10, &tcp4())),
        ("IPv4 too short", v2(0x21, 0x11, &tcp4()[..11])),
        ("IPv6 too short", v2(0x21, 0x21, &tcp6()[..35])),
        ("unix too short", v2(0x21, 0x31, &[0; 215])),
        ("no addresses", v2(0x21, 0x11, &[])),
        ("content too long", v2(0x21, 0x11, &long)),
        ("local content too long", v2(0x20, 0x00, &long)),
    ] {
        assert_eq!(read(&bytes).0, Some(Err(Malformed)), "{name}");
    }
}

proptest! {
    #[test]
    fn no_bytes_break_the_parser_or_make_it_take_too_many(
        start in prop_oneof![
            Just(Vec::new()),
            Just(b"PROXY ".to_vec()),
            Just(b"PROXY TCP4 ".to_vec()),
            Just(b"PROXY TCP6 ".to_vec()),
            Just(SIGNATURE.to_vec()),
            Just([&SIGNATURE[..], &[0x21, 0x11]].concat()),
            Just([&SIGNATURE[..], &[0x20, 0x21]].concat()),
        ],
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [start, rest].concat();
        // Also a slice that the reader would never hand over.
        let _ = parse(&bytes);
        let (verdict, taken) = read(&bytes);
        prop_assert!(taken <= 16 + MAX_V2_CONTENT);
        if let Some(Ok(_)) = verdict {
            let is_v1 = bytes[..taken].starts_with(b"PROXY ") && bytes[..taken].ends_with(b"\r\n");
            prop_assert!(is_v1 && taken <= MAX_V1 || bytes.starts_with(SIGNATURE));
        }
    }

    #[test]
    fn every_address_is_read_as_it_was_written(source: [u8; 4], wide: [u8; 16], port: u16) {
        let (short, long) = (Ipv4Addr::from(source), Ipv6Addr::from(wide));
        for (line, expected) in [
            (format!("PROXY TCP4 {short} 127.0.0.1 {port} 1\r\n"), IpAddr::V4(short)),
            (format!("PROXY TCP6 {long} ::1 {port} 1\r\n"), IpAddr::V6(long)),
        ] {
            let source = Source::Client(expected, port);
            prop_assert_eq!(read(line.as_bytes()), (Some(Ok(source)), line.len()));
        }
        let content = [&source[..], &[127, 0, 0, 1], &port.to_be_bytes(), &[0, 1]].concat();
        let header = v2(0x21, 0x11, &content);
        let expected = Source::Client(short.into(), port);
        prop_assert_eq!(read(&header), (Some(Ok(expected)), header.len()));
    }
}
