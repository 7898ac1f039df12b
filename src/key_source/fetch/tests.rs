//! One fetch at a time from a server on loopback that answers what no key server should.

use http::header::HeaderValue;

use super::*;
use crate::key_source::TrustRoots;
use crate::key_source::tests::server::{Answer, KeyServer};
use crate::token::keys::Algorithm;
use crate::token::keys::address::AddressRange;
use crate::token::keys::location::Location;

fn settings(url: &str) -> SourceSettings {
    let location = Location::jwks(url).unwrap();
    SourceSettings {
        roots: TrustRoots::parse(&[pem::parse(CA).unwrap().into_contents()]).unwrap(),
        ..SourceSettings::new(0, "app", location, vec![Algorithm::EdDsa])
    }
}

async fn get(url: &str) -> Result<Document, Failure> {
    get_with(url, Timeouts::default()).await
}

async fn get_with(url: &str, timeouts: Timeouts) -> Result<Document, Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = SourceSettings {
        timeouts,
        ..settings(url)
    };
    let fetcher = HttpFetcher::new(&settings).unwrap();
    fetcher.get(&KeyUrl::parse(url).unwrap()).await
}

async fn reason(answer: Answer) -> &'static str {
    let server = KeyServer::start(answer).await;
    match get(&server.url()).await {
        Ok(_) => "ok",
        Err(failure) => failure.error.reason(),
    }
}

#[tokio::test]
async fn k3_each_time_limit_holds_alone() {
    let (short, long) = (Duration::from_millis(100), Duration::from_secs(3600));
    let limits = |connect, read, total| Timeouts {
        connect,
        read,
        total,
    };
    let hang = KeyServer::start(Answer::Hang).await;
    let drip = KeyServer::start(Answer::Drip(Duration::from_millis(10))).await;
    let no_tls = format!("https://localhost:{}/keys", hang.port());
    for (name, url, timeouts) in [
        ("the answer", hang.url(), limits(long, short, long)),
        ("all of a drip", drip.url(), limits(long, long, short)),
        ("TLS", no_tls, limits(short, long, long)),
    ] {
        let error = get_with(&url, timeouts).await.unwrap_err().error;
        assert_eq!(error.reason(), "timeout", "{name}: {error}");
    }
}

#[tokio::test]
async fn k3_misbehaving_servers_are_bounded() {
    let page = vec![b' '; MAX_DOCUMENT_BYTES];
    let longer = vec![b' '; MAX_DOCUMENT_BYTES + 1];
    let raw = |text: &str| Answer::Raw(text.as_bytes().to_vec());
    let gigabyte = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n{";
    let gzip =
        |name: &str| Answer::full(200, &[&format!("Content-Encoding: {name}")], "\x1f\u{8b}");
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(10_000));
    for (name, answer, expected) in [
        ("plain", Answer::ok("{}"), "ok"),
        ("just not too long", Answer::ok(page), "ok"),
        ("identity is no encoding", gzip("identity"), "ok"),
        ("too long", Answer::ok(longer), "too_large"),
        ("1 GB announced", raw(gigabyte), "too_large"),
        (
            "endless, chunked",
            Answer::Endless { chunked: true },
            "too_large",
        ),
        (
            "endless, until close",
            Answer::Endless { chunked: false },
            "too_large",
        ),
        ("gzip", gzip("gzip"), "encoded"),
        ("br", gzip("br"), "encoded"),
        ("two encodings", gzip("identity, gzip"), "encoded"),
        ("500", Answer::full(500, &[], "{}"), "status"),
        ("401", Answer::full(401, &[], "{}"), "status"),
        ("404", Answer::full(404, &[], "{}"), "status"),
        ("204", Answer::full(204, &[], ""), "status"),
        ("206", Answer::full(206, &[], "{}"), "status"),
        ("304", Answer::full(304, &[], ""), "redirect"),
        ("300", Answer::full(300, &[], "{}"), "redirect"),
        (
            "cut short",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"),
            "broken",
        ),
        ("no HTTP", raw("SSH-2.0-OpenSSH\r\n"), "broken"),
        ("no answer", Answer::Close, "broken"),
        ("endless headers", raw(&many_headers), "broken"),
    ] {
        assert_eq!(reason(answer).await, expected, "{name}");
    }
}

