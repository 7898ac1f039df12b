use std::future;

use super::*;

fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new().unwrap())
}

/// Servers at these ports of an address that is for documents, so that nothing listens there.
fn settings(ports: &[u16]) -> UpstreamSettings {
    let server = |port: &u16| {
        let location = Location::Tcp {
            host: "192.0.2.1".to_owned(),
            port: *port,
            tls: None,
        };
        (format!("http://192.0.2.1:{port}"), location)
    };
    UpstreamSettings {
        name: "app".to_owned(),
        servers: ports.iter().map(server).collect(),
        balance: Balance::RoundRobin,
        roots: None,
        http2: false,
        timeouts: Timeouts {
            connect: Duration::from_secs(6),
            read: Duration::from_secs(60),
            write: Duration::from_secs(60),
            idle: Duration::from_secs(30),
        },
        check: None,
    }
}

fn one(ports: &[u16]) -> Upstreams {
    build(vec![settings(ports)], &metrics(), None)
}

fn build(
    settings: Vec<UpstreamSettings>,
    metrics: &Arc<Metrics>,
    earlier: Option<&Upstreams>,
) -> Upstreams {
    Upstreams::new(&Arc::from("main"), settings, metrics, earlier)
}

fn refused() -> Box<Error> {
    Error::new(ErrorType::ConnectRefused)
}

/// How long the next try may take, and the port it goes to.
async fn next(upstream: &Arc<Upstream>, tries: &mut Tries) -> Option<(Duration, u16)> {
    let peer = upstream.peer(tries, Wire::Any).await.ok()?;
    let port = peer._address.as_inet()?.port();
    Some((peer.options.total_connection_timeout?, port))
}

