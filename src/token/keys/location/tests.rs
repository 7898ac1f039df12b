use super::*;

#[test]
fn k6_other_urls_than_https_or_http_to_this_machine_are_refused() {
    for (name, url, error) in [
        (
            "http to a name",
            "http://app.example/keys",
            LocationError::PlainHttp,
        ),
        (
            "http to an address",
            "http://10.0.0.1/keys",
            LocationError::PlainHttp,
        ),
        (
            "a name that begins like this machine",
            "http://127.0.0.1.example/k",
            LocationError::PlainHttp,
        ),
        (
            "a subdomain of localhost",
            "http://x.localhost/keys",
            LocationError::PlainHttp,
        ),
        (
            "the unspecified address",
            "http://0.0.0.0/keys",
            LocationError::PlainHttp,
        ),
        ("file", "file:///etc/passwd", LocationError::Scheme),
        (
            "file with a host",
            "file://localhost/etc/passwd",
            LocationError::Scheme,
        ),
        ("ftp", "ftp://127.0.0.1/keys", LocationError::Scheme),
        ("data", "data:application/json,{}", LocationError::Scheme),
        (
            "password",
            "https://u:p@app.example/keys",
            LocationError::Credentials,
        ),
        (
            "user before this machine",
            "http://127.0.0.1@app.example/k",
            LocationError::PlainHttp,
        ),
        (
            "user",
            "https://u@app.example/keys",
            LocationError::Credentials,
        ),
        (
            "fragment",
            "https://app.example/keys#a",
            LocationError::Fragment,
        ),
        ("relative", "/keys", LocationError::NotAUrl),
        ("no scheme", "app.example/keys", LocationError::NotAUrl),
        ("no host", "https:///", LocationError::NotAUrl),
        (
            "backslash",
            "https://app.example\\@evil.example/",
            LocationError::NotAUrl,
        ),
        (
            "line break",
            "https://app.exa\nmple/keys",
            LocationError::NotAUrl,
        ),
        (
            "space around",
            " https://app.example/keys",
            LocationError::NotAUrl,
        ),
        ("empty", "", LocationError::NotAUrl),
    ] {
        assert_eq!(Location::jwks(url), Err(error), "{name}");
    }
}

#[test]
fn urls_say_where_they_lead() {
    for (url, reach) in [
        ("https://app.example/keys?tenant=a", Reach::Network),
        ("https://app.example:8443/keys", Reach::Network),
        ("https://10.0.0.1/keys", Reach::Network),
        ("https://localhost.example/keys", Reach::Network),
        ("http://127.0.0.1:9000/keys", Reach::Loopback),
        ("http://127.8.8.8/keys", Reach::Loopback),
        ("http://0x7f.1/keys", Reach::Loopback),
        ("http://[::1]:9000/keys", Reach::Loopback),
        ("http://[::ffff:127.0.0.1]/keys", Reach::Loopback),
        ("http://LOCALHOST/keys", Reach::Loopback),
        ("https://localhost/keys", Reach::Loopback),
    ] {
        assert_eq!(
            KeyUrl::parse(url).map(|url| url.reach()),
            Ok(reach),
            "{url}"
        );
    }
}

#[test]
fn an_issuer_leads_to_its_discovery_document() {
    for (issuer, discovery) in [
        (
            "https://id.example",
            "https://id.example/.well-known/openid-configuration",
        ),
        (
            "https://id.example/",
            "https://id.example/.well-known/openid-configuration",
        ),
        (
            "https://id.example/a/b",
            "https://id.example/a/b/.well-known/openid-configuration",
        ),
        (
            "http://127.0.0.1:1/",
            "http://127.0.0.1:1/.well-known/openid-configuration",
        ),
    ] {
        let Ok(Location::Oidc(parsed)) = Location::oidc(issuer) else {
            panic!("{issuer}");
        };
        assert_eq!(parsed.discovery().as_str(), discovery);
        assert_eq!(parsed.issuer(), issuer);
    }
    for (issuer, error) in [
        ("https://id.example/?a=b", LocationError::Query),
        ("http://id.example/", LocationError::PlainHttp),
        ("https://id.example/#a", LocationError::Fragment),
        ("id.example", LocationError::NotAUrl),
    ] {
        assert_eq!(Location::oidc(issuer), Err(error), "{issuer}");
    }
}

#[test]
fn a_query_is_not_shown() {
    let url = KeyUrl::parse("https://app.example/keys?code=hidden").unwrap();
    assert_eq!(url.to_string(), "https://app.example/keys");
    assert_eq!(format!("{url:?}"), "KeyUrl(https://app.example/keys)");
    assert!(url.as_str().ends_with("?code=hidden"));
}
