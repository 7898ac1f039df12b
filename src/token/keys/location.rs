//! Where a key set is published, as an operator writes it, and what of that is refused without a look at the network.
//!
//! Whoever can change what a key URL answers can sign as any user. So a URL is `https`, or `http` to this machine only;
//! it carries no credentials, and a name is never guessed from a half-written one. Pure: which addresses a name leads
//! to is looked at when it is fetched.

use std::fmt;

use url::{Host, Url};

/// Where an issuer publishes its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// The URL of the JWK Set itself.
    Jwks(KeyUrl),
    /// An OpenID Connect issuer, whose discovery document names the JWK Set.
    Oidc(OidcIssuer),
}

impl Location {
    /// Takes the URL of a JWK Set.
    pub fn jwks(url: &str) -> Result<Self, LocationError> {
        KeyUrl::parse(url).map(Self::Jwks)
    }

    /// Takes an issuer exactly as it stands in `iss` and in its discovery document.
    pub fn oidc(issuer: &str) -> Result<Self, LocationError> {
        OidcIssuer::parse(issuer).map(Self::Oidc)
    }

    /// The URL that is fetched first.
    pub fn first_url(&self) -> &KeyUrl {
        match self {
            Self::Jwks(url) => url,
            Self::Oidc(issuer) => &issuer.discovery,
        }
    }
}

/// An OpenID Connect issuer: its exact name and the URL of its discovery document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcIssuer {
    issuer: String,
    discovery: KeyUrl,
}

impl OidcIssuer {
    /// OpenID Connect Discovery 1.0 section 4.1: one trailing slash of the issuer goes before the path is added.
    fn parse(issuer: &str) -> Result<Self, LocationError> {
        if KeyUrl::parse(issuer)?.url.query().is_some() {
            return Err(LocationError::Query);
        }
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        Ok(Self {
            issuer: issuer.to_owned(),
            discovery: KeyUrl::parse(&format!("{base}{DISCOVERY_PATH}"))?,
        })
    }

    /// The issuer as configured, which the discovery document must repeat exactly.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The URL of the discovery document.
    pub fn discovery(&self) -> &KeyUrl {
        &self.discovery
    }
}

/// A URL that keys may be fetched from. `Display` and `Debug` leave its query out.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyUrl {
    url: Url,
    reach: Reach,
}

/// On which side of the network interface a URL leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To this machine, and by a name that says so: `localhost` or an address such as `127.0.0.1`.
    Loopback,
    /// To another machine.
    Network,
}

impl KeyUrl {
    /// Takes an absolute `https` URL, or an `http` one to this machine, without user name, password and fragment.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let unclean = |letter: char| letter.is_whitespace() || letter.is_control();
        if text.contains(unclean) || text.contains('\\') {
            return Err(LocationError::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| LocationError::NotAUrl)?;
        let reach = match url.host() {
            Some(host) if is_loopback(&host) => Reach::Loopback,
            _ => Reach::Network,
        };
        match (url.scheme(), reach) {
            ("https", _) | ("http", Reach::Loopback) => (),
            ("http", Reach::Network) => return Err(LocationError::PlainHttp),
            _ => return Err(LocationError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(LocationError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(LocationError::Fragment);
        }
        Ok(Self { url, reach })
    }

    /// Where it leads.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The whole URL.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The host, which the parser has normalised.
    pub fn host(&self) -> Option<Host<&str>> {
        self.url.host()
    }

    /// Whether it is `https`.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl fmt::Display for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        shown.set_query(None);
        f.write_str(shown.as_str())
    }
}

impl fmt::Debug for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyUrl({self})")
    }
}

/// Why a text is no URL to fetch keys from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Not an absolute URL, or one with white space, control characters or a backslash.
    #[error("not an absolute URL such as https://app.example.com/.well-known/jwks.json")]
    NotAUrl,
    /// A scheme other than `https` and `http`.
    #[error("keys are fetched with https only")]
    Scheme,
    /// `http` to another machine: whoever sits between could replace the keys.
    #[error(
        "keys are fetched with https; plain http is for this machine only, by 127.0.0.1, [::1] or localhost"
    )]
    PlainHttp,
    /// A user name or password in the URL.
    #[error("a URL of public keys carries no user name or password")]
    Credentials,
    /// A fragment, which is never sent.
    #[error("the URL has a fragment (#…), which is never sent")]
    Fragment,
    /// A query in an issuer (OpenID Connect Discovery 1.0 section 2 forbids it).
    #[error("an issuer has no query")]
    Query,
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == LOCALHOST,
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.to_canonical().is_loopback(),
    }
}

/// The one name that may lead to this machine.
pub const LOCALHOST: &str = "localhost";

const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

#[cfg(test)]
mod tests;
