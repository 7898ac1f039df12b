//! The discovery document of an OpenID Connect issuer: which key set is its own.
//!
//! The document must name the issuer it was asked for, exactly, or its keys belong to somebody else (OpenID Connect
//! Discovery 1.0 section 4.3). Nothing else of it is used: algorithms, audiences and lifetimes are the operator's.

use serde_json::Value;

use crate::json::{self, JsonError};
use crate::token::keys::location::{KeyUrl, LocationError, OidcIssuer};

/// Why a discovery document does not lead to a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// Not one strict JSON object.
    #[error("is {0}")]
    Json(#[source] JsonError),
    /// `issuer` is missing or not exactly the configured one.
    #[error("names another issuer than the configured one")]
    OtherIssuer,
    /// `jwks_uri` is missing or not a string.
    #[error("has no jwks_uri")]
    NoKeySetUrl,
    /// `jwks_uri` is not a URL to fetch keys from.
    #[error("has a jwks_uri that is not usable: {0}")]
    KeySetUrl(#[source] LocationError),
    /// `jwks_uri` leads to this machine and the issuer does not, or the other way round.
    #[error("has a jwks_uri on the other side of the network than the issuer")]
    OtherReach,
}

/// The key set's URL that `document` names for `issuer`.
pub(super) fn key_set_url(document: &[u8], issuer: &OidcIssuer) -> Result<KeyUrl, DiscoveryError> {
    let members = json::parse_object(document).map_err(DiscoveryError::Json)?;
    let text = |name| members.get(name).and_then(Value::as_str);
    if text("issuer") != Some(issuer.issuer()) {
        return Err(DiscoveryError::OtherIssuer);
    }
    let url = text("jwks_uri").ok_or(DiscoveryError::NoKeySetUrl)?;
    let url = KeyUrl::parse(url).map_err(DiscoveryError::KeySetUrl)?;
    if url.reach() != issuer.discovery().reach() {
        return Err(DiscoveryError::OtherReach);
    }
    Ok(url)
}
