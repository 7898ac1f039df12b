//! Key sets that an issuer publishes: where they are and how they are kept fresh. Nothing is fetched here.

use std::time::Duration;

use super::bundle::bundle;
use crate::config::raw::{Table, Value};
use crate::config::secrets::Secrets;
use crate::token::keys::address::AddressRule;
use crate::token::keys::location::Location;

/// A published key set, of an issuer that has no index yet.
pub(super) struct Published {
    pub(super) location: Location,
    pub(super) allow_private: bool,
    pub(super) refresh: Duration,
    pub(super) max_age: Duration,
    pub(super) ca: Option<Vec<Vec<u8>>>,
}

impl Published {
    /// The key set behind `url`.
    pub(super) fn jwks(
        url: &Value<'_>,
        keys: &Table<'_>,
        issuer: &Table<'_>,
        secrets: &Secrets<'_>,
    ) -> Option<Self> {
        let location = url.parsed(Location::jwks);
        Self::read(location, url, keys, issuer, secrets)
    }

    /// The key set that the discovery document of the entry's `issuer` names.
    pub(super) fn oidc(
        oidc: &Value<'_>,
        keys: &Table<'_>,
        issuer: &Table<'_>,
        secrets: &Secrets<'_>,
    ) -> Option<Self> {
        if !oidc.boolean()? {
            oidc.error("says nothing when false", "true, or another source of keys");
            return None;
        }
        let name = issuer.get("issuer");
        let location = match &name {
            Some(name) => name.parsed(Location::oidc),
            None => {
                oidc.error("needs the issuer of this entry", OIDC_HINT);
                None
            }
        };
        Self::read(
            location,
            name.as_ref().unwrap_or(oidc),
            keys,
            issuer,
            secrets,
        )
    }

    fn read(
        location: Option<Location>,
        place: &Value<'_>,
        keys: &Table<'_>,
        issuer: &Table<'_>,
        secrets: &Secrets<'_>,
    ) -> Option<Self> {
        let refresh = keys.duration_or("refresh", DEFAULT_REFRESH, MIN_REFRESH..=DAY);
        let max_age = keys.duration_or("max_age", DAY, MIN_REFRESH..=30 * DAY);
        if let Some(value) = keys.get("max_age").filter(|_| max_age < refresh) {
            value.error("is shorter than refresh", "keys would run out in between");
        }
        let allow_private = allow_private(issuer);
        let ca = match keys.get("ca") {
            Some(value) => Some(bundle(&value, secrets)?),
            None => None,
        };
        let location = location?;
        let rule = AddressRule { allow_private };
        if let Err(error) = rule.check_literal(location.first_url()) {
            place.error(error.to_string(), "");
            return None;
        }
        Some(Self {
            location,
            allow_private,
            refresh,
            max_age,
            ca,
        })
    }
}

/// Keys that mean something for a published key set only.
pub(super) fn refuse_beside_other_keys(keys: &Table<'_>, issuer: &Table<'_>) {
    let within = ["refresh", "max_age", "ca"].map(|key| keys.get(key));
    let beside = issuer.get("allow_private");
    let allowed = beside.filter(|value| value.boolean() == Some(true));
    for value in within.into_iter().chain([allowed]).flatten() {
        value.error("has a meaning only with jwks_url or oidc", "leave it out");
    }
}

fn allow_private(issuer: &Table<'_>) -> bool {
    let Some(value) = issuer.get_or("allow_private", || false.into()) else {
        return false;
    };
    let allowed = value.boolean() == Some(true);
    if allowed {
        value.warn(
            "whoever can answer for the key server's name inside the network can be any user",
            "an address that the internet sees, if there is one",
        );
    }
    allowed
}

const OIDC_HINT: &str = "issuer = \"https://id.example.com\", exactly as in iss";
const MIN_REFRESH: Duration = Duration::from_secs(10);
const DEFAULT_REFRESH: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);