#[tokio::test(start_paused = true)]
async fn the_tries_of_a_request_share_the_time_for_one_connection() {
    let upstreams = one(&[1, 2, 3, 4]);
    let upstream = upstreams.get(0).unwrap();
    let mut tries = Tries::default();
    let mut ports = Vec::new();
    for share in [2, 2, 2] {
        let (patience, port) = next(upstream, &mut tries).await.unwrap();
        assert_eq!(patience, Duration::from_secs(share));
        assert!(!ports.contains(&port), "{port} twice");
        ports.push(port);
        tokio::time::advance(patience).await;
        let is_last = ports.len() == 3;
        let error = upstream.failed(&mut tries, Error::new(ErrorType::ConnectTimedout));
        assert_eq!(error.retry(), !is_last);
    }
    assert_eq!(next(upstream, &mut tries).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_quick_refusal_leaves_the_others_more_time_and_a_single_server_has_it_all() {
    let upstreams = one(&[1, 2]);
    let upstream = upstreams.get(0).unwrap();
    let mut tries = Tries::default();
    assert_eq!(next(upstream, &mut tries).await.unwrap().0.as_secs(), 3);
    assert!(upstream.failed(&mut tries, refused()).retry());
    assert_eq!(next(upstream, &mut tries).await.unwrap().0.as_secs(), 6);
    assert!(!upstream.failed(&mut tries, refused()).retry());

    let upstreams = one(&[1]);
    let mut tries = Tries::default();
    let (patience, _) = next(upstreams.get(0).unwrap(), &mut tries).await.unwrap();
    assert_eq!(patience.as_secs(), 6);
}

/// Of HTTP/2 even a kept connection may fail before anything was sent on it, and then a new one may stand.
#[tokio::test(start_paused = true)]
async fn a_failed_stream_of_http2_is_tried_again_at_the_same_server_but_not_for_ever() {
    let upstreams = one(&[1]);
    let upstream = upstreams.get(0).unwrap();
    let mut tries = Tries::default();
    for may_go_on in [true, true, false] {
        let (_, port) = next(upstream, &mut tries).await.unwrap();
        assert_eq!(port, 1);
        let error = upstream.failed(&mut tries, Error::new(ErrorType::H2Error));
        assert_eq!(error.retry(), may_go_on);
        assert_eq!(error.etype(), &ErrorType::ConnectError);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_stood_gives_a_later_try_the_whole_time() {
    let upstreams = one(&[1]);
    let upstream = upstreams.get(0).unwrap();
    let mut tries = Tries::default();
    next(upstream, &mut tries).await.unwrap();
    upstream.connected(&mut tries, true);
    tokio::time::advance(Duration::from_secs(50)).await;
    let (patience, _) = next(upstream, &mut tries).await.unwrap();
    assert_eq!(patience.as_secs(), 6);
}

#[tokio::test(start_paused = true)]
async fn after_the_cool_down_one_request_tries_a_server_again() {
    let upstreams = one(&[1, 2]);
    let upstream = upstreams.get(0).unwrap();
    let ask = async |is_up: bool| {
        let mut tries = Tries::default();
        let (_, port) = next(upstream, &mut tries).await.unwrap();
        match port == 1 && !is_up {
            true => drop(upstream.failed(&mut tries, refused())),
            false => upstream.connected(&mut tries, false),
        }
        port
    };
    for _ in 0..6 {
        ask(false).await;
    }
    for _ in 0..10 {
        assert_eq!(ask(false).await, 2);
    }
    tokio::time::advance(health::COOL_DOWN).await;
    let mut trials = 0;
    for _ in 0..10 {
        trials += usize::from(ask(false).await == 1);
    }
    assert_eq!(trials, 1);
    tokio::time::advance(health::COOL_DOWN).await;
    let mut shares = Vec::new();
    for _ in 0..4 {
        shares.extend(next(upstream, &mut Tries::default()).await);
    }
    let trial = (Duration::from_secs(3), 1);
    assert!(shares.contains(&trial), "it leaves time: {shares:?}");
    tokio::time::advance(health::COOL_DOWN).await;
    let mut back = 0;
    for _ in 0..10 {
        back += usize::from(ask(true).await == 1);
    }
    assert!(back >= 4, "{back}");
}

fn checked(ports: &[u16], interval: u64) -> UpstreamSettings {
    let check = Check {
        request: None,
        interval: Duration::from_secs(interval),
        timeout: Duration::from_secs(3600),
        thresholds: Thresholds {
            unhealthy_after: 1,
            healthy_after: 1,
        },
    };
    UpstreamSettings {
        check: Some(check),
        ..settings(ports)
    }
}

const OUT: &str = "upstream app of site main: 1 of 2 healthy; out: http://192.0.2.1:1\n";
const ALL: &str = "upstream app of site main: 2 of 2 healthy\n";

#[tokio::test(start_paused = true)]
async fn a_server_that_stays_keeps_its_health_and_the_series_of_one_that_goes_ends() {
    let metrics = metrics();
    let shown = |port: u16| {
        let text = String::from_utf8(metrics.render()).unwrap();
        let labels =
            format!("{{server=\"http://192.0.2.1:{port}\",site=\"main\",upstream=\"app\"}} ");
        let series = format!("usersig_proxy_upstream_healthy{labels}");
        let value = text.lines().find_map(|line| line.strip_prefix(&series));
        value.map(str::to_owned)
    };
    let earlier = build(vec![settings(&[1, 2])], &metrics, None);
    assert_eq!(shown(1), None);
    earlier.begin();
    assert_eq!(shown(1).as_deref(), Some("1"));
    let upstream = earlier.get(0).unwrap();
    for _ in 0..health::MAX_FAILURES {
        let mut tries = Tries::default();
        while next(upstream, &mut tries).await.unwrap().1 != 1 {
            tries = Tries::default();
        }
        upstream.failed(&mut tries, refused());
    }
    assert_eq!(earlier.report(), OUT);

    let later = build(vec![settings(&[1, 3])], &metrics, Some(&earlier));
    assert_eq!(shown(2).as_deref(), Some("1"), "not in force yet");
    earlier.end();
    later.begin();
    assert_eq!(later.report(), OUT);
    assert_eq!(shown(1).as_deref(), Some("0"));
    assert_eq!(shown(2), None);
    assert_eq!(shown(3).as_deref(), Some("1"));
    assert_eq!(build(vec![settings(&[1, 3])], &metrics, None).report(), ALL);
}

/// The checks of an earlier configuration may end after a later one came into force.
#[test]
fn the_word_of_a_check_counts_while_it_is_in_force() {
    let metrics = metrics();
    let earlier = build(vec![checked(&[1, 2], 1)], &metrics, None);
    earlier.begin();
    let upstream = earlier.get(0).unwrap();
    let fails = || {
        let server = &upstream.servers[0];
        let [address] = &server.addresses()[..] else {
            panic!()
        };
        let check = upstream.check.as_ref().unwrap();
        server.checked(address, Some("refused"), check);
    };
    fails();
    assert_eq!(earlier.report(), OUT);
    for (case, settings, report) in [
        ("other checks go on from there", checked(&[1, 2], 2), OUT),
        ("without checks that is forgotten", settings(&[1, 2]), ALL),
    ] {
        let later = build(vec![settings], &metrics, Some(&earlier));
        later.begin();
        assert_eq!(later.report(), report, "{case}");
        fails();
        assert_eq!(later.report(), report, "{case}");
    }
    let same = build(vec![checked(&[1, 2], 1)], &metrics, Some(&earlier));
    same.begin();
    fails();
    assert_eq!(same.report(), OUT);
}

#[tokio::test]
async fn checks_end_with_the_future_that_was_passed_in() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let upstreams = build(vec![checked(&[1], 3600)], &metrics(), None);
    let server = upstreams.0[0].servers[0].clone();
    let holders = Arc::strong_count(&server);
    upstreams.run(future::ready(())).await;
    assert_eq!(Arc::strong_count(&server), holders);
}

#[test]
fn roots_are_certificates_and_compare_by_what_they_hold() {
    let der = |pem: &[u8]| pem::parse(pem).unwrap().into_contents();
    let [one, other] = [
        der(include_bytes!("../../../tests/keys/upstreams/ca.pem")),
        der(include_bytes!("../../../tests/keys/key-server/ca.pem")),
    ];
    let roots = |ders: &[&Vec<u8>]| {
        let ders: Vec<_> = ders.iter().map(|der| der.to_vec()).collect();
        Roots::parse(&ders).unwrap()
    };
    assert_eq!(roots(&[&one]), roots(&[&one]));
    assert_ne!(roots(&[&one]), roots(&[&other]));
    assert_ne!(roots(&[&one]), roots(&[&one, &other]));
    let spoilt = [one, other[1..].to_vec()];
    assert_eq!(Roots::parse(&spoilt).unwrap_err().number, 2);
}