#[tokio::test]
async fn k3_a_redirect_is_not_followed() {
    let other = KeyServer::start(Answer::ok("{}")).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}", other.url());
        let answer = Answer::full(status, &[&location], "{}");
        assert_eq!(reason(answer).await, "redirect", "{status}");
    }
    assert_eq!(other.connections(), 0);
    assert!(
        get(&other.url()).await.is_ok(),
        "the twin without a redirect"
    );
}

#[tokio::test]
async fn k3_a_pause_that_the_server_asks_for_is_reported() {
    for (name, status, header, expected) in [
        ("429", 429, "Retry-After: 120", Some(120)),
        ("503", 503, "Retry-After: 7", Some(7)),
        ("none", 429, "Other: 1", None),
        ("not a number", 429, "Retry-After: soon", None),
        ("negative", 429, "Retry-After: -5", None),
    ] {
        let server = KeyServer::start(Answer::full(status, &[header], "")).await;
        let failure = get(&server.url()).await.unwrap_err();
        assert_eq!(
            failure.retry_after,
            expected.map(Duration::from_secs),
            "{name}"
        );
        assert!(
            matches!(failure.error, FetchError::Status(found) if found == status),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_request_asks_for_no_encoding_and_sends_nothing_of_ours() {
    let server = KeyServer::start(Answer::full(200, &["Cache-Control: max-age=60"], "{}")).await;
    let document = get(&server.url()).await.unwrap();
    assert_eq!(document.body, b"{}");
    assert_eq!(document.max_age, Some(Duration::from_secs(60)));
    let head = server.requests()[0].to_ascii_lowercase();
    assert!(head.starts_with("get /keys http/1.1\r\n"), "{head}");
    assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
    for absent in ["authorization", "cookie", "referer"] {
        assert!(!head.contains(absent), "{head}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_from_one_that_breaks_off() {
    let server = KeyServer::start(Answer::Close).await;
    let url = server.url();
    let broken = get(&url).await.unwrap_err().error;
    assert_eq!(broken.reason(), "broken");
    drop(server);
    while tokio::net::TcpStream::connect(url[7..].split('/').next().unwrap())
        .await
        .is_ok()
    {}
    let error = get(&url).await.unwrap_err().error;
    assert_eq!(error.reason(), "connect");
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(!error.to_string().contains("/keys"), "{error}");
}

/// Answers with the next of its lists for every name, and counts.
struct Table {
    answers: parking_lot::Mutex<Vec<&'static str>>,
}

impl Lookup for Table {
    fn lookup(
        &self,
        _name: String,
    ) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<std::net::SocketAddr>>> + Send>>
    {
        let next = self.answers.lock().pop();
        Box::pin(async move {
            let missing = || std::io::Error::other("no such name");
            let addresses = next.ok_or_else(missing)?.split(' ');
            Ok(addresses
                .map(|text| (text.parse::<std::net::IpAddr>().unwrap(), 0).into())
                .collect())
        })
    }
}

#[tokio::test]
async fn k6_every_fetch_judges_what_the_name_leads_to() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = KeyServer::start(Answer::ok("{}")).await;
    let url = KeyUrl::parse(&format!("http://localhost:{}/keys", server.port())).unwrap();
    let answers = vec![
        "169.254.169.254",
        "10.0.0.1",
        "8.8.8.8 ::1 127.0.0.1",
        "127.0.0.1",
    ];
    let lookup = Arc::new(Table {
        answers: parking_lot::Mutex::new(answers),
    });
    let fetcher = HttpFetcher::with_lookup(&settings(url.as_str()), lookup).unwrap();
    assert!(fetcher.get(&url).await.is_ok());
    assert!(
        fetcher.get(&url).await.is_ok(),
        "what is not admitted is left out"
    );
    for range in [AddressRange::Private, AddressRange::Never] {
        let error = fetcher.get(&url).await.unwrap_err().error;
        assert!(
            matches!(error, FetchError::Address(refused) if refused.range == range),
            "{error}"
        );
    }
    let error = fetcher.get(&url).await.unwrap_err().error;
    assert_eq!(error.reason(), "resolve", "{error}");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn k6_a_foreign_name_that_leads_inside_is_refused_unless_allowed() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = KeyServer::start(Answer::ok("{}")).await;
    let url = KeyUrl::parse(&format!("https://app.example:{}/keys", server.port())).unwrap();
    for (allow_private, answer, expected) in [
        (false, "127.0.0.1", Some(AddressRange::Loopback)),
        (true, "127.0.0.1", Some(AddressRange::Loopback)),
        (false, "::ffff:127.0.0.1", Some(AddressRange::Loopback)),
        (false, "10.255.255.1", Some(AddressRange::Private)),
        (true, "169.254.169.254", Some(AddressRange::Never)),
    ] {
        let settings = SourceSettings {
            allow_private,
            ..settings(url.as_str())
        };
        let lookup = Arc::new(Table {
            answers: parking_lot::Mutex::new(vec![answer]),
        });
        let fetcher = HttpFetcher::with_lookup(&settings, lookup).unwrap();
        let error = fetcher.get(&url).await.unwrap_err().error;
        let range = match error {
            FetchError::Address(refused) => Some(refused.range),
            _ => None,
        };
        assert_eq!(range, expected, "{answer} {allow_private}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn k6_no_connection_is_kept_for_another_fetch() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kept = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec();
    let server = KeyServer::start(Answer::Kept(kept)).await;
    let url = KeyUrl::parse(&server.url()).unwrap();
    let fetcher = HttpFetcher::new(&settings(url.as_str())).unwrap();
    for count in 1..=3 {
        assert!(fetcher.get(&url).await.is_ok());
        assert_eq!(server.connections(), count);
    }
}

#[tokio::test]
async fn k6_an_address_that_discovery_named_is_judged_at_the_fetch() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let fetcher = HttpFetcher::new(&settings("https://app.example/keys")).unwrap();
    for address in ["10.0.0.1", "169.254.169.254", "[fd00::1]"] {
        let url = KeyUrl::parse(&format!("https://{address}/keys")).unwrap();
        let error = fetcher.get(&url).await.unwrap_err().error;
        assert_eq!(error.reason(), "address_refused", "{error}");
    }
}

#[test]
fn freshness_is_read_from_cache_control() {
    let secs = |seconds| Some(Duration::from_secs(seconds));
    for (value, expected) in [
        ("max-age=300", secs(300)),
        ("public, MAX-AGE=300, must-revalidate", secs(300)),
        ("max-age=\"300\"", secs(300)),
        ("max-age=300, max-age=60", secs(60)),
        ("no-store", secs(0)),
        ("max-age=300, no-cache", secs(0)),
        ("max-age=99999999999999999999999", secs(u64::MAX)),
        ("max-age=-1", None),
        ("max-age=", None),
        ("s-maxage=300", None),
        ("", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
        assert_eq!(max_age(&headers), expected, "{value}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
    for (value, expected) in [
        ("120", Some(120)),
        (" 120 ", Some(120)),
        ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
        ("Sun, 06 Nov 1994 08:49:36 GMT", None),
        ("tomorrow", None),
        ("1.5", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        let expected = expected.map(Duration::from_secs);
        assert_eq!(retry_after(&headers, now), expected, "{value}");
    }
}

const CA: &[u8] = include_bytes!("../../../tests/keys/key-server/ca.pem");
