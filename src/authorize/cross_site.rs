//! Requests that a page of another site may have made a browser send: it adds the cookie by itself.
//!
//! Asked of what does something in the user's name here: calls of the REST API, and the renewal of a UserSig, which ends the Chat
//! logins of the old ones. What the app does with its own requests is the app's to guard.

use http::header::{CONTENT_TYPE, HeaderName, ORIGIN};
use http::{HeaderMap, HeaderValue};

use super::{Parts, Target};
use crate::policy::AllowedOrigins;
use crate::rejection::Rejection;
use crate::token::extract::Carrier;

/// Refuses what another site may have sent; `allowed` are the origins beside our own.
///
/// A script of the site's own page says so in `Sec-Fetch-Site` (Fetch Metadata) or, in an older browser, by an `Origin` that
/// is the host it asks. A call needs one of them, and `application/json`, which no form can send; a renewal may have neither,
/// since a browser has sent one with each POST for years, and other clients have no cookies but their own.
pub(super) fn refuse_cross_site(
    parts: &Parts<'_>,
    carrier: Carrier,
    target: Target,
    allowed: &AllowedOrigins,
) -> Result<(), Rejection> {
    if carrier != Carrier::Cookie {
        return Ok(());
    }
    let may_pass = match target {
        Target::RestCall => Sender::of(parts) == Sender::Own && is_json(parts.headers),
        Target::UserSigRenewal => match Sender::of(parts) {
            Sender::Own | Sender::Unsaid => true,
            Sender::Other => allowed.find(parts.headers).is_some(),
        },
        Target::Upstream { .. }
        | Target::UserSigEndpoint
        | Target::UserSigPreflight
        | Target::RestPreflight
        | Target::Webhook { .. } => true,
    };
    match may_pass {
        true => Ok(()),
        false => Err(Rejection::CrossSite),
    }
}

/// Whose page a request says that it is from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Own,
    Other,
    Unsaid,
}

impl Sender {
    fn of(parts: &Parts<'_>) -> Self {
        let is_own = match only(parts.headers, &SEC_FETCH_SITE) {
            Ok(Some(site)) => site == "same-origin",
            Ok(None) => match only(parts.headers, &ORIGIN) {
                Ok(Some(origin)) => is_of(origin, parts.host),
                Ok(None) => return Self::Unsaid,
                Err(Repeated) => false,
            },
            Err(Repeated) => false,
        };
        if is_own { Self::Own } else { Self::Other }
    }
}

fn is_of(origin: &HeaderValue, host: Option<&str>) -> bool {
    let origin = origin.to_str().ok();
    let authority = origin.and_then(|origin| origin.split_once("://"));
    let same = |(_, authority): (&str, &str)| {
        host.is_some_and(|host| authority.eq_ignore_ascii_case(host))
    };
    authority.is_some_and(same)
}

fn is_json(headers: &HeaderMap) -> bool {
    let Ok(Some(value)) = only(headers, &CONTENT_TYPE) else {
        return false;
    };
    let essence = value.to_str().ok().and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// A header that may stand once stands twice.
struct Repeated;

fn only<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, Repeated> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (found, None) => Ok(found),
        (_, Some(_)) => Err(Repeated),
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    type Lines = [(&'static str, &'static str)];

    fn judge(target: Target, carrier: Carrier, lines: &Lines) -> Result<(), Rejection> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let parts = Parts {
            method: &Method::POST,
            host: Some("app.example:8443"),
            path: b"/_chat/v4/openim/sendmsg",
            query: None,
            headers: &headers,
            websocket: false,
            has_body: true,
        };
        let listed = AllowedOrigins::new(["https://ui.example".to_owned()]);
        refuse_cross_site(&parts, carrier, target, &listed)
    }

    const OWN: (&str, &str) = ("origin", "https://App.example:8443");
    const LISTED: (&str, &str) = ("origin", "https://ui.example");
    const SITE: (&str, &str) = ("sec-fetch-site", "same-origin");
    const CROSS: (&str, &str) = ("sec-fetch-site", "cross-site");

    #[test]
    fn a_cookie_counts_only_on_a_same_origin_request_with_json() {
        let json = ("content-type", "application/json; charset=utf-8");
        let judge = |carrier, lines: &Lines| judge(Target::RestCall, carrier, lines);
        for (case, lines) in [
            ("Sec-Fetch-Site", &[SITE, json][..]),
            ("both", &[SITE, OWN, json]),
            ("an older browser", &[OWN, json]),
        ] {
            assert_eq!(judge(Carrier::Cookie, lines), Ok(()), "{case}");
        }
        for (case, lines) in [
            ("nothing said", &[json][..]),
            ("no JSON", &[SITE, ("content-type", "text/plain")]),
            ("no type", &[SITE]),
            ("a type in two fields", &[SITE, json, json]),
            ("another site", &[CROSS, OWN, json]),
            ("a sister site", &[("sec-fetch-site", "same-site"), json]),
            ("typed by the user", &[("sec-fetch-site", "none"), json]),
            ("said twice", &[SITE, CROSS, json]),
            (
                "another origin",
                &[("origin", "https://evil.example"), json],
            ),
            ("another port", &[("origin", "https://app.example"), json]),
            ("no origin to tell", &[("origin", "null"), json]),
            ("a listed origin", &[CROSS, LISTED, json]),
            ("two origins", &[OWN, OWN, json]),
        ] {
            assert_eq!(
                judge(Carrier::Cookie, lines),
                Err(Rejection::CrossSite),
                "{case}"
            );
        }
        assert_eq!(judge(Carrier::Header, &[]), Ok(()));
    }

    #[test]
    fn a_cookie_renews_for_our_own_pages_for_listed_ones_and_for_no_browser() {
        for (case, lines) in [
            ("nothing said", &[][..]),
            ("Sec-Fetch-Site", &[SITE]),
            ("an older browser", &[OWN]),
            ("a listed origin", &[CROSS, LISTED]),
            ("a listed origin of an older browser", &[LISTED]),
        ] {
            let judged = judge(Target::UserSigRenewal, Carrier::Cookie, lines);
            assert_eq!(judged, Ok(()), "{case}");
        }
        let evil = ("origin", "https://evil.example");
        for (case, lines) in [
            ("another site", &[CROSS, evil][..]),
            ("that claims our origin", &[CROSS, OWN]),
            ("a sister site", &[("sec-fetch-site", "same-site")]),
            ("typed by the user", &[("sec-fetch-site", "none")]),
            ("said twice", &[SITE, CROSS]),
            ("an older browser", &[evil]),
            ("no origin to tell", &[("origin", "null")]),
            ("a listed origin beside another", &[LISTED, evil]),
        ] {
            let judged = judge(Target::UserSigRenewal, Carrier::Cookie, lines);
            assert_eq!(judged, Err(Rejection::CrossSite), "{case}");
            let judged = judge(Target::UserSigRenewal, Carrier::Header, lines);
            assert_eq!(judged, Ok(()), "{case}");
            // It tells the caller's own script, or nobody.
            let judged = judge(Target::UserSigEndpoint, Carrier::Cookie, lines);
            assert_eq!(judged, Ok(()), "{case}");
        }
    }
}
