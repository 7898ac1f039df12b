//! What a call of the REST API adds to the walk: the roles of its caller, and that no other site's page has sent it.

use http::header::{CONTENT_TYPE, HeaderName, ORIGIN};
use http::{HeaderMap, HeaderValue};

use super::{Authorizer, ClaimRules, Parts, RestRoutes};
use crate::policy::CanonicalPath;
use crate::rejection::Rejection;
use crate::rest_api::address::Address;
use crate::rest_api::catalog::CommandName;
use crate::rest_api::policy::Roles;
use crate::token::extract::Carrier;
use crate::token::verify::SessionClaims;

/// Whose call it is, as the policy and the audit ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestCall {
    /// What is called; whether it is known is not asked yet.
    pub command: CommandName,
    /// The name of the session's issuer.
    pub issuer: String,
    /// The subject that the session is of; none when the claim that is mapped is not there.
    pub subject: Option<String>,
    /// The roles that the session gives.
    pub roles: Roles,
}

impl RestCall {
    /// The call of a verified session.
    pub(super) fn new(
        command: CommandName,
        routes: &RestRoutes,
        session: &SessionClaims,
        rules: &ClaimRules,
    ) -> Self {
        let claim = routes.roles_claims.get(session.issuer());
        let roles = claim.map(|claim| Roles::of(session.claims(), claim));
        Self {
            command,
            issuer: session.issuer_name().to_owned(),
            subject: rules.identity.subject(session.claims()).ok(),
            roles: roles.unwrap_or_default(),
        }
    }
}

/// What the path of a request tells of a call of the REST API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallPath {
    /// It names this command, known or not.
    Command(CommandName),
    /// It is below the prefix and names no command.
    NoCommand,
}

impl Authorizer {
    /// What a path tells of a call, for a refusal that came before its route was found; `None` when it is not below the
    /// gateway's prefix. A path that can be read in two ways counts as it is spelled.
    pub fn call_path(&self, path: &[u8]) -> Option<CallPath> {
        let prefix = &self.settings.rest_api.as_ref()?.prefix;
        match CanonicalPath::parse(path, self.settings.tolerance) {
            Ok(path) => prefix.address(&path).map(|address| match address {
                Address::Command(command) => CallPath::Command(command),
                Address::Nothing => CallPath::NoCommand,
            }),
            Err(_) => {
                let below = path.strip_prefix(prefix.as_str().as_bytes())?;
                below.starts_with(b"/").then_some(CallPath::NoCommand)
            }
        }
    }
}

/// Refuses what a page of another site may have made a browser send: it adds the cookie by itself.
///
/// A script of the site's own page says so in `Sec-Fetch-Site` (Fetch Metadata) or, in an older browser, by an `Origin` that
/// is the host it asks; and no form can send `application/json`.
pub(super) fn refuse_cross_site(parts: &Parts<'_>, carrier: Carrier) -> Result<(), Rejection> {
    match carrier {
        Carrier::Header | Carrier::Query => Ok(()),
        Carrier::Cookie if is_same_origin(parts) && is_json(parts.headers) => Ok(()),
        Carrier::Cookie => Err(Rejection::CrossSite),
    }
}

fn is_same_origin(parts: &Parts<'_>) -> bool {
    match only(parts.headers, &SEC_FETCH_SITE) {
        Ok(Some(site)) => site == "same-origin",
        Ok(None) => {
            matches!(only(parts.headers, &ORIGIN), Ok(Some(origin)) if is_of(origin, parts.host))
        }
        Err(Repeated) => false,
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

    fn judge(carrier: Carrier, lines: &[(&'static str, &'static str)]) -> Result<(), Rejection> {
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
        refuse_cross_site(&parts, carrier)
    }

    #[test]
    fn a_cookie_counts_only_on_a_same_origin_request_with_json() {
        let json = ("content-type", "application/json; charset=utf-8");
        let own = ("origin", "https://App.example:8443");
        let site = ("sec-fetch-site", "same-origin");
        for (case, lines) in [
            ("Sec-Fetch-Site", &[site, json][..]),
            ("both", &[site, own, json]),
            ("an older browser", &[own, json]),
        ] {
            assert_eq!(judge(Carrier::Cookie, lines), Ok(()), "{case}");
        }
        for (case, lines) in [
            ("nothing said", &[json][..]),
            ("no JSON", &[site, ("content-type", "text/plain")]),
            ("no type", &[site]),
            ("a type in two fields", &[site, json, json]),
            (
                "another site",
                &[("sec-fetch-site", "cross-site"), own, json],
            ),
            ("a sister site", &[("sec-fetch-site", "same-site"), json]),
            ("typed by the user", &[("sec-fetch-site", "none"), json]),
            (
                "said twice",
                &[site, ("sec-fetch-site", "cross-site"), json],
            ),
            (
                "another origin",
                &[("origin", "https://evil.example"), json],
            ),
            ("another port", &[("origin", "https://app.example"), json]),
            ("no origin to tell", &[("origin", "null"), json]),
            ("two origins", &[own, own, json]),
        ] {
            assert_eq!(
                judge(Carrier::Cookie, lines),
                Err(Rejection::CrossSite),
                "{case}"
            );
        }
        assert_eq!(judge(Carrier::Header, &[]), Ok(()));
    }
}
