//! Who may have the page: somebody who opens it by address, and no page of another origin.
//!
//! The page is for a browser, and a browser also runs what strangers wrote. A page of theirs whose name they point at this
//! listener (DNS rebinding) counts as one origin with it, so the `Host` must be one that no stranger owns: an address, or
//! `localhost`. And a page that asks from elsewhere cannot read the answer, but could use all streams up.

use std::net::IpAddr;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, Request};

/// Why a request does not get the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// The `Host` is neither an address nor `localhost`.
    Host,
    /// Another origin asks.
    Origin,
}

/// Whether a request comes from where the page may be shown.
pub fn admit<B>(request: &Request<B>) -> Result<(), Stranger> {
    let host = one(request.headers(), HOST).ok_or(Stranger::Host)?;
    let in_target = request.uri().authority().map(http::uri::Authority::as_str);
    if !is_ours(host) || in_target.is_some_and(|authority| authority != host) {
        return Err(Stranger::Host);
    }
    // There is nothing of the process in the page itself, so that links may lead to it.
    if request.uri().path() == super::PATH {
        return Ok(());
    }
    let headers = request.headers();
    if headers.contains_key(ORIGIN) {
        let own = format!("http://{host}");
        if one(headers, ORIGIN) != Some(&*own) {
            return Err(Stranger::Origin);
        }
    }
    // Sent by browsers alone. "none" is what a person typed or follows from a bookmark.
    match headers.contains_key(SITE) {
        true if ![Some("same-origin"), Some("none")].contains(&one(headers, SITE)) => {
            Err(Stranger::Origin)
        }
        _ => Ok(()),
    }
}

/// Whether nobody else can make a browser believe that this host is theirs.
fn is_ours(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    };
    let bracketed = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match bracketed {
        Some(address) => matches!(address.parse(), Ok(IpAddr::V6(_))),
        None => name.eq_ignore_ascii_case("localhost") || matches!(name.parse(), Ok(IpAddr::V4(_))),
    }
}

/// The value of a header that must stand there once.
fn one(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_or_localhost_is_a_host_of_the_page() {
        for (host, expected) in [
            ("127.0.0.1:9090", Ok(())),
            ("127.0.0.1", Ok(())),
            ("10.1.2.3:9090", Ok(())),
            ("[::1]:9090", Ok(())),
            ("[::1]", Ok(())),
            ("localhost:9090", Ok(())),
            ("LOCALHOST", Ok(())),
            ("evil.example:9090", Err(Stranger::Host)),
            ("localhost.evil.example", Err(Stranger::Host)),
            ("127.0.0.1.evil.example", Err(Stranger::Host)),
            ("evil.example:127.0.0.1", Err(Stranger::Host)),
            ("127.0.0.1:x", Err(Stranger::Host)),
            ("127.0.0.1:", Err(Stranger::Host)),
            ("0x7f000001", Err(Stranger::Host)),
            ("2130706433", Err(Stranger::Host)),
            ("::1", Err(Stranger::Host)),
            ("[127.0.0.1]", Err(Stranger::Host)),
            ("[evil.example]", Err(Stranger::Host)),
            ("", Err(Stranger::Host)),
        ] {
            assert_eq!(judge(&[("host", host)]), expected, "{host}");
        }
        assert_eq!(judge(&[]), Err(Stranger::Host));
        let two = [("host", "127.0.0.1"), ("host", "localhost")];
        assert_eq!(judge(&two), Err(Stranger::Host));
    }

    #[test]
    fn no_page_of_another_origin_is_let_in() {
        let host = ("host", "127.0.0.1:9090");
        for (name, value, expected) in [
            ("origin", "http://127.0.0.1:9090", Ok(())),
            ("origin", "http://127.0.0.1:8080", Err(Stranger::Origin)),
            ("origin", "https://127.0.0.1:9090", Err(Stranger::Origin)),
            ("origin", "http://evil.example", Err(Stranger::Origin)),
            ("origin", "null", Err(Stranger::Origin)),
            ("origin", "", Err(Stranger::Origin)),
            ("sec-fetch-site", "same-origin", Ok(())),
            ("sec-fetch-site", "none", Ok(())),
            ("sec-fetch-site", "same-site", Err(Stranger::Origin)),
            ("sec-fetch-site", "cross-site", Err(Stranger::Origin)),
            ("sec-fetch-site", "", Err(Stranger::Origin)),
        ] {
            assert_eq!(judge(&[host, (name, value)]), expected, "{name}: {value}");
        }
        let two = [host, ("sec-fetch-site", "none"), ("sec-fetch-site", "none")];
        assert_eq!(judge(&two), Err(Stranger::Origin));
    }

    #[test]
    fn a_target_that_names_another_host_is_not_believed() {
        for (target, expected) in [
            ("http://127.0.0.1:9090/status/events", Ok(())),
            ("http://evil.example/status/events", Err(Stranger::Host)),
        ] {
            let request = Request::get(target).header("host", "127.0.0.1:9090");
            assert_eq!(admit(&request.body(()).unwrap()), expected, "{target}");
        }
    }

    #[test]
    fn a_link_of_another_site_leads_to_the_page_and_not_to_its_stream() {
        for (path, expected) in [
            ("/status", Ok(())),
            ("/status/events", Err(Stranger::Origin)),
        ] {
            let request = Request::get(path).header("host", "127.0.0.1:9090");
            let request = request.header("sec-fetch-site", "cross-site");
            assert_eq!(admit(&request.body(()).unwrap()), expected, "{path}");
        }
    }

    fn judge(headers: &[(&str, &str)]) -> Result<(), Stranger> {
        let mut request = Request::get("/status/events");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        admit(&request.body(()).unwrap())
    }
}
